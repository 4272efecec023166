//! OpenShift 4 on a real kube-apiserver: its kinds with the published schemas, and no operator. A test changes pools and
//! nodes itself, in the order in which the machine config operator changes them: the render controller (`render`), the
//! node controller (`select`, `report`), and the machine config daemon of a node (`start_update`, `finish_update`,
//! `fail_update`).

use std::process::Output;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::kubernetes::Kubernetes;
use super::process::{eventually, program};

const MACHINE_CONFIG: &str = "/apis/machineconfiguration.openshift.io/v1";
const CONFIG: &str = "/apis/config.openshift.io/v1";
const NODES: &str = "/api/v1/nodes";
/// The global pull secret.
const SECRET: &str = "/api/v1/namespaces/openshift-config/secrets/pull-secret";
/// The name that no other cluster has.
pub const CLUSTER: &str = "prod-x7k2p";
/// The name of the roles of [`OpenShift::grant`].
const GRANT: &str = "granted";
/// The time of every condition.
const TIME: &str = "2026-01-01T00:00:00Z";

/// An API server with the kinds of OpenShift 4.
pub struct OpenShift {
    pub kubernetes: Kubernetes,
}

impl OpenShift {
    /// The server that these tests share, without pools, nodes and pull secret. No other test uses it until the guard is
    /// dropped.
    pub fn empty() -> MutexGuard<'static, Self> {
        static SHARED: LazyLock<Mutex<OpenShift>> = LazyLock::new(|| Mutex::new(OpenShift::start()));
        // The next test starts with an empty server, also if a test has failed.
        let openshift = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        openshift.remove_everything();
        openshift
    }

    fn start() -> Self {
        let kubernetes = Kubernetes::private();
        let manifests = program("openshift-crds.yaml");
        let Output { status, stderr, .. } =
            kubernetes.kubectl(&["apply", "--server-side", "--filename", manifests.to_str().unwrap()]);
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        for kind in ["machineconfigpools", "machineconfigs", "controllerconfigs"] {
            let path = format!("{MACHINE_CONFIG}/{kind}");
            eventually(kind, || kubernetes.api("GET", &path, None).status == 200);
        }
        let infrastructures = format!("{CONFIG}/infrastructures");
        eventually("infrastructures", || kubernetes.api("GET", &infrastructures, None).status == 200);
        kubernetes.namespace("openshift-config");
        Self { kubernetes }
    }

    /// Gives a user exactly these permissions in the cluster, and these in the namespace of the global pull secret.
    pub fn grant(&self, user: &str, cluster: &Value, namespace: &Value) {
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let in_namespace = format!("{rbac}/namespaces/openshift-config");
        let role = |kind: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": GRANT});
        let subjects = json!([{"kind": "User", "name": user}]);
        let metadata = json!({"name": GRANT});
        for (path, object) in [
            (format!("{rbac}/clusterroles"), json!({"metadata": metadata, "rules": cluster})),
            (
                format!("{rbac}/clusterrolebindings"),
                json!({"metadata": metadata, "subjects": subjects, "roleRef": role("ClusterRole")}),
            ),
            (format!("{in_namespace}/roles"), json!({"metadata": metadata, "rules": namespace})),
            (
                format!("{in_namespace}/rolebindings"),
                json!({"metadata": metadata, "subjects": subjects, "roleRef": role("Role")}),
            ),
        ] {
            self.kubernetes.create(&path, &object);
        }
    }

    fn remove_everything(&self) {
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        for path in [
            format!("{rbac}/clusterrolebindings/{GRANT}"),
            format!("{rbac}/clusterroles/{GRANT}"),
            format!("{rbac}/namespaces/openshift-config/rolebindings/{GRANT}"),
            format!("{rbac}/namespaces/openshift-config/roles/{GRANT}"),
        ] {
            assert!([200, 404].contains(&self.kubernetes.api("DELETE", &path, None).status), "{path}");
        }
        let kinds = ["machineconfigpools", "machineconfigs", "controllerconfigs"];
        let paths = kinds.map(|kind| format!("{MACHINE_CONFIG}/{kind}"));
        let secrets = "/api/v1/namespaces/openshift-config/secrets".to_owned();
        let others = [NODES.to_owned(), format!("{CONFIG}/infrastructures"), secrets];
        for path in paths.into_iter().chain(others) {
            assert_eq!(self.kubernetes.api("DELETE", &path, None).status, 200, "{path}");
        }
        self.kubernetes.create(
            &format!("{MACHINE_CONFIG}/controllerconfigs"),
            &json!({
                "apiVersion": "machineconfiguration.openshift.io/v1",
                "kind": "ControllerConfig",
                "metadata": {"name": "machine-config-controller"},
                "spec": {
                    "additionalTrustBundle": null, "baseOSContainerImage": "", "cloudProviderCAData": null,
                    "cloudProviderConfig": "", "clusterDNSIP": "", "dns": null, "images": {}, "infra": null,
                    "ipFamilies": "IPv4", "kubeAPIServerServingCAData": "eA==", "network": null, "proxy": null,
                    "releaseImage": "", "rootCAData": "eA==",
                },
            }),
        );
        self.set_infrastructure("HighlyAvailable", CLUSTER);
    }

    /// Sets the topology of the control plane, which runs in another cluster if it is `External`, and the name of the
    /// infrastructure, which no other cluster has.
    pub fn set_infrastructure(&self, topology: &str, name: &str) {
        let path = format!("{CONFIG}/infrastructures");
        let infrastructure = json!({
            "apiVersion": "config.openshift.io/v1", "kind": "Infrastructure", "metadata": {"name": "cluster"},
            "spec": {},
        });
        self.kubernetes.api("POST", &path, Some(&infrastructure));
        self.kubernetes.patch(
            &format!("{path}/cluster/status"),
            &json!({"status": {
                "controlPlaneTopology": topology, "infrastructureTopology": "HighlyAvailable", "infrastructureName": name,
            }}),
        );
    }

    /// Sets the content of the global pull secret.
    pub fn set_pull_secret(&self, content: &str) {
        let secret = json!({
            "metadata": {"name": "pull-secret"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": STANDARD.encode(content)},
        });
        match self.kubernetes.secret("openshift-config", "pull-secret") {
            None => self.kubernetes.create("/api/v1/namespaces/openshift-config/secrets", &secret),
            Some(_) => self.kubernetes.patch(SECRET, &json!({"data": secret["data"]})),
        }
    }

    /// Creates a pool with nodes that have the current content of the global pull secret.
    pub fn create_pool(&self, name: &str, nodes: &[&str]) {
        self.create_empty_pool(name);
        let role = format!("node-role.kubernetes.io/{name}");
        let config = self.render(name);
        for node in nodes {
            let metadata = json!({
                "name": node,
                "labels": {role.clone(): "", "kubernetes.io/os": "linux"},
                "annotations": annotations(&[("currentConfig", &config), ("desiredConfig", &config), ("state", "Done")]),
            });
            self.kubernetes.create(NODES, &json!({"metadata": metadata}));
            self.set_ready(node, "True");
        }
        self.report(name);
    }

    /// Creates a pool without nodes, for which nothing is rendered.
    pub fn create_empty_pool(&self, name: &str) {
        let role = format!("node-role.kubernetes.io/{name}");
        self.kubernetes.create(
            &format!("{MACHINE_CONFIG}/machineconfigpools"),
            &json!({
                "apiVersion": "machineconfiguration.openshift.io/v1",
                "kind": "MachineConfigPool",
                "metadata": {"name": name},
                "spec": {"nodeSelector": {"matchLabels": {role: ""}}},
            }),
        );
    }

    /// The render controller makes a MachineConfig with the current content of the global pull secret, and sets it as
    /// the target of the pool. Returns its name.
    pub fn render(&self, pool: &str) -> String {
        let secret = self.kubernetes.secret_json("openshift-config", "pull-secret").expect("a global pull secret");
        self.render_content(pool, &secret.to_string())
    }

    /// Like [`OpenShift::render`], with another content of the file.
    pub fn render_content(&self, pool: &str, content: &str) -> String {
        let hash = openssl::hash::hash(openssl::hash::MessageDigest::md5(), content.as_bytes()).unwrap();
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("rendered-{pool}-{hash}");
        let source = format!("data:text/plain;charset=utf-8;base64,{}", STANDARD.encode(content));
        let file = json!({
            "path": "/var/lib/kubelet/config.json", "mode": 384, "overwrite": true,
            "contents": {"compression": "", "source": source},
        });
        let configs = format!("{MACHINE_CONFIG}/machineconfigs");
        if self.kubernetes.api("GET", &format!("{configs}/{name}"), None).status == 404 {
            self.kubernetes.create(
                &configs,
                &json!({
                    "apiVersion": "machineconfiguration.openshift.io/v1",
                    "kind": "MachineConfig",
                    "metadata": {"name": name},
                    "spec": {"config": {"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}}},
                }),
            );
        }
        self.kubernetes.patch(&pool_path(pool), &json!({"spec": {"configuration": {"name": name}}}));
        name
    }

    /// The node controller selects a node for the update to the target of its pool.
    pub fn select(&self, pool: &str, node: &str) {
        let target = self.pool(pool)["spec"]["configuration"]["name"].clone();
        self.annotate(node, &[("desiredConfig", target.as_str().unwrap())]);
    }

    /// The daemon of a node starts the update.
    pub fn start_update(&self, node: &str) {
        self.annotate(node, &[("state", "Working")]);
    }

    /// The daemon of a node has written the files.
    pub fn finish_update(&self, node: &str) {
        let desired = self.kubernetes.get(&format!("{NODES}/{node}"));
        let desired = desired["metadata"]["annotations"]["machineconfiguration.openshift.io/desiredConfig"].clone();
        self.annotate(node, &[("currentConfig", desired.as_str().unwrap()), ("state", "Done"), ("reason", "")]);
    }

    /// The daemon of a node fails.
    pub fn fail_update(&self, node: &str, reason: &str) {
        self.annotate(node, &[("state", "Degraded"), ("reason", reason)]);
    }

    /// Updates one node of a pool completely, and reports it.
    pub fn update(&self, pool: &str, node: &str) {
        self.select(pool, node);
        self.start_update(node);
        self.report(pool);
        self.finish_update(node);
        self.report(pool);
    }

    /// The node controller reports the state of a pool: its counts, its conditions, and the target as the current
    /// configuration when all of its nodes are updated and available.
    pub fn report(&self, pool: &str) {
        let role = format!("node-role.kubernetes.io%2F{pool}");
        let nodes = self.kubernetes.get(&format!("{NODES}?labelSelector={role}"));
        let nodes = nodes["items"].as_array().unwrap();
        let found = self.pool(pool);
        let target = found["spec"]["configuration"]["name"].as_str().unwrap();
        let is_updated = |node: &&Value| {
            let is = |name: &str, value: &str| annotation(node, name) == Some(value);
            is("currentConfig", target) && is("desiredConfig", target) && is("state", "Done")
        };
        let is_available = |node: &&Value| {
            let ready = node["status"]["conditions"][0]["status"] == "True";
            ready && node["spec"]["unschedulable"] != true && annotation(node, "state") == Some("Done")
        };
        let updated = nodes.iter().filter(is_updated).count();
        let ready = nodes.iter().filter(|node| is_updated(node) && is_available(node)).count();
        let unavailable = nodes.iter().filter(|node| !is_available(node)).count();
        let degraded: Vec<&Value> = nodes.iter().filter(|node| annotation(node, "state") == Some("Degraded")).collect();
        let reasons = degraded.iter().map(|node| {
            let (name, reason) = (&node["metadata"]["name"], annotation(node, "reason").unwrap_or_default());
            format!("Node {} is reporting: {reason:?}", name.as_str().unwrap())
        });
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        let paused = found["spec"]["paused"] == true;
        let all = updated == nodes.len() && ready == nodes.len() && unavailable == 0;
        let updating = if paused {
            format!("Pool is paused; will not update to MachineConfig {target}")
        } else {
            format!("All nodes are updating to MachineConfig {target}")
        };
        let mut status = json!({
            "machineCount": nodes.len(),
            "updatedMachineCount": updated,
            "readyMachineCount": ready,
            "unavailableMachineCount": unavailable,
            "degradedMachineCount": degraded.len(),
            "conditions": [
                condition("Updated", all, &format!("All nodes are updated with MachineConfig {target}")),
                condition("Updating", !all && !paused, &updating),
                condition("NodeDegraded", !degraded.is_empty(), &reasons),
                condition("Degraded", !degraded.is_empty(), &reasons),
                condition("RenderDegraded", false, ""),
            ],
        });
        if all {
            status["configuration"] = json!({"name": target});
        }
        self.kubernetes.patch(&format!("{}/status", pool_path(pool)), &json!({"status": status}));
    }

    /// Pauses a pool, or resumes it.
    pub fn set_paused(&self, pool: &str, paused: bool) {
        self.kubernetes.patch(&pool_path(pool), &json!({"spec": {"paused": paused}}));
    }

    /// Sets the condition `Ready` of a node.
    pub fn set_ready(&self, node: &str, status: &str) {
        let condition = json!({"type": "Ready", "status": status});
        let status = json!({"status": {"conditions": [condition]}});
        self.kubernetes.patch(&format!("{NODES}/{node}/status"), &status);
    }

    /// The template controller reports that it fails with this message.
    pub fn fail_controller(&self, message: &str) {
        self.kubernetes.patch(
            &format!("{MACHINE_CONFIG}/controllerconfigs/machine-config-controller/status"),
            &json!({"status": {"conditions": [condition("TemplateControllerFailing", true, message)]}}),
        );
    }

    fn pool(&self, name: &str) -> Value {
        self.kubernetes.get(&pool_path(name))
    }

    fn annotate(&self, node: &str, values: &[(&str, &str)]) {
        self.kubernetes.patch(&format!("{NODES}/{node}"), &json!({"metadata": {"annotations": annotations(values)}}));
    }
}

fn pool_path(name: &str) -> String {
    format!("{MACHINE_CONFIG}/machineconfigpools/{name}")
}

fn annotations(values: &[(&str, &str)]) -> Value {
    let full = |name: &str| format!("machineconfiguration.openshift.io/{name}");
    values.iter().map(|(name, value)| (full(name), Value::from(*value))).collect()
}

fn annotation<'a>(node: &'a Value, name: &str) -> Option<&'a str> {
    node["metadata"]["annotations"][format!("machineconfiguration.openshift.io/{name}")].as_str()
}

fn condition(name: &str, status: bool, message: &str) -> Value {
    let status = if status { "True" } else { "False" };
    json!({"type": name, "status": status, "message": message, "reason": "", "lastTransitionTime": TIME})
}

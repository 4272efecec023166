//! Requests from nodes, and files that are read on them: tunnels with a proxy that requires a login, and `explain`.

use serde_json::json;

use super::{FOREIGN, PROXY, PROXY_USER, REGISTRY, both, echo, foreign_file, left_nothing, watched};
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::process::ClosedPort;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{DOCKER, KUBELET, Site, USER};

#[test]
fn no_secret_of_a_tunnel_shows_anywhere() {
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, REGISTRY)]);
    let mut site = Site::with_password(registry, 2, REGISTRY);
    let (echo, closed) = (echo(), ClosedPort::new());
    let secrets = [(USER, REGISTRY), (PROXY_USER, PROXY)];
    let seen = watched(|| {
        let mut outputs = String::new();
        // One proxy refuses and sends back what it received, and another one does not exist: the command reports both.
        for port in [echo.port(), closed.number()] {
            let url = format!("http://{PROXY_USER}:{PROXY}@127.0.0.1:{port}");
            site.set("openshift_http_proxy", &url).set("openshift_https_proxy", &url);
            site.set_literal("openshift_generate_no_proxy_hosts", "False");
            for (from, format) in [("first-node", "text"), ("every-node", "text"), ("every-node", "json")] {
                outputs += &both(&site.run(&["validate", "--from", from, "--output", format, "-vvv"]).expect(2));
            }
        }
        outputs
    });
    seen.says_but_not(&["from node1 : proxy\n", "\"verdict\":\"proxy\""], &secrets);
    seen.environments_hold_none(&secrets);
    left_nothing(&site.oregano);
}

#[test]
fn no_secret_that_explain_reads_shows_anywhere() {
    let kubernetes = Kubernetes::shared();
    let registry = Registry::start(Auth::Basic, Transport::Http, &[(USER, REGISTRY)]);
    let site = Site::with_password(registry, 1, REGISTRY);
    let file = foreign_file();
    site.nodes[0].write(DOCKER, file.as_bytes(), 0o600);
    site.nodes[0].write(
        KUBELET,
        format!("{{\"auths\":{{\"f.example.com\":{{\"auth\":\"{FOREIGN}\"}}}}").as_bytes(),
        0o600,
    );
    site.oregano.write(".docker/config.json", &file);
    let namespace = "poison-explain";
    kubernetes.namespace(namespace);
    kubernetes.create_secret(namespace, "pull", &file);
    let account = json!({"metadata": {"name": "builder"}, "imagePullSecrets": [{"name": "pull"}]});
    kubernetes.create(&format!("/api/v1/namespaces/{namespace}/serviceaccounts"), &account);
    let kubeconfig = kubernetes.kubeconfig(User::Admin).display().to_string();
    let in_namespace = ["--kubeconfig", &kubeconfig, "-n", namespace, "--service-account", "builder"];
    let secrets = [("them", FOREIGN), (USER, REGISTRY)];
    let seen = watched(|| {
        let mut outputs = String::new();
        for format in ["text", "json"] {
            let words = ["explain", "f.example.com/team/app:v1", "--output", format, "-vvv"];
            outputs += &both(&site.run(&words));
            outputs += &both(&site.oregano.run(&words).expect(0));
            outputs += &both(&site.oregano.run(&[&words[..], &in_namespace].concat()).expect(0));
        }
        outputs
    });
    seen.says_but_not(&["on node1", "on this machine", "of secret pull (them)", "(them)"], &secrets);
    seen.environments_hold_none(&secrets);
    left_nothing(&site.oregano);
}

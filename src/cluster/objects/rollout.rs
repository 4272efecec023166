//! What the machine config operator of OpenShift 4 reports about the rollout of the global pull secret. Whether it is
//! complete is not decided here. The messages of the operator can quote the pull secret, so they are cut, redacted and
//! shortened.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::Node;
use kube::core::{Selector, SelectorExt as _};

use super::ignition;
use super::openshift::{ControllerConfig, MachineConfig, MachineConfigPool, StatusCondition};
use crate::cluster::client::ApiClient;
use crate::dockerconfig;
use crate::facts::{
    Availability, Condition, NODE_PULL_SECRET, NodeSystem, Observed, PoolFact, PoolNodeFact, PoolUpdates, RolloutFact,
};
use crate::failure::Failure;
use crate::secret::{SecretBytes, basic_auth};

/// The prefix of the annotations of the machine config daemon.
const ANNOTATIONS: &str = "machineconfiguration.openshift.io/";

impl ApiClient {
    /// See [`crate::cluster::Cluster::observe_rollout`].
    pub(in crate::cluster) async fn observe_rollout(&self, earlier: Option<&RolloutFact>) -> RolloutFact {
        let pools = self.list_kind(|pool: MachineConfigPool| (selector(&pool), self.pool_fact(pool))).await;
        let mut files = HashMap::new();
        let (selectors, pools) = match pools {
            Ok(Some(pools)) => pools.into_iter().unzip::<_, _, Vec<_>, Vec<_>>(),
            // The other objects would not be used.
            other => {
                let (nodes, controller) = (Observed::Absent, Observed::Absent);
                let pools = observed(other.map(|_| None));
                return RolloutFact { pools, files, nodes, controller };
            }
        };
        for pool in pools.iter().filter(|pool| !pool.target.is_empty()) {
            if !files.contains_key(&pool.target) {
                // The name contains the hash of the content, so the content does not change.
                let known = earlier.and_then(|earlier| earlier.files.get(&pool.target));
                let file = match known.filter(|known| known.present().is_some()) {
                    Some(known) => known.clone(),
                    None => observed(self.rendered_file(&pool.target).await),
                };
                files.insert(pool.target.clone(), file);
            }
        }
        let selectors: Vec<(String, Selector)> = selectors.into_iter().flatten().collect();
        let nodes = self.list_kind(|node: Node| self.node_fact(&node, &selectors)).await;
        let controller = self.read_kind::<ControllerConfig>(ControllerConfig::NAME).await;
        let controller = controller.map(|found| {
            let conditions = found?.status.conditions.unwrap_or_default();
            // It quotes what it cannot process: "couldn't compact pullsecret" is followed by the complete secret.
            Some(self.true_conditions(conditions, |message| message.split('"').next().unwrap_or_default()))
        });
        RolloutFact { pools: Observed::Present(pools), files, nodes: observed(nodes), controller: observed(controller) }
    }

    /// The pull secret in a MachineConfig; `None` if the MachineConfig or the file does not exist.
    async fn rendered_file(&self, name: &str) -> Result<Option<SecretBytes>, Failure> {
        let Some(config) = self.read_kind::<MachineConfig>(name).await? else { return Ok(None) };
        let file = config.spec.config.as_ref().map_or(Ok(None), |config| ignition::file(config, NODE_PULL_SECRET));
        let file = file.map_err(|fault| {
            Failure::new(format!("`{NODE_PULL_SECRET}` in MachineConfig `{name}` cannot be read"))
                .cause(fault)
                .hint("inspect it with `oc get machineconfig`, and report the format if nodes can use it")
        })?;
        if let Some(content) = &file {
            self.learn_entries(content);
        }
        Ok(file)
    }

    /// The operator may quote the entries in its messages.
    fn learn_entries(&self, content: &SecretBytes) {
        let Ok(found) = dockerconfig::read(content.expose()) else { return };
        for entry in found.entries {
            if let Some(login) = entry.login() {
                self.diagnosis().learn(&basic_auth(&login.user, &login.password));
                self.diagnosis().learn(&login.password);
            }
            entry.identity_token.iter().for_each(|token| self.diagnosis().learn(token));
        }
    }

    fn pool_fact(&self, pool: MachineConfigPool) -> PoolFact {
        let MachineConfigPool { metadata, spec, status } = pool;
        PoolFact {
            name: metadata.name.unwrap_or_default(),
            updates: if spec.paused { PoolUpdates::Paused } else { PoolUpdates::Enabled },
            target: spec.configuration.name.unwrap_or_default(),
            current: status.configuration.name.unwrap_or_default(),
            machines: status.machine_count,
            degraded_machines: status.degraded_machine_count,
            conditions: self.true_conditions(status.conditions.unwrap_or_default(), |message| message),
        }
    }

    /// The conditions that are true; `shown` returns the part of a message that may be shown.
    fn true_conditions(&self, conditions: Vec<StatusCondition>, shown: impl Fn(&str) -> &str) -> Vec<Condition> {
        let is_true = conditions.into_iter().filter(|condition| condition.status == "True");
        let condition = |condition: StatusCondition| Condition {
            message: self.diagnosis().server_text(shown(&condition.message)),
            name: condition.type_,
        };
        is_true.map(condition).collect()
    }

    fn node_fact(&self, node: &Node, selectors: &[(String, Selector)]) -> PoolNodeFact {
        let none = BTreeMap::new();
        let labels = node.metadata.labels.as_ref().unwrap_or(&none);
        let annotation = |name: &str| {
            let value = node.metadata.annotations.as_ref()?.get(&format!("{ANNOTATIONS}{name}"))?;
            Some(value.clone()).filter(|value| !value.is_empty())
        };
        let matching = selectors.iter().filter(|(_, selector)| selector.matches(labels));
        PoolNodeFact {
            name: node.metadata.name.clone().unwrap_or_default(),
            system: match labels.get("kubernetes.io/os").map(String::as_str) {
                Some("windows") => NodeSystem::Windows,
                _ => NodeSystem::Other,
            },
            matching_pools: matching.map(|(pool, _)| pool.clone()).collect(),
            availability: availability(node),
            current_config: annotation("currentConfig"),
            desired_config: annotation("desiredConfig"),
            current_image: annotation("currentImage"),
            desired_image: annotation("desiredImage"),
            state: annotation("state"),
            reason: annotation("reason").map(|reason| self.diagnosis().server_text(&reason)),
        }
    }
}

fn observed<T>(result: Result<Option<T>, Failure>) -> Observed<T> {
    match result {
        Ok(Some(found)) => Observed::Present(found),
        Ok(None) => Observed::Absent,
        Err(failure) => Observed::Unknown(failure),
    }
}

/// The selector of a pool. The operator assigns no node to a pool whose selector is empty or not valid.
fn selector(pool: &MachineConfigPool) -> Option<(String, Selector)> {
    let selector = Selector::try_from(pool.spec.node_selector.clone()?).ok()?;
    (!selector.selects_all()).then_some((pool.metadata.name.clone()?, selector))
}

fn availability(node: &Node) -> Availability {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
    match (ready, cordoned) {
        (false, _) => Availability::NotReady,
        (true, true) => Availability::Cordoned,
        (true, false) => Availability::Ready,
    }
}

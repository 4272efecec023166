//! Runs tests/cases/rollout: what is wanted and what was observed in, the state of each pool out.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use oregano::facts::{Availability, Condition, NodeSystem, Observed, PoolFact, PoolNodeFact, PoolUpdates, RolloutFact};
use oregano::failure::Failure;
use oregano::plan::rollout::{Reached, rollout, warnings};
use oregano::secret::{Secret, SecretBytes, basic_auth};
use serde::Deserialize;

use super::Found;
use crate::cases;

/// Entries of a credential file: key and `user:password`.
type Entries = IndexMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    /// The entries of the global pull secret.
    wanted: Entries,
    facts: Observation,
    /// Earlier observations, and whether `facts` are closer to the end than all of them.
    #[serde(default)]
    earlier: Vec<Observation>,
    progress: Option<bool>,
    /// The summary of each pool, and the lines about its nodes and its notes.
    #[serde(default)]
    pools: IndexMap<String, Vec<String>>,
    /// The rollout as a whole; `unknown` where it cannot be computed.
    rollout: Outcome,
    /// Compared only if it is given; without the one that is the same for every cluster.
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Done,
    Pending,
    Unknown,
}

/// One observation of pools and nodes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    #[serde(default)]
    pools: Option<IndexMap<String, Pool>>,
    /// Why the pools are not known.
    pools_unknown: Option<String>,
    #[serde(default)]
    files: HashMap<String, Found<Entries>>,
    #[serde(default)]
    nodes: IndexMap<String, Node>,
    nodes_unknown: Option<String>,
    /// The message of `TemplateControllerFailing`.
    controller: Option<String>,
    controller_unknown: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    target: String,
    /// The target if it is not given.
    current: Option<String>,
    #[serde(default)]
    paused: bool,
    machines: Option<u32>,
    #[serde(default)]
    degraded: u32,
    /// The conditions that are true.
    #[serde(default)]
    conditions: IndexMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    #[serde(default)]
    pools: Vec<String>,
    /// `currentConfig`; `desiredConfig` is the same if it is not given.
    config: Option<String>,
    desired: Option<String>,
    /// `currentImage` and `desiredImage`, for image mode.
    image: Option<(String, String)>,
    #[serde(default = "done")]
    state: String,
    reason: Option<String>,
    #[serde(default)]
    windows: bool,
    #[serde(default)]
    not_ready: bool,
    #[serde(default)]
    cordoned: bool,
}

fn done() -> String {
    "Done".to_owned()
}

#[test]
fn rollouts() {
    for (name, case) in cases::read::<Case>("rollout") {
        let name = format!("{name} ({})", case.rule);
        let wanted = content(&case.wanted);
        let facts = observation(case.facts);
        let now = rollout(&wanted, &facts);
        let outcome = match &now {
            Ok(now) if now.is_done() => Outcome::Done,
            Ok(_) => Outcome::Pending,
            Err(_) => Outcome::Unknown,
        };
        assert_eq!(outcome, case.rollout, "{name}");
        if let Some(expected) = case.warnings {
            assert_eq!(warnings(&facts)[1..], expected, "{name}");
        }
        let Ok(now) = now else { continue };
        let pools: IndexMap<String, Vec<String>> = now
            .pools
            .iter()
            .map(|pool| {
                let lines = [pool.summary()].into_iter().chain(pool.nodes_behind()).chain(pool.notes());
                (pool.name.clone(), lines.collect())
            })
            .collect();
        assert_eq!(pools, case.pools, "{name}");
        let mut reached = Reached::default();
        for earlier in case.earlier {
            reached.advance(&rollout(&wanted, &observation(earlier)).unwrap());
        }
        assert_eq!(reached.advance(&now), case.progress.unwrap_or(true), "{name}");
        assert!(!reached.advance(&now), "{name}: the same state is no progress");
    }
}

fn content(entries: &Entries) -> SecretBytes {
    let entry = |(key, login): (&String, &String)| {
        let (user, password) = login.split_once(':').expect("`user:password`");
        let auth = basic_auth(user, &Secret::new(password)).expose().to_owned();
        (key.clone(), BTreeMap::from([("auth", auth)]))
    };
    let auths: IndexMap<_, _> = entries.iter().map(entry).collect();
    SecretBytes::new(serde_json::json!({"auths": auths}).to_string().into_bytes())
}

/// The facts of a case.
pub fn observation(facts: Observation) -> RolloutFact {
    let file = |found| match found {
        Found::Present(entries) => Observed::Present(content(&entries)),
        Found::Absent => Observed::Absent,
        Found::Unknown(message) => Observed::Unknown(Failure::new(message)),
    };
    let failing = facts.controller.map(|message| condition(("TemplateControllerFailing".into(), message)));
    RolloutFact {
        pools: observed(facts.pools.map(|pools| pools.into_iter().map(pool).collect()), facts.pools_unknown),
        files: facts.files.into_iter().map(|(name, found)| (name, file(found))).collect(),
        nodes: observed(Some(facts.nodes.into_iter().map(node).collect()), facts.nodes_unknown),
        controller: observed(Some(failing.into_iter().collect()), facts.controller_unknown),
    }
}

fn observed<T>(found: Option<T>, unknown: Option<String>) -> Observed<T> {
    match unknown {
        Some(message) => Observed::Unknown(Failure::new(message)),
        None => found.map_or(Observed::Absent, Observed::Present),
    }
}

fn pool((name, pool): (String, Pool)) -> PoolFact {
    PoolFact {
        name,
        updates: if pool.paused { PoolUpdates::Paused } else { PoolUpdates::Enabled },
        current: pool.current.unwrap_or_else(|| pool.target.clone()),
        target: pool.target,
        machines: pool.machines.unwrap_or(1),
        degraded_machines: pool.degraded,
        conditions: pool.conditions.into_iter().map(condition).collect(),
    }
}

fn condition((name, message): (String, String)) -> Condition {
    Condition { name, message }
}

fn node((name, node): (String, Node)) -> PoolNodeFact {
    let (current_image, desired_image) = node.image.unzip();
    PoolNodeFact {
        name,
        system: if node.windows { NodeSystem::Windows } else { NodeSystem::Other },
        matching_pools: node.pools,
        availability: match (node.not_ready, node.cordoned) {
            (true, _) => Availability::NotReady,
            (false, true) => Availability::Cordoned,
            (false, false) => Availability::Ready,
        },
        desired_config: node.desired.or_else(|| node.config.clone()),
        current_config: node.config,
        current_image,
        desired_image,
        state: Some(node.state),
        reason: node.reason,
    }
}

//! The rollout of the global pull secret of OpenShift 4, observed on a real API server while pools and nodes change in
//! the order in which the machine config operator changes them.

use std::time::Duration;

use oregano::cluster::access::{self, AccessSource};
use oregano::cluster::{Cluster, ClusterPurpose};
use oregano::facts::{Observed, RolloutFact};
use oregano::plan::rollout::{Reached, Rollout, rollout};
use oregano::secret::{Redactor, SecretBytes};

use crate::support::kubernetes::{Kubernetes, User};
use crate::support::openshift::OpenShift;

const OLD: &str =
    r#"{"auths": {"quay.io": {"auth": "cm9ib3Q6b2xk"}, "cloud.openshift.com": {"auth": "b2NtOnQ=", "email": "a@b"}}}"#;
const NEW: &str =
    r#"{"auths": {"quay.io": {"auth": "cm9ib3Q6bmV3"}, "cloud.openshift.com": {"auth": "b2NtOnQ=", "email": "a@b"}}}"#;

/// Runs `work` with a client of the server.
pub fn with_cluster<T>(kubernetes: &Kubernetes, user: User, work: impl AsyncFnOnce(Cluster) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let access = access::load(&AccessSource::Named(kubernetes.kubeconfig(user)), None).unwrap();
        let timeout = Duration::from_secs(20);
        work(Cluster::connect(access, None, timeout, &Redactor::default(), ClusterPurpose::Run).unwrap()).await
    })
}

fn observe(openshift: &OpenShift, earlier: Option<&RolloutFact>) -> RolloutFact {
    with_cluster(&openshift.kubernetes, User::Admin, async |cluster| cluster.observe_rollout(earlier).await)
}

fn state(openshift: &OpenShift) -> Rollout {
    of(&observe(openshift, None))
}

fn of(facts: &RolloutFact) -> Rollout {
    rollout(&SecretBytes::new(NEW.as_bytes().to_vec()), facts).unwrap()
}

/// The summaries of the pools and the lines about their nodes.
fn lines(rollout: &Rollout) -> Vec<String> {
    let pool = |pool: &oregano::plan::rollout::PoolRollout| {
        let summary = format!("{}: {}", pool.name, pool.summary());
        [summary].into_iter().chain(pool.nodes_behind()).collect::<Vec<_>>()
    };
    rollout.pools.iter().flat_map(pool).collect()
}

#[test]
fn a_rollout_is_followed_from_the_write_to_the_last_node() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("master", &["m1"]);
    openshift.create_pool("worker", &["w1", "w2"]);
    openshift.set_pull_secret(NEW);
    // Between the write and the rendering, the operator still reports every pool as updated.
    let first = state(&openshift);
    assert_eq!(
        lines(&first),
        [
            "master: the operator has not rendered the new content yet (`quay.io`)",
            "`m1`: waiting for the update",
            "worker: the operator has not rendered the new content yet (`quay.io`)",
            "`w1`, `w2`: waiting for the update",
        ]
    );
    let mut reached = Reached::default();
    assert!(reached.advance(&first));
    let mut follow = |step: &dyn Fn(), expected: &[&str]| {
        step();
        let now = state(&openshift);
        assert_eq!(lines(&now), expected);
        assert!(reached.advance(&now), "{expected:?}");
        assert!(!reached.advance(&now));
    };
    follow(
        &|| drop(openshift.render("master")),
        &[
            "master: 0 of 1 nodes updated",
            "`m1`: waiting for the update",
            "worker: the operator has not rendered the new content yet (`quay.io`)",
            "`w1`, `w2`: waiting for the update",
        ],
    );
    follow(
        &|| openshift.update("master", "m1"),
        &[
            "master: 1 of 1 nodes updated",
            "worker: the operator has not rendered the new content yet (`quay.io`)",
            "`w1`, `w2`: waiting for the update",
        ],
    );
    let start = || {
        openshift.render("worker");
        openshift.select("worker", "w1");
        openshift.start_update("w1");
        openshift.report("worker");
    };
    follow(
        &start,
        &[
            "master: 1 of 1 nodes updated",
            "worker: 0 of 2 nodes updated",
            "`w1`: being updated",
            "`w2`: waiting for the update",
        ],
    );
    follow(
        &|| openshift.finish_update("w1"),
        &["master: 1 of 1 nodes updated", "worker: 1 of 2 nodes updated", "`w2`: waiting for the update"],
    );
    let finish = || {
        openshift.select("worker", "w2");
        openshift.finish_update("w2");
    };
    follow(
        &finish,
        &["master: 1 of 1 nodes updated", "worker: 2 of 2 nodes updated, and the operator has not confirmed it yet"],
    );
    follow(&|| openshift.report("worker"), &["master: 1 of 1 nodes updated", "worker: 2 of 2 nodes updated"]);
    assert!(state(&openshift).is_done());
}

#[test]
fn a_node_that_fails_or_is_not_ready_and_a_paused_pool_are_named() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1", "w2"]);
    openshift.create_pool("infra", &["i1"]);
    openshift.create_pool("gpu", &[]);
    openshift.set_pull_secret(NEW);
    openshift.set_paused("infra", true);
    for pool in ["worker", "infra", "gpu"] {
        openshift.render(pool);
    }
    openshift.select("worker", "w1");
    // What a message of the daemon quotes is not shown, also if it is only in the MachineConfig.
    openshift.fail_update("w1", "cannot write cm9ib3Q6bmV3: no space left");
    openshift.set_ready("w2", "False");
    for pool in ["worker", "infra", "gpu"] {
        openshift.report(pool);
    }
    let now = state(&openshift);
    assert_eq!(
        lines(&now),
        [
            "gpu: no nodes",
            "infra: 0 of 1 nodes updated: the pool is paused",
            "`i1`: waiting for the update",
            "worker: 0 of 2 nodes updated: the operator reports the pool as degraded",
            "`w1`: the update failed: cannot write [redacted]: no space left",
            "`w2`: waiting for the update, not ready",
        ]
    );
    assert!(!now.is_done());
}

#[test]
fn the_operator_may_quote_the_whole_secret() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1"]);
    openshift.fail_controller(r#"couldn't compact pullsecret "auths: hunter2": invalid character 'a'"#);
    let facts = observe(&openshift, None);
    let expected =
        "worker: 0 of 1 nodes updated: the operator cannot process its configuration: couldn't compact pullsecret";
    assert_eq!(lines(&of(&facts))[0], expected);
    assert!(!format!("{facts:?}").contains("hunter2"), "{facts:?}");
}

#[test]
fn a_machine_config_is_read_once() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(NEW);
    openshift.create_pool("worker", &["w1"]);
    let earlier = observe(&openshift, None);
    let Some(name) = earlier.files.keys().next() else { panic!("{earlier:?}") };
    let path = format!("/apis/machineconfiguration.openshift.io/v1/machineconfigs/{name}");
    assert_eq!(openshift.kubernetes.api("DELETE", &path, None).status, 200);
    assert!(of(&observe(&openshift, Some(&earlier))).is_done());
    assert!(!of(&observe(&openshift, None)).is_done());
}

#[test]
fn a_user_without_permission_sees_which_one_is_missing() {
    let openshift = OpenShift::empty();
    let facts = with_cluster(&openshift.kubernetes, User::Reader, async |cluster| cluster.observe_rollout(None).await);
    let Observed::Unknown(failure) = facts.pools else { panic!("{facts:?}") };
    assert_eq!(failure.message, "the list of MachineConfigPools cannot be read");
    assert!(failure.causes[0].contains("403 Forbidden"), "{failure:?}");
    assert_eq!(
        failure.hint.as_deref(),
        Some(
            "grant the user `get` and `list` on machineconfigpools.machineconfiguration.openshift.io in a ClusterRole"
        )
    );
}

#[test]
fn a_cluster_may_have_no_pools() {
    let shared = Kubernetes::shared();
    let facts = with_cluster(shared, User::Admin, async |cluster| cluster.observe_rollout(None).await);
    assert!(matches!(facts.pools, Observed::Absent), "{facts:?}");
}

//! `apply` and `plan` with the global pull secret: what is written, and how the rollout is followed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::documents::{procedures, roles};
use crate::support::kubernetes::User;
use crate::support::openshift::{CLUSTER, OpenShift};
use crate::support::oregano::Running;
use crate::support::process::eventually;
use crate::support::site::{PASSWORD, Site, auth};

const OLD: &str = r#"{"auths":{"cloud.openshift.com":{"auth":"b2NtOnQ=","email":"a@b"}}}"#;

/// A site whose registry is appended to the global pull secret.
fn site(openshift: &OpenShift) -> Site {
    let mut site = Site::new(1);
    site.cluster(&openshift.kubernetes, User::Admin);
    site.set("oregano_platform", "openshift-4");
    site.set_literal("oregano_global_pull_secret", "{'mode': 'append'}");
    site
}

fn arguments(command: &str) -> [&str; 5] {
    [command, "--only", "cluster", "--output", "json"]
}

/// Waits until the run has written the secret.
fn await_write(openshift: &OpenShift, site: &Site) {
    eventually("the secret is written", || !secret(openshift)["auths"][site.key()].is_null());
}

fn secret(openshift: &OpenShift) -> Value {
    openshift.kubernetes.secret_json("openshift-config", "pull-secret").unwrap()
}

/// Waits until the run has reported this state of a pool.
fn await_pool(run: &Running, pool: &str, message: &str) {
    let expected = format!("\"pool\":\"{pool}\"");
    let is_reported = |line: &str| line.contains(&expected) && line.contains(message);
    eventually(message, || run.stdout().lines().any(is_reported));
}

/// The objects of the events, each with its outcome.
fn objects(events: &[Value]) -> Vec<(&str, &str)> {
    let objects = events.iter().filter(|event| event["event"] == "object");
    objects.map(|row| (row["name"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect()
}

#[test]
fn a_run_writes_the_secret_and_ends_when_every_node_has_it() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("master", &["m1"]);
    openshift.create_pool("worker", &["w1", "w2"]);
    let site = site(&openshift);
    let plan = site.run(&arguments("plan")).expect(3).events();
    assert_eq!(objects(&plan), [("pull-secret", "updated"), ("master", "updated"), ("worker", "updated")]);
    assert_eq!(secret(&openshift), serde_json::from_str::<Value>(OLD).unwrap(), "a plan writes nothing");

    let run = site.start(&arguments("apply"));
    await_write(&openshift, &site);
    await_pool(&run, "worker", "has not rendered the new content");
    openshift.render("master");
    openshift.update("master", "m1");
    await_pool(&run, "master", "1 of 1 nodes updated");
    openshift.render("worker");
    openshift.update("worker", "w1");
    await_pool(&run, "worker", "1 of 2 nodes updated");
    openshift.update("worker", "w2");
    let run = run.wait().expect(0);
    let events = run.events();
    assert_eq!(objects(&events), [("pull-secret", "updated"), ("master", "updated"), ("worker", "updated")]);
    let expected = json!({"auths": {
        "cloud.openshift.com": {"auth": "b2NtOnQ=", "email": "a@b"},
        site.key(): {"auth": auth()},
    }});
    assert_eq!(secret(&openshift), expected);

    let again = site.run(&arguments("apply")).expect(0).events();
    assert_eq!(objects(&again), [("pull-secret", "unchanged"), ("master", "unchanged"), ("worker", "unchanged")]);
}

#[test]
fn a_rollout_is_followed_while_the_api_server_restarts() {
    let mut openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1"]);
    let site = site(&openshift);
    let run = site.start(&arguments("apply"));
    await_pool(&run, "worker", "has not rendered the new content");
    openshift.kubernetes.stop_apiserver();
    openshift.kubernetes.start_apiserver();
    openshift.render("worker");
    openshift.update("worker", "w1");
    let events = run.wait().expect(0).events();
    assert_eq!(objects(&events), [("pull-secret", "updated"), ("worker", "updated")]);
}

#[test]
fn the_old_content_is_saved_before_it_is_overwritten() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &[]);
    let site = site(&openshift);
    let backups = site.oregano.home().join(".local/state/oregano/backups");
    site.run(&arguments("plan")).expect(3);
    assert!(!backups.exists(), "a plan saves nothing");
    let run = site.run(&["apply", "--only", "cluster"]).expect(0);
    let found = files(&backups);
    let [path] = found.as_slice() else { panic!("{found:?}") };
    assert!(run.stderr.contains(&format!("its old content is saved in `{}`", path.display())), "{}", run.stderr);
    assert_eq!(fs::read_to_string(path).unwrap(), OLD);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&backups), mode(path)), (0o700, 0o600));
    site.run(&arguments("apply")).expect(0);
    assert_eq!(files(&backups).len(), 1, "a run that changes nothing saves nothing");
}

#[test]
fn nothing_is_overwritten_that_could_not_be_saved() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &[]);
    let mut site = site(&openshift);
    site.set_literal("oregano_pull_secrets", "[{'name': 'other', 'namespaces': 'openshift-config'}]");
    fs::write(site.oregano.home().join(".local"), "a file").unwrap();
    let run = site.run(&["apply", "--only", "cluster"]).expect(2);
    assert!(run.stderr.contains("the folder of backups"), "{}", run.stderr);
    assert_eq!(secret(&openshift), serde_json::from_str::<Value>(OLD).unwrap());
    // The other secret would be written before the global one.
    assert_eq!(openshift.kubernetes.secret("openshift-config", "other"), None);
}

/// The files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_rollout_that_does_not_advance_ends_with_the_nodes_that_are_behind() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1", "w2"]);
    openshift.create_pool("infra", &["i1"]);
    openshift.set_paused("infra", true);
    let mut site = site(&openshift);
    site.set("oregano_rollout_timeout", "1s");
    // The rollout has failed as soon as the secret is written.
    let content = json!({"auths": {
        "cloud.openshift.com": {"auth": "b2NtOnQ=", "email": "a@b"},
        site.key(): {"auth": auth()},
    }});
    for pool in ["worker", "infra"] {
        openshift.render_content(pool, &content.to_string());
    }
    openshift.update("worker", "w1");
    openshift.select("worker", "w2");
    // A message that quotes the credential.
    openshift.fail_update("w2", &format!("no space left on device for {} of {PASSWORD}", auth()));
    openshift.report("worker");
    let events = site.run(&arguments("apply")).expect(2).events();
    assert_eq!(objects(&events), [("pull-secret", "updated"), ("infra", "failed"), ("worker", "failed")]);
    let of = |name: &str| events.iter().find(|event| event["event"] == "object" && event["name"] == name).unwrap();
    assert_eq!(
        of("worker")["causes"],
        json!([
            "1 of 2 nodes updated: the operator reports the pool as degraded",
            "`w2`: the update failed: no space left on device for [redacted] of [redacted]",
            "nothing has advanced for 1s",
        ])
    );
    assert_eq!(of("infra")["causes"][0], "0 of 1 nodes updated: the pool is paused");
    assert!(of("infra")["hint"].as_str().unwrap().contains("oc patch machineconfigpool infra"), "{}", of("infra"));
    // The next run continues where this one has ended.
    let plan = site.run(&arguments("plan")).expect(3).events();
    assert_eq!(objects(&plan), [("pull-secret", "unchanged"), ("infra", "updated"), ("worker", "updated")]);
}

#[test]
fn nothing_waits_for_a_paused_pool() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1"]);
    openshift.set_paused("worker", true);
    let site = site(&openshift);
    let plan = site.run(&["plan", "--only", "cluster"]).expect(3);
    assert!(plan.stderr.contains("pool `worker` is paused"), "{}", plan.stderr);
    // The default is to wait for 30 minutes.
    let events = site.run(&arguments("apply")).expect(2).events();
    assert_eq!(objects(&events), [("pull-secret", "updated"), ("worker", "failed")]);
}

#[test]
fn an_interrupted_run_says_what_was_written_and_how_to_continue() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1"]);
    let site = site(&openshift);
    let run = site.start(&["apply", "--only", "cluster"]);
    eventually("the rollout is followed", || run.stderr().contains("pool worker: the operator has not rendered"));
    let run = run.end_at_once("INT");
    for part in [
        "pool `worker` does not have the global pull secret on all of its nodes",
        "the run was interrupted; the operator continues by itself",
        "the secret was written, so run `apply` again to follow the rest",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(!secret(&openshift)["auths"][site.key()].is_null());
}

#[test]
fn a_backup_is_listed_and_put_back_through_the_same_gates() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1"]);
    openshift.set_paused("worker", true);
    let site = site(&openshift);
    let none = site.oregano.run(&["restore"]).expect(0);
    let folder = site.oregano.home().join(".local/state/oregano/backups");
    assert_eq!(
        (none.stdout, none.stderr),
        (String::new(), format!("there are no backups in `{}`\n", folder.display()))
    );
    site.run(&arguments("apply")).expect(2);
    let list = site.oregano.run(&["restore"]).expect(0).stdout;
    let [name] = list.lines().collect::<Vec<_>>()[..] else { panic!("{list}") };
    let unknown = site.oregano.run(&["restore", "other.json"]).expect(1);
    assert!(unknown.stderr.contains("there is no backup `other.json`"), "{}", unknown.stderr);

    let check = site.run(&["restore", name, "--check", "--output", "json"]).expect(3).events();
    assert_eq!(objects(&check), [("pull-secret", "updated"), ("worker", "unchanged")]);
    let restored = site.run(&["restore", name, "--output", "json"]).expect(0).events();
    // The nodes have not got the new content, so they have the old one already.
    assert_eq!(objects(&restored), [("pull-secret", "updated"), ("worker", "unchanged")]);
    assert_eq!(secret(&openshift), serde_json::from_str::<Value>(OLD).unwrap());
    // The content that was replaced is saved, too.
    assert_eq!(site.oregano.run(&["restore"]).expect(0).stdout.lines().count(), 2);
}

#[test]
fn a_backup_whose_entries_are_refused_is_not_put_back() {
    let openshift = OpenShift::empty();
    openshift.create_empty_pool("worker");
    let site = site(&openshift);
    openshift.set_pull_secret(&json!({"auths": {site.key(): {"auth": "cm9ib3Q6b2xk"}}}).to_string());
    site.run(&arguments("apply")).expect(0);
    let list = site.oregano.run(&["restore"]).expect(0).stdout;
    let run = site.run(&["restore", list.trim()]).expect(2);
    assert!(run.stderr.contains("refused the credentials of user `robot`"), "{}", run.stderr);
    assert_eq!(secret(&openshift)["auths"][site.key()]["auth"], auth());
}

#[test]
fn a_backup_is_not_put_back_in_another_cluster() {
    let openshift = OpenShift::empty();
    openshift.create_empty_pool("worker");
    let site = site(&openshift);
    openshift.set_pull_secret(OLD);
    site.run(&arguments("apply")).expect(0);
    let before = secret(&openshift);
    let list = site.oregano.run(&["restore"]).expect(0).stdout;
    assert!(list.trim().ends_with(&format!("_{CLUSTER}.json")), "{list}");
    // The address of the API server is the same.
    openshift.set_infrastructure("HighlyAvailable", "stage-q4w8z");
    let run = site.run(&["restore", list.trim()]).expect(2);
    assert!(
        run.stderr
            .contains(&format!("it is of cluster `{CLUSTER}`, and the API server belongs to cluster `stage-q4w8z`")),
        "{}",
        run.stderr
    );
    assert_eq!(secret(&openshift), before);
}

#[test]
fn eight_runs_lose_no_entry_of_one_another() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &[]);
    let sites: Vec<Site> = (0..8).map(|_| site(&openshift)).collect();
    let runs: Vec<Running> = sites.iter().map(|site| site.start(&arguments("apply"))).collect();
    for run in runs {
        run.wait().expect(0);
    }
    let found = secret(&openshift);
    for site in &sites {
        assert_eq!(found["auths"][site.key()], json!({"auth": auth()}), "{found}");
    }
    assert_eq!(found["auths"]["cloud.openshift.com"], json!({"auth": "b2NtOnQ=", "email": "a@b"}));
}

#[test]
fn the_documented_permissions_are_sufficient() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1"]);
    let mut site = site(&openshift);
    site.cluster(&openshift.kubernetes, User::Reader);
    let roles = roles();
    openshift.grant("reader", &roles["global-pull-secret-rollout"]["rules"], &roles["global-pull-secret"]["rules"]);
    eventually("the permissions are in effect", || site.run(&arguments("plan")).status == 3);
    let run = site.start(&arguments("apply"));
    await_write(&openshift, &site);
    openshift.render("worker");
    openshift.update("worker", "w1");
    run.wait().expect(0);
}

#[test]
fn the_declaration_of_the_procedure_is_planned_applied_and_then_up_to_date() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_empty_pool("worker");
    let mut site = site(&openshift);
    site.unset("oregano_global_pull_secret");
    let procedure = procedures().into_iter().find(|procedure| procedure.is_global()).expect("a declaration");
    site.oregano.write("group_vars/all.yml", procedure.declared.replace("registry.example.com", site.key()));
    site.run(&arguments("plan")).expect(3);
    let events = site.run(&arguments("apply")).expect(0).events();
    assert_eq!(objects(&events), [("pull-secret", "updated"), ("worker", "unchanged")]);
    assert_eq!(secret(&openshift)["auths"][site.key()], json!({"auth": auth()}));
    site.run(&arguments("plan")).expect(0);
}

#[test]
fn a_hosted_control_plane_is_a_failure() {
    let openshift = OpenShift::empty();
    openshift.set_pull_secret(OLD);
    openshift.create_pool("worker", &["w1"]);
    openshift.set_infrastructure("External", CLUSTER);
    let run = site(&openshift).run(&["apply", "--only", "cluster"]).expect(2);
    assert!(run.stderr.contains("hosted control plane"), "{}", run.stderr);
    assert_eq!(secret(&openshift), serde_json::from_str::<Value>(OLD).unwrap());
}

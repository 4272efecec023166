//! The JSON lines that docs/json.md describes: other programs rely on every name here.

mod answers;
mod output;

use serde_json::{Value, json};

use crate::support::kubernetes::{Kubernetes, User};
use crate::support::oregano::Oregano;
use crate::support::schema;
use crate::support::site::{DOCKER, KUBELET, Site, USER};

/// The lines of a run, after checking the properties that all lines have.
fn lines(site: &Site, words: &[&str], status: i32) -> Vec<Value> {
    let words: Vec<&str> = words.iter().copied().chain(["--output", "json"]).collect();
    let events = site.run(&words).expect(status).events();
    for event in &events {
        assert_eq!(event["version"], 1, "{event}");
        assert!(event["event"].is_string(), "{event}");
    }
    let recap = events.last().unwrap();
    assert_eq!((&recap["event"], &recap["status"]), (&"recap".into(), &status.into()));
    events
}

fn counts(ok: u64, changed: u64, unreachable: u64, failed: u64, skipped: u64) -> Value {
    json!({"ok": ok, "changed": changed, "unreachable": unreachable, "failed": failed, "skipped": skipped,
           "rescued": 0, "ignored": 0})
}

/// Without the warning that the password is sent to the token server over HTTP, because the port of that server is random.
/// The warning must come before the verdict.
fn but_the_realm(mut lines: Vec<Value>) -> Vec<Value> {
    let is_it =
        |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("to its token server `127.0."));
    let at = lines.iter().position(is_it).expect("no warning of the realm");
    assert!(lines.iter().position(|line| line["event"] == "registry") > Some(at));
    lines.remove(at);
    assert!(!lines.iter().any(is_it), "it is reported once");
    lines
}

#[test]
fn the_lines_of_a_run_that_changes_everything() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let mut site = Site::new(1);
    site.cluster(kubernetes, User::Writer);
    site.nodes[0].write(DOCKER, b"{}", 0o644);
    let image = format!("{}/openshift3/ose-pod:v3.11", site.key());
    let registry = json!({"host": site.key(), "user": USER, "image": image, "verdict": "proved"});
    let added = json!([{"key": site.key(), "kind": "added"}]);
    let added_and_mode = json!([{"key": site.key(), "kind": "added"}, {"kind": "mode", "from": "0644", "to": "0600"}]);
    let mut row = registry.clone();
    row["version"] = 1.into();
    row["event"] = "registry".into();
    let expected = |outcomes: [&str; 3], recap: Value, command: &str| {
        vec![
            json!({"version": 1, "event": "started", "command": command, "hosts": ["node1"]}),
            json!({"version": 1, "event": "warning", "message": format!(
                "registry `{}` is used without verified TLS: anyone on the network path can read the password", site.key())}),
            row.clone(),
            json!({"version": 1, "event": "object", "kind": "Secret", "namespace": "openshift",
                   "name": "imagestreamsecret", "outcome": outcomes[0], "changes": added, "notes": []}),
            json!({"version": 1, "event": "host", "host": "node1", "outcome": "reached"}),
            json!({"version": 1, "event": "file", "host": "node1", "path": KUBELET, "outcome": outcomes[1],
                   "changes": added, "notes": []}),
            json!({"version": 1, "event": "file", "host": "node1", "path": DOCKER, "outcome": outcomes[2],
                   "changes": added_and_mode, "notes": []}),
            json!({"version": 1, "event": "recap", "hosts": {"node1": recap}, "registries": [registry],
                   "objects": [{"kind": "Secret", "namespace": "openshift", "name": "imagestreamsecret",
                                "outcome": outcomes[0]}],
                   "status": if command == "plan" { 3 } else { 0 }}),
        ]
    };
    let outcomes = ["created", "created", "updated"];
    assert_eq!(but_the_realm(lines(&site, &["plan"], 3)), expected(outcomes, counts(3, 2, 0, 0, 0), "plan"));
    assert_eq!(but_the_realm(lines(&site, &["apply"], 0)), expected(outcomes, counts(3, 2, 0, 0, 0), "apply"));
    let again = lines(&site, &["apply"], 0);
    assert_eq!(again.last().unwrap()["objects"][0]["outcome"], "unchanged");
    assert_eq!(again.last().unwrap()["hosts"]["node1"], counts(3, 0, 0, 0, 0));
}

#[test]
fn validate_has_registries_and_no_hosts() {
    let site = Site::new(1);
    let events = lines(&site, &["validate"], 0);
    let recap = events.last().unwrap();
    assert_eq!(recap["hosts"], json!({}));
    assert_eq!(recap["objects"], json!([]));
    assert_eq!(recap["registries"][0]["verdict"], "proved");
    assert_eq!(site.nodes[0].connections(), 0);
}

#[test]
fn a_run_that_ends_with_1_has_its_errors_and_a_recap() {
    let mut site = Site::new(1);
    site.set("oreg_auth_user", "a:b");
    let events = lines(&site, &["apply", "--only", "nodes"], 1);
    let error = &events[events.len() - 2];
    assert_eq!(error["event"], "error");
    assert!(error["place"].as_str().unwrap().contains("hosts:"), "{error}");
    assert!(error["message"].as_str().unwrap().contains("`oreg_auth_user`"), "{error}");
    assert_eq!(events.last().unwrap()["hosts"], json!({}));
}

#[test]
fn a_refused_credential_has_cause_and_hint_and_all_hosts_are_skipped() {
    let mut site = Site::new(2);
    site.set("oreg_auth_password", "wrong");
    let events = lines(&site, &["apply", "--only", "nodes"], 2);
    let recap = events.last().unwrap();
    let row = &recap["registries"][0];
    assert_eq!(row["verdict"], "refused");
    assert!(row["causes"][0].as_str().unwrap().contains("401") && row["hint"].is_string(), "{row}");
    assert_eq!(recap["hosts"]["node1"], counts(1, 0, 0, 0, 2));
    let outcomes: Vec<&Value> =
        events.iter().filter(|event| event["event"] == "file").map(|file| &file["outcome"]).collect();
    assert_eq!(outcomes, ["skipped"; 4]);
}

#[test]
fn an_unreachable_node_has_a_separate_line() {
    let site = Site::new(2);
    site.nodes[0].stop();
    let events = lines(&site, &["apply", "--only", "nodes"], 4);
    let host = events.iter().find(|event| event["host"] == "node1").unwrap();
    assert_eq!(host["outcome"], "unreachable");
    assert!(host["message"].is_string() && host["causes"].is_array(), "{host}");
    let hosts = events.last().unwrap()["hosts"].as_object().unwrap().clone();
    assert_eq!(hosts.keys().collect::<Vec<_>>(), ["node1", "node2"]);
    assert_eq!(hosts["node1"], counts(0, 0, 1, 0, 0));
}

#[test]
fn the_schema_of_events_describes_what_it_should_and_nothing_else() {
    let text = Oregano::new().run(&["schema", "events"]).expect(0).stdout;
    assert_eq!(text.trim_end(), oregano::event::SCHEMA.trim_end());
    for valid in [
        json!({"version": 1, "event": "interrupted"}),
        json!({"version": 1, "event": "error", "message": "m", "place": "hosts:1:2", "causes": ["c"], "hint": "h"}),
        json!({"version": 1, "event": "host", "host": "n", "outcome": "unreachable", "message": "m"}),
        json!({"version": 1, "event": "object", "kind": "ServiceAccount", "namespace": "n", "name": "s", "outcome": "updated",
               "changes": [{"kind": "linked", "secret": "team", "for": "pull"}], "notes": []}),
        json!({"version": 1, "event": "object", "kind": "Secret", "namespace": "n", "name": "s", "outcome": "created",
               "changes": [{"kind": "label-set", "name": "oregano/managed"}], "notes": []}),
    ] {
        assert_eq!(schema::errors(&valid.to_string()), Vec::<String>::new(), "{valid}");
    }
    for invalid in [
        json!({"version": 2, "event": "interrupted"}),
        json!({"version": 1, "event": "interrupted", "unknown": 1}),
        json!({"version": 1, "event": "cluster", "kind": "Secret"}),
        json!({"version": 1, "event": "host", "host": "n", "outcome": "unreachable", "hint": "without a message"}),
        json!({"version": 1, "event": "registry", "host": "r", "user": "u", "image": "r", "verdict": "refused"}),
        json!({"version": 1, "event": "file", "host": "n", "path": "/f", "outcome": "failed", "changes": [], "notes": []}),
        json!({"version": 1, "event": "object", "kind": "ServiceAccount", "namespace": "n", "name": "s", "outcome": "updated",
               "changes": [{"kind": "linked", "secret": "team", "for": "push"}], "notes": []}),
        json!({"version": 1, "event": "object", "kind": "Secret", "namespace": "n", "name": "s", "outcome": "updated",
               "changes": [{"key": "k", "kind": "added", "value": "hunter2"}], "notes": []}),
    ] {
        assert_ne!(schema::errors(&invalid.to_string()), Vec::<String>::new(), "{invalid}");
    }
}

//! Webhooks and limits of a real API server: what it does not accept is found before the first write, if it supports dry
//! runs.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::support::controllers::Controllers;
use crate::support::kubernetes::User;
use crate::support::process::{READY, eventually};
use crate::support::site::{DOCKER, PASSWORD, Site, auth};
use crate::support::webhook::{SideEffects, Webhook};

/// A site with a secret `team` in these namespaces, which exist.
fn site(cluster: &Controllers, namespaces: [&str; 2]) -> Site {
    namespaces.iter().for_each(|name| cluster.namespace(name));
    let [first, second] = namespaces;
    let mut site = Site::new(1);
    site.cluster(&cluster.kubernetes, User::Admin);
    // Other tests would write imagestreamsecret at the same time.
    site.set("oregano_platform", "kubernetes");
    site.set_literal("oregano_pull_secrets", &format!("[{{'name':'team','namespaces':['{first}','{second}']}}]"));
    site
}

fn is_team(request: &Value) -> bool {
    request["name"] == "team"
}

#[test]
fn a_webhook_that_denies_one_namespace_is_found_before_the_first_write() {
    let cluster = Controllers::shared();
    let site = site(&cluster, ["denied-a", "denied-b"]);
    let webhook = Webhook::start(|request| {
        // Policy engines respond with the status of a missing permission.
        is_team(request).then(|| json!({"code": 403, "message": "secrets come from the vault"}))
    });
    webhook.register(&cluster.kubernetes, "denied.example.com", &["denied-b"], SideEffects::None);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secret `denied-b/team` cannot be created"), "{}", run.stderr);
    assert!(run.stderr.contains("secrets come from the vault"), "{}", run.stderr);
    assert!(!run.stderr.contains("grant the user"), "the permission is not missing: {}", run.stderr);
    assert!(run.stderr.contains("ask who maintains this rule"), "{}", run.stderr);
    assert_eq!((cluster.kubernetes.secret("denied-a", "team"), site.file(1, DOCKER)), (None, None));
}

#[test]
fn a_webhook_that_quotes_the_secret_does_not_reveal_it() {
    let cluster = Controllers::shared();
    let site = site(&cluster, ["quoted-a", "quoted-b"]);
    let webhook = Webhook::start(|request| {
        let object = &request["object"];
        let data = object["data"][".dockerconfigjson"].as_str().unwrap_or_default();
        let decoded = openssl::base64::decode_block(data).unwrap_or_default();
        let parsed: Value = serde_json::from_slice(&decoded).unwrap_or_default();
        let entry = parsed["auths"].as_object().and_then(|auths| auths.values().next()).cloned().unwrap_or_default();
        let [user, password, auth] =
            ["username", "password", "auth"].map(|name| entry[name].as_str().unwrap_or_default().to_owned());
        // Templates of Go print a map in this way.
        let printed = format!("map[auth:{auth} password:{password} username:{user}]");
        is_team(request).then(|| json!({"message": format!("no map[data:map[{data}]] {printed} {entry} {object}")}))
    });
    webhook.register(&cluster.kubernetes, "quoted.example.com", &["quoted-b"], SideEffects::None);
    for output in ["text", "json"] {
        let run = site.run(&["apply", "-vvv", "--output", output]).expect(2);
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert!(shown.contains("quoted.example.com"), "{shown}");
        let password = &PASSWORD[..6];
        let encoded = openssl::base64::encode_block(password.as_bytes());
        for secret in [password, &auth(), &auth()[..20], &encoded[..7]] {
            assert!(!shown.contains(secret), "`{secret}` in {shown}");
        }
    }
}

#[test]
fn a_webhook_without_dry_run_decides_about_the_write_itself() {
    let cluster = Controllers::shared();
    let site = site(&cluster, ["unknown-a", "unknown-b"]);
    let webhook = Webhook::start(|request| {
        let is_denied = is_team(request) && request["namespace"] == "unknown-b";
        is_denied.then(|| json!({"message": "not on a Friday"}))
    });
    let namespaces = ["unknown-a", "unknown-b"];
    webhook.register(&cluster.kubernetes, "unknown.example.com", &namespaces, SideEffects::Some);
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stdout.contains("secret unknown-a/team : created"), "{}", run.stdout);
    assert!(run.stdout.contains("secret unknown-b/team : failed"), "{}", run.stdout);
    assert!(run.stderr.contains("not on a Friday"), "{}", run.stderr);
    let unknown = "has no dry run: whether it accepts the writes of objects (2) is known only when they are sent";
    assert!(run.stderr.contains(unknown), "{}", run.stderr);
    assert!(cluster.kubernetes.secret("unknown-a", "team").is_some());
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn a_secret_that_would_be_larger_than_the_limit_is_found_before_the_first_write() {
    let cluster = Controllers::shared();
    let mut site = site(&cluster, ["large-a", "large-b"]);
    site.set_literal("oregano_pull_secrets", "[{'name':'team','namespaces':['large-a','large-b'],'adopt':True}]");
    let note = "x".repeat((1 << 20) - 100);
    let content = json!({"auths": {"foreign.example.com": {"auth": "Zm9v", "note": note}}});
    cluster.kubernetes.create_secret("large-b", "team", &content.to_string());
    let run = site.run(&["apply"]).expect(2);
    assert!(run.stderr.contains("secret `large-b/team` cannot be updated"), "{}", run.stderr);
    assert!(run.stderr.contains("a secret holds at most 1 MiB"), "{}", run.stderr);
    assert_eq!((cluster.kubernetes.secret("large-a", "team"), site.file(1, DOCKER)), (None, None));
    assert_eq!(cluster.kubernetes.secret_json("large-b", "team").unwrap(), content);
}

#[test]
fn a_run_that_is_interrupted_between_the_secret_and_its_link_is_completed_by_the_next_one() {
    let cluster = Controllers::shared();
    let mut site = site(&cluster, ["halfway", "halfway-other"]);
    let declared = "[{'name':'team','namespaces':['halfway'],'service_accounts':['default']}]";
    site.set_literal("oregano_pull_secrets", declared);
    let (arrived, arrives) = channel();
    let (release, released) = channel::<()>();
    let released: Mutex<Receiver<()>> = Mutex::new(released);
    let webhook = Webhook::start(move |request| {
        if is_team(request) && request["dryRun"] == false {
            arrived.send(()).unwrap();
            let _ = released.lock().unwrap_or_else(PoisonError::into_inner).recv();
        }
        None
    });
    webhook.register(&cluster.kubernetes, "halfway.example.com", &["halfway"], SideEffects::None);
    let run = site.start(&["apply", "--only", "cluster"]);
    arrives.recv_timeout(READY).unwrap_or_else(|_| panic!("{}{}", run.stdout(), run.stderr()));
    run.signal("INT");
    let status = format!("/proc/{}/status", run.id());
    eventually("the signal is delivered", || {
        let status = std::fs::read_to_string(&status).unwrap();
        status.lines().any(|line| line.starts_with("ShdPnd") && line.ends_with("\t0000000000000000"))
    });
    drop(release);
    let run = run.wait().expect(130);
    assert!(run.stdout.contains("secret halfway/team : created"), "{}", run.stdout);
    assert!(!run.stdout.contains("service account halfway/default : updated"), "{}", run.stdout);
    let account = "/api/v1/namespaces/halfway/serviceaccounts/default";
    assert_eq!(cluster.kubernetes.get(account)["imagePullSecrets"], Value::Null);
    let run = site.run(&["apply", "--only", "cluster"]).expect(0);
    assert!(run.stdout.contains("secret halfway/team : unchanged"), "{}", run.stdout);
    assert_eq!(cluster.kubernetes.get(account)["imagePullSecrets"], json!([{"name": "team"}]));
}

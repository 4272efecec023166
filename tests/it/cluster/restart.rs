//! An API server that restarts while a run waits, and one that forgets the rest of a list.

use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::json;

use crate::support::controllers::Controllers;
use crate::support::kubernetes::User;
use crate::support::process::{READY, eventually};
use crate::support::relay::Relay;
use crate::support::site::Site;

#[test]
fn a_restart_of_the_api_server_does_not_end_the_wait_for_a_service_account() {
    let mut cluster = Controllers::exclusive();
    cluster.namespace("restart");
    let mut site = Site::new(1);
    site.cluster(&cluster.kubernetes, User::Admin).set("oregano_platform", "kubernetes");
    site.set_literal("oregano_pull_secrets", "[{'name':'team','namespaces':['restart'],'service_accounts':['app']}]");
    let run = site.start(&["apply", "--only", "cluster"]);
    let kubernetes = &mut cluster.kubernetes;
    let accounts = "/api/v1/namespaces/restart/serviceaccounts";
    // The first request is the observation. The second one is sent after the secret was read back.
    eventually("the account is awaited", || kubernetes.count("GET", &format!("{accounts}/app"), 404) > 1);
    kubernetes.stop_apiserver();
    kubernetes.start_apiserver();
    kubernetes.create(accounts, &json!({"metadata": {"name": "app"}}));
    let run = run.wait().expect(0);
    assert!(run.stdout.contains("service account restart/app : updated"), "{}", run.stdout);
    assert_eq!(kubernetes.get(&format!("{accounts}/app"))["imagePullSecrets"], json!([{"name": "team"}]));
}

#[test]
fn a_list_whose_rest_the_server_has_forgotten_is_read_again() {
    const COUNT: usize = 520;
    let mut cluster = Controllers::exclusive();
    cluster.namespace("pages");
    let kubernetes = &cluster.kubernetes;
    let accounts = "/api/v1/namespaces/pages/serviceaccounts";
    thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                for number in (part..COUNT).step_by(4) {
                    kubernetes.create(accounts, &json!({"metadata": {"name": format!("account-{number}")}}));
                }
            });
        }
    });
    let (arrived, arrives) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let relay = Relay::start(kubernetes, move |request| {
        if request.path.contains("continue=") && arrived.send(()).is_ok() {
            let _ = released.lock().unwrap_or_else(PoisonError::into_inner).recv();
        }
        None
    });
    let mut site = Site::new(1);
    site.kubeconfig(relay.kubeconfig(User::Admin)).set("oregano_platform", "kubernetes");
    site.set_literal("oregano_pull_secrets", "[{'name':'team','namespaces':['pages'],'service_accounts':'*'}]");
    let run = site.start(&["plan", "--only", "cluster", "--timeout", "60"]);
    arrives.recv_timeout(READY).unwrap_or_else(|_| panic!("{}{}", run.stdout(), run.stderr()));
    kubernetes.create(accounts, &json!({"metadata": {"name": "later"}}));
    // A server that runs may still have the list in its memory.
    kubernetes.stop_apiserver();
    kubernetes.compact();
    cluster.kubernetes.start_apiserver();
    drop((release, arrives));
    let run = run.wait().expect(3);
    assert_eq!(cluster.kubernetes.count("LIST", accounts, 410), 1);
    // Each account once: those of the first page were read twice, and one was created after it.
    let rows = run.stdout.lines().filter(|line| line.contains("+team for pull")).count();
    assert_eq!(rows, COUNT + 2, "{}", run.stdout);
}

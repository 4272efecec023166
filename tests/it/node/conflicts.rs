//! Several runs, or another program, write the same file at the same time: every run reports what it did, nothing is
//! lost, and a run that could not write says so always in the same way.

use serde_json::Value;

use crate::support::oregano::Finished;
use crate::support::process::eventually;
use crate::support::site::{DOCKER, Site, auth, recap};

/// A run that adds an entry for this host, without contacting it.
fn words(host: &str) -> Vec<String> {
    let entry = format!(
        r#"{{"openshift_additional_registry_credentials": [{{"host": "{host}", "user": "u", "password": "{host}", "test_login": "False"}}]}}"#
    );
    ["apply", "--only", "nodes", "-v", "-e", &entry].map(str::to_owned).to_vec()
}

#[test]
fn what_another_run_wrote_equally_is_unchanged() {
    let site = Site::new(1);
    let words = ["apply", "--only", "nodes", "-v"];
    // The first run stops after it has observed the files, and before it writes the first one.
    site.nodes[0].hold("mktemp");
    let first = site.start(&words);
    eventually("the first run is about to write", || site.nodes[0].holds("mktemp"));
    let second = site.run(&words).expect(0);
    assert!(second.stdout.contains(&format!("node1:{DOCKER}: created")), "{}", second.stdout);
    site.nodes[0].release("mktemp");
    let first = first.wait().expect(0);
    assert!(first.stdout.contains(&format!("node1:{DOCKER}: unchanged")), "{}", first.stdout);
    assert!(first.stdout.contains(&recap("node1", [3, 0, 0, 0, 0])), "{}", first.stdout);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
}

#[test]
fn what_became_unusable_is_reported_with_the_reason() {
    let site = Site::new(1);
    site.nodes[0].write(DOCKER, b"{}", 0o600);
    site.nodes[0].hold("mktemp");
    let run = site.start(&["apply", "--only", "nodes"]);
    eventually("the run is about to write", || site.nodes[0].holds("mktemp"));
    assert!(site.nodes[0].sh(&format!("rm {DOCKER} && mkdir {DOCKER}")).status.success());
    site.nodes[0].release("mktemp");
    let run = run.wait().expect(2);
    let message = format!("`{DOCKER}` is a directory\nhint: ");
    assert!(run.stderr.contains(&message), "{}", run.stderr);
}

#[test]
fn a_file_that_is_changed_after_the_write_is_written_once_more() {
    let site = Site::new(1);
    // Directly after `mv` has given the new file its name, another program writes the file, once.
    let script = format!(
        r#"set -e
        tool=$(readlink -f "$(command -v mv)")
        cp "$tool" /run/mv
        cat >/run/gate <<'END'
#!/bin/sh
/run/mv "$@" || exit 1
[ -e /run/written ] || [ ! -s {DOCKER} ] || {{ : >/run/written; echo '{{}}' >{DOCKER}; }}
END
        chmod 755 /run/gate
        mount --bind /run/gate "$tool""#
    );
    assert!(site.nodes[0].sh(&script).status.success());
    let run = site.run(&["apply", "--only", "nodes"]).expect(0);
    assert!(run.stdout.contains(&format!("node1:{DOCKER}: updated")), "{}", run.stdout);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
}

/// The object of each error in the JSON output of a run.
fn failures(run: &Finished) -> Vec<Value> {
    run.events().into_iter().filter(|event| event["outcome"] == "failed").collect()
}

#[test]
fn many_concurrent_runs_lose_nothing_and_report_conflicts_in_one_way() {
    let site = Site::new(1);
    let hosts: Vec<String> = (0..16).map(|number| format!("registry{number}.example.com")).collect();
    let inventory = site.oregano.write("hosts", site.inventory()).display().to_string();
    let more = ["--json".to_owned(), "-i".to_owned(), inventory];
    let runs: Vec<_> = hosts.iter().map(|host| site.oregano.start(&[&words(host)[..], &more].concat())).collect();
    let runs: Vec<Finished> = runs.into_iter().map(crate::support::oregano::Running::wait).collect();
    let file: Value = serde_json::from_str(&site.file(1, DOCKER).unwrap()).unwrap();
    for (host, run) in hosts.iter().zip(&runs) {
        let failures = failures(run);
        assert_eq!(run.status, if failures.is_empty() { 0 } else { 2 }, "{}", run.stdout);
        for failure in &failures {
            let message = failure["message"].as_str().unwrap();
            assert!(message.contains("` was changed by another program after it was "), "{failure}");
            assert_eq!(failure["hint"], "find out what else writes it, then run again");
            let causes = failure["causes"].as_array();
            assert!(
                causes.is_none_or(|causes| causes.iter().all(|cause| cause.as_str().unwrap().len() > 5)),
                "{failure}"
            );
        }
        let failed = failures.iter().any(|failure| failure["path"] == DOCKER);
        assert!(failed || !file["auths"][host].is_null(), "{host} is lost: {}", run.stdout);
    }
    let left = site.nodes[0].sh("ls -A /root/.docker /var/lib/origin/.docker | grep oregano").stdout;
    assert_eq!(String::from_utf8_lossy(&left), "");
}

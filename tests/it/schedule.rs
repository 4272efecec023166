//! Ctrl-C: no new step, complete files, a recap, and exit status 130.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::oregano::Oregano;
use crate::support::process::{eventually, is_gone};
use crate::support::site::{DOCKER, Site};

#[test]
fn ctrl_c_while_a_registry_is_silent_ends_at_once_with_130() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(1);
    site.set("oreg_url", &format!("{}/a/b:1", silent.local_addr().unwrap()));
    let run = site.start(&["apply", "--only", "nodes", "--timeout", "120"]);
    eventually("the node is looked at", || site.nodes[0].sessions() == 1);
    let run = run.end_at_once("INT");
    assert!(run.stdout.contains("node1 : ok="), "no recap: {}", run.stdout);
    assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn ctrl_c_while_a_node_is_silent_ends_at_once_with_130() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(2);
    site.host(2, &format!("ansible_port={}", silent.local_addr().unwrap().port()));
    let run = site.start(&["apply", "--only", "nodes", "--timeout", "120", "--output", "json"]);
    eventually("the other node is looked at", || site.nodes[0].sessions() == 1);
    let run = run.end_at_once("TERM");
    let events = run.events();
    let recap = events.last().unwrap();
    assert_eq!((&recap["event"], &recap["status"]), (&"recap".into(), &130.into()));
    assert_eq!(recap["hosts"].as_object().unwrap().len(), 2);
    assert_eq!(site.file(1, DOCKER), None);
}

#[test]
fn the_first_ctrl_c_lets_a_write_end_and_the_second_does_not() {
    let site = Site::new(2);
    site.nodes[0].hold("mv");
    let mut run = site.start(&["apply", "--only", "nodes", "--forks", "1", "--timeout", "120"]);
    eventually("the first node is being written", || site.nodes[0].holds("mv"));
    run.signal("INT");
    // The test is that nothing happens, so there is no event to wait for.
    std::thread::sleep(Duration::from_millis(500));
    assert!(run.is_running(), "the first signal interrupted the write");
    // A second INT would be the same pending signal if the first one had not been delivered yet.
    let run = run.end_at_once("TERM");
    assert!(run.stdout.contains("node2 : ok=1 changed=0"), "the second node was written: {}", run.stdout);
    assert_eq!((site.file(1, DOCKER), site.file(2, DOCKER)), (None, None));
}

#[test]
fn ctrl_c_while_an_inventory_script_hangs_ends_both() {
    let user = Oregano::new();
    let script = user.write("hang.sh", "#!/bin/sh\necho $$ > \"$HOME/pid\"\nsleep 300\n");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (script, pid) = (script.to_str().unwrap(), user.home().join("pid"));
    for words in [&["plan", "--only", "nodes", "--output", "json"][..], &["inventory", "--list"]] {
        let run = user.start(&[words, &["-i", script]].concat());
        let started = || std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'));
        eventually("the script runs", started);
        let script_id = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let run = run.end_at_once("INT");
        if words[0] == "plan" {
            assert_eq!(run.events().last().unwrap()["event"], "recap");
            assert!(!run.stdout.contains("error"), "{}", run.stdout);
        }
        eventually("the script is gone", || is_gone(script_id));
        std::fs::remove_file(&pid).unwrap();
    }
}

#[test]
fn ctrl_c_at_a_prompt_restores_the_echo_of_the_terminal() {
    let user = Oregano::new();
    let json = ["--output", "json"];
    for (words, events) in [
        (&["login", "127.0.0.1:1", "-u", "acme", json[0], json[1]][..], &["interrupted", "recap"][..]),
        (&["plan", "-i", "node1,", "-k", json[0], json[1]], &["interrupted", "recap"]),
        (&["explain", "quay.io/app", "-i", "node1,", "-J", json[0], json[1]], &["interrupted"]),
        (&["inventory", "--list", "-i", "node1,", "-J"], &[]),
    ] {
        let session = user.sit_at(words, "", "\u{3}");
        assert_eq!(session.status, Some(130), "{words:?}: {}", session.shown);
        assert!(session.settings.contains(" echo "), "{words:?}: {}", session.settings);
        let lines = session.shown.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let found: Vec<String> = lines.map(|line| line["event"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, events, "{words:?}: {}", session.shown);
    }
}

#[test]
fn the_first_signal_ends_every_command_that_reads() {
    let user = Oregano::new();
    user.write("hosts", "[nodes]\nnode1 oreg_url=127.0.0.1:1/a oreg_auth_user=a oreg_auth_password=b\n");
    let fifo = user.home().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let image = "quay.io/app";
    let cases: [&[&str]; 10] = [
        &["plan", "-i", "fifo"],
        &["validate", "-i", "hosts", "-e", "@fifo"],
        &["apply", "-i", "hosts", "--vault-password-file", "fifo"],
        &["plan", "-i", "hosts", "-e", "oreg_auth_password={{ lookup('file', 'fifo') }}"],
        &["plan", "-i", "hosts", "--only", "cluster", "--kubeconfig", "fifo"],
        &["explain", image, "-i", "fifo"],
        &["explain", image, "-n", "a", "--kubeconfig", "fifo"],
        &["login", "127.0.0.1:1", "--kubeconfig-token", "--kubeconfig", "fifo"],
        &["inventory", "--list", "-i", "fifo"],
        &["inventory", "--check", "-i", "fifo"],
    ];
    for (at, words) in cases.into_iter().enumerate() {
        for json in [false, true] {
            let more: &[&str] = if json { &["--output", "json"] } else { &[] };
            let run = user.start(&[words, more].concat());
            let writer = RefCell::new(None);
            // Without waiting, a writer can open a pipe only once a reader opens it. Its end would be the end of the
            // text, so it is kept.
            eventually("the pipe is opened", || {
                let opened = OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&fifo);
                *writer.borrow_mut() = opened.ok();
                writer.borrow().is_some()
            });
            let run = run.end_at_once(if at % 2 == 0 { "INT" } else { "TERM" });
            assert_eq!(run.status, 130, "{words:?}: {run:?}");
            if !json {
                let printed = format!("{}{}", run.stdout, run.stderr);
                assert!(printed.contains("interrupted: nothing was changed"), "{words:?}: {run:?}");
            } else if !["explain", "inventory"].contains(&words[0]) {
                assert_eq!(run.events().last().unwrap()["status"], 130, "{words:?}: {run:?}");
            }
        }
    }
}

#[test]
fn a_program_that_hangs_ends_with_the_run() {
    let user = Oregano::new();
    let hang = "#!/bin/sh\necho $$ > \"$HOME/pid\"\nsleep 300\n";
    let script = user.write("hang", hang);
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let variables = "oreg_url=127.0.0.1:1/a\noreg_auth_user=a\noregano_oreg_auth={'password_command':'exec ./hang'}";
    user.write("hosts", format!("[nodes]\nnode1\n[all:vars]\n{variables}\n"));
    user.write("kubeconfig", json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "u", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "./hang", "interactiveMode": "IfAvailable"}}}]}).to_string());
    for words in [
        &["plan", "-i", "hosts"][..],
        &["plan", "-i", "node1,", "--vault-password-file", "hang"],
        &["explain", "quay.io/app", "-n", "a", "--kubeconfig", "kubeconfig", "--timeout", "120"],
    ] {
        let run = user.start(words);
        let pid = || std::fs::read_to_string(user.home().join("pid")).ok().filter(|text| text.ends_with('\n'));
        eventually("the program runs", || pid().is_some());
        let id = pid().unwrap().trim().parse().unwrap();
        let run = run.end_at_once("TERM");
        assert_eq!(run.status, 130, "{words:?}: {run:?}");
        eventually("the program is gone", || is_gone(id));
        std::fs::remove_file(user.home().join("pid")).unwrap();
    }
}

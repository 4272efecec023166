//! `--list-hosts` and `--syntax-check`: only the inventory is read, and nothing is contacted.

use std::path::Path;

use crate::support::ansible::{self, Line};
use crate::support::oregano::Oregano;
use crate::support::site::Site;

const COMMANDS: [&str; 3] = ["validate", "plan", "apply"];

/// Hosts whose order in the groups is not alphabetical, and a host that no group of nodes contains.
const INVENTORY: &str = "\
[masters]
node9
node3

[nodes]
node9
node3
node[10:12]
db1

[etcd]
other

[all:vars]
oregano_hosts='masters:nodes:!db*'
";

#[test]
fn the_listed_hosts_are_those_of_ansible() {
    let oregano = Oregano::new();
    let inventory = oregano.write("hosts", INVENTORY).display().to_string();
    let home = oregano.home();
    let limits =
        [None, Some("node1*"), Some("nodes:!node9"), Some("all:&masters"), Some("node3,node12"), Some("db1:nodes")];
    let ansible_words = |limit: Option<&str>| {
        let words = ["ansible", "masters:nodes:!db*", "-i", &inventory, "--list-hosts"];
        words.into_iter().chain(limit.into_iter().flat_map(|limit| ["--limit", limit])).map(str::to_owned).collect()
    };
    let lines: Vec<Line> = limits.iter().map(|limit| Line { argv: ansible_words(*limit), cwd: &home }).collect();
    for (limit, said) in limits.into_iter().zip(ansible::run(&lines)) {
        assert_eq!(said.status, 0, "{}", said.stderr);
        for command in COMMANDS {
            let limit: Vec<&str> = limit.into_iter().flat_map(|limit| ["--limit", limit]).collect();
            let run = oregano.run(&[&[command, "--list-hosts", "-i", &inventory], &limit[..]].concat()).expect(0);
            assert_eq!((run.stdout.as_str(), run.stderr.as_str()), (said.stdout.as_str(), ""), "{command} {limit:?}");
        }
    }
    let run = oregano.run(&["plan", "--list-hosts", "-i", &inventory, "--limit", "db1"]).expect(1);
    assert!(run.stderr.contains("`--limit db1` excludes all nodes") && run.stdout.is_empty(), "{run:?}");
}

#[test]
fn inspections_contact_nothing_and_ask_for_no_password() {
    let mut site = Site::new(2);
    let valid = "the inventory is valid; nothing was contacted\n";
    for command in COMMANDS {
        // Without a terminal, a prompt would fail; the file of the password does not exist.
        for login in [&["-k", "-K"][..], &["--connection-password-file", "nowhere", "--check"]] {
            let run = site.run(&[&[command, "--list-hosts", "--limit", "node2"], login].concat()).expect(0);
            assert_eq!(run.stdout, "  hosts (1):\n    node2\n");
            assert_eq!(site.run(&[&[command, "--syntax-check"], login].concat()).expect(0).stdout, valid);
        }
        for settings in ["[defaults]\nask_pass=True\n", "[defaults]\nconnection_password_file=nowhere\n"] {
            let file = site.oregano.write("ansible.cfg", settings);
            site.run(&[command, "--list-hosts"]).expect(0);
            site.run(&[command, "--syntax-check"]).expect(0);
            std::fs::remove_file(file).unwrap();
        }
        let run = site.run(&[command, "--syntax-check", "-q"]).expect(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    }
    // A command of the inventory could contact any machine.
    let trace = site.oregano.home().join("was-run");
    site.unset("oreg_auth_password");
    site.set_literal("oregano_oreg_auth", &format!("{{'password_command': 'touch {}'}}", trace.display()));
    let run = site.run(&["apply", "--syntax-check"]).expect(0);
    assert!(run.stdout == valid && run.stderr.contains("password_command"), "{run:?}");
    assert!(!trace.exists());
    assert!(site.nodes.iter().all(|node| node.connections() == 0));
    assert_eq!(site.registry.requests(), []);
}

#[test]
fn the_inventories_to_copy_have_no_problems() {
    let oregano = Oregano::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories");
    let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    assert!(files.iter().any(|file| file.ends_with("openshift-4.yml")), "{files:?}");
    for file in files {
        for command in COMMANDS {
            oregano.run(&[command, "--syntax-check", "-i", &file]).expect(0);
        }
        let check = oregano.run(&["inventory", "--check", "-i", &file]).expect(0);
        assert!(check.stderr.contains("0 errors") || check.stdout.contains("0 errors"), "{file}: {check:?}");
    }
}

#[test]
fn a_syntax_check_reports_all_problems() {
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "{{ vault_password }}").set("oregano_hots", "all");
    for command in COMMANDS {
        let run = site.run(&[command, "--syntax-check"]).expect(1);
        assert!(run.stderr.contains("`vault_password`") && run.stderr.contains("`oregano_hots`"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    // The problems of a part that the run leaves out would not stop it.
    site.set("oreg_auth_password", "p4ss").unset("oregano_hots").set("ansible_port", "none");
    site.host(1, "ansible_port=none");
    site.run(&["plan", "--only", "nodes", "--syntax-check"]).expect(1);
    site.run(&["plan", "--only", "cluster", "--syntax-check"]).expect(0);
    assert_eq!(site.nodes[0].connections(), 0);
    assert_eq!(site.registry.requests(), []);
}

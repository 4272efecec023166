//! Command lines and inventories that cannot be used: the message says what is wrong and where, and nothing is contacted.

mod examples;
mod habits;
mod inspections;
mod passwords;

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::support::oregano::Oregano;
use crate::support::site::Site;

#[test]
fn an_inventory_that_cannot_be_parsed_is_named_with_its_place() {
    let oregano = Oregano::new();
    let file = oregano.write("hosts", "[nodes]\nnode1 oreg_auth_password='hunter2\n[masters:nonsense]\n");
    let run = oregano.run(&["apply", "-i", file.to_str().unwrap()]).expect(1);
    assert!(run.stderr.contains("hosts:2:") && run.stderr.contains("hosts:3:"), "{}", run.stderr);
    assert!(run.stderr.contains('^') && !run.stderr.contains("hunter2"), "{}", run.stderr);
    let missing = oregano.run(&["apply", "-i", "nowhere"]).expect(1);
    assert!(missing.stderr.contains("`nowhere`"), "{}", missing.stderr);
}

#[test]
fn an_undefined_variable_is_named_with_its_place_and_nothing_is_contacted() {
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "{{ vault_password }}");
    let run = site.run(&["apply", "--only", "nodes"]).expect(1);
    assert!(run.stderr.contains("`vault_password`") && run.stderr.contains('^'), "{}", run.stderr);
    assert_eq!(site.nodes[0].connections(), 0);
    assert_eq!(site.registry.requests(), []);
}

#[test]
fn an_invalid_command_line_ends_with_64() {
    let oregano = Oregano::new();
    for words in [&["aply"][..], &["apply", "--forks", "0"], &["apply", "--only", "masters"], &[]] {
        oregano.run(words).expect(64);
    }
    oregano.run(&["--help"]).expect(0);
    oregano.run(&["--version"]).expect(0);
}

#[test]
fn restore_accepts_only_what_has_an_effect() {
    let oregano = Oregano::new();
    for option in ["--only=cluster", "--prune", "--list-hosts", "--syntax-check", "--retry-file=f", "--from=first-node"]
    {
        let run = oregano.run(&["restore", "20260101T000000Z_prod.json", option]).expect(64);
        assert!(run.stderr.contains("unexpected argument"), "{option}: {}", run.stderr);
    }
    for (words, message) in [
        (&["restore", "--json"][..], "the list of backups is printed only as text"),
        (&["restore", "-C"], "--check has no effect without the name of a backup"),
        (&["restore", "--context=c"], "--context has no effect without the name of a backup"),
        (&["restore", "--become"], "options for nodes have no effect without the name of a backup"),
        (
            &["restore", "20260101T000000Z_prod.json", "--limit=node1"],
            "--limit has no effect: `oregano restore` writes",
        ),
        (&["restore", "--forks=2"], "--forks has no effect: `oregano restore` writes"),
        (&["restore", "--transfer-ownership"], "--transfer-ownership has no effect without the name of a backup"),
    ] {
        let run = oregano.run(words).expect(64);
        assert!(run.stderr.contains(message) && run.stderr.contains("oregano restore"), "{words:?}: {}", run.stderr);
    }
    let help = oregano.run(&["restore", "--help"]).expect(0).stdout;
    let lists = |option| help.contains(option);
    assert!(lists("--kubeconfig") && lists("--private-key") && !lists("--limit") && !lists("--forks"), "{help}");
    assert_eq!(oregano.run(&["-q", "restore"]).expect(0).stderr, "");
}

/// Every command that prints a result without contacting anything.
const RESULTS: [&[&str]; 20] = [
    &["--help"],
    &["-h"],
    &["--version"],
    &["help", "plan"],
    &["apply", "--help"],
    &["login", "--help"],
    &["version"],
    &["completion", "bash"],
    &["man"],
    &["schema", "events"],
    &["inventory", "--list"],
    &["inventory", "--list", "--yaml"],
    &["inventory", "--host", "node1"],
    &["inventory", "--graph"],
    &["inventory", "--check"],
    &["inventory", "--check", "--output", "json"],
    &["inventory", "--schema"],
    &["explain", "quay.io/acme/app"],
    &["apply", "--list-hosts", "-i", "inventory"],
    &["validate", "--syntax-check", "-i", "inventory"],
];

#[test]
fn a_result_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_not() {
    let oregano = Oregano::new();
    oregano.write(
        "inventory",
        "[nodes]\nnode1\n[all:vars]\noreg_url=quay.io/a/b\noreg_auth_user=u\noreg_auth_password=p4ss\n",
    );
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oregano"));
        command.args(arguments).env_clear().env("HOME", oregano.home()).current_dir(oregano.home());
        command.stdin(Stdio::null());
        command
    };
    for arguments in RESULTS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let run = command(arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("the output could not be written completely"), "{arguments:?}: {said}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = command(arguments).stdout(writer).output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!((run.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
    // The events of a run are a result, too.
    for output in ["text", "json"] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let run = command(&["plan", "--output", output, "-i", "nowhere"]).stdout(full).output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(1), "{said}");
        assert!(said.contains("could not be written") || output == "text", "{said}");
    }
}

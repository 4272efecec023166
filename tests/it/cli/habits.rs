//! Options that users of Ansible, kubectl and Terraform type by habit: accepted with the meaning that they have there, or
//! rejected with the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::oregano::Oregano;
use crate::support::site::{DOCKER, Site, auth};
use crate::support::sshd::{ASKED, ROOT};

#[test]
fn options_that_are_not_supported_yet_are_rejected_with_the_reason() {
    let oregano = Oregano::new();
    // The inventory does not exist, which would be reported if it were read.
    for option in ["-c local", "--connection=local", "--ssh-common-args -oProxyJump=b", "--ssh-extra-args=-4", "-F cfg"]
    {
        let words: Vec<_> = ["apply", "-i", "nowhere"].into_iter().chain(option.split(' ')).collect();
        let run = oregano.run(&words).expect(64);
        assert!(run.stderr.contains("is not supported yet: "), "{option}: {}", run.stderr);
    }
    for option in ["--become-user=app", "--become-method=su", "--sftp-extra-args=-l9", "--scp-extra-args=-l9"] {
        for command in [&["validate"][..], &["plan"], &["explain", "image"]] {
            let run = oregano.run(&[command, &[option, "-i", "nowhere"]].concat()).expect(64);
            assert!(run.stderr.contains("is not supported yet: "), "{option}: {}", run.stderr);
        }
    }
    // The value may contain a password.
    let run = oregano.run(&["plan", "--ssh-common-args=hunter2"]).expect(64);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn conflicts_are_rejected_before_anything_is_read() {
    let oregano = Oregano::new();
    for words in [
        "plan -k --connection-password-file nowhere",
        "plan -K --become-password-file nowhere",
        "plan --json -o text -i nowhere",
        "--json plan --output text -i nowhere",
        "login registry.example.com --insecure --tls-verify=true",
        "login registry.example.com --context prod -u u",
        "login registry.example.com -i hosts.ini -u u",
        "explain image --context prod",
        "plan --dry-run=none -i nowhere",
        "version -i hosts.ini",
        "plan --list-hosts --syntax-check -i nowhere",
        "validate --list-hosts --retry-file failed.txt -i nowhere",
        "apply --syntax-check --retry-file failed.txt -i nowhere",
        "apply --list-hosts --only cluster -i nowhere",
        "plan --list-hosts --json -i nowhere",
        "--output json validate --syntax-check -i nowhere",
        "validate --only cluster -i nowhere",
        "validate --prune -i nowhere",
        "validate -D -i nowhere",
        "validate --transfer-ownership -i nowhere",
        "validate --recreate -i nowhere",
    ] {
        let run = oregano.run(&words.split(' ').collect::<Vec<_>>()).expect(64);
        assert!(run.stderr.contains("Usage: ") || run.stderr.contains("possible values"), "{words}: {}", run.stderr);
        assert!(!run.stderr.contains("does not exist"), "{words}: {}", run.stderr);
    }
}

#[test]
fn the_help_lists_the_options_that_have_an_effect() {
    let oregano = Oregano::new();
    for (command, has_effect) in [("validate", false), ("plan", true), ("apply", true)] {
        let help = oregano.run(&[command, "--help"]).expect(0).stdout;
        for option in ["--only", "--prune", "--diff", "--transfer-ownership", "--recreate", "--check"] {
            assert_eq!(help.contains(&format!(" {option}")), has_effect, "{command} {option}: {help}");
        }
        for option in ["--from", "--kubeconfig", "--context"] {
            assert!(help.contains(&format!(" {option}")), "{command} {option}: {help}");
        }
    }
}

#[test]
fn a_tip_names_what_exists_and_there_is_none_otherwise() {
    let oregano = Oregano::new();
    for (words, tip) in [
        ("plan hosts.ini", "an inventory is passed with '-i hosts.ini'"),
        ("-v apply hosts.ini", "an inventory is passed with '-i hosts.ini'"),
        ("inventory --check hosts.ini", "an inventory is passed with '-i hosts.ini'"),
        ("plan --limt node1", "a similar argument exists: '--limit'"),
        ("apply -auto-approve", "write it with two dashes: '--auto-approve'"),
        ("plan -json", "write it with two dashes: '--json'"),
        ("login --tls-verify false registry.example.com", "write '--tls-verify=false'"),
        ("login registry.example.com --tls-verify false", "write '--tls-verify=false'"),
    ] {
        let run = oregano.run(&words.split(' ').collect::<Vec<_>>()).expect(64);
        assert!(run.stderr.contains(&format!("  tip: {tip}\n")), "{words}: {}", run.stderr);
    }
    for words in [
        "plan --nonsense",
        "explain image --nonsense",
        "login --nonsense host",
        "schema --nonsense events",
        "plan --server",
        "plan --only masters",
        "completion tcsh",
    ] {
        let run = oregano.run(&words.split(' ').collect::<Vec<_>>()).expect(64);
        assert!(!run.stderr.contains("tip"), "{words}: {}", run.stderr);
    }
}

#[test]
fn every_spelling_of_a_dry_run_changes_nothing() {
    let site = Site::new(1);
    for option in ["--check", "-C", "--dry-run", "--dry-run=client", "--dry-run=server"] {
        for command in ["apply", "plan"] {
            site.run(&[command, "--only", "nodes", option, "-y", "--auto-approve"]).expect(3);
        }
    }
    assert_eq!(site.file(1, DOCKER), None);
    site.run(&["validate", "--check", "--yes", "--kubeconfig", "nowhere"]).expect(0);
    for json in [&["--json"][..], &["-o", "json"], &["--output", "json"]] {
        let run = site.run(&[&["plan", "--only", "nodes"], json].concat()).expect(3);
        assert_eq!(run.events().last().unwrap()["event"], "recap");
    }
    site.run(&["apply", "--only", "nodes", "--yes"]).expect(0);
    assert!(site.file(1, DOCKER).unwrap().contains(&auth()));
}

#[test]
fn passwords_for_nodes_come_from_files_and_scripts() {
    let mut site = Site::new(1);
    let password = site.nodes[0].password().to_owned();
    site.oregano.write("password", format!("{password}\n"));
    let script = site.oregano.write("script", format!("#!/bin/sh\necho '{password}'\n"));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    site.unset("ansible_ssh_private_key_file").unset("ansible_user");
    let plan = ["plan", "--only", "nodes"];
    for (user, login, escalation) in [
        (ROOT, "--connection-password-file=password", &[][..]),
        (ROOT, "--conn-pass-file=~/script", &[]),
        (ASKED, "--connection-password-file=script", &["-b", "--become-password-file=password"]),
        (ASKED, "--connection-password-file=password", &["--become", "--become-pass-file=script"]),
    ] {
        site.run(&[&plan[..], &["-u", user, login], escalation].concat()).expect(3);
    }
    let words = ["-u", ASKED, "--connection-password-file=password"];
    // The inventory takes precedence over --become.
    site.host(1, "ansible_become=False");
    let run = site.run(&[&["apply", "--only", "nodes"][..], &words, &["-b"]].concat()).expect(2);
    assert!(run.stderr.contains("ermission denied"), "{}", run.stderr);
    assert_eq!(site.file(1, DOCKER), None);
    for (content, fault) in [("", "is empty"), ("a\nb\n", "contains a line break")] {
        site.oregano.write("wrong", content);
        let run = site.run(&[&plan[..], &["--connection-password-file=wrong"]].concat()).expect(1);
        assert!(run.stderr.contains(fault) && run.stderr.contains("hint: "), "{}", run.stderr);
    }
    let run = site.run(&[&plan[..], &["--become-password-file=nowhere"]].concat()).expect(1);
    assert!(run.stderr.contains("cannot read the sudo password file `nowhere`: No such file"), "{}", run.stderr);
    // Nothing is sent twice, and no password appears in a message.
    assert!(!run.stderr.contains(&password));
}

#[test]
fn passwords_for_nodes_come_from_ansible_cfg() {
    let mut site = Site::new(1);
    let password = site.nodes[0].password().to_owned();
    site.oregano.write("secrets/password", format!("{password}\n"));
    site.unset("ansible_ssh_private_key_file").unset("ansible_user");
    let hosts = site.oregano.write("hosts", site.inventory()).display().to_string();
    let plan = ["plan", "--only", "nodes", "-i", &hosts, "-b", "-u", ASKED];
    let files = "connection_password_file=secrets/password\nbecome_password_file=secrets/password\n";
    site.oregano.write("ansible.cfg", format!("[defaults]\n{files}"));
    site.oregano.run(&plan).expect(3);
    // An option takes precedence, also over a prompt.
    let run = site.oregano.run(&[&plan[..], &["--become-password-file=nowhere"]].concat()).expect(1);
    assert!(run.stderr.contains("cannot read the sudo password file `nowhere`"), "{}", run.stderr);
    site.oregano.write("ansible.cfg", format!("[defaults]\nask_pass=True\n{files}"));
    let run = site.oregano.run(&plan).expect(1);
    assert!(run.stderr.contains("cannot prompt for a password: there is no terminal"), "{}", run.stderr);
    site.oregano.run(&[&plan[..], &["--connection-password-file=secrets/password"]].concat()).expect(3);
    let session = site.oregano.sit_at(&plan, "", &format!("{password}\n"));
    assert_eq!(session.status, Some(3), "{}", session.shown);
    // The sudo password is that of SSH if the user only presses Enter.
    site.oregano.write("ansible.cfg", "[defaults]\nask_pass=True\n[privilege_escalation]\nbecome_ask_pass=True\n");
    let session = site.oregano.sit_at(&plan, "", &format!("{password}\n\n"));
    assert_eq!(session.status, Some(3), "{}", session.shown);
    assert!(session.shown.contains("BECOME password[defaults to SSH password]: "), "{}", session.shown);
    assert!(!session.shown.contains(&password), "{}", session.shown);
    // A run that contacts no node asks for no password.
    site.run(&["validate"]).expect(0);
    site.run(&["validate", "--from", "first-node"]).expect(1);
}

#[test]
fn a_password_of_standard_input() {
    let mut site = Site::new(1);
    let password = site.nodes[0].password().to_owned();
    site.unset("ansible_ssh_private_key_file");
    let inventory = site.oregano.write("hosts", site.inventory()).display().to_string();
    let words = ["plan", "--only", "nodes", "-i", &inventory, "--connection-password-file", "-"];
    site.oregano.run_with_input(&words, &format!("{password}\n")).expect(3);
}

#[test]
fn completion_scripts_and_manual_pages_are_accepted_by_their_tools() {
    let oregano = Oregano::new();
    let script = oregano.run(&["completion", "bash"]).expect(0).stdout;
    let check = format!(
        "{script}\nCOMP_WORDS=(oregano plan --conn); COMP_CWORD=2; _oregano oregano --conn plan; echo \"${{COMPREPLY[@]}}\""
    );
    let completed = std::process::Command::new("bash").args(["-c", &check]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "--connection-password-file");
    oregano.run(&["man", "pages/man1"]).expect(0);
    let pages = oregano.home().join("pages/man1");
    let main = fs::read_to_string(pages.join("oregano.1")).unwrap();
    assert_eq!(main, oregano.run(&["man"]).expect(0).stdout);
    // Every page that the main page refers to exists.
    let commands: Vec<_> =
        main.lines().filter_map(|line| line.strip_prefix("oregano\\-")?.strip_suffix("(1)")).collect();
    assert!(commands.len() > 8, "{main}");
    for command in commands {
        let page = fs::read_to_string(pages.join(format!("oregano-{command}.1"))).unwrap();
        assert!(page.contains(".SH EXAMPLES"), "{page}");
    }
}

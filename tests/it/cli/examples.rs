//! Every help text ends with examples, and every example works as it is printed, with real servers.

use std::fs;
use std::process::Stdio;

use crate::support::certificate::Signer;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::oregano::Oregano;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{PASSWORD, Site, USER};

/// The names of the commands, from the help of the program.
fn commands(oregano: &Oregano) -> Vec<String> {
    let help = oregano.run(&["-h"]).expect(0).stdout;
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter(|line| !line.starts_with("    ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The command lines at the end of a help text.
fn examples(help: &str) -> Vec<String> {
    let (_, section) = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("no examples:\n{help}"));
    let lines: Vec<_> = section.lines().filter(|line| !line.is_empty()).collect();
    for pair in lines.chunks(2) {
        assert!(pair[0].starts_with("  # ") && !pair[1].starts_with("  # "), "not an example: {pair:?}");
    }
    lines.iter().skip(1).step_by(2).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_help_text_ends_with_examples() {
    let oregano = Oregano::new();
    let commands = commands(&oregano);
    assert!(commands.len() > 9, "{commands:?}");
    for command in &commands {
        for help in ["--help", "-h"] {
            let text = oregano.run(&[command, help]).expect(0).stdout;
            assert!(examples(&text).iter().all(|line| line.contains("oregano ")), "{text}");
        }
        assert_eq!(
            examples(&oregano.run(&["help", command]).expect(0).stdout),
            examples(&oregano.run(&[command, "--help"]).expect(0).stdout)
        );
    }
    examples(&oregano.run(&["--help"]).expect(0).stdout);
}

#[test]
fn every_example_works() {
    let (kubernetes, _alone) = Kubernetes::shared_openshift();
    let token = User::Admin.token();
    let registry = Registry::start(
        Auth::Basic,
        Transport::Tls(Signer::Authority),
        &[(USER, PASSWORD), ("puller", PASSWORD), ("user", &token)],
    );
    let authority = registry.ca_file().to_owned();
    let mut site = Site::with(registry, 2);
    site.unset("openshift_docker_insecure_registries");
    site.oregano.env("SSL_CERT_FILE", &authority);
    let host = site.registry.host().to_owned();
    let mut kubeconfig: serde_json::Value =
        serde_json::from_slice(&fs::read(kubernetes.kubeconfig(User::Admin)).unwrap()).unwrap();
    let mut context = kubeconfig["contexts"][0].clone();
    context["name"] = "prod".into();
    kubeconfig["contexts"].as_array_mut().unwrap().push(context);
    let home = site.oregano.home();
    site.oregano.write(".kube/config", kubeconfig.to_string());
    // No controller manager runs, which would create it. It may be left from another test.
    let account = serde_json::json!({"metadata": {"name": "default"}});
    kubernetes.api("POST", "/api/v1/namespaces/openshift/serviceaccounts", Some(&account));
    site.oregano.write("hosts.ini", site.inventory());
    site.oregano.write("secrets.yml", "unused: x\n");
    site.oregano.write("vault-password", "vault\n");
    site.oregano.write("sudo-password", "sudo\n");
    site.oregano.write("password", format!("{PASSWORD}\n"));
    fs::create_dir_all(home.join(".config/fish/completions")).unwrap();
    // The examples name the program as a user does.
    let program = format!("'{}'", env!("CARGO_BIN_EXE_oregano"));
    for command in std::iter::once("oregano".to_owned()).chain(commands(&site.oregano)) {
        let help = match command.as_str() {
            "oregano" => site.oregano.run(&["--help"]),
            name => site.oregano.run(&[name, "--help"]),
        };
        for example in examples(&help.expect(0).stdout) {
            let line = example.replace("registry.example.com", &host).replace("/usr/local", home.to_str().unwrap());
            let prompts =
                command == "login" && !line.contains("--password-stdin") && !line.contains("--kubeconfig-token");
            if prompts {
                let words: Vec<&str> = line.split(' ').skip(1).collect();
                site.oregano.type_at_prompt(&words, PASSWORD);
                continue;
            }
            let line = line.replace("oregano ", &format!("{program} "));
            let output = site.oregano.shell(&format!("set -o pipefail; {line}")).stdin(Stdio::null()).output().unwrap();
            // Changes are pending before the example of `apply`.
            let expected: &[i32] = if example.contains(" plan ") { &[0, 3] } else { &[0] };
            assert!(
                output.status.code().is_some_and(|status| expected.contains(&status)),
                "`{example}` ended with {}\n{}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

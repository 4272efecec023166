//! The poison test: every command at the highest verbosity with canary passwords, and no trace of them, in any
//! encoding, in what is printed, in the arguments of processes, or in temporary files. A control shows that the
//! search finds a canary that is planted.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

use super::support::kubernetes::{Kubernetes, User};
use super::support::oregano::Oregano;
use super::support::registry::{Auth, Registry, Transport};
use super::support::site::{DOCKER, Site, USER};
use super::support::sshd::ASKED;

const REGISTRY: &str = "Canary-R3g1stry'<&>\"x";
const REGISTRY_WRONG: &str = "Canary-Wr0ng-Reg<x>";
const FOREIGN: &str = "Canary-F0reign";

/// Every way a secret may show itself.
fn forms(user: &str, secret: &str) -> Vec<String> {
    let pair = format!("{user}:{secret}");
    let json = serde_json::to_string(secret).unwrap();
    let mut forms = vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        secret.replace('\'', r"\'"),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.chars().rev().collect(),
    ];
    for text in [secret, &pair] {
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE] {
            forms.push(engine.encode(text));
        }
    }
    // base64 of a longer text that holds the secret shows it at one of three offsets.
    for skip in 0..3 {
        let shifted = STANDARD_NO_PAD.encode(format!("{}{secret}", "x".repeat(skip)));
        forms.push(shifted[4..shifted.len() - 3].to_owned());
    }
    let percent: String = secret
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || byte == b'-' {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    forms.push(percent);
    forms
}

/// The forms of the secrets that a text holds.
fn traces(text: &str, secrets: &[(&str, &str)]) -> Vec<String> {
    let all = secrets.iter().flat_map(|(user, secret)| forms(user, secret));
    all.filter(|form| text.contains(form.as_str())).collect()
}

/// The arguments and environments of all processes, gathered until `stop`. The inventory's path is in
/// arguments, and its content must not be.
fn watch_processes(stop: &AtomicBool) -> String {
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            for file in ["cmdline", "environ"] {
                if let Ok(bytes) = std::fs::read(entry.path().join(file)) {
                    seen.insert(String::from_utf8_lossy(&bytes).replace('\0', " "));
                }
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    seen.into_iter().collect::<Vec<_>>().join("\n")
}

/// Every file below a folder, as text.
fn files_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text += &files_below(&path);
        } else {
            text += &format!(
                "{}\n{}\n",
                path.display(),
                String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default())
            );
        }
    }
    text
}

#[test]
fn no_secret_shows_anywhere() {
    let (kubernetes, _guard) = Kubernetes::shared_openshift();
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, REGISTRY)]);
    let mut site = Site::with_password(registry, 2, REGISTRY);
    site.cluster(kubernetes, User::Writer);
    site.set("ansible_user", ASKED).set_literal("ansible_become", "True");
    site.unset("ansible_ssh_private_key_file");
    let ssh = site.nodes[0].password().to_owned();
    let ssh_other = site.nodes[1].password().to_owned();
    for (number, password) in [(1, &ssh), (2, &ssh_other)] {
        site.host(number, &format!("ansible_password='{password}' ansible_become_password='{password}'"));
    }
    let foreign = STANDARD.encode(format!("them:{FOREIGN}"));
    let file = format!("{{\"auths\":{{\"f.example.com\":{{\"auth\":\"{foreign}\"}}}},\"password\":\"{FOREIGN}\"}}");
    site.nodes[0].write(DOCKER, file.as_bytes(), 0o644);
    kubernetes.create_secret("openshift", "imagestreamsecret", &file);
    let secrets = [
        (USER, REGISTRY),
        (USER, REGISTRY_WRONG),
        ("them", FOREIGN),
        (ASKED, ssh.as_str()),
        (ASKED, ssh_other.as_str()),
    ];

    let stop = AtomicBool::new(false);
    let (outputs, processes) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch_processes(&stop));
        let mut outputs = String::new();
        let wrong = site.oregano.write("wrong.yml", format!("oreg_auth_password: {REGISTRY_WRONG:?}\n"));
        let broken = site.oregano.write("broken.yml", format!("oreg_auth_password: [{REGISTRY_WRONG:?}\n"));
        for format in ["text", "json"] {
            let common = ["--output", format, "-v"];
            for words in [
                vec!["validate"],
                vec!["plan"],
                vec!["apply", "-e", &format!("@{}", wrong.display())],
                vec!["apply", "-e", &format!("@{}", broken.display())],
                vec!["apply", "-e", r#"{"oreg_auth_password": {"a": 1}}"#],
                vec!["apply", "--limit", "node1"],
                vec!["apply"],
                vec!["apply"],
            ] {
                let run = site.run(&[words.as_slice(), &common].concat());
                outputs += &format!("{words:?}\n{}\n{}\n", run.stdout, run.stderr);
            }
            // A secret and a file that cannot be merged into, each holding a password.
            site.nodes[0].write(DOCKER, format!("\"{FOREIGN}\"").as_bytes(), 0o600);
            let run = site.run(&[&["apply"], &common[..]].concat());
            outputs += &format!("{}\n{}\n", run.stdout, run.stderr);
            site.nodes[0].write(DOCKER, file.as_bytes(), 0o644);
        }
        stop.store(true, Ordering::Relaxed);
        (outputs, watch.join().unwrap())
    });
    assert!(outputs.contains("refused") && outputs.contains("written and read back"), "the runs did not do their work");
    assert_eq!(traces(&outputs, &secrets), Vec::<String>::new(), "printed:\n{outputs}");
    assert!(processes.contains("oregano"), "no process was seen");
    assert_eq!(traces(&processes, &secrets), Vec::<String>::new(), "in the arguments of a process");
    assert_eq!(files_below(&site.oregano.temporary()), "", "temporary files were left");
    for node in &site.nodes {
        let left = node.sh("find /tmp /root /var/lib/origin -newer /etc/hostname -type f ! -name config.json").stdout;
        assert_eq!(String::from_utf8_lossy(&left), "", "files were left on a node");
    }
}

#[test]
fn no_secret_of_a_login_shows_anywhere() {
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, REGISTRY)]);
    registry.push("openshift3/ose-pod", "v3.11", USER, REGISTRY);
    let oregano = Oregano::new();
    let foreign = STANDARD.encode(format!("them:{FOREIGN}"));
    let file = format!("{{\"auths\":{{\"f.example.com\":{{\"auth\":\"{foreign}\"}}}},\"password\":\"{FOREIGN}\"}}");
    oregano.write("auth.json", &file);
    oregano.write("broken.json", format!("{{\"auths\":{{\"{}\":\"{FOREIGN}\"}}}}", registry.host()));
    let secrets = [(USER, REGISTRY), (USER, REGISTRY_WRONG), ("them", FOREIGN)];

    let stop = AtomicBool::new(false);
    let (outputs, processes) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch_processes(&stop));
        let mut outputs = String::new();
        for format in ["text", "json"] {
            for (file, password) in [
                ("broken.json", REGISTRY),
                ("auth.json", REGISTRY_WRONG),
                ("auth.json", &format!("{REGISTRY}\r\n\n")),
                ("auth.json", REGISTRY),
                ("auth.json", REGISTRY),
            ] {
                let words = ["login", registry.host(), "-u", USER, "--password-stdin", "--tls-verify=false", "-v"];
                let more = ["--to", file, "--test-image", "openshift3/ose-pod:v3.11", "--output", format];
                let run = oregano.run_with_input(&[&words[..], &more].concat(), password);
                outputs += &format!("{}\n{}\n", run.stdout, run.stderr);
            }
            oregano.write("auth.json", &file);
        }
        stop.store(true, Ordering::Relaxed);
        (outputs, watch.join().unwrap())
    });
    for shown in ["refused", "control character", "is not a JSON object", "is saved", "right already"] {
        assert!(outputs.contains(shown), "no run said `{shown}`:\n{outputs}");
    }
    assert_eq!(traces(&outputs, &secrets), Vec::<String>::new(), "printed:\n{outputs}");
    assert!(processes.contains("oregano login"), "no process was seen");
    assert_eq!(traces(&processes, &secrets), Vec::<String>::new(), "in the arguments of a process");
    assert_eq!(files_below(&oregano.temporary()), "", "temporary files were left");
}

#[test]
fn the_search_finds_what_is_planted() {
    let secrets = [(USER, REGISTRY)];
    for planted in [
        format!("password={REGISTRY}"),
        format!("{{\"p\":{}}}", serde_json::to_string(REGISTRY).unwrap()),
        format!("Authorization: Basic {}", STANDARD.encode(format!("{USER}:{REGISTRY}"))),
        STANDARD.encode(format!("{{\"auths\":{{\"r\":{{\"password\":\"{REGISTRY}\"}}}}}}")),
        STANDARD.encode(format!("y{REGISTRY}")),
        format!("?password={}", "Canary-R3g1stry%27%3C%26%3E%22x"),
    ] {
        assert_ne!(traces(&planted, &secrets), Vec::<String>::new(), "{planted}");
    }
    assert_eq!(traces("nothing to see: Canary", &secrets), Vec::<String>::new());
}

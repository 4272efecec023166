//! Complete outputs, as text and as JSON lines, of runs against real servers: files in `tests/snapshots/`. The transcripts
//! in README.md and docs/ are these files, and docs/run.svg shows one of them.
//! `OREGANO_UPDATE_SNAPSHOTS=1 tests/run --test it snapshots` rewrites all.

mod compare;
mod fleet;
mod picture;
mod scene;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::double::Double;
use crate::support::double::registry::reply;
use crate::support::kubernetes::User;
use crate::support::site::DOCKER;
use compare::Form;
use scene::{PASSWORD, REGISTRY, Reach, SECOND, Scene, USER};

/// Compares a run in both forms with its snapshots; each form has a new scene.
#[track_caller]
fn snapshot(name: &str, status: i32, words: &[&str], scene: impl Fn() -> Scene) {
    let shown = {
        let scene = scene();
        let run = scene.run(words).expect(status);
        scene.normalize(&run.stdout)
    };
    compare::check(name, Form::Text, &transcript(words, &shown, status));
    let scene = scene();
    let run = scene.run(&[words, &["--output", "json"]].concat()).expect(status);
    run.events();
    compare::check(name, Form::Json, &scene.normalize(&run.stdout));
}

/// A run as a terminal shows it; the exit status only where it is not 0.
fn transcript(words: &[&str], shown: &str, status: i32) -> String {
    let quoted = |word: &&str| if word.contains('|') { format!("'{word}'") } else { (*word).to_owned() };
    let words: Vec<String> = words.iter().map(quoted).collect();
    let status = if status == 0 { String::new() } else { format!("$ echo $?\n{status}\n") };
    format!("$ oregano {}\n{shown}{status}", words.join(" "))
}

// ── what the README shows ────────────────────────────────────────────────────────────────────────

/// As the README's first run finds it: one node has a file already.
fn fresh() -> Scene {
    let scene = Scene::new();
    scene.node("node2").write(DOCKER, b"{}", 0o644);
    scene
}

/// The README's machines for runs without a cluster.
fn machines() -> Scene {
    Scene::without_cluster(2, Reach::Local)
}

/// After a first run.
fn applied() -> Scene {
    let scene = Scene::new();
    scene.run(&["apply", "-i", "hosts.ini"]).expect(0);
    scene
}

#[test]
fn first_apply() {
    snapshot("first-apply", 0, &["apply", "-i", "hosts.ini"], fresh);
}

#[test]
fn second_apply() {
    snapshot("second-apply", 0, &["apply", "-i", "hosts.ini"], applied);
}

#[test]
fn revoked_token() {
    snapshot("revoked-token", 2, &["apply", "-i", "hosts.ini", "-e", "@secrets.yml"], || {
        let scene = Scene::new();
        scene.oregano.write("secrets.yml", "oreg_auth_password: a-token-that-was-revoked\n");
        scene
    });
}

#[test]
fn login() {
    let scene = || {
        let scene = machines();
        let file = scene.oregano.write(".docker/config.json", "{}");
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        scene
    };
    let shown = {
        let scene = scene();
        let words = ["login", scene.registry.host(), "-u", USER];
        scene.normalize(&scene.oregano.type_at_prompt(&words, PASSWORD).replace("\r\n", "\n"))
    };
    // `script` adds when it started and ended.
    let lines = shown.lines().filter(|line| !line.starts_with("Script ") && !line.is_empty());
    let shown: String = lines.map(|line| format!("{line}\n")).collect();
    compare::check("login", Form::Text, &transcript(&["login", REGISTRY, "-u", USER], &shown, 0));
    let scene = scene();
    let words = ["login", scene.registry.host(), "-u", USER, "--password-stdin", "--output", "json"];
    let run = scene.oregano.run_with_input(&words, PASSWORD).expect(0);
    run.events();
    compare::check("login", Form::Json, &scene.normalize(&run.stdout));
}

#[test]
fn explain() {
    let config = |entries: &[(&str, &str)]| {
        let entry = |(key, user): &(&str, &str)| {
            ((*key).to_owned(), serde_json::json!({"auth": STANDARD.encode(format!("{user}:secret"))}))
        };
        let auths: serde_json::Map<_, _> = entries.iter().map(entry).collect();
        serde_json::json!({"auths": auths}).to_string()
    };
    snapshot("explain", 0, &["explain", "quay.io/team/app:v1", "-i", "hosts.ini"], || {
        let scene = machines();
        for (_, node) in &scene.nodes {
            let kubelet = config(&[("quay.io", "acme+old"), ("quay.io/team", "acme+robot")]);
            node.write("/var/lib/kubelet/config.json", kubelet.as_bytes(), 0o600);
            node.write("/run/containers/0/auth.json", config(&[("quay.io/team", "me")]).as_bytes(), 0o600);
            node.write(DOCKER, config(&[("quay.io:443", "root")]).as_bytes(), 0o600);
        }
        scene
    });
}

#[test]
fn from_every_node() {
    let words = ["validate", "-i", "hosts.ini", "--from", "every-node"];
    snapshot("from-every-node", 2, &words, || Scene::without_cluster(2, Reach::FromNodesOnly));
}

// ── more runs ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn all_credentials_refused() {
    snapshot("all-credentials-refused", 2, &["apply", "-i", "hosts.ini"], || {
        let scene = Scene::new();
        scene.edit(PASSWORD, "a-token-that-was-revoked");
        scene.edit("token12345", "another-revoked-token");
        scene
    });
}

#[test]
fn node_down() {
    snapshot("node-down", 4, &["apply", "-i", "hosts.ini"], || {
        let scene = Scene::new();
        scene.node("node1").stop();
        scene
    });
}

#[test]
fn interrupted() {
    snapshot("interrupted", 130, &["apply", "-i", "hosts.ini"], || {
        let mut scene = Scene::new();
        scene.interrupt_at_last_node();
        scene
    });
}

#[test]
fn plan() {
    snapshot("plan", 3, &["plan", "-i", "hosts.ini"], || {
        let scene = Scene::new();
        scene.run(&["apply", "-i", "hosts.ini", "--limit", "master1.example.com:node1.example.com"]).expect(0);
        scene.node("node1").write(DOCKER, br#"{"auths":{"quay.io":{"auth":"bWU6c2VjcmV0"}}}"#, 0o644);
        scene
    });
}

#[test]
fn only_nodes() {
    snapshot("only-nodes", 0, &["apply", "-i", "hosts.ini", "--only", "nodes"], machines);
}

#[test]
fn only_cluster() {
    snapshot("only-cluster", 0, &["apply", "-i", "hosts.ini", "--only", "cluster"], Scene::new);
}

#[test]
fn everything_in_detail() {
    snapshot("everything-in-detail", 0, &["apply", "-i", "hosts.ini", "-v"], applied);
}

#[test]
fn two_of_twelve_broken() {
    snapshot("two-of-twelve-broken", 4, &["apply", "-i", "hosts.ini"], || {
        let scene = Scene::with_nodes(11);
        scene.node("node3").stop();
        scene.node("node8").set_readonly("/var/lib/origin/.docker");
        scene
    });
}

#[test]
fn ten_of_500_broken() {
    use fleet::Special::{Outdated, ReadOnly, Refuses, UnknownKey};
    let refuses = [47, 101, 113, 214, 215, 216, 333].map(|number| (number, Refuses));
    let broken = [&refuses[..], &[(77, ReadOnly), (400, ReadOnly), (8, UnknownKey)]].concat();
    let mut scene = fleet::fleet(500, &[&broken[..], &[(300, Outdated)]].concat());
    scene.oregano.env("ANSIBLE_FORKS", "64");
    let words = ["apply", "-i", "hosts.ini", "--only", "nodes", "--retry-file", "failed.txt"];
    let run = scene.run(&words).expect(4);
    compare::check("ten-of-500-broken", Form::Text, &transcript(&words, &scene.normalize(&run.stdout), 4));
    // The file selects exactly these nodes.
    let names = std::fs::read_to_string(scene.oregano.home().join("failed.txt")).unwrap();
    let mut numbers: Vec<usize> = broken.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    let expected: String = numbers.iter().map(|number| format!("node{number:03}.example.com\n")).collect();
    assert_eq!(names, expected);
    let again = ["plan", "-i", "hosts.ini", "--only", "nodes", "--limit", "@failed.txt", "--output", "json"];
    let again = scene.run(&again).expect(4);
    assert_eq!(again.events().last().unwrap()["hosts"].as_object().unwrap().len(), 10);
}

#[test]
fn unknown_host_key() {
    snapshot("unknown-host-key", 4, &["apply", "-i", "hosts.ini", "--only", "nodes"], || {
        let scene = machines();
        let file = scene.oregano.home().join(".ssh/known_hosts");
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        std::fs::write(file, format!("{}\n", lines[..lines.len() - 1].join("\n"))).unwrap();
        scene
    });
}

/// With a secret `imagestreamsecret` made of these members.
fn with_secret(members: serde_json::Value) -> Scene {
    let scene = Scene::new();
    let mut secret = serde_json::json!({"metadata": {"name": "imagestreamsecret"}});
    secret.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    scene.kubernetes().create("/api/v1/namespaces/openshift/secrets", &secret);
    scene
}

#[test]
fn immutable_secret() {
    let secret = || {
        with_secret(serde_json::json!({
            "type": "kubernetes.io/dockerconfigjson", "immutable": true, "data": {".dockerconfigjson": "e30="},
        }))
    };
    snapshot("immutable-secret", 2, &["apply", "-i", "hosts.ini"], secret);
}

#[test]
fn wrong_secret_type() {
    let secret = || with_secret(serde_json::json!({"type": "Opaque", "data": {"token": "e30="}}));
    snapshot("wrong-secret-type", 2, &["apply", "-i", "hosts.ini"], secret);
}

#[test]
fn no_permission_in_the_cluster() {
    snapshot("no-permission-in-the-cluster", 2, &["plan", "-i", "hosts.ini"], || {
        let mut scene = Scene::new();
        scene.user(User::Reader);
        scene
    });
}

#[test]
fn unmergeable_file() {
    snapshot("unmergeable-file", 2, &["apply", "-i", "hosts.ini"], || {
        let scene = Scene::new();
        scene.node("node1").write(DOCKER, b"{\"auths\": {\n  \"quay.io\": oops\n}}", 0o600);
        scene
    });
}

#[test]
fn missing_image() {
    snapshot("missing-image", 2, &["validate", "-i", "hosts.ini"], || {
        let scene = machines();
        scene.edit("mongodb/mongodb", "mongodb/mongodb:7");
        scene
    });
}

#[test]
fn untrusted_certificate() {
    snapshot("untrusted-certificate", 2, &["validate", "-i", "hosts.ini"], || {
        let mut scene = machines();
        scene.oregano.env("SSL_CERT_FILE", "/dev/null");
        scene
    });
}

#[test]
fn rate_limited() {
    snapshot("rate-limited", 2, &["validate", "-i", "hosts.ini"], || {
        let mut scene = machines();
        let double =
            Double::start(|_| reply(429, &[("retry-after", "3600")], r#"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#));
        scene.edit(scene.second.host(), &double.host);
        scene.show(&double.host, SECOND);
        scene.keep(double);
        scene
    });
}

#[test]
fn inventory_check() {
    snapshot("inventory-check", 1, &["inventory", "-i", "hosts.ini", "--check"], || {
        let scene = machines();
        scene.edit("'password':'token12345'", "'pasword':'token12345'");
        scene.edit("oreg_auth_user=", "oreg_auth_usr=");
        scene.edit("'a-token-of-the-service-account'", "0012345");
        scene
    });
}

#[test]
fn broken_inventory() {
    snapshot("broken-inventory", 1, &["apply", "-i", "hosts.ini"], || {
        let scene = machines();
        scene.edit("[nodes]", "[nodes:nonsense]");
        scene.edit("'a-token-of-the-service-account'", "{{ vault_token }}");
        scene
    });
}

#[test]
fn usage_error() {
    let scene = machines();
    let words = ["apply", "-i", "hosts.ini", "--only", "masters"];
    let run = scene.run(&words).expect(64);
    compare::check("usage-error", Form::Text, &transcript(&words, &scene.normalize(&run.stdout), 64));
}

// ── the files themselves ─────────────────────────────────────────────────────────────────────────

#[test]
fn every_snapshot_has_its_test() {
    let source = include_str!("snapshots.rs");
    for name in compare::names() {
        assert!(source.contains(&format!("\"{name}\"")), "no test makes the snapshot `{name}`");
    }
}

#[test]
fn the_transcripts_of_the_documentation_are_snapshots() {
    let transcripts = compare::transcripts();
    for name in
        ["first-apply", "second-apply", "revoked-token", "ten-of-500-broken", "login", "explain", "from-every-node"]
    {
        assert!(transcripts.iter().any(|transcript| transcript.name == name), "no document shows `{name}`");
    }
    transcripts.iter().for_each(compare::check_transcript);
}

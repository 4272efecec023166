//! Where the password of a login comes from, and which texts are not accepted as one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{ACME, PASSWORD, auth, log_in, names, read, registry, words};
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::oregano::Oregano;
use crate::support::registry::{Auth, Registry, Transport};

#[test]
fn the_token_of_the_kubeconfig_is_a_password() {
    let kubernetes = Kubernetes::shared();
    let token = User::Reader.token();
    let registry = Registry::start(Auth::Basic, Transport::Http, &[("user", &token), ("dev", &token)]);
    registry.push("acme/app", "v1", "user", &token);
    let user = Oregano::new();
    let config = kubernetes.kubeconfig(User::Reader);
    let words = |more: &[&str], config: &Path| {
        let all = ["login", registry.host(), "--kubeconfig-token", "--test-image", "acme/app:v1", "--tls-verify=false"];
        let all: Vec<_> = all.iter().chain(more).map(|word| (*word).to_owned()).collect();
        [all, vec!["--kubeconfig".to_owned(), config.display().to_string()]].concat()
    };
    user.run(&words(&["--to", "a.json"], &config)).expect(0);
    user.run(&words(&["--to", "b.json", "-u", "dev"], &config)).expect(0);
    let entry = |file: &str| read(&user.home().join(file))["auths"][registry.host()].clone();
    assert_eq!(entry("a.json"), json!({"auth": auth("user", &token)}));
    assert_eq!(entry("b.json"), json!({"auth": auth("dev", &token)}));

    let mut text: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    text["users"][0]["user"] = json!({"client-certificate-data": "YQ==", "client-key-data": "YQ=="});
    let certificate: PathBuf = user.write("certificate.kubeconfig", text.to_string());
    let run = user.run(&words(&["--to", "c.json"], &certificate)).expect(1);
    assert!(run.stderr.contains("has no token") && run.stderr.contains("a client certificate"), "{}", run.stderr);
    assert!(!user.home().join("c.json").exists());
}

#[test]
fn an_invalid_credential_is_rejected_before_any_request() {
    let registry = registry(Auth::Basic);
    let host = registry.host().to_owned();
    let user = Oregano::new();
    for (input, fault) in [
        ("", "is empty"),
        ("\n", "is empty"),
        ("a\0\n", "ends with a NUL character"),
        ("\0a", "podman, CRI-O and docker"),
    ] {
        let run = user.run_with_input(&words(&host, &[]), input).expect(1);
        assert!(run.stderr.contains(fault), "{input:?}: {}", run.stderr);
    }
    let with_login = format!("https://me:hunter2@{host}");
    let tagged = format!("{host}/a:hunter2");
    let cases: [(&[&str], &str); 12] = [
        (&["login", &host, "-u", "a", "-p", "hunter2"], "--password-stdin"),
        (&["login", &host, "-u=a", "-p=-hunter2"], "process list"),
        (&["login", &host, "-u", "a", "--password=hunter2"], "OREGANO_PASSWORD"),
        (&["login", &host, "--auth-basic=a:hunter2", "-u", "a"], "process list"),
        (&["login", &host, "-u", "a:hunter2", "--password-stdin"], "colon"),
        (&["login", &host, "-u", "", "--password-stdin"], "empty"),
        (&["login", &with_login, "-u", "a", "--password-stdin"], "contains `@`"),
        (&["login", &tagged, "-u", "a", "--password-stdin"], "a tag"),
        (&["login", &host, "-u", "a", "--password-stdin", "--test-image", "other.io/x"], "is not an image of"),
        (&["login", &host, "--password-stdin"], "--username"),
        (&["login", &host, "-u", "a", "--password-stdin", "-i", "hosts"], "--inventory"),
        (&["-e", "x=1", "login", &host, "-u", "a", "--password-stdin"], "--extra-vars"),
    ];
    for (words, expected) in cases {
        let run = user.run_with_input(words, "x").expect(64);
        assert!(run.stderr.contains(expected), "{words:?}: {}", run.stderr);
        assert!(!run.stderr.contains("hunter2") && run.stdout.is_empty(), "{words:?}: {}", run.stderr);
    }
    assert_eq!(registry.requests(), [], "the registry was asked");
    assert_eq!(names(&user.home()), Vec::<String>::new());
}

/// The key of a Google service account, whose JSON document is the password of the user `_json_key`.
const JSON_KEY: &str = "{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n\"\n}";

#[test]
fn a_password_of_several_lines_is_sent_and_saved_to_the_byte() {
    for kind in [Auth::Basic, Auth::Token(Transport::Http)] {
        // bcrypt uses only 72 bytes of a password.
        let key = &JSON_KEY[..72];
        let registry = Registry::start(kind, Transport::Http, &[("_json_key", key)]);
        let mut user = Oregano::new();
        let host = registry.host();
        let mut words = vec!["login", host, "-u", "_json_key", "--tls-verify=false"];
        // The token server gives a user access only to images below the name of the user, which no image can have here.
        if kind == Auth::Basic {
            registry.push("acme/app", "v1", "_json_key", key);
            words.extend(["--test-image", "acme/app:v1"]);
        }
        let piped = [&words[..], &["--password-stdin", "--to", "stdin.json"]].concat();
        let run = user.run_with_input(&piped, &format!("{key}\n")).expect(0);
        assert!(!run.stderr.contains("warning: the password"), "{}", run.stderr);
        user.env("OREGANO_PASSWORD", key);
        user.run(&[&words[..], &["--to", "variable.json"]].concat()).expect(0);
        for file in ["stdin.json", "variable.json"] {
            assert_eq!(read(&user.home().join(file))["auths"][host]["auth"], auth("_json_key", key), "{file}");
        }
        let run = user.run_with_input(&piped, &key.replace('\n', "")).expect(2);
        assert!(run.stderr.contains("refused the credentials of user `_json_key`"), "{}", run.stderr);
    }
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let run = user.run_with_input(&words(registry.host(), &[]), &format!("{PASSWORD}\n\n")).expect(2);
    assert!(
        run.stderr.contains("warning: the password ends with a line break, which is a part of it"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_password_comes_from_the_environment_or_the_terminal() {
    let (registry, mut user) = (registry(Auth::Basic), Oregano::new());
    let words = [
        "login",
        registry.host(),
        "-u",
        ACME,
        "--tls-verify=false",
        "--test-image",
        "acme/app:v1",
        "--to",
        "auth.json",
    ];
    let file = user.home().join("auth.json");
    let terminal = user.type_at_prompt(&words, PASSWORD);
    assert!(terminal.contains("Password of `acme` for `") && terminal.contains("created"), "{terminal}");
    assert!(!terminal.contains(PASSWORD), "{terminal}");
    assert_eq!(read(&file)["auths"][registry.host()]["auth"], auth(ACME, PASSWORD));
    fs::remove_file(&file).unwrap();
    let anonymous: Vec<&str> = words.into_iter().filter(|word| !["-u", ACME].contains(word)).collect();
    let session = user.sit_at(&anonymous, &format!("{ACME}\n"), &format!("{PASSWORD}\n"));
    assert_eq!(session.status, Some(0), "{}", session.shown);
    assert!(session.shown.contains("Username: "), "{}", session.shown);
    assert_eq!(read(&file)["auths"][registry.host()]["auth"], auth(ACME, PASSWORD));
    fs::remove_file(&file).unwrap();
    user.env("OREGANO_PASSWORD", "");
    let run = user.run(&words).expect(1);
    assert!(run.stderr.contains("`OREGANO_PASSWORD` is empty"), "{}", run.stderr);
    user.env("OREGANO_PASSWORD", PASSWORD);
    user.run(&words).expect(0);
    assert_eq!(read(&file)["auths"][registry.host()]["auth"], auth(ACME, PASSWORD));
    user.env("OREGANO_PASSWORD", "wrong");
    let run = user.run(&words).expect(2);
    assert!(run.stderr.contains("comes from `OREGANO_PASSWORD`"), "{}", run.stderr);
}

#[test]
fn a_token_that_has_expired_is_reported() {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.c2ln", part(json!({"alg": "n"})), part(json!({"exp": 1_700_000_000})));
    let registry = Registry::start(Auth::Basic, Transport::Http, &[(ACME, &token)]);
    registry.push("acme/app", "v1", ACME, &token);
    let user = Oregano::new();
    let at = "2023-11-14T22:13:20Z";
    let warning = format!(
        "the credential of user `{ACME}` for registry `{}` expired at {at}; it comes from standard input: renew it",
        registry.host()
    );
    let run = user.run_with_input(&words(registry.host(), &[]), &token).expect(0);
    assert!(run.stderr.contains(&format!("warning: {warning}\n")), "{}", run.stderr);
    let run = user.run_with_input(&words(registry.host(), &["--output", "json"]), &token).expect(0);
    let events = run.events();
    let report = events.iter().filter(|event| event["event"] == "warning").any(|event| event["message"] == warning);
    assert!(report, "{}", run.stdout);
    let row = events.iter().find(|event| event["event"] == "registry").unwrap();
    assert_eq!((&row["verdict"], &row["expires"]), (&json!("proved"), &json!(at)), "{}", run.stdout);
    assert!(!format!("{}{}", run.stdout, run.stderr).contains(&token));
}

#[test]
fn another_option_is_named_where_there_is_no_prompt() {
    let user = Oregano::new();
    for (words, hint) in [
        (&["login", "127.0.0.1:1", "-u", "a"][..], "hint: pipe the password in with `--password-stdin`"),
        (&["plan", "-i", "node1,", "-k"], "hint: log in with a key"),
        (&["plan", "-i", "node1,", "-K"], "`ansible_become_password`"),
        (&["inventory", "--list", "-i", "node1,", "-J"], "`--vault-password-file FILE`"),
    ] {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(env!("CARGO_BIN_EXE_oregano")).args(words).env("HOME", user.home());
        let run = command.env_remove("OREGANO_PASSWORD").stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(1), "{words:?}: {stderr}");
        assert!(stderr.contains("there is no terminal") && stderr.contains(hint), "{words:?}: {stderr}");
        assert!(!stderr.contains("os error"), "{stderr}");
    }
}

#[test]
fn a_key_with_a_path_warns_that_docker_uses_it_for_the_registry() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let key = format!("{}/acme", registry.host());
    let words = ["login", &key, "-u", ACME, "--password-stdin", "--tls-verify=false", "--to", "auth.json"];
    let report = format!("docker does not support paths: it uses the entry for all of `{}`", registry.host());
    let run = user.run_with_input(&words, PASSWORD).expect(0);
    assert!(format!("{}{}", run.stdout, run.stderr).contains(&report), "{}{}", run.stdout, run.stderr);
    let run = log_in(&user, &registry, &["--to", "b.json"]).expect(0);
    assert!(!run.stdout.contains("docker does not support"), "{}", run.stdout);
}

//! `oregano login`: one credential, proved on a real registry and merged into a file of this machine.

mod file;
mod logout;
mod password;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::certificate::Signer;
use crate::support::oregano::{Finished, Oregano};
use crate::support::registry::{Auth, Registry, Transport};

const ACME: &str = "acme";
const PASSWORD: &str = "s3cr:et'\"#$x\\ü";

/// A registry over plain HTTP with one user, whose image is `acme/app:v1`.
fn registry(auth: Auth) -> Registry {
    let registry = Registry::start(auth, Transport::Http, &[(ACME, PASSWORD)]);
    registry.push("acme/app", "v1", ACME, PASSWORD);
    registry
}

/// The arguments of a login to a registry over plain HTTP.
fn words<'a>(registry: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words =
        ["login", registry, "-u", ACME, "--password-stdin", "--tls-verify=false", "--test-image", "acme/app:v1"];
    [&words, more].concat()
}

fn log_in(user: &Oregano, registry: &Registry, more: &[&str]) -> Finished {
    user.run_with_input(&words(registry.host(), more), &format!("{PASSWORD}\n"))
}

fn auth(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o7777
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_login_is_proved_and_saved_as_docker_saves_it() {
    for kind in [Auth::Basic, Auth::Token(Transport::Http)] {
        let (registry, user) = (registry(kind), Oregano::new());
        let (host, file) = (registry.host(), user.home().join(".docker/config.json"));
        let run = log_in(&user, &registry, &[]).expect(0);
        let key = auth(ACME, PASSWORD);
        let text = format!("{{\n\t\"auths\": {{\n\t\t\"{host}\": {{\n\t\t\t\"auth\": \"{key}\"\n\t\t}}\n\t}}\n}}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        let path = file.display();
        assert_eq!(
            run.stdout,
            format!("registry {host}: proved: {host}/acme/app:v1 as `acme`\n{path}: created (+{host})\n")
        );
        assert!(run.stderr.ends_with(&format!("the login of `acme` to `{host}` is saved\n")), "{}", run.stderr);
        assert_eq!(names(file.parent().unwrap()), ["config.json"]);

        let before = fs::metadata(&file).unwrap();
        let again = log_in(&user, &registry, &[]).expect(0);
        assert!(again.stderr.ends_with("no changes: the file is already up to date\n"), "{}", again.stderr);
        let after = fs::metadata(&file).unwrap();
        assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()), "it was written again");
        assert_eq!(registry.failed_logins(), 0);
    }
}

#[test]
fn a_wrong_password_is_one_failed_login_and_the_file_stays_to_the_byte() {
    for kind in [Auth::Basic, Auth::Token(Transport::Http)] {
        let (registry, user) = (registry(kind), Oregano::new());
        let text = "{ \"auths\" :{},\r\n\"n\": 1.50e3 }";
        let file = user.write("config.json", text);
        let run = user.run_with_input(&words(registry.host(), &["--to", "config.json"]), "wrong\n").expect(2);
        assert!(run.stderr.contains("refused the credentials of user `acme`"), "{}", run.stderr);
        assert!(run.stderr.contains("hint: check user and password, nothing was saved: "), "{}", run.stderr);
        assert!(run.stderr.ends_with("nothing was changed\n"), "{}", run.stderr);
        assert_eq!(registry.failed_logins(), 1, "{}", registry.log());
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(names(&user.home()), ["config.json"]);
    }
}

#[test]
fn without_a_test_image_only_the_login_is_proved() {
    for kind in [Auth::Basic, Auth::Token(Transport::Http)] {
        let (registry, user) = (registry(kind), Oregano::new());
        let key = format!("{}/acme", registry.host());
        for key in [registry.host(), &key] {
            let words = ["login", key, "-u", ACME, "--password-stdin", "--tls-verify=false", "--to", "auth.json"];
            let run = user.run_with_input(&words, PASSWORD).expect(0);
            let proved = format!("registry {key}: proved: the login as `acme`\n");
            assert!(run.stdout.starts_with(&proved), "{}", run.stdout);
            assert_eq!(registry.failed_logins(), 0, "{}", registry.log());
        }
        let file = fs::read(user.home().join("auth.json")).unwrap();
        let words =
            ["login", registry.host(), "-u", ACME, "--password-stdin", "--tls-verify=false", "--to", "auth.json"];
        let run = user.run_with_input(&words, "wrong").expect(2);
        assert!(run.stderr.contains("refused the credentials of user `acme`"), "{}", run.stderr);
        assert_eq!(registry.failed_logins(), 1, "{}", registry.log());
        assert_eq!(fs::read(user.home().join("auth.json")).unwrap(), file);
        assert!(!registry.requests().iter().any(|request| request.path.contains("manifests")), "{}", registry.log());
    }
}

#[test]
fn an_authority_of_a_file_is_trusted() {
    let transport = Transport::Tls(Signer::Authority);
    let (registry, user) = (Registry::start(Auth::Basic, transport, &[(ACME, PASSWORD)]), Oregano::new());
    registry.push("acme/app", "v1", ACME, PASSWORD);
    let words = ["login", registry.host(), "-u", ACME, "--password-stdin", "--test-image", "acme/app:v1"];
    let run = user.run_with_input(&words, PASSWORD).expect(2);
    assert!(run.stderr.contains("TLS to registry"), "{}", run.stderr);
    let file = registry.ca_file().to_str().unwrap();
    user.run_with_input(&[&words[..], &["--ca-file", file]].concat(), PASSWORD).expect(0);
    user.write("none.pem", "no certificate");
    let run = user.run_with_input(&[&words[..], &["--ca-file", "none.pem"]].concat(), PASSWORD).expect(1);
    assert!(run.stderr.contains("`none.pem` has no usable certificate authority"), "{}", run.stderr);
    assert!(Command::new("mkfifo").arg(user.home().join("pipe")).status().unwrap().success());
    File::create(user.home().join("large")).unwrap().set_len((16 << 20) + 1).unwrap();
    for (file, fault) in [
        ("pipe", "not a regular file"),
        ("/dev/zero", "not a regular file"),
        ("large", "larger than 16 MiB"),
        ("none", "No such file"),
    ] {
        let run = user.run_with_input(&[&words[..], &["--ca-file", file]].concat(), PASSWORD).expect(1);
        assert!(run.stderr.contains(fault), "{file}: {}", run.stderr);
    }
}

#[test]
fn ctrl_c_while_the_registry_is_silent_ends_at_once() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let user = Oregano::new();
    let host = silent.local_addr().unwrap().to_string();
    let run = user.start_with_input(&words(&host, &["--output", "json"]), PASSWORD);
    let _connection = silent.accept().unwrap();
    run.signal("TERM");
    let events = run.wait().expect(130).events();
    assert_eq!(events.last().unwrap()["status"], 130);
    assert_eq!(names(&user.home()), Vec::<String>::new());
}

#[test]
fn a_login_to_a_registry_without_a_challenge_is_not_proved_but_saved() {
    let registry = Registry::start(Auth::Anonymous, Transport::Http, &[]);
    registry.push("acme/app", "v1", "", "");
    let user = Oregano::new();
    let run = log_in(&user, &registry, &["--output", "json"]).expect(0);
    let events = run.events();
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "warning", "registry", "file", "recap"]);
    assert_eq!((&events[0]["command"], &events[2]["verdict"]), (&"login".into(), &"not-proved".into()));
    assert_eq!((&events[3]["host"], &events[3]["outcome"]), (&"localhost".into(), &"created".into()));
    let text = log_in(&user, &registry, &[]).expect(0);
    assert!(text.stderr.contains("without requiring a credential"), "{}", text.stderr);
}

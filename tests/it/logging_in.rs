//! `oregano login`: one credential, proved on a real registry and merged into a file of this machine.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::support::certificate::Signer;
use super::support::kubernetes::{Kubernetes, User};
use super::support::oregano::{Finished, Oregano};
use super::support::process::{as_root, eventually, program};
use super::support::registry::{Auth, Registry, Transport};

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

/// Runs a command with the password on its standard input; its exit status and what it wrote to standard error.
fn fed(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let answer = child.wait_with_output().unwrap();
    (answer.status.code(), String::from_utf8(answer.stderr).unwrap())
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
        assert!(again.stderr.ends_with("the file was right already\n"), "{}", again.stderr);
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
        assert!(run.stderr.contains("hint: the password of `acme` comes from standard input"), "{}", run.stderr);
        assert!(run.stderr.ends_with("nothing was changed\n"), "{}", run.stderr);
        assert_eq!(registry.failed_logins(), 1, "{}", registry.log());
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(names(&user.home()), ["config.json"]);
    }
}

#[test]
fn without_a_test_image_the_login_alone_is_proved() {
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
    assert!(run.stderr.contains("has no TLS that can be trusted"), "{}", run.stderr);
    let file = registry.ca_file().to_str().unwrap();
    user.run_with_input(&[&words[..], &["--ca-file", file]].concat(), PASSWORD).expect(0);
    user.write("none.pem", "no certificate");
    let run = user.run_with_input(&[&words[..], &["--ca-file", "none.pem"]].concat(), PASSWORD).expect(1);
    assert!(run.stderr.contains("`none.pem` holds no certificate authority"), "{}", run.stderr);
}

#[test]
fn everything_else_in_the_file_survives_and_links_stay_links() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let host = registry.host();
    let old = format!(
        r#"{{"zeta":1.50e3,"auths":{{"b.example.com":{{"auth":"b2xkOm9sZA==","email":"x@y","n":12345678901234567890123}},"https://{host}/v1/":{{"auth":"b2xkOm9sZA=="}},"{host}":{{"email":"a@b","auth":"b2xkOm9sZA==","x":{{}}}},"{host}/acme":{{"auth":"b2xkOm9sZA=="}}}},"credHelpers":{{"{host}":"desktop"}},"HttpHeaders":{{"b":1,"a":2}}}}"#
    );
    let real = user.write("real/pull-secret.json", &old);
    fs::set_permissions(&real, Permissions::from_mode(0o644)).unwrap();
    let link = user.home().join("link.json");
    symlink("real/pull-secret.json", &link).unwrap();
    let run = log_in(&user, &registry, &["--to", "link.json"]).expect(0);
    let new = auth(ACME, PASSWORD);
    let expected = old
        .replace(
            &format!(r#""{host}":{{"email":"a@b","auth":"b2xkOm9sZA==""#),
            &format!(r#""{host}":{{"email":"a@b","auth":"{new}""#),
        )
        .replace(r#"/v1/":{"auth":"b2xkOm9sZA==""#, &format!(r#"/v1/":{{"auth":"{new}""#));
    assert_eq!(fs::read_to_string(&real).unwrap(), expected);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(mode(&real), 0o600);
    let change = format!("link.json: updated (~{host}, ~https://{host}/v1/ read as {host}, mode 0644 -> 0600)");
    assert!(run.stdout.contains(&change), "{}", run.stdout);
    assert!(
        run.stderr.contains("`credHelpers` sends docker and podman to `docker-credential-desktop`"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains(&format!("`{host}/acme` stays, and podman, skopeo and CRI-O prefer it")),
        "{}",
        run.stderr
    );
    assert_eq!(names(&user.home().join("real")), ["pull-secret.json"]);
}

#[test]
fn skopeo_reads_what_was_written() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let repository = format!("{}/acme", registry.host());
    for (key, file) in [(registry.host(), "auth.json"), (&repository, "path.json")] {
        let image = if key == registry.host() { "acme/app:v1" } else { "app:v1" };
        let arguments = [
            "login",
            key,
            "-u",
            ACME,
            "--password-stdin",
            "--tls-verify=false",
            "--test-image",
            image,
            "--authfile",
            file,
        ];
        user.run_with_input(&arguments, PASSWORD).expect(0);
        let file = user.home().join(file);
        let image = format!("docker://{}/acme/app:v1", registry.host());
        let inspect = |file: &Path| {
            let mut skopeo = Command::new(program("skopeo"));
            skopeo.args(["inspect", "--no-tags", "--tls-verify=false", "--authfile"]).arg(file).arg(&image);
            skopeo.stdin(Stdio::null()).output().unwrap().status.success()
        };
        assert!(inspect(&file), "{}", fs::read_to_string(&file).unwrap());
        let wrong = fs::read_to_string(&file).unwrap().replace(&auth(ACME, PASSWORD), &auth(ACME, "wrong"));
        assert!(!inspect(&user.write("wrong.json", wrong)), "skopeo does not look at the file");
    }
}

#[test]
fn docker_hub_has_the_key_that_every_reader_knows() {
    // Nobody asks Docker Hub here: the proxy is not there, so that the login ends before a request.
    let mut user = Oregano::new();
    user.env("HTTPS_PROXY", "http://127.0.0.1:9");
    let file = user.write("auth.json", r#"{"auths":{"docker.io":{"auth":"b2xkOm9sZA=="}}}"#);
    let run = user
        .run_with_input(
            &["login", "docker.io", "-u", ACME, "--password-stdin", "--to", "auth.json", "--output", "json"],
            "p",
        )
        .expect(2);
    let events = run.events();
    let row = events.iter().find(|event| event["event"] == "file").unwrap();
    assert_eq!(row["outcome"], "skipped");
    let keys: Vec<_> =
        row["changes"].as_array().unwrap().iter().map(|change| change["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["https://index.docker.io/v1/", "docker.io"]);
    // skopeo finds the user of such a key under the name of Docker Hub.
    fs::write(&file, format!(r#"{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{}"}}}}}}"#, auth(ACME, "p")))
        .unwrap();
    let mut skopeo = Command::new(program("skopeo"));
    let answer = skopeo.args(["login", "--get-login", "docker.io", "--authfile"]).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), ACME);
}

#[test]
fn a_dockercfg_stays_a_bare_map() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let (host, new) = (registry.host(), auth(ACME, PASSWORD));
    log_in(&user, &registry, &["--to", ".dockercfg", "--email", "a@b"]).expect(0);
    assert_eq!(read(&user.home().join(".dockercfg")), json!({host: {"email": "a@b", "auth": new}}));
    let old = r#"{"https://index.docker.io/v1/":{"auth":"b2xkOm9sZA==","email":"e"}}"#;
    let file = user.write("other-name", old);
    log_in(&user, &registry, &["--to", "other-name"]).expect(0);
    let expected = format!(r#"{},"{host}":{{"auth":"{new}"}}}}"#, &old[..old.len() - 1]);
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
}

#[test]
fn the_file_is_the_one_that_the_environment_names() {
    let registry = registry(Auth::Basic);
    let saved = |variables: &[(&str, &str)], words: &[&str], file: &str| {
        let mut user = Oregano::new();
        for (name, value) in variables {
            user.env(name, value);
        }
        log_in(&user, &registry, words).expect(0);
        assert!(user.home().join(file).is_file(), "{file} is not there: {:?}", names(&user.home()));
    };
    saved(&[("DOCKER_CONFIG", "docker")], &[], "docker/config.json");
    saved(&[("DOCKER_CONFIG", "docker"), ("REGISTRY_AUTH_FILE", "auth.json")], &[], "auth.json");
    saved(&[("REGISTRY_AUTH_FILE", "auth.json")], &["--to", "to.json"], "to.json");
    saved(&[("REGISTRY_AUTH_FILE", ""), ("DOCKER_CONFIG", "")], &[], ".docker/config.json");
    saved(&[], &["--to=~/home.json"], "home.json");
}

#[test]
fn a_file_that_cannot_be_merged_into_is_told_before_the_registry_is_asked() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    user.write("half.json", "{\"auths\": {");
    user.write("twice.json", r#"{"auths":{"a":{}},"auths":{}}"#);
    fs::create_dir(user.home().join("folder.json")).unwrap();
    File::create(user.home().join("large.json")).unwrap().set_len(17 << 20).unwrap();
    for (file, fault) in [
        ("half.json", "not valid JSON"),
        ("twice.json", "has a member twice"),
        ("folder.json", "is a directory"),
        ("large.json", "is too large"),
        ("half.json/below.json", "cannot be looked at"),
    ] {
        let run = log_in(&user, &registry, &["--to", file]).expect(2);
        assert!(run.stderr.contains(fault) && run.stderr.contains("hint: "), "{file}: {}", run.stderr);
    }
    assert_eq!(registry.requests(), [], "the registry was asked");
    assert_eq!(fs::read_to_string(user.home().join("half.json")).unwrap(), "{\"auths\": {");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let folder = user.home().join("read-only");
    fs::create_dir(&folder).unwrap();
    let binary = env!("CARGO_BIN_EXE_oregano");
    let script = r#"mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@""#;
    let mut command = as_root("unshare");
    let file = folder.join("config.json");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(&folder).arg(binary);
    command.args(words(registry.host(), &["--to", file.to_str().unwrap()]));
    let (status, errors) = fed(&mut command);
    assert_eq!(status, Some(2), "{errors}");
    assert!(errors.contains(&format!("cannot write `{}`", file.display())), "{errors}");
    assert!(errors.contains("caused by: Read-only file system") && errors.contains("hint: "), "{errors}");
}

#[test]
fn a_file_that_root_replaces_stays_its_owners() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let file = user.write("theirs.json", "{}");
    assert!(as_root("chown").arg("1234:5678").arg(&file).status().unwrap().success());
    let mut command = as_root(env!("CARGO_BIN_EXE_oregano"));
    command.args(words(registry.host(), &["--to", file.to_str().unwrap()]));
    let (status, errors) = fed(&mut command);
    assert_eq!(status, Some(0), "{errors}");
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), mode(&file)), (1234, 5678, 0o600));
    assert!(metadata.len() > 2, "it was not written");
}

#[test]
fn logins_at_the_same_time_are_all_saved() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let keys: Vec<String> = (0..8).map(|number| format!("{}/team{number}", registry.host())).collect();
    for number in 0..8 {
        registry.push(&format!("team{number}/app"), "v1", ACME, PASSWORD);
    }
    std::thread::scope(|scope| {
        for key in &keys {
            let words = ["login", key, "-u", ACME, "--password-stdin", "--tls-verify=false", "--test-image", "app:v1"];
            let user = &user;
            scope.spawn(move || user.run_with_input(&words, PASSWORD).expect(0));
        }
    });
    let folder = user.home().join(".docker");
    let file = read(&folder.join("config.json"));
    let mut found: Vec<_> = file["auths"].as_object().unwrap().keys().cloned().collect();
    found.sort();
    assert_eq!(found, keys);
    assert_eq!(names(&folder), ["config.json"]);
}

#[test]
fn ctrl_c_while_another_login_has_the_lock_leaves_the_file() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    user.write("auth.json", "{}");
    let lock = File::open(user.home()).unwrap();
    lock.lock().unwrap();
    let run = user.start_with_input(&words(registry.host(), &["--to", "auth.json"]), PASSWORD);
    eventually("the registry was asked", || run.stdout().contains("proved"));
    let start = Instant::now();
    run.signal("INT");
    let run = run.wait().expect(130);
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(user.home().join("auth.json")).unwrap(), "{}");

    let late = log_in(&user, &registry, &["--to", "auth.json", "--timeout", "1"]).expect(2);
    assert!(late.stderr.contains("is locked by another process"), "{}", late.stderr);
    drop(lock);
    log_in(&user, &registry, &["--to", "auth.json"]).expect(0);
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
fn a_login_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let new = auth(ACME, PASSWORD);
    let mut seen = [0, 0];
    // The file alternates between two states while runs are killed at ever later moments.
    for round in 0..40_u64 {
        let file = user.write("sub/auth.json", r#"{"auths":{"other":{"auth":"b2xkOm9sZA=="}}}"#);
        let run = user.start_with_input(&words(registry.host(), &["--to", "sub/auth.json"]), PASSWORD);
        std::thread::sleep(Duration::from_millis(round * 5));
        drop(run);
        let content = read(&file);
        assert_eq!(content["auths"]["other"]["auth"], "b2xkOm9sZA==");
        let written = &content["auths"][registry.host()]["auth"];
        assert!(written.is_null() || *written == new.as_str(), "{content}");
        seen[usize::from(!written.is_null())] += 1;
    }
    assert!(seen[0] > 0, "no run was killed before its write");
    // Whatever the killed ones left is gone after one that is not.
    log_in(&user, &registry, &["--to", "sub/auth.json"]).expect(0);
    assert_eq!(names(&user.home().join("sub")), ["auth.json"]);
}

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
fn a_registry_that_never_asks_proves_nothing_but_is_saved() {
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
    assert!(text.stderr.contains("without asking for a credential"), "{}", text.stderr);
}

#[test]
fn what_cannot_be_a_credential_is_refused_before_anything_is_asked() {
    let registry = registry(Auth::Basic);
    let host = registry.host().to_owned();
    let user = Oregano::new();
    for (input, fault) in
        [("", "is empty"), ("\n", "is empty"), ("a\nb", "control character"), ("a\n\n", "control character")]
    {
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
        (&["login", &with_login, "-u", "a", "--password-stdin"], "an `@`"),
        (&["login", &tagged, "-u", "a", "--password-stdin"], "a tag"),
        (&["login", &host, "-u", "a", "--password-stdin", "--test-image", "other.io/x"], "below"),
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
fn where_nobody_can_be_asked_another_way_is_named() {
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
fn a_key_with_a_path_is_told_to_be_more_for_docker() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let key = format!("{}/acme", registry.host());
    let words = ["login", &key, "-u", ACME, "--password-stdin", "--tls-verify=false", "--to", "auth.json"];
    let told = format!("docker knows no paths: it takes the entry for all of `{}`", registry.host());
    let run = user.run_with_input(&words, PASSWORD).expect(0);
    assert!(format!("{}{}", run.stdout, run.stderr).contains(&told), "{}{}", run.stdout, run.stderr);
    let run = log_in(&user, &registry, &["--to", "b.json"]).expect(0);
    assert!(!run.stdout.contains("docker knows"), "{}", run.stdout);
}

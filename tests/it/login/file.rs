//! The file that a login is saved in.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{ACME, PASSWORD, auth, log_in, mode, names, read, registry, words};
use crate::support::oregano::Oregano;
use crate::support::process::{as_root, eventually, program};
use crate::support::registry::Auth;

/// Runs a command with the password on its standard input. Returns its exit status and its standard error.
fn fed(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let answer = child.wait_with_output().unwrap();
    (answer.status.code(), String::from_utf8(answer.stderr).unwrap())
}

#[test]
fn an_entry_of_docker_auth_config_that_hides_the_new_one_is_reported() {
    let (registry, mut user) = (registry(Auth::Basic), Oregano::new());
    let host = registry.host().to_owned();
    let entry = |key: &str| json!({"auths": {key: {"auth": auth("ci", "hunter2hunter2")}}}).to_string();
    user.env("DOCKER_AUTH_CONFIG", entry("other.example.com"));
    let run = log_in(&user, &registry, &[]).expect(0);
    assert!(!run.stderr.contains("DOCKER_AUTH_CONFIG"), "{}", run.stderr);
    user.env("DOCKER_AUTH_CONFIG", entry(&host));
    let run = log_in(&user, &registry, &[]).expect(0);
    let note = format!(
        "docker 28.3 and later do not use the new entry: `DOCKER_AUTH_CONFIG` has one for `{host}`, with the user `ci`"
    );
    assert!(run.stderr.contains(&note) && !run.stderr.contains("hunter2"), "{}", run.stderr);
}

#[test]
fn everything_else_in_the_file_is_kept_and_links_stay_links() {
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
        run.stderr.contains("`credHelpers` makes docker and podman use `docker-credential-desktop`"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains(&format!("`{host}/acme` is kept: for the images in that namespace, podman")),
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
    // No request reaches Docker Hub: the proxy does not exist, so the login ends before a request is sent.
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
    let keys: Vec<_> = row["changes"].as_array().unwrap().iter().filter_map(|change| change["key"].as_str()).collect();
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
fn a_file_that_cannot_be_merged_is_reported_before_the_registry_is_contacted() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    user.write("half.json", "{\"auths\": {");
    user.write("twice.json", r#"{"auths":{"a":{}},"auths":{}}"#);
    fs::create_dir(user.home().join("folder.json")).unwrap();
    File::create(user.home().join("large.json")).unwrap().set_len(17 << 20).unwrap();
    for (file, fault) in [
        ("half.json", "not valid JSON"),
        ("twice.json", "has the member `auths` twice"),
        ("folder.json", "is a directory"),
        ("large.json", "is too large"),
        ("half.json/below.json", "cannot be examined"),
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
fn a_file_that_root_replaces_keeps_its_owner() {
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
    // If other users could hold the lock, the run continues without it after the timeout.
    fs::set_permissions(user.home(), Permissions::from_mode(0o700)).unwrap();
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
    // The next complete run removes the files that the killed ones have left.
    log_in(&user, &registry, &["--to", "sub/auth.json"]).expect(0);
    assert_eq!(names(&user.home().join("sub")), ["auth.json"]);
}

//! Sources of secrets: helpers, commands and files. Each is used once, never for `--list`, and its secret is never shown;
//! and what a run reports about a secret that expires.

use std::fs::{self, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use oregano::desired::{self, Request};
use oregano::inventory::Sources;
use oregano::inventory::load::load_from;
use serde_json::json;

use crate::support::process::{eventually, is_gone, program};
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{DOCKER, PASSWORD, Site, USER, auth};

/// A site whose inventory has neither user nor password, and a folder of programs on its PATH.
fn bare(nodes: usize) -> Site {
    let mut site = Site::new(nodes);
    site.unset("oreg_auth_user").unset("oreg_auth_password");
    let path = format!("{}:{}", site.oregano.home().join("bin").display(), std::env::var("PATH").unwrap());
    site.oregano.env("PATH", path);
    site
}

/// A program of the user that appends its arguments and its input to the file `asked`.
fn helper(site: &Site, then: &str) {
    let script = format!("#!/bin/sh\necho \"$* $(cat)\" >> \"$HOME/asked\"\n{then}\n");
    let file = site.oregano.write("bin/docker-credential-lab", script);
    fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
}

fn asked(site: &Site) -> String {
    fs::read_to_string(site.oregano.home().join("asked")).unwrap_or_default()
}

#[test]
fn a_check_reports_invisible_characters_and_blanks_in_a_file() {
    let mut site = bare(1);
    site.set("oreg_auth_user", USER).set_literal("oregano_oreg_auth", "{'password_file': 'password'}");
    site.oregano.write("password", "\u{feff}s3cr3t \n");
    let run = site.run(&["inventory", "--check"]);
    assert!(run.stdout.contains("has a byte order mark or a zero-width character"), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("padded-credential"), "{}", run.stdout);
    assert!(!run.stdout.contains("s3cr3t"), "{}", run.stdout);
}

#[test]
fn the_secret_of_every_source_is_written_to_the_nodes() {
    let mut site = bare(2);
    let answer = json!({"ServerURL": site.key(), "Username": USER, "Secret": PASSWORD});
    site.oregano.write("answer", answer.to_string());
    helper(&site, "cat \"$HOME/answer\"");
    site.oregano.write("password", format!("{PASSWORD}\n"));
    let file = json!({"auths": {format!("https://{}", site.key()): {"auth": auth(), "email": "me@example.com"}}});
    let data = STANDARD.encode(file.to_string());
    site.oregano.write("secret.yml", format!("kind: Secret\ndata: {{.dockerconfigjson: {data}}}\n"));
    let realm = site.registry.realm_host().to_owned();
    let delegated = format!("{{'password_file': 'password', 'auth_server': '{realm}'}}");
    for (source, user) in [
        ("{'credential_helper': 'lab'}", None),
        ("{'from_file': '~/secret.yml'}", None),
        (delegated.as_str(), Some(USER)),
        ("{'password_command': 'echo >> asked; cat password'}", Some(USER)),
    ] {
        fs::write(site.oregano.home().join("asked"), "").unwrap();
        site.set_literal("oregano_oreg_auth", source);
        if let Some(user) = user {
            site.set("oreg_auth_user", user);
        }
        let run = site.run(&["apply", "--only", "nodes", "-v"]).expect(0);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("s3cr"), "{source}: {}{}", run.stdout, run.stderr);
        assert!(asked(&site).lines().count() <= 1, "{source} was asked for more than once: {}", asked(&site));
        for node in [1, 2] {
            let written: serde_json::Value = serde_json::from_str(&site.file(node, DOCKER).unwrap()).unwrap();
            assert_eq!(written["auths"][site.key()]["auth"], auth(), "{source}");
            let server = &written["auths"][&realm]["auth"];
            assert!(!source.contains("auth_server") || *server == auth(), "{source}: {written}");
            site.nodes[node - 1].write(DOCKER, b"{}", 0o600);
        }
    }
    assert_eq!(asked(&site), "\n");
    helper(&site, "cat \"$HOME/answer\"");
    site.unset("oreg_auth_user").set_literal("oregano_oreg_auth", "{'credential_helper': 'lab'}");
    fs::write(site.oregano.home().join("asked"), "").unwrap();
    site.run(&["validate"]).expect(0);
    assert_eq!(asked(&site), format!("get {}\n", site.key()));
}

#[test]
fn a_helper_may_have_a_password_of_several_lines() {
    // The beginning of the key of a Google service account. bcrypt uses only 72 bytes of a password.
    let key = "{\n  \"type\": \"service_account\",\n  \"project_id\": \"acme\"\n}";
    let registry = Registry::start(Auth::Basic, Transport::Http, &[("_json_key", key)]);
    registry.push("acme/app", "v1", "_json_key", key);
    let host = registry.host();
    let mut site = bare(1);
    helper(&site, "cat \"$HOME/answer\"");
    let entry = format!("{{'host':'{host}','credential_helper':'lab','test_image':'acme/app:v1','tls_verify':False}}");
    site.unset("oreg_url").set_literal("openshift_additional_registry_credentials", &format!("[{entry}]"));
    for (secret, status) in [(key.to_owned(), 0), (format!("{key}\n"), 2)] {
        let answer = json!({"ServerURL": host, "Username": "_json_key", "Secret": secret});
        site.oregano.write("answer", answer.to_string());
        let run = site.run(&["apply", "--only", "nodes"]).expect(status);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("project_id"), "{}{}", run.stdout, run.stderr);
    }
    let written: serde_json::Value = serde_json::from_str(&site.file(1, DOCKER).unwrap()).unwrap();
    assert_eq!(written["auths"][host]["auth"], STANDARD.encode(format!("_json_key:{key}")));
}

#[test]
fn the_output_of_a_failing_helper_is_not_shown() {
    let mut site = bare(1);
    site.set_literal("oregano_oreg_auth", "{'credential_helper': 'lab'}");
    for (then, report) in [
        ("echo credentials not found in native keychain; exit 1", "has no credential for"),
        ("echo hunter2; echo hunter2 >&2; exit 2", "failed: exit status: 2"),
        ("echo hunter2", "is not JSON with `Username` and `Secret`"),
        ("echo '{\"Username\":\"hunter2\"}'", "is not JSON with `Username` and `Secret`"),
        ("echo '{\"Username\":\"u\",\"Secret\":\"\"}'", "has no credential"),
        ("echo '{\"Username\":\"u:hunter2\",\"Secret\":\"hunter2\"}'", "contains a colon"),
    ] {
        helper(&site, then);
        let run = site.run(&["validate"]).expect(1);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(report) && !said.contains("hunter2"), "{then}: {said}");
    }
    helper(&site, "echo '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}'");
    site.set_literal("oreg_test_login", "False");
    let run = site.run(&["validate"]).expect(0);
    assert!(run.stdout.contains("(<token>) : skipped"), "{}", run.stdout);
}

#[test]
fn listing_the_inventory_runs_no_commands() {
    let mut site = bare(1);
    helper(&site, "echo '{\"Username\":\"u\",\"Secret\":\"p\"}'");
    site.set_literal("oregano_oreg_auth", "{'credential_helper': 'lab'}").set_literal(
        "openshift_additional_registry_credentials",
        "[{'host': 'r.example.com', 'password_command': 'echo x >> asked'}]",
    );
    let hosts = site.oregano.write("hosts", site.inventory());
    for words in [&["--check"][..], &["--list"], &["--host", "node1"]] {
        let words = [&["inventory", "-i", hosts.to_str().unwrap()], words].concat();
        let run = site.oregano.run(&words).expect(0);
        assert!(words[3] != "--check" || run.stdout.matches("note[not-checked]").count() == 2, "{}", run.stdout);
    }
    assert_eq!(asked(&site), "");
}

#[test]
fn ctrl_c_ends_a_helper_that_hangs() {
    let mut site = bare(1);
    site.set_literal("oregano_oreg_auth", "{'credential_helper': 'lab'}");
    helper(&site, "echo $$ > \"$HOME/pid\"; sleep 300");
    let run = site.start(&["validate"]);
    let pid = || fs::read_to_string(site.oregano.home().join("pid")).unwrap_or_default();
    eventually("the helper runs", || pid().ends_with('\n'));
    run.end_at_once("INT");
    eventually("the helper is gone", || is_gone(pid().trim().parse().unwrap()));
}

#[test]
fn a_password_comes_through_a_pipe_and_ctrl_c_ends_the_wait_for_it() {
    let mut site = bare(1);
    let pipe = site.oregano.home().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    site.set("oreg_auth_user", USER).set("oreg_auth_password", "{{ lookup('file', 'pipe') }}");
    let run = site.start(&["validate"]);
    // Without a reader it cannot be opened in this mode; the run waits for a writer that has it open and writes nothing.
    let mut silent = fs::OpenOptions::new();
    silent.write(true).custom_flags(nix::libc::O_NONBLOCK);
    let writer = std::cell::OnceCell::new();
    eventually("the pipe is read", || silent.open(&pipe).is_ok_and(|file| writer.set(file).is_ok()));
    run.end_at_once("INT");
    drop(writer);
    site.unset("oreg_auth_password").set_literal("oregano_oreg_auth", "{'password_file': 'pipe'}");
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::write(pipe, PASSWORD))
    };
    site.run(&["validate"]).expect(0);
    writer.join().unwrap().unwrap();
}

#[test]
fn a_credential_that_expires_soon_is_reported() {
    let at = Timestamp::now() + SignedDuration::from_hours(24 * 5 + 1);
    let at = Timestamp::from_second(at.as_second()).unwrap();
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let token =
        format!("{}.{}.c2ln", part(json!({"alg": "n"}).to_string()), part(json!({"exp": at.as_second()}).to_string()));
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, &token)]);
    let mut site = Site::with_password(registry, 1, &token);
    let warning = format!(
        "warning: the credential of user `{USER}` for registry `{}` expires in 5 days, at {at}; it comes from \
         `oreg_auth_password` in ",
        site.key()
    );
    let run = site.run(&["validate"]).expect(0);
    assert!(run.stderr.contains(&warning), "{}", run.stderr);
    assert!(run.stdout.contains(&format!("({USER}) : proved, expires {at}\n")), "{}", run.stdout);
    assert!(!run.stderr.contains(&token) && !run.stdout.contains(&token));
    let run = site.run(&["validate", "--warn-days", "4", "--output", "json"]).expect(0);
    let events = run.events();
    let report =
        events.iter().filter(|event| event["event"] == "warning").any(|event| event.to_string().contains("expire"));
    assert!(!report, "{}", run.stdout);
    assert_eq!(events.last().unwrap()["registries"][0]["expires"], at.to_string());
    let past = token
        .replace(&part(json!({"exp": at.as_second()}).to_string()), &part(json!({"exp": 1_700_000_000}).to_string()));
    site.set("oreg_auth_password", &past).set_literal("oreg_test_login", "False");
    let run = site.run(&["validate", "--warn-days", "0"]).expect(0);
    assert!(run.stderr.contains(" expired at 2023-11-14T22:13:20Z; "), "{}", run.stderr);
}

/// The user of the entry that containers/image uses for a host; `None` if it uses none.
fn skopeo(file: &std::path::Path, host: &str) -> Option<String> {
    let output = Command::new(program("skopeo"))
        // The file of the machine is not part of this test, and may be broken.
        .args(["--registries-conf", "/dev/null", "login", "--get-login", "--authfile", file.to_str().unwrap(), host])
        .env_remove("REGISTRY_AUTH_FILE")
        .env("HOME", file.parent().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || said.contains("not logged into"), "{said}");
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// The same of `from_file`.
fn from_file(folder: &std::path::Path, host: &str) -> Option<String> {
    let entry = json!([{"host": host, "from_file": "auth.json"}]);
    let inventory =
        json!({"nodes": {"hosts": {"node1": {}}, "vars": {"openshift_additional_registry_credentials": entry}}});
    let file = folder.join("hosts.json");
    fs::write(&file, inventory.to_string()).unwrap();
    let sources = Sources { inventories: vec![file.display().to_string()], ..Sources::default() };
    let desired = desired::resolve(&load_from(&sources, folder).unwrap(), &Request::default());
    match desired {
        Ok(desired) => Some(desired.registries[0].user.clone()),
        Err(problems) => {
            assert!(problems[0].message.contains("has no entry for"), "{problems:?}");
            None
        }
    }
}

#[test]
fn the_entry_is_the_one_that_skopeo_uses() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = [
        "quay.io",
        "quay.io/team",
        "quay.io/team/app",
        "quay.io/teamwork",
        "quay.io:443",
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "docker.io/library",
        "old.example.com",
        "old.example.com/v1",
        "port.example.com:5000",
    ];
    let (mut taken, mut missed) = (0, 0);
    for keys in [
        &["quay.io", "quay.io/team", "docker.io", "http://old.example.com/v1/", "port.example.com"][..],
        &["quay.io/team/app", "https://quay.io/v2/team", "https://index.docker.io/v1/", "old.example.com/v1/"],
        &["https://quay.io", "quay.io/teamwork", "registry-1.docker.io", "https://port.example.com:5000/v2/"],
        &["QUAY.io", "*.io", "quay.io:443", "index.docker.io", "docker.io/library", "old.example.com/v1"],
    ] {
        let auth =
            |(at, key): (usize, &&str)| ((*key).to_owned(), json!({"auth": STANDARD.encode(format!("user{at}:p"))}));
        let auths: serde_json::Map<_, _> = keys.iter().enumerate().map(auth).collect();
        let file = folder.path().join("auth.json");
        fs::write(&file, json!({"auths": auths}).to_string()).unwrap();
        for host in hosts {
            let expected = skopeo(&file, host);
            assert_eq!(from_file(folder.path(), host), expected, "{host} in {keys:?}");
            *(if expected.is_some() { &mut taken } else { &mut missed }) += 1;
        }
    }
    assert!(taken > 15 && missed > 10, "{taken} {missed}");
}

//! `oregano logout`: one entry is removed, and everything else stays.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use super::{ACME, PASSWORD, log_in, mode, names, registry};
use crate::support::oregano::Oregano;
use crate::support::process::program;
use crate::support::registry::Auth;

#[test]
fn a_logout_undoes_a_login_to_the_byte() {
    let (registry, user) = (registry(Auth::Basic), Oregano::new());
    let (host, text) = (
        registry.host(),
        "{\r\n  \"auths\": {\r\n    \"a.io\": {\"auth\" :\"YTpi\"}\r\n  },\r\n  \"n\": 1.50e3\r\n}\n",
    );
    let before = "{\n  \"auths\": {\n    \"a.io\": {\"auth\" :\"YTpi\"}\n  },\n  \"n\": 1.50e3\n}\n";
    for text in [text, before] {
        let file = user.write("auth.json", text);
        log_in(&user, &registry, &["--to", "auth.json"]).expect(0);
        let get_login = || {
            let mut skopeo = Command::new(program("skopeo"));
            String::from_utf8(
                skopeo.args(["login", "--get-login", host, "--authfile"]).arg(&file).output().unwrap().stdout,
            )
            .unwrap()
        };
        assert_eq!(get_login().trim(), ACME);
        let run = user.run(&["logout", host, "--to", "auth.json"]).expect(0);
        assert_eq!(run.stdout, format!("auth.json: updated (-{host})\n"));
        assert!(run.stderr.ends_with("the credential is removed from the file\n"), "{}", run.stderr);
        assert_eq!(get_login(), "");
        // The merge writes the line ends of its own lines as docker does.
        assert_eq!(fs::read_to_string(&file).unwrap().replace("\r\n", "\n"), before);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(PASSWORD));
    }
    assert_eq!(names(&user.home()), ["auth.json"]);
}

#[test]
fn every_spelling_is_removed_and_what_is_left_is_named() {
    let mut user = Oregano::new();
    let old = r#"{"Auths":{"https://r.io/v1/":{},"R.io":{},"r.io/team":{},"x.io":{}},"CredHelpers":{"r.io":"pass"}}"#;
    let file = user.write(".docker/config.json", old);
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    user.env("DOCKER_AUTH_CONFIG", r#"{"auths":{"r.io":{"auth":"YTpi"}}}"#);
    let run = user.run(&["logout", "https://r.io", "--output", "json"]).expect(0);
    let events = run.events();
    assert_eq!(
        events.iter().map(|event| event["event"].as_str().unwrap()).collect::<Vec<_>>(),
        ["started", "file", "recap"]
    );
    assert_eq!((&events[0]["command"], &events[1]["outcome"]), (&"logout".into(), &"updated".into()));
    let keys: Vec<_> =
        events[1]["changes"].as_array().unwrap().iter().filter_map(|change| change["key"].as_str()).collect();
    assert_eq!(keys, ["https://r.io/v1/", "R.io"]);
    let notes = events[1]["notes"].to_string();
    for note in ["`r.io/team` is kept", "`docker-credential-pass` may have", "`DOCKER_AUTH_CONFIG` still has"] {
        assert!(notes.contains(note), "{notes}");
    }
    let new = r#"{"Auths":{"r.io/team":{},"x.io":{}},"CredHelpers":{"r.io":"pass"}}"#;
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), mode(&file)), (new, 0o600));
    // Keys that are not the name of a registry can be removed, too, and a password in them is not shown.
    user.write("odd.json", r#"{"auths":{"me:hunter2@r.io:port":{},"docker.io":{},"https://index.docker.io/v1":{}}}"#);
    for key in ["me:hunter2@r.io:port", "index.docker.io"] {
        let run = user.run(&["logout", key, "--to", "odd.json"]).expect(0);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains("hunter2"), "{}{}", run.stdout, run.stderr);
    }
    assert_eq!(fs::read_to_string(user.home().join("odd.json")).unwrap(), r#"{"auths":{}}"#);
}

#[test]
fn without_an_entry_nothing_is_written_and_the_status_is_0() {
    let user = Oregano::new();
    let run = user.run(&["logout", "r.io"]).expect(0);
    assert!(run.stderr.contains("config.json: the file does not exist"), "{}", run.stderr);
    assert!(run.stderr.ends_with("no changes: the file has no credential for the registry\n"), "{}", run.stderr);
    assert_eq!(names(&user.home()), Vec::<String>::new());
    let file = user.write("auth.json", r#"{"auths":{"a.io":{},"b.io":{}}}"#);
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let before = fs::metadata(&file).unwrap();
    let run = user.run(&["logout", "r.io", "--authfile", "auth.json"]).expect(0);
    assert!(run.stderr.contains("there is no entry for `r.io`, but there are `a.io`, `b.io`"), "{}", run.stderr);
    let after = fs::metadata(&file).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec(), before.mode()), (after.ino(), after.mtime_nsec(), after.mode()));
}

#[test]
fn a_file_that_cannot_be_changed_is_an_error() {
    let user = Oregano::new();
    user.write("half.json", "{\"auths\": {");
    user.write("twice.json", r#"{"auths":{"a.io":{},"a.io":{}}}"#);
    fs::create_dir(user.home().join("folder.json")).unwrap();
    for (file, fault) in [
        ("half.json", "not valid JSON"),
        ("twice.json", "`auths` has the member `a.io` twice"),
        ("folder.json", "is a directory"),
    ] {
        let run = user.run(&["logout", "a.io", "--to", file]).expect(2);
        assert!(run.stderr.contains(fault) && run.stderr.contains("hint: "), "{file}: {}", run.stderr);
        assert!(run.stderr.ends_with("nothing was changed\n"), "{file}: {}", run.stderr);
    }
    for words in [&["logout", ""][..], &["logout"], &["logout", "a.io", "-i", "hosts"]] {
        user.run(words).expect(64);
    }
}

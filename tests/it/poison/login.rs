//! `oregano login`, with a password from each of its sources.

use base64::Engine as _;
use serde_json::json;

use super::{FOREIGN, REGISTRY, REGISTRY_WRONG, both, echo, foreign_file, left_nothing, watched};
use crate::support::oregano::Oregano;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::USER;

const SECRETS: [(&str, &str); 3] = [(USER, REGISTRY), (USER, REGISTRY_WRONG), ("them", FOREIGN)];

/// A different password, because it is in an environment while other tests search the environments of all processes.
const LOGIN: &str = "Canary-L0gin'<&>\"x";

#[test]
fn no_secret_of_a_login_shows_anywhere() {
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, REGISTRY)]);
    registry.push("openshift3/ose-pod", "v3.11", USER, REGISTRY);
    let oregano = Oregano::new();
    let file = foreign_file();
    oregano.write("auth.json", &file);
    oregano.write("broken.json", format!("{{\"auths\":{{\"{}\":\"{FOREIGN}\"}}}}", registry.host()));
    let seen = watched(|| {
        let mut outputs = String::new();
        for format in ["text", "json"] {
            for (file, password) in [
                ("broken.json", REGISTRY),
                ("auth.json", REGISTRY_WRONG),
                ("auth.json", &format!("{REGISTRY}\r\n\n")),
                ("auth.json", REGISTRY),
                ("auth.json", REGISTRY),
            ] {
                let words = ["login", registry.host(), "-u", USER, "--password-stdin", "--tls-verify=false", "-vvv"];
                let more = ["--to", file, "--test-image", "openshift3/ose-pod:v3.11", "--output", format];
                outputs += &both(&oregano.run_with_input(&[&words[..], &more].concat(), password));
            }
            oregano.write("auth.json", &file);
        }
        outputs
    });
    let shown = ["refused", "ends with a line break", "is not a JSON object", "is saved", "already up to date"];
    seen.says_but_not(&shown, &SECRETS);
    seen.environments_hold_none(&SECRETS);
    left_nothing(&oregano);
}

#[test]
fn no_other_source_of_a_login_shows_its_password() {
    let registry = Registry::start(Auth::Basic, Transport::Http, &[(USER, LOGIN)]);
    let (user, echo) = (Oregano::new(), echo());
    let with_variable = {
        let mut user = Oregano::new();
        user.env("OREGANO_PASSWORD", LOGIN);
        user
    };
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "c", "user": {"token": LOGIN}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    user.write("kubeconfig", kubeconfig.to_string());
    let echoing = echo.host.clone();
    let seen = watched(|| {
        let mut outputs = String::new();
        for (host, status) in [(registry.host(), 0), (&echoing, 2)] {
            for format in ["text", "json"] {
                let words = ["login", host, "-u", USER, "--tls-verify=false", "--output", format, "-vvv"];
                let token = [&words[..], &["--kubeconfig-token", "--kubeconfig", "kubeconfig"]].concat();
                outputs += &both(&with_variable.run(&words).expect(status));
                outputs += &both(&user.run(&token).expect(status));
                outputs +=
                    &both(&user.run_with_input(&[&words[..], &["--password-stdin"]].concat(), LOGIN).expect(status));
            }
        }
        let words = ["login", registry.host(), "-u", USER, "--tls-verify=false", "-vvv"];
        outputs + &user.type_at_prompt(&words, LOGIN)
    });
    seen.says_but_not(
        &["comes from `OREGANO_PASSWORD`", "comes from the kubeconfig", "comes from standard input", "Password of"],
        &[(USER, LOGIN)],
    );
    [&user, &with_variable].into_iter().for_each(left_nothing);
    let saved = std::fs::read_to_string(user.home().join(".docker/config.json")).unwrap();
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{LOGIN}"));
    assert!(saved.contains(&auth), "the file of a login is the one place for it: {saved}");
}

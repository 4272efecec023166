//! Credentials of kubeconfigs on a real API server: credential plugins, which kubectl runs, too, and tokens with a line end.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::kubernetes::{Kubernetes, User};
use crate::support::oregano::Oregano;
use crate::support::process::{eventually, is_gone, program};

const V1: &str = "client.authentication.k8s.io/v1";

/// A kubeconfig for the real server with this user.
fn kubeconfig(oregano: &Oregano, kubernetes: &Kubernetes, user: &Value) -> String {
    let mut config: Value = serde_json::from_slice(&fs::read(kubernetes.kubeconfig(User::Admin)).unwrap()).unwrap();
    config["users"][0]["user"] = user.clone();
    config["clusters"][0]["cluster"]["extensions"] =
        json!([{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "<a>"}}]);
    oregano.write("kubeconfig", config.to_string()).display().to_string()
}

fn script(oregano: &Oregano, text: &str) -> PathBuf {
    let path = oregano.write("plugin", format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

/// A user with a plugin that the kubeconfig names by a relative path.
fn plugin(version: &str, mode: &str) -> Value {
    json!({"exec": {"apiVersion": version, "command": "./plugin", "args": ["a b", "c"], "interactiveMode": mode,
        "env": [{"name": "FROM_KUBECONFIG", "value": "x"}], "provideClusterInfo": true}})
}

fn token(version: &str, token: &str) -> String {
    json!({"kind": "ExecCredential", "apiVersion": version, "status": {"token": token}}).to_string()
}

/// `explain` of an image for a pod, which reads its service account.
fn words<'a>(config: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["explain", "quay.io/app", "-n", "default", "--kubeconfig", config][..], more].concat()
}

/// Creates the service account that `explain` reads, because no controller does.
fn prepare(kubernetes: &Kubernetes) {
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    if kubernetes.api("GET", &format!("{accounts}/default"), None).status == 404 {
        let body = json!({"metadata": {"name": "default"}});
        // Another test may have created it in the meantime.
        assert!([201, 409].contains(&kubernetes.api("POST", accounts, Some(&body)).status));
    }
}

#[test]
fn a_credential_plugin_gets_what_it_gets_from_kubectl() {
    let (kubernetes, oregano) = (Kubernetes::shared(), Oregano::new());
    prepare(kubernetes);
    let home = oregano.home().display().to_string();
    for version in [V1, "client.authentication.k8s.io/v1beta1"] {
        for mode in ["Never", "IfAvailable"] {
            let config = kubeconfig(&oregano, kubernetes, &plugin(version, mode));
            let prints = token(version, &User::Admin.token());
            script(
                &oregano,
                &format!(
                    "{{ printf '%s' \"$KUBERNETES_EXEC_INFO\"; echo; echo \"$FROM_KUBECONFIG|$1|$2|$(cat)\"; }} >'{home}/got'\nprintf '%s' '{prints}'"
                ),
            );
            let got = || {
                let text = fs::read_to_string(oregano.home().join("got")).unwrap();
                let (info, rest) = text.trim_end().rsplit_once('\n').unwrap();
                (serde_json::from_str::<Value>(info.trim()).unwrap(), rest.to_owned())
            };
            let kubectl = program("kubectl");
            let command =
                format!("{} --kubeconfig '{config}' get serviceaccount default -n default", kubectl.display());
            let output = oregano.shell(&command).stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let expected = got();
            fs::remove_file(oregano.home().join("got")).unwrap();
            oregano.run(&words(&config, &[])).expect(0);
            assert_eq!(got(), expected, "{version} {mode}");
        }
    }
}

#[test]
fn a_credential_plugin_that_kubectl_refuses_is_refused() {
    let (kubernetes, oregano) = (Kubernetes::shared(), Oregano::new());
    prepare(kubernetes);
    let complete = token(V1, &User::Admin.token());
    let status = |status: &str| format!("{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{V1}\"{status}}}");
    let cases = [
        (V1, "Never", complete.clone(), 0),
        (V1, "Never", format!("kind: ExecCredential\napiVersion: {V1}\nstatus: {{token: {}}}", User::Admin.token()), 0),
        (V1, "Never", status(&format!(",\"status\":{{\"token\":\"{}\"}}", User::Admin.token())), 0),
        (V1, "Always", complete.clone(), 1),
        ("client.authentication.k8s.io/v1beta1", "Never", complete.clone(), 1),
        ("client.authentication.k8s.io/v1alpha1", "Never", complete, 1),
        (V1, "Never", status(""), 1),
        (V1, "Never", status(",\"status\":{}"), 1),
        (V1, "Never", status(",\"status\":{\"clientKeyData\":\"a\"}"), 1),
        (V1, "Never", "sesame".to_owned(), 1),
        (V1, "Never", token(V1, "wrong"), 1),
    ];
    for (version, mode, prints, expected) in cases {
        let config = kubeconfig(&oregano, kubernetes, &plugin(version, mode));
        script(&oregano, &format!("cat <<'END'\n{prints}\nEND"));
        let command = format!("kubectl --kubeconfig '{config}' get serviceaccount default -n default");
        let kubectl = oregano.shell(&command).stdin(Stdio::null()).output().unwrap();
        assert_eq!(i32::from(!kubectl.status.success()), expected, "{version} {mode} {prints}: {kubectl:?}");
        let run = oregano.run(&words(&config, &[])).expect(expected);
        assert!(!run.stderr.contains("sesame"), "{run:?}");
    }
}

#[test]
fn a_credential_plugin_may_return_a_client_certificate() {
    let (kubernetes, oregano) = (Kubernetes::private(), Oregano::new());
    let (certificate, key) = kubernetes.client_certificate();
    let status = json!({"clientCertificateData": certificate, "clientKeyData": key});
    let prints = json!({"kind": "ExecCredential", "apiVersion": V1, "status": status}).to_string();
    script(&oregano, &format!("cat <<'END'\n{prints}\nEND"));
    let config = kubeconfig(&oregano, &kubernetes, &plugin(V1, "Never"));
    let run = oregano.run(&words(&config, &[])).expect(1);
    assert!(run.stderr.contains("User \"client\" cannot get"), "{}", run.stderr);
}

/// The lines of a YAML block with this indentation, wrapped as `base64` wraps them.
fn wrapped(text: &str, indentation: &str) -> String {
    let encoded = STANDARD.encode(text);
    let lines = encoded.as_bytes().chunks(76).map(|line| format!("{indentation}{}\n", String::from_utf8_lossy(line)));
    lines.collect()
}

#[test]
fn certificates_and_key_may_be_wrapped_blocks_as_for_kubectl() {
    let (kubernetes, oregano) = (Kubernetes::private(), Oregano::new());
    let (certificate, key) = kubernetes.client_certificate();
    let admin: Value = serde_json::from_slice(&fs::read(kubernetes.kubeconfig(User::Admin)).unwrap()).unwrap();
    let authority = admin["clusters"][0]["cluster"]["certificate-authority"].as_str().unwrap();
    let authority = fs::read_to_string(authority).unwrap();
    // The API server knows the user only if it has verified the certificate, and its authority was verified. A folded
    // block has spaces, which Go's decoder does not ignore.
    let known = "User \"client\" cannot get";
    let cases = [
        ("|", "\n", known, known),
        ("|-", "\n", known, known),
        ("|", "\r\n", known, known),
        (">", "\n", "illegal base64", "it is not base64"),
    ];
    for (block, line_end, of_kubectl, expected) in cases {
        let [authority, certificate, key] = [&authority, &certificate, &key].map(|text| wrapped(text, "      "));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- name: c\n  context: {{cluster: c, user: u}}\n\
             clusters:\n- name: c\n  cluster:\n    server: {}\n    certificate-authority-data: {block}\n{authority}\
             users:\n- name: u\n  user:\n    client-certificate-data: {block}\n{certificate}    client-key-data: {block}\n{key}",
            kubernetes.url()
        );
        let config = oregano.write("kubeconfig", text.replace('\n', line_end)).display().to_string();
        let kubectl = std::process::Command::new(program("kubectl"))
            .args(["--kubeconfig", &config, "get", "serviceaccount", "default", "-n", "default"])
            .env("HOME", oregano.home())
            .output()
            .unwrap();
        let run = oregano.run(&words(&config, &[])).expect(1);
        let kubectl = String::from_utf8_lossy(&kubectl.stderr);
        assert!(kubectl.contains(of_kubectl), "{block} {line_end:?}: {kubectl}");
        assert!(run.stderr.contains(expected), "{block} {line_end:?}: {}", run.stderr);
    }
}

#[test]
fn a_credential_plugin_that_hangs_does_not_keep_the_output_open() {
    let (kubernetes, oregano) = (Kubernetes::shared(), Oregano::new());
    let config = kubeconfig(&oregano, kubernetes, &plugin(V1, "IfAvailable"));
    script(&oregano, "sleep 300 & echo $! > \"$HOME/pid\"; printf 'log in \\033[2Jagain' >&2; wait");
    let words = words(&config, &["--timeout", "1"]).join("' '");
    let run = format!("'{}' '{words}' 2>&1 | cat; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_oregano"));
    let output = oregano.shell(&run).stdin(Stdio::null()).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("plugin` of the kubeconfig did not finish within 1s"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let id = fs::read_to_string(oregano.home().join("pid")).unwrap().trim().parse().unwrap();
    eventually("the child of the plugin is gone", || is_gone(id));
}

#[test]
fn a_credential_plugin_may_prompt_on_the_terminal() {
    let (kubernetes, oregano) = (Kubernetes::shared(), Oregano::new());
    prepare(kubernetes);
    let config = kubeconfig(&oregano, kubernetes, &plugin(V1, "Always"));
    let prints = token(V1, "ANSWER").replace("ANSWER", "'\"$answer\"'");
    script(&oregano, &format!("printf 'Token: ' >&2; stty -echo; read -r answer; stty echo; printf '%s' '{prints}'"));
    let shown = oregano.type_at_prompt(&words(&config, &[]), &User::Admin.token());
    assert!(shown.contains("Token: ") && !shown.contains(&User::Admin.token()), "{shown}");
}

#[test]
fn a_token_with_a_line_end_is_the_token() {
    let (kubernetes, oregano) = (Kubernetes::shared(), Oregano::new());
    prepare(kubernetes);
    let with_token = |token: &str| kubeconfig(&oregano, kubernetes, &json!({"token": token}));
    oregano.run(&words(&with_token(&format!("{}\n", User::Admin.token())), &[])).expect(0);
    for output in ["text", "json"] {
        let config = with_token("token-of-\nadmin");
        let run = oregano.run(&words(&config, &["--output", output])).expect(1);
        let printed = format!("{}{}", run.stdout, run.stderr);
        assert!(printed.contains("has a `token` that contains a line break or another control character"), "{printed}");
        assert!(printed.contains("choose another file with `--kubeconfig FILE`"), "{printed}");
    }
    let user = json!({"token": User::Admin.token(), "as": "writer", "as-groups": ["a\nb"]});
    let run = oregano.run(&words(&kubeconfig(&oregano, kubernetes, &user), &[])).expect(1);
    assert!(run.stderr.contains("has a value in `as-groups` that contains a line break"), "{}", run.stderr);
    // The writer may not read service accounts.
    let user = json!({"token": User::Admin.token(), "as": "writer"});
    let run = oregano.run(&words(&kubeconfig(&oregano, kubernetes, &user), &[])).expect(1);
    assert!(run.stderr.contains("User \"writer\" cannot get"), "{}", run.stderr);
}

#[test]
fn expired_credentials_are_named_with_their_user_file_and_date() {
    let (kubernetes, oregano) = (Kubernetes::private(), Oregano::new());
    let (certificate, key) = kubernetes.expired_client_certificate();
    let certificate = STANDARD.encode(certificate);
    let certificate = json!({"client-certificate-data": certificate, "client-key-data": STANDARD.encode(key)});
    let part = |text: &str| STANDARD.encode(text).trim_end_matches('=').to_owned();
    let token = format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part(r#"{"exp":1577923200}"#));
    for (user, what) in [(certificate, "client certificate"), (json!({"token": token}), "token")] {
        let config = kubeconfig(&oregano, &kubernetes, &user);
        let run = oregano.run(&words(&config, &[])).expect(1);
        assert!(run.stderr.contains("rejected the credentials"), "{}", run.stderr);
        let cause = format!("the {what} of user `admin` in kubeconfig `{config}` expired at 2020-01-02T00:00:00Z");
        assert!(run.stderr.contains(&cause), "{cause}: {}", run.stderr);
    }
}

//! `inventory --schema`: it describes every variable that is read, and a real validator accepts the inventories that
//! users copy and rejects typing errors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::oregano::Oregano;
use crate::support::process::program;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Value {
    let text = Oregano::new().run(&["inventory", "--schema"]).expect(0).stdout;
    assert_eq!(text, oregano::doctor::SCHEMA);
    serde_json::from_str(&text).unwrap()
}

/// The errors that the validator reports for a YAML inventory; empty if it is valid.
fn faults(yaml: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let instance: Value = serde_yaml::from_str(yaml).unwrap();
    std::fs::write(folder.path().join("schema.json"), schema().to_string()).unwrap();
    std::fs::write(folder.path().join("instance.json"), instance.to_string()).unwrap();
    let output = Command::new(program("jsonschema"))
        .args(["-i", "instance.json", "schema.json"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { String::new() } else { format!("faults: {said}") }
}

/// The variables that occur as texts in the source files that read them.
fn variables_read() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open = vec![root().join("src/desired")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap();
        names.extend(product.split('"').skip(1).step_by(2).filter(|text| is_variable(text)).map(str::to_owned));
    }
    names
}

fn is_variable(text: &str) -> bool {
    let prefixes = ["oreg_", "openshift_", "oregano_", "ansible_", "docker_auth_"];
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    prefixes.iter().any(|prefix| text.len() > prefix.len() && text.starts_with(prefix)) && text.chars().all(word)
}

#[test]
fn every_variable_that_is_read_is_described() {
    let schema = schema();
    let known = schema.pointer("/$defs/variables/properties").unwrap().as_object().unwrap();
    let read = variables_read();
    assert!(read.len() > 40 && read.contains("oreg_auth_password") && read.contains("ansible_port"), "{read:?}");
    let missing: Vec<&String> = read.iter().filter(|name| !known.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (name, variable) in known {
        assert!(variable["description"].as_str().is_some_and(|text| text.len() > 10), "{name}");
    }
}

#[test]
fn the_inventories_to_copy_are_valid() {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root().join("inventories")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yml"));
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(faults(&text), "", "{}", file.display());
    }
}

#[test]
fn typing_errors_are_rejected() {
    let vars = |vars: Value| json!({"nodes": {"hosts": {"node1": null}, "vars": vars}}).to_string();
    assert_eq!(faults(&vars(json!({"oreg_auth_password": "{{ token }}", "oreg_test_login": "no"}))), "");
    assert_eq!(faults(&vars(json!({"oregano_oreg_auth": {"password_file": "f", "ca_file": "c", "proxy": null}}))), "");
    let entry = |entry: Value| vars(json!({ "openshift_additional_registry_credentials": [entry] }));
    for good in [
        json!({"host": "r.example.com", "identity_token": "t"}),
        json!({"host": "r.example.com", "password_command": "c", "identity_token": "t", "test_image": ["a", "b"]}),
        json!({"host": "r.example.com", "credential_helper": "ecr-login", "auth_server": "sso.example.com:8443"}),
    ] {
        assert_eq!(faults(&entry(good)), "");
    }
    for good in [
        json!({"oregano_platform": "openshift-4", "oregano_wait": 90, "oregano_rollout_timeout": "1h30m"}),
        json!({"oregano_global_pull_secret": {"registries": ["a.example.com"], "from_file": "f"}}),
        json!({"oregano_global_pull_secret": {"mode": "replace", "from_file": "f", "test_images": {"quay.io": "a/b"}}}),
        json!({"oregano_image_pullers": [{"namespace": "b", "service_account": "a/default"},
            {"namespace": "b", "service_accounts_of": "a", "state": "absent"}]}),
        json!({"oregano_pull_secrets": [{"name": "s", "namespaces": "a", "service_accounts": "*"},
            {"name": "t", "namespaces": "a", "service_accounts": ["x", {"name": "*", "for": ["pull", "mount"]}]},
            {"name": "u", "namespaces": "a", "service_accounts": [{"name": "x", "for": "pull,mount"}]}]}),
    ] {
        assert_eq!(faults(&vars(good)), "");
    }
    assert_eq!(faults(&vars(json!({"openshift_additional_registry_credentials": null}))), "");
    for (yaml, fault) in [
        (vars(json!({"oregano_global_pull_secret": null})), "None is not"),
        (vars(json!({"oregano_image_pullers": null})), "None is not"),
        (vars(json!({"oregano_oreg_auth": null})), "None is not"),
        (vars(json!({"oregano_pull_secrets": null})), "None is not"),
        (vars(json!({"oregano_retired_registries": null})), "None is not"),
        (vars(json!({"oregano_platform": "okd"})), "okd"),
        (vars(json!({"oregano_wait": "soon"})), "soon"),
        (vars(json!({"oregano_global_pull_secret": {"mode": "replace"}})), "not valid under any"),
        (
            vars(json!({"oregano_global_pull_secret": {"mode": "replace", "from_file": "f", "registries": "a"}})),
            "replace",
        ),
        (vars(json!({"oregano_image_pullers": [{"namespace": "b"}]})), "not valid under any"),
        (vars(json!({"oregano_image_pullers": [{"namespace": "b", "service_account": "default"}]})), "default"),
        (
            vars(
                json!({"oregano_pull_secrets": [{"name": "s", "namespaces": "a", "service_accounts": [{"for": "pull"}]}]}),
            ),
            "not valid under any",
        ),
        (vars(json!({"oreg_auth_password": 12345})), "12345"),
        (vars(json!({"openshift_deployment_type": "okd"})), "okd"),
        (vars(json!({"ansible_port": 70000})), "70000"),
        (vars(json!({"oregano_host": "all"})), "oregano_host"),
        (entry(json!({"host": "r.example.com", "password": "p", "tls_verfy": false})), "tls_verfy"),
        (entry(json!({"host": "r.example.com"})), "not valid under any"),
        (entry(json!({"host": "r.example.com", "password": "p", "from_file": "f"})), "from_file"),
        (entry(json!({"host": "r.example.com", "from_file": "f", "identity_token": "t"})), "not valid under any"),
        (entry(json!({"host": "r.example.com", "credential_helper": "../x"})), "../x"),
        (entry(json!({"host": "r.example.com", "password": "p", "test_image": []})), "[]"),
        (vars(json!({"oregano_oreg_auth": {"password": "p"}})), "password"),
        (vars(json!({"oregano_oreg_auth": "p"})), "not valid under any"),
        (entry(json!({"host": "https://r.example.com", "password": "p"})), "https"),
        ("nodes: {host: {node1: }}".to_owned(), "host"),
        ("[]".to_owned(), "object"),
    ] {
        let said = faults(&yaml);
        assert!(said.starts_with("faults: ") && said.contains(fault), "{yaml}: {said}");
    }
}

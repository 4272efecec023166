//! Many nodes on one machine: loopback addresses of one sshd, each with a file of its own. The nodes share root's file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scene::{PASSWORD, Reach, Scene, USER};
use crate::support::site::DOCKER;
use crate::support::sshd::{Listen, Options, Sshd};

/// How a node differs from the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// Its file needs a change.
    Outdated,
    /// Nothing listens on its port.
    Refuses,
    /// Its file needs a change, and its file system is read-only.
    ReadOnly,
    /// Its host key is not in known_hosts.
    UnknownKey,
}

/// This many nodes whose files are up to date, apart from the special ones, which are numbers from 1.
pub fn fleet(nodes: usize, special: &[(usize, Special)]) -> Scene {
    let mut scene = Scene::without_cluster(0, Reach::Local);
    let sshd = Sshd::start_with(&Options { listen: Listen::AllLoopback, ..Options::default() });
    let inventory = std::fs::read_to_string(scene.oregano.home().join("hosts.ini")).unwrap();
    let (variables, _) = inventory.split_once("[masters]").unwrap();
    let mut hosts = format!("{variables}[masters]\n\n[nodes]\n");
    let mut known = Vec::new();
    for number in 1..=nodes {
        let what = special.iter().find(|(special, _)| *special == number).map(|(_, what)| *what);
        let (name, address) = (format!("node{number:03}.example.com"), address(number));
        let port = if what == Some(Special::Refuses) { 1 } else { sshd.port() };
        hosts += &format!(
            "{name} ansible_host={address} ansible_port={port} docker_auth_credentials_path={}\n",
            // The nodes with a read-only file system share a file, so the path is the same in both messages.
            if what == Some(Special::ReadOnly) { READ_ONLY.to_owned() } else { folder(number) }
        );
        scene.show(&format!("{address}:{port}"), &format!("{name}:22"));
        scene.show(&format!("-p {port} {address}"), &name);
        if what != Some(Special::UnknownKey) {
            known.push(sshd.known_hosts_line(&address));
        }
    }
    hosts = hosts.replace(
        "ansible_user=root",
        &format!("ansible_user=root\nansible_ssh_private_key_file={}", sshd.key_file().display()),
    );
    scene.oregano.write("hosts.ini", hosts);
    scene.oregano.trust(&known.join("\n"));
    let content = content(&scene);
    sshd.write(DOCKER, content.as_bytes(), 0o600);
    sshd.write("/var/lib/origin/content", content.as_bytes(), 0o600);
    let script = format!(
        "umask 077; cd /var/lib/origin; for node in $(seq -w 1 {nodes}); do mkdir node$node; cp content node$node/config.json; done"
    );
    assert!(sshd.sh(&script).status.success());
    for (number, _) in special.iter().filter(|(_, what)| *what == Special::Outdated) {
        sshd.write(&format!("{}/config.json", folder(*number)), b"{}", 0o600);
    }
    sshd.write(&format!("{READ_ONLY}/config.json"), b"{}", 0o600);
    sshd.set_readonly(READ_ONLY);
    scene.nodes.push(("node001.example.com".to_owned(), sshd));
    scene
}

/// The folder of the nodes with a read-only file system.
const READ_ONLY: &str = "/var/lib/origin/.docker";

fn address(number: usize) -> String {
    format!("127.0.{}.{}", number / 200 + 1, number % 200 + 1)
}

fn folder(number: usize) -> String {
    format!("/var/lib/origin/node{number:03}")
}

/// A file that is up to date.
fn content(scene: &Scene) -> String {
    let auth = |user: &str, password: &str| serde_json::json!({"auth": STANDARD.encode(format!("{user}:{password}"))});
    let auths = serde_json::json!({
        scene.registry.host(): auth(USER, PASSWORD),
        scene.second.host(): auth("openshift", "token12345"),
    });
    serde_json::json!({"auths": auths}).to_string()
}

//! Many nodes that one sshd serves: each has a loopback address and a file of its own. The measurements in benches/ use
//! them.

use std::fmt::Write as _;

use super::oregano::Oregano;
use super::registry::Registry;
use super::site::{PASSWORD, USER};
use super::sshd::{ROOT, Sshd};

/// Writes the inventory, adds every address to known_hosts, and returns the path of the inventory. The sshd must listen
/// on all loopback addresses.
pub fn inventory(user: &Oregano, sshd: &Sshd, registry: &Registry, nodes: usize) -> String {
    let host = registry.host();
    let mut text = format!(
        "[all:vars]\nansible_port={}\nansible_user={ROOT}\nansible_ssh_private_key_file={}\n\
         ansible_python_interpreter=/usr/bin/python3\n\
         oreg_url={host}/openshift3/ose-${{component}}:${{version}}\noreg_auth_user={USER}\n\
         oreg_auth_password='{}'\nopenshift_docker_insecure_registries={host}\n\n[nodes]\n",
        sshd.port(),
        sshd.key_file().display(),
        PASSWORD.replace('\\', r"\\").replace('\'', r"\'"),
    );
    for at in 0..nodes {
        let address = format!("127.0.{}.{}", at / 200 + 1, at % 200 + 1);
        user.trust(&sshd.known_hosts_line(&address));
        let path = format!("/var/lib/origin/node{at}/.docker");
        writeln!(text, "node{at} ansible_host={address} docker_auth_credentials_path={path}").unwrap();
    }
    user.write("fleet", text).display().to_string()
}

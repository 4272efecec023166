//! A small installation: a registry with a token server, nodes, and a user with an inventory. A test changes only the
//! parts that it is about.

use std::path::PathBuf;

use super::kubernetes::{Kubernetes, User};
use super::oregano::{Finished, Oregano, Running};
use super::registry::{Auth, Registry, Transport};
use super::sshd::{ROOT, Sshd};

/// The user of the registry; the token server lets it pull `openshift3/…`.
pub const USER: &str = "openshift3";
/// A password that reveals missing quoting.
pub const PASSWORD: &str = r##"s3cr:et'"#$x\ <&> ü"##;
/// `base64(USER:PASSWORD)`.
pub fn auth() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"))
}

/// The credential file of the kubelet of OpenShift 3.11.
pub const KUBELET: &str = "/var/lib/origin/.docker/config.json";
/// The credential file of root.
pub const DOCKER: &str = "/root/.docker/config.json";

/// Registry, nodes, and a user who runs oregano.
pub struct Site {
    pub oregano: Oregano,
    pub registry: Registry,
    pub nodes: Vec<Sshd>,
    variables: Vec<(String, String)>,
    host_variables: Vec<String>,
    kubeconfig: Option<PathBuf>,
    masters: &'static str,
}

impl Site {
    /// `nodes` nodes called node1, node2 …; the first one is the master.
    pub fn new(nodes: usize) -> Self {
        Self::with(Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, PASSWORD)]), nodes)
    }

    /// The same with this registry, which must know [`USER`] and [`PASSWORD`].
    pub fn with(registry: Registry, nodes: usize) -> Self {
        Self::with_password(registry, nodes, PASSWORD)
    }

    /// The same with a registry where [`USER`] has another password.
    pub fn with_password(registry: Registry, nodes: usize, password: &str) -> Self {
        registry.push("openshift3/ose-pod", "v3.11", USER, password);
        let mut site = Self {
            oregano: Oregano::new(),
            registry,
            nodes: Vec::new(),
            variables: Vec::new(),
            host_variables: Vec::new(),
            kubeconfig: None,
            masters: "node1\n",
        };
        site.set("ansible_host", "127.0.0.1").set("ansible_user", ROOT);
        (0..nodes).for_each(|_| site.add_node(Sshd::start()));
        let host = site.registry.host().to_owned();
        site.set("oreg_url", &format!("{host}/openshift3/ose-${{component}}:${{version}}"));
        site.set("oreg_auth_user", USER).set("oreg_auth_password", password);
        site.set("openshift_docker_insecure_registries", &host);
        // The API server of the tests is plain Kubernetes.
        site.set("oregano_platform", "openshift-3");
        site
    }

    /// Adds a node, and its host key to known_hosts.
    pub fn add_node(&mut self, node: Sshd) {
        self.oregano.trust(&node.known_hosts_line("127.0.0.1"));
        self.set("ansible_ssh_private_key_file", &node.key_file().display().to_string());
        self.nodes.push(node);
        self.host_variables.push(String::new());
    }

    /// Sets a variable of all hosts to this text.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.set_literal(name, &literal(value))
    }

    /// Sets a variable of all hosts to this Python literal.
    pub fn set_literal(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a variable of all hosts.
    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// Adds inline variables of a host, numbered from 1.
    pub fn host(&mut self, number: usize, variables: &str) -> &mut Self {
        self.host_variables[number - 1] += &format!(" {variables}");
        self
    }

    /// Lets runs access this cluster as this user.
    pub fn cluster(&mut self, kubernetes: &Kubernetes, user: User) -> &mut Self {
        self.kubeconfig(kubernetes.kubeconfig(user))
    }

    /// Lets runs use this kubeconfig.
    pub fn kubeconfig(&mut self, file: PathBuf) -> &mut Self {
        self.kubeconfig = Some(file);
        self
    }

    /// Leaves the group `masters` empty.
    pub fn without_masters(&mut self) -> &mut Self {
        self.masters = "";
        self
    }

    /// The current inventory.
    pub fn inventory(&self) -> String {
        let mut text = String::from("[all:vars]\n");
        for (name, value) in &self.variables {
            text += &format!("{name}={value}\n");
        }
        text += "\n[masters]\n";
        text += if self.nodes.is_empty() { "" } else { self.masters };
        text += "\n[nodes]\n";
        for (at, (node, variables)) in self.nodes.iter().zip(&self.host_variables).enumerate() {
            text += &format!("node{} ansible_port={}{variables}\n", at + 1, node.port());
        }
        text
    }

    /// Runs oregano with the inventory and these arguments.
    pub fn run(&self, words: &[&str]) -> Finished {
        self.start(words).wait()
    }

    /// Starts oregano with the inventory and these arguments.
    pub fn start(&self, words: &[&str]) -> Running {
        let inventory = self.oregano.write("hosts", self.inventory());
        let mut arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(["-i".to_owned(), inventory.display().to_string()]);
        if let Some(file) = &self.kubeconfig {
            arguments.extend(["--kubeconfig".to_owned(), file.display().to_string()]);
        }
        self.oregano.start(&arguments)
    }

    /// A managed file of a node, numbered from 1, as text.
    pub fn file(&self, number: usize, path: &str) -> Option<String> {
        self.nodes[number - 1].read(path).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    /// The key of the registry in files and secrets.
    pub fn key(&self) -> &str {
        self.registry.host()
    }
}

/// The text as a Python string literal.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// The recap line of a host, in the format that scripts search for.
pub fn recap(host: &str, counts: [usize; 5]) -> String {
    let [ok, changed, unreachable, failed, skipped] = counts;
    format!(
        "{host} : ok={ok} changed={changed} unreachable={unreachable} failed={failed} skipped={skipped} rescued=0 ignored=0"
    )
}

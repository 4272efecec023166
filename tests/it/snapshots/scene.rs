//! The installation that the README describes, on real servers: its inventory is the one in the README. What a run
//! prints is normalized to the names in the README, so that it is the same on every machine.

use std::net::TcpListener;
use std::sync::MutexGuard;

use crate::support::certificate::Signer;
use crate::support::double::Double;
use crate::support::kubernetes::{Kubernetes, User};
use crate::support::network::Network;
use crate::support::oregano::{Finished, Oregano};
use crate::support::process::eventually;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::sshd::{Options, Sshd};

/// The first registry of the README's inventory, its user and the password.
pub const REGISTRY: &str = "registry.example.com";
pub const USER: &str = "12345678|okd-production";
pub const PASSWORD: &str = "a-token-of-the-service-account";
/// The second one.
pub const SECOND: &str = "registry2.example.com";

/// Servers, and a user with the README's inventory in `hosts.ini`.
pub struct Scene {
    pub oregano: Oregano,
    pub registry: Registry,
    pub second: Registry,
    /// In the order of the inventory.
    pub nodes: Vec<(String, Sshd)>,
    /// The cluster, whose namespace `openshift` is this scene's only.
    cluster: Option<(&'static Kubernetes, MutexGuard<'static, ()>)>,
    /// A port that accepts connections and sends nothing, in the place of a node.
    silent: Option<TcpListener>,
    /// What is shown in the place of an address, a port or a path of this machine.
    names: Vec<(String, String)>,
    /// A server in the place of the second registry.
    double: Option<Double>,
    _networks: Vec<Network>,
}

/// Where the registries and nodes of a scene are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On this machine.
    Local,
    /// In a network that this machine cannot reach; the last node is in a third network without a registry.
    FromNodesOnly,
}

impl Scene {
    /// The three machines of the README, and the cluster.
    pub fn new() -> Self {
        Self::with_nodes(2)
    }

    /// `master1`, this many nodes, and the cluster.
    pub fn with_nodes(nodes: usize) -> Self {
        let mut scene = Self::without_cluster(nodes, Reach::Local);
        let (kubernetes, guard) = Kubernetes::shared_openshift();
        scene.show(kubernetes.url(), "https://api.example.com:6443");
        scene.cluster = Some((kubernetes, guard));
        scene.user(User::Writer);
        scene
    }

    /// `master1` and this many nodes. Scenes without a cluster do not wait for each other.
    pub fn without_cluster(nodes: usize, reach: Reach) -> Self {
        let users = ([(USER, PASSWORD)], [("openshift", "token12345")]);
        let transport = Transport::Tls(Signer::Authority);
        let inside = (reach == Reach::FromNodesOnly).then(Network::new);
        let start = |users: &[(&str, &str)]| match &inside {
            None => Registry::start(Auth::Basic, transport, users),
            Some(network) => Registry::start_inside(network, Auth::Basic, transport, users),
        };
        let (registry, second) = (start(&users.0), start(&users.1));
        registry.push("openshift3/ose-pod", "v3.11", USER, PASSWORD);
        second.push("mongodb/mongodb", "latest", "openshift", "token12345");
        let mut scene = Self {
            oregano: Oregano::new(),
            registry,
            second,
            nodes: Vec::new(),
            cluster: None,
            silent: None,
            double: None,
            names: Vec::new(),
            _networks: Vec::new(),
        };
        let home = scene.oregano.home().display().to_string();
        scene.show(&home, "/home/me");
        let authority = scene.registry.ca_file().to_owned();
        // One run at a time on one thread, so that the nodes come in the order of the inventory.
        scene.oregano.env("SSL_CERT_FILE", authority).env("ANSIBLE_FORKS", "1");
        let mut text = readme_inventory().replace("node[1:2]", &format!("node[1:{nodes}]"));
        for (name, registry) in [(SECOND, &scene.second), (REGISTRY, &scene.registry)] {
            let address = match reach {
                Reach::Local => registry.host().to_owned(),
                Reach::FromNodesOnly => format!("{name}:{}", registry.port()),
            };
            // A quote before or a slash after the name, so that one name is not found in the other.
            text = text.replace(&format!("'{name}'"), &format!("'{address}'"));
            text = text.replace(&format!("={name}/"), &format!("={address}/"));
            scene.names.push((address, name.to_owned()));
        }
        scene.oregano.write("hosts.ini", text);
        let apart = inside.is_some().then(Network::new);
        let names: Vec<String> =
            ["master1".to_owned()].into_iter().chain((1..=nodes).map(|at| format!("node{at}"))).collect();
        for (at, name) in names.iter().enumerate() {
            let network = if at == nodes { &apart } else { &inside };
            let prefix = network.as_ref().map(Network::prefix).unwrap_or_default();
            let node = Sshd::start_with(&Options { network: prefix, ..Options::default() });
            if reach == Reach::FromNodesOnly {
                // The last node has no route to the address of the first registry.
                let address = if at == nodes { "10.99.0.1" } else { "127.0.0.1" };
                let lines = format!("{address} {REGISTRY}\\n{address} {SECOND}\\n");
                let script = format!(
                    "cp /etc/hosts /run/hosts; printf '{lines}' >>/run/hosts; mount --bind /run/hosts /etc/hosts"
                );
                assert!(node.sh(&script).status.success());
            }
            scene.add_node(&format!("{name}.example.com"), node);
        }
        scene._networks = inside.into_iter().chain(apart).collect();
        scene
    }

    fn add_node(&mut self, name: &str, node: Sshd) {
        self.oregano.trust(&node.known_hosts_line("127.0.0.1"));
        self.place(name, node.port(), &node);
        self.nodes.push((name.to_owned(), node));
    }

    /// Makes a host be reached on a port of this machine, as the README's inventory does not say.
    fn place(&mut self, name: &str, port: u16, node: &Sshd) {
        let text = format!(
            "ansible_host: 127.0.0.1\nansible_port: {port}\nansible_ssh_private_key_file: {}\n",
            node.key_file().display()
        );
        self.oregano.write(&format!("host_vars/{name}.yml"), text);
        self.names.push((format!("127.0.0.1:{port}"), format!("{name}:22")));
        self.names.push((format!("-p {port} 127.0.0.1"), name.to_owned()));
        self.names.push((format!("[127.0.0.1]:{port}"), name.to_owned()));
    }

    /// The node of this short name.
    pub fn node(&self, name: &str) -> &Sshd {
        let full = format!("{name}.example.com");
        &self.nodes.iter().find(|(known, _)| *known == full).unwrap().1
    }

    /// The cluster of this scene.
    pub fn kubernetes(&self) -> &'static Kubernetes {
        self.cluster.as_ref().expect("a scene with a cluster").0
    }

    /// Runs as this user of the cluster.
    pub fn user(&mut self, user: User) {
        let file = self.kubernetes().kubeconfig(user);
        self.oregano.env("KUBECONFIG", file);
    }

    /// Keeps a server until the end of the scene.
    pub fn keep(&mut self, double: Double) {
        self.double = Some(double);
    }

    /// Shows `name` in the place of `actual`.
    pub fn show(&mut self, actual: &str, name: &str) {
        self.names.push((actual.to_owned(), name.to_owned()));
    }

    /// Replaces text in the inventory.
    pub fn edit(&self, from: &str, to: &str) {
        let file = self.oregano.home().join("hosts.ini");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "no `{from}` in\n{text}");
        std::fs::write(file, text.replace(from, to)).unwrap();
    }

    /// From now on the last node accepts connections and sends nothing; a run is interrupted as soon as it waits for it.
    pub fn interrupt_at_last_node(&mut self) {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let (name, node) = self.nodes.pop().unwrap();
        self.place(&name, port, &node);
        self.nodes.push((name, node));
        self.silent = Some(silent);
    }

    /// Runs a command; its text is what a terminal shows.
    pub fn run(&self, words: &[&str]) -> Finished {
        let running = self.oregano.start_on_one_stream(words);
        let connection = self.silent.as_ref().map(TcpListener::accept);
        if connection.is_some() {
            // The others were observed before, and what they reported must have been read.
            eventually("the others are observed", || {
                self.nodes[..self.nodes.len() - 1].iter().all(|(_, node)| node.sessions() > 0)
            });
            return running.end_at_once("INT");
        }
        running.wait()
    }

    /// Text with the README's names in the place of this machine's.
    pub fn normalize(&self, text: &str) -> String {
        let mut names = self.names.clone();
        names.sort_by_key(|(actual, _)| std::cmp::Reverse(actual.len()));
        let text = names.iter().fold(text.to_owned(), |text, (actual, name)| text.replace(actual, name));
        // Host keys and the names of temporary files are random.
        let random = [
            ("SHA256:[A-Za-z0-9+/]{43}", "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"),
            (r"\.oregano\.[A-Za-z0-9.]+", ".oregano.XXXXXX"),
        ];
        random.iter().fold(text, |text, (pattern, shown)| {
            fancy_regex::Regex::new(pattern).unwrap().replace_all(&text, *shown).into_owned()
        })
    }
}

/// The inventory that the README shows.
fn readme_inventory() -> String {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("```ini\n").expect("the README has an inventory");
    rest.split_once("```").unwrap().0.to_owned()
}

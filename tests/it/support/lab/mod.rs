//! A lab on loopback: registries, nodes and a Kubernetes API in this process, and the files that an operator would have
//! for them. The servers respond like the real ones and count the requests. They use nothing of the product.

#![allow(dead_code, reason = "the lab is a complete installation; its user needs a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a lab that cannot start can only panic")]

pub mod kubernetes;
#[path = "../../../doubles/kubernetes.rs"]
mod kubernetes_double;
pub mod node;
pub mod registry;
#[path = "../../../doubles/registry.rs"]
mod registry_double;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};

use kubernetes::Kubernetes;
use node::Node;
use registry::{Auth, Registry};

/// A user and password that some server of the lab accepts.
#[derive(Clone, Copy, Debug)]
pub struct Login {
    pub user: &'static str,
    pub password: &'static str,
}

/// The user of `oreg_url`'s registry.
pub const REGISTRY: Login = Login { user: "lab-cluster", password: "correct-horse" };
/// The user of the additional registry.
pub const TEAM_REGISTRY: Login = Login { user: "lab-team", password: "battery-staple" };
/// The user of every node.
pub const NODE: Login = Login { user: "lab-operator", password: "open-sesame" };
/// The bearer token of the kubeconfig.
pub const API_TOKEN: &str = "lab-api-token";

/// A running lab. It is stopped when dropped; its folder is kept.
pub struct Lab {
    folder: PathBuf,
    /// The registry of `oreg_url`: token authentication, with `openshift/origin-pod:v3.11`.
    pub registry: Registry,
    /// The additional registry: Basic authentication, with `team/app:v1`.
    pub team_registry: Registry,
    /// The API of a cluster with the namespace `openshift`.
    pub kubernetes: Kubernetes,
    /// `node1`, `node2` and so on, each in the subfolder of its name.
    pub nodes: Vec<Node>,
    /// `None` once the lab is being stopped.
    runtime: Option<Runtime>,
}

impl Lab {
    /// Starts every server and writes the files of an operator below `folder`: `home/.ssh/known_hosts`,
    /// `kubeconfig`, and `inventory.ini` with the right passwords.
    pub fn start(folder: &Path, nodes: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let on = runtime.handle();
        fs::create_dir_all(folder).unwrap();
        let folder = folder.canonicalize().unwrap();
        let node = |number| Node::start(on, &folder.join(format!("node{number}")), NODE.user, NODE.password);
        let lab = Self {
            registry: Registry::start(on, Auth::Token, REGISTRY),
            team_registry: Registry::start(on, Auth::Basic, TEAM_REGISTRY),
            kubernetes: Kubernetes::start(on, API_TOKEN),
            nodes: (1..=nodes).map(node).collect(),
            folder,
            runtime: Some(runtime),
        };
        lab.registry.add_image("openshift/origin-pod", "v3.11");
        lab.team_registry.add_image("team/app", "v1");
        lab.write_known_hosts();
        fs::write(lab.kubeconfig(), lab.kubernetes.kubeconfig()).unwrap();
        lab.write_inventory(REGISTRY.password);
        lab
    }

    /// The home folder of the operator. It is separate from the home of the real user.
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// The file for `--kubeconfig`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The file for `-i`.
    pub fn inventory(&self) -> PathBuf {
        self.folder.join("inventory.ini")
    }

    /// The paths of the credential files that the inventory configures, one for each node; the files do not exist at
    /// first.
    pub fn auth_files(&self) -> Vec<PathBuf> {
        self.nodes.iter().map(|node| docker_folder(node).join("config.json")).collect()
    }

    /// Writes one of [`Lab::auth_files`], as if another program had created it, with a mode such as 0o644.
    pub fn write_auth_file(&self, node: usize, content: &str, mode: u32) {
        let file = &self.auth_files()[node];
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Writes the inventory again, with this password for the registry of `oreg_url`.
    pub fn write_inventory(&self, password: &str) {
        fs::write(self.inventory(), self.inventory_text(password)).unwrap();
    }

    /// Groups and variables as in an inventory for openshift-ansible 3.11.
    fn inventory_text(&self, password: &str) -> String {
        let (oreg, team) = (self.registry.host(), self.team_registry.host());
        let hosts: String = (1..).zip(&self.nodes).map(|(number, node)| host_line(number, node)).collect();
        format!(
            "[OSEv3:children]\nmasters\nnodes\n\n\
             [OSEv3:vars]\n\
             ansible_user={}\nansible_password={}\n\
             openshift_deployment_type=origin\nopenshift_release=v3.11\n\n\
             # Plain HTTP is good enough on loopback.\n\
             openshift_docker_insecure_registries=['{oreg}', '{team}']\n\n\
             oreg_url={oreg}/openshift/origin-${{component}}:${{version}}\n\
             oreg_auth_user={}\noreg_auth_password={password}\n\n\
             openshift_additional_registry_credentials=[{{'host': '{team}', 'user': '{}', 'password': '{}', \
             'test_image': 'team/app:v1'}}]\n\n\
             [masters]\nnode1\n\n\
             [nodes]\n{hosts}",
            NODE.user, NODE.password, REGISTRY.user, TEAM_REGISTRY.user, TEAM_REGISTRY.password,
        )
    }

    fn write_known_hosts(&self) {
        let lines: String = self.nodes.iter().map(|node| node.host_key_line() + "\n").collect();
        fs::create_dir_all(self.home().join(".ssh")).unwrap();
        fs::write(self.home().join(".ssh/known_hosts"), lines).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Dropping a node waits for its commands, which requires that the runtime still works.
        self.nodes.clear();
        // This does not wait for the runtime, because waiting is forbidden in a test that is async itself.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

fn docker_folder(node: &Node) -> PathBuf {
    node.folder().join(".docker")
}

fn host_line(number: usize, node: &Node) -> String {
    format!(
        "node{number} ansible_host=127.0.0.1 ansible_port={} docker_auth_credentials_path='{}'\n",
        node.port(),
        docker_folder(node).display()
    )
}

/// A listener on a free port of 127.0.0.1, and the port.
fn listen(runtime: &Handle) -> (TcpListener, u16) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let _entered = runtime.enter();
    (TcpListener::from_std(listener).unwrap(), port)
}

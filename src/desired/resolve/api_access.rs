//! How the API server is reached: `oregano_kubeconfig`, and the first master with its kubeconfig.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::desired::api_access::{ApiAccess, KubeconfigFile, Master, normalized};
use crate::inventory::Problem;

use super::variable_reader::VariableReader;
use super::{Resolver, connection};

/// A kubeconfig of this machine.
pub(super) const KUBECONFIG: &str = "oregano_kubeconfig";
/// A kubeconfig of the first master.
pub(super) const MASTER_KUBECONFIG: &str = "oregano_master_kubeconfig";

/// The kubeconfig that openshift-ansible 3.11 uses on the first master.
const DEFAULT_MASTER_KUBECONFIG: &str = "/etc/origin/master/admin.kubeconfig";
/// The group of the hosts that run the API server.
const MASTERS: &str = "masters";
/// The variables with names and addresses that the server of a kubeconfig may have. openshift-ansible puts them into
/// the certificates of the masters.
const SERVER_NAMES: [&str; 7] = [
    "ansible_host",
    "ansible_ssh_host",
    "openshift_ip",
    "openshift_public_ip",
    "openshift_public_hostname",
    "openshift_master_cluster_hostname",
    "openshift_master_cluster_public_hostname",
];

impl Resolver<'_> {
    /// The way to the API server, according to the variables of the host that provides those for the cluster.
    pub(super) fn api_access(&mut self, cluster_host: &str) -> ApiAccess {
        let vars = self.variables.of(cluster_host);
        let mut reader = VariableReader::new(&vars, self.cache);
        let kubeconfig = kubeconfig(&mut reader, self.request.home.as_deref());
        let path = master_kubeconfig(&mut reader);
        let masters = self.inventory.hosts_of(MASTERS);
        let master = masters.first().map(|name| {
            // This machine may have a kubeconfig, and then problems with this connection do not matter.
            let mut own = VariableReader::new(&vars, self.cache);
            let connection = connection::of_host(&mut own, name, self.request);
            Master { name: (*name).to_owned(), connection: connection.ok_or(own.problems), kubeconfig: path }
        });
        self.collect(reader);
        ApiAccess { kubeconfig, master, server_names: self.server_names(&masters) }
    }

    fn server_names(&self, masters: &[&str]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for name in masters {
            let vars = self.variables.of(name);
            let reader = VariableReader::new(&vars, self.cache);
            let values = SERVER_NAMES.iter().filter_map(|variable| reader.node_or_none(variable));
            names.insert(normalized(name));
            names.extend(values.filter(|node| !node.is_blank()).map(|node| normalized(&node.text)));
        }
        names
    }
}

fn kubeconfig(reader: &mut VariableReader<'_>, home: Option<&std::path::Path>) -> Option<KubeconfigFile> {
    let text = reader.text(KUBECONFIG)?;
    let text = reader.without_controls(text, &format!("`{KUBECONFIG}`"))?;
    let path = connection::expand(&text.text, home);
    Some(KubeconfigFile { path, span: text.span })
}

/// The path on the master. The default also takes the place of an invalid one, whose problem ends the run.
fn master_kubeconfig(reader: &mut VariableReader<'_>) -> String {
    let default = || DEFAULT_MASTER_KUBECONFIG.to_owned();
    let Some(text) = reader.text(MASTER_KUBECONFIG) else { return default() };
    let Some(text) = reader.without_controls(text, &format!("`{MASTER_KUBECONFIG}`")) else { return default() };
    if PathBuf::from(&text.text).is_absolute() {
        return text.text;
    }
    let problem = Problem::hiding(&text.span, format!("`{MASTER_KUBECONFIG}` is not an absolute path"));
    reader.problems.push(problem.hint(format!("write the path on the master, such as `{DEFAULT_MASTER_KUBECONFIG}`")));
    default()
}

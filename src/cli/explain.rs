//! The arguments of `oregano explain`. It rejects options that have no effect.

use clap::Args;
use oregano::inventory::Problem;
use oregano::lookup::Account;
use oregano::options::{Environment, Pod, Question, Where};

use super::input::Input;
use super::run::{Access, RunPart};
use super::{Global, usage_error};
use crate::cli::ansible_cfg::Defaults;

/// The arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The image, as in the specification of a pod
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Read this file instead of the default files of the consumers; can be repeated, in the order of the search
    #[arg(long, value_name = "FILE")]
    pub file: Vec<String>,
    /// The namespace of a service account, whose pull secrets the kubelet tries first
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The name of that service account
    #[arg(long, value_name = "NAME", default_value = "default", requires = "namespace")]
    pub service_account: String,
    #[command(flatten)]
    pub access: Access,
}

impl ExplainArguments {
    /// Whether files of nodes are read instead of files of this machine.
    pub fn reads_nodes(&self, global: &Global) -> bool {
        self.access.limit.is_some() || !global.inventory.is_empty()
    }

    /// Checks for options that contradict each other.
    ///
    /// # Errors
    /// A usage error that names the options.
    pub fn check(&self, global: &Global) -> Result<(), clap::Error> {
        let conflict = |message: &str| Err(usage_error("explain", message));
        let Access { forks, timeout: _, kubeconfig, context, login, limit: _ } = &self.access;
        let login = login.is_given();
        // Options without an effect are rejected, because a user could otherwise believe that nodes were examined.
        let nodes = self.reads_nodes(global);
        if (login || forks.is_some()) && !nodes {
            return conflict("options for nodes have no effect on this machine: select nodes with -i or --limit");
        }
        if let (Some(option), false) = (global.inventory_option(), nodes) {
            return conflict(&format!("{option} has no effect on this machine: select nodes with -i or --limit"));
        }
        // A relative path has no meaning on a node, because the remote script has no working directory of the user.
        if nodes && self.file.iter().any(|file| !file.starts_with('/')) {
            return conflict("on nodes, --file requires an absolute path");
        }
        let cluster = [("--kubeconfig", kubeconfig.is_some()), ("--context", context.is_some())];
        if let (None, Some((option, _))) = (&self.namespace, cluster.iter().find(|(_, is_given)| *is_given)) {
            return conflict(&format!("{option} requires --namespace: without it, no cluster is contacted"));
        }
        // The names become segments of a URL path, where a slash would address another resource.
        let invalid = |text: &str| text.is_empty() || text.contains('/');
        if self.namespace.as_deref().is_some_and(invalid) || invalid(&self.service_account) {
            return conflict("--namespace and --service-account require a valid name");
        }
        Ok(())
    }

    /// The question, after [`ExplainArguments::check`].
    ///
    /// # Errors
    /// If a password cannot be read, or a file of `--limit` cannot be used.
    pub fn question(
        self,
        global: Global,
        defaults: &Defaults,
        environment: Environment,
        (account, local_user): (Account, String),
        input: &Input<'_>,
    ) -> Result<Question, Problem> {
        let place = if self.reads_nodes(&global) { Where::Nodes } else { Where::Here(account) };
        Ok(Question {
            image: self.image,
            files: self.file,
            place,
            pod: self.namespace.map(|namespace| Pod { namespace, service_account: self.service_account }),
            settings: global.settings(RunPart::default(), self.access, defaults, (environment, local_user), input)?,
        })
    }
}

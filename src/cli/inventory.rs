//! The arguments of `oregano inventory`, and the sources of an inventory for every command. It reads no file.

use std::path::Path;

use clap::{ArgGroup, Args};
use oregano::inventory::load::passwords::{PasswordSource, VaultId, VaultIdentity, parse_vault_id};
use oregano::inventory::{Problem, Sources, graph, list, load};
use oregano::secret::Secret;

use super::Global;
use crate::cli::ansible_cfg::Defaults;

/// The arguments of `inventory`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["list", "host", "graph", "check", "schema"])))]
pub struct InventoryArguments {
    /// Print groups, hosts and variables as ansible-inventory does, including plain-text secrets
    #[arg(long)]
    list: bool,
    /// Print the variables of one host as ansible-inventory does, including plain-text secrets
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Print groups and hosts as a tree: all groups, or only GROUP
    #[arg(long)]
    graph: bool,
    /// Report errors and likely mistakes (docs/findings.md); exit status 1 if there is an error
    #[arg(long)]
    check: bool,
    /// Print the JSON Schema of YAML inventories, for editors
    #[arg(long)]
    schema: bool,
    /// The group where the tree of --graph starts
    #[arg(value_name = "GROUP", conflicts_with_all = ["list", "host", "check", "schema"])]
    group: Option<String>,
    /// Add variables to the tree of --graph, including plain-text secrets
    #[arg(long, conflicts_with_all = ["list", "host", "check", "schema"])]
    vars: bool,
    /// Print YAML instead of JSON
    #[arg(long, short, conflicts_with_all = ["graph", "check", "schema"])]
    yaml: bool,
}

/// What `inventory` does.
pub enum InventoryTask {
    /// `--list`.
    List(list::Format),
    /// `--host NAME`.
    Host(String, list::Format),
    /// `--graph [GROUP]`.
    Graph(String, graph::Detail),
    /// `--check`.
    Check,
    /// `--schema`.
    Schema,
}

impl InventoryArguments {
    /// The task of the one option that is given; clap ensures that there is exactly one.
    pub fn task(self) -> InventoryTask {
        let format = if self.yaml { list::Format::Yaml } else { list::Format::Json };
        match self.host {
            Some(host) => InventoryTask::Host(host, format),
            None if self.list => InventoryTask::List(format),
            None if self.graph => {
                let detail = if self.vars { graph::Detail::Variables } else { graph::Detail::Names };
                InventoryTask::Graph(self.group.unwrap_or_else(|| "all".to_owned()), detail)
            }
            None if self.check => InventoryTask::Check,
            None => InventoryTask::Schema,
        }
    }
}

impl Global {
    /// The sources of the inventory.
    ///
    /// # Errors
    /// If `prompt` fails.
    pub fn sources(
        &self,
        defaults: &Defaults,
        home: Option<&Path>,
        prompt: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Sources, Problem> {
        // As in Ansible, `-i` replaces the inventories of the configuration and does not add to them.
        let given = [&self.inventory, &defaults.inventories].into_iter().find(|sources| !sources.is_empty());
        let inventories = given.cloned().unwrap_or_default();
        let vault = self.vault(defaults, home, prompt)?;
        let settings = defaults.reading.clone();
        Ok(Sources { inventories, extra: self.extra_vars.clone(), vault, home: home.map(Path::to_owned), settings })
    }

    /// The vault passwords and where to read them, in the order in which Ansible tries them.
    fn vault(
        &self,
        defaults: &Defaults,
        home: Option<&Path>,
        prompt: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Vec<VaultIdentity>, Problem> {
        // The shell has already expanded variables, but does not expand a `~` after an `@` or `=`.
        let expand = |path: &str| load::expand_with(path, &|_| None, home);
        let ask = |text: &str| {
            let typed = prompt(text).map(Secret::new);
            typed.map_err(|problem| problem.hint("pass the vault password with `--vault-password-file FILE`"))
        };
        let mut identities = Vec::new();
        // Unlike other options, `--vault-id` adds to the list of `ansible.cfg` instead of replacing it, as in Ansible.
        for id in defaults.vault_ids.iter().chain(&self.vault_id) {
            let (label, source) = match parse_vault_id(id) {
                VaultId::Prompt { label, prompt } => (label, PasswordSource::Typed(ask(&prompt)?)),
                VaultId::File { label, path } => (label, PasswordSource::File(expand(&path.display().to_string()))),
            };
            identities.push(VaultIdentity { label, source });
        }
        let files = self.vault_password_file.iter().chain(&defaults.vault_password_file);
        identities.extend(files.map(|path| VaultIdentity::file(expand(path))));
        // The setting in `ansible.cfg` only applies if there is no other password, but the option always prompts.
        if self.ask_vault_pass || (identities.is_empty() && defaults.ask_vault_pass == Some(true)) {
            identities.push(VaultIdentity::typed(ask("Vault password: ")?));
        }
        Ok(identities)
    }
}

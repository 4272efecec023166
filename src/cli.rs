//! The command line: turns clap arguments into [`Options`], and validates them once. Conflicts are rejected before any
//! I/O.

mod login;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{ArgGroup, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use oregano::desired::expiry::WARN_DAYS;
use oregano::desired::{Limit, Request, Scope, Vantage};
use oregano::event;
use oregano::inventory::load::passwords::{PasswordSource, VaultId, VaultIdentity, parse_vault_id};
use oregano::inventory::{Problem, Sources, graph, list, load};
use oregano::lookup::Account;
use oregano::options::{Environment, Options, Pod, Question, Settings, Where};
use oregano::secret::Secret;
use oregano::ui::{Detail, Format};

use crate::ansible_cfg::Defaults;

pub use login::{Console, LoginArguments, Refusal};

const FORKS: u16 = 64;
const MAX_FORKS: u16 = 4096;
/// In seconds.
const TIMEOUT: u64 = 30;
const MAX_TIMEOUT: u64 = 3600;

/// The hints if there is no terminal to prompt on.
const NO_SSH_PASSWORD: &str = "log in with a key (`--private-key` or an SSH agent), or set `ansible_password`";
const NO_BECOME_PASSWORD: &str = "set `ansible_become_password`";

/// The heading of the options that only commands with an inventory use.
const INVENTORY: &str = "Options of every command with an inventory";

/// Verify registry credentials, and install them on every node and in the pull secret of a cluster
///
/// Exit status: 0 done; 1 inventory, configuration or internal error; 2 a registry, a secret, a node, or the file of
/// `login` failed; 3 changes are pending (plan); 4 a node could not be reached; 64 usage error; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "oregano", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command. They can be given before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// An inventory: a file, directory or script, as in Ansible, or `host1,host2,`; can be repeated
    #[arg(short, long, global = true, help_heading = INVENTORY, value_name = "SOURCE")]
    pub inventory: Vec<String>,
    /// Set variables: k=v, JSON, or @FILE (YAML or JSON), which keeps a password off the command line
    #[arg(short, long = "extra-vars", global = true, help_heading = INVENTORY, value_name = "VARS")]
    pub extra_vars: Vec<String>,
    /// A file with a vault password, or an executable that prints one; can be repeated
    #[arg(long, global = true, help_heading = INVENTORY, value_name = "FILE", alias = "vault-pass-file")]
    pub vault_password_file: Vec<String>,
    /// A vault password with a label: LABEL@FILE or LABEL@prompt; can be repeated
    #[arg(long, global = true, help_heading = INVENTORY, value_name = "LABEL@SOURCE")]
    pub vault_id: Vec<String>,
    /// Prompt for the vault password
    #[arg(short = 'J', long, global = true, help_heading = INVENTORY, alias = "ask-vault-password")]
    pub ask_vault_pass: bool,
    /// Also show what is already up to date
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The output format
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: OutputFormat,
}

/// Parses the command line.
///
/// # Errors
/// If the arguments are not valid. clap reports `--help` and `--version` as errors, too.
pub fn parse() -> Result<Cli, clap::Error> {
    let mut cli = Cli::command();
    // Global options are only added to the subcommands by `build`.
    cli.build();
    let hide = |option: clap::Arg| match option.get_help_heading() {
        Some(INVENTORY) => option.hide(true),
        _ => option,
    };
    let mut cli = cli.mut_subcommand("login", |login| login.mut_args(hide));
    let mut matches = cli.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut cli))
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify every credential by inspecting its test image; change nothing
    Validate(RunArguments),
    /// Show what apply would change (the same as apply --check); exit status 3 if changes are pending
    Plan(RunArguments),
    /// Verify every credential, then write the pull secret and the files of every node
    Apply {
        /// Only show what would change
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        run: RunArguments,
    },
    /// Log in to one registry, as `docker login` does, and save the credential once it is verified
    ///
    /// The password comes from --password-stdin, --kubeconfig-token, the variable OREGANO_PASSWORD, or the terminal, in
    /// this order. A wrong password causes one failed login, and the file is not changed.
    ///
    /// The file is --to, else REGISTRY_AUTH_FILE, else $DOCKER_CONFIG/config.json, else ~/.docker/config.json. docker,
    /// podman and skopeo all read ~/.docker/config.json, while the default file of podman,
    /// ${XDG_RUNTIME_DIR}/containers/auth.json, is lost at a reboot. All other content of the file is kept. Links are
    /// followed, except those of another user. The file is replaced atomically, with mode 0600. Root may write the file
    /// of a user, in a directory that belongs to that user or that only root can write to; the file then belongs to the
    /// user.
    Login(Box<LoginArguments>),
    /// Show which credential each consumer uses for an image, and why not another one: on this machine, or on nodes
    /// with -i or --limit
    ///
    /// The consumers are the kubelet, CRI-O, podman (with skopeo and buildah) and docker; each has its own rules. User
    /// names are shown, passwords never. Exit status 0 means that all files could be read, whether or not there is a
    /// credential.
    Explain(ExplainArguments),
    /// Show the inventory as it was read, or report problems in it; nothing is contacted
    Inventory(InventoryArguments),
}

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

/// The arguments of `validate`, `plan` and `apply`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Only work on the files of the nodes, or only on the cluster
    #[arg(long, value_enum)]
    pub only: Option<Only>,
    /// Contact the registries from this machine, or from nodes through SSH, which then also resolve the names
    #[arg(long, value_enum, default_value = "controller")]
    pub from: VantageOption,
    /// Warn about credentials that expire within this many days, according to their content
    #[arg(long, value_name = "N", default_value_t = WARN_DAYS)]
    pub warn_days: u16,
    #[command(flatten)]
    pub access: Access,
}

/// Options of the commands that contact nodes or the cluster: which nodes, and how they are accessed.
#[derive(Debug, Args)]
pub struct Access {
    /// Only work on these nodes: names, groups, globs, ~regex, group[0:2], @file, combined with : or , and ! and &
    #[arg(short, long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// How many nodes to work on at a time; default: `forks` in ansible.cfg, or 64
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_FORKS)))]
    pub forks: Option<u16>,
    /// Time limit in seconds for each registry, each API request, and for observing and for writing a node; default:
    /// `timeout` in ansible.cfg, or 30
    #[arg(short = 'T', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_TIMEOUT))]
    pub timeout: Option<u64>,
    /// The kubeconfig; default: KUBECONFIG (a list), ~/.kube/config, or the service account of the pod
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Log in to nodes as this user if the inventory sets none; default: `remote_user` in ansible.cfg, or your user
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Log in with this key file if the inventory sets none; default: `private_key_file` in ansible.cfg
    #[arg(long, value_name = "FILE", alias = "key-file")]
    pub private_key: Option<PathBuf>,
    /// Prompt for the SSH password
    #[arg(short = 'k', long)]
    pub ask_pass: bool,
    /// Prompt for the sudo password
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
}

/// The output format.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OutputFormat {
    /// Text for people
    Text,
    /// One JSON object per line (docs/json.md)
    Json,
}

/// The part of the work that is done.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Only {
    /// The files of the nodes; no kubeconfig is needed
    Nodes,
    /// The pull secret; no node is observed, but with --from registries are contacted from nodes
    Cluster,
}

/// Where the requests to registries come from.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum VantageOption {
    /// This machine
    Controller,
    /// The first node that can be reached
    FirstNode,
    /// All credentials from the first node, and every registry from every other node; nodes with different results are
    /// shown
    EveryNode,
}

/// `--limit`, with the content of the files that it names.
fn limit(written: String) -> Result<Limit, Problem> {
    Ok(Limit { pattern: load::limit(&written)?, written })
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
        let conflict = |message: &str| Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        let Access { forks, timeout: _, kubeconfig, user, private_key, ask_pass, ask_become_pass, limit: _ } =
            &self.access;
        let login = user.is_some() || private_key.is_some() || *ask_pass || *ask_become_pass;
        let nodes = self.reads_nodes(global);
        if (login || forks.is_some()) && !nodes {
            return conflict("options for nodes have no effect on this machine: select nodes with -i or --limit");
        }
        if let (Some(option), false) = (global.inventory_option(), nodes) {
            return conflict(&format!("{option} has no effect on this machine: select nodes with -i or --limit"));
        }
        if nodes && self.file.iter().any(|file| !file.starts_with('/')) {
            return conflict("on nodes, --file requires an absolute path");
        }
        if self.namespace.is_none() && kubeconfig.is_some() {
            return conflict("--kubeconfig requires --namespace: without it, no cluster is contacted");
        }
        let invalid = |text: &str| text.is_empty() || text.contains('/');
        if self.namespace.as_deref().is_some_and(invalid) || invalid(&self.service_account) {
            return conflict("--namespace and --service-account require a valid name");
        }
        Ok(())
    }

    /// The question, after [`ExplainArguments::check`]. `prompt` reads a secret from the terminal after showing its
    /// argument.
    ///
    /// # Errors
    /// If `prompt` fails, or a file of `--limit` cannot be used.
    pub fn question(
        self,
        global: Global,
        defaults: &Defaults,
        environment: Environment,
        (account, local_user): (Account, String),
        prompt: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Question, Problem> {
        let place = if self.reads_nodes(&global) { Where::Nodes } else { Where::Here(account) };
        Ok(Question {
            image: self.image,
            files: self.file,
            place,
            pod: self.namespace.map(|namespace| Pod { namespace, service_account: self.service_account }),
            settings: global.settings(RunPart::default(), self.access, defaults, (environment, local_user), prompt)?,
        })
    }
}

impl Global {
    /// The first option that is given and concerns an inventory.
    fn inventory_option(&self) -> Option<&'static str> {
        let given = [
            ("--inventory", !self.inventory.is_empty()),
            ("--extra-vars", !self.extra_vars.is_empty()),
            ("--vault-password-file", !self.vault_password_file.is_empty()),
            ("--vault-id", !self.vault_id.is_empty()),
            ("--ask-vault-pass", self.ask_vault_pass),
        ];
        given.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }

    /// How the output is printed.
    pub fn format(&self) -> (Format, Detail) {
        let format = match self.output {
            OutputFormat::Text => Format::Text,
            OutputFormat::Json => Format::Json,
        };
        (format, if self.verbose > 0 { Detail::Everything } else { Detail::Changes })
    }

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
        let given = [&self.inventory, &defaults.inventories].into_iter().find(|sources| !sources.is_empty());
        let inventories = given.cloned().unwrap_or_default();
        let vault = self.vault(defaults, home, prompt)?;
        Ok(Sources { inventories, extra: self.extra_vars.clone(), vault, home: home.map(Path::to_owned) })
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
        for id in defaults.vault_ids.iter().chain(&self.vault_id) {
            let (label, source) = match parse_vault_id(id) {
                VaultId::Prompt { label, prompt } => (label, PasswordSource::Given(ask(&prompt)?)),
                VaultId::File { label, path } => (label, PasswordSource::File(expand(&path.display().to_string()))),
            };
            identities.push(VaultIdentity { label, source });
        }
        let files = self.vault_password_file.iter().chain(&defaults.vault_password_file);
        identities.extend(files.map(|path| VaultIdentity::file(expand(path))));
        if self.ask_vault_pass || (identities.is_empty() && defaults.ask_vault_pass == Some(true)) {
            identities.push(VaultIdentity::typed(ask("Vault password: ")?));
        }
        Ok(identities)
    }

    /// The options of a run. `prompt` reads a secret from the terminal after showing its argument.
    ///
    /// # Errors
    /// If `prompt` fails, or a file of `--limit` cannot be used.
    pub fn options(
        self,
        command: event::Command,
        run: RunArguments,
        defaults: &Defaults,
        machine: (Environment, String),
        prompt: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Options, Problem> {
        let RunArguments { only, from, warn_days, access } = run;
        let scope = match (command, only) {
            (event::Command::Validate, _) => Scope::Registries,
            (_, Some(Only::Nodes)) => Scope::Nodes,
            (_, Some(Only::Cluster)) => Scope::Cluster,
            (_, None) => Scope::Everything,
        };
        let vantage = match from {
            VantageOption::Controller => Vantage::Controller,
            VantageOption::FirstNode => Vantage::FirstNode,
            VantageOption::EveryNode => Vantage::EveryNode,
        };
        let settings = self.settings(RunPart { scope, vantage }, access, defaults, machine, prompt)?;
        Ok(Options { command, warn_days, settings })
    }

    /// How inventory, nodes and cluster are accessed. `prompt` reads a secret from the terminal after showing its argument.
    fn settings(
        self,
        part: RunPart,
        access: Access,
        defaults: &Defaults,
        (environment, local_user): (Environment, String),
        prompt: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Settings, Problem> {
        let sources = self.sources(defaults, environment.home.as_deref(), &prompt)?;
        let secret = |text, hint: &str| prompt(text).map(Secret::new).map_err(|problem| problem.hint(hint));
        let ssh_password = access.ask_pass.then(|| secret("SSH password: ", NO_SSH_PASSWORD)).transpose()?;
        let become_password =
            access.ask_become_pass.then(|| secret("BECOME password: ", NO_BECOME_PASSWORD)).transpose()?;
        let request = Request {
            scope: part.scope,
            vantage: part.vantage,
            limit: access.limit.map(limit).transpose()?,
            user: access.user.or_else(|| defaults.user.clone()).unwrap_or(local_user),
            host_key_checking: defaults.host_key_checking.unwrap_or_default(),
            private_key_file: access.private_key.or_else(|| defaults.private_key_file.clone()),
            password: ssh_password,
            become_password,
            home: environment.home.clone(),
        };
        Ok(Settings {
            sources,
            request,
            forks: usize::from(access.forks.or(defaults.forks).unwrap_or(FORKS).min(MAX_FORKS)),
            timeout: Duration::from_secs(access.timeout.or(defaults.timeout).unwrap_or(TIMEOUT).min(MAX_TIMEOUT)),
            kubeconfig: access.kubeconfig,
            warnings: defaults.warnings.clone(),
            environment,
        })
    }
}

/// The part of the work that a command has, and from where it contacts the registries.
#[derive(Default)]
struct RunPart {
    scope: Scope,
    vantage: Vantage,
}

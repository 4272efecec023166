//! The command line: clap arguments to [`Options`], validated once. Conflicts are refused before any I/O.

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

pub use login::{Console, Login, Refusal};

const FORKS: u16 = 64;
const MAX_FORKS: u16 = 4096;
/// In seconds.
const TIMEOUT: u64 = 30;
const MAX_TIMEOUT: u64 = 3600;

/// What to do where nobody can be asked.
const NO_SSH_PASSWORD: &str = "log in with a key (`--private-key`, an SSH agent), or set `ansible_password`";
const NO_BECOME_PASSWORD: &str = "set `ansible_become_password`";

/// The heading of options that not every command has a use for.
const INVENTORY: &str = "Options of every command with an inventory";

/// Proves registry credentials and puts them on every node and into every pull secret of a cluster.
///
/// Exit status: 0 done; 1 inventory, configuration or internal error; 2 a registry, a secret, a node, or the file of
/// `login` failed; 3 changes are pending (plan); 4 a node could not be reached; 64 usage; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "oregano", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

/// Options that every command takes, before or behind its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// An inventory: a file, folder or script as Ansible reads it, or `host1,host2,`; can be repeated
    #[arg(short, long, global = true, help_heading = INVENTORY, value_name = "SOURCE")]
    pub inventory: Vec<String>,
    /// Set a variable: k=v, JSON, or @FILE (YAML or JSON), which keeps a password off the command line
    #[arg(short, long = "extra-vars", global = true, help_heading = INVENTORY, value_name = "VARS")]
    pub extra_vars: Vec<String>,
    /// A vault password: a file, or an executable that prints it; can be repeated
    #[arg(long, global = true, help_heading = INVENTORY, value_name = "FILE", alias = "vault-pass-file")]
    pub vault_password_file: Vec<String>,
    /// A vault password with a label: LABEL@FILE or LABEL@prompt; can be repeated
    #[arg(long, global = true, help_heading = INVENTORY, value_name = "LABEL@SOURCE")]
    pub vault_id: Vec<String>,
    /// Ask for the vault password
    #[arg(short = 'J', long, global = true, help_heading = INVENTORY, alias = "ask-vault-password")]
    pub ask_vault_pass: bool,
    /// Show what is right already, too
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How the result is printed
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Output,
}

/// What the command line says.
///
/// # Errors
/// Why it cannot be understood; `--help` and `--version` are among them.
pub fn parse() -> Result<Cli, clap::Error> {
    let mut cli = Cli::command();
    // Before this a command has its own options only.
    cli.build();
    let hide = |option: clap::Arg| match option.get_help_heading() {
        Some(INVENTORY) => option.hide(true),
        _ => option,
    };
    let mut cli = cli.mut_subcommand("login", |login| login.mut_args(hide));
    let mut matches = cli.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut cli))
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prove every credential by inspecting its test image; change nothing
    Validate(Run),
    /// Show what apply would change (the same as apply --check); exit status 3 if something would
    Plan(Run),
    /// Prove every credential, then write the pull secret and the files of every node
    Apply {
        /// Only show what would change
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        run: Run,
    },
    /// Log in to one registry, as `docker login` does, and save the credential once it is proved
    ///
    /// The password comes from --password-stdin, --kubeconfig-token, the variable OREGANO_PASSWORD, or the terminal, in
    /// this order. A wrong one is one failed login, and the file stays as it was.
    ///
    /// The file is --to, else REGISTRY_AUTH_FILE, else $DOCKER_CONFIG/config.json, else ~/.docker/config.json: docker,
    /// podman and skopeo all read that one, and podman's own ${XDG_RUNTIME_DIR}/containers/auth.json goes with a
    /// reboot. Everything else in it stays as it is. Links are followed, but not those of another user; the file is
    /// replaced whole, with mode 0600. Root may name the file of a user in a folder of that user, or one that only root
    /// can write to; the user then owns the password.
    Login(Box<Login>),
    /// Show which credential each consumer uses for an image, and why not another one: on this machine, or with
    /// -i or --limit on nodes
    ///
    /// The consumers are the kubelet, CRI-O, podman (with skopeo and buildah) and docker, each by its own rules. Users are
    /// shown, passwords never. Exit status 0 means that everything was answered, whether there is a credential or not.
    Explain(Explain),
    /// Show the inventory as it was read, or what is suspicious in it; nothing is contacted
    Inventory(Show),
}

/// What to show of the inventory.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["list", "host", "graph", "check", "schema"])))]
pub struct Show {
    /// Print groups, hosts and variables as ansible-inventory does, plain-text secrets included
    #[arg(long)]
    list: bool,
    /// Print the variables of one host as ansible-inventory does, plain-text secrets included
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Print groups and hosts as a tree: all of them, or those of GROUP
    #[arg(long)]
    graph: bool,
    /// Report everything that is wrong or suspicious (docs/findings.md); exit status 1 if something is wrong
    #[arg(long)]
    check: bool,
    /// Print the JSON Schema of YAML inventories, for editors
    #[arg(long)]
    schema: bool,
    /// Where the tree of --graph starts
    #[arg(value_name = "GROUP", conflicts_with_all = ["list", "host", "check", "schema"])]
    group: Option<String>,
    /// Add variables to the tree of --graph, plain-text secrets included
    #[arg(long, conflicts_with_all = ["list", "host", "check", "schema"])]
    vars: bool,
    /// Print YAML instead of JSON
    #[arg(long, short, conflicts_with_all = ["graph", "check", "schema"])]
    yaml: bool,
}

/// The one thing that `inventory` is asked for.
pub enum Wanted {
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

impl Show {
    /// Exactly one of the options is given: clap sees to it.
    pub fn wanted(self) -> Wanted {
        let format = if self.yaml { list::Format::Yaml } else { list::Format::Json };
        match self.host {
            Some(host) => Wanted::Host(host, format),
            None if self.list => Wanted::List(format),
            None if self.graph => {
                let detail = if self.vars { graph::Detail::Variables } else { graph::Detail::Names };
                Wanted::Graph(self.group.unwrap_or_else(|| "all".to_owned()), detail)
            }
            None if self.check => Wanted::Check,
            None => Wanted::Schema,
        }
    }
}

/// What is to be explained.
#[derive(Debug, Args)]
pub struct Explain {
    /// The image, as a pod names it
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Look at this file instead of those that the consumers look for; can be repeated, in the order of the search
    #[arg(long, value_name = "FILE")]
    pub file: Vec<String>,
    /// The kubelet tries the pull secrets of a service account in this namespace first
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// That service account
    #[arg(long, value_name = "NAME", default_value = "default", requires = "namespace")]
    pub service_account: String,
    #[command(flatten)]
    pub reach: Reach,
}

/// Options of the commands that work on registries, cluster and nodes.
#[derive(Debug, Args)]
pub struct Run {
    /// Work on the files of the nodes, or on the cluster, only
    #[arg(long, value_enum)]
    pub only: Option<Only>,
    /// Ask the registries from here, or through the sshd of nodes, which then resolve the names
    #[arg(long, value_enum, default_value = "controller")]
    pub from: From,
    /// Warn of credentials that say that they expire within so many days
    #[arg(long, value_name = "N", default_value_t = WARN_DAYS)]
    pub warn_days: u16,
    #[command(flatten)]
    pub reach: Reach,
}

/// Options of the commands that contact something: which nodes, and how they and the cluster are reached.
#[derive(Debug, Args)]
pub struct Reach {
    /// Work on these nodes only: names, groups, globs, ~regex, group[0:2], @file, with : or , and ! and &
    #[arg(short, long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// How many nodes to work on at a time; else `forks` of ansible.cfg, or 64
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_FORKS)))]
    pub forks: Option<u16>,
    /// Seconds for each registry, each API request, and each of looking at and writing a node; else `timeout` of
    /// ansible.cfg, or 30
    #[arg(short = 'T', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_TIMEOUT))]
    pub timeout: Option<u64>,
    /// The kubeconfig; else KUBECONFIG (a list), ~/.kube/config, or the service account of the pod
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Log in to nodes as this user, where the inventory names none; else `remote_user` of ansible.cfg, or yours
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Log in with this key file, where the inventory names none; else `private_key_file` of ansible.cfg
    #[arg(long, value_name = "FILE", alias = "key-file")]
    pub private_key: Option<PathBuf>,
    /// Ask for the SSH password
    #[arg(short = 'k', long)]
    pub ask_pass: bool,
    /// Ask for the sudo password
    #[arg(short = 'K', long)]
    pub ask_become_pass: bool,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// One JSON object a line (docs/json.md)
    Json,
}

/// A part of the work.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Only {
    /// The files of the nodes: no kubeconfig is needed
    Nodes,
    /// The pull secret: no node is looked at; with --from, registries are asked through one all the same
    Cluster,
}

/// From where registries are asked.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum From {
    /// This machine
    Controller,
    /// The first node that can be reached
    FirstNode,
    /// All credentials from the first node, and each way to a registry from every other one; the nodes that differ are
    /// named
    EveryNode,
}

/// `--limit` with the lines of the files that it names.
fn limit(written: String) -> Result<Limit, Problem> {
    Ok(Limit { pattern: load::limit(&written)?, written })
}

impl Explain {
    /// Whether nodes are looked at instead of this machine.
    pub fn is_of_nodes(&self, global: &Global) -> bool {
        self.reach.limit.is_some() || !global.inventory.is_empty()
    }

    /// Options that make no sense together.
    ///
    /// # Errors
    /// Which of them.
    pub fn check(&self, global: &Global) -> Result<(), clap::Error> {
        let refuse = |message: &str| Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        let Reach { forks, timeout: _, kubeconfig, user, private_key, ask_pass, ask_become_pass, limit: _ } =
            &self.reach;
        let login = user.is_some() || private_key.is_some() || *ask_pass || *ask_become_pass;
        let nodes = self.is_of_nodes(global);
        if (login || forks.is_some()) && !nodes {
            return refuse("this machine needs no login and no forks: name nodes with -i or --limit");
        }
        if let (Some(option), false) = (global.of_inventory(), nodes) {
            return refuse(&format!("{option} is of no use on this machine: name nodes with -i or --limit"));
        }
        if nodes && self.file.iter().any(|file| !file.starts_with('/')) {
            return refuse("on nodes, --file needs an absolute path");
        }
        if self.namespace.is_none() && kubeconfig.is_some() {
            return refuse("--kubeconfig needs --namespace: without it, no cluster is asked");
        }
        let empty = |text: &str| text.is_empty() || text.contains('/');
        if self.namespace.as_deref().is_some_and(empty) || empty(&self.service_account) {
            return refuse("--namespace and --service-account need a name");
        }
        Ok(())
    }

    /// What is asked, once [`Explain::check`] found nothing.
    ///
    /// # Errors
    /// What `ask` fails with, or a file of `--limit` that cannot be used.
    pub fn question(
        self,
        global: Global,
        defaults: &Defaults,
        environment: Environment,
        (account, local_user): (Account, String),
        ask: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Question, Problem> {
        let place = if self.is_of_nodes(&global) { Where::Nodes } else { Where::Here(account) };
        Ok(Question {
            image: self.image,
            files: self.file,
            place,
            pod: self.namespace.map(|namespace| Pod { namespace, service_account: self.service_account }),
            settings: global.settings(Part::default(), self.reach, defaults, (environment, local_user), ask)?,
        })
    }
}

impl Global {
    /// An option that is there and says something of an inventory.
    fn of_inventory(&self) -> Option<&'static str> {
        let given = [
            ("--inventory", !self.inventory.is_empty()),
            ("--extra-vars", !self.extra_vars.is_empty()),
            ("--vault-password-file", !self.vault_password_file.is_empty()),
            ("--vault-id", !self.vault_id.is_empty()),
            ("--ask-vault-pass", self.ask_vault_pass),
        ];
        given.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }

    /// How a run is shown.
    pub fn format(&self) -> (Format, Detail) {
        let format = match self.output {
            Output::Text => Format::Text,
            Output::Json => Format::Json,
        };
        (format, if self.verbose > 0 { Detail::Everything } else { Detail::Changes })
    }

    /// What the inventory is read from.
    ///
    /// # Errors
    /// What `ask` fails with.
    pub fn sources(
        &self,
        defaults: &Defaults,
        home: Option<&Path>,
        ask: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Sources, Problem> {
        let given = [&self.inventory, &defaults.inventories].into_iter().find(|sources| !sources.is_empty());
        let inventories = given.cloned().unwrap_or_default();
        let vault = self.vault(defaults, home, ask)?;
        Ok(Sources { inventories, extra: self.extra_vars.clone(), vault, home: home.map(Path::to_owned) })
    }

    /// Where the vault passwords are, in the order in which Ansible tries them.
    fn vault(
        &self,
        defaults: &Defaults,
        home: Option<&Path>,
        ask: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Vec<VaultIdentity>, Problem> {
        // The shell has replaced variables already, but leaves a `~` behind an `@` or `=`.
        let expand = |path: &str| load::expand_with(path, &|_| None, home);
        let ask = |prompt: &str| {
            let typed = ask(prompt).map(Secret::new);
            typed.map_err(|problem| problem.hint("give the vault password with `--vault-password-file FILE`"))
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

    /// The options of a run. `ask` reads a secret from the terminal after showing a prompt.
    ///
    /// # Errors
    /// What `ask` fails with, or a file of `--limit` that cannot be used.
    pub fn options(
        self,
        command: event::Command,
        run: Run,
        defaults: &Defaults,
        machine: (Environment, String),
        ask: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Options, Problem> {
        let Run { only, from, warn_days, reach } = run;
        let scope = match (command, only) {
            (event::Command::Validate, _) => Scope::Registries,
            (_, Some(Only::Nodes)) => Scope::Nodes,
            (_, Some(Only::Cluster)) => Scope::Cluster,
            (_, None) => Scope::Everything,
        };
        let vantage = match from {
            From::Controller => Vantage::Controller,
            From::FirstNode => Vantage::FirstNode,
            From::EveryNode => Vantage::EveryNode,
        };
        let settings = self.settings(Part { scope, vantage }, reach, defaults, machine, ask)?;
        Ok(Options { command, warn_days, settings })
    }

    /// How inventory, nodes and cluster are reached. `ask` reads a secret from the terminal after showing a prompt.
    fn settings(
        self,
        part: Part,
        reach: Reach,
        defaults: &Defaults,
        (environment, local_user): (Environment, String),
        ask: impl Fn(&str) -> Result<String, Problem>,
    ) -> Result<Settings, Problem> {
        let sources = self.sources(defaults, environment.home.as_deref(), &ask)?;
        let secret = |wanted: bool, prompt, hint: &str| {
            let ask = || ask(prompt).map(Secret::new).map_err(|problem| problem.hint(hint));
            wanted.then(ask).transpose()
        };
        let request = Request {
            scope: part.scope,
            vantage: part.vantage,
            limit: reach.limit.map(limit).transpose()?,
            user: reach.user.or_else(|| defaults.user.clone()).unwrap_or(local_user),
            host_key_checking: defaults.host_key_checking.unwrap_or_default(),
            private_key_file: reach.private_key.or_else(|| defaults.private_key_file.clone()),
            password: secret(reach.ask_pass, "SSH password: ", NO_SSH_PASSWORD)?,
            become_password: secret(reach.ask_become_pass, "BECOME password: ", NO_BECOME_PASSWORD)?,
            home: environment.home.clone(),
        };
        Ok(Settings {
            sources,
            request,
            forks: usize::from(reach.forks.or(defaults.forks).unwrap_or(FORKS).min(MAX_FORKS)),
            timeout: Duration::from_secs(reach.timeout.or(defaults.timeout).unwrap_or(TIMEOUT).min(MAX_TIMEOUT)),
            kubeconfig: reach.kubeconfig,
            warnings: defaults.warnings.clone(),
            environment,
        })
    }
}

/// The part of the work that a command has, and from where it contacts the registries.
#[derive(Default)]
struct Part {
    scope: Scope,
    vantage: Vantage,
}

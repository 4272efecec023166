//! The arguments of `validate`, `plan` and `apply`, and how nodes and the cluster are accessed, which `explain` needs,
//! too.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use oregano::desired::expiry::WARN_DAYS;
use oregano::desired::{Backup, DefaultEscalation, Limit, Request, Scope, Vantage};
use oregano::event;
use oregano::inventory::{Problem, load};
use oregano::options::{Environment, Inspection, Options, Settings};
use oregano::plan::{PlanRequest, Prune, Recreate, Salt, Transfer};
use oregano::secret::Secret;
use oregano::ui::Format;

use super::input::Input;
use super::node_passwords::{self, NodePasswords, PasswordInput};
use super::{Global, MAX_TIMEOUT, TIMEOUT, VALIDATE, usage_error};
use crate::cli::ansible_cfg::{Defaults, RunDefaults};

/// The default number of nodes that are worked on at a time.
const FORKS: u16 = 64;
const MAX_FORKS: u16 = 4096;
/// The options that have no effect on `validate`, which writes nothing.
const NOT_FOR_VALIDATE: [&str; 6] = ["only", "prune", "diff", "transfer_ownership", "recreate", "check"];

/// The arguments of `validate`, `plan` and `apply`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Only work on the files of the nodes, or only on the objects of the cluster
    #[arg(long, value_enum)]
    pub only: Option<Only>,
    /// Contact the registries from this machine, from nodes through SSH, which then also resolve the names, or from the
    /// image importer of the cluster
    #[arg(long, value_enum, default_value = "controller")]
    pub from: VantageOption,
    /// Warn about credentials that expire within this many days, according to their content
    #[arg(long, value_name = "N", default_value_t = WARN_DAYS)]
    pub warn_days: u16,
    /// Write the names of the nodes that are not done to this file, for `--limit @FILE`
    #[arg(long, value_name = "FILE")]
    pub retry_file: Option<PathBuf>,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    pub check: Check,
    #[command(flatten)]
    inspect: Inspect,
    #[command(flatten)]
    pub confirmation: Confirmation,
    #[command(flatten)]
    pub access: Access,
    /// The backup that `restore` puts back.
    #[arg(skip)]
    pub backup: Option<Backup>,
}

/// What is changed, and how it is shown.
#[derive(Debug, Args)]
struct Changes {
    /// Also remove the entries of the registries in `oregano_retired_registries`, and the objects of the cluster that this
    /// inventory has created and no longer declares (see `oregano_owner`)
    #[arg(long)]
    prune: bool,
    /// Delete and recreate a pull secret that the API server cannot change: one that is immutable, or whose type
    /// (dockerconfigjson or dockercfg) differs from the declared one. Its other entries, labels and annotations stay
    #[arg(long)]
    recreate: bool,
    #[command(flatten)]
    update: UpdateOptions,
}

/// How entries are changed, and how the changes are shown.
#[derive(Debug, Args)]
pub(super) struct UpdateOptions {
    /// Show each changed entry as it is and as it will be: its user and a fingerprint, never a password
    #[arg(short = 'D', long)]
    diff: bool,
    /// Permit changes of the entries `cloud.openshift.com` and `arosvc.azurecr.io` of the global pull secret, which say to
    /// whom an OpenShift 4 cluster belongs
    #[arg(long)]
    transfer_ownership: bool,
}

impl Changes {
    fn request(&self) -> Result<PlanRequest, Problem> {
        let UpdateOptions { diff, transfer_ownership } = self.update;
        let prune = if self.prune { Prune::Remove } else { Prune::Keep };
        let transfer = if transfer_ownership { Transfer::Permit } else { Transfer::Refuse };
        let recreate = if self.recreate { Recreate::Permit } else { Recreate::Refuse };
        Ok(PlanRequest { prune, diff: if diff { Some(salt()?) } else { None }, transfer, recreate })
    }
}

impl UpdateOptions {
    /// The first option that is given.
    pub(super) fn option(&self) -> Option<&'static str> {
        let diff = self.diff.then_some("--diff");
        diff.or_else(|| self.transfer_ownership.then_some("--transfer-ownership"))
    }
}

/// A new salt for fingerprints.
fn salt() -> Result<Salt, Problem> {
    let mut bytes = [0; 32];
    let random = openssl::rand::rand_bytes(&mut bytes);
    random.map_err(|_| Problem::new("the system has no random numbers, which `--diff` needs"))?;
    Ok(Salt::new(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())))
}

/// Whether `apply` only shows what would change. The other commands accept the same options, because they never change
/// anything.
#[derive(Debug, Args)]
pub struct Check {
    /// Only show what would change, as `oregano plan` does
    #[arg(short = 'C', long, overrides_with = "check")]
    check: bool,
    /// The same as --check, as kubectl names it
    #[arg(long, hide = true, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,
}

/// The values of `--dry-run` of kubectl that change nothing.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DryRun {
    Client,
    Server,
}

/// Options for which the inventory is read, and nothing else is done.
#[derive(Debug, Default, Args)]
struct Inspect {
    /// Only print the hosts that `oregano_hosts` and --limit select; nothing is contacted
    #[arg(long, conflicts_with_all = ["syntax_check", "retry_file"])]
    list_hosts: bool,
    /// Only report the problems of the inventory that would stop the run; nothing is contacted
    #[arg(long, conflicts_with = "retry_file")]
    syntax_check: bool,
}

/// Options of tools that ask for a confirmation.
#[derive(Debug, Args)]
pub struct Confirmation {
    /// Accepted without an effect: oregano never asks for a confirmation
    #[arg(short = 'y', long = "yes", alias = "auto-approve", overrides_with = "_yes")]
    _yes: bool,
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
    /// The kubeconfig; default: `oregano_kubeconfig`, KUBECONFIG (a list), ~/.kube/config, that of the first master (over
    /// SSH), or the service account of the pod
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; default: its current context
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    #[command(flatten)]
    pub login: NodeLogin,
}

/// How to log in to nodes.
#[derive(Debug, Args)]
pub struct NodeLogin {
    /// Log in to nodes as this user if the inventory sets none; default: `remote_user` in ansible.cfg, or your user
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Log in with this key file if the inventory sets none; default: `private_key_file` in ansible.cfg
    #[arg(long, value_name = "FILE", alias = "key-file")]
    private_key: Option<PathBuf>,
    /// Prompt for the SSH password; default: `ask_pass` in ansible.cfg
    #[arg(short = 'k', long, alias = "ask-password")]
    ask_pass: bool,
    /// Read the SSH password from this file, or from its output if it is executable; - is standard input; default:
    /// `connection_password_file` in ansible.cfg
    #[arg(long, value_name = "FILE", alias = "conn-pass-file", conflicts_with = "ask_pass")]
    connection_password_file: Option<PathBuf>,
    /// Work as root, with sudo, on nodes for which the inventory does not set `ansible_become`
    #[arg(short, long)]
    r#become: bool,
    /// Prompt for the sudo password; default: `become_ask_pass` in ansible.cfg
    #[arg(short = 'K', long, alias = "ask-become-password")]
    ask_become_pass: bool,
    /// Read the sudo password from this file, or from its output if it is executable; - is standard input; default:
    /// `become_password_file` in ansible.cfg
    #[arg(long, value_name = "FILE", alias = "become-pass-file", conflicts_with = "ask_become_pass")]
    become_password_file: Option<PathBuf>,
    #[arg(skip)]
    passwords: PasswordUse,
}

/// Whether the passwords for nodes are needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum PasswordUse {
    #[default]
    Needed,
    /// No node is contacted.
    NotNeeded,
}

/// The part of the work that is done.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Only {
    /// The files of the nodes; no kubeconfig is needed
    Nodes,
    /// Pull secrets, their service accounts, image pullers and the global pull secret; no node is observed, but with --from
    /// registries are contacted from nodes
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
    /// The image importer of OpenShift, with the pull secrets that are in the cluster now; only for `validate`
    Cluster,
}

/// Hides the options that have no effect on `validate`. They are not removed: those about what is written are rejected
/// with an explanation, and the others are accepted, so that a script can use the same options for all runs.
pub(super) fn hide_from_validate(option: clap::Arg) -> clap::Arg {
    if NOT_FOR_VALIDATE.contains(&option.get_id().as_str()) { option.hide(true) } else { option }
}

/// The part of the work that a command has, and from where it contacts the registries.
#[derive(Default)]
pub(super) struct RunPart {
    scope: Scope,
    vantage: Vantage,
}

/// `--limit`, with the content of the files that it names.
fn limit(written: String) -> Result<Limit, Problem> {
    Ok(Limit { pattern: load::limit(&written)?, written })
}

impl RunArguments {
    /// The arguments of a run that puts a backup back.
    pub(super) fn restore(
        backup: Backup,
        warn_days: u16,
        update: UpdateOptions,
        (check, confirmation, access): (Check, Confirmation, Access),
    ) -> Self {
        Self {
            only: None,
            from: VantageOption::Controller,
            warn_days,
            retry_file: None,
            changes: Changes { prune: false, recreate: false, update },
            check,
            inspect: Inspect::default(),
            confirmation,
            access,
            backup: Some(backup),
        }
    }

    /// What is done instead of a run.
    pub fn inspection(&self) -> Option<Inspection> {
        match self.inspect {
            Inspect { list_hosts: true, .. } => Some(Inspection::ListHosts),
            Inspect { syntax_check: true, .. } => Some(Inspection::SyntaxCheck),
            Inspect { .. } => None,
        }
    }

    /// Checks for options that contradict each other.
    ///
    /// # Errors
    /// A usage error that names the options.
    pub(super) fn check(&self, command: &str, global: &Global) -> Result<(), clap::Error> {
        if let Some(option) = self.writing_option().filter(|_| command == VALIDATE) {
            let message =
                format!("{option} has no effect: `oregano validate` only verifies credentials, use `oregano plan`");
            return Err(usage_error(command, &message));
        }
        if matches!(self.from, VantageOption::Cluster) && command != VALIDATE {
            let message = "--from cluster is only for `oregano validate`: `oregano apply` proves image imports after it has \
                           written the secrets";
            return Err(usage_error(command, message));
        }
        let json = global.style().format == Format::Json;
        let message = match self.inspection() {
            Some(Inspection::ListHosts) if json => {
                "--list-hosts prints only text: for programs, use `oregano inventory --list`, which prints JSON"
            }
            Some(Inspection::SyntaxCheck) if json => {
                "--syntax-check prints only text: for programs, use `oregano inventory --check --output json`"
            }
            Some(Inspection::ListHosts) if matches!(self.only, Some(Only::Cluster)) => {
                "--list-hosts contradicts --only cluster, which leaves all hosts out"
            }
            // Without the other nodes it is not known whether something still needs what is removed.
            None if self.changes.prune && self.access.limit.is_some() && !matches!(self.only, Some(Only::Nodes)) => {
                "--prune cannot be combined with --limit, because it also removes objects of the cluster: leave one of them \
                 out, or add --only nodes"
            }
            _ => return Ok(()),
        };
        Err(usage_error(command, message))
    }

    /// The first option that is given and concerns what is written.
    fn writing_option(&self) -> Option<&'static str> {
        let only = self.only.map(|_| "--only");
        let prune = self.changes.prune.then_some("--prune");
        let recreate = self.changes.recreate.then_some("--recreate");
        only.or(prune).or(recreate).or_else(|| self.changes.update.option())
    }

    /// The same arguments without the passwords for nodes, which an inspection does not need. Ansible does not prompt
    /// for them either.
    pub fn without_passwords(mut self) -> Self {
        self.access.login.passwords = PasswordUse::NotNeeded;
        self
    }
}

impl Check {
    /// Whether nothing may be changed.
    pub fn is_given(&self) -> bool {
        self.option().is_some()
    }

    /// The option that is given.
    pub(super) fn option(&self) -> Option<&'static str> {
        let check = self.check.then_some("--check");
        check.or_else(|| self.dry_run.map(|_| "--dry-run"))
    }
}

impl NodeLogin {
    /// Whether an option is given.
    pub(super) fn is_given(&self) -> bool {
        let Self { user, private_key, ask_pass, r#become, ask_become_pass, .. } = self;
        let files = [private_key, &self.connection_password_file, &self.become_password_file];
        let flags = [*ask_pass, *r#become, *ask_become_pass];
        user.is_some() || files.into_iter().any(Option::is_some) || flags.contains(&true)
    }

    /// The SSH and sudo passwords of the options or, if the run contacts nodes, those of `ansible.cfg`.
    fn passwords(
        self,
        nodes: PasswordUse,
        defaults: &RunDefaults,
        home: Option<&Path>,
        input: &Input<'_>,
    ) -> Result<NodePasswords, Problem> {
        if self.passwords == PasswordUse::NotNeeded {
            return Ok(NodePasswords::default());
        }
        let file =
            |path: Option<PathBuf>| path.map_or(PasswordInput::None, |path| PasswordInput::File(expand(path, home)));
        let ssh = if self.ask_pass { PasswordInput::Prompt } else { file(self.connection_password_file) };
        let sudo = if self.ask_become_pass { PasswordInput::Prompt } else { file(self.become_password_file) };
        match nodes {
            PasswordUse::Needed => {
                node_passwords::read(ssh.or(&defaults.ssh_password), sudo.or(&defaults.become_password), input)
            }
            PasswordUse::NotNeeded => node_passwords::read(ssh, sudo, input),
        }
    }
}

impl RunPart {
    /// A run that contacts only registries, from this machine, logs in to no node.
    fn password_use(&self) -> PasswordUse {
        match (&self.scope, self.vantage) {
            (Scope::Registries, Vantage::Controller) => PasswordUse::NotNeeded,
            _ => PasswordUse::Needed,
        }
    }
}

/// The path of a password file. The shell does not expand a `~` after an `=`; `-` is standard input, as in Ansible.
fn expand(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match path.to_str() {
        Some("-") => "/dev/stdin".into(),
        Some(text) => load::expand_with(text, &|_| None, home),
        None => path,
    }
}

impl Global {
    /// The options of a run.
    ///
    /// # Errors
    /// If a password cannot be read, or a file of `--limit` cannot be used.
    pub fn options(
        self,
        command: event::Command,
        run: RunArguments,
        defaults: &Defaults,
        machine: (Environment, String),
        input: &Input<'_>,
    ) -> Result<Options, Problem> {
        let RunArguments { only, from, warn_days, changes, access, backup, .. } = run;
        let plan = changes.request()?;
        let vantage = match from {
            VantageOption::Controller => Vantage::Controller,
            VantageOption::FirstNode => Vantage::FirstNode,
            VantageOption::EveryNode => Vantage::EveryNode,
            VantageOption::Cluster => Vantage::Cluster,
        };
        let scope = match (backup, command, only) {
            (Some(backup), ..) => Scope::Restore(backup),
            // `validate` writes nothing, so `--only` does not change its scope.
            (None, event::Command::Validate, _) if vantage == Vantage::Cluster => Scope::Cluster,
            (None, event::Command::Validate, _) => Scope::Registries,
            (None, _, Some(Only::Nodes)) => Scope::Nodes,
            (None, _, Some(Only::Cluster)) => Scope::Cluster,
            (None, _, None) => Scope::Everything,
        };
        let settings = self.settings(RunPart { scope, vantage }, access, defaults, machine, input)?;
        Ok(Options { command, warn_days, plan, settings })
    }

    /// How inventory, nodes and cluster are accessed.
    pub(super) fn settings(
        self,
        part: RunPart,
        access: Access,
        defaults: &Defaults,
        (environment, local_user): (Environment, String),
        input: &Input<'_>,
    ) -> Result<Settings, Problem> {
        let home = environment.home.as_deref();
        let sources = self.sources(defaults, home, input.prompt)?;
        let (user, private_key) = (access.login.user.clone(), access.login.private_key.clone());
        let become_root = access.login.r#become;
        let passwords = access.login.passwords(part.password_use(), &defaults.run, home, input)?;
        let request = Request {
            scope: part.scope,
            vantage: part.vantage,
            limit: access.limit.map(limit).transpose()?,
            user: user.or_else(|| defaults.run.user.clone()).unwrap_or(local_user),
            host_key_checking: defaults.run.host_key_checking.unwrap_or_default(),
            private_key_file: private_key.or_else(|| defaults.run.private_key_file.clone()),
            password: passwords.ssh,
            escalation: if become_root { DefaultEscalation::Sudo } else { defaults.run.escalation },
            become_password: passwords.sudo,
            connection: defaults.run.connection.clone(),
            home: environment.home.clone(),
        };
        Ok(Settings {
            sources,
            request,
            // clap limits only the option. The limit is applied here too, because the value may come from
            // `ansible.cfg`.
            forks: usize::from(access.forks.or(defaults.run.forks).unwrap_or(FORKS).min(MAX_FORKS)),
            timeout: Duration::from_secs(access.timeout.or(defaults.run.timeout).unwrap_or(TIMEOUT).min(MAX_TIMEOUT)),
            kubeconfig: access.kubeconfig,
            context: access.context,
            warnings: defaults.warnings.clone(),
            environment,
        })
    }
}

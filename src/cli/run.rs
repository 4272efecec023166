//! The arguments of `validate`, `plan` and `apply`, and how nodes and the cluster are accessed, which `explain` needs,
//! too.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use oregano::desired::expiry::WARN_DAYS;
use oregano::desired::{Limit, Request, Scope, Vantage};
use oregano::event;
use oregano::inventory::{Problem, load};
use oregano::options::{Environment, Options, Settings};
use oregano::secret::Secret;

use super::{Global, MAX_TIMEOUT, TIMEOUT};
use crate::cli::ansible_cfg::Defaults;

/// The default number of nodes that are worked on at a time.
const FORKS: u16 = 64;
const MAX_FORKS: u16 = 4096;

/// The hints if there is no terminal to prompt on.
const NO_SSH_PASSWORD: &str = "log in with a key (`--private-key` or an SSH agent), or set `ansible_password`";
const NO_BECOME_PASSWORD: &str = "set `ansible_become_password`";

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

impl Global {
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
            // `validate` writes nothing, so `--only` does not change its scope.
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

    /// How inventory, nodes and cluster are accessed. `prompt` reads a secret from the terminal after showing its
    /// argument.
    pub(super) fn settings(
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
            // clap limits only the option. The limit is applied here too, because the value may come from
            // `ansible.cfg`.
            forks: usize::from(access.forks.or(defaults.forks).unwrap_or(FORKS).min(MAX_FORKS)),
            timeout: Duration::from_secs(access.timeout.or(defaults.timeout).unwrap_or(TIMEOUT).min(MAX_TIMEOUT)),
            kubeconfig: access.kubeconfig,
            warnings: defaults.warnings.clone(),
            environment,
        })
    }
}

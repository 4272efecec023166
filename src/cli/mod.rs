//! Defines the command line, and converts the clap arguments into values for the engine. It validates them once, and
//! rejects conflicts before any I/O. The arguments of each command are in a separate file.

pub mod ansible_cfg;
mod credential_file;
pub mod documents;
mod examples;
mod explain;
pub mod input;
mod inventory;
mod login;
mod logout;
mod node_passwords;
mod not_supported;
mod restore;
mod run;
mod tips;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use oregano::ui::{Color, Detail, Format, Style};

pub use self::explain::ExplainArguments;
pub use self::inventory::{InventoryArguments, InventoryTask};
pub use self::login::{Console, LoginArguments, Refusal};
pub use self::logout::LogoutArguments;
pub use self::restore::RestoreArguments;
pub use self::run::RunArguments;

/// The default time limit, in seconds.
const TIMEOUT: u64 = 30;
const MAX_TIMEOUT: u64 = 3600;

/// The commands that read no inventory.
const WITHOUT_INVENTORY: [&str; 6] = ["login", "logout", "schema", "completion", "man", "version"];

/// The command that only verifies credentials.
const VALIDATE: &str = "validate";
/// The command that writes one object of the cluster.
const RESTORE: &str = "restore";

/// The heading of the options that only commands with an inventory use.
const INVENTORY: &str = "Options of every command with an inventory";

/// Verify registry credentials, and install them in the pull secrets of a cluster and on every node
///
/// Exit status: 0 done; 1 inventory, configuration or internal error; 2 a registry, an object of the cluster, a node, or
/// the file of `login` failed; 3 changes are pending (plan); 4 a node could not be reached, and other nodes may have
/// failed; 64 usage error; 130 interrupted.
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
    /// Also show what is already up to date; -vv: also the steps of SSH and HTTP connections; -vvv: also their timing
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print nothing if nothing was changed and nothing failed, for cron; commands that only read print no warnings
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colors; auto: on terminals, unless NO_COLOR or CLICOLOR_FORCE is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: ColorOption,
    /// The output format; default: text
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub output: Option<OutputFormat>,
    /// The same as --output json
    #[arg(long, global = true)]
    pub json: bool,
}

/// The complete command line: the derived one, with examples, the options that are not supported yet, and without the
/// options that have no effect on a command.
pub fn command() -> clap::Command {
    let mut cli = Cli::command().mut_subcommands(not_supported::add);
    // Global options are only added to the subcommands by `build`.
    cli.build();
    let hide = |option: clap::Arg| match option.get_help_heading() {
        // These options are hidden and not removed, so that they can be rejected with an explanation.
        Some(INVENTORY) => option.hide(true),
        _ => option,
    };
    let cli = cli.mut_subcommands(|command| {
        let examples = examples::text(command.get_name());
        let command = if WITHOUT_INVENTORY.contains(&command.get_name()) { command.mut_args(hide) } else { command };
        let command = match command.get_name() {
            VALIDATE => command.mut_args(run::hide_from_validate),
            RESTORE => command.mut_args(restore::hide_from_restore),
            _ => command,
        };
        if examples.is_empty() { command } else { command.after_help(examples) }
    });
    cli.after_help(examples::text("oregano"))
}

/// Parses the command line.
///
/// # Errors
/// If the arguments are not valid, or contradict each other. clap reports `--help` and `--version` as errors, too.
pub fn parse() -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut command = command();
    let matches = command.try_get_matches_from_mut(&arguments);
    let mut matches = matches.map_err(|error| tips::correct(error, &command, &arguments))?;
    let name = matches.subcommand_name().unwrap_or_default().to_owned();
    not_supported::reject(&matches)?;
    let cli = Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    cli.global.check(&name)?;
    match &cli.command {
        Command::Validate(run) | Command::Plan(run) | Command::Apply(run) => run.check(&name, &cli.global)?,
        Command::Restore(restore) => restore.check(&cli.global)?,
        _ => {}
    }
    Ok(cli)
}

/// A usage error of a subcommand, so that the usage line is the one of the subcommand.
fn usage_error(subcommand: &str, message: &str) -> clap::Error {
    let mut cli = command();
    match cli.find_subcommand_mut(subcommand) {
        Some(command) => command.error(ErrorKind::ArgumentConflict, message),
        None => cli.error(ErrorKind::ArgumentConflict, message),
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify every credential by inspecting its test image; change nothing
    Validate(RunArguments),
    /// Show what apply would change (the same as apply --check); exit status 3 if changes are pending
    Plan(RunArguments),
    /// Verify every credential, then write the objects of the cluster and the files of every node
    Apply(RunArguments),
    /// List the backups of the global pull secret of OpenShift 4, or put one back
    ///
    /// `apply` saves the old content before it overwrites it, in ~/.local/state/oregano/backups or below XDG_STATE_HOME.
    /// Putting a backup back is a run of `apply` for this secret only: its entries are verified first, the current content
    /// is saved, and the rollout is followed. With --check, it is a run of `plan`.
    Restore(Box<RestoreArguments>),
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
    /// Remove the credential of one registry from a file, as `docker logout` does
    ///
    /// The file is the same as for `login`: --to, else REGISTRY_AUTH_FILE, else $DOCKER_CONFIG/config.json, else
    /// ~/.docker/config.json. All spellings of the registry are removed (`https://host`, `host/v1/`, the names of Docker
    /// Hub); entries of its namespaces (`host/team`) and all other content of the file are kept. Nothing is contacted, and
    /// no credential helper is run. A file without an entry for the registry is not changed, and the exit status is 0, too.
    Logout(LogoutArguments),
    /// Show which credential each consumer uses for an image, and why not another one: on this machine, or on nodes
    /// with -i or --limit
    ///
    /// The consumers are the kubelet, CRI-O, podman (with skopeo and buildah) and docker; each has its own rules. User
    /// names are shown, passwords never. Exit status 0 means that this machine, or every selected node, was examined,
    /// whether or not there is a credential.
    Explain(ExplainArguments),
    /// Show the inventory as it was read, or report problems in it; nothing is contacted
    Inventory(InventoryArguments),
    /// Print the JSON Schema of an interface, for programs that read it
    Schema {
        /// The interface
        #[arg(value_enum)]
        interface: Interface,
    },
    /// Print a completion script for a shell
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page of oregano, or write the manual pages of all commands to a directory
    Man {
        /// The directory, which is created if it does not exist; without it, the page is printed
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
    /// Print the version, as --version does
    Version,
}

/// An interface with a JSON Schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Interface {
    /// The lines of --output json (docs/json.md)
    Events,
}

/// When text output has colors.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ColorOption {
    Auto,
    Always,
    Never,
}

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Text for people
    Text,
    /// One JSON object per line (docs/json.md)
    Json,
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

    /// Checks for global options that contradict each other, or that have no effect on this command.
    fn check(&self, command: &str) -> Result<(), clap::Error> {
        // clap does not see a conflict between an option before and an option after the name of the command.
        if self.json && self.output == Some(OutputFormat::Text) {
            return Err(usage_error(command, "--json contradicts --output text"));
        }
        if self.quiet && self.verbose > 0 {
            return Err(usage_error(command, "--quiet contradicts --verbose"));
        }
        match self.inventory_option() {
            Some(option) if WITHOUT_INVENTORY.contains(&command) => {
                let message = format!("{option} has no effect: `oregano {command}` reads no inventory");
                Err(usage_error(command, &message))
            }
            _ => Ok(()),
        }
    }

    /// How the output is printed.
    pub fn style(&self) -> Style {
        let format = match self.output {
            Some(OutputFormat::Json) => Format::Json,
            _ if self.json => Format::Json,
            _ => Format::Text,
        };
        let detail = match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (false, 0) => Detail::Changes,
            (false, 1) => Detail::Everything,
            (false, 2) => Detail::Steps,
            (false, _) => Detail::Timing,
        };
        let color = match self.color {
            ColorOption::Auto => Color::Auto,
            ColorOption::Always => Color::Always,
            ColorOption::Never => Color::Never,
        };
        Style { format, detail, color }
    }
}

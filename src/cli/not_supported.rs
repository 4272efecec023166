//! Options of Ansible and ssh that are not supported yet. They are defined, so that they are rejected with the reason and
//! not as unknown options. Their values are not read.

use std::convert::Infallible;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::usage_error;

/// An option, and why it is not supported.
struct Unsupported {
    long: &'static str,
    short: Option<char>,
    reason: &'static str,
}

const fn unsupported(long: &'static str, short: Option<char>, reason: &'static str) -> Unsupported {
    Unsupported { long, short, reason }
}

const SSH_ARGUMENTS: &str = "nodes are reached without the ssh program, so its arguments have no effect";

const OPTIONS: [Unsupported; 8] = [
    unsupported("connection", Some('c'), "nodes are always reached over SSH"),
    unsupported("ssh-common-args", None, SSH_ARGUMENTS),
    unsupported("ssh-extra-args", None, SSH_ARGUMENTS),
    unsupported("sftp-extra-args", None, SSH_ARGUMENTS),
    unsupported("scp-extra-args", None, SSH_ARGUMENTS),
    unsupported(
        "ssh-config",
        Some('F'),
        "ssh_config files are not read; set `ansible_host`, `ansible_port` and `ansible_user`",
    ),
    unsupported("become-user", None, "--become always works as root"),
    unsupported("become-method", None, "--become always uses sudo"),
];

/// The commands that contact nodes.
const COMMANDS: [&str; 5] = ["validate", "plan", "apply", "restore", "explain"];

/// Adds the options to a command that contacts nodes.
pub(super) fn add(command: Command) -> Command {
    if !COMMANDS.contains(&command.get_name()) {
        return command;
    }
    let hidden = |option: &Unsupported| {
        Arg::new(option.long)
            .long(option.long)
            .short(option.short)
            .hide(true)
            .num_args(0..=1)
            .allow_hyphen_values(true)
            .action(ArgAction::Append)
            // A value may contain a password, for example that of a proxy.
            .value_parser(|_: &str| Ok::<(), Infallible>(()))
    };
    command.args(OPTIONS.iter().map(hidden))
}

/// Rejects the options.
///
/// # Errors
/// If one of them is given.
pub(super) fn reject(matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, arguments)) = matches.subcommand().filter(|(name, _)| COMMANDS.contains(name)) else {
        return Ok(());
    };
    match OPTIONS.iter().find(|option| arguments.contains_id(option.long)) {
        Some(Unsupported { long, reason, .. }) => {
            Err(usage_error(name, &format!("--{long} is not supported yet: {reason}")))
        }
        None => Ok(()),
    }
}

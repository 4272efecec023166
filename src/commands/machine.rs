//! What a command needs to know about this machine and its user: the environment, the account, and the defaults of
//! `ansible.cfg`. It decides nothing.

use std::path::PathBuf;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{User, geteuid};
use oregano::inventory::Problem;
use oregano::lookup::{Account, DOCKER_AUTH_CONFIG};
use oregano::options::Environment;
use oregano::secret::Secret;

use crate::cli;
use crate::cli::ansible_cfg::{Defaults, UserEnvironment};

/// The environment variables that the engine uses.
pub(super) fn environment() -> Environment {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    Environment {
        // A system service may have no HOME. ssh uses the home directory of the account, too.
        home: var("HOME").map(PathBuf::from).or_else(|| local_account().map(|account| account.dir)),
        state_home: var("XDG_STATE_HOME").map(PathBuf::from),
        kubeconfig: var("KUBECONFIG"),
        ssh_agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
        docker_auth_config: var(DOCKER_AUTH_CONFIG).and_then(|text| text.into_string().ok()).map(Secret::new),
    }
}

/// The facts about the local account that decide where credential files are.
pub(super) fn account() -> Account {
    let var = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let home = environment().home.map_or_else(|| "/".to_owned(), |home| home.display().to_string());
    Account {
        home,
        uid: geteuid().as_raw(),
        runtime_dir: var("XDG_RUNTIME_DIR"),
        config_home: var("XDG_CONFIG_HOME"),
        docker_config: var("DOCKER_CONFIG"),
        docker_auth_config: environment().docker_auth_config,
        auth_file: var("REGISTRY_AUTH_FILE"),
        registries_conf: var("CONTAINERS_REGISTRIES_CONF"),
        cache_home: var("XDG_CACHE_HOME"),
    }
}

/// The name of the local user, which is also the default login user of ssh.
pub(super) fn local_user() -> String {
    local_account().map_or_else(|| "root".to_owned(), |account| account.name)
}

fn local_account() -> Option<User> {
    User::from_uid(geteuid()).ok().flatten()
}

/// The defaults from the environment and `ansible.cfg`.
pub(super) fn defaults() -> Result<Defaults, Vec<Problem>> {
    let home = environment().home;
    let folder = std::env::current_dir()
        .map_err(|error| vec![Problem::new(format!("cannot determine the working directory: {error}"))])?;
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    cli::ansible_cfg::defaults(&UserEnvironment { env: &env, home: home.as_deref(), folder: &folder })
}

/// The same for a command that contacts nodes or registries.
pub(super) fn run_defaults() -> Result<Defaults, Vec<Problem>> {
    let mut defaults = defaults()?;
    let problems = std::mem::take(&mut defaults.run.problems);
    if problems.is_empty() { Ok(defaults) } else { Err(problems) }
}

/// Raises the soft limit of open files, which is usually 1024: each node needs a socket from observing until writing.
pub(super) fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If this fails, the limit stays, and each node for which it is too low fails with a hint.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

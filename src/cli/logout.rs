//! The arguments of `oregano logout`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use oregano::engine::login::Target;
use oregano::engine::logout::Request;
use oregano::options::Environment;

use super::{MAX_TIMEOUT, TIMEOUT, credential_file, usage_error};

/// The arguments of `logout`.
#[derive(Debug, Args)]
pub struct LogoutArguments {
    /// The registry, or a repository path in it: host[:port][/path]; or any other key of the file
    #[arg(value_name = "REGISTRY")]
    registry: String,
    /// The file to remove the credential from: config.json, auth.json, a pull secret, or .dockercfg
    #[arg(long, value_name = "FILE", alias = "authfile")]
    to: Option<PathBuf>,
    /// Time limit in seconds for the lock of the file
    #[arg(short = 'T', long, value_name = "SECONDS", default_value_t = TIMEOUT,
        value_parser = clap::value_parser!(u64).range(1..=MAX_TIMEOUT))]
    timeout: u64,
}

impl LogoutArguments {
    /// The logout request. `var` reads a variable of the environment.
    ///
    /// # Errors
    /// If there is no registry or no file.
    pub fn request(
        self,
        environment: Environment,
        var: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Request, Box<clap::Error>> {
        let usage = |message: &str| Box::new(usage_error("logout", message));
        if self.registry.is_empty() {
            return Err(usage("REGISTRY is empty"));
        }
        // A file may have keys that are not the name of a registry, which must be removable, too.
        let registry = Target::parse(&self.registry).map_or(self.registry, |target| target.name);
        let file = credential_file::path(self.to, &environment, var);
        let file = file.ok_or_else(|| usage("there is no home directory: specify the file with --to FILE"))?;
        let variable = environment.docker_auth_config;
        Ok(Request { registry, file, timeout: Duration::from_secs(self.timeout), variable })
    }
}

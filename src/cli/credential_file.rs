//! Which credential file of this machine `login` and `logout` work on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use oregano::inventory::load;
use oregano::options::Environment;

/// The file that `--to` names, else that of podman's and docker's variables, else the default file of docker; `None` without
/// a home directory. `var` reads a variable of the environment.
pub(super) fn path(
    to: Option<PathBuf>,
    environment: &Environment,
    var: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let path = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = environment.home.as_deref();
    let named = to.or_else(|| path("REGISTRY_AUTH_FILE")).map(|path| expand(path, home));
    named.or_else(|| {
        let folder = path("DOCKER_CONFIG").or_else(|| Some(home?.join(".docker")))?;
        Some(folder.join("config.json"))
    })
}

/// Replaces a `~`. The shell has already expanded variables, but does not expand a `~` after an `=`.
pub(super) fn expand(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match path.to_str() {
        Some(text) => load::expand_with(text, &|_| None, home),
        None => path,
    }
}

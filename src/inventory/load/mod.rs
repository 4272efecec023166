//! Reads everything that `-i` and `-e` name. It decides what each source is and in which order sources override each
//! other. Only the files of this folder access files, the environment and programs.

mod bounded;
mod credential_helper;
mod directory;
mod format;
mod limit;
pub mod passwords;
mod paths;
mod read;
mod script;
pub mod settings;
mod shell_command;
pub mod system;
mod vars_files;
mod writable;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::assemble::{Assembled, Draft};
use super::model::{Inventory, Vars};
use super::outside::{OutsideError, OutsideErrorKind};
use super::problem::Problem;
use super::source::{Origin, Source};
use super::text::Text;
use super::variables::Variables;
use super::{extra_vars, host_list};
use crate::process::ProcessError;
use passwords::{PasswordSource, VaultIdentity};
use settings::{Plugin, ReadSettings};
use system::LocalSystem;

pub use limit::limit;
pub use paths::expand_with;

/// The maximum size of the output of a command, in bytes. Values are much smaller.
const MAX_OUTPUT: u64 = 16 << 20;

/// The inventory in the working directory that is read if none is given.
const DEFAULT: &str = "inventory";

/// Everything that an inventory is read from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The values of `-i`, in order: files, folders, scripts, and lists of hosts with a comma. Later ones win. If there is
    /// none, `inventory` in the working directory is read.
    pub inventories: Vec<String>,
    /// The values of `-e`, in order.
    pub extra: Vec<String>,
    /// Vault passwords, in the order in which they are tried.
    pub vault: Vec<VaultIdentity>,
    /// The home folder of the user, which `~` means in lookups.
    pub home: Option<PathBuf>,
    /// How the sources are read.
    pub settings: ReadSettings,
}

/// Reads all sources, with the `group_vars` and `host_vars` in their folders and in the working directory.
///
/// # Errors
/// All problems of all sources.
pub fn load(sources: &Sources) -> Result<Variables, Vec<Problem>> {
    let working = sources.settings.playbook_folder.as_deref();
    load_from(sources, working.unwrap_or(Path::new("")))
}

/// Like [`load()`], but reads the `group_vars` and `host_vars` of the folder `working` instead of those of the working
/// directory. Relative paths are still relative to the working directory.
pub fn load_from(sources: &Sources, working: &Path) -> Result<Variables, Vec<Problem>> {
    let mut draft = Draft::new();
    // The passwords are read first, because every other file may be encrypted.
    let passwords = passwords::read(&sources.vault)?;
    let system = LocalSystem::new(working.to_owned(), sources.home.clone(), passwords);
    let mut folders = Vec::new();
    if sources.inventories.is_empty() && Path::new(DEFAULT).exists() {
        folders.extend(add(DEFAULT, &sources.settings, &system, &mut draft));
    } else if sources.inventories.is_empty() {
        let problem = Problem::new(format!("no inventory is given, and the working directory has no `{DEFAULT}`"));
        draft.problems.push(problem.hint("give one with `-i`, `ANSIBLE_INVENTORY` or `inventory` in ansible.cfg"));
    }
    for inventory in &sources.inventories {
        folders.extend(add(inventory, &sources.settings, &system, &mut draft));
    }
    let mut assembled = draft.finish();
    // The names of these files are the names of groups and hosts, so all sources must have been read before.
    vars_files::add(&folders, working, (&sources.settings, &system), &mut assembled);
    assembled.inventory.extra = extra_vars(sources, &system, &mut assembled);
    let changed = sources.settings.reject_changes(&assembled);
    let Assembled { inventory, mut findings, mut problems } = assembled;
    problems.extend(changed);
    let read = system.files();
    let passwords = sources.vault.iter().filter_map(|identity| match &identity.source {
        PasswordSource::File(path) => Some(path),
        PasswordSource::Typed(_) => None,
    });
    findings.extend(writable::findings(read.iter().chain(passwords).map(PathBuf::as_path)));
    if problems.is_empty() {
        Ok(Variables::new(inventory, Arc::new(system)).with_findings(findings))
    } else {
        Err(problems)
    }
}

/// Parses one text as if it were a file with the name of the source. Reads no `group_vars` and `host_vars`.
pub fn parse(source: &Arc<Source>) -> Result<Inventory, Vec<Problem>> {
    let mut draft = Draft::new();
    format::read(source, &ReadSettings::default(), &mut draft);
    let Assembled { inventory, problems, .. } = draft.finish();
    if problems.is_empty() { Ok(inventory) } else { Err(problems) }
}

/// Adds one value of `-i` and its problems to the draft. Returns the folder that may contain `group_vars` and
/// `host_vars` for it.
fn add(written: &str, settings: &ReadSettings, system: &LocalSystem, draft: &mut Draft) -> Option<PathBuf> {
    if written.is_empty() || written == "-" {
        let what = if written.is_empty() {
            "the value of `-i` is empty"
        } else {
            "the inventory cannot be read from standard input"
        };
        draft
            .problems
            .push(Problem::new(what).hint("give a file, a folder, or a list of hosts with commas, as in `-i host,`"));
        return None;
    }
    // As in Ansible, the name of an existing file may contain a comma.
    if written.contains(',') && !Path::new(written).exists() {
        let origin = Origin { file: Some(written.to_owned()), ..Origin::default() };
        draft.problems.extend(settings.reject_plugin(Plugin::HostList, written));
        host_list::read(&Source::with_origin("-i", written, origin), draft);
        return None;
    }
    let path = paths::expand(written);
    if !path.exists() {
        let problem = Problem::new(format!("the inventory `{}` does not exist", path.display()));
        draft.problems.push(problem.hint("a list of hosts needs a comma, as in `-i host,`"));
        return None;
    }
    add_path(&path, &mut Vec::new(), (settings, system), draft);
    Some(vars_files::folder_of(&path))
}

/// Adds a file, a script, or a folder with its subfolders. `open` contains the folders that are being read, to detect
/// loops.
fn add_path(
    path: &Path,
    open: &mut Vec<PathBuf>,
    (settings, system): (&ReadSettings, &LocalSystem),
    draft: &mut Draft,
) {
    if path.is_dir() {
        // A folder that is reached through a link has another path, but the same canonical path.
        let identity = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let nested = if open.contains(&identity) {
            let problem =
                Problem::new(format!("the inventory folder `{}` contains itself through a link", path.display()));
            Err(problem.hint("remove the link, or give it a name with an ignored extension"))
        } else {
            directory::sources(path, settings)
        };
        open.push(identity);
        match nested {
            Ok(nested) => nested.iter().for_each(|path| add_path(path, open, (settings, system), draft)),
            Err(problem) => draft.problems.push(problem),
        }
        open.pop();
    } else if script::is_script(path) {
        draft.problems.extend(settings.reject_plugin(Plugin::Script, &path.display().to_string()));
        system.record(path);
        script::read(path, draft);
    } else if !open.is_empty() && !path.is_file() {
        // Reading a pipe in a folder could block forever. A pipe that the user names directly is read, because shells
        // create such pipes.
        draft.problems.push(Problem::new(format!("`{}` is not a regular file", path.display())));
    } else {
        match read::text(path, "inventory", system) {
            Ok(source) => format::read(&source, settings, draft),
            Err(problem) => draft.problems.push(problem),
        }
    }
}

/// The variables of all `-e` options. If a name is repeated, the last value is used.
fn extra_vars(sources: &Sources, system: &LocalSystem, assembled: &mut Assembled) -> Vars {
    let Assembled { findings, problems, .. } = assembled;
    let mut vars = Vars::new();
    for argument in &sources.extra {
        let read = match argument.strip_prefix('@') {
            Some(path) => read::text(&paths::expand(path), "variables file", system)
                .and_then(|source| extra_vars::mapping(&Text::slice(&source, 0, source.text().len()), findings)),
            None => extra_vars::argument(&Source::new("-e", argument.as_str()), findings),
        };
        match read {
            Ok(read) => problems.extend(sources.settings.extend(&mut vars, read)),
            Err(problem) => problems.push(problem),
        }
    }
    vars
}

/// The error of a lookup about `subject`, whose program gave no result.
fn outside_error(subject: &str, error: &ProcessError) -> OutsideError {
    let kind = match error {
        ProcessError::NotStarted(..) => OutsideErrorKind::NotStarted,
        _ => OutsideErrorKind::Other,
    };
    OutsideError::new(kind, format!("{subject} {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_one(path: &Path, extra: &[String]) -> Result<Variables, Vec<Problem>> {
        load(&Sources { inventories: vec![path.display().to_string()], extra: extra.to_vec(), ..Sources::default() })
    }

    #[test]
    fn unreadable_files_are_problems() {
        let folder = tempfile::tempdir().unwrap();
        for (content, expected) in [
            (
                &b"$ANSIBLE_VAULT;1.1;AES256\n31"[..],
                "cannot decrypt the inventory `hosts`: the encrypted text is damaged: it does not consist of pairs of hexadecimal digits",
            ),
            (b"[web]\n\xff\n", "`hosts`: line 2 is not UTF-8"),
        ] {
            let path = folder.path().join("hosts");
            std::fs::write(&path, content).unwrap();
            let problems = load_one(&path, &[]).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].message.replace(&path.display().to_string(), "hosts"), expected);
        }
    }

    #[test]
    fn the_origin_of_a_host_is_the_source_that_names_it_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        let path = folder.path().join("hosts");
        std::fs::write(&path, "h\n").unwrap();
        let inventories = vec![format!("{root}/../{}", folder.path().file_name().unwrap().display()), "h,i".to_owned()];
        let variables = load(&Sources { inventories, ..Sources::default() }).unwrap();
        let origin = |host: &str| variables.inventory().hosts[host].span.source.origin().clone();
        let file = origin("h");
        assert_eq!((file.file, file.folder), (Some(format!("{root}/hosts")), Some(root)));
        assert!(file.mode.is_some_and(|mode| mode & 0o600 == 0o600));
        assert_eq!(origin("i"), Origin { file: Some("h,i".to_owned()), ..Origin::default() });
    }

    #[test]
    fn a_loop_of_folders_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        let problems = load_one(folder.path(), &[]).unwrap_err();
        assert!(problems[0].message.ends_with("contains itself through a link"), "{problems:?}");
    }

    #[test]
    fn a_pipe_in_a_folder_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        let problems = load_one(folder.path(), &[]).unwrap_err();
        assert!(problems[0].message.ends_with("is not a regular file"), "{problems:?}");
    }

    #[test]
    fn extra_vars_are_read_from_files_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        std::fs::write(&path, "h a=1 b=1\n").unwrap();
        std::fs::write(folder.path().join("vars.json"), r#"{"a": "x y"}"#).unwrap();
        let file = format!("@{}", folder.path().join("vars.json").display());
        let inventory = load_one(&path, &[file, "c=2".to_owned()]).unwrap();
        let text = |name: &str| super::super::vars_of(inventory.inventory(), "h")[name].text.clone();
        assert_eq!((text("a"), text("b"), text("c")), ("x y".to_owned(), "1".to_owned(), "2".to_owned()));
        assert_eq!(load_one(&path, &["@/none".to_owned()]).unwrap_err().len(), 1);
    }
}

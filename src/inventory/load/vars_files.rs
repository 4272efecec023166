//! `group_vars` and `host_vars`: which folders are looked into, which files belong to which group or host, and in
//! which order they count. Each folder is listed once; no file is looked for that is not there.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::assemble::Assembled;
use super::super::extra_vars;
use super::super::finding::Finding;
use super::super::model::{FileVars, Folder, Vars};
use super::super::problem::Problem;
use super::super::text::Text;
use super::system::LocalSystem;
use super::{directory, read};

/// What a vars file may be called behind the name of its group or host. As in Ansible the first that is there
/// counts, and the others are not read.
const EXTENSIONS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// Folders below one another; more are a circle of links.
const MAX_DEPTH: usize = 32;

/// What the files of one owner say.
#[derive(Default)]
struct Read {
    vars: Vars,
    findings: Vec<Finding>,
    problems: Vec<Problem>,
}

/// Adds what the files beside the inventory sources, and those in the folder `working`, say.
pub(super) fn add(folders: &[PathBuf], working: &Path, system: &LocalSystem, assembled: &mut Assembled) {
    let Assembled { inventory, findings, problems } = assembled;
    for (folder, path) in places(folders, working) {
        if folder == Folder::Working && has_strangers(&path) {
            let message = "everybody may write to the working directory, so its variables may be anybody's";
            problems.push(
                Problem::new(message).hint("run from another folder, or remove its `group_vars` and `host_vars`"),
            );
            continue;
        }
        let names: Vec<&str> = inventory.groups.keys().map(String::as_str).collect();
        for (at, read) in folder_vars(&path.join("group_vars"), &names, system, problems) {
            problems.extend(read.problems);
            findings.extend(read.findings);
            if let Some((_, group)) = inventory.groups.get_index_mut(at) {
                group.files.push(FileVars { folder, vars: read.vars });
            }
        }
        let names: Vec<&str> = inventory.hosts.keys().map(String::as_str).collect();
        for (at, read) in folder_vars(&path.join("host_vars"), &names, system, problems) {
            problems.extend(read.problems);
            findings.extend(read.findings);
            if let Some((_, host)) = inventory.hosts.get_index_mut(at) {
                host.files.push(FileVars { folder, vars: read.vars });
            }
        }
    }
}

/// Whether there are variables in a folder that everybody may write to: they could run commands.
fn has_strangers(folder: &Path) -> bool {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let open = std::fs::metadata(here).is_ok_and(|found| found.permissions().mode() & 0o002 != 0);
    open && ["group_vars", "host_vars"].iter().any(|name| here.join(name).exists())
}

/// The folders to look into, the weakest first. One that comes twice counts where it comes last.
fn places(folders: &[PathBuf], working: &Path) -> Vec<(Folder, PathBuf)> {
    let identity = |path: &Path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
    };
    let identities: Vec<PathBuf> = folders.iter().map(|folder| identity(folder)).collect();
    let mut places: Vec<(Folder, PathBuf)> = folders
        .iter()
        .enumerate()
        .filter(|(at, _)| !identities[at + 1..].contains(&identities[*at]))
        .map(|(at, folder)| (Folder::Source(at), folder.clone()))
        .collect();
    // Without a playbook Ansible takes the working directory for the playbook's.
    if identities.last() != Some(&identity(working)) {
        places.push((Folder::Working, working.to_path_buf()));
    }
    places
}

/// What one `group_vars` or `host_vars` folder holds, each part with the number of its owner in `owners`.
fn folder_vars(
    folder: &Path,
    owners: &[&str],
    system: &LocalSystem,
    problems: &mut Vec<Problem>,
) -> Vec<(usize, Read)> {
    if !folder.is_dir() {
        if folder.exists() {
            problems
                .push(Problem::new(format!("`{}` is no folder, so its variables cannot be read", folder.display())));
        }
        return Vec::new();
    }
    let found = match directory::names(folder) {
        Ok(names) => files_by_owner(folder, &names, owners),
        Err(error) => Err(unlistable(folder, &error)),
    };
    let found = match found {
        Ok(found) => found,
        Err(problem) => {
            problems.push(problem);
            return Vec::new();
        }
    };
    found.into_par_iter().map(|(owner, files)| (owner, merged(&files, system))).collect()
}

/// The files of each owner that has some, in the order of the owners.
fn files_by_owner(folder: &Path, names: &[String], owners: &[&str]) -> Result<Vec<(usize, Vec<PathBuf>)>, Problem> {
    let mut entries: HashMap<&str, usize> = HashMap::new();
    for name in names {
        for (rank, extension) in EXTENSIONS.into_iter().enumerate() {
            if let Some(stem) = name.strip_suffix(extension).filter(|stem| !stem.is_empty()) {
                entries.entry(stem).and_modify(|best| *best = rank.min(*best)).or_insert(rank);
            }
        }
    }
    let mut found = Vec::new();
    for (at, owner) in owners.iter().enumerate() {
        let nested = owner.contains('/') && !owner.starts_with('/');
        let rank = if nested { nested_entry(folder, owner) } else { entries.get(owner).copied() };
        let Some(rank) = rank else { continue };
        let path = folder.join(format!("{owner}{}", EXTENSIONS[rank]));
        let mut files = Vec::new();
        if path.is_dir() {
            files_below(&path, 0, &mut files)?;
        } else {
            files.push(path);
        }
        found.push((at, files));
    }
    Ok(found)
}

/// A name with a `/` leads into a folder of the folder.
fn nested_entry(folder: &Path, owner: &str) -> Option<usize> {
    let climbs = owner.split('/').any(|part| part == "..");
    EXTENSIONS.iter().position(|extension| !climbs && folder.join(format!("{owner}{extension}")).exists())
}

/// The files in a folder of variables, by name; folders in it have no dot in their name.
fn files_below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    if depth > MAX_DEPTH {
        return Err(Problem::new(format!("the folder `{}` contains itself by a link", folder.display())));
    }
    let names = directory::names(folder).map_err(|error| unlistable(folder, &error))?;
    for name in names.iter().filter(|name| !name.starts_with('.') && !name.ends_with('~')) {
        let path = folder.join(name);
        let extension = name.rfind('.').map_or("", |at| &name[at..]);
        if !EXTENSIONS.contains(&extension) {
            continue;
        }
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() && extension.is_empty() {
            files_below(&path, depth + 1, files)?;
        }
    }
    Ok(())
}

/// What several files say together; the last one wins.
fn merged(files: &[PathBuf], system: &LocalSystem) -> Read {
    let mut read = Read::default();
    for file in files {
        if !file.is_file() {
            // A pipe would be waited for without end.
            read.problems.push(Problem::new(format!("the variables file `{}` is no file", file.display())));
            continue;
        }
        let vars = read::text(file, "variables file", system)
            .and_then(|source| extra_vars::mapping(&Text::slice(&source, 0, source.text().len()), &mut read.findings));
        match vars {
            Ok(vars) => read.vars.extend(vars),
            Err(problem) => read.problems.push(problem),
        }
    }
    read
}

fn unlistable(folder: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("cannot list the variables folder `{}`: {error}", folder.display()))
}

/// The folder whose `group_vars` and `host_vars` belong to an inventory source.
pub(super) fn folder_of(source: &Path) -> PathBuf {
    if source.is_dir() { source.to_path_buf() } else { source.parent().map(Path::to_path_buf).unwrap_or_default() }
}

//! Reads `group_vars` and `host_vars`: which folders are read, which files belong to which group or host, and in which
//! order. Each folder is listed only once, because checking every possible file name for 10,000 hosts would be slow.

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
use super::settings::ReadSettings;
use super::system::LocalSystem;
use super::{directory, read};

/// The extensions of variables files. As in Ansible, only the first one that exists is read.
const EXTENSIONS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// The maximum depth of nested folders. Deeper folders are a loop of symbolic links.
const MAX_DEPTH: usize = 32;

/// The variables, findings and problems from the files of one group or host (the owner).
#[derive(Default)]
struct OwnerVars {
    vars: Vars,
    findings: Vec<Finding>,
    problems: Vec<Problem>,
}

/// Adds the variables from the folders of the inventory sources, and from the folder `working`.
pub(super) fn add(
    folders: &[PathBuf],
    working: &Path,
    access: (&ReadSettings, &LocalSystem),
    assembled: &mut Assembled,
) {
    let Assembled { inventory, findings, problems } = assembled;
    for (folder, path) in places(folders, working) {
        if let Some(setting) = access.0.no_vars_files.as_ref().filter(|_| has_variables(&path)) {
            let message = format!(
                "{} does not enable the plugin `host_group_vars`, which reads `group_vars` and `host_vars`",
                setting.origin
            );
            problems.push(Problem::new(message).hint("add `host_group_vars` to the plugins"));
            return;
        }
        if folder == Folder::Working && is_untrusted(&path) {
            let message = "all users can write to the working directory, so its variables are not trusted";
            problems.push(
                Problem::new(message).hint("run from another folder, or remove its `group_vars` and `host_vars`"),
            );
            continue;
        }
        let names: Vec<&str> = inventory.groups.keys().map(String::as_str).collect();
        for (at, read) in folder_vars(&path.join("group_vars"), &names, access, problems) {
            problems.extend(read.problems);
            findings.extend(read.findings);
            if let Some((_, group)) = inventory.groups.get_index_mut(at) {
                group.files.push(FileVars { folder, vars: read.vars });
            }
        }
        let names: Vec<&str> = inventory.hosts.keys().map(String::as_str).collect();
        for (at, read) in folder_vars(&path.join("host_vars"), &names, access, problems) {
            problems.extend(read.problems);
            findings.extend(read.findings);
            if let Some((_, host)) = inventory.hosts.get_index_mut(at) {
                host.files.push(FileVars { folder, vars: read.vars });
            }
        }
    }
}

/// Whether a folder contains variables and all users can write to it. Such a user could run any command through a
/// lookup.
fn is_untrusted(folder: &Path) -> bool {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    std::fs::metadata(here).is_ok_and(|found| found.permissions().mode() & 0o002 != 0) && has_variables(folder)
}

/// Whether a folder contains variables of groups or hosts.
fn has_variables(folder: &Path) -> bool {
    ["group_vars", "host_vars"].iter().any(|name| folder.join(name).exists())
}

/// The folders to read, the weakest first. If a folder is repeated, only its last position is used.
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
    // Without a playbook, Ansible uses the working directory as the folder of the playbook.
    if identities.last() != Some(&identity(working)) {
        places.push((Folder::Working, working.to_path_buf()));
    }
    places
}

/// Reads one `group_vars` or `host_vars` folder. Each result has the index of its owner in `owners`.
fn folder_vars(
    folder: &Path,
    owners: &[&str],
    access: (&ReadSettings, &LocalSystem),
    problems: &mut Vec<Problem>,
) -> Vec<(usize, OwnerVars)> {
    if !folder.is_dir() {
        if folder.exists() {
            problems
                .push(Problem::new(format!("`{}` is not a folder, so its variables cannot be read", folder.display())));
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
    // Decrypting a file takes milliseconds, so owners are read in parallel. The results keep the order of the owners.
    found.into_par_iter().map(|(owner, files)| (owner, read_files(&files, access))).collect()
}

/// The files of each owner that has files, in the order of the owners.
fn files_by_owner(folder: &Path, names: &[String], owners: &[&str]) -> Result<Vec<(usize, Vec<PathBuf>)>, Problem> {
    let mut entries: HashMap<&str, usize> = HashMap::new();
    for name in names {
        // A name such as `web.yml` may belong to the owner `web`, or without an extension to the owner `web.yml`.
        for (rank, extension) in EXTENSIONS.into_iter().enumerate() {
            if let Some(stem) = name.strip_suffix(extension).filter(|stem| !stem.is_empty()) {
                // The names are sorted alphabetically, so a better extension may come later.
                entries.entry(stem).and_modify(|best| *best = rank.min(*best)).or_insert(rank);
            }
        }
    }
    let mut found = Vec::new();
    for (at, owner) in owners.iter().enumerate() {
        // The listing of the folder does not contain names with a `/`, so these files are searched separately.
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

/// The extension of a file that belongs to an owner with a `/` in its name. Such a file is in a subfolder. `..` is not
/// followed.
fn nested_entry(folder: &Path, owner: &str) -> Option<usize> {
    let leaves_folder = owner.split('/').any(|part| part == "..");
    EXTENSIONS.iter().position(|extension| !leaves_folder && folder.join(format!("{owner}{extension}")).exists())
}

/// The files in a folder of variables and its subfolders, sorted by name. As in Ansible, folders with a dot in their
/// name are ignored.
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

/// Reads the files of one owner. If a variable is repeated, the value in the last file is used.
fn read_files(files: &[PathBuf], (settings, system): (&ReadSettings, &LocalSystem)) -> OwnerVars {
    let mut read = OwnerVars::default();
    for file in files {
        if !file.is_file() {
            // Reading a pipe could block forever.
            read.problems.push(Problem::new(format!("the variables file `{}` is not a regular file", file.display())));
            continue;
        }
        let vars = read::text(file, "variables file", system)
            .and_then(|source| extra_vars::mapping(&Text::slice(&source, 0, source.text().len()), &mut read.findings));
        match vars {
            Ok(vars) => read.problems.extend(settings.extend(&mut read.vars, vars)),
            Err(problem) => read.problems.push(problem),
        }
    }
    read
}

fn unlistable(folder: &Path, error: &std::io::Error) -> Problem {
    Problem::new(format!("cannot list the variables folder `{}`: {error}", folder.display()))
}

/// The folder that contains the `group_vars` and `host_vars` of an inventory source.
pub(super) fn folder_of(source: &Path) -> PathBuf {
    if source.is_dir() { source.to_path_buf() } else { source.parent().map(Path::to_path_buf).unwrap_or_default() }
}

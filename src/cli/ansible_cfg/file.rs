//! Finds and reads the `ansible.cfg` that Ansible would read. It knows no setting.

use std::path::{Path, PathBuf};

use configparser::ini::{Ini, IniDefault};
use oregano::inventory::Problem;
use oregano::inventory::load::expand_with;

use super::UserEnvironment;

/// The name under which the parser stores settings before the first section.
const LOOSE: &str = "\n";

/// A parsed `ansible.cfg`.
pub(super) struct ConfigFile {
    pub path: PathBuf,
    settings: Ini,
}

impl ConfigFile {
    /// A value as Python's `configparser` reads it; `None` if it is not set or empty.
    pub fn get(&self, section: &str, key: &str) -> Option<String> {
        let settings = self.settings.get_map_ref().get(section)?;
        let (_, text) = settings.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        // The parser keeps inline comments, because it would also remove those that Ansible does not accept.
        let lines: Vec<&str> = text.as_ref()?.lines().map(without_comment).collect();
        Some(lines.join("\n").trim().to_owned()).filter(|text| !text.is_empty())
    }
}

fn without_comment(line: &str) -> &str {
    let end = line.match_indices(';').map(|(at, _)| at).find(|at| line[..*at].ends_with([' ', '\t']));
    line[..end.unwrap_or(line.len())].trim()
}

/// The file that Ansible would read: `ANSIBLE_CONFIG`, then the working directory unless all users can write to it, then
/// `~/.ansible.cfg`, then `/etc/ansible/ansible.cfg`.
pub(super) fn find(environment: &UserEnvironment<'_>, warnings: &mut Vec<String>) -> Option<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(named) = (environment.env)("ANSIBLE_CONFIG") {
        let path = environment.folder.join(expand_with(&named, environment.env, environment.home));
        candidates.push(if path.is_dir() { path.join("ansible.cfg") } else { path });
    }
    let own = environment.folder.join("ansible.cfg");
    let skipped = is_world_writable(environment.folder);
    // Another user could have put an `ansible.cfg` into a folder to which all users can write.
    if !skipped {
        candidates.push(own.clone());
    }
    candidates.extend(environment.home.map(|home| home.join(".ansible.cfg")));
    candidates.push("/etc/ansible/ansible.cfg".into());
    // The file is opened and not only looked up, because Ansible skips files that the user may not read.
    let found = candidates.into_iter().find(|path| std::fs::File::open(path).is_ok());
    if skipped && own.exists() && found.as_ref() != Some(&own) {
        let folder = environment.folder.display();
        warnings.push(format!(
            "`{}` is ignored, as Ansible does, because all users can write to `{folder}`",
            own.display()
        ));
    }
    found
}

fn is_world_writable(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o002 != 0)
}

pub(super) fn read(path: PathBuf) -> Result<ConfigFile, Problem> {
    let problem = |fault: String| Problem::new(format!("cannot read `{}`: {fault}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| problem(error.to_string()))?;
    let mut shape = IniDefault::default();
    shape.multiline = true;
    // The names of sections are case-sensitive, and `get` ignores the case of keys.
    shape.case_sensitive = true;
    // Only a `;` after white space starts a comment; `get` removes it.
    shape.enable_inline_comments = false;
    // This is where the parser puts settings that have no section. No section can have this name.
    LOOSE.clone_into(&mut shape.default_section);
    let mut settings = Ini::new_from_defaults(shape);
    // The message of the parser may quote a line, which may contain a secret.
    let sections = settings.read(text).map_err(|_| problem("it is not an INI file".to_owned()))?;
    if sections.get(LOOSE).is_some_and(|loose| !loose.is_empty()) {
        return Err(problem("it has settings before its first section".to_owned()).hint("start it with `[defaults]`"));
    }
    Ok(ConfigFile { path, settings })
}

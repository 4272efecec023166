//! Lists a folder that is an inventory source: which of its entries are sources, and in which order. It opens no file.

use std::path::{Path, PathBuf};

use fancy_regex::Regex;

use super::super::problem::Problem;
use super::settings::ReadSettings;

/// Names that are never inventory sources.
const RESERVED: [&str; 3] = ["host_vars", "group_vars", "vars_plugins"];
/// The default of Ansible's `inventory_ignore_extensions`.
const IGNORED: [&str; 12] =
    [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];

/// The sources in a folder in the order in which Ansible reads them: by name.
///
/// # Errors
/// The folder cannot be listed, or contains no source; or an ignored pattern is not valid.
pub(super) fn sources(folder: &Path, settings: &ReadSettings) -> Result<Vec<PathBuf>, Problem> {
    let found = names(folder)
        .map_err(|error| Problem::new(format!("cannot list the inventory folder `{}`: {error}", folder.display())))?;
    let ignored = Ignored::new(settings)?;
    let sources: Vec<PathBuf> =
        found.iter().filter(|name| ignored.is_source(name)).map(|name| folder.join(name)).collect();
    if sources.is_empty() {
        let message = format!("the inventory folder `{}` contains no inventory", folder.display());
        let settings = [&settings.ignored_extensions, &settings.ignored_patterns];
        let origins: Vec<&str> = settings.into_iter().flatten().map(|setting| setting.origin.as_str()).collect();
        return Err(Problem::new(message).hint(if origins.is_empty() {
            "hidden files, `.txt`, `.md`, `.cfg` and backups are ignored".to_owned()
        } else {
            format!("hidden files are ignored, and those of {}", origins.join(" and "))
        }));
    }
    Ok(sources)
}

/// The sorted names of all entries of a folder. Bytes that are not UTF-8 are replaced; opening such a file fails later
/// with a problem that contains its name.
pub(super) fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<std::io::Result<Vec<String>>>()?;
    // The order decides which source overrides the others, so it must not depend on the file system.
    names.sort_unstable();
    Ok(names)
}

/// The names that are no sources.
struct Ignored<'a> {
    extensions: Vec<&'a str>,
    patterns: Vec<Regex>,
}

impl<'a> Ignored<'a> {
    fn new(settings: &'a ReadSettings) -> Result<Self, Problem> {
        let extensions = settings.ignored_extensions.as_ref();
        let extensions =
            extensions.map_or_else(|| IGNORED.to_vec(), |setting| setting.value.iter().map(String::as_str).collect());
        let Some(setting) = &settings.ignored_patterns else { return Ok(Self { extensions, patterns: Vec::new() }) };
        let compile = |pattern: &String| {
            Regex::new(pattern).map_err(|_| {
                let problem = Problem::new(format!(
                    "{} contains `{pattern}`, which is not a valid regular expression",
                    setting.origin
                ));
                problem.hint("these patterns are not globs: `\\.py$` matches the names that end with `.py`")
            })
        };
        let patterns = setting.value.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { extensions, patterns })
    }

    fn is_source(&self, name: &str) -> bool {
        // As in Ansible, a pattern may match any part of the name.
        let matches = |pattern: &Regex| pattern.is_match(name).unwrap_or(false);
        !name.starts_with('.')
            && !RESERVED.contains(&name)
            && !self.extensions.iter().any(|extension| name.ends_with(extension))
            && !self.patterns.iter().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Setting;
    use super::*;

    fn setting(values: &[&str]) -> Option<Setting<Vec<String>>> {
        let value = values.iter().map(|value| (*value).to_owned()).collect();
        Some(Setting { value, origin: "`x` in `ansible.cfg`".to_owned() })
    }

    #[test]
    fn the_same_names_as_in_ansible_are_ignored() {
        let settings = ReadSettings::default();
        let ignored = Ignored::new(&settings).unwrap();
        for name in ["hosts", "a.yml", "x.toml", "group_vars2", "txt"] {
            assert!(ignored.is_source(name), "{name}");
        }
        for name in [".hosts", "group_vars", "host_vars", "vars_plugins", "a.md", "a~", "a.pyc", "ansible.cfg"] {
            assert!(!ignored.is_source(name), "{name}");
        }
    }

    #[test]
    fn extensions_of_the_settings_replace_the_default_and_patterns_are_searched() {
        let settings = ReadSettings {
            ignored_extensions: setting(&["secrets.py", ".ini"]),
            ignored_patterns: setting(&["^old", "[0-9]{4}"]),
            ..ReadSettings::default()
        };
        let ignored = Ignored::new(&settings).unwrap();
        for name in ["hosts", "a.md", "secrets.pyc", "bold", "a123"] {
            assert!(ignored.is_source(name), "{name}");
        }
        for name in [".hosts", "group_vars", "my-secrets.py", "a.ini", "old.yml", "a-2024.yml"] {
            assert!(!ignored.is_source(name), "{name}");
        }
        let settings = ReadSettings { ignored_patterns: setting(&["*.py"]), ..ReadSettings::default() };
        assert!(Ignored::new(&settings).is_err());
    }
}

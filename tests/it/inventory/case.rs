//! A case of `tests/cases/inventory`: an inventory, and what is read from it. A new case needs no Rust: its keys are
//! the fields of [`Case`].

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use indexmap::IndexMap;
use oregano::inventory::{Problem, Sources, Variables, load};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

/// One case: an inventory, and any number of expectations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The rule it shows.
    pub name: String,
    /// A file `hosts.ini`, `hosts.yml`, or `hosts`, which is then the source.
    ini: Option<String>,
    yaml: Option<String>,
    plain: Option<String>,
    /// Files by path; one that ends with `/` is a folder.
    #[serde(default)]
    files: IndexMap<String, File>,
    /// The values of `-i`; paths are below the folder of the files. By default the first file.
    #[serde(default)]
    sources: Vec<String>,
    /// The values of `-e`; an `@file` is below the folder too.
    #[serde(default)]
    extra: Vec<String>,
    /// `inventory --list`.
    pub list: Option<Value>,
    /// `inventory --list --yaml`.
    pub tree: Option<Value>,
    /// `inventory --host`, by host.
    #[serde(default)]
    pub host: BTreeMap<String, Value>,
    /// `inventory --graph`.
    pub graph: Option<String>,
    /// The texts of some variables by host, templates unresolved.
    #[serde(default)]
    pub vars: BTreeMap<String, BTreeMap<String, String>>,
    /// The resolved values of some variables by host; a problem is `problem: line:column message`.
    #[serde(default)]
    pub resolved: BTreeMap<String, BTreeMap<String, Value>>,
    /// Hosts in order by pattern; a problem is a string.
    #[serde(default)]
    pub select: IndexMap<String, Value>,
    /// What `--limit` leaves of `all`, by pattern.
    #[serde(default)]
    pub limit: IndexMap<String, Value>,
    /// `line:column message`, or only the message; then perhaps ` (hint: …)`.
    pub problems: Option<Vec<String>>,
    /// The warnings: `code place message`. Only cases that name files list them.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Why Ansible says something else. It must.
    pub differs: Option<String>,
}

/// A file of a case: its text, perhaps with its permissions.
#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Text(String),
    /// The mode is in octal digits, `"0755"`.
    WithMode {
        mode: String,
        text: String,
    },
}

impl Case {
    /// Writes the files into a separate folder.
    pub fn write(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in self.shorthands() {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        for (name, file) in &self.files {
            let path = folder.path().join(name);
            if name.ends_with('/') {
                std::fs::create_dir_all(path).unwrap();
                continue;
            }
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let (text, mode) = match file {
                File::Text(text) => (text, "0644"),
                File::WithMode { mode, text } => (text, mode.as_str()),
            };
            std::fs::write(&path, text).unwrap();
            let mode = u32::from_str_radix(mode, 8).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    fn shorthands(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let formats = [("hosts.ini", &self.ini), ("hosts.yml", &self.yaml), ("hosts", &self.plain)];
        formats.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }

    /// The texts of all its files.
    pub fn texts(&self) -> Vec<String> {
        let files = self.files.values().map(|file| match file {
            File::Text(text) | File::WithMode { text, .. } => text.clone(),
        });
        self.shorthands().map(|(_, text)| text.to_owned()).chain(files).collect()
    }

    /// The values of `-i` as they were written.
    pub fn sources(&self) -> Vec<String> {
        if !self.sources.is_empty() {
            return self.sources.clone();
        }
        let first = self.shorthands().next().map(|(name, _)| name);
        let first = first.or_else(|| self.files.keys().next().map(String::as_str));
        vec![first.unwrap_or_else(|| panic!("case `{}` has no inventory", self.name)).to_owned()]
    }

    /// Whether it is more than one text in a shorthand.
    pub fn names_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// The values of `-e` as they were written.
    pub fn extra(&self) -> &[String] {
        &self.extra
    }

    /// What oregano reads.
    pub fn load(&self, folder: &Path) -> Result<Variables, Vec<Problem>> {
        let below = |path: &str| folder.join(path).display().to_string();
        let inventories = self.sources().into_iter().map(|source| {
            // A list of hosts is no path, nor is standard input.
            if source.contains(',') || source == "-" { source } else { below(&source) }
        });
        let extra = self.extra.iter().map(|value| match value.strip_prefix('@') {
            Some(path) => format!("@{}", below(path)),
            None => value.clone(),
        });
        let sources = Sources { inventories: inventories.collect(), extra: extra.collect(), ..Sources::default() };
        load::load_from(&sources, folder)
    }
}

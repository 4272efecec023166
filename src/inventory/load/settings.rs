//! The settings of Ansible that change how an inventory is read, and whether they change the one that is read. `cli`
//! reads them from the environment and from `ansible.cfg`. It accesses no file.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::super::assemble::Assembled;
use super::super::code;
use super::super::model::{Inventory, Node, Value, Vars};
use super::super::precedence;
use super::super::problem::Problem;
use super::super::source::Source;

/// The value of a setting, and where it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// For messages: `` `forks` in `ansible.cfg` ``.
    pub origin: String,
}

/// The settings. `None` means Ansible's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadSettings {
    /// `inventory_ignore_extensions`: ends of names that are no sources in a folder.
    pub ignored_extensions: Option<Setting<Vec<String>>>,
    /// `inventory_ignore_patterns`: regular expressions of names that are no sources in a folder.
    pub ignored_patterns: Option<Setting<Vec<String>>>,
    /// `enable_plugins`: the plugins that may read a source.
    pub plugins: Option<Setting<Vec<String>>>,
    /// `vars_plugins_enabled`, if the plugin that reads `group_vars` and `host_vars` is not in it.
    pub no_vars_files: Option<Setting<()>>,
    /// `hash_behaviour`, if mappings are merged.
    pub merged_mappings: Option<Setting<()>>,
    /// `force_valid_group_names`, if Ansible changes the names of groups.
    pub renamed_groups: Option<Setting<()>>,
    /// `playbook_dir`: the folder that is used instead of the working directory for `group_vars` and `host_vars`.
    pub playbook_folder: Option<PathBuf>,
}

/// A plugin of Ansible that reads inventory sources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plugin {
    HostList,
    Script,
    Ini,
    Yaml,
    Toml,
}

impl Plugin {
    /// The names of the plugins that read such a source.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::HostList => &["host_list", "advanced_host_list"],
            Self::Script => &["script"],
            Self::Ini => &["ini"],
            Self::Yaml => &["yaml"],
            Self::Toml => &["toml"],
        }
    }
}

impl ReadSettings {
    /// The problem if Ansible does not read the source called `source`, because the plugin for it is not enabled.
    pub(super) fn reject_plugin(&self, plugin: Plugin, source: &str) -> Option<Problem> {
        let enabled = self.plugins.as_ref()?;
        let name = plugin.names();
        if enabled.value.iter().any(|enabled| name.contains(&plugin_name(enabled))) {
            return None;
        }
        let message = format!("{} does not enable the plugin `{}`, which reads `{source}`", enabled.origin, name[0]);
        Some(
            Problem::new(message)
                .hint(format!("add `{}` to the plugins; without it, Ansible skips this source", name[0])),
        )
    }

    /// The problems of settings that would change this inventory.
    pub(super) fn reject_changes(&self, assembled: &Assembled) -> Option<Problem> {
        let renamed = self.renamed_groups.as_ref().and_then(|setting| {
            let group = assembled.findings.iter().find(|finding| finding.code == code::GROUP_NAME)?;
            let message = format!("{} changes the name of this group, which is not supported", setting.origin);
            let problem = Problem { place: group.problem.place.clone(), ..Problem::new(message) };
            Some(problem.hint("write the name with letters, digits and `_` only"))
        });
        renamed.or_else(|| self.merged_mappings.as_ref().and_then(|setting| merged(&assembled.inventory, setting)))
    }

    /// Adds `more` to `vars`, and replaces values with the same name. Returns a problem if Ansible would merge two of
    /// them.
    pub(super) fn extend(&self, vars: &mut Vars, more: Vars) -> Option<Problem> {
        let both = self.merged_mappings.as_ref().and_then(|setting| {
            let (name, node) =
                more.iter().find(|(name, node)| is_mapping(node) && vars.get(*name).is_some_and(is_mapping))?;
            Some(merge_problem(name, node, setting))
        });
        vars.extend(more);
        both
    }
}

/// The name of a plugin without the collection of the plugins that are part of Ansible.
pub fn plugin_name(name: &str) -> &str {
    ["ansible.builtin.", "ansible.legacy."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// The problem if a host has two values of one variable that are mappings, so that Ansible would merge them.
fn merged(inventory: &Inventory, setting: &Setting<()>) -> Option<Problem> {
    // Only variables that are mappings at several places can be merged; usually there are none.
    let mut places: HashMap<&str, HashSet<(*const Source, usize)>> = HashMap::new();
    for (name, node) in inventory.written().filter(|(_, node)| is_mapping(node)) {
        places.entry(name).or_default().insert((Arc::as_ptr(&node.span.source), node.span.start));
    }
    places.retain(|_, places| places.len() > 1);
    let names: Vec<&str> = places.into_keys().collect();
    inventory.hosts.keys().filter(|_| !names.is_empty()).find_map(|host| {
        let layers = precedence::Scope::new(inventory, host);
        let (own, groups) = layers.layers();
        names.iter().find_map(|name| {
            let mut values =
                own.iter().chain(groups).filter_map(|vars| vars.get(*name)).filter(|node| is_mapping(node));
            // The strongest value is the one that the user probably knows.
            let strongest = values.next()?;
            values.next().map(|_| merge_problem(name, strongest, setting))
        })
    })
}

fn merge_problem(name: &str, node: &Node, setting: &Setting<()>) -> Problem {
    let message = format!("{} merges this value with another one, which is not supported", setting.origin);
    Problem::hiding(&node.span, message)
        .hint(format!("set the variable `{name}` only once for a host, or remove the setting"))
}

fn is_mapping(node: &Node) -> bool {
    matches!(node.value, Value::Map(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_needs_the_plugin_that_reads_it() {
        let plugins = |names: &[&str]| ReadSettings {
            plugins: Some(Setting {
                value: names.iter().map(|name| (*name).to_owned()).collect(),
                origin: "`enable_plugins` in `ansible.cfg`".to_owned(),
            }),
            ..ReadSettings::default()
        };
        assert!(ReadSettings::default().reject_plugin(Plugin::Ini, "hosts").is_none());
        assert!(plugins(&["constructed", "ansible.builtin.ini"]).reject_plugin(Plugin::Ini, "hosts").is_none());
        assert!(plugins(&["advanced_host_list"]).reject_plugin(Plugin::HostList, "a,b").is_none());
        let problem = plugins(&["yaml"]).reject_plugin(Plugin::Ini, "hosts").unwrap();
        assert_eq!(
            problem.message,
            "`enable_plugins` in `ansible.cfg` does not enable the plugin `ini`, which reads `hosts`"
        );
    }
}

//! The settings that decide how an inventory is read. Whether they change the inventory of this run is decided by
//! `inventory::load`; only those whose effect it cannot know are refused here.

use oregano::inventory::Problem;
use oregano::inventory::load::settings::{ReadSettings, Setting, plugin_name};

use super::reader::{SettingsReader, Written};

/// The plugin that reads `group_vars` and `host_vars`.
const VARS_FILES: &str = "host_group_vars";
/// Ansible's order of the variables of groups.
const PRECEDENCE: [&str; 6] = [
    "all_inventory",
    "groups_inventory",
    "all_plugins_inventory",
    "all_plugins_play",
    "groups_plugins_inventory",
    "groups_plugins_play",
];
/// The extensions of YAML files.
const YAML_EXTENSIONS: [&str; 3] = [".yml", ".yaml", ".json"];

/// Reads the settings, and reports those that are not supported with any inventory.
pub(super) fn settings(reader: &mut SettingsReader<'_>) -> ReadSettings {
    let list = |setting: Written| Setting { value: setting.list(), origin: setting.origin };
    let flag = |setting: Written| Setting { value: (), origin: setting.origin };
    let extensions = [("defaults", "inventory_ignore_extensions"), ("inventory", "ignore_extensions")];
    let patterns = [("defaults", "inventory_ignore_patterns"), ("inventory", "ignore_patterns")];
    let vars_plugins = reader.get("ANSIBLE_VARS_ENABLED", "vars_plugins_enabled");
    let groups = reader.get("ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS", "force_valid_group_names");
    let settings = ReadSettings {
        ignored_extensions: reader.first(&["ANSIBLE_INVENTORY_IGNORE"], &extensions).map(list),
        ignored_patterns: reader.first(&["ANSIBLE_INVENTORY_IGNORE_REGEX"], &patterns).map(list),
        plugins: reader.first(&["ANSIBLE_INVENTORY_ENABLED"], &[("inventory", "enable_plugins")]).map(list),
        no_vars_files: vars_plugins.filter(|setting| !has_vars_files(setting)).map(flag),
        merged_mappings: reader.get("ANSIBLE_HASH_BEHAVIOUR", "hash_behaviour").filter(is_not(&["replace"])).map(flag),
        renamed_groups: groups.filter(is_not(&["never", "ignore"])).map(flag),
        playbook_folder: reader
            .get("ANSIBLE_PLAYBOOK_DIR", "playbook_dir")
            .map(|setting| reader.path(&setting, &setting.text)),
    };
    let unsupported = [
        // Another plugin may read variables from anywhere.
        reader
            .get("ANSIBLE_VARS_ENABLED", "vars_plugins_enabled")
            .filter(|setting| setting.list().iter().any(|name| plugin_name(name) != VARS_FILES)),
        reader.get("ANSIBLE_PRECEDENCE", "precedence").filter(|setting| setting.list() != PRECEDENCE),
        reader
            .first(
                &["ANSIBLE_YAML_FILENAME_EXT", "ANSIBLE_INVENTORY_PLUGIN_EXTS"],
                &[("defaults", "yaml_valid_extensions"), ("inventory_plugin_yaml", "yaml_valid_extensions")],
            )
            .filter(|setting| !is_same_set(&setting.list(), &YAML_EXTENSIONS)),
    ];
    reader.problems.extend(unsupported.into_iter().flatten().map(|setting| {
        let problem = Problem::new(format!("{} is not supported", setting.origin));
        problem.hint("remove it for this run: with it, Ansible would read another inventory than oregano")
    }));
    settings
}

fn has_vars_files(setting: &Written) -> bool {
    setting.list().iter().any(|name| plugin_name(name) == VARS_FILES)
}

/// Whether a setting has none of these values.
fn is_not(values: &'static [&'static str]) -> impl Fn(&Written) -> bool {
    |setting| !values.contains(&setting.unquoted())
}

fn is_same_set(found: &[String], expected: &[&str]) -> bool {
    found.len() == expected.len() && expected.iter().all(|extension| found.iter().any(|found| found == extension))
}

//! The filters of Ansible and Jinja that inventories use, with one file for each subject. Some filters are rejected,
//! with the reason: those that need something that an inventory must not depend on (random numbers, the clock, other
//! files), and those that are useless in an inventory. Filters that call other filters (`map`, `select` …) are in
//! `eval::map_filters`, because they need the running engine.

mod collections;
mod encoding;
mod hashing;
mod json;
mod numbers;
mod paths;
mod regex;
mod sets;
mod text;
mod values;
mod yaml;

use super::call::{Definition, Function, by_name};

/// Filters that handle undefined values themselves.
pub(in crate::inventory::templates) const ACCEPT_UNDEFINED: [&str; 5] =
    ["default", "d", "mandatory", "ternary", "type_debug"];

/// Filters of Ansible and Jinja that are not supported: the reason, and the names.
pub(in crate::inventory::templates) const UNSUPPORTED: &[(&str, &str)] = &[
    ("its result changes with each run", "password_hash random shuffle"),
    ("encrypt the value with `ansible-vault encrypt_string`", "vault"),
    ("use a `!vault` value", "unvault"),
    ("templates of an inventory cannot read the clock", "strftime"),
    ("dates are not supported in templates of an inventory", "to_datetime"),
    ("templates of an inventory can read files only with `lookup('file', …)`", "fileglob realpath"),
    ("templates of an inventory do not know home directories; use `lookup('env', 'HOME')`", "expanduser"),
    ("use `lookup('env', …)`", "expandvars"),
    ("it is not part of ansible-core", "ipaddr ipv4 ipv6 ipwrap json_query"),
    ("use `from_yaml`", "from_yaml_all"),
    ("use `regex_search`", "urlsplit"),
    ("use `zip`", "zip_longest"),
    (
        "inventories do not need it",
        "batch center combinations commonpath filesizeformat human_readable human_to_bytes log permutations \
         pow pprint product rekey_on_member relpath root slice striptags subelements to_uuid urlize \
         win_basename win_dirname win_splitdrive wordcount wordwrap xmlattr",
    ),
];

const THEMES: [&[Definition]; 11] = [
    values::FILTERS,
    text::FILTERS,
    encoding::FILTERS,
    hashing::FILTERS,
    collections::FILTERS,
    sets::FILTERS,
    regex::FILTERS,
    json::FILTERS,
    yaml::FILTERS,
    paths::FILTERS,
    numbers::FILTERS,
];

/// All filters by name.
pub(in crate::inventory::templates) fn all() -> impl Iterator<Item = (&'static str, Function)> {
    THEMES.into_iter().flat_map(by_name)
}

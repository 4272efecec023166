//! The filters: all of Ansible's and Jinja's that inventories use, by theme. A filter that needs what templates
//! of an inventory may not have (chance, the clock, other files), or that inventories do not use, is refused by name.

mod collections;
mod encoding;
mod hashing;
mod json;
mod mapped;
mod numbers;
mod paths;
pub(super) mod regex;
pub(super) mod sets;
mod text;
mod values;
mod yaml;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value};

use super::call::{Call, Named, by_name};

/// Filters that take care of what is undefined themselves.
const ACCEPTS_UNDEFINED: [&str; 5] = ["default", "d", "mandatory", "ternary", "type_debug"];

/// Filters that exist and are refused, by the reason.
const REFUSED: &[(&str, &str)] = &[
    ("the result would differ at each run", "password_hash random shuffle"),
    ("encrypt with `ansible-vault encrypt_string`", "vault"),
    ("use a `!vault` value", "unvault"),
    ("templates of an inventory have no clock", "strftime"),
    ("templates of an inventory have no dates", "to_datetime"),
    ("templates of an inventory read files by `lookup('file', …)` alone", "fileglob realpath"),
    ("templates of an inventory do not know the home folders; use `lookup('env', 'HOME')`", "expanduser"),
    ("use `lookup('env', …)`", "expandvars"),
    ("it is not part of ansible-core", "ipaddr ipv4 ipv6 ipwrap json_query"),
    ("use `from_yaml`", "from_yaml_all"),
    ("use `regex_search`", "urlsplit"),
    ("use `zip`", "zip_longest"),
    (
        "it is of no use in an inventory",
        "batch center combinations commonpath filesizeformat human_readable human_to_bytes log permutations \
         pow pprint product rekey_on_member relpath root slice striptags subelements to_uuid urlize \
         win_basename win_dirname win_splitdrive wordcount wordwrap xmlattr",
    ),
];

const THEMES: [&[Named]; 12] = [
    values::FILTERS,
    text::FILTERS,
    encoding::FILTERS,
    hashing::FILTERS,
    collections::FILTERS,
    sets::FILTERS,
    mapped::FILTERS,
    regex::FILTERS,
    json::FILTERS,
    yaml::FILTERS,
    paths::FILTERS,
    numbers::FILTERS,
];

/// The names of all filters.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    THEMES.into_iter().flat_map(by_name).map(|(name, _)| name).chain(mapped::BY_ITEM.iter().map(|(name, _)| *name))
}

/// Why a filter that exists is not supported.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    REFUSED.iter().find(|(_, names)| names.split_whitespace().any(|own| own == last)).map(|(reason, _)| *reason)
}

/// Adds all filters to an engine.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    for (name, function) in THEMES.into_iter().flat_map(by_name) {
        add(environment, name, move |_, call| function(call));
    }
    for (name, function) in mapped::BY_ITEM {
        add(environment, name, function);
    }
}

fn add<F>(environment: &mut Environment<'static>, name: &'static str, function: F)
where
    F: Fn(&mut State<'_, '_>, &mut Call) -> Result<Value, Error> + Send + Sync + 'static,
{
    let accepts = ACCEPTS_UNDEFINED.contains(&name);
    let filter = move |state: &mut State<'_, '_>, arguments: Rest<Value>, named: Kwargs| -> Result<Value, Error> {
        let call = Call::new(&arguments, &named)?;
        // Of what is undefined every filter makes something undefined, which `default` may follow.
        call.within_bounds()?;
        match call.undefined().filter(|_| !accepts) {
            Some(undefined) => Ok(undefined),
            None => call.apply(|call| function(state, call)),
        }
    };
    environment.add_filter(name, filter);
}

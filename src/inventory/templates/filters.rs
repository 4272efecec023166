//! The filters: all of Ansible's and Jinja's that inventories use, by theme. A filter that needs what templates
//! of an inventory may not have (chance, the clock, other files) is refused by name.

mod collections;
mod encoding;
mod hashing;
mod jinja;
mod json;
mod mapped;
mod numbers;
mod paths;
pub(super) mod regex;
mod sets;
mod text;
mod yaml;

use std::sync::LazyLock;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, State, Value};

use super::call::{Call, Function};

/// Filters that take care of what is undefined themselves.
const ACCEPTS_UNDEFINED: [&str; 5] = ["default", "d", "mandatory", "ternary", "type_debug"];

/// Filters that exist and are refused.
const REFUSED: &[(&str, &str)] = &[
    ("password_hash", "the result would differ at each run"),
    ("vault", "encrypt with `ansible-vault encrypt_string`"),
    ("unvault", "use a `!vault` value"),
    ("random", "the result would differ at each run"),
    ("shuffle", "the result would differ at each run"),
    ("strftime", "templates of an inventory have no clock"),
    ("to_datetime", "templates of an inventory have no dates"),
    ("fileglob", "templates of an inventory read files by `lookup('file', …)` alone"),
    ("realpath", "templates of an inventory read files by `lookup('file', …)` alone"),
    ("expanduser", "templates of an inventory do not know the home folders; use `lookup('env', 'HOME')`"),
    ("expandvars", "use `lookup('env', …)`"),
    ("ipaddr", "it is not part of ansible-core"),
    ("ipv4", "it is not part of ansible-core"),
    ("ipv6", "it is not part of ansible-core"),
    ("ipwrap", "it is not part of ansible-core"),
    ("json_query", "it is not part of ansible-core"),
    ("wordwrap", "it is of no use in an inventory"),
    ("urlize", "it is of no use in an inventory"),
    ("xmlattr", "it is of no use in an inventory"),
    ("from_yaml_all", "use `from_yaml`"),
];

type Named = (&'static str, Function);

static ALL: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let themes = [
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
        jinja::FILTERS,
    ];
    themes.concat()
});

/// The names of all filters.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Why a filter that exists is not supported.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    REFUSED.iter().find(|(own, _)| *own == name || (name.contains('.') && *own == last)).map(|(_, reason)| *reason)
}

/// Adds all filters to an engine.
pub(super) fn add_to(environment: &mut Environment<'static>) {
    for (name, function) in ALL.iter() {
        let accepts = ACCEPTS_UNDEFINED.contains(name);
        let filter = move |state: &mut State<'_, '_>, arguments: Rest<Value>, named: Kwargs| -> Result<Value, Error> {
            let call = Call::new(&arguments, &named)?;
            // Of what is undefined every filter makes something undefined, which `default` may follow.
            match call.undefined().filter(|_| !accepts) {
                Some(undefined) => Ok(undefined),
                None => call.apply(state, *function),
            }
        };
        environment.add_filter(*name, filter);
    }
}

/// Applies a filter by its name: for filters that take another one.
fn by_name(state: &mut State<'_, '_>, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    state.apply_filter(super::rewrite::short_name(name), arguments)
}

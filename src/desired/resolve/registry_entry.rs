//! One registry as written in the inventory: an entry of `openshift_additional_registry_credentials`, or the `oreg_*`
//! variables with `oregano_oreg_auth`, which has the same keys. This file checks only which keys exist, not their
//! values.

use crate::desired::registry::Declaration;
use crate::inventory::{Node, Problem, Span, Value};

use super::members::{Member, Members, known, mapping, unknown_key};
use super::registry_host::quotable;
use super::variable_reader::VariableReader;

/// The list of registries in addition to the default one.
pub(super) const ADDITIONAL: &str = "openshift_additional_registry_credentials";
/// Settings of the default registry for which openshift-ansible has no variable.
pub(super) const OREG_AUTH: &str = "oregano_oreg_auth";

const OREG_USER: &str = "oreg_auth_user";
const OREG_PASSWORD: &str = "oreg_auth_password";
const OREG_TEST_LOGIN: &str = "oreg_test_login";

/// All keys of a registry entry.
const KEYS: [&str; 15] = [
    "host",
    "user",
    "password",
    "password_file",
    "password_command",
    "credential_helper",
    "from_file",
    "identity_token",
    "email",
    "test_image",
    "test_login",
    "tls_verify",
    "ca_file",
    "auth_server",
    "proxy",
];

/// The old name of `test_image`, from before its first release in openshift-ansible.
pub(super) const OLD_TEST_IMAGE: &str = "image_name";

/// Keys that `oregano_oreg_auth` does not have, with the variable (or new key) to use instead.
const OREG_VARIABLES: [(&str, &str); 5] = [
    ("host", "oreg_url"),
    ("user", OREG_USER),
    ("password", OREG_PASSWORD),
    ("test_login", OREG_TEST_LOGIN),
    (OLD_TEST_IMAGE, "test_image"),
];

/// The values of one registry with their templates evaluated.
pub(super) struct RegistryEntry {
    pub declaration: Declaration,
    /// Its place is that of the mapping, or of the first of its variables.
    pub members: Members,
}

impl RegistryEntry {
    /// The place of the default registry's credential; `None` if it has no credential.
    pub fn place_of_default_registry(reader: &VariableReader<'_>) -> Option<Span> {
        let auth = || reader.raw(OREG_AUTH).filter(|node| !node.is_blank());
        // `oreg_url` does not count: a cluster may pull from its default registry without a credential.
        let place = reader.raw(OREG_USER).or_else(|| reader.raw(OREG_PASSWORD)).or_else(auth);
        place.map(|node| node.span.clone())
    }

    /// Whether the host sets a variable that declares a registry.
    pub fn is_any_declared(reader: &VariableReader<'_>) -> bool {
        let is_set = |node: &Node| match &node.value {
            Value::Null => false,
            Value::List(entries) => !entries.is_empty(),
            _ => true,
        };
        reader.raw(ADDITIONAL).is_some_and(is_set) || Self::place_of_default_registry(reader).is_some()
    }

    /// The values of the default registry; `None` if there is a problem.
    pub fn default_registry(reader: &mut VariableReader<'_>, place: &Span) -> Option<Self> {
        let names = [("user", OREG_USER), ("password", OREG_PASSWORD), ("test_login", OREG_TEST_LOGIN)];
        let before = reader.problems.len();
        let mut members = Vec::new();
        for (key, variable) in names {
            let name = format!("`{variable}`");
            // `oreg_test_login` is a boolean and no credential, so its spelling does not matter.
            if let Some(raw) = reader.raw(variable).filter(|_| key != "test_login") {
                reader.warn_about_inserted_values(raw, &name);
            }
            members.extend(reader.node(variable).map(|node| Member { key, name, node }));
        }
        if let Some(more) = Self::more_members(reader) {
            // These keys have a variable of openshift-ansible, which must stay the only place for the value.
            let (known, unknown) = known(&more, &default_keys());
            reader.problems.extend(unknown.into_iter().map(|key| unknown_of_default(&key)));
            let members_of_auth = known.into_iter().map(|(key, node)| (key, format!("`{key}` of `{OREG_AUTH}`"), node));
            members.extend(members_of_auth.map(|(key, name, node)| Member { key, name, node }));
        }
        (reader.problems.len() == before).then(|| Self {
            declaration: Declaration::Default,
            members: Members::new(format!("`{OREG_AUTH}`"), place.clone(), members),
        })
    }

    /// The value of `oregano_oreg_auth`; `None` if it is not set, or if there is a problem.
    pub fn more_members(reader: &mut VariableReader<'_>) -> Option<Node> {
        let node = reader.node(OREG_AUTH)?;
        mapping(reader, &node, &format!("`{OREG_AUTH}`"), "{'password_file': '/etc/oregano/password'}")
    }

    /// One entry of the list; `None` if it is not a mapping.
    pub fn additional(reader: &mut VariableReader<'_>, node: &Node) -> Option<Self> {
        let members = Members::read(reader, node, name(node), &KEYS, &[OLD_TEST_IMAGE])?;
        Some(Self { declaration: Declaration::Entry, members })
    }
}

/// The name of an entry in messages. It contains the `host`, because several entries may be on the same line.
pub(super) fn name(entry: &Node) -> String {
    if !matches!(entry.value, Value::Map(_)) {
        return format!("an entry of `{ADDITIONAL}`");
    }
    let host = entry.get("host").filter(|host| matches!(host.value, Value::Str(_)) && !host.is_blank());
    match host.and_then(|host| quotable(&host.text)) {
        Some(host) => format!("the registry entry for `{host}`"),
        None => "a registry entry".to_owned(),
    }
}

/// The keys of `oregano_oreg_auth`: all that have no variable of openshift-ansible.
fn default_keys() -> Vec<&'static str> {
    KEYS.into_iter().filter(|key| OREG_VARIABLES.iter().all(|(other, _)| other != key)).collect()
}

/// The problem about an unknown key of `oregano_oreg_auth`.
fn unknown_of_default(key: &Node) -> Problem {
    let replacement = OREG_VARIABLES.iter().find(|(other, _)| *other == key.text);
    let problem = unknown_key(key, &format!("`{OREG_AUTH}`"), &default_keys());
    match replacement {
        Some((_, instead)) => problem.hint(format!("for the default registry, use `{instead}`")),
        None => problem,
    }
}

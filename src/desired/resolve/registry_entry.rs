//! One registry as written in the inventory: an entry of `openshift_additional_registry_credentials`, or the `oreg_*`
//! variables with `oregano_oreg_auth`, which has the same keys. This file checks only which keys exist, not their
//! values.

use crate::desired::codes;
use crate::desired::registry::Declaration;
use crate::inventory::problem::nearest;
use crate::inventory::{Node, Problem, Span, Value, yaml};

use super::registry_host::quotable;
use super::variable_reader::{Text, VariableReader};

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

/// One key of an entry with its value.
pub(super) struct Member {
    pub key: &'static str,
    /// Its name in messages, in backticks.
    pub name: String,
    pub node: Node,
}

/// The values of one registry with their templates evaluated.
pub(super) struct RegistryEntry {
    pub declaration: Declaration,
    /// Its name in messages.
    pub name: String,
    /// The place of the mapping, or of the first of its variables.
    pub span: Span,
    members: Vec<Member>,
}

impl RegistryEntry {
    /// The place of the default registry's credential; `None` if it has no credential.
    pub fn place_of_default_registry(reader: &VariableReader<'_>) -> Option<Span> {
        let auth = || reader.raw(OREG_AUTH).filter(|node| !matches!(node.value, Value::Null));
        // `oreg_url` does not count: a cluster may pull from its default registry without a credential.
        let place = reader.raw(OREG_USER).or_else(|| reader.raw(OREG_PASSWORD)).or_else(auth);
        place.map(|node| node.span.clone())
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
        if let Some(more) = reader.node(OREG_AUTH).and_then(|node| mapping(reader, &node, &format!("`{OREG_AUTH}`"))) {
            // These keys have a variable of openshift-ansible, which must stay the only place for the value.
            let (known, unknown) = known(&more, |key| OREG_VARIABLES.iter().all(|(other, _)| *other != key));
            reader.problems.extend(unknown.into_iter().map(|key| unknown_of_default(&key)));
            let members_of_auth = known.into_iter().map(|(key, node)| (key, format!("`{key}` of `{OREG_AUTH}`"), node));
            members.extend(members_of_auth.map(|(key, name, node)| Member { key, name, node }));
        }
        (reader.problems.len() == before).then(|| Self {
            declaration: Declaration::Default,
            name: format!("`{OREG_AUTH}`"),
            span: place.clone(),
            members,
        })
    }

    /// One entry of the list; `None` if it is not a mapping.
    pub fn additional(reader: &mut VariableReader<'_>, node: &Node) -> Option<Self> {
        let Value::Map(_) = &node.value else {
            let message = format!("an entry of `{ADDITIONAL}` is {}, not a mapping", node.value.type_name());
            reader.problems.push(Problem::hiding(&node.span, message));
            return None;
        };
        let name = name(node);
        let (known, unknown) = known(node, |_| true);
        reader.problems.extend(unknown.iter().map(|key| unknown_key(key, &name, &KEYS)));
        let member = |(key, node)| Member { key, name: format!("`{key}` of {name}"), node };
        let members = known.into_iter().map(member).collect();
        Some(Self { declaration: Declaration::Entry, name, span: node.span.clone(), members })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.key == key)
    }

    /// The members with one of `keys`, in the order of `keys`.
    pub fn present<'a>(&'a self, keys: &'a [&str]) -> impl Iterator<Item = &'a Member> {
        keys.iter().filter_map(|key| self.get(key))
    }

    /// A value as text.
    pub fn text(&self, reader: &mut VariableReader<'_>, key: &str) -> Option<Text> {
        let member = self.get(key)?;
        reader.text_of(&member.node, &member.name)
    }

    /// A value as a boolean.
    pub fn flag(&self, reader: &mut VariableReader<'_>, key: &str) -> Option<bool> {
        let member = self.get(key)?;
        reader.flag_of(&member.node, &member.name)
    }

    /// The problem that a required key is missing.
    pub fn lacks(&self, what: &str) -> Problem {
        Problem::hiding(&self.span, format!("{} has no {what}", self.name))
    }
}

/// The name of an entry in messages. It contains the `host`, because several entries may be on the same line.
pub(super) fn name(entry: &Node) -> String {
    let host = entry.get("host").filter(|host| matches!(host.value, Value::Str(_)) && !host.is_blank());
    match host.and_then(|host| quotable(&host.text)) {
        Some(host) => format!("the registry entry for `{host}`"),
        None => "a registry entry".to_owned(),
    }
}

/// Reads a mapping. It may be a text with JSON: Ansible evaluates only Python literals, so JSON with `true` or `null`
/// is still a text.
fn mapping(reader: &mut VariableReader<'_>, node: &Node, what: &str) -> Option<Node> {
    let parsed = match &node.value {
        Value::Null => return None,
        Value::Str(text) if text.trim_start().starts_with('{') => yaml::parse_node(node),
        _ => Ok(node.clone()),
    };
    let problem = match parsed {
        Ok(node) if matches!(node.value, Value::Map(_)) => return Some(node),
        Ok(node) => Problem::hiding(&node.span, format!("{what} is {}, not a mapping", node.value.type_name()))
            .hint("write {'password_file': '/etc/oregano/password'}"),
        Err(problem) => problem,
    };
    reader.problems.push(problem);
    None
}

/// Splits the members of a mapping into those with a known and allowed key, and the keys of all others.
fn known(node: &Node, allowed: impl Fn(&str) -> bool) -> (Vec<(&'static str, Node)>, Vec<Node>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    let Value::Map(members) = &node.value else { return (known, unknown) };
    for (key, value) in members {
        match KEYS.iter().chain([&OLD_TEST_IMAGE]).find(|known| **known == key.text && allowed(known)) {
            Some(key) => known.push((*key, value.clone())),
            None => unknown.push(key.clone()),
        }
    }
    (known, unknown)
}

/// The problem about an unknown key of `owner`. A key that is not an identifier is not shown, because it may contain a
/// password: without its quotes, a mapping on a host line is read with keys such as `password:secret`.
fn unknown_key(key: &Node, owner: &str, keys: &[&str]) -> Problem {
    if !key.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Problem::hiding(&key.span, format!("unknown key in {owner}"))
            .code(codes::UNKNOWN_KEY)
            .hint("on a host line, unescaped quotes are removed: put the entire value in double quotes");
    }
    let problem = Problem::naming(&key.span, &key.text, format!("unknown key `{}` in {owner}", key.text))
        .code(codes::UNKNOWN_KEY);
    match nearest(&key.text, keys.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("the keys are {}", keys.join(", "))),
    }
}

/// The problem about an unknown key of `oregano_oreg_auth`.
fn unknown_of_default(key: &Node) -> Problem {
    let replacement = OREG_VARIABLES.iter().find(|(other, _)| *other == key.text);
    let keys: Vec<&str> = KEYS.into_iter().filter(|key| OREG_VARIABLES.iter().all(|(other, _)| other != key)).collect();
    let problem = unknown_key(key, &format!("`{OREG_AUTH}`"), &keys);
    match replacement {
        Some((_, instead)) => problem.hint(format!("for the default registry, use `{instead}`")),
        None => problem,
    }
}

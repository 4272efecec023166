//! The user of a registry, from its entry, from its credential source, or the default user, in this order.

use crate::desired::registry::Declaration;
use crate::inventory::Problem;

use super::members::Member;
use super::registry_entry::RegistryEntry;
use super::variable_reader::{Text, VariableReader};

/// The default user: openshift-ansible uses it for entries without a user (tasks `docker_creds`).
const DEFAULT_USER: &str = "openshift";

/// The user name that marks the secret as an identity token (credential helper protocol, documentation of
/// `docker login`).
pub(super) const TOKEN_USER: &str = "<token>";

/// The user of `entry`; `None` if there is a problem. `source` is the credential source and the user that it provides,
/// if it provides one. If both the entry and the source have a user, the two must be equal; `<token>` is not compared.
pub(super) fn of_entry(
    reader: &mut VariableReader<'_>,
    entry: &RegistryEntry,
    source: Option<(&Member, Option<&str>)>,
) -> Option<String> {
    let Some(member) = entry.members.get("user") else {
        let (source, provided) = source?;
        return match provided {
            Some(user) => {
                let user = Text { text: user.to_owned(), span: source.node.span.clone() };
                checked_user(reader, user, &format!("the user from {}", source.name))
            }
            // As in openshift-ansible, the default user exists only for entries of the list.
            None if entry.declaration == Declaration::Default => {
                let message = format!("{} is set, but `oreg_auth_user` is not", source.name);
                let problem = Problem::hiding(&source.node.span, message);
                reader.problems.push(problem.hint("set `oreg_auth_user` too, for the same hosts"));
                None
            }
            None => Some(DEFAULT_USER.to_owned()),
        };
    };
    let text = reader.credential_of(&member.node, &member.name)?;
    let span = text.span.clone();
    let user = checked_user(reader, text, &member.name)?;
    if let Some((source, Some(provided))) = source
        && provided != user
        // Helpers return this name for every identity token, so it does not contradict the user of the entry.
        && provided != TOKEN_USER
    {
        let message = format!("{} differs from the user that `{}` has for this registry", member.name, source.key);
        reader.problems.push(Problem::hiding(&span, message).hint("remove the user, or correct one of the two"));
        return None;
    }
    Some(user)
}

/// Checks that HTTP Basic authentication allows the user (RFC 7617, section 2): it must not contain a colon or a
/// control character. A colon often means that the user pasted `user:password`.
fn checked_user(reader: &mut VariableReader<'_>, user: Text, what: &str) -> Option<String> {
    if user.text.contains(':') {
        let message = format!("{what} contains a colon, which separates user and password in `auth`");
        let problem = Problem::hiding(&user.span, message);
        reader.problems.push(problem.hint("if the text after the colon is the password, set it separately"));
        return None;
    }
    reader.without_controls(user, what).map(|user| user.text)
}

//! The user of a registry entry.

use crate::desired::registry::Declaration;
use crate::inventory::Problem;

use super::registry_entry::{Member, RegistryEntry};
use super::variable_reader::{Text, VariableReader};

/// The user of an entry that names none (`docker_creds` tasks of openshift-ansible).
const DEFAULT_USER: &str = "openshift";

/// The user that a helper names where its secret is an identity token (docker-credential-helpers).
pub(super) const TOKEN_USER: &str = "<token>";

/// The user that the entry names, which must be that of the source if it has one; else that, else the default.
pub(super) fn of_entry(
    reader: &mut VariableReader<'_>,
    entry: &RegistryEntry,
    source: Option<(&Member, Option<&str>)>,
) -> Option<String> {
    let Some(member) = entry.get("user") else {
        let (source, known) = source?;
        return match known {
            Some(user) => {
                let user = Text { text: user.to_owned(), span: source.node.span.clone() };
                checked_user(reader, user, &format!("the user that {} gives", source.name))
            }
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
    if let Some((source, Some(known))) = source
        && known != user
        && known != TOKEN_USER
    {
        let message = format!("{} is not the one that `{}` has for this registry", member.name, source.key);
        reader.problems.push(Problem::hiding(&span, message).hint("leave the user out, or correct one of the two"));
        return None;
    }
    Some(user)
}

/// A user that fits into HTTP Basic (RFC 7617). One with a colon is often a pasted `user:password`.
fn checked_user(reader: &mut VariableReader<'_>, user: Text, what: &str) -> Option<String> {
    if user.text.contains(':') {
        let problem = Problem::hiding(&user.span, format!("{what} has a colon, which ends the user name in `auth`"));
        reader.problems.push(problem.hint("what stands behind the colon may be the password: give it on its own"));
        return None;
    }
    reader.without_controls(user, what).map(|user| user.text)
}

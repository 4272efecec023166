//! `service_accounts` of a declared pull secret: which accounts use it, and for what.

use std::collections::BTreeSet;

use crate::desired::cluster::{LinkUse, LinkedAccount, ServiceAccounts};
use crate::desired::codes;
use crate::desired::kubernetes_name::NameSyntax;
use crate::inventory::{Node, Problem, Value};

use super::kubernetes_name::kubernetes_name_in_list;
use super::members::Members;
use super::registry_host::problem_about;
use super::variable_reader::{Text, VariableReader};

/// The key.
const SERVICE_ACCOUNTS: &str = "service_accounts";
/// The keys of an account that is a mapping.
const KEYS: [&str; 2] = ["name", "for"];
/// The name that means every account of the namespace.
const EVERY: &str = "*";
/// The values of `for`. They are those of `oc secrets link`, whose default is `mount`.
const USES: [(&str, LinkUse); 2] = [("pull", LinkUse::Pull), ("mount", LinkUse::Mount)];

/// The accounts that `entry` names; none if it names none, or if there is a problem.
pub(super) fn of_entry(reader: &mut VariableReader<'_>, entry: &Members) -> ServiceAccounts {
    let Some(nodes) = entry.elements(reader, SERVICE_ACCOUNTS) else { return ServiceAccounts::default() };
    let what = format!("`{SERVICE_ACCOUNTS}` of {}", entry.name);
    let found: Vec<(Text, Vec<LinkUse>)> = nodes.iter().filter_map(|node| account(reader, node, &what)).collect();
    let every = found.iter().find(|(name, _)| name.text == EVERY);
    if let Some((name, uses)) = every {
        if nodes.len() > 1 {
            let problem = Problem::hiding(&name.span, format!("{what} has `{EVERY}`, and other accounts as well"));
            reader.problems.push(problem.hint(format!("`{EVERY}` means all of them: remove it, or the others")));
        }
        return ServiceAccounts::All(uses.clone());
    }
    let mut accounts: Vec<LinkedAccount> = Vec::new();
    for (name, uses) in found {
        if accounts.iter().any(|other| other.name == name.text) {
            let problem = problem_about(&format!("{what}:"), &name, "is there twice").code(codes::DUPLICATE_OBJECT);
            reader.problems.push(problem.hint("name it once, with all of its uses in `for`"));
            continue;
        }
        accounts.push(LinkedAccount { name: name.text, uses });
    }
    ServiceAccounts::Named(accounts)
}

/// One account: a name, or a mapping with `name` and `for`.
fn account(reader: &mut VariableReader<'_>, node: &Node, what: &str) -> Option<(Text, Vec<LinkUse>)> {
    let Value::Map(_) = &node.value else {
        let text = reader.text_of(node, &format!("an entry of {what}"))?;
        return Some((account_name(reader, text, what)?, vec![LinkUse::Pull]));
    };
    let entry = Members::read(reader, node, format!("an entry of {what}"), &KEYS, &[])?;
    if entry.get("name").is_none() {
        let hint = format!("add the name of the service account, or `{EVERY}` for all of them");
        reader.problems.push(entry.lacks("`name`").hint(hint));
    }
    let name = entry.text(reader, "name").and_then(|text| account_name(reader, text, what));
    let uses = match entry.get("for") {
        Some(_) => uses(reader, &entry),
        None => Some(vec![LinkUse::Pull]),
    };
    Some((name?, uses?))
}

fn account_name(reader: &mut VariableReader<'_>, text: Text, what: &str) -> Option<Text> {
    if text.text == EVERY {
        return Some(text);
    }
    let span = text.span.clone();
    let name = kubernetes_name_in_list(reader, text, &format!("{what}: the name"), NameSyntax::Subdomain)?;
    Some(Text { text: name, span })
}

/// The values of `for`, without repetitions and in their order. As in `oc secrets link --for=pull,mount`, one text may have
/// several of them.
fn uses(reader: &mut VariableReader<'_>, entry: &Members) -> Option<Vec<LinkUse>> {
    let texts = entry.texts(reader, "for")?;
    let what = format!("`for` of {}:", entry.name);
    let words = texts.iter().flat_map(|text| text.text.split(',').map(|word| (word.trim(), &text.span)));
    // Every word is checked, so that one run reports all problems.
    let uses: Vec<Option<LinkUse>> = words
        .map(|(word, span)| {
            let word = Text { text: word.to_owned(), span: span.clone() };
            super::members::choice(reader, &word, &what, &USES)
        })
        .collect();
    let uses: Option<BTreeSet<LinkUse>> = uses.into_iter().collect();
    uses.map(|uses| uses.into_iter().collect())
}

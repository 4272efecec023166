//! `oregano_image_pullers`: which service accounts may pull the images of another project from the registry of the
//! cluster.

use std::collections::HashMap;

use crate::desired::codes;
use crate::desired::image_puller::{ImagePuller, ImagePullerState, Puller};
use crate::desired::kubernetes_name::NameSyntax;
use crate::desired::platform::Platform;
use crate::inventory::{Node, Problem, Span};

use super::kubernetes_name::kubernetes_name;
use super::members::{self, Members};
use super::platform::PLATFORM;
use super::registry_host::problem_about;
use super::variable_reader::{Text, VariableReader};

/// The list of image pullers.
pub(super) const IMAGE_PULLERS: &str = "oregano_image_pullers";

/// All keys of an entry.
const KEYS: [&str; 4] = ["namespace", ACCOUNT, ACCOUNTS_OF, "state"];
/// One account, as `project/name`.
const ACCOUNT: &str = "service_account";
/// All accounts of a project.
const ACCOUNTS_OF: &str = "service_accounts_of";
/// The user name of a service account, before its project and its name (Kubernetes documentation, "Authenticating").
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// The names of `state`.
const STATES: [(&str, ImagePullerState); 2] =
    [("present", ImagePullerState::Present), ("absent", ImagePullerState::Absent)];

/// The image pullers that the host of `reader` declares. `owner` is the value of `oregano_owner`.
pub(super) fn of_host(
    reader: &mut VariableReader<'_>,
    platform: Option<Platform>,
    owner: Option<&str>,
) -> Vec<ImagePuller> {
    let example = "[{'namespace': 'project-b', 'service_account': 'project-a/default'}]";
    let nodes = members::list(reader, IMAGE_PULLERS, example);
    if platform == Some(Platform::Kubernetes)
        && let Some(first) = nodes.first()
    {
        let message = format!("`{IMAGE_PULLERS}` is for OpenShift only, and `{PLATFORM}` is `kubernetes`");
        let problem = Problem::hiding(&first.span, message);
        reader.problems.push(problem.hint("remove it: without OpenShift there is no role `system:image-puller`"));
    }
    let mut places: HashMap<(String, Puller), Span> = HashMap::new();
    let mut found = Vec::new();
    for node in nodes {
        let Some(puller) = image_puller(reader, &node, owner) else { continue };
        let key = (puller.namespace.clone(), puller.puller.clone());
        if let Some(other) = places.get(&key) {
            let message = format!("the same image puller of namespace `{}` is already declared at {other}", key.0);
            let problem = Problem::hiding(&node.span, message).code(codes::DUPLICATE_OBJECT);
            reader.problems.push(problem.hint("remove one of the two entries"));
            continue;
        }
        places.insert(key, node.span.clone());
        found.push(puller);
    }
    found
}

/// One entry; `None` if there is a problem.
fn image_puller(reader: &mut VariableReader<'_>, node: &Node, owner: Option<&str>) -> Option<ImagePuller> {
    let entry = Members::read(reader, node, format!("an entry of `{IMAGE_PULLERS}`"), &KEYS, &[])?;
    let before = reader.problems.len();
    if entry.get("namespace").is_none() {
        reader.problems.push(entry.lacks("`namespace`").hint("add the project whose images are pulled"));
    }
    let namespace = project(reader, &entry, "namespace");
    let puller = puller(reader, &entry);
    let state = entry.choice(reader, "state", &STATES).unwrap_or(ImagePullerState::Present);
    if reader.problems.len() > before {
        return None;
    }
    Some(ImagePuller { namespace: namespace?, puller: puller?, state, owner: owner.map(str::to_owned) })
}

/// The value of a key that names a project.
fn project(reader: &mut VariableReader<'_>, entry: &Members, key: &str) -> Option<String> {
    let text = entry.text(reader, key)?;
    kubernetes_name(reader, text, &format!("`{key}` of {}:", entry.name), NameSyntax::Label)
}

/// Who may pull: exactly one of the two keys.
fn puller(reader: &mut VariableReader<'_>, entry: &Members) -> Option<Puller> {
    match (entry.get(ACCOUNT), entry.get(ACCOUNTS_OF)) {
        (Some(_), None) => account(reader, entry),
        (None, Some(_)) => project(reader, entry, ACCOUNTS_OF).map(Puller::AccountsOf),
        (None, None) => {
            let hint = format!("add `{ACCOUNT}: project/name`, or `{ACCOUNTS_OF}: project` for all of its accounts");
            reader.problems.push(entry.lacks(&format!("`{ACCOUNT}`")).hint(hint));
            None
        }
        (Some(_), Some(second)) => {
            let message = format!("{} cannot be combined with its `{ACCOUNT}`", second.name);
            reader.problems.push(Problem::hiding(&second.node.span, message).hint("write two entries"));
            None
        }
    }
}

/// One account, as `project/name` or as its user name.
fn account(reader: &mut VariableReader<'_>, entry: &Members) -> Option<Puller> {
    let text = entry.text(reader, ACCOUNT)?;
    let what = format!("`{ACCOUNT}` of {}:", entry.name);
    let parts = match text.text.strip_prefix(ACCOUNT_PREFIX) {
        Some(rest) => rest.split_once(':'),
        None => text.text.split_once('/'),
    };
    let Some((project, name)) = parts else {
        let problem = problem_about(&what, &text, "is not `project/name`");
        let hint = format!(
            "write the project of the account and its name, such as `project-a/default`; all accounts of a project are \
             `{ACCOUNTS_OF}: project`"
        );
        reader.problems.push(problem.hint(hint));
        return None;
    };
    let part = |part: &str| Text { text: part.to_owned(), span: text.span.clone() };
    let namespace = kubernetes_name(reader, part(project), &format!("{what} the project"), NameSyntax::Label);
    let name = kubernetes_name(reader, part(name), &format!("{what} the name"), NameSyntax::Subdomain);
    Some(Puller::Account { namespace: namespace?, name: name? })
}

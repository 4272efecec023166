//! `oregano_pull_secrets`: the pull secrets that an inventory declares, in addition to `imagestreamsecret`. Where their
//! credentials come from is in `pull_secret_source`, and who uses them in `service_accounts`.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexSet;
use openssl::hash::{MessageDigest, hash};

use crate::desired::cluster::{
    Adopt, NamespaceSelector, Namespaces, Object, Ownership, PullSecret, PullSecretFormat, PullSecretState,
    ServiceAccounts,
};
use crate::desired::codes;
use crate::desired::global_pull_secret::{GLOBAL_NAME, GLOBAL_NAMESPACE};
use crate::desired::kubernetes_name::NameSyntax;
use crate::desired::label_selector::selector_fault;
use crate::desired::registry::Registry;
use crate::dockerconfig::Credential;
use crate::inventory::{Node, Problem, Span, Value};

use super::HostRegistries;
use super::global_pull_secret::GLOBAL_PULL_SECRET;
use super::kubernetes_name::{kubernetes_name, kubernetes_name_in_list};
use super::members::{self, Member, Members};
use super::pull_secret_source::{self, SecretSource};
use super::service_accounts;
use super::variable_reader::VariableReader;

/// The list of declared pull secrets.
pub(super) const PULL_SECRETS: &str = "oregano_pull_secrets";

/// All keys of a declaration.
const KEYS: [&str; 9] =
    ["name", "namespaces", "registries", "from_file", "test_images", "service_accounts", "type", "state", "adopt"];
/// The keys of `namespaces` if it is a mapping.
const SELECTOR_KEYS: [&str; 2] = ["labels", "except"];

/// The namespace of the image streams of OpenShift, and the secret that openshift-ansible 3.11 creates for them (role
/// `openshift_examples`).
const SHARED_NAMESPACE: &str = "openshift";
const SHARED_SECRET: &str = "imagestreamsecret";
/// The start of the types of secrets that Kubernetes defines.
const TYPE_PREFIX: &str = "kubernetes.io/";
/// A type whose secrets no program reads.
const PODMAN: &str = "podmanconfigjson";
/// The start of the names of the secrets that openshift-ansible creates for single registries.
const OPENSHIFT_ANSIBLE_PREFIX: &str = "o-a-";

/// The objects that every inventory of openshift-ansible has, apart from those that are `declared`: `imagestreamsecret` with
/// all `credentials`, and the secrets that openshift-ansible created for single registries, if they exist. There are none
/// if the inventory declares no registry.
pub(super) fn default_secrets(declared: &[Object], credentials: &Arc<[Credential]>) -> Vec<Object> {
    if credentials.is_empty() {
        return Vec::new();
    }
    let shared = |name: &str, state| PullSecret {
        name: name.to_owned(),
        namespaces: Namespaces::Named(vec![SHARED_NAMESPACE.to_owned()]),
        state,
        ownership: Ownership::Shared,
        service_accounts: ServiceAccounts::default(),
    };
    let (credentials, format) = (Arc::clone(credentials), PullSecretFormat::DockerConfigJson);
    let of_one = credentials.iter().filter_map(|one| {
        let state = PullSecretState::IfPresent { credentials: [one.clone()].into() };
        Some(shared(&openshift_ansible_name(&one.key)?, state))
    });
    let of_one: Vec<PullSecret> = of_one.collect();
    let image_streams = shared(SHARED_SECRET, PullSecretState::Present { credentials, format });
    // A declaration takes the place of a default.
    let is_declared = |default: &PullSecret| {
        declared.iter().any(|object| match object {
            Object::PullSecret(other) => other.name == default.name && names(&other.namespaces, SHARED_NAMESPACE),
            Object::ImagePuller(_) | Object::GlobalPullSecret(_) => false,
        })
    };
    let defaults = std::iter::once(image_streams).chain(of_one).filter(|secret| !is_declared(secret));
    defaults.map(Object::PullSecret).collect()
}

/// `o-a-<md5(host)>`; `None` where OpenSSL does not permit MD5 (FIPS mode).
fn openshift_ansible_name(host: &str) -> Option<String> {
    // openshift-ansible chose this hash for the name. It protects nothing here.
    let digest = hash(MessageDigest::md5(), host.as_bytes()).ok()?;
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("{OPENSHIFT_ANSIBLE_PREFIX}{hex}"))
}

/// Whether a namespace is named. Selectors never select the namespaces of OpenShift.
fn names(namespaces: &Namespaces, name: &str) -> bool {
    matches!(namespaces, Namespaces::Named(names) if names.iter().any(|one| one == name))
}

/// The problem that an entry declares the secret that has a variable of its own. As any other pull secret, it would be
/// written without a backup, and with content that degrades the machine config operator.
fn is_global_pull_secret(entry: &Members) -> Problem {
    let message = format!("{} in namespace `{GLOBAL_NAMESPACE}` is the global pull secret of OpenShift 4", entry.name);
    Problem::hiding(&entry.span, message).hint(format!(
        "remove the namespace here, and declare the entries of that secret in `{GLOBAL_PULL_SECRET}`, which protects its \
         content, keeps a backup and waits for the nodes"
    ))
}

/// The pull secrets that the host of `reader` declares, and the credentials that only their files contain. `declared` are
/// the registries of the host, and `owner` is the value of `oregano_owner`.
pub(super) fn of_host(
    reader: &mut VariableReader<'_>,
    declared: &HostRegistries,
    owner: Option<&str>,
) -> (Vec<PullSecret>, Vec<Registry>) {
    let example = "[{'name': 'registry-credentials', 'namespaces': ['project-a']}]";
    let (mut secrets, mut registries) = (Vec::new(), Vec::new());
    let mut places: HashMap<(String, String), Span> = HashMap::new();
    for node in members::list(reader, PULL_SECRETS, example) {
        let Some((secret, source)) = pull_secret(reader, &node, declared, owner) else { continue };
        reject_duplicates(reader, &mut places, &secret, &node.span);
        registries.extend(source.into_iter().flat_map(|source| source.registries));
        secrets.push(secret);
    }
    (secrets, registries)
}

/// One declaration; `None` if there is a problem.
fn pull_secret(
    reader: &mut VariableReader<'_>,
    node: &Node,
    declared: &HostRegistries,
    owner: Option<&str>,
) -> Option<(PullSecret, Option<SecretSource>)> {
    let entry = Members::read(reader, node, entry_name(node), &KEYS, &[])?;
    let before = reader.problems.len();
    let name = secret_name(reader, &entry);
    let namespaces = namespaces(reader, &entry);
    let adopt = if entry.flag(reader, "adopt") == Some(true) { Adopt::Yes } else { Adopt::No };
    // The other keys of an absent secret are accepted and ignored, so that an entry needs only one change.
    let (state, source, service_accounts) = if state(reader, &entry) == Some(State::Absent) {
        (Some(PullSecretState::Absent), None, ServiceAccounts::default())
    } else {
        let format = format(reader, &entry);
        let source = pull_secret_source::of_entry(reader, &entry, declared);
        let credentials = source.as_ref().map(|source| Arc::clone(&source.credentials));
        let state = credentials.map(|credentials| PullSecretState::Present { credentials, format });
        (state, source, service_accounts::of_entry(reader, &entry))
    };
    if reader.problems.len() > before {
        return None;
    }
    let (name, namespaces, state) = (name?, namespaces?, state?);
    if name == GLOBAL_NAME && names(&namespaces, GLOBAL_NAMESPACE) {
        reader.problems.push(is_global_pull_secret(&entry));
        return None;
    }
    // Many programs expect these secrets, and every installation of openshift-ansible has created them.
    let has_shared_name = name == SHARED_SECRET || name.starts_with(OPENSHIFT_ANSIBLE_PREFIX);
    let ownership = if has_shared_name && names(&namespaces, SHARED_NAMESPACE) {
        Ownership::Shared
    } else {
        Ownership::Declared { owner: owner.map(str::to_owned), adopt }
    };
    Some((PullSecret { name, namespaces, state, ownership, service_accounts }, source))
}

/// The name of an entry in messages, with the name of the secret if it is one.
fn entry_name(entry: &Node) -> String {
    if !matches!(entry.value, Value::Map(_)) {
        return format!("an entry of `{PULL_SECRETS}`");
    }
    match entry.get("name").filter(|name| NameSyntax::Subdomain.fault(&name.text).is_none()) {
        Some(name) => format!("pull secret `{}`", name.text),
        None => format!("an entry of `{PULL_SECRETS}`"),
    }
}

fn secret_name(reader: &mut VariableReader<'_>, entry: &Members) -> Option<String> {
    if entry.get("name").is_none() {
        reader.problems.push(entry.lacks("`name`").hint("add the name of the secret"));
        return None;
    }
    let text = entry.text(reader, "name")?;
    kubernetes_name(reader, text, "the name of a pull secret", NameSyntax::Subdomain)
}

fn namespaces(reader: &mut VariableReader<'_>, entry: &Members) -> Option<Namespaces> {
    let Some(member) = entry.get("namespaces") else {
        let hint = "add `namespaces: [project-a]`, or `namespaces: {labels: 'team=blue'}`";
        reader.problems.push(entry.lacks("`namespaces`").hint(hint));
        return None;
    };
    if let Value::Map(_) = member.node.value {
        return selector(reader, member).map(Namespaces::Selected);
    }
    let what = format!("a namespace of {}", entry.name);
    let texts = entry.texts(reader, "namespaces")?;
    // A namespace that is named twice is still one namespace. Every name is checked, so that one run reports all
    // problems.
    let names: IndexSet<Option<String>> =
        texts.into_iter().map(|text| kubernetes_name_in_list(reader, text, &what, NameSyntax::Label)).collect();
    names.into_iter().collect::<Option<Vec<String>>>().map(Namespaces::Named)
}

fn selector(reader: &mut VariableReader<'_>, member: &Member) -> Option<NamespaceSelector> {
    let mapping = Members::read(reader, &member.node, member.name.clone(), &SELECTOR_KEYS, &[])?;
    if mapping.get("labels").is_none() {
        reader.problems.push(mapping.lacks("`labels`").hint("add a label selector, such as `labels: 'team=blue'`"));
        return None;
    }
    let labels = mapping.text(reader, "labels");
    let except = match mapping.get("except") {
        Some(_) => mapping.texts(reader, "except"),
        None => Some(Vec::new()),
    };
    let labels = labels?;
    if let Some(fault) = selector_fault(&labels.text) {
        let problem = Problem::hiding(&labels.span, format!("`labels` of {} {fault}", member.name));
        let hint = "write a label selector as for `kubectl get --selector`, such as `team=blue,env!=test`";
        reader.problems.push(problem.hint(hint));
        return None;
    }
    Some(NamespaceSelector { labels: labels.text, except: except?.into_iter().map(|text| text.text).collect() })
}

/// The values of `state`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Present,
    Absent,
}

fn state(reader: &mut VariableReader<'_>, entry: &Members) -> Option<State> {
    const NAMES: [(&str, State); 2] = [("present", State::Present), ("absent", State::Absent)];
    entry.choice(reader, "state", &NAMES)
}

fn format(reader: &mut VariableReader<'_>, entry: &Members) -> PullSecretFormat {
    const NAMES: [(&str, PullSecretFormat); 4] = [
        ("dockerconfigjson", PullSecretFormat::DockerConfigJson),
        ("dockercfg", PullSecretFormat::Dockercfg),
        ("kubernetes.io/dockerconfigjson", PullSecretFormat::DockerConfigJson),
        ("kubernetes.io/dockercfg", PullSecretFormat::Dockercfg),
    ];
    let written = entry.get("type").filter(|member| member.node.text.trim_start_matches(TYPE_PREFIX) == PODMAN);
    if let Some(member) = written {
        let message = format!("{} is `{PODMAN}`, which neither Kubernetes nor OpenShift reads", member.name);
        let problem = Problem::hiding(&member.node.span, message);
        reader.problems.push(problem.hint("write `dockerconfigjson`, which has the same content"));
        return PullSecretFormat::DockerConfigJson;
    }
    entry.choice(reader, "type", &NAMES).unwrap_or(PullSecretFormat::DockerConfigJson)
}

/// Reports a secret that another entry already declares for the same namespace. Selectors are compared when the
/// namespaces are known.
fn reject_duplicates(
    reader: &mut VariableReader<'_>,
    places: &mut HashMap<(String, String), Span>,
    secret: &PullSecret,
    span: &Span,
) {
    let Namespaces::Named(namespaces) = &secret.namespaces else { return };
    for namespace in namespaces {
        let key = (namespace.clone(), secret.name.clone());
        if let Some(other) = places.get(&key) {
            let message = format!("secret `{namespace}/{}` is already declared at {other}", secret.name);
            let problem = Problem::hiding(span, message).code(codes::DUPLICATE_OBJECT);
            reader.problems.push(problem.hint("remove it from one of the two entries"));
        } else {
            places.insert(key, span.clone());
        }
    }
}

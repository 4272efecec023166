//! The registries of one host: `oreg_*` and `openshift_additional_registry_credentials`, with the defaults of
//! openshift-ansible 3.11.

use std::sync::Arc;

use crate::desired::registry::{Authority, Declaration, Registry, TestLogin};
use crate::inventory::{Node, Problem, Value, yaml};

use super::declared_registry::DeclaredRegistry;
use super::defaults::RegistryDefaults;
use super::duplicate_registries::{refuse_shared_auth_servers, without_duplicates};
use super::registry_entry::{self, ADDITIONAL, RegistryEntry};
use super::registry_host::{self as key, about};
use super::test_image::{Subject, additional_subject, oreg_subject};
use super::variable_reader::VariableReader;
use super::{credential_source as login, image_policy as policy, proxy, registry_notices};

/// The registries of the host whose variables `reader` reads, in inventory order.
pub(super) fn of_host(reader: &mut VariableReader<'_>) -> Vec<Registry> {
    let defaults = RegistryDefaults::of_host(reader);
    let mut declared: Vec<DeclaredRegistry> = oreg(reader, &defaults).into_iter().collect();
    declared.extend(additional(reader, &defaults));
    policy::check(reader, &declared);
    registry_notices::notice(reader, &declared);
    let declared = without_duplicates(reader, declared);
    refuse_shared_auth_servers(reader, &declared);
    declared.into_iter().flat_map(DeclaredRegistry::registries).collect()
}
/// The registry that an entry declares for a `host`, which may be known where its images are not.
fn registry(
    reader: &mut VariableReader<'_>,
    defaults: &RegistryDefaults,
    entry: &RegistryEntry,
    host: Option<&str>,
    subject: Option<Subject>,
) -> Option<DeclaredRegistry> {
    let login = login::of_entry(reader, entry, host);
    let test_login = entry.flag(reader, "test_login").unwrap_or(true);
    let verify = entry.flag(reader, "tls_verify");
    let ca = authority(reader, entry);
    let auth_server = entry.text(reader, "auth_server");
    let auth_server = auth_server.and_then(|server| key::auth_server(reader, &server, &entry.name));
    let proxy = entry.get("proxy").and_then(|member| proxy::of_entry(reader, &member.node, &member.name));
    let (Subject { host, images, choice, span }, login) = (subject?, login?);
    let source = match entry.declaration {
        Declaration::Entry if entry.get("password").is_some() => format!("`{ADDITIONAL}`"),
        Declaration::Entry | Declaration::CommandLine => format!("{}, `{ADDITIONAL}`,", login.source),
        Declaration::Default => login.source,
    };
    let mut images = images.into_iter();
    let registry = Registry {
        tls: defaults.tls(verify, &host),
        host,
        user: login.user,
        password: login.password,
        identity_token: login.identity_token,
        email: login.email,
        image: images.next()?,
        image_choice: choice,
        test_login: if test_login { TestLogin::Inspect } else { TestLogin::Skip },
        ca,
        proxy: proxy.unwrap_or_else(|| defaults.proxy.clone()),
        auth_server,
        declaration: entry.declaration,
        origin: format!("{source} in {}", login.span),
    };
    Some(DeclaredRegistry { registry, more_images: images.collect(), span })
}

fn authority(reader: &mut VariableReader<'_>, entry: &RegistryEntry) -> Option<Arc<Authority>> {
    let path = entry.text(reader, "ca_file")?;
    let authority = reader.cache.authority(&path.text);
    authority
        .map_err(|reason| {
            let fault = format!("of {} cannot be used: {reason}", entry.name);
            reader.problems.push(about("`ca_file`", &path, &fault).hint(
                "write the path of a file with the certificate of the authority in PEM; a relative path starts in the working directory",
            ));
        })
        .ok()
}

/// The registry of `oreg_url` with `oreg_auth_user` and `oreg_auth_password`.
fn oreg(reader: &mut VariableReader<'_>, defaults: &RegistryDefaults) -> Option<DeclaredRegistry> {
    let place = RegistryEntry::default_place(reader)?;
    let entry = RegistryEntry::default_registry(reader, &place);
    let subject = oreg_subject(reader, defaults, entry.as_ref(), &place);
    let known = subject.as_ref().map(|subject| subject.host.clone());
    registry(reader, defaults, &entry?, known.as_deref(), subject)
}
/// The entries of `openshift_additional_registry_credentials`.
fn additional(reader: &mut VariableReader<'_>, defaults: &RegistryDefaults) -> Vec<DeclaredRegistry> {
    let Some(node) = reader.node(ADDITIONAL) else { return Vec::new() };
    let list = match &node.value {
        Value::Null => return Vec::new(),
        // JSON (`true`, `null`) is no Python literal, so Ansible leaves it a string.
        Value::Str(text) if text.trim_start().starts_with('[') => match yaml::parse_node(&node) {
            Ok(node) => node,
            Err(problem) => {
                reader.problems.push(problem);
                return Vec::new();
            }
        },
        _ => node,
    };
    let Value::List(entries) = &list.value else {
        reader.problems.push(
            Problem::hiding(&list.span, format!("`{ADDITIONAL}` is {}, not a list", list.value.type_name()))
                .hint("write [{'host': 'registry.example.com', 'user': 'name', 'password': 'secret'}]"),
        );
        return Vec::new();
    };
    let written = match reader.raw(ADDITIONAL).map(|raw| &raw.value) {
        Some(Value::List(written)) => written.as_slice(),
        _ => &[],
    };
    for (raw, entry) in written.iter().zip(entries) {
        for (key, raw) in ["user", "password"].into_iter().filter_map(|key| Some((key, raw.get(key)?))) {
            reader.tell_filled(raw, &format!("`{key}` of {}", registry_entry::name(entry)));
        }
    }
    entries.iter().filter_map(|entry| additional_entry(reader, defaults, entry)).collect()
}

fn additional_entry(
    reader: &mut VariableReader<'_>,
    defaults: &RegistryDefaults,
    node: &Node,
) -> Option<DeclaredRegistry> {
    let entry = RegistryEntry::additional(reader, node)?;
    let host = match entry.get("host") {
        Some(_) => entry.text(reader, "host").and_then(|host| key::host(reader, host)),
        None => {
            reader.problems.push(entry.lacks("`host`"));
            None
        }
    };
    let known = host.as_ref().map(|host| host.text.clone());
    let subject = host.and_then(|host| additional_subject(reader, defaults, &entry, host));
    registry(reader, defaults, &entry, known.as_deref(), subject)
}

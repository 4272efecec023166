//! The registries that a host declares: the default registry (`oreg_url`, `oreg_auth_user` and related variables) and the
//! entries of `openshift_additional_registry_credentials`, with the defaults of openshift-ansible 3.11.

use std::sync::Arc;

use crate::desired::registry::{Authority, Declaration, Registry, TestLogin, TlsPolicy};
use crate::desired::registry_host::is_cluster_manager;
use crate::inventory::{Node, Value};

use super::declared_registry::DeclaredRegistry;
use super::defaults::RegistryDefaults;
use super::duplicate_registries::{reject_shared_auth_servers, without_duplicates};
use super::registry_entry::{self, ADDITIONAL, RegistryEntry};
use super::registry_host::{self, problem_about};
use super::test_image::{TestImages, of_additional_entry, of_default_registry};
use super::variable_reader::VariableReader;
use super::{credential_source, image_policy, members, proxy, registry_notices};

/// The registries that the host of `reader` declares, in inventory order.
pub(super) fn of_host(reader: &mut VariableReader<'_>) -> Vec<Registry> {
    let defaults = RegistryDefaults::of_host(reader);
    let mut declared: Vec<DeclaredRegistry> = default_registry(reader, &defaults).into_iter().collect();
    declared.extend(additional_registries(reader, &defaults));
    // The notices come before duplicates are removed, so that each declaration is reported at its own place.
    image_policy::check(reader, &declared);
    registry_notices::add(reader, &declared);
    let declared = without_duplicates(reader, declared);
    reject_shared_auth_servers(reader, &declared);
    declared.into_iter().flat_map(DeclaredRegistry::registries).collect()
}

/// The registry that an entry declares. If the test images have a problem, `host` may still be known. The other values
/// are checked anyway, so that one run reports all problems.
fn registry(
    reader: &mut VariableReader<'_>,
    defaults: &RegistryDefaults,
    entry: &RegistryEntry,
    host: Option<&str>,
    images: Option<TestImages>,
) -> Option<DeclaredRegistry> {
    let credential = credential_source::of_entry(reader, entry, host);
    let test_login = entry.members.flag(reader, "test_login").unwrap_or(true);
    let own_tls = entry.members.flag(reader, "tls_verify");
    let own_tls = own_tls.map(|verify| if verify { TlsPolicy::Verify } else { TlsPolicy::Insecure });
    let ca = authority(reader, entry);
    let auth_server = entry.members.text(reader, "auth_server");
    let auth_server = auth_server.and_then(|server| registry_host::auth_server(reader, &server, &entry.members.name));
    let proxy = entry.members.get("proxy").and_then(|member| proxy::of_entry(reader, &member.node, &member.name));
    let (TestImages { host, images, choice, span }, credential) = (images?, credential?);
    let source = match entry.declaration {
        Declaration::Entry if entry.members.get("password").is_some() => format!("`{ADDITIONAL}`"),
        Declaration::Entry | Declaration::PullSecret | Declaration::CommandLine => {
            format!("{}, `{ADDITIONAL}`,", credential.source)
        }
        Declaration::Default => credential.source,
    };
    let mut images = images.into_iter();
    let test_login = match test_login {
        _ if is_cluster_manager(&host) => TestLogin::Impossible,
        true => TestLogin::Inspect,
        false => TestLogin::Skip,
    };
    let registry = Registry {
        tls: own_tls.unwrap_or_else(|| defaults.tls(&host)),
        host,
        user: credential.user,
        password: credential.password,
        identity_token: credential.identity_token,
        email: credential.email,
        image: images.next()?,
        image_choice: choice,
        test_login,
        ca,
        proxy: proxy.unwrap_or_else(|| defaults.proxy.clone()),
        auth_server,
        declaration: entry.declaration,
        origin: format!("{source} in {}", credential.span),
    };
    Some(DeclaredRegistry { registry, more_images: images.collect(), span })
}

/// The certificate authorities of `ca_file`.
fn authority(reader: &mut VariableReader<'_>, entry: &RegistryEntry) -> Option<Arc<Authority>> {
    let path = entry.members.text(reader, "ca_file")?;
    let authority = reader.cache.authority(&path.text);
    authority
        .map_err(|reason| {
            let fault = format!("of {} cannot be used: {reason}", entry.members.name);
            reader.problems.push(problem_about("`ca_file`", &path, &fault).hint(
                "write the path of a file with the certificate of the authority in PEM format; a relative path starts in the working directory",
            ));
        })
        .ok()
}

/// The default registry: `oreg_url` with `oreg_auth_user` and `oreg_auth_password`. `None` if it has no credential, or
/// if there is a problem.
fn default_registry(reader: &mut VariableReader<'_>, defaults: &RegistryDefaults) -> Option<DeclaredRegistry> {
    let Some(place) = RegistryEntry::place_of_default_registry(reader) else {
        // A variable without a value is a problem, even if nothing else declares the default registry.
        RegistryEntry::more_members(reader);
        return None;
    };
    let entry = RegistryEntry::default_registry(reader, &place);
    let images = of_default_registry(reader, defaults, entry.as_ref(), &place);
    let host = images.as_ref().map(|images| images.host.clone());
    registry(reader, defaults, &entry?, host.as_deref(), images)
}

/// The entries of `openshift_additional_registry_credentials`.
fn additional_registries(reader: &mut VariableReader<'_>, defaults: &RegistryDefaults) -> Vec<DeclaredRegistry> {
    let example = "[{'host': 'registry.example.com', 'user': 'name', 'password': 'secret'}]";
    // openshift-ansible accepts a null value, which means no registries.
    let list = reader.node(ADDITIONAL).filter(|node| !matches!(node.value, Value::Null));
    let entries = list.map(|list| members::list_of(reader, list, ADDITIONAL, example)).unwrap_or_default();
    let raw_entries = match reader.raw(ADDITIONAL).map(|raw| &raw.value) {
        Some(Value::List(raw)) => raw.as_slice(),
        _ => &[],
    };
    // The evaluated entry no longer shows which values a template inserted, so the entry as written is needed, too.
    for (raw, entry) in raw_entries.iter().zip(&entries) {
        for (key, raw) in ["user", "password"].into_iter().filter_map(|key| Some((key, raw.get(key)?))) {
            reader.warn_about_inserted_values(raw, &format!("`{key}` of {}", registry_entry::name(entry)));
        }
    }
    entries.iter().filter_map(|entry| additional_registry(reader, defaults, entry)).collect()
}

fn additional_registry(
    reader: &mut VariableReader<'_>,
    defaults: &RegistryDefaults,
    node: &Node,
) -> Option<DeclaredRegistry> {
    let entry = RegistryEntry::additional(reader, node)?;
    let host = match entry.members.get("host") {
        Some(_) => entry.members.text(reader, "host").and_then(|host| registry_host::host(reader, host)),
        None => {
            reader
                .problems
                .push(entry.members.lacks("`host`").hint("add the registry, such as `host: registry.example.com`"));
            None
        }
    };
    let known = host.as_ref().map(|host| host.text.clone());
    let images = host.and_then(|host| of_additional_entry(reader, defaults, &entry, host));
    registry(reader, defaults, &entry, known.as_deref(), images)
}

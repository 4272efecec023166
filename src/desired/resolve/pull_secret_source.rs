//! The entries of a declared pull secret: the credentials of declared registries, and those of a file. Each entry of a
//! file is verified like a declared registry.

use std::sync::Arc;

use crate::desired::registry::{Declaration, ImageChoice, Registry, TestLogin};
use crate::desired::registry_host::{host_fault, is_cluster_manager, same_registry};
use crate::dockerconfig::{Auth, AuthFile, Credential, Entry, HUB, mask, registry_key};
use crate::inventory::outside::OutsideErrorKind;
use crate::inventory::problem::nearest;
use crate::inventory::{Problem, Value};
use crate::secret::Secret;

use super::HostRegistries;
use super::defaults::RegistryDefaults;
use super::from_file;
use super::members::Members;
use super::registry_entry::RegistryEntry;
use super::registry_host::problem_about;
use super::test_image;
use super::variable_reader::{Text, VariableReader};

/// What a pull secret contains.
pub(super) struct SecretSource {
    /// Its entries: first those of declared registries, then those of the file.
    pub credentials: Arc<[Credential]>,
    /// The entries of the file, as registries to verify.
    pub registries: Vec<Registry>,
}

/// The key of an entry, and the full names of its test images.
type TestImages = (String, Vec<String>);

/// An entry of a file, with one of the test images.
pub(super) struct FileEntry {
    /// What verifies it.
    pub registry: Registry,
    /// What a secret contains.
    pub credential: Credential,
}

/// The entries of a declaration; `None` if there is a problem. Without `registries` and `from_file`, these are all
/// declared registries.
pub(super) fn of_entry(
    reader: &mut VariableReader<'_>,
    entry: &Members,
    declared: &HostRegistries,
) -> Option<SecretSource> {
    let before = reader.problems.len();
    let named = entry.get("registries").map(|_| named_registries(reader, entry, declared));
    let file = entry.get("from_file").map(|_| file_entries(reader, entry));
    if file.is_none()
        && let Some(member) = entry.get("test_images")
    {
        let problem = Problem::hiding(&member.node.span, format!("{} has no effect without `from_file`", member.name));
        reader.problems.push(problem.hint("a declared registry has its own `test_image`"));
    }
    if named.is_none() && file.is_none() && !RegistryEntry::is_any_declared(reader) {
        let problem = entry.lacks("`from_file`, and the inventory declares no registry that it could contain");
        reader.problems.push(problem.hint("add `from_file`, or declare the registries"));
    }
    if reader.problems.len() > before {
        return None;
    }
    let (registries, of_file) = match file {
        Some(entries) => entries?.into_iter().map(|entry| (entry.registry, entry.credential)).unzip(),
        None => (Vec::new(), Vec::new()),
    };
    let mut credentials: Vec<Credential> = match named {
        Some(named) => named?,
        // A file is often everything that a secret must contain, so the declared registries are added only by name.
        None if of_file.is_empty() => declared.credentials.to_vec(),
        None => Vec::new(),
    };
    for credential in of_file {
        match credentials.iter().find(|other| same_registry(&other.key, &credential.key)) {
            None => credentials.push(credential),
            Some(other) if same_login(other, &credential) => {}
            Some(other) => {
                let message = format!(
                    "{} has two credentials for `{}`: one from `registries`, and another one from `from_file`",
                    entry.name, other.key
                );
                let problem = Problem::hiding(&entry.span, message);
                reader.problems.push(problem.hint("remove the registry from `registries`, or from the file"));
                return None;
            }
        }
    }
    Some(SecretSource { credentials: credentials.into(), registries })
}

fn same_login(one: &Credential, other: &Credential) -> bool {
    (&one.user, &one.password, &one.identity_token) == (&other.user, &other.password, &other.identity_token)
}

/// The credentials of the declared registries that `registries` names.
fn named_registries(
    reader: &mut VariableReader<'_>,
    entry: &Members,
    declared: &HostRegistries,
) -> Option<Vec<Credential>> {
    let mut credentials: Vec<Credential> = Vec::new();
    for name in entry.texts(reader, "registries")? {
        let found = declared.credentials.iter().find(|credential| same_registry(&credential.key, &name.text));
        let Some(credential) = found else {
            let problem = problem_about(&format!("`registries` of {}:", entry.name), &name, "is not declared");
            let keys = declared.credentials.iter().map(|credential| credential.key.as_str());
            reader.problems.push(match nearest(&name.text, keys.clone()) {
                _ if name.text.contains(',') => problem.hint("write several registries as a list: `[first, second]`"),
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("the declared registries are {}", from_file::quoted_list(keys))),
            });
            continue;
        };
        if !credentials.contains(credential) {
            credentials.push(credential.clone());
        }
    }
    // The entry of a token server belongs to its registry.
    let servers = declared.registries.iter().filter_map(|registry| {
        let named = credentials.iter().any(|credential| credential.key == registry.host);
        registry.auth_server.as_ref().filter(|_| named)
    });
    let servers: Vec<&String> = servers.collect();
    let of_servers = declared.credentials.iter().filter(|credential| servers.contains(&&credential.key));
    for credential in of_servers {
        if !credentials.contains(credential) {
            credentials.push(credential.clone());
        }
    }
    Some(credentials)
}

/// The entries of the file `from_file`, each of them once for each of its test images. Those with a problem are omitted;
/// `None` if the file itself has one.
pub(super) fn file_entries(reader: &mut VariableReader<'_>, entry: &Members) -> Option<Vec<FileEntry>> {
    let path = entry.text(reader, "from_file")?;
    let file = match reader.cache.auth_file(&path.text) {
        Ok(file) => file,
        Err(error) => {
            let is_not_run = error.kind == OutsideErrorKind::NotRun;
            let fault = if is_not_run { "is not used" } else { "cannot be used" };
            let problem = problem_about("`from_file`", &path, &format!("of {} {fault}: {error}", entry.name));
            let problem = if is_not_run { problem.code(crate::inventory::code::NOT_CHECKED) } else { problem };
            reader.problems.push(problem.hint(
                "write the path of a config.json, auth.json, .dockercfg, or of the manifest of a Secret with one; a relative path starts in the working directory",
            ));
            return None;
        }
    };
    let mut fault = |fault: String, hint: &str| {
        reader.problems.push(problem_about("`from_file`", &path, &format!("of {} {fault}", entry.name)).hint(hint));
    };
    if file.entries.is_empty() {
        let hint = match (&file.creds_store, file.cred_helpers.is_empty()) {
            (None, true) => "name a file that contains credentials",
            _ => "a credential helper stores its credentials: declare the registries, with `credential_helper`",
        };
        fault("has no entries".to_owned(), hint);
        return None;
    }
    let images = test_images(reader, entry, &file.entries);
    let origin = format!("`from_file` of {} in {}", entry.name, path.span);
    let (found, faults) = entries_of(reader, &file, &images, &origin);
    for fault in faults {
        let problem = problem_about("`from_file`", &path, &format!("of {}: {fault}", entry.name));
        reader.problems.push(problem.hint("correct the entry, or remove it from the file"));
    }
    Some(found)
}

/// The entries of a file, each of them once for each of its test images; and the faults of the other ones. `origin` is
/// where a message says that they come from.
pub(super) fn entries_of(
    reader: &mut VariableReader<'_>,
    file: &AuthFile,
    images: &[TestImages],
    origin: &str,
) -> (Vec<FileEntry>, Vec<String>) {
    let defaults = RegistryDefaults::of_host(reader);
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for one in &file.entries {
        match credential(one) {
            Ok(credential) => {
                let images = images.iter().find(|(key, _)| same_registry(key, &one.key));
                let images = images.map_or(&[][..], |(_, images)| images);
                let registries = registries(&credential, images, &defaults, origin);
                let entries = registries.into_iter();
                found.extend(entries.map(|registry| FileEntry { registry, credential: credential.clone() }));
            }
            Err(why) => faults.push(format!("its entry `{}` {why}", mask(&one.key))),
        }
    }
    (found, faults)
}

/// The credential of an entry. The error is a predicate: it follows the name of the entry.
fn credential(entry: &Entry) -> Result<Credential, String> {
    if let Auth::Unreadable(why) = entry.auth {
        return Err(format!("has an `auth` that is {why}"));
    }
    let login = entry.login();
    // Some clients pad the password with NUL bytes (`decodeDockerAuth` of containers/image removes them, too).
    let password = login.as_ref().map_or("", |login| login.password.expose().trim_end_matches('\0'));
    if password.is_empty() && entry.identity_token.is_none() {
        return Err("has no credential, so it would make pulls anonymous".to_owned());
    }
    Ok(Credential {
        key: entry.key.clone(),
        password: Secret::new(password),
        user: login.map(|login| login.user).unwrap_or_default(),
        identity_token: entry.identity_token.clone(),
        email: entry.email.clone(),
    })
}

/// What verifies an entry: one registry for each test image, or one for the login.
fn registries(credential: &Credential, images: &[String], defaults: &RegistryDefaults, origin: &str) -> Vec<Registry> {
    // The key may have a scheme or a path of an API. Image names have neither.
    let host = registry_key(&credential.key);
    let test_login = match images {
        _ if is_cluster_manager(&host) || host_fault(&host).is_some() => TestLogin::Impossible,
        [] => TestLogin::LoginOnly,
        _ => TestLogin::Inspect,
    };
    let registry = Registry {
        tls: defaults.tls(&host),
        user: credential.user.clone(),
        password: credential.password.clone(),
        identity_token: credential.identity_token.clone(),
        email: credential.email.clone(),
        image: host.clone(),
        image_choice: ImageChoice::Given,
        test_login,
        ca: None,
        proxy: defaults.proxy.clone(),
        auth_server: None,
        declaration: Declaration::PullSecret,
        origin: origin.to_owned(),
        host,
    };
    if test_login != TestLogin::Inspect {
        return vec![registry];
    }
    images.iter().map(|image| Registry { image: image.clone(), ..registry.clone() }).collect()
}

/// `test_images` of a declaration.
fn test_images(reader: &mut VariableReader<'_>, entry: &Members, entries: &[Entry]) -> Vec<TestImages> {
    let Some(member) = entry.get("test_images") else { return Vec::new() };
    let Value::Map(pairs) = &member.node.value else {
        let message = format!("{} is {}, not a mapping", member.name, member.node.value.type_name());
        let problem = Problem::hiding(&member.node.span, message);
        reader.problems.push(problem.hint("write {'quay.io': 'acme/app:v1'}"));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in pairs {
        let text = Text { text: key.text.clone(), span: key.span.clone() };
        let Some(one) = entries.iter().find(|one| same_registry(&one.key, &key.text)) else {
            let problem = problem_about(&format!("{}:", member.name), &text, "has no entry in the file");
            let keys = entries.iter().map(|one| one.key.as_str());
            reader.problems.push(problem.hint(format!("the file has {}", from_file::quoted_list(keys))));
            continue;
        };
        let host = registry_key(&one.key);
        let host = if host.is_empty() { HUB.to_owned() } else { host };
        let nodes = match &value.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let images = nodes.iter().filter_map(|node| {
            let path = reader.text_of(node, &member.name)?;
            test_image::full_name(reader, &path, &host)
        });
        found.push((one.key.clone(), images.collect()));
    }
    found
}

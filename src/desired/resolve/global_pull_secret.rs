//! `oregano_global_pull_secret`: what the pull secret of all nodes of an OpenShift 4 cluster must contain. A content that
//! degrades the machine config operator is a problem.

use zeroize::Zeroizing;

use crate::desired::backup::Backup;
use crate::desired::global_pull_secret::{ContentSource, GlobalMode, GlobalPullSecret};
use crate::desired::platform::Platform;
use crate::desired::registry::Registry;
use crate::dockerconfig::{self, Auth, AuthFile, Entry, Reader, mask};
use crate::go::{self, Padding};
use crate::inventory::Problem;
use crate::secret::SecretBytes;

use super::HostRegistries;
use super::members::{self, Members};
use super::platform::PLATFORM;
use super::pull_secret_source::{self, FileEntry};
use super::registry_host::problem_about;
use super::variable_reader::{Text, VariableReader};

/// The declaration of the global pull secret.
pub(super) const GLOBAL_PULL_SECRET: &str = "oregano_global_pull_secret";

/// All keys of the declaration.
const KEYS: [&str; 4] = ["mode", "registries", "from_file", "test_images"];

/// The values of `mode`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Append,
    Replace,
}

/// The global pull secret that the host of `reader` declares, and the credentials that only its file contains. `None` if
/// it declares none, or if there is a problem. `declared` are the registries of the host, and `owner` is the value of
/// `oregano_owner`.
pub(super) fn of_host(
    reader: &mut VariableReader<'_>,
    declared: &HostRegistries,
    platform: Option<Platform>,
    owner: Option<&str>,
) -> Option<(GlobalPullSecret, Vec<Registry>)> {
    let name = format!("`{GLOBAL_PULL_SECRET}`");
    let node = reader.node(GLOBAL_PULL_SECRET)?;
    let node = members::mapping(reader, &node, &name, "{'mode': 'append', 'registries': ['registry.example.com']}")?;
    let entry = Members::read(reader, &node, name, &KEYS, &[])?;
    let before = reader.problems.len();
    reject_other_platforms(reader, &entry, platform);
    const MODES: [(&str, Mode); 2] = [("append", Mode::Append), ("replace", Mode::Replace)];
    let found = match entry.choice(reader, "mode", &MODES).unwrap_or(Mode::Append) {
        Mode::Append => append(reader, &entry, declared),
        Mode::Replace => replace(reader, &entry),
    };
    let (mode, registries) = found.filter(|_| reader.problems.len() == before)?;
    Some((GlobalPullSecret { mode, owner: owner.map(str::to_owned) }, registries))
}

/// The global pull secret with the content of a backup, and the credentials in it. `None` if there is a problem. What the
/// operator has processed once may be put back, so entries may be in a form that only CRI-O does not accept.
pub(super) fn restored(
    reader: &mut VariableReader<'_>,
    backup: &Backup,
    platform: Option<Platform>,
    owner: Option<&str>,
) -> Option<(GlobalPullSecret, Vec<Registry>)> {
    let Backup { name, path } = backup;
    if let Some(platform) = platform.filter(|platform| *platform != Platform::OpenShift4) {
        let message = format!("the platform is `{}`, and only OpenShift 4 has a global pull secret", platform.name());
        reader.problems.push(Problem::new(message).hint(format!("use another inventory, or set `{PLATFORM}`")));
    }
    let text = path.display().to_string();
    let read = reader.cache.auth_file(&text).and_then(|file| Ok((file, reader.cache.auth_content(&text)?)));
    let (file, content) = match read {
        Ok(read) => read,
        Err(error) => {
            let problem = Problem::new(format!("backup `{name}` cannot be used: {error}"));
            reader.problems.push(problem.hint("run `oregano restore` to list the backups, and choose another one"));
            return None;
        }
    };
    let (entries, faults) = pull_secret_source::entries_of(reader, &file, &[], &format!("backup `{name}`"));
    let is_valid = |one: &&Entry| entries.iter().any(|entry| entry.credential.key == one.key);
    let without = file.entries.iter().filter(is_valid).filter(|one| matches!(one.auth, Auth::Missing));
    let without = without.map(|one| format!("its entry `{}` has no `auth`", mask(&one.key)));
    let helpers = helper_members(&file).map(|member| format!("it has `{member}`"));
    let empty = file.entries.is_empty().then(|| "it has no entries".to_owned());
    for fault in faults.into_iter().chain(without).chain(helpers).chain(empty) {
        let problem = Problem::new(format!("backup `{name}` cannot be put back as it is: {fault}"));
        let hint = format!("correct a copy of `{text}`, and declare it with `mode: replace` and `from_file`");
        reader.problems.push(problem.hint(hint));
    }
    let mode = GlobalMode::Replace { content: with_auths(&content), source: ContentSource::Backup(name.clone()) };
    let registries = entries.into_iter().map(|entry| entry.registry).collect();
    Some((GlobalPullSecret { mode, owner: owner.map(str::to_owned) }, registries))
}

fn reject_other_platforms(reader: &mut VariableReader<'_>, entry: &Members, platform: Option<Platform>) {
    let Some(platform) = platform.filter(|platform| *platform != Platform::OpenShift4) else { return };
    let message = format!("{} is for OpenShift 4 only, and the platform is `{}`", entry.name, platform.name());
    let hint = format!(
        "remove it, or set `{PLATFORM}: openshift-4`; without that variable, `openshift_deployment_type` means `openshift-3`"
    );
    reader.problems.push(Problem::hiding(&entry.span, message).hint(hint));
}

fn append(
    reader: &mut VariableReader<'_>,
    entry: &Members,
    declared: &HostRegistries,
) -> Option<(GlobalMode, Vec<Registry>)> {
    if entry.get("from_file").is_some() {
        reject_helpers(reader, entry);
    }
    let source = pull_secret_source::of_entry(reader, entry, declared)?;
    Some((GlobalMode::Append { credentials: source.credentials }, source.registries))
}

fn replace(reader: &mut VariableReader<'_>, entry: &Members) -> Option<(GlobalMode, Vec<Registry>)> {
    if let Some(member) = entry.get("registries") {
        let message = format!("{} cannot be combined with `mode: replace`", member.name);
        let hint = "`replace` writes what `from_file` contains: add the entries to that file, or write `mode: append`";
        reader.problems.push(Problem::hiding(&member.node.span, message).hint(hint));
    }
    if entry.get("from_file").is_none() {
        let message = format!("{} has `mode: replace`, but no `from_file`", entry.name);
        let hint = "name the file with the complete new content, or write `mode: append`";
        reader.problems.push(Problem::hiding(&entry.span, message).hint(hint));
        return None;
    }
    reject_helpers(reader, entry);
    let entries = pull_secret_source::file_entries(reader, entry)?;
    let path = entry.text(reader, "from_file")?;
    let content = with_auths(&reader.cache.auth_content(&path.text).ok()?);
    reject_unreadable_entries(reader, entry, &path, &entries, &content);
    let registries = entries.into_iter().map(|entry| entry.registry).collect();
    Some((GlobalMode::Replace { content, source: ContentSource::File }, registries))
}

/// Reports a file with credential helpers: no node has them, and they degrade the machine config operator of most
/// releases of OpenShift 4.
fn reject_helpers(reader: &mut VariableReader<'_>, entry: &Members) {
    let Some(path) = entry.get("from_file").map(|member| &member.node) else { return };
    // The other problems of the file are reported when its entries are read.
    let Ok(file) = reader.cache.auth_file(&path.text) else { return };
    if file.entries.is_empty() {
        return;
    }
    for member in helper_members(&file) {
        let fault = format!("of {} has `{member}`, which the machine config operator does not accept", entry.name);
        let text = Text { text: path.text.clone(), span: path.span.clone() };
        let hint = format!("remove `{member}`, and add the credentials of the helper to `auths`");
        reader.problems.push(problem_about("`from_file`", &text, &fault).hint(hint));
    }
}

/// The members of a file that name credential helpers.
fn helper_members(file: &AuthFile) -> impl Iterator<Item = &'static str> + use<> {
    let helpers = (!file.cred_helpers.is_empty()).then_some("credHelpers");
    let store = file.creds_store.as_ref().map(|_| "credsStore");
    helpers.into_iter().chain(store)
}

/// The content of a credential file as a `config.json`.
fn with_auths(content: &str) -> SecretBytes {
    let members = go::members(content.as_bytes()).unwrap_or_default();
    if members.iter().any(|(name, _)| go::same_member(name, "auths")) {
        return SecretBytes::new(content.as_bytes().to_vec());
    }
    // A `.dockercfg` has the entries themselves. Their text stays as it is, because nothing in it may be lost.
    SecretBytes::new(format!("{{\"auths\":{}}}", content.trim()).into_bytes())
}

/// Reports entries that would be written as they are, and whose `auth` some program cannot read. `entries` are those
/// without another problem.
fn reject_unreadable_entries(
    reader: &mut VariableReader<'_>,
    entry: &Members,
    path: &Text,
    entries: &[FileEntry],
    content: &SecretBytes,
) {
    for view in dockerconfig::entries(content.expose(), Reader::PullSecret) {
        let is_valid = entries.iter().any(|one| one.credential.key == view.key);
        let Some(fault) = auth_fault(view.text.expose()).filter(|_| is_valid) else { continue };
        let key = mask(&view.key);
        let problem = problem_about("`from_file`", path, &format!("of {}: its entry `{key}` {fault}", entry.name));
        reader.problems.push(problem.hint("write `auth`, the base64 of `user:password` with its padding (`=`)"));
    }
}

/// Why the `auth` of an entry cannot be used as it is; `None` if it can. The text is a predicate.
fn auth_fault(entry: &str) -> Option<&'static str> {
    let members = go::members(entry.as_bytes()).unwrap_or_default();
    // Of several spellings of a member, Go uses the last one.
    let text = members.iter().rfind(|(name, _)| go::same_member(name, "auth"));
    let auth = text.and_then(|(_, value)| serde_json::from_str(value.get()).ok()).map(Zeroizing::<String>::new);
    match auth.as_deref().map(String::as_str) {
        None | Some("") => Some("has no `auth`, which the machine config operator and CRI-O require"),
        Some(text) if go::decode_base64(text, Padding::Required).is_none() => {
            Some("has an `auth` whose base64 has no padding, which CRI-O does not accept")
        }
        Some(_) => None,
    }
}

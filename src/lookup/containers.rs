//! The lookup of containers/image (go.podman.io/image/v5/pkg/docker/config, `GetCredentialsForRef`). It searches the
//! files in order. In each file, it uses the credential helper of the host if there is one, and otherwise one entry.
//! The search ends at the first file that contains a credential. If registries.conf configures helpers for all
//! registries, they are used before or after the files.

use super::consumer_content::{self, Config, ConsumerEntry};
use super::registries_conf::{FILES, GlobalHelpers};
use super::{
    Candidate, CredentialFile, CredentialKind, EntrySource, LookupResult, PathState, UnusedEntry, UnusedReason,
    similar_entries,
};
use crate::desired::Image;
use crate::dockerconfig::address::split_port;
use crate::dockerconfig::{Match, mask, matching_keys};
use crate::go::Padding;

/// The credential that CRI-O, podman and skopeo use for `image`. `files` are in the order in which they are searched.
pub fn containers(image: &Image, files: &[CredentialFile]) -> LookupResult {
    let mut result = LookupResult::default();
    if !image.is_valid_for_containers() {
        let fault = format!(
            "`{}` is not a valid image name for it: a host has a dot or a port, and is not an IPv6 address",
            image.name
        );
        return LookupResult { fault: Some(fault), ..result };
    }
    for file in files {
        let PathState::Content(bytes) = &file.state else {
            match &file.state {
                PathState::Unreadable(why) if is_undecided(&result) => {
                    result.fault = Some(format!("`{}` {why}", file.path));
                }
                // The consumer runs as root and can read the file, so this is not an error of the lookup.
                PathState::Forbidden(_) if is_undecided(&result) => result.hidden = Some(file.path.clone()),
                _ => {}
            }
            continue;
        };
        // Later files are still read after a credential is found, because their entries are reported as shadowed.
        if let Some(used) = result.credentials.first().map(|used| used.source.name().to_owned()) {
            result.unused.extend(similar_entries::similar(bytes, &file.source(), image, &UnusedReason::Shadowed(used)));
            continue;
        }
        // The search ended at an earlier file, so an entry of this file can neither be used nor be called shadowed.
        if result.fault.is_some() || result.hidden.is_some() {
            continue;
        }
        match consumer_content::containers(bytes.expose(), file.format) {
            Ok(config) => {
                result.unused.extend(similar_entries::in_other_format(
                    bytes,
                    &file.source(),
                    image,
                    config.auths.keys(),
                ));
                search_file(image, file, config, &mut result);
            }
            Err(why) => {
                result.fault = Some(format!("`{}` cannot be read, so the lookup fails: {why}", file.path));
            }
        }
    }
    result
}

/// Like [`containers`], but registries.conf configures helpers for all registries. The helpers are tried in order. The
/// name `containers-auth.json` in the list represents the files.
pub fn containers_with_helpers(image: &Image, files: &[CredentialFile], helpers: &GlobalHelpers) -> LookupResult {
    if !image.is_valid_for_containers() {
        return containers(image, files);
    }
    let mut result = match helpers.names.iter().any(|name| name == FILES) {
        true => containers(image, files),
        false => without_files(image, files, &helpers.file),
    };
    let from_files = std::mem::take(&mut result.credentials);
    for name in &helpers.names {
        if name != FILES {
            let kind = CredentialKind::GlobalHelper { helper: name.clone() };
            result.credentials.push(Candidate { source: EntrySource::File(helpers.file.clone()), key: None, kind });
        // The files provide a credential, so the helpers after them in the list are never run.
        } else if !from_files.is_empty() {
            result.credentials.extend(from_files);
            break;
        }
    }
    result
}

/// The entries of files that are not searched, because the registries.conf `conf` lists only credential helpers.
fn without_files(image: &Image, files: &[CredentialFile], conf: &str) -> LookupResult {
    let content = files.iter().filter_map(|file| match &file.state {
        PathState::Content(bytes) => Some((bytes, file.source())),
        PathState::Absent | PathState::Unreadable(_) | PathState::Forbidden(_) => None,
    });
    let reason = UnusedReason::NoFiles(conf.to_owned());
    let unused = content.flat_map(|(bytes, source)| similar_entries::similar(bytes, &source, image, &reason)).collect();
    LookupResult { unused, ..LookupResult::default() }
}

/// Whether the search has not ended yet.
fn is_undecided(result: &LookupResult) -> bool {
    result.credentials.is_empty() && result.fault.is_none() && result.hidden.is_none()
}

/// Adds the credentials and the unused entries of one file to the result.
fn search_file(image: &Image, file: &CredentialFile, config: Config, result: &mut LookupResult) {
    let registry = image.name.split('/').next().unwrap_or_default();
    // Keys of `credHelpers` are compared exactly and only with the host: helpers do not support namespaces.
    let helper = config.cred_helpers.get(registry);
    if let Some(helper) = helper {
        let kind = CredentialKind::Helper { helper: helper.clone() };
        result.credentials.push(Candidate { source: file.source(), key: Some(registry.to_owned()), kind });
    }
    let order = matching_keys(config.auths.keys().map(String::as_str), &image.name, file.format);
    for (key, entry) in &config.auths {
        let at = order.iter().position(|(known, _)| *known == key);
        let reason = match (at, helper) {
            // The helper takes precedence over every entry of the file, even over one with a longer key.
            (Some(_), Some(helper)) => UnusedReason::Helper(helper.clone()),
            (Some(0), None) => match credential(entry) {
                Ok(Some(kind)) => {
                    result.credentials.push(Candidate { source: file.source(), key: Some(key.clone()), kind });
                    continue;
                }
                Ok(None) => reason_without_credential(entry),
                Err(what) => {
                    let path = &file.path;
                    result.fault =
                        Some(format!("the `auth` of `{}` in `{path}` is {what}, so the lookup fails", mask(key)));
                    continue;
                }
            },
            // If the matching entry has no credential, the other entries of the file are not tried either.
            (Some(_), None) if order[0].1 == Match::Normalized => UnusedReason::Either(order[0].0.to_owned()),
            (Some(_), None) => UnusedReason::Key(order[0].0.to_owned()),
            (None, _) if similar_entries::is_similar(key, image) => difference(key, registry),
            (None, _) => continue,
        };
        result.unused.push(UnusedEntry { source: file.source(), key: Some(key.clone()), user: user(entry), reason });
    }
}

/// The credential of an entry; `None` if it has none.
///
/// # Errors
/// What is wrong with its `auth`, which makes the lookup fail.
fn credential(entry: &ConsumerEntry) -> Result<Option<CredentialKind>, &'static str> {
    let Some(login) = consumer_content::decode(entry.text("auth"), Padding::Required)? else { return Ok(None) };
    let (user, token) = (login.user, !entry.text("identitytoken").is_empty());
    // Some clients pad the password with NUL bytes, and containers/image removes them before it uses the password.
    let has_password = !login.password.expose().trim_matches('\0').is_empty();
    Ok(match (token, user.is_empty() && !has_password) {
        // An identity token is a credential even without a user and a password.
        (true, _) => Some(CredentialKind::IdentityToken { user }),
        (false, false) => Some(CredentialKind::Login { user }),
        (false, true) => None,
    })
}

/// Why an entry has no credential.
fn reason_without_credential(entry: &ConsumerEntry) -> UnusedReason {
    match entry.text("auth") {
        "" => UnusedReason::NoAuth,
        auth => match consumer_content::decode(auth, Padding::Required) {
            Ok(Some(_)) => UnusedReason::Empty,
            Ok(None) => UnusedReason::Undecodable("base64 without a colon"),
            Err(what) => UnusedReason::Undecodable(what),
        },
    }
}

fn user(entry: &ConsumerEntry) -> Option<String> {
    let login = consumer_content::decode(entry.text("auth"), Padding::Required).ok()??;
    Some(login.user)
}

/// Why the lookup does not search for this key.
pub(super) fn difference(key: &str, registry: &str) -> UnusedReason {
    let bare = similar_entries::without_scheme(key);
    let host = bare.split('/').next().unwrap_or_default();
    // The order of these checks determines the advice: a difference in the port is reported only if the hosts are
    // equal.
    let ports = [host, registry].map(split_port);
    if host.contains('*') {
        UnusedReason::Pattern
    } else if host == registry {
        UnusedReason::Path
    } else if ports[0].0 == ports[1].0 {
        UnusedReason::Port
    } else {
        UnusedReason::Host(registry.to_owned())
    }
}

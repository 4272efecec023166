//! The lookup of docker's command line (github.com/docker/cli/cli/config). It uses one file and does not support
//! namespaces. It uses the helper of the host or of all hosts, otherwise the entry with exactly this key, and otherwise
//! an entry with the same host name.

use super::consumer_content::{self, ConsumerEntry};
use super::containers::difference;
use super::{
    Candidate, CredentialFile, CredentialKind, LookupResult, PathState, UnusedEntry, UnusedReason, docker_variable,
    similar_entries,
};
use crate::desired::Image;
use crate::dockerconfig::address::{self, split_port};
use crate::dockerconfig::{HUB_KEY, mask};
use crate::go::Padding;
use crate::secret::Secret;

/// The credential that docker uses for `image`, from its only `config.json`.
///
/// `variable` is `DOCKER_AUTH_CONFIG`, which takes precedence over the file.
pub fn docker(image: &Image, file: &CredentialFile, variable: Option<&Secret>) -> LookupResult {
    // docker looks up Docker Hub only by the key that it writes itself.
    let wanted = if image.is_of_hub() { HUB_KEY } else { &image.domain };
    let mut result = in_file(image, file, wanted);
    if let Some(variable) = variable {
        docker_variable::prefer(image, variable, wanted, &mut result);
    }
    result
}

fn in_file(image: &Image, file: &CredentialFile, wanted: &str) -> LookupResult {
    let mut result = LookupResult::default();
    let fault =
        |why: &str| Some(format!("docker cannot load `{}`, shows a warning, and uses no credential: {why}", file.path));
    let bytes = match &file.state {
        PathState::Content(bytes) => bytes,
        PathState::Absent => return result,
        PathState::Unreadable(why) => return LookupResult { fault: fault(&format!("it {why}")), ..result },
        // docker runs as root and can read the file.
        PathState::Forbidden(_) => return LookupResult { hidden: Some(file.path.clone()), ..result },
    };
    let read = consumer_content::docker(bytes.expose());
    // All entries are checked, not only the one for the image, because docker decodes them all when it loads the file.
    let read = read.and_then(|config| match config.auths.iter().find_map(|(key, entry)| Some((key, broken(entry)?))) {
        Some((key, what)) => Err(format!("the `auth` of `{}` is {what}", mask(key))),
        None => Ok(config),
    });
    let config = match read {
        Ok(config) => config,
        Err(why) => return LookupResult { fault: fault(&why), ..result },
    };
    result.unused = similar_entries::in_other_format(bytes, &file.source(), image, config.auths.keys());
    let own = config.cred_helpers.get_key_value(wanted).map(|(key, helper)| (Some(key.clone()), helper));
    let (helper_key, helper) = own.unwrap_or((None, &config.creds_store));
    if !helper.is_empty() {
        let kind = CredentialKind::Helper { helper: helper.clone() };
        result.credentials.push(Candidate { source: file.source(), key: helper_key, kind });
    }
    // docker compares host names only if there is no exact key. The map of docker has no order, so if several keys have
    // the same host name, any of them may be used.
    let exact = config.auths.contains_key(wanted);
    let taken = config.auths.keys().find(|key| if exact { *key == wanted } else { host_name(key) == wanted });
    for (key, entry) in &config.auths {
        let is_taken = taken == Some(key);
        let matches = is_taken || host_name(key) == wanted;
        let reason = match (credential(entry), taken) {
            // With a helper, docker uses no credential of the file, not even if the helper has no credential for the
            // host.
            _ if matches && !helper.is_empty() => UnusedReason::Helper(helper.clone()),
            (Some(kind), _) if is_taken => {
                result.credentials.push(Candidate { source: file.source(), key: Some(key.clone()), kind });
                continue;
            }
            (None, _) if is_taken => UnusedReason::Empty,
            (_, Some(taken)) if matches && exact => UnusedReason::Key(taken.clone()),
            (_, Some(taken)) if matches => UnusedReason::Either(taken.clone()),
            _ if !similar_entries::is_similar(key, image) => continue,
            _ if image.is_of_hub() => UnusedReason::Host(HUB_KEY.to_owned()),
            _ => difference(key, wanted),
        };
        result.unused.push(UnusedEntry { source: file.source(), key: Some(key.clone()), user: user(entry), reason });
    }
    result
}

/// What is wrong with an `auth`. One invalid `auth` makes docker ignore the complete file (`decodeAuth` in
/// cli/config/configfile).
fn broken(entry: &ConsumerEntry) -> Option<&'static str> {
    if entry.text("auth").is_empty() {
        return None;
    }
    match consumer_content::decode(entry.text("auth"), Padding::Required) {
        // docker rejects an empty user, which containers/image and the kubelet accept.
        Ok(Some(login)) if login.user.is_empty() => Some("base64 without a user"),
        Ok(Some(_)) => None,
        Ok(None) => Some("base64 without a colon"),
        Err(what) => Some(what),
    }
}

fn user(entry: &ConsumerEntry) -> Option<String> {
    let login = consumer_content::decode(entry.text("auth"), Padding::Required).ok().flatten();
    let user = login.map_or_else(|| entry.text("username").to_owned(), |login| login.user);
    Some(user).filter(|user| !user.is_empty())
}

fn credential(entry: &ConsumerEntry) -> Option<CredentialKind> {
    let named = user(entry);
    // docker sends the identity token instead of the password if the entry has both.
    if !entry.text("identitytoken").is_empty() {
        return Some(CredentialKind::IdentityToken { user: named.unwrap_or_default() });
    }
    let has_password = !entry.text("auth").is_empty() || !entry.text("password").is_empty();
    (named.is_some() || has_password).then(|| CredentialKind::Login { user: named.unwrap_or_default() })
}

/// The host of a key with its port, if it has one (`ConvertToHostname`).
fn host_name(key: &str) -> String {
    let parsed =
        key.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).and_then(|(_, rest)| address::parse(rest));
    if let Some(address) = parsed {
        let (host, port) = split_port(&address.host);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match (bare, port) {
            // A URL without a host, such as `https:///path`, is cut at its first slash like a key without a scheme.
            ("", _) => {}
            (bare, "") => return bare.to_owned(),
            (bare, port) if bare.contains(':') => return format!("[{bare}]:{port}"),
            (bare, port) => return format!("{bare}:{port}"),
        }
    }
    key.split('/').next().unwrap_or_default().to_owned()
}

/// Whether the text is a URL scheme (RFC 3986, section 3.1).
fn is_scheme(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(known)
}

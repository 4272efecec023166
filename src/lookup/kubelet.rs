//! The kubelet's lookup (k8s.io/kubernetes/pkg/credentialprovider, `BasicDockerKeyring` and `secrets`). It tries all
//! matching credentials of the pod's secrets, and then all matching credentials of the first readable file. In both
//! cases, the longest key is tried first.

use std::collections::BTreeMap;

use super::consumer_content;
use super::{
    Candidate, CredentialFile, CredentialKind, EntrySource, LookupResult, PathState, PodSecret, UnusedEntry,
    UnusedReason, similar_entries,
};
use crate::desired::Image;
use crate::dockerconfig::{Format, address, kubelet_key, mask};
use crate::go::Padding;
use crate::secret::SecretBytes;

/// The key of Docker Hub in a keyring (`defaultRegistryKey`).
const HUB: &str = "index.docker.io";
const CONFIG_TYPE: &str = "kubernetes.io/dockerconfigjson";
const LEGACY_TYPE: &str = "kubernetes.io/dockercfg";

/// Entries by their normalized keys (`BasicDockerKeyring`).
#[derive(Default)]
struct Keyring {
    entries: BTreeMap<String, Vec<Candidate>>,
    /// Entries with a key that cannot be parsed.
    unparsed: Vec<Candidate>,
}

/// The credentials that the kubelet tries for `image`. `secrets` are in the order of the pod's `imagePullSecrets`, and `files`
/// in the order of its search path.
pub fn kubelet(image: &Image, secrets: &[PodSecret], files: &[CredentialFile]) -> LookupResult {
    let mut result = LookupResult::default();
    let mut pod = Keyring::default();
    for secret in secrets {
        add_secret(image, secret, &mut pod, &mut result);
    }
    // The secrets and the file are two separate keyrings: a short key of a secret is tried before a longer key of the
    // file.
    pod.look_up(image, &mut result);
    node(image, files, &mut result);
    // An unreadable secret makes the kubelet fail before it tries any credential.
    if result.fault.is_some() {
        result.credentials.clear();
    }
    result
}

impl Keyring {
    fn add(&mut self, candidate: Candidate) {
        match candidate.key.as_deref().and_then(kubelet_key) {
            // Several spellings have the same normal form. The kubelet keeps all their credentials and tries one after
            // the other.
            Some(key) => self.entries.entry(key).or_default().push(candidate),
            None => self.unparsed.push(candidate),
        }
    }

    /// All matches, in reverse order of the keys (`BasicDockerKeyring.Lookup`). If there are none, the credential of Docker
    /// Hub is used for its images and for images whose registry has neither a dot nor a port (`localhost/app`).
    fn look_up(self, image: &Image, result: &mut LookupResult) {
        // In reverse byte order, a longer key comes before its own prefix, so the most specific credential is tried
        // first.
        let keys = self.entries.keys().rev().cloned();
        let (mut matching, mut others): (Vec<_>, Vec<_>) = keys.partition(|key| matches(key, &image.name));
        if matching.is_empty() && is_default(&image.name) && self.entries.contains_key(HUB) {
            others.retain(|key| key != HUB);
            matching.push(HUB.to_owned());
        }
        let entries_of = |key: &String| self.entries.get(key).into_iter().flatten().cloned();
        result.credentials.extend(matching.iter().flat_map(entries_of));
        for (key, entry) in others.iter().flat_map(|key| entries_of(key).map(move |entry| (key, entry))) {
            let key_as_written = entry.key.as_deref().unwrap_or_default();
            if similar_entries::is_similar(key_as_written, image) {
                let fallback = key == HUB && is_default(&image.name);
                let reason = if fallback { UnusedReason::Fallback } else { difference(key, image) };
                result.unused.push(entry.unused(reason));
            }
        }
        let unparsed = self.unparsed.into_iter();
        let relevant =
            unparsed.filter(|entry| similar_entries::is_similar(entry.key.as_deref().unwrap_or_default(), image));
        result.unused.extend(relevant.map(|entry| entry.unused(UnusedReason::Address)));
    }
}

/// Adds the entries of a secret to the keyring. A missing secret or one of another type is skipped; an unreadable one makes
/// every pull of the pod fail (`MakeDockerKeyring` in pkg/credentialprovider/secrets).
fn add_secret(image: &Image, secret: &PodSecret, keyring: &mut Keyring, result: &mut LookupResult) {
    let source = EntrySource::Secret(secret.name.clone());
    let unused = |reason| UnusedEntry { source: source.clone(), key: None, user: None, reason };
    // The kubelet only records an event for a secret that does not exist, and the pull continues with the others.
    let Some(content) = &secret.content else {
        result.unused.push(unused(UnusedReason::Missing));
        return;
    };
    let (bytes, format) = match content.type_.as_str() {
        CONFIG_TYPE => (&content.config, Format::Config),
        LEGACY_TYPE => (&content.legacy, Format::Legacy),
        other => {
            result.unused.push(unused(UnusedReason::Type(other.to_owned())));
            return;
        }
    };
    // The kubelet skips a secret without the data of its type, whereas it fails for data that cannot be parsed.
    let Some(bytes) = bytes.as_ref().filter(|bytes| !bytes.expose().is_empty()) else {
        result.unused.push(unused(UnusedReason::Corrupt("it has no content".to_owned())));
        return;
    };
    match candidates(bytes, format, &source) {
        Ok(found) => {
            add_ignored(bytes, &source, image, &found, result);
            found.into_iter().for_each(|candidate| keyring.add(candidate));
        }
        Err(why) => {
            let name = &secret.name;
            let fault = format!("secret `{name}` cannot be read, so every pull of the pod fails: {why}");
            // Only the first fault is kept, because the kubelet stops at it. The remaining secrets are still examined
            // for the report.
            result.fault.get_or_insert(fault);
        }
    }
}

/// The entries of one secret that is in the list of a consumer with the kubelet's rules, which keeps their order; none for
/// a secret that it skips.
///
/// # Errors
/// Why the consumer fails because of the secret.
pub(super) fn secret_entries(secret: &PodSecret) -> Result<Vec<Candidate>, String> {
    let Some(content) = &secret.content else { return Ok(Vec::new()) };
    let (bytes, format) = match content.type_.as_str() {
        CONFIG_TYPE => (&content.config, Format::Config),
        LEGACY_TYPE => (&content.legacy, Format::Legacy),
        _ => return Ok(Vec::new()),
    };
    let Some(bytes) = bytes.as_ref().filter(|bytes| !bytes.expose().is_empty()) else { return Ok(Vec::new()) };
    candidates(bytes, format, &EntrySource::Secret(secret.name.clone()))
}

/// Uses the first readable file. Files of the older format are searched last, in whatever directory they are
/// (`ReadDockerConfigFile`).
fn node(image: &Image, files: &[CredentialFile], result: &mut LookupResult) {
    let of = |format| files.iter().filter(move |file| file.format == format);
    let mut used: Option<&CredentialFile> = None;
    for file in of(Format::Config).chain(of(Format::Legacy)) {
        let bytes = match &file.state {
            PathState::Content(bytes) => bytes,
            PathState::Absent => continue,
            PathState::Unreadable(why) => {
                result.unused.push(file.unused(UnusedReason::Unreadable(format!("it {why}"))));
                continue;
            }
            // After the file that is used, a file that cannot be read makes no difference to the result.
            PathState::Forbidden(_) if used.is_some() => continue,
            PathState::Forbidden(_) => {
                result.hidden = Some(file.path.clone());
                return;
            }
        };
        if let Some(used) = used {
            result.unused.extend(similar_entries::similar(
                bytes,
                &file.source(),
                image,
                &UnusedReason::Shadowed(used.path.clone()),
            ));
            continue;
        }
        match candidates(bytes, file.format, &file.source()) {
            Ok(found) => {
                add_ignored(bytes, &file.source(), image, &found, result);
                let mut keyring = Keyring::default();
                found.into_iter().for_each(|candidate| keyring.add(candidate));
                keyring.look_up(image, result);
                // The first file that can be parsed is used even if none of its entries matches. The kubelet does not
                // search further.
                used = Some(file);
            }
            Err(why) => result.unused.push(file.unused(UnusedReason::Corrupt(why))),
        }
    }
}

/// The entries of a file or secret as credentials.
///
/// # Errors
/// Why the kubelet cannot use the content.
fn candidates(bytes: &SecretBytes, format: Format, source: &EntrySource) -> Result<Vec<Candidate>, String> {
    let entries = consumer_content::kubelet(bytes.expose(), format)?.auths;
    let read = entries.into_iter().map(|(key, entry)| {
        let (user, has_password) = match entry.text("auth") {
            // A non-empty `auth` takes precedence, and only without it does the kubelet use `username` and `password`.
            "" => (entry.text("username").to_owned(), !entry.text("password").is_empty()),
            auth => {
                let login = consumer_content::decode(auth, Padding::Optional)
                    .and_then(|login| login.ok_or("base64 without a colon"));
                let login = login.map_err(|what| format!("the `auth` of `{}` is {what}", mask(&key)))?;
                (login.user, !login.password.expose().is_empty())
            }
        };
        let kind =
            // The kubelet sends the empty credential of an entry such as `{}` instead of pulling anonymously, so the
            // entry is not skipped.
            if user.is_empty() && !has_password { CredentialKind::Empty } else { CredentialKind::Login { user } };
        Ok(Candidate { source: source.clone(), key: Some(key), kind })
    });
    read.collect()
}

/// Reports what other consumers use in the file, but the kubelet ignores: entries in the other format, and credential
/// helpers.
fn add_ignored(
    bytes: &SecretBytes,
    source: &EntrySource,
    image: &Image,
    found: &[Candidate],
    result: &mut LookupResult,
) {
    let seen = found.iter().filter_map(|candidate| candidate.key.as_ref());
    result.unused.extend(similar_entries::in_other_format(bytes, source, image, seen));
    result.unused.extend(similar_entries::helpers(bytes, image).into_iter().map(|(key, helper)| {
        let key = Some(key.map_or_else(|| "credsStore".to_owned(), |host| format!("credHelpers[{}]", mask(&host))));
        UnusedEntry { source: source.clone(), key, user: None, reason: UnusedReason::NoHelpers(helper) }
    }));
}

/// Whether a key matches an image (`URLsMatch`): the ports are equal, the host names have the same number of labels,
/// each label matches its pattern, and the path of the image starts with the path of the key.
fn matches(key: &str, image: &str) -> bool {
    let (Some(key), Some(image)) = (address::parse(key), address::parse(image)) else { return false };
    let ((key_host, key_port), (host, port)) = (address::split_port(&key.host), address::split_port(&image.host));
    let same_count = key_host.split('.').count() == host.split('.').count();
    key_port == port
        && same_count
        // The kubelet compares text and not path segments, so `quay.io/foo` also matches `quay.io/foobar/app`.
        && image.path.starts_with(&key.path)
        && key_host.split('.').zip(host.split('.')).all(|(pattern, label)| glob(pattern, label))
}

/// Whether a label matches a pattern. `*` matches any number of characters. The other pattern characters of Go
/// (`filepath.Match`) are not allowed in a host.
fn glob(pattern: &str, label: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == label };
    let Some(mut rest_of_label) = label.strip_prefix(first) else { return false };
    // The text after the last `*` must be at the end of the label, so it is not searched like the parts before it.
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = rest_of_label.find(part) else { return false };
        rest_of_label = &rest_of_label[at + part.len()..];
    }
    rest_of_label.ends_with(last)
}

/// Whether the credential of Docker Hub is used for the image if no other one matches (`isDefaultRegistryMatch`).
fn is_default(image: &str) -> bool {
    match image.split_once('/') {
        None => true,
        Some(("docker.io" | "index.docker.io", _)) => true,
        Some((first, _)) => !first.is_empty() && !first.contains(['.', ':']),
    }
}

/// Why a key does not match an image.
fn difference(key: &str, image: &Image) -> UnusedReason {
    let (Some(key), Some(wanted)) = (address::parse(key), address::parse(&image.name)) else {
        return UnusedReason::Address;
    };
    let ((key_host, key_port), (host, port)) = (address::split_port(&key.host), address::split_port(&wanted.host));
    let labels: Vec<_> = key_host.split('.').zip(host.split('.')).collect();
    let same_count = key_host.split('.').count() == host.split('.').count();
    if key_host.contains('*') && !same_count {
        UnusedReason::Labels
    } else if !same_count || !labels.iter().all(|(pattern, label)| glob(pattern, label)) {
        UnusedReason::Host(host.to_owned())
    } else if key_port != port {
        UnusedReason::Port
    } else {
        UnusedReason::Path
    }
}

impl Candidate {
    /// Converts the entry to one that is not used, for this reason.
    pub(super) fn unused(self, reason: UnusedReason) -> UnusedEntry {
        let user = match self.kind {
            CredentialKind::Login { user } | CredentialKind::IdentityToken { user } => Some(user),
            CredentialKind::Empty | CredentialKind::Helper { .. } | CredentialKind::GlobalHelper { .. } => None,
        };
        UnusedEntry { source: self.source, key: self.key, user, reason }
    }
}

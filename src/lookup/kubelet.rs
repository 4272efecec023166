//! The kubelet's lookup (k8s.io/kubernetes/pkg/credentialprovider, `BasicDockerKeyring` and `secrets`): every matching
//! credential of the pod's secrets, then of the first file that it can read, the longest key first.

use std::collections::BTreeMap;

use super::content::{self, Padding, text};
use super::{Answer, Candidate, File, Image, Kind, PullSecret, Source, State, Unused, Why, near};
use crate::dockerconfig::{Format, address, kubelet_key, mask};
use crate::secret::SecretBytes;

/// The key that Docker Hub's credential has in a keyring.
const HUB: &str = "index.docker.io";
const CONFIG_TYPE: &str = "kubernetes.io/dockerconfigjson";
const LEGACY_TYPE: &str = "kubernetes.io/dockercfg";

/// Entries by what the kubelet makes of their keys.
#[derive(Default)]
struct Keyring {
    entries: BTreeMap<String, Vec<Candidate>>,
    unparsed: Vec<Candidate>,
}

/// What the kubelet tries for `image`: `secrets` in the order of the pod's `imagePullSecrets`, and the `files` in the
/// order of its search path.
pub fn kubelet(image: &Image, secrets: &[PullSecret], files: &[File]) -> Answer {
    let mut answer = Answer::default();
    let mut pod = Keyring::default();
    for secret in secrets {
        add_secret(image, secret, &mut pod, &mut answer);
    }
    pod.look_up(image, &mut answer);
    node(image, files, &mut answer);
    if answer.fault.is_some() {
        answer.credentials.clear();
    }
    answer
}

impl Keyring {
    fn add(&mut self, candidate: Candidate) {
        match candidate.key.as_deref().and_then(kubelet_key) {
            Some(key) => self.entries.entry(key).or_default().push(candidate),
            None => self.unparsed.push(candidate),
        }
    }

    /// Every match, in reverse order of the keys; without any, the one for Docker Hub, which the kubelet also takes
    /// for a registry whose name has neither dot nor port (`localhost/app`).
    fn look_up(self, image: &Image, answer: &mut Answer) {
        let keys = self.entries.keys().rev().cloned();
        let (mut matching, mut others): (Vec<_>, Vec<_>) = keys.partition(|key| matches(key, &image.name));
        if matching.is_empty() && is_default(&image.name) && self.entries.contains_key(HUB) {
            others.retain(|key| key != HUB);
            matching.push(HUB.to_owned());
        }
        let take = |key: &String| self.entries.get(key).into_iter().flatten().cloned();
        answer.credentials.extend(matching.iter().flat_map(take));
        for (key, entry) in others.iter().flat_map(|key| take(key).map(move |entry| (key, entry))) {
            let written = entry.key.as_deref().unwrap_or_default();
            if near::is_near(written, image) {
                let fallback = key == HUB && is_default(&image.name);
                let why = if fallback { Why::Fallback } else { difference(key, image) };
                answer.unused.push(entry.unused(why));
            }
        }
        let unparsed = self.unparsed.into_iter();
        let relevant = unparsed.filter(|entry| near::is_near(entry.key.as_deref().unwrap_or_default(), image));
        answer.unused.extend(relevant.map(|entry| entry.unused(Why::Address)));
    }
}

/// One that does not exist or is of another type is passed over; one that cannot be read fails every pull of the pod.
fn add_secret(image: &Image, secret: &PullSecret, keyring: &mut Keyring, answer: &mut Answer) {
    let source = Source::Secret(secret.name.clone());
    let unused = |why| Unused { source: source.clone(), key: None, user: None, why };
    let Some(content) = &secret.content else {
        answer.unused.push(unused(Why::Missing));
        return;
    };
    let (bytes, format) = match content.type_.as_str() {
        CONFIG_TYPE => (&content.config, Format::Config),
        LEGACY_TYPE => (&content.legacy, Format::Legacy),
        other => {
            answer.unused.push(unused(Why::Type(other.to_owned())));
            return;
        }
    };
    let Some(bytes) = bytes.as_ref().filter(|bytes| !bytes.expose().is_empty()) else {
        answer.unused.push(unused(Why::Spoilt("it has no content".to_owned())));
        return;
    };
    match candidates(bytes, format, &source) {
        Ok(found) => {
            unseen(bytes, &source, image, &found, answer);
            found.into_iter().for_each(|candidate| keyring.add(candidate));
        }
        Err(why) => {
            let name = &secret.name;
            let fault = format!("secret `{name}` cannot be read, so that no pull of the pod succeeds: {why}");
            answer.fault.get_or_insert(fault);
        }
    }
}

/// The first file that can be read; files of the older format come last, wherever they lie.
fn node(image: &Image, files: &[File], answer: &mut Answer) {
    let of = |format| files.iter().filter(move |file| file.format == format);
    let mut used: Option<&File> = None;
    for file in of(Format::Config).chain(of(Format::Legacy)) {
        let bytes = match &file.state {
            State::Content(bytes) => bytes,
            State::Absent => continue,
            State::Unreadable(why) => {
                answer.unused.push(file.unused(Why::Spoilt(why.clone())));
                continue;
            }
            State::Forbidden(_) if used.is_some() => continue,
            State::Forbidden(_) => {
                answer.hidden = Some(file.path.clone());
                return;
            }
        };
        if let Some(used) = used {
            answer.unused.extend(near::all(bytes, &file.source(), image, &Why::Shadowed(used.path.clone())));
            continue;
        }
        match candidates(bytes, file.format, &file.source()) {
            Ok(found) => {
                unseen(bytes, &file.source(), image, &found, answer);
                let mut keyring = Keyring::default();
                found.into_iter().for_each(|candidate| keyring.add(candidate));
                keyring.look_up(image, answer);
                used = Some(file);
            }
            Err(why) => answer.unused.push(file.unused(Why::Spoilt(why))),
        }
    }
}

/// The entries of a file as credentials.
fn candidates(bytes: &SecretBytes, format: Format, source: &Source) -> Result<Vec<Candidate>, String> {
    let entries = content::kubelet(bytes.expose(), format)?;
    let read = entries.into_iter().map(|(key, entry)| {
        let (user, has_password) = match text(&entry.auth) {
            "" => (text(&entry.username).to_owned(), !text(&entry.password).is_empty()),
            auth => {
                let login = content::decode(auth, Padding::Optional).and_then(|login| login.ok_or("without a colon"));
                let login = login.map_err(|what| format!("the `auth` of `{}` is {what}", mask(&key)))?;
                (login.user, !login.password.expose().is_empty())
            }
        };
        let kind = if user.is_empty() && !has_password { Kind::Empty } else { Kind::Login { user } };
        Ok(Candidate { source: source.clone(), key: Some(key), kind })
    });
    read.collect()
}

/// What others see in the file: entries in the other format, and helpers.
fn unseen(bytes: &SecretBytes, source: &Source, image: &Image, found: &[Candidate], answer: &mut Answer) {
    let seen = found.iter().filter_map(|candidate| candidate.key.as_ref());
    answer.unused.extend(near::unseen(bytes, source, image, seen));
    answer.unused.extend(near::helpers(bytes, image).into_iter().map(|(key, helper)| {
        let key = Some(key.map_or_else(|| "credsStore".to_owned(), |host| format!("credHelpers[{}]", mask(&host))));
        Unused { source: source.clone(), key, user: None, why: Why::NoHelpers(helper) }
    }));
}

/// `URLsMatch`: equal ports, as many labels, each of them matched by its pattern, and the path as a plain prefix.
fn matches(key: &str, image: &str) -> bool {
    let (Some(key), Some(image)) = (address::parse(key), address::parse(image)) else { return false };
    let ((key_host, key_port), (host, port)) = (address::split_port(&key.host), address::split_port(&image.host));
    let same_number = key_host.split('.').count() == host.split('.').count();
    key_port == port
        && same_number
        && image.path.starts_with(&key.path)
        && key_host.split('.').zip(host.split('.')).all(|(pattern, label)| glob(pattern, label))
}

/// `*` is any number of characters; what else Go's patterns have cannot stand in a host.
fn glob(pattern: &str, label: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == label };
    let Some(mut behind) = label.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = behind.find(part) else { return false };
        behind = &behind[at + part.len()..];
    }
    behind.ends_with(last)
}

/// Whether Docker Hub's credential is tried where nothing else matches.
fn is_default(image: &str) -> bool {
    match image.split_once('/') {
        None => true,
        Some(("docker.io" | "index.docker.io", _)) => true,
        Some((first, _)) => !first.is_empty() && !first.contains(['.', ':']),
    }
}

/// Why the kubelet does not take a key.
fn difference(key: &str, image: &Image) -> Why {
    let (Some(key), Some(wanted)) = (address::parse(key), address::parse(&image.name)) else { return Why::Address };
    let ((key_host, key_port), (host, port)) = (address::split_port(&key.host), address::split_port(&wanted.host));
    let labels: Vec<_> = key_host.split('.').zip(host.split('.')).collect();
    let same_number = key_host.split('.').count() == host.split('.').count();
    if key_host.contains('*') && !same_number {
        Why::Labels
    } else if !same_number || !labels.iter().all(|(pattern, label)| glob(pattern, label)) {
        Why::Host(host.to_owned())
    } else if key_port != port {
        Why::Port
    } else {
        Why::Path
    }
}

impl Candidate {
    /// The entry, not used after all.
    pub(super) fn unused(self, why: Why) -> Unused {
        let user = match self.kind {
            Kind::Login { user } | Kind::IdentityToken { user } => Some(user),
            Kind::Empty | Kind::Helper { .. } | Kind::GlobalHelper { .. } => None,
        };
        Unused { source: self.source, key: self.key, user, why }
    }
}

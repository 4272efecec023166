//! The lookup of containers/image (go.podman.io/image/v5/pkg/docker/config, `GetCredentialsForRef`): file after file,
//! in each the helper of the host, else one entry; the first file that has anything decides.

use super::content::{self, Config, ContainersEntry, Padding, text};
use super::{Answer, Candidate, File, Format, Image, Kind, State, Unused, Why, near};
use crate::dockerconfig::mask;

/// What CRI-O, podman and skopeo use for `image`, with `files` in the order of their search path. What
/// `credential-helpers` of registries.conf adds is not known here.
pub fn containers(image: &Image, files: &[File]) -> Answer {
    let mut answer = Answer::default();
    if !image.is_of_containers() {
        let fault =
            format!("`{}` is no image name for it: a host has a dot or a port, and is no IPv6 address", image.name);
        return Answer { fault: Some(fault), ..answer };
    }
    for file in files {
        let State::Content(bytes) = &file.state else {
            if let (State::Unreadable(why), true) = (&file.state, is_open(&answer)) {
                answer.fault = Some(format!("`{}` cannot be read, and the lookup ends: {why}", file.path));
            }
            continue;
        };
        if let Some(used) = answer.credentials.first().map(|used| used.source.name().to_owned()) {
            answer.unused.extend(near::all(bytes, &file.source(), image, &Why::Shadowed(used)));
            continue;
        }
        if answer.fault.is_some() {
            continue;
        }
        match content::containers(bytes.expose(), file.format) {
            Ok(config) => {
                answer.unused.extend(near::unseen(bytes, &file.source(), image, config.auths.keys()));
                in_file(image, file, config, &mut answer);
            }
            Err(why) => {
                answer.fault = Some(format!("`{}` cannot be read, and the lookup ends: {why}", file.path));
            }
        }
    }
    answer
}

/// Whether nothing was decided yet.
fn is_open(answer: &Answer) -> bool {
    answer.credentials.is_empty() && answer.fault.is_none()
}

fn in_file(image: &Image, file: &File, config: Config<ContainersEntry>, answer: &mut Answer) {
    let registry = image.name.split('/').next().unwrap_or_default();
    let helper = config.cred_helpers.get(registry);
    if let Some(helper) = helper {
        let kind = Kind::Helper { helper: helper.clone() };
        answer.credentials.push(Candidate { source: file.source(), key: Some(registry.to_owned()), kind });
    }
    let order = order(image, registry, file.format, &config);
    for (key, entry) in &config.auths {
        let at = order.iter().position(|(known, _)| known == key);
        let why = match (at, helper) {
            (Some(_), Some(helper)) => Why::Helper(helper.clone()),
            (Some(0), None) => match credential(entry) {
                Ok(Some(kind)) => {
                    answer.credentials.push(Candidate { source: file.source(), key: Some(key.clone()), kind });
                    continue;
                }
                Ok(None) => nothing(entry),
                Err(what) => {
                    let path = &file.path;
                    answer.fault =
                        Some(format!("the `auth` of `{}` in `{path}` is {what}, and the lookup ends", mask(key)));
                    continue;
                }
            },
            // Even one that gives nothing keeps the file's other entries from being tried.
            (Some(at), None) if order[at].1 == Match::Normalized && order[0].1 == Match::Normalized => {
                Why::Either(order[0].0.clone())
            }
            (Some(_), None) => Why::Key(order[0].0.clone()),
            (None, _) if near::is_near(key, image) => difference(key, registry),
            (None, _) => continue,
        };
        answer.unused.push(Unused { source: file.source(), key: Some(key.clone()), user: user(entry), why });
    }
}

/// How a key matches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    /// To the letter.
    Exact,
    /// After schemes are cut off and the spellings of Docker Hub are made one. The order among these is random.
    Normalized,
}

/// The keys of the file that match, the one that is taken first.
fn order(image: &Image, registry: &str, format: Format, config: &Config<ContainersEntry>) -> Vec<(String, Match)> {
    let present = |key: &&str| config.auths.contains_key(*key);
    let mut found: Vec<(String, Match)> = match format {
        Format::Config => above(&image.name).filter(present).map(|key| (key.to_owned(), Match::Exact)).collect(),
        Format::Legacy => {
            Some(registry).filter(present).map(|key| (key.to_owned(), Match::Exact)).into_iter().collect()
        }
    };
    for key in config.auths.keys() {
        let same = normalize_key(key, format) == normalize(registry);
        if same && found.iter().all(|(known, _)| known != key) {
            found.push((key.clone(), Match::Normalized));
        }
    }
    found
}

/// The name itself and every namespace above it, down to the host.
fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.rsplit_once('/').map(|(above, _)| above))
}

fn normalize_key(key: &str, format: Format) -> &str {
    let bare = key.strip_prefix("http://").unwrap_or(key);
    let bare = bare.strip_prefix("https://").unwrap_or(bare);
    let cut = format == Format::Legacy || bare.len() != key.len();
    normalize(if cut { bare.split('/').next().unwrap_or_default() } else { bare })
}

fn normalize(registry: &str) -> &str {
    match registry {
        "registry-1.docker.io" | "docker.io" => "index.docker.io",
        other => other,
    }
}

/// What an entry gives: `None` where it is as if the file had none.
fn credential(entry: &ContainersEntry) -> Result<Option<Kind>, &'static str> {
    let Some(login) = content::decode(text(&entry.auth), Padding::Required)? else { return Ok(None) };
    let (user, token) = (login.user, !text(&entry.identitytoken).is_empty());
    let has_password = !login.password.expose().trim_matches('\0').is_empty();
    Ok(match (token, user.is_empty() && !has_password) {
        (true, _) => Some(Kind::IdentityToken { user }),
        (false, false) => Some(Kind::Login { user }),
        (false, true) => None,
    })
}

/// Why an entry gives nothing.
fn nothing(entry: &ContainersEntry) -> Why {
    match text(&entry.auth) {
        "" => Why::NoAuth,
        auth => match content::decode(auth, Padding::Required) {
            Ok(Some(_)) => Why::Empty,
            Ok(None) => Why::Undecodable("without a colon"),
            Err(what) => Why::Undecodable(what),
        },
    }
}

fn user(entry: &ContainersEntry) -> Option<String> {
    let login = content::decode(text(&entry.auth), Padding::Required).ok()??;
    Some(login.user)
}

/// Why a key is none of those that are looked for.
pub(super) fn difference(key: &str, registry: &str) -> Why {
    let bare = near::without_scheme(key);
    let host = bare.split('/').next().unwrap_or_default();
    let ports = [host, registry].map(super::address::split_port);
    if host.contains('*') {
        Why::Pattern
    } else if host == registry {
        Why::Path
    } else if ports[0].0 == ports[1].0 {
        Why::Port
    } else {
        Why::Host(registry.to_owned())
    }
}

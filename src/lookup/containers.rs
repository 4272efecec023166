//! The lookup of containers/image (go.podman.io/image/v5/pkg/docker/config, `GetCredentialsForRef`): file after file,
//! in each the helper of the host, else one entry; the first file that has anything decides. Helpers that registries.conf
//! names for every registry are asked before or behind the files.

use super::content::{self, Config, ContainersEntry, Padding, text};
use super::registries::{FILES, Helpers};
use super::{Answer, Candidate, File, Image, Kind, Source, State, Unused, Why, near};
use crate::dockerconfig::address::split_port;
use crate::dockerconfig::{Match, mask, matching_keys};

/// What CRI-O, podman and skopeo use for `image`, with `files` in the order of their search path.
pub fn containers(image: &Image, files: &[File]) -> Answer {
    let mut answer = Answer::default();
    if !image.is_valid_for_containers() {
        let fault = format!(
            "`{}` is not a valid image name for it: a host has a dot or a port, and is not an IPv6 address",
            image.name
        );
        return Answer { fault: Some(fault), ..answer };
    }
    for file in files {
        let State::Content(bytes) = &file.state else {
            match &file.state {
                State::Unreadable(why) if is_open(&answer) => {
                    answer.fault = Some(format!("`{}` cannot be read, and the lookup ends: {why}", file.path));
                }
                State::Forbidden(_) if is_open(&answer) => answer.hidden = Some(file.path.clone()),
                _ => {}
            }
            continue;
        };
        if let Some(used) = answer.credentials.first().map(|used| used.source.name().to_owned()) {
            answer.unused.extend(near::all(bytes, &file.source(), image, &Why::Shadowed(used)));
            continue;
        }
        if answer.fault.is_some() || answer.hidden.is_some() {
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

/// The same where registries.conf names helpers: the first of them that has something decides, and the files are one.
pub fn helped(image: &Image, files: &[File], helpers: &Helpers) -> Answer {
    if !image.is_valid_for_containers() {
        return containers(image, files);
    }
    let mut answer = match helpers.names.iter().any(|name| name == FILES) {
        true => containers(image, files),
        false => without_files(image, files, &helpers.file),
    };
    let found = std::mem::take(&mut answer.credentials);
    for name in &helpers.names {
        if name != FILES {
            let kind = Kind::GlobalHelper { helper: name.clone() };
            answer.credentials.push(Candidate { source: Source::File(helpers.file.clone()), key: None, kind });
        } else if !found.is_empty() {
            answer.credentials.extend(found);
            break;
        }
    }
    answer
}

/// What the files have, none of which is looked at since `conf` says so.
fn without_files(image: &Image, files: &[File], conf: &str) -> Answer {
    let content = files.iter().filter_map(|file| match &file.state {
        State::Content(bytes) => Some((bytes, file.source())),
        State::Absent | State::Unreadable(_) | State::Forbidden(_) => None,
    });
    let why = Why::NoFiles(conf.to_owned());
    let unused = content.flat_map(|(bytes, source)| near::all(bytes, &source, image, &why)).collect();
    Answer { unused, ..Answer::default() }
}

/// Whether nothing was decided yet.
fn is_open(answer: &Answer) -> bool {
    answer.credentials.is_empty() && answer.fault.is_none() && answer.hidden.is_none()
}

fn in_file(image: &Image, file: &File, config: Config<ContainersEntry>, answer: &mut Answer) {
    let registry = image.name.split('/').next().unwrap_or_default();
    let helper = config.cred_helpers.get(registry);
    if let Some(helper) = helper {
        let kind = Kind::Helper { helper: helper.clone() };
        answer.credentials.push(Candidate { source: file.source(), key: Some(registry.to_owned()), kind });
    }
    let order = matching_keys(config.auths.keys().map(String::as_str), &image.name, file.format);
    for (key, entry) in &config.auths {
        let at = order.iter().position(|(known, _)| *known == key);
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
            (Some(_), None) if order[0].1 == Match::Normalized => Why::Either(order[0].0.to_owned()),
            (Some(_), None) => Why::Key(order[0].0.to_owned()),
            (None, _) if near::is_near(key, image) => difference(key, registry),
            (None, _) => continue,
        };
        answer.unused.push(Unused { source: file.source(), key: Some(key.clone()), user: user(entry), why });
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
    let ports = [host, registry].map(split_port);
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

//! Entries that look as if they were for an image, whether a consumer takes them or not: what somebody who reads the
//! file would expect to be used.

use super::{Image, Source, Unused, Why};
use crate::dockerconfig::{self, address::split_port};
use crate::secret::SecretBytes;

/// Whether a key names the host of the image in any spelling, or a pattern for it, and no path that is clearly another.
pub(super) fn is_near(key: &str, image: &Image) -> bool {
    let bare = without_scheme(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let (wanted_host, wanted_path) = image.name.split_once('/').unwrap_or((&image.name, ""));
    is_near_host(host, wanted_host, image) && is_near_path(path, wanted_path)
}

/// The key without `https://`, `http://` or any other scheme.
pub(super) fn without_scheme(key: &str) -> &str {
    key.split_once("://").map_or(key, |(_, rest)| rest)
}

fn is_near_host(host: &str, wanted: &str, image: &Image) -> bool {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let (host, wanted) = (split_port(host).0.to_ascii_lowercase(), split_port(wanted).0.to_ascii_lowercase());
    match host.rsplit_once('*') {
        Some((_, end)) => end.contains('.') && wanted.ends_with(end.trim_start_matches(|c| c != '.')),
        None => host == wanted || (image.is_of_hub() && dockerconfig::is_hub(&host)),
    }
}

fn is_near_path(path: &str, wanted: &str) -> bool {
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    let versionless = ["v1", "v2"].into_iter().find_map(|version| path.strip_prefix(version));
    let path = versionless.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(&path).trim_matches('/');
    wanted.starts_with(path) || path.split('/').next() == wanted.split('/').next()
}

/// Every near entry of the content, none of which is used for the one reason.
pub(super) fn all(bytes: &SecretBytes, source: &Source, image: &Image, why: &Why) -> Vec<Unused> {
    let entries = dockerconfig::read(bytes.expose()).map(|file| file.entries).unwrap_or_default();
    let near = entries.into_iter().filter(|entry| is_near(&entry.key, image));
    let unused = near.map(|entry| Unused {
        source: source.clone(),
        user: entry.login().map(|login| login.user),
        key: Some(entry.key),
        why: why.clone(),
    });
    unused.collect()
}

/// Near entries that are none for a reader who sees the keys `seen` alone.
pub(super) fn unseen<'a>(
    bytes: &SecretBytes,
    source: &Source,
    image: &Image,
    seen: impl Iterator<Item = &'a String> + Clone,
) -> Vec<Unused> {
    let mut found = all(bytes, source, image, &Why::Format);
    found.retain(|entry| seen.clone().all(|key| Some(key) != entry.key.as_ref()));
    found
}

/// The helpers that docker or containers/image would ask for the image: the key of `credHelpers`, and the suffix.
pub(super) fn helpers(bytes: &SecretBytes, image: &Image) -> Vec<(Option<String>, String)> {
    let Ok(file) = dockerconfig::read(bytes.expose()) else { return Vec::new() };
    let near = file.cred_helpers.into_iter().filter(|(host, helper)| !helper.is_empty() && is_near(host, image));
    near.map(|(host, helper)| (Some(host), helper)).chain(file.creds_store.map(|helper| (None, helper))).collect()
}

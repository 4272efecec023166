//! Entries that a user would expect to be used for an image, because their key is similar to the name of the image.
//! `explain` shows them if they are not used, and why.

use super::{EntrySource, UnusedEntry, UnusedReason};
use crate::desired::Image;
use crate::dockerconfig::{self, address::split_port};
use crate::secret::SecretBytes;

/// Whether a key has the host of the image in any spelling, or a pattern for it, and a path that may be meant for the
/// image.
pub(super) fn is_similar(key: &str, image: &Image) -> bool {
    let bare = without_scheme(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let (image_host, image_path) = image.name.split_once('/').unwrap_or((&image.name, ""));
    is_similar_host(host, image_host, image) && is_similar_path(path, image_path)
}

/// The key without `https://`, `http://` or any other scheme.
pub(super) fn without_scheme(key: &str) -> &str {
    key.split_once("://").map_or(key, |(_, rest)| rest)
}

fn is_similar_host(host: &str, image_host: &str, image: &Image) -> bool {
    // The kubelet drops a user in front of the host, so a key such as `user@host` may be meant for the image, too.
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let (host, image_host) = (split_port(host).0.to_ascii_lowercase(), split_port(image_host).0.to_ascii_lowercase());
    match host.rsplit_once('*') {
        // Only the fixed end of a pattern is compared, because a user may not know that `*` does not match a dot.
        Some((_, end)) => end.contains('.') && image_host.ends_with(end.trim_start_matches(|c| c != '.')),
        // Docker Hub has three names, and the one in the key often differs from the one in image names.
        None => host == image_host || (image.is_of_hub() && dockerconfig::is_hub(&host)),
    }
}

fn is_similar_path(path: &str, image_path: &str) -> bool {
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    // Keys that `docker login` wrote end with the version of the API, which image names do not contain.
    let versionless = ["v1", "v2"].into_iter().find_map(|version| path.strip_prefix(version));
    let path = versionless.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(&path).trim_matches('/');
    image_path.starts_with(path) || path.split('/').next() == image_path.split('/').next()
}

/// All similar entries of the content, marked as unused for the same reason.
pub(super) fn similar(
    bytes: &SecretBytes,
    source: &EntrySource,
    image: &Image,
    reason: &UnusedReason,
) -> Vec<UnusedEntry> {
    // This parser accepts both formats, so it also finds entries that the consumer does not see. A file that even this
    // parser rejects has no entries to report.
    let entries = dockerconfig::read(bytes.expose()).map(|file| file.entries).unwrap_or_default();
    let similar = entries.into_iter().filter(|entry| is_similar(&entry.key, image));
    let unused = similar.map(|entry| UnusedEntry {
        source: source.clone(),
        user: entry.login().map(|login| login.user),
        key: Some(entry.key),
        reason: reason.clone(),
    });
    unused.collect()
}

/// The similar entries that a consumer does not find, because it reads the file in a different format. It finds only
/// `keys`.
pub(super) fn in_other_format<'a>(
    bytes: &SecretBytes,
    source: &EntrySource,
    image: &Image,
    keys: impl Iterator<Item = &'a String> + Clone,
) -> Vec<UnusedEntry> {
    let mut unused = similar(bytes, source, image, &UnusedReason::Format);
    unused.retain(|entry| keys.clone().all(|key| Some(key) != entry.key.as_ref()));
    unused
}

/// The credential helpers that docker or containers/image would use for the image: the key in `credHelpers` and the
/// suffix of the helper's program name.
pub(super) fn helpers(bytes: &SecretBytes, image: &Image) -> Vec<(Option<String>, String)> {
    let Ok(file) = dockerconfig::read(bytes.expose()) else { return Vec::new() };
    let of_host = file.cred_helpers.into_iter().filter(|(host, helper)| !helper.is_empty() && is_similar(host, image));
    of_host.map(|(host, helper)| (Some(host), helper)).chain(file.creds_store.map(|helper| (None, helper))).collect()
}

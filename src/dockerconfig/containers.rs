//! Which keys of a file match an image in containers/image, and in which order they are used (`findCredentialsInFile`
//! of go.podman.io/image/v5/pkg/docker/config).

use super::keys::is_hub;
use super::{AuthFile, Entry, Format};

/// How a key matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The key is equal to the name of the image or of one of its parent namespaces.
    Exact,
    /// The keys are equal after schemes are removed and all names of Docker Hub are replaced by one name. If several
    /// keys match like this, containers/image uses a random one.
    Normalized,
}

/// The keys that match `name` (`host[:port][/path]`), in the order in which they are used.
pub fn matching_keys<'a>(
    keys: impl Iterator<Item = &'a str> + Clone,
    name: &str,
    format: Format,
) -> Vec<(&'a str, Match)> {
    let registry = name.split('/').next().unwrap_or_default();
    // In a `.dockercfg`, containers/image does not search for namespaces.
    let start = match format {
        Format::Config => name,
        Format::Legacy => registry,
    };
    let above = std::iter::successors(Some(start), |name| Some(name.rsplit_once('/')?.0));
    let mut found: Vec<_> =
        // Exact keys come first, from the longest to the host, because the search ends at the first one of them.
        above.filter_map(|wanted| keys.clone().find(|key| *key == wanted)).map(|key| (key, Match::Exact)).collect();
    for key in keys.filter(|key| same_host(without_path(key, format), registry)) {
        if found.iter().all(|(known, _)| *known != key) {
            found.push((key, Match::Normalized));
        }
    }
    found
}

impl AuthFile {
    /// The entry that containers/image uses for `host[:port][/path]`. A `.dockercfg` is treated like a `config.json`, because
    /// its keys may have paths, too.
    pub fn entry_for(&self, host: &str) -> Option<&Entry> {
        let keys = self.entries.iter().map(|entry| entry.key.as_str());
        let (key, _) = *matching_keys(keys, host, Format::Config).first()?;
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// A key without its scheme. In a `.dockercfg`, the path is removed too.
fn without_path(key: &str, format: Format) -> &str {
    // The two schemes are removed one after the other, as in containers/image, which also removes both from a key that
    // has both.
    let bare = key.strip_prefix("http://").unwrap_or(key);
    let bare = bare.strip_prefix("https://").unwrap_or(bare);
    // A path is removed only from keys with a scheme, such as the `/v1/` of Docker Hub. In other keys it is a
    // namespace.
    let cut = format == Format::Legacy || bare.len() != key.len();
    if cut { bare.split('/').next().unwrap_or_default() } else { bare }
}

fn same_host(one: &str, other: &str) -> bool {
    one == other || (is_hub(one) && is_hub(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_key_comes_first_and_other_spellings_last() {
        let found = |keys: &[&'static str], name: &str, format| {
            let found = matching_keys(keys.iter().copied(), name, format);
            found.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        for (keys, name, expected) in [
            (&["quay.io", "quay.io/team"][..], "quay.io/team", &["quay.io/team", "quay.io"][..]),
            (&["quay.io", "quay.io/te"], "quay.io/team", &["quay.io"]),
            (&["quay.io/team"], "quay.io", &[]),
            (&["https://quay.io/v1/"], "quay.io", &["https://quay.io/v1/"]),
            (&["http://quay.io", "quay.io"], "quay.io", &["quay.io", "http://quay.io"]),
            (&["https://index.docker.io/v1/"], "docker.io", &["https://index.docker.io/v1/"]),
            (&["docker.io"], "registry-1.docker.io", &["docker.io"]),
            (&["quay.io/v1/"], "quay.io", &[]),
            (&["quay.io:443"], "quay.io", &[]),
        ] {
            assert_eq!(found(keys, name, Format::Config), expected, "{name} in {keys:?}");
        }
        assert_eq!(found(&["quay.io/v1/", "quay.io"], "quay.io/team", Format::Legacy), ["quay.io", "quay.io/v1/"]);
    }
}

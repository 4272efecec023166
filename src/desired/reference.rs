//! Image references: the grammar of distribution/reference, and Docker's rule of which registry a name means. The
//! crate that knows it, too, compiles a regular expression for 50 ms when first asked; the tests hold this against it.

use std::str::FromStr;

use super::images::{DOCKER_HUB, split_host};

/// The longest repository name there is.
const REPOSITORY_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;
/// The digests that are in use, with the length of their hexadecimal form.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// An image name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// `host[:port]`; `docker.io` where the name has none.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name within the registry; on Docker Hub a single word is below `library/`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if there is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if there is one, such as `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

impl FromStr for Reference {
    /// The rule that is broken.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        let last = named.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match named[last..].split_once(':') {
            Some((word, tag)) => (&named[..last + word.len()], Some(tag)),
            None => (named, None),
        };
        if name.is_empty() {
            return Err("repository name must have at least one component".to_owned());
        }
        if !is_name(name) || tag.is_some_and(|tag| !is_tag(tag)) {
            return Err("invalid reference format".to_owned());
        }
        digest.map_or(Ok(()), check_digest)?;
        let (registry, repository) = split(name);
        if repository.len() > REPOSITORY_LIMIT {
            return Err(format!("repository name must not be more than {REPOSITORY_LIMIT} characters"));
        }
        Ok(Self { registry, repository, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }
}

/// Registry and repository, in the spelling that Docker Hub's own tools use.
fn split(name: &str) -> (String, String) {
    // A name that is only a host is a repository here.
    let (host, rest) = if name.contains('/') { split_host(name) } else { (DOCKER_HUB, name) };
    match host {
        DOCKER_HUB | "index.docker.io" if !rest.contains('/') => (DOCKER_HUB.to_owned(), format!("library/{rest}")),
        DOCKER_HUB | "index.docker.io" => (DOCKER_HUB.to_owned(), rest.to_owned()),
        _ => (host.to_owned(), rest.to_owned()),
    }
}

/// `[host[:port]/]component[/component…]`.
fn is_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((first, rest)) => (is_host(first) || is_component(first)) && rest.split('/').all(is_component),
        None => is_component(name),
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let label = |label: &str| {
        let word = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        word && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(label) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Lower case words and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = text.split(alphanumeric).filter(|between| !between.is_empty());
    let between = |separator: &str| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-');
    text.starts_with(alphanumeric) && text.ends_with(alphanumeric) && separators.all(between)
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(word) && text.len() <= TAG_LIMIT && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

fn check_digest(text: &str) -> Result<(), String> {
    let (algorithm, hex) = text.split_once(':').ok_or("invalid reference format")?;
    if hex.len() < 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("invalid reference format".to_owned());
    }
    match DIGESTS.iter().find(|(known, _)| *known == algorithm) {
        Some((_, length)) if hex.len() == *length => Ok(()),
        Some(_) => Err("invalid checksum digest length".to_owned()),
        None => Err("unsupported digest algorithm".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Both answers, in one form; the crate calls a missing tag `latest`.
    fn held_against_the_crate(text: &str) {
        let expected = oci_distribution::Reference::try_from(text).map(|found| {
            let parts = (found.registry().to_owned(), found.repository().to_owned());
            (parts, found.digest().map(str::to_owned), found.tag().map(str::to_owned))
        });
        let found = text.parse::<Reference>().map(|found| {
            let latest = (found.tag.is_none() && found.digest.is_none()).then(|| "latest".to_owned());
            ((found.registry, found.repository), found.digest, found.tag.or(latest))
        });
        assert_eq!(found.as_ref().ok(), expected.as_ref().ok(), "{text:?}: {found:?}, {expected:?}");
    }

    #[test]
    fn names_as_people_write_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            "busybox",
            "busybox:1",
            "docker.io/busybox",
            "index.docker.io/busybox",
            "docker.io/openshift/origin-pod:v3.11",
            "localhost/app",
            "localhost:5000",
            "localhost:5000/a/b",
            "registry/app",
            "Registry.Example.com:443/a/b/c:v1",
            "Registry/app",
            "quay.io/Team/app",
            "quay.io/a b",
            "quay.io/a__b/c---d/e.f:_tag.x-y",
            "quay.io/a___b",
            "quay.io/a..b",
            "quay.io/a-",
            "quay.io/a:-tag",
            "quay.io/a:",
            "quay.io/",
            "quay.io",
            "quay.io//a",
            "-quay.io/a",
            "quay-.io/a",
            "quay.io:/a",
            "quay.io:x/a",
            "",
            "/",
            "@",
            ":",
            &format!("quay.io/a@{digest}"),
            &format!("quay.io/a:v1@{digest}"),
            &format!("quay.io/a@{digest}0"),
            "quay.io/a@sha256:abc",
            &format!("quay.io/a@md5:{}", "a".repeat(32)),
            &format!("quay.io/a@sha512:{}", "F".repeat(128)),
            &format!("quay.io/{}", "a".repeat(255)),
            &format!("quay.io/{}", "a".repeat(256)),
            &format!("quay.io/a:{}", "t".repeat(128)),
            &format!("quay.io/a:{}", "t".repeat(129)),
        ] {
            held_against_the_crate(text);
        }
    }

    proptest! {
        #[test]
        fn any_name(text in "[aZ0._:/@-]{0,12}") {
            held_against_the_crate(&text);
        }

        #[test]
        fn nearly_a_name(text in "([aQ]{1,3}([.-][a0]{1,2}){0,2}(:[0x]{0,2})?/)?([a0]{1,2}([._]|__|-{1,3}|/){0,2}){1,4}(:[aA._-]{0,3})?(@sha256:(a{64}|a{40}))?") {
            held_against_the_crate(&text);
        }
    }
}

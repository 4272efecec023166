//! Image names, normalized like in all container tools (`ParseNormalizedNamed` of github.com/distribution/reference):
//! `nginx` becomes `docker.io/library/nginx`. This file contains only rules about texts; `resolve` decides with which
//! image a registry is tested.

use crate::dockerconfig::HUB;

/// The maximum length of the path of a repository (`NameTotalLengthMax` of distribution/reference).
pub(super) const REPOSITORY_LIMIT: usize = 255;
/// The maximum length of a tag (`TagRegexp` of distribution/reference).
const TAG_LIMIT: usize = 128;
/// The digest algorithms of the OCI image specification (descriptor.md), with the length of the hexadecimal digest.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// A parsed image name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The host and its port as written. Empty if the first component cannot be a host (`a_b.c/app`).
    pub domain: String,
    /// The host and the path of the repository, without tag and digest.
    pub name: String,
    /// The tag, if the name has one.
    pub tag: Option<String>,
    /// The digest, such as `sha256:…`, if the name has one.
    pub digest: Option<String>,
}

impl Image {
    /// Parses a name with or without tag and digest.
    ///
    /// # Errors
    /// The rule that the name violates.
    pub fn parse(image: &str) -> Result<Self, &'static str> {
        if image.is_empty() {
            return Err("it is empty");
        }
        if image.contains("://") {
            return Err("an image name must not have a scheme");
        }
        // distribution/reference rejects these names, because a command could not distinguish them from image IDs.
        if is_hex(image, 64) {
            return Err("64 hexadecimal digits are an image ID, not a name");
        }
        let (domain, rest) = split_domain(image);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest.to_owned(), Some(digest)),
            None => (rest, None),
        };
        // The digest was removed before, because it contains a colon, too.
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest.as_str(), None),
        };
        if path.chars().any(char::is_uppercase) {
            return Err("the repository must be in lower case");
        }
        if !path.split('/').all(is_component) {
            return Err("the repository has an empty part, or a character that is not allowed");
        }
        if !tag.is_none_or(is_tag) {
            return Err("its tag is not valid");
        }
        if !digest.is_none_or(is_digest) {
            return Err("its digest is not valid");
        }
        let name = format!("{domain}/{path}");
        // A first component such as `a_b.c` contains a dot but is not a host name, so it belongs to the path.
        let (domain, path) = match (is_domain(domain), is_component(domain)) {
            (true, _) => (domain.to_owned(), path),
            (false, true) => (String::new(), name.as_str()),
            (false, false) => return Err("its registry is not a host name with an optional port"),
        };
        if path.len() > REPOSITORY_LIMIT {
            return Err("the repository is longer than 255 characters");
        }
        Ok(Self { domain, name, tag: tag.map(str::to_owned), digest: digest.map(str::to_owned) })
    }

    /// `host[:port]`, and the path of the repository.
    pub fn parts(&self) -> (&str, &str) {
        self.name.split_once('/').unwrap_or((HUB, &self.name))
    }

    /// Whether containers/image also accepts the name. It uses an older version of the grammar, which does not support
    /// IPv6 addresses and does not treat a first component as a host only because it has uppercase letters.
    pub fn is_valid_for_containers(&self) -> bool {
        let is_host = self.domain == "localhost" || self.domain.contains(['.', ':']);
        (self.domain.is_empty() || is_host) && !self.domain.starts_with('[')
    }

    /// Whether the image is on Docker Hub.
    pub fn is_of_hub(&self) -> bool {
        self.domain == HUB
    }
}

/// Splits `name` into the registry host and the rest. The first segment is a host only if it has a dot, a port or an
/// uppercase letter, or is `localhost` (`splitDockerDomain` of distribution/reference). Otherwise, the host is Docker
/// Hub.
pub fn split_host(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (first, rest),
        // In variables of openshift-ansible, a name may end with `:${version}`, and this is not a port.
        None if is_host(name) && !name.contains("${") => (name, ""),
        _ => (HUB, name),
    }
}

/// The full name of an image, as requests and reports use it. A name without tag and digest gets the tag `latest`.
///
/// # Errors
/// The rule that the name violates.
pub fn full_name(host: &str, path: &str) -> Result<String, &'static str> {
    let name = format!("{host}/{path}");
    Image::parse(&name)?;
    let last = name.rsplit('/').next().unwrap_or_default();
    // Only the last part is searched, because the host may have a port.
    if last.contains([':', '@']) { Ok(name) } else { Ok(format!("{name}:latest")) }
}

/// Whether an invalid image name is clearly meant as one, so that a message may quote it. Other texts are not quoted,
/// because `a:b` may be a user and a password.
pub(super) fn may_be_quoted(text: &str) -> bool {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let (path, last) = name.rsplit_once('/').unwrap_or(("", name));
    let (last, tag) = last.split_once(':').map_or((last, None), |(last, tag)| (last, Some(tag)));
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    let is_hash = |digest: &str| {
        let hex = DIGESTS.iter().find_map(|(known, _)| digest.strip_prefix(known)?.strip_prefix(':'));
        hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    is_word(path)
        && is_word(last)
        // Without a path, `name:tag` has the form of a user and a password.
        && tag.is_none_or(|tag| !path.is_empty() && is_tag(tag))
        && digest.is_none_or(is_hash)
}

/// Splits an image name into the registry and the rest (`splitDockerDomain` of distribution/reference). If the first part
/// cannot be a registry, the image is on Docker Hub, where names without a namespace belong to `library`.
fn split_domain(image: &str) -> (&str, String) {
    let Some((first, rest)) = image.split_once('/') else { return (HUB, format!("library/{image}")) };
    let hub = first == HUB || first == "index.docker.io";
    match (hub, is_host(first)) {
        // `index.docker.io` is replaced by `docker.io`, so that both spellings are the same image.
        (true, _) if rest.contains('/') => (HUB, rest.to_owned()),
        (true, _) => (HUB, format!("library/{rest}")),
        (false, true) => (first, rest.to_owned()),
        (false, false) => (HUB, image.to_owned()),
    }
}

/// Whether the first segment of a name is the registry. Its characters are not checked.
pub(super) fn is_host(segment: &str) -> bool {
    segment == "localhost" || segment.contains(['.', ':']) || segment.chars().any(char::is_uppercase)
}

/// Whether a text is a host with an optional port (`DomainRegexp` of distribution/reference).
pub fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        // The last colon of an IPv6 address without a port is inside the brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let address = |inner: &str| !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    port.is_none_or(digits) && inner.map_or_else(|| host.split('.').all(is_label), address)
}

fn is_label(text: &str) -> bool {
    let known = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !text.is_empty() && known && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether a text is a path component: lowercase letters and digits, separated by one period, one or two underscores, or
/// any number of dashes (`pathComponent` in the grammar of distribution/reference).
pub(super) fn is_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|part| !part.is_empty());
    let known = |part: &str| [".", "_", "__"].contains(&part) || part.bytes().all(|byte| byte == b'-');
    is_word(first) && is_word(last) && separators.into_iter().all(known)
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= TAG_LIMIT && text.starts_with(word) && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        DIGESTS.iter().any(|(known, length)| algorithm == *known && is_hex(hex, *length))
    })
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_is_a_host_or_a_namespace() {
        for (name, host, path) in [
            ("registry.example.com/a/b:1", "registry.example.com", "a/b:1"),
            ("registry:5000/a", "registry:5000", "a"),
            ("localhost/a", "localhost", "a"),
            ("openshift/origin-${component}:${version}", HUB, "openshift/origin-${component}:${version}"),
            ("origin-${component}:${version}", HUB, "origin-${component}:${version}"),
            ("registry.example.com", "registry.example.com", ""),
        ] {
            assert_eq!(split_host(name), (host, path), "{name}");
        }
    }

    #[test]
    fn a_name_without_tag_gets_the_tag_latest() {
        assert_eq!(full_name("r.example.com:5000", "a/b").as_deref(), Ok("r.example.com:5000/a/b:latest"));
        assert_eq!(full_name("r.example.com", "a/b:1").as_deref(), Ok("r.example.com/a/b:1"));
        assert!(full_name("r.example.com", "A/b").is_err());
    }

    #[test]
    fn text_that_may_be_a_password_is_not_quoted() {
        assert!(["Team/App:v1", "team/app@sha256:123", "A", "/a//b"].into_iter().all(may_be_quoted));
        assert!(!["me:hunter2", "me:hunter2@r/a", "a@hunter2", "a b", "r/me:hun ter"].into_iter().any(may_be_quoted));
    }

    #[test]
    fn names_are_parsed() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let longest = format!("quay.io/{}:{}", "a".repeat(255), "t".repeat(128));
        for (text, parts, tag, has_digest) in [
            ("busybox", (HUB, "library/busybox"), None, false),
            ("index.docker.io/busybox:1", (HUB, "library/busybox"), Some("1"), false),
            ("registry/app", (HUB, "registry/app"), None, false),
            ("Registry.Example.com:443/a/b:v1", ("Registry.Example.com:443", "a/b"), Some("v1"), false),
            ("[::1]:5000/a", ("[::1]:5000", "a"), None, false),
            ("a_b.c/app", ("a_b.c", "app"), None, false),
            ("quay.io/a__b/c---d/e.f:_tag.x-y", ("quay.io", "a__b/c---d/e.f"), Some("_tag.x-y"), false),
            (&format!("quay.io/a:v1@{digest}"), ("quay.io", "a"), Some("v1"), true),
            (&longest, ("quay.io", &"a".repeat(255)), Some(&"t".repeat(128)), false),
        ] {
            let image = Image::parse(text).unwrap();
            assert_eq!((image.parts(), image.tag.as_deref()), (parts, tag), "{text}");
            assert_eq!(image.digest.is_some(), has_digest, "{text}");
        }
    }

    #[test]
    fn invalid_names_are_rejected() {
        let (hex, name, tag) = ("a".repeat(64), "a".repeat(256), "t".repeat(129));
        for text in [
            "",
            "/",
            "@",
            ":",
            &hex,
            "quay.io/Team/app",
            "quay.io/a b",
            "quay.io/a___b",
            "quay.io/a..b",
            "quay.io/a-",
            "quay.io/a:-tag",
            "quay.io/a:",
            "quay.io/",
            "quay.io//a",
            "-quay.io/a",
            "quay-.io/a",
            "quay.io:/a",
            "quay.io:x/a",
            "quay.io/a@sha256:abc",
            &format!("quay.io/a@sha256:{hex}0"),
            &format!("quay.io/a@md5:{}", "a".repeat(32)),
            &format!("quay.io/a@sha512:{}", "F".repeat(128)),
            &format!("quay.io/{name}"),
            &format!("quay.io/a:{tag}"),
        ] {
            assert!(Image::parse(text).is_err(), "{text}");
        }
    }
}

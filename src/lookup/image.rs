//! Image names as all consumers normalise them (`ParseNormalizedNamed` of github.com/distribution/reference):
//! `nginx` is `docker.io/library/nginx`.

/// An image name in full, without tag and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The host with its port as they are written; empty where the first component cannot be a host (`a_b.c/app`).
    pub domain: String,
    /// Everything: the host, and the path of the repository.
    pub name: String,
}

const HUB: &str = "docker.io";

impl Image {
    /// Reads a name with or without tag and digest.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(image: &str) -> Result<Self, &'static str> {
        if image.is_empty() {
            return Err("it is empty");
        }
        if image.contains("://") {
            return Err("an image name has no scheme");
        }
        if is_hex(image, 64) {
            return Err("64 hexadecimal digits are an image id, not a name");
        }
        let (domain, rest) = split_domain(image);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest.to_owned(), Some(digest)),
            None => (rest, None),
        };
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest.as_str(), None),
        };
        if path.chars().any(char::is_uppercase) {
            return Err("the repository must be lower case");
        }
        if !path.split('/').all(is_component) {
            return Err("the repository has a character or an empty part that it must not have");
        }
        if !tag.is_none_or(is_tag) {
            return Err("its tag is not one");
        }
        if !digest.is_none_or(is_digest) {
            return Err("its digest is not one");
        }
        let name = format!("{domain}/{path}");
        let (domain, path) = match (is_domain(domain), is_component(domain)) {
            (true, _) => (domain.to_owned(), path),
            (false, true) => (String::new(), name.as_str()),
            (false, false) => return Err("its registry is not a host name with an optional port"),
        };
        if path.len() > 255 {
            return Err("the repository is longer than 255 characters");
        }
        Ok(Self { domain, name })
    }

    /// Whether containers/image takes the name, too: its copy of the grammar is older, knows no IPv6 address, and does not
    /// tell a host from a namespace by its upper-case letters.
    pub fn is_of_containers(&self) -> bool {
        let is_host = self.domain == "localhost" || self.domain.contains(['.', ':']);
        (self.domain.is_empty() || is_host) && !self.domain.starts_with('[')
    }

    /// Whether it is an image of Docker Hub.
    pub fn is_of_hub(&self) -> bool {
        self.domain == HUB
    }
}

/// The registry and the rest; a first part that cannot be a registry belongs to a name of Docker Hub.
fn split_domain(image: &str) -> (&str, String) {
    let Some((first, rest)) = image.split_once('/') else { return (HUB, format!("library/{image}")) };
    let hub = first == HUB || first == "index.docker.io";
    let is_host = first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase);
    match (hub, is_host) {
        (true, _) if rest.contains('/') => (HUB, rest.to_owned()),
        (true, _) => (HUB, format!("library/{rest}")),
        (false, true) => (first, rest.to_owned()),
        (false, false) => (HUB, image.to_owned()),
    }
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
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

/// Letters and digits, parted by one period, one or two underscores, or dashes.
fn is_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|part| !part.is_empty());
    let known = |part: &str| [".", "_", "__"].contains(&part) || part.bytes().all(|byte| byte == b'-');
    is_word(first) && is_word(last) && separators.into_iter().all(known)
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128 && text.starts_with(word) && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

fn is_digest(text: &str) -> bool {
    let lengths = [("sha256", 64), ("sha384", 96), ("sha512", 128)];
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        lengths.iter().any(|(known, length)| algorithm == *known && is_hex(hex, *length))
    })
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

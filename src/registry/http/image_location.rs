//! Determines the host that is contacted for an image name, and the path of its manifest.

use crate::desired::{Image, Registry, TestLogin};
use crate::dockerconfig::is_hub;

/// Where the manifest of an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLocation {
    /// `host[:port]` that is contacted.
    pub host: String,
    /// The repository in that registry, such as `openshift3/ose-pod`.
    pub repository: String,
    /// Tag or digest.
    pub version: String,
}

impl ImageLocation {
    /// Reads a full image name.
    ///
    /// # Errors
    /// The rule that the name breaks.
    pub fn parse(image: &str) -> Result<Self, &'static str> {
        let image = Image::parse(image)?;
        let (registry, repository) = image.parts();
        let (host, repository) = (host_of(registry), repository.to_owned());
        // With both a tag and a digest, the digest identifies the image, and the tag is only a note.
        Ok(Self { host, repository, version: image.digest.or(image.tag).unwrap_or_else(|| "latest".to_owned()) })
    }

    /// The path of the manifest in URLs of the registry.
    pub fn manifest_path(&self) -> String {
        format!("/v2/{}/manifests/{}", self.repository, self.version)
    }

    /// The token scope that permits pulling the image and nothing else.
    pub fn pull_scope(&self) -> String {
        format!("repository:{}:pull", self.repository)
    }
}

/// The `host[:port]` that is contacted for a registry, in lower case and without the default port, so that two
/// spellings of one host count as one account.
pub fn contacted_host(registry: &Registry) -> String {
    match ImageLocation::parse(&registry.image) {
        Ok(image) if registry.test_login != TestLogin::LoginOnly => image.host,
        _ => host_of_name(&registry.image),
    }
}

/// The host of a name that need not be an image: `host` or `host/path`.
fn host_of_name(name: &str) -> String {
    host_of(name.split('/').next().unwrap_or_default())
}

/// The host that serves a registry name: for Docker Hub it differs from the name.
fn host_of(registry: &str) -> String {
    // Host names are not case-sensitive, so two spellings must count as one account.
    let lower = registry.to_ascii_lowercase();
    if is_hub(&lower) {
        // The names of Docker Hub in images are not the names of the server that serves the images.
        return "registry-1.docker.io".to_owned();
    }
    // A name with the default port is the same server, so both must count as one account.
    lower.strip_suffix(":443").unwrap_or(&lower).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let cases = [
            ("registry.example.com/ns/app:v1".to_owned(), "registry.example.com", "ns/app", "v1"),
            ("registry.example.com:5000/app".to_owned(), "registry.example.com:5000", "app", "latest"),
            ("Registry.Example.com:443/a/b/c:v1".to_owned(), "registry.example.com", "a/b/c", "v1"),
            (
                "docker.io/openshift/origin-pod:v3.11".to_owned(),
                "registry-1.docker.io",
                "openshift/origin-pod",
                "v3.11",
            ),
            ("docker.io/busybox".to_owned(), "registry-1.docker.io", "library/busybox", "latest"),
            (format!("localhost/app:v1@{digest}"), "localhost", "app", digest.as_str()),
        ];
        for (image, host, repository, version) in cases {
            let expected = ImageLocation { host: host.into(), repository: repository.into(), version: version.into() };
            assert_eq!(ImageLocation::parse(&image), Ok(expected), "{image}");
        }
    }

    #[test]
    fn hosts_of_names_that_need_not_be_images() {
        for (name, expected) in [
            ("quay.io", "quay.io"),
            ("Quay.io:443/team", "quay.io"),
            ("registry:5000", "registry:5000"),
            ("docker.io", "registry-1.docker.io"),
            ("registry.example.com/ns/app:v1", "registry.example.com"),
        ] {
            assert_eq!(host_of_name(name), expected, "{name}");
        }
    }

    #[test]
    fn an_invalid_image_name_is_refused_with_the_rule() {
        assert_eq!(ImageLocation::parse("quay.io/Team/app"), Err("the repository must be in lower case"));
        assert!(ImageLocation::parse("").is_err());
        assert!(ImageLocation::parse("quay.io/a b").is_err());
    }
}

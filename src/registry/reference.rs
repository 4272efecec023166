//! From an image name to the host that is contacted for it and the path of its manifest.

use crate::desired::{Image, Registry, TestLogin};
use crate::dockerconfig::is_hub;

/// The manifest to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host[:port]` that is contacted.
    pub host: String,
    /// The repository in that registry, such as `openshift3/ose-pod`.
    pub repository: String,
    /// Tag or digest.
    pub version: String,
}

impl Target {
    /// Reads an image name in full.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(image: &str) -> Result<Self, &'static str> {
        let image = Image::parse(image)?;
        let (registry, repository) = image.parts();
        let (host, repository) = (behind(registry), repository.to_owned());
        Ok(Self { host, repository, version: image.digest.or(image.tag).unwrap_or_else(|| "latest".to_owned()) })
    }

    /// The path of the manifest below the registry's root.
    pub fn manifest_path(&self) -> String {
        format!("/v2/{}/manifests/{}", self.repository, self.version)
    }

    /// The scope of a token that lets its bearer do no more than look and pull.
    pub fn pull_scope(&self) -> String {
        format!("repository:{}:pull", self.repository)
    }
}

/// The `host[:port]` that is contacted for a registry, in the one spelling by which accounts are told apart.
pub fn contacted(registry: &Registry) -> String {
    match Target::parse(&registry.image) {
        Ok(target) if registry.test_login != TestLogin::LoginOnly => target.host,
        _ => first_segment(&registry.image),
    }
}

/// The host of a name that need not be an image: `host` or `host/path`.
fn first_segment(name: &str) -> String {
    behind(name.split('/').next().unwrap_or_default())
}

/// The host behind a registry name.
fn behind(registry: &str) -> String {
    let lower = registry.to_ascii_lowercase();
    if is_hub(&lower) {
        return "registry-1.docker.io".to_owned();
    }
    lower.strip_suffix(":443").unwrap_or(&lower).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
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
            let expected = Target { host: host.into(), repository: repository.into(), version: version.into() };
            assert_eq!(Target::parse(&image), Ok(expected), "{image}");
        }
    }

    #[test]
    fn hosts_of_what_need_not_be_an_image() {
        for (name, expected) in [
            ("quay.io", "quay.io"),
            ("Quay.io:443/team", "quay.io"),
            ("registry:5000", "registry:5000"),
            ("docker.io", "registry-1.docker.io"),
            ("registry.example.com/ns/app:v1", "registry.example.com"),
        ] {
            assert_eq!(first_segment(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_image_says_why() {
        assert_eq!(Target::parse("quay.io/Team/app"), Err("the repository must be in lower case"));
        assert!(Target::parse("").is_err());
        assert!(Target::parse("quay.io/a b").is_err());
    }
}

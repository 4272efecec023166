//! REGISTRY of `oregano login`: the key of the new entry, and the images that it applies to.

use crate::desired::{full_name, host_fault, split_host};
use crate::dockerconfig::{HUB, HUB_KEY, is_hub, kubelet_key};

/// A registry, or a part of one, to log in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The key in `auths`. For Docker Hub it is the one that docker writes, because all programs use it.
    pub key: String,
    /// The registry as in image names: `host[:port][/path]`.
    pub name: String,
}

impl Target {
    /// Parses `host[:port][/path]`. A scheme and the `/v1/` or `/v2/` of an API are removed, because image names have
    /// neither.
    ///
    /// # Errors
    /// Why image names cannot start with it. The error does not quote the text, which may contain a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        // `@` separates a user from a host, and a digest from a name, so the text would be ambiguous.
        if text.contains('@') {
            return Err("it contains `@`".to_owned());
        }
        // `kubelet_key` drops queries and fragments, and decodes `%`. A text with one of these is parsed unchanged
        // instead, which rejects it.
        let address = Some(format!("{text}/")).filter(|text| !text.contains(['?', '#', '%']));
        let bare = address.and_then(|address| kubelet_key(&address)).unwrap_or_else(|| text.to_owned());
        let bare = bare.trim_end_matches('/');
        let (host, path) = bare.split_once('/').map_or((bare, None), |(host, path)| (host, Some(path)));
        // Programs compare keys case-sensitively with image names, whose hosts are in lower case.
        let host = host.to_ascii_lowercase();
        let name = path.map_or_else(|| host.clone(), |path| format!("{host}/{path}"));
        let name = if is_hub(&name) { HUB.to_owned() } else { name };
        if let Some(fault) = host_fault(&name) {
            return Err(format!("it {fault}"));
        }
        Ok(Self { key: if name == HUB { HUB_KEY.to_owned() } else { name.clone() }, name })
    }

    /// The full name of the test image. `image` is a full name, or a name relative to this registry.
    ///
    /// # Errors
    /// If it is not an image name, or is not an image of this registry.
    pub fn image(&self, image: &str) -> Result<String, String> {
        // `app:v1` without a slash is an image with a tag, not a host with a port.
        let host = image.contains('/').then(|| split_host(image).0);
        // `split_host` returns Docker Hub for names without a host, so the host must also occur in the text.
        let is_full_name = host.is_some_and(|host| image.starts_with(&format!("{host}/")));
        let name = if is_full_name { image.to_owned() } else { format!("{}/{image}", self.name) };
        // An image of another registry would prove nothing about the credential, and the password would be sent to that
        // registry.
        let rest = name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('/'));
        let rest = rest.ok_or_else(|| format!("it is not an image of `{}`", self.name))?;
        full_name(&self.name, rest).map_err(|fault| format!("it is not an image name: {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_ones_that_programs_search_for() {
        let cases = [
            ("quay.io", "quay.io", "quay.io"),
            ("https://Quay.IO/", "quay.io", "quay.io"),
            ("https://registry.example.com/v1/", "registry.example.com", "registry.example.com"),
            ("http://registry.example.com:5000/v2", "registry.example.com:5000", "registry.example.com:5000"),
            ("https://quay.io/v2/acme/app/", "quay.io/acme/app", "quay.io/acme/app"),
            ("localhost", "localhost", "localhost"),
            ("127.0.0.1:5000/ns", "127.0.0.1:5000/ns", "127.0.0.1:5000/ns"),
            ("docker.io", HUB_KEY, "docker.io"),
            ("index.docker.io", HUB_KEY, "docker.io"),
            ("https://index.docker.io/v1/", HUB_KEY, "docker.io"),
            ("docker.io/acme", "docker.io/acme", "docker.io/acme"),
        ];
        for (text, key, name) in cases {
            assert_eq!(Target::parse(text), Ok(Target { key: key.into(), name: name.into() }), "{text}");
        }
    }

    #[test]
    fn invalid_registries_are_rejected_and_not_quoted() {
        let cases = [
            ("", "no host name"),
            ("https://", "no host name"),
            ("quay.io/acme/app:v1", "a tag"),
            ("quay.io:v1", "a tag"),
            ("quay.io/app@sha256:00", "`@`"),
            ("https://me:hunter2@quay.io", "`@`"),
            ("quay.io /acme", "white space"),
            ("quay.io/a\tb", "white space"),
            ("ftp://quay.io", "a scheme"),
            ("[::1]:5000", "an IPv6 address"),
            ("quay.io/Acme", "uppercase letters in its path"),
            ("*.example.com", "a character"),
            ("quay.io?x", "a character"),
            ("quay.io#x", "a character"),
            ("registry", "neither a dot nor a port"),
        ];
        for (text, fault) in cases {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_test_image_belongs_to_the_registry() {
        let image = |registry: &str, image: &str| Target::parse(registry).unwrap().image(image);
        assert_eq!(image("quay.io", "acme/app:1").as_deref(), Ok("quay.io/acme/app:1"));
        assert_eq!(image("quay.io/acme", "app:v1").as_deref(), Ok("quay.io/acme/app:v1"));
        assert_eq!(image("quay.io/acme", "app").as_deref(), Ok("quay.io/acme/app:latest"));
        assert_eq!(image("quay.io/acme", "quay.io/acme/app").as_deref(), Ok("quay.io/acme/app:latest"));
        assert_eq!(image("docker.io", "acme/app:1").as_deref(), Ok("docker.io/acme/app:1"));
        assert_eq!(image("docker.io", "docker.io/acme/app:1").as_deref(), Ok("docker.io/acme/app:1"));
        for (registry, name) in [
            ("quay.io", "docker.io/acme/app"),
            ("quay.io/acme", "quay.io/other/app"),
            ("quay.io/acme", "quay.io/acmeter"),
            ("quay.io", "A"),
            ("quay.io", ""),
        ] {
            assert!(image(registry, name).is_err(), "{registry} {name}");
        }
    }
}

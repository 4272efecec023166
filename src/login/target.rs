//! REGISTRY of `oregano login`: the key of the new entry, and the images it is for.

use crate::desired::{full_name, host_fault, split_host};
use crate::dockerconfig::{HUB, HUB_KEY, is_hub, kubelet_key};

/// A registry, or a part of one, to log in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The key in `auths`. For all of Docker Hub that is docker's, which every reader understands.
    pub key: String,
    /// The same as image names have it: `host[:port][/path]`.
    pub name: String,
}

impl Target {
    /// Reads `host[:port][/path]`. A scheme, and the `/v1/` or `/v2/` of an API, are taken away: image names have
    /// neither.
    ///
    /// # Errors
    /// What keeps it from being the start of image names. It does not repeat the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        // It parts a login from a host, and a digest from a name; neither may be taken for the other.
        if text.contains('@') {
            return Err("it contains `@`".to_owned());
        }
        // What else an address may have would be lost.
        let address = Some(format!("{text}/")).filter(|text| !text.contains(['?', '#', '%']));
        let bare = address.and_then(|address| kubelet_key(&address)).unwrap_or_else(|| text.to_owned());
        let bare = bare.trim_end_matches('/');
        let (host, path) = bare.split_once('/').map_or((bare, None), |(host, path)| (host, Some(path)));
        let host = host.to_ascii_lowercase();
        let name = path.map_or_else(|| host.clone(), |path| format!("{host}/{path}"));
        let name = if is_hub(&name) { HUB.to_owned() } else { name };
        if let Some(fault) = host_fault(&name) {
            return Err(format!("it {fault}"));
        }
        Ok(Self { key: if name == HUB { HUB_KEY.to_owned() } else { name.clone() }, name })
    }

    /// The test image in full. `image` is named in full, or below this registry.
    ///
    /// # Errors
    /// If it is no image name, or an image that the new entry is not for.
    pub fn image(&self, image: &str) -> Result<String, String> {
        // `app:v1` has a tag, and no port.
        let host = image.contains('/').then(|| split_host(image).0);
        let whole = host.is_some_and(|host| image.starts_with(&format!("{host}/")));
        let name = if whole { image.to_owned() } else { format!("{}/{image}", self.name) };
        let rest = name.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('/'));
        let rest = rest.ok_or_else(|| format!("it does not lie below `{}`", self.name))?;
        full_name(&self.name, rest).map_err(|fault| format!("it is no image name: {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_readers_look_for() {
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
    fn what_is_no_registry_is_refused_and_not_repeated() {
        let cases = [
            ("", "no host name"),
            ("https://", "no host name"),
            ("quay.io/acme/app:v1", "a tag"),
            ("quay.io:v1", "a tag"),
            ("quay.io/app@sha256:00", "an `@`"),
            ("https://me:hunter2@quay.io", "an `@`"),
            ("quay.io /acme", "white space"),
            ("quay.io/a\tb", "white space"),
            ("ftp://quay.io", "a scheme"),
            ("[::1]:5000", "an IPv6 address"),
            ("quay.io/Acme", "capital letters in its path"),
            ("*.example.com", "a character"),
            ("quay.io?x", "a character"),
            ("quay.io#x", "a character"),
            ("registry", "neither dot nor port"),
        ];
        for (text, fault) in cases {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_test_image_lies_below_the_registry() {
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

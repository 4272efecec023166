//! The lookup of OpenShift's image importer: the keyring of the kubelet with all pull secrets of a namespace, in the order
//! of their names. Unlike the kubelet, it tries only the first credential (openshift-apiserver, `pkg/image/importer`). The one of
//! OpenShift 3.11 looks for the token server of a registry instead of the image.

use super::kubelet::{kubelet, secret_entries};
use super::{Candidate, EntrySource, PodSecret};
use crate::desired::Image;
use crate::dockerconfig::kubelet_key;

/// What the importer does for one image, or for one token server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportLookup {
    /// The credential that it tries; `None` if it requests the image without a login.
    pub used: Option<Candidate>,
    /// Another spelling of the same key in the same secret. Which of the two the importer uses is random.
    pub other_spelling: Option<Candidate>,
}

/// The secrets that make every import of their namespace fail, and why. `secrets` are those of the namespace that are not
/// excluded.
pub fn broken_import_secrets(secrets: &[PodSecret]) -> Vec<(&str, String)> {
    let broken = secrets.iter().filter_map(|secret| Some((secret.name.as_str(), secret_entries(secret).err()?)));
    let mut broken: Vec<_> = broken.collect();
    broken.sort_unstable();
    broken
}

/// The credential that the importer uses for `image`, if none of the secrets is broken.
pub fn importer(image: &Image, secrets: &[PodSecret]) -> ImportLookup {
    let mut sorted: Vec<PodSecret> = secrets.to_vec();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let mut candidates = kubelet(image, &sorted, &[]).credentials.into_iter();
    let used = candidates.next();
    let other_spelling = candidates.next().filter(|other| used.as_ref().is_some_and(|used| is_same_key(used, other)));
    ImportLookup { used, other_spelling }
}

/// The credential that the importer of OpenShift 3.11 uses for all images of a registry whose token server has this URL, if
/// none of the secrets is broken (openshift/origin 3.11, `basicCredentialsFromKeyring` in `pkg/image/importer/credentials.go`).
pub fn importer_at_token_server(realm: &str, secrets: &[PodSecret]) -> ImportLookup {
    let lookup = |name: String| {
        let domain = name.split('/').next().unwrap_or_default().to_owned();
        importer(&Image { domain, name, tag: None, digest: None }, secrets)
    };
    let found = names_of(realm).into_iter().map(lookup);
    found.into_iter().find(|found| found.used.is_some()).unwrap_or_default()
}

/// The key of an entry that the importer of OpenShift 3.11 finds for a token server: `host[:port]`.
pub fn token_server_key(realm: &str) -> String {
    let name = names_of(realm).into_iter().next().unwrap_or_default();
    name.split('/').next().unwrap_or_default().to_owned()
}

/// What the importer looks for in the keyring, as if it were an image: one name after another, until there is an entry.
fn names_of(realm: &str) -> Vec<String> {
    let (scheme, rest) = realm.split_once("://").unwrap_or(("https", realm));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // The keys of entries lose the version of the API, too.
    let unversioned = ["/v1", "/v2"].iter().find_map(|version| path.strip_prefix(version));
    let name = match unversioned.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        Some(path) => format!("{host}{path}"),
        None if scheme == "http" && !host.contains(':') => format!("{host}:80{path}"),
        None => format!("{host}{path}"),
    };
    // The importer has a special case for the token server of Docker Hub only.
    let hub: &[&str] = if name == "auth.docker.io/token" { &["index.docker.io", "docker.io"] } else { &[] };
    std::iter::once(name).chain(hub.iter().map(ToString::to_string)).collect()
}

fn is_same_key(one: &Candidate, other: &Candidate) -> bool {
    let normalized = |candidate: &Candidate| candidate.key.as_deref().and_then(kubelet_key);
    let secret = |candidate: &Candidate| match &candidate.source {
        EntrySource::Secret(name) => Some(name.clone()),
        EntrySource::File(_) | EntrySource::Variable(_) => None,
    };
    secret(one) == secret(other) && normalized(one) == normalized(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::SecretContent;
    use crate::secret::SecretBytes;

    fn secret(name: &str, content: &str) -> PodSecret {
        let config = Some(SecretBytes::new(content.as_bytes().to_vec()));
        let type_ = "kubernetes.io/dockerconfigjson".to_owned();
        PodSecret { name: name.into(), content: Some(SecretContent { type_, config, legacy: None }) }
    }

    fn auths(key: &str) -> String {
        format!(r#"{{"auths":{{"{key}":{{"auth":"YTpi"}}}}}}"#)
    }

    fn used(secrets: &[PodSecret]) -> (String, String) {
        let image = Image::parse("registry.example.com/acme/app:v1").unwrap();
        let used = importer(&image, secrets).used.unwrap();
        (used.source.name().to_owned(), used.key.unwrap())
    }

    #[test]
    fn the_longest_key_wins_and_then_the_first_name() {
        let host = |name: &str| secret(name, &auths("registry.example.com"));
        assert_eq!(used(&[host("team"), host("aaa")]).0, "aaa");
        let path = secret("zzz", &auths("registry.example.com/acme"));
        assert_eq!(used(&[host("team"), path]), ("zzz".into(), "registry.example.com/acme".into()));
    }

    #[test]
    fn a_token_server_is_looked_up_instead_of_the_image() {
        let key_used = |realm: &str, keys: &[&str]| {
            let secrets: Vec<PodSecret> = keys.iter().map(|key| secret(key, &auths(key))).collect();
            importer_at_token_server(realm, &secrets).used.and_then(|used| used.key)
        };
        let cases: [(&str, &str, &[&str], Option<&str>); 13] = [
            ("https://r.example.com/token", "r.example.com", &["r.example.com"], Some("r.example.com")),
            (
                "https://r.example.com/v2/auth",
                "r.example.com",
                &["https://r.example.com/v1/"],
                Some("https://r.example.com/v1/"),
            ),
            ("https://r.example.com/token", "r.example.com", &["r.example.com/team"], None),
            ("https://r.example.com/v2/auth", "r.example.com", &["r.example.com/auth"], Some("r.example.com/auth")),
            ("https://sso.example.com/auth/realms/r", "sso.example.com", &["r.example.com"], None),
            (
                "https://sso.example.com/auth",
                "sso.example.com",
                &["r.example.com", "sso.example.com"],
                Some("sso.example.com"),
            ),
            ("https://r.example.com/token", "r.example.com", &["r.example.com:5000"], None),
            (
                "https://r.example.com:5000/token",
                "r.example.com:5000",
                &["r.example.com:5000"],
                Some("r.example.com:5000"),
            ),
            ("http://r.example.com/token", "r.example.com:80", &["r.example.com"], None),
            ("http://r.example.com/token", "r.example.com:80", &["r.example.com:80"], Some("r.example.com:80")),
            (
                "https://auth.docker.io/token",
                "auth.docker.io",
                &["https://index.docker.io/v1/"],
                Some("https://index.docker.io/v1/"),
            ),
            ("https://auth.docker.io/token", "auth.docker.io", &["docker.io"], Some("docker.io")),
            ("https://auth.docker.io/other", "auth.docker.io", &["docker.io"], None),
        ];
        for (realm, server, keys, expected) in cases {
            assert_eq!(key_used(realm, keys).as_deref(), expected, "{realm} {keys:?}");
            assert_eq!(token_server_key(realm), server, "{realm}");
        }
    }

    #[test]
    fn broken_secrets_are_all_named() {
        let secrets = [
            secret("b", r#"{"auths":[]}"#),
            secret("good", &auths("quay.io")),
            secret("a", r#"{"auths":{"x":{"auth":"%%%"}}}"#),
        ];
        let names: Vec<&str> = broken_import_secrets(&secrets).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn two_spellings_of_a_key_are_reported_only_within_one_secret() {
        let image = Image::parse("registry.example.com/acme/app:v1").unwrap();
        let both =
            r#"{"auths":{"registry.example.com":{"auth":"YTpi"},"https://registry.example.com/v1/":{"auth":"YTpj"}}}"#;
        assert!(importer(&image, &[secret("a", both)]).other_spelling.is_some());
        let apart =
            [secret("a", &auths("registry.example.com")), secret("b", &auths("https://registry.example.com/v1/"))];
        assert_eq!(importer(&image, &apart).other_spelling, None);
    }
}

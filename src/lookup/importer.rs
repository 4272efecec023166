//! The lookup of OpenShift's image importer: the keyring of the kubelet with all pull secrets of a namespace, in the order
//! of their names. Unlike the kubelet, it tries only the first credential (openshift-apiserver, `pkg/image/importer`).

use super::kubelet::{kubelet, secret_entries};
use super::{Candidate, EntrySource, PodSecret};
use crate::desired::Image;
use crate::dockerconfig::kubelet_key;

/// What the importer does for one image.
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

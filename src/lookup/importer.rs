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
    /// The secrets that make every import of the namespace fail, and why.
    pub broken: Vec<(String, String)>,
}

/// The credential that the importer uses for `image`. `secrets` are those of the namespace that are not excluded.
pub fn importer(image: &Image, secrets: &[PodSecret]) -> ImportLookup {
    let mut sorted: Vec<PodSecret> = secrets.to_vec();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let mut broken = Vec::new();
    sorted.retain(|secret| match secret_entries(secret) {
        Ok(_) => true,
        Err(why) => {
            broken.push((secret.name.clone(), why));
            false
        }
    });
    let mut candidates = kubelet(image, &sorted, &[]).credentials.into_iter();
    let used = candidates.next();
    let other_spelling = candidates.next().filter(|other| used.as_ref().is_some_and(|used| is_same_key(used, other)));
    ImportLookup { used, other_spelling, broken }
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
    fn broken_secrets_are_all_named_and_have_no_entries() {
        let image = Image::parse("registry.example.com/acme/app:v1").unwrap();
        let secrets = [secret("b", r#"{"auths":[]}"#), secret("a", r#"{"auths":{"x":{"auth":"%%%"}}}"#)];
        let found = importer(&image, &secrets);
        assert_eq!(found.broken.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(found.used, None);
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

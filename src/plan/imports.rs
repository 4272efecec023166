//! Whether image imports of OpenShift use the declared credentials. The importer takes one entry of all pull secrets of a
//! namespace, so another secret can hide a declared one, and a broken one makes every import fail.

use indexmap::{IndexMap, IndexSet};

use super::object::Wanted;
use super::{Action, Expansion, Planned, Step};
use crate::desired::{Image, ObjectContent, PullSecretFormat, PullSecretState, Registry, TestLogin, TlsPolicy};
use crate::dockerconfig::{self, Credential, EntryView, Reader, is_of, mask};
use crate::facts::{
    EXCLUDE_SECRET_ANNOTATION, ImportFacts, ImportSecret, ImportUse, Importer, NamespacePhase, ObjectKind, ObjectName,
};
use crate::lookup::{Candidate, CredentialKind, ImportLookup, PodSecret, SecretContent, importer};
use crate::secret::SecretBytes;

/// The test images whose import is proved in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportCheck {
    /// The namespace.
    pub namespace: String,
    /// The images, each of them once.
    pub images: Vec<ImportImage>,
}

/// An image that is imported as a proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImportImage {
    /// Its full name.
    pub name: String,
    /// Whether the importer must verify TLS.
    pub tls: TlsPolicy,
}

impl ImportCheck {
    /// The step that reports the proof of one image.
    pub fn step(&self, image: &ImportImage) -> Step {
        let name = ObjectName::new(ObjectKind::ImageStreamImport, &self.namespace, &image.name);
        Step::object(&name, Action::Prove)
    }
}

/// A pull secret that is declared for a namespace, as it is after the run.
struct Declared<'a> {
    name: &'a str,
    namespace: &'a str,
    content: PodSecret,
}

/// The proofs that are due after the objects are written: one for each namespace that gets a pull secret.
pub(super) fn checks(registries: &[Registry], expansion: &Expansion<'_>, facts: &ImportFacts) -> Vec<ImportCheck> {
    if !matches!(facts.importer, Importer::Present) {
        return Vec::new();
    }
    let mut found: IndexMap<&str, IndexSet<ImportImage>> = IndexMap::new();
    for wanted in &expansion.wanted {
        let Some((name, credentials)) = present(wanted) else { continue };
        let images = tested(registries, credentials);
        let images = images.map(|registry| ImportImage { name: registry.image.clone(), tls: registry.tls });
        found.entry(&name.namespace).or_default().extend(images);
    }
    let check = |(namespace, images): (&str, IndexSet<ImportImage>)| ImportCheck {
        namespace: namespace.to_owned(),
        images: images.into_iter().collect(),
    };
    found.into_iter().map(check).filter(|check| !check.images.is_empty()).collect()
}

/// The namespaces whose pull secrets matter for image imports.
pub fn import_namespaces(expansion: &Expansion<'_>) -> IndexSet<String> {
    expansion.wanted.iter().filter_map(present).map(|(name, _)| name.namespace.clone()).collect()
}

/// A secret that must exist, with its declared entries.
fn present<'w>(wanted: &'w Wanted<'_>) -> Option<(&'w ObjectName, &'w [Credential])> {
    let Wanted::PullSecret(wanted) = wanted else { return None };
    match &wanted.declared.state {
        PullSecretState::Present { credentials, .. } if wanted.phase == NamespacePhase::Active => {
            Some((&wanted.name, credentials))
        }
        PullSecretState::Present { .. } | PullSecretState::IfPresent { .. } | PullSecretState::Absent => None,
    }
}

/// The registries whose test image is requested, and whose credential is among these.
fn tested<'a>(registries: &'a [Registry], credentials: &[Credential]) -> impl Iterator<Item = &'a Registry> {
    registries.iter().filter(|registry| {
        let is_used = |one: &Credential| one.key == registry.host && one.user == registry.user;
        registry.test_login == TestLogin::Inspect && credentials.iter().any(is_used)
    })
}

/// What prevents image imports from using a secret after the run.
pub fn import_obstacles(
    registries: &[Registry],
    wanted: &Wanted<'_>,
    planned: &Planned<ObjectContent>,
    facts: &ImportFacts,
) -> Vec<String> {
    let Some((name, credentials)) = present(wanted) else { return Vec::new() };
    if let Importer::Unknown(failure) = &facts.importer {
        let reason = failure.causes.first().unwrap_or(&failure.message);
        return vec![format!(
            "whether image imports use it is not known, because API group `image.openshift.io` cannot be requested: {reason}"
        )];
    }
    let found = match facts.secrets.get(&name.namespace) {
        None => return Vec::new(),
        Some(Ok(found)) => found,
        Some(Err(failure)) => {
            return vec![format!("whether image imports use it is not known: {}", failure.message)];
        }
    };
    let own = found.iter().find(|secret| secret.name == name.name);
    if own.is_some_and(|secret| secret.import_use == ImportUse::Excluded) {
        return vec![format!(
            "its annotation `{EXCLUDE_SECRET_ANNOTATION}` keeps image imports from using it: remove it"
        )];
    }
    let Some(content) = after(planned, own) else { return Vec::new() };
    let declared = Declared { name: &name.name, namespace: &name.namespace, content };
    let images = tested(registries, credentials).map(|registry| (registry.image.as_str(), registry.host.as_str()));
    // One entry may hide the secret for several images.
    let notes: IndexSet<String> = images.flat_map(|(image, key)| hidden(&declared, image, key, found)).collect();
    notes.into_iter().collect()
}

/// The content of a secret after the run; `None` if it then does not exist.
fn after(planned: &Planned<ObjectContent>, own: Option<&ImportSecret>) -> Option<PodSecret> {
    match (&planned.content, &planned.step.target) {
        (Some(ObjectContent::PullSecret { format, content, .. }), super::Target::Object(name)) => {
            Some(pod_secret(&name.name, format.type_name(), Some(content.clone())))
        }
        _ => own.map(|secret| pod_secret(&secret.name, &secret.fact.type_, secret.fact.content.clone())),
    }
}

fn pod_secret(name: &str, type_: &str, content: Option<SecretBytes>) -> PodSecret {
    let (config, legacy) = match PullSecretFormat::of_type(type_) {
        Some(PullSecretFormat::Dockercfg) => (None, content),
        Some(PullSecretFormat::DockerConfigJson) | None => (content, None),
    };
    PodSecret { name: name.to_owned(), content: Some(SecretContent { type_: type_.to_owned(), config, legacy }) }
}

/// Why the import of an image does not use the entry with this key.
fn hidden(declared: &Declared<'_>, image: &str, key: &str, found: &[ImportSecret]) -> Vec<String> {
    let Ok(parsed) = Image::parse(image) else { return Vec::new() };
    let others = found.iter().filter(|secret| secret.name != declared.name && secret.import_use == ImportUse::Used);
    let others = others.map(|secret| pod_secret(&secret.name, &secret.fact.type_, secret.fact.content.clone()));
    let secrets: Vec<PodSecret> = others.chain(std::iter::once(declared.content.clone())).collect();
    let ImportLookup { used, other_spelling, broken } = importer(&parsed, &secrets);
    let namespace = declared.namespace;
    let mut notes: Vec<String> = broken
        .iter()
        .map(|(name, why)| {
            format!("no image can be imported in namespace `{namespace}`, because of secret `{name}`: {why}")
        })
        .collect();
    let Some(used) = used else { return notes };
    let own = entry(&secrets, declared.name, key);
    for candidate in [Some(&used), other_spelling.as_ref()].into_iter().flatten() {
        let (secret, other) = (candidate.source.name(), candidate.key.as_deref().unwrap_or_default());
        let has_same_login = own.is_some() && own == entry(&secrets, secret, other);
        let is_own = secret == declared.name && is_of(other, key);
        if has_same_login || is_own && other_spelling.is_none() {
            continue;
        }
        notes.push(explanation(declared, candidate, key, namespace));
    }
    notes
}

/// The login of an entry.
fn entry(secrets: &[PodSecret], secret: &str, key: &str) -> Option<(Option<String>, Vec<crate::secret::Secret>)> {
    let content = secrets.iter().find(|one| one.name == secret)?.content.as_ref()?;
    let (bytes, reader) = match (&content.config, &content.legacy) {
        (Some(bytes), _) => (bytes, Reader::PullSecret),
        (None, Some(bytes)) => (bytes, Reader::LegacyPullSecret),
        (None, None) => return None,
    };
    let mut entries = dockerconfig::entries(bytes.expose(), reader).into_iter();
    let EntryView { user, credential, .. } = entries.find(|entry| entry.key == key)?;
    Some((user, credential))
}

fn explanation(declared: &Declared<'_>, used: &Candidate, key: &str, namespace: &str) -> String {
    let (secret, other) = (used.source.name(), mask(used.key.as_deref().unwrap_or_default()));
    let reason = match (secret == declared.name, is_of(&other, key)) {
        (true, true) => "both spellings are the same registry for the importer, which takes either of them".to_owned(),
        (_, false) => format!("its key is more specific than `{key}`"),
        (false, true) => format!("its name comes before `{}`", declared.name),
    };
    let login = match used.kind {
        CredentialKind::Empty => ", which has neither user nor password",
        _ => "",
    };
    format!(
        "image imports in namespace `{namespace}` use entry `{other}` of secret `{secret}`{login}: {reason}; renew or remove it"
    )
}

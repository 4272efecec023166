//! Whether image imports of OpenShift use the declared credentials. The importer takes one entry of all pull secrets of a
//! namespace, so another secret can hide a declared one, and a broken one makes every import fail.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};

use super::object::{Wanted, object};
use super::{Action, Expansion, PlanRequest, Planned, Step, Target};
use crate::desired::{
    Declaration, Desired, Image, ObjectContent, Platform, PullSecretFormat, PullSecretState, Registry, TestLogin,
    TlsPolicy,
};
use crate::dockerconfig::{self, Credential, EntryView, Reader, is_of, mask};
use crate::facts::{
    ClusterFact, EXCLUDE_SECRET_ANNOTATION, ImportFacts, ImportSecret, ImportUse, Importer, NamespacePhase, ObjectKind,
    ObjectName, RegistryFact,
};
use crate::failure::Failure;
use crate::lookup::{
    Candidate, CredentialKind, ImportLookup, PodSecret, SecretContent, broken_import_secrets, importer,
    importer_at_token_server, token_server_key,
};
use crate::secret::{Secret, SecretBytes};

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

/// The test images of the declared registries.
#[derive(Debug)]
pub struct ImportImages {
    images: Vec<Image>,
    platform: Option<Platform>,
}

impl ImportImages {
    /// The images whose import can be proved.
    pub fn new(desired: &Desired) -> Self {
        let inspected = desired.registries.iter().filter(|registry| registry.test_login == TestLogin::Inspect);
        let images = inspected.filter_map(|registry| Image::parse(&registry.image).ok()).collect();
        Self { images, platform: desired.platform }
    }

    /// Whether a secret matters for the import of one of them: because of an entry, because it is broken, or because an
    /// annotation excludes it. A large cluster has many others, which need not be kept. On OpenShift 3.11 every secret may
    /// matter, because it may have the entry of a token server, which is not known yet.
    pub fn are_affected_by(&self, secret: &ImportSecret) -> bool {
        let own = [pod_secret(&secret.name, &secret.fact.type_, secret.fact.content.clone())];
        self.platform == Some(Platform::OpenShift3)
            || secret.import_use == ImportUse::Excluded
            || !broken_import_secrets(&own).is_empty()
            || self.images.iter().any(|image| importer(image, &own).used.is_some())
    }
}

/// When imports are proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportTime {
    /// After a run has written the secrets.
    AfterRun,
    /// With the secrets that are in the cluster now.
    Now,
}

impl ImportCheck {
    /// The step that reports the proof of one image.
    pub fn step(&self, image: &ImportImage) -> Step {
        let name = ObjectName::new(ObjectKind::ImageStreamImport, &self.namespace, &image.name);
        Step::object(&name, Action::Prove)
    }
}

/// The pull secrets that image imports use, by namespace.
pub(super) struct UsedSecrets<'a>(HashMap<&'a str, Vec<PodSecret>>);

impl<'a> UsedSecrets<'a> {
    /// What was observed in these namespaces, with what is planned for each object.
    pub(super) fn new<'p>(
        facts: &'a ImportFacts,
        namespaces: impl Iterator<Item = (&'a String, &'a Result<Vec<ImportSecret>, Failure>)>,
        planned: impl Iterator<Item = &'p Planned<ObjectContent>>,
    ) -> Self {
        let known = namespaces.filter_map(|(namespace, found)| Some((namespace, found.as_ref().ok()?)));
        let used = known.map(|(namespace, found)| {
            let used = found.iter().filter(|secret| secret.import_use == ImportUse::Used);
            let used = used.map(|one| pod_secret(&one.name, &one.fact.type_, one.fact.content.clone()));
            (namespace.as_str(), used.collect())
        });
        let mut after = Self(used.collect());
        planned.for_each(|planned| after.add(planned, facts));
        after
    }

    fn add(&mut self, planned: &Planned<ObjectContent>, facts: &ImportFacts) {
        let Target::Object(name) = &planned.step.target else { return };
        let Some(secrets) = self.0.get_mut(name.namespace.as_str()) else { return };
        if name.kind != ObjectKind::Secret || is_excluded(name, facts) {
            return;
        }
        if planned.step.action == Action::Delete || planned.content.is_some() {
            secrets.retain(|secret| secret.name != name.name);
        }
        if let Some(ObjectContent::PullSecret { format, content, .. }) = &planned.content {
            secrets.push(pod_secret(&name.name, format.type_name(), Some(content.clone())));
        }
    }
}

fn is_excluded(name: &ObjectName, facts: &ImportFacts) -> bool {
    let found = facts.secrets.get(&name.namespace).and_then(|found| found.as_ref().ok());
    let own = found.into_iter().flatten().find(|secret| secret.name == name.name);
    own.is_some_and(|secret| secret.import_use == ImportUse::Excluded)
}

/// The proofs that are due after the objects are written: one for each namespace that gets a pull secret.
pub(super) fn checks(registries: &[Registry], expansion: &Expansion<'_>, facts: &ImportFacts) -> Vec<ImportCheck> {
    if !matches!(facts.importer, Importer::Present) {
        return Vec::new();
    }
    let mut found: IndexMap<&str, IndexSet<ImportImage>> = IndexMap::new();
    for wanted in &expansion.wanted {
        let Some((name, credentials)) = declared_entries(wanted) else { continue };
        let images = tested(registries, credentials);
        let images = images.map(|(registry, _)| ImportImage { name: registry.image.clone(), tls: registry.tls });
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
    expansion.wanted.iter().filter_map(declared_entries).map(|(name, _)| name.namespace.clone()).collect()
}

/// The declared entries of a secret that must exist.
fn declared_entries<'w>(wanted: &'w Wanted<'_>) -> Option<(&'w ObjectName, &'w [Credential])> {
    let Wanted::PullSecret(wanted) = wanted else { return None };
    match &wanted.declared.state {
        PullSecretState::Present { credentials, .. } if wanted.phase == NamespacePhase::Active => {
            Some((&wanted.name, credentials))
        }
        PullSecretState::Present { .. } | PullSecretState::IfPresent { .. } | PullSecretState::Absent => None,
    }
}

/// The registries of a run, and what decides which entries image imports use for them.
pub struct ImportRegistries<'a>(Vec<(&'a Registry, EntryChoice<'a>)>);

/// What decides which entry image imports use for a registry.
#[derive(Debug, Clone, Copy)]
enum EntryChoice<'a> {
    /// The name of the image.
    Image,
    /// The URL of the token server.
    TokenServer(&'a str),
}

impl<'a> ImportRegistries<'a> {
    /// The registries, with what was observed of them; `facts` has their order, or is empty if they were not contacted. The
    /// registry is then taken to have no token server.
    pub fn new(desired: &'a Desired, facts: &'a [Option<RegistryFact>]) -> Self {
        let choice = |(at, registry): (usize, &'a Registry)| {
            // From OpenShift 4.5 on, the image decides.
            let choice = match (desired.platform, facts.get(at).and_then(Option::as_ref)) {
                (Some(Platform::OpenShift3), Some(fact)) => {
                    fact.realm.as_deref().map_or(EntryChoice::Image, EntryChoice::TokenServer)
                }
                _ => EntryChoice::Image,
            };
            (registry, choice)
        };
        Self(desired.registries.iter().enumerate().map(choice).collect())
    }

    /// Those with this test image.
    fn of_image(&self, image: &str) -> Self {
        Self(self.0.iter().filter(|(registry, _)| registry.image == image).copied().collect())
    }

    /// Those that have an entry among these, with the entry.
    fn declared<'c>(
        &self,
        credentials: &'c [Credential],
    ) -> impl Iterator<Item = (&'a Registry, EntryChoice<'a>, &'c Credential)> {
        self.0.iter().filter_map(|(registry, choice)| Some((*registry, *choice, entry_of(registry, credentials)?)))
    }
}

/// The entry that is for a registry.
fn entry_of<'c>(registry: &Registry, credentials: &'c [Credential]) -> Option<&'c Credential> {
    // The key of an entry of a file may have a scheme.
    credentials.iter().find(|one| is_of(&one.key, &registry.host) && one.user == registry.user)
}

/// The registries whose test image is requested, each with the entry among these that is for it.
fn tested<'a>(
    registries: &'a [Registry],
    credentials: &'a [Credential],
) -> impl Iterator<Item = (&'a Registry, &'a Credential)> {
    let inspected = registries.iter().filter(|registry| registry.test_login == TestLogin::Inspect);
    inspected.filter_map(|registry| Some((registry, entry_of(registry, credentials)?)))
}

/// What prevents the import of an image from using the declared secrets of a namespace, at this time.
pub fn import_obstacles(
    registries: &ImportRegistries<'_>,
    (namespace, image): (&str, &str),
    expansion: &Expansion<'_>,
    facts: &ClusterFact,
    (time, request): (ImportTime, &PlanRequest),
) -> Vec<String> {
    let registries = registries.of_image(image);
    let is_for = |wanted: &Wanted<'_>| {
        declared_entries(wanted).is_some_and(|(_, credentials)| registries.declared(credentials).next().is_some())
    };
    let own = expansion.wanted.iter().filter(|wanted| wanted.name().namespace == namespace && is_for(wanted));
    let planned = own.filter_map(|wanted| Some((wanted, object(wanted, facts.objects.get(wanted.name()), request)?)));
    let planned: Vec<_> = planned.collect();
    let written = planned.iter().filter(|_| time == ImportTime::AfterRun).map(|(_, planned)| planned);
    let secrets = UsedSecrets::new(&facts.imports, facts.imports.secrets.get_key_value(namespace).into_iter(), written);
    let mut found = IndexSet::new();
    for (wanted, planned) in &planned {
        if time == ImportTime::Now && planned.step.action != Action::Unchanged {
            found.insert(format!("{} is not as the inventory declares it", wanted.name()));
        }
        found.extend(notes(&registries, wanted, &secrets, &facts.imports));
    }
    found.into_iter().collect()
}

/// What prevents image imports from using a secret.
pub(super) fn notes(
    registries: &ImportRegistries<'_>,
    wanted: &Wanted<'_>,
    used: &UsedSecrets<'_>,
    facts: &ImportFacts,
) -> Vec<String> {
    let Some((name, credentials)) = declared_entries(wanted) else { return Vec::new() };
    if let Importer::Unknown(failure) = &facts.importer {
        let reason = failure.causes.first().unwrap_or(&failure.message);
        return vec![format!(
            "whether image imports use {name} is not known, because API group `image.openshift.io` cannot be requested: {reason}"
        )];
    }
    if let Some(Err(failure)) = facts.secrets.get(&name.namespace) {
        return vec![format!("whether image imports use {name} is not known: {}", failure.message)];
    }
    if is_excluded(name, facts) {
        return vec![format!(
            "the annotation `{EXCLUDE_SECRET_ANNOTATION}` keeps image imports from using {name}: remove the annotation"
        )];
    }
    let Some(secrets) = used.0.get(name.namespace.as_str()) else { return Vec::new() };
    let broken = broken_import_secrets(secrets);
    if !broken.is_empty() {
        let namespace = &name.namespace;
        let note = |(secret, why)| {
            format!("no image can be imported in namespace `{namespace}`, because of secret `{secret}`: {why}")
        };
        return broken.into_iter().map(note).collect();
    }
    // A secret that does not exist is not hidden by another one.
    if !secrets.iter().any(|secret| secret.name == name.name) {
        return Vec::new();
    }
    let notes = registries.declared(credentials).flat_map(|(registry, choice, credential)| {
        match (choice, registry.test_login) {
            (EntryChoice::TokenServer(realm), _) => {
                hidden_at_token_server(name, (registry, realm), &credential.key, secrets)
            }
            (EntryChoice::Image, TestLogin::Inspect) => hidden(name, &registry.image, &credential.key, secrets),
            (EntryChoice::Image, TestLogin::LoginOnly | TestLogin::Skip | TestLogin::Impossible) => Vec::new(),
        }
    });
    // One entry may hide the secret for several images.
    notes.collect::<IndexSet<_>>().into_iter().collect()
}

fn pod_secret(name: &str, type_: &str, content: Option<SecretBytes>) -> PodSecret {
    let (config, legacy) = match PullSecretFormat::of_type(type_) {
        Some(PullSecretFormat::Dockercfg) => (None, content),
        Some(PullSecretFormat::DockerConfigJson) | None => (content, None),
    };
    PodSecret { name: name.to_owned(), content: Some(SecretContent { type_: type_.to_owned(), config, legacy }) }
}

/// Why the import of an image does not use the entry of a secret with this key.
fn hidden(own: &ObjectName, image: &str, key: &str, secrets: &[PodSecret]) -> Vec<String> {
    let Ok(parsed) = Image::parse(image) else { return Vec::new() };
    let ImportLookup { used, other_spelling } = importer(&parsed, secrets);
    let login = entry(secrets, &own.name, key);
    let candidates = used.iter().chain(&other_spelling).filter(|candidate| {
        let (secret, other) = (candidate.source.name(), candidate.key.as_deref().unwrap_or_default());
        let has_same_login = login.is_some() && login == entry(secrets, secret, other);
        let is_own = secret == own.name && is_of(other, key);
        !(has_same_login || is_own && other_spelling.is_none())
    });
    candidates.map(|candidate| explanation(own, candidate, key)).collect()
}

/// Why the importer of OpenShift 3.11 does not use the entry with this key for a registry whose token server has the URL
/// `realm`.
fn hidden_at_token_server(
    own: &ObjectName,
    (registry, realm): (&Registry, &str),
    key: &str,
    secrets: &[PodSecret],
) -> Vec<String> {
    let ImportLookup { used, other_spelling } = importer_at_token_server(realm, secrets);
    let ObjectName { namespace, name, .. } = own;
    let (shown, server) = (mask(key), token_server_key(realm));
    let rule =
        format!("for a registry with token authentication they look for an entry of its token server, `{server}`");
    let Some(used) = used else {
        let fix = match (registry.declaration, &registry.auth_server) {
            (Declaration::Default, None) => format!("set `auth_server: {server}` in `oregano_oreg_auth`"),
            (Declaration::Entry, None) => format!("set `auth_server: {server}` of this registry"),
            (Declaration::PullSecret | Declaration::CommandLine, None) | (_, Some(_)) => {
                format!("add this entry with the same login to `{name}`")
            }
        };
        return vec![format!(
            "image imports of OpenShift 3.11 in namespace `{namespace}` do not use entry `{shown}`: {rule}; {fix}"
        )];
    };
    let login = entry(secrets, name, key);
    let others = std::iter::once(used).chain(other_spelling).filter(|candidate| {
        login.is_none()
            || login != entry(secrets, candidate.source.name(), candidate.key.as_deref().unwrap_or_default())
    });
    let note = |candidate: Candidate| {
        let (secret, other) = (candidate.source.name(), mask(candidate.key.as_deref().unwrap_or_default()));
        let login = if candidate.kind == CredentialKind::Empty { ", which has neither user nor password," } else { "" };
        let fix = if secret == name { "" } else { "; renew or remove it" };
        format!(
            "image imports of OpenShift 3.11 in namespace `{namespace}` use entry `{other}` of secret `{secret}`{login} instead of \
             `{shown}`: {rule}{fix}"
        )
    };
    others.map(note).collect()
}

/// The login of an entry.
fn entry(secrets: &[PodSecret], secret: &str, key: &str) -> Option<(Option<String>, Vec<Secret>)> {
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

fn explanation(own: &ObjectName, used: &Candidate, key: &str) -> String {
    let ObjectName { namespace, name, .. } = own;
    let (secret, other) = (used.source.name(), used.key.as_deref().unwrap_or_default());
    let reason = match (secret == name, is_of(other, key)) {
        (true, true) => "both spellings are the same registry for the importer, which takes either of them".to_owned(),
        (_, false) => format!("its key is more specific than `{}`", mask(key)),
        (false, true) => format!("its name comes before `{name}`"),
    };
    let login = match used.kind {
        CredentialKind::Empty => ", which has neither user nor password",
        _ => "",
    };
    let other = mask(other);
    format!(
        "image imports in namespace `{namespace}` use entry `{other}` of secret `{secret}`{login}: {reason}; renew or remove it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::SecretFact;

    #[test]
    fn only_secrets_that_matter_for_a_test_image_are_kept() {
        let image = Image::parse("registry.example.com/acme/app:v1").unwrap();
        let images = |platform| ImportImages { images: vec![image.clone()], platform: Some(platform) };
        let auths = |key: &str| format!(r#"{{"auths":{{"{key}":{{"auth":"YTpi"}}}}}}"#);
        for (content, import_use, expected) in [
            (auths("registry.example.com"), ImportUse::Used, true),
            (auths("https://registry.example.com/v1/"), ImportUse::Used, true),
            (auths("registry.example.com/acme"), ImportUse::Used, true),
            (auths("*.example.com"), ImportUse::Used, true),
            (r#"{"auths":[]}"#.to_owned(), ImportUse::Used, true),
            (auths("quay.io"), ImportUse::Excluded, true),
            (auths("registry.example.com/other"), ImportUse::Used, false),
            (auths("quay.io"), ImportUse::Used, false),
            (String::new(), ImportUse::Used, false),
        ] {
            let fact = SecretFact {
                revision: crate::facts::Revision { uid: String::new(), version: String::new() },
                type_: PullSecretFormat::DockerConfigJson.type_name().to_owned(),
                immutable: false,
                content: Some(SecretBytes::new(content.clone().into_bytes())),
                marks: crate::facts::Marks::default(),
            };
            let secret = ImportSecret { name: "other".to_owned(), fact, import_use };
            assert_eq!(images(Platform::OpenShift4).are_affected_by(&secret), expected, "{content}");
            assert!(images(Platform::OpenShift3).are_affected_by(&secret), "{content}");
        }
    }
}

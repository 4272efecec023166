//! The file that a login is saved in: the planned change, and notes about what programs use instead of the new entry.

use std::slice;

use crate::dockerconfig::{
    self, Credential, HUB, HUB_KEY, Reader, kubelet_key, mask, mask_user, more_specific, registry_key,
};
use crate::engine::local_file::{self, HERE};
use crate::facts::FileFact;
use crate::lookup::{DOCKER_AUTH_CONFIG, variable_user};
use crate::plan::{self, LeftEntries, PlanRequest, Planned, WantedEntries};
use crate::secret::{Secret, SecretBytes};

/// The credential that the file must contain.
pub(super) struct LoginFile<'a> {
    pub credential: &'a Credential,
    /// `DOCKER_AUTH_CONFIG`.
    pub variable: Option<&'a Secret>,
}

impl LoginFile<'_> {
    /// Plans the change of the file.
    pub(super) fn plan(&self, fact: &FileFact) -> Planned<SecretBytes> {
        let reader = local_file::reader(fact);
        let wanted = WantedEntries { credentials: slice::from_ref(self.credential), retired: &[] };
        let mut planned = plan::file(HERE, fact, wanted, reader, &PlanRequest::default());
        // A login has no inventory that could declare the other entries.
        planned.step.left = LeftEntries::default();
        let result = planned.content.as_ref().map(SecretBytes::expose).or_else(|| local_file::content(fact));
        let mut notes = result.map(|result| self.precedence_notes(result, reader)).unwrap_or_default();
        notes.extend(self.docker_note().into_iter().chain(self.variable_note()));
        planned.step.notes.extend(notes);
        planned
    }

    /// A note about docker for a key with a path (`ConvertToHostname` of docker/cli). Other programs support paths.
    fn docker_note(&self) -> Option<String> {
        let key = &self.credential.key;
        let (host, _) = key.split_once('/').filter(|_| key != HUB_KEY)?;
        Some(match host {
            // docker looks up Docker Hub only by its URL, so it does not find this entry, not even for the images in
            // the namespace.
            HUB => format!("docker does not support paths, and uses only `{HUB_KEY}`"),
            _ => format!(
                "docker does not support paths: it uses the entry for all of `{host}`, unless `{host}` has an entry of its own"
            ),
        })
    }

    /// A note about `DOCKER_AUTH_CONFIG`, if docker uses its entry instead of the new one.
    fn variable_note(&self) -> Option<String> {
        let key = &self.credential.key;
        let host = if key == HUB_KEY { HUB } else { key.split('/').next().unwrap_or_default() };
        let user = variable_user(self.variable?, host)?;
        Some(format!(
            "docker 28.3 and later do not use the new entry: `{DOCKER_AUTH_CONFIG}` has one for `{host}`, with the user \
             `{}`, which has a higher priority until the variable is unset",
            mask_user(&user).escape_debug()
        ))
    }

    /// Notes about entries of the `result` that take precedence over the new one for some of its images.
    fn precedence_notes(&self, result: &[u8], reader: Reader) -> Vec<String> {
        // A file that cannot be parsed makes the plan fail with its own message, so no note is needed.
        let Ok(file) = dockerconfig::read(result) else { return Vec::new() };
        let shown = |key: &str| format!("`{}`", mask(key).escape_debug());
        let is_new = |key: &str| {
            let entry = file.entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.login());
            entry.is_some_and(|it| it.user == self.credential.user && it.password == self.credential.password)
        };
        // containers/image compares keys with image names as they are, and uses no namespaces in a `.dockercfg`.
        let below = format!("{}/", registry_key(&self.credential.key));
        let is_for_all = |key: &&str| reader != Reader::Legacy && key.starts_with(&below);
        let keys = file.entries.iter().map(|entry| entry.key.as_str());
        let specific = more_specific(keys, &self.credential.key).into_iter().filter(|key| !is_new(key));
        let (for_all, for_kubelet): (Vec<&str>, Vec<&str>) = specific.partition(is_for_all);
        let mut notes = Vec::new();
        if !for_all.is_empty() {
            let keys: Vec<String> = for_all.into_iter().map(shown).collect();
            let readers = "podman, skopeo, CRI-O and the kubelet";
            notes.push(format!(
                "{} is kept: for the images in that namespace, {readers} use it instead of the new entry",
                keys.join(", ")
            ));
        }
        notes.extend(for_kubelet.into_iter().map(|key| {
            let namespace = kubelet_key(key).unwrap_or_default();
            format!(
                "{} is kept: for the images in `{}`, the kubelet uses it before the new entry",
                shown(key),
                namespace.escape_debug()
            )
        }));
        notes
    }
}

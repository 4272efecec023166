//! The result of `explain`: the lookups of all consumers on all hosts. It does no I/O.

use serde::Serialize;

use super::{
    Consumer, CredentialFile, CredentialKind, EntrySource, FileSystem, GlobalHelpers, LookupResult, PathState,
    PodSecret, PullRoute, PullSource, RegistriesConf, RunsAs, SearchPath, UnusedEntry, UnusedReason, containers,
    containers_with_helpers, docker, kubelet, similar_entries,
};
use crate::desired::Image;
use crate::dockerconfig::{mask, mask_user};
use crate::failure::Failure;

/// The lookups for one image.
#[derive(Debug, Default)]
pub struct Explanation {
    /// The image on the command line.
    pub image: String,
    /// The normalized name without tag and digest. Credentials are searched by this name.
    pub repository: String,
    /// This machine, or each node in inventory order.
    pub hosts: Vec<ExplainedHost>,
    /// Warnings that did not stop the command.
    pub warnings: Vec<String>,
}

/// The lookups on one host.
#[derive(Debug)]
pub struct ExplainedHost {
    /// The node; `None` is this machine.
    pub host: Option<String>,
    /// The lookups, or why there are none.
    pub lookups: Result<Vec<ConsumerLookup>, HostError>,
    /// The managed files of the node that no consumer reads.
    pub unread: Vec<String>,
}

impl ExplainedHost {
    /// Whether a result is not known, because only root can read a file.
    pub fn is_hidden(&self) -> bool {
        self.lookups.as_ref().is_ok_and(|lookups| lookups.iter().any(|lookup| lookup.result.hidden.is_some()))
    }
}

/// Why there are no lookups on a host.
#[derive(Debug)]
pub enum HostError {
    /// The connection to the node failed.
    Unreachable(Failure),
    /// Reading the files on the node failed.
    Failed(Failure),
    /// The command was interrupted before the lookup.
    Interrupted,
}

/// What to look up.
#[derive(Debug, Clone, Copy)]
pub struct LookupRequest<'a> {
    /// The image as the user wrote it.
    pub written: &'a str,
    /// The parsed image.
    pub image: &'a Image,
    /// The pull secrets of a pod.
    pub secrets: &'a [PodSecret],
}

/// The lookup of one consumer, for one of the registries or mirrors that it pulls the image from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct ConsumerLookup {
    /// The image name for which the consumer searches a credential.
    pub repository: String,
    /// The setting that replaced the name of the image by `repository`; `None` if the name is unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<PullRoute>,
    /// The program that looks up the credential.
    pub consumer: Consumer,
    /// What it finds.
    #[serde(flatten)]
    pub result: LookupResult,
    /// Assumptions that the result depends on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The searched files in order. Empty if there is a credential.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub looked_at: Vec<SearchedFile>,
}

/// A file without a credential for the image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct SearchedFile {
    /// Its path.
    pub file: String,
    /// Why it provides no credential.
    #[serde(rename = "outcome")]
    pub result: FileResult,
}

/// Why a file provides no credential for the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileResult {
    /// It does not exist.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// It has no matching entry.
    NoMatch,
}

/// The lookups of all consumers, for all registries and mirrors that they pull the image from.
pub fn look_up(request: LookupRequest<'_>, paths: &[SearchPath], files: &FileSystem<'_>) -> Vec<ConsumerLookup> {
    paths.iter().flat_map(|path| by_consumer(request, path, files)).collect()
}

fn by_consumer(request: LookupRequest<'_>, path: &SearchPath, files: &FileSystem<'_>) -> Vec<ConsumerLookup> {
    let as_user = |path: &str| match (files.state)(path) {
        PathState::Forbidden(why) => PathState::Unreadable(why),
        state => state,
    };
    let files = &match path.runs_as {
        RunsAs::Root => *files,
        RunsAs::User => FileSystem { state: &as_user, ..*files },
    };
    let own = PullSource { image: request.image.clone(), route: None, blocked: None };
    if path.hidden.is_some() {
        let result = LookupResult { hidden: path.hidden.clone(), ..LookupResult::default() };
        return vec![consumer_lookup(&own, path, result, Vec::new(), files)];
    }
    // containers/image rejects a name that it cannot parse before it reads registries.conf.
    let registries = path.registries.as_ref().filter(|_| request.image.is_valid_for_containers());
    let Some(registries) = registries else { return vec![for_source(&own, None, request, path, files)] };
    let is_hidden = |path: &String| matches!((files.state)(path), PathState::Forbidden(_));
    // Any of these files could redirect the pull or select helpers, so without one of them no result would be reliable.
    if let Some(hidden) = registries.all(files.list).into_iter().find(is_hidden) {
        let result = LookupResult { hidden: Some(hidden), ..LookupResult::default() };
        return vec![consumer_lookup(&own, path, result, Vec::new(), files)];
    }
    let conf = RegistriesConf::at(registries, files);
    match conf.and_then(|conf| Ok((conf.sources(request.written, request.image)?, conf))) {
        // Each registry or mirror has its own lookup, because each of them has another host and so other matching keys.
        Ok((sources, conf)) => {
            sources.iter().map(|source| for_source(source, conf.helpers(), request, path, files)).collect()
        }
        Err(why) => {
            let result = LookupResult { fault: Some(why), ..LookupResult::default() };
            vec![consumer_lookup(&own, path, result, Vec::new(), files)]
        }
    }
}

/// The lookup for one of the registries or mirrors that the image is pulled from.
fn for_source(
    source: &PullSource,
    helpers: Option<&GlobalHelpers>,
    request: LookupRequest<'_>,
    path: &SearchPath,
    file_system: &FileSystem<'_>,
) -> ConsumerLookup {
    // containers/image reports a blocked registry before it looks up a credential, so no file is searched.
    if let Some(prefix) = &source.blocked {
        let fault = Some(format!("registries.conf blocks `{prefix}`"));
        let result = LookupResult { fault, ..LookupResult::default() };
        return consumer_lookup(source, path, result, Vec::new(), file_system);
    }
    let file = |(path, format): &(String, _)| CredentialFile {
        path: path.clone(),
        format: *format,
        state: (file_system.state)(path),
    };
    let files: Vec<CredentialFile> = path.paths.iter().map(file).collect();
    let image = &source.image;
    let mut result = match (path.consumer, helpers) {
        (Consumer::Kubelet, _) => kubelet(image, request.secrets, &files),
        (Consumer::CriO | Consumer::Podman, None) => containers(image, &files),
        (Consumer::CriO | Consumer::Podman, Some(helpers)) => containers_with_helpers(image, &files, helpers),
        (Consumer::Docker, _) => {
            files.first().map(|file| docker(image, file, path.variable.as_ref())).unwrap_or_default()
        }
    };
    result.unused.extend(entries_of_usual_files(image, path, file_system.state));
    // After a credential was found, the remaining files were not searched, so a list of all files would be wrong.
    let searched = if result.credentials.is_empty() { searched_files(&files) } else { Vec::new() };
    consumer_lookup(source, path, result, searched, file_system)
}

fn consumer_lookup(
    source: &PullSource,
    path: &SearchPath,
    result: LookupResult,
    looked_at: Vec<SearchedFile>,
    files: &FileSystem<'_>,
) -> ConsumerLookup {
    let notes = path.notes.iter().cloned().chain(home_note(path, &result));
    let notes = notes.chain(override_note(path, &looked_at)).chain(missing_file_notes(path, files.state)).collect();
    let PullSource { image, route, .. } = source;
    let (repository, consumer) = (image.name.clone(), path.consumer);
    ConsumerLookup { repository, route: *route, consumer, result: masked(result), notes, looked_at }
}

fn searched_files(files: &[CredentialFile]) -> Vec<SearchedFile> {
    let result = |file: &CredentialFile| match file.state {
        PathState::Content(_) => FileResult::NoMatch,
        PathState::Absent => FileResult::Missing,
        PathState::Unreadable(_) | PathState::Forbidden(_) => FileResult::Unreadable,
    };
    files.iter().map(|file| SearchedFile { file: file.path.clone(), result: result(file) }).collect()
}

/// Entries of the usual files. They are not searched, because an environment variable selects another file.
fn entries_of_usual_files(image: &Image, path: &SearchPath, state: impl Fn(&str) -> PathState) -> Vec<UnusedEntry> {
    let Some((variable, usual)) = &path.overridden else { return Vec::new() };
    let entries = |path: &String| match state(path) {
        PathState::Content(bytes) => {
            let source = EntrySource::File(path.clone());
            similar_entries::similar(&bytes, &source, image, &UnusedReason::Variable(variable))
        }
        PathState::Absent | PathState::Unreadable(_) | PathState::Forbidden(_) => Vec::new(),
    };
    usual.iter().flat_map(entries).collect()
}

/// The note that an environment variable selects the only searched file. It is shown only if that file has no
/// credential.
fn override_note(path: &SearchPath, looked_at: &[SearchedFile]) -> Option<String> {
    let ((variable, _), [SearchedFile { file, result }]) = (path.overridden.as_ref()?, looked_at) else { return None };
    let missing = if *result == FileResult::Missing { ", which does not exist" } else { "" };
    Some(format!("`{variable}` selects only `{file}`{missing}"))
}

/// A note for each file of the command line that does not exist.
fn missing_file_notes(path: &SearchPath, state: impl Fn(&str) -> PathState) -> Vec<String> {
    let missing = path.given.iter().filter(|path| matches!(state(path), PathState::Absent));
    missing.map(|path| format!("`{path}` does not exist")).collect()
}

/// The note about a file that is searched only if HOME is set: systemd does not set it for system services.
fn home_note(path: &SearchPath, result: &LookupResult) -> Option<String> {
    let names = result.credentials.iter().map(|candidate| candidate.source.name());
    // One note is enough, because it explains a setting of the unit and not of the file.
    let mut in_home = names.filter(|name| path.home_files.iter().any(|file| file == name));
    in_home.next().map(|file| format!("the kubelet searches `{file}` only if its unit sets HOME"))
}

/// The result with passwords masked, because a key may be a complete URL that contains a password.
fn masked(mut result: LookupResult) -> LookupResult {
    result.credentials.iter_mut().flat_map(|found| &mut found.key).for_each(|key| *key = mask(key));
    for found in &mut result.credentials {
        if let CredentialKind::Login { user } | CredentialKind::IdentityToken { user } = &mut found.kind {
            *user = mask_user(user);
        }
    }
    for unused in &mut result.unused {
        // For a credential helper, this is not the key of an entry but `credHelpers[host]`, which is already masked.
        if !matches!(unused.reason, UnusedReason::NoHelpers(_)) {
            unused.key.iter_mut().for_each(|key| *key = mask(key));
        }
        unused.user.iter_mut().for_each(|user| *user = mask_user(user));
        if let UnusedReason::Key(text) | UnusedReason::Either(text) = &mut unused.reason {
            *text = mask(text);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::{Account, GlobalAuthFile};
    use crate::secret::SecretBytes;

    #[test]
    fn crio_has_its_own_file_and_the_kubelet_needs_a_home() {
        let paths = Account::root().search_paths(&GlobalAuthFile::Path("/own.json".to_owned()));
        let files = [("/own.json", "YTpi"), ("/root/.docker/config.json", "Yzpk")];
        let state = |path: &str| match files.iter().find(|(known, _)| *known == path) {
            Some((_, auth)) => {
                let text = format!(r#"{{"auths":{{"quay.io":{{"auth":"{auth}"}}}}}}"#);
                PathState::Content(SecretBytes::new(text.into_bytes()))
            }
            None => PathState::Absent,
        };
        let image = Image::parse("quay.io/app").unwrap();
        let request = LookupRequest { written: "quay.io/app", image: &image, secrets: &[] };
        let lookups = look_up(request, &paths, &FileSystem { state: &state, list: &|_| Vec::new() });
        let found: Vec<_> = lookups
            .iter()
            .map(|lookup| (lookup.consumer, &lookup.result.credentials[0].kind, lookup.notes.len()))
            .collect();
        let [a, c] = ["a", "c"].map(|user| CredentialKind::Login { user: user.to_owned() });
        let expected =
            [(Consumer::Kubelet, &c, 1), (Consumer::CriO, &a, 0), (Consumer::Podman, &c, 0), (Consumer::Docker, &c, 0)];
        assert_eq!(found, expected);
        assert!(lookups[0].notes[0].contains("HOME"), "{:?}", lookups[0].notes);
    }

    #[test]
    fn a_password_in_a_key_is_not_shown() {
        let paths = Account::root().search_paths(&GlobalAuthFile::Path("/own.json".to_owned()));
        let image = Image::parse("quay.io/app").unwrap();
        for text in [
            r#"{"auths":{"https://me:hunter2@quay.io":{"auth":"YTpi"},"me:hunter2":{"auth":"YTpi"},"quay.io":{"auth":"YTpi"}}}"#,
            r#"{"auths":{"me:hunter2@quay.io":{"auth":"!"},"quay.io":{"username":"eve:hunter2","password":"hunter2"}}}"#,
            r#"{"auths":{},"credHelpers":{"me:hunter2@quay.io":"x"}}"#,
        ] {
            let state = |_: &str| PathState::Content(SecretBytes::new(text.as_bytes().to_vec()));
            let request = LookupRequest { written: "quay.io/app", image: &image, secrets: &[] };
            let lookups = look_up(request, &paths, &FileSystem { state: &state, list: &|_| Vec::new() });
            let json = serde_json::to_string(&lookups).unwrap();
            assert!(json.contains("[redacted]") && !json.contains("hunter2"), "{json}");
        }
    }
}

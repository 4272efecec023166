//! What `explain` finds: the answer of every consumer at every place.

use serde::Serialize;

use super::{
    Answer, Consumer, File, Image, Kind, PullSecret, Searched, Source, State, Unused, Why, containers, docker, kubelet,
    near,
};
use crate::dockerconfig::{mask, mask_user};
use crate::facts::Failure;

/// The answers for one image.
#[derive(Debug, Default)]
pub struct Explanation {
    /// The image as it was asked for.
    pub image: String,
    /// The name that credentials are looked up by.
    pub repository: String,
    /// One for this machine, or for each node in inventory order.
    pub places: Vec<Place>,
    /// What to look at, though it stopped nothing.
    pub warnings: Vec<String>,
}

/// What was found at one place.
#[derive(Debug)]
pub struct Place {
    /// The node; `None` is this machine.
    pub host: Option<String>,
    /// The answers, or why there are none.
    pub seen: Result<Vec<Lookup>, Unseen>,
}

/// Why a place has no answers.
#[derive(Debug)]
pub enum Unseen {
    /// The node could not be reached.
    Unreachable(Failure),
    /// The node would not show its files.
    Failed(Failure),
    /// The command was interrupted before.
    Interrupted,
}

/// The answer of one consumer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Lookup {
    /// Who looks.
    pub consumer: Consumer,
    /// What it finds.
    #[serde(flatten)]
    pub answer: Answer,
    /// What the answer rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Where there is no credential: the files that were looked at, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub looked_at: Vec<Tried>,
}

/// A file without a credential for the image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Tried {
    /// Its path.
    pub file: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a file without a credential for the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It does not exist.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// It has no entry that matches.
    NoMatch,
}

/// Asks each consumer, with its files as `state` knows them, and `secrets` of a pod for the kubelet.
pub fn ask(image: &Image, searched: &[Searched], secrets: &[PullSecret], state: impl Fn(&str) -> State) -> Vec<Lookup> {
    let lookup = |searched: &Searched| {
        let files = searched.paths.iter();
        let files: Vec<File> =
            files.map(|(path, format)| File { path: path.clone(), format: *format, state: state(path) }).collect();
        let answer = match searched.consumer {
            Consumer::Kubelet => kubelet(image, secrets, &files),
            Consumer::CriO | Consumer::Podman => containers(image, &files),
            Consumer::Docker => files.first().map(|file| docker(image, file)).unwrap_or_default(),
        };
        let mut answer = answer;
        answer.unused.extend(passed_by(image, searched, &state));
        let looked_at = if answer.credentials.is_empty() { tried(&files) } else { Vec::new() };
        let notes = searched.notes.iter().cloned().chain(home_note(searched, &answer));
        let notes = notes.chain(detour_note(searched, &looked_at)).chain(missing(searched, &state)).collect();
        Lookup { consumer: searched.consumer, answer: masked(answer), notes, looked_at }
    };
    searched.iter().map(lookup).collect()
}

fn tried(files: &[File]) -> Vec<Tried> {
    let outcome = |file: &File| match file.state {
        State::Content(_) => Outcome::NoMatch,
        State::Absent => Outcome::Missing,
        State::Unreadable(_) => Outcome::Unreadable,
    };
    files.iter().map(|file| Tried { file: file.path.clone(), outcome: outcome(file) }).collect()
}

/// Entries that would count if no variable of the environment led elsewhere.
fn passed_by(image: &Image, searched: &Searched, state: impl Fn(&str) -> State) -> Vec<Unused> {
    let Some((variable, paths)) = &searched.detour else { return Vec::new() };
    let near = |path: &String| match state(path) {
        State::Content(bytes) => near::all(&bytes, &Source::File(path.clone()), image, &Why::Variable(variable)),
        State::Absent | State::Unreadable(_) => Vec::new(),
    };
    paths.iter().flat_map(near).collect()
}

/// A variable leads to one file, which has nothing.
fn detour_note(searched: &Searched, looked_at: &[Tried]) -> Option<String> {
    let ((variable, _), [Tried { file, outcome }]) = (searched.detour.as_ref()?, looked_at) else { return None };
    let missing = if *outcome == Outcome::Missing { ", which does not exist" } else { "" };
    Some(format!("`{variable}` leads to `{file}` alone{missing}"))
}

fn missing(searched: &Searched, state: impl Fn(&str) -> State) -> Vec<String> {
    let missing = searched.named.iter().filter(|path| matches!(state(path), State::Absent));
    missing.map(|path| format!("`{path}` does not exist")).collect()
}

/// A service of systemd has no HOME, unless its unit sets one.
fn home_note(searched: &Searched, answer: &Answer) -> Option<String> {
    let names = answer.credentials.iter().map(|candidate| candidate.source.name());
    let mut own = names.filter(|name| searched.home_files.iter().any(|file| file == name));
    own.next().map(|file| format!("the kubelet looks for `{file}` only where its unit sets HOME"))
}

/// A key may be a whole address, with a password that nobody is to see.
fn masked(mut answer: Answer) -> Answer {
    answer.credentials.iter_mut().flat_map(|found| &mut found.key).for_each(|key| *key = mask(key));
    for found in &mut answer.credentials {
        if let Kind::Login { user } | Kind::IdentityToken { user } = &mut found.kind {
            *user = mask_user(user);
        }
    }
    for unused in &mut answer.unused {
        // That of a helper is told in a spelling of its own.
        if !matches!(unused.why, Why::NoHelpers(_)) {
            unused.key.iter_mut().for_each(|key| *key = mask(key));
        }
        unused.user.iter_mut().for_each(|user| *user = mask_user(user));
        if let Why::Key(text) | Why::Either(text) = &mut unused.why {
            *text = mask(text);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::{Account, GlobalAuthFile};
    use crate::secret::SecretBytes;

    #[test]
    fn crio_has_its_own_file_and_the_kubelet_needs_a_home() {
        let searched = Account::root().search(&GlobalAuthFile::Path("/own.json".to_owned()));
        let files = [("/own.json", "YTpi"), ("/root/.docker/config.json", "Yzpk")];
        let state = |path: &str| match files.iter().find(|(known, _)| *known == path) {
            Some((_, auth)) => {
                let text = format!(r#"{{"auths":{{"quay.io":{{"auth":"{auth}"}}}}}}"#);
                State::Content(SecretBytes::new(text.into_bytes()))
            }
            None => State::Absent,
        };
        let found = ask(&Image::parse("quay.io/app").unwrap(), &searched, &[], state);
        let told: Vec<_> = found
            .iter()
            .map(|lookup| (lookup.consumer, &lookup.answer.credentials[0].kind, lookup.notes.len()))
            .collect();
        let [a, c] = ["a", "c"].map(|user| Kind::Login { user: user.to_owned() });
        let expected =
            [(Consumer::Kubelet, &c, 1), (Consumer::CriO, &a, 0), (Consumer::Podman, &c, 0), (Consumer::Docker, &c, 0)];
        assert_eq!(told, expected);
        assert!(found[0].notes[0].contains("HOME"), "{:?}", found[0].notes);
    }

    #[test]
    fn a_password_in_a_key_is_not_shown() {
        let searched = Account::root().search(&GlobalAuthFile::Path("/own.json".to_owned()));
        let image = Image::parse("quay.io/app").unwrap();
        for text in [
            r#"{"auths":{"https://me:hunter2@quay.io":{"auth":"YTpi"},"me:hunter2":{"auth":"YTpi"},"quay.io":{"auth":"YTpi"}}}"#,
            r#"{"auths":{"me:hunter2@quay.io":{"auth":"!"},"quay.io":{"username":"eve:hunter2","password":"hunter2"}}}"#,
            r#"{"auths":{},"credHelpers":{"me:hunter2@quay.io":"x"}}"#,
        ] {
            let state = |_: &str| State::Content(SecretBytes::new(text.as_bytes().to_vec()));
            let told = serde_json::to_string(&ask(&image, &searched, &[], state)).unwrap();
            assert!(told.contains("[redacted]") && !told.contains("hunter2"), "{told}");
        }
    }
}

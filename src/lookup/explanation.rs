//! What `explain` finds: the answer of every consumer at every place.

use serde::Serialize;

use super::{
    Answer, Consumer, File, Helpers, Image, Kind, Pull, PullSecret, RegistriesConf, Route, Searched, Source, State,
    Unused, Why, containers, docker, helped, kubelet, near,
};
use crate::dockerconfig::{mask, mask_user};
use crate::failure::Failure;

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

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The image as somebody wrote it.
    pub written: &'a str,
    /// The same, taken apart.
    pub image: &'a Image,
    /// The pull secrets of a pod.
    pub secrets: &'a [PullSecret],
}

/// What lies at a place.
#[derive(Clone, Copy)]
pub struct Disk<'a> {
    /// What stands at a path.
    pub state: &'a dyn Fn(&str) -> State,
    /// The paths in a folder, in their order.
    pub list: &'a dyn Fn(&str) -> Vec<String>,
}

/// The answer of one consumer, for one of the places from which it pulls the image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Lookup {
    /// The name that credentials are looked up by.
    pub repository: String,
    /// What leads to another place than the image's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
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

/// Asks each consumer, from wherever it pulls the image.
pub fn ask(asked: Asked<'_>, searched: &[Searched], disk: &Disk<'_>) -> Vec<Lookup> {
    searched.iter().flat_map(|searched| by(asked, searched, disk)).collect()
}

fn by(asked: Asked<'_>, searched: &Searched, disk: &Disk<'_>) -> Vec<Lookup> {
    let as_user = |path: &str| match (disk.state)(path) {
        State::Forbidden(why) => State::Unreadable(why),
        state => state,
    };
    let disk = &match searched.consumer {
        // They run as root, and may read what whoever asks may not.
        Consumer::Kubelet | Consumer::CriO => *disk,
        Consumer::Podman | Consumer::Docker => Disk { state: &as_user, ..*disk },
    };
    let own = Pull { image: asked.image.clone(), route: None, blocked: None };
    // What it cannot read as a name it looks up nowhere.
    let paths = searched.registries.as_ref().filter(|_| asked.image.is_valid_for_containers());
    let Some(paths) = paths else { return vec![from(&own, None, asked, searched, disk)] };
    let is_hidden = |path: &String| matches!((disk.state)(path), State::Forbidden(_));
    if let Some(hidden) = paths.all(disk.list).into_iter().find(is_hidden) {
        let answer = Answer { hidden: Some(hidden), ..Answer::default() };
        return vec![lookup(&own, searched, answer, Vec::new(), disk)];
    }
    let conf = RegistriesConf::at(paths, disk);
    match conf.and_then(|conf| Ok((conf.pulls(asked.written, asked.image)?, conf))) {
        Ok((pulls, conf)) => pulls.iter().map(|pull| from(pull, conf.helpers(), asked, searched, disk)).collect(),
        Err(why) => vec![lookup(&own, searched, Answer { fault: Some(why), ..Answer::default() }, Vec::new(), disk)],
    }
}

fn from(pull: &Pull, helpers: Option<&Helpers>, asked: Asked<'_>, searched: &Searched, disk: &Disk<'_>) -> Lookup {
    if let Some(prefix) = &pull.blocked {
        let answer = Answer { fault: Some(format!("registries.conf blocks `{prefix}`")), ..Answer::default() };
        return lookup(pull, searched, answer, Vec::new(), disk);
    }
    let files = searched.paths.iter();
    let file = |(path, format): &(String, _)| File { path: path.clone(), format: *format, state: (disk.state)(path) };
    let files: Vec<File> = files.map(file).collect();
    let image = &pull.image;
    let mut answer = match (searched.consumer, helpers) {
        (Consumer::Kubelet, _) => kubelet(image, asked.secrets, &files),
        (Consumer::CriO | Consumer::Podman, None) => containers(image, &files),
        (Consumer::CriO | Consumer::Podman, Some(helpers)) => helped(image, &files, helpers),
        (Consumer::Docker, _) => files.first().map(|file| docker(image, file)).unwrap_or_default(),
    };
    answer.unused.extend(passed_by(image, searched, disk.state));
    let looked_at = if answer.credentials.is_empty() { tried(&files) } else { Vec::new() };
    lookup(pull, searched, answer, looked_at, disk)
}

fn lookup(pull: &Pull, searched: &Searched, answer: Answer, looked_at: Vec<Tried>, disk: &Disk<'_>) -> Lookup {
    let notes = searched.notes.iter().cloned().chain(home_note(searched, &answer));
    let notes = notes.chain(detour_note(searched, &looked_at)).chain(missing(searched, disk.state)).collect();
    let Pull { image, route, .. } = pull;
    let consumer = searched.consumer;
    Lookup { repository: image.name.clone(), route: *route, consumer, answer: masked(answer), notes, looked_at }
}

fn tried(files: &[File]) -> Vec<Tried> {
    let outcome = |file: &File| match file.state {
        State::Content(_) => Outcome::NoMatch,
        State::Absent => Outcome::Missing,
        State::Unreadable(_) | State::Forbidden(_) => Outcome::Unreadable,
    };
    files.iter().map(|file| Tried { file: file.path.clone(), outcome: outcome(file) }).collect()
}

/// Entries that would count if no variable of the environment led elsewhere.
fn passed_by(image: &Image, searched: &Searched, state: impl Fn(&str) -> State) -> Vec<Unused> {
    let Some((variable, paths)) = &searched.detour else { return Vec::new() };
    let near = |path: &String| match state(path) {
        State::Content(bytes) => near::all(&bytes, &Source::File(path.clone()), image, &Why::Variable(variable)),
        State::Absent | State::Unreadable(_) | State::Forbidden(_) => Vec::new(),
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
        let image = Image::parse("quay.io/app").unwrap();
        let asked = Asked { written: "quay.io/app", image: &image, secrets: &[] };
        let found = ask(asked, &searched, &Disk { state: &state, list: &|_| Vec::new() });
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
            let asked = Asked { written: "quay.io/app", image: &image, secrets: &[] };
            let found = ask(asked, &searched, &Disk { state: &state, list: &|_| Vec::new() });
            let told = serde_json::to_string(&found).unwrap();
            assert!(told.contains("[redacted]") && !told.contains("hunter2"), "{told}");
        }
    }
}

//! What `explain` finds: the answer of every consumer at every place.

use serde::Serialize;

use super::{Answer, Consumer, File, Image, PullSecret, Searched, State, containers, docker, kubelet};
use crate::facts::Failure;

/// The answers for one image.
#[derive(Debug)]
pub struct Explanation {
    /// The image as it was asked for.
    pub image: String,
    /// The name that credentials are looked up by.
    pub repository: String,
    /// One for this machine, or for each node in inventory order.
    pub places: Vec<Place>,
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
}

/// Asks each consumer, with its files as `state` knows them, and `secrets` of a pod for the kubelet.
pub fn ask(
    image: &Image,
    searched: &[Searched],
    secrets: &[PullSecret],
    state: impl Fn(&str) -> State,
) -> Vec<Lookup> {
    let lookup = |searched: &Searched| {
        let files = searched.paths.iter();
        let files: Vec<File> =
            files.map(|(path, format)| File { path: path.clone(), format: *format, state: state(path) }).collect();
        let answer = match searched.consumer {
            Consumer::Kubelet => kubelet(image, secrets, &files),
            Consumer::CriO | Consumer::Podman => containers(image, &files),
            Consumer::Docker => files.first().map(|file| docker(image, file)).unwrap_or_default(),
        };
        let notes = searched.notes.iter().cloned().chain(home_note(searched, &answer)).collect();
        Lookup { consumer: searched.consumer, answer, notes }
    };
    searched.iter().map(lookup).collect()
}

/// A service of systemd has no HOME, unless its unit sets one.
fn home_note(searched: &Searched, answer: &Answer) -> Option<String> {
    let names = answer.credentials.iter().map(|candidate| candidate.source.name());
    let mut own = names.filter(|name| searched.home_files.iter().any(|file| file == name));
    own.next().map(|file| format!("the kubelet looks for `{file}` only where its unit sets HOME"))
}

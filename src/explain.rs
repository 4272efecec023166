//! Answers `explain`: reads the files of this machine, or of nodes, and the secrets of a pod, and asks `lookup` what
//! each consumer makes of them. Nothing is changed anywhere.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::authfile;
use crate::cluster::ClusterPurpose;
use crate::desired::{self, Desired, Image, NodeTarget};
use crate::dockerconfig::mask;
use crate::engine::{self, Engine};
use crate::facts::{FileFact, FileState};
use crate::failure::Failure;
use crate::inventory;
use crate::lookup::{
    Account, Asked, CRIO_FILES, Disk, Explanation, GlobalAuthFile, Lookup, Place, PullSecret, Searched, State, Unseen,
    ask, global_auth_file,
};
use crate::node::OpenFailure;
use crate::options::{Pod, Question, Where};
use crate::report::ExitStatus;
use crate::schedule::{self, Cancel, Stop};

const CRIO_FOLDER: &str = "/etc/crio/crio.conf.d";
/// What lies in registries.conf.d of a node: the aliases of its distribution, and what MCO writes.
const NODE_DROP_INS: [&str; 3] = [
    "/etc/containers/registries.conf.d/000-shortnames.conf",
    "/etc/containers/registries.conf.d/01-image-searchRegistries.conf",
    "/etc/containers/registries.conf.d/shortnames.conf",
];

/// What stands at the paths that were looked at.
type States = HashMap<String, State>;

/// The answers to a question.
///
/// # Errors
/// If the image is none, the inventory cannot be used, or the cluster does not show the secrets.
pub fn explain(question: &Question, cancel: &Cancel) -> Result<Explanation, Vec<Failure>> {
    let image = Image::parse(&question.image).map_err(|why| {
        let shown = mask(&question.image);
        let failure = Failure::new(format!("`{shown}` is no image name")).cause(why);
        fault(match shown.split_once("://") {
            Some((scheme, _)) => failure.hint(format!("leave `{scheme}://` out")),
            None => failure,
        })
    })?;
    if let Where::Here(_) = question.place {
        check(&question.files)?;
    }
    let desired = match question.place {
        Where::Here(_) => Desired::default(),
        Where::Nodes => targets(question)?,
    };
    cancel.begin();
    let repository = image.name.clone();
    let mut explanation = Explanation { image: question.image.clone(), repository, ..Explanation::default() };
    if let (Where::Here(account), None) = (&question.place, &question.pod) {
        let asked = Asked { written: &question.image, image: &image, secrets: &[] };
        explanation.places.push(here(question, account, asked));
        return Ok(explanation);
    }
    let engine = Engine::new(&question.settings, &desired, cancel).map_err(fault)?;
    explanation.warnings = question.settings.warnings.iter().cloned().chain(desired.risks()).collect();
    let secrets = question.pod.as_ref().map_or(Ok(Vec::new()), |pod| secrets(question, &engine, pod)).map_err(fault)?;
    let asked = Asked { written: &question.image, image: &image, secrets: &secrets };
    explanation.places = match &question.place {
        Where::Here(account) => vec![here(question, account, asked)],
        Where::Nodes => nodes(question, &engine, &desired.nodes, asked),
    };
    // A resolver that does not answer would hold the end back.
    engine.runtime.shutdown_background();
    Ok(explanation)
}

/// The exit status of what was found.
pub fn status(explanation: &Explanation) -> ExitStatus {
    let any = |is: fn(&Unseen) -> bool| explanation.places.iter().any(|place| place.seen.as_ref().is_err_and(is));
    match () {
        () if any(|unseen| matches!(unseen, Unseen::Interrupted)) => ExitStatus::Interrupted,
        () if any(|unseen| matches!(unseen, Unseen::Unreachable(_))) => ExitStatus::Unreachable,
        () if any(|unseen| matches!(unseen, Unseen::Failed(_))) => ExitStatus::Failed,
        () => ExitStatus::Done,
    }
}

/// A file that somebody named is to be there. Not every node needs to have it.
fn check(files: &[String]) -> Result<(), Vec<Failure>> {
    let missing = files.iter().filter(|file| matches!(read(Path::new(file)), State::Absent));
    let faults: Vec<Failure> =
        missing.map(|file| Failure::new(format!("`{file}` does not exist")).hint("check `--file`")).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn fault(failure: Failure) -> Vec<Failure> {
    vec![failure]
}

fn targets(question: &Question) -> Result<Desired, Vec<Failure>> {
    let faults = |problems: Vec<inventory::Problem>| problems.iter().map(Failure::from).collect::<Vec<_>>();
    let variables = inventory::load(&question.settings.sources).map_err(faults)?;
    let nodes = desired::nodes(&variables, &question.settings.request).map_err(faults)?;
    Ok(Desired { nodes, ..Desired::default() })
}

fn secrets(question: &Question, engine: &Engine, pod: &Pod) -> Result<Vec<PullSecret>, Failure> {
    let cluster = engine::cluster(&question.settings, ClusterPurpose::Explain, &engine.runtime, &engine.redactor)?;
    engine.runtime.block_on(async {
        tokio::select! {
            found = cluster.pull_secrets(&pod.namespace, &pod.service_account) => found,
            () = engine.cancel.reached(Stop::Gently) => Err(Failure::new("interrupted before the secrets were read")),
        }
    })
}

fn here(question: &Question, account: &Account, asked: Asked<'_>) -> Place {
    let searched = match question.files.as_slice() {
        [] => account.search(&global_auth_file(crio_settings().iter().map(String::as_str))),
        files => Searched::only(files),
    };
    let disk = Disk { state: &|path| read(Path::new(path)), list: &listed };
    Place { host: None, seen: Ok(ask(asked, &searched, &disk)) }
}

/// The settings of CRI-O on this machine, in the order in which they are read.
fn crio_settings() -> Vec<String> {
    let files = std::iter::once(CRIO_FILES[0].to_owned()).chain(listed(CRIO_FOLDER));
    files.filter_map(|path| text(&read(Path::new(&path)))).collect()
}

/// The paths in a folder of this machine.
fn listed(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<String> = entries.map(|entry| entry.path().display().to_string()).collect();
    paths.sort();
    paths
}

fn text(state: &State) -> Option<String> {
    match state {
        State::Content(bytes) => Some(String::from_utf8_lossy(bytes.expose()).into_owned()),
        State::Absent | State::Unreadable(_) | State::Forbidden(_) => None,
    }
}

/// A file of this machine.
fn read(path: &Path) -> State {
    match (state(authfile::read(path)), fs::File::open(path)) {
        (State::Unreadable(why), Err(error)) if error.kind() == ErrorKind::PermissionDenied => State::Forbidden(why),
        (state, _) => state,
    }
}

fn nodes(question: &Question, engine: &Engine, nodes: &[NodeTarget], asked: Asked<'_>) -> Vec<Place> {
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let mut places = Vec::with_capacity(nodes.len());
    schedule::each(
        &engine.pool,
        nodes.iter().collect(),
        |node| {
            let interrupted = || engine.cancel.level() > Stop::No;
            let seen = if interrupted() { Err(Unseen::Interrupted) } else { on(question, engine, node, asked) };
            (node, seen.map_err(|unseen| if interrupted() { Unseen::Interrupted } else { unseen }))
        },
        |result| {
            let at = places.len();
            let (node, seen) = result.unwrap_or_else(|| {
                (&nodes[at], Err(Unseen::Failed(Failure::internal("the node could not be looked at"))))
            });
            places.push(Place { host: Some(node.name.clone()), seen });
        },
    );
    places
}

fn on(question: &Question, engine: &Engine, node: &NodeTarget, asked: Asked<'_>) -> Result<Vec<Lookup>, Unseen> {
    let mut states = States::new();
    let searched = if question.files.is_empty() {
        let settings = CRIO_FILES.map(str::to_owned);
        let usual = paths(&Account::root().search(&GlobalAuthFile::Unset));
        open(engine, node, usual.into_iter().chain(settings.clone()).collect(), &mut states)?;
        let found: Vec<String> = settings.iter().filter_map(|path| text(states.get(path)?)).collect();
        Account::root().search(&global_auth_file(found.iter().map(String::as_str)))
    } else {
        Searched::only(&question.files)
    };
    open(engine, node, paths(&searched), &mut states)?;
    let disk = Disk { state: &|path| states.get(path).cloned().unwrap_or(State::Absent), list: &known };
    Ok(ask(asked, &searched, &disk))
}

fn paths(searched: &[Searched]) -> Vec<String> {
    let files = searched.iter().flat_map(|searched| &searched.paths).map(|(path, _)| path.clone());
    let registries = searched.iter().filter_map(|searched| searched.registries.as_ref());
    files.chain(registries.flat_map(|registries| registries.all(known))).collect()
}

/// Those paths in a folder of a node that are looked at: its folders are not listed.
fn known(folder: &str) -> Vec<String> {
    NODE_DROP_INS
        .iter()
        .filter(|path| path.rsplit_once('/').is_some_and(|(of, _)| of == folder))
        .map(|path| (*path).to_owned())
        .collect()
}

/// Reads those of `paths` that `states` does not know yet, over one connection.
fn open(engine: &Engine, node: &NodeTarget, paths: Vec<String>, states: &mut States) -> Result<(), Unseen> {
    let mut files: Vec<String> = Vec::new();
    for path in paths {
        if !states.contains_key(&path) && !files.contains(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Ok(());
    }
    let (facts, session) = engine.open_node(node, &files).map_err(|failure| match failure {
        OpenFailure::Unreachable(failure) => Unseen::Unreachable(failure),
        OpenFailure::Failed(failure) => Unseen::Failed(failure),
    })?;
    // What was read is read; the script on the node ends by itself as well.
    let _ = session.keep();
    facts.into_iter().for_each(|fact| note(fact, states));
    Ok(())
}

/// A file under all its paths.
fn note(fact: FileFact, states: &mut States) {
    let state = state(fact.state);
    for path in std::iter::once(fact.path).chain(fact.aliases) {
        states.insert(path, state.clone());
    }
}

fn state(found: FileState) -> State {
    match found {
        FileState::Present { content, .. } => State::Content(content),
        FileState::Absent => State::Absent,
        FileState::Unusable(failure) => {
            State::Unreadable(std::iter::once(failure.message).chain(failure.causes).collect::<Vec<_>>().join(": "))
        }
    }
}

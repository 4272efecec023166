//! Runs `explain`: reads the credential files of this machine or of nodes, and the pull secrets of a pod, and passes them to
//! the rules in `lookup`. It changes nothing.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::authfile;
use crate::cluster::ClusterPurpose;
use crate::desired::{self, ApiAccess, Desired, Image, NodeTarget};
use crate::dockerconfig::mask;
use crate::engine::Engine;
use crate::engine::schedule::{self, Begin, Cancel, Stop};
use crate::facts::{FileAccess, FileFact, FileState};
use crate::failure::Failure;
use crate::inventory;
use crate::lookup::{
    Account, CRIO_FILES, ConsumerLookup, ExplainedHost, Explanation, FileSystem, GlobalAuthFile, HostError,
    LookupRequest, PathState, PodSecret, SearchPath, global_auth_file, look_up,
};
use crate::node::OpenFailure;
use crate::options::{Pod, Question, Where};
use crate::plan::PlanRequest;
use crate::report::ExitStatus;

/// The directory of CRI-O's drop-in configuration files.
const CRIO_DROP_INS: &str = "/etc/crio/crio.conf.d";
/// The files of registries.conf.d that are read on nodes: the aliases of the distribution, and the file of the Machine
/// Config Operator.
const NODE_DROP_INS: [&str; 3] = [
    "/etc/containers/registries.conf.d/000-shortnames.conf",
    "/etc/containers/registries.conf.d/01-image-searchRegistries.conf",
    "/etc/containers/registries.conf.d/shortnames.conf",
];

/// The files of a node that were read.
#[derive(Default)]
struct NodeFiles {
    /// The state of each path.
    states: HashMap<String, PathState>,
    /// The paths that lead to the same file.
    same: Vec<Vec<String>>,
}

/// The lookups on a node, and its managed files that no consumer reads.
type NodeLookups = (Vec<ConsumerLookup>, Vec<String>);

/// Finds the credentials that each consumer would use for the image of a question.
///
/// # Errors
/// If the image name is invalid, the inventory cannot be used, or the secrets cannot be read. None, if a signal arrived
/// before anything was contacted.
pub fn explain(question: &Question, cancel: &Cancel) -> Result<Explanation, Vec<Failure>> {
    let image = Image::parse(&question.image).map_err(|why| {
        let shown = mask(&question.image);
        let failure = Failure::new(format!("`{shown}` is not an image name")).cause(why);
        vec![match shown.split_once("://") {
            Some((scheme, _)) => failure.hint(format!("leave `{scheme}://` out")),
            None => failure,
        }]
    })?;
    if let Where::Here(_) = question.place {
        require_files(&question.files)?;
    }
    let desired = match question.place {
        Where::Here(_) => Desired::default(),
        Where::Nodes => selected_nodes(question)?,
    };
    let repository = image.name.clone();
    let mut explanation = Explanation { image: question.image.clone(), repository, ..Explanation::default() };
    // The question is about local files only, so no engine is needed, and the command works without any configuration.
    // It only reads, so the first signal ends it.
    if let (Where::Here(account), None) = (&question.place, &question.pod) {
        let request = LookupRequest { written: &question.image, image: &image, secrets: &[] };
        explanation.hosts.push(on_this_machine(question, account, request));
        return Ok(explanation);
    }
    let mut engine = Engine::new(&question.settings, &PlanRequest::default(), &desired, cancel)?;
    if question.pod.is_some() {
        engine.use_cluster(&question.settings, ClusterPurpose::Explain, &desired.access)?;
    }
    let warnings = question.settings.warnings.iter().cloned();
    let warnings = warnings.chain(desired.warnings.iter().map(ToString::to_string)).chain(desired.risks());
    explanation.warnings = warnings.chain(engine.warnings.iter().cloned()).collect();
    if cancel.begin() == Begin::Never {
        return Err(Vec::new());
    }
    let secrets = question.pod.as_ref().map_or(Ok(Vec::new()), |pod| pod_secrets(&engine, pod));
    let secrets = secrets.map_err(|failure| vec![failure])?;
    let request = LookupRequest { written: &question.image, image: &image, secrets: &secrets };
    explanation.hosts = match &question.place {
        Where::Here(account) => vec![on_this_machine(question, account, request)],
        Where::Nodes => on_nodes(question, &engine, &desired.nodes, request),
    };
    // Dropping the runtime would wait for a DNS lookup without a response.
    engine.runtime.shutdown_background();
    Ok(explanation)
}

/// The exit status of an explanation.
pub fn status(explanation: &Explanation) -> ExitStatus {
    let any = |is: fn(&HostError) -> bool| explanation.hosts.iter().any(|host| host.lookups.as_ref().is_err_and(is));
    match () {
        () if any(|error| matches!(error, HostError::Interrupted)) => ExitStatus::Interrupted,
        () if any(|error| matches!(error, HostError::Unreachable(_))) => ExitStatus::Unreachable,
        () if any(|error| matches!(error, HostError::Failed(_))) => ExitStatus::Failed,
        // On this machine, root's files are usually not of interest to the user. On a node, the login user of
        // the inventory lacks a permission.
        () if explanation.hosts.iter().any(|host| host.host.is_some() && host.is_hidden()) => ExitStatus::Failed,
        () => ExitStatus::Done,
    }
}

/// Reports files of `--file` that do not exist on this machine. On nodes they are optional.
fn require_files(files: &[String]) -> Result<(), Vec<Failure>> {
    let missing = files.iter().filter(|file| matches!(read(Path::new(file)), PathState::Absent));
    let failures: Vec<Failure> =
        missing.map(|file| Failure::new(format!("`{file}` does not exist")).hint("check `--file`")).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

fn selected_nodes(question: &Question) -> Result<Desired, Vec<Failure>> {
    let failures = |problems: Vec<inventory::Problem>| problems.iter().map(Failure::from).collect::<Vec<_>>();
    let variables = inventory::load(&question.settings.sources).map_err(failures)?;
    let nodes = desired::nodes(&variables, &question.settings.request).map_err(failures)?;
    let access = match question.pod {
        Some(_) => desired::api_access(&variables, &question.settings.request).map_err(failures)?,
        None => ApiAccess::default(),
    };
    let warnings = desired::command_line_passwords(variables.inventory());
    Ok(Desired { nodes, access, warnings, ..Desired::default() })
}

fn pod_secrets(engine: &Engine, pod: &Pod) -> Result<Vec<PodSecret>, Failure> {
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let Some(connection) = &engine.cluster else { return Err(Failure::internal("there is no cluster")) };
    let secrets = async { connection.cluster().await?.pull_secrets(&pod.namespace, &pod.service_account).await };
    engine.runtime.block_on(async {
        tokio::select! {
            secrets = secrets => secrets,
            () = engine.cancel.reached(Stop::Gently) => {
                Err(Failure::new("interrupted before the secrets were read").hint("run again"))
            }
        }
    })
}

fn on_this_machine(question: &Question, account: &Account, request: LookupRequest<'_>) -> ExplainedHost {
    let paths = match question.files.as_slice() {
        [] => account.search_paths(&global_auth_file(&crio_settings())),
        files => SearchPath::only(files, account),
    };
    let files = FileSystem { state: &|path| read(Path::new(path)), list: &list };
    ExplainedHost { host: None, lookups: Ok(look_up(request, &paths, &files)), unread: Vec::new() }
}

/// CRI-O's configuration files on this machine, in the order in which CRI-O reads them.
fn crio_settings() -> Vec<(String, PathState)> {
    let files = std::iter::once(CRIO_FILES[0].to_owned()).chain(list(CRIO_DROP_INS));
    files.map(|path| (path.clone(), read(Path::new(&path)))).collect()
}

/// The sorted paths in a directory of this machine.
fn list(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<String> = entries.map(|entry| entry.path().display().to_string()).collect();
    paths.sort();
    paths
}

/// Reads a file of this machine.
fn read(path: &Path) -> PathState {
    path_state(authfile::read(path))
}

fn on_nodes(
    question: &Question,
    engine: &Engine,
    nodes: &[NodeTarget],
    request: LookupRequest<'_>,
) -> Vec<ExplainedHost> {
    let _guard = engine.abort_nodes_at(Stop::Gently);
    let mut hosts = Vec::with_capacity(nodes.len());
    schedule::each(
        &engine.pool,
        nodes.iter().collect(),
        |node| {
            let interrupted = || engine.cancel.level() > Stop::No;
            let lookups =
                if interrupted() { Err(HostError::Interrupted) } else { on_node(question, engine, node, request) };
            // An interruption closes the connections, so every error after it is only a consequence and is not
            // reported.
            (node, lookups.map_err(|error| if interrupted() { HostError::Interrupted } else { error }))
        },
        |result| {
            let at = hosts.len();
            let (node, lookups) = result.unwrap_or_else(|| {
                (&nodes[at], Err(HostError::Failed(Failure::internal("the files of the node could not be read"))))
            });
            let (lookups, unread) = match lookups {
                Ok((lookups, unread)) => (Ok(lookups), unread),
                Err(error) => (Err(error), Vec::new()),
            };
            hosts.push(ExplainedHost { host: Some(node.name.clone()), lookups, unread });
        },
    );
    hosts
}

fn on_node(
    question: &Question,
    engine: &Engine,
    node: &NodeTarget,
    request: LookupRequest<'_>,
) -> Result<NodeLookups, HostError> {
    let mut read = NodeFiles::default();
    let paths = if question.files.is_empty() {
        let settings = CRIO_FILES.map(str::to_owned);
        // CRI-O's path is known only after its configuration was read. The usual files are read on the same connection, so
        // a second connection is needed only for an unusual `global_auth_file`.
        let usual = all_paths(&Account::root().search_paths(&GlobalAuthFile::Unset));
        let managed = node.files.iter().cloned();
        read_on_node(engine, node, usual.into_iter().chain(managed).chain(settings.clone()).collect(), &mut read)?;
        let settings = settings.into_iter().filter_map(|path| Some((path.clone(), read.states.get(&path)?.clone())));
        Account::root().search_paths(&global_auth_file(&settings.collect::<Vec<_>>()))
    } else {
        SearchPath::only(&question.files, &Account::root())
    };
    read_on_node(engine, node, all_paths(&paths), &mut read)?;
    let state = |path: &str| read.states.get(path).cloned().unwrap_or(PathState::Absent);
    let files = FileSystem { state: &state, list: &known_drop_ins };
    let unread = if question.files.is_empty() { unread(&node.files, &paths, &read) } else { Vec::new() };
    Ok((look_up(request, &paths, &files), unread))
}

/// Those of the `managed` files that are not in a search path, not even by another path that leads to the same file.
fn unread(managed: &[String], paths: &[SearchPath], read: &NodeFiles) -> Vec<String> {
    let is_searched = |file: &String| paths.iter().flat_map(|path| &path.paths).any(|(path, _)| path == file);
    let same = |file: &String| read.same.iter().find(|paths| paths.contains(file));
    let is_read = |file: &&String| is_searched(file) || same(file).is_some_and(|paths| paths.iter().any(is_searched));
    managed.iter().filter(|file| !is_read(file)).cloned().collect()
}

/// The paths of all files that the consumers may read on a node.
fn all_paths(paths: &[SearchPath]) -> Vec<String> {
    let files = paths.iter().flat_map(|path| &path.paths).map(|(path, _)| path.clone());
    let registries = paths.iter().filter_map(|path| path.registries.as_ref());
    files.chain(registries.flat_map(|registries| registries.all(known_drop_ins))).collect()
}

/// The drop-ins in a directory of a node that are read. The directories of nodes are not listed.
fn known_drop_ins(directory: &str) -> Vec<String> {
    NODE_DROP_INS
        .iter()
        .filter(|path| path.rsplit_once('/').is_some_and(|(parent, _)| parent == directory))
        .map(|path| (*path).to_owned())
        .collect()
}

/// Reads those of `paths` that were not read yet, over one connection.
fn read_on_node(engine: &Engine, node: &NodeTarget, paths: Vec<String>, read: &mut NodeFiles) -> Result<(), HostError> {
    let mut files: Vec<String> = Vec::new();
    for path in paths {
        if !read.states.contains_key(&path) && !files.contains(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Ok(());
    }
    // The managed files are read again with them, because only the node knows which paths lead to the same file.
    let managed = node.files.iter().filter(|file| read.states.contains_key(*file));
    files.extend(managed.cloned());
    let (facts, session) = engine.open_node(node, &files, &mut |_| {}).map_err(|failure| match failure {
        OpenFailure::Unreachable(failure) => HostError::Unreachable(failure),
        OpenFailure::Failed(failure) => HostError::Failed(failure),
    })?;
    // The content is complete. An error here has no effect, because the script on the node also ends by itself.
    session.keep();
    for FileFact { path, aliases, state } in facts {
        let state = path_state(state);
        let paths: Vec<String> = std::iter::once(path).chain(aliases).collect();
        read.states.extend(paths.iter().map(|path| (path.clone(), state.clone())));
        read.same.push(paths);
    }
    Ok(())
}

fn path_state(state: FileState) -> PathState {
    match state {
        FileState::Present { content, .. } => PathState::Content(content),
        FileState::Absent => PathState::Absent,
        FileState::Unusable(fault) => match fault.access {
            FileAccess::Granted => PathState::Unreadable(fault.text()),
            FileAccess::OnlyRoot => PathState::Forbidden(fault.text()),
        },
    }
}

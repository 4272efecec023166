//! The rule for the global pull secret of OpenShift 4: merge entries into it, or replace its content. Two entries belong to
//! the owner of the cluster, and a content that the machine config operator cannot process is never written. The secret is
//! shared by convention, so it gets no marks: nothing must ever remove it.

use serde_json::Value;

use super::pull_secret::{immutable, last_applied_note, unmergeable, wrong_type};
use super::rollout::warnings;
use super::{
    Action, Change, Diff, LeftEntries, PlanRequest, Planned, PlannedEntries, Step, Transfer, WantedEntries, diff,
    entries,
};
use crate::desired::{
    BackupName, GLOBAL_NAME, GLOBAL_NAMESPACE, GlobalMode, GlobalPullSecret, ObjectContent, Ownership, PullSecretFormat,
};
use crate::dockerconfig::{self, Auth, ChangeKind, Credential, EntryView, KeyChange, ParseError, Reader, is_of, mask};
use crate::facts::{ClusterFact, ControlPlane, InfrastructureFact, ObjectName, Observed, SecretFact};
use crate::failure::Failure;
use crate::secret::SecretBytes;

/// The only format that the operator accepts.
const FORMAT: PullSecretFormat = PullSecretFormat::DockerConfigJson;

/// The content is read on the nodes, so an entry gets `auth` only, as OpenShift Cluster Manager writes it.
const READER: Reader = Reader::Node;

/// The entries that say to whom the cluster belongs: the account of OpenShift Cluster Manager, and Azure Red Hat
/// OpenShift.
const PROTECTED: [&str; 2] = ["cloud.openshift.com", "arosvc.azurecr.io"];

/// The note about protected entries that the declaration would remove.
const KEPT_PROTECTED: &str = "it keeps entries that say to whom the cluster belongs, although they are not declared: \
                              `--transfer-ownership` removes them";

/// The global pull secret, and whether the cluster has one.
#[derive(Debug)]
pub struct WantedGlobal<'a> {
    /// Its name and namespace.
    pub name: ObjectName,
    /// Its declaration.
    pub declared: &'a GlobalPullSecret,
    /// The registries whose entries `mode: append` removes with `--prune`.
    pub retired: &'a [String],
    /// What distinguishes the cluster from others, or why the secret must not be written in this cluster.
    pub cluster: Result<String, Failure>,
    /// What the user should know before it is changed.
    warnings: Vec<String>,
}

impl<'a> WantedGlobal<'a> {
    pub(super) fn new(declared: &'a GlobalPullSecret, retired: &'a [String], facts: &ClusterFact) -> Self {
        let cluster = match facts.global.as_ref().map(|global| &global.infrastructure) {
            Some(Ok(InfrastructureFact { control_plane: ControlPlane::Hosted, .. })) => Err(hosted()),
            Some(Ok(InfrastructureFact { cluster, .. })) => match declared.backup() {
                Some(backup) if !backup.is_of(cluster) => Err(other_cluster(backup, cluster)),
                _ => Ok(cluster.clone()),
            },
            Some(Err(failure)) => Err(failure.clone()),
            None => Err(Failure::internal("the control plane was not observed")),
        };
        let warnings = facts.global.iter().flat_map(|global| warnings(&global.rollout)).collect();
        Self { name: ObjectName::secret(GLOBAL_NAMESPACE, GLOBAL_NAME), declared, retired, cluster, warnings }
    }
}

/// The planned change of the global pull secret.
pub(super) fn global_pull_secret(
    wanted: &WantedGlobal<'_>,
    fact: Observed<&SecretFact>,
    request: &PlanRequest,
) -> Planned<ObjectContent> {
    let name = &wanted.name;
    let found = match (&wanted.cluster, fact) {
        (Err(failure), _) => return Planned::failed(name, failure.clone()),
        (Ok(_), Observed::Unknown(failure)) => return Planned::failed(name, failure),
        (Ok(_), Observed::Present(found)) => Some(found),
        (Ok(_), Observed::Absent) => match absent(name, &wanted.declared.mode, request.transfer) {
            Some(failure) => return Planned::failed(name, failure),
            None => None,
        },
    };
    if let Some(found) = found.filter(|found| found.type_ != FORMAT.type_name()) {
        let change = format!("store the content under `{}` and set `type: {}`", FORMAT.data_key(), FORMAT.type_name());
        let hint = replacement_hint(name, &change);
        return Planned::failed(name, wrong_type(name, found, FORMAT).hint(hint));
    }
    let old = found.and_then(|found| found.content.as_ref());
    let planned = match &wanted.declared.mode {
        GlobalMode::Append { credentials } => appended(old, credentials, wanted.retired, request),
        GlobalMode::Replace { content, .. } => replaced(old, content, request),
    };
    let planned = match planned {
        Ok(planned) => planned,
        Err(error) => return Planned::failed(name, unmergeable(name, FORMAT, &error).hint(correction_hint(name))),
    };
    let notes = planned.notes.into_iter().chain(found.and_then(|found| last_applied_note(name, &found.marks)));
    let left = LeftEntries { undeclared: Vec::new(), ..planned.left };
    let Some(content) = planned.content else {
        let step = Step { left, notes: notes.collect(), ..Step::object(name, Action::Unchanged) };
        return Planned::without_content(step);
    };
    let refused = transferred(name, (old, &content), request.transfer).or_else(|| degrading(name, &content));
    let immutable = || {
        let is_immutable = found.is_some_and(|found| found.immutable);
        is_immutable.then(|| immutable(name).hint(replacement_hint(name, "remove `immutable: true`")))
    };
    if let Some(failure) = refused.or_else(immutable) {
        return Planned::failed(name, failure);
    }
    let notes = notes.chain(wanted.warnings.iter().cloned()).collect();
    let action = if found.is_some() { Action::Update } else { Action::Create };
    let step = Step { changes: planned.changes, diff: planned.diff, notes, left, ..Step::object(name, action) };
    let content = ObjectContent::PullSecret { format: FORMAT, content, ownership: Ownership::Shared };
    Planned { step, content: Some(content) }
}

/// The failure of a secret that does not exist. The cluster cannot work without the entries that it had, and a declaration
/// rarely has all of them. `None` if the content is complete and the user has permitted it.
fn absent(name: &ObjectName, mode: &GlobalMode, transfer: Transfer) -> Option<Failure> {
    let failure = Failure::new(format!("{name} does not exist, so it is not known which entries the cluster needs"));
    let copies = "`oregano restore` lists the backups, and `/var/lib/kubelet/config.json` on the nodes may still have the \
                  old content";
    let hint = match (mode, transfer) {
        (GlobalMode::Replace { .. }, Transfer::Permit) => return None,
        (GlobalMode::Replace { .. }, Transfer::Refuse) => {
            format!("{copies}; to create it with the new content only, pass `--transfer-ownership`")
        }
        (GlobalMode::Append { .. }, _) => format!(
            "put it back first ({copies}), or declare the complete content with `mode: replace` and pass \
             `--transfer-ownership`"
        ),
    };
    Some(failure.hint(hint))
}

/// How a secret gets what only a new one can have, without losing its content.
fn replacement_hint(ObjectName { namespace, name, .. }: &ObjectName, change: &str) -> String {
    format!(
        "run `oc get secret {name} -n {namespace} -o yaml >FILE`, {change} in FILE, then run `oc replace --force -f FILE`; \
         delete FILE only after that succeeded, because it has the only copy of the credentials"
    )
}

/// How the content is corrected by hand.
fn correction_hint(ObjectName { namespace, name, .. }: &ObjectName) -> String {
    let key = FORMAT.data_key();
    format!(
        "run `oc extract secret/{name} -n {namespace} --to=FOLDER`, correct the file `{key}` in FOLDER, then run \
         `oc set data secret/{name} -n {namespace} --from-file={key}=FOLDER/{key}`"
    )
}

/// Plans the declared entries in addition to those of the secret, without those of retired registries.
fn appended(
    old: Option<&SecretBytes>,
    credentials: &[Credential],
    retired: &[String],
    request: &PlanRequest,
) -> Result<PlannedEntries, ParseError> {
    let mut retired = entries::without_declared(retired, credentials);
    let mut kept = Vec::new();
    if request.transfer == Transfer::Refuse {
        // They stay without permission, and must not prevent the other changes of the run.
        let is_protected = |registry: &String| PROTECTED.iter().any(|protected| is_of(protected, registry));
        kept = retired.extract_if(.., |registry| is_protected(registry)).collect();
    }
    let entries = old.map(|old| dockerconfig::entries(old.expose(), READER)).unwrap_or_default();
    let has_kept = entries.iter().any(|entry| kept.iter().any(|registry| is_of(&entry.key, registry)));
    let wanted = WantedEntries { credentials, retired: &retired };
    let mut planned = entries::planned(old, wanted, READER, request)?;
    planned.notes.extend(has_kept.then(|| KEPT_PROTECTED.to_owned()));
    Ok(planned)
}

/// Plans a new content, in which the protected entries of the old one stay.
fn replaced(
    old: Option<&SecretBytes>,
    content: &SecretBytes,
    request: &PlanRequest,
) -> Result<PlannedEntries, ParseError> {
    let old = old.map(|old| old.expose()).unwrap_or_default();
    let kept = match request.transfer {
        Transfer::Refuse => dockerconfig::keep(content.expose(), old, &PROTECTED, READER)?,
        Transfer::Permit => None,
    };
    let notes = kept.iter().map(|_| KEPT_PROTECTED.to_owned()).collect();
    let content = kept.unwrap_or_else(|| content.clone());
    // The API server and the operator may write the same JSON in another layout.
    let value = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
    let is_equal = value(old).is_some_and(|old| Some(old) == value(content.expose()));
    let (before, after) = (dockerconfig::entries(old, READER), dockerconfig::entries(content.expose(), READER));
    let changes = key_changes(&before, &after).map(Change::Key).collect();
    let diff = request.diff.as_ref().map(|salt| Diff { entries: diff::entries(before, after, salt), mode: None });
    let content = (!is_equal).then_some(content);
    Ok(PlannedEntries { content, changes, notes, left: LeftEntries::default(), diff })
}

fn key_changes<'a>(before: &'a [EntryView], after: &'a [EntryView]) -> impl Iterator<Item = KeyChange> + 'a {
    let change =
        |entry: &EntryView, kind| KeyChange { key: mask(&entry.key), kind, same_as: None, dropped: Vec::new() };
    let find = |entries: &'a [EntryView], key: &str| entries.iter().find(|entry| entry.key == key);
    let new = after.iter().filter_map(move |entry| match find(before, &entry.key) {
        None => Some(change(entry, ChangeKind::Added)),
        Some(old) => (!is_equal(old, entry)).then(|| change(entry, ChangeKind::Updated)),
    });
    let removed = before.iter().filter(move |entry| find(after, &entry.key).is_none());
    new.chain(removed.map(move |entry| change(entry, ChangeKind::Removed)))
}

/// Whether both entries have the same JSON value.
fn is_equal(one: &EntryView, other: &EntryView) -> bool {
    let value = |entry: &EntryView| serde_json::from_str::<Value>(entry.text.expose()).ok();
    value(one) == value(other)
}

/// The failure of a change of a protected entry that is not permitted.
fn transferred(
    name: &ObjectName,
    (old, new): (Option<&SecretBytes>, &SecretBytes),
    transfer: Transfer,
) -> Option<Failure> {
    let before = dockerconfig::entries(old?.expose(), READER);
    let after = dockerconfig::entries(new.expose(), READER);
    // The keys of the changes are masked, and a key may have a login.
    let is_kept = |entry: &EntryView| after.iter().any(|one| one.key == entry.key && is_equal(one, entry));
    let changed =
        PROTECTED.iter().find(|registry| before.iter().any(|entry| is_of(&entry.key, registry) && !is_kept(entry)))?;
    let message = format!("the entry `{changed}` of {name} says to whom the cluster belongs, and would change");
    let hint =
        "remove it from the declaration; to transfer the cluster to another account, pass `--transfer-ownership`";
    (transfer == Transfer::Refuse).then(|| Failure::new(message).hint(hint))
}

/// The failure of a content that makes the machine config operator report that it is degraded, or makes it print the
/// content. Entries of others are checked, too, because they would be rolled out to every node again.
fn degrading(name: &ObjectName, content: &SecretBytes) -> Option<Failure> {
    let file = match dockerconfig::read(content.expose()) {
        Ok(file) => file,
        Err(error) => return Some(unmergeable(name, FORMAT, &error).hint(correction_hint(name))),
    };
    let helpers = (!file.cred_helpers.is_empty()).then_some("`credHelpers`");
    let store = file.creds_store.is_some().then_some("`credsStore`");
    let fault = helpers.or(store).map(|member| format!("it has {member}")).or_else(|| {
        file.entries.iter().find_map(|entry| {
            let fault = match &entry.auth {
                Auth::Login(_) => return None,
                Auth::Missing => "has no `auth`".to_owned(),
                Auth::Unreadable(reason) => format!("has an `auth` that is {reason}"),
            };
            Some(format!("its entry `{}` {fault}", mask(&entry.key)))
        })
    })?;
    let message = format!("{name} would degrade the machine config operator, so it stays unchanged");
    Some(Failure::new(message).cause(fault).hint(correction_hint(name)))
}

/// The failure of a backup that is put back in another cluster than its own.
fn other_cluster(backup: &BackupName, cluster: &str) -> Failure {
    Failure::new(format!("backup `{backup}` is not put back in another cluster"))
        .cause(format!("it is of cluster `{}`, and the API server belongs to cluster `{cluster}`", backup.cluster()))
        .hint(
            "choose the kubeconfig of its cluster with `--kubeconfig` and `--context`, or another backup; to use its content \
             for this cluster, declare it with `mode: replace` and `from_file`",
        )
}

/// The failure of a cluster whose control plane runs in another one.
fn hosted() -> Failure {
    Failure::new("the global pull secret of a cluster with a hosted control plane is not written")
        .cause("`controlPlaneTopology` of Infrastructure `cluster` is `External`: the management cluster overwrites it")
        .hint("change the pull secret of the HostedCluster, and remove `oregano_global_pull_secret` from the inventory")
}

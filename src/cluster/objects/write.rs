//! Writes one object: a creation, a merge patch of the changed fields (RFC 7386), or a deletion, each with the observed
//! state as its precondition. OpenShift 3.11 has no server-side apply, and a patch keeps the fields that this program
//! does not know. It does not decide what is written: after a conflict the caller gets the new state.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::request;
use serde_json::Value;

use super::{collection, role_binding, secret, service_account};
use crate::cluster::client::{ApiClient, BUSY_PAUSES, Request};
use crate::cluster::error::{ApiError, Verb};
use crate::desired::ObjectContent;
use crate::facts::{ObjectFact, ObjectName, Observed, Revision};
use crate::failure::Failure;

/// The server records under this name which fields this program has set.
pub(super) const FIELD_MANAGER: &str = "oregano";

/// A write of an object, with the state that it was planned for.
#[derive(Debug, Clone, Copy)]
pub enum ObjectWrite<'a> {
    /// It does not exist, and is created.
    Create(&'a ObjectContent),
    /// It has this revision, and is changed.
    Update(&'a ObjectContent, &'a Revision),
    /// It has this revision, and is deleted and created again with the content. Only secrets are.
    Recreate(&'a ObjectContent, &'a Revision),
    /// It has this revision, and is deleted.
    Delete(&'a Revision),
}

/// The result of a write that the server did not refuse.
#[derive(Debug)]
pub enum WriteResult {
    /// The server has confirmed the write.
    Written,
    /// The object is not in the expected state, and this write changed nothing, unless an earlier request did.
    Conflict {
        /// The state of the object now.
        now: Observed<ObjectFact>,
        /// Whether an earlier request of the same write may be the reason.
        earlier: EarlierRequest,
    },
}

/// Whether an earlier request of the same write may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierRequest {
    /// There was none, or the server refused it.
    None,
    /// The server did not confirm it.
    Unconfirmed,
}

/// The result of a dry run that the server did not refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// The server would accept the write, or the write itself handles a conflict.
    Accepted,
    /// The server, or one of its webhooks, has no dry run: whether it accepts the write is not known.
    NotSupported,
}

/// What the server does with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It carries it out.
    Persist,
    /// It only checks whether it would carry it out (`dryRun=All`).
    Check,
}

impl ObjectWrite<'_> {
    fn verb(self) -> Verb {
        match self {
            Self::Create(_) => Verb::Create,
            Self::Update(..) => Verb::Update,
            Self::Delete(_) | Self::Recreate(..) => Verb::Delete,
        }
    }

    /// The request; the one for the deletion if the object is created again.
    pub(super) fn request(self, object: &ObjectName, effect: Effect) -> Result<Request, ApiError> {
        let all = collection(object.kind, &object.namespace);
        let (dry_run, field_manager) = (effect == Effect::Check, Some(FIELD_MANAGER.to_owned()));
        let request = match self {
            Self::Create(content) => {
                let body = serde_json::to_vec(&new_object(object, content));
                let body = body.map_err(|error| ApiError::unsent(request::Error::SerializeBody(error)))?;
                all.create(&PostParams { dry_run, field_manager }, body)
            }
            Self::Update(content, revision) => {
                let parameters = PatchParams { dry_run, field_manager, ..PatchParams::default() };
                let mut patch = patch(content);
                patch["metadata"]["resourceVersion"] = revision.version.as_str().into();
                all.patch(&object.name, &parameters, &Patch::Merge(patch))
            }
            Self::Delete(Revision { uid, version }) | Self::Recreate(_, Revision { uid, version }) => {
                // OpenShift 3.11 compares only the uid, later servers the version, too.
                let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: Some(version.clone()) };
                let preconditions = Some(preconditions);
                all.delete(&object.name, &DeleteParams { dry_run, preconditions, ..DeleteParams::default() })
            }
        };
        let mut request = request.map_err(ApiError::unsent)?;
        if self.verb() == Verb::Delete && effect == Effect::Check {
            // A server without dry run (OpenShift 3.11) does not know this option in the body, and would delete the object.
            // It rejects the parameter.
            let uri = format!("{}?dryRun=All", request.uri().path());
            *request.uri_mut() = uri.parse().map_err(|_| ApiError::OtherObject)?;
        }
        Ok(request)
    }
}

/// The object with this content, in the form in which it is created.
fn new_object(object: &ObjectName, content: &ObjectContent) -> Value {
    let mut new = match content {
        ObjectContent::PullSecret { format, content, ownership } => secret::new(*format, content, ownership),
        // The plan never creates a service account. If it did, the server would reject an object without a kind.
        ObjectContent::ServiceAccount(links) => service_account::patch(links),
        ObjectContent::ImagePullers { subjects, ownership } => role_binding::new(subjects, ownership),
    };
    new["metadata"]["name"] = object.name.as_str().into();
    new["metadata"]["namespace"] = object.namespace.as_str().into();
    new
}

/// The fields of the content, as a merge patch: `null` removes a field.
fn patch(content: &ObjectContent) -> Value {
    match content {
        ObjectContent::PullSecret { format, content, ownership } => secret::patch(*format, content, ownership),
        ObjectContent::ServiceAccount(links) => service_account::patch(links),
        ObjectContent::ImagePullers { subjects, .. } => role_binding::patch(subjects),
    }
}

impl ApiClient {
    /// See [`crate::cluster::Cluster::write`].
    pub(in crate::cluster) async fn write_object(
        &self,
        object: &ObjectName,
        write: ObjectWrite<'_>,
    ) -> Result<WriteResult, Failure> {
        match write {
            ObjectWrite::Recreate(content, revision) => self.recreate(object, content, revision).await,
            ObjectWrite::Create(_) | ObjectWrite::Update(..) | ObjectWrite::Delete(_) => {
                self.send_write(object, write.verb(), write.request(object, Effect::Persist)).await
            }
        }
    }

    /// Sends the request of a write, again if the server is busy.
    pub(super) async fn send_write(
        &self,
        object: &ObjectName,
        verb: Verb,
        request: Result<Request, ApiError>,
    ) -> Result<WriteResult, Failure> {
        let request = request.map_err(|error| self.diagnosis().failure(verb, object, &error))?;
        let mut pauses = BUSY_PAUSES.into_iter();
        let mut earlier = EarlierRequest::None;
        loop {
            match self.write(&request).await {
                Ok(()) => return Ok(WriteResult::Written),
                Err(error) if is_conflict(verb, &error) => {
                    let now = self.observe(object).await;
                    let now = now.map_err(|failure| match earlier {
                        EarlierRequest::Unconfirmed => possibly_written(object, failure),
                        EarlierRequest::None => failure,
                    })?;
                    return Ok(WriteResult::Conflict { now, earlier });
                }
                Err(error) if error.is_busy() => {
                    let Some(pause) = pauses.next() else { return Err(self.unwritten(verb, object, &error)) };
                    // A busy server may have carried out the request without confirming it. The same request again is
                    // harmless, because of its precondition, but the conflict may then be caused by this write itself.
                    if error.is_ambiguous() {
                        earlier = EarlierRequest::Unconfirmed;
                    }
                    self.pause(pause, &error).await;
                }
                Err(error) => return Err(self.unwritten(verb, object, &error)),
            }
        }
    }

    /// See [`crate::cluster::Cluster::check_write`].
    pub(in crate::cluster) async fn check_write(
        &self,
        object: &ObjectName,
        write: ObjectWrite<'_>,
    ) -> Result<DryRun, Failure> {
        match write {
            ObjectWrite::Recreate(content, revision) => self.check_recreate(object, content, revision).await,
            ObjectWrite::Create(_) | ObjectWrite::Update(..) | ObjectWrite::Delete(_) => {
                self.send_check(object, write.verb(), write.request(object, Effect::Check)).await
            }
        }
    }

    /// Sends the request of a write with dry run.
    pub(super) async fn send_check(
        &self,
        object: &ObjectName,
        verb: Verb,
        request: Result<Request, ApiError>,
    ) -> Result<DryRun, Failure> {
        let sent = async { self.read(request?).await };
        match sent.await {
            Ok(_) => Ok(DryRun::Accepted),
            // The write itself handles a conflict.
            Err(error) if is_conflict(verb, &error) => Ok(DryRun::Accepted),
            Err(error) if error.rejects_dry_run() => Ok(DryRun::NotSupported),
            Err(error) => Err(self.diagnosis().failure(verb, object, &error)),
        }
    }

    /// The failure of a write that was refused, or whose result is not known.
    fn unwritten(&self, verb: Verb, object: &ObjectName, error: &ApiError) -> Failure {
        let failure = self.diagnosis().failure(verb, object, error);
        if error.is_ambiguous() { possibly_written(object, failure) } else { failure }
    }
}

/// Whether the server refused the request because the object has changed: it was created, updated or deleted.
pub(super) fn is_conflict(verb: Verb, error: &ApiError) -> bool {
    // For a creation, the same reason means that the namespace does not exist, which is not a conflict.
    let deleted = verb != Verb::Create && error.has_reason("NotFound");
    deleted || error.has_reason("Conflict") || error.has_reason("AlreadyExists")
}

/// A failure after which the object may have the new content or the old one.
pub fn possibly_written(object: &ObjectName, failure: Failure) -> Failure {
    let Failure { message, causes, hint, .. } = failure;
    let check = "run `plan` to see its current content".to_owned();
    Failure {
        causes: std::iter::once(message).chain(causes).collect(),
        hint: Some(hint.map_or_else(|| check.clone(), |hint| format!("{check}; {hint}"))),
        ..Failure::new(format!("{object} may or may not have been written"))
    }
}

/// The failure of an object that the server confirmed as `done`, such as `written`, and that could not be read afterwards.
pub fn not_read_back(object: &ObjectName, done: &str, failure: Failure) -> Failure {
    let Failure { message, causes, hint, .. } = failure;
    Failure {
        causes: std::iter::once(message).chain(causes).collect(),
        hint,
        ..Failure::new(format!("{object} was {done}, but it could not be read back"))
    }
}

/// The failure of an object that does not have its new content when it is read back.
pub fn overwritten(object: &ObjectName) -> Failure {
    Failure::new(format!("{object} was written, but it does not contain the new content any more"))
        .hint("another client changes it: look for an operator, a sync job or an admission webhook")
}

/// The failure of an object that was deleted and exists when it is read back.
pub fn still_there(object: &ObjectName) -> Failure {
    Failure::new(format!("{object} was deleted, but it exists"))
        .hint("look for finalizers in its metadata, and for an operator or a sync job that creates it again")
}

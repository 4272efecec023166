//! Pull secrets: observed, created, updated with a precondition, and read back. OpenShift 3.11 has no server-side
//! apply, so a write reads the object and then sends POST, or PUT of the complete object with its resourceVersion. It
//! does not know what the content means, and does not merge: after a conflict the caller gets the new state.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::core::request;

use super::collection;
use crate::cluster::client::{ApiClient, BUSY_PAUSES};
use crate::cluster::error::{ApiError, Subject, Verb};
use crate::desired::{Ownership, PullSecretFormat};
use crate::facts::{ObjectName, SecretFact};
use crate::failure::Failure;
use crate::secret::SecretBytes;

use super::marks;

/// The server records under this name which fields this program has set.
const FIELD_MANAGER: &str = "oregano";

/// The state that a secret must have when it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedSecret<'a> {
    /// It does not exist.
    Absent,
    /// It has this `metadata.resourceVersion`.
    Version(&'a str),
}

/// A write of a pull secret.
#[derive(Debug, Clone, Copy)]
pub struct SecretWrite<'a> {
    /// The state that `content` was computed from.
    pub expected: ExpectedSecret<'a>,
    /// The type of a new secret, and where its content is.
    pub format: PullSecretFormat,
    /// The new content.
    pub content: &'a SecretBytes,
    /// The marks that the secret gets.
    pub ownership: &'a Ownership,
}

/// The result of a write that the server did not refuse.
#[derive(Debug)]
pub enum WriteResult {
    /// The content was written, and is read back unchanged.
    Written,
    /// The secret was not in the expected state, and this write changed nothing. The new state; `None` if the secret
    /// does not exist.
    Conflict(Option<SecretFact>),
    /// The secret is not in the expected state, and it is not known whether this write changed it: the server did not
    /// confirm an earlier request, and the content is not the one that was sent. The new state.
    Unconfirmed(Option<SecretFact>),
    /// The content was written, but something replaced it before it was read back. The new state; see [`overwritten`].
    Overwritten(Option<SecretFact>),
}

/// The result of a deletion that the server did not refuse.
#[derive(Debug)]
pub enum DeleteResult {
    /// The secret was deleted.
    Deleted,
    /// The secret was not in the expected state, and was not deleted. The new state; `None` if it does not exist.
    Conflict(Option<SecretFact>),
}

/// Whether an earlier request of the same write may have been carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EarlierRequest {
    None,
    Unconfirmed,
}

impl<'a> ExpectedSecret<'a> {
    /// The state of a secret that was observed.
    pub fn of(observed: Option<&'a SecretFact>) -> Self {
        observed.map_or(Self::Absent, |secret| Self::Version(&secret.version))
    }

    fn is_met_by(self, found: Option<&Secret>) -> bool {
        match (self, found) {
            (Self::Absent, None) => true,
            (Self::Version(version), Some(secret)) => version == version_of(secret),
            (Self::Absent, Some(_)) | (Self::Version(_), None) => false,
        }
    }
}

/// The failure for [`WriteResult::Overwritten`], if the new state of the secret is not acceptable to the caller.
pub fn overwritten(name: &ObjectName) -> Failure {
    let secret = Subject::from(name);
    let failure = Failure::new(format!("{secret} does not contain what was just written to it"))
        .hint("something else changes it: look for an operator, a sync job or an admission webhook");
    possibly_written(secret, failure)
}

impl ApiClient {
    /// See [`crate::cluster::Cluster::write_secret`].
    pub(in crate::cluster) async fn write_secret(
        &self,
        secret: Subject<'_>,
        write: &SecretWrite<'_>,
    ) -> Result<WriteResult, Failure> {
        let mut pauses = BUSY_PAUSES.into_iter();
        let mut earlier = EarlierRequest::None;
        loop {
            let found = self.get_during_write(secret, earlier).await?;
            // The state is compared here and again by the server: the caller's content belongs to the state that it has
            // observed.
            if !write.expected.is_met_by(found.as_ref()) {
                return Ok(changed(found, write, earlier));
            }
            let verb = if found.is_some() { Verb::Update } else { Verb::Create };
            match self.send_content(secret, found, write).await {
                // A success does not mean that the content is still there: an operator or an admission webhook may have
                // changed it.
                Ok(()) => return self.read_back(secret, write).await,
                Err(error) if is_conflict(verb, &error) => {
                    let found = self.get_during_write(secret, earlier).await?;
                    return Ok(changed(found, write, earlier));
                }
                Err(error) if error.is_busy() => {
                    // A write is not repeated blindly: each round reads the secret again, because the request may have
                    // been carried out.
                    let Some(pause) = pauses.next() else { return Err(self.unwritten(verb, secret, &error)) };
                    // A busy server may have carried out the request without confirming it, so a later conflict may be
                    // caused by this write itself.
                    if error.is_ambiguous() {
                        earlier = EarlierRequest::Unconfirmed;
                    }
                    tokio::time::sleep(pause).await;
                }
                Err(error) => return Err(self.unwritten(verb, secret, &error)),
            }
        }
    }

    /// See [`crate::cluster::Cluster::delete_secret`].
    pub(in crate::cluster) async fn delete_secret(
        &self,
        secret: Subject<'_>,
        version: &str,
    ) -> Result<DeleteResult, Failure> {
        let found = match self.get(secret).await? {
            Some(found) if version_of(&found) == version => found,
            other => return Ok(DeleteResult::Conflict(other.as_ref().map(fact))),
        };
        // OpenShift 3.11 compares only the uid, later servers the version, too.
        let preconditions = Preconditions {
            uid: found.metadata.uid.clone(),
            resource_version: found.metadata.resource_version.clone(),
        };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let request = collection::<Secret>(Some(secret.namespace)).delete(secret.name, &parameters);
        let deleted = match request {
            Ok(request) => self.write(request).await,
            Err(error) => Err(ApiError::unsent(error)),
        };
        match deleted {
            Ok(()) => Ok(DeleteResult::Deleted),
            Err(error) if is_conflict(Verb::Delete, &error) => {
                let found = self.get(secret).await?;
                Ok(DeleteResult::Conflict(found.as_ref().map(fact)))
            }
            Err(error) => Err(self.unwritten(Verb::Delete, secret, &error)),
        }
    }

    /// The secret, if it exists.
    pub(super) async fn get(&self, secret: Subject<'_>) -> Result<Option<Secret>, Failure> {
        match self.get_object(Some(secret.namespace), secret.name).await {
            Ok(found) => Ok(Some(found)),
            // The status 404 is not enough, because a web page of a router can have it, too.
            Err(error) if error.has_reason("NotFound") => Ok(None),
            Err(error) => Err(self.diagnosis().failure(Verb::Read, secret, &error)),
        }
    }

    async fn get_during_write(&self, secret: Subject<'_>, earlier: EarlierRequest) -> Result<Option<Secret>, Failure> {
        self.get(secret).await.map_err(|failure| match earlier {
            EarlierRequest::Unconfirmed => possibly_written(secret, failure),
            EarlierRequest::None => failure,
        })
    }

    /// Creates the secret, or replaces what was found.
    async fn send_content(
        &self,
        secret: Subject<'_>,
        found: Option<Secret>,
        write: &SecretWrite<'_>,
    ) -> Result<(), ApiError> {
        let secrets = collection::<Secret>(Some(secret.namespace));
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let json = |secret: &Secret| {
            serde_json::to_vec(secret).map_err(|error| ApiError::unsent(request::Error::SerializeBody(error)))
        };
        let request = match found {
            None => secrets.create(&parameters, json(&new_secret(secret, write))?),
            // The object carries the resourceVersion that was found, so the server refuses it if it is outdated.
            Some(found) => secrets.replace(secret.name, &parameters, json(&with_content(found, write))?),
        };
        self.write(request.map_err(ApiError::unsent)?).await
    }

    /// Compares the secret with what was written.
    async fn read_back(&self, secret: Subject<'_>, write: &SecretWrite<'_>) -> Result<WriteResult, Failure> {
        let found = self.get(secret).await.map_err(|failure| possibly_written(secret, failure))?;
        if has_content(found.as_ref(), write) {
            return Ok(WriteResult::Written);
        }
        Ok(WriteResult::Overwritten(found.as_ref().map(fact)))
    }

    /// The failure of a write that was refused, or whose result is not known.
    fn unwritten(&self, verb: Verb, secret: Subject<'_>, error: &ApiError) -> Failure {
        let failure = self.diagnosis().failure(verb, secret, error);
        if error.is_ambiguous() { possibly_written(secret, failure) } else { failure }
    }
}

/// The result for a secret that is not in the expected state.
fn changed(found: Option<Secret>, write: &SecretWrite<'_>, earlier: EarlierRequest) -> WriteResult {
    // An earlier request that the server did not confirm can be what changed the secret.
    match earlier {
        EarlierRequest::Unconfirmed if has_content(found.as_ref(), write) => WriteResult::Written,
        EarlierRequest::Unconfirmed => WriteResult::Unconfirmed(found.as_ref().map(fact)),
        EarlierRequest::None => WriteResult::Conflict(found.as_ref().map(fact)),
    }
}

/// Whether the server refused the request because the secret has changed: it was created, updated or deleted.
fn is_conflict(verb: Verb, error: &ApiError) -> bool {
    // For a creation, the same reason means that the namespace does not exist, which is not a conflict.
    let deleted = verb != Verb::Create && error.has_reason("NotFound");
    deleted || error.has_reason("Conflict") || error.has_reason("AlreadyExists")
}

/// The failure of a later attempt, after [`WriteResult::Unconfirmed`] of an earlier one.
pub fn unconfirmed(name: &ObjectName, failure: Failure) -> Failure {
    possibly_written(name.into(), failure)
}

/// A failure after which the secret may have the new content or the old one.
fn possibly_written(secret: Subject<'_>, failure: Failure) -> Failure {
    let Failure { message, causes, hint, .. } = failure;
    let check = "run `plan` to see its current content".to_owned();
    Failure {
        causes: std::iter::once(message).chain(causes).collect(),
        hint: Some(hint.map_or_else(|| check.clone(), |hint| format!("{check}; {hint}"))),
        ..Failure::new(format!("{secret} may or may not have been written"))
    }
}

/// The facts about a secret.
pub(super) fn fact(secret: &Secret) -> SecretFact {
    // The API server sets this type if the creator of the secret named none.
    let type_ = secret.type_.clone().unwrap_or_else(|| "Opaque".to_owned());
    let format = PullSecretFormat::of_type(&type_);
    SecretFact {
        version: version_of(secret).to_owned(),
        immutable: secret.immutable == Some(true),
        content: format.and_then(|format| content_of(secret, format)).map(|bytes| SecretBytes::new(bytes.to_vec())),
        marks: marks::read(&secret.metadata),
        type_,
    }
}

fn version_of(secret: &Secret) -> &str {
    // The API server sets a version on every object that it stores, so the default is only used for an object that is
    // not stored yet.
    secret.metadata.resource_version.as_deref().unwrap_or_default()
}

fn content_of(secret: &Secret, format: PullSecretFormat) -> Option<&[u8]> {
    Some(&secret.data.as_ref()?.get(format.data_key())?.0)
}

fn has_content(secret: Option<&Secret>, write: &SecretWrite<'_>) -> bool {
    secret.and_then(|secret| content_of(secret, write.format)) == Some(write.content.expose())
}

fn new_secret(secret: Subject<'_>, write: &SecretWrite<'_>) -> Secret {
    let metadata = ObjectMeta {
        name: Some(secret.name.to_owned()),
        namespace: Some(secret.namespace.to_owned()),
        ..ObjectMeta::default()
    };
    let empty = Secret { metadata, type_: Some(write.format.type_name().to_owned()), ..Secret::default() };
    with_content(empty, write)
}

fn with_content(mut secret: Secret, write: &SecretWrite<'_>) -> Secret {
    let bytes = ByteString(write.content.expose().to_vec());
    // Only this key is replaced, because the secret may contain other data that a PUT of the object would otherwise
    // remove.
    secret.data.get_or_insert_default().insert(write.format.data_key().to_owned(), bytes);
    marks::set(&mut secret.metadata, write.ownership);
    secret
}

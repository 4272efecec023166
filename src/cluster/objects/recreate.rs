//! Deletes a secret and creates it again, because the API server changes neither the type of a secret nor an immutable one.
//! Everything else in the secret stays as it was. Before the deletion, the new secret is created under another name: this
//! shows that the server accepts it, and the content stays in the cluster whatever happens between the two requests.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, GetParams, PostParams};
use kube::core::request;
use serde_json::{Value, json};

use super::write::{DryRun, EarlierRequest, Effect, FIELD_MANAGER, ObjectWrite, WriteResult, is_conflict};
use super::{collection, revision, secret};
use crate::cluster::client::{ApiClient, Request, object};
use crate::cluster::error::{ApiError, Verb};
use crate::desired::{ObjectContent, PullSecretFormat};
use crate::facts::{MANAGED_LABEL, OWNER_ANNOTATION, ObjectName, Observed, Revision};
use crate::failure::Failure;

/// The pauses before the creation is sent again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The end of the name of the copy.
const COPY: &str = "-oregano-copy";

/// The fields that the API server sets.
const SERVER_FIELDS: [&str; 6] =
    ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"];

/// The secret that has the content until the secret exists again.
pub fn copy_of(secret: &ObjectName) -> ObjectName {
    ObjectName { name: format!("{}{COPY}", secret.name), ..secret.clone() }
}

impl ApiClient {
    /// Deletes the secret if it has this revision, and creates it with the content.
    pub(super) async fn recreate(
        &self,
        name: &ObjectName,
        content: &ObjectContent,
        expected: &Revision,
    ) -> Result<WriteResult, Failure> {
        let Some(new) = self.new_secret(name, content, expected).await? else {
            return Ok(WriteResult::Conflict { now: self.observe(name).await?, earlier: EarlierRequest::None });
        };
        let copy = copy_of(name);
        let create = creation(&copy, &as_copy(&copy, &new), Effect::Persist);
        match self.send_write(&copy, Verb::Create, create).await? {
            WriteResult::Written | WriteResult::Conflict { earlier: EarlierRequest::Unconfirmed, .. } => {}
            WriteResult::Conflict { earlier: EarlierRequest::None, .. } => return Err(left_over(&copy)),
        }
        let delete = ObjectWrite::Delete(expected).request(name, Effect::Persist);
        match self.send_write(name, Verb::Delete, delete).await {
            Ok(WriteResult::Written)
            | Ok(WriteResult::Conflict { now: Observed::Absent, earlier: EarlierRequest::Unconfirmed }) => {}
            Ok(conflict) => {
                self.delete_copy(&copy).await?;
                return Ok(conflict);
            }
            Err(failure) if matches!(self.observe(name).await, Ok(Observed::Present(_))) => {
                self.delete_copy(&copy).await?;
                return Err(failure);
            }
            // The server may have deleted it without confirming it.
            Err(_) => {}
        }
        self.create_again(name, &new).await?;
        self.delete_copy(&copy).await?;
        Ok(WriteResult::Written)
    }

    /// Removes the copy after the secret exists again, or was not deleted.
    async fn delete_copy(&self, copy: &ObjectName) -> Result<(), Failure> {
        let sent = async {
            let delete = collection(copy.kind, &copy.namespace).delete(&copy.name, &DeleteParams::default());
            self.read(delete.map_err(ApiError::unsent)?).await
        };
        match sent.await {
            Err(error) if !error.has_reason("NotFound") => Err(self.diagnosis().failure(Verb::Delete, copy, &error)),
            _ => Ok(()),
        }
    }

    async fn create_again(&self, name: &ObjectName, new: &Value) -> Result<(), Failure> {
        let create = creation(name, new, Effect::Persist);
        let create = create.map_err(|error| lost(name, self.diagnosis().failure(Verb::Create, name, &error)))?;
        let mut pauses = PAUSES.into_iter();
        let mut earlier = EarlierRequest::None;
        loop {
            let error = match self.write(&create).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if is_conflict(Verb::Create, &error) && self.is_created(name, new, earlier).await? {
                return Ok(());
            }
            if error.is_ambiguous() {
                earlier = EarlierRequest::Unconfirmed;
            }
            let failure = || lost(name, self.diagnosis().failure(Verb::Create, name, &error));
            let pause = pauses.next().ok_or_else(failure)?;
            self.pause(pause, &error).await;
        }
    }

    /// Whether an unconfirmed request of this run has created the secret; it does not exist if not.
    ///
    /// # Errors
    /// If another client has created it, or it cannot be read.
    async fn is_created(&self, name: &ObjectName, new: &Value, earlier: EarlierRequest) -> Result<bool, Failure> {
        let found: Option<Secret> = self.get(name).await.map_err(|failure| lost(name, failure))?;
        let Some(found) = found else { return Ok(false) };
        let data = serde_json::to_value(found.data).unwrap_or_default();
        if earlier == EarlierRequest::Unconfirmed && data == new["data"] {
            return Ok(true);
        }
        let failure = Failure::new("another client has created it first");
        Err(lost(name, failure))
    }

    /// Asks the server whether it would delete the secret and accept the new one.
    pub(super) async fn check_recreate(
        &self,
        name: &ObjectName,
        content: &ObjectContent,
        expected: &Revision,
    ) -> Result<DryRun, Failure> {
        let delete = ObjectWrite::Delete(expected).request(name, Effect::Check);
        self.send_check(name, Verb::Delete, delete).await?;
        // The write itself handles a secret that has changed.
        let Some(new) = self.new_secret(name, content, expected).await? else { return Ok(DryRun::Accepted) };
        let copy = copy_of(name);
        if let Observed::Present(_) = self.observe(&copy).await? {
            return Err(left_over(&copy));
        }
        self.send_check(&copy, Verb::Create, creation(&copy, &as_copy(&copy, &new), Effect::Check)).await
    }

    /// The secret with the new content; `None` if it does not have the expected revision.
    ///
    /// # Errors
    /// If it cannot be read, or would remain after its deletion.
    async fn new_secret(
        &self,
        name: &ObjectName,
        content: &ObjectContent,
        expected: &Revision,
    ) -> Result<Option<Value>, Failure> {
        let ObjectContent::PullSecret { format, content, ownership } = content else {
            return Err(Failure::internal("only secrets are created again"));
        };
        let read = async {
            let request = collection(name.kind, &name.namespace).get(&name.name, &GetParams::default());
            let body = self.read(request.map_err(ApiError::unsent)?).await?;
            let found: Secret = object(&body, Some(&name.namespace), &name.name)?;
            // The type of the client does not have the fields of newer servers.
            let all: Value = serde_json::from_slice(&body).map_err(|_| ApiError::OtherObject)?;
            Ok((found, all))
        };
        let (found, mut all) = match read.await {
            Ok(read) => read,
            Err(error) if ApiError::has_reason(&error, "NotFound") => return Ok(None),
            Err(error) => return Err(self.diagnosis().failure(Verb::Read, name, &error)),
        };
        if revision(&found.metadata) != *expected {
            return Ok(None);
        }
        if found.metadata.finalizers.is_some_and(|finalizers| !finalizers.is_empty()) {
            return Err(Failure::new(format!("{name} has finalizers, which keep it after its deletion"))
                .hint("find out what has set `metadata.finalizers`, and remove them"));
        }
        if let Some(metadata) = all["metadata"].as_object_mut() {
            metadata.retain(|field, _| !SERVER_FIELDS.contains(&field.as_str()));
        }
        let other = match format {
            PullSecretFormat::DockerConfigJson => PullSecretFormat::Dockercfg,
            PullSecretFormat::Dockercfg => PullSecretFormat::DockerConfigJson,
        };
        merge(&mut all, &json!({"type": format.type_name(), "data": {other.data_key(): null}}));
        merge(&mut all, &secret::patch(*format, content, ownership));
        Ok(Some(all))
    }
}

fn creation(name: &ObjectName, new: &Value, effect: Effect) -> Result<Request, ApiError> {
    let body = serde_json::to_vec(new).map_err(|error| ApiError::unsent(request::Error::SerializeBody(error)))?;
    let parameters = PostParams { dry_run: effect == Effect::Check, field_manager: Some(FIELD_MANAGER.to_owned()) };
    collection(name.kind, &name.namespace).create(&parameters, body).map_err(ApiError::unsent)
}

/// The secret under another name. It has no marks, so that no run takes it for an object that is no longer declared.
fn as_copy(copy: &ObjectName, new: &Value) -> Value {
    let mut new = new.clone();
    let marks = json!({"labels": {MANAGED_LABEL: null}, "annotations": {OWNER_ANNOTATION: null}});
    merge(&mut new, &json!({"metadata": marks}));
    new["metadata"]["name"] = copy.name.as_str().into();
    new
}

/// The failure of a secret that was deleted, and that this run has not created again.
fn lost(name: &ObjectName, failure: Failure) -> Failure {
    let Failure { message, causes, .. } = failure;
    Failure {
        causes: std::iter::once(message).chain(causes).collect(),
        ..Failure::new(format!("{name} was deleted, and is not created again with its content")).hint(format!(
            "its complete new content is in {}: copy what is missing, then delete the copy and run again",
            copy_of(name)
        ))
    }
}

/// The failure of a secret whose copy exists already.
fn left_over(copy: &ObjectName) -> Failure {
    Failure::new(format!("{copy} exists already: a run that created a secret again was interrupted")).hint(format!(
        "compare both secrets, copy what is missing, then `oc delete secret {} -n {}` and run again",
        copy.name, copy.namespace
    ))
}

/// Applies a merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (field, value) in patch {
        if value.is_null() {
            target.remove(field);
        } else {
            merge(target.entry(field.clone()).or_insert(Value::Null), value);
        }
    }
}

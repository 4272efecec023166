//! Deletes a secret and creates it again, because the API server changes neither the type of a secret nor an immutable one.
//! Everything else in the secret stays as it was. The content exists only in this process between the two requests, so the
//! second one is repeated after every failure.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{GetParams, PostParams};
use kube::core::request;
use serde_json::{Value, json};

use super::write::{EarlierRequest, Effect, FIELD_MANAGER, ObjectWrite, WriteResult, is_conflict};
use super::{collection, revision, secret};
use crate::cluster::client::{ApiClient, Request, object};
use crate::cluster::error::{ApiError, Verb};
use crate::desired::{ObjectContent, PullSecretFormat};
use crate::facts::{ObjectName, Observed, Revision};
use crate::failure::Failure;

/// The pauses before the creation is sent again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The fields that the API server sets.
const SERVER_FIELDS: [&str; 6] =
    ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"];

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
        let create = creation(name, &new, Effect::Persist);
        let create = create.map_err(|error| self.diagnosis().failure(Verb::Create, name, &error))?;
        match self.send_write(name, ObjectWrite::Delete(expected)).await {
            Ok(WriteResult::Written)
            | Ok(WriteResult::Conflict { now: Observed::Absent, earlier: EarlierRequest::Unconfirmed }) => {}
            Ok(conflict) => return Ok(conflict),
            // The server may have deleted it without confirming it.
            Err(failure) => match self.observe(name).await {
                Ok(Observed::Absent) => {}
                _ => return Err(failure),
            },
        }
        self.create_again(name, &create).await
    }

    async fn create_again(&self, name: &ObjectName, create: &Request) -> Result<WriteResult, Failure> {
        let mut pauses = PAUSES.into_iter();
        let mut earlier = EarlierRequest::None;
        loop {
            match self.write(create).await {
                Ok(()) => return Ok(WriteResult::Written),
                Err(error) if is_conflict(Verb::Create, &error) => {
                    return Ok(WriteResult::Conflict { now: self.observe(name).await?, earlier });
                }
                Err(error) => {
                    if error.is_ambiguous() {
                        earlier = EarlierRequest::Unconfirmed;
                    }
                    let Some(pause) = pauses.next() else {
                        return Err(lost(name, self.diagnosis().failure(Verb::Create, name, &error)));
                    };
                    self.pause(pause, &error).await;
                }
            }
        }
    }

    /// Checks that the server would delete the secret and accept the new one.
    pub(super) async fn check_recreate(
        &self,
        name: &ObjectName,
        content: &ObjectContent,
        expected: &Revision,
    ) -> Result<(), Failure> {
        self.send_check(name, ObjectWrite::Delete(expected)).await?;
        // The write itself handles a secret that has changed.
        let Some(mut new) = self.new_secret(name, content, expected).await? else { return Ok(()) };
        // The old secret still exists, so the new one gets another name.
        let Some(metadata) = new["metadata"].as_object_mut() else { return Ok(()) };
        metadata.remove("name");
        metadata.insert("generateName".to_owned(), format!("{}-", name.name).into());
        let sent = async { self.read(creation(name, &new, Effect::Check)?).await }.await;
        match &sent {
            // The quota still counts the old secret, which is deleted first.
            Err(error) if error.status().is_some_and(|status| status.message.contains("exceeded quota")) => Ok(()),
            _ => self.checked(Verb::Create, name, sent),
        }
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

/// The failure of a secret that was deleted and does not exist now.
fn lost(name: &ObjectName, failure: Failure) -> Failure {
    let Failure { message, causes, .. } = failure;
    Failure {
        causes: std::iter::once(message).chain(causes).collect(),
        ..Failure::new(format!("{name} was deleted, and could not be created again"))
            .hint("run again as soon as possible, because pods cannot use it, and add its undeclared entries again")
    }
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

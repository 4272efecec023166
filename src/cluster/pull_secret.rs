//! The pull secret: read, created, replaced. Since OpenShift 3.11 has no server-side apply, a change is GET,
//! then POST, or PUT of the whole object with its resourceVersion, again after a conflict. What the bytes mean
//! is the caller's affair.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};

use super::diagnosis::{Doing, Fault, Named};
use super::link::{Link, PAUSES};
use crate::facts::SecretFact;
use crate::failure::Failure;
use crate::plan::{self, SECRET_TYPE};
use crate::secret::SecretBytes;

/// The key of its content.
const KEY: &str = ".dockerconfigjson";
/// Under this name the server notes which fields are ours.
const FIELD_MANAGER: &str = "oregano";
/// How often a change is tried in all.
const ATTEMPTS: u32 = 10;
/// The pause after the first conflict; longer after each further one.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did not exist.
    Created,
    /// Its content was replaced.
    Updated,
    /// Nothing was written.
    Unchanged,
}

/// One attempt at a change.
enum Attempt {
    Done(Outcome, SecretBytes),
    /// Somebody else was faster.
    Conflict(Fault),
    /// The server was too busy to answer; what would have come of it.
    Busy(Outcome, Doing, Fault),
}

impl Link {
    /// What [`super::Cluster::write_secret`] does.
    pub async fn write_secret(
        &self,
        namespace: &str,
        name: &str,
        merge: impl Fn(Option<&[u8]>) -> Result<Option<SecretBytes>, Failure>,
    ) -> Result<Outcome, Failure> {
        let secret = Named { namespace, name };
        let mut last = None;
        let mut pauses = PAUSES.into_iter();
        // What an attempt without a clear answer would have come to.
        let mut open = None;
        for attempt in 0..ATTEMPTS {
            tokio::time::sleep(PAUSE * attempt).await;
            let found = self.get(secret).await.map_err(|failure| match open {
                Some(_) => perhaps_written(secret, failure),
                None => failure,
            })?;
            if let Some(found) = &found {
                plan::check_type(namespace, name, &fact(found))?;
            }
            let Some(bytes) = merge(found.as_ref().and_then(content_of))? else {
                return Ok(open.unwrap_or(Outcome::Unchanged));
            };
            if let Some(found) = &found {
                plan::check_mutable(namespace, name, &fact(found))?;
            }
            match self.put(secret, found, bytes).await? {
                Attempt::Done(outcome, bytes) => {
                    let read = self.read_back(secret, bytes.expose(), merge).await;
                    return read.map(|()| outcome).map_err(|failure| perhaps_written(secret, failure));
                }
                Attempt::Conflict(fault) => last = Some(fault),
                Attempt::Busy(outcome, doing, fault) => {
                    let pause = pauses.next().ok_or_else(|| self.unwritten(doing, secret, &fault))?;
                    open = open.or(fault.leaves_open().then_some(outcome));
                    tokio::time::sleep(pause).await;
                }
            }
        }
        let failure = Failure::new(format!("{secret} was changed by somebody else each of {ATTEMPTS} times"))
            .hint("find out what writes it all the time: `oc get secret -o yaml` shows the managers");
        Err(match last.as_ref().and_then(Fault::status) {
            Some(status) => failure.cause(format!("{} {}", status.code, status.reason)),
            None => failure,
        })
    }

    /// The secret, if it exists.
    pub(super) async fn get(&self, secret: Named<'_>) -> Result<Option<Secret>, Failure> {
        let api = self.secrets(secret.namespace);
        match self.call(|| api.get(secret.name)).await {
            Ok(found) => Ok(Some(found)),
            Err(fault) if fault.is("NotFound") => Ok(None),
            Err(fault) => Err(self.words.failure(Doing::Read, secret, &fault)),
        }
    }

    async fn put(&self, secret: Named<'_>, found: Option<Secret>, bytes: SecretBytes) -> Result<Attempt, Failure> {
        let api = self.secrets(secret.namespace);
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let (doing, outcome, object) = match found {
            None => (Doing::Create, Outcome::Created, fresh(secret, bytes.expose())),
            Some(found) => (Doing::Update, Outcome::Updated, replaced(found, bytes.expose())),
        };
        let answer = match doing {
            Doing::Update => self.once(api.replace(secret.name, &parameters, &object)).await,
            Doing::Create | Doing::Read => self.once(api.create(&parameters, &object)).await,
        };
        match answer {
            Ok(_) => Ok(Attempt::Done(outcome, bytes)),
            // The second is what a PUT hears when the secret was deleted meanwhile.
            Err(fault) if fault.is("Conflict") || fault.is("AlreadyExists") => Ok(Attempt::Conflict(fault)),
            Err(fault) if doing == Doing::Update && fault.is("NotFound") => Ok(Attempt::Conflict(fault)),
            Err(fault) if fault.is_busy() => Ok(Attempt::Busy(outcome, doing, fault)),
            Err(fault) => Err(self.unwritten(doing, secret, &fault)),
        }
    }

    /// A write that did not succeed, or of which nobody knows.
    fn unwritten(&self, doing: Doing, secret: Named<'_>, fault: &Fault) -> Failure {
        let failure = self.words.failure(doing, secret, fault);
        if fault.leaves_open() { perhaps_written(secret, failure) } else { failure }
    }

    /// What was written is there, or at least still means the same.
    async fn read_back(
        &self,
        secret: Named<'_>,
        bytes: &[u8],
        merge: impl Fn(Option<&[u8]>) -> Result<Option<SecretBytes>, Failure>,
    ) -> Result<(), Failure> {
        let found = self.get(secret).await?;
        let content = found.as_ref().and_then(content_of);
        if content == Some(bytes) || merge(content)?.is_none() {
            return Ok(());
        }
        Err(Failure::new(format!("{secret} does not hold what was just written to it"))
            .hint("something else changes it: look for an operator, a sync job or an admission webhook"))
    }

    pub(super) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// A failure after which the secret may hold the new content, or the old.
fn perhaps_written(secret: Named<'_>, failure: Failure) -> Failure {
    let Failure { message, causes, hint, .. } = failure;
    let see = "run `plan` to see what stands there now".to_owned();
    Failure {
        causes: std::iter::once(message).chain(causes).collect(),
        hint: Some(hint.map_or_else(|| see.clone(), |hint| format!("{see}; {hint}"))),
        ..Failure::new(format!("{secret} may or may not have been written"))
    }
}

/// What is to be known of a secret.
pub(super) fn fact(secret: &Secret) -> SecretFact {
    SecretFact {
        type_: secret.type_.clone().unwrap_or_else(|| "Opaque".to_owned()),
        immutable: secret.immutable == Some(true),
        content: content_of(secret).map(|bytes| SecretBytes::new(bytes.to_vec())),
    }
}

/// The bytes of a pull secret.
fn content_of(secret: &Secret) -> Option<&[u8]> {
    Some(&secret.data.as_ref()?.get(KEY)?.0)
}

fn fresh(secret: Named<'_>, bytes: &[u8]) -> Secret {
    let metadata = ObjectMeta {
        name: Some(secret.name.to_owned()),
        namespace: Some(secret.namespace.to_owned()),
        ..ObjectMeta::default()
    };
    let created = Secret { metadata, type_: Some(SECRET_TYPE.to_owned()), ..Secret::default() };
    replaced(created, bytes)
}

fn replaced(mut secret: Secret, bytes: &[u8]) -> Secret {
    secret.data.get_or_insert_default().insert(KEY.to_owned(), ByteString(bytes.to_vec()));
    secret
}

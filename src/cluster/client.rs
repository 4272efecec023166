//! One connection to an API server, as one user: its credentials, which are renewed, the time limit of each request, the
//! size limit of each response, and the retries while the server is busy. It does not know the kinds of objects.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ListableResource, Metadata, Resource};
use kube::Client;
use kube::client::Body;
use kube::core::response::StatusDetails;
use kube::core::{ObjectList, ObjectMeta, Status};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::access::credentials::{Credentials, basic, bearer};
use super::access::{Access, client_certificate, rejected};
use super::error::{ApiError, Diagnosis};
use crate::failure::{Failure, without_errno};
use crate::secret::Secret;

/// A request of the API, without its credentials.
pub(super) type Request = http::Request<Vec<u8>>;

/// The pauses before a request is sent again to a server that was too busy.
pub(super) const BUSY_PAUSES: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// The maximum size of an object, in bytes. The API server stores at most 1.5 MB, which base64 makes larger.
const MAX_OBJECT: usize = 4 << 20;
/// The maximum size of one page of a list, in bytes.
const MAX_PAGE: usize = 16 << 20;

/// How long a token file is used before it is read again. client-go uses the same time.
const TOKEN_FILE_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// A connection to an API server. Clones share it.
#[derive(Clone)]
pub(super) struct ApiClient(Arc<Connection>);

struct Connection {
    access: Access,
    timeout: Duration,
    diagnosis: Diagnosis,
    /// Set by the first request.
    session: Mutex<Option<Arc<Session>>>,
}

/// A client with usable credentials.
struct Session {
    client: Client,
    authorization: Option<HeaderValue>,
    /// When the credentials must be renewed.
    expires: Option<Timestamp>,
}

impl Session {
    fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expires| Timestamp::now() >= expires)
    }
}

impl ApiClient {
    pub(super) fn new(access: Access, timeout: Duration, diagnosis: Diagnosis) -> Self {
        Self(Arc::new(Connection { access, timeout, diagnosis, session: Mutex::default() }))
    }

    pub(super) fn diagnosis(&self) -> &Diagnosis {
        &self.0.diagnosis
    }

    /// Sends a request, and retries it while the server is too busy, all within the time limit. Only for requests that
    /// change nothing, because a busy server may have done what it did not confirm.
    pub(super) async fn read(&self, request: Request) -> Result<Vec<u8>, ApiError> {
        self.send(&request, &BUSY_PAUSES, MAX_OBJECT).await
    }

    /// The same for a request whose response is one page of a list.
    pub(super) async fn read_list(&self, request: Request) -> Result<Vec<u8>, ApiError> {
        self.send(&request, &BUSY_PAUSES, MAX_PAGE).await
    }

    /// Sends a request once, within the time limit. Only the caller can decide about a retry, because a busy server may
    /// have carried out a write that it did not confirm.
    pub(super) async fn write(&self, request: &Request) -> Result<(), ApiError> {
        // The response to a write is not needed, because the object is read back.
        self.send(request, &[], MAX_OBJECT).await.map(drop)
    }

    /// Waits before a request is sent again: at least as long as the server demands, but not longer than a request may
    /// take.
    pub(super) async fn pause(&self, pause: Duration, error: &ApiError) {
        tokio::time::sleep(self.pause_after(pause, error)).await;
    }

    fn pause_after(&self, pause: Duration, error: &ApiError) -> Duration {
        pause.max(error.retry_after().unwrap_or_default().min(self.0.timeout))
    }

    /// Sends a request. The error for rejected credentials that have expired says so.
    async fn send(&self, request: &Request, pauses: &[Duration], limit: usize) -> Result<Vec<u8>, ApiError> {
        let sent = self.send_renewed(request, pauses, limit).await;
        sent.map_err(|error| match error.code() {
            Some(401) => {
                let server = &self.0.diagnosis.server;
                rejected::expired(&self.0.access, server, Timestamp::now()).map_or(error, ApiError::Credentials)
            }
            _ => error,
        })
    }

    /// Sends a request, and once more if the server rejected credentials that can be renewed. It did not carry out the
    /// first request then.
    async fn send_renewed(&self, request: &Request, pauses: &[Duration], limit: usize) -> Result<Vec<u8>, ApiError> {
        let session = self.session(None).await?;
        match self.attempt(&session, request, pauses, limit).await {
            Err(error) if error.code() == Some(401) && self.0.access.credentials.are_renewable() => {
                let renewed = self.session(Some(&session)).await?;
                // The same token would be rejected again. A client certificate is always new.
                if renewed.authorization.is_some() && renewed.authorization == session.authorization {
                    return Err(error);
                }
                self.attempt(&renewed, request, pauses, limit).await
            }
            result => result,
        }
    }

    /// Sends a request, again after each of the pauses while the server is too busy.
    async fn attempt(
        &self,
        session: &Session,
        request: &Request,
        pauses: &[Duration],
        limit: usize,
    ) -> Result<Vec<u8>, ApiError> {
        // The time limit includes the pauses, because users set it for the complete request.
        let timeout = self.0.timeout;
        let end = Instant::now() + timeout;
        let sent = async {
            for pause in pauses {
                match exchange(session, request.clone(), limit).await {
                    Err(error) if error.is_busy() => {
                        let pause = self.pause_after(*pause, &error);
                        // That the server is busy says more than that there was no time to send the request again.
                        if Instant::now() + pause >= end {
                            return Err(error);
                        }
                        tokio::time::sleep(pause).await;
                    }
                    other => return other,
                }
            }
            exchange(session, request.clone(), limit).await
        };
        tokio::time::timeout_at(end, sent).await.unwrap_or(Err(ApiError::Timeout(timeout)))
    }

    /// The credentials, renewed if they have expired or are those of the session that was `rejected`. Simultaneous
    /// requests renew them once. A failure is not kept, so the next request tries again.
    async fn session(&self, rejected: Option<&Arc<Session>>) -> Result<Arc<Session>, ApiError> {
        let mut current = self.0.session.lock().await;
        if let Some(session) = &*current
            && !session.has_expired()
            && !rejected.is_some_and(|rejected| Arc::ptr_eq(rejected, session))
        {
            return Ok(Arc::clone(session));
        }
        let session = self.open(current.as_deref()).await.map_err(ApiError::Credentials)?;
        let session = Arc::new(session);
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Checks that a client can be set up.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.client(None).map(drop)
    }

    async fn open(&self, earlier: Option<&Session>) -> Result<Session, Failure> {
        let Connection { access, timeout, diagnosis, .. } = &*self.0;
        let invalid = |fault: &str| diagnosis.unusable_credentials(&format!("the token {fault}"));
        // An established connection is kept, unless its client certificate changes.
        let client = || earlier.map_or_else(|| self.client(None), |earlier| Ok(earlier.client.clone()));
        let (client, authorization, expires) = match &access.credentials {
            Credentials::None => (client()?, None, None),
            Credentials::Basic(user, password) => (client()?, Some(basic(user, password).map_err(invalid)?), None),
            Credentials::Token(token) => (client()?, Some(bearer(token).map_err(invalid)?), None),
            Credentials::TokenFile(path) => {
                let expires = Some(Timestamp::now() + TOKEN_FILE_LIFETIME);
                let authorization = match (std::fs::read_to_string(path), earlier) {
                    (Ok(text), _) => Some(bearer(&self.learned(Secret::new(text.trim()))).map_err(invalid)?),
                    // A program may remove the file after its start, to protect the token (kubernetes issue 68164).
                    (Err(_), Some(earlier)) => earlier.authorization.clone(),
                    (Err(error), None) => {
                        let reason = format!("the token file `{}`: {}", path.display(), without_errno(&error));
                        return Err(diagnosis.unusable_credentials(&reason));
                    }
                };
                (client()?, authorization, expires)
            }
            Credentials::Plugin(plugin) => {
                let credential = plugin.run(*timeout, &diagnosis.redactor()).await;
                let credential = credential.map_err(|error| diagnosis.plugin_failure(&plugin.command, &error))?;
                let token = credential.token.map(|token| bearer(&self.learned(token))).transpose();
                let client = match &credential.certificate {
                    Some((certificate, key)) => self.client(Some((certificate.as_str(), key)))?,
                    None => client()?,
                };
                (client, token.map_err(invalid)?, credential.expires)
            }
        };
        Ok(Session { client, authorization, expires })
    }

    /// A client with the certificate of a plugin, or with that of the kubeconfig.
    fn client(&self, certificate: Option<(&str, &Secret)>) -> Result<Client, Failure> {
        let mut config = self.0.access.config.clone();
        if let Some((certificate, key)) = certificate {
            config.auth_info = client_certificate(certificate.as_bytes(), key.expose().as_bytes());
        }
        let client = match &self.0.diagnosis.route {
            Some(route) => route.client(config),
            None => Client::try_from(config),
        };
        client.map_err(|error| self.0.diagnosis.client_failure(&error))
    }

    /// A token that must not be shown.
    fn learned(&self, token: Secret) -> Secret {
        self.0.diagnosis.learn(&token);
        token
    }
}

/// Sends one request, and returns the body of a successful response, which has at most `limit` bytes.
async fn exchange(session: &Session, mut request: Request, limit: usize) -> Result<Vec<u8>, ApiError> {
    if let Some(authorization) = &session.authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    }
    let response = session.client.send(request.map(Body::from)).await.map_err(ApiError::Client)?;
    let code = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(response.into_body(), limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            ApiError::TooLarge(limit)
        } else {
            ApiError::Client(kube::Error::Service(error))
        }
    })?;
    let body = Vec::from(body.to_bytes());
    if code.is_success() { Ok(body) } else { Err(refusal(code, &body, retry_after)) }
}

/// The error for a response with another status than success; `retry_after` is the header of that name, in seconds.
fn refusal(code: StatusCode, body: &[u8], retry_after: Option<u32>) -> ApiError {
    let head: Head = serde_json::from_slice(body).unwrap_or_default();
    let status = match serde_json::from_slice::<Status>(body) {
        Ok(status) if head.kind.as_deref() == Some("Status") => status,
        // The API server rejects a request that exceeds its limits without a status object.
        _ if code == StatusCode::TOO_MANY_REQUESTS => {
            Status { reason: "TooManyRequests".to_owned(), ..Status::default() }
        }
        // Another web server has responded, such as a proxy or a router.
        _ => return ApiError::NotKubernetes(code.as_u16()),
    };
    let none = || StatusDetails {
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes: Vec::new(),
        retry_after_seconds: 0,
    };
    let mut details = status.details.unwrap_or_else(none);
    details.retry_after_seconds = details.retry_after_seconds.max(retry_after.unwrap_or_default());
    ApiError::Refused(Box::new(Status { code: code.as_u16(), details: Some(details), ..status }))
}

/// The members that identify an object.
#[derive(Deserialize, Default)]
struct Head {
    kind: Option<String>,
    #[serde(default)]
    metadata: HeadMetadata,
}

#[derive(Deserialize, Default)]
struct HeadMetadata {
    name: Option<String>,
    namespace: Option<String>,
}

/// The object in a response.
///
/// # Errors
/// If it is not the object with this name. A web server or a proxy may respond with something else, and what it lacks
/// must not look like an empty object.
pub(super) fn object<K>(body: &[u8], namespace: Option<&str>, name: &str) -> Result<K, ApiError>
where
    K: Resource + Metadata<Ty = ObjectMeta> + DeserializeOwned,
{
    let head: Head = serde_json::from_slice(body).map_err(|_| ApiError::OtherObject)?;
    let found = (head.kind.as_deref(), head.metadata.namespace.as_deref(), head.metadata.name.as_deref());
    if found != (Some(K::KIND), namespace, Some(name)) {
        return Err(ApiError::OtherObject);
    }
    serde_json::from_slice(body).map_err(|_| ApiError::OtherObject)
}

/// The page of a list in a response.
///
/// # Errors
/// If it is not a list of objects of this kind.
pub(super) fn list<K>(body: &[u8]) -> Result<ObjectList<K>, ApiError>
where
    K: ListableResource + Clone + DeserializeOwned,
{
    let head: Head = serde_json::from_slice(body).map_err(|_| ApiError::OtherObject)?;
    if head.kind.as_deref() != Some(K::LIST_KIND) {
        return Err(ApiError::OtherObject);
    }
    serde_json::from_slice(body).map_err(|_| ApiError::OtherObject)
}

/// An object of which only the metadata is read.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct OnlyMetadata {
    pub metadata: ObjectMeta,
}

/// The page of a list of which only the metadata was requested.
///
/// # Errors
/// If it is not a list of objects.
pub(super) fn metadata_list(body: &[u8]) -> Result<ObjectList<OnlyMetadata>, ApiError> {
    let head: Head = serde_json::from_slice(body).map_err(|_| ApiError::OtherObject)?;
    // Old servers send complete objects.
    if !head.kind.is_some_and(|kind| kind.ends_with("List")) {
        return Err(ApiError::OtherObject);
    }
    serde_json::from_slice(body).map_err(|_| ApiError::OtherObject)
}

//! Tests of the cluster edge against an API server in this process.

mod ambiguous;
mod credentials;
#[path = "../../../tests/doubles/kubernetes.rs"]
pub(crate) mod double;
mod hints;
mod platform;
mod responses;

use std::time::Duration;

use serde_json::json;

use self::double::{Answer, Double, Seen, Store, status};
use super::*;
use crate::desired::{ObjectContent, Ownership, PullSecretFormat};
use crate::facts::{Managed, ObjectKind};
use crate::secret::{Secret, SecretBytes};

const NAME: &str = "imagestreamsecret";
const SECRET: &str = "/api/v1/namespaces/openshift/secrets/imagestreamsecret";

fn cluster(url: &str) -> Cluster {
    cluster_within(url, Duration::from_secs(5))
}

fn cluster_within(url: &str, timeout: Duration) -> Cluster {
    let mut redactor = Redactor::default();
    redactor.learn(&Secret::new("hunter2"));
    let mut config = kube::Config::new(url.parse().unwrap());
    config.headers.push(("user-agent".parse().unwrap(), "oregano/test".parse().unwrap()));
    Cluster::connect(Access::anonymous(config), None, timeout, &redactor, ClusterPurpose::Run).unwrap()
}

fn nothing(_: &Seen, _: &mut Store) -> Answer {
    None
}

/// The new content of a secret: what was observed, and `+ours` in place of a real merge. The secret is not marked.
fn append(observed: Option<&ObjectFact>) -> ObjectContent {
    let old = observed.map(text).unwrap_or_default();
    let (format, ownership) = (PullSecretFormat::DockerConfigJson, Ownership::Shared);
    ObjectContent::PullSecret { format, content: SecretBytes::new(format!("{old}+ours").into_bytes()), ownership }
}

/// The content of a secret.
fn text(fact: &ObjectFact) -> String {
    let ObjectFact::Secret(secret) = fact else { panic!("{fact:?}") };
    String::from_utf8(secret.content.as_ref().unwrap().expose().to_vec()).unwrap()
}

/// Observes the secret, and writes it with the observed state as the precondition.
async fn write(double: &Double) -> Result<WriteResult, Failure> {
    let cluster = cluster(&double.url);
    let observed = cluster.observe(&name()).await?;
    write_to(&cluster, observed.present()).await
}

async fn write_to(cluster: &Cluster, observed: Option<&ObjectFact>) -> Result<WriteResult, Failure> {
    let content = append(observed);
    let write = match observed {
        Some(found) => ObjectWrite::Update(&content, found.revision()),
        None => ObjectWrite::Create(&content),
    };
    cluster.write(&name(), write).await
}

/// The state that a conflict reports; `None` if the secret does not exist.
fn conflict(result: WriteResult) -> Option<ObjectFact> {
    match result {
        WriteResult::Conflict { now: Observed::Present(now), earlier: EarlierRequest::None } => Some(now),
        WriteResult::Conflict { now: Observed::Absent, earlier: EarlierRequest::None } => None,
        other => panic!("{other:?}"),
    }
}

fn name() -> ObjectName {
    ObjectName::secret("openshift", NAME)
}

/// The number of requests with this method.
fn count(double: &Double, method: &str) -> usize {
    double.requests().iter().filter(|request| request.starts_with(method)).count()
}

#[tokio::test]
async fn a_secret_is_created_with_its_type() {
    let double = Double::start(nothing).await;
    assert!(matches!(write(&double).await, Ok(WriteResult::Written)));
    assert_eq!(double.content(NAME).unwrap(), "+ours");
    let store = double.store.lock().unwrap();
    let post = store.seen.iter().find(|seen| seen.method == "POST").unwrap();
    assert_eq!(post.query, "&fieldManager=oregano");
    assert_eq!(post.body["type"], "kubernetes.io/dockerconfigjson");
    assert_eq!(post.body["metadata"], json!({"name": NAME, "namespace": "openshift"}));
    assert!(store.seen.iter().all(|seen| seen.user_agent == "oregano/test"));
}

#[tokio::test]
async fn an_update_keeps_other_data_labels_and_annotations() {
    let double = Double::start(nothing).await;
    double.store.lock().unwrap().put(NAME, "theirs");
    assert!(matches!(write(&double).await, Ok(WriteResult::Written)));
    assert_eq!(double.content(NAME).unwrap(), "theirs+ours");
    let secret = double.store.lock().unwrap().secrets[NAME].clone();
    assert_eq!(secret["metadata"]["labels"]["team"], "platform");
    assert_eq!(secret["metadata"]["annotations"]["a"], "b");
    assert_eq!(secret["data"]["other"], "eA==");
}

#[tokio::test]
async fn a_secret_that_changed_since_it_was_observed_is_not_written() {
    let double = Double::start(nothing).await;
    let cluster = cluster(&double.url);
    double.store.lock().unwrap().put(NAME, "observed");
    let observed = cluster.observe(&name()).await.unwrap();
    double.store.lock().unwrap().put(NAME, "theirs");
    let now = conflict(write_to(&cluster, observed.present()).await.unwrap()).unwrap();
    assert_eq!((text(&now).as_str(), double.content(NAME).unwrap().as_str()), ("theirs", "theirs"));
    // The new state is the precondition of the next write.
    assert!(matches!(write_to(&cluster, Some(&now)).await, Ok(WriteResult::Written)));
    assert_eq!(double.content(NAME).unwrap(), "theirs+ours");
}

#[tokio::test]
async fn a_conflict_that_the_server_reports_returns_the_new_state() {
    // The secret changes between the GET and the PATCH of one write.
    let double = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "PATCH" {
            store.put(NAME, "theirs");
        }
        None
    });
    let double = double.await;
    double.store.lock().unwrap().put(NAME, "observed");
    let now = conflict(write(&double).await.unwrap()).unwrap();
    assert_eq!((text(&now).as_str(), now.revision().version.as_str()), ("theirs", "2"));
    assert_eq!(count(&double, "PATCH"), 1);
}

#[tokio::test]
async fn a_secret_that_is_created_or_deleted_during_the_write_is_a_conflict() {
    let created = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "POST" && store.version == 0 {
            store.put(NAME, "theirs");
        }
        None
    });
    let created = created.await;
    assert_eq!(text(&conflict(write(&created).await.unwrap()).unwrap()), "theirs");
    let deleted = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "PATCH" {
            store.secrets.clear();
        }
        None
    });
    let deleted = deleted.await;
    deleted.store.lock().unwrap().put(NAME, "theirs");
    assert!(conflict(write(&deleted).await.unwrap()).is_none());
}

#[tokio::test]
async fn a_checked_deletion_deletes_nothing_on_a_server_with_and_without_dry_run() {
    // OpenShift 3.11 rejects the parameter, and ignores the option in the body.
    for supported in [true, false] {
        let double = Double::start(move |seen: &Seen, _: &mut Store| {
            let refused = !supported && seen.query.contains("dryRun");
            refused.then(|| status(400, "BadRequest", "the dryRun alpha feature is disabled"))
        });
        let double = double.await;
        double.store.lock().unwrap().put(NAME, "theirs");
        let cluster = cluster(&double.url);
        let found = cluster.observe(&name()).await.unwrap();
        let found = found.present().unwrap();
        let checked = cluster.check_write(&name(), ObjectWrite::Delete(found.revision())).await;
        assert_eq!(checked, Ok(if supported { DryRun::Accepted } else { DryRun::NotSupported }));
        assert_eq!(double.content(NAME).unwrap(), "theirs", "supported: {supported}");
        assert_eq!(count(&double, "DELETE"), 1);
        assert!(matches!(
            cluster.write(&name(), ObjectWrite::Delete(found.revision())).await,
            Ok(WriteResult::Written)
        ));
        assert_eq!(double.content(NAME), None);
    }
}

#[tokio::test]
async fn a_server_with_a_problem_is_not_asked_for_each_namespace() {
    for (code, requests) in [(500, 1), (403, 13)] {
        let double = Double::start(move |_: &Seen, _: &mut Store| Some(status(code, "InternalError", "etcd"))).await;
        let namespaces: Vec<String> = (0..12).map(|number| format!("project-{number}")).collect();
        let found = cluster(&double.url).all_of(ObjectKind::ServiceAccount, &namespaces, 16).await;
        assert_eq!((found.len(), found.values().filter(|found| found.is_err()).count()), (12, 12));
        assert_eq!(count(&double, "GET"), requests, "{code}");
    }
}

#[tokio::test]
async fn a_pause_that_is_longer_than_the_time_limit_is_reported_as_a_busy_server() {
    let double = Double::start(|_: &Seen, _: &mut Store| {
        let (code, mut body) = status(429, "TooManyRequests", "later");
        body["details"] = json!({"retryAfterSeconds": 60});
        Some((code, body))
    });
    let failure = cluster_within(&double.await.url, Duration::from_secs(2)).observe(&name()).await.unwrap_err();
    assert!(failure.causes[0].contains("429 TooManyRequests"), "{failure:?}");
}

#[tokio::test]
async fn each_refusal_has_its_own_message_and_hint() {
    let terminating =
        "secrets is forbidden: unable to create new content in namespace x because it is being terminated";
    let quota = "secrets is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=3, limited: secrets=0";
    let uncounted = "secrets \"a\" is forbidden: status unknown for quota: q, resources: secrets";
    let webhook = "admission webhook \"policy.example.com\" denied the request: no";
    let policy = "secrets \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no";
    let anonymous = "secrets is forbidden: User \"system:anonymous\" cannot create resource \"secrets\"";
    let cases = [
        ((401, "Unauthorized", "Unauthorized"), "rejected the credentials", "log in again"),
        ((403, "Forbidden", terminating), "is being deleted", "wait until it is deleted"),
        ((403, "Forbidden", quota), "cannot be created", "raise the quota"),
        ((403, "Forbidden", uncounted), "cannot be created", "are counted"),
        ((403, "Forbidden", anonymous), "cannot be created", "contains no credentials"),
        ((403, "Forbidden", "secrets is forbidden"), "cannot be created", "grant the user"),
        ((403, "Forbidden", webhook), "cannot be created", "ask who maintains this rule"),
        ((422, "Invalid", policy), "cannot be created", "ask who maintains this rule"),
        ((413, "RequestEntityTooLarge", "limit is 3145728"), "cannot be created", "at most 1 MiB"),
        ((404, "NotFound", "namespaces \"openshift\" not found"), "namespace `openshift` does not exist", "create it"),
        ((422, "Invalid", "data: Too long"), "cannot be created", "oc describe"),
        (
            (404, "NotFound", "the server could not find the requested resource"),
            "not a Kubernetes API server",
            "`server`",
        ),
        ((409, "Invalid", "no"), "cannot be created", "try again"),
    ];
    for ((code, reason, message), fault, hint) in cases {
        let double = Double::start(move |seen: &Seen, _: &mut Store| {
            (seen.method == "POST").then(|| status(code, reason, message))
        });
        let failure = write(&double.await).await.unwrap_err();
        assert!(failure.message.contains(fault) && !format!("{failure:?}").contains("may not"), "{failure:?}");
        assert!(failure.hint.as_ref().unwrap().contains(hint), "{failure:?}");
        assert!(failure.causes[0].contains(&code.to_string()), "{failure:?}");
    }
}

#[tokio::test]
async fn a_message_that_quotes_the_secret_is_not_shown() {
    let long = "x".repeat(5000);
    let double = Double::start(move |_: &Seen, _: &mut Store| {
        let message =
            format!("hunter2\x1b[2J is invalid: Invalid value: \"{{\\\"data\\\":\\\"aHVudGVyMg==\\\"}}\" {long}");
        Some(status(422, "Invalid", &message))
    });
    let failure = format!("{:?}", write(&double.await).await.unwrap_err());
    assert!(!failure.contains("hunter2") && !failure.contains("aHVudGVyMg") && !failure.contains('\x1b'), "{failure}");
    assert!(failure.len() < 1000, "{failure}");
}

#[tokio::test]
async fn observation_returns_the_secret() {
    let double = Double::start(nothing).await;
    assert!(cluster(&double.url).observe(&name()).await.unwrap().present().is_none());
    double.store.lock().unwrap().put(NAME, "theirs");
    let full = cluster(&double.url).observe(&name()).await.unwrap();
    let Observed::Present(ObjectFact::Secret(secret)) = full else { panic!("{full:?}") };
    assert_eq!(secret.type_, "kubernetes.io/dockerconfigjson");
    assert_eq!(secret.content.as_ref().unwrap().expose(), b"theirs");
    assert_eq!(secret.marks.managed, Managed::No);
}

#[tokio::test]
async fn a_missing_namespace_is_not_a_missing_secret() {
    let double = Double::start(nothing).await;
    let failure = cluster(&double.url).observe(&ObjectName::secret("nosuch", NAME)).await.unwrap_err();
    assert_eq!(failure.message, "namespace `nosuch` does not exist");
    // A user who may not read namespaces still gets the fact that there is no secret.
    let narrow = Double::start(|seen: &Seen, _: &mut Store| {
        seen.path.ends_with("/openshift").then(|| status(403, "Forbidden", "namespaces is forbidden"))
    });
    assert!(cluster(&narrow.await.url).observe(&name()).await.unwrap().present().is_none());
}

#[tokio::test]
async fn a_web_page_is_neither_an_absent_secret_nor_a_missing_namespace() {
    for code in [200, 302, 404] {
        let double = Double::start(move |_: &Seen, _: &mut Store| Some((code, json!("<html>router</html>"))));
        let double = double.await;
        let failure = cluster(&double.url).observe(&name()).await.unwrap_err();
        assert_eq!(failure.message, format!("`{}` is not a Kubernetes API server", double.url), "{failure:?}");
        assert!(!format!("{failure:?}").contains("html"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_request_to_a_busy_server_is_retried() {
    let double = Double::start(|_: &Seen, store: &mut Store| {
        (store.seen.len() == 1).then(|| status(429, "TooManyRequests", "later"))
    });
    let double = double.await;
    assert!(cluster(&double.url).observe(&name()).await.is_ok());
    assert_eq!(double.requests()[..2], [format!("GET {SECRET}"), format!("GET {SECRET}")]);
}

#[tokio::test]
async fn an_api_server_that_cannot_be_reached() {
    let failure = cluster("http://127.0.0.1:1").observe(&name()).await.unwrap_err();
    assert_eq!(failure.message, "API server `http://127.0.0.1:1` cannot be reached");
    assert_eq!(failure.causes, ["connection refused"]);
    assert!(failure.hint.unwrap().contains("--only nodes"));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let waiting = cluster_within(&format!("http://{}", silent.local_addr().unwrap()), Duration::from_millis(200));
    let failure = waiting.observe(&name()).await.unwrap_err();
    assert_eq!(failure.causes, ["no response within 200ms"]);
    let plain = Double::start(nothing).await;
    let tls = cluster(&plain.url.replace("http:", "https:"));
    let failure = tls.observe(&name()).await.unwrap_err();
    assert_eq!(failure.causes, ["the port does not speak TLS"], "{failure:?}");
}

#[test]
fn a_proxy_is_shown_without_its_credentials() {
    let cases = [
        ("proxy:3128", "proxy:3128"),
        ("eve:p@hunter2@proxy:3128", "proxy:3128"),
        ("eve@[::1]:3128", "[::1]:3128"),
        ("[::1]", "[::1]"),
        ("eve:hunter2", "…"),
    ];
    for (authority, shown) in cases {
        assert_eq!(without_user_info(&authority), shown);
    }
}

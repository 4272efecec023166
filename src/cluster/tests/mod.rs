//! Tests of the cluster edge against an API server in this process.

mod double;
mod unclear;

use std::time::{Duration, Instant};

use serde_json::json;

use self::double::{Answer, Double, Seen, Store, status};
use super::link::stale_name;
use super::*;
use crate::facts::StaleSecret;
use crate::plan::SECRET_TYPE;
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
    Cluster::connect(config, timeout, &redactor, Purpose::Run).unwrap()
}

fn nothing(_: &Seen, _: &mut Store) -> Answer {
    None
}

/// Appends `+ours` unless it is there: a merge in small.
fn append(content: Option<&[u8]>) -> Result<Option<SecretBytes>, Failure> {
    let old = content.map_or(String::new(), |bytes| String::from_utf8(bytes.to_vec()).unwrap());
    Ok((!old.contains("+ours")).then(|| SecretBytes::new(format!("{old}+ours").into_bytes())))
}

async fn write(double: &Double) -> Result<Outcome, Failure> {
    cluster(&double.url).write_secret("openshift", NAME, append).await
}

#[tokio::test]
async fn a_secret_is_created_with_its_type() {
    let double = Double::start(nothing).await;
    assert_eq!(write(&double).await, Ok(Outcome::Created));
    assert_eq!(double.content(NAME).unwrap(), "+ours");
    let store = double.store.lock().unwrap();
    let post = &store.seen[1];
    assert_eq!((post.method.as_str(), post.query.as_str()), ("POST", "&fieldManager=oregano"));
    assert_eq!(post.body["type"], "kubernetes.io/dockerconfigjson");
    assert_eq!(post.body["metadata"], json!({"name": NAME, "namespace": "openshift"}));
    assert!(store.seen.iter().all(|seen| seen.user_agent == "oregano/test"));
}

#[tokio::test]
async fn an_update_keeps_all_that_is_not_ours() {
    let double = Double::start(nothing).await;
    double.store.lock().unwrap().put(NAME, "theirs");
    assert_eq!(write(&double).await, Ok(Outcome::Updated));
    assert_eq!(double.content(NAME).unwrap(), "theirs+ours");
    let secret = double.store.lock().unwrap().secrets[NAME].clone();
    assert_eq!(secret["metadata"]["labels"]["team"], "platform");
    assert_eq!(secret["metadata"]["annotations"]["a"], "b");
    assert_eq!(secret["data"]["other"], "eA==");
}

#[tokio::test]
async fn what_is_as_it_should_be_is_not_written() {
    let double = Double::start(nothing).await;
    double.store.lock().unwrap().put(NAME, "theirs+ours");
    assert_eq!(write(&double).await, Ok(Outcome::Unchanged));
    assert_eq!(double.asked(), [format!("GET {SECRET}")]);
}

#[tokio::test]
async fn a_conflict_is_merged_anew() {
    // Somebody changes the secret between our GET and our PUT, twice.
    let double = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "PUT" && store.version < 3 {
            let content = format!("theirs{}", store.version);
            store.put(NAME, &content);
        }
        None
    });
    let double = double.await;
    double.store.lock().unwrap().put(NAME, "theirs");
    assert_eq!(write(&double).await, Ok(Outcome::Updated));
    assert_eq!(double.content(NAME).unwrap(), "theirs2+ours");
}

#[tokio::test]
async fn a_secret_that_appears_or_vanishes_meanwhile_is_no_failure() {
    let appears = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "POST" && store.version == 0 {
            store.put(NAME, "theirs");
        }
        None
    });
    let appears = appears.await;
    assert_eq!(write(&appears).await, Ok(Outcome::Updated));
    assert_eq!(appears.content(NAME).unwrap(), "theirs+ours");
    let vanishes = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "PUT" {
            store.secrets.clear();
        }
        None
    });
    let vanishes = vanishes.await;
    vanishes.store.lock().unwrap().put(NAME, "theirs");
    assert_eq!(write(&vanishes).await, Ok(Outcome::Created));
}

#[tokio::test]
async fn an_endless_conflict_ends() {
    let double = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "PUT" {
            store.put(NAME, "theirs");
        }
        None
    });
    let double = double.await;
    double.store.lock().unwrap().put(NAME, "theirs");
    let failure = write(&double).await.unwrap_err();
    assert!(failure.message.contains("changed by somebody else each of 10 times"));
    assert_eq!(double.asked().iter().filter(|asked| asked.starts_with("PUT")).count(), 10);
}

#[tokio::test]
async fn what_does_not_stay_written_is_a_failure() {
    let double = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "GET" && store.version > 1 {
            store.put(NAME, "undone");
        }
        None
    });
    let double = double.await;
    double.store.lock().unwrap().put(NAME, "theirs");
    let failure = write(&double).await.unwrap_err();
    assert!(failure.message.ends_with("may or may not have been written"), "{failure:?}");
    assert!(failure.causes[0].contains("does not hold what was just written"), "{failure:?}");
}

#[tokio::test]
async fn secrets_that_cannot_be_changed_say_what_to_do() {
    let double = Double::start(nothing).await;
    let content = json!({".dockerconfigjson": "e30="});
    double.store.lock().unwrap().save(NAME, json!({"metadata": {"name": NAME}, "type": "Opaque", "data": content}));
    let failure = write(&double).await.unwrap_err();
    assert!(failure.message.contains("has the type `Opaque`") && failure.hint.unwrap().contains("oc delete secret"));
    {
        let mut store = double.store.lock().unwrap();
        store.put(NAME, "theirs");
        let mut secret = store.secrets[NAME].clone();
        secret["immutable"] = json!(true);
        store.save(NAME, secret);
    }
    assert!(write(&double).await.unwrap_err().message.ends_with("is immutable"));
    assert!(!double.asked().iter().any(|asked| asked.starts_with("PUT")));
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let terminating =
        "secrets is forbidden: unable to create new content in namespace x because it is being terminated";
    let quota = "secrets is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=3, limited: secrets=0";
    let anonymous = "secrets is forbidden: User \"system:anonymous\" cannot create resource \"secrets\"";
    let cases = [
        ((401, "Unauthorized", "Unauthorized"), "did not accept the login", "log in again"),
        ((403, "Forbidden", terminating), "is being deleted", "wait until it is gone"),
        ((403, "Forbidden", quota), "cannot be created", "raise the quota"),
        ((403, "Forbidden", anonymous), "cannot be created", "holds no login"),
        ((403, "Forbidden", "secrets is forbidden"), "cannot be created", "allow the user"),
        ((404, "NotFound", "namespaces \"openshift\" not found"), "namespace `openshift` does not exist", "create it"),
        ((422, "Invalid", "data: Too long"), "cannot be created", "oc describe"),
        ((404, "NotFound", "the server could not find the requested resource"), "no Kubernetes API", "`server`"),
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
async fn a_server_that_quotes_the_secret_is_not_quoted() {
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
async fn observation_tells_what_is_there() {
    let double = Double::start(nothing).await;
    let empty = cluster(&double.url).observe("openshift", NAME, &[]).await.unwrap();
    assert!(empty.secret.is_none() && empty.stale.is_empty());
    let stale = stale_name("quay.io").unwrap();
    double.store.lock().unwrap().put(NAME, "theirs");
    double.store.lock().unwrap().put(&stale, "old");
    let full = cluster(&double.url).observe("openshift", NAME, &["other.example.com", "quay.io"]).await.unwrap();
    let secret = full.secret.unwrap();
    assert_eq!((secret.type_.as_str(), secret.content.unwrap().expose()), (SECRET_TYPE, &b"theirs"[..]));
    assert_eq!(full.stale, [StaleSecret { name: stale, host: "quay.io".into() }]);
}

#[tokio::test]
async fn a_missing_namespace_is_not_a_missing_secret() {
    let double = Double::start(nothing).await;
    let failure = cluster(&double.url).observe("nosuch", NAME, &[]).await.unwrap_err();
    assert_eq!(failure.message, "namespace `nosuch` does not exist");
    // Who may not look at namespaces still gets the secret's absence.
    let narrow = Double::start(|seen: &Seen, _: &mut Store| {
        seen.path.ends_with("/openshift").then(|| status(403, "Forbidden", "namespaces is forbidden"))
    });
    assert!(cluster(&narrow.await.url).observe("openshift", NAME, &["h"]).await.unwrap().secret.is_none());
}

#[tokio::test]
async fn a_web_page_is_neither_an_absent_secret_nor_a_missing_namespace() {
    for code in [200, 302, 404] {
        let double = Double::start(move |_: &Seen, _: &mut Store| Some((code, json!("<html>router</html>"))));
        let double = double.await;
        let failure = cluster(&double.url).observe("openshift", NAME, &[]).await.unwrap_err();
        assert_eq!(failure.message, format!("`{}` is no Kubernetes API", double.url), "{failure:?}");
        assert!(!format!("{failure:?}").contains("html"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let double = Double::start(|_: &Seen, store: &mut Store| {
        (store.seen.len() == 1).then(|| status(429, "TooManyRequests", "later"))
    });
    let double = double.await;
    assert!(cluster(&double.url).observe("openshift", NAME, &[]).await.is_ok());
    assert_eq!(double.asked()[..2], [format!("GET {SECRET}"), format!("GET {SECRET}")]);
}

#[tokio::test]
async fn an_api_server_that_is_not_there() {
    let failure = cluster("http://127.0.0.1:1").observe("openshift", NAME, &[]).await.unwrap_err();
    assert_eq!(failure.message, "API server `http://127.0.0.1:1` cannot be reached");
    assert_eq!(failure.causes, ["connection refused"]);
    assert!(failure.hint.unwrap().contains("--only nodes"));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let waiting = cluster_within(&format!("http://{}", silent.local_addr().unwrap()), Duration::from_millis(200));
    let failure = waiting.observe("openshift", NAME, &[]).await.unwrap_err();
    assert_eq!(failure.causes, ["no answer within 200ms"]);
    let plain = Double::start(nothing).await;
    let tls = cluster(&plain.url.replace("http:", "https:"));
    let failure = tls.observe("openshift", NAME, &[]).await.unwrap_err();
    assert_eq!(failure.causes, ["the port does not speak TLS"], "{failure:?}");
}

/// What a kubeconfig with this login plugin comes to.
fn plugin(path: &std::path::Path, command: &str, script: &str, timeout: Duration) -> Cluster {
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": command, "args": ["-c", script],
        "interactiveMode": "Never"});
    let config = json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": exec}}]});
    std::fs::write(path, config.to_string()).unwrap();
    let source = kubeconfig::locate(Purpose::Run, Some(path), None, None).unwrap();
    Cluster::connect(kubeconfig::load(&source).unwrap(), timeout, &Redactor::default(), Purpose::Run).unwrap()
}

#[test]
fn a_login_plugin_that_does_not_answer_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    let failure = runtime.block_on(async {
        let patient = plugin(&dir.path().join("patient"), "sh", "exec sleep 9", Duration::from_secs(60));
        // Ctrl-C drops the future.
        let dropped = tokio::time::timeout(Duration::from_millis(100), patient.observe("openshift", NAME, &[])).await;
        assert!(dropped.is_err());
        let slow = plugin(&dir.path().join("slow"), "sh", "exec sleep 9", Duration::from_millis(300));
        slow.observe("openshift", NAME, &["a", "b"]).await.unwrap_err()
    });
    drop(runtime);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(failure.message, "the login plugin `sh` of the kubeconfig did not answer within 300ms");
    assert!(failure.hint.unwrap().contains("run `sh` by hand"));
}

#[tokio::test]
async fn a_login_plugin_is_run_for_the_first_request_only() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let token = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "sesame"}});
    let script = format!("echo run >> '{}'; echo '{token}'", runs.display());
    let cluster = plugin(&dir.path().join("config"), "sh", &script, Duration::from_secs(5));
    assert!(!runs.exists());
    let mut counts = Vec::new();
    for _ in 0..2 {
        let failure = cluster.observe("openshift", NAME, &["a", "b"]).await.unwrap_err();
        assert_eq!(failure.causes, ["connection refused"]);
        counts.push(std::fs::read_to_string(&runs).unwrap().len());
    }
    // The crate runs it more than once for a client, and not again for the next request.
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test]
async fn a_login_plugin_that_fails_is_named_and_not_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let cases = [
        ("sh", "echo sesame; echo sesame >&2; exit 3", "login plugin `sh` ended with exit status: 3"),
        ("sh", "echo sesame", "login plugin `sh` gave no credential that can be used"),
        ("/dev/null/none", "", "login plugin `/dev/null/none` cannot be started: Not a directory"),
    ];
    for (command, script, cause) in cases {
        let cluster = plugin(&path, command, script, Duration::from_secs(5));
        let failure = cluster.observe("openshift", NAME, &[]).await.unwrap_err();
        assert_eq!(failure.causes, [cause]);
        assert!(!format!("{failure:?}").contains("sesame"));
    }
}

#[test]
fn the_names_of_openshift_ansible() {
    // `printf registry.example.com | md5sum`
    assert_eq!(stale_name("registry.example.com").unwrap(), "o-a-35bc994a01106a687ad02f9440f57b80");
}

#[test]
fn a_proxy_is_told_without_its_login() {
    let cases = [
        ("proxy:3128", "proxy:3128"),
        ("eve:p@hunter2@proxy:3128", "proxy:3128"),
        ("eve@[::1]:3128", "[::1]:3128"),
        ("[::1]", "[::1]"),
        ("eve:hunter2", "…"),
    ];
    for (authority, told) in cases {
        assert_eq!(without_login(&authority), told);
    }
}

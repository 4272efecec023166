//! Tests of credential plugins and token files: when they are used again, and what is shown of them.

use std::path::Path;
use std::time::Instant;

use super::*;

const V1: &str = "client.authentication.k8s.io/v1";

/// A cluster at this URL, whose kubeconfig has this user.
fn with_user(folder: &Path, url: &str, user: &serde_json::Value, timeout: Duration) -> Cluster {
    let config = json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": url}}], "users": [{"name": "u", "user": user}]});
    let path = folder.join("config");
    std::fs::write(&path, config.to_string()).unwrap();
    let source = access::AccessSource::Named(path);
    let mut redactor = Redactor::default();
    redactor.learn(&Secret::new("hunter2"));
    Cluster::connect(access::load(&source, None).unwrap(), None, timeout, &redactor, ClusterPurpose::Run).unwrap()
}

fn plugin(command: &str, script: &str) -> serde_json::Value {
    let exec = json!({"apiVersion": V1, "command": command, "args": ["-c", script], "interactiveMode": "Never"});
    json!({"exec": exec})
}

/// What a plugin prints for this status.
fn credential(status: &serde_json::Value) -> String {
    json!({"apiVersion": V1, "kind": "ExecCredential", "status": status}).to_string()
}

/// Responds only to requests with this header.
fn only(authorization: &'static str) -> impl Fn(&Seen, &mut Store) -> Answer + Clone + Send + Sync + 'static {
    move |seen: &Seen, _: &mut Store| {
        let valid = seen.authorization.as_deref() == Some(authorization);
        (!valid).then(|| status(401, "Unauthorized", "Unauthorized"))
    }
}

#[test]
fn a_credential_plugin_that_does_not_finish_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    let pids = dir.path().join("pids");
    let script = format!("sleep 600 & echo $! >> '{}'; wait", pids.display());
    let failure = runtime.block_on(async {
        let patient = with_user(dir.path(), "http://127.0.0.1:1", &plugin("sh", &script), Duration::from_secs(60));
        let started = async {
            while !pids.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let secret = name();
        tokio::select! {
            _ = patient.observe(&secret) => panic!("the plugin has ended"),
            // Dropping the request has the same effect as Ctrl-C.
            () = started => {}
        }
        let limit = Duration::from_millis(700);
        let slow = with_user(dir.path(), "http://127.0.0.1:1", &plugin("sh", &script), limit);
        slow.observe(&name()).await.unwrap_err()
    });
    drop(runtime);
    assert_eq!(failure.message, "credential plugin `sh` of the kubeconfig did not finish within 700ms");
    assert!(failure.hint.unwrap().contains("run `sh` by hand"));
    let runs = || {
        let text = std::fs::read_to_string(&pids).unwrap();
        let stat = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        text.lines().filter(|pid| !stat(pid).is_empty() && !stat(pid).contains(") Z ")).count()
    };
    while runs() > 0 && begin.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(runs(), 0, "a child of a plugin still runs");
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_credential_plugin_is_run_once_for_all_requests() {
    let dir = tempfile::tempdir().unwrap();
    let double = Double::start(only("Bearer sesame")).await;
    let script = format!("echo >> '{}/runs'; echo '{}'", dir.path().display(), credential(&json!({"token": "sesame"})));
    let cluster = with_user(dir.path(), &double.url, &plugin("sh", &script), Duration::from_secs(30));
    assert!(!dir.path().join("runs").exists());
    for _ in 0..2 {
        cluster.observe(&name()).await.unwrap();
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("runs")).unwrap(), "\n");
}

#[tokio::test]
async fn a_credential_that_has_expired_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let double = Double::start(nothing).await;
    let expired = credential(&json!({"token": "sesame", "expirationTimestamp": "2020-01-01T00:00:00Z"}));
    let script = format!("echo >> '{}/runs'; echo '{expired}'", dir.path().display());
    let cluster = with_user(dir.path(), &double.url, &plugin("sh", &script), Duration::from_secs(30));
    double.store.lock().unwrap().put(NAME, "theirs");
    for _ in 0..3 {
        cluster.observe(&name()).await.unwrap();
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("runs")).unwrap(), "\n\n\n");
}

#[tokio::test]
async fn a_credential_that_is_rejected_is_renewed_once() {
    let dir = tempfile::tempdir().unwrap();
    let valid = Double::start(only("Bearer new")).await;
    let token = |token: &str| credential(&json!({"token": token}));
    let mark = dir.path().join("mark").display().to_string();
    let script = format!("test -e '{mark}' && echo '{}' || echo '{}'; echo >> '{mark}'", token("new"), token("old"));
    let cluster = with_user(dir.path(), &valid.url, &plugin("sh", &script), Duration::from_secs(30));
    // A write is sent again, too, because the server has not carried it out.
    assert!(matches!(write_to(&cluster, None).await, Ok(WriteResult::Written)));
    assert_eq!(valid.requests(), [SECRETS, SECRETS]);
    // The same token is not sent again.
    let refusing = Double::start(only("Bearer other")).await;
    let cluster = with_user(dir.path(), &refusing.url, &plugin("sh", &script), Duration::from_secs(30));
    let failure = cluster.observe(&name()).await.unwrap_err();
    assert!(failure.message.ends_with("rejected the credentials"), "{failure:?}");
    assert_eq!(refusing.requests().len(), 1);
    assert_eq!(std::fs::read_to_string(mark).unwrap().len(), 4);
}

const SECRETS: &str = "POST /api/v1/namespaces/openshift/secrets";

#[tokio::test]
async fn a_token_file_that_was_renewed_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let double = Double::start(only("Bearer new")).await;
    let file = dir.path().join("token");
    std::fs::write(&file, "new\n").unwrap();
    double.store.lock().unwrap().put(NAME, "theirs");
    let cluster = with_user(dir.path(), &double.url, &json!({"tokenFile": file}), Duration::from_secs(30));
    std::fs::write(&file, "old\n").unwrap();
    let failure = cluster.observe(&name()).await.unwrap_err();
    assert!(failure.message.ends_with("rejected the credentials"), "{failure:?}");
    std::fs::write(&file, "new\n").unwrap();
    cluster.observe(&name()).await.unwrap();
    // A program may remove the file once it was read.
    std::fs::remove_file(&file).unwrap();
    cluster.observe(&name()).await.unwrap();
    let missing = with_user(dir.path(), &double.url, &json!({"tokenFile": file}), Duration::from_secs(30));
    let failure = missing.observe(&name()).await.unwrap_err();
    assert!(failure.causes[0].ends_with("/token`: No such file or directory"), "{failure:?}");
}

#[tokio::test]
async fn a_credential_plugin_that_fails_is_named_and_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let unusable = "credential plugin `sh` did not return a usable credential";
    let cases: [(&str, &str, &[&str]); 6] = [
        ("sh", "echo sesame; exit 3", &["credential plugin `sh` ended with exit status: 3"]),
        (
            "sh",
            "echo sesame; echo no >&2; printf 'log in \\033[31magain, hunter2' >&2; exit 3",
            &[
                "credential plugin `sh` ended with exit status: 3",
                "its error output: no | log in [31magain, [redacted]",
            ],
        ),
        ("sh", "echo sesame", &[unusable, "its output is not an ExecCredential"]),
        (
            "sh",
            &format!("printf %s '{}'", credential(&json!({"token": "a\nsesame"}))),
            &["the token contains a line break or another control character"],
        ),
        ("/dev/null/none", "", &["credential plugin `/dev/null/none` cannot be started: Not a directory"]),
        ("no-such-plugin", "", &["credential plugin `no-such-plugin` does not exist"]),
    ];
    for (command, script, causes) in cases {
        let user = plugin(command, script);
        let cluster = with_user(dir.path(), "http://127.0.0.1:1", &user, Duration::from_secs(30));
        let failure = cluster.observe(&name()).await.unwrap_err();
        assert_eq!(failure.causes, causes, "{failure:?}");
        let shown = format!("{failure:?}");
        assert!(!shown.contains("sesame") && !shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn the_kubeconfig_recommends_how_to_install_a_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let mut user = plugin("no-such-plugin", "");
    user["exec"]["installHint"] = json!("get it from\n\u{1b}[1mhttps://example.com");
    let cluster = with_user(dir.path(), "http://127.0.0.1:1", &user, Duration::from_secs(30));
    let failure = cluster.observe(&name()).await.unwrap_err();
    assert_eq!(failure.hint.as_deref(), Some("get it from [1mhttps://example.com"));
}

#[tokio::test]
async fn a_token_of_a_plugin_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let double = Double::start(|seen: &Seen, _: &mut Store| {
        Some(status(403, "Forbidden", &format!("no: {}", seen.authorization.as_deref().unwrap_or_default())))
    });
    let script = format!("echo '{}'", credential(&json!({"token": "sesame-open"})));
    let double = double.await;
    let cluster = with_user(dir.path(), &double.url, &plugin("sh", &script), Duration::from_secs(30));
    let failure = format!("{:?}", cluster.observe(&name()).await.unwrap_err());
    assert!(failure.contains("no: Bearer [redacted]") && !failure.contains("sesame"), "{failure}");
}

#[tokio::test]
async fn no_member_of_a_kubeconfig_makes_a_request_panic() {
    let odd =
        ["", " ", "\n", "a\nb", "\0", "\u{7f}", "ä", "%", "a b", "[", "http://", "socks5://[", "https://a:b@c:d", "/"];
    let names = ["username", "password", "token", "tokenFile", "client-certificate-data", "client-key-data", "as"];
    for text in odd {
        for user in names.map(|name| json!({name: text, "as-groups": [text], "as-user-extra": {text: [text]}})) {
            request(&json!({"server": "http://127.0.0.1:1"}), &user).await;
        }
        for cluster in [
            json!({"server": "https://127.0.0.1:1", "tls-server-name": text}),
            json!({"server": format!("https://127.0.0.1:1/{text}")}),
            json!({"server": format!("127.0.0.1:1{text}")}),
            json!({"server": text.replace(['a', 'ä'], "127.0.0.1")}),
            json!({"server": "http://127.0.0.1:1", "proxy-url": text.replace(['c', 'a'], "127.0.0.1")}),
            json!({"server": "http://127.0.0.1:1", "proxy-url": format!("socks5://127.0.0.1:1{text}")}),
        ] {
            request(&cluster, &json!({})).await;
        }
    }
}

/// Sends a request with such a kubeconfig, if it can be used.
async fn request(cluster: &serde_json::Value, user: &serde_json::Value) {
    let config = json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": cluster}], "users": [{"name": "u", "user": user}]});
    let Ok(access) = access::parse(config.to_string().as_bytes()) else { return };
    let connected = Cluster::connect(access, None, Duration::from_secs(5), &Redactor::default(), ClusterPurpose::Run);
    if let Ok(cluster) = connected {
        assert!(cluster.observe(&name()).await.is_err());
    }
}

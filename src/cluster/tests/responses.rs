//! Tests of responses that are not the object that was requested, or are too large.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

/// The failure of an observation for which the server responds to each GET of the secret with this body.
async fn observed(body: serde_json::Value) -> Result<Observed<ObjectFact>, Failure> {
    let double = Double::start(move |seen: &Seen, _: &mut Store| (seen.path == SECRET).then(|| (200, body.clone())));
    cluster(&double.await.url).observe(&name()).await
}

#[tokio::test]
async fn only_the_object_that_was_requested_is_used() {
    let complete = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": "openshift",
        "resourceVersion": "1"}});
    assert!(observed(complete.clone()).await.unwrap().present().is_some());
    let with = |path: &str, value: serde_json::Value| {
        let mut other = complete.clone();
        *other.pointer_mut(path).unwrap() = value;
        other
    };
    for body in [
        json!({}),
        json!([]),
        json!(null),
        json!("text"),
        json!({"kind": "Secret"}),
        json!({"data": {".dockerconfigjson": "e30="}}),
        with("/kind", json!("ConfigMap")),
        with("/kind", json!("SecretList")),
        with("/metadata/name", json!("other")),
        with("/metadata/namespace", json!("other")),
        with("/metadata", json!(null)),
        with("/metadata/namespace", json!(null)),
        status(404, "NotFound", "secrets \"imagestreamsecret\" not found").1,
    ] {
        let failure = observed(body.clone()).await.expect_err(&body.to_string());
        assert!(failure.message.ends_with("is not a Kubernetes API server"), "{body}: {failure:?}");
        let cause = "its response is not secret `openshift/imagestreamsecret`";
        assert_eq!(failure.causes, [cause], "{body}");
    }
}

#[tokio::test]
async fn a_web_page_as_the_response_to_a_write_leaves_its_result_open() {
    let double = Double::start(|seen: &Seen, store: &mut Store| match seen.method.as_str() {
        "POST" => {
            store.save(NAME, seen.body.clone());
            Some((200, json!("<html>")))
        }
        _ => None,
    });
    // The read-back decides.
    assert!(matches!(write(&double.await).await, Ok(WriteResult::Written)));
}

// The server thread is waited for, so the connection needs another thread to be closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_response_is_not_read_to_its_end() {
    for code in ["200 OK", "500 Internal Server Error"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            assert!(stream.read(&mut [0; 65536]).unwrap() > 0);
            let head =
                format!("HTTP/1.1 {code}\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n");
            let mut sent = stream.write(head.as_bytes()).unwrap();
            while let Ok(length) = stream.write(&[b' '; 65536]) {
                sent += length;
            }
            sent
        });
        let failure = cluster_within(&url, Duration::from_secs(60)).observe(&name()).await.unwrap_err();
        assert_eq!(failure.causes, ["its response is larger than 4 MiB"], "{failure:?}");
        // Beyond the limit there are only the buffers of both sides.
        assert!(server.join().unwrap() < 50_000_000);
    }
}

//! Tests of writes for which the client cannot know whether the server carried them out.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const AMBIGUOUS: &str = "secret `openshift/imagestreamsecret` may or may not have been written";

/// What the server does with the connection after it has read a POST.
#[derive(Clone, Copy, Debug, PartialEq)]
enum AfterRequest {
    Close,
    Silence,
}

fn request(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 65536];
    let length = stream.read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn a_write_without_a_response_is_ambiguous() {
    for then in [AfterRequest::Close, AfterRequest::Silence] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (gives_up, given_up) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            let stream = accept(&listener, "POST");
            if then == AfterRequest::Silence {
                // The connection stays open until the client has given up.
                let _ = given_up.recv();
            }
            drop(stream);
        });
        let failure = write_to(&cluster_within(&url, Duration::from_millis(700)), None).await;
        drop(gives_up);
        let failure = failure.unwrap_err();
        assert_eq!(failure.message, AMBIGUOUS, "{then:?} {failure:?}");
        assert!(failure.causes[0].ends_with("cannot be reached"), "{then:?} {failure:?}");
        assert!(failure.hint.unwrap().starts_with("run `plan` to see its current content; "));
        server.join().unwrap();
    }
}

fn accept(listener: &TcpListener, method: &str) -> TcpStream {
    let mut stream = listener.accept().unwrap().0;
    assert!(request(&mut stream).starts_with(method));
    stream
}

#[tokio::test]
async fn a_write_that_was_never_sent_is_not_ambiguous() {
    let failure = write_to(&cluster("http://127.0.0.1:1"), None).await.unwrap_err();
    assert!(failure.message.ends_with("cannot be reached"), "{failure:?}");
    assert_eq!(failure.causes, ["connection refused"]);
}

#[tokio::test]
async fn an_internal_error_is_ambiguous() {
    let double = Double::start(|seen: &Seen, _: &mut Store| {
        (seen.method == "POST").then(|| status(500, "InternalError", "etcdserver: request timed out"))
    });
    let failure = write(&double.await).await.unwrap_err();
    assert_eq!(failure.message, AMBIGUOUS);
    assert!(failure.causes[1].contains("500 InternalError"), "{failure:?}");
}

#[tokio::test]
async fn a_write_that_a_busy_server_carried_out_is_an_unconfirmed_conflict() {
    for before in [None, Some("theirs")] {
        for code in [503, 504] {
            let double = Double::start(move |seen: &Seen, store: &mut Store| {
                if seen.method == "GET" || store.version > u64::from(before.is_some()) {
                    return None;
                }
                let mut secret = store.secrets.get(NAME).cloned().unwrap_or_default();
                double::merge(&mut secret, &seen.body);
                store.save(NAME, secret);
                Some(status(code, "Timeout", "the request may or may not have been done"))
            });
            let double = double.await;
            if let Some(content) = before {
                double.store.lock().unwrap().put(NAME, content);
            }
            let result = write(&double).await.unwrap();
            let WriteResult::Conflict { now, earlier: EarlierRequest::Unconfirmed } = result else {
                panic!("{code}: {result:?}")
            };
            assert_eq!(text(now.present().unwrap()), format!("{}+ours", before.unwrap_or_default()));
        }
    }
}

#[tokio::test]
async fn a_write_to_a_busy_server_is_retried() {
    for (busy, code, expected) in [(1, 503, None), (9, 503, Some(AMBIGUOUS)), (9, 429, Some("cannot be created"))] {
        let count = Arc::new(AtomicU32::new(0));
        let posts = Arc::clone(&count);
        let double = Double::start(move |seen: &Seen, _: &mut Store| {
            let refused = seen.method == "POST" && posts.fetch_add(1, Ordering::SeqCst) < busy;
            refused.then(|| status(code, "ServiceUnavailable", "later"))
        });
        let result = write(&double.await).await;
        match expected {
            None => assert!(matches!(result, Ok(WriteResult::Written)), "{result:?}"),
            Some(message) => assert!(result.unwrap_err().message.ends_with(message)),
        }
        assert_eq!(count.load(Ordering::SeqCst), 4.min(busy + 1));
    }
}

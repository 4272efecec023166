//! Servers that send endless or meaningless responses: each attempt ends in time, with a verdict and one short line.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::time::Instant;

use crate::registry::tests::prelude::*;

/// How fast the bytes of a response arrive.
#[derive(Clone, Copy, Debug)]
enum Pace {
    AtOnce,
    /// One byte a second.
    Drop,
}

/// The name of the case, the beginning of the response, what is repeated after it, and the verdict.
type Case = (&'static str, &'static [u8], &'static [u8], Pace, Verdict);

/// Sends `head` to every connection, and then `rest` repeatedly.
async fn raw_server(head: &'static [u8], rest: &'static [u8], pace: Pace) -> RawServer {
    let bytes = move |count| head.iter().chain(rest.iter().cycle()).take(count).copied().collect();
    RawServer::start(move |connection| match (connection.is_tls, pace) {
        (true, _) => Reaction::Bytes(NO_TLS.to_vec()),
        (false, Pace::AtOnce) => Reaction::Bytes(bytes(1024 * 1024)),
        // More bytes than any test has seconds.
        (false, Pace::Drop) => Reaction::BytesSlowly(bytes(1024)),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn no_response_takes_longer_than_the_timeout() {
    let cases: [Case; 8] = [
        ("headers, drop by drop", b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", Pace::Drop, Verdict::Timeout),
        (
            "a body, drop by drop",
            b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 9999\r\n\r\n",
            b"x",
            Pace::Drop,
            Verdict::Timeout,
        ),
        ("headers without end", b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", Pace::AtOnce, Verdict::RegistryError),
        ("a header without end", b"HTTP/1.1 200 OK\r\nx: ", b"y", Pace::AtOnce, Verdict::RegistryError),
        (
            "a body without end",
            b"HTTP/1.1 503 Busy\r\ncontent-length: 99999999\r\n\r\n",
            b"x",
            Pace::AtOnce,
            Verdict::RegistryError,
        ),
        (
            "a chunk without end",
            b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n",
            b"x",
            Pace::AtOnce,
            Verdict::RegistryError,
        ),
        ("interim responses without end", b"", b"HTTP/1.1 100 Continue\r\n\r\n", Pace::AtOnce, Verdict::RegistryError),
        ("not HTTP", b"\x00\xff220 mail ready", b"\r\n", Pace::AtOnce, Verdict::RegistryError),
    ];
    for (what, head, rest, pace, verdict) in cases {
        let server = raw_server(head, rest, pace).await;
        let (begin, clock) = (Instant::now(), std::time::Instant::now());
        let fact = inspect_within(&registry(&server.host, "right"), Duration::from_secs(30)).await;
        assert_eq!(fact.verdict, verdict, "{what}: {fact:?}");
        assert!(begin.elapsed() < Duration::from_secs(31), "{what}: {:?}", begin.elapsed());
        assert!(clock.elapsed() < Duration::from_secs(20), "{what}: {:?}", clock.elapsed());
        let cause = fact.cause.unwrap();
        assert!(cause.chars().count() <= 320 && !cause.contains('\n'), "{what}: {cause}");
    }
}

/// Complete but meaningless responses to every request.
#[tokio::test]
async fn no_response_makes_an_attempt_panic() {
    let responses: [&[u8]; 9] = [
        b"HTTP/1.1 401 U\r\nwww-authenticate: Bearer realm=\"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 401 U\r\nwww-authenticate: \xff\xfe,,==,\"\"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 401 U\r\nwww-authenticate: Bearer realm=\"http://[::1\"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 401 U\r\nwww-authenticate: Bearer realm=\"data:,x\"\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 302 F\r\nlocation: \xff\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 302 F\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 429 T\r\nretry-after: 99999999999999999999\r\ncontent-length: 0\r\n\r\n",
    ];
    for response in responses {
        let server = RawServer::start(move |connection| {
            Reaction::Bytes(if connection.is_tls { NO_TLS.to_vec() } else { response.to_vec() })
        });
        let fact = inspect_within(&registry(&server.await.host, "right"), Duration::from_secs(5)).await;
        let text = String::from_utf8_lossy(response);
        let expected = if text.contains("429") { Verdict::RateLimited } else { Verdict::RegistryError };
        assert_eq!(fact.verdict, expected, "{text}: {fact:?}");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn compressed(status: u16, body: Vec<u8>) -> Response<Body> {
    let mut response = reply(status, &[("content-encoding", "gzip"), ("content-type", "application/json")], "");
    *response.body_mut() = Body::from(body);
    response
}

#[tokio::test]
async fn a_compressed_response_is_read() {
    let double = Double::start(|received: &Received| match received.path.as_str() {
        "/token" if received.is_alice() => compressed(200, gzip(r#"{"token":"opensesame"}"#)),
        "/token" => compressed(401, gzip(UNAUTHORIZED)),
        _ => bearer_registry(received),
    });
    let double = double.await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
    let fact = inspect(&registry(&double.host, "wrong")).await;
    assert!(fact.cause.as_deref().unwrap().ends_with("/token: 401 UNAUTHORIZED: authentication required"), "{fact:?}");
}

#[tokio::test]
async fn a_wrong_content_encoding_does_not_change_a_verdict() {
    let plain: fn(u16) -> Response<Body> = |status| compressed(status, br#"{"token":"opensesame"}"#.to_vec());
    let empty: fn(u16) -> Response<Body> = |status| compressed(status, Vec::new());
    let cut: fn(u16) -> Response<Body> = |status| compressed(status, gzip(r#"{"token":"opensesame"}"#)[..15].to_vec());
    for (response, right) in [(plain, Verdict::Proved), (empty, Verdict::RegistryError), (cut, Verdict::RegistryError)]
    {
        let double = Double::start(move |received: &Received| match received.path.as_str() {
            "/token" => response(if received.is_alice() { 200 } else { 401 }),
            _ => bearer_registry(received),
        });
        let double = double.await;
        assert_eq!(inspect_double(&double).await.verdict, right);
        assert_eq!(inspect(&registry(&double.host, "wrong")).await.verdict, Verdict::Refused);
    }
}

#[tokio::test]
async fn a_token_server_may_send_up_to_one_mebibyte() {
    const MEBIBYTE: usize = 1024 * 1024;
    let long = |length: usize| format!(r#"{{"token":"opensesame","refresh_token":"{}"}}"#, "x".repeat(length));
    let (fits, too_long) = (MEBIBYTE - 100, MEBIBYTE + 100);
    let bodies = [
        ("plain", Verdict::Proved, long(fits).into_bytes()),
        ("plain, too long", Verdict::RegistryError, long(too_long).into_bytes()),
        ("compressed", Verdict::Proved, gzip(&long(fits))),
        ("compressed, too long", Verdict::RegistryError, gzip(&long(64 * MEBIBYTE))),
    ];
    for (name, verdict, body) in bodies {
        let double = Double::start(move |received: &Received| match received.path.as_str() {
            "/token" if received.is_alice() && name.starts_with("compressed") => compressed(200, body.clone()),
            "/token" if received.is_alice() => Response::new(Body::from(body.clone())),
            _ => bearer_registry(received),
        });
        let fact = inspect_double(&double.await).await;
        assert_eq!(fact.verdict, verdict, "{name}: {fact:?}");
    }
}

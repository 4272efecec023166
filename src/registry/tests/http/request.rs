//! Servers that send endless or meaningless responses: each attempt ends in time, with a verdict and one short line.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

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
async fn raw_server(head: &'static [u8], rest: &'static [u8], pace: Pace) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut first = [0; 4096];
                let read = stream.read(&mut first).await.unwrap_or_default();
                // The response of Go's servers to TLS.
                if first[..read].first() == Some(&0x16) {
                    let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
                    return;
                }
                let bytes = head.iter().chain(rest.iter().cycle());
                match pace {
                    Pace::AtOnce => {
                        let bytes: Vec<u8> = bytes.take(1024 * 1024).copied().collect();
                        let _ = stream.write_all(&bytes).await;
                    }
                    Pace::Drop => {
                        for byte in bytes {
                            if stream.write_all(&[*byte]).await.is_err() {
                                return;
                            }
                            sleep(Duration::from_secs(1)).await;
                        }
                    }
                }
            });
        }
    });
    host
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
        let host = raw_server(head, rest, pace).await;
        let (begin, clock) = (Instant::now(), std::time::Instant::now());
        let fact = inspect_within(&registry(&host, "right"), Duration::from_secs(30)).await;
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut first = [0; 4096];
                let read = stream.read(&mut first).await.unwrap_or_default();
                let tls = first[..read].first() == Some(&0x16);
                let _ = stream.write_all(if tls { b"HTTP/1.0 400 Bad\r\n\r\n" } else { response }).await;
            }
        });
        let fact = inspect_within(&registry(&host, "right"), Duration::from_secs(5)).await;
        let text = String::from_utf8_lossy(response);
        let expected = if text.contains("429") { Verdict::RateLimited } else { Verdict::RegistryError };
        assert_eq!(fact.verdict, expected, "{text}: {fact:?}");
        task.abort();
    }
}

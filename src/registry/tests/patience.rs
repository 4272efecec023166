//! What is tried again, how often, and after which pause. The clock of these tests stands still but for what is
//! waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::Response;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::double::{Double, MANIFEST, Seen, ask_bearer, basic_registry, bearer_registry, reply};
use super::{inspect_double, inspect_within, registry};
use crate::desired::{Registry, TestLogin};
use crate::facts::{RegistryFact, Verdict};

/// Answers the first `busy` logins at the token server with `answer`.
fn busy_tokens(busy: u32, answer: fn() -> Response<Body>) -> impl Fn(&Seen) -> Response<Body> + Clone {
    let count = Arc::new(AtomicU32::new(0));
    move |seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
        ("/token", Some(_)) if count.fetch_add(1, Ordering::SeqCst) < busy => answer(),
        _ => bearer_registry(seen),
    }
}

#[tokio::test(start_paused = true)]
async fn busy_servers_are_asked_three_times_at_most() {
    let limited: fn() -> Response<Body> = || reply(429, &[("retry-after", "0")], "slow down");
    let broken: fn() -> Response<Body> = || reply(503, &[("content-type", "text/plain")], &"long ".repeat(999));
    let cases = [
        (1, limited, Verdict::Proved, 2),
        (2, broken, Verdict::Proved, 3),
        (9, limited, Verdict::RateLimited, 3),
        (9, broken, Verdict::RegistryError, 3),
    ];
    for (busy, answer, verdict, logins) in cases {
        let double = Double::start(busy_tokens(busy, answer)).await;
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, verdict);
        assert_eq!(double.logins(), logins);
        if verdict != Verdict::Proved {
            assert!(fact.cause.unwrap().ends_with(" (tried 3 times)"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_not_asked_before_the_time_that_it_named() {
    // The clock of dates does not stand still: what it says counts when it is said.
    let forms: [fn() -> String; 2] =
        [|| "2".to_owned(), || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3))];
    for form in forms {
        let count = Arc::new(AtomicU32::new(0));
        let double = Double::start(move |seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
            ("/token", Some(_)) if count.fetch_add(1, Ordering::SeqCst) == 0 => {
                reply(429, &[("retry-after", &form())], "")
            }
            _ => bearer_registry(seen),
        });
        let double = double.await;
        let begin = Instant::now();
        assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
        assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_is_not_waited() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    for form in ["3600", &date] {
        let form = form.to_owned();
        let double = Double::start(move |_: &Seen| reply(429, &[("retry-after", &form)], "")).await;
        let begin = Instant::now();
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, Verdict::RateLimited);
        let hint = fact.hint.unwrap();
        assert!(hint.starts_with("try again in 3") && hint.ends_with(" s"), "{hint}");
        assert!(begin.elapsed() < Duration::from_secs(2));
        assert_eq!(double.asked().len(), 1);
        assert!(!fact.cause.unwrap().contains("tried"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_never_asked_again() {
    for status in [401, 403] {
        let double = Double::start(move |seen: &Seen| match seen.path.as_str() {
            "/token" => reply(status, &[("retry-after", "0")], ""),
            _ => ask_bearer(seen),
        });
        let double = double.await;
        assert_eq!(inspect_double(&double).await.verdict, Verdict::Refused);
        assert_eq!(double.logins(), 1);
    }
}

/// A port that takes connections and loses what is sent over the first `lost` of them; the others go to `host`.
async fn lossy(lost: u32, host: String) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut here, _) = listener.accept().await.unwrap();
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let host = host.clone();
            tokio::spawn(async move {
                if number < lost {
                    while here.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
                } else {
                    let mut there = tokio::net::TcpStream::connect(host).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                }
            });
        }
    });
    (address, count)
}

#[tokio::test(start_paused = true)]
async fn a_lost_question_is_asked_again_within_the_time() {
    let double = Double::start(basic_registry).await;
    let (host, _) = lossy(2, double.host.clone()).await;
    let begin = Instant::now();
    let fact = inspect_within(&registry(&host, "right"), Duration::from_secs(30)).await;
    assert_eq!(fact.verdict, Verdict::Proved, "{fact:?}");
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    let (host, _) = lossy(u32::MAX, String::new()).await;
    let begin = Instant::now();
    let fact = inspect_within(&registry(&host, "right"), Duration::from_secs(30)).await;
    assert_eq!(fact.verdict, Verdict::Timeout);
    assert_eq!(fact.cause.unwrap(), format!("GET https://{host}/v2/: no complete answer within 30s (tried 3 times)"));
    let taken = begin.elapsed().as_secs_f64();
    assert!((25.0..30.1).contains(&taken), "{taken}");
}

/// What a login comes to in 10 s at a registry that takes `pause` for each answer.
async fn in_time(pause: impl Fn(&Seen) -> Duration + Clone + Send + Sync + 'static) -> (Double, RegistryFact) {
    let double = Double::patient(pause, basic_registry).await;
    let alone = Registry { test_login: TestLogin::LoginOnly, ..registry(&double.host, "right") };
    let begin = Instant::now();
    let fact = inspect_within(&alone, Duration::from_secs(10)).await;
    assert!(begin.elapsed() < Duration::from_millis(10_100), "{:?}", begin.elapsed());
    (double, fact)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_slow_but_in_time_is_waited_for() {
    let (double, fact) = in_time(|_| Duration::from_secs(4)).await;
    assert_eq!((fact.verdict, double.asked().len()), (Verdict::Proved, 2), "{fact:?}");
    // So slow that it might be lost: it is asked once more, and the first answer counts.
    let (double, fact) = in_time(|seen| Duration::from_secs(if seen.authorization.is_none() { 9 } else { 0 })).await;
    assert_eq!((fact.verdict, double.asked().len()), (Verdict::Proved, 3), "{fact:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_swallowed_is_asked_again() {
    let count = Arc::new(AtomicU32::new(0));
    let swallow = move |_: &Seen| Duration::from_secs(if count.fetch_add(1, Ordering::SeqCst) == 0 { 3600 } else { 0 });
    let (double, fact) = in_time(swallow).await;
    assert_eq!((fact.verdict, double.asked().len()), (Verdict::Proved, 3), "{fact:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cause_says_how_long_the_answer_was_waited_for() {
    let double = Double::patient(|_| Duration::from_secs(4), basic_registry).await;
    let fact = inspect_within(&registry(&double.host, "right"), Duration::from_secs(10)).await;
    let expected = format!("HEAD http://{}{MANIFEST}: no complete answer within 2s, the rest of 10s", double.host);
    assert_eq!((fact.verdict, fact.cause), (Verdict::Timeout, Some(expected)));
    let (double, fact) = in_time(|_| Duration::from_secs(3600)).await;
    let expected = format!("GET http://{}/v2/: no complete answer within 10s (tried 2 times)", double.host);
    assert_eq!((fact.verdict, fact.cause), (Verdict::Timeout, Some(expected)));
}

/// Takes the password at `path` and says nothing.
async fn swallowing(path: &'static str) -> Double {
    Double::patient(
        move |seen: &Seen| {
            let carries = seen.authorization.as_ref().is_some_and(|value| value.starts_with("Basic "));
            if seen.path == path && carries { Duration::from_secs(3600) } else { Duration::ZERO }
        },
        if path == "/token" { bearer_registry } else { basic_registry },
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn a_password_that_may_have_arrived_is_not_sent_again() {
    for path in ["/token", "/v2/", MANIFEST] {
        let double = swallowing(path).await;
        let begin = Instant::now();
        let fact = inspect_within(&registry(&double.host, "right"), Duration::from_secs(30)).await;
        assert_eq!(fact.verdict, Verdict::Timeout, "{path} {fact:?}");
        assert!(fact.cause.unwrap().ends_with("no complete answer within 30s"), "{path}");
        let there = double.all().iter().filter(|seen| seen.path == path && seen.authorization.is_some()).count();
        assert_eq!(there, 1, "{path}");
        assert!(begin.elapsed() < Duration::from_secs(31));
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_never_left_is_sent_again() {
    // The connection is there, but TLS never begins: nothing was sent yet.
    let (realm, connections) = lossy(u32::MAX, String::new()).await;
    let challenge = format!(r#"Bearer realm="https://{realm}/token""#);
    let double = Double::start(move |_: &Seen| reply(401, &[("www-authenticate", &challenge)], "")).await;
    let fact = inspect_within(&registry(&double.host, "right"), Duration::from_secs(60)).await;
    assert_eq!(fact.verdict, Verdict::Timeout, "{fact:?}");
    assert!(fact.cause.as_deref().unwrap().ends_with("(tried 3 times)"), "{fact:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_what_is_not_needed() {
    // Whoever has no password waits for ever.
    let double = Double::patient(
        |seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
            ("/token", None) | (MANIFEST, None) => Duration::from_secs(3600),
            _ => Duration::ZERO,
        },
        bearer_registry,
    );
    let begin = Instant::now();
    assert_eq!(inspect_double(&double.await).await.verdict, Verdict::Proved);
    assert!(begin.elapsed() <= Duration::from_secs(6), "{:?}", begin.elapsed());
}

//! Which requests are sent again, how often, and after which pause. The clock of these tests advances only while they
//! wait.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::registry::tests::prelude::*;

/// A token server that sends `response` to the first `busy` logins.
fn busy_token_server(busy: u32, response: fn() -> Response<Body>) -> impl Fn(&Received) -> Response<Body> + Clone {
    let count = Arc::new(AtomicU32::new(0));
    move |received: &Received| match (received.path.as_str(), &received.authorization) {
        ("/token", Some(_)) if count.fetch_add(1, Ordering::SeqCst) < busy => response(),
        _ => bearer_registry(received),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_three_times_at_most() {
    let limited: fn() -> Response<Body> = || reply(429, &[("retry-after", "0")], "slow down");
    let broken: fn() -> Response<Body> = || reply(503, &[("content-type", "text/plain")], &"long ".repeat(999));
    let cases = [
        (1, limited, Verdict::Proved, 2),
        (2, broken, Verdict::Proved, 3),
        (9, limited, Verdict::RateLimited, 3),
        (9, broken, Verdict::RegistryError, 3),
    ];
    for (busy, response, verdict, logins) in cases {
        let double = Double::start(busy_token_server(busy, response)).await;
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, verdict);
        assert_eq!(double.logins(), logins);
        if verdict != Verdict::Proved {
            assert!(fact.cause.unwrap().ends_with(" (tried 3 times)"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_respected() {
    // The clock of dates is not paused, so the header is made when it is sent.
    let forms: [fn() -> String; 2] =
        [|| "2".to_owned(), || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3))];
    for form in forms {
        let count = Arc::new(AtomicU32::new(0));
        let double =
            Double::start(move |received: &Received| match (received.path.as_str(), &received.authorization) {
                ("/token", Some(_)) if count.fetch_add(1, Ordering::SeqCst) == 0 => {
                    reply(429, &[("retry-after", &form())], "")
                }
                _ => bearer_registry(received),
            });
        let double = double.await;
        let begin = Instant::now();
        assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
        assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_the_timeout_is_skipped() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    for form in ["3600", &date] {
        let form = form.to_owned();
        let double = Double::start(move |_: &Received| reply(429, &[("retry-after", &form)], "")).await;
        let begin = Instant::now();
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, Verdict::RateLimited);
        let hint = fact.hint.unwrap();
        assert!(hint.starts_with("try again in 3") && hint.ends_with(" s"), "{hint}");
        assert!(begin.elapsed() < Duration::from_secs(2));
        assert_eq!(double.request_lines().len(), 1);
        assert!(!fact.cause.unwrap().contains("tried"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_never_retried() {
    for status in [401, 403] {
        let double = Double::start(move |received: &Received| match received.path.as_str() {
            "/token" => reply(status, &[("retry-after", "0")], ""),
            _ => challenge_bearer(received),
        });
        let double = double.await;
        assert_eq!(inspect_double(&double).await.verdict, Verdict::Refused);
        assert_eq!(double.logins(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_is_sent_again_within_the_timeout() {
    let double = Double::start(basic_registry).await;
    let server = RawServer::losing(2, double.host.clone()).await;
    let begin = Instant::now();
    let fact = inspect_within(&registry(&server.host, "right"), Duration::from_secs(30)).await;
    assert_eq!(fact.verdict, Verdict::Proved, "{fact:?}");
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_without_response_ends_at_the_deadline() {
    let server = RawServer::silent().await;
    let host = &server.host;
    let begin = Instant::now();
    let fact = inspect_within(&registry(host, "right"), Duration::from_secs(30)).await;
    assert_eq!(fact.verdict, Verdict::Timeout);
    assert_eq!(fact.cause.unwrap(), format!("GET https://{host}/v2/: no complete response within 30s (tried 3 times)"));
    let elapsed = begin.elapsed().as_secs_f64();
    assert!((25.0..30.1).contains(&elapsed), "{elapsed}");
}

/// The result of a login within 10 s at a registry that waits for `pause` before each response.
async fn login_within_10_s(
    pause: impl Fn(&Received) -> Duration + Clone + Send + Sync + 'static,
) -> (Double, RegistryFact) {
    let double = Double::slow(pause, basic_registry).await;
    let login_only = Registry { test_login: TestLogin::LoginOnly, ..registry(&double.host, "right") };
    let begin = Instant::now();
    let fact = inspect_within(&login_only, Duration::from_secs(10)).await;
    assert!(begin.elapsed() < Duration::from_millis(10_100), "{:?}", begin.elapsed());
    (double, fact)
}

#[tokio::test(start_paused = true)]
async fn a_slow_response_within_the_timeout_counts() {
    let (double, fact) = login_within_10_s(|_| Duration::from_secs(4)).await;
    assert_eq!((fact.verdict, double.request_lines().len()), (Verdict::Proved, 2), "{fact:?}");
    // The response is so slow that the request is hedged, and the first response counts.
    let (double, fact) =
        login_within_10_s(|received| Duration::from_secs(if received.authorization.is_none() { 9 } else { 0 })).await;
    assert_eq!((fact.verdict, double.request_lines().len()), (Verdict::Proved, 3), "{fact:?}");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_response_is_hedged() {
    let count = Arc::new(AtomicU32::new(0));
    let swallow =
        move |_: &Received| Duration::from_secs(if count.fetch_add(1, Ordering::SeqCst) == 0 { 3600 } else { 0 });
    let (double, fact) = login_within_10_s(swallow).await;
    assert_eq!((fact.verdict, double.request_lines().len()), (Verdict::Proved, 3), "{fact:?}");
}

#[tokio::test(start_paused = true)]
async fn the_cause_names_the_time_that_was_waited() {
    let double = Double::slow(|_| Duration::from_secs(4), basic_registry).await;
    let fact = inspect_within(&registry(&double.host, "right"), Duration::from_secs(10)).await;
    let expected = format!("HEAD http://{}{MANIFEST}: no complete response within 2s, the rest of 10s", double.host);
    assert_eq!((fact.verdict, fact.cause), (Verdict::Timeout, Some(expected)));
    let (double, fact) = login_within_10_s(|_| Duration::from_secs(3600)).await;
    let expected = format!("GET http://{}/v2/: no complete response within 10s (tried 2 times)", double.host);
    assert_eq!((fact.verdict, fact.cause), (Verdict::Timeout, Some(expected)));
}

/// A registry that never responds to the password at `path`.
async fn silent_after_password(path: &'static str) -> Double {
    Double::slow(
        move |received: &Received| {
            let carries = received.authorization.as_ref().is_some_and(|value| value.starts_with("Basic "));
            if received.path == path && carries { Duration::from_secs(3600) } else { Duration::ZERO }
        },
        if path == "/token" { bearer_registry } else { basic_registry },
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn a_password_that_may_have_arrived_is_not_sent_again() {
    for path in ["/token", "/v2/", MANIFEST] {
        let double = silent_after_password(path).await;
        let begin = Instant::now();
        let fact = inspect_within(&registry(&double.host, "right"), Duration::from_secs(30)).await;
        assert_eq!(fact.verdict, Verdict::Timeout, "{path} {fact:?}");
        assert!(fact.cause.unwrap().ends_with("no complete response within 30s"), "{path}");
        let there = double
            .requests()
            .iter()
            .filter(|received| received.path == path && received.authorization.is_some())
            .count();
        assert_eq!(there, 1, "{path}");
        assert!(begin.elapsed() < Duration::from_secs(31));
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_never_sent_is_retried() {
    // The connection is established, but the TLS handshake gets no response, so nothing was sent yet.
    let server = RawServer::silent().await;
    let challenge = format!(r#"Bearer realm="https://{}/token""#, server.host);
    let double = Double::start(move |_: &Received| reply(401, &[("www-authenticate", &challenge)], "")).await;
    let fact = inspect_within(&registry(&double.host, "right"), Duration::from_secs(60)).await;
    assert_eq!(fact.verdict, Verdict::Timeout, "{fact:?}");
    assert!(fact.cause.as_deref().unwrap().ends_with("(tried 3 times)"), "{fact:?}");
    assert_eq!(server.connections(), 3);
}

/// A relay to `registry`, over plain HTTP, that resets a connection where `resets` is true.
async fn resetting(
    registry: &Double,
    resets: impl Fn(u32, &str) -> bool + Clone + Send + Sync + 'static,
) -> (RawServer, Arc<AtomicU32>) {
    let (host, count) = (registry.host.clone(), Arc::new(AtomicU32::new(0)));
    let reset = Arc::clone(&count);
    let server = RawServer::start(move |connection| {
        if connection.is_tls {
            return Reaction::Bytes(NO_TLS.to_vec());
        }
        if resets(reset.load(Ordering::SeqCst), &connection.text.to_ascii_lowercase()) {
            reset.fetch_add(1, Ordering::SeqCst);
            return Reaction::Reset;
        }
        match connection.text.contains("uthorization: ") {
            true => Reaction::Relay(host.clone()),
            // The login needs a connection of its own.
            false => Reaction::Bytes(raw_response("401 Unauthorized", "WWW-Authenticate: Basic realm=x", "")),
        }
    });
    (server.await, count)
}

#[tokio::test(start_paused = true)]
async fn a_reset_request_is_sent_again_unless_it_is_a_login() {
    let double = Double::start(basic_registry).await;
    type Resets = fn(u32, &str) -> bool;
    let cases: [(Resets, u32, Verdict, &str); 3] = [
        (|count, _| count < 2, 2, Verdict::Proved, ""),
        (|_, _| true, 3, Verdict::RegistryError, "connection reset (tried 3 times)"),
        (|_, text| text.contains("authorization: basic"), 1, Verdict::RegistryError, "not HTTP: connection reset"),
    ];
    for (resets, count, verdict, reason) in cases {
        let (server, reset) = resetting(&double, resets).await;
        let fact = inspect_within(&registry(&server.host, "right"), Duration::from_secs(60)).await;
        assert_eq!((fact.verdict, reset.load(Ordering::SeqCst)), (verdict, count), "{fact:?}");
        assert!(fact.cause.as_deref().unwrap_or_default().ends_with(reason), "{fact:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_check_for_a_public_image_has_a_short_time_limit() {
    // Anonymous requests get no response.
    let double = Double::slow(
        |received: &Received| match (received.path.as_str(), &received.authorization) {
            ("/token", None) | (MANIFEST, None) => Duration::from_secs(3600),
            _ => Duration::ZERO,
        },
        bearer_registry,
    );
    let begin = Instant::now();
    assert_eq!(inspect_double(&double.await).await.verdict, Verdict::Proved);
    assert!(begin.elapsed() <= Duration::from_secs(6), "{:?}", begin.elapsed());
}

//! The ping, which all credentials of a registry share. The clock of these tests advances only while they wait.

use tokio::time::Instant;

use crate::registry::tests::prelude::*;

async fn prove(registries: &[Registry]) -> Vec<RegistryFact> {
    let quiet = |_: ProgressEvent<'_>| {};
    registry_prove(&clients(), &Arc::default(), registries, TIMEOUT, &Redactor::default(), quiet).await
}

/// Users of a registry, of whom only the first is known there.
fn users(host: &str, count: usize) -> Vec<Registry> {
    let user = |index| match index {
        0 => "alice".to_owned(),
        _ => format!("user{index}"),
    };
    (0..count).map(|index| Registry { user: user(index), ..registry(host, "right") }).collect()
}

fn pings(double: &Double) -> usize {
    double.requests().iter().filter(|received| received.path == "/v2/" && received.authorization.is_none()).count()
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_respond_costs_one_timeout_for_all_credentials() {
    let double = Double::slow(|_| Duration::from_secs(3600), basic_registry).await;
    let begin = Instant::now();
    let facts = prove(&users(&double.host, 40)).await;
    let cause = format!("GET http://{}/v2/: no complete response within 10s (tried 2 times)", double.host);
    for fact in &facts {
        assert_eq!((fact.verdict, fact.cause.as_deref()), (Verdict::Timeout, Some(cause.as_str())));
    }
    assert!(begin.elapsed() < TIMEOUT.mul_f64(1.1), "{:?}", begin.elapsed());
    assert_eq!((facts.len(), pings(&double)), (40, 2));
}

#[tokio::test(start_paused = true)]
async fn one_ping_and_one_login_for_each_user() {
    for script in [basic_registry, bearer_registry] {
        let double = Double::start(script).await;
        let facts = prove(&users(&double.host, 40)).await;
        let verdicts: Vec<Verdict> = facts.iter().map(|fact| fact.verdict).collect();
        assert_eq!(verdicts, [&[Verdict::Proved][..], &[Verdict::Refused; 39]].concat());
        assert_eq!(pings(&double), 1);
        let all = double.requests();
        let refused = all.iter().filter(|received| {
            received.authorization.as_ref().is_some_and(|value| value.starts_with("Basic ")) && !received.is_alice()
        });
        assert_eq!(refused.count(), 39, "one failed login of each");
    }
}

#[tokio::test(start_paused = true)]
async fn other_connection_settings_have_their_own_ping() {
    let double = Double::start(basic_registry).await;
    let here = registry(&double.host, "right");
    let verified = Registry { tls: TlsPolicy::Verify, ..here.clone() };
    let direct = Registry { user: "bob".to_owned(), proxy: Proxy::Set(Arc::default()), ..here.clone() };
    let facts = prove(&[here, verified, direct]).await;
    let verdicts: Vec<Verdict> = facts.iter().map(|fact| fact.verdict).collect();
    assert_eq!(verdicts, [Verdict::Proved, Verdict::Tls, Verdict::Refused]);
    assert_eq!(pings(&double), 2, "the registry with verified TLS gets no ping over plain HTTP");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_ping_counts_for_all_credentials() {
    for (login, verdict) in [(5, Verdict::Proved), (7, Verdict::Timeout)] {
        let pause =
            move |received: &Received| Duration::from_secs(if received.authorization.is_some() { login } else { 4 });
        let double = Double::slow(pause, |received: &Received| match received.authorization {
            Some(_) => accepted(),
            None => basic_registry(received),
        });
        let double = double.await;
        let login_only = |registry| Registry { test_login: TestLogin::LoginOnly, ..registry };
        let registries: Vec<Registry> = users(&double.host, 10).into_iter().map(login_only).collect();
        let begin = Instant::now();
        for fact in prove(&registries).await {
            assert_eq!(fact.verdict, verdict);
            assert!(fact.cause.is_none_or(|cause| cause.ends_with("no complete response within 6s, the rest of 10s")));
        }
        assert!(begin.elapsed() < TIMEOUT.mul_f64(1.1), "{:?}", begin.elapsed());
    }
}

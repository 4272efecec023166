//! The first question to a registry, which all its credentials share. The clock of these tests stands still but for
//! what is waited for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::double::{Double, Seen, basic_registry, bearer_registry};
use super::{PATIENCE, clients, registry};
use crate::desired::{Proxy, Registry, TestLogin, TlsPolicy};
use crate::facts::{RegistryFact, Verdict};
use crate::registry::News;
use crate::secret::Redactor;

async fn prove(registries: &[Registry]) -> Vec<RegistryFact> {
    let quiet = |_: News<'_>| {};
    crate::registry::prove(&clients(), &Arc::default(), registries, PATIENCE, &Redactor::default(), quiet).await
}

/// Users of a registry, of whom only the first is known there.
fn users(host: &str, count: usize) -> Vec<Registry> {
    let named = |index| match index {
        0 => "alice".to_owned(),
        _ => format!("user{index}"),
    };
    (0..count).map(|index| Registry { user: named(index), ..registry(host, "right") }).collect()
}

fn knocks(double: &Double) -> usize {
    double.all().iter().filter(|seen| seen.path == "/v2/" && seen.authorization.is_none()).count()
}

#[tokio::test(start_paused = true)]
async fn a_silent_registry_costs_its_time_once_however_many_use_it() {
    let double = Double::patient(|_| Duration::from_secs(3600), basic_registry).await;
    let begin = Instant::now();
    let facts = prove(&users(&double.host, 40)).await;
    let cause = format!("GET http://{}/v2/: no complete answer within 10s (tried 2 times)", double.host);
    for fact in &facts {
        assert_eq!((fact.verdict, fact.cause.as_deref()), (Verdict::Timeout, Some(cause.as_str())));
    }
    assert!(begin.elapsed() < PATIENCE.mul_f64(1.1), "{:?}", begin.elapsed());
    assert_eq!((facts.len(), knocks(&double)), (40, 2));
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_asked_once_what_it_wants_and_each_user_has_a_login() {
    for script in [basic_registry, bearer_registry] {
        let double = Double::start(script).await;
        let facts = prove(&users(&double.host, 40)).await;
        let verdicts: Vec<Verdict> = facts.iter().map(|fact| fact.verdict).collect();
        assert_eq!(verdicts, [&[Verdict::Proved][..], &[Verdict::Refused; 39]].concat());
        assert_eq!(knocks(&double), 1);
        let all = double.all();
        let refused = all.iter().filter(|seen| {
            seen.authorization.as_ref().is_some_and(|value| value.starts_with("Basic ")) && !seen.is_alice()
        });
        assert_eq!(refused.count(), 39, "one failed login of each");
    }
}

#[tokio::test(start_paused = true)]
async fn each_way_has_a_knock_of_its_own() {
    let double = Double::start(basic_registry).await;
    let here = registry(&double.host, "right");
    let verified = Registry { tls: TlsPolicy::Verify, ..here.clone() };
    let direct = Registry { user: "bob".to_owned(), proxy: Proxy::Set(Arc::default()), ..here.clone() };
    let facts = prove(&[here, verified, direct]).await;
    let verdicts: Vec<Verdict> = facts.iter().map(|fact| fact.verdict).collect();
    assert_eq!(verdicts, [Verdict::Proved, Verdict::Tls, Verdict::Refused]);
    assert_eq!(knocks(&double), 2, "the one that speaks no TLS heard no third");
}

#[tokio::test(start_paused = true)]
async fn what_the_knock_took_is_gone_for_all() {
    for (login, verdict) in [(5, Verdict::Proved), (7, Verdict::Timeout)] {
        let pause = move |seen: &Seen| Duration::from_secs(if seen.authorization.is_some() { login } else { 4 });
        let double = Double::patient(pause, |seen: &Seen| match seen.authorization {
            Some(_) => super::double::welcome(),
            None => basic_registry(seen),
        });
        let double = double.await;
        let alone = |registry| Registry { test_login: TestLogin::LoginOnly, ..registry };
        let registries: Vec<Registry> = users(&double.host, 10).into_iter().map(alone).collect();
        let begin = Instant::now();
        for fact in prove(&registries).await {
            assert_eq!(fact.verdict, verdict);
            assert!(fact.cause.is_none_or(|cause| cause.ends_with("no complete answer within 6s, the rest of 10s")));
        }
        assert!(begin.elapsed() < PATIENCE.mul_f64(1.1), "{:?}", begin.elapsed());
    }
}

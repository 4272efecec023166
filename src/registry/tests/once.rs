//! A password goes out once in a run unless it was accepted, whatever the server answers: accounts get locked.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;

use super::double::{Double, Seen, ask_basic, ask_bearer, manifest, named, reply, token, welcome};
use super::{PATIENCE, clients, registry};
use crate::desired::Registry;
use crate::facts::{Evidence, RegistryFact, Verdict};
use crate::registry::{Logins, News};
use crate::secret::{Redactor, Secret};

type Answer = fn(&Seen) -> Response<Body>;

/// What servers answer to a wrong password; then the verdict, and how often one inspection sends it.
const SERVERS: [(&str, Answer, Verdict, usize); 26] = [
    ("Basic: 401", |seen| basic(seen, 401), Verdict::Refused, 1),
    ("Basic: 403", |seen| basic(seen, 403), Verdict::Refused, 1),
    ("Basic: 400", |seen| basic(seen, 400), Verdict::Refused, 1),
    ("Basic: 407", |seen| basic(seen, 407), Verdict::Proxy, 1),
    ("Basic: 418", |seen| basic(seen, 418), Verdict::RegistryError, 1),
    ("Basic: 302", |seen| basic(seen, 302), Verdict::RegistryError, 1),
    ("Basic: 500", |seen| basic(seen, 500), Verdict::RegistryError, 3),
    ("Basic: 429", |seen| basic(seen, 429), Verdict::RateLimited, 3),
    ("Basic: 404, then 401", |seen| basic(seen, if seen.path == "/v2/" { 404 } else { 401 }), Verdict::Refused, 2),
    ("Basic: 404, then 404", |seen| basic(seen, 404), Verdict::NotFound, 2),
    ("Basic at the image: 401", |seen| at_the_image(seen, 401), Verdict::Refused, 1),
    ("Basic at the image: 403", |seen| at_the_image(seen, 403), Verdict::NoPermission, 1),
    ("Basic at the image: 404", |seen| at_the_image(seen, 404), Verdict::NotFound, 1),
    ("token server: 401", |seen| bearer(seen, reply(401, &[], ""), 401), Verdict::Refused, 1),
    ("token server: 404", |seen| bearer(seen, reply(404, &[], ""), 401), Verdict::RegistryError, 1),
    ("token server: 422", |seen| bearer(seen, reply(422, &[], ""), 401), Verdict::RegistryError, 1),
    ("token server: 302", |seen| bearer(seen, reply(302, &[("location", "/l")], ""), 401), Verdict::RegistryError, 1),
    ("token server: 200 without a token", |seen| bearer(seen, reply(200, &[], "{}"), 401), Verdict::RegistryError, 1),
    ("token server: 503", |seen| bearer(seen, reply(503, &[], ""), 401), Verdict::RegistryError, 3),
    ("a token for nobody: 200", |seen| bearer(seen, nobody(), 200), Verdict::Refused, 1),
    ("a token for nobody: 404", |seen| bearer(seen, nobody(), 404), Verdict::Refused, 1),
    ("a token for nobody: 401", |seen| bearer(seen, nobody(), 401), Verdict::Refused, 1),
    ("a token that says nothing: 200 for anybody", |seen| bearer(seen, token(), 200), Verdict::NotProved, 1),
    ("a token that says nothing: 401", |seen| bearer(seen, token(), 401), Verdict::NoPermission, 1),
    ("a token that says nothing: 404", |seen| bearer(seen, token(), 404), Verdict::NotFound, 1),
    ("a token that says nothing: insufficient_scope", insufficient, Verdict::NoPermission, 1),
];

fn basic(seen: &Seen, status: u16) -> Response<Body> {
    if seen.authorization.is_some() { reply(status, &[("retry-after", "0")], "") } else { ask_basic() }
}

fn at_the_image(seen: &Seen, status: u16) -> Response<Body> {
    if seen.path == "/v2/" { welcome() } else { basic(seen, status) }
}

fn bearer(seen: &Seen, to_password: Response<Body>, to_token: u16) -> Response<Body> {
    match (seen.path.as_str(), seen.authorization.as_deref()) {
        ("/token", None) => token(),
        ("/token", Some(_)) => to_password,
        (_, Some(_)) if to_token == 200 => manifest(),
        (_, Some(_)) => reply(to_token, &[], ""),
        _ => ask_bearer(seen),
    }
}

fn nobody() -> Response<Body> {
    reply(200, &[], &format!(r#"{{"token":"{}"}}"#, named("", 0)))
}

fn insufficient(seen: &Seen) -> Response<Body> {
    let challenge =
        format!(r#"Bearer realm="http://{}/token",error="insufficient_scope",scope="repository:z:pull""#, seen.host);
    match seen.path.as_str() {
        path if path.contains("/manifests/") => reply(401, &[("www-authenticate", &challenge)], ""),
        _ => bearer(seen, token(), 401),
    }
}

/// Three images of one login.
fn images(host: &str) -> Vec<Registry> {
    let image = |name| Registry { image: format!("{host}/team/app:{name}"), ..registry(host, "wrong") };
    (0..3).map(image).collect()
}

async fn prove(logins: &Arc<Logins>, registries: &[Registry]) -> Vec<RegistryFact> {
    crate::registry::prove(&clients(), logins, registries, PATIENCE, &Redactor::default(), |_: News<'_>| {}).await
}

/// Proves `registries` twice at the same time and once more.
async fn thrice(registries: &[Registry]) -> Vec<RegistryFact> {
    let logins = Arc::default();
    let (one, two) = tokio::join!(prove(&logins, registries), prove(&logins, registries));
    let three = prove(&logins, registries).await;
    [one, two, three].concat()
}

fn is_tried(fact: &&RegistryFact) -> bool {
    let says_so = fact.cause.as_deref().unwrap_or_default().starts_with("not tried again, ");
    assert_eq!(says_so, fact.evidence == Evidence::Remembered, "{fact:?}");
    !says_so
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_not_accepted_is_not_sent_again() {
    for (name, answer, verdict, logins) in SERVERS {
        let double = Double::start(answer).await;
        let facts = thrice(&images(&double.host)).await;
        assert!(facts.iter().all(|fact| fact.verdict == verdict), "{name}: {facts:?}");
        assert_eq!((double.logins(), facts.iter().filter(is_tried).count()), (logins, 1), "{name}: {facts:?}");
        let again = facts.iter().find(|fact| !is_tried(fact)).unwrap();
        let expected = format!("not tried again, {} for `{}/team/app:0`: ", verdict.code(), double.host);
        assert!(again.cause.as_deref().unwrap().starts_with(&expected), "{name}: {again:?}");
        assert!(again.hint.is_some(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_after_a_password_is_not_broken_again() {
    let slow = |seen: &Seen| if seen.authorization.is_some() { PATIENCE * 9 } else { Duration::ZERO };
    let double = Double::patient(slow, |seen: &Seen| basic(seen, 401)).await;
    let facts = thrice(&images(&double.host)).await;
    assert!(facts.iter().all(|fact| fact.verdict == Verdict::Timeout), "{facts:?}");
    assert_eq!((double.logins(), facts.iter().filter(is_tried).count()), (1, 1));
}

#[tokio::test]
async fn a_password_that_never_left_is_tried_from_elsewhere() {
    let double = Double::start(|_: &Seen| {
        reply(401, &[("www-authenticate", r#"Bearer realm="https://127.0.0.1:1/token""#)], "")
    });
    let facts = thrice(&images(&double.await.host)).await;
    assert!(facts.iter().all(|fact| fact.verdict == Verdict::ConnectionRefused), "{facts:?}");
    assert!(facts.iter().all(|fact| is_tried(&fact)), "{facts:?}");
}

#[tokio::test]
async fn what_breaks_later_is_seen_without_the_password() {
    let double = Double::start(|seen: &Seen| basic(seen, 401)).await;
    let (logins, registries) = (Arc::default(), images(&double.host));
    assert_eq!(prove(&logins, &registries).await[0].verdict, Verdict::Refused);
    drop(double);
    tokio::time::sleep(Duration::from_millis(50)).await;
    for fact in prove(&logins, &registries).await {
        assert!(fact.verdict == Verdict::ConnectionRefused && is_tried(&&fact), "{fact:?}");
    }
}

#[tokio::test]
async fn an_identity_token_is_not_sent_again_either() {
    let refused = Double::start(|seen: &Seen| match seen.method.as_str() {
        "POST" => reply(400, &[], ""),
        _ => ask_bearer(seen),
    });
    let refused = refused.await;
    let registries: Vec<Registry> = images(&refused.host)
        .into_iter()
        .map(|registry| Registry { identity_token: Some(Secret::new("identity")), ..registry })
        .collect();
    let facts = thrice(&registries).await;
    assert!(facts.iter().all(|fact| fact.verdict == Verdict::Refused), "{facts:?}");
    assert_eq!((refused.logins(), facts.iter().filter(is_tried).count()), (1, 1));
}

#[tokio::test]
async fn registries_that_share_a_token_server_share_its_failed_login() {
    for (password, verdict, logins) in [("wrong", Verdict::Refused, 1), ("right", Verdict::Proved, 2)] {
        let sso = Double::start(|seen: &Seen| match (seen.is_alice(), &seen.authorization) {
            (true, _) => reply(200, &[], &format!(r#"{{"token":"{}"}}"#, named("alice", 0))),
            _ => reply(401, &[], ""),
        });
        let sso = sso.await;
        let challenge = format!(r#"Bearer realm="http://{}/token""#, sso.host);
        let ask = move |seen: &Seen| match seen.authorization {
            Some(_) => manifest(),
            None => reply(401, &[("www-authenticate", &challenge)], ""),
        };
        let (one, two) = (Double::start(ask.clone()).await, Double::start(ask).await);
        let facts = prove(&Arc::default(), &[&one.host, &two.host].map(|host| registry(host, password))).await;
        assert!(facts.iter().all(|fact| fact.verdict == verdict), "{facts:?}");
        assert_eq!(sso.logins(), logins, "{password}");
    }
}

#[tokio::test]
async fn one_password_beside_several_identity_tokens_is_one_login() {
    let double = Double::start(|seen: &Seen| basic(seen, 401)).await;
    let registries = [None, Some("one"), Some("two")]
        .map(|token| Registry { identity_token: token.map(Secret::new), ..registry(&double.host, "wrong") });
    let facts = prove(&Arc::default(), &registries).await;
    assert!(facts.iter().all(|fact| fact.verdict == Verdict::Refused), "{facts:?}");
    assert_eq!(double.logins(), 1);
}

#[tokio::test]
async fn one_password_behind_identity_tokens_that_the_server_does_not_know_is_one_login() {
    for status in [404, 405] {
        let double = Double::start(move |seen: &Seen| match seen.method.as_str() {
            "POST" => reply(status, &[], ""),
            _ => bearer(seen, reply(401, &[], ""), 401),
        });
        let double = double.await;
        let registries = [None, Some("one"), Some("two")]
            .map(|token| Registry { identity_token: token.map(Secret::new), ..registry(&double.host, "wrong") });
        let facts = thrice(&registries).await;
        assert!(facts.iter().all(|fact| fact.verdict == Verdict::Refused), "{facts:?}");
        assert_eq!(double.all().iter().filter(|seen| seen.authorization.is_some()).count(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_realm_that_turns_to_plain_http_is_told_again() {
    let count = Arc::new(AtomicU32::new(0));
    let double = Double::start(move |_: &Seen| {
        let scheme = if count.fetch_add(1, Ordering::SeqCst) == 0 { "https" } else { "http" };
        reply(401, &[("www-authenticate", &format!(r#"Bearer realm="{scheme}://127.0.0.2:1/token""#))], "")
    });
    let double = double.await;
    let told = Mutex::new(Vec::new());
    let hear = |news: News<'_>| {
        if let News::Warning(text) = news {
            told.lock().unwrap().push(text.contains("over plain HTTP"));
        }
    };
    let (clients, logins, registries) = (clients(), Arc::default(), [registry(&double.host, "wrong")]);
    for _ in 0..3 {
        crate::registry::prove(&clients, &logins, &registries, PATIENCE, &Redactor::default(), hear).await;
    }
    assert_eq!(told.into_inner().unwrap(), [false, true]);
}

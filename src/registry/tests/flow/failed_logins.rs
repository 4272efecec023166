//! A password is sent once in a run unless it was accepted, whatever the server responds.

use crate::registry::tests::prelude::*;

type Script = fn(&Received) -> Response<Body>;

/// How servers respond to a wrong password, the verdict, and how often one attempt sends the password.
const SERVERS: [(&str, Script, Verdict, usize); 26] = [
    ("Basic: 401", |received| basic(received, 401), Verdict::Refused, 1),
    ("Basic: 403", |received| basic(received, 403), Verdict::Refused, 1),
    ("Basic: 400", |received| basic(received, 400), Verdict::Refused, 1),
    ("Basic: 407", |received| basic(received, 407), Verdict::Proxy, 1),
    ("Basic: 418", |received| basic(received, 418), Verdict::RegistryError, 1),
    ("Basic: 302", |received| basic(received, 302), Verdict::RegistryError, 1),
    ("Basic: 500", |received| basic(received, 500), Verdict::RegistryError, 3),
    ("Basic: 429", |received| basic(received, 429), Verdict::RateLimited, 3),
    (
        "Basic: 404, then 401",
        |received| basic(received, if received.path == "/v2/" { 404 } else { 401 }),
        Verdict::Refused,
        2,
    ),
    ("Basic: 404, then 404", |received| basic(received, 404), Verdict::NotFound, 2),
    ("Basic at the image: 401", |received| basic_for_image(received, 401), Verdict::Refused, 1),
    ("Basic at the image: 403", |received| basic_for_image(received, 403), Verdict::NoPermission, 1),
    ("Basic at the image: 404", |received| basic_for_image(received, 404), Verdict::NotFound, 1),
    ("token server: 401", |received| bearer(received, reply(401, &[], ""), 401), Verdict::Refused, 1),
    ("token server: 404", |received| bearer(received, reply(404, &[], ""), 401), Verdict::RegistryError, 1),
    ("token server: 422", |received| bearer(received, reply(422, &[], ""), 401), Verdict::RegistryError, 1),
    (
        "token server: 302",
        |received| bearer(received, reply(302, &[("location", "/l")], ""), 401),
        Verdict::RegistryError,
        1,
    ),
    (
        "token server: 200 without a token",
        |received| bearer(received, reply(200, &[], "{}"), 401),
        Verdict::RegistryError,
        1,
    ),
    ("token server: 503", |received| bearer(received, reply(503, &[], ""), 401), Verdict::RegistryError, 3),
    ("an anonymous token: 200", |received| bearer(received, anonymous_token(), 200), Verdict::Refused, 1),
    ("an anonymous token: 404", |received| bearer(received, anonymous_token(), 404), Verdict::Refused, 1),
    ("an anonymous token: 401", |received| bearer(received, anonymous_token(), 401), Verdict::Refused, 1),
    ("an opaque token: 200 also without a login", |received| bearer(received, token(), 200), Verdict::NotProved, 1),
    ("an opaque token: 401", |received| bearer(received, token(), 401), Verdict::NoPermission, 1),
    ("an opaque token: 404", |received| bearer(received, token(), 404), Verdict::NotFound, 1),
    ("an opaque token: insufficient_scope", insufficient_scope, Verdict::NoPermission, 1),
];

fn basic(received: &Received, status: u16) -> Response<Body> {
    if received.authorization.is_some() { reply(status, &[("retry-after", "0")], "") } else { challenge_basic() }
}

fn basic_for_image(received: &Received, status: u16) -> Response<Body> {
    if received.path == "/v2/" { accepted() } else { basic(received, status) }
}

fn bearer(received: &Received, to_password: Response<Body>, to_token: u16) -> Response<Body> {
    match (received.path.as_str(), received.authorization.as_deref()) {
        ("/token", None) => token(),
        ("/token", Some(_)) => to_password,
        (_, Some(_)) if to_token == 200 => manifest(),
        (_, Some(_)) => reply(to_token, &[], ""),
        _ => challenge_bearer(received),
    }
}

fn anonymous_token() -> Response<Body> {
    reply(200, &[], &format!(r#"{{"token":"{}"}}"#, token_for("", 0)))
}

fn insufficient_scope(received: &Received) -> Response<Body> {
    let challenge = format!(
        r#"Bearer realm="http://{}/token",error="insufficient_scope",scope="repository:z:pull""#,
        received.host
    );
    match received.path.as_str() {
        path if path.contains("/manifests/") => reply(401, &[("www-authenticate", &challenge)], ""),
        _ => bearer(received, token(), 401),
    }
}

/// Three images of one login.
fn images(host: &str) -> Vec<Registry> {
    let image = |name| Registry { image: format!("{host}/team/app:{name}"), ..registry(host, "wrong") };
    (0..3).map(image).collect()
}

async fn prove(logins: &Arc<Logins>, registries: &[Registry]) -> Vec<RegistryFact> {
    registry_prove(&clients(), logins, registries, TIMEOUT, &Redactor::default(), |_: ProgressEvent<'_>| {}).await
}

/// Proves `registries` twice at the same time and once more.
async fn prove_three_times(registries: &[Registry]) -> Vec<RegistryFact> {
    let logins = Arc::default();
    // Two proofs at the same time compete for the login, and the third finds its result.
    let (one, two) = tokio::join!(prove(&logins, registries), prove(&logins, registries));
    let three = prove(&logins, registries).await;
    [one, two, three].concat()
}

fn is_observed(fact: &&RegistryFact) -> bool {
    let says_so = fact.cause.as_deref().unwrap_or_default().starts_with("not tried again, ");
    assert_eq!(says_so, fact.evidence == Evidence::Remembered, "{fact:?}");
    !says_so
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_not_accepted_is_not_sent_again() {
    for (name, script, verdict, logins) in SERVERS {
        let double = Double::start(script).await;
        let facts = prove_three_times(&images(&double.host)).await;
        assert!(facts.iter().all(|fact| fact.verdict == verdict), "{name}: {facts:?}");
        assert_eq!((double.logins(), facts.iter().filter(is_observed).count()), (logins, 1), "{name}: {facts:?}");
        let again = facts.iter().find(|fact| !is_observed(fact)).unwrap();
        let expected = format!("not tried again, {} for `{}/team/app:0`: ", verdict.code(), double.host);
        assert!(again.cause.as_deref().unwrap().starts_with(&expected), "{name}: {again:?}");
        assert!(again.hint.is_some(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_without_response_is_not_sent_again() {
    let slow = |received: &Received| if received.authorization.is_some() { TIMEOUT * 9 } else { Duration::ZERO };
    let double = Double::slow(slow, |received: &Received| basic(received, 401)).await;
    let facts = prove_three_times(&images(&double.host)).await;
    assert!(facts.iter().all(|fact| fact.verdict == Verdict::Timeout), "{facts:?}");
    assert_eq!((double.logins(), facts.iter().filter(is_observed).count()), (1, 1));
}

#[tokio::test]
async fn a_password_that_was_never_sent_is_tried_again() {
    let double = Double::start(|_: &Received| {
        reply(401, &[("www-authenticate", r#"Bearer realm="https://127.0.0.1:1/token""#)], "")
    });
    let facts = prove_three_times(&images(&double.await.host)).await;
    assert!(facts.iter().all(|fact| fact.verdict == Verdict::ConnectionRefused), "{facts:?}");
    assert!(facts.iter().all(|fact| is_observed(&fact)), "{facts:?}");
}

#[tokio::test]
async fn a_later_failure_is_observed_without_the_password() {
    let double = Double::start(|received: &Received| basic(received, 401)).await;
    let (logins, registries) = (Arc::default(), images(&double.host));
    assert_eq!(prove(&logins, &registries).await[0].verdict, Verdict::Refused);
    double.stop().await;
    for fact in prove(&logins, &registries).await {
        assert!(fact.verdict == Verdict::ConnectionRefused && is_observed(&&fact), "{fact:?}");
    }
}

#[tokio::test]
async fn a_refused_identity_token_is_not_sent_again() {
    let refused = Double::start(|received: &Received| match received.method.as_str() {
        "POST" => reply(400, &[], ""),
        _ => challenge_bearer(received),
    });
    let refused = refused.await;
    let registries: Vec<Registry> = images(&refused.host)
        .into_iter()
        .map(|registry| Registry { identity_token: Some(Secret::new("identity")), ..registry })
        .collect();
    let facts = prove_three_times(&registries).await;
    assert!(facts.iter().all(|fact| fact.verdict == Verdict::Refused), "{facts:?}");
    assert_eq!((refused.logins(), facts.iter().filter(is_observed).count()), (1, 1));
}

#[tokio::test]
async fn registries_that_share_a_token_server_share_its_failed_login() {
    for (password, verdict, logins) in [("wrong", Verdict::Refused, 1), ("right", Verdict::Proved, 2)] {
        let sso = Double::start(|received: &Received| match (received.is_alice(), &received.authorization) {
            (true, _) => reply(200, &[], &format!(r#"{{"token":"{}"}}"#, token_for("alice", 0))),
            _ => reply(401, &[], ""),
        });
        let sso = sso.await;
        let challenge = format!(r#"Bearer realm="http://{}/token""#, sso.host);
        let script = move |received: &Received| match received.authorization {
            Some(_) => manifest(),
            None => reply(401, &[("www-authenticate", &challenge)], ""),
        };
        let (one, two) = (Double::start(script.clone()).await, Double::start(script).await);
        let facts = prove(&Arc::default(), &[&one.host, &two.host].map(|host| registry(host, password))).await;
        assert!(facts.iter().all(|fact| fact.verdict == verdict), "{facts:?}");
        assert_eq!(sso.logins(), logins, "{password}");
    }
}

#[tokio::test]
async fn one_password_with_several_identity_tokens_is_one_login() {
    let double = Double::start(|received: &Received| basic(received, 401)).await;
    let registries = [None, Some("one"), Some("two")]
        .map(|token| Registry { identity_token: token.map(Secret::new), ..registry(&double.host, "wrong") });
    let facts = prove(&Arc::default(), &registries).await;
    assert!(facts.iter().all(|fact| fact.verdict == Verdict::Refused), "{facts:?}");
    assert_eq!(double.logins(), 1);
}

#[tokio::test]
async fn one_password_after_unsupported_identity_tokens_is_one_login() {
    for status in [404, 405] {
        let double = Double::start(move |received: &Received| match received.method.as_str() {
            "POST" => reply(status, &[], ""),
            _ => bearer(received, reply(401, &[], ""), 401),
        });
        let double = double.await;
        let registries = [None, Some("one"), Some("two")]
            .map(|token| Registry { identity_token: token.map(Secret::new), ..registry(&double.host, "wrong") });
        let facts = prove_three_times(&registries).await;
        assert!(facts.iter().all(|fact| fact.verdict == Verdict::Refused), "{facts:?}");
        assert_eq!(double.requests().iter().filter(|received| received.authorization.is_some()).count(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_realm_that_changes_to_plain_http_gets_another_warning() {
    let count = Arc::new(AtomicU32::new(0));
    let double = Double::start(move |_: &Received| {
        let scheme = if count.fetch_add(1, Ordering::SeqCst) == 0 { "https" } else { "http" };
        reply(401, &[("www-authenticate", &format!(r#"Bearer realm="{scheme}://127.0.0.2:1/token""#))], "")
    });
    let double = double.await;
    let warnings = Mutex::new(Vec::new());
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Warning(text) = event {
            warnings.lock().unwrap().push(text.contains("over plain HTTP"));
        }
    };
    let (clients, logins, registries) = (clients(), Arc::default(), [registry(&double.host, "wrong")]);
    for _ in 0..3 {
        registry_prove(&clients, &logins, &registries, TIMEOUT, &Redactor::default(), on_event).await;
    }
    assert_eq!(warnings.into_inner().unwrap(), [false, true]);
}

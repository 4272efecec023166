//! Token servers: who is told before a password goes there, who is refused, which scopes are asked for, and identity
//! tokens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;

use super::broken::raw_server;
use super::double::{
    Double, MANIFEST, Seen, ask_basic, ask_bearer, basic_registry, bearer_registry, manifest, named, reply, token,
};
use super::hints::silent_server;
use super::ways::proxied;
use super::{PATIENCE, clients, inspect, inspect_with, inspect_within, registry};
use crate::desired::{Registry, TestLogin};
use crate::facts::{OtherServer, Verdict};
use crate::registry::{News, prove};
use crate::secret::{Redactor, Secret};

/// A registry whose tokens come from the host `realm`.
async fn delegating(realm: &str) -> Double {
    challenging(&format!("http://{realm}/token")).await
}

/// A registry whose tokens come from the URL `realm`.
async fn challenging(realm: &str) -> Double {
    let challenge = format!(r#"Bearer realm="{realm}",service="double""#);
    Double::start(move |seen: &Seen| match &seen.authorization {
        Some(value) if value == "Bearer opensesame" => manifest(),
        _ => reply(401, &[("www-authenticate", &challenge)], ""),
    })
    .await
}

/// A token server with another address, as if of another domain.
async fn tokens_elsewhere() -> (Double, String) {
    let double = Double::on("127.0.0.2:0", bearer_registry).await;
    let realm = double.host.clone();
    (double, realm)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_of_another_domain_is_told_before_the_password_is_sent() {
    let (tokens, realm) = tokens_elsewhere().await;
    let (one, two) = (delegating(&realm).await, delegating(&realm).await);
    let mut other = registry(&one.host, "right");
    other.user = "bob".into();
    let registries = [registry(&one.host, "right"), other, registry(&two.host, "right")];
    let (heard, logins) = (Mutex::new(Vec::new()), Arc::default());
    let hear = |news: News<'_>| {
        if let News::Warning(text) = news {
            // Time enough for whoever would not wait.
            std::thread::sleep(std::time::Duration::from_millis(100));
            heard.lock().unwrap().push((text.to_owned(), tokens.logins()));
        }
    };
    let clients = clients();
    for _ in 0..2 {
        let facts = prove(&clients, &logins, &registries, PATIENCE, &Redactor::default(), hear).await;
        assert_eq!(facts[0].verdict, Verdict::Proved, "{facts:?}");
    }
    let heard = heard.into_inner().unwrap();
    assert_eq!(heard.len(), 2, "once for each registry: {heard:?}");
    assert_eq!(heard[0].1, 0, "the password was sent before");
    for (text, _) in &heard {
        assert!(text.contains(&realm) && text.contains("another domain, over plain HTTP"), "{text}");
        assert!(text.contains("`auth_server`") && !text.contains("right"), "{text}");
    }
}

#[tokio::test]
async fn a_realm_that_is_expected_is_told_only_because_it_is_plain_http() {
    let (_tokens, realm) = tokens_elsewhere().await;
    let double = delegating(&realm).await;
    let mut expected = registry(&double.host, "right");
    expected.auth_server = Some(realm.clone());
    let (fact, warnings) = inspect_with(&clients(), &expected, PATIENCE).await;
    assert_eq!(fact.verdict, Verdict::Proved, "{fact:?}");
    let told = format!(
        "registry `{}` has the password of user `alice` sent over plain HTTP to its token server `{realm}`: whoever \
         stands in between can read it",
        double.host
    );
    assert_eq!(warnings, [told]);
}

#[tokio::test]
async fn a_token_server_that_fails_is_told_as_one() {
    let angry = |status| move |_: &Seen| reply(status, &[("retry-after", "3600"), ("ratelimit-limit", "9")], "");
    let [busy, ill] = [Double::on("127.0.0.2:0", angry(429)).await, Double::on("127.0.0.2:0", angry(503)).await];
    let strict = Double::on("127.0.0.2:0", |_: &Seen| reply(401, &[], "")).await;
    let plain = raw_server(b"220 mail ready\r\n");
    let (silent, named) = (silent_server(), "names it as its token server: if that is wrong, tell its operator");
    let cases = [
        ("http://127.0.0.1:1/t".to_owned(), Verdict::ConnectionRefused, "does a token server run at `", named),
        ("http://sso.invalid/t".to_owned(), Verdict::Dns, "check the name `sso.invalid`, and ", named),
        (format!("http://{silent}/t"), Verdict::Timeout, "check the route", "raise `--timeout`"),
        (format!("http://{}/t", busy.host), Verdict::RateLimited, "try again in 3600 s", ""),
        (format!("http://{}/t", ill.host), Verdict::RegistryError, "the token server is in trouble", ""),
        (format!("http://{}/t", strict.host), Verdict::Refused, "the password of `alice` comes from", ""),
        (format!("http://{plain}/t"), Verdict::RegistryError, "is `127.0.0.1:", named),
        (format!("https://{}/t", strict.host), Verdict::Tls, "is the port right? `127.0.0.1:", named),
    ];
    for (realm, verdict, begin, end) in cases {
        let double = challenging(&realm).await;
        let fact = inspect_within(&registry(&double.host, "right"), Duration::from_secs(1)).await;
        let server = realm.split('/').nth(2).unwrap().to_owned();
        assert_eq!(
            (fact.verdict, fact.other_server),
            (verdict, Some(OtherServer::TokenServer(server.clone()))),
            "{realm}"
        );
        let (cause, hint) = (fact.cause.unwrap(), fact.hint.unwrap());
        assert!(cause.contains(&format!("://{server}/t: ")) && !hint.contains("a registry"), "{cause} {hint}");
        assert!(hint.starts_with(begin) && hint.ends_with(end), "{realm}: {hint}");
        assert_eq!(fact.rate_limit, None, "it is no quota of the registry");
    }
}

#[tokio::test]
async fn a_proxy_before_a_token_server_is_told_as_one() {
    let double = challenging("http://sso.invalid/t").await;
    let asked = proxied(&double.host, "http://127.0.0.1:1", &double.host);
    let fact = inspect(&asked).await;
    let server = OtherServer::TokenServer("sso.invalid".to_owned());
    assert_eq!((fact.verdict, fact.other_server.as_ref()), (Verdict::Proxy, Some(&server)), "{fact:?}");
}

#[tokio::test]
async fn only_another_server_is_told_as_one() {
    // The registry's own port, and what it redirects to.
    let own = Double::start(|seen: &Seen| match seen.path.as_str() {
        "/token" => reply(503, &[("retry-after", "3600")], ""),
        _ => ask_bearer(seen),
    });
    let own = own.await;
    let moved = Double::start(|_: &Seen| reply(307, &[("location", "http://127.0.0.1:1/v2/")], "")).await;
    let target = OtherServer::RedirectTarget("127.0.0.1:1".to_owned());
    for (double, verdict, other_server, hint) in [
        (&own, Verdict::RegistryError, None, "the registry is in trouble"),
        (&moved, Verdict::ConnectionRefused, Some(target), "does a server run at `127.0.0.1:1`?"),
    ] {
        let fact = inspect(&registry(&double.host, "right")).await;
        assert_eq!((fact.verdict, &fact.other_server), (verdict, &other_server), "{fact:?}");
        assert!(fact.hint.as_deref().unwrap().starts_with(hint), "{fact:?}");
    }
}

#[tokio::test]
async fn what_is_not_tried_again_names_the_same_server() {
    let strict = Double::on("127.0.0.2:0", |_: &Seen| reply(401, &[], "")).await;
    let double = delegating(&strict.host).await;
    let one = registry(&double.host, "right");
    let other = Registry { image: format!("{}/team/other:v1", double.host), ..one.clone() };
    let facts =
        prove(&clients(), &Arc::default(), &[one, other], PATIENCE, &Redactor::default(), |_: News<'_>| {}).await;
    assert!(facts[1].cause.as_deref().unwrap().starts_with("not tried again"), "{facts:?}");
    for fact in facts {
        assert_eq!(fact.other_server, Some(OtherServer::TokenServer(strict.host.clone())), "{fact:?}");
    }
}

#[tokio::test]
async fn a_realm_over_http_is_told_also_on_the_same_host() {
    let double = Double::start(bearer_registry).await;
    let (fact, warnings) = inspect_with(&clients(), &registry(&double.host, "right"), PATIENCE).await;
    assert_eq!(fact.verdict, Verdict::Proved);
    assert!(warnings.len() == 1 && warnings[0].contains("over plain HTTP"), "{warnings:?}");
}

#[tokio::test]
async fn a_realm_that_is_not_the_declared_one_gets_nothing() {
    let (tokens, realm) = tokens_elsewhere().await;
    let double = delegating(&realm).await;
    let mut declared = registry(&double.host, "right");
    declared.auth_server = Some("sso.example.com".into());
    let (fact, warnings) = inspect_with(&clients(), &declared, PATIENCE).await;
    assert_eq!((fact.verdict, warnings), (Verdict::RegistryError, vec![]));
    let cause = fact.cause.unwrap();
    assert!(cause.contains(&realm) && cause.contains("`sso.example.com`"), "{cause}");
    assert_eq!(tokens.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proof_that_is_dropped_while_it_tells_sends_nothing() {
    let (tokens, realm) = tokens_elsewhere().await;
    let double = delegating(&realm).await;
    let hear = |news: News<'_>| {
        if let News::Warning(_) = news {
            panic!("nobody listens");
        }
    };
    let registries = [registry(&double.host, "right")];
    let proof = tokio::spawn(async move {
        prove(&clients(), &Arc::default(), &registries, PATIENCE, &Redactor::default(), hear).await
    });
    assert!(proof.await.is_err());
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(tokens.logins(), 0);
}

/// The `scope` parameters of each login at the token server.
fn scopes(double: &Double) -> Vec<Vec<String>> {
    let logins = double.all().into_iter().filter(|seen| seen.path == "/token" && seen.authorization.is_some());
    let decoded = |query: &str| {
        let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
        let pairs = url.query_pairs().filter(|(name, _)| name == "scope");
        pairs.map(|(_, value)| value.into_owned()).collect()
    };
    logins.map(|seen| decoded(&seen.query)).collect()
}

/// A registry whose `/v2/` and manifest name these scopes; the second token is enough.
async fn naming(base: &'static str, image: &'static str) -> Double {
    let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
    Double::start(move |seen: &Seen| {
        let ask = |rest: &str| {
            let challenge = format!(r#"Bearer realm="http://{}/token",service="s",{rest}"#, seen.host);
            reply(401, &[("www-authenticate", &challenge)], "")
        };
        match (seen.path.as_str(), seen.authorization.as_deref()) {
            ("/token", Some(_)) => {
                let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                reply(200, &[], &format!(r#"{{"token":"{}"}}"#, named("alice", number)))
            }
            ("/token", None) => reply(401, &[], ""),
            (MANIFEST, Some(token)) if token.ends_with(&named("alice", 1)) => manifest(),
            (MANIFEST, Some(_)) => ask(&format!(r#"error="insufficient_scope",scope="{image}""#)),
            _ => ask(&format!(r#"scope="{base}""#)),
        }
    })
    .await
}

#[tokio::test]
async fn scopes_are_asked_for_once_more_and_never_beyond_pulling() {
    let own = "repository:team/app:pull";
    let cases: [(&str, &str, Verdict, &[&[&str]]); 6] = [
        ("", "repository:team/app:pull", Verdict::NoPermission, &[&[own]]),
        ("", "repository:team/app:pull,push", Verdict::NoPermission, &[&[own]]),
        ("", "repository:team/app:*", Verdict::NoPermission, &[&[own]]),
        ("", "repository:base:pull,delete", Verdict::Proved, &[&[own], &[own, "repository:base:pull"]]),
        (
            "repository:a:pull repository:b:push,pull registry:catalog:*",
            "repository:c:pull",
            Verdict::Proved,
            &[
                &[own, "repository:a:pull", "repository:b:pull"],
                &[own, "repository:a:pull", "repository:b:pull", "repository:c:pull"],
            ],
        ),
        ("repository:c:pull", "repository:c:pull", Verdict::NoPermission, &[&[own, "repository:c:pull"]]),
    ];
    for (base, image, verdict, expected) in cases {
        let double = naming(base, image).await;
        let fact = inspect(&registry(&double.host, "right")).await;
        assert_eq!(fact.verdict, verdict, "{base} {image}: {fact:?}");
        assert_eq!(scopes(&double), expected, "{base} {image}");
    }
}

/// A token registry that takes identity tokens as `script` says.
async fn oauth(script: fn(&Seen) -> Response<Body>) -> Double {
    Double::start(move |seen: &Seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("POST", "/token") => script(seen),
        _ => bearer_registry(seen),
    })
    .await
}

fn with_identity(double: &Double, password: &str) -> Registry {
    let mut registry = registry(&double.host, password);
    registry.identity_token = Some(Secret::new("id+tok&en"));
    registry
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let double = oauth(|_| reply(200, &[], r#"{"access_token":"opensesame","refresh_token":"next"}"#)).await;
    let fact = inspect(&with_identity(&double, "")).await;
    assert_eq!(fact.verdict, Verdict::Proved, "{fact:?}");
    let post = double.all().into_iter().find(|seen| seen.method == "POST").unwrap();
    assert_eq!(
        post.body,
        "grant_type=refresh_token&client_id=oregano&service=double&scope=repository%3Ateam%2Fapp%3Apull&\
         refresh_token=id%2Btok%26en"
    );
    assert_eq!((post.query.as_str(), post.authorization), ("", None));
    assert_eq!(double.logins(), 1);
}

#[tokio::test]
async fn what_is_said_to_an_identity_token() {
    type Script = fn(&Seen) -> Response<Body>;
    let invalid: Script = |_| reply(400, &[], r#"{"error":"invalid_grant","error_description":"id+tok&en is dead"}"#);
    let cases: [(Script, &str, Verdict, usize, &str); 7] = [
        (invalid, "right", Verdict::Refused, 1, "400 Bad Request: [redacted] is dead"),
        (|_| reply(401, &[], ""), "right", Verdict::Refused, 1, "401 Unauthorized"),
        (|_| reply(403, &[], ""), "", Verdict::Refused, 1, "403 Forbidden"),
        (|_| reply(404, &[], ""), "right", Verdict::Proved, 2, ""),
        (|_| reply(405, &[], ""), "wrong", Verdict::Refused, 2, "401 UNAUTHORIZED"),
        (|_| reply(405, &[], ""), "", Verdict::RegistryError, 1, "405 Method Not Allowed: it takes no identity token"),
        (|_| reply(200, &[], "{}"), "", Verdict::RegistryError, 1, "200 OK without a token"),
    ];
    for (script, password, verdict, logins, cause) in cases {
        let double = oauth(script).await;
        let fact = inspect(&with_identity(&double, password)).await;
        assert_eq!((fact.verdict, double.logins()), (verdict, logins), "{fact:?}");
        assert!(fact.cause.as_deref().unwrap_or_default().contains(cause), "{fact:?}");
        if verdict == Verdict::Refused && logins == 1 {
            assert!(fact.hint.unwrap().starts_with("the identity token of `alice` comes from"));
        }
    }
}

#[tokio::test]
async fn an_identity_token_cannot_take_the_place_of_a_password() {
    let double = Double::start(basic_registry).await;
    let fact = inspect(&with_identity(&double, "")).await;
    assert_eq!(fact.verdict, Verdict::RegistryError);
    assert_eq!((double.logins(), fact.hint.as_deref()), (0, Some("give the user's password")));
    assert_eq!(inspect(&with_identity(&double, "right")).await.verdict, Verdict::Proved);
}

#[tokio::test]
async fn several_challenges_of_which_one_is_understood() {
    let challenges: [&[&str]; 4] = [
        &["Negotiate", "Basic realm=\"x\"", "BEARER"],
        &["Negotiate YIIab+/~==, Basic realm=\"x, Bearer realm=y\""],
        &["Digest realm=\"Basic\", qop=\"auth,int\"", "basic"],
        &["NTLM", ", ,Basic,"],
    ];
    for headers in challenges {
        let double = Double::start(move |seen: &Seen| {
            if seen.is_alice() {
                return basic_registry(seen);
            }
            let headers: Vec<_> = headers.iter().map(|value| ("www-authenticate", *value)).collect();
            reply(401, &headers, "")
        });
        assert_eq!(inspect(&registry(&double.await.host, "right")).await.verdict, Verdict::Proved, "{headers:?}");
    }
}

#[tokio::test]
async fn what_may_not_follow_a_redirect() {
    let other = Double::start(|_: &Seen| token()).await;
    let location = format!("http://{}/token", other.host);
    for status in [301, 302, 303, 307, 308] {
        let location = location.clone();
        let double = Double::start(move |seen: &Seen| match seen.path.as_str() {
            "/token" => reply(status, &[("location", &location)], ""),
            _ => ask_bearer(seen),
        });
        let double = double.await;
        for asked in [registry(&double.host, "right"), with_identity(&double, "right")] {
            assert_eq!(inspect(&asked).await.verdict, Verdict::RegistryError, "{status}");
        }
    }
    let location = format!("http://{}/v2/", other.host);
    let double = Double::start(move |seen: &Seen| match &seen.authorization {
        Some(_) => reply(307, &[("location", &location)], ""),
        None => ask_basic(),
    });
    let double = double.await;
    for test_login in [TestLogin::Inspect, TestLogin::LoginOnly] {
        let asked = Registry { test_login, ..registry(&double.host, "right") };
        assert_eq!(inspect(&asked).await.verdict, Verdict::RegistryError, "somebody else's welcome proves nothing");
    }
    assert_eq!(other.logins() + other.tokens(), 0);
}

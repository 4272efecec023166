//! Token servers: warnings, undeclared servers, scopes and identity tokens.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use crate::registry::tests::http::proxy::proxied;
use crate::registry::tests::prelude::*;

/// A registry whose tokens come from the host `realm`.
async fn registry_with_realm_host(realm: &str) -> Double {
    registry_with_realm(&format!("http://{realm}/token")).await
}

/// A registry whose tokens come from the URL `realm`.
async fn registry_with_realm(realm: &str) -> Double {
    let challenge = format!(r#"Bearer realm="{realm}",service="double""#);
    Double::start(move |received: &Received| match &received.authorization {
        Some(value) if value == "Bearer opensesame" => manifest(),
        _ => reply(401, &[("www-authenticate", &challenge)], ""),
    })
    .await
}

/// A token server at another address, which counts as another domain.
async fn token_server_on_other_address() -> (Double, String) {
    let double = Double::on("127.0.0.2:0", bearer_registry).await;
    let realm = double.host.clone();
    (double, realm)
}

#[tokio::test(start_paused = true)]
async fn a_warning_about_another_domain_comes_before_the_password() {
    let (tokens, realm) = token_server_on_other_address().await;
    let (one, two) = (registry_with_realm_host(&realm).await, registry_with_realm_host(&realm).await);
    let mut other = registry(&one.host, "right");
    other.user = "bob".into();
    let registries = [registry(&one.host, "right"), other, registry(&two.host, "right")];
    let (warnings, logins) = (Mutex::new(Vec::new()), Arc::default());
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Warning(text) = event {
            warnings.lock().unwrap().push(text.to_owned());
        }
    };
    let (clients, redactor) = (clients(), Redactor::default());
    for proof in 0..2 {
        let mut proving = pin!(registry_prove(&clients, &logins, &registries, TIMEOUT, &redactor, on_event));
        if proof == 0 {
            // The attempts run, but the proof does not call back, because it is polled only once.
            poll_fn(|context| Poll::Ready(proving.as_mut().poll(context).is_ready())).await;
            until_idle().await;
            assert!(one.requests().len() == 1 && warnings.lock().unwrap().is_empty());
            assert_eq!(tokens.logins(), 0, "the password was sent before the warning was shown");
        }
        let facts = proving.await;
        assert_eq!(facts[0].verdict, Verdict::Proved, "{facts:?}");
    }
    let warnings = warnings.into_inner().unwrap();
    assert_eq!(warnings.len(), 2, "once for each registry: {warnings:?}");
    for text in &warnings {
        assert!(text.contains(&realm) && text.contains("another domain, over plain HTTP"), "{text}");
        assert!(text.contains("`auth_server`") && !text.contains("right"), "{text}");
    }
}

#[tokio::test]
async fn a_declared_realm_gets_a_warning_only_for_plain_http() {
    let (_tokens, realm) = token_server_on_other_address().await;
    let double = registry_with_realm_host(&realm).await;
    let mut expected = registry(&double.host, "right");
    expected.auth_server = Some(realm.clone());
    let (fact, warnings) = inspect_with(&clients(), &expected, TIMEOUT).await;
    assert_eq!(fact.verdict, Verdict::Proved, "{fact:?}");
    let warning = format!(
        "registry `{}` has the password of user `alice` sent over plain HTTP to its token server `{realm}`: anyone on \
         the network path can read it",
        double.host
    );
    assert_eq!(warnings, [warning]);
}

#[tokio::test]
async fn a_token_server_that_fails_is_named() {
    let angry = |status| move |_: &Received| reply(status, &[("retry-after", "3600"), ("ratelimit-limit", "9")], "");
    let [busy, ill] = [Double::on("127.0.0.2:0", angry(429)).await, Double::on("127.0.0.2:0", angry(503)).await];
    let strict = Double::on("127.0.0.2:0", |_: &Received| reply(401, &[], "")).await;
    let (plain, silent) = (RawServer::sending(b"220 mail ready\r\n").await, RawServer::silent().await);
    let named = "names it as its token server: if that is wrong, contact its operator";
    let cases = [
        ("http://127.0.0.1:1/t".to_owned(), Verdict::ConnectionRefused, "is a token server running at `", named),
        ("http://sso.invalid/t".to_owned(), Verdict::Dns, "check the name `sso.invalid`, and ", named),
        (format!("http://{}/t", silent.host), Verdict::Timeout, "check the route", "raise `--timeout`"),
        (format!("http://{}/t", busy.host), Verdict::RateLimited, "try again in 3600 s", ""),
        (format!("http://{}/t", ill.host), Verdict::RegistryError, "the token server has an internal error", ""),
        (format!("http://{}/t", strict.host), Verdict::Refused, "the password of `alice` comes from", ""),
        (format!("http://{}/t", plain.host), Verdict::RegistryError, "is `127.0.0.1:", named),
        (format!("https://{}/t", strict.host), Verdict::Tls, "is the port right? `127.0.0.1:", named),
    ];
    for (realm, verdict, begin, end) in cases {
        let double = registry_with_realm(&realm).await;
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
async fn a_proxy_failure_names_the_token_server() {
    let double = registry_with_realm("http://sso.invalid/t").await;
    let registry = proxied(&double.host, "http://127.0.0.1:1", &double.host);
    let fact = inspect(&registry).await;
    let server = OtherServer::TokenServer("sso.invalid".to_owned());
    assert_eq!((fact.verdict, fact.other_server.as_ref()), (Verdict::Proxy, Some(&server)), "{fact:?}");
}

#[tokio::test]
async fn only_another_server_than_the_registry_is_named() {
    // The first registry fails itself, at its own token server. The second one redirects to a server that fails.
    let own = Double::start(|received: &Received| match received.path.as_str() {
        "/token" => reply(503, &[("retry-after", "3600")], ""),
        _ => challenge_bearer(received),
    });
    let own = own.await;
    let moved = Double::start(|_: &Received| reply(307, &[("location", "http://127.0.0.1:1/v2/")], "")).await;
    let target = OtherServer::RedirectTarget("127.0.0.1:1".to_owned());
    for (double, verdict, other_server, hint) in [
        (&own, Verdict::RegistryError, None, "the registry has an internal error"),
        (&moved, Verdict::ConnectionRefused, Some(target), "is a server running at `127.0.0.1:1`?"),
    ] {
        let fact = inspect(&registry(&double.host, "right")).await;
        assert_eq!((fact.verdict, &fact.other_server), (verdict, &other_server), "{fact:?}");
        assert!(fact.hint.as_deref().unwrap().starts_with(hint), "{fact:?}");
    }
}

#[tokio::test]
async fn a_remembered_verdict_names_the_same_server() {
    let strict = Double::on("127.0.0.2:0", |_: &Received| reply(401, &[], "")).await;
    let double = registry_with_realm_host(&strict.host).await;
    let one = registry(&double.host, "right");
    let other = Registry { image: format!("{}/team/other:v1", double.host), ..one.clone() };
    let facts = registry_prove(
        &clients(),
        &Arc::default(),
        &[one, other],
        TIMEOUT,
        &Redactor::default(),
        |_: ProgressEvent<'_>| {},
    )
    .await;
    assert!(facts[1].cause.as_deref().unwrap().starts_with("not tried again"), "{facts:?}");
    for fact in facts {
        assert_eq!(fact.other_server, Some(OtherServer::TokenServer(strict.host.clone())), "{fact:?}");
    }
}

#[tokio::test]
async fn a_realm_over_plain_http_gets_a_warning_even_on_the_same_host() {
    let double = Double::start(bearer_registry).await;
    let (fact, warnings) = inspect_with(&clients(), &registry(&double.host, "right"), TIMEOUT).await;
    assert_eq!(fact.verdict, Verdict::Proved);
    assert!(warnings.len() == 1 && warnings[0].contains("over plain HTTP"), "{warnings:?}");
}

#[tokio::test]
async fn an_undeclared_realm_gets_no_request() {
    let (tokens, realm) = token_server_on_other_address().await;
    let double = registry_with_realm_host(&realm).await;
    let mut declared = registry(&double.host, "right");
    declared.auth_server = Some("sso.example.com".into());
    let (fact, warnings) = inspect_with(&clients(), &declared, TIMEOUT).await;
    assert_eq!((fact.verdict, warnings), (Verdict::RegistryError, vec![]));
    let cause = fact.cause.unwrap();
    assert!(cause.contains(&realm) && cause.contains("`sso.example.com`"), "{cause}");
    assert_eq!(tokens.request_lines(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_is_dropped_during_a_warning_sends_nothing() {
    let (tokens, realm) = token_server_on_other_address().await;
    let double = registry_with_realm_host(&realm).await;
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Warning(_) = event {
            panic!("the callback fails");
        }
    };
    let registries = [registry(&double.host, "right")];
    let proof = tokio::spawn(async move {
        registry_prove(&clients(), &Arc::default(), &registries, TIMEOUT, &Redactor::default(), on_event).await
    });
    assert!(proof.await.is_err());
    until_idle().await;
    assert_eq!(tokens.logins(), 0);
}

/// The `scope` parameters of each login at the token server.
fn scopes(double: &Double) -> Vec<Vec<String>> {
    let logins =
        double.requests().into_iter().filter(|received| received.path == "/token" && received.authorization.is_some());
    let decoded = |query: &str| {
        let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
        let pairs = url.query_pairs().filter(|(name, _)| name == "scope");
        pairs.map(|(_, value)| value.into_owned()).collect()
    };
    logins.map(|received| decoded(&received.query)).collect()
}

/// A registry whose `/v2/` and manifest name these scopes; the second token is enough.
async fn registry_with_scopes(base: &'static str, image: &'static str) -> Double {
    let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
    Double::start(move |received: &Received| {
        let challenge = |rest: &str| {
            let challenge = format!(r#"Bearer realm="http://{}/token",service="s",{rest}"#, received.host);
            reply(401, &[("www-authenticate", &challenge)], "")
        };
        match (received.path.as_str(), received.authorization.as_deref()) {
            ("/token", Some(_)) => {
                let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                reply(200, &[], &format!(r#"{{"token":"{}"}}"#, token_for("alice", number)))
            }
            ("/token", None) => reply(401, &[], ""),
            (MANIFEST, Some(token)) if token.ends_with(&token_for("alice", 1)) => manifest(),
            (MANIFEST, Some(_)) => challenge(&format!(r#"error="insufficient_scope",scope="{image}""#)),
            _ => challenge(&format!(r#"scope="{base}""#)),
        }
    })
    .await
}

#[tokio::test]
async fn wider_scopes_are_requested_once_and_only_for_pulling() {
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
        let double = registry_with_scopes(base, image).await;
        let fact = inspect(&registry(&double.host, "right")).await;
        assert_eq!(fact.verdict, verdict, "{base} {image}: {fact:?}");
        assert_eq!(scopes(&double), expected, "{base} {image}");
    }
}

/// A token registry that responds to identity tokens with `script`.
async fn with_identity_tokens(script: fn(&Received) -> Response<Body>) -> Double {
    Double::start(move |received: &Received| match (received.method.as_str(), received.path.as_str()) {
        ("POST", "/token") => script(received),
        _ => bearer_registry(received),
    })
    .await
}

pub fn identity_registry(double: &Double, password: &str) -> Registry {
    let mut registry = registry(&double.host, password);
    registry.identity_token = Some(Secret::new("id+tok&en"));
    registry
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let double =
        with_identity_tokens(|_| reply(200, &[], r#"{"access_token":"opensesame","refresh_token":"next"}"#)).await;
    let fact = inspect(&identity_registry(&double, "")).await;
    assert_eq!(fact.verdict, Verdict::Proved, "{fact:?}");
    let post = double.requests().into_iter().find(|received| received.method == "POST").unwrap();
    assert_eq!(
        post.body,
        "grant_type=refresh_token&client_id=oregano&service=double&scope=repository%3Ateam%2Fapp%3Apull&\
         refresh_token=id%2Btok%26en"
    );
    assert_eq!((post.query.as_str(), post.authorization), ("", None));
    assert_eq!(double.logins(), 1);
}

#[tokio::test]
async fn statuses_for_an_identity_token() {
    type Script = fn(&Received) -> Response<Body>;
    let invalid: Script = |_| reply(400, &[], r#"{"error":"invalid_grant","error_description":"id+tok&en is dead"}"#);
    let cases: [(Script, &str, Verdict, usize, &str); 7] = [
        (invalid, "right", Verdict::Refused, 1, "400 Bad Request: [redacted] is dead"),
        (|_| reply(401, &[], ""), "right", Verdict::Refused, 1, "401 Unauthorized"),
        (|_| reply(403, &[], ""), "", Verdict::Refused, 1, "403 Forbidden"),
        (|_| reply(404, &[], ""), "right", Verdict::Proved, 2, ""),
        (|_| reply(405, &[], ""), "wrong", Verdict::Refused, 2, "401 UNAUTHORIZED"),
        (
            |_| reply(405, &[], ""),
            "",
            Verdict::RegistryError,
            1,
            "405 Method Not Allowed: it does not support identity tokens",
        ),
        (|_| reply(200, &[], "{}"), "", Verdict::RegistryError, 1, "200 OK without a token"),
    ];
    for (script, password, verdict, logins, cause) in cases {
        let double = with_identity_tokens(script).await;
        let fact = inspect(&identity_registry(&double, password)).await;
        assert_eq!((fact.verdict, double.logins()), (verdict, logins), "{fact:?}");
        assert!(fact.cause.as_deref().unwrap_or_default().contains(cause), "{fact:?}");
        if verdict == Verdict::Refused && logins == 1 {
            assert!(fact.hint.unwrap().starts_with("the identity token of `alice` comes from"));
        }
    }
}

#[tokio::test]
async fn an_identity_token_does_not_replace_a_password() {
    let double = Double::start(basic_registry).await;
    let fact = inspect(&identity_registry(&double, "")).await;
    assert_eq!(fact.verdict, Verdict::RegistryError);
    assert_eq!((double.logins(), fact.hint.as_deref()), (0, Some("set the password of the user")));
    assert_eq!(inspect(&identity_registry(&double, "right")).await.verdict, Verdict::Proved);
}

#[tokio::test]
async fn a_token_that_is_no_header_is_the_fault_of_its_server() {
    let tokens = Double::on("127.0.0.2:0", |_: &Received| reply(200, &[], r#"{"token":"two\nlines"}"#)).await;
    let double = registry_with_realm_host(&tokens.host).await;
    let fact = inspect(&registry(&double.host, "right")).await;
    assert_eq!(
        (fact.verdict, &fact.other_server),
        (Verdict::RegistryError, &Some(OtherServer::TokenServer(tokens.host.clone())))
    );
    let cause =
        format!("GET http://{}/token: its token contains characters that an HTTP header cannot contain", tokens.host);
    let hint = format!("`{}` sent the token: contact its operator", tokens.host);
    assert_eq!((fact.cause.unwrap(), fact.hint.unwrap()), (cause, hint));
}

/// The challenges of a registry, which it sends in one header and in several; and the one that a client must use.
#[tokio::test]
async fn the_first_supported_challenge_is_used_and_no_other_one() {
    let cases: [(&[&str], &str); 5] = [
        (&["BASIC", "BEARER"], "Basic"),
        (&["BEARER", "BASIC"], "Bearer"),
        (&["Negotiate", "BASIC", "BEARER"], "Basic"),
        (&["Digest realm=x", "BEARER", "BASIC"], "Bearer"),
        (&["Bearer service=x", "BASIC", "BEARER"], "Basic"),
    ];
    for ((challenges, scheme), one_header) in cases.into_iter().flat_map(|case| [(case, true), (case, false)]) {
        let script = move |received: &Received| {
            let bearer = format!(r#"Bearer realm="http://{}/token",service="s""#, received.host);
            let texts: Vec<String> = challenges
                .iter()
                .map(|text| text.replace("BASIC", r#"Basic realm="r""#).replace("BEARER", &bearer))
                .collect();
            let joined = [texts.join(", ")];
            let headers = if one_header { &joined[..] } else { &texts };
            let headers: Vec<_> = headers.iter().map(|text| ("www-authenticate", text.as_str())).collect();
            match (received.path.as_str(), received.authorization.as_deref()) {
                ("/token", _) if received.is_alice() => token(),
                ("/v2/", _) if received.is_alice() => accepted(),
                (MANIFEST, Some("Bearer opensesame")) => manifest(),
                (MANIFEST, _) if received.is_alice() => manifest(),
                _ => reply(401, &headers, ""),
            }
        };
        for (password, verdict) in [("right", Verdict::Proved), ("wrong", Verdict::Refused)] {
            let double = Double::start(script).await;
            let fact = inspect(&registry(&double.host, password)).await;
            assert_eq!(fact.verdict, verdict, "{challenges:?} {password}: {fact:?}");
            let asked = double.request_lines().iter().any(|line| line == "GET /token");
            assert_eq!(asked, scheme == "Bearer", "{challenges:?}: {:?}", double.request_lines());
            let wrong = double.requests().iter().filter(|received| received.is_login("alice", "wrong")).count();
            assert_eq!(wrong, usize::from(password == "wrong"), "{challenges:?}");
        }
    }
}

#[tokio::test]
async fn one_supported_challenge_of_several() {
    let challenges: [&[&str]; 4] = [
        &["Negotiate", "Basic realm=\"x\"", "BEARER"],
        &["Negotiate YIIab+/~==, Basic realm=\"x, Bearer realm=y\""],
        &["Digest realm=\"Basic\", qop=\"auth,int\"", "basic"],
        &["NTLM", ", ,Basic,"],
    ];
    for headers in challenges {
        let double = Double::start(move |received: &Received| {
            if received.is_alice() {
                return basic_registry(received);
            }
            let headers: Vec<_> = headers.iter().map(|value| ("www-authenticate", *value)).collect();
            reply(401, &headers, "")
        });
        assert_eq!(inspect(&registry(&double.await.host, "right")).await.verdict, Verdict::Proved, "{headers:?}");
    }
}

//! The steps of one credential: which response leads to which request and which verdict.

use crate::registry::tests::prelude::*;

/// A registry whose token server responds with `script`.
fn with_token_server(script: Script) -> impl Fn(&Received) -> Response<Body> + Clone {
    move |received: &Received| match received.path.as_str() {
        "/token" => script(received),
        _ => challenge_bearer(received),
    }
}

#[tokio::test]
async fn a_skipped_registry_is_not_contacted() {
    let double = Double::start(bearer_registry).await;
    let mut skipped = registry(&double.host, "right");
    skipped.test_login = TestLogin::Skip;
    let fact = inspect(&skipped).await;
    assert_eq!((fact.verdict, fact.cause, fact.hint), (Verdict::Skipped, None, None));
    assert!(double.request_lines().is_empty());
}

#[tokio::test]
async fn bearer_is_proved_with_one_login() {
    let double = Double::start(bearer_registry).await;
    let fact = inspect_double(&double).await;
    assert_eq!((fact.verdict, fact.cause, fact.hint), (Verdict::Proved, None, None));
    let head = format!("HEAD {MANIFEST}");
    let mut requests = double.request_lines();
    requests[2..4].sort_unstable();
    assert_eq!(
        requests,
        ["GET /v2/", "GET /token", "GET /token", &head, &head],
        "the last three include two anonymous ones"
    );
    assert_eq!(double.requests()[1].query, "service=double&scope=repository%3Ateam%2Fapp%3Apull&account=alice");
    assert_eq!((double.logins(), double.tokens()), (1, 1));
}

#[tokio::test]
async fn basic_is_proved_by_login_and_image() {
    let double = Double::start(basic_registry).await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
    let head = format!("HEAD {MANIFEST}");
    assert_eq!(double.request_lines(), ["GET /v2/", "GET /v2/", &head, &head]);
    assert!(double.requests()[3].authorization.is_none(), "the last request is anonymous");
    assert_eq!(double.logins(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_one_failed_login() {
    for script in [basic_registry as Script, bearer_registry as Script] {
        let double = Double::start(script).await;
        let fact = inspect(&registry(&double.host, "wrong")).await;
        assert_eq!(fact.verdict, Verdict::Refused);
        assert_eq!(double.logins(), 1);
        assert!(fact.cause.unwrap().contains(": 401 "));
        assert_eq!(fact.hint.unwrap(), "the password of `alice` comes from inventory.ini:7:20");
    }
}

#[tokio::test]
async fn statuses_of_the_token_server() {
    let cases: [(Script, Verdict, &str); 9] = [
        (|_| reply(401, &[], UNAUTHORIZED), Verdict::Refused, "401 UNAUTHORIZED: authentication required"),
        (|_| reply(403, &[], r#"{"errors":[{"code":"DENIED"}]}"#), Verdict::Refused, "403 DENIED"),
        (|_| reply(400, &[], "{}"), Verdict::Refused, "400 Bad Request"),
        (|_| reply(401, &[], r#"{"details":"no\u0007pe"}"#), Verdict::Refused, "401 Unauthorized: no pe"),
        (|_| reply(200, &[], "{}"), Verdict::RegistryError, "200 OK without a token"),
        (|_| reply(200, &[], r#"{"token":""}"#), Verdict::RegistryError, "200 OK without a token"),
        (|_| reply(200, &[], "<html>"), Verdict::RegistryError, "200 OK without a token"),
        (
            |_| reply(307, &[("location", "/elsewhere")], ""),
            Verdict::RegistryError,
            "307 Temporary Redirect: the password is not sent to the target",
        ),
        (|_| reply(404, &[], "<html>"), Verdict::RegistryError, "404 Not Found"),
    ];
    for (script, verdict, cause) in cases {
        let double = Double::start(with_token_server(script)).await;
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, verdict, "{cause}");
        let expected = format!("GET http://{}/token: {cause}", double.host);
        assert_eq!(fact.cause.unwrap(), expected);
        assert!(fact.hint.is_some());
        assert_eq!(double.request_lines(), ["GET /v2/", "GET /token"], "{cause}");
    }
}

#[tokio::test]
async fn a_token_may_be_called_access_token() {
    let double = Double::start(|received: &Received| match received.path.as_str() {
        "/token" if received.is_alice() => {
            reply(200, &[], r#"{"token":"","access_token":"opensesame","expires_in":60}"#)
        }
        _ => bearer_registry(received),
    });
    assert_eq!(inspect_double(&double.await).await.verdict, Verdict::Proved);
}

#[tokio::test]
async fn statuses_of_the_manifest_with_a_token() {
    let insufficient: Script = |received| {
        let challenge = format!(r#"Bearer realm="http://{}/token",error="insufficient_scope""#, received.host);
        reply(401, &[("www-authenticate", &challenge)], "")
    };
    let cases: [(Script, Verdict, &str); 5] = [
        (insufficient, Verdict::NoPermission, "401 Unauthorized: insufficient_scope"),
        (|_| reply(403, &[], ""), Verdict::NoPermission, "403 Forbidden"),
        (|_| reply(404, &[], ""), Verdict::NotFound, "404 Not Found"),
        (|_| reply(400, &[], ""), Verdict::RegistryError, "400 Bad Request"),
        (|_| reply(407, &[], ""), Verdict::Proxy, "407 Proxy Authentication Required"),
    ];
    for (script, verdict, cause) in cases {
        let double = Double::start(protected(script)).await;
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, verdict, "{cause}");
        // GET decides, with the same token; there is no proxy that would forward it.
        let (method, tokens) = if verdict == Verdict::Proxy { ("HEAD", 1) } else { ("GET", 2) };
        assert_eq!(fact.cause.unwrap(), format!("{method} http://{}{MANIFEST}: {cause}", double.host));
        assert!(fact.hint.is_some());
        assert_eq!((double.logins(), double.tokens()), (1, tokens), "{cause}: requested again");
    }
}

#[tokio::test]
async fn statuses_of_the_registry_with_a_password() {
    // The status of `/v2/`, the status of the manifest, and how many requests contained the password. It is sent with HEAD
    // and GET only if `/v2/` accepted it.
    let cases = [
        ((401, 200), Verdict::Refused, 1),
        ((403, 200), Verdict::Refused, 1),
        ((400, 200), Verdict::Refused, 1),
        ((418, 200), Verdict::RegistryError, 1),
        ((407, 200), Verdict::Proxy, 1),
        ((200, 400), Verdict::RegistryError, 3),
        ((200, 401), Verdict::NoPermission, 3),
        ((200, 403), Verdict::NoPermission, 3),
        ((200, 404), Verdict::NotFound, 3),
        ((200, 418), Verdict::RegistryError, 3),
        ((405, 400), Verdict::Refused, 2),
        ((404, 401), Verdict::Refused, 2),
        ((404, 403), Verdict::NoPermission, 2),
    ];
    for ((base, image), verdict, logins) in cases {
        let double =
            Double::start(move |received: &Received| match (&received.authorization, received.path.as_str()) {
                (Some(_), "/v2/") => reply(base, &[("www-authenticate", "Basic")], ""),
                (Some(_), _) => reply(image, &[("www-authenticate", "Basic")], ""),
                (None, _) => challenge_basic(),
            });
        let double = double.await;
        assert_eq!(inspect_double(&double).await.verdict, verdict, "{base} {image}");
        assert_eq!(double.logins(), logins, "{base} {image}");
    }
}

#[tokio::test]
async fn a_registry_without_challenge_gets_no_password() {
    let cases: [(Script, Verdict); 4] = [
        (|_| manifest(), Verdict::NotProved),
        (
            |received| if received.path == "/v2/" { reply(200, &[], "{}") } else { reply(404, &[], "") },
            Verdict::NotFound,
        ),
        (
            |received| if received.path == "/v2/" { reply(200, &[], "{}") } else { reply(403, &[], "") },
            Verdict::RegistryError,
        ),
        (|_| reply(200, &[("content-type", "text/html")], "<html>"), Verdict::RegistryError),
    ];
    for (script, verdict) in cases {
        let double = Double::start(script).await;
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, verdict);
        assert!(fact.cause.is_some() && fact.hint.is_some());
        assert_eq!((double.logins(), double.tokens()), (0, 0));
    }
}

#[tokio::test]
async fn an_open_registry_may_require_a_login_for_the_image() {
    let double = Double::start(|received: &Received| match received.path.as_str() {
        "/v2/" => reply(200, &[], "{}"),
        _ => bearer_registry(received),
    });
    let double = double.await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
    let head = format!("HEAD {MANIFEST}");
    let mut requests = double.request_lines();
    requests[3..].sort_unstable();
    assert_eq!(
        requests,
        ["GET /v2/", &head, "GET /token", "GET /token", &head],
        "one token is requested with the login and one without"
    );
}

#[tokio::test]
async fn unsupported_challenges() {
    for (header, cause) in [("Negotiate", "401 requires `Negotiate`"), ("", "401 without a challenge")] {
        let double = Double::start(move |_: &Received| reply(401, &[("www-authenticate", header)], "")).await;
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, Verdict::RegistryError);
        assert!(fact.cause.unwrap().ends_with(cause));
        assert_eq!(double.logins(), 0);
    }
}

#[tokio::test]
async fn a_realm_that_is_not_a_url_gets_no_password() {
    for realm in ["/token", "ftp://x/token", "::"] {
        let double = Double::start(move |_: &Received| {
            reply(401, &[("www-authenticate", &format!(r#"Bearer realm="{realm}""#))], "")
        });
        let double = double.await;
        assert_eq!(inspect_double(&double).await.verdict, Verdict::RegistryError, "{realm}");
        assert_eq!(double.logins(), 0);
    }
}

#[tokio::test]
async fn a_user_in_the_realm_url_is_not_used() {
    let double = Double::start(|received: &Received| match received.path.as_str() {
        "/v2/" => {
            let realm = format!(r#"Bearer realm="http://eve:secret@{}/token?x=1",service="s""#, received.host);
            reply(401, &[("www-authenticate", &realm)], "")
        }
        _ => bearer_registry(received),
    });
    let double = double.await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
    assert!(double.requests()[1].query.starts_with("x=1&service=s&scope="));
}

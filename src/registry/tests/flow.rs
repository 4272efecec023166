//! The rows of the flow: which answer leads to which request and which verdict.

use axum::body::Body;
use axum::http::Response;

use super::double::{
    Double, JSON, MANIFEST, Seen, UNAUTHORIZED, ask_basic, ask_bearer, basic_registry, bearer_registry, manifest,
    reply, token,
};
use super::{inspect, inspect_double, registry};
use crate::desired::{TestLogin, TlsPolicy};
use crate::facts::{RegistryFact, Verdict};
use crate::registry::diagnosis::{Finding, fact};
use crate::registry::logins::Tried;

type Script = fn(&Seen) -> Response<Body>;

/// A registry that answers a login (`token` says with which scheme) for the manifest as `script` says.
fn protected(script: Script) -> impl Fn(&Seen) -> Response<Body> + Clone {
    move |seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
        ("/token", Some(_)) => token(),
        (MANIFEST, Some(_)) => script(seen),
        _ => ask_bearer(seen),
    }
}

/// A registry whose token server answers as `script` says.
fn with_realm(script: Script) -> impl Fn(&Seen) -> Response<Body> + Clone {
    move |seen: &Seen| match seen.path.as_str() {
        "/token" => script(seen),
        _ => ask_bearer(seen),
    }
}

#[tokio::test]
async fn skip_contacts_nobody() {
    let double = Double::start(bearer_registry).await;
    let mut skipped = registry(&double.host, "right");
    skipped.test_login = TestLogin::Skip;
    let fact = inspect(&skipped).await;
    assert_eq!((fact.verdict, fact.cause, fact.hint), (Verdict::Skipped, None, None));
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn bearer_is_proved_with_one_login() {
    let double = Double::start(bearer_registry).await;
    let fact = inspect_double(&double).await;
    assert_eq!((fact.verdict, fact.cause, fact.hint), (Verdict::Proved, None, None));
    let head = format!("HEAD {MANIFEST}");
    let mut asked = double.asked();
    asked[2..4].sort_unstable();
    assert_eq!(asked, ["GET /v2/", "GET /token", "GET /token", &head, &head], "the last three of them as anybody");
    assert_eq!(double.all()[1].query, "service=double&scope=repository%3Ateam%2Fapp%3Apull&account=alice");
    assert_eq!((double.logins(), double.tokens()), (1, 1));
}

#[tokio::test]
async fn basic_is_proved_by_login_and_image() {
    let double = Double::start(basic_registry).await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
    let head = format!("HEAD {MANIFEST}");
    assert_eq!(double.asked(), ["GET /v2/", "GET /v2/", &head, &head]);
    assert!(double.all()[3].authorization.is_none(), "the last question is anybody's");
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
async fn what_the_token_server_says() {
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
            "307 Temporary Redirect: a password does not follow redirects",
        ),
        (|_| reply(404, &[], "<html>"), Verdict::RegistryError, "404 Not Found"),
    ];
    for (script, verdict, cause) in cases {
        let double = Double::start(with_realm(script)).await;
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, verdict, "{cause}");
        let expected = format!("GET http://{}/token: {cause}", double.host);
        assert_eq!(fact.cause.unwrap(), expected);
        assert!(fact.hint.is_some());
        assert_eq!(double.asked(), ["GET /v2/", "GET /token"], "{cause}");
    }
}

#[tokio::test]
async fn a_token_may_be_called_access_token() {
    let double = Double::start(|seen: &Seen| match seen.path.as_str() {
        "/token" if seen.is_alice() => reply(200, &[], r#"{"token":"","access_token":"opensesame","expires_in":60}"#),
        _ => bearer_registry(seen),
    });
    assert_eq!(inspect_double(&double.await).await.verdict, Verdict::Proved);
}

#[tokio::test]
async fn what_the_manifest_says_to_a_token() {
    let insufficient: Script = |seen| {
        let challenge = format!(r#"Bearer realm="http://{}/token",error="insufficient_scope""#, seen.host);
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
        assert_eq!(fact.cause.unwrap(), format!("HEAD http://{}{MANIFEST}: {cause}", double.host));
        assert!(fact.hint.is_some());
        assert_eq!((double.logins(), double.tokens()), (1, 1), "{cause}: asked again");
    }
}

#[tokio::test]
async fn what_the_registry_says_to_a_password() {
    // What `/v2/` and the manifest answer, and how many requests carried the password.
    let cases = [
        ((401, 200), Verdict::Refused, 1),
        ((403, 200), Verdict::Refused, 1),
        ((400, 200), Verdict::Refused, 1),
        ((418, 200), Verdict::RegistryError, 1),
        ((407, 200), Verdict::Proxy, 1),
        ((200, 400), Verdict::RegistryError, 2),
        ((200, 401), Verdict::NoPermission, 2),
        ((200, 403), Verdict::NoPermission, 2),
        ((200, 404), Verdict::NotFound, 2),
        ((200, 418), Verdict::RegistryError, 2),
        ((405, 400), Verdict::Refused, 2),
        ((404, 401), Verdict::Refused, 2),
        ((404, 403), Verdict::NoPermission, 2),
    ];
    for ((base, image), verdict, logins) in cases {
        let double = Double::start(move |seen: &Seen| match (&seen.authorization, seen.path.as_str()) {
            (Some(_), "/v2/") => reply(base, &[("www-authenticate", "Basic")], ""),
            (Some(_), _) => reply(image, &[("www-authenticate", "Basic")], ""),
            (None, _) => ask_basic(),
        });
        let double = double.await;
        assert_eq!(inspect_double(&double).await.verdict, verdict, "{base} {image}");
        assert_eq!(double.logins(), logins, "{base} {image}");
    }
}

#[tokio::test]
async fn a_registry_that_never_asks_sees_no_password() {
    let cases: [(Script, Verdict); 4] = [
        (|_| manifest(), Verdict::NotProved),
        (|seen| if seen.path == "/v2/" { reply(200, &[], "{}") } else { reply(404, &[], "") }, Verdict::NotFound),
        (|seen| if seen.path == "/v2/" { reply(200, &[], "{}") } else { reply(403, &[], "") }, Verdict::RegistryError),
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
async fn an_open_registry_may_protect_the_image() {
    let double = Double::start(|seen: &Seen| match seen.path.as_str() {
        "/v2/" => reply(200, &[], "{}"),
        _ => bearer_registry(seen),
    });
    let double = double.await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
    let head = format!("HEAD {MANIFEST}");
    let mut asked = double.asked();
    asked[3..].sort_unstable();
    assert_eq!(asked, ["GET /v2/", &head, "GET /token", "GET /token", &head], "nobody gets a token of anybody");
}

#[tokio::test]
async fn challenges_that_nobody_here_speaks() {
    for (header, cause) in [("Negotiate", "401 asks for `Negotiate`"), ("", "401 without a challenge")] {
        let double = Double::start(move |_: &Seen| reply(401, &[("www-authenticate", header)], "")).await;
        let fact = inspect_double(&double).await;
        assert_eq!(fact.verdict, Verdict::RegistryError);
        assert!(fact.cause.unwrap().ends_with(cause));
        assert_eq!(double.logins(), 0);
    }
}

#[tokio::test]
async fn a_realm_that_is_no_url_gets_no_password() {
    for realm in ["/token", "ftp://x/token", "::"] {
        let double = Double::start(move |_: &Seen| {
            reply(401, &[("www-authenticate", &format!(r#"Bearer realm="{realm}""#))], "")
        });
        let double = double.await;
        assert_eq!(inspect_double(&double).await.verdict, Verdict::RegistryError, "{realm}");
        assert_eq!(double.logins(), 0);
    }
}

#[tokio::test]
async fn a_user_in_the_realm_url_is_not_used() {
    let double = Double::start(|seen: &Seen| match seen.path.as_str() {
        "/v2/" => {
            let realm = format!(r#"Bearer realm="http://eve:secret@{}/token?x=1",service="s""#, seen.host);
            reply(401, &[("www-authenticate", &realm)], "")
        }
        _ => bearer_registry(seen),
    });
    let double = double.await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::Proved);
    assert!(double.all()[1].query.starts_with("x=1&service=s&scope="));
}

#[tokio::test]
async fn get_follows_head_only_where_head_says_nothing() {
    let cases: [(Script, Verdict, &[&str]); 5] = [
        (
            |seen| if seen.method == "HEAD" { reply(405, &[], "") } else { manifest() },
            Verdict::Proved,
            &["HEAD", "GET"],
        ),
        (|_| reply(200, &[("content-type", JSON)], "{}"), Verdict::Proved, &["HEAD", "GET"]),
        (|_| reply(200, &[("content-type", "text/html")], "{}"), Verdict::RegistryError, &["HEAD", "GET"]),
        (|_| manifest(), Verdict::Proved, &["HEAD"]),
        (|_| reply(404, &[], ""), Verdict::NotFound, &["HEAD"]),
    ];
    for (script, verdict, methods) in cases {
        let double = Double::start(protected(script)).await;
        assert_eq!(inspect_double(&double).await.verdict, verdict);
        let ours = double.all().into_iter().filter(|seen| seen.path == MANIFEST && seen.authorization.is_some());
        let asked: Vec<String> = ours.map(|seen| seen.method).collect();
        assert_eq!(asked, methods);
    }
}

#[tokio::test]
async fn manifests_of_every_form_are_asked_for() {
    // A registry that keeps an image in a form that is not named says that there is none.
    const FORMS: [&str; 6] = [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
    ];
    for (form, head) in FORMS.into_iter().flat_map(|form| [(form, true), (form, false)]) {
        let double = Double::start(move |seen: &Seen| {
            let named = seen.accept.iter().any(|accept| accept.split(", ").any(|asked| asked == form));
            match (seen.path.as_str(), seen.method.as_str()) {
                (MANIFEST, _) if !seen.is_alice() => ask_basic(),
                (MANIFEST, _) if !named => reply(404, &[], ""),
                (MANIFEST, "HEAD") if !head => reply(405, &[], ""),
                (MANIFEST, _) => reply(200, &[("content-type", form), ("docker-content-digest", "sha256:0")], "{}"),
                _ => basic_registry(seen),
            }
        });
        assert_eq!(inspect_double(&double.await).await.verdict, Verdict::Proved, "{form}");
    }
}

#[tokio::test]
async fn a_red_hat_account_is_told_its_form() {
    let mut account = registry("registry.redhat.io", "wrong");
    account.tls = TlsPolicy::Verify;
    let hint = |account: &crate::desired::Registry| {
        let refused = RegistryFact::new(Verdict::Refused);
        let finding = Finding::TriedBefore(Box::new(Tried { image: "x".to_owned(), fact: refused }));
        fact(account, None, finding, &str::to_owned).hint.unwrap()
    };
    assert!(hint(&account).contains("`1234567|name`"));
    account.user = "1234567|name".into();
    assert!(!hint(&account).contains("has the form"));
}

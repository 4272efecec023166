//! Redirects: which are followed, and that no credential leaves its origin.

use crate::registry::tests::flow::token_server::identity_registry;
use crate::registry::tests::prelude::*;
use crate::registry::tests::verdict::hint::login;

#[tokio::test]
async fn a_redirect_to_another_origin_is_followed_without_credential() {
    let store = Double::start(|_: &Received| manifest()).await;
    let strict = Double::start(|_: &Received| challenge_basic()).await;
    for (target, verdict) in [(&store, Verdict::Proved), (&strict, Verdict::RegistryError)] {
        let location = format!("http://{}/blob?sig=abc", target.host);
        let double =
            Double::start(move |received: &Received| match (received.path.as_str(), &received.authorization) {
                (MANIFEST, Some(_)) => reply(307, &[("location", &location)], ""),
                _ => basic_registry(received),
            });
        let fact = inspect_double(&double.await).await;
        assert_eq!(fact.verdict, verdict);
        assert!(!fact.cause.unwrap_or_default().contains("sig"));
        let requests: &[&str] = if verdict == Verdict::Proved { &["HEAD /blob"] } else { &["HEAD /blob", "GET /blob"] };
        assert_eq!((target.request_lines(), target.logins()), (requests.iter().map(|&line| line.into()).collect(), 0));
    }
}

#[tokio::test]
async fn a_server_that_did_not_receive_the_password_does_not_refuse_it() {
    for status in [400, 401, 403] {
        let store = Double::start(move |_: &Received| reply(status, &[], "")).await;
        let location = format!("http://{}/blob", store.host);
        let double =
            Double::start(move |received: &Received| match (received.path.as_str(), &received.authorization) {
                (MANIFEST, Some(_)) => reply(307, &[("location", &location)], ""),
                (MANIFEST, None) => challenge_basic(),
                _ => accepted(),
            });
        assert_eq!(inspect_double(&double.await).await.verdict, Verdict::RegistryError, "{status}");
        assert_eq!(store.logins(), 0);
    }
}

#[tokio::test]
async fn a_redirect_within_the_origin_keeps_the_credential() {
    let double = Double::start(|received: &Received| match received.path.as_str() {
        MANIFEST if received.is_alice() => reply(302, &[("location", "moved")], ""),
        "/v2/team/app/manifests/moved" if received.is_alice() => manifest(),
        _ => basic_registry(received),
    });
    assert_eq!(inspect_double(&double.await).await.verdict, Verdict::Proved);
}

#[tokio::test]
async fn the_number_of_redirects_is_limited() {
    let double = Double::start(|received: &Received| reply(302, &[("location", &received.path)], "")).await;
    let fact = inspect_double(&double).await;
    assert_eq!(fact.verdict, Verdict::RegistryError);
    assert!(fact.cause.unwrap().ends_with("more than 5 redirects"));
    assert_eq!(double.request_lines().len(), 6);
}

#[tokio::test]
async fn a_challenge_of_a_redirect_target_gets_no_password() {
    let other = Double::start(basic_registry).await;
    let location = format!("http://{}/v2/", other.host);
    let double = Double::start(move |_: &Received| reply(301, &[("location", &location)], "")).await;
    assert_eq!(inspect_double(&double).await.verdict, Verdict::RegistryError);
    assert_eq!((double.logins(), other.logins()), (0, 0));
}

#[tokio::test]
async fn a_login_is_not_proved_by_a_redirect_target() {
    for (target, verdict) in [("/login", Verdict::RegistryError), ("/v2", Verdict::NotProved)] {
        let double = Double::start(move |received: &Received| match received.path.as_str() {
            "/v2/" => reply(302, &[("location", target)], ""),
            _ => accepted(),
        });
        let fact = inspect(&login(&double.await.host, "right")).await;
        assert_eq!(fact.verdict, verdict, "{target}: {fact:?}");
    }
}

#[tokio::test]
async fn a_redirect_to_plain_http_is_not_followed_if_tls_is_verified() {
    let double = Double::start(basic_registry).await;
    let location = format!("http://{}/v2/", double.host);
    let script = move |_: &Received| reply(307, &[("location", &location)], "");
    let (secure, pem) = secure_registry_with("IP:127.0.0.1", 2, script).await;
    let host = &secure.host;
    let ca = Some(Arc::new(Authority { file: "ca.pem".to_owned(), pem }));
    let fact = inspect(&Registry { tls: TlsPolicy::Verify, ca, ..registry(host, "right") }).await;
    assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
    let cause = format!("GET https://{host}/v2/: redirects to `http://{}/v2/`, which is not HTTPS", double.host);
    assert_eq!(fact.cause.unwrap(), cause);
    let hint = fact.hint.unwrap();
    assert!(hint.contains("external URL") && !hint.contains("tls_verify"), "{hint}");
    assert!(double.request_lines().is_empty());
}

#[tokio::test]
async fn a_login_does_not_follow_a_redirect() {
    let other = Double::start(|_: &Received| token()).await;
    let location = format!("http://{}/token", other.host);
    for status in [301, 302, 303, 307, 308] {
        let location = location.clone();
        let double = Double::start(move |received: &Received| match received.path.as_str() {
            "/token" => reply(status, &[("location", &location)], ""),
            _ => challenge_bearer(received),
        });
        let double = double.await;
        for login in [registry(&double.host, "right"), identity_registry(&double, "right")] {
            assert_eq!(inspect(&login).await.verdict, Verdict::RegistryError, "{status}");
        }
    }
    let location = format!("http://{}/v2/", other.host);
    let double = Double::start(move |received: &Received| match &received.authorization {
        Some(_) => reply(307, &[("location", &location)], ""),
        None => challenge_basic(),
    });
    let double = double.await;
    for test_login in [TestLogin::Inspect, TestLogin::LoginOnly] {
        let wanted = Registry { test_login, ..registry(&double.host, "right") };
        assert_eq!(
            inspect(&wanted).await.verdict,
            Verdict::RegistryError,
            "the success of another server proves nothing"
        );
    }
    assert_eq!(other.logins() + other.tokens(), 0);
}

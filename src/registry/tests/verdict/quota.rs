//! Pull quotas: which user a quota belongs to, and that the quota of anonymous requests is not reported as that of the
//! user.

use crate::registry::tests::prelude::*;

fn quota(limit: u64, remaining: u64) -> RateLimit {
    RateLimit { limit: Some(limit), remaining: Some(remaining), window: Some(21_600) }
}

fn with_quota(quota: RateLimit, mut shown: Response<Body>) -> Response<Body> {
    for (name, number) in [("ratelimit-limit", quota.limit), ("ratelimit-remaining", quota.remaining)] {
        shown.headers_mut().insert(name, format!("{};w=21600", number.unwrap()).parse().unwrap());
    }
    shown
}

#[tokio::test]
async fn a_quota_is_reported() {
    for (status, verdict) in [(200, Verdict::Proved), (429, Verdict::RateLimited)] {
        let double = Double::start(move |received: &Received| {
            if received.path != MANIFEST || received.authorization.is_none() {
                return basic_registry(received);
            }
            let shown = if status == 200 { manifest() } else { reply(status, &[("retry-after", "99")], "") };
            with_quota(quota(100, 7), shown)
        });
        let fact = inspect_double(&double.await).await;
        assert_eq!((fact.verdict, fact.rate_limit), (verdict, Some(quota(100, 7))));
    }
}

#[tokio::test]
async fn a_public_image_has_the_quota_of_the_user() {
    let tokens =
        Double::start(|received: &Received| match (received.path.as_str(), received.authorization.as_deref()) {
            ("/token", None) => reply(200, &[], r#"{"token":"anonymous"}"#),
            (MANIFEST, Some("Bearer anonymous")) => with_quota(quota(100, 2), manifest()),
            (MANIFEST, Some(_)) => with_quota(quota(200, 190), bearer_registry(received)),
            _ => bearer_registry(received),
        });
    let passwords = Double::start(|received: &Received| match (received.path.as_str(), received.is_alice()) {
        (MANIFEST, true) => with_quota(quota(200, 190), manifest()),
        (MANIFEST, false) => with_quota(quota(100, 2), manifest()),
        _ => basic_registry(received),
    });
    for double in [tokens.await, passwords.await] {
        let fact = inspect_double(&double).await;
        assert_eq!((fact.verdict, fact.rate_limit), (Verdict::NotProved, Some(quota(200, 190))));
        assert!(fact.cause.unwrap().contains("without a password, too"));
    }
}

#[tokio::test]
async fn the_quota_of_anonymous_requests_is_not_reported() {
    let open = Double::start(|received: &Received| match received.path.as_str() {
        MANIFEST => with_quota(quota(100, 2), manifest()),
        _ => accepted(),
    });
    let busy = Double::start(|_: &Received| with_quota(quota(100, 0), reply(429, &[("retry-after", "99")], "")));
    let anonymous_token =
        Double::start(|received: &Received| match (received.path.as_str(), &received.authorization) {
            ("/token", Some(_)) => reply(200, &[], &format!(r#"{{"token":"{}"}}"#, token_for("", 0))),
            ("/token", None) => token(),
            (MANIFEST, Some(_)) => with_quota(quota(100, 2), manifest()),
            _ => challenge_bearer(received),
        });
    for (double, verdict) in [
        (open.await, Verdict::NotProved),
        (busy.await, Verdict::RateLimited),
        (anonymous_token.await, Verdict::Refused),
    ] {
        let fact = inspect_double(&double).await;
        assert_eq!((fact.verdict, fact.rate_limit), (verdict, None));
    }
}

//! Pull quotas: whose they are, and that what a registry grants to nobody is not told as the user's.

use axum::body::Body;
use axum::http::Response;

use super::double::{
    Double, MANIFEST, Seen, ask_bearer, basic_registry, bearer_registry, manifest, named, reply, token, welcome,
};
use super::inspect_double;
use crate::facts::{RateLimit, Verdict};

fn quota(limit: u64, remaining: u64) -> RateLimit {
    RateLimit { limit: Some(limit), remaining: Some(remaining), window: Some(21_600) }
}

fn with(quota: RateLimit, mut shown: Response<Body>) -> Response<Body> {
    for (name, number) in [("ratelimit-limit", quota.limit), ("ratelimit-remaining", quota.remaining)] {
        shown.headers_mut().insert(name, format!("{};w=21600", number.unwrap()).parse().unwrap());
    }
    shown
}

#[tokio::test]
async fn quotas_are_passed_on() {
    for (answer, verdict) in [(200, Verdict::Proved), (429, Verdict::RateLimited)] {
        let double = Double::start(move |seen: &Seen| {
            if seen.path != MANIFEST || seen.authorization.is_none() {
                return basic_registry(seen);
            }
            let shown = if answer == 200 { manifest() } else { reply(answer, &[("retry-after", "99")], "") };
            with(quota(100, 7), shown)
        });
        let fact = inspect_double(&double.await).await;
        assert_eq!((fact.verdict, fact.rate_limit), (verdict, Some(quota(100, 7))));
    }
}

#[tokio::test]
async fn an_image_that_anybody_may_pull_has_the_quota_of_the_user() {
    let tokens = Double::start(|seen: &Seen| match (seen.path.as_str(), seen.authorization.as_deref()) {
        ("/token", None) => reply(200, &[], r#"{"token":"anybody"}"#),
        (MANIFEST, Some("Bearer anybody")) => with(quota(100, 2), manifest()),
        (MANIFEST, Some(_)) => with(quota(200, 190), bearer_registry(seen)),
        _ => bearer_registry(seen),
    });
    let passwords = Double::start(|seen: &Seen| match (seen.path.as_str(), seen.is_alice()) {
        (MANIFEST, true) => with(quota(200, 190), manifest()),
        (MANIFEST, false) => with(quota(100, 2), manifest()),
        _ => basic_registry(seen),
    });
    for double in [tokens.await, passwords.await] {
        let fact = inspect_double(&double).await;
        assert_eq!((fact.verdict, fact.rate_limit), (Verdict::NotProved, Some(quota(200, 190))));
        assert!(fact.cause.unwrap().contains("without a password, too"));
    }
}

#[tokio::test]
async fn the_quota_of_nobody_is_not_told() {
    let open = Double::start(|seen: &Seen| match seen.path.as_str() {
        MANIFEST => with(quota(100, 2), manifest()),
        _ => welcome(),
    });
    let busy = Double::start(|_: &Seen| with(quota(100, 0), reply(429, &[("retry-after", "99")], "")));
    let taken_for_nobody = Double::start(|seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
        ("/token", Some(_)) => reply(200, &[], &format!(r#"{{"token":"{}"}}"#, named("", 0))),
        ("/token", None) => token(),
        (MANIFEST, Some(_)) => with(quota(100, 2), manifest()),
        _ => ask_bearer(seen),
    });
    for (double, verdict) in [
        (open.await, Verdict::NotProved),
        (busy.await, Verdict::RateLimited),
        (taken_for_nobody.await, Verdict::Refused),
    ] {
        let fact = inspect_double(&double).await;
        assert_eq!((fact.verdict, fact.rate_limit), (verdict, None));
    }
}

//! The expiry date inside a credential, for credentials that contain one. The date is not authenticated: only the issuer
//! can verify a token, so a date in a forged or damaged token only causes a wrong warning.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use indexmap::IndexSet;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::registry::Registry;
use crate::secret::Secret;

/// The default for how many days before the expiry date a warning is shown.
pub const WARN_DAYS: u16 = 14;

/// The maximum length of a token, in bytes. Longer texts are not decoded.
const MAX_TOKEN: usize = 64 << 10;

/// When the credential of a registry expires: the earliest date of its secrets. `None` if no secret contains a date.
pub fn of(registry: &Registry) -> Option<Timestamp> {
    // Some programs use the password and others the token, so the earlier date is the one at which the first of them
    // fails.
    let secrets = std::iter::once(&registry.password).chain(&registry.identity_token);
    secrets.filter_map(of_secret).min()
}

/// One message for each credential that has expired at `now`, or expires within `days`.
pub fn warnings(registries: &[Registry], now: Timestamp, days: u16) -> IndexSet<String> {
    let until = now.saturating_add(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(Timestamp::MAX);
    let soon = registries.iter().filter_map(|registry| Some((registry, of(registry).filter(|at| *at <= until)?)));
    soon.map(|(registry, at)| warning(registry, at, now)).collect()
}

fn warning(registry: &Registry, at: Timestamp, now: Timestamp) -> String {
    let Registry { host, user, origin, .. } = registry;
    let left = at.duration_since(now).as_hours();
    let when = match left {
        _ if at <= now => format!("expired at {at}"),
        0 => format!("expires within the hour, at {at}"),
        1..48 => format!("expires in {left} hours, at {at}"),
        _ => format!("expires in {} days, at {at}", left / 24),
    };
    format!("the credential of user `{user}` for registry `{host}` {when}; it comes from {origin}: renew it")
}

/// When a password or token expires; `None` if it contains no date.
pub fn of_secret(secret: &Secret) -> Option<Timestamp> {
    let text = secret.expose();
    if text.len() > MAX_TOKEN {
        return None;
    }
    // A password of ECR contains no dot, because base64 has none, so the two formats cannot be confused.
    web_token(text).or_else(|| ecr(text))
}

/// The claim `exp` of a JSON Web Token (RFC 7519, section 4.1.4), in seconds. Keycloak writes 0 for tokens that never
/// expire.
fn web_token(text: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "alg")]
        _algorithm: String,
    }
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = text.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let part = |part: &str| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok();
    // Other texts with two dots are common, so all three parts must look like those of a token.
    part(signature)?;
    serde_json::from_slice::<Header>(&part(header)?).ok()?;
    seconds(serde_json::from_slice::<Claims>(&part(claims)?).ok()?.exp)
}

/// The expiry date in a password from `aws ecr get-login-password`: base64 of a JSON object.
fn ecr(text: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Password {
        expiration: f64,
        // The member is required only to recognize the format: other base64 texts may also contain a JSON object with a
        // date.
        #[serde(rename = "datakey")]
        _key: serde::de::IgnoredAny,
    }
    seconds(serde_json::from_slice::<Password>(&STANDARD.decode(text).ok()?).ok()?.expiration)
}

fn seconds(number: f64) -> Option<Timestamp> {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a number outside of i64 is also outside of the range of timestamps"
    )]
    let whole = number as i64;
    // Zero means that the token never expires, and must not become a date in 1970.
    (whole > 0).then(|| Timestamp::from_second(whole).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn expiry_dates_are_read_from_tokens() {
        let ecr = |json: &str| STANDARD.encode(json);
        let jwt = |claims: &str| token(r#"{"alg":"RS256","typ":"JWT"}"#, claims);
        for (secret, seconds) in [
            (jwt(r#"{"exp":1800000000}"#), Some(1_800_000_000)),
            (jwt(r#"{"exp":1800000000.7,"sub":"x"}"#), Some(1_800_000_000)),
            (jwt(r#"{"exp":0}"#), None),
            (jwt(r#"{"exp":-5}"#), None),
            (jwt(r#"{"exp":1e300}"#), None),
            (jwt(r#"{"exp":"soon"}"#), None),
            (jwt(r#"{"sub":"x"}"#), None),
            (jwt("[]"), None),
            (format!("{}.x", jwt(r#"{"exp":1800000000}"#)), None),
            (token("{}", r#"{"exp":1800000000}"#), None),
            (token("{\"alg\":\"none\"}", &format!("{{\"exp\":1800000000,\"x\":\"{}\"}}", "x".repeat(MAX_TOKEN))), None),
            (
                ecr(r#"{"payload":"p","datakey":"k","version":"2","type":"DATA_KEY","expiration":1800000000}"#),
                Some(1_800_000_000),
            ),
            (ecr(r#"{"expiration":1800000000}"#), None),
            ("a.b.c".to_owned(), None),
            ("hunter2".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(of_secret(&Secret::new(secret.as_str())).map(Timestamp::as_second), seconds, "{secret}");
        }
    }
}

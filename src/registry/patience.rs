//! When a request may be sent again, and how long to wait before: `Retry-After`, and back-off with jitter.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often a request is sent at most.
pub(super) const TRIES: u32 = 3;
/// The pause before the second try where the server names none; doubled for the next.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a server asks to wait: in seconds, or until a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// What to wait after `tries` tries, of which the server asked for `asked`: never less than that, and not the same for
/// everybody, since clients that were turned away together would come back together.
pub(super) fn pause(asked: Option<Duration>, tries: u32) -> Duration {
    match asked {
        Some(wait) => wait.saturating_add(wait.min(PAUSE).mul_f64(chance())),
        None => (PAUSE * (1 << (tries.clamp(1, 10) - 1))).mul_f64(0.5 + chance()),
    }
}

/// Anything from 0 up to 1.
fn chance() -> f64 {
    let mut byte = [0];
    // Without randomness there is no jitter, which is no reason to fail.
    let _ = openssl::rand::rand_bytes(&mut byte);
    f64::from(byte[0]) / 256.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:38 1994", Some(1)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ];
        for (value, seconds) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn pauses_grow_and_differ() {
        for _ in 0..100 {
            let (first, second) = (pause(None, 1), pause(None, 2));
            assert!((250..750).contains(&first.as_millis()), "{first:?}");
            assert!((500..1500).contains(&second.as_millis()), "{second:?}");
            let asked = pause(Some(Duration::from_secs(10)), 1);
            assert!((10_000..10_500).contains(&asked.as_millis()), "{asked:?}");
        }
        assert_eq!(pause(Some(Duration::ZERO), 1), Duration::ZERO);
        assert!(pause(Some(Duration::MAX), 1) == Duration::MAX && pause(None, u32::MAX) < Duration::from_secs(400));
        let all: std::collections::HashSet<Duration> = (0..100).map(|_| pause(None, 1)).collect();
        assert!(all.len() > 10, "no jitter");
    }
}

//! The pull quota that a registry reports in its headers (Docker Hub; IETF draft `ratelimit-headers`).

use reqwest::header::HeaderMap;

use crate::facts::RateLimit;

/// Reads `RateLimit-Limit: 100;w=21600` and `RateLimit-Remaining: 76;w=21600`; `None` if neither contains a number.
pub fn rate_limit(headers: &HeaderMap) -> Option<RateLimit> {
    let (limit, window) = read(headers, "ratelimit-limit");
    let (remaining, other_window) = read(headers, "ratelimit-remaining");
    (limit.is_some() || remaining.is_some()).then(|| RateLimit { limit, remaining, window: window.or(other_window) })
}

/// The number of the first item of a list, and its window in seconds.
fn read(headers: &HeaderMap, name: &str) -> (Option<u64>, Option<u64>) {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // A list describes several windows. The first one is the one that applies (draft `ratelimit-headers`).
    let mut parts = value.split(',').next().unwrap_or_default().split(';').map(str::trim);
    // A value such as `unlimited` is not a number and means that there is no quota to show.
    let number = parts.next().and_then(|text| text.parse().ok());
    (number, parts.find_map(|part| part.strip_prefix("w=")?.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_headers() {
        let cases = [
            (Some("100;w=21600"), Some("76;w=21600"), Some((Some(100), Some(76), Some(21_600)))),
            (Some("100, 100;w=60"), Some("3"), Some((Some(100), Some(3), None))),
            (None, Some(" 0 ; w=60"), Some((None, Some(0), Some(60)))),
            (Some("200"), None, Some((Some(200), None, None))),
            (Some("unlimited"), Some("-1"), None),
            (None, None, None),
        ];
        for (limit, remaining, expected) in cases {
            let mut headers = HeaderMap::new();
            limit.map(|value| headers.insert("RateLimit-Limit", value.parse().unwrap()));
            remaining.map(|value| headers.insert("RateLimit-Remaining", value.parse().unwrap()));
            let found = rate_limit(&headers).map(|found| (found.limit, found.remaining, found.window));
            assert_eq!(found, expected, "{limit:?} {remaining:?}");
        }
    }
}

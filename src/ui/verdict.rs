//! The sentences about registries: one for each verdict, and the pull quota.

use super::text::plural;
use crate::event::RegistryRow;
use crate::facts::{OtherServer, RateLimit, Verdict};

/// One sentence for each verdict. It names the server that failed, and the node from which it was contacted.
pub(super) fn message(row: &RegistryRow) -> String {
    let RegistryRow { verdict, from, .. } = row;
    let server = server(row);
    let node = |before: &str, after: &str| match from {
        Some(node) => format!("{before}`{node}`{after}"),
        None => String::new(),
    };
    match verdict {
        Verdict::Dns => format!("the name of {server} does not resolve{}", node(" on ", "")),
        Verdict::ConnectionRefused => format!("{server} does not accept connections{}", node(" from ", "")),
        Verdict::Timeout => format!("{server} did not respond{} in time", node(" to ", "")),
        Verdict::Proxy if from.is_none() => format!("the proxy for {server} failed"),
        Verdict::Proxy => {
            format!("the connection{} to {server} was refused by sshd, or failed at a proxy", node(" from ", ""))
        }
        _ => format!("{}{}", result(row, &server), node(" (contacted from ", ")")),
    }
}

/// The server that the verdict is about.
fn server(RegistryRow { host, other_server, .. }: &RegistryRow) -> String {
    match other_server {
        None => format!("registry `{host}`"),
        Some(OtherServer::TokenServer(server)) => format!("the token server `{server}` of registry `{host}`"),
        Some(OtherServer::RedirectTarget(server)) => format!("the redirect target `{server}` of registry `{host}`"),
    }
}

/// One sentence for each verdict of a server that responded.
fn result(RegistryRow { host, user, image, verdict, .. }: &RegistryRow, server: &str) -> String {
    match verdict {
        Verdict::Proved => format!("registry `{host}` showed `{image}` to user `{user}`"),
        Verdict::Refused => format!("{server} refused the credentials of user `{user}`"),
        Verdict::NoPermission if image == host => format!("registry `{host}` does not accept user `{user}`"),
        Verdict::NoPermission => format!("registry `{host}` does not show `{image}` to user `{user}`"),
        Verdict::NotFound => format!("registry `{host}` has no image `{image}`"),
        Verdict::NotProved => {
            format!("registry `{host}` did not need the password of user `{user}`, so it is not proved")
        }
        Verdict::Skipped => {
            format!("registry `{host}` was not contacted, because its test login is off: nothing is proved")
        }
        Verdict::Tls => format!("TLS to {server} could not be verified"),
        Verdict::RateLimited => format!("{server} is rate-limiting requests (429)"),
        _ => format!("the credential of user `{user}` could not be verified at {server}"),
    }
}

/// Whether less than a tenth of a quota remains: a cluster uses that up quickly when all nodes pull.
pub(super) fn is_low(quota: &RateLimit) -> bool {
    quota.remaining.zip(quota.limit).is_some_and(|(remaining, limit)| remaining <= limit / 10)
}

/// `76 of 100 pulls left in 6 h`.
pub(super) fn quota(RateLimit { limit, remaining, window }: RateLimit) -> String {
    let count = |pulls: u64| plural(usize::try_from(pulls).unwrap_or(usize::MAX), "pull");
    let pulls = match (remaining, limit) {
        (Some(remaining), Some(limit)) => format!("{remaining} of {} left", count(limit)),
        (Some(remaining), None) => format!("{} left", count(remaining)),
        (None, limit) => format!("{} allowed", count(limit.unwrap_or_default())),
    };
    match window {
        Some(seconds) if seconds > 0 && seconds % 3600 == 0 => format!("{pulls} in {} h", seconds / 3600),
        Some(seconds) => format!("{pulls} in {seconds} s"),
        None => pulls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: &str, user: &str, verdict: Verdict) -> RegistryRow {
        RegistryRow {
            host: host.to_owned(),
            user: user.to_owned(),
            image: String::new(),
            verdict,
            cause: None,
            hint: None,
            from: None,
            expires: None,
            rate_limit: None,
            other_server: None,
        }
    }

    #[test]
    fn the_server_that_failed_is_named() {
        use Verdict::{ConnectionRefused, Dns, NotFound, Proxy, RateLimited, Refused, RegistryError, Timeout, Tls};
        let token_server = OtherServer::TokenServer("sso".to_owned());
        let target = OtherServer::RedirectTarget("store".to_owned());
        let cases = [
            (Dns, None, "the name of registry `r` does not resolve on `n`"),
            (Dns, Some(&token_server), "the name of the token server `sso` of registry `r` does not resolve on `n`"),
            (
                ConnectionRefused,
                Some(&token_server),
                "the token server `sso` of registry `r` does not accept connections from `n`",
            ),
            (Timeout, Some(&token_server), "the token server `sso` of registry `r` did not respond to `n` in time"),
            (Timeout, Some(&target), "the redirect target `store` of registry `r` did not respond to `n` in time"),
            (
                Proxy,
                Some(&token_server),
                "the connection from `n` to the token server `sso` of registry `r` was refused by sshd, or failed at a proxy",
            ),
            (
                Tls,
                Some(&token_server),
                "TLS to the token server `sso` of registry `r` could not be verified (contacted from `n`)",
            ),
            (
                RateLimited,
                Some(&token_server),
                "the token server `sso` of registry `r` is rate-limiting requests (429) (contacted from `n`)",
            ),
            (
                Refused,
                Some(&token_server),
                "the token server `sso` of registry `r` refused the credentials of user `u` (contacted from `n`)",
            ),
            (
                RegistryError,
                Some(&token_server),
                "the credential of user `u` could not be verified at the token server `sso` of registry `r` (contacted \
                 from `n`)",
            ),
            (NotFound, None, "registry `r` has no image `r/i:1` (contacted from `n`)"),
        ];
        for (verdict, other_server, expected) in cases {
            let row = RegistryRow {
                image: "r/i:1".to_owned(),
                from: Some("n".to_owned()),
                other_server: other_server.cloned(),
                ..row("r", "u", verdict)
            };
            assert_eq!(message(&row), expected);
        }
    }

    #[test]
    fn quotas() {
        let cases = [
            ((Some(100), Some(76), Some(21_600)), "76 of 100 pulls left in 6 h", false),
            ((Some(100), Some(10), Some(90)), "10 of 100 pulls left in 90 s", true),
            ((Some(100), Some(11), None), "11 of 100 pulls left", false),
            ((Some(5), Some(0), None), "0 of 5 pulls left", true),
            ((None, Some(1), None), "1 pull left", false),
            ((Some(200), None, None), "200 pulls allowed", false),
        ];
        for ((limit, remaining, window), text, low) in cases {
            let found = RateLimit { limit, remaining, window };
            assert_eq!((quota(found).as_str(), is_low(&found)), (text, low));
        }
    }
}

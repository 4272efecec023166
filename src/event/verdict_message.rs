//! The row of a credential with its verdict, and the sentence about it that text and JSON output share.

use serde::Serialize;

use crate::desired::{Registry, TestLogin, expiry};
use crate::facts::{OtherServer, RateLimit, RegistryFact, Verdict};
use crate::failure::Failure;

/// A credential and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistryRow {
    /// The key in files and secrets.
    pub host: String,
    /// The user.
    pub user: String,
    /// The full name of the test image, or the registry if only the login is verified.
    pub image: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why the credential is not proved; `None` if it is.
    #[serde(flatten)]
    pub failure: Option<Failure>,
    /// The node from which the registry was contacted; `None` for this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The expiry time that the credential itself contains (RFC 3339). It is not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The pull quota that the registry reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// The server that failed, if it was not the registry itself: `token_server` or `redirect_target`.
    #[serde(flatten)]
    pub other_server: Option<OtherServer>,
}

impl RegistryRow {
    /// The row of one registry that was contacted from the node `from`, or from here.
    pub fn new(registry: &Registry, fact: &RegistryFact, from: Option<&str>) -> Self {
        let mut row = Self {
            host: registry.host.clone(),
            user: registry.user.clone(),
            image: registry.image.clone(),
            verdict: fact.verdict,
            failure: None,
            from: from.map(str::to_owned),
            expires: expiry::of(registry).map(|at| at.to_string()),
            rate_limit: fact.rate_limit,
            other_server: fact.other_server.clone(),
        };
        let message = match registry.test_login {
            TestLogin::Impossible => {
                format!("`{}` is not the name of one registry, so its credential was not verified", row.host)
            }
            TestLogin::Inspect | TestLogin::LoginOnly | TestLogin::Skip => message(&row),
        };
        // The message needs the other fields of the row, so the failure is set after them.
        row.failure = (fact.verdict != Verdict::Proved).then(|| Failure {
            causes: fact.cause.iter().cloned().collect(),
            hint: fact.hint.clone(),
            ..Failure::new(message)
        });
        row
    }
}

/// One sentence for each verdict, with the server that failed and the node from which it was contacted.
fn message(row: &RegistryRow) -> String {
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
        // If the registry is contacted from a node, this verdict can also be caused by sshd, so the sentence is
        // different.
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
        // Without a test image, the row has the registry as its image. Only the login was verified then.
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

/// A row for tests, without optional values.
#[cfg(test)]
pub(crate) fn row(host: &str, user: &str, verdict: Verdict) -> RegistryRow {
    RegistryRow {
        host: host.to_owned(),
        user: user.to_owned(),
        image: String::new(),
        verdict,
        failure: None,
        from: None,
        expires: None,
        rate_limit: None,
        other_server: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

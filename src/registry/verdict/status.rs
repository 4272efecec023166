//! Determines what an HTTP status means for a credential: the tables of verdicts for the manifest and for `/v2/`, and
//! the deviations of well-known registries. It has no side effects. The statuses of a token server are in
//! `flow/token_server.rs`.

use crate::facts::Verdict;

/// The evidence about the login when a response arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginEvidence {
    /// The registry required no login.
    NotRequired,
    /// The request itself carried user and password.
    CredentialSent,
    /// A token was issued that does not show for which user.
    TokenIssued,
    /// The registry accepted the password, or the token names its user.
    Accepted,
    /// The token is anonymous, although it was requested with user and password.
    Anonymous,
}

/// The verdict for the response to a request for the manifest; `None` if the status is not part of the protocol.
pub fn verdict_of_manifest(host: &str, login: LoginEvidence, status: u16) -> Option<Verdict> {
    Some(match (status, login) {
        // An anonymous token means that the password was not accepted, whatever the status is.
        (_, LoginEvidence::Anonymous) => Verdict::Refused,
        (200..=299, LoginEvidence::NotRequired) => Verdict::NotProved,
        (200..=299, _) => Verdict::Proved,
        // This applies to every kind of login, and to requests without a login.
        (404, _) => Verdict::NotFound,
        (_, LoginEvidence::NotRequired) => return None,
        // ECR responds 400 to a password of another region. ECR public responds 400 where other registries respond 403.
        (400 | 401, LoginEvidence::CredentialSent) => Verdict::Refused,
        (401 | 403, _) => Verdict::NoPermission,
        (400, LoginEvidence::TokenIssued | LoginEvidence::Accepted) if host == "public.ecr.aws" => {
            Verdict::NoPermission
        }
        _ => return None,
    })
}

/// The verdict for the response of `/v2/` to a login; `None` if the status says nothing about it.
pub fn verdict_of_login(host: &str, login: LoginEvidence, status: u16) -> Option<Verdict> {
    Some(match (status, login) {
        (_, LoginEvidence::Anonymous) => Verdict::Refused,
        (200..=299, LoginEvidence::NotRequired) => Verdict::NotProved,
        (200..=299, _) => Verdict::Proved,
        (_, LoginEvidence::NotRequired) => return None,
        // The password is known to be right, so the status can only be about the permissions.
        (401 | 403, _) if is_accepted(host, login) => Verdict::NoPermission,
        (401 | 403, _) | (400, LoginEvidence::CredentialSent) => Verdict::Refused,
        _ => return None,
    })
}

/// Whether the password is known to be right. This says nothing about the permissions of the user.
pub fn is_accepted(host: &str, login: LoginEvidence) -> bool {
    login == LoginEvidence::Accepted || login == LoginEvidence::TokenIssued && checks_passwords(host)
}

/// Whether the registry is known to respond the same way for an image that is forbidden and one that is missing.
pub fn does_not_distinguish_missing(host: &str) -> bool {
    matches!(host, "quay.io" | "registry-1.docker.io")
}

/// Whether the registry is known to respond that an image is missing if the user may not see it.
pub fn reports_hidden_as_missing(host: &str) -> bool {
    matches!(host, "ghcr.io" | "gcr.io") || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev")
}

/// Whether the registry is known to issue tokens only for right passwords.
fn checks_passwords(host: &str) -> bool {
    let known = ["quay.io", "registry-1.docker.io", "ghcr.io", "registry.redhat.io", "gcr.io", "public.ecr.aws"];
    // The names are compared with their dot, so that `quay.io.example.com` is not mistaken for a known registry.
    known.contains(&host) || [".gcr.io", ".pkg.dev", ".redhat.io"].iter().any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_for_a_manifest() {
        use LoginEvidence::{Accepted, Anonymous, CredentialSent, NotRequired, TokenIssued};
        use Verdict::{NoPermission, NotFound, NotProved, Proved, Refused};
        let all = [NotRequired, CredentialSent, TokenIssued, Accepted, Anonymous];
        let table = [
            (200, [Some(NotProved), Some(Proved), Some(Proved), Some(Proved), Some(Refused)]),
            (401, [None, Some(Refused), Some(NoPermission), Some(NoPermission), Some(Refused)]),
            (403, [None, Some(NoPermission), Some(NoPermission), Some(NoPermission), Some(Refused)]),
            (404, [Some(NotFound), Some(NotFound), Some(NotFound), Some(NotFound), Some(Refused)]),
            (400, [None, Some(Refused), None, None, Some(Refused)]),
            (429, [None, None, None, None, Some(Refused)]),
            (500, [None, None, None, None, Some(Refused)]),
            (302, [None, None, None, None, Some(Refused)]),
        ];
        for (status, verdicts) in table {
            let found = all.map(|login| verdict_of_manifest("registry.example.com", login, status));
            assert_eq!(found, verdicts, "{status}");
        }
        assert_eq!(verdict_of_manifest("public.ecr.aws", TokenIssued, 400), Some(NoPermission));
    }

    #[test]
    fn every_status_for_a_login_without_image() {
        use LoginEvidence::{Accepted, Anonymous, CredentialSent, NotRequired, TokenIssued};
        use Verdict::{NoPermission, NotProved, Proved, Refused};
        let all = [NotRequired, CredentialSent, TokenIssued, Accepted, Anonymous];
        let refused = [None, Some(Refused), Some(Refused), Some(NoPermission), Some(Refused)];
        let table = [
            (200, [Some(NotProved), Some(Proved), Some(Proved), Some(Proved), Some(Refused)]),
            (400, [None, Some(Refused), None, None, Some(Refused)]),
            (401, refused),
            (403, refused),
            (404, [None, None, None, None, Some(Refused)]),
            (503, [None, None, None, None, Some(Refused)]),
        ];
        for (status, verdicts) in table {
            assert_eq!(all.map(|login| verdict_of_login("registry.example.com", login, status)), verdicts, "{status}");
        }
        // A registry that checks passwords issues a token only for a right one, so a 401 cannot be about the password.
        assert_eq!(verdict_of_login("ghcr.io", TokenIssued, 401), Some(NoPermission));
        assert_eq!(verdict_of_login("ghcr.io", CredentialSent, 401), Some(Refused));
    }

    #[test]
    fn well_known_registries() {
        for (host, same_response, hidden_as_missing, checks) in [
            ("quay.io", true, false, true),
            ("registry-1.docker.io", true, false, true),
            ("ghcr.io", false, true, true),
            ("gcr.io", false, true, true),
            ("registry.redhat.io", false, false, true),
            ("europe-docker.pkg.dev", false, true, true),
            ("eu.gcr.io", false, true, true),
            ("quay.io.example.com", false, false, false),
            ("harbor.example.com", false, false, false),
        ] {
            let known = (does_not_distinguish_missing(host), reports_hidden_as_missing(host), checks_passwords(host));
            assert_eq!(known, (same_response, hidden_as_missing, checks), "{host}");
        }
    }
}

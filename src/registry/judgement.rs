//! What a status says of a credential. Pure: the table of verdicts, and what is known of single registries.

use crate::facts::Verdict;

/// What is known of the login when an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// The registry asked for none.
    NotAsked,
    /// User and password went along with the request itself.
    Presented,
    /// A token was issued; it does not say to whom.
    Issued,
    /// The registry took the password, or the token names its user.
    Accepted,
    /// A token was issued to nobody, although a user asked for it.
    Nobody,
}

/// What the answer for a manifest says; `None` if its status has no place in the flow.
pub(super) fn of_manifest(host: &str, login: Login, status: u16) -> Option<Verdict> {
    Some(match (status, login) {
        (200..=299, Login::NotAsked | Login::Nobody) => Verdict::NotProved,
        (200..=299, _) => Verdict::Proved,
        (404, _) => Verdict::NotFound,
        (_, Login::NotAsked) => return None,
        (401, Login::Presented) | (401 | 403, Login::Nobody) => Verdict::Refused,
        (401 | 403, _) => Verdict::NoPermission,
        // Amazon's public registry says 400 for what others say 403 for.
        (400, Login::Issued | Login::Accepted) if host == "public.ecr.aws" => Verdict::NoPermission,
        _ => return None,
    })
}

/// What the answer of `/v2/` says to a login that is all there is to prove.
pub(super) fn of_login(login: Login, status: u16) -> Option<Verdict> {
    Some(match (status, login) {
        (200..=299, Login::NotAsked | Login::Nobody) => Verdict::NotProved,
        (200..=299, _) => Verdict::Proved,
        (_, Login::NotAsked) => return None,
        (401 | 403, Login::Accepted) => Verdict::NoPermission,
        (401 | 403, _) => Verdict::Refused,
        _ => return None,
    })
}

/// Whether the registry is known to give the same answer for an image that is forbidden and one that is missing.
pub(super) fn hides_images(host: &str) -> bool {
    matches!(host, "quay.io" | "registry-1.docker.io")
}

/// Whether the registry is known to give a token to the right password only.
pub(super) fn checks_passwords(host: &str) -> bool {
    let known = ["quay.io", "registry-1.docker.io", "ghcr.io", "registry.redhat.io", "gcr.io", "public.ecr.aws"];
    known.contains(&host) || [".gcr.io", ".pkg.dev", ".redhat.io"].iter().any(|domain| host.ends_with(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_a_manifest() {
        use Login::{Accepted, Issued, Nobody, NotAsked, Presented};
        use Verdict::{NoPermission, NotFound, NotProved, Proved, Refused};
        let all = [NotAsked, Presented, Issued, Accepted, Nobody];
        let table = [
            (200, [Some(NotProved), Some(Proved), Some(Proved), Some(Proved), Some(NotProved)]),
            (401, [None, Some(Refused), Some(NoPermission), Some(NoPermission), Some(Refused)]),
            (403, [None, Some(NoPermission), Some(NoPermission), Some(NoPermission), Some(Refused)]),
            (404, [Some(NotFound); 5]),
            (400, [None; 5]),
            (429, [None; 5]),
            (500, [None; 5]),
            (302, [None; 5]),
        ];
        for (status, verdicts) in table {
            let found = all.map(|login| of_manifest("registry.example.com", login, status));
            assert_eq!(found, verdicts, "{status}");
        }
        assert_eq!(of_manifest("public.ecr.aws", Issued, 400), Some(NoPermission));
    }

    #[test]
    fn every_status_of_a_mere_login() {
        use Login::{Accepted, Issued, Nobody, NotAsked, Presented};
        use Verdict::{NoPermission, NotProved, Proved, Refused};
        let all = [NotAsked, Presented, Issued, Accepted, Nobody];
        let refused = [None, Some(Refused), Some(Refused), Some(NoPermission), Some(Refused)];
        let table = [
            (200, [Some(NotProved), Some(Proved), Some(Proved), Some(Proved), Some(NotProved)]),
            (401, refused),
            (403, refused),
            (404, [None; 5]),
            (503, [None; 5]),
        ];
        for (status, verdicts) in table {
            assert_eq!(all.map(|login| of_login(login, status)), verdicts, "{status}");
        }
    }

    #[test]
    fn registries_that_are_known() {
        for (host, hides, checks) in [
            ("quay.io", true, true),
            ("registry-1.docker.io", true, true),
            ("ghcr.io", false, true),
            ("registry.redhat.io", false, true),
            ("europe-docker.pkg.dev", false, true),
            ("eu.gcr.io", false, true),
            ("quay.io.example.com", false, false),
            ("harbor.example.com", false, false),
        ] {
            assert_eq!((hides_images(host), checks_passwords(host)), (hides, checks), "{host}");
        }
    }
}

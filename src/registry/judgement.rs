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
        // Whatever is shown to nobody: the password was not taken.
        (_, Login::Nobody) => Verdict::Refused,
        (200..=299, Login::NotAsked) => Verdict::NotProved,
        (200..=299, _) => Verdict::Proved,
        (404, _) => Verdict::NotFound,
        (_, Login::NotAsked) => return None,
        // Amazon says 400 to a password of another region, and its public registry for what others say 403 for.
        (400 | 401, Login::Presented) => Verdict::Refused,
        (401 | 403, _) => Verdict::NoPermission,
        (400, Login::Issued | Login::Accepted) if host == "public.ecr.aws" => Verdict::NoPermission,
        _ => return None,
    })
}

/// What the answer of `/v2/` says to a login; `None` if it says nothing of it.
pub(super) fn of_login(host: &str, login: Login, status: u16) -> Option<Verdict> {
    Some(match (status, login) {
        (_, Login::Nobody) => Verdict::Refused,
        (200..=299, Login::NotAsked) => Verdict::NotProved,
        (200..=299, _) => Verdict::Proved,
        (_, Login::NotAsked) => return None,
        (401 | 403, _) if is_good(host, login) => Verdict::NoPermission,
        (401 | 403, _) | (400, Login::Presented) => Verdict::Refused,
        _ => return None,
    })
}

/// Whether the password was right, whatever it may be allowed to do.
pub(super) fn is_good(host: &str, login: Login) -> bool {
    login == Login::Accepted || login == Login::Issued && checks_passwords(host)
}

/// Whether the registry is known to give the same answer for an image that is forbidden and one that is missing.
pub(super) fn hides_images(host: &str) -> bool {
    matches!(host, "quay.io" | "registry-1.docker.io")
}

/// Whether the registry is known to say that an image is missing where the user may not see it.
pub(super) fn denies_images(host: &str) -> bool {
    matches!(host, "ghcr.io" | "gcr.io") || host.ends_with(".gcr.io") || host.ends_with(".pkg.dev")
}

/// Whether the registry is known to give a token to the right password only.
fn checks_passwords(host: &str) -> bool {
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
            (200, [Some(NotProved), Some(Proved), Some(Proved), Some(Proved), Some(Refused)]),
            (400, [None, Some(Refused), None, None, Some(Refused)]),
            (401, refused),
            (403, refused),
            (404, [None, None, None, None, Some(Refused)]),
            (503, [None, None, None, None, Some(Refused)]),
        ];
        for (status, verdicts) in table {
            assert_eq!(all.map(|login| of_login("registry.example.com", login, status)), verdicts, "{status}");
        }
        // A token of who checks passwords is a good one: what is refused then is no password.
        assert_eq!(of_login("ghcr.io", Issued, 401), Some(NoPermission));
        assert_eq!(of_login("ghcr.io", Presented, 401), Some(Refused));
    }

    #[test]
    fn registries_that_are_known() {
        for (host, hides, denies, checks) in [
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
            let known = (hides_images(host), denies_images(host), checks_passwords(host));
            assert_eq!(known, (hides, denies, checks), "{host}");
        }
    }
}

//! The last line of a run: one sentence with the result, including whether the old credentials must stay valid.

use indexmap::IndexMap;

use super::plural::plural;
use super::vantage;
use crate::event::{Command, Counts, Outcome, Recap};
use crate::facts::Verdict;
use crate::report::ExitStatus;

/// The last line of a run: one sentence with the result. The sentence must also be correct if something could not be
/// checked.
pub(super) fn conclusion(command: Option<Command>, recap: &Recap) -> Option<String> {
    let command = command?;
    // The event of the interruption was already printed, and a count of the changes would look like a complete result.
    if recap.status == ExitStatus::Interrupted as u8 {
        return None;
    }
    // An inventory without registries is an error, so no row means that none could be contacted.
    let not_permitted = recap.registries.is_empty() || recap.registries.iter().any(|row| !row.verdict.permits_run());
    let object_failed = recap.objects.iter().any(|row| row.outcome == Outcome::Failed);
    let stopped = not_permitted || recap.status == ExitStatus::Error as u8;
    Some(match command {
        Command::Validate if recap.registries.is_empty() => "no credential could be proved".to_owned(),
        Command::Validate => format!("{}{}", proved(recap), vantage::from(recap)),
        Command::Login => log_in(recap),
        Command::Plan if stopped || object_failed => {
            "`apply` would change nothing until the errors above are fixed".to_owned()
        }
        Command::Plan => format!("`apply` would write {}{}", written(recap), not_checked(recap)),
        Command::Apply if stopped => "nothing was changed".to_owned(),
        Command::Apply if object_failed => "no node was changed".to_owned(),
        // Nodes that were not checked may have old credentials, so the result must not be called up to date.
        Command::Apply if changes(recap) == (0, 0) && incomplete(recap) == 0 => {
            "no changes: already up to date".to_owned()
        }
        Command::Apply => format!("{} written and read back{}", written(recap), without_credentials(recap)),
    })
}

/// How many credentials are proved, each by at least one image; if some have several images, also the number of images.
fn proved(recap: &Recap) -> String {
    let mut credentials: IndexMap<(&str, &str), bool> = IndexMap::new();
    let (mut images, mut shown) = (0, 0);
    for row in vantage::credentials(recap) {
        let good = row.verdict == Verdict::Proved;
        // One image is enough: the others may be missing or forbidden although the password is correct.
        *credentials.entry((&row.host, &row.user)).or_default() |= good;
        images += 1;
        shown += usize::from(good);
    }
    let (good, all) = (credentials.values().filter(|good| **good).count(), credentials.len());
    let of_images = if images > all { format!(" by {shown} of {images} images") } else { String::new() };
    format!("{good} of {all} credentials proved{of_images}")
}

/// The result of a login. If there is no row, the registry was not contacted.
fn log_in(recap: &Recap) -> String {
    let counts: Counts = recap.hosts.values().copied().next().unwrap_or_default();
    match (recap.registries.first(), counts) {
        (Some(row), Counts { changed: 1, .. }) => format!("the login of `{}` to `{}` is saved", row.user, row.host),
        (Some(_), Counts { ok: 1, .. }) if recap.status == ExitStatus::Done as u8 => {
            "no changes: the file is already up to date".to_owned()
        }
        _ => "nothing was changed".to_owned(),
    }
}

/// How many secrets and files were, or would be, written.
fn changes(recap: &Recap) -> (usize, usize) {
    let written = |outcome: Outcome| matches!(outcome, Outcome::Created | Outcome::Updated);
    let secrets = recap.objects.iter().filter(|row| written(row.outcome)).count();
    (secrets, recap.hosts.values().map(|counts| counts.changed).sum())
}

/// The same in words.
fn written(recap: &Recap) -> String {
    match changes(recap) {
        (0, 0) => "nothing".to_owned(),
        (secrets, 0) => plural(secrets, "secret"),
        (0, files) => plural(files, "file"),
        (secrets, files) => format!("{} and {}", plural(secrets, "secret"), plural(files, "file")),
    }
}

fn not_checked(recap: &Recap) -> String {
    match incomplete(recap) {
        0 => String::new(),
        nodes => format!("; {nodes} of {} could not be fully checked", plural(recap.hosts.len(), "node")),
    }
}

fn without_credentials(recap: &Recap) -> String {
    match incomplete(recap) {
        0 => String::new(),
        nodes => {
            let all = plural(recap.hosts.len(), "node");
            format!("; {nodes} of {all} may not have the credentials: keep the old ones valid")
        }
    }
}

/// How many nodes were not completely checked or written.
fn incomplete(recap: &Recap) -> usize {
    recap.hosts.values().filter(|counts| counts.unreachable + counts.failed + counts.skipped > 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::RegistryRow;

    fn row(host: &str, user: &str, verdict: Verdict) -> RegistryRow {
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

    #[test]
    fn credentials_are_counted_and_so_are_their_images() {
        use Verdict::{NotFound, Proved, Refused};
        type Rows = &'static [(&'static str, &'static str, Verdict)];
        let cases: [(Rows, &str); 5] = [
            (&[("a", "u", Proved)], "1 of 1 credentials proved"),
            (&[("a", "u", Refused), ("a", "u", Refused)], "0 of 1 credentials proved by 0 of 2 images"),
            (&[("a", "u", Proved), ("a", "u", NotFound)], "1 of 1 credentials proved by 1 of 2 images"),
            (&[("a", "u", Proved), ("b", "u", Refused)], "1 of 2 credentials proved"),
            (&[("a", "u", Proved), ("a", "v", Refused)], "1 of 2 credentials proved"),
        ];
        for (rows, expected) in cases {
            let recap = Recap {
                registries: rows.iter().map(|(host, user, verdict)| row(host, user, *verdict)).collect(),
                ..Recap::default()
            };
            assert_eq!(conclusion(Some(Command::Validate), &recap).as_deref(), Some(expected));
        }
    }
}

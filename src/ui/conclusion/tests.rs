//! The last lines of runs.

use super::*;
use crate::event::registry_row as row;
use crate::facts::ObjectName;

#[test]
fn a_limit_can_be_pasted_into_a_shell_and_selects_these_hosts() {
    let counts = Counts { failed: 1, ..Counts::default() };
    let limit = |hosts: &[&str], file| limit(&hosts.iter().map(|host| (*host, &counts)).collect::<Vec<_>>(), file);
    assert_eq!(limit(&["n1", "n2.example.com"], None), "`--limit n1,n2.example.com`");
    assert_eq!(limit(&["fe80::1"], None), "`--limit fe80::1,`");
    assert_eq!(limit(&["it's", "n 2"], None), r"`--limit 'it'\''s,n 2'`");
    let eleven: Vec<String> = (1..=11).map(|number| format!("n{number}")).collect();
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    let names = "(n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, … (+1))";
    assert_eq!(limit(&eleven, Some("my file")), format!("`--limit '@my file'` {names}"));
    assert_eq!(limit(&eleven, None), format!("`--limit @FILE`, which `--retry-file FILE` writes {names}"));
}

#[test]
fn a_pool_is_not_an_object_that_was_written() {
    use Outcome::{Failed, Skipped, Unchanged, Updated};
    let conclude = |command, secret, pools: &[Outcome], status| {
        let pool = |outcome: &Outcome| (ObjectName::new(ObjectKind::MachineConfigPool, "", "worker"), *outcome);
        let rows = [(ObjectName::secret("openshift-config", "pull-secret"), secret)];
        let rows = rows.into_iter().chain(pools.iter().map(pool));
        let recap = Recap {
            registries: vec![row("a", "u", Verdict::Proved)],
            objects: rows.map(|(object, outcome)| ObjectSummary { object, outcome }).collect(),
            status: status as u8,
            ..Recap::default()
        };
        (sentence(Some(command), &recap, None).unwrap(), has_news(&recap))
    };
    let (done, pending, failed) = (ExitStatus::Done, ExitStatus::ChangesPending, ExitStatus::Failed);
    for (command, secret, pools, status, text) in [
        (
            Command::Plan,
            Updated,
            &[Updated, Updated][..],
            pending,
            "`apply` would write 1 secret, and follow the rollout to 2 pools",
        ),
        (
            Command::Plan,
            Unchanged,
            &[Updated],
            pending,
            "`apply` would write nothing, and follow the rollout to 1 pool",
        ),
        (Command::Apply, Updated, &[Updated, Unchanged], done, "1 secret written and read back; rolled out to 1 pool"),
        (Command::Apply, Unchanged, &[Updated], done, "nothing was changed; rolled out to 1 pool"),
        (
            Command::Apply,
            Updated,
            &[Updated, Failed],
            failed,
            "1 secret written and read back; the rollout has not ended: pool `worker` failed; fix the errors above, then run again",
        ),
        (
            Command::Apply,
            Skipped,
            &[Failed],
            failed,
            "no node was changed: pool `worker` failed; fix the errors above, then run again",
        ),
        (
            Command::Apply,
            Failed,
            &[Skipped],
            failed,
            "no node was changed: secret `openshift-config/pull-secret` failed; fix the errors above, then run again",
        ),
    ] {
        assert_eq!(conclude(command, secret, pools, status), (text.to_owned(), true));
    }
    let unchanged = conclude(Command::Apply, Unchanged, &[Unchanged], done);
    assert_eq!(unchanged, ("no changes: already up to date".to_owned(), false));
}

#[test]
fn nodes_are_written_after_an_import_that_failed_and_before_the_removals() {
    use Outcome::{Deleted, Failed, NotProved, Proved, Skipped, Updated};
    let counts = |ok, changed, failed, skipped| Counts { ok, changed, failed, skipped, ..Counts::default() };
    let conclude = |secret, import, removed, node| {
        let import_name = ObjectName::new(ObjectKind::ImageStreamImport, "a", "r/app:1");
        let rows =
            [(ObjectName::secret("a", "s"), secret), (import_name, import), (ObjectName::secret("a", "old"), removed)];
        let recap = Recap {
            registries: vec![row("a", "u", Verdict::Proved)],
            objects: rows.map(|(object, outcome)| ObjectSummary { object, outcome }).into(),
            hosts: [("n".to_owned(), node)].into(),
            status: ExitStatus::Failed as u8,
        };
        sentence(Some(Command::Apply), &recap, None).unwrap()
    };
    let (written, same) = (counts(2, 1, 0, 0), counts(2, 0, 0, 0));
    for (secret, import, removed, node, text) in [
        (
            Updated,
            Failed,
            Skipped,
            written,
            "1 secret and 1 file written and read back; import `a/r/app:1` failed; keep the old credentials valid, fix \
             the errors above, then run again",
        ),
        (
            Outcome::Unchanged,
            Failed,
            Skipped,
            same,
            "nothing was changed; import `a/r/app:1` failed; keep the old credentials valid, fix the errors above, then \
             run again",
        ),
        (
            Updated,
            Failed,
            Skipped,
            counts(1, 0, 1, 0),
            "1 secret written and read back; import `a/r/app:1` failed; of 1 node, 1 failed: keep the old credentials \
             valid, fix the errors above, then run again with `--limit n`",
        ),
        (
            Failed,
            NotProved,
            Skipped,
            counts(1, 0, 0, 1),
            "no node was changed: secret `a/s` failed; fix the errors above, then run again",
        ),
        (
            Updated,
            Proved,
            Failed,
            written,
            "1 secret and 1 file written and read back; secret `a/old` failed; fix the errors above, then run again",
        ),
        (
            Deleted,
            Proved,
            Failed,
            same,
            "1 secret written and read back; no node was changed: secret `a/old` failed; fix the errors above, then run again",
        ),
    ] {
        assert_eq!(conclude(secret, import, removed, node), text);
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
        let text = sentence(Some(Command::Validate), &recap, None).unwrap();
        assert!(text.starts_with(expected), "{text}");
    }
}

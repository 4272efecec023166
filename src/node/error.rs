//! The failures of a node: of connecting, and of single files. `hint` has their hints. It does no I/O.

use super::WriteFailure;
use super::hint::{ConnectProblem, Privileges, SystemError};
use super::protocol::{UnusableReason, WriteOutcome, WriteStage};
use crate::facts::{FileAccess, FileFault};
use crate::failure::Failure;

/// Why there is no connection to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConnectError {
    pub(super) problem: ConnectProblem,
    /// Why it failed, without the address: equal for all nodes with this problem.
    pub(super) summary: String,
    /// What was tried and why it failed.
    pub(super) cause: String,
}

impl ConnectError {
    pub(super) fn new(problem: ConnectProblem, summary: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { problem, summary: summary.into(), cause: cause.into() }
    }
}

/// The failure of a node that cannot be connected to.
pub(super) fn unreachable(label: &dyn std::fmt::Display, error: ConnectError) -> Failure {
    let failure = Failure::new(format!("could not reach {label}")).cause(error.cause).summary(error.summary);
    failure.hint(error.problem.hint())
}

/// The failure of a node that does not have a tool that the script needs.
pub(super) fn missing_tool(node: &str, tool: &str) -> Failure {
    // `cmp` is the only tool of the script that is not part of coreutils.
    let package = if tool == "cmp" { "diffutils (or busybox)" } else { "coreutils (or busybox)" };
    Failure::new(format!("{node} has no `{tool}`"))
        .summary(format!("`{tool}` is not installed"))
        .hint(format!("install {package} on the node"))
}

/// The fault of a file that cannot be managed. `text` is the message of the system, or the path that is the problem.
pub(super) fn unusable(reason: UnusableReason, text: &str, privileges: Privileges) -> FileFault {
    let failure = match reason {
        UnusableReason::Directory => Failure::new("is a directory"),
        UnusableReason::Special => Failure::new("is not a regular file"),
        UnusableReason::TooLarge => Failure::new("is larger than 1 MiB"),
        UnusableReason::LineBreak => Failure::new("leads to a path that contains a line break"),
        UnusableReason::DanglingLink => {
            Failure::new("is a link into a directory that does not exist").cause(format!("it leads to `{text}`"))
        }
        UnusableReason::Mounted => Failure::new("is a bind mount of a single file, which cannot be replaced"),
        UnusableReason::Blocked => Failure::new("cannot exist").cause(format!("`{text}` is not a directory")),
        UnusableReason::Denied => Failure::new("cannot be read").cause("Permission denied"),
        UnusableReason::Unreadable => Failure::new("cannot be read").cause(reported(text)),
        UnusableReason::Changing => Failure::new("was changed while it was examined"),
        UnusableReason::Incomplete => Failure::new("cannot be read")
            .cause("reading failed before the end of the file, which may have been removed at that moment"),
    };
    let access = match (reason, privileges) {
        (UnusableReason::Denied, Privileges::User) => FileAccess::OnlyRoot,
        _ => FileAccess::Granted,
    };
    FileFault { access, ..FileFault::from(failure.hint(reason.hint(text, privileges))) }
}

/// The message of the system. Some tools of busybox fail without one.
fn reported(text: &str) -> &str {
    if text.is_empty() { "the node reported no reason" } else { text }
}

/// Whether a file was written, and the failure if it was not.
pub(super) fn check_written(path: &str, outcome: &WriteOutcome, privileges: Privileges) -> Result<(), WriteFailure> {
    let failure = match outcome {
        WriteOutcome::Written => return Ok(()),
        // This is not a failure yet, because the caller can plan again with the new content.
        WriteOutcome::Changed => return Err(WriteFailure::Conflict),
        WriteOutcome::Locked(process) => Failure::new(format!("`{path}` is locked by process {process} of the node"))
            .hint("another run is writing it: run again when it has finished"),
        WriteOutcome::Failed { stage, text } => {
            let task = match stage {
                WriteStage::Directory => "create its directory",
                WriteStage::Temporary | WriteStage::Private => "create a private directory next to it",
                WriteStage::Write => "write the new content next to it",
                WriteStage::Payload => "store the new content on the node",
                WriteStage::Owner => "set the owner of the new file",
                WriteStage::Mode => "set the mode of the new file",
                WriteStage::Lock => "lock it",
                WriteStage::Compare => "compare it with what was read",
                WriteStage::Rename => "rename the new file to it",
            };
            let failure = Failure::new(format!("`{path}` could not be written"));
            let failure = failure.cause(format!("cannot {task}: {}", reported(text)));
            if *stage == WriteStage::Private {
                failure.hint("check that its file system stores owners and modes, and that NFS does not squash root")
            } else {
                let error = SystemError::of(text, privileges);
                // The cause contains the name of a temporary file, which is different on each node.
                let summary = error.text().map(|message| format!("{}: {message}", failure.message));
                let failure = failure.hint(error.hint());
                match summary {
                    Some(summary) => failure.summary(summary),
                    None => failure,
                }
            }
        }
    };
    Err(WriteFailure::Failed(failure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::hint::tests::all;

    #[test]
    fn an_unreachable_node_comes_with_a_hint() {
        let hint = |problem, cause: &str| {
            let error = ConnectError { problem, summary: String::new(), cause: cause.to_owned() };
            unreachable(&"`n`", error).hint
        };
        let unresolved = ConnectProblem::UnresolvedName;
        let name = hint(unresolved, "`n` does not resolve: Name or service not known");
        assert!(name.unwrap().contains("`ansible_host`"));
        let banner = hint(ConnectProblem::NotSsh, "SSH handshake: Failed getting banner");
        assert!(banner.unwrap().contains("`ansible_port`"));
        assert!(hint(ConnectProblem::TooManyFiles, "`n` does not resolve").unwrap().contains("ulimit"));
        assert!(
            hint(ConnectProblem::NoResponse, "10.0.0.1:22: no response within 3.0 s").unwrap().contains("--timeout")
        );
        let error = std::io::Error::from_raw_os_error(24);
        assert_eq!(crate::failure::without_errno(&error), "Too many open files");
    }

    #[test]
    fn the_hint_belongs_to_the_message() {
        let failed = |stage, text: &str| WriteOutcome::Failed { stage, text: text.to_owned() };
        let text = "mv: cannot move 'x' to 'y': Device or resource busy";
        let unwritten = |outcome: &WriteOutcome, privileges| match check_written("/a", outcome, privileges) {
            Err(WriteFailure::Failed(failure)) => failure,
            other => panic!("{other:?}"),
        };
        let busy = unwritten(&failed(WriteStage::Rename, text), Privileges::Root);
        assert!(busy.hint.unwrap().contains("mount point"));
        let unknown = unwritten(&failed(WriteStage::Lock, "what?"), Privileges::Root);
        assert_eq!(unknown.causes, ["cannot lock it: what?"]);
        assert!(unknown.hint.unwrap().contains("journalctl"));
        let silent = unwritten(&failed(WriteStage::Compare, ""), Privileges::Root);
        assert_eq!(silent.causes, ["cannot compare it with what was read: the node reported no reason"]);
        let shared = unwritten(&failed(WriteStage::Private, "/.a.x"), Privileges::Root);
        assert!(shared.hint.unwrap().contains("stores owners and modes"));
        assert_eq!(check_written("/a", &WriteOutcome::Written, Privileges::Root), Ok(()));
        let changed = check_written("/a", &WriteOutcome::Changed, Privileges::Root);
        assert_eq!(changed, Err(WriteFailure::Conflict));
        let denied = failed(WriteStage::Owner, "chown: 'x': Operation not permitted");
        for (privileges, hint) in [(Privileges::User, "ansible_become"), (Privileges::Root, "lsattr")] {
            assert!(unwritten(&denied, privileges).hint.unwrap().contains(hint));
        }
    }
    #[test]
    fn every_stage_of_a_write_has_a_task_and_a_hint() {
        use WriteStage::*;
        let stages = all(Directory, |stage| match stage {
            Directory => Some(Temporary),
            Temporary => Some(Private),
            Private => Some(Payload),
            Payload => Some(Write),
            Write => Some(Owner),
            Owner => Some(Mode),
            Mode => Some(Lock),
            Lock => Some(Compare),
            Compare => Some(Rename),
            Rename => None,
        });
        for stage in stages {
            for privileges in [Privileges::Root, Privileges::User] {
                for text in ["", "what?", "cp: x: No space left on device", "mv: x: Permission denied"] {
                    let outcome = WriteOutcome::Failed { stage, text: text.to_owned() };
                    let Err(WriteFailure::Failed(failure)) = check_written("/a", &outcome, privileges) else {
                        panic!("{stage:?}");
                    };
                    assert!(failure.causes[0].starts_with("cannot "), "{failure:?}");
                    assert!(failure.hint.as_ref().is_some_and(|hint| hint.len() > 15), "{failure:?}");
                }
            }
        }
        let locked = check_written("/a", &WriteOutcome::Locked("7".to_owned()), Privileges::Root);
        assert!(matches!(locked, Err(WriteFailure::Failed(Failure { hint: Some(_), .. }))));
    }
}

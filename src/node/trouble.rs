//! What to say of a file, of sudo and of a shell that does not do as it is told: one place for all words.

use super::protocol::{Outcome, tidy};
use crate::desired::{Connection, Escalation};
use crate::failure::Failure;

/// As whom the script acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    /// Root, who is refused nothing for lack of rights.
    Root,
    /// A user.
    User,
}

impl Power {
    pub(super) fn of(connection: &Connection) -> Self {
        match connection.escalation {
            Escalation::Sudo { .. } => Self::Root,
            Escalation::None if connection.user == "root" => Self::Root,
            Escalation::None => Self::User,
        }
    }
}

/// A node that could not be connected to.
pub(super) fn unreachable(label: &dyn std::fmt::Display, cause: String) -> Failure {
    let hints = [
        ("Too many open files", "raise the limit with `ulimit -n`, or lower `--forks`"),
        ("does not resolve", "check `ansible_host`, and this machine's DNS and /etc/hosts"),
        ("connection refused", "is sshd running there, and is `ansible_port` its port?"),
        ("banner", "is `ansible_port` the port of an SSH server?"),
    ];
    let hint = hints.iter().find(|(words, _)| cause.contains(words)).map(|(_, hint)| (*hint).to_owned());
    Failure { hint, ..Failure::new(format!("could not reach {label}")).cause(cause) }
}

/// A node without a tool that the script needs.
pub(super) fn missing(node: &str, tool: &str) -> Failure {
    let package = if tool == "cmp" { "diffutils (or busybox)" } else { "coreutils (or busybox)" };
    Failure::new(format!("{node} has no `{tool}`")).hint(format!("install {package} on the node"))
}

/// A file that cannot be managed, by the script's word for the kind of trouble.
pub(super) fn unusable(path: &str, kind: &str, text: &str, power: Power) -> Failure {
    match kind {
        "directory" => Failure::new(format!("`{path}` is a directory")),
        "special" => Failure::new(format!("`{path}` is not a regular file")),
        "large" => Failure::new(format!("`{path}` is larger than 1 MiB")),
        "newline" => Failure::new(format!("`{path}` leads to a name that holds a line break")),
        "dangling" => Failure::new(format!("`{path}` is a link into a directory that does not exist"))
            .cause(format!("it leads to `{text}`"))
            .hint("make that directory, or remove the link"),
        "mounted" => Failure::new(format!("`{path}` is a bind mount of a single file, which cannot be replaced"))
            .hint("mount the directory of the file instead"),
        "blocked" => Failure::new(format!("`{path}` cannot exist")).cause(format!("`{text}` is not a directory")),
        _ => advise(Failure::new(format!("`{path}` cannot be read")).cause(text), text, power),
    }
}

/// A file that was not written; `None` where it was.
pub(super) fn unwritten(path: &str, outcome: &Outcome, power: Power) -> Option<Failure> {
    let failure = match outcome {
        Outcome::Written => return None,
        Outcome::Changed => {
            Failure::new(format!("`{path}` was changed by someone else since it was read")).hint("run again")
        }
        Outcome::Locked(process) => Failure::new(format!("`{path}` is locked by process {process} of the node"))
            .hint("another run is writing it: run again when that one is over"),
        Outcome::Error { stage, text } => {
            let doing = match stage.as_str() {
                "directory" => "make its directory",
                "temp" => "make a file beside it",
                "write" => "write the new content beside it",
                "payload" => "store what is to be written on this node",
                "owner" => "give the new file its owner",
                "mode" => "give the new file its mode",
                "lock" => "lock it",
                "compare" => "compare it with what was read",
                "rename" => "rename the new file over it",
                _ => "find it",
            };
            let failure = Failure::new(format!("`{path}` could not be written"));
            advise(failure.cause(format!("cannot {doing}: {text}")), text, power)
        }
    };
    Some(failure)
}

/// Adds what helps against the system's message `text`, if something is known to.
fn advise(failure: Failure, text: &str, power: Power) -> Failure {
    let denied = match power {
        Power::User => "log in as root, or set `ansible_become: true`",
        Power::Root => {
            "root is kept off by an immutable attribute (`lsattr`), by SELinux (`ausearch -m avc`) or by an NFS \
             server that squashes root"
        }
    };
    let hint = [
        ("Permission denied", denied),
        ("Operation not permitted", denied),
        ("is not ours alone", "does its file system keep owners and modes, and does NFS squash root?"),
        ("Read-only file system", "mount it writable, or set `docker_auth_credentials_path` to a place that is"),
        ("No space left", "free some space there"),
        ("Disk quota exceeded", "free some space there"),
        ("resource busy", "the file is a mount point of its own: mount its directory instead"),
        ("Too many levels", "the link leads back to itself: remove it"),
        ("not found", "install the missing tool on the node"),
    ];
    match hint.iter().find(|(words, _)| text.contains(words)) {
        Some((_, hint)) => failure.hint(*hint),
        None => failure,
    }
}

/// sudo's refusal in what it printed; `None` where it does not look like one. `node` is its label.
pub(super) fn sudo_refusal(node: &str, printed: &str) -> Option<Failure> {
    let has = |words: &str| printed.contains(words);
    let failure = |cause: &str| Failure::new(format!("sudo refused on {node}")).cause(cause);
    let said = failure(&first_of(printed));
    let password = "give the password with `ansible_become_password` or `-K`, or allow the user NOPASSWD";
    let entry = "add the user to sudoers, or use another `ansible_user`";
    Some(if has("must have a tty") {
        said.hint("add `Defaults:USER !requiretty` to sudoers")
    } else if has("a password is required") || has("a terminal is required") || has("no tty present") {
        failure("it wants a password").hint(password)
    } else if has("Sorry, try again") || has("incorrect password attempt") || has("no password was provided") {
        wrong_password(node)
    } else if has("not in the sudoers file") || has("may not run sudo") {
        failure("the user is not in the sudoers file").hint(entry)
    } else if has("is not allowed to execute") || has("is not allowed to run sudo") {
        // sudo repeats the whole command; nobody wants to read it here.
        failure("the user is not allowed to run `sh` as root").hint(entry)
    } else if has("sudo: not found") || has("sudo: command not found") || has("sudo: No such file") {
        failure("it is not installed").hint("install sudo, or log in as root without `ansible_become`")
    } else if printed.lines().any(|line| line.starts_with("sudo:") || line.contains(" sudo: ")) {
        said
    } else {
        return None;
    })
}

/// sudo asked for the password a second time.
pub(super) fn wrong_password(node: &str) -> Failure {
    Failure::new(format!("sudo refused on {node}"))
        .cause("the password is wrong")
        .hint("check `ansible_become_password`")
}

/// The part of sudo's output that begins with its name.
fn first_of(printed: &str) -> String {
    let from = printed.find("sudo:").unwrap_or(0);
    tidy(&printed[from..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_sudo() {
        for (printed, cause) in [
            ("sudo: sorry, you must have a tty to run sudo", "tty"),
            ("sudo: a password is required", "wants a password"),
            ("bob is not in the sudoers file.", "not in the sudoers"),
            ("Sorry, user bob is not allowed to execute '/bin/sh -c exec…' as root on n.", "not allowed to run"),
            ("oregano: 1: exec: sudo: not found", "not installed"),
            ("sudo: 1 incorrect password attempt", "is wrong"),
            ("sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", "setuid"),
        ] {
            let failure = sudo_refusal("`n`", printed).unwrap();
            assert!(failure.causes[0].contains(cause), "{printed}: {failure:?}");
        }
        assert_eq!(sudo_refusal("`n`", "This account is currently not available."), None);
    }

    #[test]
    fn an_unreachable_node_comes_with_advice() {
        let hint = |cause: &str| unreachable(&"`n`", cause.to_owned()).hint;
        assert!(hint("`n` does not resolve: Name or service not known").unwrap().contains("`ansible_host`"));
        assert!(hint("SSH handshake: Failed getting banner").unwrap().contains("`ansible_port`"));
        assert!(hint("`n` does not resolve: Too many open files").unwrap().contains("ulimit"));
        assert_eq!(hint("10.0.0.1:22: no answer within 3.0 s"), None);
        let error = std::io::Error::from_raw_os_error(24);
        assert_eq!(crate::failure::without_errno(&error), "Too many open files");
    }

    #[test]
    fn advice_fits_the_message() {
        let outcome = |stage: &str, text: &str| Outcome::Error { stage: stage.to_owned(), text: text.to_owned() };
        let busy =
            unwritten("/a", &outcome("rename", "mv: cannot move 'x' to 'y': Device or resource busy"), Power::Root)
                .unwrap();
        assert!(busy.hint.unwrap().contains("mount point"));
        let strange = unwritten("/a", &outcome("lock", "what?"), Power::Root).unwrap();
        assert_eq!((strange.causes, strange.hint), (vec!["cannot lock it: what?".to_owned()], None));
        assert_eq!(unwritten("/a", &Outcome::Written, Power::Root), None);
        let denied = outcome("owner", "chown: 'x': Operation not permitted");
        for (power, hint) in [(Power::User, "ansible_become"), (Power::Root, "lsattr")] {
            assert!(unwritten("/a", &denied, power).unwrap().hint.unwrap().contains(hint));
        }
    }
}

//! Why sudo refused to run the script, as far as its text shows it: a closed set of reasons, each with a hint. It does
//! no I/O.

use super::protocol::tidy;
use crate::failure::Failure;

/// The reasons of sudo for which there is a specific hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SudoRefusal {
    /// `requiretty` in sudoers.
    NoTerminal,
    /// There is no password, but one is required.
    PasswordRequired,
    /// The password is wrong.
    WrongPassword,
    /// The user has no entry in sudoers.
    NotInSudoers,
    /// The entry of the user does not include a shell as root.
    NotAllowed,
    /// There is no sudo on the node.
    NotInstalled,
    /// Any other reason.
    Other,
}

/// The texts of sudo 1.8 and 1.9 and of shells. The first one that matches is used.
const TEXTS: [(&str, SudoRefusal); 14] = [
    ("must have a tty", SudoRefusal::NoTerminal),
    ("a password is required", SudoRefusal::PasswordRequired),
    ("a terminal is required", SudoRefusal::PasswordRequired),
    ("no tty present", SudoRefusal::PasswordRequired),
    ("Sorry, try again", SudoRefusal::WrongPassword),
    ("incorrect password attempt", SudoRefusal::WrongPassword),
    ("no password was provided", SudoRefusal::WrongPassword),
    ("not in the sudoers file", SudoRefusal::NotInSudoers),
    ("may not run sudo", SudoRefusal::NotInSudoers),
    ("is not allowed to execute", SudoRefusal::NotAllowed),
    ("is not allowed to run sudo", SudoRefusal::NotAllowed),
    ("sudo: not found", SudoRefusal::NotInstalled),
    ("sudo: command not found", SudoRefusal::NotInstalled),
    ("sudo: No such file", SudoRefusal::NotInstalled),
];

impl SudoRefusal {
    /// The reason for what was printed; `None` if it does not look like a refusal of sudo.
    pub(super) fn of(printed: &str) -> Option<Self> {
        let known = TEXTS.iter().find(|(text, _)| printed.contains(text)).map(|(_, reason)| *reason);
        // The errors of sudo begin with its name. Other output is, for example, from a login shell that refuses to run
        // commands.
        let is_other = || printed.lines().any(|line| line.starts_with("sudo:") || line.contains(" sudo: "));
        known.or_else(|| is_other().then_some(Self::Other))
    }

    /// The cause; `None` if only the text of sudo shows it.
    fn cause(self) -> Option<&'static str> {
        match self {
            Self::NoTerminal => Some("it requires a terminal"),
            Self::PasswordRequired => Some("it requires a password"),
            Self::WrongPassword => Some("the password is wrong"),
            Self::NotInSudoers => Some("the user is not in the sudoers file"),
            // sudo quotes the complete command here, which contains the script.
            Self::NotAllowed => Some("the user is not allowed to run `sh` as root"),
            Self::NotInstalled => Some("it is not installed"),
            Self::Other => None,
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::NoTerminal => "add `Defaults:USER !requiretty` to sudoers",
            Self::PasswordRequired => {
                "set the password with `ansible_become_password` or `-K`, or grant the user NOPASSWD in sudoers"
            }
            Self::WrongPassword => "check `ansible_become_password`",
            Self::NotInSudoers => "add the user to sudoers, or use another `ansible_user`",
            Self::NotAllowed => "allow the user in sudoers to run all commands as root, or use another `ansible_user`",
            Self::NotInstalled => "install sudo, or log in as root without `ansible_become`",
            Self::Other => "run `sudo -l` as this user on the node, and read its log (`journalctl -t sudo`)",
        }
    }

    /// The failure of `node`, as it is named in messages. `printed` is quoted if sudo gives an unknown reason.
    pub(super) fn failure(self, node: &str, printed: &str) -> Failure {
        let failure = Failure::new(format!("sudo refused on {node}")).hint(self.hint());
        match self.cause() {
            Some(cause) => failure.cause(cause).summary(format!("sudo refused: {cause}")),
            None => failure.cause(from_sudo(printed)),
        }
    }
}

/// The output from the point where sudo names itself.
fn from_sudo(printed: &str) -> String {
    // Text before this, such as the banner of a login shell, would hide the reason after the text was shortened.
    let from = printed.find("sudo:").unwrap_or(0);
    tidy(&printed[from..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::hint::tests::{all, check};

    #[test]
    fn refusals_of_sudo() {
        for (printed, reason) in [
            ("sudo: sorry, you must have a tty to run sudo", SudoRefusal::NoTerminal),
            ("sudo: a password is required", SudoRefusal::PasswordRequired),
            ("bob is not in the sudoers file.", SudoRefusal::NotInSudoers),
            ("Sorry, user bob is not allowed to execute '/bin/sh -c exec…' as root on n.", SudoRefusal::NotAllowed),
            ("oregano: 1: exec: sudo: not found", SudoRefusal::NotInstalled),
            ("sudo: 1 incorrect password attempt", SudoRefusal::WrongPassword),
            ("sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", SudoRefusal::Other),
        ] {
            assert_eq!(SudoRefusal::of(printed), Some(reason), "{printed}");
        }
        assert_eq!(SudoRefusal::of("This account is currently not available."), None);
        let other = SudoRefusal::Other.failure("`n`", "Welcome!\nsudo: account validation failure");
        assert_eq!(
            (other.causes.as_slice(), other.summary),
            (&["sudo: account validation failure".to_owned()][..], None)
        );
    }

    #[test]
    fn every_refusal_has_a_hint() {
        use SudoRefusal::*;
        let refusals = all(NoTerminal, |refusal| match refusal {
            NoTerminal => Some(PasswordRequired),
            PasswordRequired => Some(WrongPassword),
            WrongPassword => Some(NotInSudoers),
            NotInSudoers => Some(NotAllowed),
            NotAllowed => Some(NotInstalled),
            NotInstalled => Some(Other),
            Other => None,
        });
        let failures: Vec<Failure> = refusals.iter().map(|refusal| refusal.failure("`n`", "sudo: no")).collect();
        assert!(failures.iter().all(|failure| failure.causes.len() == 1), "{failures:?}");
        check(&failures.into_iter().map(|failure| failure.hint.unwrap_or_default()).collect::<Vec<_>>());
    }
}

//! What to do about a failure of a node: closed sets of reasons, each with a hint of its own. It does no I/O.

use super::known_hosts::HostKeyTrust;
use super::protocol::UnusableReason;
use crate::desired::{Connection, Escalation};

/// The privileges that the script runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privileges {
    /// Root, who is never refused because of file permissions.
    Root,
    /// Any user other than root.
    User,
}

impl Privileges {
    pub(super) fn of(connection: &Connection) -> Self {
        match connection.escalation {
            Escalation::Sudo { .. } => Self::Root,
            // The hint for a denied permission differs: root cannot gain more permissions by logging in as root.
            Escalation::None if connection.user == "root" => Self::Root,
            Escalation::None => Self::User,
        }
    }
}

/// The connection problems for which there is a specific hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectProblem {
    /// The address is a name that does not resolve.
    UnresolvedName,
    /// Nothing listens on the port.
    Refused,
    /// The server on the port does not speak SSH.
    NotSsh,
    /// The SSH handshake failed.
    Handshake,
    /// There was no response in time.
    NoResponse,
    /// The network of the node cannot be reached.
    NoRoute,
    /// This process has too many open files.
    TooManyFiles,
    /// This process cannot start a thread.
    NoThread,
    /// The user interrupted the run.
    Interrupted,
    /// Any other problem.
    Other,
}

impl ConnectProblem {
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::UnresolvedName => "check `ansible_host`, and DNS and /etc/hosts of this machine",
            Self::Refused => "check that sshd is running on the node, and that `ansible_port` is its port",
            Self::NotSsh => "check that `ansible_port` is the port of an SSH server",
            Self::Handshake => "read the log of sshd on the node (`journalctl -u sshd`), which has the reason",
            Self::NoResponse => {
                "check that the node is running, and the route and firewall between this machine and the node; or raise \
                 `--timeout`"
            }
            Self::NoRoute => "check `ansible_host`, and the routes of this machine (`ip route get ADDRESS`)",
            Self::TooManyFiles => "raise the limit with `ulimit -n`, or lower `--forks`",
            Self::NoThread => "raise the limit with `ulimit -u`, or lower `--forks`",
            Self::Interrupted => "run again: this run was interrupted",
            Self::Other => "try `ssh -v` to this node from this machine",
        }
    }
}

/// Why a connection that is open, or the script on it, ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EarlyEnd {
    /// The time limit was reached.
    Deadline,
    /// The user interrupted the run.
    Interrupted,
    /// The connection was closed.
    Closed,
    /// The login shell ended before the first line of the script.
    Shell,
    /// The script ended.
    Script,
    /// The output does not follow the protocol.
    Malformed,
}

impl EarlyEnd {
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Deadline => {
                "find out why the node is slow (load, disk, network storage, start-up files of the login shell), or raise \
                 `--timeout`"
            }
            Self::Interrupted => "run again: this run was interrupted",
            Self::Closed => {
                "check the network to the node and the log of its sshd (`journalctl -u sshd`), then run again"
            }
            Self::Shell => {
                "check that the login shell of the user runs commands (`ssh USER@NODE true`): it may be `/sbin/nologin`, or \
                 a start-up file may end it"
            }
            Self::Script => "look for the reason in the log of the node (`journalctl`; out of memory?), then run again",
            Self::Malformed => {
                "check what writes to the output of the session: a start-up file of the login shell, or `ForceCommand` in \
                 sshd_config"
            }
        }
    }
}

/// What the system reported, as far as its text shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SystemError {
    Denied(Privileges),
    ReadOnly,
    Full,
    Busy,
    LinkLoop,
    NoSuchFile,
    MissingTool,
    Other,
}

impl SystemError {
    /// The errors, with the texts of the system for them.
    fn known(privileges: Privileges) -> [(&'static str, Self); 9] {
        [
            ("Permission denied", Self::Denied(privileges)),
            ("Operation not permitted", Self::Denied(privileges)),
            ("Read-only file system", Self::ReadOnly),
            ("No space left", Self::Full),
            ("Disk quota exceeded", Self::Full),
            ("resource busy", Self::Busy),
            ("Too many levels", Self::LinkLoop),
            ("No such file", Self::NoSuchFile),
            ("not found", Self::MissingTool),
        ]
    }

    /// The error that a message of the system describes.
    pub(super) fn of(text: &str, privileges: Privileges) -> Self {
        let known = Self::known(privileges);
        known.iter().find(|(message, _)| text.contains(message)).map_or(Self::Other, |(_, error)| *error)
    }

    /// The text of the system for this error, or one of them; `None` for an error that is not known.
    pub(super) fn text(self) -> Option<&'static str> {
        let privileges = if let Self::Denied(privileges) = self { privileges } else { Privileges::Root };
        Self::known(privileges).into_iter().find(|(_, error)| *error == self).map(|(message, _)| message)
    }

    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Denied(Privileges::User) => "log in as root, or set `ansible_become: true` (or pass `--become`)",
            Self::Denied(Privileges::Root) => {
                "something denies access even to root: an immutable attribute (`lsattr`), SELinux (`ausearch -m avc`), or \
                 an NFS server that squashes root"
            }
            Self::ReadOnly => "remount it read-write, or set `docker_auth_credentials_path` to a writable path",
            Self::Full => "free some space there",
            Self::Busy => "the file is itself a mount point: mount its directory instead",
            Self::LinkLoop => "the link leads back to itself: remove it",
            Self::NoSuchFile => "check the links and mounts on its path (`namei -l PATH`)",
            Self::MissingTool => "install the missing tool on the node",
            Self::Other => "look for the reason in the log of the node (`dmesg`, `journalctl`), then run again",
        }
    }
}

impl UnusableReason {
    /// `text` is the message of the system, or the path that is the problem.
    pub(super) fn hint(self, text: &str, privileges: Privileges) -> String {
        let hint = match self {
            Self::Directory => "a file is expected there: find out what created the directory, and remove it",
            Self::Special => "it is a device, a socket or a pipe: find out what created it, and remove it",
            Self::TooLarge => "this is no file with credentials: look at what it contains, and move it away",
            Self::LineBreak => "rename the directory with the line break, or remove the link to it",
            Self::DanglingLink => "create that directory, or remove the link",
            Self::Mounted => "mount the directory of the file instead",
            Self::Blocked => return format!("move `{text}` away: a directory is expected there"),
            Self::Denied => SystemError::Denied(privileges).hint(),
            Self::Unreadable => SystemError::of(text, privileges).hint(),
            Self::Changing => "another program creates and removes it: find out which one, then run again",
            Self::Incomplete => "run again; if it fails again, check the disk of the node (`dmesg`)",
        };
        hint.to_owned()
    }
}

/// What to do about a host key that is not trusted.
pub(super) fn host_key(trust: &HostKeyTrust, address: &str, port: u16, key_type: &str) -> Option<String> {
    Some(match trust {
        HostKeyTrust::Trusted => return None,
        HostKeyTrust::Unknown(_) => {
            let port = if port == 22 { String::new() } else { format!("-p {port} ") };
            format!(
                "run `ssh-keyscan {port}{address} >> ~/.ssh/known_hosts`, and compare the fingerprint with the \
                 one that the node itself shows: `ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub`",
                key_file_suffix(key_type)
            )
        }
        HostKeyTrust::Changed { .. } => {
            // known_hosts stores a host with another port than 22 in this form, and `ssh-keygen -R` finds it only by
            // this form.
            let name = if port == 22 { address.to_owned() } else { format!("[{address}]:{port}") };
            format!(
                "do not log in before you know why; if the node was reinstalled, remove the old key with \
                 `ssh-keygen -R '{name}'`"
            )
        }
        HostKeyTrust::Revoked { .. } => {
            "give the node a new host key, or find out which machine has responded with the old one".to_owned()
        }
    })
}

/// The part of a host key file's name: `ed25519` for `ssh-ed25519`.
fn key_file_suffix(key_type: &str) -> &str {
    match key_type {
        "ssh-rsa" => "rsa",
        // All ECDSA curves share one file name, although each of them is a key type.
        ecdsa if ecdsa.starts_with("ecdsa-") => "ecdsa",
        other => other.trim_start_matches("ssh-"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// All values of a closed set. `next` is a match, so a new variant does not compile until it is added here.
    pub fn all<T: Copy>(first: T, next: impl Fn(T) -> Option<T>) -> Vec<T> {
        std::iter::successors(Some(first), |value| next(*value)).collect()
    }

    /// Every hint says what to do, and is the hint of one reason only.
    #[track_caller]
    pub fn check(hints: &[String]) {
        for (at, hint) in hints.iter().enumerate() {
            assert!(hint.len() > 15 && !hint.ends_with('.'), "{hint:?} does not say what to do");
            assert!(!hints[..at].contains(hint), "two reasons have the hint {hint:?}");
        }
    }

    #[test]
    fn every_connection_problem_has_a_hint() {
        use ConnectProblem::*;
        let problems = all(UnresolvedName, |problem| match problem {
            UnresolvedName => Some(Refused),
            Refused => Some(NotSsh),
            NotSsh => Some(Handshake),
            Handshake => Some(NoResponse),
            NoResponse => Some(NoRoute),
            NoRoute => Some(TooManyFiles),
            TooManyFiles => Some(NoThread),
            NoThread => Some(Interrupted),
            Interrupted => Some(Other),
            Other => None,
        });
        check(&problems.iter().map(|problem| problem.hint().to_owned()).collect::<Vec<_>>());
    }

    #[test]
    fn every_early_end_has_a_hint() {
        use EarlyEnd::*;
        let ends = all(Deadline, |end| match end {
            Deadline => Some(Interrupted),
            Interrupted => Some(Closed),
            Closed => Some(Shell),
            Shell => Some(Script),
            Script => Some(Malformed),
            Malformed => None,
        });
        check(&ends.iter().map(|end| end.hint().to_owned()).collect::<Vec<_>>());
    }

    #[test]
    fn every_unusable_file_has_a_hint() {
        use UnusableReason::*;
        let reasons = all(Directory, |reason| match reason {
            Directory => Some(Special),
            Special => Some(TooLarge),
            TooLarge => Some(LineBreak),
            LineBreak => Some(DanglingLink),
            DanglingLink => Some(Mounted),
            Mounted => Some(Blocked),
            Blocked => Some(Denied),
            Denied => Some(Unreadable),
            Unreadable => Some(Changing),
            Changing => Some(Incomplete),
            Incomplete => None,
        });
        check(&reasons.iter().map(|reason| reason.hint("/a", Privileges::Root)).collect::<Vec<_>>());
    }

    #[test]
    fn every_system_error_has_a_hint_and_a_text() {
        use SystemError::*;
        let errors = all(Denied(Privileges::User), |error| match error {
            Denied(Privileges::User) => Some(Denied(Privileges::Root)),
            Denied(Privileges::Root) => Some(ReadOnly),
            ReadOnly => Some(Full),
            Full => Some(Busy),
            Busy => Some(LinkLoop),
            LinkLoop => Some(NoSuchFile),
            NoSuchFile => Some(MissingTool),
            MissingTool => Some(Other),
            Other => None,
        });
        check(&errors.iter().map(|error| error.hint().to_owned()).collect::<Vec<_>>());
        // The texts of glibc and of busybox for these errors.
        for (text, expected) in [
            ("cat: /a: Permission denied", Denied(Privileges::Root)),
            ("chown: 'x': Operation not permitted", Denied(Privileges::Root)),
            ("mkdir: can't create directory '/a': Read-only file system", ReadOnly),
            ("dd: error writing './x': No space left on device", Full),
            ("dd: Disk quota exceeded", Full),
            ("mv: cannot move 'x' to 'y': Device or resource busy", Busy),
            ("cat: /a: Too many levels of symbolic links", LinkLoop),
            ("ln: ../x: No such file or directory", NoSuchFile),
            ("sh: 3: mktemp: not found", MissingTool),
            ("head: error reading '/a': Input/output error", Other),
        ] {
            assert_eq!(SystemError::of(text, Privileges::Root), expected, "{text}");
        }
    }

    #[test]
    fn every_host_key_that_is_not_trusted_has_a_hint() {
        let location = "known_hosts:1".to_owned();
        let refused = [
            HostKeyTrust::Unknown(Vec::new()),
            HostKeyTrust::Changed { location: location.clone(), fingerprint: "SHA256:x".to_owned() },
            HostKeyTrust::Revoked { location },
        ];
        check(&refused.map(|trust| host_key(&trust, "10.0.0.1", 2222, "ssh-ed25519").unwrap()));
        assert_eq!(host_key(&HostKeyTrust::Trusted, "a", 22, "ssh-rsa"), None);
        let unknown = host_key(&HostKeyTrust::Unknown(Vec::new()), "10.0.0.1", 2222, "ecdsa-sha2-nistp256").unwrap();
        assert!(unknown.contains("-p 2222 10.0.0.1") && unknown.contains("ssh_host_ecdsa_key.pub"), "{unknown}");
    }
}

//! Why the node could not connect. OpenSSH says so, but libssh2 keeps only that it failed; so the node is
//! asked, when it did fail, and only then: by one command that changes nothing there.

use std::time::Instant;

use ssh2::Channel;

use super::connection::{AGAIN, CHANNEL_FAILURE, Heard, Lost, Moved, Wire, receive};
use super::socks::{Reply, Target};

/// No more of what the node says is read.
const WORDS: usize = 4096;
/// Said once the name is known to resolve.
const NAMED: &str = "named";
const UNKNOWN: &str = "unknown";

/// `getent` ends with 2 if there is no such name; `bash` says what the system says of a connection.
const SCRIPT: &str = "getent ahosts \"$1\" >/dev/null 2>&1; case $? in 0) echo named ;; 2) echo unknown; exit ;; esac; \
     exec bash -c \"exec 3<>/dev/tcp/$1/$2\" 2>&1";

/// How far the question to the node is.
pub(super) enum Question {
    Waiting,
    Opening,
    Asking(Channel),
    Hearing(Channel, Vec<u8>),
}

/// What became of a step.
pub(super) enum Inquired {
    NotYet(Question, Moved),
    /// What is known, and the channel that is left to be ended.
    Known(Option<Channel>, Reply),
}

impl Question {
    /// Whether news of the SSH session may bring it further.
    pub(super) fn is_asked(&self) -> bool {
        !matches!(self, Self::Waiting)
    }

    /// Whether it can be given up when its time is over.
    pub(super) fn can_end(&self) -> bool {
        matches!(self, Self::Waiting | Self::Hearing(..))
    }

    /// Does what can be done now, for the client `id`; from `end` on it is given up.
    pub(super) fn step(
        self,
        target: &Target,
        (now, end): (Instant, Instant),
        id: u64,
        wire: &mut Wire,
    ) -> Result<Inquired, Lost> {
        Ok(match self {
            Self::Waiting if now >= end => Inquired::Known(None, Reply::Failed),
            Self::Waiting if wire.opening.is_some() => Inquired::NotYet(Self::Waiting, false),
            Self::Waiting => {
                wire.opening = Some((id, now));
                Inquired::NotYet(Self::Opening, true)
            }
            Self::Opening => match wire.ssh.channel_session() {
                Err(error) if error.code() == AGAIN => Inquired::NotYet(Self::Opening, false),
                opened => {
                    wire.opening = None;
                    match opened {
                        Ok(channel) => Inquired::NotYet(Self::Asking(channel), true),
                        Err(error) if error.code() == CHANNEL_FAILURE => Inquired::Known(None, Reply::Failed),
                        Err(error) => return Err(Lost(error.message().to_owned())),
                    }
                }
            },
            Self::Asking(mut channel) => match channel.exec(&command(target)) {
                Ok(()) => Inquired::NotYet(Self::Hearing(channel, Vec::new()), true),
                Err(error) if error.code() == AGAIN => Inquired::NotYet(Self::Asking(channel), false),
                // No shell for this user: then it stays unknown.
                Err(_) => Inquired::Known(Some(channel), Reply::Failed),
            },
            Self::Hearing(mut channel, mut words) => {
                let heard = receive(&mut channel, &mut words)?;
                let text = String::from_utf8_lossy(&words);
                if heard == Heard::End || words.len() > WORDS {
                    Inquired::Known(Some(channel), read(&text).unwrap_or(Reply::Failed))
                } else if now >= end {
                    Inquired::Known(Some(channel), read_unfinished(&text))
                } else {
                    Inquired::NotYet(Self::Hearing(channel, words), heard == Heard::Bytes)
                }
            }
        })
    }
}

/// The command that finds out. It needs `getent` or `bash`, and says less where one is missing.
fn command(target: &Target) -> String {
    // The host is a plain name or an address: nothing in it means anything to a shell.
    format!("LC_ALL=C exec sh -c '{SCRIPT}' oregano '{}' '{}'", target.host, target.port)
}

/// What the command's output means; `None` if it means nothing.
fn read(output: &str) -> Option<Reply> {
    const WORDS: [(&str, Reply); 10] = [
        ("Connection refused", Reply::Refused),
        ("No route to host", Reply::NoRoute),
        ("Network is unreachable", Reply::NoRoute),
        // A route of the kind `prohibit`, and a firewall of the node itself.
        ("connect: Permission denied", Reply::NoRoute),
        ("connect: Operation not permitted", Reply::NoRoute),
        ("Connection timed out", Reply::TimedOut),
        ("Name or service not known", Reply::NoName),
        ("No address associated with hostname", Reply::NoName),
        ("name resolution", Reply::NoName),
        (UNKNOWN, Reply::NoName),
    ];
    WORDS.iter().find(|(words, _)| output.contains(words)).map(|(_, reply)| *reply)
}

/// What it means if the command does not come to an end: a silent resolver, or a silent way.
fn read_unfinished(output: &str) -> Reply {
    match read(output) {
        Some(reply) => reply,
        None if output.contains(NAMED) => Reply::TimedOut,
        None => Reply::NoName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_command_tells_causes_apart() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (host, port, reply) in [
            ("localhost", closed, Reply::Refused),
            ("127.0.0.1", closed, Reply::Refused),
            ("no-such-name.invalid", 443, Reply::NoName),
        ] {
            let command = command(&Target::new(host, port).unwrap());
            let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(read(&text), Some(reply), "{host}:{port}: {text}");
        }
    }

    #[test]
    fn what_else_may_be_said() {
        for (output, reply) in [
            (
                "named\nbash: connect: No route to host\nbash: line 1: /dev/tcp/r/1: No route to host",
                Some(Reply::NoRoute),
            ),
            ("bash: connect: Network is unreachable", Some(Reply::NoRoute)),
            ("named\nbash: connect: Permission denied", Some(Reply::NoRoute)),
            ("named\nsh: 1: exec: bash: Permission denied", None),
            ("bash: r: Temporary failure in name resolution", Some(Reply::NoName)),
            ("named\nsh: 1: exec: bash: not found", None),
            ("This account is currently not available.", None),
        ] {
            assert_eq!(read(output), reply, "{output}");
        }
        assert_eq!(read_unfinished("named\n"), Reply::TimedOut);
        assert_eq!(read_unfinished(""), Reply::NoName);
    }
}

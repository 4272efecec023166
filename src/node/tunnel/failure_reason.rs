//! Finds out why the node could not connect to a server. OpenSSH sends the reason, but libssh2 keeps only that the
//! connection failed. So after a failed connection, and only then, one command runs on the node to find the reason; it
//! changes nothing there.

use std::time::Instant;

use ssh2::Channel;

use super::channel::{AGAIN, CHANNEL_FAILURE, Progressed, ReadResult, SessionLost, SshSession, receive};
use super::socks::{Reply, SocksTarget};

/// How many bytes of the command's output are read.
const OUTPUT_LIMIT: usize = 4096;
/// What the script prints when the name resolves, and when it does not.
const RESOLVED: &str = "resolved";
const UNKNOWN: &str = "unknown";

/// `getent` exits with 2 if there is no such name; `bash` prints the system's error for a connection.
const SCRIPT: &str = "getent ahosts \"$1\" >/dev/null 2>&1; case $? in 0) echo resolved ;; 2) echo unknown; exit ;; esac; \
     exec bash -c \"exec 3<>/dev/tcp/$1/$2\" 2>&1";

/// The state of an inquiry.
pub(super) enum Inquiry {
    Waiting,
    Opening,
    Starting(Channel),
    Reading(Channel, Vec<u8>),
}

/// The result of a step.
pub(super) enum InquiryStep {
    Pending(Inquiry, Progressed),
    /// The reason, and the channel that must still be closed.
    Finished(Option<Channel>, Reply),
}

impl Inquiry {
    /// Whether activity of the SSH session may lead to progress.
    pub(super) fn uses_session(&self) -> bool {
        !matches!(self, Self::Waiting)
    }

    /// Whether it can be abandoned when its time is over.
    pub(super) fn can_end(&self) -> bool {
        matches!(self, Self::Waiting | Self::Reading(..))
    }

    /// Does the work that is possible now, for the client `id`; at the time `end` the inquiry is abandoned.
    pub(super) fn step(
        self,
        target: &SocksTarget,
        (now, end): (Instant, Instant),
        id: u64,
        session: &mut SshSession,
    ) -> Result<InquiryStep, SessionLost> {
        Ok(match self {
            Self::Waiting if now >= end => InquiryStep::Finished(None, Reply::Failed),
            Self::Waiting if session.opening.is_some() => InquiryStep::Pending(Self::Waiting, false),
            Self::Waiting => {
                // The inquiry needs a channel, too, and libssh2 opens one at a time.
                session.opening = Some((id, now));
                InquiryStep::Pending(Self::Opening, true)
            }
            // The end of the time is not checked here, because a channel that is being opened cannot be cancelled.
            Self::Opening => match session.ssh.channel_session() {
                Err(error) if error.code() == AGAIN => InquiryStep::Pending(Self::Opening, false),
                opened => {
                    session.opening = None;
                    match opened {
                        Ok(channel) => InquiryStep::Pending(Self::Starting(channel), true),
                        Err(error) if error.code() == CHANNEL_FAILURE => InquiryStep::Finished(None, Reply::Failed),
                        Err(error) => return Err(SessionLost(error.message().to_owned())),
                    }
                }
            },
            Self::Starting(mut channel) => match channel.exec(&command(target)) {
                Ok(()) => InquiryStep::Pending(Self::Reading(channel, Vec::new()), true),
                Err(error) if error.code() == AGAIN => InquiryStep::Pending(Self::Starting(channel), false),
                // This user has no shell on the node, so the reason stays unknown.
                Err(_) => InquiryStep::Finished(Some(channel), Reply::Failed),
            },
            Self::Reading(mut channel, mut output) => {
                let received = receive(&mut channel, &mut output)?;
                let text = String::from_utf8_lossy(&output);
                // The limit protects against a login shell that prints without end.
                if received == ReadResult::Eof || output.len() > OUTPUT_LIMIT {
                    InquiryStep::Finished(Some(channel), interpret(&text).unwrap_or(Reply::Failed))
                } else if now >= end {
                    InquiryStep::Finished(Some(channel), interpret_unfinished(&text))
                } else {
                    InquiryStep::Pending(Self::Reading(channel, output), received == ReadResult::Bytes)
                }
            }
        })
    }
}

/// The command. It needs `getent` and `bash`, and reports less if one of them is missing.
fn command(target: &SocksTarget) -> String {
    // The host is a plain name or an address, so it contains nothing that a shell would interpret.
    format!("LC_ALL=C exec sh -c '{SCRIPT}' oregano '{}' '{}'", target.host, target.port)
}

/// The reason that the command's output shows; `None` if it shows none.
fn interpret(output: &str) -> Option<Reply> {
    const MESSAGES: [(&str, Reply); 10] = [
        ("Connection refused", Reply::Refused),
        ("No route to host", Reply::NoRoute),
        ("Network is unreachable", Reply::NoRoute),
        // This error is caused by a route of the type `prohibit`, or by a firewall on the node.
        ("connect: Permission denied", Reply::NoRoute),
        ("connect: Operation not permitted", Reply::NoRoute),
        ("Connection timed out", Reply::TimedOut),
        ("Name or service not known", Reply::NoName),
        ("No address associated with hostname", Reply::NoName),
        // This matches both the temporary and the permanent form of the resolver's message.
        ("name resolution", Reply::NoName),
        (UNKNOWN, Reply::NoName),
    ];
    MESSAGES.iter().find(|(message, _)| output.contains(message)).map(|(_, reply)| *reply)
}

/// The reason if the command does not end: the resolver or the server does not respond.
fn interpret_unfinished(output: &str) -> Reply {
    match interpret(output) {
        Some(reply) => reply,
        // The name was resolved and nothing was printed after it, so the connection is still waiting for the server.
        None if output.contains(RESOLVED) => Reply::TimedOut,
        None => Reply::NoName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_command_distinguishes_reasons() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (host, port, reply) in [
            ("localhost", closed, Reply::Refused),
            ("127.0.0.1", closed, Reply::Refused),
            ("no-such-name.invalid", 443, Reply::NoName),
        ] {
            let command = command(&SocksTarget::new(host, port).unwrap());
            let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(interpret(&text), Some(reply), "{host}:{port}: {text}");
        }
    }

    #[test]
    fn other_outputs() {
        for (output, reply) in [
            (
                "resolved\nbash: connect: No route to host\nbash: line 1: /dev/tcp/r/1: No route to host",
                Some(Reply::NoRoute),
            ),
            ("bash: connect: Network is unreachable", Some(Reply::NoRoute)),
            ("resolved\nbash: connect: Permission denied", Some(Reply::NoRoute)),
            ("resolved\nsh: 1: exec: bash: Permission denied", None),
            ("bash: r: Temporary failure in name resolution", Some(Reply::NoName)),
            ("resolved\nsh: 1: exec: bash: not found", None),
            ("This account is currently not available.", None),
        ] {
            assert_eq!(interpret(output), reply, "{output}");
        }
        assert_eq!(interpret_unfinished("resolved\n"), Reply::TimedOut);
        assert_eq!(interpret_unfinished(""), Reply::NoName);
    }
}

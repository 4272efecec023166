//! The session with the remote script: it responds to the prompt of sudo, receives the files, and sends what is
//! written. It does not decide what is written.

use std::io::{Read as _, Write as _};
use std::time::Instant;

use ssh2::{Channel, ExtendedData};
use zeroize::Zeroizing;

use super::connect::{NodeLabel, SshConnection};
use super::error;
use super::hint::{EarlyEnd, Privileges};
use super::protocol::{self, Decoder, Frame, LARGEST, Nonce, ObservedFile, PayloadItem, command, order, tidy};
use super::same_file;
use super::sudo::SudoRefusal;
use super::{NewContent, OpenFailure, WriteFailure, distant_future};
use crate::desired::Escalation;
use crate::facts::FileFact;
use crate::failure::Failure;
use crate::secret::Secret;

/// A node whose files were observed, and whose script waits for an order. Dropping a session leaves the files
/// unchanged, like [`Session::keep`], but does not close the connection properly.
pub struct Session {
    connection: SshConnection,
    channel: Channel,
    decoder: Decoder,
    nonce: Nonce,
    /// The node in messages.
    node: String,
    privileges: Privileges,
    /// The paths. The script numbers them in this order, starting with 1.
    paths: Vec<String>,
}

/// Why there is no next frame.
enum StreamError {
    /// The script or the shell ended.
    Ended,
    /// The connection failed, or was shut down.
    Lost(EarlyEnd, String),
    /// The output does not follow the protocol.
    Malformed(&'static str),
}

/// How a write ended. This determines the failure of each file without a result.
enum WriteEnd {
    /// The script finished.
    Done,
    /// The marker at the end of the payload was not sent, so no file was replaced.
    Unsent(StreamError),
    /// The file may have been replaced.
    Unknown(StreamError),
}

impl Session {
    /// Runs the script until its first line arrives.
    pub(super) fn start(connection: SshConnection, label: &NodeLabel, files: &[String]) -> Result<Self, OpenFailure> {
        let node = label.to_string();
        let failure = |cause: String, hint: &str| {
            let failure = Failure::new(format!("could not start the script on {node}")).hint(hint);
            OpenFailure::Unreachable(failure.summary(format!("could not start the script: {cause}")).cause(cause))
        };
        let Some(nonce) = Nonce::random() else {
            return Err(failure("the system has no random numbers".to_owned(), "check /dev/urandom of this machine"));
        };
        let escalation = &label.1.escalation;
        let opened = connection.ssh.channel_session().and_then(|mut channel| {
            channel.exec(&command(&nonce, escalation, files))?;
            Ok(channel)
        });
        let channel = opened.map_err(|error| {
            failure(connection.describe_error("exec", &error.message()), connection.early_end().hint())
        })?;
        let decoder = Decoder::new(nonce.clone(), files.len());
        let privileges = Privileges::of(label.1);
        let mut session = Self { connection, channel, decoder, nonce, node, privileges, paths: files.to_vec() };
        session.await_start(escalation)?;
        Ok(session)
    }

    /// Waits for the first line, and sends sudo the password at its first prompt.
    fn await_start(&mut self, escalation: &Escalation) -> Result<(), OpenFailure> {
        let mut password = match escalation {
            Escalation::Sudo { password } => password.as_ref(),
            Escalation::None => None,
        };
        loop {
            match self.next() {
                Ok(Frame::Begin) => break,
                Ok(Frame::Prompt) => match password.take() {
                    Some(password) => {
                        self.send_password(password).map_err(|error| self.not_started(error, escalation))?
                    }
                    // A second prompt means that sudo rejected the password. Sending it again would count as another
                    // failed attempt.
                    None => return Err(OpenFailure::Failed(SudoRefusal::WrongPassword.failure(&self.node, ""))),
                },
                Ok(_) => {
                    let error = StreamError::Malformed("its output does not begin with its first line");
                    return Err(self.not_started(error, escalation));
                }
                Err(error) => return Err(self.not_started(error, escalation)),
            }
        }
        // From now on the script only prints to stdout. Output of a background shell on stderr must not fill the window
        // of the channel, because it is not read and the channel would stop.
        let _ = self.channel.handle_extended_data(ExtendedData::Ignore);
        Ok(())
    }

    fn send_password(&mut self, password: &Secret) -> Result<(), StreamError> {
        // The capacity is exact, because a reallocation would leave a copy of the password in memory.
        let mut line = Zeroizing::new(Vec::with_capacity(password.expose().len() + 1));
        line.extend_from_slice(password.expose().as_bytes());
        line.push(b'\n');
        self.send(&line)
    }

    fn not_started(&mut self, error: StreamError, escalation: &Escalation) -> OpenFailure {
        let mut printed = self.decoder.noise();
        let (cause, hint) = match error {
            StreamError::Ended => {
                // Reading stderr is safe only after the end of the stream, because it would otherwise block.
                printed = format!("{printed}\n{}", self.errors());
                ("the login shell ended before the script's first line".to_owned(), EarlyEnd::Shell.hint())
            }
            StreamError::Lost(..) | StreamError::Malformed(_) => (error.text(), error.hint()),
        };
        let mut failure = Failure::new(format!("could not start the script on {}", self.node))
            .summary(format!("could not start the script: {cause}"))
            .cause(cause)
            .hint(hint);
        // Without sudo, a matching text in the output comes from something else, such as a login banner.
        if matches!(escalation, Escalation::Sudo { .. })
            && let Some(refusal) = SudoRefusal::of(&printed)
        {
            return OpenFailure::Failed(refusal.failure(&self.node, &printed));
        }
        let printed = tidy(&printed);
        if !printed.is_empty() {
            failure = failure.cause(format!("it printed: {printed}"));
        }
        OpenFailure::Unreachable(failure)
    }

    /// What a shell that has ended printed on stderr.
    fn errors(&mut self) -> String {
        let mut bytes = vec![0; 4096];
        let length = self.channel.stderr().read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    /// Receives every file. The script waits afterwards.
    pub(super) fn observe(&mut self) -> Result<Vec<FileFact>, OpenFailure> {
        let mut observed = Vec::new();
        let received = loop {
            match self.next() {
                Ok(Frame::File(index, file)) if index == observed.len() + 1 => observed.push(file),
                Ok(Frame::Ready) if observed.len() == self.paths.len() => break Ok(()),
                Ok(Frame::Missing(tool)) => return Err(OpenFailure::Failed(error::missing_tool(&self.node, &tool))),
                Ok(_) => break Err(StreamError::Malformed("the script printed unexpected lines")),
                Err(error) => break Err(error),
            }
        };
        received.map_err(|error| {
            let failure = Failure::new(format!("could not read the files on {}", self.node));
            let failure = failure.summary(format!("could not read the files: {}", error.text())).cause(error.text());
            OpenFailure::Failed(failure.hint(error.hint()))
        })?;
        // While the session waits for its order, no call of libssh2 responds to a request of sshd, so the watchdog
        // keeps the connection alive.
        self.connection.watch.keep_alive(&self.connection.ssh);
        Ok(same_file::facts(&self.paths, observed, self.privileges))
    }

    /// Ends the script, which has created, touched and removed nothing. If the connection is lost, the script ends without
    /// changing anything, too.
    pub fn keep(mut self) {
        self.connection.watch.set_deadline(self.deadline());
        let _ = self.send(protocol::KEEP);
        self.disconnect();
    }

    /// Replaces `files`, each of them only if it still is what was observed, and reads them back. Returns one result
    /// for each file, in this order. If the connection is lost, every file without a result has failed.
    pub fn write(mut self, files: Vec<NewContent>) -> Vec<Result<(), WriteFailure>> {
        self.connection.watch.set_deadline(self.deadline());
        let mut results: Vec<Option<Result<(), WriteFailure>>> = files.iter().map(|file| self.reject(file)).collect();
        let end = self.carry_out(&files, &mut results);
        // After another end the connection may be unusable, and a proper disconnect could block.
        if matches!(end, WriteEnd::Done) {
            self.disconnect();
        }
        let pairs = files.iter().zip(results);
        pairs
            .map(|(file, result)| result.unwrap_or_else(|| Err(WriteFailure::Failed(end.failure(&file.path)))))
            .collect()
    }

    /// The failure of a file that is not sent.
    fn reject(&self, file: &NewContent) -> Option<Result<(), WriteFailure>> {
        let path = &file.path;
        // The script replaces only files that it has observed, because it compares their old content.
        if self.index(path).is_none() {
            let failure = Failure::internal(&format!("`{path}` was not observed before"));
            return Some(Err(WriteFailure::Failed(failure)));
        }
        let too_large = file.new.expose().len() > LARGEST;
        too_large.then(|| {
            let failure = Failure::new(format!("`{path}` would be larger than 1 MiB"));
            Err(WriteFailure::Failed(failure.hint("remove entries that nothing needs from the file on the node")))
        })
    }

    /// Sends the files that have no result yet, and receives their results.
    fn carry_out(&mut self, files: &[NewContent], results: &mut [Option<Result<(), WriteFailure>>]) -> WriteEnd {
        let mut items = Vec::new();
        let mut which = Vec::new();
        for (at, file) in files.iter().enumerate() {
            if let (None, Some(index)) = (&results[at], self.index(&file.path)) {
                let old = file.old.as_ref().map(|old| old.expose());
                items.push(PayloadItem { index, old, new: file.new.expose() });
                which.push(at);
            }
        }
        // All files are sent in one order, so the script has received every content before it replaces the first file.
        let order = order(&self.nonce, &items);
        if let Err(error) = self.send(&order) {
            return WriteEnd::Unsent(error);
        }
        // The script reads until the end of the stream, and expects the marker there.
        if let Err(error) = self.close() {
            return WriteEnd::Unknown(error);
        }
        for (item, at) in items.iter().zip(which) {
            match self.result(item, &files[at].path) {
                Ok(result) => results[at] = Some(result),
                Err(error) => return WriteEnd::Unknown(error),
            }
        }
        match self.next() {
            Ok(Frame::Done) => WriteEnd::Done,
            Ok(_) => WriteEnd::Unknown(StreamError::Malformed("the script printed more than expected")),
            Err(error) => WriteEnd::Unknown(error),
        }
    }

    /// Receives the result for one item. A file that was written is read back.
    fn result(&mut self, item: &PayloadItem, path: &str) -> Result<Result<(), WriteFailure>, StreamError> {
        let unexpected = Err(StreamError::Malformed("the script reported another file than expected"));
        let outcome = match self.next()? {
            Frame::Result(index, outcome) if index == item.index => outcome,
            _ => return unexpected,
        };
        if let Err(failure) = error::check_written(path, &outcome, self.privileges) {
            return Ok(Err(failure));
        }
        // The script prints a file again after it has written it.
        match self.next()? {
            Frame::File(index, observed) if index == item.index => {
                Ok(compare(item.new, &observed, self.privileges).map_err(WriteFailure::Overwritten))
            }
            _ => unexpected,
        }
    }

    fn index(&self, path: &str) -> Option<usize> {
        self.paths.iter().position(|known| known == path).map(|at| at + 1)
    }

    fn deadline(&self) -> Instant {
        Instant::now().checked_add(self.connection.timeout).unwrap_or_else(distant_future)
    }

    fn next(&mut self) -> Result<Frame, StreamError> {
        let mut bytes = Zeroizing::new([0; 16 * 1024]);
        loop {
            match self.decoder.next() {
                Some(Frame::Malformed) => return Err(StreamError::Malformed("a line of the script arrived damaged")),
                Some(frame) => return Ok(frame),
                None => {}
            }
            match self.channel.read(&mut *bytes) {
                // After the watchdog has shut the socket down, reading from it looks like a normal end of the stream.
                Ok(0) if self.connection.watch.interruption().is_some() => {
                    return Err(self.lost("waiting for the script", &""));
                }
                Ok(0) => return Err(StreamError::Ended),
                Ok(length) if self.decoder.feed(&bytes[..length]) => {}
                Ok(_) => return Err(StreamError::Malformed("it printed more than the script can print")),
                Err(error) => return Err(self.lost("waiting for the script", &error)),
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        // This does not flush, because the flush of libssh2 discards data that has arrived and was not read yet.
        self.channel.write_all(bytes).map_err(|error| self.lost("sending to the script", &error))
    }

    fn close(&mut self) -> Result<(), StreamError> {
        self.channel.send_eof().map_err(|error| self.lost("sending to the script", &error.message()))
    }

    fn lost(&self, task: &str, error: &dyn std::fmt::Display) -> StreamError {
        StreamError::Lost(self.connection.early_end(), self.connection.describe_error(task, error))
    }

    /// Closes the connection properly. The script has ended, or is about to end.
    fn disconnect(&mut self) {
        let _ = self.channel.send_eof();
        let _ = self.connection.ssh.disconnect(None, "done", None);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("node", &self.node).field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl StreamError {
    fn text(&self) -> String {
        match self {
            Self::Ended => "the script ended too early".to_owned(),
            Self::Lost(_, cause) => cause.clone(),
            Self::Malformed(problem) => (*problem).to_owned(),
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Ended => EarlyEnd::Script,
            Self::Lost(end, _) => *end,
            Self::Malformed(_) => EarlyEnd::Malformed,
        }
        .hint()
    }
}

impl WriteEnd {
    fn failure(&self, path: &str) -> Failure {
        match self {
            Self::Done => Failure::new(format!("`{path}` was not written"))
                .cause("the script reported no result for it")
                .hint(EarlyEnd::Malformed.hint()),
            Self::Unsent(error) => {
                Failure::new(format!("`{path}` was not written")).cause(error.text()).hint(error.hint())
            }
            Self::Unknown(error) => Failure::new(format!("`{path}` may or may not have been written"))
                .cause(error.text())
                .hint("the file is complete, and has either the old or the new content: run again"),
        }
    }
}

/// Compares the file that was read back with what was written. A difference means that another program has changed the
/// file in the meantime, and is described by the error.
fn compare(new: &[u8], observed: &ObservedFile, privileges: Privileges) -> Result<(), String> {
    match observed {
        ObservedFile::Present { content, .. } if content.as_slice() != new => Err("it has another content".to_owned()),
        // The file contains passwords, so no other user may have access.
        ObservedFile::Present { mode, .. } if mode & 0o077 != 0 => Err(format!("its mode is {mode:03o}")),
        ObservedFile::Present { .. } => Ok(()),
        ObservedFile::Absent { .. } => Err("it no longer exists".to_owned()),
        ObservedFile::Unusable { reason, text } => {
            Err(format!("it {}", error::unusable(*reason, text, privileges).failure.message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent(key: &str) -> ObservedFile {
        ObservedFile::Absent { key: key.to_owned() }
    }

    #[test]
    fn a_session_can_be_sent_to_another_thread() {
        fn assert_send<T: Send>() {}
        assert_send::<Session>();
    }

    #[test]
    fn content_that_reads_back_differently_is_a_failure() {
        let observed = |mode, content: &str| ObservedFile::Present {
            mode,
            inode: String::new(),
            key: String::new(),
            content: Zeroizing::new(content.as_bytes().to_vec()),
        };
        assert!(compare(b"x", &observed(0o600, "x"), Privileges::Root).is_ok());
        for wrong in [observed(0o600, "y"), observed(0o640, "x"), absent("")] {
            assert!(compare(b"x", &wrong, Privileges::Root).is_err(), "{wrong:?}");
        }
    }
}

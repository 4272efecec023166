//! The conversation with the remote script: sudo's prompt, what it shows, and what it is told to write.

use std::io::{Read as _, Write as _};
use std::time::Instant;

use ssh2::{Channel, ExtendedData};
use zeroize::Zeroizing;

use super::connect::{Label, Line};
use super::protocol::{self, Decoder, Frame, Item, LARGEST, Nonce, Outcome, Seen, command, order, tidy};
use super::trouble::{self, Power};
use super::{NewContent, OpenFailure, WriteFailure, far};
use crate::desired::Escalation;
use crate::facts::{FileFact, FileState};
use crate::failure::Failure;
use crate::secret::{Secret, SecretBytes};

/// A node whose files were shown, and whose script waits to be told what to do with them. Dropping it is as
/// good as [`Session::keep`], only less polite.
pub struct Session {
    line: Line,
    channel: Channel,
    decoder: Decoder,
    nonce: Nonce,
    /// The node in messages.
    node: String,
    power: Power,
    /// The paths in the order of the script's numbers, which begin at 1.
    paths: Vec<String>,
}

/// Why the next frame does not come.
enum Broke {
    /// The remote side ended.
    Ended,
    /// The connection failed, or was cut.
    Lost(String),
    /// It makes no sense.
    Spoilt(&'static str),
}

/// How the writing ended, and so what is known of a file without an outcome.
enum End {
    /// The script came to its end.
    Done,
    /// The marker at the end of the payload was not sent, so nothing was renamed.
    Unsent(Broke),
    /// Nobody knows.
    Unknown(Broke),
}

impl Session {
    /// Runs the script up to its first line.
    pub(super) fn start(line: Line, label: &Label, files: &[String]) -> Result<Self, OpenFailure> {
        let node = label.to_string();
        let failure = |cause: String| {
            OpenFailure::Unreachable(Failure::new(format!("could not start the script on {node}")).cause(cause))
        };
        let Some(nonce) = Nonce::random() else {
            return Err(failure("the system has no random numbers to give".to_owned()));
        };
        let escalation = &label.1.escalation;
        let opened = line.ssh.channel_session().and_then(|mut channel| {
            channel.exec(&command(&nonce, escalation, files))?;
            Ok(channel)
        });
        let channel = opened.map_err(|error| failure(line.why("exec", &error.message())))?;
        let decoder = Decoder::new(nonce.clone(), files.len());
        let power = Power::of(label.1);
        let mut session = Self { line, channel, decoder, nonce, node, power, paths: files.to_vec() };
        session.greet(escalation)?;
        Ok(session)
    }

    /// Waits for the first line, and gives sudo its password if it asks, once.
    fn greet(&mut self, escalation: &Escalation) -> Result<(), OpenFailure> {
        let mut password = match escalation {
            Escalation::Sudo { password } => password.as_ref(),
            Escalation::None => None,
        };
        loop {
            match self.next() {
                Ok(Frame::Begin) => break,
                Ok(Frame::Prompt) => match password.take() {
                    Some(password) => self.answer(password).map_err(|broke| self.unstarted(broke, escalation))?,
                    None => return Err(OpenFailure::Failed(trouble::wrong_password(&self.node))),
                },
                Ok(_) => return Err(self.unstarted(Broke::Spoilt("it began in the middle"), escalation)),
                Err(broke) => return Err(self.unstarted(broke, escalation)),
            }
        }
        // From here on the script prints to stdout alone, and whatever a shell in the background has to say
        // on stderr must not fill the window.
        let _ = self.channel.handle_extended_data(ExtendedData::Ignore);
        Ok(())
    }

    fn answer(&mut self, password: &Secret) -> Result<(), Broke> {
        let mut line = Zeroizing::new(Vec::with_capacity(password.expose().len() + 1));
        line.extend_from_slice(password.expose().as_bytes());
        line.push(b'\n');
        self.send(&line)
    }

    fn unstarted(&mut self, broke: Broke, escalation: &Escalation) -> OpenFailure {
        let mut printed = self.decoder.noise();
        let mut failure = Failure::new(format!("could not start the script on {}", self.node));
        match broke {
            Broke::Ended => {
                printed = format!("{printed}\n{}", self.errors());
                failure = failure.cause("the login shell ended before the script's first line");
            }
            Broke::Lost(cause) => failure = failure.cause(cause),
            Broke::Spoilt(cause) => failure = failure.cause(cause),
        }
        if matches!(escalation, Escalation::Sudo { .. })
            && let Some(refusal) = trouble::sudo_refusal(&self.node, &printed)
        {
            return OpenFailure::Failed(refusal);
        }
        let printed = tidy(&printed);
        if !printed.is_empty() {
            failure = failure.cause(format!("it printed: {printed}"));
        }
        OpenFailure::Unreachable(failure)
    }

    /// What a shell that has ended said on stderr.
    fn errors(&mut self) -> String {
        let mut bytes = vec![0; 4096];
        let length = self.channel.stderr().read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    /// Takes in every file, and lets the script wait.
    pub(super) fn observe(&mut self) -> Result<Vec<FileFact>, OpenFailure> {
        let mut seen = Vec::new();
        let looked = loop {
            match self.next() {
                Ok(Frame::File(index, file)) if index == seen.len() + 1 => seen.push(file),
                Ok(Frame::Ready) if seen.len() == self.paths.len() => break Ok(()),
                Ok(Frame::Missing(tool)) => return Err(OpenFailure::Failed(trouble::missing(&self.node, &tool))),
                Ok(_) => break Err(Broke::Spoilt("what it showed makes no sense")),
                Err(broke) => break Err(broke),
            }
        };
        looked.map_err(|broke| {
            let failure = Failure::new(format!("could not look at the files on {}", self.node));
            OpenFailure::Failed(failure.cause(broke.text()))
        })?;
        self.line.watch.rest(&self.line.ssh);
        Ok(merge(&self.paths, seen, self.power))
    }

    /// Ends the script, which has created, touched and removed nothing.
    ///
    /// # Errors
    /// None of any consequence: if the word does not come through, the script ends all the same.
    pub fn keep(mut self) -> Result<(), Failure> {
        self.line.watch.until(self.deadline());
        let sent = self.send(protocol::KEEP);
        self.farewell();
        sent.map_err(|broke| Failure::new(format!("lost {} while it waited", self.node)).cause(broke.text()))
    }

    /// Replaces `files`, each of them only if it is still what was read, and reads them back. One result for
    /// each, in this order; a lost connection is a failure of every file that was not confirmed until then.
    pub fn write(mut self, files: Vec<NewContent>) -> Vec<Result<(), WriteFailure>> {
        self.line.watch.until(self.deadline());
        let mut results: Vec<Option<Result<(), WriteFailure>>> = files.iter().map(|file| self.refuse(file)).collect();
        let end = self.carry_out(&files, &mut results);
        if matches!(end, End::Done) {
            self.farewell();
        }
        let pairs = files.iter().zip(results);
        pairs
            .map(|(file, result)| result.unwrap_or_else(|| Err(WriteFailure::Failed(end.failure(&file.path)))))
            .collect()
    }

    /// The failure of a file that is not even tried.
    fn refuse(&self, file: &NewContent) -> Option<Result<(), WriteFailure>> {
        let path = &file.path;
        if self.index(path).is_none() {
            let failure = Failure::new(format!("`{path}` was not looked at before"));
            return Some(Err(WriteFailure::Failed(failure)));
        }
        let too_large = file.new.expose().len() > LARGEST;
        too_large.then(|| Err(WriteFailure::Failed(Failure::new(format!("`{path}` would be larger than 1 MiB")))))
    }

    /// Sends what is not refused yet and notes what becomes of it.
    fn carry_out(&mut self, files: &[NewContent], results: &mut [Option<Result<(), WriteFailure>>]) -> End {
        let mut items = Vec::new();
        let mut which = Vec::new();
        for (at, file) in files.iter().enumerate() {
            if let (None, Some(index)) = (&results[at], self.index(&file.path)) {
                let old = file.old.as_ref().map(|old| old.expose());
                items.push(Item { index, old, new: file.new.expose() });
                which.push(at);
            }
        }
        let order = order(&self.nonce, &items);
        if let Err(broke) = self.send(&order) {
            return End::Unsent(broke);
        }
        // The script reads up to the end of the stream, and looks for the marker there.
        if let Err(broke) = self.close() {
            return End::Unknown(broke);
        }
        for (item, at) in items.iter().zip(which) {
            match self.outcome(item, &files[at].path) {
                Ok(result) => results[at] = Some(result),
                Err(broke) => return End::Unknown(broke),
            }
        }
        match self.next() {
            Ok(Frame::Done) => End::Done,
            Ok(_) => End::Unknown(Broke::Spoilt("it said more than it should")),
            Err(broke) => End::Unknown(broke),
        }
    }

    /// What became of one item: for a written one, whether it reads back as meant.
    fn outcome(&mut self, item: &Item, path: &str) -> Result<Result<(), WriteFailure>, Broke> {
        let spoilt = Err(Broke::Spoilt("it spoke of another file"));
        let outcome = match self.next()? {
            Frame::Outcome(index, outcome) if index == item.index => outcome,
            _ => return spoilt,
        };
        if outcome == Outcome::Changed {
            return Ok(Err(WriteFailure::Conflict));
        }
        if let Some(failure) = trouble::unwritten(path, &outcome, self.power) {
            return Ok(Err(WriteFailure::Failed(failure)));
        }
        debug_assert_eq!(outcome, Outcome::Written);
        match self.next()? {
            Frame::File(index, seen) if index == item.index => {
                Ok(compare(path, item.new, &seen, self.power).map_err(WriteFailure::Failed))
            }
            _ => spoilt,
        }
    }

    fn index(&self, path: &str) -> Option<usize> {
        self.paths.iter().position(|known| known == path).map(|at| at + 1)
    }

    fn deadline(&self) -> Instant {
        Instant::now().checked_add(self.line.timeout).unwrap_or_else(far)
    }

    fn next(&mut self) -> Result<Frame, Broke> {
        let mut bytes = Zeroizing::new([0; 16 * 1024]);
        loop {
            match self.decoder.next() {
                Some(Frame::Broken) => return Err(Broke::Spoilt("a line of the script came through spoilt")),
                Some(frame) => return Ok(frame),
                None => {}
            }
            match self.channel.read(&mut *bytes) {
                // A socket that was shut down reads as an orderly end.
                Ok(0) if self.line.watch.cut().is_some() => {
                    return Err(Broke::Lost(self.line.why("waiting for the script", &"")));
                }
                Ok(0) => return Err(Broke::Ended),
                Ok(length) if self.decoder.feed(&bytes[..length]) => {}
                Ok(_) => return Err(Broke::Spoilt("it prints without end")),
                Err(error) => return Err(Broke::Lost(self.line.why("waiting for the script", &error))),
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Broke> {
        // No flush: libssh2's throws away what has arrived and was not read yet.
        self.channel.write_all(bytes).map_err(|error| Broke::Lost(self.line.why("sending to the script", &error)))
    }

    fn close(&mut self) -> Result<(), Broke> {
        self.channel.send_eof().map_err(|error| Broke::Lost(self.line.why("sending to the script", &error.message())))
    }

    /// Closes the connection in order; the script has ended or is about to.
    fn farewell(&mut self) {
        let _ = self.channel.send_eof();
        let _ = self.line.ssh.disconnect(None, "done", None);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("node", &self.node).field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl Broke {
    fn text(&self) -> String {
        match self {
            Self::Ended => "the script ended too early".to_owned(),
            Self::Lost(cause) => cause.clone(),
            Self::Spoilt(what) => (*what).to_owned(),
        }
    }
}

impl End {
    fn failure(&self, path: &str) -> Failure {
        match self {
            Self::Done => Failure::new(format!("`{path}` was not written")).cause("the script did not speak of it"),
            Self::Unsent(broke) => Failure::new(format!("`{path}` was not written")).cause(broke.text()),
            Self::Unknown(broke) => Failure::new(format!("`{path}` may or may not have been written"))
                .cause(broke.text())
                .hint("it is the old file or the new one, whole: run again"),
        }
    }
}

/// One fact for each file. Paths with the same key are the same file, and can be written through either. An
/// inode with one link that has two keys is mounted somewhere; replacing one would part it from the other.
fn merge(paths: &[String], seen: Vec<Seen>, power: Power) -> Vec<FileFact> {
    let mut facts: Vec<(Option<String>, Option<String>, FileFact)> = Vec::new();
    for (path, seen) in paths.iter().zip(seen) {
        let (key, inode, state) = match seen {
            Seen::Present { mode, inode, key, mut content } => {
                let content = SecretBytes::new(std::mem::take(&mut *content));
                (Some(key), inode.ends_with(":1").then_some(inode), FileState::Present { content, mode })
            }
            Seen::Absent { key } => (Some(key), None, FileState::Absent),
            Seen::Unusable { kind, text } => {
                let failure = trouble::unusable(path, &kind, &text, power);
                (None, (kind == "mounted").then_some(text), FileState::Unusable(failure))
            }
        };
        if let Some((.., fact)) = facts.iter_mut().find(|(known, ..)| key.is_some() && *known == key) {
            fact.aliases.push(path.clone());
        } else if let Some((.., fact)) = facts.iter_mut().find(|(_, known, _)| inode.is_some() && *known == inode) {
            fact.aliases.push(path.clone());
            let failure = trouble::unusable(&fact.path, "mounted", "", power);
            fact.state = FileState::Unusable(failure.cause(format!("`{path}` is the same file")));
        } else {
            facts.push((key, inode, FileFact { path: path.clone(), aliases: Vec::new(), state }));
        }
    }
    facts.into_iter().map(|(.., fact)| fact).collect()
}

/// Whether the file reads back as it was meant.
fn compare(path: &str, new: &[u8], seen: &Seen, power: Power) -> Result<(), Failure> {
    let wrong = |cause: String| {
        Err(Failure::new(format!("`{path}` was written, but is not what was meant")).cause(cause).hint("run again"))
    };
    match seen {
        Seen::Present { content, .. } if content.as_slice() != new => {
            wrong("it reads back with other bytes".to_owned())
        }
        Seen::Present { mode, .. } if mode & 0o077 != 0 => wrong(format!("its mode is {mode:03o}")),
        Seen::Present { .. } => Ok(()),
        Seen::Absent { .. } => wrong("it is gone".to_owned()),
        Seen::Unusable { kind, text } => wrong(trouble::unusable(path, kind, text, power).message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent(key: &str) -> Seen {
        Seen::Absent { key: key.to_owned() }
    }

    #[test]
    fn a_session_can_wait_in_another_thread() {
        fn assert_send<T: Send>() {}
        assert_send::<Session>();
    }

    #[test]
    fn paths_of_one_file_are_one_fact() {
        let paths = ["/a", "/b", "/c", "/d", "/e"].map(str::to_owned);
        let unusable = || Seen::Unusable { kind: "directory".to_owned(), text: "-".to_owned() };
        let facts = merge(&paths, vec![absent("1"), absent("2"), absent("1"), unusable(), unusable()], Power::Root);
        let told: Vec<_> = facts.iter().map(|fact| (fact.path.as_str(), fact.aliases.len())).collect();
        assert_eq!(told, [("/a", 1), ("/b", 0), ("/d", 0), ("/e", 0)]);
        assert_eq!(facts[0].aliases, ["/c"]);
    }

    #[test]
    fn a_file_under_two_mounts_is_one_fact_that_cannot_be_written() {
        let present = |inode: &str, key: &str| Seen::Present {
            mode: 0o600,
            inode: inode.to_owned(),
            key: key.to_owned(),
            content: Zeroizing::default(),
        };
        let mounted = Seen::Unusable { kind: "mounted".to_owned(), text: "7:2:1".to_owned() };
        let paths = ["/a", "/b", "/c", "/d", "/e", "/f"].map(str::to_owned);
        let seen = vec![
            present("7:1:1", "x"),
            present("7:1:1", "y"),
            present("7:2:1", "z"),
            mounted,
            // Hard links: each name can be given a file of its own.
            present("7:3:2", "v"),
            present("7:3:2", "w"),
        ];
        let facts = merge(&paths, seen, Power::Root);
        let told: Vec<_> = facts
            .iter()
            .map(|fact| (fact.path.as_str(), fact.aliases.len(), matches!(fact.state, FileState::Unusable(_))))
            .collect();
        assert_eq!(told, [("/a", 1, true), ("/c", 1, true), ("/e", 0, false), ("/f", 0, false)]);
    }

    #[test]
    fn what_reads_back_otherwise_is_a_failure() {
        let seen = |mode, content: &str| Seen::Present {
            mode,
            inode: String::new(),
            key: String::new(),
            content: Zeroizing::new(content.as_bytes().to_vec()),
        };
        assert!(compare("/a", b"x", &seen(0o600, "x"), Power::Root).is_ok());
        for wrong in [seen(0o600, "y"), seen(0o640, "x"), absent("")] {
            assert!(compare("/a", b"x", &wrong, Power::Root).is_err(), "{wrong:?}");
        }
    }
}

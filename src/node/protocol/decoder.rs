//! Parses what the script prints: a stream of bytes becomes frames. It does no I/O.

use zeroize::Zeroizing;

use super::{Frame, LARGEST, Nonce, ObservedFile, UnusableReason, WriteOutcome, WriteStage, tidy};

/// The maximum number of bytes that login shells and sudo may print in total.
const NOISE_LIMIT: usize = 256 * 1024;

/// Parses the frames of a stream while it arrives.
pub(in crate::node) struct Decoder {
    nonce: Nonce,
    buffer: Zeroizing<Vec<u8>>,
    /// Where the part of the buffer begins that is not parsed yet.
    used: usize,
    /// The file whose content is arriving.
    incoming: Option<IncomingFile>,
    /// Text that arrived since the last frame and is not part of a frame.
    noise: String,
    /// How many more bytes may arrive.
    allowance: usize,
}

struct IncomingFile {
    index: usize,
    mode: u32,
    inode: String,
    key: String,
    /// How many bytes of the content were already searched for its end. Without this, a long content would be searched
    /// from its start each time.
    searched: usize,
}
impl Decoder {
    /// For a script that prints `files` files, and prints them again after writing them.
    pub(in crate::node) fn new(nonce: Nonce, files: usize) -> Self {
        // The script prints each file at most twice: once when it observes the file, and once after it has written it.
        let allowance = NOISE_LIMIT + 2 * files * (LARGEST + 16 * 1024);
        Self { nonce, buffer: Zeroizing::new(Vec::new()), used: 0, incoming: None, noise: String::new(), allowance }
    }

    /// Adds bytes that arrived; false if they are more than a correct script prints.
    #[must_use]
    pub(in crate::node) fn feed(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.allowance {
            return false;
        }
        self.allowance -= bytes.len();
        // The bytes that were used are removed once for each read, because removing them for each frame would move the
        // rest of the buffer each time.
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
        true
    }

    /// The next frame, if it has arrived completely.
    pub(in crate::node) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(file) = self.incoming.take() {
                return self.content(file);
            }
            let rest = &self.buffer[self.used..];
            let start = find(rest, self.nonce.0.as_bytes())? + self.nonce.0.len();
            // sudo prints its prompt without a line break and then waits, so waiting for the end of the line would
            // never end.
            if rest[start..].starts_with(b" PASSWORD ") {
                self.used += start + b" PASSWORD ".len();
                return Some(self.complete(Frame::Prompt));
            }
            let line = start + find(&rest[start..], b"\n")?;
            let words = String::from_utf8_lossy(&rest[start..line]).into_owned();
            self.used += line + 1;
            match parse(&words) {
                ParsedLine::Frame(frame) => return Some(self.complete(frame)),
                ParsedLine::Incoming(file) => self.incoming = Some(file),
                // The line contains the nonce but is not a frame: for example, an error message that quotes our command
                // line.
                ParsedLine::Noise => {
                    let skipped = &self.buffer[self.used - line - 1..self.used];
                    self.noise.push_str(&String::from_utf8_lossy(skipped));
                    continue;
                }
            }
        }
    }

    /// The file whose content begins here, if the end of the content has arrived, too.
    fn content(&mut self, mut file: IncomingFile) -> Option<Frame> {
        let follows = &self.buffer[self.used..];
        let marker = format!("\n{} END ", self.nonce.0);
        let marked = find(&follows[file.searched..], marker.as_bytes()).map(|at| file.searched + at);
        let ended = marked.and_then(|length| {
            let status = length + marker.len();
            Some((length, status, status + find(&follows[status..], b"\n")?))
        });
        let Some((length, status, end)) = ended else {
            // The search continues where it stopped, minus a marker that may have arrived in part. Otherwise the time
            // would grow with the square of the size.
            file.searched = marked.unwrap_or_else(|| follows.len().saturating_sub(marker.len()));
            self.incoming = Some(file);
            return None;
        };
        // The script prints one byte more than the limit at most, so a larger file is recognized by its length.
        let observed = if length > LARGEST {
            ObservedFile::Unusable { reason: UnusableReason::TooLarge, text: String::new() }
        } else if &follows[status..end] != b"0" {
            // The exit status of `head`, which prints the content, is not 0.
            ObservedFile::Unusable { reason: UnusableReason::Incomplete, text: String::new() }
        } else {
            let content = Zeroizing::new(follows[..length].to_vec());
            ObservedFile::Present { mode: file.mode, inode: file.inode, key: file.key, content }
        };
        self.used += end + 1;
        Some(Frame::File(file.index, observed))
    }

    /// What arrived since the last frame without being a frame.
    pub(in crate::node) fn noise(&self) -> String {
        format!("{}{}", self.noise, String::from_utf8_lossy(&self.buffer[self.used..]))
    }

    fn complete(&mut self, frame: Frame) -> Frame {
        // A frame shows that the output before it was harmless, so messages only quote what was printed after the last
        // frame.
        self.noise.clear();
        frame
    }
}

/// The meaning of the rest of a line after the nonce.
enum ParsedLine {
    Frame(Frame),
    /// A regular file; its content follows.
    Incoming(IncomingFile),
    Noise,
}

fn parse(line: &str) -> ParsedLine {
    let line = line.strip_prefix(' ').unwrap_or_default();
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    let frame = match kind {
        // The number is the version of the protocol.
        "BEGIN" if rest == "1" => Some(Frame::Begin),
        "MISSING" => Some(Frame::Missing(tidy(rest))),
        "READY" => Some(Frame::Ready),
        "DONE" => Some(Frame::Done),
        "RESULT" => parse_result(rest),
        "FILE" => return parse_file(rest).unwrap_or(ParsedLine::Frame(Frame::Malformed)),
        _ => return ParsedLine::Noise,
    };
    ParsedLine::Frame(frame.unwrap_or(Frame::Malformed))
}

fn parse_file(line: &str) -> Option<ParsedLine> {
    let (index, state, rest) = split_index(line)?;
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let observed = match state {
        "absent" => ObservedFile::Absent { key: rest.to_owned() },
        "unusable" => ObservedFile::Unusable { reason: unusable_reason(first), text: tidy(second) },
        "present" => {
            let mode = u32::from_str_radix(first, 8).ok()?;
            let (inode, key) = second.split_once(' ')?;
            let (inode, key) = (inode.to_owned(), key.to_owned());
            return Some(ParsedLine::Incoming(IncomingFile { index, mode, inode, key, searched: 0 }));
        }
        _ => return None,
    };
    Some(ParsedLine::Frame(Frame::File(index, observed)))
}

fn parse_result(line: &str) -> Option<Frame> {
    let (index, kind, rest) = split_index(line)?;
    let outcome = match kind {
        "ok" => WriteOutcome::Written,
        "changed" => WriteOutcome::Changed,
        "locked" => WriteOutcome::Locked(tidy(rest)),
        "error" => {
            let (stage, text) = rest.split_once(' ').unwrap_or((rest, ""));
            WriteOutcome::Failed { stage: write_stage(stage)?, text: tidy(text) }
        }
        _ => return None,
    };
    Some(Frame::Result(index, outcome))
}

/// Splits `3 present REST` into its parts.
fn split_index(line: &str) -> Option<(usize, &str, &str)> {
    let (index, rest) = line.split_once(' ')?;
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((index.parse().ok()?, word, rest))
}

/// The reason for a code of the script. An unknown code can only come from a damaged stream.
fn unusable_reason(code: &str) -> UnusableReason {
    match code {
        "directory" => UnusableReason::Directory,
        "special" => UnusableReason::Special,
        "large" => UnusableReason::TooLarge,
        "newline" => UnusableReason::LineBreak,
        "dangling" => UnusableReason::DanglingLink,
        "mounted" => UnusableReason::Mounted,
        "blocked" => UnusableReason::Blocked,
        "denied" => UnusableReason::Denied,
        "changing" => UnusableReason::Changing,
        // An unknown word must not be ignored: the file could not be read for some reason.
        _ => UnusableReason::Unreadable,
    }
}

/// The stage for a code of the script. Another code can only come from a damaged stream.
fn write_stage(code: &str) -> Option<WriteStage> {
    Some(match code {
        "directory" => WriteStage::Directory,
        "temp" => WriteStage::Temporary,
        "private" => WriteStage::Private,
        "payload" => WriteStage::Payload,
        "write" => WriteStage::Write,
        "owner" => WriteStage::Owner,
        "mode" => WriteStage::Mode,
        "lock" => WriteStage::Lock,
        "compare" => WriteStage::Compare,
        "rename" => WriteStage::Rename,
        _ => return None,
    })
}
fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
#[cfg(test)]
mod tests {
    use super::*;

    const N: &str = "0123456789abcdef0123456789abcdef";

    fn frames(text: &str) -> Vec<Frame> {
        let text = text.replace("NONCE", N);
        let mut at_once = Decoder::new(Nonce::fixed(), 1);
        assert!(at_once.feed(text.as_bytes()));
        let all: Vec<_> = std::iter::from_fn(|| at_once.next()).collect();
        // The result does not depend on how the network splits the stream.
        let mut bytewise = Decoder::new(Nonce::fixed(), 1);
        let mut one_by_one = Vec::new();
        for byte in text.as_bytes() {
            assert!(bytewise.feed(&[*byte]));
            one_by_one.extend(std::iter::from_fn(|| bytewise.next()));
        }
        assert_eq!(all, one_by_one);
        all
    }

    fn present(content: &[u8]) -> Frame {
        let content = Zeroizing::new(content.to_vec());
        let (inode, key) = ("7:15:1".to_owned(), "7:12:config.json".to_owned());
        Frame::File(1, ObservedFile::Present { mode: 0o644, inode, key, content })
    }

    #[test]
    fn frames_are_found_between_other_output() {
        let all = frames(
            "motd\nLast login\r\nno newlineNONCE BEGIN 1\nNONCE FILE 1 present 644 7:15:1 7:12:config.json\n\
             {\"a\": 1}\n\nNONCE END 0\nbackground job\nNONCE FILE 2 absent 7:13:x y/config.json\nNONCE READY\n\
             NONCE RESULT 1 ok\nNONCE DONE\n",
        );
        let absent = Frame::File(2, ObservedFile::Absent { key: "7:13:x y/config.json".to_owned() });
        let outcome = Frame::Result(1, WriteOutcome::Written);
        assert_eq!(all, [Frame::Begin, present(b"{\"a\": 1}\n"), absent, Frame::Ready, outcome, Frame::Done]);
    }

    #[test]
    fn content_is_received_byte_by_byte() {
        for content in ["", "\n", "no newline", "\0\n\n", "END 0\n"] {
            let all = frames(&format!("NONCE FILE 1 present 644 7:15:1 7:12:config.json\n{content}\nNONCE END 0\n"));
            assert_eq!(all, [present(content.as_bytes())], "{content:?}");
        }
    }

    #[test]
    fn the_prompt_of_sudo_has_no_line_break() {
        assert_eq!(frames("lecture\nNONCE PASSWORD "), [Frame::Prompt]);
        assert_eq!(frames("NONCE PASSWORD Sorry, try again.\nNONCE PASSWORD "), [Frame::Prompt, Frame::Prompt]);
    }

    #[test]
    fn our_own_command_line_is_not_a_frame() {
        assert_eq!(frames("not allowed: sh -c oregano NONCE /root/x\nNONCE BEGIN 2\nNONCE BEGIN 1\n").len(), 1);
    }

    #[test]
    fn output_that_is_not_a_frame_is_kept_for_messages() {
        let mut decoder = Decoder::new(Nonce::fixed(), 1);
        assert!(decoder.feed(format!("lecture {N} PASSWORD not allowed: oregano {N} /x\nas root").as_bytes()));
        assert_eq!((decoder.next(), decoder.next()), (Some(Frame::Prompt), None));
        assert_eq!(decoder.noise(), format!("not allowed: oregano {N} /x\nas root"));
    }

    #[test]
    fn failures_are_parsed() {
        let unusable = |reason, text: &str| Frame::File(1, ObservedFile::Unusable { reason, text: text.to_owned() });
        assert_eq!(frames("NONCE FILE 1 unusable directory -\n"), [unusable(UnusableReason::Directory, "-")]);
        assert_eq!(
            frames("NONCE FILE 1 present 644 7:15:1 k\nabc\nNONCE END 1\n"),
            [unusable(UnusableReason::Incomplete, "")]
        );
        assert_eq!(
            frames("NONCE RESULT 3 error rename mv: busy\nNONCE RESULT 1 changed\nNONCE RESULT 2 locked 77\n"),
            [
                Frame::Result(3, WriteOutcome::Failed { stage: WriteStage::Rename, text: "mv: busy".to_owned() }),
                Frame::Result(1, WriteOutcome::Changed),
                Frame::Result(2, WriteOutcome::Locked("77".to_owned())),
            ]
        );
        assert_eq!(frames("NONCE FILE x present\n"), [Frame::Malformed]);
        assert_eq!(frames("NONCE RESULT 1 error elsewhere x\n"), [Frame::Malformed]);
    }

    #[test]
    fn an_endless_stream_is_rejected() {
        let mut decoder = Decoder::new(Nonce::fixed(), 0);
        assert!(decoder.feed(&vec![b'x'; NOISE_LIMIT]));
        assert!(!decoder.feed(b"x"));
    }
}

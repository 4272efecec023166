//! The wire between the remote script and us: its command line, the frames it prints and the payload it
//! reads. Pure: bytes in, values out. A frame is a line that begins with the nonce of this run, so that
//! whatever a login shell prints before or between is not mistaken for one.

use std::sync::LazyLock;

use zeroize::Zeroizing;

use crate::desired::Escalation;
use crate::failure::{shorten, single_line};

/// The largest file that is managed, in bytes; the script knows the same number.
pub(super) const LARGEST: usize = 1024 * 1024;

/// What login shells and sudo may print in all before we give up.
const NOISE: usize = 256 * 1024;

/// The remote script without its comments and indentation: it travels with every connection.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let code = include_str!("script.sh").lines().map(str::trim_start);
    code.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
});

/// 128 random bits in hexadecimal, new for each connection.
#[derive(Clone)]
pub(super) struct Nonce(String);

/// Something that the script, or sudo before it, says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// sudo asks for the password.
    Prompt,
    /// The script runs.
    Begin,
    /// The node has no tool of this name, and the script ends.
    Missing(String),
    /// A file as it stands.
    File(usize, Seen),
    /// Every file was shown; the script waits.
    Ready,
    /// What became of a file that was to be written.
    Outcome(usize, Outcome),
    /// The end, with nothing left behind.
    Done,
    /// A frame that makes no sense: the stream was spoilt on its way.
    Broken,
}

/// What stands at a path. Equal keys are one file.
#[derive(PartialEq, Eq)]
pub(super) enum Seen {
    /// A regular file.
    Present {
        /// Permission bits.
        mode: u32,
        /// Device, inode and number of links.
        inode: String,
        /// Device and inode of its directory, and its name.
        key: String,
        /// Every byte.
        content: Zeroizing<Vec<u8>>,
    },
    /// Nothing.
    Absent {
        /// As above, of the nearest directory that exists.
        key: String,
    },
    /// Something that cannot be managed.
    Unusable {
        /// A word of the script's for the kind of trouble.
        kind: String,
        /// The system's own message, or the path at fault.
        text: String,
    },
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Renamed into place; the file is shown again next.
    Written,
    /// The file is not what was read.
    Changed,
    /// The process with this number holds the lock.
    Locked(String),
    /// A stage failed, with the system's message.
    Error {
        /// A word of the script's.
        stage: String,
        /// The system's message.
        text: String,
    },
}

/// One file of a payload: its number, the bytes that were read (if there were any), and the new ones.
pub(super) struct Item<'a> {
    pub(super) index: usize,
    pub(super) old: Option<&'a [u8]>,
    pub(super) new: &'a [u8],
}

/// Takes frames out of the stream as it arrives.
pub(super) struct Decoder {
    nonce: Nonce,
    buffer: Zeroizing<Vec<u8>>,
    /// Where the part of the buffer begins that no frame has used yet.
    used: usize,
    /// The present file whose content is arriving.
    arriving: Option<Arriving>,
    /// What was passed over since the last frame.
    noise: String,
    /// Bytes that may still arrive.
    room: usize,
}

struct Arriving {
    index: usize,
    mode: u32,
    inode: String,
    key: String,
    /// How much of the content was searched for its end, so that a long one is not searched again and again.
    searched: usize,
}

impl Nonce {
    /// A fresh one; `None` where the system has no randomness to give.
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        openssl::rand::rand_bytes(&mut bytes).ok()?;
        Some(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// 32 hexadecimal digits.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn fixed() -> Self {
        Self("0123456789abcdef0123456789abcdef".to_owned())
    }
}

/// The command that runs the script over `paths`. It holds no secret: other users of the node can read it.
pub(super) fn command(nonce: &Nonce, escalation: &Escalation, paths: &[String]) -> String {
    let mut words = match escalation {
        Escalation::None => Vec::new(),
        // sudo asks and complains on stderr; there, it would be out of step with what the script prints.
        Escalation::Sudo { password } => {
            let shell = "LC_ALL=C; export LC_ALL; exec sudo \"$@\" 2>&1";
            let mut words: Vec<_> = ["sh", "-c", shell, "oregano"].map(str::to_owned).into();
            match password {
                Some(_) => words.extend(["-S".to_owned(), "-p".to_owned(), format!("{} PASSWORD ", nonce.0)]),
                None => words.push("-n".to_owned()),
            }
            words.push("--".to_owned());
            words
        }
    };
    words.extend(["sh".to_owned(), "-c".to_owned(), SCRIPT.clone(), "oregano".to_owned(), nonce.0.clone()]);
    words.extend(paths.iter().cloned());
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// The order to write `items` and the payload behind it, which ends in a marker.
pub(super) fn order(nonce: &Nonce, items: &[Item]) -> Zeroizing<Vec<u8>> {
    let total: usize = items.iter().map(|item| item.old.map_or(0, <[u8]>::len) + item.new.len()).sum();
    let mut line = format!("write {total}");
    for item in items {
        let old = item.old.map_or_else(|| "-".to_owned(), |old| old.len().to_string());
        line.push_str(&format!(" {} {old} {}", item.index, item.new.len()));
    }
    line.push('\n');
    let marker = format!("{} PAYLOAD {total}", nonce.0);
    // As large as it gets, so that it is never moved and the copy left in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(line.len() + total + marker.len()));
    bytes.extend_from_slice(line.as_bytes());
    for item in items {
        bytes.extend_from_slice(item.old.unwrap_or_default());
        bytes.extend_from_slice(item.new);
    }
    bytes.extend_from_slice(marker.as_bytes());
    bytes
}

/// The order to leave everything as it is.
pub(super) const KEEP: &[u8] = b"keep\n";

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Decoder {
    /// For a script that shows `files` files, and shows them again when it wrote them.
    pub(super) fn new(nonce: Nonce, files: usize) -> Self {
        let room = NOISE + 2 * files * (LARGEST + 16 * 1024);
        Self { nonce, buffer: Zeroizing::new(Vec::new()), used: 0, arriving: None, noise: String::new(), room }
    }

    /// Takes in what arrived; false where it is more than any honest node sends.
    #[must_use]
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.room {
            return false;
        }
        self.room -= bytes.len();
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
        true
    }

    /// The next frame, if it is here in full.
    pub(super) fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(file) = self.arriving.take() {
                return self.content(file);
            }
            let rest = &self.buffer[self.used..];
            let start = find(rest, self.nonce.0.as_bytes())? + self.nonce.0.len();
            if rest[start..].starts_with(b" PASSWORD ") {
                self.used += start + b" PASSWORD ".len();
                return Some(self.heard(Frame::Prompt));
            }
            let line = start + find(&rest[start..], b"\n")?;
            let words = String::from_utf8_lossy(&rest[start..line]).into_owned();
            self.used += line + 1;
            match read(&words) {
                Heard::Frame(frame) => return Some(self.heard(frame)),
                Heard::Arriving(file) => self.arriving = Some(file),
                // The nonce without a frame behind it: somebody repeats our command line.
                Heard::Noise => {
                    let passed = &self.buffer[self.used - line - 1..self.used];
                    self.noise.push_str(&String::from_utf8_lossy(passed));
                    continue;
                }
            }
        }
    }

    /// The file whose content begins here, when its end is here as well.
    fn content(&mut self, mut file: Arriving) -> Option<Frame> {
        let follows = &self.buffer[self.used..];
        let marker = format!("\n{} END ", self.nonce.0);
        let marked = find(&follows[file.searched..], marker.as_bytes()).map(|at| file.searched + at);
        let ended = marked.and_then(|length| {
            let behind = length + marker.len();
            Some((length, behind, behind + find(&follows[behind..], b"\n")?))
        });
        let Some((length, behind, end)) = ended else {
            file.searched = marked.unwrap_or_else(|| follows.len().saturating_sub(marker.len()));
            self.arriving = Some(file);
            return None;
        };
        let seen = if length > LARGEST {
            Seen::Unusable { kind: "large".to_owned(), text: String::new() }
        } else if &follows[behind..end] != b"0" {
            Seen::Unusable { kind: "unreadable".to_owned(), text: "it cannot be read to its end".to_owned() }
        } else {
            let content = Zeroizing::new(follows[..length].to_vec());
            Seen::Present { mode: file.mode, inode: file.inode, key: file.key, content }
        };
        self.used += end + 1;
        Some(Frame::File(file.index, seen))
    }

    /// What arrived since the last frame and is none itself.
    pub(super) fn noise(&self) -> String {
        format!("{}{}", self.noise, String::from_utf8_lossy(&self.buffer[self.used..]))
    }

    fn heard(&mut self, frame: Frame) -> Frame {
        self.noise.clear();
        frame
    }
}

/// What a line behind the nonce means.
enum Heard {
    Frame(Frame),
    /// A present file; its content follows.
    Arriving(Arriving),
    Noise,
}

fn read(line: &str) -> Heard {
    let line = line.strip_prefix(' ').unwrap_or_default();
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    let frame = match kind {
        "BEGIN" if rest == "1" => Some(Frame::Begin),
        "MISSING" => Some(Frame::Missing(tidy(rest))),
        "READY" => Some(Frame::Ready),
        "DONE" => Some(Frame::Done),
        "RESULT" => read_outcome(rest),
        "FILE" => return read_file(rest).unwrap_or(Heard::Frame(Frame::Broken)),
        _ => return Heard::Noise,
    };
    Heard::Frame(frame.unwrap_or(Frame::Broken))
}

fn read_file(line: &str) -> Option<Heard> {
    let (index, state, rest) = split_index(line)?;
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let seen = match state {
        "absent" => Seen::Absent { key: rest.to_owned() },
        "unusable" => Seen::Unusable { kind: first.to_owned(), text: tidy(second) },
        "present" => {
            let mode = u32::from_str_radix(first, 8).ok()?;
            let (inode, key) = second.split_once(' ')?;
            let (inode, key) = (inode.to_owned(), key.to_owned());
            return Some(Heard::Arriving(Arriving { index, mode, inode, key, searched: 0 }));
        }
        _ => return None,
    };
    Some(Heard::Frame(Frame::File(index, seen)))
}

fn read_outcome(line: &str) -> Option<Frame> {
    let (index, kind, rest) = split_index(line)?;
    let outcome = match kind {
        "ok" => Outcome::Written,
        "changed" => Outcome::Changed,
        "locked" => Outcome::Locked(tidy(rest)),
        "error" => {
            let (stage, text) = rest.split_once(' ').unwrap_or((rest, ""));
            Outcome::Error { stage: stage.to_owned(), text: tidy(text) }
        }
        _ => return None,
    };
    Some(Frame::Outcome(index, outcome))
}

/// `3 present rest of it`.
fn split_index(line: &str) -> Option<(usize, &str, &str)> {
    let (index, rest) = line.split_once(' ')?;
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((index.parse().ok()?, word, rest))
}

/// Foreign text on one line without control characters, and not too much of it.
pub(super) fn tidy(text: &str) -> String {
    shorten(&single_line(text))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Present { mode, key, content, .. } => write!(f, "Present({mode:o} {key} {} bytes)", content.len()),
            Self::Absent { key } => write!(f, "Absent({key})"),
            Self::Unusable { kind, text } => write!(f, "Unusable({kind} {text})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    const N: &str = "0123456789abcdef0123456789abcdef";

    fn frames(text: &str) -> Vec<Frame> {
        let text = text.replace("NONCE", N);
        let mut whole = Decoder::new(Nonce::fixed(), 1);
        assert!(whole.feed(text.as_bytes()));
        let all: Vec<_> = std::iter::from_fn(|| whole.next()).collect();
        // The same, however the network cuts it.
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
        Frame::File(1, Seen::Present { mode: 0o644, inode, key, content })
    }

    #[test]
    fn a_run_is_read_through_the_noise() {
        let seen = frames(
            "motd\nLast login\r\nno newlineNONCE BEGIN 1\nNONCE FILE 1 present 644 7:15:1 7:12:config.json\n\
             {\"a\": 1}\n\nNONCE END 0\nbackground job\nNONCE FILE 2 absent 7:13:x y/config.json\nNONCE READY\n\
             NONCE RESULT 1 ok\nNONCE DONE\n",
        );
        let absent = Frame::File(2, Seen::Absent { key: "7:13:x y/config.json".to_owned() });
        let outcome = Frame::Outcome(1, Outcome::Written);
        assert_eq!(seen, [Frame::Begin, present(b"{\"a\": 1}\n"), absent, Frame::Ready, outcome, Frame::Done]);
    }

    #[test]
    fn content_comes_through_to_the_byte() {
        for content in ["", "\n", "no newline", "\0\n\n", "END 0\n"] {
            let seen = frames(&format!("NONCE FILE 1 present 644 7:15:1 7:12:config.json\n{content}\nNONCE END 0\n"));
            assert_eq!(seen, [present(content.as_bytes())], "{content:?}");
        }
    }

    #[test]
    fn sudo_asks_without_a_newline() {
        assert_eq!(frames("lecture\nNONCE PASSWORD "), [Frame::Prompt]);
        assert_eq!(frames("NONCE PASSWORD Sorry, try again.\nNONCE PASSWORD "), [Frame::Prompt, Frame::Prompt]);
    }

    #[test]
    fn our_own_command_line_is_no_frame() {
        assert_eq!(frames("not allowed: sh -c oregano NONCE /root/x\nNONCE BEGIN 2\nNONCE BEGIN 1\n").len(), 1);
    }

    #[test]
    fn what_was_passed_over_can_be_told() {
        let mut decoder = Decoder::new(Nonce::fixed(), 1);
        assert!(decoder.feed(format!("lecture {N} PASSWORD not allowed: oregano {N} /x\nas root").as_bytes()));
        assert_eq!((decoder.next(), decoder.next()), (Some(Frame::Prompt), None));
        assert_eq!(decoder.noise(), format!("not allowed: oregano {N} /x\nas root"));
    }

    #[test]
    fn trouble_is_told() {
        let unusable =
            |kind: &str, text: &str| Frame::File(1, Seen::Unusable { kind: kind.to_owned(), text: text.to_owned() });
        assert_eq!(frames("NONCE FILE 1 unusable directory -\n"), [unusable("directory", "-")]);
        assert_eq!(
            frames("NONCE FILE 1 present 644 7:15:1 k\nabc\nNONCE END 1\n"),
            [unusable("unreadable", "it cannot be read to its end")]
        );
        assert_eq!(
            frames("NONCE RESULT 3 error rename mv: busy\nNONCE RESULT 1 changed\nNONCE RESULT 2 locked 77\n"),
            [
                Frame::Outcome(3, Outcome::Error { stage: "rename".to_owned(), text: "mv: busy".to_owned() }),
                Frame::Outcome(1, Outcome::Changed),
                Frame::Outcome(2, Outcome::Locked("77".to_owned())),
            ]
        );
        assert_eq!(frames("NONCE FILE x present\n"), [Frame::Broken]);
    }

    #[test]
    fn an_endless_stream_is_cut_off() {
        let mut decoder = Decoder::new(Nonce::fixed(), 0);
        assert!(decoder.feed(&vec![b'x'; NOISE]));
        assert!(!decoder.feed(b"x"));
    }

    #[test]
    fn the_order_has_lengths_and_ends_in_the_marker() {
        let items = [
            Item { index: 2, old: Some(b"{}\n"), new: b"{\"auths\":{}}" },
            Item { index: 1, old: None, new: b"\0" },
            Item { index: 3, old: Some(b""), new: b"" },
        ];
        assert_eq!(
            String::from_utf8_lossy(&order(&Nonce::fixed(), &items)),
            format!("write 16 2 3 12 1 - 1 3 0 0\n{{}}\n{{\"auths\":{{}}}}\0{N} PAYLOAD 16")
        );
    }

    #[test]
    fn the_command_quotes_and_holds_no_password() {
        let paths = ["/root/it's here".to_owned(), "/x $(reboot)".to_owned()];
        let plain = command(&Nonce::fixed(), &Escalation::None, &paths);
        assert!(plain.starts_with("'sh' '-c' '"));
        assert!(plain.ends_with(&format!(" 'oregano' '{N}' '/root/it'\\''s here' '/x $(reboot)'")));
        assert!(!plain.contains("# "), "comments stay at home");
        assert!(plain.contains(&format!("\nlargest={LARGEST}\n")));
        let asked = Escalation::Sudo { password: Some(Secret::new("hunter2")) };
        let sudo = command(&Nonce::fixed(), &asked, &paths);
        assert!(sudo.contains(&format!("'oregano' '-S' '-p' '{N} PASSWORD ' '--' 'sh' '-c' ")));
        assert!(!sudo.contains("hunter2"));
        assert!(command(&Nonce::fixed(), &Escalation::Sudo { password: None }, &paths).contains(" '-n' '--' "));
    }

    #[test]
    fn foreign_text_is_tamed() {
        assert_eq!(tidy("a\x1b[31mb\r\n\tc "), "a [31mb c");
        assert!(tidy(&"x".repeat(999)).len() < 310);
    }
}

//! Tests of the script, which run it on this machine as a node does, under dash, bash and busybox.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::protocol::{
    Decoder, Frame, KEEP, Nonce, ObservedFile, PayloadItem, UnusableReason, WriteOutcome, WriteStage, command, order,
};
use crate::desired::Escalation;

mod conflicts;
mod hostile;
mod locks;

/// A directory of tools that is first in PATH, and a directory with managed files.
struct Node {
    tools: tempfile::TempDir,
    path: String,
    home: tempfile::TempDir,
}

/// A running script.
struct ScriptRun {
    child: Child,
    stdin: Option<ChildStdin>,
    decoder: Decoder,
    nonce: Nonce,
}

/// Runs `test` on a node with each shell. A busybox node only has the tools of busybox.
fn each(test: impl Fn(&Node)) {
    for shell in ["dash", "bash", "busybox"] {
        let home = tempfile::tempdir().unwrap();
        let tools = tempfile::tempdir().unwrap();
        let found = which(shell);
        if shell == "busybox" {
            let list = Command::new(&found).arg("--list").output().unwrap().stdout;
            for tool in String::from_utf8(list).unwrap().lines() {
                symlink(&found, tools.path().join(tool)).unwrap();
            }
        } else {
            symlink(&found, tools.path().join("sh")).unwrap();
        }
        let more = if shell == "busybox" { "" } else { ":/usr/bin:/bin" };
        let path = format!("{}{more}", tools.path().display());
        let node = Node { tools, path, home };
        let outcome = catch_unwind(AssertUnwindSafe(|| test(&node)));
        assert!(outcome.is_ok(), "it failed under {shell}");
    }
}

fn which(tool: &str) -> PathBuf {
    let folders = ["/usr/bin", "/bin", "/usr/local/bin"].map(|folder| Path::new(folder).join(tool));
    folders.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("this test needs {tool}"))
}

impl Node {
    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn make(&self, path: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Puts a shell script before the tool of that name in PATH.
    fn fake(&self, tool: &str, script: &str) {
        let path = self.tools.path().join(tool);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self, paths: &[&str]) -> ScriptRun {
        let nonce = Nonce::random().unwrap();
        let paths: Vec<_> = paths.iter().map(|path| self.at(path).display().to_string()).collect();
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("exec {}", command(&nonce, &Escalation::None, &paths))])
            .env("PATH", &self.path)
            .env("TMOUT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut run = ScriptRun { child, stdin, decoder: Decoder::new(nonce.clone(), paths.len()), nonce };
        assert_eq!(run.next(), Some(Frame::Begin));
        run
    }

    /// Observes `paths`. The script then waits for the order.
    fn observe(&self, paths: &[&str]) -> (ScriptRun, Vec<ObservedFile>) {
        let mut run = self.start(paths);
        let mut seen = Vec::new();
        loop {
            match run.next() {
                Some(Frame::File(index, file)) if index == seen.len() + 1 => seen.push(file),
                Some(Frame::Ready) => return (run, seen),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Replaces the first of `paths`.
    fn replace(&self, paths: &[&str], old: Option<&str>, new: &str) -> WriteOutcome {
        let (run, _) = self.observe(paths);
        run.write(&[item(1, old, new)]).remove(0)
    }

    /// All names in the directory with managed files, sorted.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        list(self.home.path(), "", &mut names);
        names.sort();
        names
    }
}

fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().display());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{name}/"), names);
        }
        names.push(name);
    }
}

fn item<'a>(index: usize, old: Option<&'a str>, new: &'a str) -> PayloadItem<'a> {
    PayloadItem { index, old: old.map(str::as_bytes), new: new.as_bytes() }
}

impl ScriptRun {
    fn next(&mut self) -> Option<Frame> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next() {
                return Some(frame);
            }
            let length = self.child.stdout.as_mut().unwrap().read(&mut bytes).unwrap();
            if length == 0 {
                return None;
            }
            assert!(self.decoder.feed(&bytes[..length]));
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Sends the complete order and receives the results. What was written must read back unchanged.
    fn write(mut self, items: &[PayloadItem]) -> Vec<WriteOutcome> {
        self.send(&order(&self.nonce.clone(), items));
        self.stdin = None;
        let outcomes = self.outcomes(items);
        assert_eq!(self.next(), Some(Frame::Done));
        assert_eq!(self.next(), None);
        self.child.wait().unwrap();
        outcomes
    }

    fn outcomes(&mut self, items: &[PayloadItem]) -> Vec<WriteOutcome> {
        let mut outcomes = Vec::new();
        for item in items {
            let Some(Frame::Result(index, outcome)) = self.next() else { panic!("no outcome") };
            assert_eq!(index, item.index);
            if outcome == WriteOutcome::Written {
                let Some(Frame::File(_, ObservedFile::Present { mode, content, .. })) = self.next() else { panic!() };
                assert_eq!((mode & 0o077, content.as_slice()), (0, item.new));
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Closes the stream and waits until the script ends.
    fn hang_up(mut self) {
        self.stdin = None;
        while self.next().is_some() {}
        self.child.wait().unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn error(stage: WriteStage, outcome: &WriteOutcome) -> String {
    let WriteOutcome::Failed { stage: at, text } = outcome else { panic!("{outcome:?} is not a failure") };
    assert_eq!(*at, stage);
    text.clone()
}

#[test]
fn observing_shows_bytes_and_modes_and_changes_nothing() {
    each(|node| {
        let content = "{\"auths\": {}}\n\nno end";
        let path = node.make("d/config.json", content, 0o640);
        node.make("d/big", &"x".repeat(1024 * 1024 + 1), 0o600);
        node.make("d/most", &"x".repeat(1024 * 1024), 0o600);
        fs::create_dir(node.at("folder")).unwrap();
        symlink("loop", node.at("loop")).unwrap();
        symlink("gone/config.json", node.at("dangling")).unwrap();
        let before = (node.names(), fs::metadata(node.at("d")).unwrap().mtime_nsec());
        for order in [KEEP, b"", b"kee"] {
            let paths = ["d/config.json", "d/none", "a/b/c", "folder", "loop", "d/big", "d/config.json/x", "dangling"];
            let (mut run, seen) = node.observe(&[&paths[..], &["d/most"]].concat());
            let ObservedFile::Present { mode, content: read, .. } = &seen[0] else { panic!("{seen:?}") };
            assert_eq!((*mode, read.as_slice()), (0o640, content.as_bytes()));
            assert!(matches!(seen[1], ObservedFile::Absent { .. }));
            assert!(matches!(seen[2], ObservedFile::Absent { .. }));
            use UnusableReason::{DanglingLink, Directory, TooLarge, Unreadable};
            let reasons = [Directory, Unreadable, TooLarge, Unreadable, DanglingLink];
            for (seen, expected) in seen[3..].iter().zip(reasons) {
                assert!(
                    matches!(seen, ObservedFile::Unusable { reason, .. } if *reason == expected),
                    "{seen:?} {expected:?}"
                );
            }
            assert!(matches!(&seen[8], ObservedFile::Present { content, .. } if content.len() == 1024 * 1024));
            run.send(order);
            run.hang_up();
        }
        assert_eq!((node.names(), fs::metadata(node.at("d")).unwrap().mtime_nsec()), before);
        assert_eq!(mode(&path), 0o640);
    });
}

#[test]
fn paths_that_lead_to_one_file_have_the_same_key() {
    each(|node| {
        node.make("real/config.json", "{}", 0o600);
        symlink(node.at("real"), node.at("link")).unwrap();
        symlink("real/config.json", node.at("direct")).unwrap();
        let (_run, seen) = node.observe(&[
            "real/config.json",
            "link/config.json",
            "direct",
            "real/new/config.json",
            "link/new/config.json",
        ]);
        let key = |seen: &ObservedFile| match seen {
            ObservedFile::Present { key, .. } | ObservedFile::Absent { key } => key.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(key(&seen[0]), key(&seen[1]));
        assert_eq!(key(&seen[0]), key(&seen[2]));
        assert_eq!(key(&seen[3]), key(&seen[4]));
        assert_ne!(key(&seen[0]), key(&seen[3]));
    });
}

#[test]
fn several_files_are_replaced_and_no_other_file_is_left() {
    each(|node| {
        let first = node.make("a b/it's/config.json", "{\"old\":1}\n", 0o644);
        let owner = (12, 34);
        // Only root can set another owner, and check that it is kept.
        let root = std::os::unix::fs::chown(&first, Some(owner.0), Some(owner.1)).is_ok();
        let (run, _) = node.observe(&["a b/it's/config.json", "new/deep/.docker/config.json", "a b/it's/third"]);
        let items = [
            item(1, Some("{\"old\":1}\n"), "{\"new\":1}"),
            item(2, None, "\u{0}$(reboot) `x` \\n 'q' \"\n\n"),
            item(3, None, ""),
        ];
        assert_eq!(run.write(&items), [WriteOutcome::Written, WriteOutcome::Written, WriteOutcome::Written]);
        assert_eq!(text(&first), "{\"new\":1}");
        assert_eq!(mode(&first), 0o600);
        if root {
            let metadata = fs::metadata(&first).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), owner);
        }
        let second = node.at("new/deep/.docker/config.json");
        assert_eq!(text(&second), "\u{0}$(reboot) `x` \\n 'q' \"\n\n");
        assert_eq!((mode(&second), mode(second.parent().unwrap())), (0o600, 0o700));
        assert_eq!((mode(&node.at("new")), mode(&node.at("new/deep"))), (0o755, 0o755));
        assert_eq!(node.names().len(), 8, "{:?}", node.names());
    });
}

#[test]
fn only_the_mode_can_change_and_the_bits_of_the_owner_stay() {
    each(|node| {
        for (old, new) in [(0o644, 0o600), (0o444, 0o400), (0o4755, 0o700), (0o600, 0o600)] {
            let path = node.make("config.json", "{}", old);
            assert_eq!(node.replace(&["config.json"], Some("{}"), "{}"), WriteOutcome::Written);
            assert_eq!(mode(&path), new, "{old:o}");
            fs::remove_file(path).unwrap();
        }
    });
}

#[test]
fn links_are_followed_and_stay_links() {
    each(|node| {
        let target = node.make("real/config.json", "1", 0o600);
        fs::create_dir(node.at("d")).unwrap();
        symlink("../real/config.json", node.at("d/config.json")).unwrap();
        symlink("../real/new.json", node.at("d/dangling.json")).unwrap();
        let (run, _) = node.observe(&["d/config.json", "d/dangling.json"]);
        assert_eq!(
            run.write(&[item(1, Some("1"), "2"), item(2, None, "3")]),
            [WriteOutcome::Written, WriteOutcome::Written]
        );
        assert_eq!((text(&target), text(&node.at("real/new.json"))), ("2".to_owned(), "3".to_owned()));
        assert!(node.at("d/config.json").is_symlink() && node.at("d/dangling.json").is_symlink());
        assert_eq!(node.names().len(), 6);
    });
}

#[test]
fn the_script_waits_for_the_order_despite_tmout() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        let (run, _) = node.observe(&["config.json"]);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(run.write(&[item(1, Some("old"), "new")]), [WriteOutcome::Written]);
    });
}

#[test]
fn an_incomplete_payload_is_never_used() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        let length = order(&Nonce::fixed(), &[item(1, Some("old"), "new")]).len();
        for missing in [1, 10, 40, length - 20] {
            let (mut run, _) = node.observe(&["config.json"]);
            let bytes = order(&run.nonce, &[item(1, Some("old"), "new")]);
            run.send(&bytes[..bytes.len() - missing]);
            run.hang_up();
            assert_eq!((text(&path), node.names()), ("old".to_owned(), vec!["config.json".to_owned()]));
        }
    });
}

#[test]
fn a_signal_in_the_middle_of_the_payload_leaves_no_file() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        let (mut run, _) = node.observe(&["config.json"]);
        let bytes = order(&run.nonce, &[item(1, Some("old"), "new")]);
        run.send(&bytes[..bytes.len() - 5]);
        wait_until(|| node.names().iter().any(|name| name.ends_with("/payload")));
        signal("-TERM", run.child.id());
        run.hang_up();
        assert_eq!((text(&path), node.names()), ("old".to_owned(), vec!["config.json".to_owned()]));
    });
}

#[test]
fn a_failing_rename_reports_why_and_other_files_are_still_tried() {
    each(|node| {
        let first = node.make("config.json", "old", 0o600);
        node.fake("mv", "echo \"mv: cannot move '$2' to '$3': Device or resource busy\" >&2; exit 1");
        let outcome = node.replace(&["config.json"], Some("old"), "new");
        assert!(error(WriteStage::Rename, &outcome).ends_with("Device or resource busy"));
        assert_eq!((text(&first), node.names()), ("old".to_owned(), vec!["config.json".to_owned()]));
        node.make("blocked", "", 0o600);
        let (run, _) = node.observe(&["blocked/config.json", "config.json"]);
        let outcomes = run.write(&[item(1, None, "x"), item(2, Some("old"), "new")]);
        assert_eq!(outcomes[0], WriteOutcome::Changed);
        error(WriteStage::Rename, &outcomes[1]);
    });
}

#[test]
fn a_missing_tool_is_reported_before_any_file() {
    each(|node| {
        for tool in ["head", "id", "mktemp", "readlink", "stat", "tail", "dd"] {
            node.fake(tool, "exit 0");
        }
        let _ = fs::remove_file(node.tools.path().join("cmp"));
        let bare = Node {
            path: node.tools.path().display().to_string(),
            tools: tempfile::tempdir().unwrap(),
            home: tempfile::tempdir().unwrap(),
        };
        assert_eq!(bare.start(&["config.json"]).next(), Some(Frame::Missing("cmp".to_owned())));
    });
}

#[test]
fn a_dd_without_fsync_is_enough() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        node.fake("dd", "echo 'dd: invalid conversion' >&2; exit 1");
        assert_eq!(node.replace(&["config.json"], Some("old"), "new"), WriteOutcome::Written);
        assert_eq!(text(&path), "new");
        node.fake("cmp", "exit 127");
        error(WriteStage::Compare, &node.replace(&["config.json"], Some("new"), "newer"));
        assert_eq!((text(&path), node.names()), ("new".to_owned(), vec!["config.json".to_owned()]));
    });
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

fn wait_until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(10), "the condition was never true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

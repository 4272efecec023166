//! The script itself, run here as a node would run it, under dash, bash and busybox.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::protocol::{Decoder, Frame, Item, KEEP, Nonce, Outcome, Seen, command, order};
use crate::desired::Escalation;

mod hostile;
mod locks;

/// A folder with tools first in PATH, and a folder to manage files in.
struct Node {
    tools: tempfile::TempDir,
    path: String,
    home: tempfile::TempDir,
}

/// A script that runs.
struct Run {
    child: Child,
    stdin: Option<ChildStdin>,
    decoder: Decoder,
    nonce: Nonce,
}

/// Runs `test` on a node with each shell. A busybox node has no tool but busybox's.
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

    /// Puts a shell script in front of the tool of that name.
    fn fake(&self, tool: &str, script: &str) {
        let path = self.tools.path().join(tool);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn start(&self, paths: &[&str]) -> Run {
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
        let mut run = Run { child, stdin, decoder: Decoder::new(nonce.clone(), paths.len()), nonce };
        assert_eq!(run.next(), Some(Frame::Begin));
        run
    }

    /// Shows `paths` and stops before the order.
    fn look(&self, paths: &[&str]) -> (Run, Vec<Seen>) {
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
    fn replace(&self, paths: &[&str], old: Option<&str>, new: &str) -> Outcome {
        let (run, _) = self.look(paths);
        run.write(&[item(1, old, new)]).remove(0)
    }

    /// Every name below the home, sorted.
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

fn item<'a>(index: usize, old: Option<&'a str>, new: &'a str) -> Item<'a> {
    Item { index, old: old.map(str::as_bytes), new: new.as_bytes() }
}

impl Run {
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

    /// Sends the whole order and takes in the outcomes; what was written must read back.
    fn write(mut self, items: &[Item]) -> Vec<Outcome> {
        self.send(&order(&self.nonce.clone(), items));
        self.stdin = None;
        let outcomes = self.outcomes(items);
        assert_eq!(self.next(), Some(Frame::Done));
        assert_eq!(self.next(), None);
        self.child.wait().unwrap();
        outcomes
    }

    fn outcomes(&mut self, items: &[Item]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for item in items {
            let Some(Frame::Outcome(index, outcome)) = self.next() else { panic!("no outcome") };
            assert_eq!(index, item.index);
            if outcome == Outcome::Written {
                let Some(Frame::File(_, Seen::Present { mode, content, .. })) = self.next() else { panic!() };
                assert_eq!((mode & 0o077, content.as_slice()), (0, item.new));
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Ends the stream and waits for the script's end.
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

fn error(stage: &str, outcome: &Outcome) -> String {
    let Outcome::Error { stage: at, text } = outcome else { panic!("{outcome:?} is no {stage}") };
    assert_eq!(at, stage);
    text.clone()
}

#[test]
fn looking_shows_bytes_and_modes_and_leaves_no_trace() {
    each(|node| {
        let content = "{\"auths\": {}}\n\nno end";
        let path = node.make("d/config.json", content, 0o640);
        node.make("d/big", &"x".repeat(1024 * 1024 + 1), 0o600);
        node.make("d/most", &"x".repeat(1024 * 1024), 0o600);
        fs::create_dir(node.at("folder")).unwrap();
        symlink("loop", node.at("loop")).unwrap();
        symlink("gone/config.json", node.at("dangling")).unwrap();
        let before = (node.names(), fs::metadata(node.at("d")).unwrap().mtime_nsec());
        for farewell in [KEEP, b"", b"kee"] {
            let paths = ["d/config.json", "d/none", "a/b/c", "folder", "loop", "d/big", "d/config.json/x", "dangling"];
            let (mut run, seen) = node.look(&[&paths[..], &["d/most"]].concat());
            let Seen::Present { mode, content: read, .. } = &seen[0] else { panic!("{seen:?}") };
            assert_eq!((*mode, read.as_slice()), (0o640, content.as_bytes()));
            assert!(matches!(seen[1], Seen::Absent { .. }));
            assert!(matches!(seen[2], Seen::Absent { .. }));
            let kinds = ["directory", "unreadable", "large", "unreadable", "dangling"];
            for (seen, expected) in seen[3..].iter().zip(kinds) {
                assert!(matches!(seen, Seen::Unusable { kind, .. } if kind == expected), "{seen:?} {expected}");
            }
            assert!(matches!(&seen[8], Seen::Present { content, .. } if content.len() == 1024 * 1024));
            run.send(farewell);
            run.hang_up();
        }
        assert_eq!((node.names(), fs::metadata(node.at("d")).unwrap().mtime_nsec()), before);
        assert_eq!(mode(&path), 0o640);
    });
}

#[test]
fn paths_that_are_one_file_have_one_key() {
    each(|node| {
        node.make("real/config.json", "{}", 0o600);
        symlink(node.at("real"), node.at("link")).unwrap();
        symlink("real/config.json", node.at("direct")).unwrap();
        let (_run, seen) = node.look(&[
            "real/config.json",
            "link/config.json",
            "direct",
            "real/new/config.json",
            "link/new/config.json",
        ]);
        let key = |seen: &Seen| match seen {
            Seen::Present { key, .. } | Seen::Absent { key } => key.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(key(&seen[0]), key(&seen[1]));
        assert_eq!(key(&seen[0]), key(&seen[2]));
        assert_eq!(key(&seen[3]), key(&seen[4]));
        assert_ne!(key(&seen[0]), key(&seen[3]));
    });
}

#[test]
fn several_files_are_replaced_and_nothing_is_left_behind() {
    each(|node| {
        let first = node.make("a b/it's/config.json", "{\"old\":1}\n", 0o644);
        let owner = (12, 34);
        // Only root can tell a wrong owner from a right one.
        let root = std::os::unix::fs::chown(&first, Some(owner.0), Some(owner.1)).is_ok();
        let (run, _) = node.look(&["a b/it's/config.json", "new/deep/.docker/config.json", "a b/it's/third"]);
        let items = [
            item(1, Some("{\"old\":1}\n"), "{\"new\":1}"),
            item(2, None, "\u{0}$(reboot) `x` \\n 'q' \"\n\n"),
            item(3, None, ""),
        ];
        assert_eq!(run.write(&items), [Outcome::Written, Outcome::Written, Outcome::Written]);
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
fn the_mode_alone_can_change_and_the_owners_bits_stay() {
    each(|node| {
        for (old, new) in [(0o644, 0o600), (0o444, 0o400), (0o4755, 0o700), (0o600, 0o600)] {
            let path = node.make("config.json", "{}", old);
            assert_eq!(node.replace(&["config.json"], Some("{}"), "{}"), Outcome::Written);
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
        let (run, _) = node.look(&["d/config.json", "d/dangling.json"]);
        assert_eq!(run.write(&[item(1, Some("1"), "2"), item(2, None, "3")]), [Outcome::Written, Outcome::Written]);
        assert_eq!((text(&target), text(&node.at("real/new.json"))), ("2".to_owned(), "3".to_owned()));
        assert!(node.at("d/config.json").is_symlink() && node.at("d/dangling.json").is_symlink());
        assert_eq!(node.names().len(), 6);
    });
}

#[test]
fn what_changed_since_it_was_read_is_not_overwritten() {
    each(|node| {
        let path = node.make("config.json", "theirs", 0o600);
        fs::create_dir(node.at("folder")).unwrap();
        let (run, _) = node.look(&["config.json", "appeared", "vanished", "folder", "fine", "in-the-way"]);
        fs::write(node.at("appeared"), "x").unwrap();
        // A rename would move the new file into it.
        fs::create_dir(node.at("in-the-way")).unwrap();
        let old = "config.jso";
        let items = [
            item(1, Some(old), "ours"),
            item(2, None, "ours"),
            item(3, Some("x"), "ours"),
            item(4, Some(""), "ours"),
            item(5, None, "ours"),
            item(6, None, "ours"),
        ];
        use Outcome::{Changed, Written};
        assert_eq!(run.write(&items), [Changed, Changed, Changed, Changed, Written, Changed]);
        assert_eq!((text(&path), text(&node.at("appeared"))), ("theirs".to_owned(), "x".to_owned()));
        assert_eq!(node.names(), ["appeared", "config.json", "fine", "folder", "in-the-way"]);
    });
}

#[test]
fn the_same_from_another_run_is_as_good_as_our_own() {
    each(|node| {
        for old in [Some("old"), None] {
            let path = node.make("config.json", "old", 0o600);
            if old.is_none() {
                fs::remove_file(&path).unwrap();
            }
            let runs = [node.look(&["config.json"]).0, node.look(&["config.json"]).0];
            for run in runs {
                assert_eq!(run.write(&[item(1, old, "new")]), [Outcome::Written]);
            }
            // Others may read it, so it is not what is meant.
            node.make("config.json", "new", 0o640);
            assert_eq!(node.replace(&["config.json"], old, "new"), Outcome::Changed);
            assert_eq!((mode(&path), node.names().len()), (0o640, 1));
        }
    });
}

#[test]
fn the_order_is_waited_for_whatever_bash_is_told() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        let (run, _) = node.look(&["config.json"]);
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(run.write(&[item(1, Some("old"), "new")]), [Outcome::Written]);
    });
}

#[test]
fn a_payload_without_its_end_is_never_used() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        let whole = order(&Nonce::fixed(), &[item(1, Some("old"), "new")]).len();
        for missing in [1, 10, 40, whole - 20] {
            let (mut run, _) = node.look(&["config.json"]);
            let bytes = order(&run.nonce, &[item(1, Some("old"), "new")]);
            run.send(&bytes[..bytes.len() - missing]);
            run.hang_up();
            assert_eq!((text(&path), node.names()), ("old".to_owned(), vec!["config.json".to_owned()]));
        }
    });
}

#[test]
fn a_signal_in_the_middle_of_the_payload_leaves_nothing() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        let (mut run, _) = node.look(&["config.json"]);
        let bytes = order(&run.nonce, &[item(1, Some("old"), "new")]);
        run.send(&bytes[..bytes.len() - 5]);
        wait_for(|| node.names().iter().any(|name| name.ends_with("/payload")));
        signal("-TERM", run.child.id());
        run.hang_up();
        assert_eq!((text(&path), node.names()), ("old".to_owned(), vec!["config.json".to_owned()]));
    });
}

#[test]
fn a_failing_rename_tells_why_and_the_others_go_on() {
    each(|node| {
        let first = node.make("config.json", "old", 0o600);
        node.fake("mv", "echo \"mv: cannot move '$2' to '$3': Device or resource busy\" >&2; exit 1");
        let outcome = node.replace(&["config.json"], Some("old"), "new");
        assert!(error("rename", &outcome).ends_with("Device or resource busy"));
        assert_eq!((text(&first), node.names()), ("old".to_owned(), vec!["config.json".to_owned()]));
        node.make("blocked", "", 0o600);
        let (run, _) = node.look(&["blocked/config.json", "config.json"]);
        let outcomes = run.write(&[item(1, None, "x"), item(2, Some("old"), "new")]);
        error("resolve", &outcomes[0]);
        error("rename", &outcomes[1]);
    });
}

#[test]
fn a_missing_tool_is_named_before_anything_is_shown() {
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
fn a_tool_without_fsync_will_do() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        node.fake("dd", "echo 'dd: invalid conversion' >&2; exit 1");
        assert_eq!(node.replace(&["config.json"], Some("old"), "new"), Outcome::Written);
        assert_eq!(text(&path), "new");
        node.fake("cmp", "exit 127");
        error("compare", &node.replace(&["config.json"], Some("new"), "newer"));
        assert_eq!((text(&path), node.names()), ("new".to_owned(), vec!["config.json".to_owned()]));
    });
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

fn wait_for(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(10), "it never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

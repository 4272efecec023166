//! Tests in which another program changes a file while it is observed or written. Whenever the script notices it, the
//! outcome is the same, and the file of the other program stays. A fake tool, which is first in PATH, makes the change
//! at the moment that a test needs.

use super::*;

#[test]
fn a_file_that_changed_after_it_was_read_is_not_overwritten() {
    each(|node| {
        let path = node.make("config.json", "theirs", 0o600);
        fs::create_dir(node.at("folder")).unwrap();
        let (run, _) = node.observe(&["config.json", "appeared", "vanished", "folder", "fine", "in-the-way"]);
        fs::write(node.at("appeared"), "x").unwrap();
        // A rename would move the new file into this directory.
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
        use WriteOutcome::{Changed, Written};
        assert_eq!(run.write(&items), [Changed, Changed, Changed, Changed, Written, Changed]);
        assert_eq!((text(&path), text(&node.at("appeared"))), ("theirs".to_owned(), "x".to_owned()));
        assert_eq!(node.names(), ["appeared", "config.json", "fine", "folder", "in-the-way"]);
    });
}

#[test]
fn a_file_that_another_run_wrote_equally_was_changed() {
    each(|node| {
        for old in [Some("old"), None] {
            let path = node.make("config.json", "old", 0o600);
            if old.is_none() {
                fs::remove_file(&path).unwrap();
            }
            let runs = [node.observe(&["config.json"]).0, node.observe(&["config.json"]).0];
            let outcomes = runs.map(|run| run.write(&[item(1, old, "new")]).remove(0));
            // The second run did not write it. When the file is observed again, it is up to date.
            assert_eq!(outcomes, [WriteOutcome::Written, WriteOutcome::Changed]);
            assert_eq!((text(&path), node.names()), ("new".to_owned(), vec!["config.json".to_owned()]));
        }
    });
}

#[test]
fn a_change_is_noticed_at_every_step() {
    // What another program does to the file `d/config.json`, as a shell script in the directory of managed files.
    let changes = [
        "rm d/config.json",
        "rm d/config.json; mkdir d/config.json",
        "rm d/config.json; ln -s ../elsewhere d/config.json",
        "echo theirs >d/new; mv d/new d/config.json",
        "mv d moved",
        "mv d moved; echo theirs >d",
        "rm -r d",
    ];
    // The tools that the script runs while it writes, in this order. After the last comparison, `mv` itself fails if
    // the target has become a directory.
    for (tool, changes) in
        [("mktemp", &changes[..]), ("dd", &changes), ("chmod", &changes), ("ln", &changes), ("mv", &changes[1..2])]
    {
        for change in changes {
            each(|node| {
                node.make("d/config.json", "old", 0o640);
                let home = node.home.path().display();
                // The change happens once.
                node.fake(
                    tool,
                    &format!(
                        "(PATH=/usr/bin:/bin; cd {home} && [ ! -e {home}/done ] && : >{home}/done \
                         && {{ {change}; }}) >/dev/null 2>&1; exec /bin/{tool} \"$@\""
                    ),
                );
                let (run, _) = node.observe(&["d/config.json"]);
                let outcome = run.write(&[item(1, Some("old"), "new")]).remove(0);
                assert_eq!(outcome, WriteOutcome::Changed, "{change} before {tool}");
                let theirs = ["d/config.json", "moved/config.json", "d", "elsewhere"]
                    .map(|path| fs::read_to_string(node.at(path)));
                assert!(theirs.iter().flatten().all(|text| text == "old" || text == "theirs\n"), "{theirs:?}");
                // A private directory that was moved cannot be found anymore. Other users cannot enter it.
                let left = node.names().iter().any(|name| name.contains(".oregano."));
                assert!(!left || change.contains("moved"), "{:?}", node.names());
            });
        }
    }
}

#[test]
fn a_file_that_appears_during_the_observation_can_be_managed() {
    each(|node| {
        // The script runs `cat` after it has found no file, to learn why.
        let create = "mkdir -p \"${1%/*}\"; echo theirs >\"$1\"; exec /bin/cat \"$@\"";
        node.fake("cat", create);
        let (_run, seen) = node.observe(&["d/config.json"]);
        assert!(
            matches!(&seen[0], ObservedFile::Present { content, .. } if content.as_slice() == b"theirs\n"),
            "{seen:?}"
        );
    });
}

#[test]
fn a_file_that_disappears_during_the_observation_is_absent() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        // The script reads the first byte to learn whether the file can be read.
        node.fake("head", &format!("rm -f {}; exec /usr/bin/head \"$@\"", node.at("config.json").display()));
        let (_run, seen) = node.observe(&["config.json"]);
        assert!(matches!(&seen[0], ObservedFile::Absent { .. }), "{seen:?}");
    });
}

#[test]
fn each_file_has_its_own_reason_if_the_payload_can_be_stored_nowhere() {
    each(|node| {
        node.make("d/config.json", "old", 0o600);
        node.fake("mktemp", "echo \"mktemp: $2: No space left on device\" >&2; exit 1");
        let (run, _) = node.observe(&["d/config.json", "e/config.json"]);
        fs::remove_dir_all(node.at("d")).unwrap();
        let outcomes = run.write(&[item(1, Some("old"), "new"), item(2, None, "new")]);
        assert_eq!(outcomes[0], WriteOutcome::Changed);
        assert!(error(WriteStage::Temporary, &outcomes[1]).ends_with("No space left on device"));
    });
}

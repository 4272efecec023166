//! Tests in which another user owns the directory of a managed file, and replaces names in it while root writes there.
//! A fake tool, which is first in PATH, does this at the most dangerous moment.

use super::*;

/// A directory like /root: it belongs to root, other users cannot enter it, and the script did not create it.
fn closed(node: &Node) -> PathBuf {
    let victim = node.at("victim");
    fs::create_dir(&victim).unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o700)).unwrap();
    victim
}

#[test]
fn a_link_that_replaces_the_private_directory_is_not_entered() {
    each(|node| {
        let path = node.make("d/config.json", "old", 0o600);
        let victim = closed(node);
        let swap = "made=$(/bin/mktemp \"$@\"); /bin/rmdir \"$made\"; /bin/ln -s";
        node.fake("mktemp", &format!("{swap} {} \"$made\"; echo \"$made\"", victim.display()));
        let outcome = node.replace(&["d/config.json"], Some("old"), "new");
        assert!(error(WriteStage::Private, &outcome).ends_with("is not private"), "{outcome:?}");
        assert_eq!(text(&path), "old");
        assert!(fs::read_dir(&victim).unwrap().next().is_none());
    });
}

#[test]
fn a_directory_that_others_may_enter_is_not_used() {
    each(|node| {
        let path = node.make("d/config.json", "old", 0o600);
        node.fake("mktemp", "made=$(/bin/mktemp \"$@\") && /bin/chmod 755 \"$made\"; echo \"$made\"");
        error(WriteStage::Private, &node.replace(&["d/config.json"], Some("old"), "new"));
        assert_eq!((text(&path), node.names().len()), ("old".to_owned(), 2));
    });
}

#[test]
fn links_that_are_created_during_the_write_are_not_followed() {
    for tool in ["dd", "chmod", "mv"] {
        each(|node| {
            let path = node.make("d/config.json", "old", 0o600);
            let victim = closed(node);
            let theirs = node.make("victim/config.json", "theirs", 0o644);
            let swap = format!(
                "(cd {0}/d; for made in .config.json.oregano.*; do /bin/mv \"$made\" \"moved$made\"; \
                 /bin/ln -s {1} \"$made\"; done); exec /bin/{tool} \"$@\"",
                node.home.path().display(),
                victim.display(),
            );
            node.fake(tool, &swap);
            let outcome = node.replace(&["d/config.json"], Some("old"), "new");
            match &outcome {
                WriteOutcome::Written => assert_eq!(text(&path), "new"),
                _ => assert_eq!(text(&path), "old", "{outcome:?}"),
            }
            assert_eq!((text(&theirs), mode(&theirs)), ("theirs".to_owned(), 0o644), "by {tool}");
            assert_eq!(fs::read_dir(&victim).unwrap().count(), 1);
        });
    }
}

#[test]
fn a_set_group_id_directory_can_be_written() {
    each(|node| {
        let path = node.make("d/config.json", "old", 0o600);
        fs::set_permissions(node.at("d"), fs::Permissions::from_mode(0o2755)).unwrap();
        assert_eq!(node.replace(&["d/config.json"], Some("old"), "new"), WriteOutcome::Written);
        assert_eq!((text(&path), node.names().len()), ("new".to_owned(), 2));
    });
}

//! What is observed at a path, and the state after a replacement.

use std::os::unix::fs::symlink;
use std::time::Duration;

use super::*;

const NEVER: fn() -> bool = || false;

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn held(path: &Path) -> Held {
    hold(path, Duration::from_secs(5), NEVER).unwrap()
}

fn bytes(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_missing_file_is_made_for_its_owner_alone_and_its_folders_too() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a/b/config.json");
    assert!(matches!(observe(&file), FileState::Absent));
    let held = held(&file);
    held.replace(&held.observe(), &bytes("{}")).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"{}");
    for (path, mode) in [("a", 0o40700), ("a/b", 0o40700), ("a/b/config.json", 0o100_600)] {
        assert_eq!(fs::metadata(home.path().join(path)).unwrap().permissions().mode(), mode, "{path}");
    }
    assert_eq!(names(&home.path().join("a/b")), ["config.json"]);
}

#[test]
fn links_are_followed_and_stay() {
    let home = tempfile::tempdir().unwrap();
    let (link, middle) = (home.path().join("link"), home.path().join("middle"));
    fs::create_dir(home.path().join("sub")).unwrap();
    symlink("middle", &link).unwrap();
    symlink(home.path().join("sub/file"), &middle).unwrap();
    for (old, new) in [(None, "one"), (Some("one"), "two")] {
        let held = held(&link);
        let observed = held.observe();
        match (&observed, old) {
            (FileState::Absent, None) => {}
            (FileState::Present { content, .. }, Some(old)) => assert_eq!(content.expose(), old.as_bytes()),
            _ => panic!("{observed:?}"),
        }
        held.replace(&observed, &bytes(new)).unwrap();
        assert_eq!(fs::read_to_string(home.path().join("sub/file")).unwrap(), new);
        assert!(
            fs::symlink_metadata(&link).unwrap().is_symlink() && fs::symlink_metadata(&middle).unwrap().is_symlink()
        );
    }
}

#[test]
fn what_is_no_file_is_named() {
    let home = tempfile::tempdir().unwrap();
    let (directory, pipe, circle) =
        (home.path().join("directory"), home.path().join("pipe"), home.path().join("circle"));
    fs::create_dir(&directory).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink("circle", &circle).unwrap();
    let large = home.path().join("large");
    File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
    for (path, fault) in [
        (&directory, "is a directory"),
        (&pipe, "is not a regular file"),
        (&circle, "too many links"),
        (&large, "is too large"),
        (&large.join("below"), "cannot be examined"),
    ] {
        match observe(path) {
            FileState::Unusable(found) => {
                assert!(found.failure.message.contains(fault) && found.failure.hint.is_some(), "{found:?}");
            }
            other => panic!("{}: {other:?}", path.display()),
        }
    }
}

#[test]
fn what_another_program_wrote_in_the_meantime_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.json");
    for old in [None, Some("old")] {
        if let Some(old) = old {
            write(&file, old, 0o600);
        }
        let held = held(&file);
        let observed = held.observe();
        write(&file, "theirs", 0o600);
        let failure = held.replace(&observed, &bytes("ours")).unwrap_err();
        assert!(failure.message.contains("changed by another program"), "{failure:?}");
        assert_eq!(fs::read(&file).unwrap(), b"theirs");
        assert_eq!(names(home.path()), ["config.json"]);
    }
}

#[test]
fn others_lose_their_rights_and_the_owner_keeps_his() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.json");
    for (before, after) in [(0o644, 0o600), (0o400, 0o400), (0o777, 0o700)] {
        write(&file, "old", before);
        let held = held(&file);
        held.replace(&held.observe(), &bytes("new")).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, after, "{before:o}");
    }
}

#[test]
fn there_is_one_lock_and_waiting_for_it_ends() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let file = home.path().join("config.json");
    let first = held(&file);
    assert_eq!(first.unlocked(), None);
    let late = hold(&file, Duration::from_millis(50), NEVER).unwrap_err();
    assert!(late.message.contains("is locked by another process"), "{late:?}");
    let stopped = hold(&file, Duration::from_secs(60), || true).unwrap_err();
    assert!(stopped.message.contains("interrupted"), "{stopped:?}");
    drop(first);
    held(&file);
    assert_eq!(names(home.path()), Vec::<String>::new(), "the lock left something");
}

#[test]
fn what_a_killed_run_left_goes_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.json");
    let others = [".config.json.oregano.lock", ".config.json.oregano.abc", ".other.json.oregano-login.abc"];
    for name in others.into_iter().chain([".config.json.oregano-login.abc"]) {
        write(&home.path().join(name), "", 0o600);
    }
    held(&file);
    let mut kept = others.to_vec();
    kept.sort_unstable();
    assert_eq!(names(home.path()), kept);
}

/// A user ID that is not root on any machine.
const UNPRIVILEGED: u32 = 65534;

#[test]
fn a_lock_that_others_may_keep_is_not_waited_for_beyond_measure() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = home.path().join("config.json");
    let first = held(&file);
    let late = hold(&file, Duration::from_millis(50), NEVER).unwrap();
    assert!(late.unlocked().unwrap().contains("another process keeps it locked"));
    late.replace(&late.observe(), &bytes("{}")).unwrap();
    assert_eq!((fs::read(&file).unwrap(), first.unlocked()), (b"{}".to_vec(), None));
}

#[test]
fn whose_file_may_hold_a_password() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.json");
    write(&file, "{}", 0o600);
    let (root, me) = (Uid::from_raw(0), Uid::from_raw(fs::metadata(&file).unwrap().uid()));
    let other = Uid::from_raw(me.as_raw() + 1);
    let may = |user: Uid, mode: u32| {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
        may_hold(&fs::metadata(&file).unwrap(), &fs::metadata(home.path()), user)
    };
    assert!(may(me, 0o1777) && may(root, 0o755) && !may(other, 0o755));
    let mine = fs::metadata(&file).unwrap();
    assert!(may_hold(&mine, &fs::metadata("/etc"), root));
    assert_eq!(may_hold(&mine, &fs::metadata("/tmp"), root), me.is_root());
}

/// Only root can create files of other users; the rule itself is tested above.
#[test]
fn root_writes_for_another_user_only_where_no_third_user_created_the_file() {
    if !geteuid().is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.json");
    write(&file, "{}", 0o600);
    let of_unprivileged =
        |path: &Path| std::os::unix::fs::lchown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
    of_unprivileged(&file);
    let refused = |path: &Path, fault: &str| match observe(path) {
        FileState::Unusable(found) => assert!(found.failure.message.contains(fault), "{found:?}"),
        other => panic!("{other:?}"),
    };
    let set_mode = |mode: u32| fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o1777, 0o775] {
        set_mode(mode);
        refused(&file, "belongs to another user");
    }
    set_mode(0o755);
    assert!(matches!(observe(&file), FileState::Present { .. }));
    std::os::unix::fs::chown(home.path(), Some(UNPRIVILEGED + 1), None).unwrap();
    refused(&file, "belongs to another user");
    of_unprivileged(home.path());
    set_mode(0o1777);
    refused(&file, "belongs to another user");
    set_mode(0o755);
    let first = held(&file);
    first.replace(&first.observe(), &bytes("one")).unwrap();
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (UNPRIVILEGED, UNPRIVILEGED, 0o600));
    // The file belonged to root when it was locked. If another user owns the file at the path now, it must not be
    // replaced.
    fs::remove_file(&file).unwrap();
    write(&file, "one", 0o600);
    drop(first);
    let swapped = held(&file);
    let observed = swapped.observe();
    of_unprivileged(&file);
    let failure = swapped.replace(&observed, &bytes("two")).unwrap_err();
    assert!(failure.message.contains("changed by another program"), "{failure:?}");
    assert_eq!((fs::read(&file).unwrap(), names(home.path())), (b"one".to_vec(), vec!["config.json".to_owned()]));
    let link = home.path().join("link");
    symlink("config.json", &link).unwrap();
    assert!(matches!(observe(&link), FileState::Present { .. }));
    of_unprivileged(&link);
    refused(&link, "is a link of another user");
    assert!(hold(&link, Duration::from_secs(5), NEVER).is_err());
}

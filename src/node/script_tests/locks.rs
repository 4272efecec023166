//! The lock: waited for, taken over from the dead, and never from the living.

use super::*;

#[test]
fn the_lock_of_a_killed_run_is_taken_over() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        // Not before mv runs: a shell on its way there would go on without its parent.
        let began = node.tools.path().join("began");
        node.fake("mv", &format!(": >{}; sleep 3", began.display()));
        let (mut run, _) = node.look(&["config.json"]);
        run.send(&order(&run.nonce.clone(), &[item(1, Some("old"), "new")]));
        run.stdin = None;
        wait_for(|| began.exists());
        signal("-KILL", run.child.id());
        run.child.wait().unwrap();
        assert!(node.at(".config.json.oregano.lock").is_symlink());
        assert_eq!(text(&path), "old");
        node.fake("mv", "exec /bin/mv \"$@\"");
        assert_eq!(node.replace(&["config.json"], Some("old"), "new"), Outcome::Written);
        assert!(!node.names().iter().any(|name| name.contains("lock")), "{:?}", node.names());
    });
}

#[test]
fn a_dead_lock_is_taken_over_by_one_of_many() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        symlink("999999999.5.abc", node.at(".config.json.oregano.lock")).unwrap();
        let runs: Vec<_> = (0..4).map(|_| node.look(&["config.json"]).0).collect();
        let news = ["0", "1", "2", "3"];
        let threads = runs
            .into_iter()
            .zip(news)
            .map(|(run, new)| std::thread::spawn(move || run.write(&[item(1, Some("old"), new)]).remove(0)));
        let outcomes: Vec<_> = threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect();
        let winners: Vec<_> = (0..4).filter(|at| outcomes[*at] == Outcome::Written).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!(text(&path), news[winners[0]]);
        assert_eq!(node.names(), ["config.json"]);
    });
}

#[test]
fn a_living_holder_is_waited_for() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        let lock = node.at(".config.json.oregano.lock");
        symlink(format!("{}.{}.abc", std::process::id(), started()), &lock).unwrap();
        let (run, _) = node.look(&["config.json"]);
        let began = Instant::now();
        let freed = lock.clone();
        let holder = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            fs::remove_file(freed).unwrap();
        });
        assert_eq!(run.write(&[item(1, Some("old"), "new")]), [Outcome::Written]);
        assert!(began.elapsed() >= Duration::from_millis(400));
        holder.join().unwrap();
        assert_eq!(node.names(), ["config.json"]);
    });
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_write() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        let stored = || node.names().iter().filter(|name| name.ends_with("/payload")).count();
        let begin = |missing: usize| {
            let (mut run, _) = node.look(&["config.json"]);
            let bytes = order(&run.nonce, &[item(1, Some("old"), "new")]);
            run.send(&bytes[..bytes.len() - missing]);
            run
        };
        let mut killed = begin(5);
        wait_for(|| stored() == 1);
        signal("-KILL", killed.child.id());
        killed.child.wait().unwrap();
        let living = begin(5);
        wait_for(|| stored() == 2);
        // To look alone changes nothing.
        node.look(&["config.json"]).0.hang_up();
        assert_eq!(stored(), 2);
        assert_eq!(node.replace(&["config.json"], Some("old"), "new"), Outcome::Written);
        assert_eq!(stored(), 1, "{:?}", node.names());
        living.hang_up();
        assert_eq!(node.names(), ["config.json"]);
    });
}

#[test]
fn a_holder_that_does_not_let_go_is_named() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        node.fake("sleep", "exit 0");
        let id = format!("{}.{}.abc", std::process::id(), started());
        symlink(&id, node.at(".config.json.oregano.lock")).unwrap();
        let outcome = node.replace(&["config.json"], Some("old"), "new");
        assert_eq!(outcome, Outcome::Locked(std::process::id().to_string()));
        assert_eq!(node.names(), [".config.json.oregano.lock", "config.json"]);
    });
}

#[test]
fn a_lock_that_is_none_of_ours_is_left_alone() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        let lock = node.at(".config.json.oregano.lock");
        symlink("../elsewhere", &lock).unwrap();
        let outcome = node.replace(&["config.json"], Some("old"), "new");
        assert!(error("lock", &outcome).contains("in the way"));
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        error("lock", &node.replace(&["config.json"], Some("old"), "new"));
        assert_eq!(text(&path), "old");
        assert_eq!(node.names(), [".config.json.oregano.lock", "config.json"]);
    });
}

/// Our own start time as the script reads it.
fn started() -> String {
    let stat = text(Path::new("/proc/self/stat"));
    stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().to_owned()
}

//! Tests of the lock: a run waits for a lock, takes it over from a dead process, and never takes it over from a running
//! one.

use super::*;

#[test]
fn the_lock_of_a_killed_run_is_taken_over() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        // The script is killed only when mv runs. If it were killed earlier, a subshell could continue without its
        // parent.
        let began = node.tools.path().join("began");
        node.fake("mv", &format!(": >{}; sleep 3", began.display()));
        let (mut run, _) = node.observe(&["config.json"]);
        run.send(&order(&run.nonce.clone(), &[item(1, Some("old"), "new")]));
        run.stdin = None;
        wait_until(|| began.exists());
        signal("-KILL", run.child.id());
        run.child.wait().unwrap();
        assert!(node.at(".config.json.oregano.lock").is_symlink());
        assert_eq!(text(&path), "old");
        node.fake("mv", "exec /bin/mv \"$@\"");
        assert_eq!(node.replace(&["config.json"], Some("old"), "new"), WriteOutcome::Written);
        assert!(!node.names().iter().any(|name| name.contains("lock")), "{:?}", node.names());
    });
}

#[test]
fn the_lock_of_a_dead_process_is_taken_over_by_one_of_many_runs() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        symlink("999999999.5.abc", node.at(".config.json.oregano.lock")).unwrap();
        let runs: Vec<_> = (0..4).map(|_| node.observe(&["config.json"]).0).collect();
        let news = ["0", "1", "2", "3"];
        let threads = runs
            .into_iter()
            .zip(news)
            .map(|(run, new)| std::thread::spawn(move || run.write(&[item(1, Some("old"), new)]).remove(0)));
        let outcomes: Vec<_> = threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect();
        let winners: Vec<_> = (0..4).filter(|at| outcomes[*at] == WriteOutcome::Written).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!(text(&path), news[winners[0]]);
        assert_eq!(node.names(), ["config.json"]);
    });
}

#[test]
fn a_run_waits_while_the_lock_holder_is_running() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        let lock = node.at(".config.json.oregano.lock");
        symlink(format!("{}.{}.abc", std::process::id(), started()), &lock).unwrap();
        let (run, _) = node.observe(&["config.json"]);
        let began = Instant::now();
        let freed = lock.clone();
        let holder = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            fs::remove_file(freed).unwrap();
        });
        assert_eq!(run.write(&[item(1, Some("old"), "new")]), [WriteOutcome::Written]);
        assert!(began.elapsed() >= Duration::from_millis(400));
        holder.join().unwrap();
        assert_eq!(node.names(), ["config.json"]);
    });
}

#[test]
fn files_of_a_killed_run_are_removed_by_the_next_write() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        let stored = || node.names().iter().filter(|name| name.ends_with("/payload")).count();
        let begin = |missing: usize| {
            let (mut run, _) = node.observe(&["config.json"]);
            let bytes = order(&run.nonce, &[item(1, Some("old"), "new")]);
            run.send(&bytes[..bytes.len() - missing]);
            run
        };
        let mut killed = begin(5);
        wait_until(|| stored() == 1);
        signal("-KILL", killed.child.id());
        killed.child.wait().unwrap();
        let living = begin(5);
        wait_until(|| stored() == 2);
        // Observing changes nothing.
        node.observe(&["config.json"]).0.hang_up();
        assert_eq!(stored(), 2);
        assert_eq!(node.replace(&["config.json"], Some("old"), "new"), WriteOutcome::Written);
        assert_eq!(stored(), 1, "{:?}", node.names());
        living.hang_up();
        assert_eq!(node.names(), ["config.json"]);
    });
}

#[test]
fn a_holder_that_does_not_release_the_lock_is_reported() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        node.fake("sleep", "exit 0");
        let id = format!("{}.{}.abc", std::process::id(), started());
        symlink(&id, node.at(".config.json.oregano.lock")).unwrap();
        let outcome = node.replace(&["config.json"], Some("old"), "new");
        assert_eq!(outcome, WriteOutcome::Locked(std::process::id().to_string()));
        assert_eq!(node.names(), [".config.json.oregano.lock", "config.json"]);
    });
}

#[test]
fn a_file_with_the_name_of_the_lock_is_not_touched() {
    each(|node| {
        let path = node.make("config.json", "old", 0o600);
        let lock = node.at(".config.json.oregano.lock");
        symlink("../elsewhere", &lock).unwrap();
        let outcome = node.replace(&["config.json"], Some("old"), "new");
        assert!(error(WriteStage::Lock, &outcome).contains("in the way"));
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        error(WriteStage::Lock, &node.replace(&["config.json"], Some("old"), "new"));
        assert_eq!(text(&path), "old");
        assert_eq!(node.names(), [".config.json.oregano.lock", "config.json"]);
    });
}

#[test]
fn a_killed_run_whose_exit_status_is_unread_is_dead() {
    each(|node| {
        node.make("config.json", "old", 0o600);
        // Its parent, this test, reads its exit status only at the end.
        let mut zombie = Command::new("sleep").arg("300").spawn().unwrap();
        let id = format!("{}.{}.abc", zombie.id(), field(zombie.id(), 22));
        symlink(&id, node.at(".config.json.oregano.lock")).unwrap();
        let left = node.at(&format!(".config.json.oregano.{id}.abcdef"));
        fs::create_dir(&left).unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(left.join("payload"), "s3cret").unwrap();
        signal("-KILL", zombie.id());
        wait_until(|| field(zombie.id(), 3) == "Z");
        assert_eq!(node.replace(&["config.json"], Some("old"), "new"), WriteOutcome::Written);
        assert_eq!(node.names(), ["config.json"]);
        zombie.wait().unwrap();
    });
}

/// The start time of this process, as the script reads it.
fn started() -> String {
    field(std::process::id(), 22)
}

/// A field of /proc/PID/stat, counted from 1 as in proc(5), after the name of the process.
fn field(process: u32, number: usize) -> String {
    let stat = text(Path::new(&format!("/proc/{process}/stat")));
    stat.rsplit(") ").next().unwrap().split(' ').nth(number - 3).unwrap().to_owned()
}

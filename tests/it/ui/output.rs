//! Options of the text output: colors, silence, and the retry file.

use crate::support::site::{KUBELET, Site};

/// The text without the escape sequences of colors.
fn without_colors(text: &str) -> String {
    fancy_regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap().replace_all(text, "").into_owned()
}

#[test]
fn colors_follow_the_option_then_the_environment_and_never_carry_meaning() {
    let apply = ["apply", "--only", "nodes"];
    let mut site = Site::new(2);
    site.nodes[1].stop();
    let plain = site.run(&apply).expect(4);
    assert!(!plain.stdout.contains('\u{1b}') && !plain.stderr.contains('\u{1b}'), "{}", plain.stdout);
    let again = site.run(&apply).expect(4);
    let colored = site.run(&[&apply[..], &["--color", "always"]].concat()).expect(4);
    // Ansible shows a node without changes in green, and one that cannot be reached in red.
    assert!(colored.stdout.contains("\u{1b}[32mnode1\u{1b}[0m"), "{:?}", colored.stdout);
    assert!(colored.stdout.contains("\u{1b}[31mnode2\u{1b}[0m"), "{:?}", colored.stdout);
    assert!(colored.stdout.contains("\u{1b}[91munreachable=1\u{1b}[0m"), "{:?}", colored.stdout);
    assert_eq!(without_colors(&colored.stdout), again.stdout);
    assert_eq!(without_colors(&colored.stderr), again.stderr);
    let json = site.run(&[&apply[..], &["--color", "always", "--output", "json"]].concat()).expect(4);
    assert!(!json.stdout.contains('\u{1b}'));
    site.oregano.env("CLICOLOR_FORCE", "1");
    assert!(site.run(&apply).expect(4).stdout.contains('\u{1b}'));
    assert!(!site.run(&[&apply[..], &["--color", "never"]].concat()).expect(4).stdout.contains('\u{1b}'));
    site.oregano.env("NO_COLOR", "1");
    assert!(!site.run(&apply).expect(4).stdout.contains('\u{1b}'));
}

#[test]
fn a_quiet_run_prints_only_news() {
    let quiet = ["apply", "--only", "nodes", "-q"];
    let site = Site::new(1);
    let news = site.run(&quiet).expect(0);
    assert!(news.stdout.contains("created") && news.stderr.contains("written and read back"), "{}", news.stdout);
    let silent = site.run(&quiet).expect(0);
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    let silent = site.run(&["plan", "--only", "nodes", "-q"]).expect(0);
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    site.nodes[0].write(KUBELET, b"{}", 0o600);
    let pending = site.run(&["plan", "--only", "nodes", "-q"]).expect(3);
    assert!(pending.stdout.contains("would be updated"), "{}", pending.stdout);
    site.nodes[0].stop();
    let failed = site.run(&quiet).expect(4);
    assert!(failed.stderr.contains("connection refused") && failed.stderr.contains("warning: "), "{}", failed.stderr);
    assert!(site.run(&["-q", "plan", "-v"]).expect(64).stderr.contains("--quiet contradicts --verbose"));
    // The JSON output always has its recap.
    assert!(site.run(&["plan", "--only", "nodes", "-q", "--output", "json"]).expect(4).stdout.contains(r#""recap""#));
}

#[test]
fn the_retry_file_has_the_nodes_that_are_not_done() {
    let site = Site::new(2);
    let file = site.oregano.home().join("retry");
    let read = || std::fs::read_to_string(&file).unwrap();
    let words = ["apply", "--only", "nodes", "--retry-file", "retry"];
    site.nodes[1].stop();
    site.run(&words).expect(4);
    assert_eq!(read(), "node2\n");
    site.run(&[&words[..], &["--output", "json"]].concat()).expect(4);
    assert_eq!(read(), "node2\n");
    // A run that does not begin says nothing about the nodes.
    site.run(&[&words[..], &["--limit", "no-such-node"]].concat()).expect(1);
    assert_eq!(read(), "node2\n");
    site.run(&[&words[..], &["--limit", "node1"]].concat()).expect(0);
    assert_eq!(read(), "");
    assert!(site.run(&["plan", "--limit", "@retry"]).expect(1).stderr.contains("lists no hosts"));
    // A path that cannot be written is reported before anything is contacted.
    let connections = site.nodes[0].connections();
    let run = site.run(&["apply", "--only", "nodes", "--retry-file", "missing/retry"]).expect(1);
    assert!(run.stderr.starts_with("error: `missing/retry` cannot be written\n"), "{}", run.stderr);
    assert_eq!(site.nodes[0].connections(), connections);
}

#[test]
fn more_v_show_the_steps_of_connections_and_then_their_timing() {
    let site = Site::new(1);
    let run = |detail: &str| site.run(&["apply", "--only", "nodes", detail]).expect(0).stderr;
    let steps = run("-vv");
    for step in [
        "node1: ssh: connected, and the host key is trusted\n",
        "node1: ssh: logged in\n",
        "node1: ssh: the files were read\n",
        "node1: ssh: the files were written and read back\n",
        "http: GET http://",
        "/v2/: 401\n",
    ] {
        assert!(steps.contains(step), "`{step}` is missing:\n{steps}");
    }
    let timing = run("-vvv");
    assert!(timing.contains("node1: ssh: logged in (") && timing.contains(" ms)\n"), "{timing}");
    assert!(!run("-v").contains("ssh: "));
    // The JSON output is the same with every verbosity.
    let json =
        |words: &[&str]| site.run(&[&["apply", "--only", "nodes", "--output", "json"], words].concat()).expect(0);
    assert_eq!(json(&["-vvv"]).events().len(), json(&[]).events().len());
}

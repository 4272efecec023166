//! Colors and `-q` of the commands that only read: `inventory` and `explain`.

use crate::support::oregano::Oregano;

const RED: &str = "\u{1b}[31m";
const MAGENTA: &str = "\u{1b}[95m";

/// An inventory whose node cannot be reached: nothing listens on port 1.
fn hosts(oregano: &Oregano, variables: &str) -> String {
    let text = format!("[nodes]\nnode1 ansible_host=127.0.0.1 ansible_port=1\n[nodes:vars]\n{variables}");
    oregano.write("hosts", text).display().to_string()
}

#[test]
fn colors_mark_errors_and_warnings_if_they_are_requested() {
    let oregano = Oregano::new();
    let hosts = hosts(&oregano, "oreg_auth_user=a\noreg_auth_password='b '\n");
    let e = ["-e", "any_password=x"];
    let cases: [(&[&str], i32, &[&str]); 5] = [
        (&["inventory", "--check"], 1, &[RED, MAGENTA]),
        (&["inventory", "--graph"], 0, &[MAGENTA]),
        (&["inventory", "--host", "none"], 1, &[RED, MAGENTA]),
        (&["explain", "quay.io/acme/app"], 4, &[RED, MAGENTA]),
        (&["explain", "https://quay.io/acme/app"], 1, &[RED]),
    ];
    for (words, status, colors) in cases {
        let run = |color: &str| {
            let run = oregano.run(&[words, &["-i", &hosts, "--color", color], &e].concat()).expect(status);
            format!("{}{}", run.stdout, run.stderr)
        };
        let (painted, plain) = (run("always"), run("never"));
        assert!(colors.iter().all(|color| painted.contains(color)), "{words:?}: {painted:?}");
        // The output of tests is no terminal.
        assert!(!plain.contains('\u{1b}') && run("auto") == plain, "{words:?}: {plain:?}");
        // Colors change no word.
        let words_of_painted =
            [RED, MAGENTA, "\u{1b}[0m"].iter().fold(painted, |text, sequence| text.replace(sequence, ""));
        assert_eq!(words_of_painted, plain, "{words:?}");
    }
}

#[test]
fn quiet_prints_the_result_and_failures_only() {
    let oregano = Oregano::new();
    let hosts = hosts(&oregano, "openshift_deployment_type=origin\noreg_auth_user=u\n");
    let e = ["-e", "any_password=x"];
    let run = |words: &[&str], status: i32| oregano.run(&[words, &["-i", &hosts, "-q"]].concat()).expect(status);
    for words in [&["inventory", "--list"][..], &["inventory", "--host", "node1"], &["inventory", "--graph"]] {
        let run = run(&[words, &e].concat(), 0);
        assert!(!run.stdout.is_empty() && run.stderr.is_empty(), "{words:?}: {run:?}");
    }
    let explained = run(&["explain", "quay.io/acme/app", e[0], e[1]], 4);
    assert!(explained.stderr.contains("connection refused") && !explained.stderr.contains("warning"), "{explained:?}");
    // Nothing was found, so there is nothing to report.
    let variables = "openshift_deployment_type=origin\noreg_auth_user=u\noreg_auth_password={{ stored }}\nstored=s\n";
    oregano.write("hosts", format!("[nodes]\nnode1\n[nodes:vars]\n{variables}"));
    let nothing = run(&["inventory", "--check"], 0);
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", ""));
    let found = run(&["inventory", "--check", e[0], e[1]], 0);
    assert!(found.stdout.contains("command-line-password") && found.stdout.ends_with("1 warning\n"), "{found:?}");
}

//! Passwords as arguments: every command that reads an inventory warns about them, and shows none.

use crate::support::oregano::Oregano;

const PASSWORD: &str = "Canary-Arg8";

#[test]
fn every_command_warns_about_a_password_on_the_command_line() {
    let oregano = Oregano::new();
    // Nothing listens on port 1.
    let hosts = oregano.write("hosts", "[nodes]\nnode1 ansible_host=127.0.0.1 ansible_port=1\n");
    let hosts = hosts.display().to_string();
    let commands: [(&[&str], i32); 6] = [
        (&["inventory", "--list"], 0),
        (&["inventory", "--host", "node1"], 0),
        (&["inventory", "--graph"], 0),
        (&["inventory", "--check"], 1),
        (&["explain", "quay.io/acme/app"], 4),
        (&["explain", "quay.io/acme/app", "--output", "json"], 4),
    ];
    for (words, status) in commands {
        let with = |variable: String| {
            let run = oregano.run(&[words, &["-i", &hosts, "-e", &variable]].concat()).expect(status);
            format!("{}{}", run.stdout, run.stderr)
        };
        let said = with(format!("registry_password={PASSWORD}"));
        let warning = "a password is given on the command line, where the process list shows it to all users";
        assert_eq!(said.matches(warning).count(), 1, "{words:?}: {said}");
        // `--list` and `--host` show all variables, as ansible-inventory does.
        if !words.contains(&"--list") && !words.contains(&"--host") {
            assert!(!said.contains(PASSWORD), "{words:?}: {said}");
        }
        assert!(!with(format!("registry_user={PASSWORD}")).contains("on the command line"), "{words:?}");
    }
}

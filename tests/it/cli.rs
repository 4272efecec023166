//! Command lines and inventories that cannot be used: the message says what is wrong and where, and nothing is contacted.

mod examples;
mod habits;

use crate::support::oregano::Oregano;
use crate::support::site::Site;

#[test]
fn an_inventory_that_cannot_be_parsed_is_named_with_its_place() {
    let oregano = Oregano::new();
    let file = oregano.write("hosts", "[nodes]\nnode1 oreg_auth_password='hunter2\n[masters:nonsense]\n");
    let run = oregano.run(&["apply", "-i", file.to_str().unwrap()]).expect(1);
    assert!(run.stderr.contains("hosts:2:") && run.stderr.contains("hosts:3:"), "{}", run.stderr);
    assert!(run.stderr.contains('^') && !run.stderr.contains("hunter2"), "{}", run.stderr);
    let missing = oregano.run(&["apply", "-i", "nowhere"]).expect(1);
    assert!(missing.stderr.contains("`nowhere`"), "{}", missing.stderr);
}

#[test]
fn an_undefined_variable_is_named_with_its_place_and_nothing_is_contacted() {
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "{{ vault_password }}");
    let run = site.run(&["apply", "--only", "nodes"]).expect(1);
    assert!(run.stderr.contains("`vault_password`") && run.stderr.contains('^'), "{}", run.stderr);
    assert_eq!(site.nodes[0].connections(), 0);
    assert_eq!(site.registry.requests(), []);
}

#[test]
fn an_invalid_command_line_ends_with_64() {
    let oregano = Oregano::new();
    for words in [&["aply"][..], &["apply", "--forks", "0"], &["apply", "--only", "masters"], &[]] {
        oregano.run(words).expect(64);
    }
    oregano.run(&["--help"]).expect(0);
    oregano.run(&["--version"]).expect(0);
}

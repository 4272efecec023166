//! The time of a check grows with the size of the inventory, and not with its square.

use std::time::{Duration, Instant};

use oregano::desired::Request;
use oregano::doctor;
use oregano::inventory::{self, Sources};

/// The name of a file, and its text for a number of hosts.
type Shape = (&'static str, fn(usize) -> String);

/// Inventories with `n` hosts, groups, variables or registries.
const SHAPES: [Shape; 8] = [
    ("hosts.ini", |n| format!("[nodes]\n{}{TAIL}", lines(n, |at| format!("n{at} ansible_host=10.0.0.1")))),
    ("hosts.ini", |n| format!("[nodes]\n{}{TAIL}", lines(n, |at| format!("n{} a={at}", at / 2)))),
    ("hosts.ini", |n| format!("[nodes]\nn1\n{}{TAIL}", lines(n, |at| format!("[g-{at}]\nn1")))),
    ("hosts.ini", |n| format!("[nodes]\n{}{TAIL}", lines(n, |at| format!("n{at} x{at}={{{{undefined{at}}}}}")))),
    ("hosts.ini", |n| format!("[nodes]\nn1\n{TAIL}{}", lines(n, |at| format!("oreg_unknown_{at}=1")))),
    ("hosts.ini", |n| {
        let entry = |at| {
            format!("{{'host':'r{at}.example.com','user':' u','password':'p{at}','auth_server':'a.example.com'}},")
        };
        let entries: String = (0..n / 4).map(entry).collect();
        format!("[nodes]\nn1\n{TAIL}openshift_additional_registry_credentials=[{entries}]\n")
    }),
    ("hosts.json", |n| {
        let hosts: Vec<String> = (0..n).map(|at| format!(r#""n{at}": {{"ansible_host": "10.0.0.1"}}"#)).collect();
        format!(r#"{{"nodes": {{"hosts": {{{}}}, "vars": {{"oreg_auth_user": "u"}}}}}}"#, hosts.join(", "))
    }),
    ("hosts.yml", |n| {
        let hosts = lines(n, |at| format!("    n{at}:\n      ansible_host: 10.0.0.1"));
        format!("nodes:\n  hosts:\n{hosts}")
    }),
];

const TAIL: &str = "[all:vars]\noreg_url=r.example.com/a/b\noreg_auth_user=u\noreg_auth_password=p4ss\n";

/// Four times the size takes four times as long. It would take 16 times as long if the time were quadratic.
const SIZE: usize = 400;
const AT_MOST: u32 = 10;

#[test]
fn the_time_of_a_check_is_proportional_to_the_size() {
    let folder = tempfile::tempdir().unwrap();
    for (at, (name, text)) in SHAPES.into_iter().enumerate() {
        let time = |size: usize| {
            let file = folder.path().join(name);
            std::fs::write(&file, text(size)).unwrap();
            // The shortest of several times is the one that other processes have disturbed least.
            (0..3).map(|_| check(&file.display().to_string())).min().unwrap()
        };
        let (small, large) = (time(SIZE), time(4 * SIZE));
        assert!(large < small * AT_MOST + Duration::from_millis(20), "shape {at}: {small:?}, then {large:?}");
    }
}

/// How long it takes to read the inventory, to check it, and to print all findings.
fn check(file: &str) -> Duration {
    let start = Instant::now();
    let read = inventory::load(&Sources { inventories: vec![file.to_owned()], ..Sources::default() });
    let findings = doctor::examine(&read, &Request::default());
    let printed: usize = findings.iter().map(|finding| finding.problem.render().len()).sum();
    assert!(printed > 0);
    start.elapsed()
}

fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    (0..n).map(|at| line(at) + "\n").collect()
}

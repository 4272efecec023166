//! Measures what docs/performance.md states about nodes: how long it takes to install new credentials on a fleet of
//! nodes, and to check the same fleet again. It is compared with Ansible's `copy` module over the same sshd. `copy`
//! only copies a file: it does not merge, verify a credential, or read the file back.
//!
//! ```console
//! $ eval "$(tests/servers/install)" && cargo bench --bench fleet -- 50
//! ```
//!
//! The nodes are loopback addresses of one sshd, so client and servers share the cores of this machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on must stop, and prints"
)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::fleet;
use support::oregano::Oregano;
use support::process::program;
use support::registry::{Auth, Registry, Transport};
use support::site::{PASSWORD, USER};
use support::sshd::{Listen, Options, Sshd};

const FORKS: &str = "64";
const ROUNDS: usize = 5;

fn main() {
    // `cargo test --all-targets` runs this program, too, to check that it builds. Only `cargo bench` passes `--bench`.
    if !std::env::args().any(|word| word == "--bench") {
        return;
    }
    let nodes = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(50);
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, PASSWORD)]);
    registry.push("openshift3/ose-pod", "v3.11", USER, PASSWORD);
    let sshd = Sshd::start_with(&Options { listen: Listen::AllLoopback, ..Options::default() });
    let user = Oregano::new();
    let hosts = fleet::inventory(&user, &sshd, &registry, nodes);
    let apply = ["apply", "--only", "nodes", "--forks", FORKS, "-i", &hosts];
    let fresh = || assert!(sshd.sh("rm -rf /var/lib/origin/*").status.success());

    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..ROUNDS {
        fresh();
        times[0].push(timed(|| drop(user.run(&apply).expect(0))));
        times[1].push(timed(|| drop(user.run(&apply).expect(0))));
        fresh();
        times[2].push(timed(|| copy(&user, &hosts)));
        times[3].push(timed(|| copy(&user, &hosts)));
    }
    println!("{nodes} nodes, {FORKS} forks, {ROUNDS} rounds in turn; seconds as minimum, median, maximum");
    for (name, times) in
        ["oregano, all change", "oregano, none changes", "ansible copy, all change", "ansible copy, none changes"]
            .iter()
            .zip(&mut times)
    {
        times.sort();
        let seconds = |at: usize| times[at].as_secs_f64();
        println!("{name:28} {:7.2} {:7.2} {:7.2}", seconds(0), seconds(ROUNDS / 2), seconds(ROUNDS - 1));
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Writes the same file with Ansible's `copy`, with the fastest connection settings.
fn copy(user: &Oregano, hosts: &str) {
    let folder = Command::new(program("ansible"))
        .args(["nodes", "-i", hosts, "-f", FORKS, "-m", "file"])
        .args(["-a", "path={{ docker_auth_credentials_path }} state=directory mode=0700"])
        .pipe_quietly(user.home().as_path());
    assert!(folder, "ansible file failed");
    let content = r#"content='{"auths":{"r.example.com":{"auth":"YWNtZTpzM2NyZXQ="}}}'"#;
    let copied = Command::new(program("ansible"))
        .args(["nodes", "-i", hosts, "-f", FORKS, "-m", "copy"])
        .args(["-a", &format!("dest={{{{ docker_auth_credentials_path }}}}/config.json mode=0600 {content}")])
        .pipe_quietly(user.home().as_path());
    assert!(copied, "ansible copy failed");
}

/// Runs a command with a separate home and without output; returns whether it succeeded.
trait Quietly {
    fn pipe_quietly(&mut self, home: &Path) -> bool;
}

impl Quietly for Command {
    fn pipe_quietly(&mut self, home: &Path) -> bool {
        self.env("HOME", home)
            .env("ANSIBLE_PIPELINING", "1")
            .env("ANSIBLE_GATHERING", "explicit")
            .env(
                "ANSIBLE_SSH_ARGS",
                format!("-o UserKnownHostsFile={}/.ssh/known_hosts -o ControlMaster=no", home.display()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
}

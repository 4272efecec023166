//! Compares the CPU time and the peak memory of two builds of oregano, as the median of 20 paired rounds: a change must not
//! make a figure worse by more than 5 %. Build the other one in a worktree of its own, then run
//!
//! ```console
//! $ eval "$(tests/servers/install)" && OREGANO_OTHER=../other/target/release/oregano cargo bench --bench compare
//! ```
//!
//! A ratio is that of this build to the other one. Both run against the same sshd and docker-registry on loopback, one
//! after the other in each round, and in turn the first, so that a change of the machine's speed affects both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot continue must stop, and prints"
)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use support::fleet;
use support::oregano::Oregano;
use support::process::{cpu_of_children, peak_memory};
use support::registry::{Auth, Registry, Transport};
use support::site::{PASSWORD, USER};
use support::sshd::{Listen, Options, Sshd};

const ROUNDS: usize = 20;
/// Nodes of a real sshd, which forks for each connection: more of them measure sshd.
const NODES: usize = 50;
/// Credentials of one registry.
const CREDENTIALS: usize = 40;
/// Hosts whose port is closed: the run observes and reports them, and connects to none.
const HOSTS: usize = 10_000;
/// The largest ratio that passes.
const LIMIT: f64 = 1.05;

/// What one run costs.
#[derive(Clone, Copy)]
struct Cost {
    /// User and system time in milliseconds.
    cpu: f64,
    /// Peak of the resident memory in MiB.
    memory: f64,
}

/// Reads one figure of a cost.
type Figure = fn(&Cost) -> f64;

/// A command that both builds run.
struct Case {
    name: String,
    words: Vec<String>,
    status: i32,
    /// Brings the servers to the state in which the command starts.
    prepare: Box<dyn Fn()>,
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs it too, to see that it builds; only `cargo bench` says `--bench`.
    if !std::env::args().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    let other = PathBuf::from(std::env::var_os("OREGANO_OTHER").expect("OREGANO_OTHER names the other build"));
    let own = PathBuf::from(env!("CARGO_BIN_EXE_oregano"));
    let user = Oregano::new();
    // A linker writes a file in another order than a copy does, and the kernel then maps it in other pieces: a tenth of a
    // short run. Copies of both are alike.
    let [own, other] = [("own", own), ("other", other)].map(|(name, program)| {
        let copy = user.home().join(name);
        std::fs::copy(program, &copy).unwrap();
        copy
    });
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, PASSWORD)]);
    registry.push("openshift3/ose-pod", "v3.11", USER, PASSWORD);
    let sshd = Sshd::start_with(&Options { listen: Listen::AllLoopback, ..Options::default() });
    println!("{ROUNDS} paired rounds; medians of this build and of the other one, and of the ratios");
    let worse: Vec<String> =
        cases(&user, registry, sshd).iter().flat_map(|case| compare(&user, case, &own, &other)).collect();
    worse.iter().for_each(|figure| println!("worse by more than 5 %: {figure}"));
    if worse.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cases(user: &Oregano, registry: Registry, sshd: Sshd) -> Vec<Case> {
    let users: Vec<String> = (0..CREDENTIALS).map(|at| format!("user{at}")).collect();
    let logins: Vec<(&str, &str)> = users.iter().map(|user| (user.as_str(), PASSWORD)).collect();
    let many = Registry::start(Auth::Basic, Transport::Http, &logins);
    many.push("team/app", "v1", "user0", PASSWORD);
    let fleet = fleet::inventory(user, &sshd, &registry, NODES);
    let credentials = credentials(user, &many, &users);
    let closed = closed(user);
    let words = |line: &str, inventory: &str| -> Vec<String> {
        line.split(' ').chain(["-i", inventory]).map(str::to_owned).collect()
    };
    let case = |name: String, words: Vec<String>, status, prepare: Box<dyn Fn()>| Case { name, words, status, prepare };
    let nothing = || Box::new(|| {}) as Box<dyn Fn()>;
    let apply = || words("apply --only nodes --forks 64", &fleet);
    let fresh = move || {
        // Both handles live as long as the cases that use them.
        let _ = (&registry, &many);
        assert!(sshd.sh("rm -rf /var/lib/origin/*").status.success());
    };
    vec![
        case(format!("apply, {NODES} nodes, all change"), apply(), 0, Box::new(fresh)),
        case(format!("apply, {NODES} nodes, none changes"), apply(), 0, nothing()),
        case(format!("validate, {CREDENTIALS} credentials"), words("validate", &credentials), 0, nothing()),
        case(format!("inventory --check, {HOSTS} hosts"), words("inventory --check", &closed), 0, nothing()),
        case(format!("plan, {HOSTS} nodes with a closed port"), words("plan --only nodes", &closed), 4, nothing()),
    ]
}

/// Prints the figures of one case. Returns those that are worse than the limit.
fn compare(user: &Oregano, case: &Case, own: &Path, other: &Path) -> Vec<String> {
    let mut costs: [Vec<Cost>; 2] = [Vec::new(), Vec::new()];
    // The first round warms up the caches of the servers and is not counted.
    for round in 0..=ROUNDS {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            (case.prepare)();
            let cost = run(user, [own, other][which], case);
            if round > 0 {
                costs[which].push(cost);
            }
        }
    }
    let [own, other] = &costs;
    let figures: [(&str, Figure); 2] = [("ms CPU", |cost| cost.cpu), ("MiB", |cost| cost.memory)];
    figures
        .iter()
        .filter_map(|(unit, figure)| {
            let ratio = median(own.iter().zip(other).map(|(own, other)| figure(own) / figure(other)));
            let (own, other) = (median(own.iter().map(figure)), median(other.iter().map(figure)));
            println!("{:42} {own:9.1} {other:9.1} {unit:7} ratio {ratio:.3}", case.name);
            (ratio > LIMIT).then(|| format!("{}: {unit}, ratio {ratio:.3}", case.name))
        })
        .collect()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
}

fn run(user: &Oregano, program: &Path, case: &Case) -> Cost {
    let before = cpu_of_children();
    let mut child = Command::new(program)
        .args(&case.words)
        .current_dir(user.home())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", user.home())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let memory = peak_memory(&mut child);
    let status = child.wait().unwrap().code();
    assert_eq!(status, Some(case.status), "{} of {}", case.name, program.display());
    Cost { cpu: cpu_of_children() - before, memory }
}

/// An inventory with many credentials of one registry.
fn credentials(user: &Oregano, registry: &Registry, users: &[String]) -> String {
    let host = registry.host();
    let password = PASSWORD.replace('\\', r"\\").replace('\'', r"\'");
    let mut text = "[nodes]\n".to_owned();
    for (at, name) in users.iter().enumerate() {
        writeln!(
            text,
            "node{at} openshift_additional_registry_credentials=\"[{{'host':'{host}','user':'{name}',\
             'password':'{}','test_image':'team/app:v1','tls_verify':False}}]\"",
            password.replace('"', "\\\"")
        )
        .unwrap();
    }
    user.write("credentials", text).display().to_string()
}

/// An inventory of hosts that refuse connections, with a registry that is not contacted.
fn closed(user: &Oregano) -> String {
    let mut text =
        "[all:vars]\nansible_port=1\nansible_user=root\noreg_url=registry.example.com/openshift3/ose-${component}:\
                    ${version}\noreg_auth_user=u\noreg_auth_password=hunter2\noreg_test_login=False\n\n[nodes]\n"
            .to_owned();
    for at in 0..HOSTS {
        writeln!(text, "node{at} ansible_host=127.1.{}.{}", at / 200, at % 200 + 1).unwrap();
    }
    user.write("closed", text).display().to_string()
}

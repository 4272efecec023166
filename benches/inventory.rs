//! Measures what docs/performance.md states about inventories: `oregano inventory --list` and `ansible-inventory
//! --list`, alternately in one run. Before the measurement it checks that both print the same.
//!
//! ```console
//! $ eval "$(tests/servers/install)" && cargo bench --bench inventory            # 10,000 hosts, both
//! $ eval "$(tests/servers/install)" && cargo bench --bench inventory -- 100000  # 45 s a round for Ansible
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on must stop, and prints"
)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use support::process::program;

/// The first argument of a process that starts one program and measures it.
const MEASURE: &str = "measure";
const ROUNDS: usize = 5;

/// The time and memory of one run.
struct Cost {
    seconds: f64,
    megabytes: f64,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == MEASURE) {
        return measure(&words[2..]);
    }
    // `cargo test --all-targets` runs this program, too, to check that it builds. Only `cargo bench` passes `--bench`.
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let hosts = words.iter().skip(1).find_map(|word| word.parse().ok()).unwrap_or(10_000);
    let rounds = if hosts > 20_000 { 1 } else { ROUNDS };
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("hosts");
    std::fs::write(&inventory, text(hosts)).unwrap();
    let programs = [Path::new(env!("CARGO_BIN_EXE_oregano")).to_owned(), program("ansible-inventory")];
    let mut costs: [Vec<Cost>; 2] = Default::default();
    for _ in 0..rounds {
        for (program, costs) in programs.iter().zip(&mut costs) {
            costs.push(run(folder.path(), program, &inventory));
        }
        let [ours, theirs] = programs.each_ref().map(|program| listed(folder.path(), program));
        assert!(ours == theirs, "the two do not print the same");
    }
    println!("{hosts} hosts, {rounds} rounds in turn; minimum, median, maximum");
    let mut medians = Vec::new();
    for (name, costs) in ["oregano inventory --list", "ansible-inventory --list"].iter().zip(&mut costs) {
        costs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let seconds = |at: usize| costs[at].seconds;
        let memory = costs.iter().map(|cost| cost.megabytes).fold(0.0, f64::max);
        println!(
            "{name:26} {:8.3} {:8.3} {:8.3} s {memory:8.0} MB",
            seconds(0),
            seconds(costs.len() / 2),
            seconds(costs.len() - 1)
        );
        medians.push(seconds(costs.len() / 2));
    }
    println!("ratio of the medians {:.0}", medians[1] / medians[0]);
}

/// An inventory of one site: racks of 50 hosts, rows of 20 racks, and variables at each level.
fn text(hosts: usize) -> String {
    let racks = hosts.div_ceil(50);
    let rows = racks.div_ceil(20);
    let mut text = "[all:vars]\nregistry=registry.example.com\ncopies=3\n\n[site:children]\n".to_owned();
    (0..rows).for_each(|row| writeln!(text, "row{row}").unwrap());
    text.push_str("\n[site:vars]\nzone=north\n");
    for row in 0..rows {
        write!(text, "\n[row{row}:children]\n").unwrap();
        (row * 20..racks.min(row * 20 + 20)).for_each(|rack| writeln!(text, "rack{rack}").unwrap());
        write!(text, "\n[row{row}:vars]\nrow={row}\n").unwrap();
    }
    for rack in 0..racks {
        write!(text, "\n[rack{rack}:vars]\nrack={rack}\npower='a'\n\n[rack{rack}]\n").unwrap();
        for slot in (rack * 50..hosts.min(rack * 50 + 50)).map(|host| host - rack * 50) {
            writeln!(
                text,
                "node{rack}-{slot}.example.com ansible_host=10.{}.{}.{slot} \
                 openshift_node_group_name='node-config-compute' slot={slot}",
                rack / 250,
                rack % 250
            )
            .unwrap();
        }
    }
    text
}

/// The file for the output of a program.
fn listing(folder: &Path, program: &Path) -> std::path::PathBuf {
    folder.join(program.file_name().unwrap()).with_extension("json")
}

fn listed(folder: &Path, program: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(listing(folder, program)).unwrap()).unwrap()
}

/// Lists the inventory in a separate process, because the peak memory is only known for a complete process.
fn run(folder: &Path, program: &Path, inventory: &Path) -> Cost {
    let mut words: Vec<&OsStr> = vec![MEASURE.as_ref()];
    let listing = listing(folder, program);
    words.extend([listing.as_os_str(), program.as_os_str()]);
    if program.ends_with("oregano") {
        words.push("inventory".as_ref());
    }
    words.extend(["--list".as_ref(), "-i".as_ref(), inventory.as_os_str()]);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(words)
        .env("HOME", folder)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (seconds, kilobytes) = text.trim().split_once(' ').unwrap_or_else(|| panic!("no measurement: {text}"));
    Cost { seconds: seconds.parse().unwrap(), megabytes: kilobytes.parse::<f64>().unwrap() / 1024.0 }
}

/// Starts `words[1..]` with its output in the file `words[0]`; prints the seconds and the peak memory in kB.
fn measure(words: &[String]) {
    let start = Instant::now();
    let status = Command::new(&words[1])
        .args(&words[2..])
        .stdin(Stdio::null())
        .stdout(File::create(&words[0]).unwrap())
        .status()
        .unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(status.success(), "{} ended with {status}", words[1]);
    println!("{seconds} {}", getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss());
}

//! A complete installation on loopback: `cargo run --example quickstart`.
//!
//! Starts a lab in this process (two registries, three nodes behind SSH, the API of a cluster), runs the real
//! pipeline on it three times, and checks that the state of the lab is what the text says. Only `target/quickstart` is
//! written, nothing outside this machine is contacted, and root is not needed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the purpose of the example is this text")]

#[path = "../tests/it/support/lab/mod.rs"]
mod lab;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::time::Duration;

use lab::{Lab, Login};
use oregano::desired::Request;
use oregano::engine::schedule::{Cancel, Supervised};
use oregano::event::{self, Event, Outcome, Recap};
use oregano::facts::Verdict;
use oregano::inventory::Sources;
use oregano::options::{Environment, Options, Settings};
use oregano::plan::PlanRequest;
use oregano::report::{ExitStatus, Journal};
use oregano::ui::{self, Output};
use serde_json::{Value, json};

/// What `node2` has already: another registry's credential, readable by every user of the node.
const FOREIGN: &str =
    r#"{"auths": {"registry.example.com": {"auth": "c29tZWJvZHk6ZWxzZQ=="}}, "detachKeys": "ctrl-x"}"#;

fn main() -> ExitCode {
    let end = match proxies() {
        none if none.is_empty() => tour().map(|()| ExitCode::SUCCESS),
        proxies => again_without(&proxies),
    };
    end.unwrap_or_else(|fault| {
        eprintln!("\nquickstart: a check failed: {fault}");
        ExitCode::FAILURE
    })
}

fn tour() -> Result<(), Box<dyn Error>> {
    let lab = Lab::start(&folder()?, 3);
    lab.write_auth_file(1, FOREIGN, 0o644);
    introduce(&lab);

    say("1. The first run: both credentials are verified at the registries, then written to the secret and the nodes.");
    let (status, recap) = apply(&lab)?;
    check(status == ExitStatus::Done, "the first run ends with 0")?;
    check(recap.registries.iter().map(|row| row.verdict).eq([Verdict::Proved; 2]), "both credentials are proved")?;
    check(recap.objects.iter().map(|row| row.outcome).eq([Outcome::Created]), "the pull secret is created")?;
    check(recap.hosts.values().map(|host| host.changed).eq([1; 3]), "one file is written on each node")?;
    check_content(&lab)?;
    println!("Verified: node2's entry for another registry is still there, and only its owner can read the file.");

    say("2. The second run: everything is up to date, so nothing is written.");
    let before = Seen::now(&lab);
    let (status, recap) = apply(&lab)?;
    check(status == ExitStatus::Done, "the second run ends with 0")?;
    check(recap.hosts.values().map(|host| (host.ok, host.changed)).eq([(2, 0); 3]), "no file is changed")?;
    check(recap.objects.iter().map(|row| row.outcome).eq([Outcome::Unchanged]), "the pull secret is unchanged")?;
    check(Seen::now(&lab) == before, "files and secret are the same as before")?;
    println!("Verified: no file was replaced, and the API received no request for a change.");

    say("3. The third run: the password in the inventory has a typing error.");
    lab.write_inventory("not-the-password");
    let (status, _) = apply(&lab)?;
    check(status == ExitStatus::Failed, "the third run ends with 2")?;
    check(Seen::now(&lab) == before, "nothing is written")?;
    let failed = (lab.registry.failed_logins(), lab.team_registry.failed_logins());
    check(failed == (1, 0), "the registries count exactly one failed login")?;
    println!("Verified: nothing was written, and only one login failed, which locks no account.");
    lab.write_inventory(lab::REGISTRY.password);
    conclude(lab);
    Ok(())
}

fn say(text: &str) {
    println!("\n== {text}\n");
}

fn introduce(lab: &Lab) {
    println!("A lab runs on loopback until this program ends: the registries {} and", lab.registry.host());
    println!("{}, a Kubernetes API, and three nodes that are reached over SSH.", lab.team_registry.host());
    println!("Its inventory, with made-up passwords, is {}", lab.inventory().display());
    println!("\nThe example now does three times what `oregano apply -i <that inventory>` does.");
}

fn conclude(lab: Lab) {
    let (inventory, files) = (lab.inventory(), lab.auth_files());
    drop(lab);
    say("All checks passed. The lab is stopped; its files remain until the next quickstart:");
    println!("  {}   (it has the right password again)", inventory.display());
    files.iter().for_each(|file| println!("  {}", file.display()));
    println!("\nNext, with your own inventory: `oregano plan -i <inventory>` changes nothing.");
}

/// `target/quickstart`, empty.
fn folder() -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or("this program is not where cargo puts examples")?;
    let folder = target.join("quickstart");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    Ok(folder)
}

fn proxies() -> Vec<OsString> {
    let is_proxy = |name: &OsString| name.to_string_lossy().to_lowercase().ends_with("_proxy");
    std::env::vars_os().map(|(name, _)| name).filter(is_proxy).collect()
}

/// Runs this program again without proxies: they cannot reach the loopback of this machine.
fn again_without(proxies: &[OsString]) -> Result<ExitCode, Box<dyn Error>> {
    let mut again = Command::new(std::env::current_exe()?);
    for name in proxies {
        again.env_remove(name);
    }
    Ok(if again.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A run as the command line starts it, but with a separate home: neither your keys nor your agent nor your
/// kubeconfig is used. Returns its status and its last event.
fn apply(lab: &Lab) -> Result<(ExitStatus, Recap), String> {
    let settings = Settings {
        sources: Sources { inventories: vec![lab.inventory().display().to_string()], ..Sources::default() },
        request: Request { user: "operator".to_owned(), home: Some(lab.home()), ..Request::default() },
        forks: 64,
        timeout: Duration::from_secs(30),
        kubeconfig: Some(lab.kubeconfig()),
        context: None,
        warnings: Vec::new(),
        environment: Environment { home: Some(lab.home()), ..Environment::default() },
    };
    let warn_days = oregano::desired::expiry::WARN_DAYS;
    let plan = PlanRequest::default();
    let options = Options { command: event::Command::Apply, warn_days, plan, settings };
    let (journal, events) = mpsc::channel::<Event>();
    let (screen, printer) = ui::start(Output::default());
    let reader =
        std::thread::spawn(move || events.into_iter().inspect(|event| drop(screen.send(event.clone()))).last());
    let (cancel, journal) = (Cancel::default(), Journal::new(journal));
    let ended = Supervised::Done(oregano::run(&options, &cancel, &journal));
    let status = oregano::conclude(ended, &cancel, &journal);
    let last = reader.join();
    let _ = printer.join();
    println!("-> exit status {}\n", status as u8);
    match last {
        Ok(Some(Event::Recap(recap))) => Ok((status, recap)),
        _ => Err("the run did not end with its recap".to_owned()),
    }
}

fn check(holds: bool, claim: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("not true: {claim}")) }
}

/// Both credentials are everywhere, and the old content of the file on `node2` is kept.
fn check_content(lab: &Lab) -> Result<(), String> {
    let Seen { files, secret, .. } = Seen::now(lab);
    let wanted = [(lab.registry.host(), lab::REGISTRY), (lab.team_registry.host(), lab::TEAM_REGISTRY)];
    let documents: Vec<&Option<Vec<u8>>> = files.iter().map(|(content, ..)| content).chain([&secret]).collect();
    for (host, Login { user, password }) in wanted {
        let auth = oregano::secret::basic_auth(user, &oregano::secret::Secret::new(password));
        let has = |bytes: &&Option<Vec<u8>>| parse(bytes)["auths"][host]["auth"] == auth.expose();
        check(documents.iter().all(has), &format!("the credential for {host} is on every node and in the secret"))?;
    }
    let (mut new, old) = (parse(documents[1]), parse(&Some(FOREIGN.into())));
    new["auths"] = json!({"registry.example.com": new["auths"]["registry.example.com"]});
    check(new == old, "the old content of the file on node2 is kept")?;
    check(files.iter().all(|(_, mode, _)| mode & 0o777 == 0o600), "only the owner can read the files")
}

fn parse(bytes: &Option<Vec<u8>>) -> Value {
    bytes.as_ref().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

/// Everything that a run may change: content, mode and inode of each file, the secret, and the number of requests for a
/// change.
#[derive(PartialEq)]
struct Seen {
    files: Vec<(Option<Vec<u8>>, u32, u64)>,
    secret: Option<Vec<u8>>,
    writes: usize,
}

impl Seen {
    fn now(lab: &Lab) -> Self {
        let file = |path: &PathBuf| match fs::metadata(path) {
            Ok(metadata) => (fs::read(path).ok(), metadata.mode(), metadata.ino()),
            Err(_) => (None, 0, 0),
        };
        Self {
            files: lab.auth_files().iter().map(file).collect(),
            secret: lab.kubernetes.secret("imagestreamsecret"),
            writes: lab.kubernetes.writes(),
        }
    }
}

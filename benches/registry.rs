//! Measures what docs/performance.md states about credentials: the time for many registries with a high latency, the
//! CPU time for each credential compared with `skopeo inspect`, and the time to the first request.
//!
//! ```console
//! $ eval "$(tests/servers/install)" && cargo bench --bench registry
//! ```
//!
//! The registries are on loopback, so client and servers share the cores of this machine; the CPU time is that of the
//! clients. If a median exceeds its limit, the exit status is 1.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on must stop, and prints"
)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

use support::certificate::{Signer, make_for};
use support::oregano::Oregano;
use support::process::{cpu_of_children, program};
use support::registry::{Auth, Registry, Transport};

const CREDENTIALS: usize = 200;
const ROUNDS: usize = 5;
/// The simulated round-trip time between this machine and a distant registry.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// The limit in seconds for all credentials at distant registries.
const FAR_AWAY: f64 = 2.0;
/// The limit in milliseconds of CPU time for each credential.
const CPU: f64 = 2.5;
/// How many times as much CPU time skopeo must at least take.
const LESS_THAN_SKOPEO: f64 = 8.0;
/// The limit in milliseconds for the time to the first request.
const COLD_START: f64 = 50.0;

fn main() -> ExitCode {
    // `cargo test --all-targets` runs this program, too, to check that it builds. Only `cargo bench` passes `--bench`.
    if !std::env::args().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    println!("{ROUNDS} rounds; minimum, median, maximum");
    let broken: Vec<String> = far_away().into_iter().chain(cpu()).chain(cold_start()).collect();
    broken.iter().for_each(|limit| println!("beyond its limit: {limit}"));
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints a line of the result, and returns the median.
fn print(name: &str, unit: &str, mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let median = figures[figures.len() / 2];
    println!("{name:58} {:8.2} {median:8.2} {:8.2} {unit}", figures[0], figures[figures.len() - 1]);
    median
}

/// The message for a figure that exceeds its limit.
fn at_most(name: &str, figure: f64, limit: f64, unit: &str) -> Option<String> {
    (figure > limit).then(|| format!("{name}: {figure:.2} {unit}, at most {limit} {unit} are allowed"))
}

/// An inventory with one credential for each of `hosts`; the test image is `team/app:v1` of that host.
fn inventory(user: &Oregano, hosts: impl Iterator<Item = (String, String)>) -> String {
    let mut entries = String::new();
    for (host, name) in hosts {
        write!(entries, "{{'host':'{host}','user':'{name}','password':'pw-{name}','test_image':'team/app:v1'}},")
            .unwrap();
    }
    let text = format!("[nodes]\nnode1\n\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entries}]\n");
    user.write("hosts", text).display().to_string()
}

/// The CA bundle of the machine with one more authority, as on a machine with the authority of a company.
fn bundle(user: &mut Oregano, ca: &std::path::Path) {
    let mut text = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    text += &fs::read_to_string(ca).unwrap();
    let file = user.write("bundle.pem", text);
    user.env("SSL_CERT_FILE", file);
}

// ── distant registries ───────────────────────────────────────────────────────────────────────────

fn far_away() -> Option<String> {
    let server = Server::start(ROUND_TRIP);
    let mut user = Oregano::new();
    bundle(&mut user, &server.ca);
    let hosts = (0..CREDENTIALS).map(|at| (server.host(at), format!("user{at}")));
    let hosts = inventory(&user, hosts);
    let seconds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        proved(&user.run(&["validate", "-i", &hosts]).expect(0).stdout, CREDENTIALS);
        start.elapsed().as_secs_f64()
    });
    let name = format!("{CREDENTIALS} credentials on {CREDENTIALS} registries, {ROUND_TRIP:?} away");
    at_most(&name, print(&name, "s", seconds.collect()), FAR_AWAY, "s")
}

fn proved(stdout: &str, count: usize) {
    assert_eq!(stdout.lines().filter(|line| line.ends_with(": proved")).count(), count, "{stdout}");
}

/// Registries at loopback addresses, each with a token server and one image.
struct Server {
    port: u16,
    ca: PathBuf,
    requests: Receiver<Instant>,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(round_trip: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..CREDENTIALS).map(|at| format!("IP:{}", address(at))).collect();
        let certificate = make_for(folder.path(), Signer::Authority, &names.join(","));
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_certificate_file(&certificate.certificate, SslFiletype::PEM).unwrap();
        acceptor.set_private_key_file(&certificate.key, SslFiletype::PEM).unwrap();
        // Session tickets would add a round trip that real servers do not cause.
        acceptor.set_num_tickets(0).unwrap();
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (told, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (acceptor, told) = (acceptor.clone(), told.clone());
                std::thread::spawn(move || serve(stream?, &acceptor, round_trip, &told));
            }
            io::Result::Ok(())
        });
        Self { port, ca: certificate.ca, requests, _folder: folder }
    }

    /// The address of the registry with this number, counted from 0.
    fn host(&self, at: usize) -> String {
        format!("{}:{}", address(at), self.port)
    }
}

fn address(at: usize) -> String {
    format!("127.0.{}.{}", at / 200 + 1, at % 200 + 1)
}

/// A stream that delays each response by a round trip.
struct Far {
    stream: TcpStream,
    round_trip: Duration,
    answered: bool,
}

impl Read for Far {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.answered = false;
        self.stream.read(bytes)
    }
}

impl Write for Far {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.answered {
            std::thread::sleep(self.round_trip);
            self.answered = true;
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn serve(stream: TcpStream, acceptor: &SslAcceptor, round_trip: Duration, told: &Sender<Instant>) -> io::Result<()> {
    // The kernel has completed the TCP handshake without a delay, so its round trip is added here.
    std::thread::sleep(round_trip);
    stream.set_nodelay(true)?;
    let far = Far { stream, round_trip, answered: false };
    let Ok(mut stream) = acceptor.accept(far) else { return Ok(()) };
    let mut buffer = [0; 8192];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let _ = told.send(Instant::now());
        stream.write_all(answer(&String::from_utf8_lossy(&buffer[..length])).as_bytes())?;
    }
}

/// The response to a request. It is small enough to arrive in one packet.
fn answer(request: &str) -> String {
    let lower = request.to_ascii_lowercase();
    let host = lower.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, header, body) = if path.starts_with("/token") && lower.contains("authorization: basic") {
        ("200 OK", "content-type: application/json".to_owned(), r#"{"token":"opensesame"}"#)
    } else if lower.contains("authorization: bearer opensesame") {
        ("200 OK", format!("docker-content-digest: sha256:{}", "a".repeat(64)), "")
    } else {
        ("401 Unauthorized", format!("www-authenticate: Bearer realm=\"https://{host}/token\",service=\"r\""), "")
    };
    format!("HTTP/1.1 {status}\r\n{header}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

// ── CPU ──────────────────────────────────────────────────────────────────────────────────────────

fn cpu() -> Vec<String> {
    let names: Vec<(String, String)> = (0..CREDENTIALS).map(|at| (format!("u{at}"), format!("pw-u{at}"))).collect();
    let users: Vec<(&str, &str)> = names.iter().map(|(user, password)| (user.as_str(), password.as_str())).collect();
    let registry = Registry::start(Auth::Basic, Transport::Tls(Signer::Authority), &users);
    for (user, password) in &users {
        registry.push(&format!("{user}/team/app"), "v1", user, password);
    }
    let mut user = Oregano::new();
    bundle(&mut user, registry.ca_file());
    let host = registry.host();
    let hosts = inventory(&user, users.iter().map(|(user, _)| (format!("{host}/{user}"), (*user).to_owned())));
    let certificates = user.home().join("certificates");
    fs::create_dir(&certificates).unwrap();
    fs::copy(registry.ca_file(), certificates.join("ca.crt")).unwrap();
    let mut arguments = String::new();
    for (user, password) in &users {
        writeln!(arguments, "--creds {user}:{password} docker://{host}/{user}/team/app:v1").unwrap();
    }
    let arguments = user.write("arguments", arguments);

    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        ours.push(milliseconds(|| proved(&user.run(&["validate", "-i", &hosts]).expect(0).stdout, CREDENTIALS)));
        theirs.push(milliseconds(|| {
            let mut skopeo = Command::new("xargs");
            skopeo.args(["-P", "32", "-L", "1"]).arg("-a").arg(&arguments).arg(program("skopeo"));
            skopeo.args(["inspect", "--no-tags", "--cert-dir"]).arg(&certificates).env("HOME", user.home());
            let output = skopeo.stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let shown = String::from_utf8_lossy(&output.stdout).matches("\"Digest\"").count();
            assert_eq!(shown, CREDENTIALS);
        }));
    }
    let name = "CPU of a credential, oregano validate";
    let ours = print(name, "ms", ours);
    let theirs = print("CPU of a credential, skopeo inspect --no-tags", "ms", theirs);
    let less = theirs / ours;
    println!("oregano takes {less:.1} times less");
    let ratio = (less < LESS_THAN_SKOPEO)
        .then(|| format!("skopeo takes {less:.1} times as much, at least {LESS_THAN_SKOPEO} times is promised"));
    at_most(name, ours, CPU, "ms").into_iter().chain(ratio).collect()
}

/// The user and system CPU time of the processes that `work` starts and waits for, in milliseconds for each credential.
fn milliseconds(work: impl FnOnce()) -> f64 {
    let before = cpu_of_children();
    work();
    (cpu_of_children() - before) / CREDENTIALS as f64
}

// ── start ────────────────────────────────────────────────────────────────────────────────────────

fn cold_start() -> Option<String> {
    let server = Server::start(Duration::ZERO);
    let mut user = Oregano::new();
    bundle(&mut user, &server.ca);
    let hosts = inventory(&user, [(server.host(0), "user".to_owned())].into_iter());
    let times = (0..ROUNDS).map(|_| {
        server.requests.try_iter().for_each(drop);
        let start = Instant::now();
        proved(&user.run(&["validate", "-i", &hosts]).expect(0).stdout, 1);
        let first = server.requests.try_iter().next().unwrap();
        (first - start).as_secs_f64() * 1000.0
    });
    let name = "from the start of the process to the first request";
    at_most(name, print(name, "ms", times.collect()), COLD_START, "ms")
}

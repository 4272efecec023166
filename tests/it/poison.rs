//! The poison test: every command at the highest verbosity with canary passwords, and no trace of them, in any
//! encoding, in what is printed, in the arguments of processes, or in temporary files. A control shows that the
//! search finds a canary that is planted.

mod global;
mod login;
mod runs;
mod sources;
mod vantage;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use data_encoding::BASE32;

use crate::support::double::RawServer;
use crate::support::double::raw::{Connection, NO_TLS, Reaction, response};
use crate::support::oregano::{Finished, Oregano};
use crate::support::site::USER;

const REGISTRY: &str = "Canary-R3g1stry'<&>\"x";
const REGISTRY_WRONG: &str = "Canary-Wr0ng-Reg<x>";
const FOREIGN: &str = "Canary-F0reign";
const PROXY_USER: &str = "eve";
const PROXY: &str = "Canary-Pr0xy";

/// Every form in which a secret may occur.
fn forms(user: &str, secret: &str) -> Vec<String> {
    let pair = format!("{user}:{secret}");
    let json = serde_json::to_string(secret).unwrap();
    let mut forms = vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        secret.replace('\'', r"\'"),
        secret.chars().rev().collect(),
    ];
    for text in [secret, &pair] {
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE] {
            forms.push(engine.encode(text));
        }
    }
    // In base64 of a longer text, the secret is at one of three offsets.
    for skip in 0..3 {
        let shifted = STANDARD_NO_PAD.encode(format!("{}{secret}", "x".repeat(skip)));
        forms.push(shifted[4..shifted.len() - 3].to_owned());
    }
    let percent: String = secret
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || byte == b'-' {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    forms.push(percent);
    for before in ["", "\\x", "%"] {
        forms.push(hex(secret, before));
        forms.push(hex(secret, before).to_uppercase().replace("\\X", "\\x"));
    }
    // In base32 of a longer text, the secret is at one of five offsets. The digits at both ends depend on its neighbors.
    for skip in 0..5 {
        let shifted = BASE32.encode(format!("{}{secret}", "x".repeat(skip)).as_bytes());
        let digits = shifted.trim_end_matches('=');
        forms.push(digits[(skip * 8).div_ceil(5)..digits.len() - 1].to_owned());
    }
    forms
}

/// The bytes as hexadecimal digits, each after `before`.
fn hex(text: &str, before: &str) -> String {
    text.bytes().map(|byte| format!("{before}{byte:02x}")).collect()
}

/// In the forms in which a redactor may not expect a secret.
fn disguised(text: &str) -> String {
    let split: String = text.chars().map(|c| format!("{c}\u{1b}[0m")).collect();
    let percent = hex(text, "%");
    let forms = [
        hex(text, ""),
        hex(text, "\\x"),
        BASE32.encode(format!("y{text}").as_bytes()),
        STANDARD.encode(format!("yy{text}")),
    ];
    format!("{} {percent} {split}", forms.join(" "))
}

/// The forms of the secrets that occur in a text.
pub fn traces(text: &str, secrets: &[(&str, &str)]) -> Vec<String> {
    let all = secrets.iter().flat_map(|(user, secret)| forms(user, secret));
    all.filter(|form| text.contains(form.as_str())).collect()
}

/// What runs printed, and the arguments and environments of all processes meanwhile.
struct Seen {
    printed: String,
    arguments: String,
    environments: String,
}

/// Records all processes while `runs` runs.
fn watched(runs: impl FnOnce() -> String) -> Seen {
    // The sender is dropped when the runs have ended, also if the test fails.
    let (running, ended) = channel();
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| processes(ended));
        let printed = runs();
        drop(running);
        let [arguments, environments] = watch.join().unwrap();
        Seen { printed, arguments, environments }
    })
}

/// The arguments and the environments of all processes, gathered every 2 ms until `ended` is disconnected.
fn processes(ended: Receiver<()>) -> [String; 2] {
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    while ended.recv_timeout(Duration::from_millis(2)) == Err(RecvTimeoutError::Timeout) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            for (file, seen) in ["cmdline", "environ"].iter().zip(&mut seen) {
                if let Ok(bytes) = std::fs::read(entry.path().join(file)) {
                    seen.insert(String::from_utf8_lossy(&bytes).replace('\0', " "));
                }
            }
        }
    }
    seen.map(|seen| seen.into_iter().collect::<Vec<_>>().join("\n"))
}

impl Seen {
    /// The output must have each of `texts`, or the runs did not do their work; and none of `secrets`.
    #[track_caller]
    fn says_but_not(&self, texts: &[&str], secrets: &[(&str, &str)]) {
        for text in texts {
            assert!(self.printed.contains(text), "no run printed `{text}`:\n{}", self.printed);
        }
        assert_eq!(traces(&self.printed, secrets), Vec::<String>::new(), "printed:\n{}", self.printed);
        // The login of a tunnel's proxy is random in each run.
        assert!(!self.printed.contains("socks5h://"), "a tunnel's proxy is printed:\n{}", self.printed);
        assert!(self.arguments.contains("oregano"), "no process was seen");
        assert_eq!(traces(&self.arguments, secrets), Vec::<String>::new(), "in the arguments of a process");
        assert!(!self.arguments.contains("socks5h://"), "a tunnel's proxy is in the arguments of a process");
    }

    /// No environment contains them, except where an environment variable is the source of the password.
    #[track_caller]
    fn environments_hold_none(&self, secrets: &[(&str, &str)]) {
        assert_eq!(traces(&self.environments, secrets), Vec::<String>::new(), "in the environment of a process");
    }
}

/// Both streams of a run.
fn both(run: &Finished) -> String {
    format!("{}\n{}\n", run.stdout, run.stderr)
}

/// A credential file of another user, with a password in an unexpected place.
fn foreign_file() -> String {
    let foreign = STANDARD.encode(format!("them:{FOREIGN}"));
    format!("{{\"auths\":{{\"f.example.com\":{{\"auth\":\"{foreign}\"}}}},\"password\":\"{FOREIGN}\"}}")
}

/// Every file below a folder, as text.
fn files_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text += &files_below(&path);
        } else {
            text += &format!(
                "{}\n{}\n",
                path.display(),
                String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default())
            );
        }
    }
    text
}

fn left_nothing(user: &Oregano) {
    assert_eq!(files_below(&user.temporary()), "", "temporary files were left");
}

/// A registry, a token server and a proxy in one. They refuse every request and send its content back, raw and decoded:
/// in the reason phrase, in headers and in the body.
fn echo() -> RawServer {
    RawServer::start(|connection| Reaction::Bytes(if connection.is_tls { NO_TLS.to_vec() } else { echoed(connection) }))
}

fn echoed(connection: &Connection) -> Vec<u8> {
    let request = &connection.text;
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
    let credentials = head.lines().filter_map(|line| line.split_once("uthorization: ")).map(|(_, value)| value);
    let decoded: Vec<String> = credentials
        .flat_map(|value| {
            let bytes = value.split_once(' ').and_then(|(_, text)| STANDARD.decode(text).ok()).unwrap_or_default();
            [value.to_owned(), String::from_utf8_lossy(&bytes).into_owned()]
        })
        .collect();
    let form = body.replace('+', " ").replace("%27", "'").replace("%3C", "<").replace("%3E", ">");
    let echoed = format!("{} {body} {}", decoded.join(" "), form.replace("%26", "&").replace("%22", "\""));
    let quoted = echoed.replace('\\', "\\\\").replace('"', "\\\"");
    let password = decoded.last().and_then(|pair| pair.split_once(':')).map_or("", |(_, password)| password);
    // The disguises come first, because messages are shortened.
    let text = format!("{} {echoed}", disguised(password));
    let message = serde_json::json!({"errors": [{"code": "UNAUTHORIZED", "message": text}], "details": text});
    if head.to_ascii_lowercase().contains("proxy-authorization:") {
        let header = format!("Proxy-Authenticate: Basic realm=\"{quoted}\"");
        return response(&format!("407 {echoed}"), &header, &message.to_string());
    }
    if head.contains(" /token") {
        return response(&format!("401 {echoed}"), "Content-Type: application/json", &message.to_string());
    }
    let host = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
    let realm = format!("http://{}/token", host.unwrap_or_default());
    let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\",error=\"{quoted}\"");
    response(&format!("401 {echoed}"), &challenge, &message.to_string())
}

#[test]
fn the_search_finds_planted_secrets() {
    let secrets = [(USER, REGISTRY)];
    for planted in [
        format!("password={REGISTRY}"),
        format!("{{\"p\":{}}}", serde_json::to_string(REGISTRY).unwrap()),
        format!("Authorization: Basic {}", STANDARD.encode(format!("{USER}:{REGISTRY}"))),
        STANDARD.encode(format!("{{\"auths\":{{\"r\":{{\"password\":\"{REGISTRY}\"}}}}}}")),
        STANDARD.encode(format!("y{REGISTRY}")),
        format!("?password={}", "Canary-R3g1stry%27%3C%26%3E%22x"),
        hex(&format!("y{REGISTRY}y"), "\\x"),
        hex(REGISTRY, "").to_uppercase(),
        hex(REGISTRY, "%"),
        BASE32.encode(format!("yyy{REGISTRY}y").as_bytes()),
    ] {
        assert_ne!(traces(&planted, &secrets), Vec::<String>::new(), "{planted}");
    }
    assert_eq!(traces("nothing to see: Canary", &secrets), Vec::<String>::new());
}

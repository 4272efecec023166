//! Connections to the listener of a tunnel by other users of this machine, who do not know its login.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::net::TcpStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use oregano::desired::Proxy;

use super::{ECHO, Inside, NAME, assert_has, connect, tunnel};
use crate::support::process::eventually;

/// The number of idle connections: more than a tunnel serves at once, and than the backlog of its port holds.
fn sit(address: &str) -> Vec<TcpStream> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    (0..1000).map(|_| TcpStream::connect(address).unwrap()).collect()
}

#[test]
fn idle_connections_do_not_block_others() {
    let inside = Inside::new(1);
    let echo = inside.network.python(ECHO);
    let tunnel = tunnel(&inside);
    let socks = tunnel.socks(&Proxy::Environment).unwrap();
    // Connections of the run itself that have not ended yet do not count either.
    let own: Vec<_> = (0..100).map(|_| connect(&socks, "127.0.0.1", echo.line.parse().unwrap()).unwrap()).collect();
    assert!(!tunnel.is_crowded());
    let sitting = sit(socks.expose().split('@').nth(1).unwrap());
    assert!(connect(&socks, NAME, inside.site.registry.port()).is_ok());
    assert!(tunnel.is_crowded());
    assert_eq!(tunnel.failure(), None);
    drop((own, sitting));
}

#[test]
fn many_foreign_connections_are_reported() {
    let mut inside = Inside::new(1);
    let silence = inside.network.silence();
    inside.site.set("oreg_url", &format!("{NAME}:{}/a/b:1", silence.line));
    let run = inside.site.start(&["validate", "--from", "first-node", "-T", "60"]);
    eventually("the tunnel listens", || !listeners(run.id()).is_empty());
    let sitting = sit(&format!("127.0.0.1:{}", listeners(run.id())[0]));
    let turned_away = (&sitting[0]).read(&mut [0]);
    assert!(!matches!(turned_away, Ok(1..)), "{turned_away:?}");
    run.signal("INT");
    let run = run.wait().expect(130);
    assert_has(
        &run.stderr,
        &["warning: another program on this machine makes many connections to the tunnel through `node1`, "],
    );
}

/// The ports that a process listens on; the columns are those of proc_net_tcp(5).
fn listeners(id: u32) -> Vec<u16> {
    let open = fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
    let own: HashSet<String> =
        open.filter_map(|file| Some(fs::read_link(file.path()).ok()?.display().to_string())).collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let listening = rows.filter(|row| row[3] == "0A" && own.contains(&format!("socket:[{}]", row[9])));
    listening.map(|row| u16::from_str_radix(row[1].split(':').nth(1).unwrap(), 16).unwrap()).collect()
}

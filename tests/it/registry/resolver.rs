//! A resolver that does not respond: separate mount and network namespaces in which the only name server drops every
//! packet.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::oregano::Oregano;
use crate::support::process::as_root;

#[test]
fn a_silent_resolver_is_named_and_not_waited_for() {
    let user = Oregano::new();
    let entry = "{'host':'registry.example.com','user':'u','password':'p','test_image':'team/app:v1'}";
    let text = format!("[nodes]\nnode1\n\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entry}]\n");
    let hosts = user.write("hosts", text);
    let settings = user.write("resolv.conf", "nameserver 192.0.2.53\n");
    let names = user.write("nsswitch.conf", "hosts: files dns\n");
    // Packets to an address that is routed to `lo` but does not belong to it are dropped without a response.
    let script = "set -e
        ip link set lo up
        ip route add 192.0.2.0/24 dev lo
        mount --bind \"$1\" \"$(readlink -f /etc/resolv.conf)\"
        mount --bind \"$2\" /etc/nsswitch.conf
        shift 2
        exec env -i \"$@\"";
    let start = Instant::now();
    let output = as_root("unshare")
        .args(["--mount", "--net", "sh", "-c", script, "sh"])
        .args([&settings, &names])
        .arg(format!("HOME={}", user.home().display()))
        .args([env!("CARGO_BIN_EXE_oregano"), "validate", "--timeout", "1", "-i"])
        .arg(&hosts)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let took = start.elapsed();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stdout.lines().any(|line| line.ends_with(" : dns")), "{stdout}{stderr}");
    assert!(stderr.contains("/v2/: the resolver did not respond in time"), "{stderr}");
    assert!(stderr.contains("the resolver of this machine: `192.0.2.53` (/etc/resolv.conf)"), "{stderr}");
    // The resolver of the system would wait for ten seconds.
    assert!(took < Duration::from_secs(4), "{took:?}");
}

//! Trust in a registry's TLS: every kind of certificate, with each setting that makes it trusted, on real registries; and
//! no password is sent if TLS fails.

mod machine;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::certificate::{Flaw, Signer};
use crate::support::oregano::{Finished, Oregano};
use crate::support::process;
use crate::support::registry::{Auth, Registry, Transport};

const USER: &str = "alice";
const PASSWORD: &str = "s3cret";

/// The setting that makes the authority trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Not,
    /// `~/.config/containers/certs.d`.
    CertsD,
    /// `SSL_CERT_FILE`.
    Variable,
}

/// The result: the verdict, and a part of the reason.
type Attempt = (Known, &'static str, &'static str);
/// Names in a folder of certs.d, and the files to put there.
type Files<'a> = &'a [(&'a str, &'a Path)];

fn start(transport: Transport) -> Registry {
    let registry = Registry::start(Auth::Basic, transport, &[(USER, PASSWORD)]);
    registry.push("team/app", "v1", USER, PASSWORD);
    registry
}

/// Puts files into the user's own certs.d for a registry.
fn install(user: &Oregano, host: &str, files: Files<'_>) {
    for (name, file) in files {
        user.write(&format!(".config/containers/certs.d/{host}/{name}"), fs::read(file).unwrap());
    }
}

/// One credential for an image of `host`.
fn inventory(host: &str, tls_verify: &str) -> String {
    let entry = format!(
        "{{'host':'{host}','user':'{USER}','password':'{PASSWORD}','test_image':'team/app:v1','tls_verify':'{tls_verify}'}}"
    );
    format!("[nodes]\nnode1\n\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entry}]\n")
}

/// Validates it.
fn validate(user: &Oregano, host: &str, tls_verify: &str) -> Finished {
    let hosts = user.write("hosts", inventory(host, tls_verify)).display().to_string();
    user.run(&["validate", "-i", &hosts])
}

#[track_caller]
fn judged(run: &Finished, verdict: &str, reason: &str, about: &str) {
    let ending = format!(" : {verdict}");
    assert!(run.stdout.lines().any(|line| line.ends_with(&ending)), "{about}: {}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains(reason), "{about}: {}", run.stderr);
}

#[test]
fn every_certificate_with_every_setting_that_trusts_it() {
    let own = Transport::Tls(Signer::Itself);
    let private = Transport::Tls(Signer::Authority);
    let flawed = Transport::Flawed;
    let cases: [(Transport, &[Attempt]); 6] = [
        (
            own,
            &[
                (Known::Not, "tls", "the certificate is self-signed"),
                (Known::CertsD, "proved", ""),
                (Known::Variable, "proved", ""),
            ],
        ),
        (
            private,
            &[
                (Known::Not, "tls", "the issuer of the certificate is unknown on this machine"),
                (Known::CertsD, "proved", ""),
                (Known::Variable, "proved", ""),
            ],
        ),
        (
            flawed(Flaw::Expired),
            &[
                (Known::Not, "tls", "the issuer of the certificate is unknown on this machine"),
                (Known::CertsD, "tls", "the certificate has expired"),
            ],
        ),
        (flawed(Flaw::NotYetValid), &[(Known::CertsD, "tls", "the certificate is not yet valid")]),
        (flawed(Flaw::WrongName), &[(Known::CertsD, "tls", "the certificate is not for this IP address")]),
        (Transport::Http, &[(Known::Not, "tls", "the port uses plain HTTP instead of TLS")]),
    ];
    for (transport, attempts) in cases {
        let registry = start(transport);
        for (known, verdict, reason) in attempts {
            let about = format!("{transport:?} {known:?}");
            let mut user = Oregano::new();
            match known {
                Known::Not => {}
                Known::CertsD => install(&user, registry.host(), &[("ca.crt", registry.ca_file())]),
                Known::Variable => drop(user.env("SSL_CERT_FILE", registry.ca_file())),
            }
            let before = registry.requests().len();
            let run = validate(&user, registry.host(), "True");
            judged(&run, verdict, reason, &about);
            if *verdict == "tls" {
                assert_eq!(registry.requests().len(), before, "{about}: it was asked all the same");
            }
        }
        // No flaw of the certificate matters if nothing is verified.
        judged(&validate(&Oregano::new(), registry.host(), "False"), "proved", "without verified TLS", "insecure");
    }
}

#[test]
fn a_certificate_for_another_name() {
    let registry = start(Transport::Flawed(Flaw::WrongName));
    let user = Oregano::new();
    let host = registry.host().replace("127.0.0.1", "localhost");
    install(&user, &host, &[("ca.crt", registry.ca_file())]);
    judged(&validate(&user, &host, "True"), "tls", "the certificate is for another host name", "localhost");
}

#[test]
fn a_registry_that_requires_a_client_certificate() {
    let registry = start(Transport::Mutual);
    let (certificate, key) = registry.client_certificate();
    let authority = ("ca.crt", registry.ca_file());
    let pair = [authority, ("client.cert", certificate), ("client.key", key)];
    let cases: [(Files<'_>, &str, &str, &str); 6] = [
        (&[authority], "True", "tls", "the registry requires a client certificate that it trusts"),
        (&pair, "True", "proved", ""),
        (&pair[..2], "True", "tls", "client.cert`: its key is missing"),
        (&[authority, pair[2]], "True", "tls", "client.key`: its certificate `client.cert` is missing"),
        (&pair[1..], "False", "proved", "without verified TLS"),
        (&[authority, pair[1], ("client.key", registry.ca_file())], "True", "tls", "client.key`: "),
    ];
    for (files, tls_verify, verdict, reason) in cases {
        let user = Oregano::new();
        install(&user, registry.host(), files);
        let about = format!("{files:?} {tls_verify}");
        let run = validate(&user, registry.host(), tls_verify);
        judged(&run, verdict, reason, &about);
        assert!(!run.stderr.contains("PRIVATE KEY"), "{}", run.stderr);
    }
}

#[test]
fn files_in_certs_d_that_cannot_be_used_are_named() {
    let registry = start(Transport::Tls(Signer::Authority));
    let user = Oregano::new();
    let file = user.write(&format!(".config/containers/certs.d/{}/junk.crt", registry.host()), "not PEM");
    let run = validate(&user, registry.host(), "True");
    judged(&run, "tls", &format!("`{}`: it contains no certificate in PEM", file.display()), "junk");
    assert!(run.stderr.contains("fix the file"), "{}", run.stderr);
}

#[test]
fn endless_files_in_certs_d_do_not_delay_the_run() {
    let registry = start(Transport::Tls(Signer::Authority));
    let user = Oregano::new();
    let folder = format!(".config/containers/certs.d/{}", registry.host());
    let pipe = user.write(&format!("{folder}/README"), "").with_file_name("ca.crt");
    process::run(Command::new("mkfifo").arg(&pipe));
    let begin = Instant::now();
    let run = validate(&user, registry.host(), "True");
    judged(&run, "tls", &format!("`{}`: it is not a regular file", pipe.display()), "a pipe");
    fs::remove_file(&pipe).unwrap();
    symlink("/dev/zero", &pipe).unwrap();
    judged(&validate(&user, registry.host(), "True"), "tls", "it is not a regular file", "a device");
    fs::remove_file(&pipe).unwrap();
    File::create(&pipe).unwrap().set_len(1 << 30).unwrap();
    judged(&validate(&user, registry.host(), "True"), "tls", "it is larger than 1024 KiB", "a gigabyte");
    assert!(begin.elapsed() < Duration::from_secs(20), "it took {:?}", begin.elapsed());
    assert_eq!(registry.requests(), [], "the registry was asked");
}

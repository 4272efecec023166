//! TLS certificates for servers on loopback, made with the `openssl` command as an administrator
//! would make them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::run;

/// Who signed a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A private authority, as a company has one.
    Authority,
    /// Itself; such a certificate says CA:TRUE, as `openssl req -x509` writes it.
    Itself,
}

/// A server's certificate and key, and what a client must trust to accept it; all PEM files.
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub ca: PathBuf,
}

/// Makes a certificate for `127.0.0.1`, `localhost` and `registry.internal` in `folder`, valid from now for two days.
pub fn make(folder: &Path, signer: Signer) -> Certificate {
    let file = |name: &str| folder.join(name);
    let (certificate, key) = (file("server.crt"), file("server.key"));
    let mut leaf = request(&certificate, &key, "localhost");
    leaf.args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.internal"]);
    let ca = match signer {
        Signer::Itself => certificate.clone(),
        Signer::Authority => {
            let (ca, ca_key) = (file("ca.crt"), file("ca.key"));
            run(&mut request(&ca, &ca_key, "oregano test authority"));
            leaf.arg("-CA").arg(&ca).arg("-CAkey").arg(&ca_key);
            leaf.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
            ca
        }
    };
    run(&mut leaf);
    Certificate { certificate, key, ca }
}

fn request(certificate: &Path, key: &Path, name: &str) -> Command {
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={name}")])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate);
    command
}

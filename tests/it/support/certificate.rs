//! TLS certificates for servers on loopback, created with the `openssl` command as an administrator would create them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::x509::X509;
use openssl::x509::extension::ExtendedKeyUsage;

use super::process::run;

/// The signer of a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A private authority, as a company has one.
    Authority,
    /// The certificate is self-signed, with CA:TRUE, as `openssl req -x509` creates it.
    Itself,
}

/// The error in a certificate that an authority signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    Expired,
    NotYetValid,
    /// It is for `registry.example.com`.
    WrongName,
}

/// A server's certificate and key, and what a client must trust to accept it; all PEM files.
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub ca: PathBuf,
}

/// Makes a certificate for `127.0.0.1`, `localhost`, `registry.internal` and `registry.example.com` in `folder`, valid
/// from now for two days.
pub fn make(folder: &Path, signer: Signer) -> Certificate {
    make_for(folder, signer, "IP:127.0.0.1,DNS:localhost,DNS:registry.internal,DNS:registry.example.com")
}

/// The same for other names, in the syntax of `subjectAltName`.
pub fn make_for(folder: &Path, signer: Signer, names: &str) -> Certificate {
    let file = |name: &str| folder.join(name);
    let (certificate, key) = (file("server.crt"), file("server.key"));
    let mut leaf = request(&certificate, &key, "localhost");
    leaf.args(["-addext", &format!("subjectAltName={names}")]);
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

/// Makes a certificate that clients must refuse, even those that trust its authority.
pub fn make_flawed(folder: &Path, flaw: Flaw) -> Certificate {
    let (name, start, end) = match flaw {
        Flaw::Expired => ("IP:127.0.0.1", "20200101000000Z", "20200201000000Z"),
        Flaw::NotYetValid => ("IP:127.0.0.1", "20900101000000Z", "20900201000000Z"),
        Flaw::WrongName => ("DNS:registry.example.com", "20200101000000Z", "20900101000000Z"),
    };
    let authority = make(folder, Signer::Authority);
    let asked = folder.join("server.csr");
    let mut request = Command::new("openssl");
    request.args(["req", "-new", "-subj", "/CN=registry", "-key"]).arg(&authority.key).arg("-out").arg(&asked);
    run(&mut request);
    fs::write(folder.join("index"), "").unwrap();
    let folder_name = folder.display();
    let settings = format!(
        "[ca]\ndefault_ca=own\n[own]\ndatabase={folder_name}/index\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n\
         new_certs_dir={folder_name}\nx509_extensions=leaf\n[any]\ncommonName=supplied\n\
         [leaf]\nsubjectAltName={name}\nbasicConstraints=critical,CA:FALSE\n"
    );
    fs::write(folder.join("ca.conf"), settings).unwrap();
    // `openssl req` has no option for the start date in this version of OpenSSL.
    let mut sign = Command::new("openssl");
    sign.args(["ca", "-batch", "-notext", "-startdate", start, "-enddate", end]);
    for (option, file) in [("-config", "ca.conf"), ("-in", "server.csr"), ("-cert", "ca.crt"), ("-keyfile", "ca.key")] {
        sign.arg(option).arg(folder.join(file));
    }
    run(sign.arg("-out").arg(&authority.certificate));
    authority
}

/// Makes a client certificate and its key, signed by the authority of the server's certificate in the same folder.
pub fn make_client(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("client.cert"), folder.join("client.key"));
    let mut leaf = request(&certificate, &key, "client");
    leaf.arg("-CA").arg(folder.join("ca.crt")).arg("-CAkey").arg(folder.join("ca.key"));
    run(leaf.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=clientAuth"]));
    (certificate, key)
}

/// The same, but it has expired: it was valid on the first day of 2020. Both in PEM.
pub fn make_expired_client(folder: &Path) -> (String, String) {
    use openssl::asn1::Asn1Time;
    let authority = X509::from_pem(&std::fs::read(folder.join("ca.crt")).unwrap()).unwrap();
    let signer = PKey::private_key_from_pem(&std::fs::read(folder.join("ca.key")).unwrap()).unwrap();
    let (certificate, key) = make_client(folder);
    let valid = X509::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(valid.serial_number()).unwrap();
    builder.set_subject_name(valid.subject_name()).unwrap();
    builder.set_issuer_name(authority.subject_name()).unwrap();
    builder.set_pubkey(&valid.public_key().unwrap()).unwrap();
    builder.append_extension(ExtendedKeyUsage::new().client_auth().build().unwrap()).unwrap();
    builder.set_not_before(&Asn1Time::from_str("20200101000000Z").unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str("20200102000000Z").unwrap()).unwrap();
    builder.sign(&signer, MessageDigest::sha256()).unwrap();
    let pem = String::from_utf8(builder.build().to_pem().unwrap()).unwrap();
    (pem, std::fs::read_to_string(key).unwrap())
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

//! The certificates that TLS trusts and presents: the authorities of this machine, a `ca_file`, and the files of
//! containers-certs.d(5) for a registry. Building a connector takes tens of milliseconds, because it reads the CA bundle
//! of the machine: each is built once in a run and shared by all clients with the same trust.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use native_tls::{Certificate, Identity, TlsConnector, TlsConnectorBuilder};
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::certificates::{self, Content, HostCertificates, TlsSetupError};
use crate::desired::{Authority, Registry, TlsPolicy};
use crate::failure::openssl_reason;

/// Everything that a connector depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsTrust {
    policy: TlsPolicy,
    /// `ca_file`; `None` if TLS is not verified.
    authority: Option<Arc<Authority>>,
    /// The files of certs.d for the registry; no authorities if TLS is not verified.
    host: HostCertificates,
}

/// The connectors of a run.
pub struct Connectors {
    /// The folders of certs.d, in the order in which they are searched.
    roots: Vec<PathBuf>,
    built: Mutex<HashMap<TlsTrust, Built>>,
}

/// The first task that needs a connector builds it, while the others wait.
type Built = Arc<OnceLock<Result<TlsConnector, TlsSetupError>>>;

impl Connectors {
    /// No connectors yet; `home` contains the user's own certs.d.
    pub fn new(home: Option<&Path>) -> Self {
        Self { roots: certificates::roots(home), built: Mutex::default() }
    }

    /// The trust for a registry, and the folder of certs.d that is used for it; `contacted` is the host that serves the
    /// name of the registry.
    pub fn trust(&self, registry: &Registry, contacted: &str) -> Result<(TlsTrust, Option<PathBuf>), TlsSetupError> {
        let written = registry.image.split('/').next().unwrap_or(contacted);
        // The name in the inventory comes first, because containers/image uses it: for Docker Hub it differs from the
        // server.
        let folder = certificates::folder(&self.roots, &[written, contacted])?;
        let mut host = folder.as_deref().map(certificates::read).transpose()?.unwrap_or_default();
        let verify = registry.tls == TlsPolicy::Verify;
        if !verify {
            // Without verification the authorities have no effect. They are removed so that equal connectors can be
            // shared.
            host.authorities.clear();
        }
        Ok((TlsTrust { policy: registry.tls, authority: registry.ca.clone().filter(|_| verify), host }, folder))
    }

    /// The connector for a trust.
    pub fn get(&self, trust: &TlsTrust) -> Result<TlsConnector, TlsSetupError> {
        let built =
            // The lock is held only to find the cell. Building takes long, and tasks with another trust must not wait
            // for it.
            Arc::clone(self.built.lock().unwrap_or_else(PoisonError::into_inner).entry(trust.clone()).or_default());
        built.get_or_init(|| build(trust)).clone()
    }
}

#[cfg(test)]
impl Connectors {
    pub fn count(&self) -> usize {
        self.built.lock().unwrap().len()
    }
}

fn build(trust: &TlsTrust) -> Result<TlsConnector, TlsSetupError> {
    let mut builder = TlsConnector::builder();
    // The HTTP client would request the same protocol: it uses only HTTP/1.1 here.
    builder.request_alpns(&["http/1.1"]);
    if trust.policy == TlsPolicy::Insecure {
        // The user requested this with `tls_verify: False`, and a warning describes the risk.
        builder.danger_accept_invalid_certs(true).danger_accept_invalid_hostnames(true);
    }
    if let Some(authority) = &trust.authority {
        add_authorities(&mut builder, Path::new(&authority.file), authority.pem.as_bytes())?;
    }
    for Content { file, bytes } in &trust.host.authorities {
        add_authorities(&mut builder, file, bytes)?;
    }
    if let Some((certificate, key)) = &trust.host.client {
        builder.identity(identity(certificate, key)?);
    }
    builder.build().map_err(|error| TlsSetupError::System(openssl_reason(&error.to_string())))
}

fn add_authorities(builder: &mut TlsConnectorBuilder, file: &Path, pem: &[u8]) -> Result<(), TlsSetupError> {
    let unusable = |error: &dyn std::fmt::Display| TlsSetupError::file(file, error.to_string());
    for certificate in certificates_of(pem).map_err(|error| unusable(&error))? {
        let der = certificate.to_der().map_err(|error| unusable(&reason(&error)))?;
        builder.add_root_certificate(Certificate::from_der(&der).map_err(|error| unusable(&error))?);
    }
    Ok(())
}

/// A client certificate with its chain, and its key in any PEM form that is not encrypted.
fn identity(certificate: &Content, key: &Content) -> Result<Identity, TlsSetupError> {
    let chain = certificates_of(&certificate.bytes).map_err(|error| TlsSetupError::file(&certificate.file, error))?;
    // Without a callback OpenSSL would prompt for the passphrase on the terminal.
    let secret = PKey::private_key_from_pem_callback(&key.bytes, |_| Err(ErrorStack::get())).map_err(|error| {
        // The error of OpenSSL does not show that only a passphrase is missing.
        let encrypted = key.bytes.windows(9).any(|word| word == b"ENCRYPTED");
        let text = if encrypted { "the key is encrypted".to_owned() } else { reason(&error) };
        TlsSetupError::file(&key.file, text)
    })?;
    // OpenSSL would report a mismatch without the names of the files.
    let matches = chain.first().and_then(|own| own.public_key().ok()).is_some_and(|public| public.public_eq(&secret));
    if !matches {
        return Err(TlsSetupError::file(&key.file, format!("it is not the key of `{}`", certificate.file.display())));
    }
    let pkcs8 = secret.private_key_to_pem_pkcs8().map(Zeroizing::new);
    let pkcs8 = pkcs8.map_err(|error| TlsSetupError::file(&key.file, reason(&error)))?;
    // native-tls accepts only this form of a key, so the key is converted first.
    let identity = Identity::from_pkcs8(&certificate.bytes, &pkcs8);
    identity.map_err(|error| TlsSetupError::file(&certificate.file, error.to_string()))
}

/// The certificates of a PEM text; an error if it contains none.
fn certificates_of(pem: &[u8]) -> Result<Vec<X509>, String> {
    match X509::stack_from_pem(pem) {
        // OpenSSL reports no error for a text without certificates.
        Ok(found) if found.is_empty() => Err("it contains no certificate in PEM format".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(reason(&error)),
    }
}

/// The text of the first error that OpenSSL reports.
fn reason(error: &ErrorStack) -> String {
    let first = error.errors().first().and_then(openssl::error::Error::reason);
    first.unwrap_or("it cannot be read").to_owned()
}

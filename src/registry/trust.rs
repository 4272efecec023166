//! What TLS is built from: the machine's authorities, a `ca_file`, and the certificates that containers-certs.d(5)
//! has for a registry. A connector costs tens of milliseconds, since it reads the machine's CA bundle: each is built
//! once in a run, and shared by all clients that trust alike.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use native_tls::{Certificate, Identity, TlsConnector, TlsConnectorBuilder};
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::certificates::{self, Content, HostCertificates};
use crate::desired::{Authority, Registry, TlsPolicy};
use crate::failure::openssl_reason;

/// All that a connector depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Trust {
    policy: TlsPolicy,
    /// `None` where nothing is verified.
    authority: Option<Arc<Authority>>,
    /// What certs.d has for the registry; no authorities where nothing is verified.
    host: HostCertificates,
}

/// Why there is no TLS to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsSetup {
    /// A file of certificates or keys cannot be used.
    File { path: String, reason: String },
    /// OpenSSL itself fails.
    System(String),
}

/// The connectors of a run.
pub(super) struct Connectors {
    /// Where certs.d lies.
    roots: Vec<PathBuf>,
    built: Mutex<HashMap<Trust, Built>>,
}

type Built = Arc<OnceLock<Result<TlsConnector, TlsSetup>>>;

impl Connectors {
    /// None yet; `home` is where the user's own certs.d lies.
    pub fn new(home: Option<&Path>) -> Self {
        Self { roots: certificates::roots(home), built: Mutex::default() }
    }

    /// What the registry asks for, and the folder of certs.d that has a part in it; `contacted` is the host behind its
    /// name.
    pub fn trust(&self, registry: &Registry, contacted: &str) -> Result<(Trust, Option<PathBuf>), TlsSetup> {
        let written = registry.image.split('/').next().unwrap_or(contacted);
        let folder = certificates::folder(&self.roots, &[written, contacted])?;
        let mut host = folder.as_deref().map(certificates::read).transpose()?.unwrap_or_default();
        let verify = registry.tls == TlsPolicy::Verify;
        if !verify {
            host.authorities.clear();
        }
        Ok((Trust { policy: registry.tls, authority: registry.ca.clone().filter(|_| verify), host }, folder))
    }

    /// The connector for it.
    pub fn get(&self, trust: &Trust) -> Result<TlsConnector, TlsSetup> {
        let built =
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

impl TlsSetup {
    pub fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File { path: path.display().to_string(), reason: reason.into() }
    }
}

fn build(trust: &Trust) -> Result<TlsConnector, TlsSetup> {
    let mut builder = TlsConnector::builder();
    // As the HTTP client would: nothing else is spoken.
    builder.request_alpns(&["http/1.1"]);
    if trust.policy == TlsPolicy::Insecure {
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
    builder.build().map_err(|error| TlsSetup::System(openssl_reason(&error.to_string())))
}

fn add_authorities(builder: &mut TlsConnectorBuilder, file: &Path, pem: &[u8]) -> Result<(), TlsSetup> {
    let unusable = |error: &dyn std::fmt::Display| TlsSetup::file(file, error.to_string());
    for certificate in certificates_of(pem).map_err(|error| unusable(&error))? {
        let der = certificate.to_der().map_err(|error| unusable(&reason(&error)))?;
        builder.add_root_certificate(Certificate::from_der(&der).map_err(|error| unusable(&error))?);
    }
    Ok(())
}

/// A client certificate with the chain behind it, and its key in any PEM form that is not encrypted.
fn identity(certificate: &Content, key: &Content) -> Result<Identity, TlsSetup> {
    let chain = certificates_of(&certificate.bytes).map_err(|error| TlsSetup::file(&certificate.file, error))?;
    // Without a callback OpenSSL would ask the terminal for the passphrase.
    let secret = PKey::private_key_from_pem_callback(&key.bytes, |_| Err(ErrorStack::get())).map_err(|error| {
        let encrypted = key.bytes.windows(9).any(|word| word == b"ENCRYPTED");
        let said = if encrypted { "the key is encrypted".to_owned() } else { reason(&error) };
        TlsSetup::file(&key.file, said)
    })?;
    let fits = chain.first().and_then(|own| own.public_key().ok()).is_some_and(|public| public.public_eq(&secret));
    if !fits {
        return Err(TlsSetup::file(&key.file, format!("it is not the key of `{}`", certificate.file.display())));
    }
    let pkcs8 = secret.private_key_to_pem_pkcs8().map(Zeroizing::new);
    let pkcs8 = pkcs8.map_err(|error| TlsSetup::file(&key.file, reason(&error)))?;
    let identity = Identity::from_pkcs8(&certificate.bytes, &pkcs8);
    identity.map_err(|error| TlsSetup::file(&certificate.file, error.to_string()))
}

/// The certificates of a PEM text, at least one.
fn certificates_of(pem: &[u8]) -> Result<Vec<X509>, String> {
    match X509::stack_from_pem(pem) {
        Ok(found) if found.is_empty() => Err("it holds no certificate in PEM".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(reason(&error)),
    }
}

/// What OpenSSL says first.
fn reason(error: &ErrorStack) -> String {
    let first = error.errors().first().and_then(openssl::error::Error::reason);
    first.unwrap_or("it cannot be read").to_owned()
}

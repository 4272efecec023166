//! Certificates of authorities, from a `ca_file`.

use std::hash::{Hash, Hasher};

use openssl::x509::X509;

/// What is trusted besides the authorities of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The file, for messages.
    pub file: String,
    /// The certificates that it holds, at least one, in PEM.
    pub pem: String,
}

impl Authority {
    /// The certificates in `text`, which is the content of `file`, and nothing else that it may hold.
    ///
    /// # Errors
    /// There is none. The words fit behind the name of the file.
    pub fn from_pem(file: &str, text: &[u8]) -> Result<Self, &'static str> {
        let certificates = X509::stack_from_pem(text).unwrap_or_default();
        let pem: Vec<u8> = certificates.iter().filter_map(|one| one.to_pem().ok()).flatten().collect();
        match String::from_utf8(pem) {
            Ok(pem) if !pem.is_empty() => Ok(Self { file: file.to_owned(), pem }),
            _ => Err("has no certificate in PEM that can be read"),
        }
    }
}

// The certificates are long, and every host hashes them.
impl Hash for Authority {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.file.hash(state);
    }
}

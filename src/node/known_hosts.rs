//! Determines which host keys are trusted. It reads known_hosts files as OpenSSH does (sshd(8), "SSH_KNOWN_HOSTS FILE
//! FORMAT"), because the parser of libssh2 ignores `@revoked` and wildcards, and rejects a complete file because of one
//! invalid line. This file does not decide what happens with an unknown key.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use openssl::sha::{Sha1, sha256};

/// The lines of all known_hosts files, read once for all nodes.
#[derive(Debug, Default)]
pub struct HostKeys(Vec<KnownHostsLine>);

/// The lines about one host.
pub(super) struct KnownKeys<'a> {
    /// Lines that match `[name]:port`, or `name` for port 22.
    exact: Vec<&'a KnownHostsLine>,
    /// Lines that match `name` without a port, if the port is not 22.
    bare: Vec<&'a KnownHostsLine>,
}

/// The result of comparing a host key with the known_hosts lines about its host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostKeyTrust {
    /// A line has this key.
    Trusted,
    /// No line has a key of this type; there are keys of the types listed here.
    Unknown(Vec<String>),
    /// A line has another key of the same type.
    Changed {
        /// `file:line`.
        location: String,
        /// `SHA256:…` of the key in that line.
        fingerprint: String,
    },
    /// A line revokes this key.
    Revoked {
        /// `file:line`.
        location: String,
    },
}

#[derive(Debug)]
struct KnownHostsLine {
    location: String,
    revoked: bool,
    names: HostNames,
    key_type: String,
    blob: Vec<u8>,
}

#[derive(Debug)]
enum HostNames {
    Patterns(Vec<String>),
    Hashed { salt: Vec<u8>, hash: [u8; 20] },
}

impl HostKeys {
    /// Reads the files that exist. A line that cannot be parsed is skipped, as OpenSSH does.
    pub fn load(paths: &[PathBuf]) -> Self {
        let mut keys = Self::default();
        for path in paths {
            // A file that does not exist or cannot be read trusts no key, which is the safe result.
            if let Ok(bytes) = std::fs::read(path) {
                keys.add(path, &String::from_utf8_lossy(&bytes));
            }
        }
        keys
    }

    fn add(&mut self, path: &Path, text: &str) {
        let lines = text.lines().enumerate();
        self.0.extend(
            lines.filter_map(|(at, line)| KnownHostsLine::parse(line, || format!("{}:{}", path.display(), at + 1))),
        );
    }

    /// The lines about `address`. If the port is not 22, OpenSSH looks for `[address]:port`; if that has no key, it
    /// also accepts an *equal* key under the name without the port (`check_host_key` in sshconnect.c).
    pub(super) fn of(&self, address: &str, port: u16) -> KnownKeys<'_> {
        let bare = address.to_lowercase();
        let matching = |name: &str| self.0.iter().filter(|line| line.names.contain(name)).collect();
        match port {
            22 => KnownKeys { exact: matching(&bare), bare: Vec::new() },
            // OpenSSH also accepts an equal key of the name without the port.
            port => KnownKeys { exact: matching(&format!("[{bare}]:{port}")), bare: matching(&bare) },
        }
    }
}

impl KnownKeys<'_> {
    /// Host key algorithms in order of preference: those of known keys first, so that a server with several keys
    /// presents one that can be compared. Keys for the exact name and port come before keys for the name only.
    /// Certificates are left out, because they are never equal to a key.
    pub(super) fn preference(&self) -> String {
        const ALL: [(&str, &str); 6] = [
            ("ssh-ed25519", "ssh-ed25519"),
            ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
            ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
            ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"),
            ("rsa-sha2-512", "ssh-rsa"),
            ("rsa-sha2-256", "ssh-rsa"),
        ];
        let knows = |lines: &[&KnownHostsLine], key_type: &str| {
            lines.iter().any(|line| line.key_type == key_type && !line.revoked)
        };
        let mut all = ALL;
        // The server presents only one key. Requesting a type that is known avoids that a known host is reported as
        // unknown. The sort is stable, so the default order is kept within each group.
        all.sort_by_key(|(_, key_type)| match key_type {
            key_type if knows(&self.exact, key_type) => 0,
            key_type if knows(&self.bare, key_type) => 1,
            _ => 2,
        });
        all.map(|(algorithm, _)| algorithm).join(",")
    }

    /// Compares the key `blob` (RFC 4253, section 6.6) with the lines.
    pub(super) fn check(&self, blob: &[u8]) -> HostKeyTrust {
        let mut all = self.exact.iter().chain(&self.bare);
        // Revocation is checked first, because another line may still list the same key as trusted.
        if let Some(line) = all.find(|line| line.revoked && line.blob == blob) {
            return HostKeyTrust::Revoked { location: line.location.clone() };
        }
        if self.exact.iter().any(|line| !line.revoked && line.blob == blob) {
            return HostKeyTrust::Trusted;
        }
        let key_type = key_type(blob);
        let known: Vec<_> = self.exact.iter().filter(|line| !line.revoked).collect();
        // A host may have several keys of one type, so this is reached only after no line has matched.
        if let Some(line) = known.iter().find(|line| line.key_type == key_type) {
            return HostKeyTrust::Changed { location: line.location.clone(), fingerprint: fingerprint(&line.blob) };
        }
        // The lines with the port take precedence: a different key there means that the key has changed.
        if self.bare.iter().any(|line| !line.revoked && line.blob == blob) {
            return HostKeyTrust::Trusted;
        }
        let mut key_types: Vec<String> = known.iter().map(|line| line.key_type.clone()).collect();
        key_types.dedup();
        HostKeyTrust::Unknown(key_types)
    }
}

/// The type of a key, which is its first field.
pub(super) fn key_type(blob: &[u8]) -> String {
    let (length, rest) = blob.split_at_checked(4).unwrap_or((&[], &[]));
    // A string of SSH begins with its length as four bytes in network order (RFC 4251, section 5).
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned()
}

/// `SHA256:…`, as `ssh-keygen -l` shows it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(sha256(blob)))
}

impl KnownHostsLine {
    /// `None` for comments, empty lines, certificate authorities, and lines that cannot be parsed.
    fn parse(line: &str, location: impl FnOnce() -> String) -> Option<Self> {
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let mut names = words.next().filter(|word| !word.starts_with('#'))?;
        let mut revoked = false;
        if names.starts_with('@') {
            // A certificate authority signs certificates, and no certificate is requested.
            revoked = names == "@revoked";
            if !revoked {
                return None;
            }
            names = words.next()?;
        }
        let key_type = words.next()?;
        let blob = STANDARD.decode(words.next()?).ok()?;
        // The type is in the line and in the key. OpenSSH ignores a line in which they differ.
        if self::key_type(&blob) != key_type {
            return None;
        }
        let names = HostNames::parse(names)?;
        Some(Self { location: location(), revoked, names, key_type: key_type.to_owned(), blob })
    }
}

impl HostNames {
    fn parse(text: &str) -> Option<Self> {
        let Some(hashed) = text.strip_prefix("|1|") else {
            return Some(Self::Patterns(text.split(',').map(str::to_lowercase).collect()));
        };
        let (salt, hash) = hashed.split_once('|')?;
        let hash = STANDARD.decode(hash).ok()?.try_into().ok()?;
        Some(Self::Hashed { salt: STANDARD.decode(salt).ok()?, hash })
    }

    fn contain(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => hmac_sha1(salt, name.as_bytes()) == *hash,
            Self::Patterns(patterns) => {
                let mut found = false;
                for pattern in patterns {
                    match pattern.strip_prefix('!') {
                        // A negated pattern that matches excludes the name, even if a later pattern of the line matches
                        // it.
                        Some(pattern) if glob(pattern.as_bytes(), name.as_bytes()) => return false,
                        Some(_) => {}
                        None => found |= glob(pattern.as_bytes(), name.as_bytes()),
                    }
                }
                found
            }
        }
    }
}

/// Matches `*` and `?`. Brackets have no special meaning, because they are part of `[name]:port`.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Only the last `*` is remembered, so the time stays quadratic. A recursive match could take exponential time for a
    // line with many `*`.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                // Go back to the last `*` and let it match one more byte.
                let Some((back, from)) = star else { return false };
                star = Some((back, from + 1));
                at = back + 1;
                seen = from + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// HMAC-SHA1 (RFC 2104). It is implemented here because thousands of nodes with thousands of hashed lines need it
/// millions of times, and creating OpenSSL's key objects costs more than the hash.
fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        // RFC 2104: a key that is longer than the block of the hash is hashed first.
        block[..20].copy_from_slice(&openssl::sha::sha1(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let keyed = |pad: u8, message: &[u8]| {
        let mut hash = Sha1::new();
        hash.update(&block.map(|byte| byte ^ pad));
        hash.update(message);
        hash.finish()
    };
    keyed(0x5c, &keyed(0x36, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    fn blob(key: &str) -> Vec<u8> {
        STANDARD.decode(key.split(' ').nth(1).unwrap()).unwrap()
    }

    fn keys(text: &str) -> HostKeys {
        let mut keys = HostKeys::default();
        keys.add(Path::new("k"), text);
        keys
    }

    fn check(text: &str, address: &str, port: u16) -> HostKeyTrust {
        keys(text).of(address, port).check(&blob(ED))
    }

    #[test]
    fn names_and_ports() {
        let trusted = |names: &str, address: &str, port| {
            check(&format!("{names} {ED} comment # x\n"), address, port) == HostKeyTrust::Trusted
        };
        assert!(trusted("node1", "node1", 22));
        assert!(trusted("Node1", "nODE1", 22));
        assert!(trusted("a,node1\t", "node1", 22));
        assert!(trusted("[node1]:2222", "node1", 2222));
        assert!(trusted("[fd00::1]:2222", "fd00::1", 2222));
        assert!(trusted("fd00::1", "fd00::1", 22));
        assert!(trusted("node1", "node1", 2222), "OpenSSH accepts an equal key of the name without the port");
        assert!(!trusted("[node1]:2222", "node1", 22));
        assert!(!trusted("[node1]:2222", "node1", 2223));
        assert!(trusted("*.example.com,!bad.example.com", "a.example.com", 22));
        assert!(!trusted("*.example.com,!bad.example.com", "bad.example.com", 22));
        assert!(trusted("node?", "node1", 22));
        assert!(!trusted("node?", "node", 22));
        assert!(!trusted("#node1", "node1", 22));
    }

    #[test]
    fn globs() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*b*c", "aXXbYYbc", true),
            ("a*b*c", "aXXbYYbd", false),
            ("10.0.?.*", "10.0.1.27", true),
            ("", "a", false),
            ("[a]:2*", "[a]:22", true),
        ] {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn hashed_names() {
        // RFC 2202, test case 2.
        let expected = [
            0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a,
            0x7c, 0x79,
        ];
        assert_eq!(hmac_sha1(b"Jefe", b"what do ya want for nothing?"), expected);
        let salt = [7; 20];
        let line = |name: &str| {
            let hash = STANDARD.encode(hmac_sha1(&salt, name.as_bytes()));
            format!("|1|{}|{hash} {ED}\n", STANDARD.encode(salt))
        };
        assert_eq!(check(&line("node1"), "node1", 22), HostKeyTrust::Trusted);
        assert_eq!(check(&line("[node1]:23"), "node1", 23), HostKeyTrust::Trusted);
        assert_eq!(check(&line("node2"), "node1", 22), HostKeyTrust::Unknown(vec![]));
    }

    #[test]
    fn changed_revoked_and_unknown() {
        let changed = check(&format!("\nnode1 {OTHER}\n"), "node1", 22);
        assert_eq!(
            changed,
            HostKeyTrust::Changed { location: "k:2".to_owned(), fingerprint: fingerprint(&blob(OTHER)) }
        );
        assert_eq!(check(&format!("node1 {OTHER}\nnode1 {ED}"), "node1", 22), HostKeyTrust::Trusted);
        let revoked = check(&format!("node1 {ED}\n@revoked * {ED}\n"), "node1", 2222);
        assert_eq!(revoked, HostKeyTrust::Revoked { location: "k:2".to_owned() });
        assert_eq!(check(&format!("@cert-authority * {ED}\n"), "node1", 22), HostKeyTrust::Unknown(vec![]));
        let rsa = "node1 ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==";
        assert_eq!(check(rsa, "node1", 22), HostKeyTrust::Unknown(vec!["ssh-rsa".to_owned()]));
        assert_eq!(check(&format!("node1 {OTHER}\n"), "node1", 2222), HostKeyTrust::Unknown(vec![]));
    }

    #[test]
    fn a_bad_line_does_not_affect_other_lines() {
        let text = format!("garbage\nnode1 ssh-ed25519 %%%\nnode1 ssh-rsa {}\n|1|x|y {ED}\nnode1 {ED}\n", &ED[12..]);
        assert_eq!(check(&text, "node1", 22), HostKeyTrust::Trusted);
        assert_eq!(keys(&text).0.len(), 1);
    }

    #[test]
    fn known_key_types_are_preferred() {
        let rsa = keys("node1 ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==");
        assert!(rsa.of("node1", 22).preference().starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519,"));
        let both = keys(&format!("node1 {ED}\n[node1]:2222 ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="));
        let order = both.of("node1", 2222).preference();
        assert!(order.starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519,"), "{order}");
        assert!(rsa.of("node2", 22).preference().starts_with("ssh-ed25519,"));
        assert!(!rsa.of("node1", 22).preference().contains("cert"));
    }

    #[test]
    fn missing_files_are_skipped() {
        assert!(HostKeys::load(&[PathBuf::from("/nonexistent/known_hosts")]).0.is_empty());
    }
}

//! Finds and reads the folder of certs.d for a registry, containers-certs.d(5): the authorities and the client
//! certificate. The rules are those of containers/image (`dockerCertDir` and `SetupCertificates`). This file does not
//! set up TLS.

use std::fmt;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The path below the home of the user; it is searched before the folders of the machine.
const OWN: &str = ".config/containers/certs.d";
/// The folders of the machine, in the order in which they are searched.
const MACHINE: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];
/// The largest certificate file that is read, in bytes; the CA bundle of a machine has a fifth of that.
const LARGEST: u64 = 1 << 20;

/// Why TLS cannot be set up for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsSetupError {
    /// A file with certificates or keys cannot be used.
    File { path: String, reason: String },
    /// OpenSSL reported an error that no file causes.
    System(String),
}

impl TlsSetupError {
    pub fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File { path: path.display().to_string(), reason: reason.into() }
    }
}

/// The files of a folder for one registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct HostCertificates {
    /// `*.crt`.
    pub authorities: Vec<Content>,
    /// `NAME.cert` and `NAME.key`: the first pair by name if there are several.
    pub client: Option<(Content, Content)>,
}

/// A file that was read. Two files with the same bytes are equal, so that registries with the same authority share a
/// connector, even if each has a separate folder.
#[derive(Clone)]
pub struct Content {
    pub file: PathBuf,
    /// Wiped when dropped, because it may be a key.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Content {}

impl Hash for Content {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The path is left out, as in `eq`: equal values must have equal hashes.
        self.bytes.hash(state);
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bytes may be a private key, so they are not shown.
        write!(f, "{} ({} bytes)", self.file.display(), self.bytes.len())
    }
}

/// The folders that contain one folder for each registry, in the order in which they are searched.
pub fn roots(home: Option<&Path>) -> Vec<PathBuf> {
    let own = home.map(|home| home.join(OWN));
    own.into_iter().chain(MACHINE.map(PathBuf::from)).collect()
}

/// The folder for a registry: the first of its `names` for which a folder exists, in the first root that has it. A
/// folder without read permission is treated as missing, as in containers/image.
pub fn folder(roots: &[PathBuf], names: &[&str]) -> Result<Option<PathBuf>, TlsSetupError> {
    for name in names.iter().filter(|name| is_host(name)) {
        for folder in roots.iter().map(|root| root.join(name)) {
            match fs::metadata(&folder) {
                Ok(_) => return Ok(Some(folder)),
                // containers/image treats a folder without permission as missing, too, so both see the same
                // certificates.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {}
                Err(error) => return Err(TlsSetupError::file(&folder, error.to_string())),
            }
        }
    }
    Ok(None)
}

/// The path of the machine's folder for a registry, whether it exists or not.
pub fn machine_folder(host: &str) -> PathBuf {
    // Hints recommend the first folder, because podman, CRI-O and this program all read it.
    Path::new(MACHINE[0]).join(host)
}

/// Reads a folder. A certificate without its key is an error, and so is a key without its certificate.
pub fn read(folder: &Path) -> Result<HostCertificates, TlsSetupError> {
    let unusable = |error: std::io::Error| TlsSetupError::file(folder, error.to_string());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unusable)? {
        // A name that is not UTF-8 has none of the suffixes.
        names.extend(entry.map_err(unusable)?.file_name().into_string());
    }
    // The order of directory entries is arbitrary, but the first pair by name must be used.
    names.sort_unstable();
    let file = |name: &str| folder.join(name);
    let mut found = HostCertificates::default();
    for name in &names {
        let partner = |stem: &str, ending: &str| Some(format!("{stem}.{ending}")).filter(|other| names.contains(other));
        if name.ends_with(".crt") {
            found.authorities.extend(content(file(name))?);
        } else if let Some(stem) = name.strip_suffix(".cert") {
            let missing =
                "its key is missing (`.cert` is a client certificate; the file of an authority ends in `.crt`)";
            let key = partner(stem, "key").ok_or_else(|| TlsSetupError::file(&file(name), missing))?;
            // The HTTP client presents one certificate, so the first pair by name is used. The others are still checked
            // for a key.
            if found.client.is_none() {
                found.client = content(file(name))?.zip(content(file(&key))?);
            }
        } else if let Some(stem) = name.strip_suffix(".key") {
            let missing = format!("its certificate `{stem}.cert` is missing");
            // The pair is read with its certificate. Here only a key without a certificate is an error, as in
            // containers/image.
            partner(stem, "cert").ok_or_else(|| TlsSetupError::file(&file(name), missing))?;
        }
    }
    Ok(found)
}

/// The content of a regular file of at most [`LARGEST`] bytes; `None` for a link to a missing file.
fn content(file: PathBuf) -> Result<Option<Content>, TlsSetupError> {
    let unusable = |error: std::io::Error| TlsSetupError::file(&file, error.to_string());
    // This is checked before the file is opened: opening a named pipe would block until something writes to it.
    let file_type = match fs::metadata(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(unusable)?.file_type(),
    };
    if !file_type.is_file() {
        return Err(TlsSetupError::file(&file, "it is not a regular file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    // One byte more than the limit is read, because the file could grow after its size was checked.
    File::open(&file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(unusable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(TlsSetupError::file(&file, format!("it is larger than {} KiB", LARGEST >> 10)));
    }
    Ok(Some(Content { file, bytes }))
}

/// Whether a name is a single path component, so that it cannot point outside of the folder.
fn is_host(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(files: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for file in files {
            let file = home.path().join(OWN).join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        home
    }

    #[test]
    fn the_name_in_the_inventory_comes_before_the_host_that_serves_it() {
        let home = home(&["docker.io/a.crt", "registry-1.docker.io/a.crt", "r.example.com:5000/a.crt"]);
        let own = |name: &str| Some(home.path().join(OWN).join(name));
        let cases: [(&[&str], Option<PathBuf>); 6] = [
            (&["docker.io", "registry-1.docker.io"], own("docker.io")),
            (&["index.docker.io", "registry-1.docker.io"], own("registry-1.docker.io")),
            (&["r.example.com:5000", "r.example.com:5000"], own("r.example.com:5000")),
            (&["r.example.com"], None),
            (&["..", ""], None),
            (&[], None),
        ];
        for (names, expected) in cases {
            assert_eq!(folder(&[home.path().join(OWN)], names), Ok(expected), "{names:?}");
        }
        assert_eq!(folder(&[], &["docker.io"]), Ok(None));
    }

    #[test]
    fn the_folder_of_the_user_comes_first_then_that_of_podman_then_that_of_docker() {
        let machine = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
        assert_eq!(roots(None), machine);
        assert_eq!(
            roots(Some(Path::new("/home/u"))),
            [&["/home/u/.config/containers/certs.d".into()], &machine[..]].concat()
        );
        let place = tempfile::tempdir().unwrap();
        let roots = ["own", "containers", "docker"].map(|root| place.path().join(root));
        let present = [
            "own/all",
            "containers/all",
            "docker/all",
            "containers/both",
            "docker/both",
            "docker/docker",
            "docker/docker.io",
            "own/registry-1.docker.io",
        ];
        present.iter().for_each(|folder| fs::create_dir_all(place.path().join(folder)).unwrap());
        for (names, expected) in [
            (&["all"][..], Some("own/all")),
            (&["both"], Some("containers/both")),
            (&["docker"], Some("docker/docker")),
            // The order of the names takes precedence over the order of the roots.
            (&["docker.io", "registry-1.docker.io"], Some("docker/docker.io")),
            (&["none"], None),
        ] {
            assert_eq!(folder(&roots, names), Ok(expected.map(|folder| place.path().join(folder))), "{names:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_regular_or_too_large_is_named() {
        let home = home(&["r/README"]);
        let r = home.path().join(OWN).join("r");
        let refused = |file: &Path, expected: &str| {
            let found = read(&r);
            let Err(TlsSetupError::File { path, reason }) = found else { panic!("{found:?}") };
            assert_eq!((path.as_str(), reason.as_str()), (file.to_str().unwrap(), expected));
        };
        let pipe = r.join("pipe.crt");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        refused(&pipe, "it is not a regular file");
        fs::remove_file(&pipe).unwrap();
        let endless = r.join("zero.crt");
        std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
        refused(&endless, "it is not a regular file");
        fs::remove_file(&endless).unwrap();
        let large = r.join("large.crt");
        fs::File::create(&large).unwrap().set_len(LARGEST + 1).unwrap();
        refused(&large, "it is larger than 1024 KiB");
        fs::write(&large, vec![0; LARGEST as usize]).unwrap();
        assert_eq!(read(&r).unwrap().authorities[0].bytes.len() as u64, LARGEST);
    }

    #[test]
    fn pairs_of_certificate_and_key() {
        let home = home(&["r/b.cert", "r/b.key", "r/a.cert", "r/a.key", "r/ca.crt", "r/other.crt", "r/README"]);
        let r = home.path().join(OWN).join("r");
        std::os::unix::fs::symlink("nowhere", r.join("gone.crt")).unwrap();
        let HostCertificates { authorities, client } = read(&r).unwrap();
        assert_eq!(
            authorities.iter().map(|found| &found.file).collect::<Vec<_>>(),
            [&r.join("ca.crt"), &r.join("other.crt")]
        );
        let (certificate, key) = client.unwrap();
        assert_eq!((certificate.file, key.file), (r.join("a.cert"), r.join("a.key")));
    }

    #[test]
    fn a_certificate_or_key_without_its_partner_is_named() {
        for (file, reason) in [("client.cert", "its key is missing"), ("client.key", "`client.cert` is missing")] {
            let home = home(&[&format!("r/{file}")]);
            let folder = home.path().join(OWN).join("r");
            let Err(TlsSetupError::File { path, reason: text }) = read(&folder) else { panic!("{file} was accepted") };
            assert_eq!(path, folder.join(file).display().to_string());
            assert!(text.contains(reason), "{text}");
        }
    }

    #[test]
    fn a_file_instead_of_the_folder_is_named() {
        let home = home(&["r"]);
        let place = folder(&[home.path().join(OWN)], &["r"]).unwrap().unwrap();
        assert!(matches!(read(&place), Err(TlsSetupError::File { path, .. }) if path.ends_with("certs.d/r")));
    }
}

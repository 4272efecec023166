//! certs.d of containers-certs.d(5): the folder that holds a registry's authorities and client certificate, found by
//! the rules of containers/image (`dockerCertDir` and `SetupCertificates`).

use std::fmt;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::trust::TlsSetup;

/// Below the home, and before the machine's.
const OWN: &str = ".config/containers/certs.d";
/// The machine's, in the order in which they are looked at.
const MACHINE: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// What a folder holds for one registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct HostCertificates {
    /// `*.crt`.
    pub authorities: Vec<Content>,
    /// `NAME.cert` and `NAME.key`: the first pair by name, where there are several.
    pub client: Option<(Content, Content)>,
}

/// A file that was read. Two are equal that hold the same: registries often share an authority, each in its own folder.
#[derive(Clone)]
pub(super) struct Content {
    pub file: PathBuf,
    /// Wiped when dropped, since it may be a key.
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
        self.bytes.hash(state);
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.file.display(), self.bytes.len())
    }
}

/// The folder for a registry: that of the first of its names that has one, and of those the first. A folder that may
/// not be looked into counts as missing.
pub(super) fn folder(home: Option<&Path>, names: &[&str]) -> Result<Option<PathBuf>, TlsSetup> {
    let own = home.map(|home| home.join(OWN));
    let places: Vec<PathBuf> = own.into_iter().chain(MACHINE.map(PathBuf::from)).collect();
    for name in names.iter().filter(|name| is_host(name)) {
        for folder in places.iter().map(|place| place.join(name)) {
            match fs::metadata(&folder) {
                Ok(_) => return Ok(Some(folder)),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {}
                Err(error) => return Err(TlsSetup::file(&folder, error.to_string())),
            }
        }
    }
    Ok(None)
}

/// Where the machine's folder for a registry belongs.
pub(super) fn machines(host: &str) -> PathBuf {
    Path::new(MACHINE[0]).join(host)
}

/// What a folder holds; a certificate without its key is refused, as is a key without its certificate.
pub(super) fn read(folder: &Path) -> Result<HostCertificates, TlsSetup> {
    let unusable = |error: std::io::Error| TlsSetup::file(folder, error.to_string());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unusable)? {
        // A name that is no text has none of the endings.
        names.extend(entry.map_err(unusable)?.file_name().into_string());
    }
    names.sort_unstable();
    let file = |name: &str| folder.join(name);
    let mut found = HostCertificates::default();
    for name in &names {
        let partner = |stem: &str, ending: &str| Some(format!("{stem}.{ending}")).filter(|other| names.contains(other));
        if name.ends_with(".crt") {
            found.authorities.extend(content(file(name))?);
        } else if let Some(stem) = name.strip_suffix(".cert") {
            let missing = "its key is missing (`.cert` is a client certificate; an authority's ends in `.crt`)";
            let key = partner(stem, "key").ok_or_else(|| TlsSetup::file(&file(name), missing))?;
            if found.client.is_none() {
                found.client = content(file(name))?.zip(content(file(&key))?);
            }
        } else if let Some(stem) = name.strip_suffix(".key") {
            let missing = format!("its certificate `{stem}.cert` is missing");
            partner(stem, "cert").ok_or_else(|| TlsSetup::file(&file(name), missing))?;
        }
    }
    Ok(found)
}

/// The content of a file; `None` for a link that leads nowhere.
fn content(file: PathBuf) -> Result<Option<Content>, TlsSetup> {
    match fs::read(&file) {
        Ok(bytes) => Ok(Some(Content { file, bytes: Zeroizing::new(bytes) })),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TlsSetup::file(&file, error.to_string())),
    }
}

/// Whether a name is one component of a path, and not a way out of it.
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
    fn the_name_as_written_counts_before_the_host_behind_it() {
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
            assert_eq!(folder(Some(home.path()), names), Ok(expected), "{names:?}");
        }
        assert_eq!(folder(None, &["docker.io"]), Ok(None));
    }

    #[test]
    fn pairs_by_name() {
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
    fn half_a_pair_is_refused_by_name() {
        for (file, reason) in [("client.cert", "its key is missing"), ("client.key", "`client.cert` is missing")] {
            let home = home(&[&format!("r/{file}")]);
            let folder = home.path().join(OWN).join("r");
            let Err(TlsSetup::File { path, reason: said }) = read(&folder) else { panic!("{file} was accepted") };
            assert_eq!(path, folder.join(file).display().to_string());
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_named() {
        let home = home(&["r"]);
        let place = folder(Some(home.path()), &["r"]).unwrap().unwrap();
        assert!(matches!(read(&place), Err(TlsSetup::File { path, .. }) if path.ends_with("certs.d/r")));
    }
}

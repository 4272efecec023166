//! certs.d of the machine: which of `/etc/containers` and `/etc/docker` counts, on a machine where both belong to the
//! test. skopeo reads the same folders on the same machine, and must have the same result.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use tempfile::TempDir;

use super::{PASSWORD, USER, inventory, judged, start};
use crate::support::certificate::{self, Signer};
use crate::support::oregano::Finished;
use crate::support::process::{Process, command, last_descendant, program, root_prefix};
use crate::support::registry::{Registry, Transport};

/// Mounts `containers` and `docker` of the folder `$1` over those of `/etc`, for every process in its mount namespace.
const MOUNT: &str = r#"mount --bind "$1/containers" /etc/containers && mount --bind "$1/docker" /etc/docker &&
    echo ready && exec sleep infinity"#;

/// Where certs.d is below the folder of a machine.
const OWN: &str = "home/.config/containers/certs.d";
const CONTAINERS: &str = "containers/certs.d";
const DOCKER: &str = "docker/certs.d";

/// The files that the registry requires: its authority, and a client certificate.
const RIGHT: &[&str] = &["ca.crt", "client.cert", "client.key"];
/// The same of another authority.
const WRONG: &[&str] = &["wrong.crt", "wrong.cert", "wrong.key"];

/// A folder of certs.d: its parent, its name, and the files in it. `HOST` and `PORT` are the registry's.
type Placed = (&'static str, &'static str, &'static [&'static str]);

/// A machine with separate `/etc/containers`, `/etc/docker` and home: a mount namespace, until this is dropped.
struct Machine {
    process: Process,
    folder: TempDir,
}

impl Machine {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "containers", "docker"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut command = command(Path::new("env"));
        command.args(root_prefix()).args(["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh"]);
        command.arg(folder.path());
        let process = Process::start(command, &folder.path().join("log"));
        let ready = process.wait_until(|| process.log().contains("ready"));
        ready.unwrap_or_else(|error| panic!("{}", error.into_text()));
        Self { process, folder }
    }

    /// Creates these folders of certs.d, and removes all others.
    fn install(&self, registry: &Registry, stock: &Path, placed: &[Placed]) {
        for root in [OWN, CONTAINERS, DOCKER].map(|root| self.folder.path().join(root)) {
            if root.exists() {
                fs::remove_dir_all(root).unwrap();
            }
        }
        for (root, name, files) in placed {
            let name = name.replace("HOST", "127.0.0.1").replace("PORT", &registry.port().to_string());
            let folder = self.folder.path().join(root).join(name);
            fs::create_dir_all(&folder).unwrap();
            for file in *files {
                fs::copy(stock.join(file), folder.join(file)).unwrap();
            }
        }
    }

    /// Runs a program there to its end.
    fn run(&self, program: &Path, arguments: &[&str]) -> Finished {
        let id = last_descendant(self.process.id()).to_string();
        let home = self.folder.path().join("home");
        let mut inside = command(Path::new("env"));
        inside.args(root_prefix()).args(["nsenter", "--target", &id, "--mount", "--", "timeout", "60", "env", "-i"]);
        inside.arg(format!("HOME={}", home.display())).arg(program).args(arguments);
        let Output { status, stdout, stderr } = inside.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(stdout), text(stderr));
        let status = status.code().filter(|code| *code < 124).unwrap_or_else(|| panic!("{status}: {stdout}{stderr}"));
        Finished { status, stdout, stderr }
    }

    fn skopeo_inspects(&self, registry: &Registry) -> bool {
        let image = format!("docker://{}/team/app:v1", registry.host());
        let login = format!("{USER}:{PASSWORD}");
        self.run(&program("skopeo"), &["inspect", "--no-tags", "--creds", &login, &image]).status == 0
    }

    fn validate(&self, registry: &Registry) -> Finished {
        let hosts = self.folder.path().join("home/hosts");
        fs::write(&hosts, inventory(registry.host(), "True")).unwrap();
        self.run(Path::new(env!("CARGO_BIN_EXE_oregano")), &["validate", "-i", hosts.to_str().unwrap()])
    }
}

#[test]
fn only_the_first_folder_that_exists_counts() {
    const UNKNOWN: &str = "the issuer of the certificate is unknown on this machine";
    const UNTRUSTED: &str = "the registry requires a client certificate that it trusts";
    const HOST: &str = "HOST:PORT";
    let cases: [(&[Placed], Result<(), &str>); 17] = [
        (&[], Err(UNKNOWN)),
        // Each folder of the machine that the documentation of podman and docker names.
        (&[(CONTAINERS, HOST, RIGHT)], Ok(())),
        (&[(DOCKER, HOST, RIGHT)], Ok(())),
        (&[(DOCKER, HOST, WRONG)], Err(UNKNOWN)),
        // Their order: the folder of the user comes first.
        (&[(CONTAINERS, HOST, RIGHT), (DOCKER, HOST, WRONG)], Ok(())),
        (&[(CONTAINERS, HOST, WRONG), (DOCKER, HOST, RIGHT)], Err(UNKNOWN)),
        (&[(OWN, HOST, RIGHT), (CONTAINERS, HOST, WRONG), (DOCKER, HOST, WRONG)], Ok(())),
        (&[(OWN, HOST, WRONG), (CONTAINERS, HOST, RIGHT), (DOCKER, HOST, RIGHT)], Err(UNKNOWN)),
        // Only one counts, even if it is empty: their contents are not combined.
        (&[(CONTAINERS, HOST, &[]), (DOCKER, HOST, RIGHT)], Err(UNKNOWN)),
        (&[(CONTAINERS, HOST, &RIGHT[..1]), (DOCKER, HOST, &RIGHT[1..])], Err(UNTRUSTED)),
        (&[(CONTAINERS, HOST, &RIGHT[..1]), (DOCKER, HOST, RIGHT)], Err(UNTRUSTED)),
        // Every authority in it counts, and the client certificate is either the right one or none.
        (&[(CONTAINERS, HOST, &["wrong.crt", "ca.crt", "client.cert", "client.key"])], Ok(())),
        (&[(CONTAINERS, HOST, &["ca.crt", "wrong.cert", "wrong.key"])], Err(UNTRUSTED)),
        (&[(DOCKER, HOST, &RIGHT[..2])], Err("client.cert`: its key is missing")),
        // A folder is for a host and its port, with the name that the image uses.
        (&[(CONTAINERS, "HOST", RIGHT), (DOCKER, "HOST", RIGHT)], Err(UNKNOWN)),
        (&[(CONTAINERS, "localhost:PORT", RIGHT)], Err(UNKNOWN)),
        (&[(CONTAINERS, "HOST", WRONG), (DOCKER, HOST, RIGHT)], Ok(())),
    ];
    let (registry, machine) = (start(Transport::Mutual), Machine::start());
    let stock = stock(&registry);
    for (placed, expected) in cases {
        let about = format!("{placed:?}");
        machine.install(&registry, stock.path(), placed);
        assert_eq!(machine.skopeo_inspects(&registry), expected.is_ok(), "skopeo: {about}");
        let verdict = if expected.is_ok() { "proved" } else { "tls" };
        judged(&machine.validate(&registry), verdict, expected.err().unwrap_or_default(), &about);
    }
}

#[test]
fn the_folder_that_counts_is_named_and_the_real_one_is_not_touched() {
    let (registry, machine) = (start(Transport::Mutual), Machine::start());
    let stock = stock(&registry);
    for root in [CONTAINERS, DOCKER] {
        machine.install(&registry, stock.path(), &[(root, "HOST:PORT", WRONG)]);
        let folder = format!("/etc/{root}/{}", registry.host());
        judged(&machine.validate(&registry), "tls", &format!("put it into {folder}/ca.crt"), root);
        assert!(!Path::new(&folder).exists(), "{folder} is there outside, too");
    }
}

/// The files of [`RIGHT`] and [`WRONG`], in one folder.
fn stock(registry: &Registry) -> TempDir {
    let stock = tempfile::tempdir().unwrap();
    let other = certificate::make(stock.path(), Signer::Authority);
    let (certificate, key) = certificate::make_client(stock.path());
    let own = registry.client_certificate();
    for (file, name) in [(other.ca.as_path(), "wrong.crt"), (&certificate, "wrong.cert"), (&key, "wrong.key")]
        .into_iter()
        .chain([(registry.ca_file(), "ca.crt"), (own.0, "client.cert"), (own.1, "client.key")])
    {
        fs::copy(file, stock.path().join(name)).unwrap();
    }
    stock
}

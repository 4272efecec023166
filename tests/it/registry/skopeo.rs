//! skopeo as the oracle: on the same servers, a credential is `proved` if skopeo can inspect the image with it; and a
//! wrong password is one failed login.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::certificate::{Flaw, Signer};
use crate::support::oregano::Oregano;
use crate::support::process::{eventually, program};
use crate::support::registry::{Auth, Registry, Transport};

/// The token server lets it pull `alice/…`.
const USER: &str = "alice";
const PASSWORD: &str = "s3cret";

struct Attempt {
    what: &'static str,
    password: &'static str,
    image: &'static str,
}

const ATTEMPTS: [Attempt; 5] = [
    Attempt { what: "right", password: PASSWORD, image: "alice/app:v1" },
    Attempt { what: "wrong password", password: "wrong", image: "alice/app:v1" },
    Attempt { what: "missing tag", password: PASSWORD, image: "alice/app:v2" },
    Attempt { what: "missing repository", password: PASSWORD, image: "alice/other:v1" },
    Attempt { what: "not allowed", password: PASSWORD, image: "bob/app:v1" },
];

/// A registry, and two users with the same authorities and client certificate for it: one by certs.d, one by
/// `--cert-dir`.
struct Side {
    registry: Registry,
    user: Oregano,
    certificates: String,
}

impl Side {
    fn start(auth: Auth, transport: Transport) -> Self {
        let registry = Registry::start(auth, transport, &[(USER, PASSWORD), ("bob", "other")]);
        registry.push("alice/app", "v1", USER, PASSWORD);
        registry.push("bob/app", "v1", "bob", "other");
        let user = Oregano::new();
        let mut files = Vec::new();
        if transport != Transport::Http {
            files.push(("registry.crt", registry.ca_file()));
        }
        if matches!(auth, Auth::Token(Transport::Tls(_))) {
            files.push(("realm.crt", registry.realm_ca_file()));
        }
        if transport == Transport::Mutual {
            let (certificate, key) = registry.client_certificate();
            files.extend([("client.cert", certificate), ("client.key", key)]);
        }
        for (name, file) in files {
            user.write(&format!(".config/containers/certs.d/{}/{name}", registry.host()), fs::read(file).unwrap());
            user.write(&format!("certificates/{name}"), fs::read(file).unwrap());
        }
        let certificates = user.home().join("certificates");
        fs::create_dir_all(&certificates).unwrap();
        Self { registry, user, certificates: certificates.display().to_string() }
    }

    fn skopeo_inspects(&self, attempt: &Attempt, tls_verify: bool) -> bool {
        let output = Command::new(program("skopeo"))
            .args(["inspect", "--no-tags", "--cert-dir", &self.certificates, &format!("--tls-verify={tls_verify}")])
            .args(["--creds", &format!("{USER}:{}", attempt.password)])
            .arg(format!("docker://{}/{}", self.registry.host(), attempt.image))
            .env_clear()
            .env("HOME", self.user.home())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        output.status.success()
    }

    /// Our verdict.
    fn validate(&self, attempt: &Attempt, tls_verify: bool) -> String {
        let (host, Attempt { password, image, .. }) = (self.registry.host(), attempt);
        let verify = if tls_verify { "True" } else { "False" };
        let entry = format!(
            "{{'host':'{host}','user':'{USER}','password':'{password}','test_image':'{image}','tls_verify':'{verify}'}}"
        );
        let text = format!("[nodes]\nnode1\n\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entry}]\n");
        let hosts = self.user.write("hosts", text).display().to_string();
        let run = self.user.run(&["validate", "-i", &hosts]);
        let verdict = run.stdout.lines().find_map(|line| Some(line.strip_prefix("registry ")?.rsplit_once(" : ")?.1));
        verdict.unwrap_or_else(|| panic!("no verdict: {}{}", run.stdout, run.stderr)).to_owned()
    }
}

#[test]
fn a_credential_is_proved_exactly_if_skopeo_can_inspect_the_image() {
    let tls = Transport::Tls(Signer::Authority);
    let servers = [
        (Auth::Basic, Transport::Http),
        (Auth::Basic, tls),
        (Auth::Basic, Transport::Tls(Signer::Itself)),
        (Auth::Token(Transport::Http), Transport::Http),
        (Auth::Token(tls), tls),
        (Auth::Anonymous, Transport::Http),
        (Auth::Anonymous, tls),
        (Auth::Basic, Transport::Flawed(Flaw::Expired)),
        (Auth::Basic, Transport::Flawed(Flaw::WrongName)),
        (Auth::Basic, Transport::Mutual),
    ];
    let (mut inspected, mut refused) = (0, 0);
    for (auth, transport) in servers {
        let side = Side::start(auth, transport);
        for (attempt, tls_verify) in ATTEMPTS.iter().flat_map(|attempt| [(attempt, true), (attempt, false)]) {
            let about = format!("{auth:?} {transport:?} {} tls_verify={tls_verify}", attempt.what);
            let theirs = side.skopeo_inspects(attempt, tls_verify);
            let before = side.registry.failed_logins();
            let verdict = side.validate(attempt, tls_verify);
            let ours = ["proved", "not-proved"].contains(&verdict.as_str());
            assert_eq!(ours, theirs, "{about}: we say {verdict}, skopeo {theirs}");
            assert_eq!(verdict == "not-proved", ours && auth == Auth::Anonymous, "{about}: {verdict}");
            inspected += usize::from(theirs);
            if verdict == "refused" {
                refused += 1;
                eventually(&format!("one failed login: {about}"), || side.registry.failed_logins() > before);
            }
            let failed = side.registry.failed_logins() - before;
            assert_eq!(failed, usize::from(verdict == "refused"), "{about}: {verdict}");
        }
    }
    // Both would also agree if nothing worked, so the number of proved cases is checked too.
    assert_eq!((inspected, refused), (30, 12));
}

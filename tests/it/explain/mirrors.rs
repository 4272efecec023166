//! `oregano explain` where registries.conf names mirrors: on nodes, and with skopeo as the oracle for which entry is used
//! for a mirror.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::command::{config, fleet};
use crate::support::oregano::Oregano;
use crate::support::process::program;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::sshd::Sshd;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// As MCO writes it for an ImageDigestMirrorSet.
const MIRRORED: &str = r#"unqualified-search-registries = ["registry.access.redhat.com", "docker.io"]
short-name-mode = ""

[[registry]]
  prefix = ""
  location = "quay.io/openshift-release-dev/ocp-release"

  [[registry.mirror]]
    location = "mirror.example.com:5000/ocp/release"
    pull-from-mirror = "digest-only"

[[registry]]
  prefix = ""
  location = "docker.io"
  blocked = true
"#;

#[test]
fn the_entry_of_a_mirror_is_reported_with_that_of_the_registry() {
    let oregano = Oregano::new();
    let node = Sshd::start();
    let entries = [("mirror.example.com:5000", "acme+mirror"), ("mirror.example.com", "acme+old"), ("quay.io", "acme")];
    node.write("/var/lib/kubelet/config.json", config(&entries).as_bytes(), 0o600);
    node.write("/etc/containers/registries.conf", MIRRORED.as_bytes(), 0o644);
    let inventory = fleet(&oregano, &[&node]);
    let explain = |image: &str| {
        let run = oregano.run(&["explain", image, "-i", &inventory]).expect(0);
        // What podman says is what CRI-O says, without the file.
        let lines = run.stdout.lines().filter(|line| !line.starts_with("    note: "));
        lines.take_while(|line| !line.starts_with("  podman")).map(|line| format!("{line}\n")).collect::<String>()
    };
    let image = format!("quay.io/openshift-release-dev/ocp-release@{DIGEST}");
    let expected = format!(
        "\
{image} on node1
  kubelet: quay.io of /var/lib/kubelet/config.json (acme)
  cri-o from mirror.example.com:5000/ocp/release (a mirror): mirror.example.com:5000 of /var/lib/kubelet/config.json (acme+mirror)
    `mirror.example.com` of /var/lib/kubelet/config.json (acme+old) is not used: its port differs from that of the image (no port and port 443 are different)
  cri-o: quay.io of /var/lib/kubelet/config.json (acme)
"
    );
    assert_eq!(explain(&image), expected);
    // The mirror is for digests.
    assert!(!explain("quay.io/openshift-release-dev/ocp-release:4.18").contains("mirror.example.com"));
    assert_eq!(
        explain("nginx"),
        "\
nginx (docker.io/library/nginx) on node1
  kubelet, docker: none
  cri-o from registry.access.redhat.com/nginx (searched): none
  cri-o from docker.io/library/nginx (searched): fails: registries.conf blocks `docker.io`
"
    );
    node.write("/etc/containers/registries.conf", b"[[registry]]\n", 0o644);
    assert_eq!(
        explain("quay.io/team/app"),
        "\
quay.io/team/app on node1
  kubelet: quay.io of /var/lib/kubelet/config.json (acme)
  cri-o: fails: `/etc/containers/registries.conf` cannot be used: a `[[registry]]` has no `location`
"
    );
}

const PASSWORD: &str = "s3cret";

/// A user's own files, and a registry that has `copies/app:v1` for `reader`.
struct Side {
    user: Oregano,
    registry: Registry,
    conf: String,
}

impl Side {
    /// `HOST` in `conf` is the registry's.
    fn start(conf: &str) -> Self {
        let registry = Registry::start(Auth::Basic, Transport::Http, &[("reader", PASSWORD)]);
        registry.push("copies/app", "v1", "reader", PASSWORD);
        let mut user = Oregano::new();
        let conf = user.write("registries.conf", conf.replace("HOST", registry.host())).display().to_string();
        user.env("CONTAINERS_REGISTRIES_CONF", &conf);
        Self { user, registry, conf }
    }

    /// Writes the entries. Returns what is reported for podman, and whether skopeo can inspect the image.
    fn ask(&mut self, image: &str, entries: &[(&str, &str)]) -> (Vec<Value>, bool) {
        let entry = |(name, password)| json!({"auth": STANDARD.encode(format!("{name}:{password}"))});
        let entries = entries.iter().map(|(key, password)| ((*key).to_owned(), entry(("reader", password))));
        let auths = json!({ "auths": entries.collect::<serde_json::Map<_, _>>() });
        let file = self.user.write("auth.json", auths.to_string()).display().to_string();
        self.user.env("REGISTRY_AUTH_FILE", &file);
        let run = self.user.run(&["explain", image, "--output", "json"]).expect(0);
        let found = run.events().into_iter().filter(|event| event["consumer"] == "podman").collect();

        let mut skopeo = Command::new(program("skopeo"));
        skopeo.args(["--registries-conf", &self.conf, "inspect", "--no-tags", "--authfile", &file]);
        skopeo.arg(format!("docker://{image}")).env("HOME", self.user.home()).stdin(Stdio::null());
        let path = std::env::var("PATH").unwrap();
        let output = skopeo.env("PATH", format!("{}/bin:{path}", self.user.home().display())).output().unwrap();
        (found, output.status.success())
    }
}

#[test]
fn skopeo_uses_the_reported_entry_for_another_location() {
    let mut side =
        Side::start("[[registry]]\nprefix = 'registry.example.com/team'\nlocation = 'HOST/copies'\ninsecure = true\n");
    let host = side.registry.host().to_owned();
    for (key, used) in [(host.clone(), true), (format!("{host}/copies"), true), (format!("{host}/team"), false)] {
        let entries = [(key.as_str(), PASSWORD), ("registry.example.com", "wrong")];
        let (found, inspected) = side.ask("registry.example.com/team/app:v1", &entries);
        let [found] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((&found["repository"], &found["route"]), (&json!(format!("{host}/copies/app")), &json!("location")));
        let keys: Vec<_> = found["credentials"].as_array().unwrap().iter().map(|used| &used["key"]).collect();
        let expected = json!(key);
        assert_eq!(keys, if used { vec![&expected] } else { Vec::new() });
        assert_eq!(inspected, used, "{key}");
    }
}

#[test]
fn skopeo_uses_the_reported_helpers_before_the_files() {
    const FOUND: &str = "#!/bin/sh\necho '{\"Username\":\"reader\",\"Secret\":\"s3cret\"}'\n";
    const NOT_FOUND: &str = "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n";
    let insecure = "[[registry]]\nlocation = 'HOST'\ninsecure = true\n";
    for (helpers, script, password, kinds, inspected) in [
        ("'test', 'containers-auth.json'", FOUND, "wrong", &["global-helper", "login"][..], true),
        ("'test', 'containers-auth.json'", NOT_FOUND, PASSWORD, &["global-helper", "login"], true),
        ("'containers-auth.json', 'test'", FOUND, "wrong", &["login"], false),
        ("'test'", NOT_FOUND, PASSWORD, &["global-helper"], false),
    ] {
        let mut side = Side::start(&format!("credential-helpers = [{helpers}]\n{insecure}"));
        let file = side.user.write("bin/docker-credential-test", script);
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
        let host = side.registry.host().to_owned();
        let (found, by_skopeo) = side.ask(&format!("{host}/copies/app:v1"), &[(&host, password)]);
        let report: Vec<_> =
            found[0]["credentials"].as_array().unwrap().iter().map(|used| used["kind"].as_str().unwrap()).collect();
        assert_eq!((report.as_slice(), by_skopeo), (kinds, inspected), "{helpers}");
        let unused: Vec<_> =
            found[0]["unused"].as_array().unwrap().iter().map(|unused| unused["why"].as_str().unwrap()).collect();
        assert_eq!(unused, if helpers == "'test'" { vec!["no-files"] } else { Vec::new() });
    }
}

#[test]
fn the_registries_conf_of_the_user_replaces_that_of_the_system() {
    let mut user = Oregano::new();
    let podman = |user: &Oregano, image: &str| -> Vec<String> {
        let run = user.run(&["explain", image, "--output", "json"]).expect(0);
        let found = run.events().into_iter().filter(|event| event["consumer"] == "podman");
        let report = |event: Value| match event["fault"].as_str() {
            Some(fault) => fault.replace(&user.home().display().to_string(), "~"),
            None => event["repository"].as_str().unwrap().to_owned(),
        };
        found.map(report).collect()
    };
    user.write(".config/containers/registries.conf", "unqualified-search-registries = ['a.example.com']\n");
    assert_eq!(podman(&user, "app"), ["a.example.com/app"]);
    user.write(".config/containers/registries.conf.d/1.conf", "unqualified-search-registries = ['b.example.com']\n");
    user.write(".config/containers/registries.conf.d/2.bak", "unqualified-search-registries = ['c.example.com']\n");
    assert_eq!(podman(&user, "app"), ["b.example.com/app"]);
    user.write(".config/containers/registries.conf.d/3.conf", "[[");
    let report = &podman(&user, "quay.io/app")[0];
    assert!(report.starts_with("`~/.config/containers/registries.conf.d/3.conf` cannot be used: "), "{report}");
    user.env("CONTAINERS_REGISTRIES_CONF", "/nowhere/registries.conf");
    assert_eq!(podman(&user, "quay.io/app"), ["`/nowhere/registries.conf` does not exist"]);
    // With `--file` nothing else is looked up.
    let file = user.write("config.json", "{}").display().to_string();
    let run = user.run(&["explain", "app", "--file", &file]).expect(0);
    assert_eq!(run.stdout, "app (docker.io/library/app) on this machine\n  kubelet, cri-o, podman, docker: none\n");
}

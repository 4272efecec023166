//! Manifest types: images of each type that a real registry stores. It returns a manifest only if the request names its
//! type.

use serde_json::{Value, json};

use crate::support::http::{self, basic};
use crate::support::oregano::Oregano;
use crate::support::registry::{Auth, Registry, Transport};

const USER: &str = "alice";
const PASSWORD: &str = "s3cret";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The manifests of a repository.
struct Manifests {
    url: String,
    authorization: String,
}

impl Manifests {
    fn ask(&self, method: &str, tag: &str, header: (&str, &str), body: &[u8]) -> http::Response {
        let headers = [("Authorization", self.authorization.as_str()), header];
        http::request(method, &format!("{}/{tag}", self.url), &headers, body)
    }

    /// Pushes a manifest of this form, and returns its entry for a manifest list.
    fn push(&self, tag: &str, form: &str, mut manifest: Value) -> Value {
        manifest["mediaType"] = form.into();
        let bytes = manifest.to_string();
        let answer = self.ask("PUT", tag, ("Content-Type", form), bytes.as_bytes());
        assert_eq!(answer.status, 201, "{form}: {}", String::from_utf8_lossy(&answer.body));
        // Not the platform of this machine: for a list, a registry returns the image of the default platform.
        let platform = json!({"architecture": "s390x", "os": "linux"});
        let digest = &answer.headers["docker-content-digest"];
        json!({"mediaType": form, "digest": digest, "size": bytes.len(), "platform": platform})
    }

    fn shown(&self, tag: &str, form: &str) -> bool {
        self.ask("HEAD", tag, ("Accept", form), b"").status == 200
    }
}

#[test]
fn images_of_every_manifest_type_are_proved() {
    let registry = Registry::start(Auth::Basic, Transport::Http, &[(USER, PASSWORD)]);
    registry.push("team/app", "docker", USER, PASSWORD);
    let url = format!("http://{}/v2/team/app/manifests", registry.host());
    let manifests = Manifests { url, authorization: basic(USER, PASSWORD) };

    let image = manifests.ask("GET", "docker", ("Accept", DOCKER), b"").body;
    let mut image: Value = serde_json::from_slice(&image).unwrap();
    let list = |image: Value| json!({"schemaVersion": 2, "manifests": [image]});
    let docker = manifests.push("docker", DOCKER, image.clone());
    manifests.push("docker-list", DOCKER_LIST, list(docker));
    image["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
    let oci = manifests.push("oci", OCI, image);
    manifests.push("oci-index", OCI_INDEX, list(oci));

    let user = Oregano::new();
    let forms = [("docker", DOCKER), ("docker-list", DOCKER_LIST), ("oci", OCI), ("oci-index", OCI_INDEX)];
    for (tag, form) in forms {
        for (_, asked) in forms {
            assert_eq!(manifests.shown(tag, asked), asked == form, "`{tag}` asked for as {asked}");
        }
        let host = registry.host();
        let entry = format!(
            "{{'host':'{host}','user':'{USER}','password':'{PASSWORD}','test_image':'team/app:{tag}','tls_verify':'False'}}"
        );
        let text = format!("[nodes]\nnode1\n\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entry}]\n");
        let hosts = user.write("hosts", text).display().to_string();
        let run = user.run(&["validate", "-i", &hosts]).expect(0);
        assert!(run.stdout.contains(" : proved\n"), "{tag}: {}{}", run.stdout, run.stderr);
    }
}

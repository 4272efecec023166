//! What the fuzz targets do with a text. The normal tests feed arbitrary and broken texts to the same functions, so that
//! they still fit the library.

use std::io::sink;
use std::time::Duration;

use oregano::cluster::{Cluster, ClusterPurpose, access};
use oregano::desired::{Image, from_file};
use oregano::dockerconfig::{self, AuthFile, Credential, Reader};
use oregano::inventory::outside::NoAccess;
use oregano::inventory::vault::Envelope;
use oregano::inventory::{Inventory, Source, Variables, list, load, select, yaml};
use oregano::lookup::{Account, FileSystem, LookupRequest, PathState, RegistriesConf, SearchPath, look_up};
use oregano::registry::challenge::{self, Challenge};
use oregano::registry::image_location::ImageLocation;
use oregano::secret::{Redactor, Secret, SecretBytes};

/// An INI inventory, read and listed.
pub fn ini(text: &str) {
    listed("hosts.ini", text);
}

/// A YAML or JSON inventory, read and listed, and a YAML value.
pub fn yaml(text: &str) {
    listed("hosts.yml", text);
    let _ = yaml::parse_value(&Source::new("value", text), 0, text.len());
}

/// Python literals, as values of an INI inventory.
pub fn literals(text: &str) {
    listed("hosts.ini", &format!("[all:vars]\na={text}\n[g]\nh b={text}\n{text}\n"));
}

/// Host ranges.
pub fn ranges(text: &str) {
    listed("hosts.ini", &format!("[g]\n{text}\n"));
}

/// Host patterns.
pub fn patterns(text: &str) {
    if let Some(inventory) = read("hosts.ini", "[web]\nw[1:3]\n2001:db8::1\n[top:children]\nweb\n") {
        let _ = select(&inventory, text);
    }
}

/// Templates, resolved in a world in which nothing can be asked.
pub fn templates(text: &str) {
    let inventory = serde_json::json!({ "all": { "hosts": { "h": { "a": text, "b": [1, "x"], "c": { "d": 1.5 } } } } });
    if let Some(inventory) = read("hosts.json", &inventory.to_string()) {
        let _ = Variables::new(inventory, NoAccess::shared()).of("h").get("a");
    }
}

/// Envelopes of encrypted texts; no password is right.
pub fn vault(text: &str) {
    let _ = Envelope::parse(text);
}

/// A config.json, on a node and as the content of a secret.
pub fn config_json(text: &str) {
    merged(text, Reader::Node);
    merged(text, Reader::PullSecret);
}

/// A `.dockercfg`.
pub fn dockercfg(text: &str) {
    merged(text, Reader::Legacy);
}

/// Reads the file, and merges into it: what comes out must have the entry, and all that was there, once and for all.
fn merged(text: &str, reader: Reader) {
    let _ = dockerconfig::written_for(text.as_bytes());
    let before = dockerconfig::read(text.as_bytes());
    let credential = Credential {
        key: "quay.io/acme".to_owned(),
        user: "u".to_owned(),
        password: Secret::new("p"),
        identity_token: None,
        email: None,
    };
    let credentials = [credential];
    let Ok(first) = dockerconfig::merge(Some(text.as_bytes()), &credentials, reader) else { return };
    let Some(content) = first.content else { return };
    let again = dockerconfig::merge(Some(content.expose()), &credentials, reader);
    assert!(again.is_ok_and(|again| again.content.is_none()), "a second merge changes something");
    // Where the format of the file is the reader's, everything that was read is still there.
    let legacy = dockerconfig::written_for(text.as_bytes()) == Some(Reader::Legacy);
    if let (Ok(before), true) = (before, legacy == (reader == Reader::Legacy)) {
        let after = dockerconfig::read(content.expose()).map(|file| file.entries).unwrap_or_default();
        let ours = |key: &str| dockerconfig::registry_key(key) == "quay.io/acme";
        for entry in before.entries.iter().filter(|entry| !ours(&entry.key)) {
            let kept = after.iter().find(|other| other.key == entry.key);
            assert!(kept.is_some_and(|kept| kept.auth == entry.auth && kept.email == entry.email), "an entry is lost");
        }
        assert!(after.iter().any(|entry| entry.key == "quay.io/acme" && entry.login().is_some()), "no entry of ours");
    }
}

/// The manifest of a Secret, or another file that `from_file` takes; and the same text as the file in a Secret.
///
/// # Panics
/// If the Secret has other entries than the file that it holds.
pub fn secret_manifest(text: &str) {
    let _ = from_file::parse(text);
    let keys = |file: AuthFile| file.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
    let manifest = serde_json::json!({ "kind": "Secret", "stringData": { ".dockerconfigjson": text } }).to_string();
    // What YAML does not let through is no Secret.
    if let (Ok(inside), Ok(file)) = (from_file::parse(&manifest), dockerconfig::read(text.as_bytes())) {
        assert_eq!(keys(inside), keys(file));
    }
}

/// A kubeconfig, and the client that it describes. Nothing is contacted, and no program is run.
pub fn kubeconfig(text: &str) {
    let Ok(access) = access::parse(text.as_bytes()) else { return };
    let _ = access::token(&access);
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let _inside = runtime.enter();
    let _ = Cluster::connect(access, None, Duration::from_secs(1), &Redactor::default(), ClusterPurpose::Run);
}

/// An image name and a key of `auths` on a line each, and a credential file behind them.
pub fn lookup(text: &str) {
    let (image, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (key, content) = rest.split_once('\n').unwrap_or((rest, ""));
    let (written, Ok(image)) = (image, Image::parse(image)) else { return };
    let entry = serde_json::json!({ "auths": { key: { "auth": "YTpi" } } }).to_string();
    let searched = SearchPath::only(
        &["config.json".to_owned(), "other.json".to_owned(), ".dockercfg".to_owned()],
        &Account::root(),
    );
    let state = |path: &str| {
        let bytes = if path == "other.json" { &entry } else { content };
        PathState::Content(SecretBytes::new(bytes.as_bytes().to_vec()))
    };
    let asked = LookupRequest { written, image: &image, secrets: &[] };
    let _ = look_up(asked, &searched, &FileSystem { state: &state, list: &|_| Vec::new() });
}

/// An image name on a line, and a registries.conf behind it: whatever is pulled is an image again.
///
/// # Panics
/// If an image is to be pulled that is none.
pub fn registries(text: &str) {
    let (written, conf) = text.split_once('\n').unwrap_or((text, ""));
    let (Ok(image), Ok(conf)) = (Image::parse(written), RegistriesConf::read(Some(("main", conf)), &[])) else {
        return;
    };
    for pull in conf.sources(written, &image).unwrap_or_default() {
        assert_eq!(Image::parse(&pull.image.name).map(|image| image.name), Ok(pull.image.name));
    }
}

/// A `WWW-Authenticate` header: nothing comes out that was not put in.
///
/// # Panics
/// If more comes out of the header than it holds, or a scope goes beyond pulling.
pub fn challenge(text: &str) {
    let mut length = 0;
    for challenge in challenge::parse(text.as_bytes()) {
        length += match challenge {
            Challenge::Bearer(bearer) => {
                assert!(bearer.pull_scopes().iter().all(|scope| scope.ends_with(":pull") && text.contains("pull")));
                let texts = [Some(&bearer.realm), bearer.service.as_ref(), bearer.error.as_ref()];
                texts.into_iter().flatten().chain(&bearer.scopes).map(String::len).sum()
            }
            Challenge::Basic => "basic".len(),
            Challenge::Other(scheme) => scheme.len(),
        };
    }
    assert!(length <= text.len(), "{length} bytes of {}", text.len());
}

/// The name of an image: what is asked for stays below the registry's `/v2/`.
///
/// # Panics
/// If the path of its manifest leads elsewhere, or a scope holds more than one.
pub fn image(text: &str) {
    let Ok(target) = ImageLocation::parse(text) else { return };
    let path = target.manifest_path();
    assert!(path.starts_with("/v2/") && path.contains("/manifests/"), "{path}");
    let foreign = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '%' | '\\');
    assert!(!path.contains(foreign) && !path.contains("/../") && !path.contains("//"), "{path}");
    assert!(!target.pull_scope().contains(foreign), "{}", target.pull_scope());
    assert!(!target.host.contains(['/', '@']) && !target.host.is_empty(), "{}", target.host);
}

fn read(name: &str, text: &str) -> Option<Inventory> {
    load::parse(&Source::new(name, text)).ok()
}

fn listed(name: &str, text: &str) {
    let Some(inventory) = read(name, text) else { return };
    // A range may stand for a million, which take their time.
    if inventory.hosts.len() > 10_000 {
        return;
    }
    let _ = list::list(&inventory, list::Format::Json, &mut sink());
    let _ = list::list(&inventory, list::Format::Yaml, &mut sink());
    let _ = select(&inventory, "all:!*1");
}

//! What the fuzz targets do with a text. The normal tests feed arbitrary and broken texts to the same functions, so that
//! they still fit the library.

use std::io::sink;

use oregano::inventory::outside::Nothing;
use oregano::inventory::vault::Envelope;
use oregano::inventory::{Inventory, Source, Variables, list, load, select, yaml};
use oregano::registry::challenge::{self, Challenge};
use oregano::registry::reference::Target;

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
    // More hosts take time, and are refused at a million.
    if text.len() < 20 {
        listed("hosts.ini", &format!("[g]\n{text}\n"));
    }
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
        let _ = Variables::new(inventory, Nothing::shared()).of("h").get("a");
    }
}

/// Envelopes of encrypted texts; no password is right.
pub fn vault(text: &str) {
    let _ = Envelope::parse(text);
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
    let Ok(target) = Target::parse(text) else { return };
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
    let _ = list::list(&inventory, list::Format::Json, &mut sink());
    let _ = list::list(&inventory, list::Format::Yaml, &mut sink());
    let _ = select(&inventory, "all:!*1");
}

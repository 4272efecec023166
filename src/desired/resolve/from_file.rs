//! `from_file`: the entries of `config.json`, `auth.json`, `.dockercfg`, or of the manifest of a Secret that holds one
//! of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::dockerconfig::{self, AuthFile, mask};
use crate::inventory::{Node, Source, Value, yaml};

/// The members of a Secret that hold a file: those that Kubernetes defines, and the names that files have where
/// `--from-file` made the Secret.
const MEMBERS: [&str; 4] = [".dockerconfigjson", ".dockercfg", "auth.json", "config.json"];

/// More keys than these are not listed in a message.
const LISTED: usize = 10;

/// The entries that a text holds; the type of a Secret does not count, as its member says what it is.
///
/// # Errors
/// Why it holds none, in lower case and without a value.
pub fn parse(text: &str) -> Result<AuthFile, String> {
    let read = |text: &str| dockerconfig::read(text.as_bytes()).map_err(|error| error.to_string());
    match yaml::parse_value(&Source::new("", text), 0, text.len()) {
        Ok(manifest) if manifest.get("kind").is_some_and(|kind| kind.text == "Secret") => {
            read(&secret(&manifest)?).map_err(|error| format!("in the Secret, {error}"))
        }
        // JSON may hold what YAML must not, such as the control character DEL; as a file it would seem empty.
        Err(_) if is_secret(text) => Err("the Secret cannot be read as YAML".to_owned()),
        _ => read(text),
    }
}

fn is_secret(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Manifest {
        kind: String,
    }
    serde_json::from_str::<Manifest>(text).is_ok_and(|manifest| manifest.kind == "Secret")
}

/// The file in a Secret; what is written in clear text wins, as in the API server.
fn secret(manifest: &Node) -> Result<Zeroizing<String>, String> {
    let member = |part: &str| MEMBERS.iter().find_map(|name| manifest.get(part)?.get(name));
    if let Some(plain) = member("stringData") {
        return Ok(Zeroizing::new(plain.text.clone()));
    }
    let Some(encoded) = member("data") else {
        let names = ["stringData", "data"].iter().flat_map(|part| match manifest.get(part).map(|part| &part.value) {
            Some(Value::Map(members)) => members.iter().map(|(name, _)| name.text.as_str()).collect(),
            _ => Vec::new(),
        });
        return Err(format!("the Secret has no `.dockerconfigjson` or `.dockercfg`, {}", others(names)));
    };
    let bytes: String = encoded.text.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(bytes).map_err(|_| "the data of the Secret is not base64".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| "the data of the Secret is not UTF-8".to_owned())?;
    Ok(Zeroizing::new(text))
}

/// What there is instead of what was looked for.
pub(super) fn others<'a>(names: impl Iterator<Item = &'a str>) -> String {
    match listed(names) {
        none if none.is_empty() => "and no other".to_owned(),
        names => format!("but {names}"),
    }
}

/// Names, for a message; what is no name may be a secret and is not shown.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:*[]".contains(c));
    let mut names: Vec<String> =
        names.map(|name| if plain(name) { format!("`{}`", mask(name)) } else { "`…`".to_owned() }).collect();
    if names.len() > LISTED {
        let more = names.len() - LISTED;
        names.truncate(LISTED);
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_no_yaml_is_not_taken_for_an_empty_file() {
        let manifest =
            |text: &str| serde_json::json!({"kind": "Secret", "stringData": {"auth.json": text}}).to_string();
        let keys = |text: &str| parse(text).map(|file| file.entries.len());
        assert_eq!(keys(&manifest(r#"{"auths":{"quay.io":{"auth":"YTpi"}}}"#)), Ok(1));
        let fault = keys(&manifest("{\"auths\":{\"quay.io\":{\"auth\":\"YTpi\u{7f}\"}}}")).unwrap_err();
        assert_eq!(fault, "the Secret cannot be read as YAML");
    }

    #[test]
    fn keys_that_are_no_names_are_not_shown() {
        assert_eq!(listed(["quay.io", "https://u:p w@r"].into_iter()), "`quay.io`, `…`");
        assert_eq!(
            listed(["me:hunter3", "quay.io:443", "https://r:5000/x"].into_iter()),
            "`me:[redacted]`, `quay.io:443`, `https://r:5000/x`"
        );
        assert_eq!(listed(std::iter::repeat_n("r", 12)).matches("`r`").count(), LISTED);
        assert_eq!(others(["quay.io"].into_iter()), "but `quay.io`");
        assert_eq!(others(std::iter::empty()), "and no other");
    }
}

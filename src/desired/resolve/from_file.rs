//! `from_file`: parses `config.json`, `auth.json`, `.dockercfg`, or the manifest of a Secret that contains one of them.
//! Which entry is used for a registry is decided in `credential_source`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::dockerconfig::{self, AuthFile, mask};
use crate::inventory::{Node, Source, Value, yaml};

/// The keys of a Secret that may contain a credential file: those that Kubernetes defines for its secret types, and the
/// file names that `kubectl create secret --from-file` uses as keys.
const MEMBERS: [&str; 4] = [".dockerconfigjson", ".dockercfg", "auth.json", "config.json"];

/// The maximum number of names that a message lists.
const MAX_LISTED: usize = 10;

/// Parses the entries of a file. The `type` of a Secret is ignored, because the name of its key shows the format.
///
/// # Errors
/// Why the text cannot be parsed, in lower case and without any value of the text.
pub fn parse(text: &str) -> Result<AuthFile, String> {
    let read = |text: &str| dockerconfig::read(text.as_bytes()).map_err(|error| error.to_string());
    // A `config.json` is usually valid YAML, too, so only the `kind` shows whether the text is a manifest.
    match yaml::parse_value(&Source::new("", text), 0, text.len()) {
        Ok(manifest) if manifest.get("kind").is_some_and(|kind| kind.text == "Secret") => {
            read(&secret(&manifest)?).map_err(|error| format!("in the Secret, {error}"))
        }
        // JSON allows characters that YAML does not, such as DEL. If such a Secret were parsed as a `config.json`, it
        // would appear to contain no entries.
        Err(_) if is_secret(text) => Err("the Secret is not valid YAML".to_owned()),
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

/// The credential file in a Secret. Like in the API server, `stringData` overrides `data`.
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
        return Err(format!("the Secret has no `.dockerconfigjson` or `.dockercfg`, {}", existing_names(names)));
    };
    // Tools wrap long base64 texts, and a YAML block keeps the line breaks.
    let bytes: String = encoded.text.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(bytes).map_err(|_| "the data of the Secret is not base64".to_owned())?;
    let text = String::from_utf8(bytes).map_err(|_| "the data of the Secret is not UTF-8".to_owned())?;
    Ok(Zeroizing::new(text))
}

/// The end of the message about a missing name: it lists the names that exist.
pub(super) fn existing_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    match quoted_list(names) {
        none if none.is_empty() => "and has no other".to_owned(),
        names => format!("but has {names}"),
    }
}

/// Names in backticks, separated by commas. A text that does not look like a name is omitted, because it may be a
/// secret.
pub(super) fn quoted_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:*[]".contains(c));
    let mut names: Vec<String> =
        names.map(|name| if plain(name) { format!("`{}`", mask(name)) } else { "`…`".to_owned() }).collect();
    if names.len() > MAX_LISTED {
        let more = names.len() - MAX_LISTED;
        names.truncate(MAX_LISTED);
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_not_yaml_is_not_treated_as_an_empty_file() {
        let manifest =
            |text: &str| serde_json::json!({"kind": "Secret", "stringData": {"auth.json": text}}).to_string();
        let keys = |text: &str| parse(text).map(|file| file.entries.len());
        assert_eq!(keys(&manifest(r#"{"auths":{"quay.io":{"auth":"YTpi"}}}"#)), Ok(1));
        let fault = keys(&manifest("{\"auths\":{\"quay.io\":{\"auth\":\"YTpi\u{7f}\"}}}")).unwrap_err();
        assert_eq!(fault, "the Secret is not valid YAML");
    }

    #[test]
    fn keys_that_do_not_look_like_names_are_not_shown() {
        assert_eq!(quoted_list(["quay.io", "https://u:p w@r"].into_iter()), "`quay.io`, `…`");
        assert_eq!(
            quoted_list(["me:hunter3", "quay.io:443", "https://r:5000/x"].into_iter()),
            "`me:[redacted]`, `quay.io:443`, `https://r:5000/x`"
        );
        assert_eq!(quoted_list(std::iter::repeat_n("r", 12)).matches("`r`").count(), MAX_LISTED);
        assert_eq!(existing_names(["quay.io"].into_iter()), "but has `quay.io`");
        assert_eq!(existing_names(std::iter::empty()), "and has no other");
    }
}

//! `from_file`: parses `config.json`, `auth.json`, `.dockercfg`, or manifests with one Secret that contains one of them.
//! Which entry is used for a registry is decided in `credential_source`.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::dockerconfig::{self, AuthFile, mask};
use crate::go::{self, Padding};
use crate::inventory::{Node, Source, Value, yaml};

/// The keys of a Secret that may contain a credential file: those that Kubernetes defines for its secret types, the key of
/// the type `kubernetes.io/podmanconfigjson` (which only podman's users write), and the file names that `kubectl create secret --from-file` uses as keys.
const MEMBERS: [&str; 5] = [".dockerconfigjson", ".dockercfg", ".podmanconfigjson", "auth.json", "config.json"];

/// The maximum number of names that a message lists.
const MAX_LISTED: usize = 10;

/// Parses the entries of a file. The `type` of a Secret is ignored, because the name of its key shows the format.
///
/// # Errors
/// Why the text cannot be parsed, in lower case and without any value of the text.
pub fn parse(text: &str) -> Result<AuthFile, String> {
    let read = |text: &str| dockerconfig::read(text.as_bytes()).map_err(|error| error.to_string());
    match in_manifest(text)? {
        Some(content) => read(&content).map_err(|error| format!("in the Secret, {error}")),
        None => read(text),
    }
}

/// The credential file that the text is, or that it contains as a manifest. It is not parsed.
///
/// # Errors
/// As for [`parse`], if the text is a manifest.
pub(super) fn content(text: &str) -> Result<Zeroizing<String>, String> {
    Ok(in_manifest(text)?.unwrap_or_else(|| Zeroizing::new(text.to_owned())))
}

/// The credential file in a manifest; `None` if the text is no manifest.
fn in_manifest(text: &str) -> Result<Option<Zeroizing<String>>, String> {
    // A `config.json` is usually valid YAML, too, so only the `kind` shows whether the text is a manifest.
    match yaml::parse_documents(&Source::new("", text)) {
        Ok(documents) if documents.iter().any(is_manifest) => secret(only_pull_secret(&documents)?).map(Some),
        // JSON allows characters that YAML does not, such as DEL. If such a Secret were parsed as a `config.json`, it
        // would appear to contain no entries.
        Err(_) if is_json_manifest(text) => Err("the manifest is not valid YAML".to_owned()),
        _ => Ok(None),
    }
}

fn is_manifest(document: &Node) -> bool {
    document.get("kind").is_some() && document.get("auths").is_none()
}

fn is_json_manifest(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Manifest {
        kind: String,
    }
    serde_json::from_str::<Manifest>(text).is_ok_and(|manifest| ["Secret", "List"].contains(&manifest.kind.as_str()))
}

/// The only Secret of some manifests that contains a credential file.
fn only_pull_secret(documents: &[Node]) -> Result<&Node, String> {
    let mut manifests = Vec::new();
    documents.iter().for_each(|document| add_manifests(document, "", &mut manifests));
    let secrets: Vec<&Node> = manifests.iter().filter(|(kind, _)| *kind == "Secret").map(|(_, node)| *node).collect();
    let with_file: Vec<&Node> = secrets.iter().copied().filter(|secret| has_file(secret)).collect();
    let names = |nodes: &[&Node]| {
        let name = |node: &&Node| Some(node.get("metadata")?.get("name")?.text.clone());
        let names: Vec<String> = nodes.iter().filter_map(name).collect();
        quoted_list(names.iter().map(String::as_str))
    };
    match (with_file.as_slice(), secrets.as_slice()) {
        // A single Secret without a file has a message of its own, which lists what it contains.
        ([only], _) | ([], [only]) => Ok(only),
        ([], []) => {
            let kinds: BTreeSet<&str> =
                manifests.iter().map(|(kind, _)| *kind).filter(|kind| !kind.is_empty()).collect();
            Err(match quoted_list(kinds.into_iter()) {
                none if none.is_empty() => "it has no Secret".to_owned(),
                kinds => format!("it has no Secret, but {kinds}"),
            })
        }
        ([], several) => {
            let count = several.len();
            Err(format!("none of its {count} Secrets has `.dockerconfigjson` or `.dockercfg`: {}", names(several)))
        }
        (several, _) => {
            let count = several.len();
            Err(format!("it has {count} Secrets with a credential file, and only one can be used: {}", names(several)))
        }
    }
}

/// The manifests in a document, with their kinds: the document itself, or the items of a list.
fn add_manifests<'a>(document: &'a Node, default_kind: &'a str, found: &mut Vec<(&'a str, &'a Node)>) {
    let kind = document.get("kind").map_or(default_kind, |kind| kind.text.as_str());
    match document.get("items").map(|items| &items.value) {
        // The items of a `SecretList`, as the API server sends it, have no kind of their own.
        Some(Value::List(items)) => {
            let default_kind = kind.strip_suffix("List").unwrap_or_default();
            items.iter().for_each(|item| add_manifests(item, default_kind, found));
        }
        _ if document.is_blank() => {}
        _ => found.push((kind, document)),
    }
}

/// Whether a Secret contains a credential file.
fn has_file(secret: &Node) -> bool {
    let has = |part: &str, name: &str| secret.get(part).is_some_and(|part| part.get(name).is_some());
    MEMBERS.iter().any(|name| has("data", name) || has("stringData", name))
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
    let bytes = go::decode_base64(&encoded.text, Padding::Required).ok_or("the data of the Secret is not base64")?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the data of the Secret is not UTF-8")?;
    Ok(Zeroizing::new(text.to_owned()))
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
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_secret_that_is_not_yaml_is_not_treated_as_an_empty_file() {
        let manifest =
            |text: &str| serde_json::json!({"kind": "Secret", "stringData": {"auth.json": text}}).to_string();
        let keys = |text: &str| parse(text).map(|file| file.entries.len());
        assert_eq!(keys(&manifest(r#"{"auths":{"quay.io":{"auth":"YTpi"}}}"#)), Ok(1));
        let fault = keys(&manifest("{\"auths\":{\"quay.io\":{\"auth\":\"YTpi\u{7f}\"}}}")).unwrap_err();
        assert_eq!(fault, "the manifest is not valid YAML");
    }

    #[test]
    fn the_only_pull_secret_of_several_manifests_is_used() {
        let data = |host: &str| STANDARD.encode(format!(r#"{{"auths":{{"{host}":{{"auth":"YTpi"}}}}}}"#));
        let secret = |name: &str, member: &str| {
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ndata:\n  {member}: {}\n", data(name))
        };
        let (pull, other, map) = (secret("a.io", ".dockerconfigjson"), secret("tls", "tls.crt"), "kind: ConfigMap\n");
        let list = |items: &[&str]| {
            let item = |text: &&str| format!("- {}\n", text.trim_end().replace('\n', "\n  "));
            format!("apiVersion: v1\nkind: List\nitems:\n{}", items.iter().map(item).collect::<String>())
        };
        let bare = pull.replace("apiVersion: v1\nkind: Secret\n", "");
        let keys = |text: &str| {
            parse(text).map(|file| file.entries.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>().join(" "))
        };
        for text in [
            format!("{pull}---\n"),
            format!("---\n{pull}---\n---\n"),
            format!("---\n# nothing\n---\n{map}---\n{other}---\n{pull}..."),
            list(&[&pull]),
            list(&[map, &other, &pull]),
            format!("{}---\n{map}", list(&[&pull])),
            list(&[&bare]).replace("kind: List", "kind: SecretList"),
            pull.replace("kind: Secret", "kind: &a Secret\nx: *a") + "---\nkind: &a ConfigMap\n",
            serde_json::json!({"kind": "List", "items": [{"kind": "Secret", "data": {".dockerconfigjson": data("a.io")}}]})
                .to_string(),
        ] {
            assert_eq!(keys(&text).as_deref(), Ok("a.io"), "{text}");
        }
        let second = secret("b.io", "config.json");
        for (text, fault) in [
            (
                format!("{pull}---\n{second}"),
                "it has 2 Secrets with a credential file, and only one can be used: `a.io`, `b.io`",
            ),
            (list(&[&other, &other]), "none of its 2 Secrets has `.dockerconfigjson` or `.dockercfg`: `tls`, `tls`"),
            (format!("{map}---\n{map}---\nkind: Role\n"), "it has no Secret, but `ConfigMap`, `Role`"),
            (list(&[]).replace("items:\n", "items: []\n"), "it has no Secret"),
            (other, "the Secret has no `.dockerconfigjson` or `.dockercfg`, but has `tls.crt`"),
        ] {
            assert_eq!(keys(&text), Err(fault.to_owned()), "{text}");
        }
    }

    #[test]
    fn line_ends_in_the_data_of_a_secret_are_ignored_and_blanks_are_not() {
        let manifest = |data: &str| format!("kind: Secret\ndata:\n  .dockerconfigjson: {data}\n");
        let data = STANDARD.encode(r#"{"auths":{"a.io":{"auth":"YTpi"}}}"#);
        let (head, tail) = data.split_at(8);
        assert!(parse(&manifest(&format!("|\n    {head}\n    {tail}"))).is_ok());
        // kubectl rejects this, too: YAML replaces the line break by a blank.
        let folded = parse(&manifest(&format!("{head}\n    {tail}")));
        assert_eq!(folded.err().as_deref(), Some("the data of the Secret is not base64"));
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

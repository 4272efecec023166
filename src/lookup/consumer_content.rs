//! Parses a credential file as each consumer does, with the consumer's rules for JSON and base64. A member that the
//! consumer reads must have the right type; otherwise, the consumer rejects the file. Unknown members are ignored.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::dockerconfig::Format;
use crate::secret::Secret;

/// The engine of Go's `base64.StdEncoding`, which ignores unused bits at the end.
const fn engine(padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(padding);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

// There are two decoders, because one that accepts both forms would also accept what docker and containers/image
// reject.
const PADDED: GeneralPurpose = engine(DecodePaddingMode::RequireCanonical);
const UNPADDED: GeneralPurpose = engine(DecodePaddingMode::RequireNone);

/// Entries by their keys, as written.
pub(super) type Entries<E> = IndexMap<String, E>;

/// The members of an entry that the kubelet reads (`dockerConfigEntryWithAuth` in pkg/credentialprovider).
#[derive(Default, Deserialize)]
pub(super) struct KubeletEntry {
    pub auth: Option<Text>,
    pub username: Option<Text>,
    pub password: Option<Text>,
    #[serde(rename = "email")]
    _email: Option<Text>,
}

/// The members of an entry that containers/image reads (`dockerAuthConfig` in pkg/docker/config).
#[derive(Default, Deserialize)]
pub(super) struct ContainersEntry {
    pub auth: Option<Text>,
    pub identitytoken: Option<Text>,
}

/// The members of an entry that docker reads (`AuthConfig` in cli/config/types).
#[derive(Default, Deserialize)]
pub(super) struct DockerEntry {
    pub auth: Option<Text>,
    pub username: Option<Text>,
    pub password: Option<Text>,
    pub identitytoken: Option<Text>,
    #[serde(rename = "registrytoken")]
    _registrytoken: Option<Text>,
    #[serde(rename = "serveraddress")]
    _serveraddress: Option<Text>,
    #[serde(rename = "email")]
    _email: Option<Text>,
}

/// A text that may be a secret. Its memory is overwritten with zeros on drop.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Text(Secret);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// A parsed `config.json`. `E` is the entry type of the consumer.
pub(super) struct Config<E> {
    pub auths: Entries<E>,
    pub cred_helpers: IndexMap<String, String>,
    pub creds_store: String,
}

/// A JSON object in which `null` means an empty value.
type OptionalMap<E> = Option<IndexMap<String, Option<E>>>;

#[derive(Default, Deserialize)]
struct KubeletConfig {
    auths: OptionalMap<KubeletEntry>,
    #[serde(rename = "HttpHeaders")]
    _headers: OptionalMap<Text>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainersConfig {
    auths: OptionalMap<ContainersEntry>,
    cred_helpers: OptionalMap<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    auths: OptionalMap<DockerEntry>,
    cred_helpers: OptionalMap<String>,
    creds_store: Option<String>,
}

/// Parses a file as the kubelet does.
///
/// # Errors
/// What is wrong with the file, without any value of it.
pub(super) fn kubelet(bytes: &[u8], format: Format) -> Result<Entries<KubeletEntry>, String> {
    Ok(filled(match format {
        Format::Config => json::<KubeletConfig>(bytes)?.auths,
        Format::Legacy => json(bytes)?,
    }))
}

/// Parses a file as containers/image does.
///
/// # Errors
/// What is wrong with the file, without any value of it.
pub(super) fn containers(bytes: &[u8], format: Format) -> Result<Config<ContainersEntry>, String> {
    let config = match format {
        Format::Config => json(bytes)?,
        Format::Legacy => ContainersConfig { auths: json(bytes)?, cred_helpers: None },
    };
    let (auths, cred_helpers) = (filled(config.auths), filled(config.cred_helpers));
    Ok(Config { auths, cred_helpers, creds_store: String::new() })
}

/// Parses a file as docker does.
///
/// # Errors
/// What is wrong with the file, without any value of it.
pub(super) fn docker(bytes: &[u8]) -> Result<Config<DockerEntry>, String> {
    // For a file with only white space, docker's decoder reports the end of the stream, which docker treats as an empty
    // file.
    let config = if bytes.trim_ascii().is_empty() { DockerConfig::default() } else { json(bytes)? };
    let (auths, cred_helpers) = (filled(config.auths), filled(config.cred_helpers));
    Ok(Config { auths, cred_helpers, creds_store: config.creds_store.unwrap_or_default() })
}

/// The entries of an object; a missing object is empty.
fn filled<E: Default>(found: OptionalMap<E>) -> Entries<E> {
    found.unwrap_or_default().into_iter().map(|(key, entry)| (key, entry.unwrap_or_default())).collect()
}

/// Parses the content. `null` is the default value.
fn json<T: Default + DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    let read: Result<Option<T>, _> = serde_json::from_slice(bytes);
    read.map(Option::unwrap_or_default).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // The text of the error may quote a value, which may be a password, so only its kind is used.
        match error.classify() {
            serde_json::error::Category::Data => {
                format!("a value of the wrong type ends at line {line}, column {column}")
            }
            _ => format!("not valid JSON at line {line}, column {column}"),
        }
    })
}

/// The text of a member. A missing member is an empty text.
pub(super) fn text(text: &Option<Text>) -> &str {
    text.as_ref().map_or("", |text| text.0.expose())
}

/// A decoded `auth`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecodedAuth {
    pub user: String,
    pub password: Secret,
}

/// Which base64 encodings are accepted.
#[derive(Clone, Copy)]
pub(super) enum Padding {
    /// With `=` at the end (RFC 4648, section 3.2).
    Required,
    /// With or without `=`, as the kubelet accepts it.
    Optional,
}

/// Decodes an `auth`; `None` if it contains no colon.
///
/// # Errors
/// If it is not base64.
pub(super) fn decode(auth: &str, padding: Padding) -> Result<Option<DecodedAuth>, &'static str> {
    let engine = match padding {
        Padding::Optional if !auth.trim().ends_with('=') => UNPADDED,
        Padding::Optional | Padding::Required => PADDED,
    };
    // Go's decoder ignores line breaks.
    let joined = Zeroizing::new(auth.replace(['\r', '\n'], ""));
    let bytes = engine.decode(joined.as_bytes()).map(Zeroizing::new).map_err(|_| "not base64")?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text
        .split_once(':')
        .map(|(user, password)| DecodedAuth { user: user.to_owned(), password: Secret::new(password) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_as_each_consumer_does() {
        let user = |auth: &str, padding| decode(auth, padding).map(|decoded| decoded.map(|decoded| decoded.user));
        assert_eq!(user("YTpi\n", Padding::Required), Ok(Some("a".to_owned())));
        assert_eq!(user("YTpiYg", Padding::Optional), Ok(Some("a".to_owned())));
        assert_eq!(user("YTpiYg", Padding::Required), Err("not base64"));
        assert_eq!(user("YTpiYg==", Padding::Optional), Ok(Some("a".to_owned())));
        assert_eq!(user(" YTpi", Padding::Optional), Err("not base64"));
        assert_eq!(user("YWI=", Padding::Optional), Ok(None));
    }

    #[test]
    fn a_known_member_of_the_wrong_type_is_an_error_that_does_not_quote_it() {
        let text = br#"{"auths":{"r":{"username":{"hunter2":1}}}}"#;
        let error = kubelet(text, Format::Config).err().unwrap();
        assert!(error.starts_with("a value of the wrong type") && !error.contains("hunter2"), "{error}");
        assert!(containers(text, Format::Config).is_ok(), "containers/image does not know the member");
    }
}

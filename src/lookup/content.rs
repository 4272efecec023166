//! What each consumer takes out of a file, as its own program reads JSON and base64: a member it knows that is of
//! another type spoils the file, one it does not know never does.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::dockerconfig::Format;
use crate::secret::Secret;

/// Go's decoders ignore the bits that are left over at the end.
const fn engine(padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(padding);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

const PADDED: GeneralPurpose = engine(DecodePaddingMode::RequireCanonical);
const UNPADDED: GeneralPurpose = engine(DecodePaddingMode::RequireNone);

/// Entries by their keys, as they are written.
pub(super) type Entries<E> = IndexMap<String, E>;

/// What the kubelet reads of an entry.
#[derive(Default, Deserialize)]
pub(super) struct KubeletEntry {
    pub auth: Option<Text>,
    pub username: Option<Text>,
    pub password: Option<Text>,
    #[serde(rename = "email")]
    _email: Option<Text>,
}

/// What containers/image reads of an entry.
#[derive(Default, Deserialize)]
pub(super) struct ContainersEntry {
    pub auth: Option<Text>,
    pub identitytoken: Option<Text>,
}

/// What docker reads of an entry.
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

/// A text that may be a secret.
#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Text(Secret);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// `config.json` as a consumer with entries `E` reads it.
pub(super) struct Config<E> {
    pub auths: Entries<E>,
    pub cred_helpers: IndexMap<String, String>,
    pub creds_store: String,
}

/// Entries as they are read: `null` is an empty one.
type Written<E> = Option<IndexMap<String, Option<E>>>;

#[derive(Default, Deserialize)]
struct KubeletConfig {
    auths: Written<KubeletEntry>,
    #[serde(rename = "HttpHeaders")]
    _headers: Written<Text>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainersConfig {
    auths: Written<ContainersEntry>,
    cred_helpers: Written<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    auths: Written<DockerEntry>,
    cred_helpers: Written<String>,
    creds_store: Option<String>,
}

/// Reads the file as the kubelet does.
///
/// # Errors
/// What is wrong with it; the text holds no value.
pub(super) fn kubelet(bytes: &[u8], format: Format) -> Result<Entries<KubeletEntry>, String> {
    Ok(filled(match format {
        Format::Config => json::<KubeletConfig>(bytes)?.auths,
        Format::Legacy => json(bytes)?,
    }))
}

/// Reads the file as containers/image does.
///
/// # Errors
/// What is wrong with it.
pub(super) fn containers(bytes: &[u8], format: Format) -> Result<Config<ContainersEntry>, String> {
    let config = match format {
        Format::Config => json(bytes)?,
        Format::Legacy => ContainersConfig { auths: json(bytes)?, cred_helpers: None },
    };
    let (auths, cred_helpers) = (filled(config.auths), filled(config.cred_helpers));
    Ok(Config { auths, cred_helpers, creds_store: String::new() })
}

/// Reads the file as docker does.
///
/// # Errors
/// What is wrong with it.
pub(super) fn docker(bytes: &[u8]) -> Result<Config<DockerEntry>, String> {
    // Nothing at all is the end of the stream, which docker takes for an empty file.
    let config = if bytes.trim_ascii().is_empty() { DockerConfig::default() } else { json(bytes)? };
    let (auths, cred_helpers) = (filled(config.auths), filled(config.cred_helpers));
    Ok(Config { auths, cred_helpers, creds_store: config.creds_store.unwrap_or_default() })
}

fn filled<E: Default>(found: Written<E>) -> Entries<E> {
    found.unwrap_or_default().into_iter().map(|(key, entry)| (key, entry.unwrap_or_default())).collect()
}

/// The whole content; `null` is as good as nothing.
fn json<T: Default + DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    let read: Result<Option<T>, _> = serde_json::from_slice(bytes);
    read.map(Option::unwrap_or_default).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // The error's own text may quote a value.
        match error.classify() {
            serde_json::error::Category::Data => {
                format!("a value of a wrong type ends at line {line}, column {column}")
            }
            _ => format!("not valid JSON at line {line}, column {column}"),
        }
    })
}

/// A text of an entry; a missing one is empty.
pub(super) fn text(text: &Option<Text>) -> &str {
    text.as_ref().map_or("", |text| text.0.expose())
}

/// User and password, as a consumer has them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub user: String,
    pub password: Secret,
}

/// How an `auth` is written.
#[derive(Clone, Copy)]
pub(super) enum Padding {
    Required,
    /// The kubelet takes base64 without `=` as well.
    Optional,
}

/// Decodes `auth`: `None` where it holds no colon.
///
/// # Errors
/// If it is not base64.
pub(super) fn decode(auth: &str, padding: Padding) -> Result<Option<Login>, &'static str> {
    let engine = match padding {
        Padding::Optional if !auth.trim().ends_with('=') => UNPADDED,
        Padding::Optional | Padding::Required => PADDED,
    };
    // Go passes over line breaks.
    let joined = Zeroizing::new(auth.replace(['\r', '\n'], ""));
    let bytes = engine.decode(joined.as_bytes()).map(Zeroizing::new).map_err(|_| "not base64")?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.split_once(':').map(|(user, password)| Login { user: user.to_owned(), password: Secret::new(password) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_each_decodes_it() {
        let user = |auth: &str, padding| decode(auth, padding).map(|login| login.map(|login| login.user));
        assert_eq!(user("YTpi\n", Padding::Required), Ok(Some("a".to_owned())));
        assert_eq!(user("YTpiYg", Padding::Optional), Ok(Some("a".to_owned())));
        assert_eq!(user("YTpiYg", Padding::Required), Err("not base64"));
        assert_eq!(user("YTpiYg==", Padding::Optional), Ok(Some("a".to_owned())));
        assert_eq!(user(" YTpi", Padding::Optional), Err("not base64"));
        assert_eq!(user("YWI=", Padding::Optional), Ok(None));
    }

    #[test]
    fn a_known_member_of_a_wrong_type_spoils_the_file_and_is_not_shown() {
        let text = br#"{"auths":{"r":{"username":{"hunter2":1}}}}"#;
        let error = kubelet(text, Format::Config).err().unwrap();
        assert!(error.starts_with("a value of a wrong type") && !error.contains("hunter2"), "{error}");
        assert!(containers(text, Format::Config).is_ok(), "containers/image does not know the member");
    }
}

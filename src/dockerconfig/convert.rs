//! The same entries in the other format of pull secrets.

use super::entry_maps::AUTHS;
use super::json::{Json, Members, map, parse_content};
use super::layout::file_text;
use super::{ParseError, Reader};
use crate::secret::SecretBytes;

/// The content of a pull secret in the format of `reader`, from the other one. The text of each entry stays as it is.
/// `None` if the content has members other than `auths`, for which a `.dockercfg` has no place.
///
/// # Errors
/// If the content or its `auths` is not a JSON object.
pub fn convert(content: &[u8], reader: Reader) -> Result<Option<SecretBytes>, ParseError> {
    let root = parse_content(content)?;
    let converted = if !reader.is_legacy() {
        Members::from([(AUTHS.to_owned(), Json::Object(root))])
    } else if root.keys().any(|member| member != AUTHS) {
        return Ok(None);
    } else {
        map(&root, AUTHS)?
    };
    Ok(Some(file_text(Some(content), reader, converted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_text_in_the_other_format() {
        let entry = r#"{"auth": "YTpi", "x": 1.0}"#;
        let legacy = format!(r#"{{"quay.io":{entry}}}"#);
        let modern = format!(r#"{{"auths":{legacy}}}"#);
        let convert = |content: &str, reader| {
            let converted = super::convert(content.as_bytes(), reader).ok()?;
            converted.map(|bytes| String::from_utf8(bytes.expose().to_vec()).unwrap())
        };
        assert_eq!(convert(&legacy, Reader::PullSecret).as_deref(), Some(modern.as_str()));
        assert_eq!(convert(&modern, Reader::LegacyPullSecret).as_deref(), Some(legacy.as_str()));
        assert_eq!(convert("", Reader::PullSecret).as_deref(), Some(r#"{"auths":{}}"#));
        assert_eq!(convert("{}", Reader::LegacyPullSecret).as_deref(), Some("{}"));
        // What has no place in the other format is not lost.
        assert_eq!(convert(r#"{"auths":{},"credsStore":"x"}"#, Reader::LegacyPullSecret), None);
        assert_eq!(convert(r#"{"auths":{},"Auths":{}}"#, Reader::LegacyPullSecret), None);
        assert_eq!(convert("[", Reader::PullSecret), None);
    }
}

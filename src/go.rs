//! How Go's standard library decodes base64 and JSON objects. The kubelet, CRI-O, podman, docker and kubectl are written in
//! Go, so what they accept is accepted here, too. It knows no file format.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The engine of Go's `base64.StdEncoding`, which ignores unused bits at the end.
const fn engine(padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(padding);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

// There are two decoders, because one that accepts both forms would also accept what docker and containers/image
// reject.
const PADDED: GeneralPurpose = engine(DecodePaddingMode::RequireCanonical);
const UNPADDED: GeneralPurpose = engine(DecodePaddingMode::RequireNone);

/// Which base64 texts are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// With `=` at the end (`base64.StdEncoding`; RFC 4648, section 3.2).
    Required,
    /// With or without `=`, as the kubelet accepts it (`decodeDockerConfigFieldAuth` in pkg/credentialprovider).
    Optional,
}

/// Decodes base64 as `encoding/base64` does: CR and LF are ignored, wherever they are, and nothing else is. `None` if the
/// text is not base64.
pub fn decode_base64(text: &str, padding: Padding) -> Option<Zeroizing<Vec<u8>>> {
    let engine = match padding {
        Padding::Optional if !text.trim().ends_with('=') => UNPADDED,
        Padding::Optional | Padding::Required => PADDED,
    };
    let joined = Zeroizing::new(text.replace(['\r', '\n'], ""));
    engine.decode(joined.as_bytes()).map(Zeroizing::new).ok()
}

/// A member of a JSON object: its name, and the text of its value.
pub type Member = (String, Box<RawValue>);

/// The members of a JSON object in source order, each with the text of its value. A name may occur several times. `null` is
/// an empty object.
///
/// # Errors
/// If the text is not JSON, or neither an object nor `null`. The text of the error may quote a value.
pub fn members(json: &[u8]) -> serde_json::Result<Vec<Member>> {
    struct Members(Vec<Member>);

    impl<'de> serde::Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Pairs).map(Self)
        }
    }

    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<Member>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    let read: Option<Members> = serde_json::from_slice(json)?;
    Ok(read.map(|members| members.0).unwrap_or_default())
}

/// Whether `encoding/json` stores the member `written` of an object in the field `name`: it ignores case (`foldName`).
pub fn same_member(written: &str, name: &str) -> bool {
    written.chars().map(fold).eq(name.chars().map(fold))
}

/// The smallest character that differs only in case, for characters that some ASCII letter is compared with.
fn fold(c: char) -> char {
    match c {
        // Unicode's simple case folding maps the long s and the Kelvin sign to the ASCII letters.
        'ſ' => 'S',
        '\u{212a}' => 'K',
        other => other.to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_in_base64_are_ignored_and_nothing_else() {
        let decoded = |text: &str, padding| decode_base64(text, padding).map(|bytes| bytes.to_vec());
        for text in ["YTpiYg==", "YTpi\nYg==", "YTpiYg=\r\n=", "\nYTpiYg==\n", "YTpiYh=="] {
            assert_eq!(decoded(text, Padding::Required).as_deref(), Some(&b"a:bb"[..]), "{text:?}");
            assert_eq!(decoded(text, Padding::Optional).as_deref(), Some(&b"a:bb"[..]), "{text:?}");
        }
        assert_eq!(decoded("YTpi\nYg", Padding::Optional).as_deref(), Some(&b"a:bb"[..]));
        for text in
            ["YTpiYg", "YTpiYg=", " YTpiYg==", "YTpi Yg==", "YTpi\tYg==", "YTpiYg== ", "YTpi-g==", "YTpiYg==Yg=="]
        {
            assert_eq!(decoded(text, Padding::Required), None, "{text:?}");
        }
        for text in ["YTpiYg=", " YTpiYg", "YTpi Yg", "YTpiYg== "] {
            assert_eq!(decoded(text, Padding::Optional), None, "{text:?}");
        }
    }

    #[test]
    fn members_keep_their_order_and_their_text() {
        let found = |json: &str| {
            let found = members(json.as_bytes()).ok()?;
            Some(found.iter().map(|(name, value)| format!("{name}={}", value.get())).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(found(r#" {"b":1.0,"a":{"x": 1},"b":null} "#).as_deref(), Some(r#"b=1.0 a={"x": 1} b=null"#));
        assert_eq!(found(" null\n").as_deref(), Some(""));
        for json in ["[]", "7", "", "{", "{} {}"] {
            assert_eq!(found(json), None, "{json}");
        }
    }

    #[test]
    fn members_are_compared_as_in_go() {
        for written in ["credsStore", "CREDSSTORE", "credSstore", "cred\u{17f}\u{17f}tore"] {
            assert!(same_member(written, "credsStore"), "{written}");
        }
        assert!(same_member("identityto\u{212a}en", "identitytoken"));
        for written in ["auths ", "auth", "äuths", ""] {
            assert!(!same_member(written, "auths"), "{written}");
        }
    }
}

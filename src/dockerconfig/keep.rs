//! Takes entries over from one credential file to another one, without any other change.

use super::entry_maps;
use super::json::parse_content;
use super::layout::file_text;
use super::remove::is_of;
use super::{ParseError, Reader};
use crate::secret::SecretBytes;

/// Adds the entries of `registries` that `old` has to `content`, as they are written in `old`. An entry that `content` has
/// in any spelling stays as it is. `None` if there is nothing to add.
///
/// # Errors
/// If one of both, or its `auths`, is not a JSON object.
pub fn keep(
    content: &[u8],
    old: &[u8],
    registries: &[&str],
    reader: Reader,
) -> Result<Option<SecretBytes>, ParseError> {
    let mut root = parse_content(content)?;
    let mut maps = entry_maps::take(&mut root, reader)?;
    let of_old = entry_maps::take(&mut parse_content(old)?, reader)?;
    let mut changed = false;
    for registry in registries {
        if maps.iter().flat_map(|map| map.entries.keys()).any(|key| is_of(key, registry)) {
            continue;
        }
        let found = of_old.iter().flat_map(|map| &map.entries).filter(|(key, _)| is_of(key, registry));
        for (key, value) in found {
            // There is at least one object of entries.
            if let Some(map) = maps.last_mut() {
                map.entries.insert(key.clone(), value.clone());
                (map.is_changed, changed) = (true, true);
            }
        }
    }
    if !changed {
        return Ok(None);
    }
    entry_maps::put_back(&mut root, maps);
    Ok(Some(file_text(Some(content), reader, root)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_taken_over_as_they_are_written() {
        let old =
            br#"{"auths":{"cloud.openshift.com":{"auth":"YTpi", "email":"a@b","x":1.0},"quay.io":{"auth":"YTpi"}}}"#;
        let kept = |content: &str, registries: &[&str]| {
            let kept = keep(content.as_bytes(), old, registries, Reader::Node).unwrap();
            kept.map(|kept| String::from_utf8(kept.expose().to_vec()).unwrap())
        };
        let expected = r#"{"auths":{"r":{},"cloud.openshift.com":{"auth":"YTpi", "email":"a@b","x":1.0}},"y":1}"#;
        assert_eq!(kept(r#"{"auths":{"r":{}},"y":1}"#, &["cloud.openshift.com", "other"]).as_deref(), Some(expected));
        assert_eq!(kept(r#"{"auths":{"https://cloud.openshift.com/v1/":{}}}"#, &["cloud.openshift.com"]), None);
        assert_eq!(kept(r#"{"auths":{}}"#, &["other"]), None);
        assert!(keep(b"[]", old, &["r"], Reader::Node).is_err() && keep(b"{}", b"[]", &["r"], Reader::Node).is_err());
    }
}

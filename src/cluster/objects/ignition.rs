//! The content of a file in an Ignition configuration (Ignition documentation, "Configuration Specification v3.4.0",
//! `storage.files.contents`).

use std::io::Read as _;

use flate2::read::GzDecoder;
use percent_encoding::percent_decode_str;

use super::openshift::{Ignition, IgnitionContents};
use crate::go::{self, Padding};
use crate::secret::SecretBytes;

/// The maximum size of a file, in bytes. A MachineConfig has less than 1.5 MB, and compression can hide more.
const MAX_FILE: u64 = 8 << 20;

/// The content of the file at `path`; `None` if the configuration has no such file.
///
/// # Errors
/// Why its content is not known. The text contains nothing of the content.
pub(super) fn file(config: &Ignition, path: &str) -> Result<Option<SecretBytes>, &'static str> {
    // Ignition rejects a configuration with two files of one path.
    let Some(file) = config.storage.files.iter().find(|file| file.path == path) else { return Ok(None) };
    file.contents.as_ref().map(content).transpose()
}

fn content(contents: &IgnitionContents) -> Result<SecretBytes, &'static str> {
    let url = contents.source.as_deref().unwrap_or_default();
    // A file without a source is empty.
    let bytes = if url.is_empty() { Vec::new() } else { data(url)? };
    match contents.compression.as_deref().unwrap_or_default() {
        "" => Ok(SecretBytes::new(bytes)),
        "gzip" => decompress(&bytes).map(SecretBytes::new),
        _ => Err("it is compressed in an unknown format"),
    }
}

/// The data of a `data:` URL (RFC 2397).
fn data(url: &str) -> Result<Vec<u8>, &'static str> {
    let rest = url.strip_prefix("data:").ok_or("its source is not a `data:` URL")?;
    let (parameters, data) = rest.split_once(',').ok_or("its `data:` URL has no data")?;
    let bytes: Vec<u8> = percent_decode_str(data).collect();
    if !parameters.ends_with(";base64") {
        return Ok(bytes);
    }
    let text = std::str::from_utf8(&bytes).ok();
    let decoded = text.and_then(|text| go::decode_base64(text, Padding::Optional));
    decoded.map(|bytes| bytes.to_vec()).ok_or("its `data:` URL is not base64")
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut content = Vec::new();
    match GzDecoder::new(bytes).take(MAX_FILE).read_to_end(&mut content) {
        Ok(_) => Ok(content),
        Err(_) => Err("it is not in gzip format"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::cluster::objects::openshift::{IgnitionFile, IgnitionStorage};

    fn read(source: Option<&str>, compression: Option<&str>) -> Result<Option<String>, &'static str> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let contents = Some(IgnitionContents { source: owned(source), compression: owned(compression) });
        let other = IgnitionFile { path: "/etc/hosts".to_owned(), contents: None };
        let wanted = IgnitionFile { path: "/config.json".to_owned(), contents };
        let config = Ignition { storage: IgnitionStorage { files: vec![other, wanted] } };
        let found = file(&config, "/config.json")?;
        Ok(found.map(|content| String::from_utf8(content.expose().to_vec()).unwrap()))
    }

    #[test]
    fn a_file_is_decoded_from_every_form_of_its_url() {
        let expected = Ok(Some(r#"{"auths":{}}"#.to_owned()));
        for source in [
            "data:,%7B%22auths%22%3A%7B%7D%7D",
            "data:;base64,eyJhdXRocyI6e319",
            "data:text/plain;charset=utf-8;base64,eyJhdXRocyI6e319",
            "data:;base64,eyJhdXRocyI6e319%0A",
            r#"data:,{"auths":{}}"#,
        ] {
            assert_eq!(read(Some(source), None), expected, "{source}");
            assert_eq!(read(Some(source), Some("")), expected, "{source}");
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(br#"{"auths":{}}"#).unwrap();
        let compressed = format!("data:;base64,{}", STANDARD.encode(encoder.finish().unwrap()));
        assert_eq!(read(Some(&compressed), Some("gzip")), expected);
        assert_eq!(read(None, None), Ok(Some(String::new())));
    }

    #[test]
    fn a_file_that_cannot_be_decoded_is_an_error_without_its_content() {
        for (source, compression, expected) in [
            ("https://example.com/config.json", None, "its source is not a `data:` URL"),
            ("data:hunter2", None, "its `data:` URL has no data"),
            ("data:;base64,hunter2!", None, "its `data:` URL is not base64"),
            ("data:,hunter2", Some("gzip"), "it is not in gzip format"),
            ("data:,hunter2", Some("zstd"), "it is compressed in an unknown format"),
        ] {
            assert_eq!(read(Some(source), compression), Err(expected), "{source}");
        }
    }

    #[test]
    fn a_file_may_be_missing() {
        assert!(matches!(file(&Ignition::default(), "/config.json"), Ok(None)));
    }
}

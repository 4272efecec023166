//! `inventory --list`: the one output that shows the secrets of a plain-text inventory, as Ansible does.

use serde::Serialize;

/// How the inventory is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// As `ansible-inventory --list`.
    Json,
    /// As `ansible-inventory --list --yaml`.
    Yaml,
}

/// Prints a listing.
///
/// # Errors
/// If it cannot be put into words; the text of the error holds no value.
pub fn list(listing: &impl Serialize, format: ListFormat) -> Result<(), String> {
    let text = match format {
        ListFormat::Json => {
            let mut text = Vec::new();
            let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut serializer = serde_json::Serializer::with_formatter(&mut text, layout);
            listing.serialize(&mut serializer).map_err(|error| error.to_string())?;
            String::from_utf8(text).map_err(|error| error.to_string())?
        }
        ListFormat::Yaml => serde_yaml::to_string(listing).map_err(|error| error.to_string())?,
    };
    super::line(text.trim_end());
    Ok(())
}

//! The layout of a JSON file (indentation and line breaks): a merged file keeps the layout of the old one.

use super::Reader;
use super::json::{Json, Members};
use crate::secret::SecretBytes;

/// The layout of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layout {
    Compact,
    Tabs,
    Spaces(usize),
}

impl Layout {
    /// Detects the layout of the old content. Without old content, files get docker's layout (tabs) and secrets get
    /// oc's layout (compact).
    pub(super) fn of(old: Option<&[u8]>, reader: Reader) -> Self {
        let Some(bytes) = old else {
            return match reader {
                Reader::Node | Reader::Legacy => Self::Tabs,
                Reader::PullSecret | Reader::LegacyPullSecret => Self::Compact,
            };
        };
        let body = bytes.trim_ascii();
        // The white space around the object is ignored, so a compact file that ends with a line break stays compact.
        let Some(line) = body.iter().position(|byte| *byte == b'\n') else { return Self::Compact };
        match body[line + 1..].iter().take_while(|byte| **byte == b' ').count() {
            // A line without leading spaces is usually indented with a tab, as docker writes it.
            0 => Self::Tabs,
            width => Self::Spaces(width),
        }
    }

    pub(super) fn render(self, value: &Json, depth: usize) -> String {
        let members = match value {
            // An unchanged value keeps its own line breaks and indentation, even if they differ from the layout of the
            // file.
            Json::Kept(raw) => return raw.get().to_owned(),
            Json::Text(text) => return json_string(text.expose()),
            Json::Object(members) if members.is_empty() => return "{}".to_owned(),
            Json::Object(members) => members,
        };
        let (unit, gap) = match self {
            Self::Compact => (None, ""),
            Self::Tabs => (Some("\t".to_owned()), " "),
            Self::Spaces(width) => (Some(" ".repeat(width)), " "),
        };
        let line = |depth: usize| unit.as_ref().map_or_else(String::new, |unit| format!("\n{}", unit.repeat(depth)));
        let items: Vec<_> = members
            .iter()
            .map(|(key, value)| {
                format!("{}{}:{gap}{}", line(depth + 1), json_string(key), self.render(value, depth + 1))
            })
            .collect();
        format!("{{{}{}}}", items.join(","), line(depth))
    }
}

/// The new text of a file that contained `old`.
pub(super) fn file_text(old: Option<&[u8]>, reader: Reader, root: Members) -> SecretBytes {
    let mut text = Layout::of(old, reader).render(&Json::Object(root), 0);
    // The line end of the old file is kept, because a change must not affect the layout.
    if old.is_some_and(|bytes| bytes.ends_with(b"\n")) {
        text.push('\n');
    }
    SecretBytes::new(text.into_bytes())
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

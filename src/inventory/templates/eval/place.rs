//! Where a part of a value is in its file.

use std::ops::Range;

use crate::inventory::model::Node;
use crate::inventory::source::Span;

/// The place of bytes `part` of the `text` of `node`. The file may contain the text with another spelling (quotes,
/// escapes, folded lines), so the part is searched in the source. If it is not found, the place is the start of the
/// value.
pub(super) fn place(node: &Node, text: &str, part: Range<usize>) -> Span {
    let start = Span::new(&node.span.source, node.span.start, node.span.start);
    let Some(words) = text.get(part.clone()).filter(|words| !words.is_empty()) else { return start };
    let nth = text[..part.start].matches(words).count();
    let source = node.span.source.text().get(node.span.start..node.span.end).unwrap_or_default();
    match source.match_indices(words).nth(nth) {
        Some((at, _)) => Span::new(&node.span.source, node.span.start + at, node.span.start + at + words.len()),
        None => start,
    }
}

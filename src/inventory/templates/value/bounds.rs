//! How large a value may become. A few steps of a template can double a text or a list many times, and a list can
//! contain itself so often that nothing could ever process it. The limits are far above what an inventory needs.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::errors::error;

/// Bytes of one text.
pub(in crate::inventory::templates) const MAX_TEXT: usize = 1 << 20;
/// Bytes of all texts of one value. `groups` of a large inventory has many of them.
const MAX_TEXTS: usize = 16 << 20;
/// Lists, mappings and their members; one that occurs several times in a value counts each time.
pub(super) const MAX_MEMBERS: usize = 500_000;
/// Lists within lists.
pub(in crate::inventory::templates) const MAX_NESTING: usize = 100;

/// What a value may still contain.
struct Remaining {
    texts: usize,
    members: usize,
    is_lazy: fn(&Value) -> bool,
}

/// Returns an error if a value is too large. Values for which `is_lazy` is true are not counted, because reading their
/// members would resolve variables that the template may not use.
pub(in crate::inventory::templates) fn check_size(value: &Value, is_lazy: fn(&Value) -> bool) -> Result<(), Error> {
    Remaining { texts: MAX_TEXTS, members: MAX_MEMBERS, is_lazy }.subtract(value, 0)
}

/// Returns an error if a text of so many bytes must not be created. `None` stands for a number that is too large to
/// compute.
pub(in crate::inventory::templates) fn check_text(bytes: Option<usize>) -> Result<(), Error> {
    if bytes.is_some_and(|bytes| bytes <= MAX_TEXT) { Ok(()) } else { Err(too_large()) }
}

/// The error of a value that is too large.
pub(in crate::inventory::templates) fn too_large() -> Error {
    error(TOO_LARGE)
}

/// The message for a value that is too large.
pub(in crate::inventory::templates) const TOO_LARGE: &str = "the result is too large";

/// The message for lists within lists that are too deep.
pub(in crate::inventory::templates) const TOO_DEEP: &str = "the value is nested too deeply";

impl Remaining {
    fn subtract(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_NESTING {
            return Err(error(TOO_DEEP));
        }
        self.members = self.members.checked_sub(1).ok_or_else(too_large)?;
        // A text counts each time that it occurs, even if all occurrences share their memory.
        if let Some(text) = value.as_str() {
            check_text(Some(text.len()))?;
            self.texts = self.texts.checked_sub(text.len()).ok_or_else(too_large)?;
        }
        let is_map = value.kind() == ValueKind::Map;
        if !(is_map || matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)) || (self.is_lazy)(value) {
            return Ok(());
        }
        // A value that cannot be read is not an error here: the code that reads it reports a better one.
        let Ok(items) = value.try_iter() else { return Ok(()) };
        for item in items {
            self.subtract(&item, depth + 1)?;
            if is_map && let Ok(member) = value.get_item(&item) {
                self.subtract(&member, depth + 1)?;
            }
        }
        Ok(())
    }
}

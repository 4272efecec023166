//! Limits the size of values. A few steps of a template can double a text or a list many times, and the same list can
//! occur so often in a value that processing it would never end. Values in real inventories are far below the limits.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::errors::error;

/// The maximum size of one text, in bytes.
pub(in crate::inventory::templates) const MAX_TEXT: usize = 1 << 20;
/// The maximum size of all texts of one value, in bytes. `groups` of a large inventory contains many texts.
const MAX_TEXTS: usize = 16 << 20;
/// The maximum number of lists, mappings and members of a value. Repeated occurrences are counted.
pub(super) const MAX_MEMBERS: usize = 500_000;
/// The maximum nesting of lists and mappings.
pub(in crate::inventory::templates) const MAX_NESTING: usize = 100;

/// What a value may still contain before it reaches the limits.
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

/// Returns an error if a text of this size must not be created. `None` means that the size is too large to compute.
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

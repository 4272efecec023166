//! How large a value may be: few steps of a template double a text or a list many times, and a list may hold itself
//! so often that nobody comes to its end.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::context::is_on_demand;
use super::fault::refuse;

/// Bytes of one text. A longer one is a mistake or an attack.
pub(super) const MAX_TEXT: usize = 1 << 20;
/// Bytes of all texts of one value: the names of all hosts in all their groups are many.
const MAX_TEXTS: usize = 16 << 20;
/// Lists, mappings and what is in them, each time that it is there.
pub(super) const MAX_MEMBERS: usize = 500_000;
/// Lists within lists.
pub(super) const MAX_NESTING: usize = 100;

/// What a value may still hold.
struct Left {
    texts: usize,
    members: usize,
}

/// Holds that a value is of a size that anybody could mean.
pub(super) fn bounded(value: &Value) -> Result<(), Error> {
    Left { texts: MAX_TEXTS, members: MAX_MEMBERS }.take(value, 0)
}

/// Holds that a text of so many bytes may be made; `None` is a number that is too large.
pub(super) fn may_be_made(bytes: Option<usize>) -> Result<(), Error> {
    if bytes.is_some_and(|bytes| bytes <= MAX_TEXT) { Ok(()) } else { Err(too_large()) }
}

/// What is said of a value that is not.
pub(super) fn too_large() -> Error {
    refuse("this becomes too large")
}

impl Left {
    fn take(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_NESTING {
            return Err(refuse("the value is nested too deeply"));
        }
        self.members = self.members.checked_sub(1).ok_or_else(too_large)?;
        if let Some(text) = value.as_str() {
            may_be_made(Some(text.len()))?;
            self.texts = self.texts.checked_sub(text.len()).ok_or_else(too_large)?;
        }
        let is_map = value.kind() == ValueKind::Map;
        if !(is_map || matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)) || is_on_demand(value) {
            return Ok(());
        }
        // What cannot be read is told by whoever reads it.
        let Ok(items) = value.try_iter() else { return Ok(()) };
        for item in items {
            self.take(&item, depth + 1)?;
            if is_map && let Ok(member) = value.get_item(&item) {
                self.take(&member, depth + 1)?;
            }
        }
        Ok(())
    }
}

//! Why a text cannot be compiled as a template: a range of the text, a message and a hint. The `eval` layer later
//! converts the range to a place in a file.

use std::ops::Range;

/// A text that is not a template we can evaluate.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::inventory::templates) struct InvalidTemplate {
    /// The faulty part, in bytes of the text.
    pub at: Range<usize>,
    /// What is wrong with it: lower case, no full stop, no value of a variable.
    pub message: String,
    /// What to do now.
    pub hint: Option<String>,
}

impl InvalidTemplate {
    /// An invalid part of a text, without a hint.
    pub fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }
}

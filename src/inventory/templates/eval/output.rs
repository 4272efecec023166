//! Writes values to the text that a template produces. It records the first value: if a template produces exactly one
//! value, this value with its type is the result.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, Output, State, Value};

use super::evaluation::Evaluation;
use super::lazy::check_size;
use crate::inventory::model::Value as Plain;
use crate::inventory::templates::compile::Shape;
use crate::inventory::templates::value::bounds::{MAX_TEXT, check_text};
use crate::inventory::templates::value::convert::{checked, from_final};
use crate::inventory::templates::value::errors::error;
use crate::inventory::templates::value::omit::is_omit;
use crate::inventory::templates::value::python_str;

/// A number with the spelling that the user gave it (`1.10`, `0o644`), for insertion into a text.
#[derive(Debug)]
struct AsWritten {
    text: String,
    value: Value,
}

impl Object for AsWritten {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// The number itself, if the value is one with its spelling.
pub(super) fn number_as_written(value: &Value) -> Option<&Value> {
    value.downcast_object_ref::<AsWritten>().map(|number| &number.value)
}

/// The text of a value in the output.
pub(super) fn output_text(value: &Value) -> Result<String, Error> {
    match value.downcast_object_ref::<AsWritten>() {
        Some(number) => Ok(number.text.clone()),
        None => python_str::output(value),
    }
}

/// The filter `__as_written`, which the compiler adds: a number or boolean as the user wrote it, if it is still the
/// value of the variable `name`. A loop or `set` may have given the name another value.
pub(super) fn as_written(state: &State<'_, '_>, value: Value, name: &str) -> Result<Value, Error> {
    let is_number = matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    // Texts have only one spelling.
    let Some(evaluation) = Evaluation::of(state).filter(|_| is_number) else { return Ok(value) };
    match evaluation.frame.variable(name) {
        Ok(Some(node)) if matches!(node.value, Plain::Int(_) | Plain::Float(_) | Plain::Bool(_)) => {
            let is_same = from_final(&node) == value;
            Ok(if is_same { Value::from_object(AsWritten { text: node.text, value }) } else { value })
        }
        _ => Ok(value),
    }
}

/// Writes the value of a `{{ … }}`: the formatter of the engine.
pub(super) fn write_value(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let Some(evaluation) = Evaluation::of(state) else { return Err(error("this template has no context")) };
    // Ansible writes nothing for `none` in a text. `omit` has a meaning only as the result of a template.
    if value.is_none() || (is_omit(value) && evaluation.shape == Shape::Mixed) {
        return Ok(());
    }
    // A variable that failed is an invalid value, and the engine reports its error only if the value is checked.
    let value = &checked(value.clone())?;
    let is_first = evaluation.with_records(|records| {
        records.outputs += 1;
        if records.outputs == 1 {
            records.first_output = Some(value.clone());
        }
        records.outputs == 1
    });
    // The value is checked before it is converted to text, which could need much more memory.
    check_size(value)?;
    // The result of a single `{{ … }}` is the recorded value. Its text is not needed, and may not exist.
    if value.is_undefined() || (evaluation.shape == Shape::SingleOutput && is_first) {
        return Ok(());
    }
    let text = output_text(value)?;
    let bytes = evaluation.with_records(|records| {
        records.bytes = records.bytes.saturating_add(text.len());
        records.bytes
    });
    check_text(Some(bytes))?;
    output.write_str(&text).map_err(Error::from)
}

/// The text that a template produces. Its size is limited.
pub(super) struct LimitedOutput(Vec<u8>);

impl LimitedOutput {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn into_text(self) -> String {
        String::from_utf8(self.0).unwrap_or_default()
    }
}

impl std::io::Write for LimitedOutput {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        // Plain text of the template reaches this writer directly, not through `write_value`.
        if self.0.len().saturating_add(text.len()) > MAX_TEXT {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

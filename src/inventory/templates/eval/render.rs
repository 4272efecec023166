//! Runs one compiled program for one host.

use std::sync::Arc;

use minijinja::Value;

use super::evaluation::Evaluation;
use super::explain::FailedTemplate;
use super::frame::Frame;
use super::output::{LimitedOutput, number_as_written, output_text};
use crate::inventory::model::Node;
use crate::inventory::problem::Problem;
use crate::inventory::templates::compile::{Program, Shape};
use crate::inventory::templates::value::errors::ResolveError;

/// The value of a program, compiled from the `text` of `node`: the one value that it produces, or its text.
pub(super) fn render(frame: &Arc<Frame>, node: &Node, text: &str, program: &Program) -> Result<Value, ResolveError> {
    let evaluation = Evaluation::new(Arc::clone(frame), program.shape);
    let mut output = LimitedOutput::new();
    let context = Value::from_dyn_object(Arc::clone(&evaluation));
    let rendered = frame
        .engine()
        .environment
        .get_template(&program.source)
        .and_then(|template| template.render_captured_to(context, &mut output));
    let failed = FailedTemplate { frame, node, text, program, evaluation: &evaluation };
    rendered.map_err(|error| failed.resolve_error(&error))?;
    let output = output.into_text();
    // As in Ansible a template that produces one value has that value as its result (also `{% if %}{{ x }}{% endif
    // %}`), and one that produces nothing is null.
    let result = evaluation.with_records(|records| match (records.outputs, records.first_output.take()) {
        (1, Some(value))
            if program.shape == Shape::SingleOutput || output_text(&value).is_ok_and(|text| text == output) =>
        {
            value
        }
        (_, _) if output.is_empty() => Value::from(()),
        _ => Value::from(output),
    });
    if let Some(number) = number_as_written(&result) {
        return Ok(number.clone());
    }
    if result.is_undefined() {
        let message = "this template has no value: its condition is false, and it has no `else`";
        return Err(ResolveError::Invalid(Problem::hiding(&node.span, message)));
    }
    Ok(result)
}

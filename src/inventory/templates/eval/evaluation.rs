//! One evaluation of one template: the root object in which the engine looks up variables. It also records which names
//! were undefined and what the template produced; functions and error messages need this.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::Object;
use minijinja::{Error, State, Value};

use super::frame::Frame;
use crate::inventory::problem::Problem;
use crate::inventory::templates::compile::Shape;
use crate::inventory::templates::value::errors::{ResolveError, lookup_result, undefined_error_with};

/// The name under which functions find the evaluation. No template can contain it, because it starts with a null byte.
const EVALUATION: &str = "\0evaluation";

/// One evaluation of a template.
pub(super) struct Evaluation {
    pub frame: Arc<Frame>,
    /// What the template consists of.
    pub shape: Shape,
    records: Mutex<Records>,
}

/// What happened during an [`Evaluation`].
#[derive(Default)]
pub(super) struct Records {
    /// What the template used and is undefined, in the order of use.
    pub missing: Vec<Missing>,
    /// The number of values that the template produced.
    pub outputs: usize,
    /// The first of them.
    pub first_output: Option<Value>,
    /// The bytes of text that the template produced.
    pub bytes: usize,
}

/// Something that is undefined.
#[derive(Debug, Clone)]
pub(super) enum Missing {
    /// A variable. If it is undefined because another variable is, the problem of that variable.
    Variable(String, Option<Problem>),
    /// A member of a value, with its name if the name is known.
    Member(Option<String>),
    /// An environment variable.
    Environment(String),
}

impl Evaluation {
    pub fn new(frame: Arc<Frame>, shape: Shape) -> Arc<Self> {
        Arc::new(Self { frame, shape, records: Mutex::default() })
    }

    /// The evaluation that a filter or function is part of.
    pub fn of(state: &State<'_, '_>) -> Option<Arc<Self>> {
        state.lookup(EVALUATION)?.downcast_object::<Self>()
    }

    /// The frame of the evaluation that a filter or function is part of.
    pub fn frame_of(state: &State<'_, '_>) -> Result<Arc<Frame>, Error> {
        let evaluation = Self::of(state).ok_or_else(|| undefined_error_with("this template has no context"))?;
        Ok(Arc::clone(&evaluation.frame))
    }

    /// Reads or changes the records.
    pub fn with_records<T>(&self, with: impl FnOnce(&mut Records) -> T) -> T {
        with(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records that something is undefined.
    pub fn record_missing(&self, missing: Missing) {
        self.with_records(|records| records.missing.push(missing));
    }

    /// A variable as the template sees it.
    fn lookup(&self, name: &str) -> Option<Value> {
        let result = self.frame.value(name);
        match &result {
            // The error of the engine does not contain the name of the variable, so the name is recorded for the
            // message.
            Ok(None) => self.record_missing(Missing::Variable(name.to_owned(), None)),
            Err(ResolveError::Undefined(problem)) => {
                self.record_missing(Missing::Variable(name.to_owned(), Some(problem.clone())));
            }
            _ => {}
        }
        lookup_result(result)
    }
}

impl Object for Evaluation {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        if name == EVALUATION { Some(Value::from_dyn_object(Arc::clone(self))) } else { self.lookup(name) }
    }
}

// The engine requires `Debug`. The values may be passwords, so only the type is shown.
impl std::fmt::Debug for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<Evaluation>")
    }
}

//! The arguments of one call of a filter, test or function. As in Python each argument can be given by position or by
//! name.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, Value};

use super::access::items;
use crate::inventory::templates::value::convert::checked;
use crate::inventory::templates::value::errors::error;
use crate::inventory::templates::value::python_str;

/// The implementation of a filter or test. Argument 0 is the value that it is applied to.
pub(in crate::inventory::templates) type Function = fn(&mut Call) -> Result<Value, Error>;

/// A filter or test: its names, separated by spaces, and its implementation.
pub(in crate::inventory::templates) type Definition = (&'static str, Function);

/// The position of an argument that can only be given by name.
pub(in crate::inventory::templates) const NAME_ONLY: usize = usize::MAX;

/// The arguments of one call.
pub(in crate::inventory::templates) struct Call {
    positional: Vec<Value>,
    named: Vec<(String, Value)>,
    /// The number of positional arguments that the function has read.
    read: usize,
}

impl Call {
    /// The arguments as the engine passes them.
    pub fn new(positional: &[Value], kwargs: &Kwargs) -> Result<Self, Error> {
        let named =
            kwargs.args().map(|name| Ok((name.to_owned(), kwargs.peek(name)?))).collect::<Result<_, Error>>()?;
        Ok(Self { positional: positional.to_vec(), named, read: 0 })
    }

    /// All arguments that were not read by name.
    pub fn arguments(&self) -> impl Iterator<Item = &Value> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }

    /// The first argument that is undefined.
    pub fn undefined(&self) -> Option<Value> {
        self.arguments().find(|value| value.is_undefined()).cloned()
    }

    /// Calls a function. An argument that the function did not read is an error, as in Python.
    pub fn apply(mut self, function: impl FnOnce(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        let value = function(&mut self)?;
        if self.positional.len() > self.read.max(1) || !self.named.is_empty() {
            return Err(error("there is an argument that is not supported"));
        }
        checked(value)
    }

    /// The value that the filter or test is applied to.
    pub fn value(&mut self) -> Result<Value, Error> {
        self.read = self.read.max(1);
        self.positional.first().cloned().ok_or_else(|| error("the value is missing"))
    }

    /// The items of the value.
    pub fn list(&mut self) -> Result<Vec<Value>, Error> {
        items(&self.value()?)
    }

    /// The value as text.
    pub fn text(&mut self) -> Result<String, Error> {
        python_str::text(&self.value()?)
    }

    /// The argument with this position (the value has position 0) or name.
    pub fn get(&mut self, position: usize, name: &str) -> Option<Value> {
        if position != NAME_ONLY {
            self.read = self.read.max(position + 1);
        }
        // A named argument overrides a positional one. Python would report an error if an argument is given twice, but
        // this does not occur in inventories.
        match self.named.iter().position(|(own, _)| own == name) {
            // The argument is removed, so that `apply` finds arguments that no function has read.
            Some(at) => Some(self.named.remove(at).1),
            None => self.positional.get(position).cloned(),
        }
    }

    /// A required argument.
    pub fn require(&mut self, position: usize, name: &str) -> Result<Value, Error> {
        self.get(position, name).ok_or_else(|| error(format!("the argument `{name}` is missing")))
    }

    /// An argument as text.
    pub fn get_text(&mut self, position: usize, name: &str) -> Result<Option<String>, Error> {
        match self.get(position, name).filter(|value| !value.is_none()) {
            Some(value) => python_str::text(&value).map(Some),
            None => Ok(None),
        }
    }

    /// A required argument as text.
    pub fn require_text(&mut self, position: usize, name: &str) -> Result<String, Error> {
        python_str::text(&self.require(position, name)?)
    }

    /// Whether an argument is given and true.
    pub fn is(&mut self, position: usize, name: &str) -> bool {
        self.get(position, name).is_some_and(|value| value.is_true())
    }

    /// An argument as an integer. As in Python a boolean is 0 or 1.
    pub fn get_integer(&mut self, position: usize, name: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.get(position, name).filter(|value| !value.is_none()) else { return Ok(None) };
        let number = if value.kind() == ValueKind::Bool { Some(i64::from(value.is_true())) } else { value.as_i64() };
        number.map(Some).ok_or_else(|| error(format!("the argument `{name}` must be an integer")))
    }

    /// All positional arguments from a position on.
    pub fn rest(&mut self, position: usize) -> Vec<Value> {
        self.read = self.read.max(self.positional.len());
        self.positional.get(position..).unwrap_or_default().to_vec()
    }

    /// All named arguments that were not read yet.
    pub fn rest_named(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.named)
    }
}

/// Each name with its implementation.
pub(in crate::inventory::templates) fn by_name(
    all: &'static [Definition],
) -> impl Iterator<Item = (&'static str, Function)> {
    all.iter().flat_map(|(names, function)| names.split(' ').map(|name| (name, *function)))
}

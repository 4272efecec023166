//! The arguments of a filter, test or function, by position or by name as in Python.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, Value};

use super::bounds::bounded;
use super::convert::valid;
use super::fault::{refuse, undefined};
use super::render;

/// What implements a filter or test. Its first argument is the value that it is applied to.
pub(super) type Function = fn(&mut Call) -> Result<Value, Error>;

/// A filter or test, with its names; spaces part them.
pub(super) type Named = (&'static str, Function);

/// The place of an argument that has a name alone.
pub(super) const NAMED: usize = usize::MAX;

/// The arguments of one call.
pub(super) struct Call {
    positional: Vec<Value>,
    named: Vec<(String, Value)>,
    /// How many positional arguments were asked for.
    taken: usize,
}

impl Call {
    /// Takes the engine's arguments apart.
    pub fn new(positional: &[Value], kwargs: &Kwargs) -> Result<Self, Error> {
        let named =
            kwargs.args().map(|name| Ok((name.to_owned(), kwargs.peek(name)?))).collect::<Result<_, Error>>()?;
        Ok(Self { positional: positional.to_vec(), named, taken: 0 })
    }

    /// The first argument that is undefined.
    pub fn undefined(&self) -> Option<Value> {
        let named = self.named.iter().map(|(_, value)| value);
        self.positional.iter().chain(named).find(|value| value.is_undefined()).cloned()
    }

    /// Holds that no argument is too large.
    pub fn within_bounds(&self) -> Result<(), Error> {
        let named = self.named.iter().map(|(_, value)| value);
        self.positional.iter().chain(named).try_for_each(bounded)
    }

    /// Applies a function and holds that it used all its arguments.
    pub fn apply(mut self, function: impl FnOnce(&mut Self) -> Result<Value, Error>) -> Result<Value, Error> {
        let value = function(&mut self)?;
        if self.positional.len() > self.taken.max(1) || !self.named.is_empty() {
            return Err(refuse("there is an argument that this does not know"));
        }
        valid(value)
    }

    /// What the filter or test is applied to.
    pub fn value(&mut self) -> Result<Value, Error> {
        self.taken = self.taken.max(1);
        self.positional.first().cloned().ok_or_else(|| refuse("there is no value to apply this to"))
    }

    /// The same as a list.
    pub fn list(&mut self) -> Result<Vec<Value>, Error> {
        items(&self.value()?)
    }

    /// The same as a text.
    pub fn text(&mut self) -> Result<String, Error> {
        render::text(&self.value()?)
    }

    /// The argument with this place (the value has place 0) or name.
    pub fn get(&mut self, place: usize, name: &str) -> Option<Value> {
        if place != NAMED {
            self.taken = self.taken.max(place + 1);
        }
        match self.named.iter().position(|(own, _)| own == name) {
            Some(at) => Some(self.named.remove(at).1),
            None => self.positional.get(place).cloned(),
        }
    }

    /// An argument that must be there.
    pub fn need(&mut self, place: usize, name: &str) -> Result<Value, Error> {
        self.get(place, name).ok_or_else(|| refuse(format!("the argument `{name}` is missing")))
    }

    /// An argument as text.
    pub fn get_text(&mut self, place: usize, name: &str) -> Result<Option<String>, Error> {
        match self.get(place, name).filter(|value| !value.is_none()) {
            Some(value) => render::text(&value).map(Some),
            None => Ok(None),
        }
    }

    /// A text that must be there.
    pub fn need_text(&mut self, place: usize, name: &str) -> Result<String, Error> {
        render::text(&self.need(place, name)?)
    }

    /// Whether an argument is true; absent ones are not.
    pub fn is(&mut self, place: usize, name: &str) -> bool {
        self.get(place, name).is_some_and(|value| value.is_true())
    }

    /// A whole number.
    pub fn get_number(&mut self, place: usize, name: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.get(place, name).filter(|value| !value.is_none()) else { return Ok(None) };
        let number = if value.kind() == ValueKind::Bool { Some(i64::from(value.is_true())) } else { value.as_i64() };
        number.map(Some).ok_or_else(|| refuse(format!("the argument `{name}` must be a whole number")))
    }

    /// All positional arguments from a place on.
    pub fn rest(&mut self, place: usize) -> Vec<Value> {
        self.taken = self.taken.max(self.positional.len());
        self.positional.get(place..).unwrap_or_default().to_vec()
    }

    /// All arguments by name that nobody asked for yet.
    pub fn rest_named(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.named)
    }
}

/// Each name, with what it names.
pub(super) fn by_name(all: &'static [Named]) -> impl Iterator<Item = (&'static str, Function)> {
    all.iter().flat_map(|(names, function)| names.split(' ').map(|name| (name, *function)))
}

/// The items of a list, or the keys of a mapping.
pub(super) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String => {
            value.try_iter()?.checked().collect()
        }
        _ => Err(refuse("this needs a list")),
    }
}

/// The members of a mapping.
pub(super) fn members(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined()),
        ValueKind::Map => items(value)?
            .into_iter()
            .map(|key| {
                let member = valid(value.get_item(&key)?)?;
                Ok((key, member))
            })
            .collect(),
        _ => Err(refuse("this needs a mapping")),
    }
}

/// Whether Python calls it a sequence that is no text.
pub(super) fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// A mapping of members in their order; of equal keys the last value counts.
pub(super) fn mapping(members: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::from_pairs(members)
}

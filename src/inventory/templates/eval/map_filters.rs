//! Filters that apply another filter or test to each item of a list (`map`, `select` …), and the tests `filter` and
//! `test`. They need the running engine and the names of all filters and tests, so they are not in `stdlib::filters`.

use minijinja::value::Kwargs;
use minijinja::{Error, State, Value};

use super::evaluation::Evaluation;
use crate::inventory::templates::compile::{Callable, UnknownName, short_name};
use crate::inventory::templates::stdlib::access::attribute;
use crate::inventory::templates::stdlib::call::{Call, NAME_ONLY};
use crate::inventory::templates::value::errors::error;

/// The implementation of a filter that calls other filters or tests.
type StateFunction = fn(&mut State<'_, '_>, &mut Call) -> Result<Value, Error>;

/// The filters with their names.
pub(super) const FILTERS: [(&str, StateFunction); 5] = [
    ("map", map),
    ("reject", |state, call| select(state, call, Keep::Failing, By::Item)),
    ("rejectattr", |state, call| select(state, call, Keep::Failing, By::Attribute)),
    ("select", |state, call| select(state, call, Keep::Passing, By::Item)),
    ("selectattr", |state, call| select(state, call, Keep::Passing, By::Attribute)),
];

/// The tests with their names. Each checks for a filter or a test.
pub(super) const TESTS: [(&str, Callable); 2] = [("filter", Callable::Filter), ("test", Callable::Test)];

/// Which items a filter keeps.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    /// Those that pass the test.
    Passing,
    /// Those that do not.
    Failing,
}

/// What the test is applied to.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// The item.
    Item,
    /// An attribute of the item.
    Attribute,
}

fn map(state: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    if let Some(path) = call.get(NAME_ONLY, "attribute") {
        let default = call.get(NAME_ONLY, "default");
        let values = list.iter().map(|item| {
            let value = attribute(item, &path)?;
            Ok(if value.is_undefined() { default.clone().unwrap_or(value) } else { value })
        });
        return Ok(values.collect::<Result<Vec<_>, Error>>()?.into());
    }
    let name = call.require_text(1, "filter")?;
    check_name(state, Callable::Filter, &name)?;
    // The other filter gets all arguments that `map` does not use itself.
    let arguments = remaining_arguments(call, 2);
    // The engine has the filters only under their short names.
    let name = short_name(&name);
    let mapped = list.into_iter().map(|item| state.apply_filter(name, &[&[item], arguments.as_slice()].concat()));
    Ok(mapped.collect::<Result<Vec<_>, _>>()?.into())
}

fn select(state: &mut State<'_, '_>, call: &mut Call, keep: Keep, by: By) -> Result<Value, Error> {
    let list = call.list()?;
    let path = if by == By::Attribute { Some(call.require(1, "attribute")?) } else { None };
    let next = if by == By::Attribute { 2 } else { 1 };
    let test = call.get_text(next, "test")?;
    if let Some(name) = &test {
        check_name(state, Callable::Test, name)?;
    }
    let arguments = remaining_arguments(call, next + 1);
    let mut kept = Vec::new();
    for item in list {
        let tested = match &path {
            Some(path) => attribute(&item, path)?,
            None => item.clone(),
        };
        let passes = match &test {
            Some(name) => state.perform_test(short_name(name), &[&[tested], arguments.as_slice()].concat())?,
            // Without a test an item passes if it is true.
            None if tested.is_undefined() => false,
            None => tested.is_true(),
        };
        if passes == (keep == Keep::Passing) {
            kept.push(item);
        }
    }
    Ok(kept.into())
}

/// The arguments for the other filter or test.
fn remaining_arguments(call: &mut Call, from: usize) -> Vec<Value> {
    let mut arguments = call.rest(from);
    let named = call.rest_named();
    if !named.is_empty() {
        arguments.push(named.into_iter().collect::<Kwargs>().into());
    }
    arguments
}

/// Returns an error if there is no such filter or test. The name may be a value, so the message does not contain it.
fn check_name(state: &State<'_, '_>, callable: Callable, name: &str) -> Result<(), Error> {
    let word = callable.word();
    match Evaluation::frame_of(state)?.engine().vocabulary.check(callable, name) {
        Ok(()) => Ok(()),
        Err(UnknownName::Unsupported(reason)) => Err(error(format!("this {word} is not supported: {reason}"))),
        Err(UnknownName::Missing(_)) => Err(error(format!("this {word} does not exist or is not supported"))),
    }
}

/// The test `x is filter` or `x is test`: whether there is a filter or test with the name `x`.
pub(super) fn name_exists(state: &State<'_, '_>, callable: Callable, call: &mut Call) -> Result<Value, Error> {
    let name = call.text()?;
    Ok(Evaluation::frame_of(state)?.engine().vocabulary.check(callable, &name).is_ok().into())
}

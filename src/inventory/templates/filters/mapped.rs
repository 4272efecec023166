//! Filters that apply another filter or test to each item of a list.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, State, Value};

use super::Named;
use crate::inventory::templates::call::{Call, NAMED};
use crate::inventory::templates::convert::valid;
use crate::inventory::templates::fault::refuse;
use crate::inventory::templates::rewrite::short_name;
use crate::inventory::templates::{conditions, filters};

pub(super) const FILTERS: &[Named] = &[("attr", attr)];

/// What implements a filter that applies another one: the state of the engine knows that.
type ByItem = fn(&mut State<'_, '_>, &mut Call) -> Result<Value, Error>;

/// The filters that do so.
pub(super) const BY_ITEM: &[(&str, ByItem)] = &[
    ("map", map),
    ("reject", |state, call| chosen(state, call, Keep::Failing, By::Item)),
    ("rejectattr", |state, call| chosen(state, call, Keep::Failing, By::Attribute)),
    ("select", |state, call| chosen(state, call, Keep::Passing, By::Item)),
    ("selectattr", |state, call| chosen(state, call, Keep::Passing, By::Attribute)),
];

#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Passing,
    Failing,
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Item,
    Attribute,
}

/// A member of an item, by a path such as `a.0.b`; undefined if a step of it is.
pub(super) fn attribute(item: &Value, path: &Value) -> Result<Value, Error> {
    let Some(path) = path.as_str() else { return valid(item.get_item(path)?) };
    let mut value = item.clone();
    for step in path.split('.') {
        if value.is_undefined() {
            break;
        }
        let number = step.parse::<usize>().ok().filter(|_| value.kind() != ValueKind::Map);
        let key = number.map_or_else(|| Value::from(step), Value::from);
        value = valid(value.get_item(&key)?)?;
    }
    Ok(value)
}

fn attr(call: &mut Call) -> Result<Value, Error> {
    let (value, name) = (call.value()?, call.need(1, "name")?);
    // The members of a mapping are not its attributes.
    if value.kind() == ValueKind::Map { Ok(Value::UNDEFINED) } else { valid(value.get_item(&name)?) }
}

fn map(state: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    if let Some(path) = call.get(NAMED, "attribute") {
        let default = call.get(NAMED, "default");
        let found = list.iter().map(|item| {
            let found = attribute(item, &path)?;
            Ok(if found.is_undefined() { default.clone().unwrap_or(found) } else { found })
        });
        return Ok(found.collect::<Result<Vec<_>, Error>>()?.into());
    }
    let name = call.need_text(1, "filter")?;
    known("filter", &name, filters::names(), filters::refusal(&name))?;
    let arguments = arguments(call, 2);
    let applied =
        list.into_iter().map(|item| state.apply_filter(short_name(&name), &[&[item], arguments.as_slice()].concat()));
    Ok(applied.collect::<Result<Vec<_>, _>>()?.into())
}

fn chosen(state: &mut State<'_, '_>, call: &mut Call, keep: Keep, by: By) -> Result<Value, Error> {
    let list = call.list()?;
    let path = if by == By::Attribute { Some(call.need(1, "attribute")?) } else { None };
    let next = if by == By::Attribute { 2 } else { 1 };
    let test = call.get_text(next, "test")?;
    if let Some(name) = &test {
        known("test", name, conditions::names(), conditions::refusal(name))?;
    }
    let arguments = arguments(call, next + 1);
    let mut kept = Vec::new();
    for item in list {
        let tested = match &path {
            Some(path) => attribute(&item, path)?,
            None => item.clone(),
        };
        let passes = match &test {
            Some(name) => state.perform_test(short_name(name), &[&[tested], arguments.as_slice()].concat())?,
            None if tested.is_undefined() => false,
            None => tested.is_true(),
        };
        if passes == (keep == Keep::Passing) {
            kept.push(item);
        }
    }
    Ok(kept.into())
}

/// What is left of the arguments, for the other filter or test.
fn arguments(call: &mut Call, from: usize) -> Vec<Value> {
    let mut arguments = call.rest(from);
    let named = call.rest_named();
    if !named.is_empty() {
        arguments.push(named.into_iter().collect::<Kwargs>().into());
    }
    arguments
}

fn known(
    kind: &str,
    name: &str,
    mut names: impl Iterator<Item = &'static str>,
    refusal: Option<&'static str>,
) -> Result<(), Error> {
    match refusal {
        Some(reason) => Err(refuse(format!("this {kind} is not supported: {reason}"))),
        None if names.any(|own| own == short_name(name)) => Ok(()),
        None => Err(refuse(format!("there is no such {kind}, or it is not supported"))),
    }
}

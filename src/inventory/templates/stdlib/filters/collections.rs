//! Filters of lists and mappings.

use crate::inventory::templates::stdlib::access::{attribute, is_list, items, mapping, members};
use crate::inventory::templates::stdlib::call::{Call, Definition, NAME_ONLY};
use crate::inventory::templates::value::bounds::TOO_LARGE;
use crate::inventory::templates::value::convert::checked;
use crate::inventory::templates::value::errors::{error, undefined_error_with};
use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value};

pub(super) const FILTERS: &[Definition] = &[
    ("attr", attr),
    ("combine", combine),
    ("dict2items", dict2items),
    ("extract", extract),
    ("first", |call| Ok(call.list()?.into_iter().next().unwrap_or(Value::UNDEFINED))),
    ("flatten", flatten),
    ("items", pairs),
    ("items2dict", items2dict),
    ("last", |call| Ok(call.list()?.pop().unwrap_or(Value::UNDEFINED))),
    ("length count", length),
    ("list", |call| Ok(call.list()?.into())),
    ("reverse", reverse),
    ("sum", sum),
    ("zip", zip),
];

/// Jinja's `attr` reads attributes of Python objects. The members of a mapping are not its attributes.
fn attr(call: &mut Call) -> Result<Value, Error> {
    let (value, name) = (call.value()?, call.require(1, "name")?);
    if value.kind() == ValueKind::Map { Ok(Value::UNDEFINED) } else { checked(value.get_item(&name)?) }
}

/// What becomes of two lists under one key.
#[derive(Clone, Copy)]
enum ListMerge {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendPresent,
    PrependPresent,
}

/// Whether mappings under one key are combined, too.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Top,
    All,
}

fn combine(call: &mut Call) -> Result<Value, Error> {
    let mut terms = Vec::new();
    let first = call.value()?;
    for term in std::iter::once(first).chain(call.rest(1)) {
        if is_list(&term) { terms.extend(items(&term)?) } else { terms.push(term) }
    }
    let reach = if call.is(NAME_ONLY, "recursive") { Reach::All } else { Reach::Top };
    let lists = match call.get_text(NAME_ONLY, "list_merge")?.as_deref() {
        None | Some("replace") => ListMerge::Replace,
        Some("keep") => ListMerge::Keep,
        Some("append") => ListMerge::Append,
        Some("prepend") => ListMerge::Prepend,
        Some("append_rp") => ListMerge::AppendPresent,
        Some("prepend_rp") => ListMerge::PrependPresent,
        Some(_) => return Err(error("there is no such `list_merge`")),
    };
    if terms.len() == 1 {
        return Ok(terms.remove(0));
    }
    let mut result: Option<Value> = None;
    for term in terms {
        result = Some(match result {
            Some(weaker) => merged(&weaker, &term, reach, lists, 0)?,
            None => term,
        });
    }
    Ok(result.unwrap_or_else(|| mapping([])))
}

/// The members of both, in the order of the weaker one.
fn merged(weaker: &Value, stronger: &Value, reach: Reach, lists: ListMerge, depth: usize) -> Result<Value, Error> {
    if depth > 100 {
        return Err(error("the value is nested too deeply"));
    }
    let mut result = members(weaker)?;
    for (key, new) in members(stronger)? {
        let Some((_, old)) = result.iter_mut().find(|(own, _)| *own == key) else {
            result.push((key, new));
            continue;
        };
        if old.kind() == ValueKind::Map && new.kind() == ValueKind::Map && reach == Reach::All {
            *old = merged(old, &new, reach, lists, depth + 1)?;
        } else if is_list(old) && is_list(&new) {
            *old = merged_lists(items(old)?, items(&new)?, lists);
        } else {
            *old = new;
        }
    }
    Ok(mapping(result))
}

fn merged_lists(weaker: Vec<Value>, stronger: Vec<Value>, lists: ListMerge) -> Value {
    let absent = || weaker.iter().filter(|item| !stronger.contains(item)).cloned().collect::<Vec<_>>();
    match lists {
        ListMerge::Replace => stronger,
        ListMerge::Keep => weaker,
        ListMerge::Append => [weaker, stronger].concat(),
        ListMerge::Prepend => [stronger, weaker].concat(),
        ListMerge::AppendPresent => [absent(), stronger].concat(),
        ListMerge::PrependPresent => {
            let absent = absent();
            [stronger, absent].concat()
        }
    }
    .into()
}

fn length(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    match value.as_str() {
        Some(text) => Ok(text.chars().count().into()),
        None => Ok(items(&value)?.len().into()),
    }
}

fn reverse(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    if let Some(text) = value.as_str() {
        return Ok(text.chars().rev().collect::<String>().into());
    }
    Ok(items(&value)?.into_iter().rev().collect())
}

fn pairs(call: &mut Call) -> Result<Value, Error> {
    Ok(members(&call.value()?)?.into_iter().map(|(key, value)| pair(key, value)).collect())
}

fn pair(first: Value, second: Value) -> Value {
    Value::from(Tuple::from([first, second]))
}

fn dict2items(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let key_name = call.get(1, "key_name").unwrap_or_else(|| "key".into());
    let value_name = call.get(2, "value_name").unwrap_or_else(|| "value".into());
    let item = |(key, value)| mapping([(key_name.clone(), key), (value_name.clone(), value)]);
    Ok(members(&value)?.into_iter().map(item).collect())
}

fn items2dict(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let key_name = call.get(1, "key_name").unwrap_or_else(|| "key".into());
    let value_name = call.get(2, "value_name").unwrap_or_else(|| "value".into());
    let mut result = Vec::with_capacity(list.len());
    for item in list {
        let part = |name: &Value| {
            let part = if item.kind() == ValueKind::Map { checked(item.get_item(name)?)? } else { Value::UNDEFINED };
            if part.is_undefined() { Err(error("each item must be a mapping with both keys")) } else { Ok(part) }
        };
        result.push((part(&key_name)?, part(&value_name)?));
    }
    Ok(mapping(result))
}

fn extract(call: &mut Call) -> Result<Value, Error> {
    let mut keys = vec![call.value()?];
    let mut value = call.require(1, "container")?;
    match call.get(2, "morekeys").filter(|keys| !keys.is_none()) {
        Some(more) if is_list(&more) => keys.extend(items(&more)?),
        Some(more) => keys.push(more),
        None => {}
    }
    for key in keys {
        if value.is_undefined() {
            break;
        }
        value = checked(value.get_item(&key)?)?;
    }
    Ok(value)
}

fn flatten(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let levels = call.get_integer(1, "levels")?;
    let keep_nulls = call.get(2, "skip_nulls").is_some_and(|skip| !skip.is_true());
    let mut flat = Vec::new();
    flattened(list, levels.unwrap_or(100), keep_nulls, &mut flat)?;
    Ok(flat.into())
}

fn flattened(list: Vec<Value>, levels: i64, keep_nulls: bool, flat: &mut Vec<Value>) -> Result<(), Error> {
    for item in list {
        let null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
        if null && !keep_nulls {
            continue;
        }
        if is_list(&item) && levels >= 1 {
            flattened(items(&item)?, levels - 1, keep_nulls, flat)?;
        } else {
            flat.push(item);
        }
    }
    Ok(())
}

fn zip(call: &mut Call) -> Result<Value, Error> {
    let first = call.list()?;
    let lists: Vec<Vec<Value>> =
        std::iter::once(Ok(first)).chain(call.rest(1).iter().map(items)).collect::<Result<_, _>>()?;
    let length = lists.iter().map(Vec::len).min().unwrap_or_default();
    let row = |at: usize| Value::from(Tuple::from(lists.iter().map(|list| list[at].clone()).collect::<Vec<_>>()));
    Ok((0..length).map(row).collect())
}

fn sum(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let by = call.get(1, "attribute").filter(|by| !by.is_none());
    let start = call.get(2, "start").unwrap_or_else(|| Value::from(0));
    let numbers = std::iter::once(Ok(start)).chain(list.iter().map(|item| match &by {
        Some(by) => attribute(item, by),
        None => Ok(item.clone()),
    }));
    let (mut whole, mut fraction, mut is_float) = (0_i128, 0_f64, false);
    for number in numbers {
        let number = number?;
        match number.kind() {
            ValueKind::Undefined => return Err(undefined_error_with("an item has no such attribute")),
            ValueKind::Bool => whole += i128::from(number.is_true()),
            ValueKind::Number if number.is_integer() => {
                let sum = i128::try_from(number).ok().and_then(|number| whole.checked_add(number));
                whole = sum.ok_or_else(|| error(TOO_LARGE))?;
            }
            ValueKind::Number => {
                is_float = true;
                fraction += f64::try_from(number)?;
            }
            _ => return Err(error("only numbers have a sum")),
        }
    }
    if is_float {
        #[expect(clippy::cast_precision_loss, reason = "as Python adds a float and an int")]
        return Ok((whole as f64 + fraction).into());
    }
    Ok(i64::try_from(whole).map_or_else(|_| Value::from(whole), Value::from))
}

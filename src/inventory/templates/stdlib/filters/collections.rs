//! Filters of lists and mappings.

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::access::{attribute, is_list, items, mapping, members};
use crate::inventory::templates::stdlib::call::{Call, Definition, NAME_ONLY};
use crate::inventory::templates::value::bounds::{MAX_NESTING, TOO_DEEP, TOO_LARGE};
use crate::inventory::templates::value::convert::checked;
use crate::inventory::templates::value::errors::{error, undefined_error_with};

pub(super) const FILTERS: &[Definition] = &[
    ("attr", attr),
    ("combine", combine),
    ("dict2items", dict2items),
    ("extract", extract),
    ("first", |call| Ok(call.list()?.into_iter().next().unwrap_or(Value::UNDEFINED))),
    ("flatten", flatten),
    ("items", items_of_mapping),
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

/// How `combine` merges two lists with the same key.
#[derive(Clone, Copy)]
enum ListMerge {
    /// The second list.
    Replace,
    /// The first list.
    Keep,
    /// The first list, then the second.
    Append,
    /// The second list, then the first.
    Prepend,
    /// As `Append`, without those items of the first list that the second has.
    AppendWithoutRepeated,
    /// As `Prepend`, without those items of the first list that the second has.
    PrependWithoutRepeated,
}

/// Which mappings `combine` merges.
#[derive(Clone, Copy, PartialEq)]
enum MergeDepth {
    /// Only the arguments.
    Arguments,
    /// Also mappings with the same key inside of them.
    Recursive,
}

/// Ansible's `combine`. Its arguments can be mappings and lists of mappings.
fn combine(call: &mut Call) -> Result<Value, Error> {
    let mut terms = Vec::new();
    let first = call.value()?;
    for term in std::iter::once(first).chain(call.rest(1)) {
        if is_list(&term) { terms.extend(items(&term)?) } else { terms.push(term) }
    }
    let merge_depth = if call.is(NAME_ONLY, "recursive") { MergeDepth::Recursive } else { MergeDepth::Arguments };
    let lists = match call.get_text(NAME_ONLY, "list_merge")?.as_deref() {
        None | Some("replace") => ListMerge::Replace,
        Some("keep") => ListMerge::Keep,
        Some("append") => ListMerge::Append,
        Some("prepend") => ListMerge::Prepend,
        Some("append_rp") => ListMerge::AppendWithoutRepeated,
        Some("prepend_rp") => ListMerge::PrependWithoutRepeated,
        Some(_) => return Err(error("this `list_merge` does not exist")),
    };
    // Ansible returns a single argument unchanged, even if it is not a mapping.
    if terms.len() == 1 {
        return Ok(terms.remove(0));
    }
    let mut result: Option<Value> = None;
    for term in terms {
        result = Some(match result {
            Some(weaker) => merge(&weaker, &term, merge_depth, lists, 0)?,
            None => term,
        });
    }
    Ok(result.unwrap_or_else(|| mapping([])))
}

/// The members of both mappings. Those of the weaker one come first, and the stronger one wins.
fn merge(
    weaker: &Value,
    stronger: &Value,
    merge_depth: MergeDepth,
    lists: ListMerge,
    depth: usize,
) -> Result<Value, Error> {
    if depth > MAX_NESTING {
        return Err(error(TOO_DEEP));
    }
    let mut result = members(weaker)?;
    for (key, new) in members(stronger)? {
        let Some((_, old)) = result.iter_mut().find(|(own, _)| *own == key) else {
            result.push((key, new));
            continue;
        };
        if old.kind() == ValueKind::Map && new.kind() == ValueKind::Map && merge_depth == MergeDepth::Recursive {
            *old = merge(old, &new, merge_depth, lists, depth + 1)?;
        } else if is_list(old) && is_list(&new) {
            *old = merge_lists(items(old)?, items(&new)?, lists);
        } else {
            *old = new;
        }
    }
    Ok(mapping(result))
}

fn merge_lists(weaker: Vec<Value>, stronger: Vec<Value>, lists: ListMerge) -> Value {
    let not_repeated = || weaker.iter().filter(|item| !stronger.contains(item)).cloned().collect::<Vec<_>>();
    match lists {
        ListMerge::Replace => stronger,
        ListMerge::Keep => weaker,
        ListMerge::Append => [weaker, stronger].concat(),
        ListMerge::Prepend => [stronger, weaker].concat(),
        ListMerge::AppendWithoutRepeated => [not_repeated(), stronger].concat(),
        ListMerge::PrependWithoutRepeated => {
            let not_repeated = not_repeated();
            [stronger, not_repeated].concat()
        }
    }
    .into()
}

/// The number of items, or of characters (not bytes, as in Python).
fn length(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    match value.as_str() {
        Some(text) => Ok(text.chars().count().into()),
        None => Ok(items(&value)?.len().into()),
    }
}

/// Jinja's `reverse`, which also reverses texts.
fn reverse(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    if let Some(text) = value.as_str() {
        return Ok(text.chars().rev().collect::<String>().into());
    }
    Ok(items(&value)?.into_iter().rev().collect())
}

fn items_of_mapping(call: &mut Call) -> Result<Value, Error> {
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

/// Ansible's `extract`: `key | extract(container, morekeys)` is `container[key][morekeys]`.
fn extract(call: &mut Call) -> Result<Value, Error> {
    let mut keys = vec![call.value()?];
    let mut value = call.require(1, "container")?;
    match call.get(2, "morekeys").filter(|keys| !keys.is_none()) {
        Some(more) if is_list(&more) => keys.extend(items(&more)?),
        Some(more) => keys.push(more),
        None => {}
    }
    for key in keys {
        // The result is then undefined, so that `default` can follow.
        if value.is_undefined() {
            break;
        }
        value = checked(value.get_item(&key)?)?;
    }
    Ok(value)
}

/// Ansible's `flatten`. By default it removes null items.
fn flatten(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let levels = call.get_integer(1, "levels")?;
    let keeps_nulls = call.get(2, "skip_nulls").is_some_and(|skip| !skip.is_true());
    let nulls = if keeps_nulls { Nulls::Keep } else { Nulls::Skip };
    let mut flat = Vec::new();
    // The default has the same size as `MAX_NESTING`, so in practice it is no limit.
    flatten_into(&mut flat, list, levels.unwrap_or(100), nulls)?;
    Ok(flat.into())
}

/// Whether `flatten` keeps null items.
#[derive(Clone, Copy, PartialEq)]
enum Nulls {
    Keep,
    Skip,
}

fn flatten_into(flat: &mut Vec<Value>, list: Vec<Value>, levels: i64, nulls: Nulls) -> Result<(), Error> {
    for item in list {
        // Ansible also treats these two texts as null here.
        let is_null = item.is_none() || matches!(item.as_str(), Some("None" | "null"));
        if is_null && nulls == Nulls::Skip {
            continue;
        }
        if is_list(&item) && levels >= 1 {
            flatten_into(flat, items(&item)?, levels - 1, nulls)?;
        } else {
            flat.push(item);
        }
    }
    Ok(())
}

/// Python's `zip`: it ends with the shortest list.
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
    // Integers are added exactly, as in Python. They are therefore added separately from floats.
    let (mut integers, mut floats, mut is_float) = (0_i128, 0_f64, false);
    for number in numbers {
        let number = number?;
        match number.kind() {
            ValueKind::Undefined => return Err(undefined_error_with("an item does not have this attribute")),
            ValueKind::Bool => integers += i128::from(number.is_true()),
            ValueKind::Number if number.is_integer() => {
                let sum = i128::try_from(number).ok().and_then(|number| integers.checked_add(number));
                integers = sum.ok_or_else(|| error(TOO_LARGE))?;
            }
            ValueKind::Number => {
                is_float = true;
                floats += f64::try_from(number)?;
            }
            _ => return Err(error("the items must be numbers")),
        }
    }
    if is_float {
        #[expect(
            clippy::cast_precision_loss,
            reason = "Python rounds in the same way when it adds a float and an int"
        )]
        return Ok((integers as f64 + floats).into());
    }
    Ok(i64::try_from(integers).map_or_else(|_| Value::from(integers), Value::from))
}

//! Filters that sort, and filters that treat lists as sets. Ansible returns the result of some of them in the order of
//! a Python set, which changes with each run; we return it in the order of the lists.

use std::cmp::Ordering;
use std::collections::HashSet;

use minijinja::value::Tuple;
use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::access::{attribute, check_comparable, items, members};
use crate::inventory::templates::stdlib::call::{Call, Definition};
use crate::inventory::templates::value::errors::error;

pub(super) const FILTERS: &[Definition] = &[
    ("dictsort", dictsort),
    ("difference", |call| combine_lists(call, |a, b| without(&a, &b))),
    ("groupby", groupby),
    ("intersect", |call| combine_lists(call, |a, b| a.into_iter().filter(|item| b.contains(item)).collect())),
    ("max", |call| min_or_max(call, Ordering::Greater)),
    ("min", |call| min_or_max(call, Ordering::Less)),
    ("sort", sort),
    ("symmetric_difference", |call| combine_lists(call, |a, b| [without(&a, &b), without(&b, &a)].concat())),
    ("union", |call| combine_lists(call, |a, b| [a, b].concat())),
    ("unique", unique),
];

fn combine_lists(call: &mut Call, with: fn(Vec<Value>, Vec<Value>) -> Vec<Value>) -> Result<Value, Error> {
    let other = items(&call.require(1, "b")?)?;
    Ok(distinct(with(call.list()?, other)).into())
}

fn without(list: &[Value], other: &[Value]) -> Vec<Value> {
    list.iter().filter(|item| !other.contains(item)).cloned().collect()
}

/// The list without repeated items; the first of equal items stays.
fn distinct(list: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    list.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

/// How items are compared.
struct SortKey {
    /// The attributes to compare; empty for the item itself.
    attributes: Vec<Value>,
    case_sensitive: bool,
}

impl SortKey {
    /// Reads the arguments `case_sensitive` and `attribute` at these positions. `attribute` can be a list of names with
    /// commas.
    fn new(call: &mut Call, case_position: usize, attribute_position: usize) -> Result<Self, Error> {
        let case_sensitive = call.get(case_position, "case_sensitive").is_some_and(|case| case.is_true());
        let attributes = match call.get(attribute_position, "attribute").filter(|attribute| !attribute.is_none()) {
            Some(names) if names.as_str().is_some() => {
                names.as_str().unwrap_or_default().split(',').map(|name| Value::from(name.trim())).collect()
            }
            Some(number) => vec![number],
            None => Vec::new(),
        };
        Ok(Self { attributes, case_sensitive })
    }

    fn of(&self, item: &Value) -> Result<Vec<Value>, Error> {
        let keys = match self.attributes.as_slice() {
            [] => vec![item.clone()],
            names => names.iter().map(|name| attribute(item, name)).collect::<Result<_, _>>()?,
        };
        Ok(keys.iter().map(|key| if self.case_sensitive { key.clone() } else { fold_case(key) }).collect())
    }

    /// The items with their keys, sorted.
    fn sort(&self, list: Vec<Value>) -> Result<Vec<(Vec<Value>, Value)>, Error> {
        let mut keyed = list.into_iter().map(|item| Ok((self.of(&item)?, item))).collect::<Result<Vec<_>, Error>>()?;
        for at in 0..self.attributes.len().max(1) {
            let column: Vec<Value> = keyed.iter().filter_map(|(key, _)| key.get(at).cloned()).collect();
            check_comparable(&column)?;
        }
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(keyed)
    }
}

fn sort(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let reverse = call.is(1, "reverse");
    let sort_key = SortKey::new(call, 2, 3)?;
    let mut keyed = sort_key.sort(list)?;
    if reverse {
        // As in Python, equal items keep their order also in reverse.
        keyed.sort_by(|a, b| b.0.cmp(&a.0));
    }
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

fn min_or_max(call: &mut Call, wanted: Ordering) -> Result<Value, Error> {
    let list = call.list()?;
    let sort_key = SortKey::new(call, 1, 2)?;
    let mut best: Option<(Vec<Value>, Value)> = None;
    // Sorting returns an error if the items cannot be compared.
    sort_key.sort(list.clone())?;
    for item in list {
        let key = sort_key.of(&item)?;
        if best.as_ref().is_none_or(|(own, _)| key.cmp(own) == wanted) {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

/// Ansible's `unique`: the first of equal items stays.
fn unique(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let sort_key = SortKey::new(call, 1, 2)?;
    let mut seen = HashSet::new();
    let mut result = Vec::new();
    for item in list {
        if seen.insert(Value::from(sort_key.of(&item)?)) {
            result.push(item);
        }
    }
    Ok(result.into())
}

/// Jinja's `groupby`: a list of pairs of a value and the items that have it, sorted by value.
fn groupby(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let name = call.require(1, "attribute")?;
    let default = call.get(2, "default");
    let case_sensitive = call.is(3, "case_sensitive");
    let mut keyed = Vec::with_capacity(list.len());
    for item in list {
        let found = attribute(&item, &name)?;
        let found = if found.is_undefined() { default.clone().unwrap_or(found) } else { found };
        keyed.push((if case_sensitive { found.clone() } else { fold_case(&found) }, found, item));
    }
    check_comparable(&keyed.iter().map(|(key, ..)| key.clone()).collect::<Vec<_>>())?;
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for (key, found, item) in keyed {
        match groups.last_mut().filter(|(own, ..)| *own == key) {
            Some((_, _, members)) => members.push(item),
            None => groups.push((key, found, vec![item])),
        }
    }
    let group = |(_, found, members)| Value::from(Tuple::from([found, Value::from(members)]));
    Ok(groups.into_iter().map(group).collect())
}

fn dictsort(call: &mut Call) -> Result<Value, Error> {
    let mut pairs = members(&call.value()?)?;
    let case_sensitive = call.is(1, "case_sensitive");
    let by_value = match call.get_text(2, "by")?.as_deref() {
        None | Some("key") => false,
        Some("value") => true,
        Some(_) => return Err(error("`by` must be `key` or `value`")),
    };
    let reverse = call.is(3, "reverse");
    let key = |pair: &(Value, Value)| {
        let key = if by_value { &pair.1 } else { &pair.0 };
        if case_sensitive { key.clone() } else { fold_case(key) }
    };
    check_comparable(&pairs.iter().map(key).collect::<Vec<_>>())?;
    pairs.sort_by(|a, b| if reverse { key(b).cmp(&key(a)) } else { key(a).cmp(&key(b)) });
    Ok(pairs.into_iter().map(|(key, value)| Value::from(Tuple::from([key, value]))).collect())
}

/// The value in lower case. By default Jinja ignores case when it compares.
fn fold_case(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |text| Value::from(text.to_lowercase()))
}

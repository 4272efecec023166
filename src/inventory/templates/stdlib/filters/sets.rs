//! Filters that put things in order, or treat lists as sets. Where Ansible's order is Python's for sets, which
//! changes from run to run, ours is that of the lists.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::inventory::templates::stdlib::access::{attribute, check_comparable, items, members};
use crate::inventory::templates::stdlib::call::{Call, Definition};
use crate::inventory::templates::value::errors::error;
use minijinja::value::Tuple;
use minijinja::{Error, Value};

pub(super) const FILTERS: &[Definition] = &[
    ("dictsort", dictsort),
    ("difference", |call| both(call, |a, b| without(&a, &b))),
    ("groupby", groupby),
    ("intersect", |call| both(call, |a, b| a.into_iter().filter(|item| b.contains(item)).collect())),
    ("max", |call| extreme(call, Ordering::Greater)),
    ("min", |call| extreme(call, Ordering::Less)),
    ("sort", sort),
    ("symmetric_difference", |call| both(call, |a, b| [without(&a, &b), without(&b, &a)].concat())),
    ("union", |call| both(call, |a, b| [a, b].concat())),
    ("unique", unique),
];

fn both(call: &mut Call, with: fn(Vec<Value>, Vec<Value>) -> Vec<Value>) -> Result<Value, Error> {
    let other = items(&call.require(1, "b")?)?;
    Ok(distinct(with(call.list()?, other)).into())
}

fn without(list: &[Value], other: &[Value]) -> Vec<Value> {
    list.iter().filter(|item| !other.contains(item)).cloned().collect()
}

fn distinct(list: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    list.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

/// What an item is compared by.
struct Order {
    attributes: Vec<Value>,
    mind_case: bool,
}

impl Order {
    /// `attribute` may name several, with commas between them.
    fn new(call: &mut Call, case: usize, place: usize) -> Result<Self, Error> {
        let mind_case = call.get(case, "case_sensitive").is_some_and(|case| case.is_true());
        let attributes = match call.get(place, "attribute").filter(|attribute| !attribute.is_none()) {
            Some(names) if names.as_str().is_some() => {
                names.as_str().unwrap_or_default().split(',').map(|name| Value::from(name.trim())).collect()
            }
            Some(number) => vec![number],
            None => Vec::new(),
        };
        Ok(Self { attributes, mind_case })
    }

    fn key(&self, item: &Value) -> Result<Vec<Value>, Error> {
        let keys = match self.attributes.as_slice() {
            [] => vec![item.clone()],
            names => names.iter().map(|name| attribute(item, name)).collect::<Result<_, _>>()?,
        };
        Ok(keys.iter().map(|key| if self.mind_case { key.clone() } else { folded(key) }).collect())
    }

    /// The items with their keys, in order.
    fn sorted(&self, list: Vec<Value>) -> Result<Vec<(Vec<Value>, Value)>, Error> {
        let mut keyed = list.into_iter().map(|item| Ok((self.key(&item)?, item))).collect::<Result<Vec<_>, Error>>()?;
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
    let order = Order::new(call, 2, 3)?;
    let mut keyed = order.sorted(list)?;
    if reverse {
        // Equal items keep their order.
        keyed.sort_by(|a, b| b.0.cmp(&a.0));
    }
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

fn extreme(call: &mut Call, wanted: Ordering) -> Result<Value, Error> {
    let list = call.list()?;
    let order = Order::new(call, 1, 2)?;
    let mut best: Option<(Vec<Value>, Value)> = None;
    // This holds that they have an order.
    order.sorted(list.clone())?;
    for item in list {
        let key = order.key(&item)?;
        if best.as_ref().is_none_or(|(own, _)| key.cmp(own) == wanted) {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

fn unique(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let order = Order::new(call, 1, 2)?;
    let mut seen = HashSet::new();
    let mut result = Vec::new();
    for item in list {
        if seen.insert(Value::from(order.key(&item)?)) {
            result.push(item);
        }
    }
    Ok(result.into())
}

fn groupby(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let name = call.require(1, "attribute")?;
    let default = call.get(2, "default");
    let mind_case = call.is(3, "case_sensitive");
    let mut keyed = Vec::with_capacity(list.len());
    for item in list {
        let found = attribute(&item, &name)?;
        let found = if found.is_undefined() { default.clone().unwrap_or(found) } else { found };
        keyed.push((if mind_case { found.clone() } else { folded(&found) }, found, item));
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
    let mind_case = call.is(1, "case_sensitive");
    let by_value = match call.get_text(2, "by")?.as_deref() {
        None | Some("key") => false,
        Some("value") => true,
        Some(_) => return Err(error("`by` must be `key` or `value`")),
    };
    let reverse = call.is(3, "reverse");
    let key = |pair: &(Value, Value)| {
        let key = if by_value { &pair.1 } else { &pair.0 };
        if mind_case { key.clone() } else { folded(key) }
    };
    check_comparable(&pairs.iter().map(key).collect::<Vec<_>>())?;
    pairs.sort_by(|a, b| if reverse { key(b).cmp(&key(a)) } else { key(a).cmp(&key(b)) });
    Ok(pairs.into_iter().map(|(key, value)| Value::from(Tuple::from([key, value]))).collect())
}

/// The text by which Jinja compares, unless it is told to mind the case.
fn folded(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |text| Value::from(text.to_lowercase()))
}

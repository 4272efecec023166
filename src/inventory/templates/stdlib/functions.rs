//! The names of all functions and lookups of templates, and the implementations that need only their arguments. The
//! others are in `eval::lookups`.

use minijinja::value::{Kwargs, Rest};
use minijinja::{Error, Value};

use super::access::{is_list, items, mapping, members};
use super::call::Call;
use crate::inventory::problem::nearest;
use crate::inventory::templates::compile::may_be_template;
use crate::inventory::templates::value::errors::{error, error_with_hint};
use crate::inventory::templates::value::python_str;

/// The names of all functions; `__member` is one that the compiler adds.
pub(in crate::inventory::templates) const FUNCTIONS: [&str; 9] =
    ["lookup", "query", "q", "range", "dict", "namespace", "undef", "now", "__member"];

/// The names of all lookups.
const LOOKUPS: [&str; 10] =
    ["dict", "env", "file", "inventory_hostnames", "items", "lines", "list", "pipe", "varnames", "vars"];

/// Python's `dict`: the members of a mapping or of a list of pairs, and the named arguments.
pub(in crate::inventory::templates) fn dict(arguments: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut call = Call::new(&arguments, &named)?;
    let mut pairs = match call.get(0, "") {
        Some(value) if is_list(&value) => items(&value)?
            .iter()
            .map(|pair| match items(pair)?.as_slice() {
                [key, value] => Ok((key.clone(), value.clone())),
                _ => Err(error("`dict` needs pairs")),
            })
            .collect::<Result<Vec<_>, Error>>()?,
        Some(value) => members(&value)?,
        None => Vec::new(),
    };
    pairs.extend(call.rest_named().into_iter().map(|(name, value)| (Value::from(name), value)));
    Ok(mapping(pairs))
}

/// `lookup('dict', …)`: the members of mappings as mappings with `key` and `value`.
pub(in crate::inventory::templates) fn lookup_dict(terms: &[Value]) -> Result<Vec<Value>, Error> {
    let item = |(key, value)| mapping([(Value::from("key"), key), (Value::from("value"), value)]);
    let found = terms.iter().map(|term| Ok(members(term)?.into_iter().map(item).collect::<Vec<_>>()));
    Ok(found.collect::<Result<Vec<_>, Error>>()?.concat())
}

/// `lookup('items', …)`: the terms, with one level of lists flattened.
pub(in crate::inventory::templates) fn lookup_items(terms: &[Value]) -> Result<Vec<Value>, Error> {
    let found = terms.iter().map(|term| if is_list(term) { items(term) } else { Ok(vec![term.clone()]) });
    Ok(found.collect::<Result<Vec<_>, Error>>()?.concat())
}

/// The error of a lookup that does not exist. The name may be the value of a variable, so it is not shown.
pub(in crate::inventory::templates) fn unknown_lookup(name: &str) -> Error {
    let hint = match nearest(name, LOOKUPS) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => format!("supported are {}", LOOKUPS.map(|name| format!("`{name}`")).join(", ")),
    };
    error_with_hint("this lookup does not exist or is not supported", hint)
}

/// The text of a lookup's term. Ansible also resolves a template in such a string, with a warning; we do not.
pub(in crate::inventory::templates) fn plain_term(term: &Value) -> Result<String, Error> {
    let term = python_str::text(term)?;
    if may_be_template(&term) {
        let message = "a template inside the string of another template is not supported";
        return Err(error_with_hint(message, "concatenate the parts with `~`"));
    }
    Ok(term)
}

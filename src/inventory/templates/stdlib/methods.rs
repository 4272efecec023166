//! Python's methods of texts, lists and mappings. Most come from `minijinja_contrib`; the ones it does not have are
//! here.

use minijinja::value::{Kwargs, Tuple};
use minijinja::{Error, ErrorKind, State, Value};

use super::access::items;
use super::call::Call;
use crate::inventory::templates::value::errors::error;

/// The widest text that `ljust` and the like may create.
const MAX_WIDTH: usize = 1_000_000;

/// Calls the method `name` of a value.
pub(in crate::inventory::templates) fn call_method(
    state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let positional: Vec<Value> = arguments.iter().filter(|argument| !argument.is_kwargs()).cloned().collect();
    let named = arguments.iter().find(|argument| argument.is_kwargs()).cloned();
    // The engine has no constructor for empty named arguments.
    let named = named.map_or_else(|| Ok([("", Value::from(0))].into_iter().take(0).collect()), Kwargs::try_from)?;
    let mut call = Call::new(&[std::slice::from_ref(value), &positional].concat(), &named)?;
    let result = match value.as_str() {
        Some(text) => call_text_method(text, name, &mut call)?,
        None if name == "index" => {
            let wanted = call.require(1, "value")?;
            let at = items(value)?.iter().position(|item| *item == wanted);
            Some(at.ok_or_else(|| error("the list has no such item"))?.into())
        }
        None => None,
    };
    if let Some(result) = result {
        return Ok(result);
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments).map_err(|failed| {
        let is_unknown = failed.kind() == ErrorKind::UnknownMethod && failed.detail().is_none();
        if is_unknown { unknown_method(name) } else { failed }
    })
}

/// The error of a method that does not exist. The name is an identifier in the text of the template, never a value.
fn unknown_method(name: &str) -> Error {
    error(format!("the method `{name}` does not exist or is not supported"))
}

fn call_text_method(text: &str, name: &str, call: &mut Call) -> Result<Option<Value>, Error> {
    let three = |parts: [&str; 3]| Value::from(Tuple::from(parts.map(Value::from)));
    Ok(Some(match name {
        "rsplit" => {
            let separator = call.get_text(1, "sep")?;
            let limit = call.get_integer(2, "maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
            let mut parts: Vec<&str> = match (separator.as_deref(), limit) {
                (Some(""), _) => return Err(error("the separator must not be empty")),
                // Python's limit is a number of splits, but Rust's is a number of parts.
                (Some(separator), Some(limit)) => text.rsplitn(limit + 1, separator).collect(),
                (Some(separator), None) => text.rsplit(separator).collect(),
                (None, None) => text.split_whitespace().rev().collect(),
                (None, Some(_)) => return Err(error("`rsplit` with a limit needs a separator")),
            };
            parts.reverse();
            parts.into_iter().map(Value::from).collect()
        }
        "partition" => {
            let by = call.require_text(1, "sep")?;
            text.split_once(&by).map_or_else(|| three([text, "", ""]), |(start, end)| three([start, &by, end]))
        }
        "rpartition" => {
            let by = call.require_text(1, "sep")?;
            text.rsplit_once(&by).map_or_else(|| three(["", "", text]), |(start, end)| three([start, &by, end]))
        }
        "removeprefix" => text.strip_prefix(call.require_text(1, "prefix")?.as_str()).unwrap_or(text).into(),
        "removesuffix" => text.strip_suffix(call.require_text(1, "suffix")?.as_str()).unwrap_or(text).into(),
        "casefold" => text.to_lowercase().into(),
        "zfill" | "ljust" | "rjust" => {
            let width = call.get_integer(1, "width")?.and_then(|width| usize::try_from(width).ok()).unwrap_or_default();
            let fill =
                call.get_text(2, "fillchar")?.unwrap_or_else(|| if name == "zfill" { "0" } else { " " }.to_owned());
            if width > MAX_WIDTH || fill.chars().count() != 1 {
                return Err(error("the width is too large, or the fill character is not one character"));
            }
            let fill = fill.repeat(width.saturating_sub(text.chars().count()));
            // `zfill` inserts the zeros after a sign.
            let (sign, digits) = text.split_at(usize::from(name == "zfill" && text.starts_with(['-', '+'])));
            match name {
                "ljust" => format!("{text}{fill}"),
                _ => format!("{sign}{fill}{digits}"),
            }
            .into()
        }
        _ => return Ok(None),
    }))
}

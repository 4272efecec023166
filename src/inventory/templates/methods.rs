//! Python's methods of texts, lists and mappings.

use minijinja::value::{Kwargs, Tuple};
use minijinja::{Error, ErrorKind, State, Value};

use super::call::{Call, items};
use super::fault::refuse;

/// A method by its name; most are the engine's own.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let positional: Vec<Value> = arguments.iter().filter(|argument| !argument.is_kwargs()).cloned().collect();
    let named = arguments.iter().find(|argument| argument.is_kwargs()).cloned();
    let named = named.map_or_else(|| Ok([("", Value::from(0))].into_iter().take(0).collect()), Kwargs::try_from)?;
    let mut own = Call::new(&[std::slice::from_ref(value), &positional].concat(), &named)?;
    let found = match value.as_str() {
        Some(text) => of_text(text, name, &mut own)?,
        None if name == "index" => {
            let wanted = own.need(1, "value")?;
            let at = items(value)?.iter().position(|item| *item == wanted);
            Some(at.ok_or_else(|| refuse("the list has no such item"))?.into())
        }
        None => None,
    };
    match found {
        Some(found) => Ok(found),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments).map_err(|error| {
            let unknown = error.kind() == ErrorKind::UnknownMethod && error.detail().is_none();
            if unknown { Error::new(ErrorKind::UnknownMethod, format!("no method {name}")) } else { error }
        }),
    }
}

fn of_text(text: &str, name: &str, call: &mut Call) -> Result<Option<Value>, Error> {
    let three = |parts: [&str; 3]| Value::from(Tuple::from(parts.map(Value::from)));
    Ok(Some(match name {
        "rsplit" => {
            let separator = call.get_text(1, "sep")?;
            let limit = call.get_number(2, "maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
            let mut parts: Vec<&str> = match (separator.as_deref(), limit) {
                (Some(""), _) => return Err(refuse("the separator must not be empty")),
                (Some(separator), Some(limit)) => text.rsplitn(limit + 1, separator).collect(),
                (Some(separator), None) => text.rsplit(separator).collect(),
                (None, None) => text.split_whitespace().rev().collect(),
                (None, Some(_)) => return Err(refuse("`rsplit` needs a separator here")),
            };
            parts.reverse();
            parts.into_iter().map(Value::from).collect()
        }
        "partition" => {
            let by = call.need_text(1, "sep")?;
            text.split_once(&by).map_or_else(|| three([text, "", ""]), |(start, end)| three([start, &by, end]))
        }
        "rpartition" => {
            let by = call.need_text(1, "sep")?;
            text.rsplit_once(&by).map_or_else(|| three(["", "", text]), |(start, end)| three([start, &by, end]))
        }
        "removeprefix" => text.strip_prefix(call.need_text(1, "prefix")?.as_str()).unwrap_or(text).into(),
        "removesuffix" => text.strip_suffix(call.need_text(1, "suffix")?.as_str()).unwrap_or(text).into(),
        "casefold" => text.to_lowercase().into(),
        "zfill" | "ljust" | "rjust" => {
            let width = call.get_number(1, "width")?.and_then(|width| usize::try_from(width).ok()).unwrap_or_default();
            let fill =
                call.get_text(2, "fillchar")?.unwrap_or_else(|| if name == "zfill" { "0" } else { " " }.to_owned());
            if width > 1_000_000 || fill.chars().count() != 1 {
                return Err(refuse("the width does not fit"));
            }
            let fill = fill.repeat(width.saturating_sub(text.chars().count()));
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

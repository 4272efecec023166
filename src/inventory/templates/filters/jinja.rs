//! What is left of Jinja's own filters.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::Named;
use crate::inventory::templates::call::{Call, items};
use crate::inventory::templates::fault::refuse;
use crate::inventory::templates::render;

pub(super) const FILTERS: &[Named] = &[
    ("batch", batch),
    ("e", escape),
    ("escape", escape),
    ("filesizeformat", filesizeformat),
    ("forceescape", escape),
    ("format", printf),
    ("pprint", |_, call| pprint(&call.value()?)),
    ("safe", |_, call| Ok(call.text()?.into())),
    ("slice", slice),
    ("striptags", striptags),
];

/// Python's `%` with the arguments of the filter.
fn printf(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    if text.contains(|c: char| c.is_ascii_digit()) && too_wide(&text) {
        return Err(refuse("this would be too large"));
    }
    let mut arguments = call.rest(1);
    let named = call.rest_named();
    if !named.is_empty() {
        arguments = vec![named.into_iter().collect::<minijinja::value::Kwargs>().into()];
    }
    // `%s` writes what Python's `str` gives.
    for argument in &mut arguments {
        if matches!(argument.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) && !argument.is_kwargs() {
            *argument = render::text(argument)?.into();
        }
    }
    format(FormatStyle::Printf, &text, &arguments)
        .map(Value::from)
        .map_err(|_| refuse("the text and the values do not fit"))
}

/// Whether the text asks for a field of more than five digits.
fn too_wide(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 5)
}

fn pprint(value: &Value) -> Result<Value, Error> {
    let text = render::repr(value)?;
    if text.chars().count() > 79 {
        return Err(refuse("`pprint` of what does not fit on a line is not supported"));
    }
    Ok(text.into())
}

fn escape(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let escapes = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('\'', "&#39;"), ('"', "&#34;")];
    let text = call.text()?;
    Ok(escapes.iter().fold(text, |text, (c, escape)| text.replace(*c, escape)).into())
}

fn striptags(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let mut text = call.text()?;
    for (open, close) in [("<!--", "-->"), ("<", ">")] {
        while let Some(start) = text.find(open) {
            let Some(length) = text[start..].find(close) else { break };
            text.replace_range(start..start + length + close.len(), "");
        }
    }
    if text.contains('&') {
        return Err(refuse("`striptags` of a text with `&` is not supported"));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" ").into())
}

fn rows(call: &mut Call, name: &str) -> Result<(Vec<Value>, usize, Option<Value>), Error> {
    let list = items(&call.value()?)?;
    let count = call.get_number(1, name)?.and_then(|count| usize::try_from(count).ok());
    let count =
        count.filter(|count| (1..100_000).contains(count)).ok_or_else(|| refuse("the number of rows does not fit"))?;
    Ok((list, count, call.get(2, "fill_with").filter(|fill| !fill.is_none())))
}

fn batch(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let (list, count, fill) = rows(call, "linecount")?;
    let row = |row: &[Value]| {
        let mut row = row.to_vec();
        if let Some(fill) = &fill {
            row.resize(count, fill.clone());
        }
        Value::from(row)
    };
    Ok(list.chunks(count).map(row).collect())
}

fn slice(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let (list, count, fill) = rows(call, "slices")?;
    let (each, more) = (list.len() / count, list.len() % count);
    let mut at = 0;
    let row = |number: usize| {
        let length = each + usize::from(number < more);
        let mut row = list[at..at + length].to_vec();
        at += length;
        row.extend(fill.iter().filter(|_| number >= more).cloned());
        Value::from(row)
    };
    Ok((0..count).map(row).collect())
}

fn filesizeformat(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let binary = call.is(1, "binary");
    let bytes: f64 = match value.as_str() {
        Some(text) => text.trim().parse().map_err(|_| refuse("this needs a number"))?,
        None => f64::try_from(value).map_err(|_| refuse("this needs a number"))?,
    };
    let (base, units): (f64, _) = if binary {
        (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"])
    } else {
        (1000.0, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"])
    };
    if bytes == 1.0 {
        return Ok("1 Byte".into());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes.trunc()).into());
    }
    let mut unit = base * base;
    let mut at = 0;
    while bytes >= unit && at + 1 < units.len() {
        unit *= base;
        at += 1;
    }
    Ok(format!("{:.1} {}", base * bytes / unit, units[at]).into())
}

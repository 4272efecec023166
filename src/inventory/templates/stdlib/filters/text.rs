//! Filters of texts.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::access::attribute;
use crate::inventory::templates::stdlib::call::{Call, Definition, NAME_ONLY};
use crate::inventory::templates::value::bounds::TOO_LARGE;
use crate::inventory::templates::value::bounds::check_text;
use crate::inventory::templates::value::errors::error;
use crate::inventory::templates::value::python_str;

pub(super) const FILTERS: &[Definition] = &[
    ("capitalize", capitalize),
    ("comment", comment),
    ("escape e forceescape", escape),
    ("format", printf),
    ("indent", indent),
    ("join", join),
    ("lower", |call| Ok(call.text()?.to_lowercase().into())),
    ("quote", quote),
    ("replace", replace),
    ("safe", |call| Ok(call.text()?.into())),
    ("split", split),
    ("string", |call| Ok(call.text()?.into())),
    ("title", title),
    ("trim", trim),
    ("truncate", truncate),
    ("upper", |call| Ok(call.text()?.to_uppercase().into())),
];

/// Jinja's `join`: the texts of the items, or of an attribute of each item.
fn join(call: &mut Call) -> Result<Value, Error> {
    let list = call.list()?;
    let between = call.get_text(1, "d")?.unwrap_or_default();
    let path = call.get(2, "attribute");
    let parts = list.iter().map(|item| match &path {
        Some(path) => python_str::text(&attribute(item, path)?),
        None => python_str::text(item),
    });
    let mut out = String::new();
    for (at, part) in parts.enumerate() {
        let part = part?;
        let between = if at > 0 { between.as_str() } else { "" };
        check_text(out.len().checked_add(between.len() + part.len()))?;
        out.extend([between, &part]);
    }
    Ok(out.into())
}

fn split(call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    let separator = call.get_text(1, "sep")?;
    let limit = call.get_integer(2, "maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
    let parts: Vec<&str> = match (separator.as_deref(), limit) {
        (Some(""), _) => return Err(error("the separator must not be empty")),
        // Python's limit is a number of splits, but Rust's is a number of parts.
        (Some(separator), Some(limit)) => text.splitn(limit + 1, separator).collect(),
        (Some(separator), None) => text.split(separator).collect(),
        (None, None) => text.split_whitespace().collect(),
        (None, Some(limit)) => split_words(&text, limit),
    };
    Ok(parts.into_iter().map(Value::from).collect())
}

/// Splits off at most `limit` words; the last part is the rest.
fn split_words(text: &str, limit: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if parts.len() == limit {
            parts.push(rest);
            break;
        }
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        parts.push(word);
        rest = after.trim_start();
    }
    parts
}

/// Ansible's `quote`: Python's `shlex.quote`.
fn quote(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let text = if value.is_none() { String::new() } else { python_str::text(&value)? };
    let safe = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    Ok(if !text.is_empty() && text.chars().all(safe) {
        text.into()
    } else {
        // A single quote ends the quotes, is quoted with double quotes, and starts them again.
        format!("'{}'", text.replace('\'', "'\"'\"'")).into()
    })
}

fn replace(call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    let (old, new) = (call.require_text(1, "old")?, call.require_text(2, "new")?);
    let count = call.get_integer(3, "count")?.and_then(|count| usize::try_from(count).ok());
    // The size is computed before the text is created.
    let count = text.matches(&old).count().min(count.unwrap_or(usize::MAX));
    let kept = text.len() - count * old.len();
    check_text(count.checked_mul(new.len()).and_then(|added| added.checked_add(kept)))?;
    Ok(text.replacen(&old, &new, count).into())
}

fn trim(call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    Ok(match call.get_text(1, "chars")? {
        Some(chars) => text.trim_matches(|c| chars.contains(c)).into(),
        None => text.trim().into(),
    })
}

fn capitalize(call: &mut Call) -> Result<Value, Error> {
    Ok(capitalize_text(&call.text()?).into())
}

fn capitalize_text(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase())
}

/// Jinja's `title`. Words start after white space, `-` and opening brackets; Python's `str.title` uses other rules.
fn title(call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    let begins = |c: char| c.is_whitespace() || "-({[<".contains(c);
    Ok(text.split_inclusive(begins).map(capitalize_text).collect::<String>().into())
}

/// Jinja's `indent`. By default it does not indent the first line and empty lines.
fn indent(call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    let space = match call.get(1, "width") {
        Some(width) if width.as_str().is_some() => width.as_str().unwrap_or_default().to_owned(),
        Some(width) => " ".repeat(
            width.as_usize().filter(|width| *width < 10_000).ok_or_else(|| error("the width is out of range"))?,
        ),
        None => " ".repeat(4),
    };
    let (first, blank) = (call.is(2, "first"), call.is(3, "blank"));
    let line = |(at, line): (usize, &str)| {
        let unchanged = (at == 0 && !first) || (line.is_empty() && !blank && at > 0);
        if unchanged { line.to_owned() } else { format!("{space}{line}") }
    };
    Ok(text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n").into())
}

/// Jinja's `truncate`. A text that is longer only by `leeway` stays unchanged.
fn truncate(call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    let length = usize::try_from(call.get_integer(1, "length")?.unwrap_or(255)).unwrap_or_default();
    let cuts_words = call.is(2, "killwords");
    let end = call.get_text(3, "end")?.unwrap_or_else(|| "...".to_owned());
    let leeway = usize::try_from(call.get_integer(4, "leeway")?.unwrap_or(5)).unwrap_or_default();
    if text.chars().count() <= length + leeway {
        return Ok(text.into());
    }
    let Some(kept) = length.checked_sub(end.chars().count()) else {
        return Err(error("the length is shorter than the text that marks the end"));
    };
    let start: String = text.chars().take(kept).collect();
    let start =
        if cuts_words { start.as_str() } else { start.rsplit_once(' ').map_or(start.as_str(), |(start, _)| start) };
    Ok(format!("{start}{end}").into())
}

/// Ansible's `comment`. The options of each style can be overridden by name.
fn comment(call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    let style = call.get_text(1, "style")?.unwrap_or_else(|| "plain".to_owned());
    let (opening, decoration, closing) = match style.as_str() {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        _ => return Err(error("this style of comments does not exist")),
    };
    let mut option =
        |name: &str, other: &str| call.get_text(NAME_ONLY, name).map(|own| own.unwrap_or_else(|| other.to_owned()));
    let newline = option("newline", "\n")?;
    let decoration = option("decoration", decoration)?;
    // Empty lines get the decoration without the space at its end.
    let bare = decoration.trim_end();
    let (opening, closing) = (option("beginning", opening)?, option("end", closing)?);
    let (prefix, postfix) = (option("prefix", bare)?, option("postfix", bare)?);
    let mut count = |name: &str| {
        let count = call.get_integer(NAME_ONLY, name)?.unwrap_or(1);
        usize::try_from(count)
            .ok()
            .filter(|count| *count < 1000)
            .ok_or_else(|| error(format!("`{name}` is out of range")))
    };
    let (prefixes, postfixes) = (count("prefix_count")?, count("postfix_count")?);
    let mut out = String::new();
    if !opening.is_empty() {
        out += &format!("{opening}{newline}");
    }
    if !prefix.is_empty() {
        let line = if prefix == newline { newline.clone() } else { format!("{prefix}{newline}") };
        out += &line.repeat(prefixes);
    }
    let body = format!("{decoration}{}", text.replace(&newline, &format!("{newline}{decoration}")));
    out += &body.replace(&format!("{decoration}{newline}"), &format!("{bare}{newline}"));
    out += &format!("{newline}{postfix}").repeat(postfixes);
    if !closing.is_empty() {
        out += &format!("{newline}{closing}");
    }
    Ok(out.into())
}

/// Python's `%` operator with the arguments of the filter.
fn printf(call: &mut Call) -> Result<Value, Error> {
    let text = call.text()?;
    // `%1000000000d` would create a huge text.
    if is_too_wide(&text) {
        return Err(error(TOO_LARGE));
    }
    let mut arguments = call.rest(1);
    let named = call.rest_named();
    if !named.is_empty() {
        arguments = vec![named.into_iter().collect::<Kwargs>().into()];
    }
    // The engine writes collections differently from Python's `str`.
    for argument in &mut arguments {
        if matches!(argument.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) && !argument.is_kwargs() {
            *argument = python_str::text(argument)?.into();
        }
    }
    format(FormatStyle::Printf, &text, &arguments)
        .map(Value::from)
        .map_err(|_| error("the values do not match the text"))
}

/// Whether the text contains a width of more than five digits.
fn is_too_wide(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 5)
}

/// Jinja's `escape`, for HTML.
fn escape(call: &mut Call) -> Result<Value, Error> {
    let escapes = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('\'', "&#39;"), ('"', "&#34;")];
    let text = call.text()?;
    Ok(escapes.iter().fold(text, |text, (c, escape)| text.replace(*c, escape)).into())
}

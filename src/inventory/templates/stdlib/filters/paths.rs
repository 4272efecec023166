//! Filters of paths, with the rules of Python's `posixpath`. They do not access files.

use minijinja::value::Tuple;
use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::access::{scalar_text, texts};
use crate::inventory::templates::stdlib::call::{Call, Definition};

pub(super) const FILTERS: &[Definition] = &[
    ("basename", |call| Ok(split(&scalar_text(&call.value()?)?).1.into())),
    ("dirname", |call| Ok(split(&scalar_text(&call.value()?)?).0.into())),
    ("normpath", |call| Ok(normalize(&scalar_text(&call.value()?)?).into())),
    ("path_join", path_join),
    ("splitext", splitext),
];

/// The directory and the last component.
fn split(path: &str) -> (String, String) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (head, tail) = path.split_at(at);
    // As in Python, a head that consists only of slashes keeps them.
    let bare = head.trim_end_matches('/');
    (if bare.is_empty() { head } else { bare }.to_owned(), tail.to_owned())
}

fn path_join(call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let parts = if value.as_str().is_some() { vec![scalar_text(&value)?] } else { texts(&value)? };
    let mut path = String::new();
    for (at, part) in parts.into_iter().enumerate() {
        // As in Python, an absolute part discards all parts before it.
        if at == 0 || part.starts_with('/') {
            path = part;
        } else {
            if !path.is_empty() && !path.ends_with('/') {
                path.push('/');
            }
            path.push_str(&part);
        }
    }
    Ok(path.into())
}

/// The path without empty components, `.` and `..`.
fn normalize(path: &str) -> String {
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        // In POSIX, exactly two leading slashes have a special meaning, so Python keeps them.
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            ("..", None) if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    let path = format!("{root}{}", parts.join("/"));
    if path.is_empty() { ".".to_owned() } else { path }
}

fn splitext(call: &mut Call) -> Result<Value, Error> {
    let path = scalar_text(&call.value()?)?;
    let name = path.rfind('/').map_or(0, |at| at + 1);
    // Dots at the start of the name do not start an extension (`.profile`).
    let leading = path[name..].len() - path[name..].trim_start_matches('.').len();
    let dot = path[name + leading..].rfind('.').map_or(path.len(), |at| name + leading + at);
    Ok(Value::from(Tuple::from([Value::from(&path[..dot]), Value::from(&path[dot..])])))
}

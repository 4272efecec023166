//! Filters of paths, as Python's `posixpath` and `ntpath` see them. No file is looked at.

use minijinja::value::Tuple;
use minijinja::{Error, State, Value};

use super::Named;
use super::text::{only_text, texts};
use crate::inventory::templates::call::Call;
use crate::inventory::templates::fault::refuse;

pub(super) const FILTERS: &[Named] = &[
    ("basename", |_, call| Ok(split(&only_text(&call.value()?)?).1.into())),
    ("commonpath", commonpath),
    ("dirname", |_, call| Ok(split(&only_text(&call.value()?)?).0.into())),
    ("normpath", |_, call| Ok(normal(&only_text(&call.value()?)?).into())),
    ("path_join", path_join),
    ("relpath", relpath),
    ("splitext", splitext),
    ("win_basename", |_, call| Ok(win_split(&only_text(&call.value()?)?).1.into())),
    ("win_dirname", |_, call| Ok(win_split(&only_text(&call.value()?)?).0.into())),
    ("win_splitdrive", win_splitdrive),
];

/// The folder and the last part.
fn split(path: &str) -> (String, String) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (head, tail) = path.split_at(at);
    let bare = head.trim_end_matches('/');
    (if bare.is_empty() { head } else { bare }.to_owned(), tail.to_owned())
}

fn path_join(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let value = call.value()?;
    let parts = if value.as_str().is_some() { vec![only_text(&value)?] } else { texts(&value)? };
    let mut path = String::new();
    for (at, part) in parts.into_iter().enumerate() {
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

/// The path without empty, `.` and `..` parts.
fn normal(path: &str) -> String {
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
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

fn relpath(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let path = normal(&only_text(&call.value()?)?);
    let start = normal(&call.get_text(1, "start")?.unwrap_or_else(|| ".".to_owned()));
    if path.starts_with('/') != start.starts_with('/') {
        return Err(refuse("one of the paths is relative: the folder of the run is not known here"));
    }
    let parts = |path: &str| {
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect::<Vec<_>>()
    };
    let (path, start) = (parts(&path), parts(&start));
    let same = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = start[same..].iter().map(|_| "..".to_owned());
    let way: Vec<String> = up.chain(path[same..].iter().cloned()).collect();
    Ok(if way.is_empty() { ".".to_owned() } else { way.join("/") }.into())
}

fn splitext(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let path = only_text(&call.value()?)?;
    let name = path.rfind('/').map_or(0, |at| at + 1);
    let leading = path[name..].len() - path[name..].trim_start_matches('.').len();
    let dot = path[name + leading..].rfind('.').map_or(path.len(), |at| name + leading + at);
    Ok(Value::from(Tuple::from([Value::from(&path[..dot]), Value::from(&path[dot..])])))
}

fn commonpath(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let paths = texts(&call.value()?)?;
    let rooted = paths.iter().filter(|path| path.starts_with('/')).count();
    if paths.is_empty() || (rooted > 0 && rooted < paths.len()) {
        return Err(refuse("these paths have nothing in common"));
    }
    let parts = |path: &str| {
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect::<Vec<_>>()
    };
    let mut common = parts(&paths[0]);
    for path in &paths[1..] {
        let same = common.iter().zip(parts(path)).take_while(|(a, b)| *a == b).count();
        common.truncate(same);
    }
    Ok(format!("{}{}", if rooted > 0 { "/" } else { "" }, common.join("/")).into())
}

fn drive(path: &str) -> usize {
    let letter = path.starts_with(|c: char| c.is_ascii_alphabetic()) && path[1..].starts_with(':');
    if letter { 2 } else { 0 }
}

fn win_split(path: &str) -> (String, String) {
    let (drive, rest) = path.split_at(drive(path));
    let at = rest.rfind(['/', '\\']).map_or(0, |at| at + 1);
    let (head, tail) = rest.split_at(at);
    let bare = head.trim_end_matches(['/', '\\']);
    (format!("{drive}{}", if bare.is_empty() { head } else { bare }), tail.to_owned())
}

fn win_splitdrive(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let path = only_text(&call.value()?)?;
    if path.starts_with("\\\\") || path.starts_with("//") {
        return Err(refuse("network paths are not supported"));
    }
    let (drive, rest) = path.split_at(drive(&path));
    Ok(Value::from(Tuple::from([Value::from(drive), Value::from(rest)])))
}

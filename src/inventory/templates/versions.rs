//! The test `version`: versions as Ansible compares them, loosely unless it is told otherwise.

use std::cmp::Ordering;

use minijinja::{Error, State, Value};

use super::call::Call;
use super::fault::refuse;

/// A part of a version.
#[derive(PartialEq)]
enum Part {
    Number(u128),
    Word(String),
}

pub(super) fn compare(_: &mut State<'_, '_>, call: &mut Call) -> Result<Value, Error> {
    let own = call.text()?;
    let other = call.need_text(1, "version")?;
    let operator = call.get_text(2, "operator")?.unwrap_or_else(|| "eq".to_owned());
    let strict = call.get(3, "strict").filter(|strict| !strict.is_none());
    let kind = call.get_text(4, "version_type")?;
    if own.is_empty() || other.is_empty() {
        return Err(refuse("a version is empty"));
    }
    let order = match (strict, kind.as_deref()) {
        (Some(_), Some(_)) => return Err(refuse("`strict` and `version_type` exclude one another")),
        (Some(strict), None) if strict.is_true() => exact(&own, &other, Kind::Strict)?,
        (_, None | Some("loose")) => loose(&own, &other)?,
        (None, Some("strict")) => exact(&own, &other, Kind::Strict)?,
        (None, Some("semver" | "semantic")) => exact(&own, &other, Kind::Semantic)?,
        (None, Some(_)) => return Err(refuse("`version_type` must be `loose`, `strict` or `semver`")),
    };
    let holds = match operator.as_str() {
        "==" | "=" | "eq" => order.is_eq(),
        "!=" | "<>" | "ne" => order.is_ne(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        _ => return Err(refuse("there is no such operator for versions")),
    };
    Ok(holds.into())
}

/// Numbers, words of small letters, and whatever stands between them; dots only part.
fn parts(version: &str) -> Result<Vec<Part>, Error> {
    let class = |c: char| match c {
        '0'..='9' => 0,
        'a'..='z' => 1,
        '.' => 2,
        _ => 3,
    };
    let mut parts = Vec::new();
    let mut rest = version;
    while let Some(first) = rest.chars().next() {
        let end = if first == '.' { 1 } else { rest.find(|c| class(c) != class(first)).unwrap_or(rest.len()) };
        let (part, after) = rest.split_at(end);
        match class(first) {
            0 => parts.push(Part::Number(part.parse().map_err(|_| refuse("a number of this version is too large"))?)),
            2 => {}
            _ => parts.push(Part::Word(part.to_owned())),
        }
        rest = after;
    }
    Ok(parts)
}

fn loose(own: &str, other: &str) -> Result<Ordering, Error> {
    let (own, other) = (parts(own)?, parts(other)?);
    for (a, b) in own.iter().zip(&other) {
        let order = match (a, b) {
            (Part::Number(a), Part::Number(b)) => a.cmp(b),
            (Part::Word(a), Part::Word(b)) => a.cmp(b),
            _ => return Err(refuse("these versions cannot be compared: one has a number where the other has a word")),
        };
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(own.len().cmp(&other.len()))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Two or three numbers, then perhaps `a` or `b` with a number.
    Strict,
    /// Three numbers, then perhaps `-` and what precedes the release.
    Semantic,
}

fn exact(own: &str, other: &str, kind: Kind) -> Result<Ordering, Error> {
    let broken = || refuse("this is no version of this type");
    let (own, other) = (numbers(own, kind).ok_or_else(broken)?, numbers(other, kind).ok_or_else(broken)?);
    Ok(own.0.cmp(&other.0).then_with(|| match (own.1.is_empty(), other.1.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => own.1.cmp(&other.1),
    }))
}

/// The numbers, and what comes before their release: numbers sort before words.
type Exact = ([u64; 3], Vec<(u8, u64, String)>);

fn numbers(version: &str, kind: Kind) -> Option<Exact> {
    let plain = |number: &str| number.chars().all(|c| c.is_ascii_digit()).then(|| number.parse::<u64>().ok()).flatten();
    let word = |part: &str| match plain(part) {
        Some(number) => (0, number, String::new()),
        None => (1, 0, part.to_owned()),
    };
    let (main, before) = match kind {
        Kind::Semantic => {
            let version = version.split('+').next().unwrap_or(version);
            match version.split_once('-') {
                Some((main, before)) if !before.is_empty() => (main, before.split('.').map(word).collect()),
                Some(_) => return None,
                None => (version, Vec::new()),
            }
        }
        Kind::Strict => match version.find(['a', 'b']) {
            Some(at) => (&version[..at], vec![(0, plain(&version[at + 1..])?, version[at..=at].to_owned())]),
            None => (version, Vec::new()),
        },
    };
    let found: Vec<u64> = main.split('.').map(plain).collect::<Option<_>>()?;
    let numbers = match (found.as_slice(), kind) {
        ([a, b, c], _) => [*a, *b, *c],
        ([a, b], Kind::Strict) => [*a, *b, 0],
        _ => return None,
    };
    // The letter of a strict version weighs more than its number.
    let before = match kind {
        Kind::Strict => before
            .into_iter()
            .map(|(_, number, letter)| (letter.bytes().next().unwrap_or(0), number, String::new()))
            .collect(),
        Kind::Semantic => before,
    };
    Some((numbers, before))
}

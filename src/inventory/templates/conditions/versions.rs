//! The test `version`: versions as Ansible compares them unless it is told otherwise, part by part.

use std::cmp::Ordering;

use minijinja::{Error, Value};

use crate::inventory::templates::call::Call;
use crate::inventory::templates::fault::refuse;

/// A part of a version.
#[derive(PartialEq)]
enum Part {
    Number(u128),
    Word(String),
}

pub(super) fn compare(call: &mut Call) -> Result<Value, Error> {
    let own = call.text()?;
    let other = call.need_text(1, "version")?;
    let operator = call.get_text(2, "operator")?.unwrap_or_else(|| "eq".to_owned());
    let strict = call.is(3, "strict");
    let kind = call.get_text(4, "version_type")?;
    if own.is_empty() || other.is_empty() {
        return Err(refuse("a version is empty"));
    }
    if strict || kind.is_some_and(|kind| kind != "loose") {
        return Err(refuse("versions are compared without `strict` and `version_type` alone"));
    }
    let order = ordered(&own, &other)?;
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

fn ordered(own: &str, other: &str) -> Result<Ordering, Error> {
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

//! The test `version`, with Ansible's default rules (`LooseVersion`): versions are compared part by part.

use std::cmp::Ordering;

use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::call::Call;
use crate::inventory::templates::value::errors::error;

/// A part of a version.
#[derive(PartialEq)]
enum Part {
    Number(u128),
    Word(String),
}

pub(super) fn compare(call: &mut Call) -> Result<Value, Error> {
    let version = call.text()?;
    let other = call.require_text(1, "version")?;
    let operator = call.get_text(2, "operator")?.unwrap_or_else(|| "eq".to_owned());
    let strict = call.is(3, "strict");
    let version_type = call.get_text(4, "version_type")?;
    if version.is_empty() || other.is_empty() {
        return Err(error("a version is empty"));
    }
    if strict || version_type.is_some_and(|version_type| version_type != "loose") {
        return Err(error("`strict` and `version_type` are not supported"));
    }
    let order = compare_versions(&version, &other)?;
    let holds = match operator.as_str() {
        "==" | "=" | "eq" => order.is_eq(),
        "!=" | "<>" | "ne" => order.is_ne(),
        "<" | "lt" => order.is_lt(),
        "<=" | "le" => order.is_le(),
        ">" | "gt" => order.is_gt(),
        ">=" | "ge" => order.is_ge(),
        _ => return Err(error("this operator for versions does not exist")),
    };
    Ok(holds.into())
}

/// Splits a version into numbers, words of lower-case letters, and runs of other characters. Dots are separators.
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
            0 => parts.push(Part::Number(part.parse().map_err(|_| error("a number in this version is too large"))?)),
            2 => {}
            _ => parts.push(Part::Word(part.to_owned())),
        }
        rest = after;
    }
    Ok(parts)
}

fn compare_versions(version: &str, other: &str) -> Result<Ordering, Error> {
    let (version, other) = (parts(version)?, parts(other)?);
    for (a, b) in version.iter().zip(&other) {
        let order = match (a, b) {
            (Part::Number(a), Part::Number(b)) => a.cmp(b),
            (Part::Word(a), Part::Word(b)) => a.cmp(b),
            // Python cannot compare a number with a word either.
            _ => return Err(error("these versions cannot be compared: one has a number where the other has a word")),
        };
        if order.is_ne() {
            return Ok(order);
        }
    }
    Ok(version.len().cmp(&other.len()))
}

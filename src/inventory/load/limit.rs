//! Reads the files that `--limit @file` names. The pattern itself is understood by `patterns`.

use std::path::Path;

use super::super::patterns;
use super::super::problem::Problem;

/// The pattern of `--limit` with the lines of each `@file` in its place: one pattern a line, as Ansible's retry files
/// have them.
///
/// # Errors
/// A file cannot be read, names no host, or holds a line that is no single pattern.
pub fn limit(pattern: &str) -> Result<String, Problem> {
    if !pattern.contains('@') {
        return Ok(pattern.to_owned());
    }
    let mut terms = Vec::new();
    for term in patterns::split(pattern) {
        match term.strip_prefix('@') {
            Some(path) => terms.extend(lines(path)?),
            None => terms.push(term.to_owned()),
        }
    }
    // The comma says that the colons of a line do not separate.
    Ok(terms.join(",") + ",")
}

fn lines(path: &str) -> Result<Vec<String>, Problem> {
    let text = std::fs::read_to_string(Path::new(path))
        .map_err(|error| Problem::new(format!("cannot read the file of `--limit @{path}`: {error}")))?;
    let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(Problem::new(format!("the file of `--limit @{path}` names no host"))
            .hint("leave `--limit` away to mean all hosts"));
    }
    // The line itself is not shown: it may be the wrong file.
    let wrong = |line: &str| line.contains([',', '=']) || line.starts_with(['@', '#']);
    match text.lines().position(|line| wrong(line.trim())) {
        Some(at) => Err(Problem::new(format!("`--limit @{path}`: line {} is no host pattern", at + 1))
            .hint("write one pattern a line, without comments")),
        None => Ok(lines),
    }
}

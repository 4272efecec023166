//! Reads the files of `--limit @file`. It does not interpret patterns; the module `patterns` does.

use std::path::Path;

use super::super::patterns;
use super::super::problem::Problem;

/// Replaces each `@file` in the pattern of `--limit` with the lines of the file. A file has one pattern on each line,
/// like the retry files of Ansible.
///
/// # Errors
/// A file cannot be read, has no pattern, or has a line that is not a single pattern.
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
    // If a pattern contains a comma, only commas separate its parts. The comma at the end therefore allows colons in
    // the lines.
    Ok(terms.join(",") + ",")
}

fn lines(path: &str) -> Result<Vec<String>, Problem> {
    let text = std::fs::read_to_string(Path::new(path))
        .map_err(|error| Problem::new(format!("cannot read the file of `--limit @{path}`: {error}")))?;
    let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(Problem::new(format!("the file of `--limit @{path}` lists no hosts"))
            .hint("omit `--limit` to select all hosts"));
    }
    // The line is not shown, because the user may have named a wrong file that contains secrets.
    let wrong = |line: &str| line.contains([',', '=']) || line.starts_with(['@', '#']);
    match text.lines().position(|line| wrong(line.trim())) {
        Some(at) => Err(Problem::new(format!("`--limit @{path}`: line {} is not a host pattern", at + 1))
            .hint("write one pattern on each line, without comments")),
        None => Ok(lines),
    }
}

//! Expands host ranges: `node[01:10:2].example.com` and `db-[a:f]`, also several ranges in one name, with an optional
//! port. It does not check whether hosts exist.

use super::host_address;
use super::problem::Problem;
use super::text::Text;

/// The maximum number of hosts in one pattern. A larger number is a typing error.
const MAX_HOSTS: usize = 1_000_000;

/// The host names of a pattern in an inventory, and its port.
pub(super) fn expand(pattern: &Text) -> Result<(Vec<String>, Option<u32>), Problem> {
    let problem = |message: String| Problem::naming(&pattern.whole(), pattern.text, message);
    if pattern.text.trim().is_empty() {
        return Err(problem("a host without a name".to_owned()));
    }
    let (host, port) = host_address::parse(pattern.text).unwrap_or((pattern.text, None));
    if port.is_none() && pattern.text.ends_with(':') {
        return Err(problem(format!("host `{}` ends in `:` but has no port", pattern.text)));
    }
    let mut names = vec![host.to_owned()];
    // Ranges are expanded from left to right, so the last range changes fastest.
    while names.first().is_some_and(|name| name.contains('[')) {
        let mut expanded = Vec::new();
        // All names come from the same pattern, so they have the same number of ranges left.
        for name in &names {
            expand_first_range(name, &mut expanded)
                .map_err(|fault| problem(format!("host `{}`: {fault}", pattern.text)))?;
        }
        names = expanded;
    }
    if names.iter().any(|name| name.trim() == "---") {
        return Err(problem("host `---`: is this a YAML inventory? rename it to `.yml` or `.yaml`".to_owned()));
    }
    // As in Ansible, port 0 means no port.
    Ok((names, port.filter(|port| *port > 0)))
}

/// Appends `name` once for each member of its first range, which the member replaces.
fn expand_first_range(name: &str, names: &mut Vec<String>) -> Result<(), String> {
    const SHAPE: &str = "a host range must be `[start:end]` or `[start:end:step]`";
    let (head, rest) = name.split_once('[').ok_or(SHAPE)?;
    let (range, tail) = rest.split_once(']').ok_or(SHAPE)?;
    if head.contains([']', '|']) || rest.contains('|') {
        return Err(SHAPE.to_owned());
    }
    let bounds: Vec<&str> = range.split(':').collect();
    let (start, end, step) = match bounds.as_slice() {
        [start, end] => (*start, *end, "1"),
        [start, end, step] => (*start, *end, *step),
        _ => return Err(SHAPE.to_owned()),
    };
    let start = if start.is_empty() { "0" } else { start };
    if end.is_empty() {
        return Err("a host range must have an end".to_owned());
    }
    let step =
        step.parse::<usize>().ok().filter(|step| *step > 0).ok_or("the step must be an integer greater than 0")?;
    // The limit applies to all ranges of a pattern together, because their sizes multiply.
    let most = MAX_HOSTS.saturating_sub(names.len());
    let members = match (letter(start), letter(end)) {
        (Some(first), Some(last)) => (first..=last).step_by(step).map(letter_at).collect(),
        _ => numbers(start, end, step, most)?,
    };
    if members.len() > most {
        return Err(format!("the range expands to more than {MAX_HOSTS} hosts"));
    }
    if members.is_empty() {
        return Err("the host range is empty: its start is greater than its end".to_owned());
    }
    names.extend(members.into_iter().map(|member| format!("{head}{member}{tail}")));
    Ok(())
}

/// The members of a range of numbers. If `start` has a leading zero, all members have as many digits as `start`.
fn numbers(start: &str, end: &str, step: usize, most: usize) -> Result<Vec<String>, String> {
    let number = |text: &str| {
        text.parse::<usize>()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| "the bounds of a host range must be two integers or two letters".to_owned())
    };
    let (first, last) = (number(start)?, number(end)?);
    let width = if start.starts_with('0') && start.len() > 1 { start.len() } else { 0 };
    if width > 0 && width != end.len() {
        return Err("the start and end of a host range with leading zeros must have the same length".to_owned());
    }
    // The size is checked before the names are created, because a range may have billions of members.
    if last.saturating_sub(first) / step >= most {
        return Err(format!("the range expands to more than {MAX_HOSTS} hosts"));
    }
    Ok((first..=last).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

/// The position of a letter in `a…zA…Z`.
fn letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte @ b'a'..=b'z'] => Some(byte - b'a'),
        [byte @ b'A'..=b'Z'] => Some(byte - b'A' + 26),
        _ => None,
    }
}

fn letter_at(position: u8) -> String {
    char::from(if position < 26 { b'a' + position } else { b'A' + position - 26 }).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn names(pattern: &str) -> Result<Vec<String>, String> {
        let source = Source::new("hosts", pattern);
        expand(&Text::slice(&source, 0, pattern.len())).map(|(names, _)| names).map_err(|problem| problem.message)
    }

    #[test]
    fn ranges_expand_in_order() {
        assert_eq!(names("n[08:10].x").unwrap(), ["n08.x", "n09.x", "n10.x"]);
        assert_eq!(names("n[1:5:2]").unwrap(), ["n1", "n3", "n5"]);
        assert_eq!(names("[a:b]-[0:1]").unwrap(), ["a-0", "a-1", "b-0", "b-1"]);
        assert_eq!(names("n[:2]").unwrap(), ["n0", "n1", "n2"]);
        assert_eq!(names("n[y:B]").unwrap(), ["ny", "nz", "nA", "nB"]);
    }

    #[test]
    fn invalid_ranges_are_refused_with_a_reason() {
        for (pattern, fault) in [
            ("n[1-3]", "must be `[start:end]`"),
            ("n[1:]", "must have an end"),
            ("n[01:100]", "same length"),
            ("n[3:1]", "empty"),
            ("n[1:3:0]", "greater than 0"),
            ("n[1:99999999999]", "more than"),
            ("n[1:9999][1:9999]", "more than"),
            ("n[a:Z][a:Z][a:Z][a:Z][a:Z][a:Z][a:Z]", "more than"),
            ("n[a:9]", "two letters"),
        ] {
            let message = names(pattern).unwrap_err();
            assert!(message.contains(fault), "{pattern}: {message}");
        }
    }
}

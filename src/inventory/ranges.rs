//! Host ranges: `node[01:10:2].example.com` and `db-[a:f]`, several in one name, with an optional port.

use super::host_address;
use super::problem::Problem;
use super::text::Text;

/// More hosts in one pattern are a typing mistake.
const MAX_HOSTS: usize = 1_000_000;

/// The names that a host pattern of an inventory stands for, and its port.
pub(super) fn expand(pattern: &Text) -> Result<(Vec<String>, Option<u32>), Problem> {
    let problem = |message: String| Problem::naming(&pattern.whole(), pattern.text, message);
    if pattern.text.trim().is_empty() {
        return Err(problem("a host without a name".to_owned()));
    }
    let (host, port) = host_address::parse(pattern.text).unwrap_or((pattern.text, None));
    if port.is_none() && pattern.text.ends_with(':') {
        return Err(problem(format!("host `{}` ends in `:` but gives no port", pattern.text)));
    }
    let mut names = vec![host.to_owned()];
    while names.first().is_some_and(|name| name.contains('[')) {
        let mut expanded = Vec::new();
        for name in &names {
            first_range(name, &mut expanded).map_err(|fault| problem(format!("host `{}`: {fault}", pattern.text)))?;
        }
        names = expanded;
    }
    if names.iter().any(|name| name.trim() == "---") {
        return Err(problem("host `---`: is this a YAML inventory? name it `.yml` or `.yaml`".to_owned()));
    }
    // As in Ansible port 0 is none.
    Ok((names, port.filter(|port| *port > 0)))
}

/// Appends `name` with its first range replaced by each of its members.
fn first_range(name: &str, names: &mut Vec<String>) -> Result<(), String> {
    const SHAPE: &str = "a host range must be `[begin:end]` or `[begin:end:step]`";
    let (head, rest) = name.split_once('[').ok_or(SHAPE)?;
    let (range, tail) = rest.split_once(']').ok_or(SHAPE)?;
    if head.contains([']', '|']) || rest.contains('|') {
        return Err(SHAPE.to_owned());
    }
    let bounds: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match bounds.as_slice() {
        [begin, end] => (*begin, *end, "1"),
        [begin, end, step] => (*begin, *end, *step),
        _ => return Err(SHAPE.to_owned()),
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    if end.is_empty() {
        return Err("a host range must have an end".to_owned());
    }
    let step = step.parse::<usize>().ok().filter(|step| *step > 0).ok_or("the step must be a whole number above 0")?;
    let room = MAX_HOSTS.saturating_sub(names.len());
    let members = match (letter(begin), letter(end)) {
        (Some(first), Some(last)) => (first..=last).step_by(step).map(letter_at).collect(),
        _ => numbers(begin, end, step, room)?,
    };
    if members.len() > room {
        return Err(format!("more than {MAX_HOSTS} hosts"));
    }
    if members.is_empty() {
        return Err("the host range is empty: its begin is beyond its end".to_owned());
    }
    names.extend(members.into_iter().map(|member| format!("{head}{member}{tail}")));
    Ok(())
}

/// The members of a range of numbers. A leading zero in `begin` asks for as many digits in all of them.
fn numbers(begin: &str, end: &str, step: usize, room: usize) -> Result<Vec<String>, String> {
    let number = |text: &str| {
        text.parse::<usize>()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| "the bounds of a host range must be two whole numbers or two letters".to_owned())
    };
    let (first, last) = (number(begin)?, number(end)?);
    let width = if begin.starts_with('0') && begin.len() > 1 { begin.len() } else { 0 };
    if width > 0 && width != end.len() {
        return Err("begin and end of a host range with leading zeros must have the same length".to_owned());
    }
    if last.saturating_sub(first) / step >= room {
        return Err(format!("more than {MAX_HOSTS} hosts"));
    }
    Ok((first..=last).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

/// The place of a letter in `a…zA…Z`.
fn letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte @ b'a'..=b'z'] => Some(byte - b'a'),
        [byte @ b'A'..=b'Z'] => Some(byte - b'A' + 26),
        _ => None,
    }
}

fn letter_at(place: u8) -> String {
    char::from(if place < 26 { b'a' + place } else { b'A' + place - 26 }).to_string()
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
    fn bad_ranges_say_why() {
        for (pattern, fault) in [
            ("n[1-3]", "must be `[begin:end]`"),
            ("n[1:]", "must have an end"),
            ("n[01:100]", "same length"),
            ("n[3:1]", "empty"),
            ("n[1:3:0]", "above 0"),
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

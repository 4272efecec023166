//! Filters and tests of regular expressions, with the rules of Python's `re`.

use fancy_regex::{Expander, Regex, RegexBuilder};
use minijinja::value::Tuple;
use minijinja::{Error, Value};

use super::Named;
use super::text::only_text;
use crate::inventory::templates::bounds::may_be_made;
use crate::inventory::templates::call::{Call, NAMED};
use crate::inventory::templates::fault::refuse;

pub(super) const FILTERS: &[Named] = &[
    ("regex_escape", regex_escape),
    ("regex_findall", regex_findall),
    ("regex_replace", regex_replace),
    ("regex_search", regex_search),
];

type Captures<'t> = fancy_regex::Captures<'t, str>;

const BROKEN: &str = "this is no regular expression that is supported here";
const ENDLESS: &str = "this regular expression takes too long";

/// Matches in one text: each takes far more room than the text that it is.
const MAX_MATCHES: usize = 100_000;

/// Where in the text a match must be.
#[derive(Clone, Copy, PartialEq)]
pub(in super::super) enum Anchor {
    Anywhere,
    Start,
    Whole,
}

/// Flags that are arguments: `ignorecase`, `multiline`.
pub(in super::super) struct Flags {
    pub ignorecase: bool,
    pub multiline: bool,
}

/// Compiles what Python would.
pub(in super::super) fn compile(pattern: &str, flags: &Flags, anchor: Anchor) -> Result<Regex, Error> {
    let multiline =
        flags.multiline || pattern.starts_with("(?m)") || pattern.starts_with("(?im)") || pattern.starts_with("(?mi)");
    let pattern = translated(pattern, multiline);
    let pattern = match anchor {
        Anchor::Anywhere => pattern,
        Anchor::Start => format!(r"\A(?:{pattern})"),
        Anchor::Whole => format!(r"\A(?:{pattern})\z"),
    };
    let mut builder = RegexBuilder::new(&pattern);
    builder.backtrack_limit(100_000);
    builder.case_insensitive(flags.ignorecase).multi_line(flags.multiline);
    builder.build().map_err(|_| refuse(BROKEN))
}

/// Whether a pattern matches.
pub(in super::super) fn matches(regex: &Regex, text: &str) -> Result<bool, Error> {
    regex.is_match(text).map_err(|_| refuse(ENDLESS))
}

/// Python's pattern for the engine at hand: `$` also matches before a last line end, `\Z` is the very end,
/// and brackets inside a class mean themselves.
fn translated(pattern: &str, multiline: bool) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    let mut class = false;
    let mut first_in_class = false;
    while let Some(c) = rest.next() {
        let first = std::mem::replace(&mut first_in_class, false);
        match c {
            '\\' => match rest.next() {
                Some('Z') => out.push_str(r"\z"),
                Some(same @ ('<' | '>')) => out.push(same),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' if !class => {
                class = true;
                first_in_class = true;
                out.push('[');
                if rest.peek() == Some(&'^') {
                    rest.next();
                    out.push('^');
                }
            }
            ']' if class && first => out.push_str(r"\]"),
            ']' => {
                class = false;
                out.push(']');
            }
            '[' | '&' | '~' if class => out.extend(['\\', c]),
            '$' if !class && !multiline => out.push_str(r"(?=\n?\z)"),
            c => out.push(c),
        }
    }
    out
}

fn flags(call: &mut Call, ignorecase: usize, multiline: usize) -> Flags {
    Flags { ignorecase: call.is(ignorecase, "ignorecase"), multiline: call.is(multiline, "multiline") }
}

/// All matches as Python finds them: after an empty one the search goes on one character later.
fn all<'t>(regex: &Regex, text: &'t str) -> Result<Vec<Captures<'t>>, Error> {
    let mut found = Vec::new();
    let mut at = 0;
    while at <= text.len() {
        let Some(captures) = regex.captures_from_pos(text, at).map_err(|_| refuse(ENDLESS))? else { break };
        let Some(whole) = captures.get(0) else { break };
        let (start, end) = (whole.start(), whole.end());
        if found.len() == MAX_MATCHES {
            return Err(refuse("this regular expression matches too often"));
        }
        found.push(captures);
        at = if start == end { end + text[end..].chars().next().map_or(1, char::len_utf8) } else { end };
    }
    Ok(found)
}

fn regex_replace(call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let pattern = call.get_text(1, "pattern")?.unwrap_or_default();
    let replacement = call.get_text(2, "replacement")?.unwrap_or_default();
    let regex = compile(&pattern, &flags(call, 3, 4), Anchor::Anywhere)?;
    let count = usize::try_from(call.get_number(5, "count")?.unwrap_or(0)).unwrap_or_default();
    let mandatory = call.get_number(6, "mandatory_count")?.unwrap_or(0);
    let template = expandable(&replacement, &regex)?;
    let groups = template.matches(r"\g<").count();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut replaced = 0;
    for captures in all(&regex, &text)? {
        let Some(whole) = captures.get(0) else { continue };
        if count > 0 && replaced == count {
            break;
        }
        out.push_str(&text[done..whole.start()]);
        let longest = captures.iter().flatten().map(|group| group.as_str().len()).max().unwrap_or_default();
        let added = groups.checked_mul(longest).and_then(|added| added.checked_add(template.len()));
        may_be_made(added.and_then(|added| added.checked_add(out.len())))?;
        Expander::python().append_expansion(&mut out, &template, &captures);
        done = whole.end();
        replaced += 1;
    }
    out.push_str(&text[done..]);
    if mandatory > 0 && usize::try_from(mandatory) != Ok(replaced) {
        return Err(refuse(format!("the pattern must match {mandatory} times, and matches {replaced} times")));
    }
    Ok(out.into())
}

/// Python's replacement for the engine at hand: each group as `\g<name>`, each other escape as what it stands for.
fn expandable(text: &str, regex: &Regex) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let group = match rest.next() {
            Some('g') if rest.next_if_eq(&'<').is_some() => rest.by_ref().take_while(|c| *c != '>').collect(),
            Some(first @ '1'..='9') => String::from_iter([first].into_iter().chain(rest.next_if(char::is_ascii_digit))),
            other => {
                match other {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('\\') => out.push_str(r"\\"),
                    Some(c) if !c.is_ascii_alphanumeric() => out.extend([r"\\", c.encode_utf8(&mut [0; 4])]),
                    _ => return Err(refuse("the replacement has an escape that is not supported")),
                }
                continue;
            }
        };
        let known = match group.parse::<usize>() {
            Ok(number) => (number < regex.captures_len()).then(|| number.to_string()),
            Err(_) => regex.capture_names().flatten().find(|own| *own == group).map(str::to_owned),
        };
        let absent = || refuse("the replacement uses a group that the pattern does not have");
        out.extend([r"\g<", &known.ok_or_else(absent)?, ">"]);
    }
    Ok(out)
}

fn regex_search(call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let pattern = call.need_text(1, "regex")?;
    let regex = compile(&pattern, &flags(call, NAMED, NAMED), Anchor::Anywhere)?;
    let groups = call.rest(2);
    for group in &groups {
        if !only_text(group)?.starts_with('\\') {
            return Err(refuse("a group is `'\\1'` or `'\\g<name>'`"));
        }
    }
    let Some(captures) = regex.captures(&text).map_err(|_| refuse(ENDLESS))? else { return Ok(Value::from(())) };
    let matched =
        |group: Option<fancy_regex::Match<'_>>| group.map_or_else(|| Value::from(()), |group| group.as_str().into());
    if groups.is_empty() {
        return Ok(matched(captures.get(0)));
    }
    let mut found = Vec::new();
    for group in groups {
        let group = only_text(&group)?;
        let absent = || refuse("there is no such group in the pattern");
        let name = group.strip_prefix(r"\g<").and_then(|name| name.strip_suffix('>'));
        let number = name.unwrap_or(group.strip_prefix('\\').unwrap_or("")).parse::<usize>();
        found.push(match (number, name) {
            (Ok(number), _) if number < captures.len() => matched(captures.get(number)),
            (Err(_), Some(name)) if regex.capture_names().any(|own| own == Some(name)) => matched(captures.name(name)),
            _ => return Err(absent()),
        });
    }
    Ok(found.into())
}

fn regex_findall(call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let pattern = call.need_text(1, "regex")?;
    let regex = compile(&pattern, &flags(call, 3, 2), Anchor::Anywhere)?;
    let group = |captures: &Captures<'_>, at: usize| Value::from(captures.get(at).map_or("", |group| group.as_str()));
    let found = all(&regex, &text)?;
    let item = |captures: &Captures<'_>| match captures.len() {
        count @ (1 | 2) => group(captures, count - 1),
        count => Value::from(Tuple::from((1..count).map(|at| group(captures, at)).collect::<Vec<_>>())),
    };
    Ok(found.iter().map(item).collect())
}

fn regex_escape(call: &mut Call) -> Result<Value, Error> {
    let text = only_text(&call.value()?)?;
    let special = match call.get_text(1, "re_type")?.as_deref() {
        None | Some("python") => "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c",
        Some("posix_basic") => "].[^$*\\",
        Some(_) => return Err(refuse("this kind of regular expression is not supported")),
    };
    let escaped = text.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c]));
    Ok(escaped.collect::<String>().into())
}

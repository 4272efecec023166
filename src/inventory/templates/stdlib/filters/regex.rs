//! Filters of regular expressions. The rules of Python's `re` are in `stdlib::regex`.

use fancy_regex::Expander;
use minijinja::value::Tuple;
use minijinja::{Error, Value};

use crate::inventory::templates::stdlib::access::scalar_text;
use crate::inventory::templates::stdlib::call::{Call, Definition, NAME_ONLY};
use crate::inventory::templates::stdlib::regex::{
    Anchor, Captures, Flags, TOO_SLOW, compile, find_all, translate_replacement,
};
use crate::inventory::templates::value::bounds::check_text;
use crate::inventory::templates::value::errors::error;

pub(super) const FILTERS: &[Definition] = &[
    ("regex_escape", regex_escape),
    ("regex_findall", regex_findall),
    ("regex_replace", regex_replace),
    ("regex_search", regex_search),
];

fn flags(call: &mut Call, ignorecase: usize, multiline: usize) -> Flags {
    Flags { ignorecase: call.is(ignorecase, "ignorecase"), multiline: call.is(multiline, "multiline") }
}

/// Ansible's `regex_replace`. `count` limits the number of replacements (0 means no limit), and `mandatory_count`
/// requires a number of replacements.
fn regex_replace(call: &mut Call) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
    let pattern = call.get_text(1, "pattern")?.unwrap_or_default();
    let replacement = call.get_text(2, "replacement")?.unwrap_or_default();
    let regex = compile(&pattern, &flags(call, 3, 4), Anchor::Anywhere)?;
    let count = usize::try_from(call.get_integer(5, "count")?.unwrap_or(0)).unwrap_or_default();
    let mandatory = call.get_integer(6, "mandatory_count")?.unwrap_or(0);
    let template = translate_replacement(&replacement, &regex)?;
    let groups = template.matches(r"\g<").count();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    let mut replaced = 0;
    for captures in find_all(&regex, &text)? {
        let Some(whole) = captures.get(0) else { continue };
        if count > 0 && replaced == count {
            break;
        }
        out.push_str(&text[done..whole.start()]);
        // The size is checked before the replacement is inserted, because a short pattern can insert much text.
        let longest = captures.iter().flatten().map(|group| group.as_str().len()).max().unwrap_or_default();
        let added = groups.checked_mul(longest).and_then(|added| added.checked_add(template.len()));
        check_text(added.and_then(|added| added.checked_add(out.len())))?;
        Expander::python().append_expansion(&mut out, &template, &captures);
        done = whole.end();
        replaced += 1;
    }
    out.push_str(&text[done..]);
    if mandatory > 0 && usize::try_from(mandatory) != Ok(replaced) {
        return Err(error(format!("the pattern must match {mandatory} times, but matches {replaced} times")));
    }
    Ok(out.into())
}

/// Ansible's `regex_search`: the match, or a list of groups. No match is null, as in Ansible.
fn regex_search(call: &mut Call) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
    let pattern = call.require_text(1, "regex")?;
    let regex = compile(&pattern, &flags(call, NAME_ONLY, NAME_ONLY), Anchor::Anywhere)?;
    let groups = call.rest(2);
    for group in &groups {
        if !scalar_text(group)?.starts_with('\\') {
            return Err(error("a group must be written as `'\\1'` or `'\\g<name>'`"));
        }
    }
    let Some(captures) = regex.captures(&text).map_err(|_| error(TOO_SLOW))? else { return Ok(Value::from(())) };
    let matched =
        |group: Option<fancy_regex::Match<'_>>| group.map_or_else(|| Value::from(()), |group| group.as_str().into());
    if groups.is_empty() {
        return Ok(matched(captures.get(0)));
    }
    let mut found = Vec::new();
    for group in groups {
        let group = scalar_text(&group)?;
        let absent = || error("the pattern has no such group");
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

/// Ansible's `regex_findall`. As in Python the results are the matches, the only group, or tuples of all groups.
fn regex_findall(call: &mut Call) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
    let pattern = call.require_text(1, "regex")?;
    let regex = compile(&pattern, &flags(call, 3, 2), Anchor::Anywhere)?;
    let group = |captures: &Captures<'_>, at: usize| Value::from(captures.get(at).map_or("", |group| group.as_str()));
    let found = find_all(&regex, &text)?;
    let item = |captures: &Captures<'_>| match captures.len() {
        count @ (1 | 2) => group(captures, count - 1),
        count => Value::from(Tuple::from((1..count).map(|at| group(captures, at)).collect::<Vec<_>>())),
    };
    Ok(found.iter().map(item).collect())
}

fn regex_escape(call: &mut Call) -> Result<Value, Error> {
    let text = scalar_text(&call.value()?)?;
    let special = match call.get_text(1, "re_type")?.as_deref() {
        None | Some("python") => "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c",
        Some("posix_basic") => "].[^$*\\",
        Some(_) => return Err(error("this `re_type` is not supported")),
    };
    let escaped = text.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c]));
    Ok(escaped.collect::<String>().into())
}

//! Parses Ansible's INI inventories: sections, host lines, `:children`, `:vars`. Reads no file.

use std::sync::Arc;

use indexmap::IndexMap;

use super::assemble::Draft;
use super::model::{Node, UNGROUPED, Value};
use super::problem::{Problem, nearest};
use super::source::{Source, Span};
use super::text::Text;
use super::{python, ranges, shlex};

/// What to do about a value that continues on the next line.
const ONE_LINE: &str = "a value of an INI inventory ends at the end of its line: write it on one line, or into a YAML file in `group_vars`";

/// What the lines of a section contain.
#[derive(Clone, Copy, PartialEq)]
enum SectionKind {
    Hosts,
    Children,
    Vars,
    /// The header is invalid, so the lines below it are ignored.
    Unknown,
}

/// A group that has been mentioned but not declared.
struct Pending<'a> {
    kind: SectionKind,
    span: Span,
    /// The groups that list it as a child, each with the place.
    parents: Vec<(&'a str, Span)>,
}

/// The state of the reader between two lines.
struct IniReader<'a> {
    source: &'a Arc<Source>,
    draft: &'a mut Draft,
    group: &'a str,
    kind: SectionKind,
    pending: IndexMap<&'a str, Pending<'a>>,
    /// The variable that was set last, if its brackets are not closed.
    unfinished: Option<Unfinished<'a>>,
}

/// A value whose brackets are not closed at the end of its line. To Ansible, it is text.
struct Unfinished<'a> {
    name: &'a str,
    span: Span,
}

/// Adds an INI inventory, and its problems, to the draft.
pub(super) fn read(source: &Arc<Source>, draft: &mut Draft) {
    let mut reader = IniReader {
        source,
        draft,
        group: UNGROUPED,
        kind: SectionKind::Hosts,
        pending: IndexMap::new(),
        unfinished: None,
    };
    for (start, end) in lines(source.text()) {
        let line = Text::slice(source, start, end).trim();
        // Reading continues after a faulty line, so that one run reports all problems of the file.
        if let Err(problem) = reader.line(line) {
            let problem = match reader.unfinished.take() {
                Some(value) => {
                    // Each of the other lines of the value would cause another problem.
                    reader.kind = SectionKind::Unknown;
                    continued(&value)
                }
                None => problem,
            };
            reader.draft.problems.push(problem);
        }
    }
    reader.finish();
}

/// The lines of a text by the rules of Python's `str.splitlines`.
fn lines(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let is_break =
        |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let start = at;
        let length = rest.find(is_break).unwrap_or(rest.len());
        at += length + rest[length..].chars().next().map_or(0, char::len_utf8);
        Some((start, start + length))
    })
}

impl<'a> IniReader<'a> {
    fn line(&mut self, line: Text<'a>) -> Result<(), Problem> {
        if line.text.is_empty() || line.text.starts_with([';', '#']) {
            return Ok(());
        }
        if let Some((group, kind)) = section(line) {
            return self.header(group, kind);
        }
        // A host range may also start with a bracket, so only a line that is probably meant as a header is rejected.
        if line.text.starts_with('[') && (line.text.ends_with(']') || looks_like_header(line.text)) {
            // The lines of this section are skipped, because as hosts each of them would cause another problem.
            self.kind = SectionKind::Unknown;
            return Err(Problem::hiding(&line.whole(), "this is not a valid section header").hint(
                "write `[group]`, `[group:children]` or `[group:vars]`, without spaces; only a `#` comment may follow",
            ));
        }
        match self.kind {
            SectionKind::Hosts => self.hosts(line),
            SectionKind::Children => self.child(line),
            SectionKind::Vars => self.variable(line),
            SectionKind::Unknown => Ok(()),
        }
    }

    /// Starts a section: `[group]`, `[group:children]` or `[group:vars]`.
    fn header(&mut self, group: Text<'a>, kind: Option<Text<'a>>) -> Result<(), Problem> {
        self.group = group.text;
        self.unfinished = None;
        self.kind = match kind.map(|kind| kind.text) {
            None | Some("hosts") => SectionKind::Hosts,
            Some("children") => SectionKind::Children,
            Some("vars") => SectionKind::Vars,
            Some(_) => SectionKind::Unknown,
        };
        if self.kind == SectionKind::Unknown {
            let kind = kind.unwrap_or(group);
            let message = format!("section `[{}:{}]` has an unknown type", group.text, kind.text);
            let near = nearest(kind.text, ["hosts", "children", "vars"]);
            return Err(Problem::naming(&kind.whole(), kind.text, message).hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the types are `children`, `vars` and `hosts`".to_owned(),
            }));
        }
        if !self.draft.has_group(group.text) {
            // A `:vars` section does not declare its group, so another section must declare it.
            if self.kind == SectionKind::Vars {
                let pending = Pending { kind: SectionKind::Vars, span: group.whole(), parents: Vec::new() };
                self.pending.entry(group.text).or_insert(pending);
            }
            // Even a `:vars` section adds the group, because its variables need an owner. `finish` reports the group if
            // no other section declares it.
            self.draft.add_group(group.text, &group.whole());
        }
        // The group is declared now, so it becomes a child of the groups that listed it earlier.
        if self.kind != SectionKind::Vars
            && let Some(pending) = self.pending.shift_remove(group.text)
        {
            for (parent, span) in pending.parents {
                self.draft.add_child(parent, group.text, &span);
            }
        }
        Ok(())
    }

    /// Adds the hosts of a line `host[01:10]:22 name=value …`.
    fn hosts(&mut self, line: Text<'a>) -> Result<(), Problem> {
        let words = shlex::split(&line).map_err(|problem| problem.hint(ONE_LINE))?;
        let Some((pattern, variables)) = words.split_first() else { return Ok(()) };
        let pattern = pattern.text(self.source);
        if pattern.text.contains('=') {
            // Ansible would create a host with this name and show it, although the text may contain a password.
            let hint = format!("put variables of a group into a section `[{}:vars]`", self.group);
            return Err(Problem::hiding(&pattern.whole(), "this is a variable, but a host is expected here").hint(hint));
        }
        let (names, port) = ranges::expand(&pattern)?;
        let mut values = Vec::new();
        for word in variables {
            let word = word.text(self.source);
            match assignment(&word) {
                Some((name, value)) => match python::value(&value) {
                    Ok(value) => values.push((name.to_owned(), value)),
                    // Reading continues, because the other variables of the line may have problems too.
                    Err(problem) => self.draft.problems.push(problem),
                },
                None => self.draft.problems.push(
                    Problem::hiding(&word.whole(), "only `name=value` may follow the host")
                        .hint("a value with spaces needs quotes"),
                ),
            }
        }
        let span = pattern.whole();
        for name in names {
            self.draft.add_host(&name, port.map(|port| (port, &span)), self.group, &span);
            for (variable, value) in &values {
                self.draft.set_variable(&name, variable, value.clone());
            }
        }
        Ok(())
    }

    fn child(&mut self, line: Text<'a>) -> Result<(), Problem> {
        let child = group_name(line)
            .filter(|child| !child.text.contains('='))
            .ok_or_else(|| Problem::hiding(&line.whole(), "a `:children` section has one group name on each line"))?;
        if self.draft.has_group(child.text) {
            self.draft.add_child(self.group, child.text, &child.whole());
        } else {
            let pending = Pending { kind: SectionKind::Children, span: child.whole(), parents: Vec::new() };
            // The first mention of the group decides which problem `finish` reports.
            self.pending.entry(child.text).or_insert(pending).parents.push((self.group, child.whole()));
        }
        Ok(())
    }

    fn variable(&mut self, line: Text<'a>) -> Result<(), Problem> {
        let (name, value) = assignment(&line).ok_or_else(|| {
            let problem = Problem::hiding(&line.whole(), "a `:vars` section has one `name=value` on each line");
            if line.text.contains(": ") { problem.hint("write `=` instead of `: `") } else { problem }
        })?;
        let value = python::value(&value.trim())?;
        // A line with another name may be a part of the value before: `{'password': 'a=b'},`.
        if is_word(name.trim()) {
            let span = value.span.clone();
            self.unfinished = is_unfinished(&value).then(|| Unfinished { name: name.trim(), span });
        }
        self.draft.set_variable(self.group, name.trim(), value);
        Ok(())
    }

    /// Reports groups that are mentioned but never declared.
    fn finish(self) {
        let names: Vec<&str> = self.pending.keys().copied().collect();
        for (name, pending) in &self.pending {
            let problem = match pending.kind {
                SectionKind::Vars => Problem::naming(
                    &pending.span,
                    *name,
                    format!("`[{name}:vars]` belongs to a group that is not defined"),
                ),
                _ => Problem::naming(&pending.span, *name, format!("group `{name}` is not defined")),
            };
            // The groups of `:vars` sections are in the draft too, but an undefined group must not be suggested.
            let known = self.draft.group_names().filter(|known| !names.contains(known));
            let hint = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add a section `[{name}]`"),
            };
            self.draft.problems.push(problem.hint(hint));
        }
    }
}

fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Whether a value is text that starts like a list or mapping, and has more opening than closing brackets.
fn is_unfinished(value: &Node) -> bool {
    let count = |brackets: [char; 2]| value.text.matches(brackets).count();
    matches!(value.value, Value::Str(_))
        && value.text.starts_with(['[', '{'])
        && !value.text.starts_with("{{")
        && count(['[', '{']) > count([']', '}'])
}

/// The problem of a value that continues on the next line.
fn continued(value: &Unfinished<'_>) -> Problem {
    let name = value.name;
    Problem::hiding(
        &value.span,
        format!("the value of `{name}` continues on the next line, but it ends at the end of its line"),
    )
    .hint(ONE_LINE)
}

/// The name before the first `=` and the value after it; `None` without a `=` or without a name.
fn assignment<'a>(text: &Text<'a>) -> Option<(&'a str, Text<'a>)> {
    let (name, _) = text.text.split_once('=')?;
    (!name.trim().is_empty()).then(|| (name, text.part(name.len() + 1, text.text.len())))
}

/// The group and type of a section header. Only a `#` comment may follow it.
fn section(line: Text<'_>) -> Option<(Text<'_>, Option<Text<'_>>)> {
    let inner = line.text.strip_prefix('[')?;
    let close = inner.find(']')?;
    let after = inner[close + 1..].trim_start_matches(super::text::is_space);
    if !after.is_empty() && !after.starts_with('#') {
        return None;
    }
    let name = inner[..close].find(':').unwrap_or(close);
    if name == 0 || inner[..name].contains(|c: char| super::text::is_space(c) || matches!(c, '\'' | '"')) {
        return None;
    }
    let kind = (name < close).then(|| line.part(name + 2, close + 1));
    let word = |c: char| c.is_alphanumeric() || c == '_';
    if kind.is_some_and(|kind| kind.text.is_empty() || !kind.text.chars().all(word)) {
        return None;
    }
    Some((line.part(1, name + 1), kind))
}

/// Whether a line that starts with `[` is probably meant as a section header, and not as a host range.
fn looks_like_header(line: &str) -> bool {
    line.split_once(']').is_none_or(|(inner, after)| {
        !inner.contains(':') && after.starts_with(super::text::is_space) || inner.contains(super::text::is_space)
    })
}

/// The group name in a line of a `:children` section, which a comment may follow.
fn group_name(line: Text<'_>) -> Option<Text<'_>> {
    let stop = |c: char| matches!(c, ':' | ']') || super::text::is_space(c);
    let name_end = line.text.find(stop).unwrap_or(line.text.len());
    let is_end = |end: usize| {
        let after = line.text[end..].trim_start_matches(super::text::is_space);
        end > 0 && (after.is_empty() || after.starts_with('#'))
    };
    // As in Ansible, a `#` directly after the name is part of the name, unless the line is valid only if a comment
    // starts there.
    let end = if is_end(name_end) { name_end } else { line.text[..name_end].rfind('#').filter(|end| is_end(*end))? };
    Some(line.part(0, end))
}

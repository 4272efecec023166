//! Ansible's INI inventories: sections, host lines, `:children`, `:vars`. Reads a text, not a file.

use std::sync::Arc;

use indexmap::IndexMap;

use super::assemble::Draft;
use super::model::UNGROUPED;
use super::problem::{Problem, nearest};
use super::source::{Source, Span};
use super::text::Text;
use super::{python, ranges, shlex};

/// What the lines of a section are.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Hosts,
    Children,
    Vars,
    /// The header was wrong; the lines under it are not looked at.
    Unknown,
}

/// A group that was mentioned before it was declared.
struct Pending<'a> {
    kind: Kind,
    span: Span,
    /// The groups that have it as a child, each with the line that says so.
    parents: Vec<(&'a str, Span)>,
}

/// The reader between two lines.
struct Reader<'a> {
    source: &'a Arc<Source>,
    draft: &'a mut Draft,
    group: &'a str,
    kind: Kind,
    pending: IndexMap<&'a str, Pending<'a>>,
}

/// Adds what an INI inventory says to the draft, its problems included.
pub(super) fn read(source: &Arc<Source>, draft: &mut Draft) {
    let mut reader = Reader { source, draft, group: UNGROUPED, kind: Kind::Hosts, pending: IndexMap::new() };
    for (start, end) in lines(source.text()) {
        let line = Text::slice(source, start, end).trim();
        if let Err(problem) = reader.line(line) {
            reader.draft.problems.push(problem);
        }
    }
    reader.finish();
}

/// The lines of a text as Python's `str.splitlines` sees them.
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

impl<'a> Reader<'a> {
    fn line(&mut self, line: Text<'a>) -> Result<(), Problem> {
        if line.text.is_empty() || line.text.starts_with([';', '#']) {
            return Ok(());
        }
        if let Some((group, kind)) = section(line) {
            return self.header(group, kind);
        }
        if line.text.starts_with('[') && (line.text.ends_with(']') || words_of_header(line.text)) {
            self.kind = Kind::Unknown;
            return Err(Problem::hiding(&line.whole(), "this is no section").hint(
                "write `[group]`, `[group:children]` or `[group:vars]`, without spaces; only a `#` comment may follow",
            ));
        }
        match self.kind {
            Kind::Hosts => self.hosts(line),
            Kind::Children => self.child(line),
            Kind::Vars => self.variable(line),
            Kind::Unknown => Ok(()),
        }
    }

    /// `[group]`, `[group:children]`, `[group:vars]`.
    fn header(&mut self, group: Text<'a>, kind: Option<Text<'a>>) -> Result<(), Problem> {
        self.group = group.text;
        self.kind = match kind.map(|kind| kind.text) {
            None | Some("hosts") => Kind::Hosts,
            Some("children") => Kind::Children,
            Some("vars") => Kind::Vars,
            Some(_) => Kind::Unknown,
        };
        if self.kind == Kind::Unknown {
            let kind = kind.unwrap_or(group);
            let message = format!("section `[{}:{}]` is of an unknown kind", group.text, kind.text);
            let near = nearest(kind.text, ["hosts", "children", "vars"]);
            return Err(Problem::naming(&kind.whole(), kind.text, message).hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "the kinds are `children`, `vars` and `hosts`".to_owned(),
            }));
        }
        if !self.draft.has_group(group.text) {
            if self.kind == Kind::Vars {
                let pending = Pending { kind: Kind::Vars, span: group.whole(), parents: Vec::new() };
                self.pending.entry(group.text).or_insert(pending);
            }
            self.draft.add_group(group.text, &group.whole());
        }
        if self.kind != Kind::Vars
            && let Some(pending) = self.pending.shift_remove(group.text)
        {
            for (parent, span) in pending.parents {
                self.draft.add_child(parent, group.text, &span);
            }
        }
        Ok(())
    }

    /// `host[01:10]:22 name=value …`
    fn hosts(&mut self, line: Text<'a>) -> Result<(), Problem> {
        let words = shlex::split(&line)?;
        let Some((pattern, variables)) = words.split_first() else { return Ok(()) };
        let pattern = pattern.text(self.source);
        if pattern.text.contains('=') {
            // Ansible makes a host of it, whose name would be printed.
            let hint = format!("variables of a group go under `[{}:vars]`", self.group);
            return Err(Problem::hiding(&pattern.whole(), "a variable where a host was expected").hint(hint));
        }
        let (names, port) = ranges::expand(&pattern)?;
        let mut values = Vec::new();
        for word in variables {
            let word = word.text(self.source);
            match assignment(&word) {
                Some((name, value)) => match python::value(&value) {
                    Ok(value) => values.push((name.to_owned(), value)),
                    Err(problem) => self.draft.problems.push(problem),
                },
                None => self.draft.problems.push(
                    Problem::hiding(&word.whole(), "after the host only `name=value` may stand")
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
            .ok_or_else(|| Problem::hiding(&line.whole(), "a `:children` section holds one group name a line"))?;
        if self.draft.has_group(child.text) {
            self.draft.add_child(self.group, child.text, &child.whole());
        } else {
            let pending = Pending { kind: Kind::Children, span: child.whole(), parents: Vec::new() };
            self.pending.entry(child.text).or_insert(pending).parents.push((self.group, child.whole()));
        }
        Ok(())
    }

    fn variable(&mut self, line: Text<'a>) -> Result<(), Problem> {
        let (name, value) = assignment(&line).ok_or_else(|| {
            let problem = Problem::hiding(&line.whole(), "a `:vars` section holds one `name=value` a line");
            if line.text.contains(": ") { problem.hint("write `=` instead of `: `") } else { problem }
        })?;
        let value = python::value(&value.trim())?;
        self.draft.set_variable(self.group, name.trim(), value);
        Ok(())
    }

    /// What was mentioned and never declared.
    fn finish(self) {
        let names: Vec<&str> = self.pending.keys().copied().collect();
        for (name, pending) in &self.pending {
            let problem = match pending.kind {
                Kind::Vars => {
                    Problem::naming(&pending.span, *name, format!("`[{name}:vars]` is for an undefined group"))
                }
                _ => Problem::naming(&pending.span, *name, format!("group `{name}` is not defined")),
            };
            let known = self.draft.group_names().filter(|known| !names.contains(known));
            let hint = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add a section `[{name}]`"),
            };
            self.draft.problems.push(problem.hint(hint));
        }
    }
}

/// The name and the value around the first `=`; `None` without one or without a name.
fn assignment<'a>(text: &Text<'a>) -> Option<(&'a str, Text<'a>)> {
    let (name, _) = text.text.split_once('=')?;
    (!name.trim().is_empty()).then(|| (name, text.part(name.len() + 1, text.text.len())))
}

/// Group and kind of a section header, behind which only a `#` comment may stand.
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

/// Whether a line that starts with `[` is meant as a section: what follows the bracket is apart from it.
fn words_of_header(line: &str) -> bool {
    line.split_once(']').is_none_or(|(inner, after)| {
        !inner.contains(':') && after.starts_with(super::text::is_space) || inner.contains(super::text::is_space)
    })
}

/// A line of a `:children` section: a name, then perhaps a comment.
fn group_name(line: Text<'_>) -> Option<Text<'_>> {
    let stop = |c: char| matches!(c, ':' | ']') || super::text::is_space(c);
    let run = line.text.find(stop).unwrap_or(line.text.len());
    let fits = |end: usize| {
        let after = line.text[end..].trim_start_matches(super::text::is_space);
        end > 0 && (after.is_empty() || after.starts_with('#'))
    };
    // As in Ansible a `#` directly behind the name belongs to it, if the line allows that.
    let end = if fits(run) { run } else { line.text[..run].rfind('#').filter(|end| fits(*end))? };
    Some(line.part(0, end))
}

//! A mistake in a text that the user wrote, with its place. A message shows the line, which may contain a password.
//! Therefore it shows only the name of the variable and a text that the problem declares to be safe. This file does not
//! detect problems.

use std::ops::Range;

use super::code::Code;
use super::source::Span;
use crate::failure::Failure;

/// A mistake in the inventory or on the command line, and what the user should do now.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What is wrong, in lower case, with the affected object in backticks and without secrets.
    pub message: String,
    /// Where the mistake is, if it has a place.
    pub place: Option<Box<Place>>,
    /// What to do now.
    pub hint: Option<String>,
    /// The specific kind of problem. `None` means a general problem of the inventory or of the variables.
    pub code: Option<Code>,
    /// The name of the undefined variable, member or environment variable, if the problem is that something is
    /// undefined.
    pub undefined_name: Option<Box<str>>,
}

/// A span, and the part of its text that may be shown.
#[derive(Debug, Clone)]
pub struct Place {
    /// The span of the mistake.
    pub span: Span,
    /// A name, host, key or image that is not a secret. The marked text is shown only if it is a part of this text. The
    /// span of a value from a template is the complete template, which may contain a password. `None` shows nothing.
    pub shown: Option<Box<str>>,
}

impl Problem {
    /// A problem without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, hint: None, code: None, undefined_name: None }
    }

    /// A problem about `name` at `span`. The name must be safe to show, such as a key or a host name.
    pub fn naming(span: &Span, name: impl AsRef<str>, message: impl Into<String>) -> Self {
        Self {
            place: Some(Box::new(Place { span: span.clone(), shown: Some(name.as_ref().into()) })),
            ..Self::new(message)
        }
    }

    /// A problem at `span`. The text there may be a secret, so only its place is shown.
    pub fn hiding(span: &Span, message: impl Into<String>) -> Self {
        Self { place: Some(Box::new(Place { span: span.clone(), shown: None })), ..Self::new(message) }
    }

    /// The same problem, without showing the marked text.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        if let Some(place) = &mut self.place {
            place.shown = None;
        }
        self
    }

    /// Adds what the user should do now.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Sets the kind of problem.
    #[must_use]
    pub fn code(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Records the name of the variable, member or environment variable that is undefined.
    #[must_use]
    pub fn undefined(self, name: impl AsRef<str>) -> Self {
        Self { undefined_name: Some(name.as_ref().into()), ..self }
    }

    /// The message, and below it `file:line:column`, the masked line and a caret.
    pub fn render(&self) -> String {
        match self.excerpt() {
            Some(excerpt) => format!("{}\n{excerpt}", self.message),
            None => self.message.clone(),
        }
    }

    /// `file:line:column`, the masked line and a caret; `None` without a place.
    pub fn excerpt(&self) -> Option<String> {
        let place = self.place.as_ref()?;
        let (line, _) = place.span.line_column();
        let (masked, offset, width) = place.masked_line();
        let gutter = " ".repeat(line.to_string().len());
        Some(format!(
            "{gutter}--> {}\n{gutter} |\n{line} | {masked}\n{gutter} | {}{}",
            place.span,
            " ".repeat(offset),
            "^".repeat(width)
        ))
    }
}

impl From<&Problem> for Failure {
    fn from(problem: &Problem) -> Self {
        Self {
            place: problem.place.as_ref().map(|place| place.span.to_string().into()),
            excerpt: problem.excerpt().map(Into::into),
            hint: problem.hint.clone(),
            ..Self::new(&problem.message)
        }
    }
}

impl Place {
    /// The line, in which everything except the variable's name and the shown text is replaced by `…`; the column of
    /// the mark in characters, counted from 0; and the width of the mark.
    fn masked_line(&self) -> (String, usize, usize) {
        let text = self.span.source.text();
        let start = floor_boundary(text, self.span.start);
        let Range { start: line_start, end: line_end } = self.span.source.line(start);
        // Of a value with several lines, only the first line is marked.
        let end = floor_boundary(text, self.span.end.clamp(start, line_end));
        let before = &text[line_start..start];
        let is_yaml = [".yml", ".yaml", ".json"].iter().any(|extension| self.span.source.name.ends_with(extension));
        let syntax = if is_yaml { Syntax::Yaml } else { Syntax::Ini };
        // A line of a block scalar may look like `name: value`, but all of it is the value.
        let name =
            if self.span.source.is_in_block(start) { "" } else { leading_name(&text[line_start..line_end], syntax) };
        // Text between the name and the marked text may be part of a secret.
        let mut shown = if before.len() <= name.len() {
            before.to_owned()
        } else {
            let rest = before[name.len()..].trim();
            if rest.is_empty() { before.to_owned() } else { format!("{name}…") }
        };
        let offset = shown.chars().count();
        let around = ['\'', '"', '{', '}', ' '];
        let marked = &text[start..end];
        let is_shown = self.shown.as_ref().is_some_and(|shown| shown.contains(marked.trim_matches(around)));
        let marked = if is_shown { marked } else { "" };
        shown.push_str(marked);
        // One `…` replaces all hidden text, so that a message does not reveal the length of a password.
        if !shown.ends_with('…') && (!is_shown || !text[end..line_end].trim().is_empty()) {
            shown.push('…');
        }
        (shown, offset, marked.chars().count().max(1))
    }
}

/// The syntax in which a line may set a variable.
#[derive(Clone, Copy, PartialEq)]
enum Syntax {
    /// `name: value`
    Yaml,
    /// `name=value` or `name: value`
    Ini,
}

/// The variable name at the start of a line, with its `=` or `:`. Anything else may be part of a secret.
fn leading_name(line: &str, syntax: Syntax) -> &str {
    let indent = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let name = line[indent..]
        .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
        .map_or(line.len(), |at| indent + at);
    let after = line[name..].trim_start();
    let gap = line[name..].len() - after.len();
    match after.chars().next() {
        Some('=') if syntax == Syntax::Ini => &line[..name + gap + 1],
        Some(':') if after.len() == 1 || after[1..].starts_with([' ', '\t']) => &line[..name + gap + 1],
        // A line without `name = value` may be a bare secret, so none of it is shown.
        _ => "",
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The candidate that is nearest to `word`, for the hint "did you mean": at most two edits away.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        // Without the second condition, a name of one or two characters would be similar to every short word.
        .filter(|(distance, candidate)| *distance <= 2 && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        // One row is enough: `diagonal` keeps the value of the previous row that is overwritten next.
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn span_of(text: &str, part: &str) -> Span {
        let source = Source::new("hosts.ini", text);
        let start = text.find(part).unwrap_or_default();
        Span::new(&source, start, start + part.len())
    }

    #[test]
    fn the_line_keeps_its_name_and_the_marked_text_only() {
        let text = "[all:vars]\ncreds=[{'password': 'hunter2', 'tls_verfy': 'x9y8'}]\n";
        let rendered = Problem::naming(&span_of(text, "'tls_verfy'"), "tls_verfy", "unknown key `tls_verfy`").render();
        assert_eq!(
            rendered,
            "unknown key `tls_verfy`\n --> hosts.ini:2:32\n  |\n2 | creds=…'tls_verfy'…\n  |        ^^^^^^^^^^^"
        );
        assert!(!rendered.contains("hunter2") && !rendered.contains("x9y8"));
    }

    #[test]
    fn a_text_that_is_not_the_name_is_not_shown() {
        let text = "creds={{ [{'host': h, 'password': 'hunter2'}] }}";
        let rendered =
            Problem::naming(&span_of(text, &text[6..]), "hub", "registry `hub` has another credential").render();
        assert!(rendered.ends_with("1 | creds=…\n  |       ^"), "{rendered}");
    }

    #[test]
    fn a_template_that_is_only_the_name_is_shown() {
        let rendered =
            Problem::naming(&span_of("a=x{{ pw }}", "{{ pw }}"), "pw", "variable `pw` is not defined").render();
        assert!(rendered.ends_with("1 | a=…{{ pw }}\n  |    ^^^^^^^^"), "{rendered}");
    }

    #[test]
    fn a_hidden_text_is_not_shown() {
        let text = "oreg_auth_password = hunter2";
        let rendered = Problem::hiding(&span_of(text, "hunter2"), "bad").render();
        assert!(rendered.ends_with("1 | oreg_auth_password = …\n  |                      ^"), "{rendered}");
    }

    #[test]
    fn a_line_of_a_longer_value_shows_nothing() {
        for text in
            ["a: |\n  hunter2: {{ no }}\n", "a:\n  - >-\n    x\n\n    hunter2: {{ no }}\n", "aHVudGVyMg== {{ no }}"]
        {
            let source = Source::new("hosts.yml", text);
            let start = text.find("no").unwrap();
            let rendered = Problem::naming(&Span::new(&source, start, start + 2), "no", "variable `no`").render();
            assert!(!rendered.contains("hunter2") && !rendered.contains("aHV"), "{rendered}");
        }
    }

    #[test]
    fn a_bare_line_shows_nothing() {
        let rendered = Problem::hiding(&span_of("hunter2 and more", "and"), "bad").render();
        assert!(!rendered.contains("hunter2") && !rendered.contains("more"), "{rendered}");
    }

    #[test]
    fn suggestions_are_at_most_two_edits_away() {
        assert_eq!(nearest("tls_verfy", ["host", "tls_verify"]), Some("tls_verify"));
        assert_eq!(nearest("zzz", ["host", "tls_verify"]), None);
    }
}

//! How a text is evaluated: as it is, by filling in names, or by the template engine. Here stands what
//! Ansible does to a template before Jinja sees it, and what the engine needs in other words.

use std::ops::Range;

use super::rewrite::{MAX_DEPTH, Rewriter, is_variable};
use super::scan::{Kind, Malformed, Segment, may_be_template, segments};

/// A text, read once and evaluated for every host.
#[derive(Debug)]
pub(super) struct Plan {
    pub way: Way,
    /// How many line ends the text ends with. Jinja drops one; Ansible restores them.
    pub line_ends: usize,
}

#[derive(Debug)]
pub(super) enum Way {
    /// It holds no template.
    Text,
    /// Nothing but text and `{{ name }}`.
    Pieces(Vec<Piece>),
    /// Anything else.
    Program(Program),
    /// It cannot be evaluated.
    Refused(Refused),
}

#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    Plain(String),
    /// A variable, and where the whole `{{ name }}` stands in the text.
    Name(String, Range<usize>),
}

/// A template for the engine.
#[derive(Debug)]
pub(super) struct Program {
    /// The template in the engine's words.
    pub source: String,
    /// Whether it is one `{{ … }}` and nothing else: the value keeps its type.
    pub single: bool,
    /// Where the parts of `source` come from.
    parts: Vec<Part>,
    /// Names whose absence the template itself takes care of (`default`, `is defined`).
    pub guarded: Vec<String>,
}

#[derive(Debug)]
struct Part {
    rewritten: Range<usize>,
    original: Range<usize>,
}

/// Why a text is no template that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refused {
    pub at: Range<usize>,
    pub message: String,
    pub hint: Option<String>,
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self { at: malformed.at, message: malformed.reason.to_owned(), hint: None }
    }
}

impl Program {
    /// The part of the text that bytes `range` of `source` were made of.
    pub fn original(&self, range: Range<usize>) -> Option<Range<usize>> {
        let part = self.parts.iter().rev().find(|part| part.rewritten.start <= range.start)?;
        Some(part.original.clone())
    }
}

impl Plan {
    /// Reads a text.
    pub fn of(text: &str) -> Self {
        let line_ends = text.len() - text.trim_end_matches('\n').len();
        let way = if text.starts_with("#jinja2:") {
            let message = "a `#jinja2:` header is not supported".to_owned();
            Way::Refused(Refused { at: 0..text.len(), message, hint: Some("remove the first line".to_owned()) })
        } else if may_be_template(text) {
            template(text).unwrap_or_else(Way::Refused)
        } else {
            Way::Text
        };
        Self { way, line_ends }
    }
}

fn template(text: &str) -> Result<Way, Refused> {
    // Jinja knows one kind of line end.
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = unified.strip_suffix('\n').unwrap_or(&unified);
    let segments = segments(text)?;
    if let Some(pieces) = pieces(text, &segments) {
        return Ok(Way::Pieces(pieces));
    }
    let single = matches!(segments.as_slice(), [Segment { kind: Kind::Output(_), .. }]);
    let mut program =
        Program { source: String::with_capacity(text.len()), single, parts: Vec::new(), guarded: Vec::new() };
    let is_elif = |segment: &&Segment| matches!(&segment.kind, Kind::Statement(tokens) if tokens.first().is_some_and(|token| &text[token.start..token.end] == "elif"));
    if segments.iter().filter(is_elif).count() > MAX_DEPTH {
        return Err(Refused { at: 0..text.len(), message: "this template has too many parts".to_owned(), hint: None });
    }
    for segment in &segments {
        let start = program.source.len();
        match &segment.kind {
            Kind::Output(tokens) => {
                let mut rewriter = Rewriter::new(text, tokens)?;
                let written = match rewriter.plain_name() {
                    // What the user wrote for a number stays as it is, if it ends in a text.
                    Some(name) if !single => format!(" {name}|__written('{name}') "),
                    _ => rewriter.rewritten()?,
                };
                program.guarded.append(&mut rewriter.guarded);
                delimited(&mut program.source, text, segment, &written);
            }
            Kind::Statement(tokens) => {
                let mut rewriter = Rewriter::new(text, tokens)?;
                rewriter.statement_is_supported(&segment.whole)?;
                let written = rewriter.rewritten()?;
                program.guarded.append(&mut rewriter.guarded);
                delimited(&mut program.source, text, segment, &written);
            }
            Kind::Plain | Kind::Comment | Kind::Raw => program.source.push_str(&text[segment.whole.clone()]),
        }
        program.parts.push(Part { rewritten: start..program.source.len(), original: segment.whole.clone() });
    }
    Ok(Way::Program(program))
}

/// The pieces of a text that holds nothing but names.
fn pieces(text: &str, segments: &[Segment]) -> Option<Vec<Piece>> {
    let piece = |segment: &Segment| match &segment.kind {
        Kind::Plain => Some(Piece::Plain(text[segment.whole.clone()].to_owned())),
        Kind::Output(tokens) => {
            let whole = &text[segment.whole.clone()];
            let controls = whole[2..].starts_with(['-', '+']) || whole[..whole.len() - 2].ends_with(['-', '+']);
            match tokens.as_slice() {
                [token] if !controls && is_variable(text, token) => {
                    Some(Piece::Name(text[token.start..token.end].to_owned(), segment.whole.clone()))
                }
                _ => None,
            }
        }
        _ => None,
    };
    segments.iter().map(piece).collect()
}

fn delimited(source: &mut String, text: &str, segment: &Segment, inner: &str) {
    let whole = &text[segment.whole.clone()];
    let sign = |sign: Option<char>| sign.filter(|c| matches!(c, '-' | '+'));
    source.push_str(&whole[..2]);
    source.extend(sign(whole[2..].chars().next()));
    source.push_str(inner);
    let body = &whole[..whole.len() - 2];
    if body.len() > 2 {
        source.extend(sign(body.chars().next_back()));
    }
    source.push_str(&whole[whole.len() - 2..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> String {
        match Plan::of(text).way {
            Way::Program(program) => program.source.split_whitespace().collect::<Vec<_>>().join(" "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_plain_names_are_pieces() {
        let Way::Pieces(pieces) = Plan::of("a{{ b }}c").way else { panic!() };
        assert_eq!(pieces, [Piece::Plain("a".into()), Piece::Name("b".into(), 1..8), Piece::Plain("c".into())]);
        for text in
            ["{{ a | d }}", "{% if a %}", "{# a #}", "{{ 'a' }}", "{{ true }}", "{{- a -}}", "{{}}", "{{ a.b }}"]
        {
            assert!(matches!(Plan::of(text).way, Way::Program(_)), "{text}");
        }
        assert!(matches!(Plan::of("{ {a} }").way, Way::Text));
        assert!(matches!(Plan::of("{{ a").way, Way::Refused(_)));
    }

    #[test]
    fn the_words_of_the_engine() {
        let cases = [
            ("{{ a.b[c.d] | d('x') }}", r#"{{ __member(a, "b", __member(c, "d")) | d("x") }}"#),
            (r"{{ x | regex_replace('\1\'', 'a' 'b') }}", r#"{{ x | regex_replace("\\1\\'", "ab") }}"#),
            (r"{% set n.x = 'a\n' %}", "{% set n.x = ( \"a \")|__bounded %}"),
            ("{{ a[1:] }}{{ a.b.split('.')[0] }}", r#"{{ a[1:] }}{{ __member(a, "b").split(".")[0] }}"#),
            ("{{ a is ansible.builtin.match('x') }}", r#"{{ a is match("x") }}"#),
            ("{{ a is not defined }}", "{{ a is not defined }}"),
            ("{{ f(a).b }}{{ a[0][-1] }}", "{{ f(a).b }}{{ __member(a, 0, -1) }}"),
            ("{{- a -}}x", "{{- a|__written('a') -}}x"),
            ("{{ {'a': b.c} }}", r#"{{ {"a": __member(b, "c")} }}"#),
        ];
        for (text, expected) in cases {
            assert_eq!(source(text), expected, "{text}");
        }
    }

    #[test]
    fn unknown_filters_are_found_early() {
        let Way::Refused(refused) = Plan::of("x{{ a | b64encod }}").way else { panic!() };
        assert_eq!((refused.at, refused.hint.as_deref()), (8..16, Some("did you mean `b64encode`?")));
    }
}

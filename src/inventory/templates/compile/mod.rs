//! The first layer of templates. It reads the text of a template once and decides how it is evaluated for every host:
//! as plain text, by inserting variables, or by the template engine (minijinja). It changes the text like Ansible does
//! before Jinja reads it, and rewrites expressions that the engine rejects or evaluates differently. It evaluates
//! nothing and has no access to values.

mod invalid; // why a text is not a valid template
mod rewrite; // Jinja source -> source that the engine accepts
mod scan; // Jinja's lexer
mod vocabulary; // the names of filters and tests

use std::ops::Range;

pub(super) use invalid::InvalidTemplate;
use rewrite::{MAX_DEPTH, Rewriter, is_variable};
pub use scan::may_be_template;
use scan::{Segment, SegmentKind, segments};
pub(super) use vocabulary::{Callable, Names, UnknownName, Vocabulary, short_name};

/// A text that was read once, and can be evaluated for every host.
#[derive(Debug)]
pub(super) struct CompiledText {
    /// How it is evaluated.
    pub form: Form,
    /// The number of line breaks at the end of the text. Jinja removes one; Ansible puts them back.
    pub line_breaks: usize,
}

/// How a text is evaluated.
#[derive(Debug)]
pub(super) enum Form {
    /// It contains no template.
    Text,
    /// Only text and `{{ name }}`: the values are inserted without the engine, which is much faster.
    Pieces(Vec<Piece>),
    /// Anything else: the engine evaluates it.
    Program(Program),
    /// It cannot be evaluated.
    Invalid(InvalidTemplate),
}

/// A part of a text that contains no other expressions than names.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Text.
    Plain(String),
    /// The name of a variable, and the range of its `{{ name }}` in the text.
    Name(String, Range<usize>),
}

/// A template for the engine.
#[derive(Debug)]
pub(super) struct Program {
    /// The rewritten template.
    pub source: String,
    /// Whether the template is more than one `{{ … }}`.
    pub shape: Shape,
    /// Where the parts of `source` come from.
    parts: Vec<ProgramPart>,
    /// Names that may be undefined, because the template checks them (`default`, `is defined`).
    pub guarded: Vec<String>,
}

/// What a template consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One `{{ … }}` and nothing else: the result is its value, with its type.
    SingleOutput,
    /// Anything else: the result is usually text.
    Mixed,
}

#[derive(Debug)]
struct ProgramPart {
    rewritten: Range<usize>,
    original: Range<usize>,
}

impl Program {
    /// The part of the original text from which bytes `range` of `source` were made.
    pub fn original(&self, range: Range<usize>) -> Option<Range<usize>> {
        // The parts are in order, so the last one that starts before the range contains it.
        let part = self.parts.iter().rev().find(|part| part.rewritten.start <= range.start)?;
        Some(part.original.clone())
    }
}

/// Reads a text. The filters and tests in it must be in the `vocabulary`.
pub(super) fn compile(text: &str, vocabulary: &Vocabulary) -> CompiledText {
    let line_breaks = text.len() - text.trim_end_matches('\n').len();
    // Such a header changes the delimiters of Jinja for this text.
    let form = if text.starts_with("#jinja2:") {
        let hint = Some("remove the first line".to_owned());
        let message = "a `#jinja2:` header is not supported";
        Form::Invalid(InvalidTemplate { hint, ..InvalidTemplate::new(0..text.len(), message) })
    } else if may_be_template(text) {
        compile_template(text, vocabulary).unwrap_or_else(Form::Invalid)
    } else {
        Form::Text
    };
    CompiledText { form, line_breaks }
}

fn compile_template(text: &str, vocabulary: &Vocabulary) -> Result<Form, InvalidTemplate> {
    // Jinja replaces all kinds of line breaks with `\n`, and removes the last one.
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = unified.strip_suffix('\n').unwrap_or(&unified);
    let segments = segments(text)?;
    // Most templates of inventories are of this form.
    if let Some(pieces) = pieces(text, &segments) {
        return Ok(Form::Pieces(pieces));
    }
    // The engine recurses into each `elif`, so many of them would overflow the stack.
    let is_elif = |segment: &&Segment| match &segment.kind {
        SegmentKind::Statement(tokens) => tokens.first().is_some_and(|token| &text[token.start..token.end] == "elif"),
        _ => false,
    };
    if segments.iter().filter(is_elif).count() > MAX_DEPTH {
        return Err(InvalidTemplate::new(0..text.len(), "this template has too many parts"));
    }
    let shape = match segments.as_slice() {
        [Segment { kind: SegmentKind::Output(_), .. }] => Shape::SingleOutput,
        _ => Shape::Mixed,
    };
    let mut program =
        Program { source: String::with_capacity(text.len()), shape, parts: Vec::new(), guarded: Vec::new() };
    for segment in &segments {
        let start = program.source.len();
        match &segment.kind {
            SegmentKind::Output(tokens) => {
                let mut rewriter = Rewriter::new(text, tokens, vocabulary)?;
                let rewritten = match rewriter.plain_name() {
                    // A number that becomes part of a text keeps the spelling that the user gave it (`1.10`, `0o644`).
                    Some(name) if shape == Shape::Mixed => format!(" {name}|__as_written('{name}') "),
                    _ => rewriter.rewrite()?,
                };
                program.guarded.append(&mut rewriter.guarded);
                push_delimited(&mut program.source, text, segment, &rewritten);
            }
            SegmentKind::Statement(tokens) => {
                let mut rewriter = Rewriter::new(text, tokens, vocabulary)?;
                rewriter.check_statement(&segment.range)?;
                let rewritten = rewriter.rewrite()?;
                program.guarded.append(&mut rewriter.guarded);
                push_delimited(&mut program.source, text, segment, &rewritten);
            }
            SegmentKind::Plain | SegmentKind::Comment | SegmentKind::Raw => {
                program.source.push_str(&text[segment.range.clone()]);
            }
        }
        program.parts.push(ProgramPart { rewritten: start..program.source.len(), original: segment.range.clone() });
    }
    Ok(Form::Program(program))
}

/// The pieces of a text that contains no other expressions than names; `None` for any other text.
fn pieces(text: &str, segments: &[Segment]) -> Option<Vec<Piece>> {
    let piece = |segment: &Segment| match &segment.kind {
        SegmentKind::Plain => Some(Piece::Plain(text[segment.range.clone()].to_owned())),
        SegmentKind::Output(tokens) => {
            let source = &text[segment.range.clone()];
            // `{{- a -}}` removes white space around it, which only the engine does.
            let trims = source[2..].starts_with(['-', '+']) || source[..source.len() - 2].ends_with(['-', '+']);
            match tokens.as_slice() {
                [token] if !trims && is_variable(text, token) => {
                    Some(Piece::Name(text[token.start..token.end].to_owned(), segment.range.clone()))
                }
                _ => None,
            }
        }
        _ => None,
    };
    segments.iter().map(piece).collect()
}

/// Adds the rewritten content of a segment between its delimiters, which keep their `-` or `+`.
fn push_delimited(source: &mut String, text: &str, segment: &Segment, content: &str) {
    let original = &text[segment.range.clone()];
    let sign = |sign: Option<char>| sign.filter(|c| matches!(c, '-' | '+'));
    source.push_str(&original[..2]);
    source.extend(sign(original[2..].chars().next()));
    source.push_str(content);
    let body = &original[..original.len() - 2];
    // In `{{-}}` the only sign belongs to the opening delimiter.
    if body.len() > 2 {
        source.extend(sign(body.chars().next_back()));
    }
    source.push_str(&original[original.len() - 2..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Form {
        let filters = Names { supported: vec!["d", "default", "b64encode", "regex_replace"], unsupported: &[] };
        let tests = Names { supported: vec!["match", "defined"], unsupported: &[] };
        compile(text, &Vocabulary { filters, tests }).form
    }

    fn source(text: &str) -> String {
        match compiled(text) {
            Form::Program(program) => program.source.split_whitespace().collect::<Vec<_>>().join(" "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_plain_names_become_pieces() {
        let Form::Pieces(pieces) = compiled("a{{ b }}c") else { panic!() };
        assert_eq!(pieces, [Piece::Plain("a".into()), Piece::Name("b".into(), 1..8), Piece::Plain("c".into())]);
        for text in
            ["{{ a | d }}", "{% if a %}", "{# a #}", "{{ 'a' }}", "{{ true }}", "{{- a -}}", "{{}}", "{{ a.b }}"]
        {
            assert!(matches!(compiled(text), Form::Program(_)), "{text}");
        }
        assert!(matches!(compiled("{ {a} }"), Form::Text));
        assert!(matches!(compiled("{{ a"), Form::Invalid(_)));
    }

    #[test]
    fn templates_are_rewritten_for_the_engine() {
        let cases = [
            ("{{ a.b[c.d] | d('x') }}", r#"{{ __member(a, "b", __member(c, "d")) | d("x") }}"#),
            (r"{{ x | regex_replace('\1\'', 'a' 'b') }}", r#"{{ x | regex_replace("\\1\\'", "ab") }}"#),
            (r"{% set n.x = 'a\n' %}", "{% set n.x = ( \"a \")|__bounded %}"),
            ("{{ a[1:] }}{{ a.b.split('.')[0] }}", r#"{{ a[1:] }}{{ __member(a, "b").split(".")[0] }}"#),
            ("{{ a is ansible.builtin.match('x') }}", r#"{{ a is match("x") }}"#),
            ("{{ a is not defined }}", "{{ a is not defined }}"),
            ("{{ f(a).b }}{{ a[0][-1] }}", "{{ f(a).b }}{{ __member(a, 0, -1) }}"),
            ("{{- a -}}x", "{{- a|__as_written('a') -}}x"),
            ("{{ {'a': b.c} }}", r#"{{ {"a": __member(b, "c")} }}"#),
        ];
        for (text, expected) in cases {
            assert_eq!(source(text), expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_filter_is_reported_when_the_template_is_read() {
        let Form::Invalid(invalid) = compiled("x{{ a | b64encod }}") else { panic!() };
        assert_eq!((invalid.at, invalid.hint.as_deref()), (8..16, Some("did you mean `b64encode`?")));
    }
}

//! YAML as PyYAML and Ansible read it (YAML 1.1 types, merge keys, `!unsafe`, `!vault`), each value with its place and
//! its source text. It opens no files and decrypts nothing.
//!
//! The parser follows YAML 1.2, so where PyYAML differs, this module changes the result or rejects the text.

pub(super) mod groups;
mod scalar;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, StructureStyle, Tag};

use super::code;
use super::finding::Finding;
use super::model::{Node, Trust, Value};
use super::problem::Problem;
use super::source::{Source, Span};
use super::text::Text;
pub(super) use scalar::Schema;

/// The maximum number of values in one document. A small text can contain aliases of aliases that expand to billions of
/// values.
const MAX_VALUES: usize = 2_000_000;

/// The only document in bytes `start..end` of a source; null if there is none.
///
/// # Errors
/// It is not valid YAML, or has something that is not supported.
pub fn parse_value(source: &Arc<Source>, start: usize, end: usize) -> Result<Node, Problem> {
    parse(&Text::slice(source, start, end))
}

/// All documents of a source, such as a file of Kubernetes manifests. A document without content is null.
///
/// # Errors
/// As for [`parse_value`].
pub fn parse_documents(source: &Arc<Source>) -> Result<Vec<Node>, Problem> {
    let text = Text::slice(source, 0, source.text().len());
    Loader::new(&text, &mut Vec::new()).documents()
}

/// The value of the YAML or JSON inside a string value, such as a list in quotes.
///
/// # Errors
/// As for [`parse_value`].
pub fn parse_node(node: &Node) -> Result<Node, Problem> {
    parse(&Text::at(&node.span, &node.text))
}

/// Whether YAML reads a plain scalar as text, not as a number, a boolean or null.
pub(super) fn is_plain_text(text: &str) -> bool {
    matches!(scalar::resolve(text, Schema::Yaml), Value::Str(_))
}

/// The only document of a text; null if there is none.
pub(super) fn parse(text: &Text) -> Result<Node, Problem> {
    parse_with_findings(text, &mut Vec::new())
}

/// As [`parse`], and reports keys that occur twice in one mapping.
pub(super) fn parse_with_findings(text: &Text, findings: &mut Vec<Finding>) -> Result<Node, Problem> {
    let mut loader = Loader::new(text, findings);
    let (root, schema) = (loader.document()?, loader.schema);
    // Ansible interprets these marks only in JSON. In YAML such a mapping is a normal value.
    if schema == Schema::Json && text.text.contains("__ansible_") {
        super::json_marks::restore_strings(root)
    } else {
        Ok(root)
    }
}

/// An event and its bytes in the text.
struct Step<'a> {
    event: Event<'a>,
    start: usize,
    end: usize,
    tag: Option<(usize, usize)>,
}

/// Reads the content of a sequence or mapping.
type ReadContent<'a> = fn(&mut Loader<'a>, &Step, Trust) -> Result<Node, Problem>;

struct Loader<'a> {
    text: &'a Text<'a>,
    parser: Parser<'a, StrInput<'a>>,
    schema: Schema,
    /// The value of each complete anchor, and the number of values in it.
    anchors: HashMap<usize, (Node, usize)>,
    /// The names of all anchors so far.
    names: HashSet<String>,
    /// The number of open brackets.
    flow: usize,
    /// The number of values so far, including those of aliases.
    values: usize,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Loader<'a> {
    fn new(text: &'a Text<'a>, findings: &'a mut Vec<Finding>) -> Self {
        let options = granit_parser::options! { emit_comments: false, emit_anchor_events: true };
        let parser = Parser::new_from_str_with_options(text.text, options);
        // Ansible tries JSON before YAML, and the two read some numbers differently.
        let schema = Schema::of(text.text);
        let (anchors, names) = (HashMap::new(), HashSet::new());
        Self { text, parser, schema, anchors, names, flow: 0, values: 0, findings }
    }

    fn documents(&mut self) -> Result<Vec<Node>, Problem> {
        let mut roots = Vec::new();
        loop {
            let step = self.next()?;
            match step.event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) => {
                    // An anchor is valid only in its document (YAML 1.1, section 9.1).
                    self.anchors.clear();
                    self.names.clear();
                    let first = self.next()?;
                    roots.push(self.value(first, Trust::Template)?);
                }
                Event::StreamEnd => return Ok(roots),
                _ => return Err(self.unexpected(&step)),
            }
        }
    }

    fn document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let step = self.next()?;
            match step.event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    let message = "a second document starts here; only one is supported";
                    return Err(Problem::hiding(&self.text.span(step.start, step.end), message));
                }
                Event::DocumentStart(..) => {
                    let first = self.next()?;
                    root = Some(self.value(first, Trust::Template)?);
                }
                Event::StreamEnd => break,
                _ => return Err(self.unexpected(&step)),
            }
        }
        Ok(root.unwrap_or_else(|| Node::new(Value::Null, "", self.text.span(0, 0))))
    }

    fn next(&mut self) -> Result<Step<'a>, Problem> {
        loop {
            let Some(next) = self.parser.next_event() else {
                return Ok(Step { event: Event::StreamEnd, start: 0, end: 0, tag: None });
            };
            let (event, span) = next.map_err(|error| self.scan_problem(&error))?;
            let range = span.byte_range().unwrap_or_default();
            let (start, end) = (range.start, range.end.max(range.start));
            if let Event::Anchor(_, name) = &event {
                self.check_anchor(name, start, end)?;
                continue;
            }
            let tag = span.tag_span().and_then(|tag| tag.byte_range()).map(|tag| (tag.start, tag.end));
            return Ok(Step { event, start, end, tag });
        }
    }

    /// Checks the name of an anchor by the rules of PyYAML, which are stricter than those of YAML 1.2.
    fn check_anchor(&mut self, name: &str, start: usize, end: usize) -> Result<(), Problem> {
        let problem = |message| Err(Problem::hiding(&self.text.span(start, end), message));
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            return problem("the name of an anchor can contain only letters, digits, `-` and `_`");
        }
        if !self.names.insert(name.to_owned()) {
            return problem("an anchor with this name exists already");
        }
        Ok(())
    }

    /// A node that is not a key. PyYAML accepts plain `<<` and `=` only as keys.
    fn value(&mut self, step: Step<'a>, trust: Trust) -> Result<Node, Problem> {
        if let Event::Scalar(text, ScalarStyle::Plain, _, None) = &step.event
            && ["<<", "="].contains(&text.as_ref())
        {
            let message = format!("`{text}` cannot be a value without quotes");
            return Err(Problem::hiding(&self.text.span(step.start, step.end), message).hint("put it in quotes"));
        }
        self.node(step, trust)
    }

    fn node(&mut self, step: Step<'a>, trust: Trust) -> Result<Node, Problem> {
        self.values += 1;
        let before = self.values;
        let trust = self.tag_trust(&step)?.unwrap_or(trust);
        let (mut node, anchor) = match step.event {
            Event::Alias(id) => (self.alias(id, &step)?, 0),
            Event::Scalar(ref text, style, anchor, ref tag) => {
                (self.scalar(text, style, tag.as_deref(), &step)?, anchor)
            }
            Event::SequenceStart(style, anchor, _) => (self.nested(style, &step, trust, Self::sequence)?, anchor),
            Event::MappingStart(style, anchor, _) => (self.nested(style, &step, trust, Self::mapping)?, anchor),
            _ => return Err(self.unexpected(&step)),
        };
        if trust == Trust::Literal {
            if matches!(node.value, Value::Vault) {
                return Err(Problem::hiding(&node.span, "an encrypted value inside `!unsafe` is not supported"));
            }
            node.trust = Trust::Literal;
        }
        // The parser numbers anchors from 1; 0 is no anchor.
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.values + 1 - before));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, step: &Step) -> Result<Node, Problem> {
        let place = self.text.span(step.start, step.end);
        // An anchor is stored when its value is complete, so an alias inside the value does not find it.
        let Some((node, values)) = self.anchors.get(&id) else {
            return Err(Problem::hiding(&place, "this alias refers to the value that contains it"));
        };
        // An alias counts as much as the value that it repeats.
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(Problem::hiding(&place, "YAML aliases expand to too much data"));
        }
        Ok(node.clone())
    }

    fn nested(
        &mut self,
        style: StructureStyle,
        step: &Step,
        trust: Trust,
        read: ReadContent<'a>,
    ) -> Result<Node, Problem> {
        let opened = usize::from(style == StructureStyle::Flow);
        self.flow += opened;
        let node = read(self, step, trust);
        self.flow -= opened;
        node
    }

    fn sequence(&mut self, start: &Step, trust: Trust) -> Result<Node, Problem> {
        let mut items = Vec::new();
        loop {
            let step = self.next()?;
            if matches!(step.event, Event::SequenceEnd) {
                let span = self.text.span(start.start, step.end.max(start.end));
                return Ok(Node::new(Value::List(items), "", span));
            }
            items.push(self.value(step, trust)?);
        }
    }

    fn mapping(&mut self, start: &Step, trust: Trust) -> Result<Node, Problem> {
        // As in PyYAML, merged members come first, so that the members of the mapping override them.
        let (mut merged, mut own) = (Vec::new(), Vec::new());
        loop {
            let step = self.next()?;
            if matches!(step.event, Event::MappingEnd) {
                let span = self.text.span(start.start, step.end.max(start.end));
                self.findings.extend(duplicate_keys(&own));
                merged.append(&mut own);
                return Ok(Node::new(Value::Map(last_wins(merged)), "", span));
            }
            self.reject_missing_key(&step)?;
            // A quoted `<<` is a plain key.
            let is_merge = matches!(&step.event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            // This is not `value`, because `<<` and `=` are allowed as keys.
            let key = self.node(step, trust)?;
            let next = self.next()?;
            let value = self.value(next, trust)?;
            if is_merge {
                self.merge(value, &mut merged)?;
            } else if matches!(key.value, Value::List(_) | Value::Map(_)) {
                return Err(Problem::hiding(&key.span, "a list or mapping cannot be a key")
                    .hint("a value that starts with `{{` needs quotes"));
            } else if matches!(key.value, Value::Vault) {
                return Err(Problem::hiding(&key.span, "an encrypted value cannot be a key"));
            } else {
                own.push((key, value));
            }
        }
    }

    /// Rejects `: x`, which is a null key in YAML 1.2 and an error in PyYAML.
    fn reject_missing_key(&self, step: &Step) -> Result<(), Problem> {
        let before = self.text.text.get(..step.start).unwrap_or_default();
        let after = self.text.text.get(step.start..).unwrap_or_default();
        let missing = step.start == step.end
            && matches!(step.event, Event::Scalar(_, ScalarStyle::Plain, 0, None))
            && after.trim_start().starts_with(':')
            && !before.trim_end().ends_with('?');
        let problem = || Problem::hiding(&self.text.span(step.start, step.end), "there is no key before this `:`");
        if missing { Err(problem().hint("a value with `: ` in it needs quotes")) } else { Ok(()) }
    }

    /// `<<`: adds the members of one mapping, or of several; the first mapping wins.
    fn merge(&self, value: Node, merged: &mut Vec<(Node, Node)>) -> Result<(), Problem> {
        let invalid = |span: &Span| Problem::hiding(span, "`<<` needs a mapping or a list of mappings");
        match value.value {
            Value::Map(members) => merged.extend(members),
            Value::List(items) => {
                // Later members win, so the first mapping is added last.
                for item in items.into_iter().rev() {
                    match item.value {
                        Value::Map(members) => merged.extend(members),
                        _ => return Err(invalid(&item.span)),
                    }
                }
            }
            _ => return Err(invalid(&value.span)),
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, step: &Step) -> Result<Node, Problem> {
        let place = self.text.span(step.start, step.end);
        // The parser returns `~` for a missing value.
        let text = if style == ScalarStyle::Plain && step.start == step.end { "" } else { text };
        // If the text does not end with a line break, the last line of a block has none in PyYAML, but one in YAML 1.2.
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let lacks_line_break = is_block && step.end >= self.text.text.len() && !self.text.text.ends_with('\n');
        let text = if lacks_line_break { text.strip_suffix('\n').unwrap_or(text) } else { text };
        if self.flow > 0 && style == ScalarStyle::Plain && text.starts_with(['?', ':']) {
            // PyYAML reads `[?x]` as `[{x: null}]`.
            let problem = Problem::hiding(&place, "a value inside brackets cannot start with `?` or `:`");
            return Err(problem.hint("put it in quotes"));
        }
        let value = match tag.map(tag_name) {
            // For PyYAML a single `!` before a missing value is the empty string.
            Some(TagName::NonSpecific) if style == ScalarStyle::Plain && text.is_empty() => Value::Str(String::new()),
            None if style == ScalarStyle::Plain => scalar::resolve(text, self.schema),
            None | Some(TagName::Str) => Value::Str(text.to_owned()),
            // With these tags PyYAML and Ansible also convert quoted numbers and booleans.
            Some(TagName::NonSpecific | TagName::Unsafe) => scalar::resolve(text, self.schema),
            Some(TagName::Core(name)) => scalar::construct(text, name)
                .ok_or_else(|| Problem::hiding(&place, format!("this is not a value of the type `!!{name}`")))?,
            // As in Ansible the text decides, with or without quotes.
            Some(TagName::Vault) => match scalar::resolve(text, self.schema) {
                Value::Str(_) => Value::Vault,
                _ => return Err(Problem::hiding(&place, "an encrypted value must be a string")),
            },
            Some(TagName::Other) => return Err(self.unexpected(step)),
        };
        Ok(Node::new(value, text, place))
    }

    /// Whether the tag forbids templates; `None` if it has no effect on them. Rejects tags that are not supported.
    fn tag_trust(&self, step: &Step) -> Result<Option<Trust>, Problem> {
        let Some(tag) = step.event.tag() else { return Ok(None) };
        let (start, end) = step.tag.unwrap_or((step.start, step.end));
        let place = self.text.span(start, end);
        match (tag_name(tag), &step.event) {
            (TagName::NonSpecific, _) => Ok(None),
            (TagName::Unsafe, _) => Ok(Some(Trust::Literal)),
            (TagName::Str | TagName::Core(_), Event::Scalar(..)) => Ok(None),
            (TagName::Core("map"), Event::MappingStart(..)) => Ok(None),
            (TagName::Core("seq"), Event::SequenceStart(..)) => Ok(None),
            (TagName::Vault, Event::Scalar(..)) => Ok(None),
            (TagName::Vault, _) => Err(Problem::hiding(&place, "only a text can be encrypted, not a list or mapping")),
            _ => Err(Problem::hiding(&place, "this YAML tag is not supported")
                .hint("a value that starts with `!` needs quotes")),
        }
    }

    fn unexpected(&self, step: &Step) -> Problem {
        Problem::hiding(&self.text.span(step.start, step.end), "a value is expected here")
    }

    /// The message of the parser, unless it quotes the text: the text may be a password.
    fn scan_problem(&self, error: &ScanError) -> Problem {
        let at = error.marker().byte_offset().unwrap_or_default().min(self.text.text.len());
        let message = match error.kind() {
            ErrorKind::UnexpectedCharacter { .. } => "a value cannot start with this character".to_owned(),
            ErrorKind::UnknownAnchor => "an alias without an anchor".to_owned(),
            _ => error.info(),
        };
        let problem = Problem::hiding(&self.text.span(at, at), format!("this is not YAML: {message}"));
        match error.kind() {
            ErrorKind::UnexpectedCharacter { .. } | ErrorKind::UnknownAnchor => {
                problem.hint("a value that starts with one of ``*&!%@`{[`` needs quotes")
            }
            _ => problem,
        }
    }
}

/// The tags that are supported.
#[derive(Clone, Copy, PartialEq)]
enum TagName {
    /// `!`, which PyYAML ignores.
    NonSpecific,
    /// `!!str`.
    Str,
    /// Another type of YAML, such as `!!int`.
    Core(&'static str),
    /// `!unsafe`.
    Unsafe,
    /// `!vault`.
    Vault,
    /// Any other tag.
    Other,
}

fn tag_name(tag: &Tag) -> TagName {
    match tag.core_suffix() {
        Some("str") => return TagName::Str,
        Some(suffix) => {
            let known = ["bool", "float", "int", "null", "map", "seq"];
            return known.into_iter().find(|name| *name == suffix).map_or(TagName::Other, TagName::Core);
        }
        None => {}
    }
    match format!("{}{}", tag.handle(), tag.suffix()).as_str() {
        "!" => TagName::NonSpecific,
        "!unsafe" => TagName::Unsafe,
        "!vault" | "!vault-encrypted" => TagName::Vault,
        _ => TagName::Other,
    }
}

/// Findings for keys that occur twice in one mapping. Members that `<<` adds are not counted, because they are meant to
/// be overridden.
fn duplicate_keys(members: &[(Node, Node)]) -> Vec<Finding> {
    let mut seen: HashMap<scalar::Identity, &Span> = HashMap::with_capacity(members.len());
    let mut findings = Vec::new();
    for (key, _) in members {
        let Some(first) = seen.insert(scalar::identity(key), &key.span) else { continue };
        let is_name = key.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let problem = if is_name {
            Problem::naming(
                &key.span,
                &key.text,
                format!("key `{}` occurs twice in one mapping, first at {first}", key.text),
            )
        } else {
            Problem::hiding(&key.span, format!("this key occurs twice in one mapping, first at {first}"))
        };
        let hint = "the last one wins; remove one of them";
        findings.push(Finding::new(code::DUPLICATE_KEY, problem.hint(hint)));
    }
    findings
}

/// Merges members with equal keys: the member keeps its first position and gets the last value.
fn last_wins(members: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let mut positions: HashMap<scalar::Identity, usize> = HashMap::with_capacity(members.len());
    let mut unique: Vec<(Node, Node)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        let identity = scalar::identity(&key);
        match positions.get(&identity).and_then(|at| unique.get_mut(*at)) {
            Some(member) => member.1 = value,
            None => {
                positions.insert(identity, unique.len());
                unique.push((key, value));
            }
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_a_string_has_places() {
        let text = r#"creds: '[{"host": "a", "tls_verfy": false}]'"#;
        let source = Source::new("hosts.yml", text);
        let root = parse_value(&source, 0, text.len()).unwrap();
        let list = parse_node(root.get("creds").unwrap()).unwrap();
        let Value::List(items) = &list.value else { panic!("no list") };
        let Value::Map(members) = &items[0].value else { panic!("no mapping") };
        let span = &members[1].0.span;
        assert_eq!(&text[span.start..span.end], r#""tls_verfy""#);
        assert_eq!(members[1].1.text, "false");
    }

    #[test]
    fn every_value_has_its_place() {
        let text = "a:\n  - 'x y'\n  - {k: 3.10}\n";
        let source = Source::new("hosts.yml", text);
        let root = parse_value(&source, 0, text.len()).unwrap();
        let Value::List(items) = &root.get("a").unwrap().value else { panic!("no list") };
        let number = items[1].get("k").unwrap();
        assert_eq!((number.text.as_str(), number.span.to_string().as_str()), ("3.10", "hosts.yml:3:9"));
        assert_eq!(items[0].span.to_string(), "hosts.yml:2:5");
    }
}

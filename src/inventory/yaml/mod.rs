//! YAML as PyYAML and Ansible read it (YAML 1.1 types, merge keys, `!unsafe`, `!vault`), each value with its
//! place and source text. Opens no file, decrypts nothing.

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

/// Aliases may multiply a small text to this many values and no more.
const MAX_VALUES: usize = 2_000_000;

/// The single document in bytes `start..end` of a source; null if there is none.
pub fn parse_value(source: &Arc<Source>, start: usize, end: usize) -> Result<Node, Problem> {
    parse(&Text::slice(source, start, end))
}

/// The value that stands as YAML or JSON inside a string value, such as a list in quotes.
pub fn parse_node(node: &Node) -> Result<Node, Problem> {
    parse(&Text::at(&node.span, &node.text))
}

/// Whether a plain scalar with this text is text, and no number, `yes` or null.
pub(super) fn stays_text(text: &str) -> bool {
    matches!(scalar::resolve(text, Schema::Yaml), Value::Str(_))
}

/// The single document of a text; null if there is none.
pub(super) fn parse(text: &Text) -> Result<Node, Problem> {
    parse_telling(text, &mut Vec::new())
}

/// As [`parse`], and tells of keys that stand twice in one mapping.
pub(super) fn parse_telling(text: &Text, findings: &mut Vec<Finding>) -> Result<Node, Problem> {
    let options = granit_parser::options! { emit_comments: false, emit_anchor_events: true };
    let parser = Parser::new_from_str_with_options(text.text, options);
    let schema = Schema::of(text.text);
    let (anchors, names) = (HashMap::new(), HashSet::new());
    let mut loader = Loader { text, parser, schema, anchors, names, flow: 0, values: 0, findings };
    let root = loader.document()?;
    if schema == Schema::Json && text.text.contains("__ansible_") { super::json_marks::revive(root) } else { Ok(root) }
}

/// An event and its bytes in the text.
struct Step<'a> {
    event: Event<'a>,
    start: usize,
    end: usize,
    tag: Option<(usize, usize)>,
}

/// Reads what stands in a sequence or mapping.
type Inner<'a> = fn(&mut Loader<'a>, &Step, Trust) -> Result<Node, Problem>;

struct Loader<'a> {
    text: &'a Text<'a>,
    parser: Parser<'a, StrInput<'a>>,
    schema: Schema,
    /// Finished anchors with the number of values in each.
    anchors: HashMap<usize, (Node, usize)>,
    /// The names of all anchors.
    names: HashSet<String>,
    /// How many brackets are open.
    flow: usize,
    values: usize,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Loader<'a> {
    fn document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let step = self.next()?;
            match step.event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    let message = "a second document starts here; only one is read";
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
                self.anchor(name, start, end)?;
                continue;
            }
            let tag = span.tag_span().and_then(|tag| tag.byte_range()).map(|tag| (tag.start, tag.end));
            return Ok(Step { event, start, end, tag });
        }
    }

    /// The name of an anchor, which PyYAML holds to be one word and to be set once.
    fn anchor(&mut self, name: &str, start: usize, end: usize) -> Result<(), Problem> {
        let problem = |message| Err(Problem::hiding(&self.text.span(start, end), message));
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
            return problem("the name of an anchor is made of letters, digits, `-` and `_`");
        }
        if !self.names.insert(name.to_owned()) {
            return problem("an anchor of this name was set before");
        }
        Ok(())
    }

    /// A node that is no key, where `<<` and `=` mean nothing to PyYAML.
    fn value(&mut self, step: Step<'a>, trust: Trust) -> Result<Node, Problem> {
        if let Event::Scalar(text, ScalarStyle::Plain, _, None) = &step.event
            && ["<<", "="].contains(&text.as_ref())
        {
            let message = format!("`{text}` cannot be a value as it stands");
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
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.values + 1 - before));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, step: &Step) -> Result<Node, Problem> {
        let place = self.text.span(step.start, step.end);
        let Some((node, values)) = self.anchors.get(&id) else {
            return Err(Problem::hiding(&place, "an alias inside the value it stands for"));
        };
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(Problem::hiding(&place, "the aliases of this text multiply it beyond measure"));
        }
        Ok(node.clone())
    }

    fn nested(&mut self, style: StructureStyle, step: &Step, trust: Trust, read: Inner<'a>) -> Result<Node, Problem> {
        let inside = usize::from(style == StructureStyle::Flow);
        self.flow += inside;
        let node = read(self, step, trust);
        self.flow -= inside;
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
        let (mut merged, mut own) = (Vec::new(), Vec::new());
        loop {
            let step = self.next()?;
            if matches!(step.event, Event::MappingEnd) {
                let span = self.text.span(start.start, step.end.max(start.end));
                self.findings.extend(repeated(&own));
                merged.append(&mut own);
                return Ok(Node::new(Value::Map(last_wins(merged)), "", span));
            }
            self.refuse_missing_key(&step)?;
            let is_merge = matches!(&step.event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
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

    /// `: x`, which YAML 1.2 reads as a key that is null, and PyYAML does not read.
    fn refuse_missing_key(&self, step: &Step) -> Result<(), Problem> {
        let before = self.text.text.get(..step.start).unwrap_or_default();
        let after = self.text.text.get(step.start..).unwrap_or_default();
        let missing = step.start == step.end
            && matches!(step.event, Event::Scalar(_, ScalarStyle::Plain, 0, None))
            && after.trim_start().starts_with(':')
            && !before.trim_end().ends_with('?');
        let problem = || Problem::hiding(&self.text.span(step.start, step.end), "a `:` without a key before it");
        if missing { Err(problem().hint("a value with `: ` in it needs quotes")) } else { Ok(()) }
    }

    /// `<<`: the members of a mapping, or of several, the first of which wins.
    fn merge(&self, value: Node, merged: &mut Vec<(Node, Node)>) -> Result<(), Problem> {
        let wrong = |span: &Span| Problem::hiding(span, "`<<` needs a mapping or a list of mappings");
        match value.value {
            Value::Map(members) => merged.extend(members),
            Value::List(items) => {
                for item in items.into_iter().rev() {
                    match item.value {
                        Value::Map(members) => merged.extend(members),
                        _ => return Err(wrong(&item.span)),
                    }
                }
            }
            _ => return Err(wrong(&value.span)),
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, step: &Step) -> Result<Node, Problem> {
        let place = self.text.span(step.start, step.end);
        // The parser spells a value that is not there as `~`.
        let text = if style == ScalarStyle::Plain && step.start == step.end { "" } else { text };
        // A last line without a line break has none in PyYAML, and one in YAML 1.2.
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let cut = is_block && step.end >= self.text.text.len() && !self.text.text.ends_with('\n');
        let text = if cut { text.strip_suffix('\n').unwrap_or(text) } else { text };
        if self.flow > 0 && style == ScalarStyle::Plain && text.starts_with(['?', ':']) {
            // PyYAML reads `[?x]` as `[{x: null}]`.
            let problem = Problem::hiding(&place, "inside brackets a value cannot start with `?` or `:`");
            return Err(problem.hint("put it in quotes"));
        }
        let value = match tag.map(tag_name) {
            // To PyYAML `!` alone says that what is not there is a string.
            Some(TagName::Nothing) if style == ScalarStyle::Plain && text.is_empty() => Value::Str(String::new()),
            None if style == ScalarStyle::Plain => scalar::resolve(text, self.schema),
            None | Some(TagName::Str) => Value::Str(text.to_owned()),
            // And that quotes do not count.
            Some(TagName::Nothing | TagName::Unsafe) => scalar::resolve(text, self.schema),
            Some(TagName::Core(name)) => scalar::construct(text, name)
                .ok_or_else(|| Problem::hiding(&place, format!("this is no value of the type `!!{name}`")))?,
            // As in Ansible the text itself decides, quotes or not.
            Some(TagName::Vault) => match scalar::resolve(text, self.schema) {
                Value::Str(_) => Value::Vault,
                _ => return Err(Problem::hiding(&place, "an encrypted value must be a string")),
            },
            Some(TagName::Other) => return Err(self.unexpected(step)),
        };
        Ok(Node::new(value, text, place))
    }

    /// What the tag says about templates; refuses tags that are not understood.
    fn tag_trust(&self, step: &Step) -> Result<Option<Trust>, Problem> {
        let Some(tag) = step.event.tag() else { return Ok(None) };
        let (start, end) = step.tag.unwrap_or((step.start, step.end));
        let place = self.text.span(start, end);
        match (tag_name(tag), &step.event) {
            (TagName::Nothing, _) => Ok(None),
            (TagName::Unsafe, _) => Ok(Some(Trust::Literal)),
            (TagName::Str | TagName::Core(_), Event::Scalar(..)) => Ok(None),
            (TagName::Core("map"), Event::MappingStart(..)) => Ok(None),
            (TagName::Core("seq"), Event::SequenceStart(..)) => Ok(None),
            (TagName::Vault, Event::Scalar(..)) => Ok(None),
            (TagName::Vault, _) => Err(Problem::hiding(&place, "only a text can be encrypted, no list or mapping")),
            _ => Err(Problem::hiding(&place, "a YAML tag that is not supported")
                .hint("a value that starts with `!` needs quotes")),
        }
    }

    fn unexpected(&self, step: &Step) -> Problem {
        Problem::hiding(&self.text.span(step.start, step.end), "a value was expected here")
    }

    /// The parser's own words, unless they quote the text.
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

/// The tags that are understood.
#[derive(Clone, Copy, PartialEq)]
enum TagName {
    /// `!`, which to PyYAML is no tag at all.
    Nothing,
    Str,
    Core(&'static str),
    Unsafe,
    Vault,
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
        "!" => TagName::Nothing,
        "!unsafe" => TagName::Unsafe,
        "!vault" | "!vault-encrypted" => TagName::Vault,
        _ => TagName::Other,
    }
}

/// Keys that stand twice in one mapping; what `<<` brings is meant to be set again.
fn repeated(members: &[(Node, Node)]) -> Vec<Finding> {
    let mut seen: HashMap<scalar::Identity, &Span> = HashMap::with_capacity(members.len());
    let mut findings = Vec::new();
    for (key, _) in members {
        let Some(first) = seen.insert(scalar::identity(key), &key.span) else { continue };
        let is_name = key.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let problem = if is_name {
            Problem::naming(
                &key.span,
                &key.text,
                format!("key `{}` stands twice in one mapping, first at {first}", key.text),
            )
        } else {
            Problem::hiding(&key.span, format!("this key stands twice in one mapping, first at {first}"))
        };
        let hint = "the later one wins; remove one of the two";
        findings.push(Finding::new(code::DUPLICATE_KEY, problem.hint(hint)));
    }
    findings
}

/// Members with equal keys become one: the first place, the last value.
fn last_wins(members: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let mut places: HashMap<scalar::Identity, usize> = HashMap::with_capacity(members.len());
    let mut unique: Vec<(Node, Node)> = Vec::with_capacity(members.len());
    for (key, value) in members {
        let identity = scalar::identity(&key);
        match places.get(&identity).and_then(|at| unique.get_mut(*at)) {
            Some(member) => member.1 = value,
            None => {
                places.insert(identity, unique.len());
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
    fn a_list_in_a_string_keeps_its_places() {
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
    fn every_value_knows_its_bytes() {
        let text = "a:\n  - 'x y'\n  - {k: 3.10}\n";
        let source = Source::new("hosts.yml", text);
        let root = parse_value(&source, 0, text.len()).unwrap();
        let Value::List(items) = &root.get("a").unwrap().value else { panic!("no list") };
        let number = items[1].get("k").unwrap();
        assert_eq!((number.text.as_str(), number.span.to_string().as_str()), ("3.10", "hosts.yml:3:9"));
        assert_eq!(items[0].span.to_string(), "hosts.yml:2:5");
    }
}

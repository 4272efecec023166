//! Parses Python literals as `ast.literal_eval` does, and keeps the place and the source text of each value. Ansible
//! uses it for the values in INI inventories. A text that is not a literal is not an error: Ansible keeps it as text.

mod number;
mod string;

use super::model::{Node, Trust, Value};
use super::problem::Problem;
use super::text::Text;

/// The maximum number of open brackets. Python's tokenizer has the same limit.
const MAX_DEPTH: usize = 200;

/// A value of an INI file: a literal, or else the unchanged text.
///
/// # Errors
/// It is a literal that is not supported, or that Python rejects only after it has read it.
pub(super) fn value(text: &Text) -> Result<Node, Problem> {
    Ok(literal(text)?.unwrap_or_else(|| Node::string(text.text, text.whole())))
}

/// The value of the literal; `None` if `text` is not a literal.
///
/// # Errors
/// As for [`value`].
pub(super) fn literal(text: &Text) -> Result<Option<Node>, Problem> {
    // Python does not accept source code with null bytes.
    if text.text.contains('\0') {
        return Ok(None);
    }
    let mut parser = Parser { text: *text, at: 0, depth: 0, rejected: None };
    match (parser.document(), parser.rejected) {
        (Err(NotLiteral), _) => Ok(None),
        // In Python, `{{ x }}` is a set that contains a set, which is an error. The user meant a template, so the value
        // is text.
        (Ok(_), Some(_)) if text.text.trim_start().starts_with("{{") => Ok(None),
        (Ok(_), Some(problem)) => Err(problem),
        (Ok(node), None) => Ok(Some(node)),
    }
}

/// The text is not a Python literal.
struct NotLiteral;

type Parsed<T> = Result<T, NotLiteral>;

/// Where an expression may be used.
#[derive(Clone, Copy, PartialEq)]
enum ExpressionKind {
    /// A number without a sign: also after a sign.
    Number,
    /// A value that can be a dict key or in a set.
    Hashable,
    /// A list, dict or set, or a tuple that contains one.
    Unhashable,
}

/// An expression that was read.
struct Expression {
    node: Node,
    kind: ExpressionKind,
}

struct Parser<'a> {
    text: Text<'a>,
    at: usize,
    depth: usize,
    /// The first part that Python rejects or that is not supported. It matters only if the complete text is a literal.
    rejected: Option<Problem>,
}

impl Parser<'_> {
    /// Parses one expression, or several expressions with commas (a tuple). A comment may follow.
    fn document(&mut self) -> Parsed<Node> {
        self.skip_blank();
        let start = self.at;
        let first = self.expression()?;
        self.skip_blank();
        let node = if self.eat(',') {
            let mut items = vec![first.node];
            let mut end = self.at;
            self.skip_blank();
            // A comma may end the text: `1,` is a tuple with one item.
            while !matches!(self.peek(), None | Some('#')) {
                items.push(self.expression()?.node);
                end = self.at;
                self.skip_blank();
                if !self.eat(',') {
                    break;
                }
                end = self.at;
                self.skip_blank();
            }
            self.node(Value::List(items), start, end)
        } else {
            first.node
        };
        match self.peek() {
            None | Some('#') => Ok(node),
            Some(_) => Err(NotLiteral),
        }
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.skip_blank();
        let rest = self.rest();
        match rest.chars().next().ok_or(NotLiteral)? {
            '[' => self.nested(Self::list),
            '(' => self.nested(Self::parenthesis),
            '{' => self.nested(Self::braces),
            '+' | '-' => self.signed(),
            '0'..='9' => self.number(),
            '.' if rest.starts_with("...") => {
                self.at += 3;
                // Ansible keeps Python's `Ellipsis` as its text.
                let node = Node::string("...", self.text.span(self.at - 3, self.at));
                Ok(Expression { node, kind: ExpressionKind::Hashable })
            }
            '.' => self.number(),
            _ if string::starts(rest) => self.string(),
            _ => self.name(),
        }
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Parsed<Expression>) -> Parsed<Expression> {
        // Python does not parse deeper nesting, so for Ansible such a text is not a literal.
        if self.depth == MAX_DEPTH {
            return Err(NotLiteral);
        }
        self.depth += 1;
        self.at += 1;
        let item = parse(self);
        self.depth -= 1;
        item
    }

    fn list(&mut self) -> Parsed<Expression> {
        let start = self.at - 1;
        let items = self.elements(Vec::new(), ']')?;
        let nodes = items.into_iter().map(|item| item.node).collect();
        Ok(Expression { node: self.node(Value::List(nodes), start, self.at), kind: ExpressionKind::Unhashable })
    }

    /// Parses the elements up to `close` and adds them to `items`. A comma may follow each element.
    fn elements(&mut self, mut items: Vec<Expression>, close: char) -> Parsed<Vec<Expression>> {
        loop {
            self.skip_blank();
            if self.eat(close) {
                return Ok(items);
            }
            items.push(self.expression()?);
            self.comma_or(close)?;
        }
    }

    /// Skips a comma after an element. Without a comma, `close` must follow; it is not skipped.
    fn comma_or(&mut self, close: char) -> Parsed<()> {
        self.skip_blank();
        if self.eat(',') || self.peek() == Some(close) { Ok(()) } else { Err(NotLiteral) }
    }

    /// A tuple, or one value in parentheses.
    fn parenthesis(&mut self) -> Parsed<Expression> {
        let start = self.at - 1;
        self.skip_blank();
        let mut items = Vec::new();
        if self.peek() != Some(')') {
            let first = self.expression()?;
            self.skip_blank();
            // Without a comma the parentheses contain one value, not a tuple.
            if self.eat(')') {
                return Ok(first);
            }
            self.comma_or(')')?;
            items.push(first);
        }
        let items = self.elements(items, ')')?;
        let kind = if items.iter().any(|item| item.kind == ExpressionKind::Unhashable) {
            ExpressionKind::Unhashable
        } else {
            ExpressionKind::Hashable
        };
        let nodes = items.into_iter().map(|item| item.node).collect();
        Ok(Expression { node: self.node(Value::List(nodes), start, self.at), kind })
    }

    /// A dict or a set.
    fn braces(&mut self) -> Parsed<Expression> {
        let start = self.at - 1;
        self.skip_blank();
        let value = if self.eat('}') {
            Value::Map(Vec::new())
        } else {
            let from = self.at;
            let first = self.expression()?;
            // Python reports this only when it builds the value, so reading continues.
            self.require_hashable(&first, from);
            self.skip_blank();
            if self.peek() == Some(':') { self.dict(first.node)? } else { self.set(first)? }
        };
        Ok(Expression { node: self.node(value, start, self.at), kind: ExpressionKind::Unhashable })
    }

    fn dict(&mut self, mut key: Node) -> Parsed<Value> {
        let mut members = Vec::new();
        loop {
            self.skip_blank();
            if !self.eat(':') {
                return Err(NotLiteral);
            }
            self.reject_key(&key);
            let value = self.expression()?.node;
            set_key(&mut members, key, value);
            self.comma_or('}')?;
            self.skip_blank();
            if self.eat('}') {
                return Ok(Value::Map(members));
            }
            let from = self.at;
            let item = self.expression()?;
            self.require_hashable(&item, from);
            key = item.node;
        }
    }

    /// Rejects keys that Python allows, but that neither JSON nor Ansible can write.
    fn reject_key(&mut self, key: &Node) {
        // The ellipsis differs from the string `'...'` only in its length in the source.
        let ellipsis = key.text == "..." && key.span.end - key.span.start == key.text.len();
        let message = match &key.value {
            Value::List(_) => "a tuple cannot be a dict key",
            Value::Str(_) if key.trust == Trust::Literal => "bytes cannot be a dict key",
            Value::Str(_) if ellipsis => "`...` cannot be a dict key",
            _ => return,
        };
        self.rejected.get_or_insert_with(|| Problem::hiding(&key.span, message).hint("use a string"));
    }

    fn set(&mut self, first: Expression) -> Parsed<Value> {
        let mut nodes = vec![first.node];
        self.comma_or('}')?;
        loop {
            self.skip_blank();
            if self.eat('}') {
                return Ok(Value::List(nodes));
            }
            let from = self.at;
            let item = self.expression()?;
            self.require_hashable(&item, from);
            // A set keeps the first of equal items.
            if !nodes.iter().any(|node| is_same_key(node, &item.node)) {
                nodes.push(item.node);
            }
            self.comma_or('}')?;
        }
    }

    fn require_hashable(&mut self, item: &Expression, from: usize) {
        if item.kind == ExpressionKind::Unhashable {
            let message = "a list, dict or set cannot be a dict key or in a set";
            self.rejected.get_or_insert_with(|| Problem::hiding(&self.text.span(from, self.at), message));
        }
    }

    /// Parses a sign and the number after it. The number may be in parentheses, but must not have another sign.
    fn signed(&mut self) -> Parsed<Expression> {
        let start = self.at;
        let negative = self.peek() == Some('-');
        self.at += 1;
        let operand = self.expression()?;
        // `ast.literal_eval` accepts a sign only before a number.
        if operand.kind != ExpressionKind::Number {
            return Err(NotLiteral);
        }
        let value = match operand.node.value {
            Value::Int(number) if negative => Value::Int(-number),
            Value::Float(number) if negative => Value::Float(-number),
            // A number that is too large for 128 bits is text.
            Value::Str(digits) if negative => Value::Str(format!("-{digits}")),
            other => other,
        };
        // The result is not a `Number`, because Python rejects a second sign before it.
        Ok(Expression { node: self.scalar(value, start), kind: ExpressionKind::Hashable })
    }

    fn number(&mut self) -> Parsed<Expression> {
        let start = self.at;
        let (value, length) = number::read(self.rest()).ok_or(NotLiteral)?;
        self.at += length;
        // A complex number outside of brackets is text for Ansible too.
        if self.depth > 0 {
            self.reject_imaginary();
        }
        Ok(Expression { node: self.scalar(value, start), kind: ExpressionKind::Number })
    }

    /// Skips the rest of a complex number and rejects it. Inside a list or dict, the complete value would otherwise
    /// become text, and no message would report it. If the complex number is the complete value, it is text in Ansible
    /// too.
    fn reject_imaginary(&mut self) {
        let (blank, unit) = ([' ', '\t'], ['j', 'J']);
        let here = self.rest();
        let length = if here.starts_with(unit) {
            1
        } else {
            let Some(second) = here.trim_start_matches(blank).strip_prefix(['+', '-']) else { return };
            let second = second.trim_start_matches(blank);
            match number::read(second) {
                Some((_, length)) if second[length..].starts_with(unit) => here.len() - second.len() + length + 1,
                _ => return,
            }
        };
        let place = self.text.span(self.at, self.at + length);
        self.at += length;
        let problem = Problem::hiding(&place, "complex numbers are not supported").hint("put it in quotes");
        self.rejected.get_or_insert(problem);
    }

    /// `True`, `False`, `None`, and the empty set, `set()`.
    fn name(&mut self) -> Parsed<Expression> {
        let start = self.at;
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..length];
        let value = match name {
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            "None" => Value::Null,
            "set" => {
                self.at += length;
                return self.empty_set(start);
            }
            _ => return Err(NotLiteral),
        };
        self.at += length;
        Ok(Expression { node: self.scalar(value, start), kind: ExpressionKind::Hashable })
    }

    fn empty_set(&mut self, start: usize) -> Parsed<Expression> {
        for bracket in ['(', ')'] {
            self.skip_blank();
            if !self.eat(bracket) {
                return Err(NotLiteral);
            }
        }
        Ok(Expression { node: self.node(Value::List(Vec::new()), start, self.at), kind: ExpressionKind::Unhashable })
    }

    /// One or more adjacent string literals, which Python concatenates.
    fn string(&mut self) -> Parsed<Expression> {
        let start = self.at;
        let (mut joined, mut end) = (string::StringValue::default(), self.at);
        while string::starts(self.rest()) {
            let literal = self.text.part(self.at, self.text.text.len());
            let (value, length) = string::read(&literal, &mut self.rejected)?;
            joined = joined.followed_by(value).ok_or(NotLiteral)?;
            self.at += length;
            end = self.at;
            self.skip_blank();
        }
        // The span ends with the last literal, not with the white space after it.
        let span = self.text.span(start, end);
        // As in Ansible the text of a bytes literal is never a template.
        let trust = if matches!(joined, string::StringValue::Bytes(_)) { Trust::Literal } else { Trust::Template };
        let text = joined.into_text().unwrap_or_else(|| {
            self.rejected.get_or_insert(Problem::hiding(&span, "the bytes of this literal are not UTF-8"));
            String::new()
        });
        Ok(Expression { node: Node { trust, ..Node::string(text, span) }, kind: ExpressionKind::Hashable })
    }

    fn scalar(&self, value: Value, start: usize) -> Node {
        Node::new(value, &self.text.text[start..self.at], self.text.span(start, self.at))
    }

    fn node(&self, value: Value, start: usize, end: usize) -> Node {
        Node::new(value, "", self.text.span(start, end))
    }

    fn rest(&self) -> &str {
        &self.text.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }
}

/// Sets a key. As in a Python dict, an existing key keeps its position.
fn set_key(members: &mut Vec<(Node, Node)>, key: Node, value: Node) {
    match members.iter_mut().find(|(name, _)| is_same_key(name, &key)) {
        Some(member) => member.1 = value,
        None => members.push((key, value)),
    }
}

/// Whether two keys are equal in Python, where `1`, `1.0` and `True` are equal.
fn is_same_key(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Null, Value::Null) => true,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_key(a, b)),
        (a, b) => as_float(a).is_some_and(|a| Some(a) == as_float(b)),
    }
}

fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        // Keys that differ only beyond 2^53 do not occur in inventories.
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    #[test]
    fn every_part_has_its_place_and_its_text() {
        let line = r"[{'host': 'a', 'port': 0x10}, ('x' 'y', 3.10)]  # c";
        let source = Source::new("hosts", line);
        let node = value(&Text::slice(&source, 0, line.len())).unwrap();
        let shown = |node: &Node| line[node.span.start..node.span.end].to_owned();
        let Value::List(items) = &node.value else { panic!("no list") };
        let port = items[0].get("port").unwrap();
        assert_eq!((shown(port), port.text.as_str()), ("0x10".to_owned(), "0x10"));
        let Value::List(tuple) = &items[1].value else { panic!("no tuple") };
        assert_eq!((shown(&tuple[0]), tuple[0].text.as_str()), ("'x' 'y'".to_owned(), "xy"));
        assert_eq!(tuple[1].text, "3.10");
    }

    #[test]
    fn no_text_causes_a_panic() {
        for text in ["", "'", "\\", "'\\", "b'\\x4", "{", "[(", "0x", "1e", "-", "'\\N{", "ä'", "r", "''' "] {
            let source = Source::new("hosts", text);
            assert_eq!(value(&Text::slice(&source, 0, text.len())).unwrap().text, text);
        }
        let deep = "[".repeat(100_000);
        let source = Source::new("hosts", deep.as_str());
        assert!(value(&Text::slice(&source, 0, deep.len())).is_ok());
    }
}

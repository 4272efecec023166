//! `{{ name }}` in values. Any other template expression is refused with its place, never used as text.

use super::finding::Code;
use super::model::{Node, Span, Trust, Value};
use super::precedence::Scope;
use super::problem::{Problem, nearest};
use super::variables::Variables;

/// The variables of one host, resolved one by one when they are asked for: what nobody uses may be wrong.
#[derive(Clone)]
pub struct HostVars<'a> {
    variables: &'a Variables,
    scope: Scope<'a>,
}

impl<'a> HostVars<'a> {
    /// The variables of `host`.
    pub fn new(variables: &'a Variables, host: &str) -> Self {
        Self { variables, scope: Scope::new(variables.inventory(), host) }
    }

    /// The variable with its templates resolved; `None` if it is not set.
    pub fn get(&self, name: &str) -> Result<Option<Node>, Problem> {
        self.variable(name, &mut Vec::new())
    }

    /// `node` with its templates resolved by the variables of this host.
    pub fn resolve(&self, node: &Node) -> Result<Node, Problem> {
        self.node(node, &mut Vec::new())
    }

    /// The variable as it was written.
    pub fn raw(&self, name: &str) -> Option<&'a Node> {
        self.scope.raw(name)
    }

    /// The names of all variables of the host; a name may come twice.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.scope.names()
    }

    /// `open` holds the variables that are being resolved.
    fn variable(&self, name: &str, open: &mut Vec<String>) -> Result<Option<Node>, Problem> {
        if let Some(node) = self.magic(name) {
            return Ok(Some(node));
        }
        let Some(raw) = self.scope.raw(name) else { return Ok(None) };
        if open.iter().any(|other| other == name) {
            let message = format!("variable `{name}` is made of itself: {} → `{name}`", ways(open));
            return Err(Problem::hiding(&raw.span, message));
        }
        open.push(name.to_owned());
        let resolved = self.node(raw, open)?;
        open.pop();
        Ok(Some(resolved))
    }

    /// The variables that Ansible sets itself.
    fn magic(&self, name: &str) -> Option<Node> {
        let host = self.scope.host?;
        match name {
            "inventory_hostname" => Some(Node::string(&host.name, host.span.clone())),
            "inventory_hostname_short" => {
                let is_address = host.name.parse::<std::net::IpAddr>().is_ok();
                let short = if is_address { &host.name } else { host.name.split('.').next().unwrap_or_default() };
                Some(Node::string(short, host.span.clone()))
            }
            _ => None,
        }
    }

    fn node(&self, node: &Node, open: &mut Vec<String>) -> Result<Node, Problem> {
        if node.trust == Trust::Literal {
            return Ok(node.clone());
        }
        let value = match &node.value {
            Value::Str(text) => return self.text(node, text, open),
            Value::Vault => {
                let text = self.variables.outside().decrypt(&node.text);
                let text = text.map_err(|fault| {
                    fault.explain(Problem::hiding(&node.span, format!("cannot decrypt this value: {fault}")))
                })?;
                return Ok(Node { trust: Trust::Literal, ..Node::string(text, node.span.clone()) });
            }
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.node(item, open)).collect::<Result<_, _>>()?)
            }
            Value::Map(members) => {
                let member = |(key, value): &(Node, Node)| {
                    if pieces(&key.text).iter().any(|piece| !matches!(piece, Piece::Plain(_))) {
                        return Err(Problem::hiding(&key.span, "templates in keys are not supported"));
                    }
                    Ok((key.clone(), self.node(value, open)?))
                };
                Value::Map(members.iter().map(member).collect::<Result<_, _>>()?)
            }
            _ => return Ok(node.clone()),
        };
        Ok(Node { value, ..node.clone() })
    }

    /// A text that is one `{{ name }}` becomes that variable, with its type; in a longer text the
    /// variable's text takes its place.
    fn text(&self, node: &Node, text: &str, open: &mut Vec<String>) -> Result<Node, Problem> {
        let pieces = pieces(text);
        if let [Piece::Variable(name, expression)] = pieces.as_slice() {
            return self.defined(name, &place(node, text, expression), open);
        }
        let mut filled = String::with_capacity(text.len());
        for piece in &pieces {
            match piece {
                Piece::Plain(plain) => filled.push_str(plain),
                Piece::Variable(name, expression) => {
                    let place = place(node, text, expression);
                    let inner = self.defined(name, &place, open)?;
                    if matches!(inner.value, Value::Null | Value::List(_) | Value::Map(_)) {
                        let kind = inner.value.type_name();
                        return Err(Problem::naming(
                            &place,
                            format!("`{name}` is {kind} and cannot be part of a text"),
                        ));
                    }
                    filled.push_str(&inner.text);
                }
                Piece::Other(expression) => {
                    let message = "template expressions other than `{{ name }}` are not supported yet";
                    return Err(Problem::hiding(&place(node, text, expression), message));
                }
            }
        }
        // What was filled in may look like a template and is none.
        Ok(Node { value: Value::Str(filled.clone()), text: filled, trust: Trust::Literal, ..node.clone() })
    }

    fn defined(&self, name: &str, place: &Span, open: &mut Vec<String>) -> Result<Node, Problem> {
        self.variable(name, open)?.ok_or_else(|| {
            let problem =
                Problem::naming(place, format!("variable `{name}` is not defined")).code(Code::UndefinedVariable);
            match nearest(name, self.scope.names()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            }
        })
    }
}

/// The chain of variables that led here.
fn ways(open: &[String]) -> String {
    open.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ")
}

/// A part of a text.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Plain(&'a str),
    /// The name, and the whole `{{ name }}`.
    Variable(&'a str, &'a str),
    /// Any other template syntax.
    Other(&'a str),
}

/// The parts of a text, up to the first that is not understood.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = ["{{", "{%", "{#"].iter().filter_map(|mark| rest.find(mark)).min() {
        if start > 0 {
            pieces.push(Piece::Plain(&rest[..start]));
        }
        let Some((name, length)) = variable(&rest[start..]) else {
            pieces.push(Piece::Other(&rest[start..]));
            return pieces;
        };
        pieces.push(Piece::Variable(name, &rest[start..start + length]));
        rest = &rest[start + length..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Plain(rest));
    }
    pieces
}

/// The name in a leading `{{ name }}`, and the length of the whole.
fn variable(text: &str) -> Option<(&str, usize)> {
    /// Names that Jinja does not look up.
    const WORDS: [&str; 11] = ["true", "True", "false", "False", "none", "None", "not", "and", "or", "is", "in"];
    let inner = text.strip_prefix("{{")?;
    let end = inner.find("}}")?;
    let name = inner[..end].trim();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let usable = plain && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && !WORDS.contains(&name);
    usable.then_some((name, 2 + end + 2))
}

/// Where an expression of a value stands: exactly, if the source shows it as it is.
fn place(node: &Node, text: &str, expression: &str) -> Span {
    let before = expression.as_ptr() as usize - text.as_ptr() as usize;
    let nth = text[..before].matches(expression).count();
    let written = node.span.source.text().get(node.span.start..node.span.end).unwrap_or_default();
    match written.match_indices(expression).nth(nth) {
        Some((at, _)) => {
            let start = node.span.start + at;
            Span::new(&node.span.source, start, start + expression.len())
        }
        None => Span::new(&node.span.source, node.span.start, node.span.start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_variables() {
        assert_eq!(pieces("a{{ b }}c"), [Piece::Plain("a"), Piece::Variable("b", "{{ b }}"), Piece::Plain("c")]);
        for text in ["{{ a | b }}", "{% if a %}", "{# a #}", "{{ 'a' }}", "{{ true }}", "{{ a", "{{- a -}}", "{{}}"] {
            assert_eq!(pieces(text), [Piece::Other(text)]);
        }
        assert_eq!(pieces("{ {a} }"), [Piece::Plain("{ {a} }")]);
    }
}

//! The variables of a host with their templates resolved, as Ansible does it: lazily, each variable when it is
//! asked for, and through other variables. What is not supported is a problem with its place, never a value.
//!
//! This file leads a text from its plan to its value; the modules below stand in groups, in the order of that way.

// A text becomes a plan, which serves all hosts.
mod plan; // as it is, names to fill in, or a program
mod rewrite; // a program in the words of the engine
mod scan; // Jinja's lexer

// The plan of a host becomes a value.
mod bounds; // how large it may be
mod context; // what a template sees
mod convert; // variables as values of the engine, and back
mod engine; // evaluates a program
mod render; // values as Python's `str`

// What a template may call.
mod call; // arguments
mod conditions; // `x is …`
mod filters; // `x | …`
mod lookups; // `lookup(…)` and other functions
mod methods; // `x.…(…)`

// What goes wrong.
mod explain; // says why, and where
mod fault; // carries it through the engine

use std::ops::Range;
use std::sync::Arc;

use super::model::{Node, Trust, Value};
use super::problem::Problem;
use super::source::Span;
use super::variables::Variables;
use bounds::MAX_TEXT;
use context::{Frame, Owner};
pub(super) use engine::Engine;
use fault::Failure;
use plan::{Piece, Way};

/// The variables of one host, resolved one by one when they are asked for: what nobody uses may be wrong.
#[derive(Clone)]
pub struct HostVars<'a> {
    variables: &'a Variables,
    owner: Arc<Owner>,
}

impl<'a> HostVars<'a> {
    /// The variables of `host`.
    pub fn new(variables: &'a Variables, host: &str) -> Self {
        Self { variables, owner: Arc::new(Owner::new(variables, host)) }
    }

    /// The variable with its templates resolved; `None` if it is not set.
    ///
    /// # Errors
    /// A template in it, or in a variable it is made of, has no value; an encrypted value cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Node>, Problem> {
        Frame::root(Arc::clone(&self.owner)).node(name).map_err(Failure::problem)
    }

    /// `node` with its templates resolved by the variables of this host.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn resolve(&self, node: &Node) -> Result<Node, Problem> {
        Frame::root(Arc::clone(&self.owner)).resolve(node).map_err(Failure::problem)
    }

    /// The variable as it was written.
    pub fn raw(&self, name: &str) -> Option<&'a Node> {
        self.owner.raw(self.variables.inventory(), name)
    }

    /// The names of all variables of the host; a name may come twice.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.owner.names(self.variables.inventory())
    }
}

/// What a text gives: a variable as it stands, or a value of the engine.
enum Outcome {
    Node(Node),
    Value(minijinja::Value),
}

impl Frame {
    /// `node` with its templates resolved.
    fn resolve(self: &Arc<Self>, node: &Node) -> Result<Node, Failure> {
        if convert::is_settled(node) {
            return Ok(node.clone());
        }
        let value = match &node.value {
            Value::Str(text) => {
                return match self.text(node, text)? {
                    Outcome::Node(node) => Ok(node),
                    Outcome::Value(value) => convert::node(&value, &node.span),
                };
            }
            Value::Vault => return self.decrypt(node),
            Value::List(items) => {
                let items = items.iter().map(|item| present(self.resolve(item)));
                Value::List(items.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            Value::Map(members) => {
                let member =
                    |(key, value): &(Node, Node)| Ok(present(self.resolve(value))?.map(|value| (key.clone(), value)));
                Value::Map(members.iter().map(member).filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            _ => return Ok(node.clone()),
        };
        Ok(Node { value, ..node.clone() })
    }

    /// `node` as a template uses it.
    fn value_of(self: &Arc<Self>, node: &Node) -> Result<minijinja::Value, Failure> {
        if convert::is_settled(node) {
            return convert::settled(node);
        }
        match &node.value {
            Value::Str(text) => match self.text(node, text)? {
                Outcome::Node(node) => convert::settled(&node),
                Outcome::Value(value) => Ok(value),
            },
            Value::Vault => convert::settled(&self.decrypt(node)?),
            _ => Ok(convert::lazy(self, node)),
        }
    }

    fn decrypt(&self, node: &Node) -> Result<Node, Failure> {
        let text = self.owner().variables.outside().decrypt(&node.text).map_err(|fault| {
            let problem = Problem::hiding(&node.span, format!("cannot decrypt this value: {fault}"));
            Failure::Wrong(fault.explain(problem))
        })?;
        Ok(Node { trust: Trust::Literal, ..Node::string(text, node.span.clone()) })
    }

    /// A text that is one template becomes what that gives, with its type; else it is text.
    fn text(self: &Arc<Self>, node: &Node, text: &str) -> Result<Outcome, Failure> {
        let plan = self.engine().plan(text);
        let outcome = match &plan.way {
            Way::Text => Outcome::Node(node.clone()),
            Way::Refused(refused) => {
                let problem = Problem::hiding(&place(node, text, refused.at.clone()), refused.message.clone());
                return Err(Failure::Wrong(refused.hint.iter().fold(problem, |problem, hint| problem.hint(hint))));
            }
            Way::Pieces(pieces) => match pieces.as_slice() {
                [Piece::Name(name, at)] => Outcome::Node(self.defined(name, &place(node, text, at.clone()))?),
                _ => Outcome::Value(self.filled(node, text, pieces)?.into()),
            },
            Way::Program(program) => Outcome::Value(self.engine().run(self, node, text, program)?),
        };
        Ok(with_line_ends(outcome, plan.line_ends))
    }

    /// The pieces side by side; a variable's text takes the place of its name.
    fn filled(self: &Arc<Self>, node: &Node, text: &str, pieces: &[Piece]) -> Result<String, Failure> {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Plain(plain) => filled.push_str(plain),
                Piece::Name(name, at) => {
                    let place = place(node, text, at.clone());
                    let inner = self.defined(name, &place)?;
                    match &inner.value {
                        Value::Null => {}
                        Value::List(_) | Value::Map(_) => {
                            let rendered = convert::settled(&inner)?;
                            let refused = |_| {
                                Failure::Wrong(Problem::naming(
                                    &place,
                                    name,
                                    format!("`{name}` cannot be part of a text"),
                                ))
                            };
                            filled.push_str(&render::text(&rendered).map_err(refused)?);
                        }
                        _ => filled.push_str(&inner.text),
                    }
                    if filled.len() > MAX_TEXT {
                        return Err(Failure::Wrong(Problem::hiding(&place, "this text becomes too long")));
                    }
                }
            }
        }
        Ok(filled)
    }

    fn defined(self: &Arc<Self>, name: &str, place: &Span) -> Result<Node, Failure> {
        match name {
            "omit" => Err(Failure::Omitted(Problem::hiding(place, "`omit` has no meaning for a whole variable"))),
            _ => {
                let asked = self.asked(name).map_err(|failure| failure.at(place))?;
                asked.ok_or_else(|| Failure::Undefined(explain::not_defined(place, name, self)))
            }
        }
    }
}

/// The value, unless it is `omit`.
fn present(result: Result<Node, Failure>) -> Result<Option<Node>, Failure> {
    match result {
        Err(Failure::Omitted(_)) => Ok(None),
        result => result.map(Some),
    }
}

/// Jinja drops the last line end of a template; Ansible gives a text as many as the template had.
fn with_line_ends(outcome: Outcome, wanted: usize) -> Outcome {
    let missing = |text: &str| wanted.saturating_sub(text.len() - text.trim_end_matches('\n').len());
    match outcome {
        Outcome::Node(mut node) if wanted > 0 => {
            if let Value::Str(text) = &mut node.value {
                let ends = "\n".repeat(missing(text));
                text.push_str(&ends);
                node.text.push_str(&ends);
            }
            Outcome::Node(node)
        }
        Outcome::Value(value) if wanted > 0 => match value.as_str() {
            Some(text) => Outcome::Value(format!("{text}{}", "\n".repeat(missing(text))).into()),
            None => Outcome::Value(value),
        },
        outcome => outcome,
    }
}

/// Where a part of a value stands: exactly, if the source shows it as it is.
fn place(node: &Node, text: &str, part: Range<usize>) -> Span {
    let start = Span::new(&node.span.source, node.span.start, node.span.start);
    let Some(words) = text.get(part.clone()).filter(|words| !words.is_empty()) else { return start };
    let nth = text[..part.start].matches(words).count();
    let written = node.span.source.text().get(node.span.start..node.span.end).unwrap_or_default();
    match written.match_indices(words).nth(nth) {
        Some((at, _)) => Span::new(&node.span.source, node.span.start + at, node.span.start + at + words.len()),
        None => start,
    }
}

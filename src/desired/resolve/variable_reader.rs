//! Reads the variables of one host in the shape the desired state needs, and collects every problem on the way.

use crate::desired::codes;
use crate::inventory::{Finding, HostVars, Node, Problem, Span, Value};

use super::cache::ResolveCache;
use super::credential_text as credential;

/// A scalar that was given, as the text the user wrote.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub text: String,
    pub span: Span,
}

/// The variables of one host, with the problems found so far.
pub(super) struct VariableReader<'a> {
    vars: &'a HostVars<'a>,
    /// What is asked or made once for all hosts.
    pub cache: &'a ResolveCache<'a>,
    pub problems: Vec<Problem>,
    /// What every run tells.
    pub warnings: Vec<Finding>,
    /// What a run tells in its own way, or not at all, and `inventory --check` does.
    pub notices: Vec<Finding>,
}

impl<'a> VariableReader<'a> {
    pub fn new(vars: &'a HostVars<'a>, cache: &'a ResolveCache<'a>) -> Self {
        Self { vars, cache, problems: Vec::new(), warnings: Vec::new(), notices: Vec::new() }
    }

    /// The variable as it was written; `None` if it is not set.
    pub fn raw(&self, name: &str) -> Option<&'a Node> {
        self.vars.raw(name)
    }

    /// The variable with its templates resolved; `None` if it is not set, or is a problem.
    pub fn node(&mut self, name: &str) -> Option<Node> {
        self.vars.get(name).unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }

    /// A scalar variable as text. Null, empty, and lists are problems.
    pub fn text(&mut self, name: &str) -> Option<Text> {
        let node = self.node(name)?;
        self.text_of(&node, &format!("`{name}`"))
    }

    /// A scalar variable that is, or is part of, a credential.
    pub fn credential(&mut self, name: &str) -> Option<Text> {
        let node = self.node(name)?;
        let what = format!("`{name}`");
        if let Some(raw) = self.raw(name) {
            self.tell_filled(raw, &what);
        }
        self.credential_of(&node, &what)
    }

    /// Tells of numbers and booleans that a text is filled with: `{{ name }}` keeps their text, and Ansible does not.
    pub fn tell_filled(&mut self, raw: &Node, what: &str) {
        for name in credential::filled_with(raw) {
            if let Ok(Some(node)) = self.vars.get(name) {
                self.warnings.extend(credential::retyped(&node, &format!("`{name}`, which {what} is filled with,")));
            }
        }
    }

    /// The text of a scalar that is `what` of a credential: as the user wrote it, told where Ansible would not
    /// take it so.
    pub fn credential_of(&mut self, node: &Node, what: &str) -> Option<Text> {
        let text = self.text_of(node, what)?;
        self.warnings.extend(credential::retyped(node, what));
        self.notices.extend(credential::kept_number(node, what));
        self.notices.extend(credential::padded(node, what));
        Some(text)
    }

    /// The variable with its templates resolved, if it is there and can be: for what only advice depends on.
    pub fn peek(&self, name: &str) -> Option<Node> {
        self.vars.get(name).ok().flatten()
    }

    /// A variable that is true or false in any of Ansible's spellings.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let node = self.node(name)?;
        self.flag_of(&node, &format!("`{name}`"))
    }

    /// The text of a scalar that stands for `what`.
    pub fn text_of(&mut self, node: &Node, what: &str) -> Option<Text> {
        let problem = match &node.value {
            _ if node.is_blank() => Problem::hiding(&node.span, format!("{what} is empty"))
                .code(codes::EMPTY_VALUE)
                .hint(if node.text.trim().is_empty() {
                    "give it a value, or remove the line"
                } else {
                    "Ansible reads this word as nothing: put it in quotes if it is meant"
                }),
            Value::List(_) | Value::Map(_) => {
                Problem::hiding(&node.span, format!("{what} is {}, not text", node.value.type_name()))
            }
            // Its text is the envelope, which nobody must take for the secret.
            Value::Vault => Problem::hiding(&node.span, format!("{what} is encrypted where nothing is decrypted"))
                .hint("encrypt the variable itself with `!vault`, not a part of a text or of an `!unsafe` value"),
            _ => return Some(Text { text: node.text.clone(), span: node.span.clone() }),
        };
        self.problems.push(problem);
        None
    }

    /// The truth of a scalar, by the rule of Ansible's `bool` filter.
    pub fn flag_of(&mut self, node: &Node, what: &str) -> Option<bool> {
        let text = self.text_of(node, what)?;
        match text.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "t" | "y" => Some(true),
            "false" | "no" | "off" | "0" | "f" | "n" => Some(false),
            _ => {
                let problem = Problem::hiding(&text.span, format!("{what} is neither true nor false"));
                self.problems.push(problem.hint("write True or False"));
                None
            }
        }
    }
    /// A text without control characters.
    pub fn without_controls(&mut self, text: Text, what: &str) -> Option<Text> {
        if text.text.contains(char::is_control) {
            let problem = Problem::hiding(&text.span, format!("{what} has a line end or another control character"));
            self.problems.push(problem.hint("in YAML, `|` keeps the last line end and `|-` does not"));
            return None;
        }
        Some(text)
    }
}

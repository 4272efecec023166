//! Reads the variables of one host with the types that the desired state needs, and collects the problems. It does not
//! interpret any variable.

use std::cell::RefCell;

use crate::desired::codes;
use crate::dockerconfig::{has_stray_line_end, password_fault};
use crate::inventory::{Finding, HostVars, Node, Problem, Span, Value};
use crate::secret::Secret;

use super::cache::ResolveCache;
use super::credential_text;

/// A scalar value: the text as written, and its place.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub text: String,
    pub span: Span,
}

/// The variables of one host, and the problems so far.
pub(super) struct VariableReader<'a> {
    vars: &'a HostVars<'a>,
    /// Values that are loaded or computed once for all hosts.
    pub cache: &'a ResolveCache<'a>,
    pub problems: Vec<Problem>,
    /// Findings that every run shows.
    pub warnings: Vec<Finding>,
    /// Findings that only `inventory --check` shows.
    pub notices: Vec<Finding>,
    /// The names of the variables that were read, while they are recorded.
    recorded: RefCell<Option<Vec<String>>>,
}

impl<'a> VariableReader<'a> {
    pub fn new(vars: &'a HostVars<'a>, cache: &'a ResolveCache<'a>) -> Self {
        Self {
            vars,
            cache,
            problems: Vec::new(),
            warnings: Vec::new(),
            notices: Vec::new(),
            recorded: RefCell::new(None),
        }
    }

    /// Records the names of all variables that are read from now on.
    pub fn start_recording(&mut self) {
        self.recorded = RefCell::new(Some(Vec::new()));
    }

    /// Ends the recording, and returns the names in the order in which they were first read.
    pub fn recorded(&mut self) -> Vec<String> {
        self.recorded.take().unwrap_or_default()
    }

    fn record(&self, name: &str) {
        if let Some(names) = &mut *self.recorded.borrow_mut()
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }

    /// The variable as written, with unevaluated templates; `None` if it is not set.
    pub fn raw(&self, name: &str) -> Option<&'a Node> {
        self.record(name);
        self.vars.raw(name)
    }

    /// The variable with its templates evaluated; `None` if it is not set or if there is a problem.
    pub fn node(&mut self, name: &str) -> Option<Node> {
        self.record(name);
        self.vars.get(name).unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }

    /// The variable with its templates evaluated. Problems are ignored, because only advice depends on the value.
    pub fn node_or_none(&self, name: &str) -> Option<Node> {
        self.record(name);
        self.vars.get(name).ok().flatten()
    }

    /// A scalar variable as text. Null, empty text, lists and mappings are problems.
    pub fn text(&mut self, name: &str) -> Option<Text> {
        let node = self.node(name)?;
        self.text_of(&node, &format!("`{name}`"))
    }

    /// A scalar variable that is a credential or a part of one.
    pub fn credential(&mut self, name: &str) -> Option<Text> {
        let node = self.node(name)?;
        let what = format!("`{name}`");
        if let Some(raw) = self.raw(name) {
            self.warn_about_inserted_values(raw, &what);
        }
        self.credential_of(&node, &what)
    }

    /// Warns about numbers and booleans that a template inserts into a text. Here, `{{ name }}` inserts them as the
    /// user wrote them; Ansible may spell them differently.
    pub fn warn_about_inserted_values(&mut self, raw: &Node, what: &str) {
        for name in credential_text::inserted_variables(raw) {
            // A variable that cannot be evaluated is reported when the credential itself is read.
            self.record(name);
            if let Ok(Some(node)) = self.vars.get(name) {
                let inserted = format!("`{name}`, which is inserted into {what},");
                self.warnings.extend(credential_text::respelled_by_ansible(&node, &inserted));
            }
        }
    }

    /// A scalar that is a credential or a part of one, as text. Reports values that Ansible reads differently.
    pub fn credential_of(&mut self, node: &Node, what: &str) -> Option<Text> {
        let text = self.text_of(node, what)?;
        self.warnings.extend(credential_text::respelled_by_ansible(node, what));
        self.notices.extend(credential_text::number_with_same_spelling(node, what));
        match credential_text::surrounding_white_space(node, what) {
            // It almost always comes from a block in YAML, and the registry would refuse the login, so every run reports it.
            Some(finding) if has_stray_line_end(&node.text) => self.warnings.push(finding),
            other => self.notices.extend(other),
        }
        self.notices.extend(credential_text::invisible_characters(&node.text, &node.span, what));
        Some(text)
    }

    /// A boolean variable in any spelling that Ansible accepts.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let node = self.node(name)?;
        self.flag_of(&node, &format!("`{name}`"))
    }

    /// A scalar as text. `what` is its name in messages.
    pub fn text_of(&mut self, node: &Node, what: &str) -> Option<Text> {
        let problem = match &node.value {
            _ if node.is_blank() && node.text.trim().is_empty() => empty_value(node, what),
            _ if node.is_blank() => empty_value(node, what)
                .hint("Ansible reads this word as a null value: put it in quotes if you mean the word"),
            Value::List(_) | Value::Map(_) => {
                Problem::hiding(&node.span, format!("{what} is {}, not text", node.value.type_name()))
                    .hint("write a single value")
            }
            // The text of this value is still encrypted, and must not be used as the secret.
            Value::Vault => {
                Problem::hiding(&node.span, format!("{what} is encrypted, but in a place where no value is decrypted"))
                    .hint("encrypt the variable itself with `!vault`, not a part of a text or of an `!unsafe` value")
            }
            _ => return Some(Text { text: node.text.clone(), span: node.span.clone() }),
        };
        self.problems.push(problem);
        None
    }

    /// A scalar as a boolean, by the rule of Ansible's `bool` filter.
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

    /// The text as a password; `None` and a problem if programs would change it.
    pub fn password(&mut self, text: Text, what: &str) -> Option<Secret> {
        if let Some(fault) = password_fault(&text.text) {
            self.problems.push(Problem::hiding(&text.span, format!("{what} {fault}")));
            return None;
        }
        Some(Secret::new(text.text))
    }

    /// The same text; `None` and a problem if it contains a control character.
    pub fn without_controls(&mut self, text: Text, what: &str) -> Option<Text> {
        if text.text.contains(char::is_control) {
            let message = format!("{what} contains a line break or another control character");
            let problem = Problem::hiding(&text.span, message);
            self.problems.push(problem.hint("in YAML, `|` keeps the last line break and `|-` does not"));
            return None;
        }
        Some(text)
    }
}

/// The problem that a value is null, or text without any character.
pub(super) fn empty_value(node: &Node, what: &str) -> Problem {
    let problem = Problem::hiding(&node.span, format!("{what} is empty")).code(codes::EMPTY_VALUE);
    problem.hint("give it a value, or remove the line")
}

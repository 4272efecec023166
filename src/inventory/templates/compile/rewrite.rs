//! Rewrites the tokens of one `{{ … }}` or `{% … %}` to source that the template engine accepts and evaluates as
//! Ansible and Jinja do. It does not check the grammar; the engine does that.

use std::ops::Range;

use super::invalid::InvalidTemplate;
use super::scan::{Lexeme, Token};
use super::vocabulary::{Callable, UnknownName, Vocabulary, short_name};

/// The maximum nesting of brackets, operators and `elif`s. The engine uses recursion for them, so more could overflow
/// the stack.
pub(super) const MAX_DEPTH: usize = 200;

/// Names that Jinja does not look up as variables. From index 6 on they are operators.
const KEYWORDS: [&str; 13] =
    ["true", "True", "false", "False", "none", "None", "not", "and", "or", "is", "in", "if", "else"];

/// Those of the keywords that are operators.
const OPERATORS: std::ops::RangeFrom<usize> = 6..;

/// Whether the token is the name of a variable.
pub(super) fn is_variable(text: &str, token: &Token) -> bool {
    token.lexeme == Lexeme::Name && !KEYWORDS.contains(&&text[token.start..token.end])
}

/// Rewrites the content of one pair of delimiters:
/// * string literals get the escapes of the engine;
/// * `a.b[c]` becomes `__member(a, "b", c)`: in Ansible every member of an undefined value is undefined too, while
///   any other use of an undefined value is an error;
/// * operands of `~` and `+`, and values that `set` assigns, go through the filter `__bounded`, because a loop could
///   double them in each round;
/// * filters and tests lose the prefix `ansible.builtin.`, and must exist.
pub(super) struct Rewriter<'a> {
    text: &'a str,
    tokens: &'a [Token],
    vocabulary: &'a Vocabulary,
    /// For each opening bracket the index of the token that closes it; 0 for all other tokens.
    closing: Vec<usize>,
    /// Names that may be undefined, because the template checks them.
    pub guarded: Vec<String>,
    /// The byte of `text` up to which everything was written to `out`.
    done: usize,
    out: String,
}

impl<'a> Rewriter<'a> {
    /// Prepares the tokens of one pair of delimiters.
    pub fn new(text: &'a str, tokens: &'a [Token], vocabulary: &'a Vocabulary) -> Result<Self, InvalidTemplate> {
        let mut closing = vec![0; tokens.len()];
        let mut open = Vec::new();
        // For each open bracket, the number of operators before the current token: this is the depth of the engine's
        // recursion.
        let mut operators = vec![0_usize];
        for (at, token) in tokens.iter().enumerate() {
            let level = operators.len() - 1;
            match token.lexeme {
                Lexeme::Symbol('(' | '[' | '{') => {
                    operators[level] += 1;
                    operators.push(0);
                    open.push(at);
                }
                Lexeme::Symbol(')' | ']' | '}') => {
                    if let Some(opening) = open.pop() {
                        operators.pop();
                        closing[opening] = at;
                    }
                }
                // The engine returns from its recursion at a comma.
                Lexeme::Symbol(',') => operators[level] = 0,
                Lexeme::Symbol(_) => operators[level] += 1,
                Lexeme::Name if KEYWORDS[OPERATORS].contains(&&text[token.start..token.end]) => operators[level] += 1,
                _ => {}
            }
            if operators.iter().sum::<usize>() > MAX_DEPTH {
                return Err(InvalidTemplate::new(token.start..token.end, "this expression has too many parts"));
            }
        }
        // The white space before the first token is not copied: the rewritten content gets spaces around it.
        let done = tokens.first().map_or(0, |token| token.start);
        Ok(Self { text, tokens, vocabulary, closing, guarded: Vec::new(), done, out: String::new() })
    }

    /// The name of the variable, if the tokens consist only of this name.
    pub fn plain_name(&self) -> Option<&'a str> {
        match self.tokens {
            [token] if is_variable(self.text, token) => Some(self.source_of(0)),
            _ => None,
        }
    }

    /// Rejects statements that need other template files, which a variable cannot have, and `do`.
    pub fn check_statement(&self, segment: &Range<usize>) -> Result<(), InvalidTemplate> {
        match self.tokens.first().map(|_| self.source_of(0)) {
            Some(word @ ("include" | "import" | "from" | "extends" | "block" | "autoescape" | "do")) => {
                Err(InvalidTemplate::new(segment.clone(), format!("`{{% {word} %}}` is not supported")))
            }
            _ => Ok(()),
        }
    }

    /// The rewritten content.
    pub fn rewrite(&mut self) -> Result<String, InvalidTemplate> {
        match self.assignment() {
            // The target of `set` (`ns.x`) must stay as it is: it is not a value.
            Some(equals) => {
                self.copy(0, equals + 1);
                // Without parentheses, the filter would apply only to the last operand of the value.
                self.out.push_str(" (");
                self.rewrite_range(equals + 1, self.tokens.len())?;
                self.out.push_str(")|__bounded");
            }
            None => self.rewrite_range(0, self.tokens.len())?,
        }
        Ok(format!(" {} ", self.out))
    }

    /// The index of the `=` of a `set` statement.
    fn assignment(&self) -> Option<usize> {
        self.tokens.first().filter(|_| self.source_of(0) == "set")?;
        let mut at = 1;
        while at < self.tokens.len() {
            if self.is_symbol(at, '=') {
                return Some(at);
            }
            // Skips brackets: the `=` of a keyword argument is not the assignment.
            at = self.closing[at].max(at) + 1;
        }
        None
    }

    /// Writes tokens unchanged.
    fn copy(&mut self, from: usize, to: usize) {
        for token in &self.tokens[from..to] {
            self.copy_gap(token);
            self.out.push_str(&self.text[token.start..token.end]);
        }
    }

    fn rewrite_range(&mut self, from: usize, to: usize) -> Result<(), InvalidTemplate> {
        let mut at = from;
        while at < to {
            at = self.rewrite_token(at, to)?;
        }
        Ok(())
    }

    /// Writes the token at `at` with everything that belongs to it, and returns the index of the next token.
    fn rewrite_token(&mut self, at: usize, to: usize) -> Result<usize, InvalidTemplate> {
        let token = &self.tokens[at];
        self.copy_gap(token);
        match &token.lexeme {
            Lexeme::Text(_) => Ok(self.rewrite_strings(at, to)),
            Lexeme::Name if is_variable(self.text, token) && !self.is_member(at) => self.rewrite_access(at, to),
            Lexeme::Symbol('|') => {
                self.out.push('|');
                self.rewrite_name(at + 1, to, Callable::Filter)
            }
            Lexeme::Name if self.source_of(at) == "is" => {
                self.out.push_str("is");
                let negated = at + 1 < to && self.source_of(at + 1) == "not";
                if negated {
                    self.out.push_str(" not");
                    self.done = self.tokens[at + 1].end;
                }
                self.rewrite_name(at + 1 + usize::from(negated), to, Callable::Test)
            }
            Lexeme::Symbol(operator @ ('~' | '+')) if !self.is_sign(at) => {
                // The operand before the operator has already been written, so the filter applies to it.
                self.out.push_str("|__bounded ");
                self.out.push(*operator);
                Ok(at + 1)
            }
            // The engine does not accept a `+` before a number. The `+` has no effect, so it is left out.
            Lexeme::Symbol('+') if self.is_sign(at) => Ok(at + 1),
            _ => {
                self.out.push_str(&self.text[token.start..token.end]);
                Ok(at + 1)
            }
        }
    }

    /// Whether there is no operand before the token, so that a `+` or `-` is a sign.
    fn is_sign(&self, at: usize) -> bool {
        match at.checked_sub(1).map(|before| &self.tokens[before].lexeme) {
            Some(Lexeme::Symbol(symbol)) => !matches!(symbol, ')' | ']' | '}'),
            Some(Lexeme::Name) => KEYWORDS[OPERATORS].contains(&self.source_of(at - 1)),
            Some(_) => false,
            None => true,
        }
    }

    /// Writes adjacent string literals as one: Jinja concatenates them, as Python does.
    fn rewrite_strings(&mut self, mut at: usize, to: usize) -> usize {
        let mut value = String::new();
        while let Some(Token { lexeme: Lexeme::Text(text), end, .. }) = self.tokens[..to].get(at) {
            value.push_str(text);
            self.done = *end;
            at += 1;
        }
        self.out.push_str(&string_literal(&value));
        at
    }

    /// Writes a variable with its members (`a.b[c]`).
    fn rewrite_access(&mut self, at: usize, to: usize) -> Result<usize, InvalidTemplate> {
        let mut keys: Vec<(usize, usize)> = Vec::new();
        let mut next = at + 1;
        loop {
            let end = if self.is_symbol(next, '.') && next + 1 < to {
                next + 2
            } else {
                self.subscript_end(next).unwrap_or(next)
            };
            if end == next {
                break;
            }
            keys.push((next, end));
            next = end;
        }
        // The last name of `a.b(…)` is a method, not a member.
        if self.is_symbol(next, '(') && keys.last().is_some_and(|(start, _)| self.is_symbol(*start, '.')) {
            next = keys.pop().map_or(next, |(start, _)| start);
        }
        // The template handles the case that this name is undefined, so a message must not name it as the cause of a
        // failure.
        if self.is_guard(next) {
            self.guarded.push(self.text[self.tokens[at].start..self.tokens[next - 1].end].to_owned());
        }
        let name = self.source_of(at);
        // `loop` is an object of the engine. Its members cannot be read like those of a mapping.
        if keys.is_empty() || name == "loop" {
            self.out.push_str(name);
            return Ok(at + 1);
        }
        self.out.push_str("__member(");
        self.out.push_str(name);
        for (start, end) in keys {
            self.out.push_str(", ");
            if self.is_symbol(start, '.') {
                let key = self.source_of(start + 1);
                let is_number = self.tokens[start + 1].lexeme == Lexeme::Number;
                self.out.push_str(&if is_number { key.to_owned() } else { string_literal(key) });
            } else {
                // The brackets are not copied: the key becomes an argument of `__member`.
                self.done = self.tokens[start + 1].start;
                self.rewrite_range(start + 1, end - 1)?;
            }
        }
        self.out.push(')');
        self.done = self.tokens[next - 1].end;
        Ok(next)
    }

    /// The index after the `[…]` that starts at `at`; `None` if there is none, or if it is a slice (`[1:]`).
    fn subscript_end(&self, at: usize) -> Option<usize> {
        if !self.is_symbol(at, '[') {
            return None;
        }
        let close = self.closing[at];
        let mut inner = at + 1;
        while inner < close {
            if self.is_symbol(inner, ':') {
                return None;
            }
            inner = if self.closing[inner] > 0 { self.closing[inner] } else { inner } + 1;
        }
        (close > at + 1).then_some(close + 1)
    }

    /// Whether the tokens at `at` handle an undefined value: `| default`, `is defined` and the like.
    fn is_guard(&self, at: usize) -> bool {
        let word = |at: usize| if at < self.tokens.len() { self.source_of(at) } else { "" };
        match word(at) {
            // `ansible` is the start of `ansible.builtin.default`. A wrong guess only changes which name a message
            // shows.
            "|" => matches!(word(at + 1), "default" | "d" | "mandatory") || word(at + 1) == "ansible",
            // The second word after `is not` is at + 2.
            "is" => matches!(word(at + 1), "defined" | "undefined") || word(at + 2) == "defined",
            _ => false,
        }
    }

    /// Writes the name of a filter or test, which may have several parts (`ansible.builtin.match`).
    fn rewrite_name(&mut self, at: usize, to: usize, callable: Callable) -> Result<usize, InvalidTemplate> {
        if at >= to || self.tokens[at].lexeme != Lexeme::Name {
            return Ok(at);
        }
        let mut end = at + 1;
        while self.is_symbol(end, '.') && end + 1 < to && self.tokens[end + 1].lexeme == Lexeme::Name {
            end += 2;
        }
        let range = self.tokens[at].start..self.tokens[end - 1].end;
        let name: String = self.text[range.clone()].split_whitespace().collect();
        let name = short_name(&name);
        self.vocabulary
            .check(callable, name)
            .map_err(|unknown| unknown_name(range.clone(), callable, name, unknown))?;
        self.out.push(' ');
        self.out.push_str(name);
        self.done = range.end;
        Ok(end)
    }

    /// Writes the white space before a token.
    fn copy_gap(&mut self, token: &Token) {
        if token.start > self.done {
            self.out.push_str(&self.text[self.done..token.start]);
        }
        self.done = token.end;
    }

    fn source_of(&self, at: usize) -> &'a str {
        &self.text[self.tokens[at].start..self.tokens[at].end]
    }

    /// Whether the token follows a dot.
    fn is_member(&self, at: usize) -> bool {
        at > 0 && self.is_symbol(at - 1, '.')
    }

    fn is_symbol(&self, at: usize, symbol: char) -> bool {
        self.tokens.get(at).is_some_and(|token| token.lexeme == Lexeme::Symbol(symbol))
    }
}

/// The problem of a filter or test that cannot be used. The name is in the text of the template, so it may be shown.
fn unknown_name(at: Range<usize>, callable: Callable, name: &str, unknown: UnknownName) -> InvalidTemplate {
    let word = callable.word();
    match unknown {
        UnknownName::Unsupported(reason) => {
            InvalidTemplate::new(at, format!("the {word} `{name}` is not supported: {reason}"))
        }
        UnknownName::Missing(similar) => InvalidTemplate {
            hint: similar.map(|similar| format!("did you mean `{similar}`?")),
            ..InvalidTemplate::new(at, format!("the {word} `{name}` does not exist or is not supported"))
        },
    }
}

/// A string literal of the engine.
fn string_literal(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

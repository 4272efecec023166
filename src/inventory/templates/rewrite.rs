//! Writes the words of a template for the engine.

use std::ops::Range;

use super::plan::Refused;
use super::scan::{Token, Word};
use super::{conditions, filters};
use crate::inventory::problem::nearest;

/// Brackets and operators that lead into one another, and `elif`s: the engine recurses into each.
pub(super) const MAX_DEPTH: usize = 200;

/// Words that Jinja does not look up.
const WORDS: [&str; 13] =
    ["true", "True", "false", "False", "none", "None", "not", "and", "or", "is", "in", "if", "else"];

pub(super) fn is_variable(text: &str, token: &Token) -> bool {
    token.word == Word::Name && !WORDS.contains(&&text[token.start..token.end])
}

/// Writes the words of one pair of delimiters for the engine:
/// * string literals have the escapes of the engine;
/// * `a.b[c]` becomes `__member(a, "b", c)`: of what is undefined, all members are undefined, while every
///   other use of it is an error;
/// * operands of `~` and `+` go through `__bounded`, and so does what `set` assigns;
/// * filters and tests lose the `ansible.builtin.` of their names, and must exist.
pub(super) struct Rewriter<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// For each opening bracket, the token that closes it.
    closing: Vec<usize>,
    /// Names whose absence the template itself takes care of.
    pub guarded: Vec<String>,
    /// The end of what was written of `text`.
    done: usize,
    out: String,
}

impl<'a> Rewriter<'a> {
    /// Reads the words of one pair of delimiters.
    pub fn new(text: &'a str, tokens: &'a [Token]) -> Result<Self, Refused> {
        let mut closing = vec![0; tokens.len()];
        let mut open = Vec::new();
        // For each open bracket, how many operators stand before this token: the engine goes as deep.
        let mut operators = vec![0_usize];
        for (at, token) in tokens.iter().enumerate() {
            let level = operators.len() - 1;
            match token.word {
                Word::Symbol('(' | '[' | '{') => {
                    operators[level] += 1;
                    operators.push(0);
                    open.push(at);
                }
                Word::Symbol(')' | ']' | '}') => {
                    if let Some(opening) = open.pop() {
                        operators.pop();
                        closing[opening] = at;
                    }
                }
                Word::Symbol(',') => operators[level] = 0,
                Word::Symbol(_) => operators[level] += 1,
                Word::Name if WORDS[6..].contains(&&text[token.start..token.end]) => operators[level] += 1,
                _ => {}
            }
            if operators.iter().sum::<usize>() > MAX_DEPTH {
                let message = "this expression has too many parts".to_owned();
                return Err(Refused { at: token.start..token.end, message, hint: None });
            }
        }
        let done = tokens.first().map_or(0, |token| token.start);
        Ok(Self { text, tokens, closing, guarded: Vec::new(), done, out: String::new() })
    }

    /// The name, if that is all.
    pub fn plain_name(&self) -> Option<&'a str> {
        match self.tokens {
            [token] if is_variable(self.text, token) => Some(self.word(0)),
            _ => None,
        }
    }

    /// There are no other templates that a template could take in.
    pub fn statement_is_supported(&self, whole: &Range<usize>) -> Result<(), Refused> {
        match self.tokens.first().map(|_| self.word(0)) {
            Some(word @ ("include" | "import" | "from" | "extends" | "block" | "autoescape" | "do")) => {
                let message = format!("`{{% {word} %}}` is not supported");
                Err(Refused { at: whole.clone(), message, hint: None })
            }
            _ => Ok(()),
        }
    }

    /// All words, for the engine.
    pub fn rewritten(&mut self) -> Result<String, Refused> {
        // What `set` assigns to is no value.
        match self.assignment() {
            Some(equals) => {
                self.plain(0, equals + 1);
                self.out.push_str(" (");
                self.range(equals + 1, self.tokens.len())?;
                self.out.push_str(")|__bounded");
            }
            None => self.range(0, self.tokens.len())?,
        }
        Ok(format!(" {} ", self.out))
    }

    /// Where `set` has its `=`.
    fn assignment(&self) -> Option<usize> {
        self.tokens.first().filter(|_| self.word(0) == "set")?;
        let mut at = 1;
        while at < self.tokens.len() {
            if self.is(at, '=') {
                return Some(at);
            }
            at = self.closing[at].max(at) + 1;
        }
        None
    }

    /// Writes tokens as they are.
    fn plain(&mut self, from: usize, to: usize) {
        for token in &self.tokens[from..to] {
            self.gap(token);
            self.out.push_str(&self.text[token.start..token.end]);
        }
    }

    fn range(&mut self, from: usize, to: usize) -> Result<(), Refused> {
        let mut at = from;
        while at < to {
            at = self.token(at, to)?;
        }
        Ok(())
    }

    /// Writes the token at `at` and what belongs to it; the next token.
    fn token(&mut self, at: usize, to: usize) -> Result<usize, Refused> {
        let token = &self.tokens[at];
        self.gap(token);
        match &token.word {
            Word::Text(_) => Ok(self.strings(at, to)),
            Word::Name if is_variable(self.text, token) && !self.is_member(at) => self.chain(at, to),
            Word::Symbol('|') => {
                self.out.push('|');
                self.named(at + 1, to, Named::Filter)
            }
            Word::Name if self.word(at) == "is" => {
                self.out.push_str("is");
                let negated = at + 1 < to && self.word(at + 1) == "not";
                if negated {
                    self.out.push_str(" not");
                    self.done = self.tokens[at + 1].end;
                }
                self.named(at + 1 + usize::from(negated), to, Named::Test)
            }
            // Each operand is held to its bounds: these operators make texts and lists longer.
            Word::Symbol(operator @ ('~' | '+')) if !self.is_sign(at) => {
                self.out.push_str("|__bounded ");
                self.out.push(*operator);
                Ok(at + 1)
            }
            // The engine has no such sign, and it changes nothing.
            Word::Symbol('+') if self.is_sign(at) => Ok(at + 1),
            _ => {
                self.out.push_str(&self.text[token.start..token.end]);
                Ok(at + 1)
            }
        }
    }

    /// Whether no operand stands before the token.
    fn is_sign(&self, at: usize) -> bool {
        match at.checked_sub(1).map(|before| &self.tokens[before].word) {
            Some(Word::Symbol(symbol)) => !matches!(symbol, ')' | ']' | '}'),
            Some(Word::Name) => WORDS[6..].contains(&self.word(at - 1)),
            Some(_) => false,
            None => true,
        }
    }

    /// String literals side by side are one.
    fn strings(&mut self, mut at: usize, to: usize) -> usize {
        let mut value = String::new();
        while let Some(Token { word: Word::Text(text), end, .. }) = self.tokens[..to].get(at) {
            value.push_str(text);
            self.done = *end;
            at += 1;
        }
        self.out.push_str(&literal(&value));
        at
    }

    /// A variable with the members that are asked of it.
    fn chain(&mut self, at: usize, to: usize) -> Result<usize, Refused> {
        let mut keys: Vec<(usize, usize)> = Vec::new();
        let mut next = at + 1;
        loop {
            let end =
                if self.is(next, '.') && next + 1 < to { next + 2 } else { self.subscript_end(next).unwrap_or(next) };
            if end == next {
                break;
            }
            keys.push((next, end));
            next = end;
        }
        // `a.b(…)` calls a method.
        if self.is(next, '(') && keys.last().is_some_and(|(start, _)| self.is(*start, '.')) {
            next = keys.pop().map_or(next, |(start, _)| start);
        }
        if self.is_guard(next) {
            self.guarded.push(self.text[self.tokens[at].start..self.tokens[next - 1].end].to_owned());
        }
        let name = self.word(at);
        if keys.is_empty() || name == "loop" {
            self.out.push_str(name);
            return Ok(at + 1);
        }
        self.out.push_str("__member(");
        self.out.push_str(name);
        for (start, end) in keys {
            self.out.push_str(", ");
            if self.is(start, '.') {
                let key = self.word(start + 1);
                let number = self.tokens[start + 1].word == Word::Number;
                self.out.push_str(&if number { key.to_owned() } else { literal(key) });
            } else {
                self.done = self.tokens[start + 1].start;
                self.range(start + 1, end - 1)?;
            }
        }
        self.out.push(')');
        self.done = self.tokens[next - 1].end;
        Ok(next)
    }

    /// The end of the `[…]` that starts at `at`, if it is no slice.
    fn subscript_end(&self, at: usize) -> Option<usize> {
        if !self.is(at, '[') {
            return None;
        }
        let close = self.closing[at];
        let mut inner = at + 1;
        while inner < close {
            if self.is(inner, ':') {
                return None;
            }
            inner = if self.closing[inner] > 0 { self.closing[inner] } else { inner } + 1;
        }
        (close > at + 1).then_some(close + 1)
    }

    fn is_guard(&self, at: usize) -> bool {
        let word = |at: usize| if at < self.tokens.len() { self.word(at) } else { "" };
        match word(at) {
            "|" => matches!(word(at + 1), "default" | "d" | "mandatory") || word(at + 1) == "ansible",
            "is" => matches!(word(at + 1), "defined" | "undefined") || word(at + 2) == "defined",
            _ => false,
        }
    }

    /// The name of a filter or test.
    fn named(&mut self, at: usize, to: usize, kind: Named) -> Result<usize, Refused> {
        if at >= to || self.tokens[at].word != Word::Name {
            return Ok(at);
        }
        let mut end = at + 1;
        while self.is(end, '.') && end + 1 < to && self.tokens[end + 1].word == Word::Name {
            end += 2;
        }
        let place = self.tokens[at].start..self.tokens[end - 1].end;
        let name: String = self.text[place.clone()].split_whitespace().collect();
        let short = short_name(&name);
        kind.check(short).map_err(|(message, hint)| Refused { at: place.clone(), message, hint })?;
        self.out.push(' ');
        self.out.push_str(short);
        self.done = place.end;
        Ok(end)
    }

    /// Writes what stands before a token.
    fn gap(&mut self, token: &Token) {
        if token.start > self.done {
            self.out.push_str(&self.text[self.done..token.start]);
        }
        self.done = token.end;
    }

    fn word(&self, at: usize) -> &'a str {
        &self.text[self.tokens[at].start..self.tokens[at].end]
    }

    /// Whether the token follows a dot.
    fn is_member(&self, at: usize) -> bool {
        at > 0 && self.is(at - 1, '.')
    }

    fn is(&self, at: usize, symbol: char) -> bool {
        self.tokens.get(at).is_some_and(|token| token.word == Word::Symbol(symbol))
    }
}

#[derive(Clone, Copy)]
enum Named {
    Filter,
    Test,
}

impl Named {
    fn check(self, name: &str) -> Result<(), (String, Option<String>)> {
        let (kind, refusal, known): (_, _, Vec<&str>) = match self {
            Self::Filter => ("filter", filters::refusal(name), filters::names().collect()),
            Self::Test => ("test", conditions::refusal(name), conditions::names().collect()),
        };
        if let Some(reason) = refusal {
            return Err((format!("the {kind} `{name}` is not supported: {reason}"), None));
        }
        if known.contains(&name) {
            return Ok(());
        }
        let hint = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        Err((format!("there is no {kind} `{name}`, or it is not supported"), hint))
    }
}

/// The name without Ansible's own collection.
pub(super) fn short_name(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name)
}

/// A string literal of the engine.
fn literal(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

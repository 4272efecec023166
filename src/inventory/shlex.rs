//! Splits a host line into words as Python's `shlex.split(line, comments=True)` does, and records the place of each
//! byte of a word. It does not interpret the words.

use std::sync::Arc;

use super::problem::Problem;
use super::source::Source;
use super::text::{MappedRange, Text};

/// One word, without its quotes and backslashes.
pub(super) struct Word {
    text: String,
    /// The source ranges of the parts of the word, and its end.
    ranges: Vec<MappedRange>,
}

impl Word {
    /// The word as a text with its place in the source.
    pub fn text<'a>(&'a self, source: &'a Arc<Source>) -> Text<'a> {
        Text::mapped(source, &self.text, &self.ranges)
    }
}

/// The state between two characters.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Between,
    Word,
    Quoted(char),
    /// After a backslash. It may be inside quotes of this kind.
    Escaped(Option<char>),
}

/// The words of `line`. A `#` outside quotes starts a comment, even inside a word.
pub(super) fn split(line: &Text) -> Result<Vec<Word>, Problem> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut state = State::Between;
    let (mut opened, mut next) = (0, 0);
    while let Some(c) = line.text[next..].chars().next() {
        let (at, place) = (next, line.place(next));
        next += c.len_utf8();
        state = match (state, c) {
            (State::Between | State::Word, ' ' | '\t' | '\r' | '\n') => {
                finish(&mut words, &mut word, place);
                State::Between
            }
            (State::Between | State::Word, '#') => {
                finish(&mut words, &mut word, place);
                return Ok(words);
            }
            (State::Between | State::Word, '\'' | '"') => {
                opened = at;
                // Empty quotes are a word too.
                begin(&mut word);
                State::Quoted(c)
            }
            (State::Between | State::Word, '\\') => {
                opened = at;
                begin(&mut word);
                State::Escaped(None)
            }
            (State::Between | State::Word, _) => {
                // Plain characters are appended together, because host lines can be very long.
                next = end_of(line.text, at, |c| matches!(c, ' ' | '\t' | '\r' | '\n' | '#' | '\'' | '"' | '\\'));
                push(&mut word, &line.text[at..next], place);
                State::Word
            }
            (State::Quoted(quote), _) if c == quote => State::Word,
            // In single quotes, a backslash is a plain character.
            (State::Quoted('"'), '\\') => State::Escaped(Some('"')),
            (State::Quoted(quote), _) => {
                next = end_of(line.text, at, |c| c == quote || c == '\\' && quote == '"');
                push(&mut word, &line.text[at..next], place);
                state
            }
            (State::Escaped(within), _) => {
                // Inside quotes, a backslash escapes only the quote and itself; before other characters it is kept.
                if within.is_some_and(|quote| c != quote && c != '\\') {
                    // The backslash is the byte before the current character.
                    push(&mut word, "\\", place.saturating_sub(1));
                }
                push(&mut word, &line.text[at..next], place);
                within.map_or(State::Word, State::Quoted)
            }
        };
    }
    let opening = line.span(opened, opened + 1);
    match state {
        State::Between | State::Word => {}
        State::Quoted(_) => return Err(Problem::hiding(&opening, "no closing quotation")),
        State::Escaped(_) => return Err(Problem::hiding(&opening, "nothing follows the backslash")),
    }
    finish(&mut words, &mut word, line.whole().end);
    Ok(words)
}

fn begin(word: &mut Option<Word>) -> &mut Word {
    word.get_or_insert_with(|| Word { text: String::new(), ranges: Vec::new() })
}

/// The end of the plain characters that start at `start`.
fn end_of(text: &str, start: usize, is_special: impl Fn(char) -> bool) -> usize {
    text[start..].find(is_special).map_or(text.len(), |length| start + length)
}

/// Appends a part of the source. `place` is its first byte in the source.
fn push(word: &mut Option<Word>, part: &str, place: usize) {
    let word = begin(word);
    // A new range starts only where quotes or backslashes were removed. All other bytes are contiguous in the source
    // too.
    if word.ranges.last().is_none_or(|last| last.source + (word.text.len() - last.text) != place) {
        word.ranges.push(MappedRange { text: word.text.len(), source: place });
    }
    word.text.push_str(part);
}

fn finish(words: &mut Vec<Word>, word: &mut Option<Word>, end: usize) {
    if let Some(mut word) = word.take() {
        word.ranges.push(MappedRange { text: word.text.len(), source: end });
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<String>, String> {
        let source = Source::new("hosts", line);
        let text = Text::slice(&source, 0, line.len());
        split(&text).map(|words| words.into_iter().map(|word| word.text).collect()).map_err(|problem| problem.message)
    }

    #[test]
    fn quotes_and_backslashes_as_shlex() {
        assert_eq!(words(r#"a k='x y' j="\"\\\n" b\ c ''"#).unwrap(), ["a", "k=x y", r#"j="\\n"#, "b c", ""]);
        assert_eq!(words("a b=c#d e").unwrap(), ["a", "b=c"]);
        assert_eq!(words("a b='c#d' # e").unwrap(), ["a", "b=c#d"]);
    }

    #[test]
    fn an_unclosed_quote_is_a_problem() {
        assert_eq!(words("a b='c").unwrap_err(), "no closing quotation");
    }

    #[test]
    fn parts_know_their_place() {
        let line = r#"a k="[\"xyz\"]""#;
        let source = Source::new("hosts", line);
        let words = split(&Text::slice(&source, 0, line.len())).unwrap();
        let value = words[1].text(&source);
        let at = value.text.find("xyz").unwrap();
        let span = value.span(at, at + 3);
        assert_eq!(&line[span.start..span.end], "xyz");
    }
}

//! Regular expressions with the syntax and the rules of Python's `re`, on top of `fancy_regex`.

use fancy_regex::{Regex, RegexBuilder};
use minijinja::Error;

use crate::inventory::templates::value::errors::error;

/// The groups of one match.
pub(super) type Captures<'t> = fancy_regex::Captures<'t, str>;

const NOT_SUPPORTED: &str = "this regular expression is not valid or not supported";
/// The message for an expression that reached the limit of backtracking.
pub(super) const TOO_SLOW: &str = "this regular expression takes too long";

/// The maximum number of matches in one text. Each match needs much more memory than the text that it matches.
const MAX_MATCHES: usize = 100_000;

/// Where in the text a match must be.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::inventory::templates) enum Anchor {
    /// Anywhere: Python's `re.search`.
    Anywhere,
    /// At the start: `re.match`.
    Start,
    /// From start to end: `re.fullmatch`.
    FullText,
}

/// The flags that Ansible's filters and tests accept as arguments.
pub(in crate::inventory::templates) struct Flags {
    /// `re.IGNORECASE`.
    pub ignorecase: bool,
    /// `re.MULTILINE`.
    pub multiline: bool,
}

/// Compiles a pattern of Python.
pub(in crate::inventory::templates) fn compile(pattern: &str, flags: &Flags, anchor: Anchor) -> Result<Regex, Error> {
    // A pattern may set the flag itself, and then `$` has the other meaning too.
    let multiline =
        flags.multiline || pattern.starts_with("(?m)") || pattern.starts_with("(?im)") || pattern.starts_with("(?mi)");
    // Outside of multiline mode, Python's `$` also matches before a line break at the end of the text.
    let pattern = translate(pattern, if multiline { "$" } else { r"(?=\n?\z)" });
    let pattern = match anchor {
        Anchor::Anywhere => pattern,
        Anchor::Start => format!(r"\A(?:{pattern})"),
        Anchor::FullText => format!(r"\A(?:{pattern})\z"),
    };
    let mut builder = RegexBuilder::new(&pattern);
    // The limit stops expressions that backtrack exponentially.
    builder.backtrack_limit(100_000);
    builder.case_insensitive(flags.ignorecase).multi_line(flags.multiline);
    builder.build().map_err(|_| error(NOT_SUPPORTED))
}

/// Whether an expression matches.
pub(in crate::inventory::templates) fn matches(regex: &Regex, text: &str) -> Result<bool, Error> {
    regex.is_match(text).map_err(|_| error(TOO_SLOW))
}

/// Translates a pattern of Python to the syntax of `fancy_regex`, with `dollar` for `$`. Python's `\Z` is the very end
/// of the text, `\<` and `\>` are plain characters, and so are `[`, `&` and `~` inside a character class.
fn translate(pattern: &str, dollar: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    let mut in_class = false;
    let mut first_in_class = false;
    while let Some(c) = rest.next() {
        let first = std::mem::replace(&mut first_in_class, false);
        match c {
            '\\' => match rest.next() {
                Some('Z') => out.push_str(r"\z"),
                Some(same @ ('<' | '>')) => out.push(same),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                first_in_class = true;
                out.push('[');
                if rest.peek() == Some(&'^') {
                    rest.next();
                    out.push('^');
                }
            }
            // A `]` that is the first character of a class is a member of it.
            ']' if in_class && first => out.push_str(r"\]"),
            ']' => {
                in_class = false;
                out.push(']');
            }
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            '$' if !in_class => out.push_str(dollar),
            c => out.push(c),
        }
    }
    out
}

/// All matches, as Python finds them: after an empty match the search continues one character later.
pub(super) fn find_all<'t>(regex: &Regex, text: &'t str) -> Result<Vec<Captures<'t>>, Error> {
    let mut found = Vec::new();
    let mut at = 0;
    // The end of the text counts, because an empty match is possible there.
    while at <= text.len() {
        let Some(captures) = regex.captures_from_pos(text, at).map_err(|_| error(TOO_SLOW))? else { break };
        let Some(whole) = captures.get(0) else { break };
        let (start, end) = (whole.start(), whole.end());
        if found.len() == MAX_MATCHES {
            return Err(error("this regular expression matches too often"));
        }
        found.push(captures);
        at = if start == end { end + text[end..].chars().next().map_or(1, char::len_utf8) } else { end };
    }
    Ok(found)
}

/// Translates Python's replacement text to the syntax of `fancy_regex`: groups become `\g<name>`, and escape sequences
/// are replaced by their characters.
pub(super) fn translate_replacement(text: &str, regex: &Regex) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let group = match rest.next() {
            Some('g') if rest.next_if_eq(&'<').is_some() => rest.by_ref().take_while(|c| *c != '>').collect(),
            // As in Python, the number of a group has at most two digits.
            Some(first @ '1'..='9') => String::from_iter([first].into_iter().chain(rest.next_if(char::is_ascii_digit))),
            other => {
                match other {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('\\') => out.push_str(r"\\"),
                    Some(c) if !c.is_ascii_alphanumeric() => out.extend([r"\\", c.encode_utf8(&mut [0; 4])]),
                    _ => return Err(error("the replacement has an escape sequence that is not supported")),
                }
                continue;
            }
        };
        let known = match group.parse::<usize>() {
            Ok(number) => (number < regex.captures_len()).then(|| number.to_string()),
            Err(_) => regex.capture_names().flatten().find(|own| *own == group).map(str::to_owned),
        };
        let absent = || error("the replacement uses a group that the pattern does not have");
        out.extend([r"\g<", &known.ok_or_else(absent)?, ">"]);
    }
    Ok(out)
}

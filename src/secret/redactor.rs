//! Removes secrets from the texts of servers and tools. The time is linear in the length of the text, however many secrets
//! are known.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use zeroize::Zeroizing;

use super::forms::{self, Occurrence};
use super::view::View;
use super::{Secret, basic_auth};

/// The maximum number of nested escapes that are decoded: HTML that contains JSON that contains a URL.
const ROUNDS: usize = 3;

/// The minimum length of a form that is also found with different case or white space. A shorter one would match
/// ordinary text.
const FOLDED: usize = 6;

/// How many bytes of a form are searched. The rest of a longer one, such as a token, is compared where these are found, so
/// that the search needs little memory.
const SEARCHED: usize = 48;

/// Removes all known secrets from text, in every encoding in which a server or tool may repeat them. Clones share the
/// search.
#[derive(Default, Clone)]
pub struct Redactor(Arc<Known>);

#[derive(Default, Clone)]
struct Known {
    exact: FormSet,
    /// The same forms after [`View::folded`], if they are long enough.
    folded: FormSet,
}

/// Forms of secrets, and the search for all of them, which is built when it is first needed.
#[derive(Default, Clone)]
struct FormSet {
    forms: Vec<(Zeroizing<Vec<u8>>, Occurrence)>,
    search: OnceLock<Option<Search>>,
}

/// The automaton has its own copy of the first bytes of each form. That memory is not overwritten when it is dropped.
#[derive(Clone)]
struct Search {
    automaton: AhoCorasick,
    /// In the order of the patterns of the automaton.
    forms: Vec<(Zeroizing<Vec<u8>>, Occurrence)>,
}

impl Redactor {
    /// The replacement for a secret.
    pub const MASK: &'static str = "[redacted]";

    /// Adds a secret in all its forms.
    pub fn learn(&mut self, secret: &Secret) {
        let known = Arc::make_mut(&mut self.0);
        for (form, occurrence) in forms::of(secret.expose()) {
            let folded = View::without_invisible(&form).folded().bytes;
            if folded.len() >= FOLDED && occurrence != Occurrence::WholeToken {
                known.folded.add(folded, occurrence);
            }
            known.exact.add(form.as_bytes().to_vec(), occurrence);
        }
    }

    /// Adds a credential: the password, and the `auth` value of `user` and password.
    pub fn learn_credential(&mut self, user: &str, password: &Secret) {
        self.learn(password);
        self.learn(&basic_auth(user, password));
    }

    /// Replaces every known secret in `text` with [`Redactor::MASK`]. A word that contains a secret in an unusual
    /// encoding is replaced completely. The tests name the encodings in which it is not found.
    pub fn scrub(&self, text: &str) -> String {
        let Known { exact, folded } = &*self.0;
        let mut plain = Ranges::default();
        exact
            .find(text.as_bytes())
            .filter(|found| found.0 != Occurrence::PartOfEncoding)
            .for_each(|found| plain.add(found.1));
        let plain = plain.sorted();
        let mut unusual = Ranges::default();
        let mut note = |range: Range<usize>| {
            // The text around an unchanged secret in the same word is still shown.
            if !contains(&plain, &range) {
                unusual.add(range);
            }
        };
        // An escape sequence may contain a secret, or split one.
        for mut view in [View::of(text), View::without_invisible(text)] {
            for _ in 0..=ROUNDS {
                exact.find(&view.bytes).for_each(|(_, range)| note(view.original(range)));
                let lower = view.folded();
                folded.find(&lower.bytes).for_each(|(_, range)| note(lower.original(range)));
                let decoded = view.decoded();
                // Another round would find nothing new, because nothing was left to decode.
                if decoded.bytes == view.bytes {
                    break;
                }
                view = decoded;
            }
        }
        let mut hidden = Ranges(words(text, &unusual.sorted()));
        plain.into_iter().for_each(|range| hidden.add(range));
        replace(text, &hidden.sorted())
    }
}

impl FormSet {
    fn add(&mut self, form: Vec<u8>, occurrence: Occurrence) {
        self.forms.push((Zeroizing::new(form), occurrence));
        self.search = OnceLock::new();
    }

    /// The forms that occur in `text`. A match may be inside of another one.
    fn find<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (Occurrence, Range<usize>)> + 'a {
        let search = self.search.get_or_init(|| Search::new(&self.forms)).as_ref();
        search.into_iter().flat_map(move |search| search.find(text))
    }
}

impl Search {
    /// `None` if there is nothing to find, or if the forms are too many for the library (over two billion bytes).
    fn new(forms: &[(Zeroizing<Vec<u8>>, Occurrence)]) -> Option<Self> {
        let mut forms = forms.to_vec();
        forms.sort_by(|(form, occurrence), (other, other_occurrence)| {
            form.cmp(other).then(occurrence.cmp(other_occurrence))
        });
        // A form may belong to several secrets, or be known twice.
        forms.dedup();
        let patterns = forms.iter().map(|(form, _)| &form[..form.len().min(SEARCHED)]);
        // This kind is the fastest to build. It is built for each credential, and most texts are short.
        let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::NoncontiguousNFA)).build(patterns).ok()?;
        Some(Self { automaton, forms })
    }

    fn find<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (Occurrence, Range<usize>)> + 'a {
        // Where the last complete match of a long form ends. The matches within it are not compared again, because a text
        // that repeats itself would otherwise take a long time.
        let mut complete: HashMap<usize, usize> = HashMap::new();
        self.automaton.find_overlapping_iter(text).filter_map(move |found| {
            let pattern = found.pattern().as_usize();
            let (form, occurrence) = &self.forms[pattern];
            let (rest, mut range) = (form.get(SEARCHED..).unwrap_or_default(), found.range());
            if !rest.is_empty() && complete.get(&pattern).is_none_or(|end| *end < range.end) {
                // A secret that is cut off is found, too.
                let equal = rest.iter().zip(&text[range.end..]).take_while(|(secret, text)| secret == text).count();
                range.end += equal;
                if equal == rest.len() {
                    complete.insert(pattern, range.end);
                }
            }
            let counts = *occurrence != Occurrence::WholeToken || is_whole_token(text, &range);
            counts.then_some((*occurrence, range))
        })
    }
}

/// Whether no word continues before or after a range. A point, a hyphen or an apostrophe continues a word if a letter
/// follows: `s` is no token in `it's`, but is one in `'s'`.
fn is_whole_token(text: &[u8], range: &Range<usize>) -> bool {
    // Every byte of a character that is not ASCII counts as a letter.
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    let continues = |next: Option<&u8>, after_next: Option<&u8>| match next {
        Some(b'-' | b'.' | b'\'' | b'_') => after_next.is_some_and(is_letter),
        next => next.is_some_and(is_letter),
    };
    let before = &text[..range.start];
    let [last, last_but_one] = [1, 2].map(|back| before.len().checked_sub(back).map(|at| &before[at]));
    !continues(last, last_but_one) && !continues(text.get(range.end), text.get(range.end + 1))
}

/// Ranges, of which those that touch the last one are joined with it.
#[derive(Default)]
struct Ranges(Vec<Range<usize>>);

impl Ranges {
    fn add(&mut self, mut range: Range<usize>) {
        while let Some(last) = self.0.pop_if(|last| range.start <= last.end && last.start <= range.end) {
            range = range.start.min(last.start)..range.end.max(last.end);
        }
        self.0.push(range);
    }

    fn sorted(mut self) -> Vec<Range<usize>> {
        self.0.sort_by_key(|range| range.start);
        let mut joined = Self::default();
        self.0.into_iter().for_each(|range| joined.add(range));
        joined.0
    }
}

/// Whether one of the sorted ranges contains `range`.
fn contains(ranges: &[Range<usize>], range: &Range<usize>) -> bool {
    let next = ranges.partition_point(|other| other.start <= range.start);
    next.checked_sub(1).is_some_and(|at| ranges[at].end >= range.end)
}

/// The words that touch one of the sorted `ranges`, without the white space after them. Consecutive words are one range, so
/// that the output does not show how many words a secret has.
fn words(text: &str, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut hidden: Vec<Range<usize>> = Vec::new();
    let (mut ranges, mut start, mut previous) = (ranges.iter().peekable(), 0, None);
    for word in text.split_inclusive(char::is_whitespace) {
        let (begin, end) = (start, start + word.trim_end().len());
        start += word.len();
        while ranges.next_if(|range| range.end <= begin).is_some() {}
        if ranges.peek().is_some_and(|range| range.start < end) {
            match hidden.last_mut() {
                Some(last) if previous == Some(last.end) => last.end = end,
                _ => hidden.push(begin..end),
            }
            previous = Some(end);
        } else {
            previous = None;
        }
    }
    hidden
}

/// The text with the mask in place of each of the sorted ranges.
fn replace(text: &str, ranges: &[Range<usize>]) -> String {
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for range in ranges {
        // A secret that is cut off may end within a character.
        shown.push_str(&text[at..text.floor_char_boundary(range.start).max(at)]);
        shown.push_str(Redactor::MASK);
        at = text.ceil_char_boundary(range.end);
    }
    shown + &text[at..]
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} forms)", self.0.exact.forms.len())
    }
}

#[cfg(test)]
mod tests;

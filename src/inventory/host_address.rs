//! Parses host identifiers as Ansible does: a name or an address, optionally with ranges and a port. It does not expand
//! ranges.

use std::net::Ipv6Addr;

/// Splits `text` into host and port. `None` if it is not a host identifier: Ansible then uses the text unchanged.
pub(super) fn parse(text: &str) -> Option<(&str, Option<u32>)> {
    let (mut host, mut port) = (text, None);
    for split in [bracketed_port, plain_port] {
        if let Some((before, digits)) = split(host) {
            // A number that is too large is not a port, so the complete text is used as the name.
            (host, port) = (before, Some(digits.parse().ok()?));
        }
    }
    (is_ipv6(host) || is_hostname(host)).then_some((host, port))
}

/// Splits `[host]:22`.
fn bracketed_port(text: &str) -> Option<(&str, &str)> {
    let (before, digits) = text.rsplit_once("]:")?;
    let host = before.strip_prefix('[').filter(|host| !host.is_empty())?;
    is_digits(digits).then_some((host, digits))
}

/// Splits `host:22`, if there is no other colon outside brackets.
fn plain_port(text: &str) -> Option<(&str, &str)> {
    let (host, digits) = text.rsplit_once(':')?;
    let mut depth = 0;
    for c in host.chars() {
        match (c, depth) {
            ('[', 0) => depth = 1,
            (']', 1) => depth = 0,
            ('[', _) => {}
            // Another colon outside brackets means an IPv6 address, and its last component is not a port.
            (']' | ':', 0) => return None,
            _ => {}
        }
    }
    (depth == 0 && is_digits(digits)).then_some((host, digits))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_ipv6(text: &str) -> bool {
    // A range must be a complete component of the address. It is replaced by four digits, the maximum length of a
    // component.
    without_ranges(text, is_hexadecimal_range, "0000").is_some_and(|plain| plain.parse::<Ipv6Addr>().is_ok())
}

/// Whether the text is a list of labels separated by dots. A label consists of word characters and may contain dashes,
/// but not at its start or end.
fn is_hostname(text: &str) -> bool {
    without_ranges(text, is_label_range, "0").is_some_and(|plain| plain.split('.').all(is_label))
}

fn is_label(label: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    label.starts_with(word) && !label.ends_with(['-', '_']) && label.chars().all(|c| word(c) || c == '-')
}

/// Replaces each range in `text`; `None` if brackets contain anything other than a range.
fn without_ranges(text: &str, is_range: fn(&str) -> bool, replacement: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (range, tail) = after.split_once(']')?;
        if !is_range(range) {
            return None;
        }
        plain.push_str(before);
        plain.push_str(replacement);
        rest = tail;
    }
    plain.push_str(rest);
    Some(plain)
}

fn is_label_range(range: &str) -> bool {
    is_range(range, |begin, end| {
        let letter = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        (letter(begin) && letter(end)) || (is_digits(begin) && is_digits(end))
    })
}

fn is_hexadecimal_range(range: &str) -> bool {
    let hexadecimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_range(range, |begin, end| hexadecimal(begin) && hexadecimal(end))
}

/// `begin:end` or `begin:end:step`.
fn is_range(range: &str, bounds: impl Fn(&str, &str) -> bool) -> bool {
    let parts: Vec<&str> = range.split(':').collect();
    match parts.as_slice() {
        [begin, end] => bounds(begin, end),
        [begin, end, step] => bounds(begin, end) && is_digits(step),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn ports_are_split_off_names_and_bracketed_addresses() {
        assert_eq!(parse("web1.example.com:2222"), Some(("web1.example.com", Some(2222))));
        assert_eq!(parse("web[01:10:2].example.com:22"), Some(("web[01:10:2].example.com", Some(22))));
        assert_eq!(parse("[2001:db8::1]:22"), Some(("2001:db8::1", Some(22))));
        assert_eq!(parse("2001:db8::1"), Some(("2001:db8::1", None)));
        assert_eq!(parse("10.0.0.[1:9]"), Some(("10.0.0.[1:9]", None)));
    }

    #[test]
    fn other_texts_are_not_hosts() {
        for text in ["a:b", "web[1-3]", "-a", "a-", "a b", "web:", "*"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

//! Parses keys of `auths` as addresses, by the rules of Go's `net/url` and `net.SplitHostPort`, which the kubelet and docker
//! use.

/// A parsed key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host and port as written.
    pub host: String,
    /// The decoded path with its leading slash; empty if there is none.
    pub path: String,
}

/// Parses the text after `https://`; `None` if Go rejects it.
pub fn parse(rest: &str) -> Option<Address> {
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    // Go rejects control characters everywhere before the fragment, not only in the host.
    if rest.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return None;
    }
    // The fragment is not used, but an invalid escape in it makes Go reject the URL.
    decode(fragment)?;
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // The last `@` ends the user, because Go accepts an unescaped `@` in the user and the password.
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some((user, host)) if is_user(user) => host,
        Some(_) => return None,
    };
    is_host(host).then_some(())?;
    Some(Address { host: host.to_owned(), path: decode(path)? })
}

/// Splits host and port. Without a port the port is empty, and the text is the host.
pub fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if name.starts_with('[') && name.ends_with(']') => (&name[1..name.len() - 1], port),
        // More than one colon without brackets is an IPv6 address, and its last group must not be taken as a port.
        Some((name, port)) if !name.contains([':', '[', ']']) => (name, port),
        _ => (host, ""),
    }
}

fn is_host(host: &str) -> bool {
    let port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let Some((inner, after)) = rest.split_once(']') else { return false };
        let known = inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.');
        return known && (after.is_empty() || after.strip_prefix(':').is_some_and(port));
    }
    let (name, number) = host.rsplit_once(':').unwrap_or((host, ""));
    // Go allows more characters than host names have, including the `*` of the kubelet's patterns.
    let known = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=<>\"".contains(c);
    port(number) && name.chars().all(known)
}

fn is_user(user: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    user.chars().all(known) && decode(user).is_some()
}

/// Decodes percent-encoding; `None` if a `%` is not followed by two hexadecimal digits.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = &tail[2..];
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_parsed_as_in_go() {
        let read = |text: &str| parse(text).map(|address| (address.host, address.path));
        let some = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
        for (text, expected) in [
            ("quay.io", some("quay.io", "")),
            ("quay.io:443/team/", some("quay.io:443", "/team/")),
            ("me:x@quay.io/a%2Fb?c=d#e", some("quay.io", "/a/b")),
            ("reg-?.example.com", some("reg-", "")),
            ("[::1]:5000/app", some("[::1]:5000", "/app")),
            ("quay.io:port", None),
            ("quay io", None),
            ("quay.io/%zz", None),
            ("quay.io/a\tb", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn ports() {
        assert_eq!(split_port("quay.io:443"), ("quay.io", "443"));
        assert_eq!(split_port("quay.io"), ("quay.io", ""));
        assert_eq!(split_port("[::1]:5000"), ("::1", "5000"));
        assert_eq!(split_port("[::1]"), ("[::1]", ""));
    }
}

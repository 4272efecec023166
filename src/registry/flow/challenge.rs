//! The challenge: parses `WWW-Authenticate` (RFC 9110, section 11.6.1) and chooses the challenge to respond to. Whether a
//! password may be sent to the realm is decided in `token_server.rs`.

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

/// How many scopes of one challenge are used; a registry could otherwise make the URL of the token request very long.
const SCOPE_LIMIT: usize = 8;

/// One challenge of a 401 that registries are known to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A token must be requested first (distribution specification, `auth/token.md`).
    Bearer(Bearer),
    /// User and password are sent to the registry itself (RFC 7617).
    Basic,
    /// A scheme that is not supported, or a Bearer challenge without a realm; the name as sent.
    Other(String),
}

/// The parameters of a Bearer challenge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bearer {
    /// The URL of the token server.
    pub realm: String,
    /// The name under which the token server knows the registry.
    pub service: Option<String>,
    /// The scopes that the request needs, as sent.
    pub scopes: Vec<String>,
    /// Why an earlier token was rejected, such as `insufficient_scope`.
    pub error: Option<String>,
}

impl Bearer {
    /// The scopes of repositories, reduced to the right to pull. Scopes that grant anything else are left out.
    pub fn pull_scopes(&self) -> Vec<String> {
        self.scopes.iter().filter_map(|scope| pull_only(scope)).take(SCOPE_LIMIT).collect()
    }
}

/// `repository:team/app:pull,push` (distribution specification, `auth/scope.md`) without `push`. The name may contain a
/// host with a port; the type may contain a class in parentheses.
fn pull_only(scope: &str) -> Option<String> {
    // The name may contain a colon, as in `host:5000/app`, so the last one separates the actions.
    let (resource, actions) = scope.rsplit_once(':')?;
    let (resource_type, name) = resource.split_once(':')?;
    // The type may have a class, as in `repository(plugin)` (distribution specification, `auth/scope.md`).
    let repository = resource_type.split('(').next() == Some("repository") && !name.is_empty();
    (repository && actions.split(',').any(|action| action == "pull")).then(|| format!("{resource}:pull"))
}

/// Which request got the challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeSource {
    /// The ping: the registry requires a login for everything.
    Ping,
    /// An anonymous request for the manifest: only the image requires a login.
    Manifest,
}

/// All challenges of a response, in the order sent, whether in one header or in several.
pub fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes).flat_map(parse).collect()
}

/// The challenge to respond to: the first one that is supported, as CRI-O and podman choose it. Only one is
/// tried, because each would be a login.
pub fn choose(challenges: &[Challenge]) -> Option<&Challenge> {
    challenges.iter().find(|challenge| matches!(challenge, Challenge::Bearer(_) | Challenge::Basic))
}

/// Whether CRI-O, podman and docker find a challenge to respond to. They read only the first challenge of each header
/// (`iterateAuthHeader` of containers/image).
pub fn is_read_by_consumers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
    values.filter_map(|value| parse(value).into_iter().next()).any(|first| !matches!(first, Challenge::Other(_)))
}

/// The challenges of one header value. Text that matches no rule is skipped and never an error, so that an unknown scheme
/// does not make the others unusable.
pub fn parse(value: &[u8]) -> Vec<Challenge> {
    // A header may contain any bytes. A realm that is not UTF-8 must not hide the other challenges.
    let text = String::from_utf8_lossy(value);
    let mut cursor = Cursor { rest: &text };
    let mut found: Vec<RawChallenge> = Vec::new();
    loop {
        cursor.skip(|c| c.is_ascii_whitespace() || c == ',');
        if cursor.rest.is_empty() {
            return found.into_iter().map(RawChallenge::interpret).collect();
        }
        let word = cursor.word();
        if word.is_empty() {
            cursor.skip_stray();
            continue;
        }
        // A word that is followed by a value is a parameter of the previous challenge; a word without a value is a
        // scheme.
        match (cursor.value(), found.last_mut()) {
            (Some(value), Some(challenge)) => challenge.parameters.push((word.to_ascii_lowercase(), value)),
            // A parameter before the first scheme belongs to no challenge.
            (Some(_), None) => {}
            (None, _) => found.push(RawChallenge { scheme: word.to_owned(), parameters: Vec::new() }),
        }
    }
}

/// A challenge before its scheme is interpreted.
struct RawChallenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl RawChallenge {
    fn interpret(self) -> Challenge {
        match (self.scheme.to_ascii_lowercase().as_str(), self.parameter("realm")) {
            // Without a realm there is no server to request a token from, so such a challenge counts as unsupported.
            ("bearer", Some(realm)) => {
                let scopes = self.parameter("scope").unwrap_or_default();
                let scopes = scopes.split_whitespace().map(str::to_owned).collect();
                let (service, error) = (self.parameter("service"), self.parameter("error"));
                Challenge::Bearer(Bearer { realm, service, scopes, error })
            }
            ("basic", _) => Challenge::Basic,
            _ => Challenge::Other(self.scheme),
        }
    }

    /// The first parameter of that name that is not empty; the RFC permits each name only once.
    fn parameter(&self, name: &str) -> Option<String> {
        let (_, value) = self.parameters.iter().find(|(key, value)| key == name && !value.is_empty())?;
        Some(value.clone())
    }
}

/// The rest of a header value that is not parsed yet.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(unwanted);
    }

    /// Everything up to white space, a comma, an equals sign or a quote. That is a token of the RFC, and more: other
    /// characters are tolerated.
    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | '=' | '"'));
        self.split(end.unwrap_or(self.rest.len()))
    }

    /// The value after `=`, if that comes next; empty for the padding of a token68.
    fn value(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start().strip_prefix('=')?;
        // A second `=` is the padding of a token68 value (RFC 9110, section 11.2), which is not a parameter.
        if self.rest.starts_with('=') {
            self.skip(|c| c == '=');
            return Some(String::new());
        }
        self.skip(|c| c == ' ' || c == '\t');
        if self.rest.starts_with('"') {
            return Some(self.quoted());
        }
        // Some registries send a URL without quotes. It may contain `=`, so only a comma or a space ends it.
        let end = self.rest.find(|c: char| c == ',' || c.is_ascii_whitespace());
        Some(self.split(end.unwrap_or(self.rest.len())).to_owned())
    }

    /// A quoted-string with its quoted-pairs resolved; without a closing quote, the rest of the value.
    fn quoted(&mut self) -> String {
        let mut text = String::new();
        // The first character is the opening quote.
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return text;
                }
                // A backslash makes the next character part of the text, even a quote (RFC 9110, section 5.6.4).
                '\\' => text.extend(characters.next().map(|(_, escaped)| escaped)),
                other => text.push(other),
            }
        }
        // The closing quote is missing. The parser must still make progress, or it would not end.
        self.rest = "";
        text
    }

    /// An equals sign or a quoted-string where a scheme or a parameter should begin.
    fn skip_stray(&mut self) {
        if self.rest.starts_with('"') {
            self.quoted();
        } else {
            self.skip(|c| c == '=');
        }
    }

    fn split(&mut self, at: usize) -> &'a str {
        let (word, rest) = self.rest.split_at(at);
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: &str) -> Challenge {
        Challenge::Bearer(Bearer {
            realm: realm.into(),
            service: (!service.is_empty()).then(|| service.into()),
            ..Bearer::default()
        })
    }

    fn other(scheme: &str) -> Challenge {
        Challenge::Other(scheme.into())
    }

    #[test]
    fn one_header() {
        let auth = || bearer("https://a/t", "s");
        let cases: Vec<(&str, Vec<Challenge>)> = vec![
            (r#"Basic realm="x""#, vec![Challenge::Basic]),
            ("Basic", vec![Challenge::Basic]),
            ("BASIC REALM=x", vec![Challenge::Basic]),
            (r#"Bearer realm="https://a/t",service="s""#, vec![auth()]),
            (r#"bEARER Realm = "https://a/t" , SERVICE = s"#, vec![auth()]),
            ("Bearer realm=https://a/t,service=s", vec![auth()]),
            (r#"Bearer realm="https://a/t?x=1,2",service="a, b""#, vec![bearer("https://a/t?x=1,2", "a, b")]),
            (r#"Bearer realm="https://a/t",service="a\"b\\c""#, vec![bearer("https://a/t", "a\"b\\c")]),
            (r#"Basic realm="x", Bearer realm="https://a/t",service=s"#, vec![Challenge::Basic, auth()]),
            (r#"Bearer realm="https://a/t",service=s, Basic realm="x""#, vec![auth(), Challenge::Basic]),
            (r#"Negotiate, Basic realm="x""#, vec![other("Negotiate"), Challenge::Basic]),
            (r#"Negotiate YIIab+/~==, Basic realm="x""#, vec![other("Negotiate"), Challenge::Basic]),
            (
                r#"Digest realm="Basic realm=, Bearer", qop="auth,int", Bearer realm="https://a/t",service=s"#,
                vec![other("Digest"), auth()],
            ),
            (r#", ,Basic realm="x",,"#, vec![Challenge::Basic]),
            (r#"Bearer service="s""#, vec![other("Bearer")]),
            (r#"Bearer realm="",service="s""#, vec![other("Bearer")]),
            (r#"Bearer realm="https://a/t"#, vec![bearer("https://a/t", "")]),
            (r#"Bearer realm="https://a/t",service="s\"#, vec![auth()]),
            (r#"realm="x""#, vec![]),
            (r#"="" Basic"#, vec![Challenge::Basic]),
            ("", vec![]),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(header.as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn the_error_of_a_second_challenge_is_kept() {
        let found = parse(br#"Bearer realm="https://a/t",error="insufficient_scope""#);
        assert!(
            matches!(&found[..], [Challenge::Bearer(bearer)] if bearer.error.as_deref() == Some("insufficient_scope"))
        );
    }

    #[test]
    fn scopes_are_reduced_to_pulling() {
        let cases: [(&str, &[&str]); 9] = [
            ("repository:team/app:pull", &["repository:team/app:pull"]),
            ("repository:a:pull  repository:b:pull,push", &["repository:a:pull", "repository:b:pull"]),
            ("repository:r.example.com:5000/a:push,pull,delete", &["repository:r.example.com:5000/a:pull"]),
            ("repository(plugin):a:pull,*", &["repository(plugin):a:pull"]),
            ("repository:a:* repository:a:push registry:catalog:*", &[]),
            ("registry:catalog:pull", &[]),
            ("repository::pull repository:pull", &[]),
            ("openid admin", &[]),
            ("", &[]),
        ];
        for (scope, expected) in cases {
            let found = parse(format!(r#"Bearer realm="https://a/t",scope="{scope}",service=s"#).as_bytes());
            let [Challenge::Bearer(bearer)] = &found[..] else { panic!("{scope}: {found:?}") };
            assert_eq!((bearer.pull_scopes(), bearer.service.as_deref()), (to_texts(expected), Some("s")), "{scope}");
        }
        let many = Bearer { scopes: vec!["repository:a:pull".into(); 1000], ..Bearer::default() };
        assert_eq!(many.pull_scopes().len(), SCOPE_LIMIT);
    }

    fn to_texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_time_to_parse_grows_linearly() {
        let begin = std::time::Instant::now();
        for piece in [",=\"\\ ", "a=", "a=b,", "Bearer realm=x,", "\"", "=", " ", "a ", "a=\"", "scope=x ", "\u{e9}="] {
            parse(piece.repeat(400_000 / piece.len()).as_bytes());
            assert!(begin.elapsed() < std::time::Duration::from_secs(10), "{piece}: {:?}", begin.elapsed());
        }
    }

    #[test]
    fn several_headers_and_bytes_that_are_not_utf8() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(b"Basic realm=\"\xff\"").unwrap());
        assert_eq!(challenges(&headers), [other("Negotiate"), Challenge::Basic]);
    }

    #[test]
    fn the_first_supported_challenge_is_chosen() {
        let auth = || bearer("https://a/t", "s");
        let all = [other("Negotiate"), Challenge::Basic, auth(), Challenge::Basic];
        assert_eq!(choose(&all), Some(&Challenge::Basic));
        assert_eq!(choose(&all[2..]), Some(&auth()));
        assert_eq!(choose(&all[..1]), None);
    }

    #[test]
    fn consumers_read_the_first_challenge_of_each_header() {
        let cases: [(&[&str], bool); 7] = [
            (&["Basic"], true),
            (&["Bearer realm=\"https://a/t\""], true),
            (&["Bearer service=s"], false),
            (&["Negotiate, Basic"], false),
            (&["Negotiate", "Basic"], true),
            (&["Digest realm=\"Basic\", Basic"], false),
            (&[], false),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
            }
            assert_eq!(is_read_by_consumers(&headers), expected, "{values:?}");
        }
    }
}

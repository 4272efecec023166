//! In which forms a secret is found, and in which it is not.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use data_encoding::BASE32;

use super::*;

fn knows(secrets: &[&str]) -> Redactor {
    let mut redactor = Redactor::default();
    secrets.iter().for_each(|secret| redactor.learn(&Secret::new(*secret)));
    redactor
}

fn credential(user: &str, password: &str) -> Redactor {
    let mut redactor = Redactor::default();
    redactor.learn_credential(user, &Secret::new(password));
    redactor
}

fn hex(text: &str, before: &str) -> String {
    text.bytes().map(|byte| format!("{before}{byte:02x}")).collect()
}

#[test]
fn every_form_is_scrubbed() {
    let secret = Secret::new("p\"ä ss/1");
    let redactor = credential("bob", secret.expose());
    let auth = basic_auth("bob", &secret);
    let json = serde_json::to_string(secret.expose()).unwrap_or_default();
    for form in [secret.expose(), auth.expose(), &json, "p%22%C3%A4%20ss%2F1"] {
        let clean = redactor.scrub(&format!("before {form} after"));
        assert!(clean.contains(Redactor::MASK), "{form} survived");
        assert!(!clean.contains(form));
    }
}

#[test]
fn repeated_secrets_are_scrubbed_in_unusual_forms() {
    let redactor = credential("bob", "Hun/t(e)r '2&+x");
    let auth = basic_auth("bob", &Secret::new("Hun/t(e)r '2&+x"));
    let (head, tail) = auth.expose().split_at(9);
    for form in [
        "Hun%2ft%28e%29r%20%272%26%2bx",
        "Hun%2Ft(e)r%20'2%26%2Bx",
        "Hun%2Ft%28e%29r+%272%26%2Bx",
        "Hun/t%28e%29r%20%272%26%2Bx",
        "Hun%252Ft%2528e%2529r%2520%25272%2526%252Bx",
        "Hun/t(e)r '2&amp;+x",
        "Hun&#x2F;t&#40;e)r &#39;2&amp;&#43;x",
        "Hun\\/t(e)r \\u00272\\u0026+x",
        "HUN/T(E)R '2&+X",
        "hun/t(e)r '2&+x",
        "Hun/t(\n e)r '2&+x",
        &format!("{head}\r\n{tail}"),
        &auth.expose().to_uppercase(),
    ] {
        let clean = redactor.scrub(&format!("before {form} after"));
        assert_eq!(clean, "before [redacted] after", "{form}");
    }
    assert_eq!(redactor.scrub("https://r/?p=HUN%2ft(e)r%20'2%26%2bx\nafter"), "[redacted]\nafter");
}

#[test]
fn encodings_are_found_wherever_the_secret_begins_in_them() {
    for secret in ["hunter2!", "p\"ä s/1", "four", "Канарейка"] {
        let redactor = knows(&[secret]);
        let json = serde_json::to_string(secret).unwrap();
        for (before, after) in [("", ""), ("u:", ""), ("", "\n"), ("a", "b"), ("ab", "c"), ("abc", "de"), ("abcd", "")]
        {
            let texts = [format!("{before}{secret}{after}"), format!("{before}{json}{after}")];
            for text in texts {
                let mut forms: Vec<String> =
                    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|engine| engine.encode(&text)).into();
                forms.extend([
                    BASE32.encode(text.as_bytes()),
                    BASE32.encode(text.as_bytes()).trim_end_matches('=').to_owned(),
                ]);
                forms.extend([hex(&text, ""), hex(&text, "").to_uppercase(), hex(&text, "\\x"), hex(&text, "%")]);
                forms.extend([hex(&text, "\\x").to_uppercase().replace("\\X", "\\x"), hex(&text, "%").to_uppercase()]);
                forms.push(hex(secret, " ").trim_start().to_owned());
                for form in forms {
                    let clean = redactor.scrub(&format!("before {form} after"));
                    // The encoding of what is around the secret may be shown.
                    let shown = clean.strip_prefix("before ").and_then(|clean| clean.strip_suffix(" after"));
                    let rest = shown.unwrap_or_default().replacen("[redacted]", "", 1);
                    let expected = shown.is_some() && clean.contains("[redacted]") && rest.len() <= 32;
                    assert!(expected, "{secret} in {text:?} as {form}: {clean}");
                }
            }
        }
    }
}

#[test]
fn a_secret_that_is_split_by_invisible_characters_is_found() {
    let redactor = knows(&["hunter2!"]);
    for between in [
        "\u{1b}[0m",
        "\u{1b}[38;5;196m",
        "\u{1b}[?25l",
        "\u{1b}]0;a title\u{7}",
        "\u{1b}]8;;https://r/\u{1b}\\",
        "\u{1b}(B",
        "\u{1b}7",
        "\u{9b}1m",
        "\u{8}",
        "\0",
        "\u{200b}",
        "\u{ad}",
        "\u{feff}",
    ] {
        for at in 1..8 {
            let (head, tail) = "hunter2!".split_at(at);
            let clean = redactor.scrub(&format!("before {head}{between}{tail} after"));
            assert!(!clean.contains(head) && !clean.contains(tail), "{clean:?}");
            assert!(clean.starts_with("before [redacted]") && clean.ends_with(" after"), "{clean:?}");
        }
        let all: String = "hunter2!".chars().map(|c| format!("{c}{between}")).collect();
        assert!(redactor.scrub(&all).starts_with("[redacted]"), "{between:?}");
    }
    // A secret in a title, which ends nowhere or somewhere.
    for title in ["\u{1b}]0;hunter2!\u{7}", "\u{1b}]0;hunter2!", "\u{1b}]0;aHVudGVyMiE=\u{7}", "\u{1b}]hunt%65r2!"] {
        assert!(redactor.scrub(title).contains("[redacted]"), "{title:?}");
    }
}

#[test]
fn short_secrets_are_whole_tokens() {
    let redactor = knows(&["a/b", "s", "e", "12"]);
    for text in [
        "refused",
        "A/B, a / b: 100% of &lt;x&gt; & %zz \\u12345 &#; &#xx; é%C3",
        "it's re-use, e.g. node.e2e, user_s, naïve é",
        "port 5012, 120 ms, 0x12ab",
        "73 65 \\x7",
    ] {
        assert_eq!(redactor.scrub(text), text);
    }
    for (text, clean) in [
        ("x=a%2fb and a/b", "[redacted] and [redacted]"),
        ("user:s, password='e', \"12\".", "user:[redacted], password='[redacted]', \"[redacted]\"."),
        ("the password is s.", "the password is [redacted]."),
        ("cw== or cw", "[redacted] or [redacted]"),
    ] {
        assert_eq!(redactor.scrub(text), clean);
    }
    // The `auth` value of a short password is a long secret.
    let auth = basic_auth("bob", &Secret::new("s"));
    assert_eq!(credential("bob", "s").scrub(&format!("x{}x", auth.expose())), "x[redacted]x");
    assert_eq!(knows(&["four"]).scrub("petitfours"), "petit[redacted]s");
}

#[test]
fn a_secret_within_another_leaves_nothing_of_it() {
    let redactor = knows(&["inner", "an-inner-part", "inner", "part-two"]);
    assert_eq!(redactor.scrub("an-inner-part inner"), "[redacted] [redacted]");
    // They overlap.
    assert_eq!(redactor.scrub("x an-inner-part-two x"), "x [redacted] x");
}

#[test]
fn a_long_secret_that_is_cut_off_is_found() {
    let token: String = (0..200).map(|number| format!("{number:x}ä")).collect();
    let redactor = knows(&[&token]);
    assert_eq!(redactor.scrub(&format!("<{token}>")), "<[redacted]>");
    let half = &token[..token.match_indices('ä').nth(60).unwrap().0];
    assert_eq!(redactor.scrub(&format!("<{half}>…")), "<[redacted]>…");
    // The next character begins with the same byte.
    assert_eq!(redactor.scrub(&format!("<{half}ö>…")), "<[redacted]>…");
    let wrapped: Vec<String> =
        STANDARD.encode(&token).as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
    assert_eq!(redactor.scrub(&format!("before\n{}\nafter", wrapped.join("\n"))), "before\n[redacted]\nafter");
}

#[test]
fn text_without_secrets_is_untouched() {
    let redactor = knows(&["x1y2", ""]);
    for text in
        ["nothing here", "", "\u{1b}[1mbold\u{1b}[0m", "%78 \\x31", "\u{1b}", "\u{1b}[", "\u{9b}", "%", "\\x", "&"]
    {
        assert_eq!(redactor.scrub(text), text);
        assert_eq!(Redactor::default().scrub(text), text);
    }
}

/// What a server would have to do on purpose. CONTRIBUTING lists these forms.
#[test]
fn encodings_that_are_not_found() {
    let secret = "hunter2!xyz";
    let redactor = knows(&[secret]);
    let decimal: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    let colons: Vec<String> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    for form in [
        secret.chars().rev().collect(),
        secret.replace(|c: char| c.is_ascii_lowercase(), "x"),
        format!("{}-{}", &secret[..5], &secret[5..]),
        secret[..6].to_owned(),
        decimal.join(","),
        colons.join(":"),
        STANDARD.encode(STANDARD.encode(secret)),
        STANDARD.encode(hex(secret, "")),
        STANDARD.encode(utf16),
        percent(&percent(&percent(&percent(secret)))),
    ] {
        assert_eq!(redactor.scrub(&form), form);
    }
}

#[test]
fn the_time_is_linear_in_the_text_and_does_not_grow_with_the_secrets() {
    let secrets: Vec<String> =
        (0..1000).map(|number| format!("S3cret-{number}-{}", "ab".repeat(number % 50))).collect();
    let redactor = knows(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
    let begin = Instant::now();
    redactor.scrub("the search is built here");
    let built = begin.elapsed();
    let mut texts: Vec<String> =
        ["a", "%61", "\u{1b}[0m", "\u{1b}]", "&#97;", "\\x61", " a", "S3cret-", "S3cret-1 ", "\u{200b}"]
            .map(|piece| piece.repeat(256 * 1024 / piece.len()))
            .into();
    texts.push(secrets.concat().repeat(4));
    for text in texts {
        let begin = Instant::now();
        let clean = redactor.scrub(&text);
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(20), "{:?}…: {took:?}, built in {built:?}", &clean[..clean.len().min(20)]);
    }
    // One secret that matches at every position.
    let redactor = knows(&["aaaa", &"a".repeat(40), &"a".repeat(1000)]);
    let begin = Instant::now();
    assert_eq!(redactor.scrub(&"a".repeat(100_000)), "[redacted]");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

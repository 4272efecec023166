//! Which texts can be the password of an entry. An `auth` and an HTTP header carry base64, so line ends are allowed: the
//! password of a Google service account is a JSON document of several lines.

/// Why programs would not send this password unchanged; `None` if they do. The reason is a predicate: it follows the name
/// of the password.
pub fn password_fault(password: &str) -> Option<&'static str> {
    match password {
        "" => Some("is empty"),
        // `decodeDockerAuth` of containers/image and `decodeAuth` of docker/cli.
        _ if password.starts_with('\0') || password.ends_with('\0') => {
            Some("starts or ends with a NUL character, which podman, CRI-O and docker remove from a password")
        }
        _ => None,
    }
}

/// The text without one line end, which editors and `echo` add. Other line ends may belong to the password.
pub fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

/// Whether the text is one line with a line end, which usually comes from `echo` or from a block in YAML. The line ends of
/// several lines are usually meant.
pub fn has_stray_line_end(password: &str) -> bool {
    password.ends_with('\n') && password.trim_end().lines().count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_programs_change_is_rejected() {
        for carried in ["p", " ", "a\nb\r\n", "\u{1b}[1m\u{7f}", "a\0b", "ä:\u{feff}"] {
            assert_eq!(password_fault(carried), None, "{carried:?}");
        }
        for changed in ["", "\0", "\0a", "a\0"] {
            assert!(password_fault(changed).is_some(), "{changed:?}");
        }
    }

    #[test]
    fn one_line_end_is_removed() {
        for (text, without) in
            [("p\n", "p"), ("p\r\n", "p"), ("p\n\n", "p\n"), ("p\r", "p\r"), ("{\n}\n", "{\n}"), ("", "")]
        {
            assert_eq!(without_line_end(text), without, "{text:?}");
        }
        for (text, is_stray) in [("p\n", true), ("p\n\n", true), ("p", false), ("{\n}\n", false), ("a\nb", false)] {
            assert_eq!(has_stray_line_end(text), is_stray, "{text:?}");
        }
    }
}

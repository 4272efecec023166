//! What the script receives: its command line, and the order to write files, with their contents. It does no I/O.

use std::sync::LazyLock;

use zeroize::Zeroizing;

use super::Nonce;
use crate::desired::Escalation;

/// The script without its comments and indentation, because it is sent over every connection.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let files = [
        // The order matters: the script runs from top to bottom, and `main.sh` uses the functions of the files before
        // it.
        include_str!("../script/start.sh"),
        include_str!("../script/observe.sh"),
        include_str!("../script/lock.sh"),
        include_str!("../script/private_directory.sh"),
        include_str!("../script/compare_and_swap.sh"),
        include_str!("../script/main.sh"),
    ];
    let code = files.into_iter().flat_map(str::lines).map(str::trim_start);
    // The complete script is one argument of the command, so comments and indentation are removed to keep it short.
    code.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
});
/// One file of a payload: its number, the bytes that were read (`None` if there was no file), and the new bytes.
pub(in crate::node) struct PayloadItem<'a> {
    pub(in crate::node) index: usize,
    pub(in crate::node) old: Option<&'a [u8]>,
    pub(in crate::node) new: &'a [u8],
}
/// The command that runs the script for `paths`. It contains no secret, because other users of the node can read it.
pub(in crate::node) fn command(nonce: &Nonce, escalation: &Escalation, paths: &[String]) -> String {
    let mut words = match escalation {
        Escalation::None => Vec::new(),
        // sudo prints its prompt and its errors on stderr. They are redirected to stdout, because the order of two
        // streams is not preserved.
        Escalation::Sudo { password } => {
            let shell = "LC_ALL=C; export LC_ALL; exec sudo \"$@\" 2>&1";
            let mut words: Vec<_> = ["sh", "-c", shell, "oregano"].map(str::to_owned).into();
            match password {
                // The prompt contains the nonce, so that the password is never sent in response to other output.
                Some(_) => words.extend(["-S".to_owned(), "-p".to_owned(), format!("{} PASSWORD ", nonce.0)]),
                // Without a password, sudo must fail at once instead of waiting for input.
                None => words.push("-n".to_owned()),
            }
            words.push("--".to_owned());
            words
        }
    };
    words.extend(["sh".to_owned(), "-c".to_owned(), SCRIPT.clone(), "oregano".to_owned(), nonce.0.clone()]);
    words.extend(paths.iter().cloned());
    // SSH sends one text, which the login shell of the user splits into words again (RFC 4254, section 6.5).
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// The order to write `items`, followed by the payload, which ends with a marker.
pub(in crate::node) fn order(nonce: &Nonce, items: &[PayloadItem]) -> Zeroizing<Vec<u8>> {
    let total: usize = items.iter().map(|item| item.old.map_or(0, <[u8]>::len) + item.new.len()).sum();
    let mut line = format!("write {total}");
    for item in items {
        let old = item.old.map_or_else(|| "-".to_owned(), |old| old.len().to_string());
        line.push_str(&format!(" {} {old} {}", item.index, item.new.len()));
    }
    line.push('\n');
    // Without a marker at its end, a stream that was cut off could not be distinguished from a complete one.
    let marker = format!("{} PAYLOAD {total}", nonce.0);
    // The buffer is never reallocated, because that would leave a copy of the secrets in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(line.len() + total + marker.len()));
    bytes.extend_from_slice(line.as_bytes());
    for item in items {
        bytes.extend_from_slice(item.old.unwrap_or_default());
        bytes.extend_from_slice(item.new);
    }
    bytes.extend_from_slice(marker.as_bytes());
    bytes
}

/// The order to change nothing.
pub(in crate::node) const KEEP: &[u8] = b"keep\n";

fn quote(word: &str) -> String {
    // Within single quotes a shell interprets nothing, but a single quote cannot be escaped there. So the quotes are
    // closed, followed by an escaped quote, and opened again.
    format!("'{}'", word.replace('\'', r"'\''"))
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::protocol::LARGEST;
    use crate::secret::Secret;

    const N: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_order_contains_lengths_and_ends_with_the_marker() {
        let items = [
            PayloadItem { index: 2, old: Some(b"{}\n"), new: b"{\"auths\":{}}" },
            PayloadItem { index: 1, old: None, new: b"\0" },
            PayloadItem { index: 3, old: Some(b""), new: b"" },
        ];
        assert_eq!(
            String::from_utf8_lossy(&order(&Nonce::fixed(), &items)),
            format!("write 16 2 3 12 1 - 1 3 0 0\n{{}}\n{{\"auths\":{{}}}}\0{N} PAYLOAD 16")
        );
    }

    #[test]
    fn the_command_is_quoted_and_contains_no_password() {
        let paths = ["/root/it's here".to_owned(), "/x $(reboot)".to_owned()];
        let plain = command(&Nonce::fixed(), &Escalation::None, &paths);
        assert!(plain.starts_with("'sh' '-c' '"));
        assert!(plain.ends_with(&format!(" 'oregano' '{N}' '/root/it'\\''s here' '/x $(reboot)'")));
        assert!(!plain.contains("# "), "comments are not sent");
        assert!(plain.contains(&format!("\nlargest={LARGEST}\n")));
        let asked = Escalation::Sudo { password: Some(Secret::new("hunter2")) };
        let sudo = command(&Nonce::fixed(), &asked, &paths);
        assert!(sudo.contains(&format!("'oregano' '-S' '-p' '{N} PASSWORD ' '--' 'sh' '-c' ")));
        assert!(!sudo.contains("hunter2"));
        assert!(command(&Nonce::fixed(), &Escalation::Sudo { password: None }, &paths).contains(" '-n' '--' "));
    }
}

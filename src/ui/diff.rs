//! The lines of `--diff` for one file or secret, in the style of `diff -u`. It only formats.

use crate::plan::{CredentialView, Diff, EntryDiff};

/// `-` lines show what is there now, `+` lines what will be there.
pub(super) fn lines(diff: &Diff) -> Vec<String> {
    let entries = diff.entries.iter().flat_map(entry);
    let mode = diff.mode.iter().flat_map(|mode| {
        let before = mode.before.iter().map(|mode| format!("  - mode {mode}"));
        before.chain([format!("  + mode {}", mode.after)])
    });
    entries.chain(mode).collect()
}

fn entry(EntryDiff { key, before, after }: &EntryDiff) -> Vec<String> {
    if let (Some(before), Some(after)) = (before, after)
        && before == after
    {
        return vec![format!("  ~ {key}: {}, other members change", credential(before))];
    }
    let line = |sign: char, view: &CredentialView| format!("  {sign} {key}: {}", credential(view));
    let before = before.iter().map(|view| line('-', view));
    before.chain(after.iter().map(|view| line('+', view))).collect()
}

fn credential(CredentialView { user, fingerprint }: &CredentialView) -> String {
    match user {
        Some(user) => format!("user {user}, fingerprint {fingerprint}"),
        None => format!("no readable user, fingerprint {fingerprint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ModeDiff;

    #[test]
    fn what_is_there_comes_before_what_will_be_there() {
        let view = |user: Option<&str>, fingerprint: &str| {
            Some(CredentialView { user: user.map(str::to_owned), fingerprint: fingerprint.to_owned() })
        };
        let entry = |key: &str, before, after| EntryDiff { key: key.to_owned(), before, after };
        let entries = vec![
            entry("a", view(Some("u"), "1"), view(Some("u"), "2")),
            entry("b", view(None, "3"), None),
            entry("c", view(Some("u"), "2"), view(Some("u"), "2")),
            entry("d", None, view(Some("u"), "2")),
        ];
        let mode = Some(ModeDiff { before: Some("0644".to_owned()), after: "0600".to_owned() });
        let expected = [
            "  - a: user u, fingerprint 1",
            "  + a: user u, fingerprint 2",
            "  - b: no readable user, fingerprint 3",
            "  ~ c: user u, fingerprint 2, other members change",
            "  + d: user u, fingerprint 2",
            "  - mode 0644",
            "  + mode 0600",
        ];
        assert_eq!(lines(&Diff { entries, mode }), expected);
    }
}

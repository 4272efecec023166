//! The syntax of label selectors, as `kubectl get --selector` accepts it (Kubernetes documentation, "Labels and
//! Selectors"; `Parse` in k8s.io/apimachinery/pkg/labels). It only checks the syntax: the API server evaluates selectors.

/// The maximum length of the name of a label, and of its value.
const NAME_LIMIT: usize = 63;
/// The maximum length of the prefix of a label, which is a DNS subdomain.
const PREFIX_LIMIT: usize = 253;

/// Why `selector` is not a label selector; `None` if it is one. The text is a predicate: it follows the name of the
/// value. An empty selector is a fault, because it would select everything.
pub fn selector_fault(selector: &str) -> Option<&'static str> {
    if selector.trim().is_empty() {
        return Some("is empty, and would select every namespace");
    }
    requirements(selector).map_or(Some("has a parenthesis without its counterpart"), |parts| {
        parts.into_iter().find_map(|part| requirement_fault(part.trim()))
    })
}

/// The parts between the commas outside of parentheses; `None` if a parenthesis has no counterpart.
fn requirements(selector: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in selector.char_indices() {
        match c {
            '(' if !inside => inside = true,
            ')' if inside => inside = false,
            '(' | ')' => return None,
            ',' if !inside => {
                parts.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&selector[start..]);
    (!inside).then_some(parts)
}

fn requirement_fault(requirement: &str) -> Option<&'static str> {
    if requirement.is_empty() {
        return Some("has an empty requirement");
    }
    if let Some(key) = requirement.strip_prefix('!') {
        return key_fault(key.trim());
    }
    if let Some(list) = requirement.strip_suffix(')') {
        let Some((condition, values)) = list.split_once('(') else {
            return Some("has a parenthesis without its counterpart");
        };
        return set_fault(condition.trim(), values);
    }
    // `==` and `!=` contain `=`, so they are searched first.
    for operator in ["!=", "==", "="] {
        if let Some((key, value)) = requirement.split_once(operator) {
            return key_fault(key.trim()).or_else(|| value_fault(value.trim()));
        }
    }
    for operator in ['<', '>'] {
        if let Some((key, value)) = requirement.split_once(operator) {
            let number = value.trim().parse::<i64>();
            return key_fault(key.trim())
                .or_else(|| number.is_err().then_some("compares a label with something that is not an integer"));
        }
    }
    key_fault(requirement)
}

/// The fault of `key in (a, b)` or `key notin (a, b)`, without the parentheses.
fn set_fault(condition: &str, values: &str) -> Option<&'static str> {
    match condition.rsplit_once(char::is_whitespace) {
        Some((key, "in" | "notin")) => {
            key_fault(key.trim()).or_else(|| values.split(',').find_map(|value| value_fault(value.trim())))
        }
        _ => Some("has a list of values without `in` or `notin` before it"),
    }
}

/// The fault of the key of a label: `[prefix/]name`.
fn key_fault(key: &str) -> Option<&'static str> {
    use super::kubernetes_name::NameSyntax;
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let bad_prefix = |prefix: &str| prefix.len() > PREFIX_LIMIT || NameSyntax::Subdomain.fault(prefix).is_some();
    let bad = name.is_empty() || !is_label_text(name) || prefix.is_some_and(bad_prefix);
    bad.then_some("has a key that is not the name of a label")
}

fn value_fault(value: &str) -> Option<&'static str> {
    (!value.is_empty() && !is_label_text(value)).then_some("has a text that is not the value of a label")
}

/// Whether a text that is not empty can be the name or the value of a label.
fn is_label_text(text: &str) -> bool {
    let outer = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| outer(c) || "-_.".contains(c);
    text.len() <= NAME_LIMIT && text.chars().all(inner) && text.starts_with(outer) && text.ends_with(outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_have_the_syntax_of_kubectl() {
        for selector in [
            "team=blue",
            "team == blue, env!=prod",
            "team",
            "!team",
            "team in (blue, red),env notin(prod)",
            "example.com/team=",
            "team in (,blue)",
            "size>3",
        ] {
            // `notin(` needs no space before its parenthesis.
            assert_eq!(selector_fault(selector), None, "{selector}");
        }
        for selector in [
            "",
            " ",
            "team=blue,",
            "team in (blue",
            "team in blue)",
            "team like (blue)",
            "(blue)",
            "te am=blue",
            "team=a b",
            "=blue",
            "-team=blue",
            "Example.com/team=x",
            "a/b/c=x",
            "size>many",
            "!",
        ] {
            assert!(selector_fault(selector).is_some(), "{selector}");
        }
    }
}

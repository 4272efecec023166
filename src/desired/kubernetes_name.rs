//! Which texts the Kubernetes API accepts as names (Kubernetes documentation, "Object Names and IDs"). It contains only
//! the rules; `resolve` reports the problems.

/// The syntax that the names of a kind of object must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameSyntax {
    /// A DNS label (RFC 1123): namespaces.
    Label,
    /// A DNS subdomain (RFC 1123), which may contain dots: secrets and service accounts.
    Subdomain,
}

impl NameSyntax {
    /// The maximum number of characters.
    fn limit(self) -> usize {
        match self {
            Self::Label => 63,
            Self::Subdomain => 253,
        }
    }

    /// Why `name` is not a valid name; `None` if it is valid. The text is a predicate: it follows the name.
    pub fn fault(self, name: &str) -> Option<&'static str> {
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.' && self == Self::Subdomain;
        match name {
            "" => Some("is empty"),
            _ if name.len() > self.limit() => Some("is longer than Kubernetes allows"),
            _ if name.contains(char::is_uppercase) => {
                Some("has uppercase letters, which Kubernetes names do not allow")
            }
            _ if !name.chars().all(allowed) => Some("has a character that Kubernetes names do not allow"),
            // Each part between dots must start and end with a letter or a digit, and must not be empty.
            _ if name.split('.').any(|part| part.is_empty() || part.starts_with('-') || part.ends_with('-')) => {
                Some("has a part that does not start and end with a letter or a digit")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_the_api_server() {
        let long = "a".repeat(64);
        for (name, label, subdomain) in [
            ("project-a", true, true),
            ("0", true, true),
            ("a.b-c.d", false, true),
            (long.as_str(), false, true),
            ("", false, false),
            ("Project", false, false),
            ("project_a", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("a..b", false, false),
            ("a.-b", false, false),
            ("ä", false, false),
        ] {
            assert_eq!(NameSyntax::Label.fault(name).is_none(), label, "{name}");
            assert_eq!(NameSyntax::Subdomain.fault(name).is_none(), subdomain, "{name}");
        }
        assert!(NameSyntax::Subdomain.fault(&"a".repeat(254)).is_some());
    }
}

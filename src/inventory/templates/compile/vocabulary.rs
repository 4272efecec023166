//! The names of filters and tests that a template may use. With them, the compiler reports an unknown name when it
//! reads the template, not when it evaluates it. The names are defined in the `stdlib` layer, which this layer does not
//! import.

use crate::inventory::problem::nearest;

/// What a name after `|` or `is` refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inventory::templates) enum Callable {
    /// `x | name`.
    Filter,
    /// `x is name`.
    Test,
}

/// The names of one kind: the supported ones, and those that Ansible has but we do not support.
#[derive(Debug, Clone, Default)]
pub(in crate::inventory::templates) struct Names {
    /// The supported names, without `ansible.builtin.`.
    pub supported: Vec<&'static str>,
    /// Names separated by white space, with the reason why they are not supported.
    pub unsupported: &'static [(&'static str, &'static str)],
}

/// All names that a template may use.
#[derive(Debug, Clone, Default)]
pub(in crate::inventory::templates) struct Vocabulary {
    /// The names of filters.
    pub filters: Names,
    /// The names of Jinja tests.
    pub tests: Names,
}

/// Why a template cannot use a name. Neither text contains the name, because a name may be the value of a variable
/// (`map(name)`) and so a secret.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::inventory::templates) enum UnknownName {
    /// Ansible has it, but it is not supported, for this reason.
    Unsupported(&'static str),
    /// There is no such name; perhaps a similar one.
    Missing(Option<&'static str>),
}

impl Callable {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Test => "test",
        }
    }
}

impl Vocabulary {
    /// Checks that a filter or test of this name is supported. `name` may start with `ansible.builtin.`.
    pub fn check(&self, callable: Callable, name: &str) -> Result<(), UnknownName> {
        let names = match callable {
            Callable::Filter => &self.filters,
            Callable::Test => &self.tests,
        };
        let name = short_name(name);
        // A filter of another collection (`ansible.utils.ipaddr`) is listed by its last part.
        let last = if callable == Callable::Filter { name.rsplit('.').next().unwrap_or(name) } else { name };
        let is_listed = |listed: &str| listed.split_whitespace().any(|own| own == last);
        if let Some((reason, _)) = names.unsupported.iter().find(|(_, listed)| is_listed(listed)) {
            return Err(UnknownName::Unsupported(reason));
        }
        if names.supported.contains(&name) {
            return Ok(());
        }
        Err(UnknownName::Missing(nearest(name, names.supported.iter().copied())))
    }
}

/// The name without the prefix of Ansible's own collection.
pub(in crate::inventory::templates) fn short_name(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name)
}

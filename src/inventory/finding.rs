//! What is accepted but suspicious, each with a stable code. Finds nothing itself: readers and the doctor do.

use super::problem::Problem;

/// Something suspicious that stops nothing.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What kind of thing it is.
    pub code: Code,
    /// What it is, where, and what to do.
    pub problem: Problem,
}

impl Finding {
    /// `problem`, of the kind `code`.
    pub fn new(code: Code, problem: Problem) -> Self {
        Self { code, problem }
    }
}

/// The kinds of findings. Their names are an interface: see [`Code::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A variable is set twice in one place; the later one wins.
    DuplicateVariable,
    /// A key stands twice in one mapping; the later one wins.
    DuplicateKey,
    /// A host is named twice in one group.
    DuplicateHost,
    /// A group whose name is no identifier: Ansible warns, and templates cannot name it.
    GroupName,
    /// A group and a host have the same name.
    GroupAndHost,
    /// A `#` without quotes, which ends the value.
    UnquotedHash,
}

impl Code {
    /// The stable name, as users see it and filter by it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DuplicateVariable => "duplicate-variable",
            Self::DuplicateKey => "duplicate-key",
            Self::DuplicateHost => "duplicate-host",
            Self::GroupName => "group-name",
            Self::GroupAndHost => "group-and-host",
            Self::UnquotedHash => "unquoted-hash",
        }
    }
}

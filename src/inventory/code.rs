//! The stable names of kinds of findings, and the codes that are reported while an inventory is read. Other modules
//! declare codes for their own rules, and `doctor` combines all of them into one table.

/// A kind of finding or problem. Its name is a stable interface, because users filter by it (docs/findings.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    name: &'static str,
    meaning: &'static str,
}

impl Code {
    /// Creates a code with a stable `name`. `meaning` is one line for the documentation.
    pub const fn new(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning }
    }

    /// The stable name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The meaning of the code, in one line.
    pub fn meaning(self) -> &'static str {
        self.meaning
    }
}

/// A variable is set twice in one file.
pub const DUPLICATE_VARIABLE: Code = Code::new(
    "duplicate-variable",
    "a variable is set twice in one file for the same host or group; the later value wins",
);
/// A mapping has the same key twice.
pub const DUPLICATE_KEY: Code = Code::new("duplicate-key", "a mapping has the same key twice; the later value wins");
/// A group lists the same host twice.
pub const DUPLICATE_HOST: Code = Code::new("duplicate-host", "a host is listed twice in one group");
/// A group name that is not an identifier.
pub const GROUP_NAME: Code =
    Code::new("group-name", "a group name that is not an identifier: Ansible warns, and templates cannot use it");
/// A group and a host share a name.
pub const GROUP_AND_HOST: Code = Code::new("group-and-host", "a group and a host have the same name");
/// A value that needs a command, although commands are not run.
pub const NOT_CHECKED: Code = Code::new("not-checked", "a value from a command, which `--check` does not run");
/// A template uses an undefined variable.
pub const UNDEFINED_VARIABLE: Code =
    Code::new("undefined-variable", "a template uses a variable that the host does not have");
/// A file or folder that all users can write to.
pub const WRITABLE_BY_OTHERS: Code = Code::new(
    "writable-by-others",
    "a file that the inventory is read from, or its folder, to which all users can write",
);

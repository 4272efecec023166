//! What is wrong or suspicious, each with a stable code. Finds nothing itself: readers, `desired` and the doctor do.

use std::fmt;

use super::problem::Problem;

/// Something that is worth a look.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What kind of thing it is.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, where, and what to do.
    pub problem: Problem,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// A run refuses it.
    Error,
    /// A run takes it, but it is likely not what was meant, or is dangerous.
    Warning,
    /// It changes nothing for us, but may for others who read the inventory.
    Note,
}

impl Severity {
    /// The word for it, in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Finding {
    /// A warning.
    pub fn new(code: Code, problem: Problem) -> Self {
        Self { code, severity: Severity::Warning, problem }
    }

    /// The same, of another severity.
    #[must_use]
    pub fn of(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// One line: the place, then what it is.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem.place {
            Some(place) => write!(f, "{}: {}", place.span, self.problem.message),
            None => f.write_str(&self.problem.message),
        }
    }
}

/// The enum, its names and its meanings from one list, so that none can be left out.
macro_rules! codes {
    ($($variant:ident $name:literal $meaning:literal)*) => {
        /// The kinds of findings. Their names are an interface (docs/findings.md): see [`Code::name`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stable name, as users see it and filter by it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in one line.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    Inventory "inventory" "the inventory cannot be read as Ansible reads it"
    Desired "desired" "the variables do not say what to bring about"
    DuplicateVariable "duplicate-variable" "a variable is set twice in one place; the later one wins"
    DuplicateKey "duplicate-key" "a key stands twice in one mapping; the later one wins"
    DuplicateHost "duplicate-host" "a host is named twice in one group"
    DuplicateRegistry "duplicate-registry" "a registry is given twice; equal credentials are one, different ones are refused"
    GroupName "group-name" "a group whose name is no identifier: Ansible warns, and templates cannot name it"
    GroupAndHost "group-and-host" "a group and a host have the same name"
    SameMachine "same-machine" "two inventory names have one address: the machine is worked on twice"
    UnquotedHash "unquoted-hash" "a `#` without quotes: on a host line it ends the value, under `:vars` it is part of it"
    UndefinedVariable "undefined-variable" "a template names a variable that the host does not have"
    UnknownVariable "unknown-variable" "a name that is nearly one that is read, or has its prefix"
    UnknownKey "unknown-key" "a key that an entry of the registries cannot have"
    Leftover "leftover" "a variable or key of an older openshift-ansible that does nothing any more, or has a new name"
    EmptyValue "empty-value" "a variable or key that must have a value has none"
    NumericPassword "numeric-password" "a credential that Ansible reads as a number or boolean"
    PaddedCredential "padded-credential" "a credential with white space at an end"
    PlaintextPassword "plaintext-password" "a password in clear text in a file that everybody can read"
    RedhatUser "redhat-user" "a user that does not look like a service account of registry.redhat.io"
    HostScheme "host-scheme" "a registry that is written with a scheme"
    HostSpelling "host-spelling" "a registry host that image names spell otherwise: with capital letters, or with the port of HTTPS"
    HubHost "hub-host" "a registry host without dot and port, which image names take for a folder of docker.io"
    RegistryNotAllowed "registry-not-allowed" "a registry that the image policy or the list of blocked registries forbids"
    InsecureRegistry "insecure-registry" "a registry whose TLS is not verified"
    TestLoginOff "test-login-off" "a credential that is never proved"
    IdentityTokenAlone "identity-token-alone" "a registry with an identity token and no password"
    NotChecked "not-checked" "a value that only a command can tell; `--check` runs none"
    HostKeyCheckingOff "host-key-checking-off" "a node whose host key is not compared with known_hosts"
    UnsupportedConnection "unsupported-connection" "a connection variable with a value that would lead elsewhere and is not supported"
}

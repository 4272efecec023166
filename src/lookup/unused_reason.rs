//! Why an entry is not used: the codes of the JSON output, and their texts.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeStruct as _;

/// Why an entry is not used. The codes are part of the JSON output (docs/json.md).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UnusedReason {
    /// The credential of this file or secret is used instead.
    Shadowed(String),
    /// This environment variable selects another file.
    Variable(&'static str),
    /// The entry of this environment variable takes precedence.
    Environment(&'static str),
    /// This key of the same file takes precedence.
    Key(String),
    /// This key of the same file has the same precedence, and the consumer may use either of them.
    Either(String),
    /// This credential helper is used instead.
    Helper(String),
    /// `credential-helpers` of this registries.conf does not contain `containers-auth.json`.
    NoFiles(String),
    /// The kubelet does not use credential helpers. This is the suffix of the configured one.
    NoHelpers(String),
    /// The key is that of Docker Hub. The kubelet uses it only if no other key matches.
    Fallback,
    /// The port of the key differs from the port of the image.
    Port,
    /// The pattern and the host name have a different number of labels, and `*` matches exactly one label.
    Labels,
    /// Only the kubelet supports patterns.
    Pattern,
    /// The host is spelled differently. The consumer searches for this spelling.
    Host(String),
    /// The consumer does not search for this path.
    Path,
    /// The key cannot be parsed as an address.
    Address,
    /// The entry has no `auth`, and the consumer ignores the other members.
    NoAuth,
    /// The entry has neither user nor password.
    Empty,
    /// The `auth` cannot be decoded. The text is the reason.
    Undecodable(&'static str),
    /// The file cannot be read. The text is the reason.
    Unreadable(String),
    /// The content cannot be used. The text is the reason.
    Corrupt(String),
    /// The consumer parses the file in the other one of the two formats, and finds no entries.
    Format,
    /// The kubelet does not use secrets of this type.
    Type(String),
    /// The secret does not exist.
    Missing,
}

impl UnusedReason {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shadowed(_) => "shadowed",
            Self::Variable(_) => "variable",
            Self::Environment(_) => "environment",
            Self::Key(_) => "key",
            Self::Either(_) => "either",
            Self::Helper(_) => "helper",
            Self::NoFiles(_) => "no-files",
            Self::NoHelpers(_) => "no-helpers",
            Self::Fallback => "fallback",
            Self::Port => "port",
            Self::Labels => "labels",
            Self::Pattern => "pattern",
            Self::Host(_) => "host",
            Self::Path => "path",
            Self::Address => "address",
            Self::NoAuth => "no-auth",
            Self::Empty => "empty",
            Self::Undecodable(_) => "undecodable",
            Self::Unreadable(_) => "unreadable",
            Self::Corrupt(_) => "corrupt",
            Self::Format => "format",
            Self::Type(_) => "type",
            Self::Missing => "missing",
        }
    }
}

impl fmt::Display for UnusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadowed(by) => write!(f, "`{by}` comes first, and the search ends there"),
            Self::Variable(name) => write!(f, "`{name}` selects another file, and only that file is searched"),
            Self::Environment(name) => write!(f, "`{name}` has a higher priority"),
            Self::Key(key) => write!(f, "`{key}` of the same file has a higher priority"),
            Self::Either(key) => write!(f, "`{key}` of the same file has the same priority: the order is random"),
            Self::Helper(helper) => write!(f, "`docker-credential-{helper}` is used instead"),
            Self::NoFiles(file) => {
                write!(f, "`credential-helpers` of `{file}` lacks `containers-auth.json`, so no file is searched")
            }
            Self::NoHelpers(helper) => write!(f, "the kubelet does not use `docker-credential-{helper}`"),
            Self::Fallback => f.write_str("it is used only if no other key matches"),
            Self::Port => f.write_str("its port differs from that of the image (no port and port 443 are different)"),
            Self::Labels => f.write_str("`*` matches one label of a host name, and the number of labels differs"),
            Self::Pattern => f.write_str("only the kubelet supports patterns"),
            Self::Host(host) => write!(f, "only the exact spelling `{host}` matches"),
            Self::Path => f.write_str("its path is neither that of the image nor that of a namespace above it"),
            Self::Address => f.write_str("its key cannot be parsed as an address"),
            Self::NoAuth => f.write_str("it has no `auth`, and `username` and `password` are ignored"),
            Self::Empty => f.write_str("it has neither user nor password"),
            Self::Undecodable(what) => write!(f, "its `auth` is {what}"),
            Self::Unreadable(why) | Self::Corrupt(why) => f.write_str(why),
            Self::Format => f.write_str(
                "it has the format of the other one of `config.json` and `.dockercfg`, so no entry is found",
            ),
            Self::Type(type_) => write!(f, "the kubelet does not use secrets of type `{type_}`"),
            Self::Missing => f.write_str("it does not exist"),
        }
    }
}

impl Serialize for UnusedReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("UnusedReason", 2)?;
        fields.serialize_field("why", self.code())?;
        fields.serialize_field("reason", &self.to_string())?;
        fields.end()
    }
}

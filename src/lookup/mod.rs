//! Which credential each consumer uses for an image, and why it does not use another one: the lookup rules of the
//! kubelet, of containers/image (CRI-O, podman, skopeo, buildah) and of docker's command line. Only rules: what the
//! files say and where they lie comes from outside, and no answer holds a password.

mod containers;
mod content;
mod docker;
mod explanation;
mod kubelet;
mod near;
mod registries;
mod search;

use serde::Serialize;
use serde::ser::SerializeStruct as _;

pub use containers::{containers, helped};
pub use docker::docker;
pub use explanation::{Asked, Disk, Explanation, Lookup, Outcome, Place, Tried, Unseen, ask};
pub use kubelet::kubelet;
pub use registries::{Helpers, Pull, RegistriesConf, Route};
pub use search::{Account, CRIO_FILES, GlobalAuthFile, RegistriesPaths, Searched, global_auth_file};

use crate::desired::Image;
use crate::dockerconfig::Format;
use crate::secret::SecretBytes;

/// A program that looks for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Consumer {
    /// The kubelet, which gives CRI-O what it finds.
    #[serde(rename = "kubelet")]
    Kubelet,
    /// CRI-O, where the kubelet gave it nothing.
    #[serde(rename = "cri-o")]
    CriO,
    /// podman, skopeo and buildah.
    #[serde(rename = "podman")]
    Podman,
    /// docker's command line.
    #[serde(rename = "docker")]
    Docker,
}

/// A file that a consumer looks for.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it lies.
    pub path: String,
    /// How the consumer reads it.
    pub format: Format,
    /// What is there.
    pub state: State,
}

/// What stands at a path.
#[derive(Debug, Clone)]
pub enum State {
    /// A file with these bytes.
    Content(SecretBytes),
    /// Nothing.
    Absent,
    /// Something that cannot be read: why.
    Unreadable(String),
    /// Something that whoever asks may not read: why. Who runs as root may.
    Forbidden(String),
}

/// A secret that a pod names in `imagePullSecrets`.
#[derive(Debug, Clone)]
pub struct PullSecret {
    /// Its name.
    pub name: String,
    /// What it holds; `None` if it does not exist.
    pub content: Option<SecretContent>,
}

/// What a secret holds.
#[derive(Debug, Clone)]
pub struct SecretContent {
    /// Its `type`.
    pub type_: String,
    /// `.dockerconfigjson`.
    pub config: Option<SecretBytes>,
    /// `.dockercfg`.
    pub legacy: Option<SecretBytes>,
}

/// What a consumer would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Answer {
    /// The credentials in the order in which they are tried. containers/image and docker have one at most, and helpers
    /// that are asked before.
    pub credentials: Vec<Candidate>,
    /// Why the lookup ends in an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The file at which the answer ends: the consumer may read it, and whoever asks may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<String>,
    /// Entries that look as if they were for the image, and are not used.
    pub unused: Vec<Unused>,
}

/// A credential that is used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Candidate {
    /// Where it stands.
    #[serde(flatten)]
    pub source: Source,
    /// The key of the entry, or of `credHelpers`, as it is written; `None` for `credsStore`.
    pub key: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub kind: Kind,
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The path of a file.
    File(String),
    /// The name of a secret.
    Secret(String),
}

/// What a consumer gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// A user and a password.
    Login {
        /// The user.
        user: String,
    },
    /// An OAuth2 refresh token, which is preferred to the password.
    IdentityToken {
        /// The user.
        user: String,
    },
    /// Neither user nor password: the registry is asked with an empty login, and refuses it.
    Empty,
    /// Whatever `docker-credential-HELPER` answers.
    Helper {
        /// The helper's suffix.
        helper: String,
    },
    /// The same for every registry, as `credential-helpers` of registries.conf says.
    GlobalHelper {
        /// The helper's suffix.
        helper: String,
    },
}

/// An entry that is not used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Unused {
    /// Where it stands.
    #[serde(flatten)]
    pub source: Source,
    /// Its key; `None` where it is the whole file or secret.
    pub key: Option<String>,
    /// Its user, if that can be read.
    pub user: Option<String>,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}

/// Why an entry is not used. The codes are an interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Why {
    /// This file or secret has what is used.
    Shadowed(String),
    /// This variable of the environment leads to another file.
    Variable(&'static str),
    /// This key of the same file comes first.
    Key(String),
    /// This key of the same file is as good, and either may be taken.
    Either(String),
    /// This helper is asked instead.
    Helper(String),
    /// `credential-helpers` of this registries.conf has no `containers-auth.json`.
    NoFiles(String),
    /// The kubelet asks no helper: the suffix of the one that is named.
    NoHelpers(String),
    /// The kubelet tries Docker Hub's own key only where no other one matches.
    Fallback,
    /// The port is another one than that of the image.
    Port,
    /// `*` stands for exactly one label of a host, and nothing else.
    Labels,
    /// Only the kubelet knows patterns.
    Pattern,
    /// The host is not written as it is looked for: what is looked for.
    Host(String),
    /// The path is none that is looked for.
    Path,
    /// It cannot be read as an address.
    Address,
    /// It has no `auth`, and nothing else counts.
    NoAuth,
    /// It holds neither user nor password.
    Empty,
    /// Its `auth` cannot be decoded: what it is.
    Undecodable(&'static str),
    /// The file or secret cannot be used as a whole: what is wrong with it.
    Spoilt(String),
    /// The file is read as the other of the two formats, in which it has no entries.
    Format,
    /// The kubelet reads no secrets of this type.
    Type(String),
    /// The secret does not exist.
    Missing,
}

impl Serialize for Why {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Why", 2)?;
        fields.serialize_field("why", self.code())?;
        fields.serialize_field("reason", &self.to_string())?;
        fields.end()
    }
}

impl Why {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shadowed(_) => "shadowed",
            Self::Variable(_) => "variable",
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
            Self::Spoilt(_) => "spoilt",
            Self::Format => "format",
            Self::Type(_) => "type",
            Self::Missing => "missing",
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shadowed(by) => write!(f, "`{by}` comes first, and nothing else is looked at"),
            Self::Variable(name) => write!(f, "`{name}` leads to another file, and nothing else is looked at"),
            Self::Key(key) => write!(f, "`{key}` of the same file comes first"),
            Self::Either(key) => write!(f, "`{key}` of the same file is as good: it is left to chance which is taken"),
            Self::Helper(helper) => write!(f, "`docker-credential-{helper}` is asked instead"),
            Self::NoFiles(file) => {
                write!(f, "`credential-helpers` of `{file}` has no `containers-auth.json`: no file is looked at")
            }
            Self::NoHelpers(helper) => write!(f, "the kubelet does not ask `docker-credential-{helper}`"),
            Self::Fallback => f.write_str("it is tried only where no other key matches"),
            Self::Port => f.write_str("its port is not that of the image (no port is not 443)"),
            Self::Labels => {
                f.write_str("`*` stands for one label of the host, and the image's host has another number")
            }
            Self::Pattern => f.write_str("only the kubelet knows patterns"),
            Self::Host(host) => write!(f, "`{host}` is looked for, to the letter"),
            Self::Path => f.write_str("its path is not that of the image, nor of a namespace above it"),
            Self::Address => f.write_str("it cannot be read as an address"),
            Self::NoAuth => f.write_str("it has no `auth`, and `username` and `password` do not count"),
            Self::Empty => f.write_str("it holds neither user nor password"),
            Self::Undecodable(what) => write!(f, "its `auth` is {what}"),
            Self::Spoilt(why) => f.write_str(why),
            Self::Format => {
                f.write_str("it is written as the other of `config.json` and `.dockercfg`: no entry is seen")
            }
            Self::Type(type_) => write!(f, "the kubelet reads no secret of type `{type_}`"),
            Self::Missing => f.write_str("it does not exist"),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Secret(name) => write!(f, "secret {name}"),
        }
    }
}

impl Source {
    /// The path or the name.
    pub fn name(&self) -> &str {
        match self {
            Self::File(name) | Self::Secret(name) => name,
        }
    }
}

impl File {
    fn source(&self) -> Source {
        Source::File(self.path.clone())
    }

    fn unused(&self, why: Why) -> Unused {
        Unused { source: self.source(), key: None, user: None, why }
    }
}

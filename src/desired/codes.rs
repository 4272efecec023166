//! The codes of findings about registries, credentials and connections: what the variables mean, which `inventory` does
//! not know. docs/findings.md explains each.

use crate::inventory::Code;

/// A registry is given twice; equal credentials are one, different ones are refused.
pub const DUPLICATE_REGISTRY: Code =
    Code::new("duplicate-registry", "a registry is given twice; equal credentials are one, different ones are refused");
/// A name that is nearly one that is read, or has its prefix.
pub const UNKNOWN_VARIABLE: Code =
    Code::new("unknown-variable", "a name that is nearly one that is read, or has its prefix");
/// A key that an entry of the registries cannot have.
pub const UNKNOWN_KEY: Code = Code::new("unknown-key", "a key that an entry of the registries cannot have");
/// A variable or key of an older openshift-ansible that does nothing any more, or has a new name.
pub const LEFTOVER: Code = Code::new(
    "leftover",
    "a variable or key of an older openshift-ansible that does nothing any more, or has a new name",
);
/// A variable or key that must have a value has none.
pub const EMPTY_VALUE: Code = Code::new("empty-value", "a variable or key that must have a value has none");
/// A credential that Ansible reads as a number or boolean.
pub const NUMERIC_PASSWORD: Code =
    Code::new("numeric-password", "a credential that Ansible reads as a number or boolean");
/// A credential with white space at an end.
pub const PADDED_CREDENTIAL: Code = Code::new("padded-credential", "a credential with white space at an end");
/// A user that does not look like a service account of registry.redhat.io.
pub const REDHAT_USER: Code =
    Code::new("redhat-user", "a user that does not look like a service account of registry.redhat.io");
/// A registry that is written with a scheme.
pub const HOST_SCHEME: Code = Code::new("host-scheme", "a registry that is written with a scheme");
/// A registry host that image names spell otherwise: with capital letters, or with the port of HTTPS.
pub const HOST_SPELLING: Code = Code::new(
    "host-spelling",
    "a registry host that image names spell otherwise: with capital letters, or with the port of HTTPS",
);
/// A registry host without dot and port, which image names take for a folder of docker.io.
pub const HUB_HOST: Code =
    Code::new("hub-host", "a registry host without dot and port, which image names take for a folder of docker.io");
/// A registry that the image policy or the list of blocked registries forbids.
pub const REGISTRY_NOT_ALLOWED: Code =
    Code::new("registry-not-allowed", "a registry that the image policy or the list of blocked registries forbids");
/// A registry whose TLS is not verified.
pub const INSECURE_REGISTRY: Code = Code::new("insecure-registry", "a registry whose TLS is not verified");
/// A credential that is never proved.
pub const TEST_LOGIN_OFF: Code = Code::new("test-login-off", "a credential that is never proved");
/// A registry with an identity token and no password.
pub const IDENTITY_TOKEN_ALONE: Code =
    Code::new("identity-token-alone", "a registry with an identity token and no password");
/// A node whose host key is not compared with known_hosts.
pub const HOST_KEY_CHECKING_OFF: Code =
    Code::new("host-key-checking-off", "a node whose host key is not compared with known_hosts");
/// A connection variable with a value that would lead elsewhere and is not supported.
pub const UNSUPPORTED_CONNECTION: Code = Code::new(
    "unsupported-connection",
    "a connection variable with a value that would lead elsewhere and is not supported",
);

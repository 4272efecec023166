//! The codes of findings about registries, credentials and connections. They are not in `inventory`, because
//! `inventory` does not interpret variables. A test checks that docs/findings.md has the same texts.

use crate::inventory::Code;

/// A registry is declared twice.
pub const DUPLICATE_REGISTRY: Code = Code::new(
    "duplicate-registry",
    "a registry is declared twice; the same credential is used once, different credentials are rejected",
);
/// A registry that is both declared and retired.
pub const RETIRED_REGISTRY: Code =
    Code::new("retired-registry", "a registry is declared, but is also in `oregano_retired_registries`");
/// A misspelled variable, or an unknown one with oregano's prefix.
pub const UNKNOWN_VARIABLE: Code = Code::new(
    "unknown-variable",
    "a variable whose name is similar to a known one, or an unknown variable with oregano's prefix",
);
/// An unknown key in an entry of a list, or in a mapping.
pub const UNKNOWN_KEY: Code = Code::new("unknown-key", "a key that an entry or a mapping of this kind does not have");
/// A variable or key of an older openshift-ansible.
pub const LEFTOVER: Code = Code::new(
    "leftover",
    "a variable or key of an older openshift-ansible that no longer has an effect, or has a new name",
);
/// A variable or key that must have a value is empty.
pub const EMPTY_VALUE: Code = Code::new("empty-value", "a variable or key that must have a value is empty");
/// A credential that is a YAML or Python number or boolean.
pub const NUMERIC_PASSWORD: Code =
    Code::new("numeric-password", "a credential that Ansible reads as a number or boolean");
/// A credential that starts or ends with white space.
pub const PADDED_CREDENTIAL: Code = Code::new("padded-credential", "a credential that starts or ends with white space");
/// A credential with a character that is not visible.
pub const INVISIBLE_CHARACTER: Code = Code::new(
    "invisible-character",
    "a credential with a byte order mark, a zero-width character or a similar character that is not visible",
);
/// A password on the command line.
pub const COMMAND_LINE_PASSWORD: Code =
    Code::new("command-line-password", "a password on the command line, where the process list shows it");
/// The user of registry.redhat.io does not look like the name of a service account.
pub const REDHAT_USER: Code =
    Code::new("redhat-user", "a user that does not look like a service account of registry.redhat.io");
/// A registry host such as `https://quay.io`.
pub const HOST_SCHEME: Code = Code::new("host-scheme", "a registry host that has a scheme");
/// A registry host that has a different spelling in image names.
pub const HOST_SPELLING: Code = Code::new(
    "host-spelling",
    "a registry host that is spelled differently in image names: with uppercase letters, or with the port of HTTPS",
);
/// A registry host without a dot and a port, which image names interpret as a namespace of Docker Hub.
pub const HUB_HOST: Code = Code::new(
    "hub-host",
    "a registry host with neither a dot nor a port, which image names treat as a namespace of docker.io",
);
/// A registry that the cluster forbids.
pub const REGISTRY_NOT_ALLOWED: Code =
    Code::new("registry-not-allowed", "a registry that the image policy or the list of blocked registries forbids");
/// A registry without TLS verification.
pub const INSECURE_REGISTRY: Code = Code::new("insecure-registry", "a registry whose TLS is not verified");
/// A credential that is never verified.
pub const TEST_LOGIN_OFF: Code = Code::new("test-login-off", "a credential that is never verified");
/// A registry without a password.
pub const IDENTITY_TOKEN_ALONE: Code =
    Code::new("identity-token-alone", "a registry with an identity token but no password");
/// A node without host key verification.
pub const HOST_KEY_CHECKING_OFF: Code =
    Code::new("host-key-checking-off", "a node whose host key is not compared with known_hosts");
/// An unsupported value of a connection variable.
pub const UNSUPPORTED_CONNECTION: Code = Code::new(
    "unsupported-connection",
    "a connection variable with an unsupported value, which could change the target of the connection",
);
/// An object of the cluster that is declared twice.
pub const DUPLICATE_OBJECT: Code = Code::new("duplicate-object", "an object of the cluster that is declared twice");
/// A name that Kubernetes rejects.
pub const KUBERNETES_NAME: Code = Code::new("kubernetes-name", "a name that Kubernetes does not accept");

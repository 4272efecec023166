//! The codes that only `inventory --check` reports, and the table of all codes, in the order of docs/findings.md.

use crate::desired::codes as desired;
use crate::inventory::{Code, code as inventory};

/// The inventory cannot be read as Ansible reads it.
pub const INVENTORY: Code = Code::new("inventory", "the inventory cannot be read as Ansible reads it");
/// The variables do not say what to bring about.
pub const DESIRED: Code = Code::new("desired", "the variables do not say what to bring about");
/// Two inventory names have one address: the machine is worked on twice.
pub const SAME_MACHINE: Code =
    Code::new("same-machine", "two inventory names have one address: the machine is worked on twice");
/// A `#` without quotes: on a host line it ends the value, under `:vars` it is part of it.
pub const UNQUOTED_HASH: Code = Code::new(
    "unquoted-hash",
    "a `#` without quotes: on a host line it ends the value, under `:vars` it is part of it",
);
/// A password in clear text in a file that everybody can read.
pub const PLAINTEXT_PASSWORD: Code =
    Code::new("plaintext-password", "a password in clear text in a file that everybody can read");

/// All codes, in the order in which findings at one place are reported.
pub const ALL: [Code; 29] = [
    INVENTORY,
    DESIRED,
    inventory::DUPLICATE_VARIABLE,
    inventory::DUPLICATE_KEY,
    inventory::DUPLICATE_HOST,
    desired::DUPLICATE_REGISTRY,
    inventory::GROUP_NAME,
    inventory::GROUP_AND_HOST,
    SAME_MACHINE,
    UNQUOTED_HASH,
    inventory::UNDEFINED_VARIABLE,
    desired::UNKNOWN_VARIABLE,
    desired::UNKNOWN_KEY,
    desired::LEFTOVER,
    desired::EMPTY_VALUE,
    desired::NUMERIC_PASSWORD,
    desired::PADDED_CREDENTIAL,
    PLAINTEXT_PASSWORD,
    desired::REDHAT_USER,
    desired::HOST_SCHEME,
    desired::HOST_SPELLING,
    desired::HUB_HOST,
    desired::REGISTRY_NOT_ALLOWED,
    desired::INSECURE_REGISTRY,
    desired::TEST_LOGIN_OFF,
    desired::IDENTITY_TOKEN_ALONE,
    inventory::NOT_CHECKED,
    desired::HOST_KEY_CHECKING_OFF,
    desired::UNSUPPORTED_CONNECTION,
];

/// The position of a code in [`ALL`].
pub(super) fn rank(code: Code) -> usize {
    ALL.iter().position(|other| *other == code).unwrap_or(ALL.len())
}

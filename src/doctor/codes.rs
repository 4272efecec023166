//! The codes of findings that only `inventory --check` reports, and the table of all codes, in the order of
//! docs/findings.md.

use crate::desired::codes as desired;
use crate::inventory::{Code, code as inventory};

/// The inventory is not valid by Ansible's rules.
pub const INVENTORY: Code = Code::new("inventory", "the inventory cannot be read by Ansible's rules");
/// A value is missing, cannot be used, or contradicts another one, and no other code describes this.
pub const DESIRED: Code = Code::new("desired", "a value is missing, cannot be used, or contradicts another value");
/// Two inventory names have the same address, so the machine would be configured twice.
pub const SAME_MACHINE: Code =
    Code::new("same-machine", "two inventory names have the same address: the machine is configured twice");
/// A `#` without quotes. On a host line it ends the value; in a `:vars` section it is part of the value.
pub const UNQUOTED_HASH: Code = Code::new(
    "unquoted-hash",
    "a `#` without quotes: on a host line it ends the value, under `:vars` it is part of it",
);
/// An unencrypted password in a file that all users can read.
pub const PLAINTEXT_PASSWORD: Code = Code::new(
    "plaintext-password",
    "an unencrypted password, also in the URL of a proxy, in a file that all users can read",
);

/// All codes, in the order in which findings at one place are reported.
pub const ALL: [Code; 35] = [
    INVENTORY,
    DESIRED,
    inventory::DUPLICATE_VARIABLE,
    inventory::DUPLICATE_KEY,
    inventory::DUPLICATE_HOST,
    desired::DUPLICATE_REGISTRY,
    desired::RETIRED_REGISTRY,
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
    desired::INVISIBLE_CHARACTER,
    PLAINTEXT_PASSWORD,
    desired::COMMAND_LINE_PASSWORD,
    inventory::WRITABLE_BY_OTHERS,
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
    desired::DUPLICATE_OBJECT,
    desired::KUBERNETES_NAME,
];

/// The position of a code in [`ALL`]: the order of findings at the same place.
pub(super) fn rank(code: Code) -> usize {
    ALL.iter().position(|other| *other == code).unwrap_or(ALL.len())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_name_and_position() {
        let names: HashSet<&str> = ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ALL.len());
        for (position, code) in ALL.into_iter().enumerate() {
            assert_eq!(rank(code), position, "{}", code.name());
        }
    }
}

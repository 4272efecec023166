//! Notices about registries that are declared correctly, but with a likely mistake or a risk. `inventory --check` shows
//! them.

use crate::desired::codes;
use crate::desired::registry::{TestLogin, TlsPolicy};
use crate::inventory::Finding;

use super::declared_registry::DeclaredRegistry;
use super::variable_reader::VariableReader;

/// The registry of Red Hat. Its service accounts have names of the form `12345678|name`.
const REDHAT: &str = "registry.redhat.io";

/// Adds the notices for all registries of a host.
pub(super) fn add(reader: &mut VariableReader<'_>, declared: &[DeclaredRegistry]) {
    for each in declared {
        let registry = &each.registry;
        let host = &registry.host;
        let mut notice = |code, message: String, hint: &str| {
            reader.notices.push(Finding::new(code, each.problem(message).hint(hint)));
        };
        if registry.tls == TlsPolicy::Insecure {
            let message = registry.unverified_tls_warning();
            notice(codes::INSECURE_REGISTRY, message, "give the registry a certificate that this machine trusts");
        }
        if registry.test_login == TestLogin::Skip {
            let message = format!("the credential of registry `{host}` is never verified: its test login is disabled");
            notice(codes::TEST_LOGIN_OFF, message, "set `test_image` to an image that the credential may pull instead");
        }
        if registry.password.expose().is_empty() {
            let message = format!("registry `{host}` has only an identity token, which the kubelet ignores");
            notice(
                codes::IDENTITY_TOKEN_ALONE,
                message,
                "set a password, in addition to the token or instead of it, so that nodes and pods can pull",
            );
        }
        if host == REDHAT && !registry.user.contains('|') {
            let message =
                format!("the user of `{REDHAT}` is not a service account, which has a name like `12345678|name`");
            notice(codes::REDHAT_USER, message, "create a service account at access.redhat.com/terms-based-registry");
        }
    }
}

//! What `inventory --check` reports about a registry whose declaration is valid.

use crate::desired::codes;
use crate::desired::registry::{TestLogin, TlsPolicy};
use crate::inventory::Finding;

use super::declared_registry::DeclaredRegistry;
use super::variable_reader::VariableReader;

/// The registry that has service accounts of its own form.
const REDHAT: &str = "registry.redhat.io";

/// What the user has chosen, and may have forgotten.
pub(super) fn notice(reader: &mut VariableReader<'_>, declared: &[DeclaredRegistry]) {
    for each in declared {
        let registry = &each.registry;
        let host = &registry.host;
        let mut tell = |code, message: String, hint: &str| {
            reader.notices.push(Finding::new(code, each.problem(message).hint(hint)));
        };
        if registry.tls == TlsPolicy::Insecure {
            let message = format!(
                "registry `{host}` is used without verified TLS: whoever stands in between can read its password"
            );
            tell(codes::INSECURE_REGISTRY, message, "give the registry a certificate that this machine trusts");
        }
        if registry.test_login == TestLogin::Skip {
            let message = format!("the credential of registry `{host}` is never proved: its test login is off");
            tell(codes::TEST_LOGIN_OFF, message, "name a `test_image` that it may pull instead");
        }
        if registry.password.expose().is_empty() {
            let message = format!("registry `{host}` has an identity token alone, which the kubelet ignores");
            tell(
                codes::IDENTITY_TOKEN_ALONE,
                message,
                "nodes and pods can pull with a password beside it, or instead of it",
            );
        }
        if host == REDHAT && !registry.user.contains('|') {
            let message = format!("the user of `{REDHAT}` is no service account, whose names are like `12345678|name`");
            tell(codes::REDHAT_USER, message, "make a service account at access.redhat.com/terms-based-registry");
        }
    }
}

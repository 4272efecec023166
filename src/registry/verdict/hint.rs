//! Hints: what to do about a verdict. A hint names the setting that the user can change: a variable of the default
//! registry, a key of an entry, or an option of `oregano login`.

use std::time::Duration;

use reqwest::Url;

use super::status::{LoginEvidence, does_not_distinguish_missing, is_accepted, reports_hidden_as_missing};
use crate::desired::{Declaration, ImageChoice, ProxyOrigin, Registry, TestLogin};
use crate::registry::http::proxy::{Hop, ProxyLogin, exceptions_variable, proxy_variable};
use crate::registry::http::url::authority;

/// The setting with the certificate of an authority.
pub fn ca_file(registry: &Registry) -> &'static str {
    match registry.declaration {
        Declaration::Default => "`ca_file` of `oregano_oreg_auth`",
        Declaration::Entry => "`ca_file`",
        Declaration::PullSecret => "`ca_file` of an entry of `openshift_additional_registry_credentials`",
        Declaration::CommandLine => "`--ca-file`",
    }
}

/// The setting with the test image.
fn test_image(registry: &Registry) -> &'static str {
    match (registry.declaration, registry.image_choice) {
        (Declaration::Default, _) => "`test_image` of `oregano_oreg_auth`",
        (Declaration::Entry, ImageChoice::Given) => "`test_image`",
        (Declaration::Entry, ImageChoice::Default) => "`test_image` (not set: the default image was used)",
        (Declaration::PullSecret, _) => "`test_images` of the pull secret",
        (Declaration::CommandLine, _) => "`--test-image`",
    }
}

/// The setting with the token server; `None` for `oregano login`, which accepts the one that the registry names.
pub fn auth_server(registry: &Registry) -> Option<&'static str> {
    match registry.declaration {
        Declaration::Default => Some("`auth_server` of `oregano_oreg_auth`"),
        Declaration::Entry => Some("`auth_server`"),
        Declaration::PullSecret => Some("`auth_server` of an entry of `openshift_additional_registry_credentials`"),
        Declaration::CommandLine => None,
    }
}

/// The setting with the proxy of a registry itself.
fn own_proxy(registry: &Registry) -> &'static str {
    match registry.declaration {
        Declaration::Default => "`proxy` of `oregano_oreg_auth`",
        Declaration::Entry | Declaration::CommandLine => "`proxy`",
        Declaration::PullSecret => "`openshift_http_proxy`",
    }
}

/// The setting with the proxy for `url`.
pub fn proxy_setting(registry: &Registry, url: &Url) -> &'static str {
    match (registry.proxy.origin(), url.scheme()) {
        (ProxyOrigin::Environment, _) => proxy_variable(url),
        (ProxyOrigin::Registry, _) => own_proxy(registry),
        (ProxyOrigin::Variables, "https") => "`openshift_https_proxy`",
        // The variables of openshift-ansible have one proxy for each scheme.
        (ProxyOrigin::Variables, _) => "`openshift_http_proxy`",
    }
}

/// What to do if the server of `url` needs no proxy.
pub fn no_proxy(registry: &Registry, url: &Url) -> String {
    let host = authority(url);
    match registry.proxy.origin() {
        ProxyOrigin::Environment => format!("add `{host}` to {}", exceptions_variable()),
        ProxyOrigin::Registry => format!("set {} to `none` if `{host}` needs none", own_proxy(registry)),
        ProxyOrigin::Variables => format!("add `{host}` to `openshift_no_proxy`"),
    }
}

/// What to do about a 407.
pub fn proxy_login(registry: &Registry, url: &Url, hop: &Hop) -> String {
    let (setting, exception) = (proxy_setting(registry, url), no_proxy(registry, url));
    match hop {
        Hop::Proxy { login: ProxyLogin::Given, .. } => {
            format!("the proxy rejected its login: check user and password in {setting}, or {exception}")
        }
        Hop::Proxy { login: ProxyLogin::Missing, .. } => {
            format!("the proxy requires a login: add it to {setting}, or {exception}")
        }
        Hop::Direct | Hop::Tunnel => {
            format!("no proxy is set for `{}`, but a proxy on the network path responded", authority(url))
        }
    }
}

/// What to do if TLS is not possible.
pub fn insecure(registry: &Registry) -> String {
    let host = &registry.host;
    let setting = match registry.declaration {
        Declaration::Default | Declaration::PullSecret => {
            format!("add `{host}` to `openshift_docker_insecure_registries`")
        }
        Declaration::Entry => format!("set `tls_verify: False` for `{host}`"),
        Declaration::CommandLine => "use `--tls-verify=false`".to_owned(),
    };
    format!("if you trust the network with the password, {setting}")
}

/// What to do about a registry that is contacted with HTTPS and `names` a URL with plain HTTP.
pub fn external_url(host: &str, names: &str) -> String {
    format!(
        "`{host}` {names} as if it were reached over plain HTTP: its operator must correct its external URL, or let the \
         proxy in front of it send `X-Forwarded-Proto: https`"
    )
}

/// What to do about an image that is public.
pub fn private_image(registry: &Registry) -> String {
    format!("set {} to a private image that only this user may pull", test_image(registry))
}

/// What to do about an invalid image name.
pub fn image_name(registry: &Registry) -> String {
    format!("set {} to a name of the form `repository/name:tag`", test_image(registry))
}

/// What to do about a token server other than `auth_server`.
pub fn token_server(registry: &Registry) -> String {
    // `oregano login` has no such setting, but it also never restricts the realm, so the default is not reached there.
    let setting = auth_server(registry).unwrap_or("`auth_server`");
    format!("if the token server of the registry may receive the password, name it in {setting}")
}

/// What to do about a missing permission.
pub fn permission(registry: &Registry, host: &str, login: LoginEvidence) -> String {
    let Registry { user, image, test_login, .. } = registry;
    if *test_login == TestLogin::LoginOnly {
        return format!("`{user}` has a token, but `{host}` does not accept it: contact its operator");
    }
    let who = match does_not_distinguish_missing(host) {
        true => format!("`{host}` does not distinguish the two"),
        false => "some registries do not distinguish the two".to_owned(),
    };
    let both = format!("is not permitted to pull `{image}`, or it does not exist ({who})");
    // The response does not show which of the two is the reason, so the hint names both.
    let action = format!("grant the permission, or set {} to another image", test_image(registry));
    if login == LoginEvidence::TokenIssued && !is_accepted(host, login) {
        let doubt = token_despite_wrong_password(registry, host);
        format!(
            "`{user}` received a token, but {both}: {action}; if the permission is there, check the password, {doubt}"
        )
    } else {
        format!("`{user}` logged in, but {both}: {action}")
    }
}

/// What to do if the registry does not accept the token that its token server issued.
pub fn token_not_accepted(registry: &Registry, host: &str) -> String {
    let doubt = token_despite_wrong_password(registry, host);
    format!("check the password, {doubt}; if it is right, contact the operator of `{host}`")
}

/// Why the password may be wrong although a token was issued, and where the password comes from.
fn token_despite_wrong_password(registry: &Registry, host: &str) -> String {
    let origin = password_origin(registry, host);
    format!("because some registries (Harbor) issue a token for a wrong password, too: {origin}")
}

/// What to do about a missing image.
pub fn missing_image(registry: &Registry, host: &str, login: LoginEvidence) -> String {
    let setting = test_image(registry);
    let variables = match registry.declaration {
        Declaration::Default => ", or correct `oreg_url` and `openshift_image_tag`",
        Declaration::Entry | Declaration::PullSecret | Declaration::CommandLine => "",
    };
    let hidden = match reports_hidden_as_missing(host) {
        true => format!("; or the registry hides the image from `{}`", registry.user),
        false => String::new(),
    };
    let action = format!("set {setting} to an image and tag that exist{variables}{hidden}");
    match login {
        LoginEvidence::NotRequired => {
            format!("`{host}` did not require a credential: set {setting} to a private image that exists")
        }
        LoginEvidence::CredentialSent | LoginEvidence::Anonymous => action,
        LoginEvidence::Accepted | LoginEvidence::TokenIssued if is_accepted(host, login) => {
            format!("the login is correct: {action}")
        }
        LoginEvidence::Accepted | LoginEvidence::TokenIssued => {
            format!("`{}` received a token: {action}", registry.user)
        }
    }
}

/// What to do about a refused credential.
pub fn refused(registry: &Registry, host: &str) -> String {
    let origin = password_origin(registry, host);
    match registry.declaration {
        Declaration::CommandLine => format!("check user and password, nothing was saved: {origin}"),
        Declaration::Default | Declaration::Entry | Declaration::PullSecret => origin,
    }
}

/// Where a password comes from, and what kind of account the registry expects.
pub fn password_origin(registry: &Registry, host: &str) -> String {
    let secret = if registry.identity_token.is_some() { "identity token" } else { "password" };
    let origin = format!("the {secret} of `{}` comes from {}", registry.user, registry.origin);
    // A service account without its number is a frequent mistake.
    let red_hat = matches!(host, "registry.redhat.io" | "registry.connect.redhat.com");
    if red_hat && !registry.user.contains('|') {
        format!("{origin}; the name of a Red Hat registry service account has the form `1234567|name`")
    } else if host.contains(".dkr.ecr.") {
        format!("{origin}; an ECR password is valid for one region and for 12 hours")
    } else {
        origin
    }
}

/// What to do about a 429.
pub fn rate_limited(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("try again in {} s", wait.as_secs()),
        None => "try again later".to_owned(),
    }
}

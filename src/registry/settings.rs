//! By which names the settings of a registry go, so that a hint names what its reader can set: variables of the default
//! registry, keys of an entry, or options of `oregano login`.

use reqwest::Url;

use crate::desired::{Declaration, ImageChoice, ProxyOrigin, Registry};

use super::proxy::{exceptions_variable, proxy_variable};
use super::realm::authority;

/// What to set where TLS cannot be had.
pub(super) fn insecure(registry: &Registry) -> String {
    let host = &registry.host;
    match registry.declaration {
        Declaration::Default => format!("list `{host}` in `openshift_docker_insecure_registries`"),
        Declaration::Entry => format!("set `tls_verify: False` for `{host}`"),
        Declaration::CommandLine => "give `--tls-verify=false`".to_owned(),
    }
}

/// Where an authority's certificate is named.
pub(super) fn ca_file(registry: &Registry) -> &'static str {
    match registry.declaration {
        Declaration::Default => "`ca_file` of `oregano_oreg_auth`",
        Declaration::Entry => "`ca_file`",
        Declaration::CommandLine => "`--ca-file`",
    }
}

/// Where the test image is named.
pub(super) fn test_image(registry: &Registry) -> &'static str {
    match (registry.declaration, registry.image_choice) {
        (Declaration::Default, _) => "`test_image` of `oregano_oreg_auth`",
        (Declaration::Entry, ImageChoice::Given) => "`test_image`",
        (Declaration::Entry, ImageChoice::Default) => "`test_image` (none is set: this is the default)",
        (Declaration::CommandLine, _) => "`--test-image`",
    }
}

/// Where a missing image may come from, besides [`test_image`].
pub(super) fn image_origin(registry: &Registry) -> &'static str {
    match registry.declaration {
        Declaration::Default => ", or correct `oreg_url` and `openshift_image_tag`",
        Declaration::Entry | Declaration::CommandLine => "",
    }
}

/// Where the token server is named; `oregano login` takes the one that the registry names.
pub(super) fn auth_server(registry: &Registry) -> Option<&'static str> {
    match registry.declaration {
        Declaration::Default => Some("`auth_server` of `oregano_oreg_auth`"),
        Declaration::Entry => Some("`auth_server`"),
        Declaration::CommandLine => None,
    }
}

/// Where the proxy of a request to `url` is set.
pub(super) fn proxy(registry: &Registry, url: &Url) -> &'static str {
    match (registry.proxy.origin(), url.scheme()) {
        (ProxyOrigin::Environment, _) => proxy_variable(url),
        (ProxyOrigin::Registry, _) => own_proxy(registry),
        (ProxyOrigin::Variables, "https") => "`openshift_https_proxy`",
        (ProxyOrigin::Variables, _) => "`openshift_http_proxy`",
    }
}

/// What to do where the server of `url` needs no proxy.
pub(super) fn exception(registry: &Registry, url: &Url) -> String {
    let host = authority(url);
    match registry.proxy.origin() {
        ProxyOrigin::Environment => format!("name `{host}` in {}", exceptions_variable()),
        ProxyOrigin::Registry => format!("set {} to `none` if `{host}` needs none", own_proxy(registry)),
        ProxyOrigin::Variables => format!("name `{host}` in `openshift_no_proxy`"),
    }
}

/// The key of a registry's own proxy.
fn own_proxy(registry: &Registry) -> &'static str {
    match registry.declaration {
        Declaration::Default => "`proxy` of `oregano_oreg_auth`",
        Declaration::Entry | Declaration::CommandLine => "`proxy`",
    }
}

//! By which names the settings of a registry go, so that a hint names what its reader can set: variables of the default
//! registry, keys of an entry, or options of `oregano login`.

use crate::desired::{Declaration, Proxy, Registry};

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
    match registry.declaration {
        Declaration::Default => "`test_image` of `oregano_oreg_auth`",
        Declaration::Entry => "`test_image`",
        Declaration::CommandLine => "`--test-image`",
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
pub(super) fn auth_server(registry: &Registry) -> &'static str {
    match registry.declaration {
        Declaration::Default => "`auth_server` of `oregano_oreg_auth`",
        Declaration::Entry | Declaration::CommandLine => "`auth_server`",
    }
}

/// Where a registry's proxy and the exceptions from it are set.
pub(super) fn proxy(registry: &Registry) -> (&'static str, &'static str) {
    match registry.proxy {
        Proxy::Environment => ("HTTPS_PROXY and HTTP_PROXY", "NO_PROXY"),
        Proxy::Set(_) => {
            ("`proxy`, `openshift_https_proxy` and `openshift_http_proxy` in the inventory", "`openshift_no_proxy`")
        }
    }
}

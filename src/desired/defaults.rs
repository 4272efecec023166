//! What holds for all registries of a host, by the rules of openshift-ansible 3.11: deployment type, tag, insecure
//! registries, proxy.

use crate::inventory::Value;

use super::key::about;
use super::lookup::{Lookup, Text};
use super::{Proxy, TlsPolicy, insecure, proxy};

/// What openshift-ansible calls `openshift_deployment_type`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deployment {
    Origin,
    Enterprise,
}

impl Deployment {
    /// The default of `oreg_url`.
    pub fn oreg_url(self) -> &'static str {
        match self {
            Self::Origin => "quay.io/openshift/origin-${component}:${version}",
            Self::Enterprise => "registry.redhat.io/openshift3/ose-${component}:${version}",
        }
    }

    /// The default of `test_image`, without its tag.
    pub fn test_image(self) -> &'static str {
        match self {
            Self::Origin => "openshift/origin-pod",
            Self::Enterprise => "openshift3/ose-pod",
        }
    }
}

/// What holds for all registries of a host.
pub(super) struct Defaults {
    pub deployment: Option<Deployment>,
    pub tag: String,
    pub proxy: Proxy,
    insecure: Vec<insecure::Entry>,
}

impl Defaults {
    /// Reads them, and every problem in them.
    pub fn of_host(lookup: &mut Lookup<'_>) -> Self {
        Self {
            deployment: deployment(lookup),
            tag: tag(lookup),
            proxy: proxy::of_host(lookup),
            insecure: insecure_registries(lookup),
        }
    }

    /// The policy of `host`: its own `tls_verify`, else what the list of insecure registries says.
    pub fn tls(&self, own: Option<bool>, host: &str) -> TlsPolicy {
        let address = host.split('/').next().unwrap_or_default();
        let verify = own.unwrap_or_else(|| !self.insecure.iter().any(|entry| entry.holds_for(address)));
        if verify { TlsPolicy::Verify } else { TlsPolicy::Insecure }
    }
}

fn deployment(lookup: &mut Lookup<'_>) -> Option<Deployment> {
    let text = lookup.text("openshift_deployment_type")?;
    match text.text.as_str() {
        "origin" => Some(Deployment::Origin),
        "openshift-enterprise" => Some(Deployment::Enterprise),
        _ => {
            let problem = about("`openshift_deployment_type`", &text, "is unknown");
            lookup.problems.push(problem.hint("it is `origin` or `openshift-enterprise`"));
            None
        }
    }
}

fn tag(lookup: &mut Lookup<'_>) -> String {
    let image_tag = lookup.text("openshift_image_tag");
    let release = lookup.text("openshift_release");
    match (image_tag, release) {
        (Some(tag), _) => tag.text,
        (None, Some(release)) if release.text.starts_with('v') => release.text,
        (None, Some(release)) => format!("v{}", release.text),
        (None, None) => "v3.11".to_owned(),
    }
}

fn insecure_registries(lookup: &mut Lookup<'_>) -> Vec<insecure::Entry> {
    const NAME: &str = "openshift_docker_insecure_registries";
    let Some(node) = lookup.node(NAME) else { return Vec::new() };
    let texts: Vec<Text> = match &node.value {
        Value::Null => Vec::new(),
        Value::List(items) => {
            items.iter().filter_map(|item| lookup.text_of(item, &format!("an entry of `{NAME}`"))).collect()
        }
        _ => node
            .text
            .split(',')
            .filter(|text| !text.trim().is_empty())
            .map(|text| Text { text: text.to_owned(), span: node.span.clone() })
            .collect(),
    };
    texts
        .into_iter()
        .filter_map(|text| {
            let entry = insecure::parse(&text.text);
            if entry.is_none() {
                lookup.problems.push(
                    about(&format!("an entry of `{NAME}`"), &text, "is neither host[:port] nor a network")
                        .hint("write `registry.example.com:5000` or `172.30.0.0/16`, without scheme and path"),
                );
            }
            entry
        })
        .collect()
}

//! What holds for all registries of a host, by the rules of openshift-ansible 3.11: deployment type, tag, insecure
//! registries, proxy.

use crate::desired::registry::{Proxy, TlsPolicy};
use crate::inventory::Value;

use super::insecure_registries::{self as insecure, InsecureRegistry};
use super::proxy;
use super::registry_host::about;
use super::variable_reader::{Text, VariableReader};

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
pub(super) struct RegistryDefaults {
    pub deployment: Option<Deployment>,
    pub tag: String,
    pub proxy: Proxy,
    insecure: Vec<InsecureRegistry>,
}

impl RegistryDefaults {
    /// Reads them, and every problem in them.
    pub fn of_host(reader: &mut VariableReader<'_>) -> Self {
        Self {
            deployment: deployment(reader),
            tag: tag(reader),
            proxy: proxy::of_host(reader),
            insecure: insecure_registries(reader),
        }
    }

    /// The policy of `host`: its own `tls_verify`, else what the list of insecure registries says.
    pub fn tls(&self, own: Option<bool>, host: &str) -> TlsPolicy {
        let address = host.split('/').next().unwrap_or_default();
        let verify = own.unwrap_or_else(|| !self.insecure.iter().any(|entry| entry.holds_for(address)));
        if verify { TlsPolicy::Verify } else { TlsPolicy::Insecure }
    }
}

fn deployment(reader: &mut VariableReader<'_>) -> Option<Deployment> {
    let text = reader.text("openshift_deployment_type")?;
    match text.text.as_str() {
        "origin" => Some(Deployment::Origin),
        "openshift-enterprise" => Some(Deployment::Enterprise),
        _ => {
            let problem = about("`openshift_deployment_type`", &text, "is unknown");
            reader.problems.push(problem.hint("it is `origin` or `openshift-enterprise`"));
            None
        }
    }
}

fn tag(reader: &mut VariableReader<'_>) -> String {
    let image_tag = reader.text("openshift_image_tag");
    let release = reader.text("openshift_release");
    match (image_tag, release) {
        (Some(tag), _) => tag.text,
        (None, Some(release)) if release.text.starts_with('v') => release.text,
        (None, Some(release)) => format!("v{}", release.text),
        (None, None) => "v3.11".to_owned(),
    }
}

fn insecure_registries(reader: &mut VariableReader<'_>) -> Vec<InsecureRegistry> {
    const NAME: &str = "openshift_docker_insecure_registries";
    let Some(node) = reader.node(NAME) else { return Vec::new() };
    let texts: Vec<Text> = match &node.value {
        Value::Null => Vec::new(),
        Value::List(items) => {
            items.iter().filter_map(|item| reader.text_of(item, &format!("an entry of `{NAME}`"))).collect()
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
                reader.problems.push(
                    about(&format!("an entry of `{NAME}`"), &text, "is neither host[:port] nor a network")
                        .hint("write `registry.example.com:5000` or `172.30.0.0/16`, without scheme and path"),
                );
            }
            entry
        })
        .collect()
}

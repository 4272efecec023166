//! Settings that apply to all registries of a host, by the rules of openshift-ansible 3.11: deployment type, tag, insecure
//! registries, proxy.

use crate::desired::registry::{Proxy, TlsPolicy};
use crate::inventory::Value;

use super::insecure_registries::{self as insecure, InsecureRegistry};
use super::proxy;
use super::registry_host::problem_about;
use super::variable_reader::{Text, VariableReader};

/// `openshift_deployment_type`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeploymentType {
    Origin,
    Enterprise,
}

/// The settings for all registries of a host.
pub(super) struct RegistryDefaults {
    pub deployment: Option<DeploymentType>,
    pub tag: String,
    pub proxy: Proxy,
    insecure: Vec<InsecureRegistry>,
}

impl RegistryDefaults {
    /// Reads the settings from the variables of a host.
    pub fn of_host(reader: &mut VariableReader<'_>) -> Self {
        Self {
            deployment: deployment(reader),
            tag: tag(reader),
            proxy: proxy::of_host(reader),
            insecure: insecure_registries(reader),
        }
    }

    /// The TLS policy for the registry `host`, if its entry has no `tls_verify`.
    pub fn tls(&self, host: &str) -> TlsPolicy {
        // The list of insecure registries has hosts without a path.
        let address = host.split('/').next().unwrap_or_default();
        let is_insecure = self.insecure.iter().any(|element| element.matches(address));
        if is_insecure { TlsPolicy::Insecure } else { TlsPolicy::Verify }
    }
}

fn deployment(reader: &mut VariableReader<'_>) -> Option<DeploymentType> {
    let text = reader.text("openshift_deployment_type")?;
    match text.text.as_str() {
        "origin" => Some(DeploymentType::Origin),
        "openshift-enterprise" => Some(DeploymentType::Enterprise),
        _ => {
            let problem = problem_about("`openshift_deployment_type`", &text, "is unknown");
            reader.problems.push(problem.hint("write `origin` or `openshift-enterprise`"));
            None
        }
    }
}

/// The tag of test images, `v3.11` by default. A missing `v` in `openshift_release` is added (role
/// `openshift_version`).
fn tag(reader: &mut VariableReader<'_>) -> String {
    let image_tag = reader.text("openshift_image_tag");
    let release = reader.text("openshift_release");
    match (image_tag, release) {
        // A tag is used as it is written. Only a release may lack the `v` of the tags.
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
                    problem_about(&format!("an entry of `{NAME}`"), &text, "is neither `host[:port]` nor a network")
                        .hint(
                            "write for example `registry.example.com:5000` or `172.30.0.0/16`, without scheme and path",
                        ),
                );
            }
            entry
        })
        .collect()
}

//! The test images of a registry: `test_image`, `oreg_url`, or the default test image of the deployment type. The grammar of
//! image names is in `desired/image.rs`.

use indexmap::IndexSet;

use crate::desired::codes;
use crate::desired::registry::ImageChoice;
use crate::desired::{image, registry_host as host_rules};
use crate::inventory::{Finding, Problem, Span, Value};

use super::defaults::{DeploymentType, RegistryDefaults};
use super::registry_entry::{OLD_TEST_IMAGE, RegistryEntry};
use super::registry_host::{host_problem, problem_about};
use super::variable_reader::{Text, VariableReader};

/// The host of a registry and its test images.
pub(super) struct TestImages {
    /// The key of the registry.
    pub host: String,
    /// The full names of the images. There is at least one.
    pub images: IndexSet<String>,
    pub choice: ImageChoice,
    /// The place of the host.
    pub span: Span,
}

impl DeploymentType {
    /// The default of `oreg_url` (`openshift_facts` of openshift-ansible 3.11).
    fn oreg_url(self) -> &'static str {
        match self {
            Self::Origin => "quay.io/openshift/origin-${component}:${version}",
            Self::Enterprise => "registry.redhat.io/openshift3/ose-${component}:${version}",
        }
    }

    /// The default test image without its tag. It is the pod infrastructure image, because every node pulls it.
    fn test_image(self) -> &'static str {
        match self {
            Self::Origin => "openshift/origin-pod",
            Self::Enterprise => "openshift3/ose-pod",
        }
    }
}

/// The host and the test images of the default registry, from `oreg_url` or from the deployment type. Without
/// `oreg_url`, `credential_place` is used as the place of the registry.
pub(super) fn of_default_registry(
    reader: &mut VariableReader<'_>,
    defaults: &RegistryDefaults,
    entry: Option<&RegistryEntry>,
    credential_place: &Span,
) -> Option<TestImages> {
    let url = if reader.raw("oreg_url").is_some() {
        reader.text("oreg_url")?
    } else if let Some(deployment) = defaults.deployment {
        Text { text: deployment.oreg_url().to_owned(), span: credential_place.clone() }
    } else {
        let problem =
            "neither `oreg_url` nor `openshift_deployment_type` shows which registry `oreg_auth_user` belongs to";
        reader.problems.push(
            Problem::hiding(credential_place, problem)
                .hint("set `oreg_url`, or `openshift_deployment_type` to `origin` or `openshift-enterprise`"),
        );
        return None;
    };
    if let Some(fault) = host_rules::url_fault(&url.text) {
        let syntax = "write it as `host[:port]/path/name-${component}:${version}`";
        reader.problems.push(host_problem("`oreg_url`", &url, fault, syntax));
        return None;
    }
    let (host, path) = image::split_host(&url.text);
    // `split_host` returns Docker Hub for a name without a registry, so the returned host is not part of the text then.
    if !url.text.starts_with(host) {
        let problem = problem_about("`oreg_url`", &url, "names no registry, so the password is sent to Docker Hub");
        let problem = problem.hint(format!("write `{host}/` before it, or the registry that you mean"));
        reader.warnings.push(Finding::new(codes::HUB_HOST, problem));
    }
    let images = match entry.filter(|entry| entry.members.get("test_image").is_some()) {
        Some(entry) => test_images(reader, entry, host)?,
        // Without a `test_image`, the image of `oreg_url` itself is tested, because every node pulls it.
        None => match image::full_name(host, &fill_in(path, &defaults.tag)) {
            Ok(image) => IndexSet::from([image]),
            Err(fault) => {
                let problem = problem_about("`oreg_url`", &url, &format!("is not an image name: {fault}"));
                reader.problems.push(problem.hint("write `host[:port]/path/name-${component}:${version}`"));
                return None;
            }
        },
    };
    Some(TestImages { host: host.to_owned(), images, choice: ImageChoice::Given, span: url.span.clone() })
}

/// The host and the test images of an entry of the list, from its `test_image` or from the default test image.
pub(super) fn of_additional_entry(
    reader: &mut VariableReader<'_>,
    defaults: &RegistryDefaults,
    entry: &RegistryEntry,
    host: Text,
) -> Option<TestImages> {
    if let Some(old) = entry.members.get(OLD_TEST_IMAGE) {
        let problem = Problem::hiding(&old.node.span, "`image_name` is the old name of `test_image`");
        reader.warnings.push(Finding::new(codes::LEFTOVER, problem.hint("rename it to `test_image`")));
    }
    let (choice, images) = if entry.members.get("test_image").or_else(|| entry.members.get(OLD_TEST_IMAGE)).is_some() {
        (ImageChoice::Given, test_images(reader, entry, &host.text)?)
    } else {
        let name = defaults.deployment.unwrap_or(DeploymentType::Enterprise).test_image();
        let default = Text { text: format!("{name}:{}", defaults.tag), span: entry.members.span.clone() };
        (ImageChoice::Default, IndexSet::from([full_name(reader, &default, &host.text)?]))
    };
    Some(TestImages { host: host.text, images, choice, span: host.span })
}

/// The images of `test_image`, which is a text or a list. The names are relative to the registry `host`.
fn test_images(reader: &mut VariableReader<'_>, entry: &RegistryEntry, host: &str) -> Option<IndexSet<String>> {
    let member = entry.members.get("test_image").or_else(|| entry.members.get(OLD_TEST_IMAGE))?;
    let nodes = match &member.node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(&member.node),
    };
    if nodes.is_empty() {
        let problem = Problem::hiding(&member.node.span, format!("{} is empty", member.name)).code(codes::EMPTY_VALUE);
        reader.problems.push(problem.hint("name an image that the credential may pull, or remove the line"));
    }
    let mut images = IndexSet::new();
    for node in nodes {
        let image = reader.text_of(node, &member.name).and_then(|path| full_name(reader, &path, host));
        // An invalid image does not end the loop, so that one run reports all of them.
        images.extend(image);
    }
    (!images.is_empty()).then_some(images)
}

/// The full name of the image `path` in the registry `host`, which may have a path itself.
pub(super) fn full_name(reader: &mut VariableReader<'_>, path: &Text, host: &str) -> Option<String> {
    let (name_host, namespace) = image::split_host(host);
    // A registry with a path is one namespace, and the test image must be inside of it: otherwise another entry would
    // be tested.
    let relative = if namespace.is_empty() { path.text.clone() } else { format!("{namespace}/{}", path.text) };
    image::full_name(name_host, &relative)
        .map_err(|fault| {
            let repeats_host = path.text.strip_prefix(name_host).is_some_and(|rest| rest.starts_with('/'));
            let (fault, hint) = if repeats_host {
                (format!("of `{host}` repeats the host"), "leave the host out: write `name[:tag]` or `name@digest`")
            } else {
                (format!("of `{host}` is not an image name: {fault}"), "write `name[:tag]` or `name@digest`")
            };
            let problem = if image::may_be_quoted(&path.text) {
                Problem::naming(&path.span, &path.text, format!("the test image `{}` {fault}", path.text))
            } else {
                problem_about("the test image", path, &fault)
            };
            reader.problems.push(problem.hint(hint));
        })
        .ok()
}

/// The path of `oreg_url` with its placeholders replaced: `${component}` by `pod`, and `${version}` by the tag.
fn fill_in(path: &str, tag: &str) -> String {
    path.replace("${component}", "pod").replace("${version}", tag)
}

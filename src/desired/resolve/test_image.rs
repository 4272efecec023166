//! The test image of a registry: `test_image`, `oreg_url`, or the default of the deployment type.

use indexmap::IndexSet;

use crate::desired::codes;
use crate::desired::registry::ImageChoice;
use crate::desired::{image, registry_host as host};
use crate::inventory::{Finding, Problem, Span, Value};

use super::defaults::{Deployment, RegistryDefaults};
use super::registry_entry::{OLD_TEST_IMAGE, RegistryEntry};
use super::registry_host::{self as key, about};
use super::variable_reader::{Text, VariableReader};

/// What an entry is about.
pub(super) struct Subject {
    /// The key.
    pub host: String,
    /// Test images in full, at least one.
    pub images: IndexSet<String>,
    pub choice: ImageChoice,
    pub span: Span,
}

/// Host and test images by `oreg_url`, or by the default registry, which stands where its credential does.
pub(super) fn oreg_subject(
    reader: &mut VariableReader<'_>,
    defaults: &RegistryDefaults,
    entry: Option<&RegistryEntry>,
    credential: &Span,
) -> Option<Subject> {
    let url = if reader.raw("oreg_url").is_some() {
        reader.text("oreg_url")?
    } else if let Some(deployment) = defaults.deployment {
        Text { text: deployment.oreg_url().to_owned(), span: credential.clone() }
    } else {
        let problem =
            "neither `oreg_url` nor `openshift_deployment_type` says which registry `oreg_auth_user` belongs to";
        reader.problems.push(
            Problem::hiding(credential, problem)
                .hint("set `oreg_url`, or `openshift_deployment_type` to `origin` or `openshift-enterprise`"),
        );
        return None;
    };
    if let Some(fault) = host::url_fault(&url.text) {
        let hint = key::advice(fault, "write it as `host[:port]/path/name-${component}:${version}`");
        reader.problems.push(about("`oreg_url`", &url, fault).hint(hint));
        return None;
    }
    let (host, path) = image::split_host(&url.text);
    if !url.text.starts_with(host) {
        let problem = about("`oreg_url`", &url, "names no registry, so that its password goes to Docker Hub");
        let problem = problem.hint(format!("write `{host}/` in front of it, or the registry that is meant"));
        reader.warnings.push(Finding::new(codes::HUB_HOST, problem));
    }
    let images = match entry.filter(|entry| entry.get("test_image").is_some()) {
        Some(entry) => test_images(reader, entry, host)?,
        None => match image::full_name(host, &substitute(path, &defaults.tag)) {
            Ok(image) => IndexSet::from([image]),
            Err(fault) => {
                let problem = about("`oreg_url`", &url, &format!("is no image name: {fault}"));
                reader.problems.push(problem.hint("it is `host[:port]/path/name-${component}:${version}`"));
                return None;
            }
        },
    };
    Some(Subject { host: host.to_owned(), images, choice: ImageChoice::Given, span: url.span.clone() })
}
pub(super) fn additional_subject(
    reader: &mut VariableReader<'_>,
    defaults: &RegistryDefaults,
    entry: &RegistryEntry,
    host: Text,
) -> Option<Subject> {
    if let Some(old) = entry.get(OLD_TEST_IMAGE) {
        let problem = Problem::hiding(&old.node.span, "`image_name` is the old name of `test_image`");
        reader.warnings.push(Finding::new(codes::LEFTOVER, problem.hint("rename it to `test_image`")));
    }
    let (choice, images) = if entry.get("test_image").or_else(|| entry.get(OLD_TEST_IMAGE)).is_some() {
        (ImageChoice::Given, test_images(reader, entry, &host.text)?)
    } else {
        let name = defaults.deployment.unwrap_or(Deployment::Enterprise).test_image();
        let default = Text { text: format!("{name}:{}", defaults.tag), span: entry.span.clone() };
        (ImageChoice::Default, IndexSet::from([full_name(reader, &default, &host.text)?]))
    };
    Some(Subject { host: host.text, images, choice, span: host.span })
}

/// The images of `test_image`, which stand below the registry `host`.
fn test_images(reader: &mut VariableReader<'_>, entry: &RegistryEntry, host: &str) -> Option<IndexSet<String>> {
    let member = entry.get("test_image").or_else(|| entry.get(OLD_TEST_IMAGE))?;
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
        images.extend(image);
    }
    (!images.is_empty()).then_some(images)
}

/// The image `path` below the registry `host`, in full.
fn full_name(reader: &mut VariableReader<'_>, path: &Text, host: &str) -> Option<String> {
    let (name_host, folder) = image::split_host(host);
    let below = if folder.is_empty() { path.text.clone() } else { format!("{folder}/{}", path.text) };
    image::full_name(name_host, &below)
        .map_err(|fault| {
            let again = path.text.strip_prefix(name_host).is_some_and(|rest| rest.starts_with('/'));
            let (fault, hint) = if again {
                (format!("of `{host}` names the host again"), "leave the host out: write `name[:tag]` or `name@digest`")
            } else {
                (format!("of `{host}` is no image name: {fault}"), "write `name[:tag]` or `name@digest`")
            };
            let problem = if image::is_plain(&path.text) {
                Problem::naming(&path.span, &path.text, format!("the test image `{}` {fault}", path.text))
            } else {
                about("the test image", path, &fault)
            };
            reader.problems.push(problem.hint(hint));
        })
        .ok()
}

/// The path of `oreg_url` as a test image: `${component}` becomes `pod`, `${version}` the tag.
fn substitute(path: &str, tag: &str) -> String {
    path.replace("${component}", "pod").replace("${version}", tag)
}

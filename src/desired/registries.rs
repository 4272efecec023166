//! The registries of one host: `oreg_*` and `openshift_additional_registry_credentials`, with the defaults of
//! openshift-ansible 3.11.

use std::sync::Arc;

use indexmap::IndexSet;

use crate::inventory::{Code, Finding, Node, Problem, Span, Value, yaml};
use crate::secret::Secret;

use super::defaults::{Defaults, Deployment};
use super::entry::{self, ADDITIONAL, Entry, OLD_TEST_IMAGE};
use super::key::{self, about};
use super::lookup::{Lookup, Text};
use super::{Authority, Declaration, ImageChoice, Registry, TestLogin, TlsPolicy, image, login, policy, proxy};

/// The registry that has service accounts of its own form.
const REDHAT: &str = "registry.redhat.io";

/// A registry and where it was declared.
pub(super) struct Declared {
    /// With the first of its test images.
    pub registry: Registry,
    /// The other test images.
    more_images: Vec<String>,
    pub span: Span,
}

impl Declared {
    /// A problem at the place of the registry. Without `oreg_url` that is the place of the user, which is not shown.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        let written = self.span.source.text().get(self.span.start..self.span.end).unwrap_or_default();
        if written.to_ascii_lowercase().contains(&self.registry.host.to_ascii_lowercase()) {
            Problem::naming(&self.span, message)
        } else {
            Problem::hiding(&self.span, message)
        }
    }

    /// User and secrets.
    fn login(&self) -> (&str, &Secret, Option<&Secret>) {
        (&self.registry.user, &self.registry.password, self.registry.identity_token.as_ref())
    }

    /// One registry for each test image.
    fn registries(self) -> impl Iterator<Item = Registry> {
        let more: Vec<Registry> =
            self.more_images.into_iter().map(|image| Registry { image, ..self.registry.clone() }).collect();
        std::iter::once(self.registry).chain(more)
    }
}

/// What an entry is about.
struct Subject {
    /// The key.
    host: String,
    /// Test images in full, at least one.
    images: IndexSet<String>,
    choice: ImageChoice,
    span: Span,
}

/// The registries of the host whose variables `lookup` reads, in inventory order.
pub(super) fn of_host(lookup: &mut Lookup<'_>) -> Vec<Registry> {
    let defaults = Defaults::of_host(lookup);
    let mut declared: Vec<Declared> = oreg(lookup, &defaults).into_iter().collect();
    declared.extend(additional(lookup, &defaults));
    policy::check(lookup, &declared);
    notice(lookup, &declared);
    let declared = without_duplicates(lookup, declared);
    refuse_shared_auth_servers(lookup, &declared);
    declared.into_iter().flat_map(Declared::registries).collect()
}

/// What the user has chosen, and may have forgotten.
fn notice(lookup: &mut Lookup<'_>, declared: &[Declared]) {
    for each in declared {
        let registry = &each.registry;
        let host = &registry.host;
        let mut tell = |code, message: String, hint: &str| {
            lookup.notices.push(Finding::new(code, each.problem(message).hint(hint)));
        };
        if registry.tls == TlsPolicy::Insecure {
            let message = format!(
                "registry `{host}` is used without verified TLS: whoever stands in between can read its password"
            );
            tell(Code::InsecureRegistry, message, "give the registry a certificate that this machine trusts");
        }
        if registry.test_login == TestLogin::Skip {
            let message = format!("the credential of registry `{host}` is never proved: its test login is off");
            tell(Code::TestLoginOff, message, "name a `test_image` that it may pull instead");
        }
        if registry.password.expose().is_empty() {
            let message = format!("registry `{host}` has an identity token alone, which the kubelet ignores");
            tell(
                Code::IdentityTokenAlone,
                message,
                "nodes and pods can pull with a password beside it, or instead of it",
            );
        }
        if host == REDHAT && !registry.user.contains('|') {
            let message = format!("the user of `{REDHAT}` is no service account, whose names are like `12345678|name`");
            tell(Code::RedhatUser, message, "make a service account at access.redhat.com/terms-based-registry");
        }
    }
}

/// The registry that an entry declares for a `host`, which may be known where its images are not.
fn registry(
    lookup: &mut Lookup<'_>,
    defaults: &Defaults,
    entry: &Entry,
    host: Option<&str>,
    subject: Option<Subject>,
) -> Option<Declared> {
    let login = login::of_entry(lookup, entry, host);
    let test_login = entry.flag(lookup, "test_login").unwrap_or(true);
    let verify = entry.flag(lookup, "tls_verify");
    let ca = authority(lookup, entry);
    let auth_server = entry.text(lookup, "auth_server");
    let auth_server = auth_server.and_then(|server| key::auth_server(lookup, &server, &entry.name));
    let proxy = entry.get("proxy").and_then(|member| proxy::of_entry(lookup, &member.node, &member.name));
    let (Subject { host, images, choice, span }, login) = (subject?, login?);
    let source = match entry.declaration {
        Declaration::Entry if entry.get("password").is_some() => format!("`{ADDITIONAL}`"),
        Declaration::Entry | Declaration::CommandLine => format!("{}, `{ADDITIONAL}`,", login.source),
        Declaration::Default => login.source,
    };
    let mut images = images.into_iter();
    let registry = Registry {
        tls: defaults.tls(verify, &host),
        host,
        user: login.user,
        password: login.password,
        identity_token: login.identity_token,
        email: login.email,
        image: images.next()?,
        image_choice: choice,
        test_login: if test_login { TestLogin::Inspect } else { TestLogin::Skip },
        ca,
        proxy: proxy.unwrap_or_else(|| defaults.proxy.clone()),
        auth_server,
        declaration: entry.declaration,
        origin: format!("{source} in {}", login.span),
    };
    Some(Declared { registry, more_images: images.collect(), span })
}

fn authority(lookup: &mut Lookup<'_>, entry: &Entry) -> Option<Arc<Authority>> {
    let path = entry.text(lookup, "ca_file")?;
    let authority = lookup.shared.authority(&path.text);
    authority
        .map_err(|reason| {
            let fault = format!("of {} cannot be used: {reason}", entry.name);
            lookup.problems.push(about("`ca_file`", &path, &fault).hint(
                "write the path of a file with the certificate of the authority in PEM; a relative path starts in the working directory",
            ));
        })
        .ok()
}

/// The registry of `oreg_url` with `oreg_auth_user` and `oreg_auth_password`.
fn oreg(lookup: &mut Lookup<'_>, defaults: &Defaults) -> Option<Declared> {
    let place = Entry::default_place(lookup)?;
    let entry = Entry::default_registry(lookup, &place);
    let subject = oreg_subject(lookup, defaults, entry.as_ref(), &place);
    let known = subject.as_ref().map(|subject| subject.host.clone());
    registry(lookup, defaults, &entry?, known.as_deref(), subject)
}

/// Host and test images by `oreg_url`, or by the default registry, which stands where its credential does.
fn oreg_subject(
    lookup: &mut Lookup<'_>,
    defaults: &Defaults,
    entry: Option<&Entry>,
    credential: &Span,
) -> Option<Subject> {
    let url = if lookup.raw("oreg_url").is_some() {
        lookup.text("oreg_url")?
    } else if let Some(deployment) = defaults.deployment {
        Text { text: deployment.oreg_url().to_owned(), span: credential.clone() }
    } else {
        let problem =
            "neither `oreg_url` nor `openshift_deployment_type` says which registry `oreg_auth_user` belongs to";
        lookup.problems.push(
            Problem::hiding(credential, problem)
                .hint("set `oreg_url`, or `openshift_deployment_type` to `origin` or `openshift-enterprise`"),
        );
        return None;
    };
    if let Some(fault) = key::url_fault(&url.text) {
        let hint = key::advice(fault, "write it as `host[:port]/path/name-${component}:${version}`");
        lookup.problems.push(about("`oreg_url`", &url, fault).hint(hint));
        return None;
    }
    let (host, path) = image::split_host(&url.text);
    if !url.text.starts_with(host) {
        let problem = about("`oreg_url`", &url, "names no registry, so that its password goes to Docker Hub");
        let problem = problem.hint(format!("write `{host}/` in front of it, or the registry that is meant"));
        lookup.warnings.push(Finding::new(Code::HubHost, problem));
    }
    let images = match entry.filter(|entry| entry.get("test_image").is_some()) {
        Some(entry) => test_images(lookup, entry, host)?,
        None => match image::full_name(host, &image::substitute(path, &defaults.tag)) {
            Ok(image) => IndexSet::from([image]),
            Err(fault) => {
                let problem = about("`oreg_url`", &url, &format!("is no image name: {fault}"));
                lookup.problems.push(problem.hint("it is `host[:port]/path/name-${component}:${version}`"));
                return None;
            }
        },
    };
    Some(Subject { host: host.to_owned(), images, choice: ImageChoice::Given, span: url.span.clone() })
}

/// The entries of `openshift_additional_registry_credentials`.
fn additional(lookup: &mut Lookup<'_>, defaults: &Defaults) -> Vec<Declared> {
    let Some(node) = lookup.node(ADDITIONAL) else { return Vec::new() };
    let list = match &node.value {
        Value::Null => return Vec::new(),
        // JSON (`true`, `null`) is no Python literal, so Ansible leaves it a string.
        Value::Str(text) if text.trim_start().starts_with('[') => match yaml::parse_node(&node) {
            Ok(node) => node,
            Err(problem) => {
                lookup.problems.push(problem);
                return Vec::new();
            }
        },
        _ => node,
    };
    let Value::List(entries) = &list.value else {
        lookup.problems.push(
            Problem::hiding(&list.span, format!("`{ADDITIONAL}` is {}, not a list", list.value.type_name()))
                .hint("write [{'host': 'registry.example.com', 'user': 'name', 'password': 'secret'}]"),
        );
        return Vec::new();
    };
    let written = match lookup.raw(ADDITIONAL).map(|raw| &raw.value) {
        Some(Value::List(written)) => written.as_slice(),
        _ => &[],
    };
    for (raw, entry) in written.iter().zip(entries) {
        for (key, raw) in ["user", "password"].into_iter().filter_map(|key| Some((key, raw.get(key)?))) {
            lookup.tell_filled(raw, &format!("`{key}` of {}", entry::name(entry)));
        }
    }
    entries.iter().filter_map(|entry| additional_entry(lookup, defaults, entry)).collect()
}

fn additional_entry(lookup: &mut Lookup<'_>, defaults: &Defaults, node: &Node) -> Option<Declared> {
    let entry = Entry::additional(lookup, node)?;
    let host = match entry.get("host") {
        Some(_) => entry.text(lookup, "host").and_then(|host| key::host(lookup, host)),
        None => {
            lookup.problems.push(entry.lacks("`host`"));
            None
        }
    };
    let known = host.as_ref().map(|host| host.text.clone());
    let subject = host.and_then(|host| additional_subject(lookup, defaults, &entry, host));
    registry(lookup, defaults, &entry, known.as_deref(), subject)
}

fn additional_subject(lookup: &mut Lookup<'_>, defaults: &Defaults, entry: &Entry, host: Text) -> Option<Subject> {
    if let Some(old) = entry.get(OLD_TEST_IMAGE) {
        let problem = Problem::naming(&old.node.span, "`image_name` is the old name of `test_image`");
        lookup.warnings.push(Finding::new(Code::Leftover, problem.hint("rename it to `test_image`")));
    }
    let (choice, images) = if entry.get("test_image").or_else(|| entry.get(OLD_TEST_IMAGE)).is_some() {
        (ImageChoice::Given, test_images(lookup, entry, &host.text)?)
    } else {
        let name = defaults.deployment.unwrap_or(Deployment::Enterprise).test_image();
        let default = Text { text: format!("{name}:{}", defaults.tag), span: entry.span.clone() };
        (ImageChoice::Default, IndexSet::from([full_name(lookup, &default, &host.text)?]))
    };
    Some(Subject { host: host.text, images, choice, span: host.span })
}

/// The images of `test_image`, which stand below the registry `host`.
fn test_images(lookup: &mut Lookup<'_>, entry: &Entry, host: &str) -> Option<IndexSet<String>> {
    let member = entry.get("test_image").or_else(|| entry.get(OLD_TEST_IMAGE))?;
    let nodes = match &member.node.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(&member.node),
    };
    if nodes.is_empty() {
        let problem = Problem::hiding(&member.node.span, format!("{} is empty", member.name)).code(Code::EmptyValue);
        lookup.problems.push(problem.hint("name an image that the credential may pull, or remove the line"));
    }
    let mut images = IndexSet::new();
    for node in nodes {
        let image = lookup.text_of(node, &member.name).and_then(|path| full_name(lookup, &path, host));
        images.extend(image);
    }
    (!images.is_empty()).then_some(images)
}

/// The image `path` below the registry `host`, in full.
fn full_name(lookup: &mut Lookup<'_>, path: &Text, host: &str) -> Option<String> {
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
                Problem::naming(&path.span, format!("the test image `{}` {fault}", path.text))
            } else {
                about("the test image", path, &fault)
            };
            lookup.problems.push(problem.hint(hint));
        })
        .ok()
}

/// One registry for each key: equal credentials are one (with a warning), different ones a problem, also under another
/// spelling of the key.
fn without_duplicates(lookup: &mut Lookup<'_>, declared: Vec<Declared>) -> Vec<Declared> {
    let mut kept: Vec<Declared> = Vec::new();
    for next in declared {
        let host = &next.registry.host;
        let same = || kept.iter().filter(|kept| key::same_registry(&kept.registry.host, host));
        if let Some(other) = same().find(|other| other.login() != next.login()) {
            let name = &other.registry.host;
            let spelt = if name == host { String::new() } else { format!(", as `{name}`,") };
            let message = format!("registry `{host}` has another credential{spelt} at {}", other.span);
            let problem = next.problem(message).code(Code::DuplicateRegistry);
            lookup.problems.push(problem.hint("remove one of the two"));
        } else if let Some(first) = same().find(|first| first.registry.host == *host) {
            let message = format!("registry `{host}` stands already at {}; the first one counts", first.span);
            let problem = next.problem(message).hint("remove one of the two");
            lookup.warnings.push(Finding::new(Code::DuplicateRegistry, problem));
        } else {
            kept.push(next);
        }
    }
    kept
}

/// A token server has one entry in files and secrets, as a registry has.
fn refuse_shared_auth_servers(lookup: &mut Lookup<'_>, declared: &[Declared]) {
    for (at, each) in declared.iter().enumerate() {
        let Some(server) = &each.registry.auth_server else { continue };
        let is_server = |key: &str| key::same_registry(key, server);
        let as_registry = declared.iter().find(|other| is_server(&other.registry.host));
        let before = declared[..at].iter().filter(|other| other.registry.auth_server.as_deref().is_some_and(is_server));
        if let Some(other) = as_registry.into_iter().chain(before).find(|other| other.login() != each.login()) {
            let host = &each.registry.host;
            let message =
                format!("`{server}`, the token server of registry `{host}`, has another credential at {}", other.span);
            let problem = each.problem(message).code(Code::DuplicateRegistry);
            lookup.problems.push(problem.hint("one token server has one credential: remove one of the two"));
        }
    }
}

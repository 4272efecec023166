//! The registries of one host: `oreg_*` and `openshift_additional_registry_credentials`, with the defaults of
//! openshift-ansible 3.11.

use crate::inventory::problem::nearest;
use crate::inventory::{Code, Finding, Node, Problem, Span, Value, yaml};
use crate::secret::Secret;

use super::lookup::{Lookup, Text};
use super::{Proxy, Registry, TestLogin, TlsPolicy, images, insecure, policy};

const ADDITIONAL: &str = "openshift_additional_registry_credentials";

/// Every key an entry of the list may have; `image_name` is the name `test_image` had before its release.
const ENTRY_KEYS: [&str; 7] = ["host", "user", "password", "test_login", "test_image", "tls_verify", "image_name"];

/// The user of an entry that names none (`docker_creds` tasks of openshift-ansible).
const DEFAULT_USER: &str = "openshift";

/// The registry that has service accounts of its own form.
const REDHAT: &str = "registry.redhat.io";

/// What openshift-ansible calls `openshift_deployment_type`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deployment {
    Origin,
    Enterprise,
}

impl Deployment {
    fn oreg_url(self) -> &'static str {
        match self {
            Self::Origin => "quay.io/openshift/origin-${component}:${version}",
            Self::Enterprise => "registry.redhat.io/openshift3/ose-${component}:${version}",
        }
    }

    fn test_image(self) -> &'static str {
        match self {
            Self::Origin => "openshift/origin-pod",
            Self::Enterprise => "openshift3/ose-pod",
        }
    }
}

/// What holds for all registries of a host.
struct Defaults {
    deployment: Option<Deployment>,
    tag: String,
    insecure: Vec<insecure::Entry>,
}

/// A registry and where it was declared.
pub(super) struct Declared {
    pub registry: Registry,
    pub span: Span,
}

impl Declared {
    /// A problem at the place of the registry. Without `oreg_url` that is the place of the user, which is not shown.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        let written = self.span.source.text().get(self.span.start..self.span.end).unwrap_or_default();
        if written.contains(&self.registry.host) {
            Problem::naming(&self.span, message)
        } else {
            Problem::hiding(&self.span, message)
        }
    }
}

/// The registries of the host whose variables `lookup` reads, in inventory order.
pub(super) fn of_host(lookup: &mut Lookup<'_>) -> Vec<Registry> {
    let defaults = Defaults { deployment: deployment(lookup), tag: tag(lookup), insecure: insecure_registries(lookup) };
    let mut declared: Vec<Declared> = oreg(lookup, &defaults).into_iter().collect();
    declared.extend(additional(lookup, &defaults));
    policy::check(lookup, &declared);
    notice(lookup, &declared);
    without_duplicates(lookup, declared)
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
        if host == REDHAT && !registry.user.contains('|') {
            let message = format!("the user of `{REDHAT}` is no service account, whose names are like `12345678|name`");
            tell(Code::RedhatUser, message, "make a service account at access.redhat.com/terms-based-registry");
        }
    }
}

fn deployment(lookup: &mut Lookup<'_>) -> Option<Deployment> {
    let text = lookup.text("openshift_deployment_type")?;
    match text.text.as_str() {
        "origin" => Some(Deployment::Origin),
        "openshift-enterprise" => Some(Deployment::Enterprise),
        _ => {
            lookup.problems.push(
                about("unknown `openshift_deployment_type`", &text, "")
                    .hint("it is `origin` or `openshift-enterprise`"),
            );
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
                    about(&format!("an entry of `{NAME}`"), &text, " is neither host[:port] nor a network")
                        .hint("write `registry.example.com:5000` or `172.30.0.0/16`, without scheme and path"),
                );
            }
            entry
        })
        .collect()
}

impl Defaults {
    /// The policy of `host`: its own `tls_verify`, else what the list of insecure registries says.
    fn tls(&self, own: Option<bool>, host: &str) -> TlsPolicy {
        let address = host.split('/').next().unwrap_or_default();
        let verify = own.unwrap_or_else(|| !self.insecure.iter().any(|entry| entry.holds_for(address)));
        if verify { TlsPolicy::Verify } else { TlsPolicy::Insecure }
    }
}

/// The registry of `oreg_url` with `oreg_auth_user` and `oreg_auth_password`.
fn oreg(lookup: &mut Lookup<'_>, defaults: &Defaults) -> Option<Declared> {
    match (lookup.raw("oreg_auth_user"), lookup.raw("oreg_auth_password")) {
        (None, None) => return None,
        (Some(_), Some(_)) => {}
        (Some(user), None) => return missing(lookup, &user.span, "oreg_auth_user", "oreg_auth_password"),
        (None, Some(password)) => return missing(lookup, &password.span, "oreg_auth_password", "oreg_auth_user"),
    }
    let (user, password) = (lookup.credential("oreg_auth_user"), lookup.credential("oreg_auth_password"));
    let test_login = test_login(lookup.flag("oreg_test_login"));
    let image = oreg_image(lookup, defaults, user.as_ref());
    let user = user.and_then(|text| checked_user(lookup, text, "`oreg_auth_user`"));
    let password = password.and_then(|text| without_controls(lookup, text, "`oreg_auth_password`"));
    let ((host, image, span), user, password) = (image?, user?, password?);
    let registry = Registry {
        tls: defaults.tls(None, &host),
        host,
        user,
        origin: format!("`oreg_auth_password` in {}", password.span),
        password: Secret::new(password.text),
        image,
        test_login,
        identity_token: None,
        email: None,
        ca: None,
        proxy: Proxy::Environment,
        auth_server: None,
    };
    Some(Declared { registry, span })
}

/// Host, test image in full, and the place that says so: `oreg_url`, or the user of the default registry.
fn oreg_image(lookup: &mut Lookup<'_>, defaults: &Defaults, user: Option<&Text>) -> Option<(String, String, Span)> {
    let url = if lookup.raw("oreg_url").is_some() {
        lookup.text("oreg_url")?
    } else if let Some(deployment) = defaults.deployment {
        Text { text: deployment.oreg_url().to_owned(), span: user?.span.clone() }
    } else {
        let problem =
            "neither `oreg_url` nor `openshift_deployment_type` says which registry `oreg_auth_user` belongs to";
        lookup.problems.push(
            Problem::hiding(&user?.span, problem)
                .hint("set `oreg_url`, or `openshift_deployment_type` to `origin` or `openshift-enterprise`"),
        );
        return None;
    };
    let (host, path) = images::split_host(&url.text);
    if let Some(fault) = url_fault(&url.text).or_else(|| key_fault(host)) {
        let problem = coded(about("`oreg_url`", &url, &format!(" {fault}")), fault);
        lookup.problems.push(problem.hint("write it as `host[:port]/path/name-${component}:${version}`"));
        return None;
    }
    let image = images::full_name(host, &images::substitute(path, &defaults.tag)).map_err(|fault| {
        about("`oreg_url`", &url, &format!(" is no image name: {fault}"))
            .hint("it is `host[:port]/path/name-${component}:${version}`")
    });
    match image {
        Ok(image) => Some((host.to_owned(), image, url.span)),
        Err(problem) => {
            lookup.problems.push(problem);
            None
        }
    }
}

fn missing(lookup: &mut Lookup<'_>, span: &Span, given: &str, missing: &str) -> Option<Declared> {
    let problem = Problem::hiding(span, format!("`{given}` is set, but `{missing}` is not"));
    lookup.problems.push(problem.hint(format!("set `{missing}` too, for the same hosts")));
    None
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
    for (entry, key) in written.iter().flat_map(|entry| ["user", "password"].map(|key| (entry, key))) {
        if let Some(raw) = entry.get(key) {
            lookup.tell_filled(raw, &format!("`{key}` of a registry entry"));
        }
    }
    entries.iter().filter_map(|entry| self::entry(lookup, defaults, entry)).collect()
}

fn entry(lookup: &mut Lookup<'_>, defaults: &Defaults, entry: &Node) -> Option<Declared> {
    let Value::Map(members) = &entry.value else {
        let message = format!("an entry of `{ADDITIONAL}` is {}, not a mapping", entry.value.type_name());
        lookup.problems.push(Problem::hiding(&entry.span, message));
        return None;
    };
    let unknown = members.iter().map(|(key, _)| key).filter(|key| !ENTRY_KEYS.contains(&key.text.as_str()));
    lookup.problems.extend(unknown.map(unknown_key));
    let host = required(lookup, entry, "host").and_then(|host| checked_host(lookup, host));
    let password = required(lookup, entry, "password");
    if let (Some(node), Some(_)) = (entry.get("password"), &password) {
        lookup.credential_of(node, "`password` of a registry entry");
    }
    let password = password.and_then(|text| without_controls(lookup, text, "`password` of a registry entry"));
    let user = match entry.get("user") {
        Some(user) => lookup.credential_of(user, "`user` of a registry entry"),
        None => Some(Text { text: DEFAULT_USER.to_owned(), span: entry.span.clone() }),
    };
    let user = user.and_then(|user| checked_user(lookup, user, "`user` of a registry entry"));
    let test = entry.get("test_login").and_then(|node| lookup.flag_of(node, "`test_login`"));
    let verify = entry.get("tls_verify").and_then(|node| lookup.flag_of(node, "`tls_verify`"));
    let path = test_image(lookup, defaults, entry);
    let (host, path) = (host?, path?);
    let (name_host, name_path) = images::split_host(&host.text);
    let full_path = if name_path.is_empty() { path.text.clone() } else { format!("{name_path}/{}", path.text) };
    if name_host == images::DOCKER_HUB && host.text.split('/').next() != Some(images::DOCKER_HUB) {
        let message = format!(
            "registry host `{}` has neither dot nor port, so image names read it as `{}/{}`",
            host.text,
            images::DOCKER_HUB,
            host.text
        );
        let problem = Problem::naming(&host.span, message).hint("write it with its domain or its port");
        lookup.warnings.push(Finding::new(Code::HubHost, problem));
    }
    let image = match images::full_name(name_host, &full_path) {
        Ok(image) => image,
        Err(fault) => {
            let problem = about("the test image", &path, &format!(" of `{}` is no image name: {fault}", host.text));
            lookup.problems.push(problem.hint("set `test_image` to `name[:tag]`"));
            return None;
        }
    };
    let (user, password) = (user?, password?);
    let registry = Registry {
        tls: defaults.tls(verify, &host.text),
        host: host.text,
        user,
        origin: format!("`{ADDITIONAL}` in {}", password.span),
        password: Secret::new(password.text),
        image,
        test_login: test_login(test),
        identity_token: None,
        email: None,
        ca: None,
        proxy: Proxy::Environment,
        auth_server: None,
    };
    Some(Declared { registry, span: host.span })
}

/// A key nobody knows. What is no identifier may hold a password: a list whose quotes were lost has keys such
/// as `password:secret`.
fn unknown_key(key: &Node) -> Problem {
    if !key.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Problem::hiding(&key.span, "unknown key in a registry entry")
            .code(Code::UnknownKey)
            .hint("on a host line quotes are taken away: put the whole list in double quotes");
    }
    let problem =
        Problem::naming(&key.span, format!("unknown key `{}` in a registry entry", key.text)).code(Code::UnknownKey);
    match nearest(&key.text, ENTRY_KEYS) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("the keys are {}", ENTRY_KEYS[..6].join(", "))),
    }
}

fn test_login(flag: Option<bool>) -> TestLogin {
    if flag.unwrap_or(true) { TestLogin::Inspect } else { TestLogin::Skip }
}

fn required(lookup: &mut Lookup<'_>, entry: &Node, key: &str) -> Option<Text> {
    match entry.get(key) {
        Some(node) => lookup.text_of(node, &format!("`{key}` of a registry entry")),
        None => {
            let host = entry.get("host").map(|host| Text { text: host.text.clone(), span: entry.span.clone() });
            let problem = match host {
                Some(host) => Problem {
                    message: about("the registry entry", &host, &format!(" has no `{key}`")).message,
                    ..Problem::hiding(&entry.span, "")
                },
                None => Problem::hiding(&entry.span, format!("a registry entry has no `{key}`")),
            };
            lookup.problems.push(problem);
            None
        }
    }
}

/// The path of the test image below the registry, and its place for problems.
fn test_image(lookup: &mut Lookup<'_>, defaults: &Defaults, entry: &Node) -> Option<Text> {
    if let Some(old) = entry.get("image_name") {
        let problem = Problem::naming(&old.span, "`image_name` is the old name of `test_image`");
        lookup.warnings.push(Finding::new(Code::Leftover, problem.hint("rename it to `test_image`")));
    }
    match entry.get("test_image").or_else(|| entry.get("image_name")) {
        Some(node) => lookup.text_of(node, "`test_image` of a registry entry"),
        None => {
            let name = defaults.deployment.unwrap_or(Deployment::Enterprise).test_image();
            Some(Text { text: format!("{name}:{}", defaults.tag), span: entry.span.clone() })
        }
    }
}

/// A user that fits into HTTP Basic (RFC 7617). One with a colon is often a pasted `user:password`.
fn checked_user(lookup: &mut Lookup<'_>, user: Text, what: &str) -> Option<String> {
    if user.text.contains(':') {
        let problem = Problem::hiding(&user.span, format!("{what} has a colon, which ends the user name in `auth`"));
        lookup.problems.push(problem.hint("what stands behind the colon may be the password: give it on its own"));
        return None;
    }
    without_controls(lookup, user, what).map(|user| user.text)
}

fn without_controls(lookup: &mut Lookup<'_>, text: Text, what: &str) -> Option<Text> {
    if text.text.contains(char::is_control) {
        let problem = Problem::hiding(&text.span, format!("{what} has a line end or another control character"));
        lookup.problems.push(problem.hint("in YAML, `|` keeps the last line end and `|-` does not"));
        return None;
    }
    Some(text)
}

fn checked_host(lookup: &mut Lookup<'_>, host: Text) -> Option<Text> {
    let Some(fault) = key_fault(&host.text) else { return Some(host) };
    let problem = coded(about("registry host", &host, &format!(" {fault}")), fault);
    lookup.problems.push(problem.hint("write it as `host[:port][/path]`"));
    None
}

/// A problem that repeats the text, if that is surely a name: what stands behind an `@`, a colon or an equals
/// sign, or in white space, may be a password that got into the wrong place.
fn about(what: &str, text: &Text, fault: &str) -> Problem {
    let name = text.text.trim();
    let (_, behind) = name.split_once(':').unwrap_or_default();
    let port = behind.split('/').next().unwrap_or_default();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:${}[]*".contains(c));
    if plain && (port.chars().all(|c| c.is_ascii_digit()) || behind == "${version}") {
        Problem::naming(&text.span, format!("{what} `{name}`{fault}"))
    } else {
        Problem::hiding(&text.span, format!("{what}{fault}"))
    }
}

fn coded(problem: Problem, fault: &str) -> Problem {
    if fault == SCHEME { problem.code(Code::HostScheme) } else { problem }
}

const SCHEME: &str = "has a scheme";

/// What keeps `key` from being a key of `auths` that every reader understands (containers/image refuses these
/// when it writes).
pub fn key_fault(key: &str) -> Option<&'static str> {
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    let port = if host.starts_with('[') { host.rsplit_once("]:") } else { host.rsplit_once(':') };
    let bad_port = |(_, port): (&str, &str)| port.parse::<u16>().is_err();
    match key {
        _ if key.contains("://") => Some(SCHEME),
        _ if key.contains('@') => Some("has an `@`"),
        _ if key.contains(|c: char| c.is_whitespace() || c.is_control()) => Some("has white space"),
        _ if key.ends_with('/') => Some("has a trailing slash"),
        _ if path.is_some_and(|path| path.contains(':')) => Some("has a tag"),
        _ if port.is_some_and(bad_port) => Some("has a tag, or a port that is no number"),
        _ => None,
    }
}

/// What keeps `oreg_url` from naming an image.
fn url_fault(url: &str) -> Option<&'static str> {
    match url {
        _ if url.contains("://") => Some(SCHEME),
        _ if url.contains('@') => Some("has an `@`"),
        _ if url.contains(char::is_whitespace) => Some("has white space"),
        _ if url.ends_with('/') || !url.contains('/') => Some("names no image"),
        _ => None,
    }
}

/// One registry for each key: equal credentials are one (with a warning), different ones a problem.
fn without_duplicates(lookup: &mut Lookup<'_>, declared: Vec<Declared>) -> Vec<Registry> {
    let mut kept: Vec<Declared> = Vec::new();
    for next in declared {
        let Some(first) = kept.iter().find(|kept| kept.registry.host == next.registry.host) else {
            kept.push(next);
            continue;
        };
        let host = &next.registry.host;
        if (&first.registry.user, &first.registry.password) == (&next.registry.user, &next.registry.password) {
            let message = format!("registry `{host}` stands already at {}; the first one counts", first.span);
            let problem = next.problem(message).hint("remove one of the two");
            lookup.warnings.push(Finding::new(Code::DuplicateRegistry, problem));
        } else {
            let message = format!("registry `{host}` has another credential at {}", first.span);
            let problem = next.problem(message).code(Code::DuplicateRegistry);
            lookup.problems.push(problem.hint("remove one of the two"));
        }
    }
    kept.into_iter().map(|declared| declared.registry).collect()
}

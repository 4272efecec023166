//! User and secret of a registry, from the one source that its entry names: text, file, command, credential helper, or an
//! entry of a credential file.

use serde::Deserialize;

use crate::desired::registry::Declaration;
use crate::dockerconfig::{Auth, HUB_KEY, is_hub};
use crate::inventory::code::NOT_CHECKED;
use crate::inventory::outside::{OutsideError, OutsideErrorKind};
use crate::inventory::{Problem, Span};
use crate::secret::Secret;

use super::cache::ExternalSource;
use super::from_file;
use super::registry_entry::{Member, RegistryEntry};
use super::registry_host::about;
use super::user::{self, TOKEN_USER};
use super::variable_reader::{Text, VariableReader};

/// Of these keys exactly one is given; an identity token may stand alone, or beside one of the first three.
const SOURCES: [&str; 5] = ["password", "password_file", "password_command", "credential_helper", "from_file"];
const IDENTITY_TOKEN: &str = "identity_token";

/// What proves who somebody is.
pub(super) struct ResolvedCredential {
    pub user: String,
    /// Empty where there is only an identity token.
    pub password: Secret,
    pub identity_token: Option<Secret>,
    pub email: Option<String>,
    /// Where the secret was given, and how that is named.
    pub span: Span,
    pub source: String,
}

/// What a source gives; the user where the source knows it.
struct SourceValue {
    user: Option<String>,
    password: Secret,
    identity_token: Option<Secret>,
    email: Option<String>,
}

impl From<Secret> for SourceValue {
    fn from(password: Secret) -> Self {
        Self { user: None, password, identity_token: None, email: None }
    }
}

/// Why a source gives nothing.
struct SourceError {
    reason: String,
    /// What the hint depends on.
    kind: OutsideErrorKind,
    /// The helper that keeps the credential instead.
    helper: Option<String>,
}

impl From<String> for SourceError {
    fn from(reason: String) -> Self {
        Self { reason, kind: OutsideErrorKind::Other, helper: None }
    }
}

impl From<OutsideError> for SourceError {
    fn from(error: OutsideError) -> Self {
        Self { reason: error.to_string(), kind: error.kind, helper: None }
    }
}

impl SourceValue {
    /// The same, if it can be used. An identity token needs no user.
    fn checked(self) -> Result<Self, &'static str> {
        let has_password = !self.password.expose().is_empty();
        let token = self.identity_token.as_ref().map(Secret::expose);
        let texts = [Some(self.password.expose()), token, self.email.as_deref()];
        match &self.user {
            _ if !has_password && token.is_none() => Err("has no credential"),
            _ if texts.into_iter().flatten().any(|text| text.contains(char::is_control)) => {
                Err("has a control character in its secret or email")
            }
            Some(user) if user.is_empty() && has_password => Err("has no user"),
            Some(user) if user.is_empty() => Ok(Self { user: None, ..self }),
            _ => Ok(self),
        }
    }
}

/// The login of an entry; `None` if a problem was found. Without a `host` only what needs none is looked at.
pub(super) fn of_entry(
    reader: &mut VariableReader<'_>,
    entry: &RegistryEntry,
    host: Option<&str>,
) -> Option<ResolvedCredential> {
    let email = optional(reader, entry, "email");
    let token = optional(reader, entry, IDENTITY_TOKEN);
    let source = only_source(reader, entry);
    let found = source.and_then(|source| ask(reader, entry, source, host));
    let known = source.zip(found.as_ref()).map(|(source, found)| (source, found.user.as_deref()));
    let user = user::of_entry(reader, entry, known);
    let (email, token, source, found, user) = (email?, token?, source?, found?, user?);
    Some(ResolvedCredential {
        user,
        password: found.password,
        identity_token: token.map(Secret::new).or(found.identity_token),
        email: email.or(found.email),
        span: source.node.span.clone(),
        source: source.name.clone(),
    })
}

/// A text without control characters, if it is given; the outer `None` is a problem.
fn optional(reader: &mut VariableReader<'_>, entry: &RegistryEntry, key: &str) -> Option<Option<String>> {
    let Some(member) = entry.get(key) else { return Some(None) };
    let text = reader.credential_of(&member.node, &member.name)?;
    reader.without_controls(text, &member.name).map(|text| Some(text.text))
}

/// The one source of the secret.
fn only_source<'a>(reader: &mut VariableReader<'_>, entry: &'a RegistryEntry) -> Option<&'a Member> {
    let given: Vec<&Member> = entry.given(&SOURCES).chain(entry.get(IDENTITY_TOKEN)).collect();
    let problem = match given.as_slice() {
        [only] => return Some(only),
        [first, token] if token.key == IDENTITY_TOKEN && SOURCES[..3].contains(&first.key) => return Some(first),
        [first, second, ..] => {
            let other = match first.key {
                "password" if entry.declaration == Declaration::Default => first.name.clone(),
                key => format!("its `{key}`"),
            };
            let message = format!("{} is given besides {other}", second.name);
            Problem::hiding(&second.node.span, message).hint("keep the one that the secret shall come from")
        }
        [] => match (entry.declaration, entry.get("user")) {
            (Declaration::Default, Some(user)) => {
                let message = "`oreg_auth_user` is set, but `oreg_auth_password` is not";
                Problem::hiding(&user.node.span, message).hint(
                    "set `oreg_auth_password` too, for the same hosts, or `password_file` or its like in `oregano_oreg_auth`",
                )
            }
            (Declaration::Default, None) => {
                Problem::hiding(&entry.span, "`oregano_oreg_auth` is set, but names no password")
                    .hint("set `oreg_auth_user` and `oreg_auth_password`, or a source such as `from_file` in it")
            }
            (Declaration::Entry | Declaration::CommandLine, _) => entry
                .lacks("`password`")
                .hint(format!("give `password`, or one of {}", from_file::listed(SOURCES[1..].iter().copied()))),
        },
    };
    reader.problems.push(problem);
    None
}

/// What the source gives.
fn ask(
    reader: &mut VariableReader<'_>,
    entry: &RegistryEntry,
    source: &Member,
    host: Option<&str>,
) -> Option<SourceValue> {
    let name = &source.name;
    let text = match source.key {
        "password" => {
            let text = reader.credential_of(&source.node, name)?;
            return reader.without_controls(text, name).map(|text| Secret::new(text.text).into());
        }
        IDENTITY_TOKEN => return Some(Secret::new("").into()),
        _ => reader.text_of(&source.node, name)?,
    };
    let asked = |question| -> Result<SourceValue, SourceError> { Ok(line(reader.cache.ask(question)?)?) };
    let answer = match source.key {
        "password_file" => asked(ExternalSource::File(text.text.clone())),
        "password_command" => asked(ExternalSource::Command(text.text.clone())),
        "credential_helper" => helper(reader, &text, host?),
        _ => auth_file(reader, &text, host?),
    };
    let refusal = match answer {
        Ok(found) => return Some(found),
        Err(refusal) => refusal,
    };
    let hint = match &refusal.helper {
        Some(helper) => format!("ask the helper itself: write `credential_helper: {helper}` instead"),
        None => advice(source, refusal.kind).to_owned(),
    };
    reader.problems.push(unusable(source, &text, &entry.name, &refusal).hint(hint));
    None
}

/// The problem of a source. A command may be the password itself, in the wrong place, and so may the bare word of
/// `password_file`: neither is repeated.
fn unusable(source: &Member, text: &Text, owner: &str, error: &SourceError) -> Problem {
    let is_not_run = error.kind == OutsideErrorKind::NotRun;
    let fault = format!("{}: {}", if is_not_run { "is not asked" } else { "cannot be used" }, error.reason);
    let what = format!("`{}`", source.key);
    let is_path = source.key == "from_file" || source.key == "password_file" && text.text.contains('/');
    let problem = if is_path {
        about(&what, text, &format!("of {owner} {fault}"))
    } else {
        Problem::hiding(&text.span, format!("{what} of {owner} {fault}"))
    };
    if is_not_run { problem.code(NOT_CHECKED) } else { problem }
}

/// What to do about a source that cannot be used.
fn advice(source: &Member, kind: OutsideErrorKind) -> &'static str {
    use OutsideErrorKind::{Failed, NotStarted};
    match source.key {
        "password_file" => {
            "write the path of a file that holds the password and nothing else; a relative path starts in the working directory"
        }
        "password_command" if kind == Failed(Some(127)) => {
            "command not found: run it by hand, its output is not shown here"
        }
        "password_command" if matches!(kind, Failed(_)) => "run it by hand, its output is not shown here",
        "password_command" => "write a shell command that prints the password and nothing else",
        "credential_helper" if kind == NotStarted => "install the program in a folder of the PATH",
        "credential_helper" if matches!(kind, Failed(_)) => {
            "run it with `get` by hand, with the host on its standard input: its output is not shown here"
        }
        "credential_helper" => {
            "write NAME, where `docker-credential-NAME` is a program on the PATH that knows the registry"
        }
        _ => {
            "write the path of a config.json, auth.json, .dockercfg, or of the manifest of a Secret with one; a relative path starts in the working directory"
        }
    }
}

/// A secret without the one line end that editors and commands leave behind it.
fn line(text: Secret) -> Result<SourceValue, String> {
    let plain = text.expose();
    let plain = plain.strip_suffix('\n').map_or(plain, |line| line.strip_suffix('\r').unwrap_or(line));
    match plain {
        "" => Err("it is empty".to_owned()),
        _ if plain.contains(char::is_control) => {
            Err("it has a line end or another control character inside".to_owned())
        }
        _ => Ok(Secret::new(plain).into()),
    }
}

/// What a helper prints; other members mean nothing.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    username: String,
    secret: String,
}

/// The login that a helper keeps for a host: helpers know no folders of registries.
fn helper(reader: &VariableReader<'_>, name: &Text, host: &str) -> Result<SourceValue, SourceError> {
    let name = name.text.clone();
    if name.starts_with(['-', '.']) || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Err("it is no plain name".to_owned().into());
    }
    let host = host.split('/').next().unwrap_or_default();
    let server = if is_hub(host) { HUB_KEY } else { host }.to_owned();
    let program = format!("`docker-credential-{name}`");
    let text = reader.cache.ask(ExternalSource::Helper { name, server })?;
    let printed: Printed = serde_json::from_str(text.expose())
        .map_err(|_| format!("what {program} printed is no JSON with `Username` and `Secret`"))?;
    let secret = Secret::new(printed.secret);
    let is_token = printed.username == TOKEN_USER && !secret.expose().is_empty();
    let (password, identity_token) = if is_token { (Secret::new(""), Some(secret)) } else { (secret, None) };
    let found = SourceValue { user: Some(printed.username), password, identity_token, email: None };
    Ok(found.checked().map_err(|fault| format!("what {program} printed {fault}"))?)
}

/// The login that a file holds for a host. A helper that it names for the host is asked before its entries
/// (`findCredentialsInFile` in pkg/docker/config of containers/image), and is not asked here.
fn auth_file(reader: &VariableReader<'_>, path: &Text, host: &str) -> Result<SourceValue, SourceError> {
    let file = reader.cache.auth_file(&path.text)?;
    let registry = host.split('/').next().unwrap_or_default();
    let refusal = |reason: String, helper: Option<&String>| SourceError {
        reason,
        kind: OutsideErrorKind::Other,
        helper: helper.map(|name| name.escape_debug().to_string()),
    };
    if let Some(helper) = file.cred_helpers.get(registry) {
        let reason = format!("its `credHelpers` have `{registry}` kept by a helper");
        return Err(refusal(reason, Some(helper)));
    }
    let Some(entry) = file.entry_for(host) else {
        let keys = from_file::others(file.entries.iter().map(|entry| entry.key.as_str()));
        let reason = format!("it has no entry for `{host}`, {keys}");
        return Err(refusal(reason, file.creds_store.as_ref()));
    };
    let key = from_file::listed(std::iter::once(entry.key.as_str()));
    if let Auth::Unreadable(why) = entry.auth {
        return Err(format!("`auth` of its entry {key} is {why}").into());
    }
    let login = entry.login();
    // Old clients have padded it (containers/image, `decodeDockerAuth`).
    let password = login.as_ref().map_or("", |login| login.password.expose().trim_end_matches('\0'));
    let found = SourceValue {
        password: Secret::new(password),
        user: login.map(|login| login.user),
        identity_token: entry.identity_token.clone(),
        email: entry.email.clone(),
    };
    let unusable = |fault: &str| format!("its entry {key} {fault}");
    found.checked().map_err(|fault| refusal(unusable(fault), file.creds_store.as_ref()))
}

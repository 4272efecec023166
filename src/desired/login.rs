//! User and secret of a registry, from the one source that its entry names: text, file, command, credential helper, or an
//! entry of a credential file.

use serde::Deserialize;

use crate::dockerconfig::{Auth, HUB_KEY, is_hub};
use crate::inventory::outside::NOT_RUN;
use crate::inventory::{Problem, Span};
use crate::secret::Secret;

use super::Declaration;
use super::entry::{Entry, Member};
use super::from_file;
use super::key::about;
use super::lookup::{Lookup, Text};
use super::shared::Question;

/// Of these keys exactly one is given; an identity token may stand alone, or beside one of the first three.
const SOURCES: [&str; 5] = ["password", "password_file", "password_command", "credential_helper", "from_file"];
const IDENTITY_TOKEN: &str = "identity_token";

/// The user of an entry that names none (`docker_creds` tasks of openshift-ansible).
const DEFAULT_USER: &str = "openshift";

/// The user that a helper names where its secret is an identity token (docker-credential-helpers).
const TOKEN_USER: &str = "<token>";

/// What proves who somebody is.
pub(super) struct Login {
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
struct Found {
    user: Option<String>,
    password: Secret,
    identity_token: Option<Secret>,
    email: Option<String>,
}

impl From<Secret> for Found {
    fn from(password: Secret) -> Self {
        Self { user: None, password, identity_token: None, email: None }
    }
}

/// Why a source gives nothing.
struct Refusal {
    reason: String,
    /// The helper that keeps the credential instead.
    helper: Option<String>,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, helper: None }
    }
}

impl Found {
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
pub(super) fn of_entry(lookup: &mut Lookup<'_>, entry: &Entry, host: Option<&str>) -> Option<Login> {
    let email = optional(lookup, entry, "email");
    let token = optional(lookup, entry, IDENTITY_TOKEN);
    let source = only_source(lookup, entry);
    let found = source.and_then(|source| ask(lookup, entry, source, host));
    let user = user(lookup, entry, source, found.as_ref());
    let (email, token, source, found, user) = (email?, token?, source?, found?, user?);
    Some(Login {
        user,
        password: found.password,
        identity_token: token.map(Secret::new).or(found.identity_token),
        email: email.or(found.email),
        span: source.node.span.clone(),
        source: source.name.clone(),
    })
}

/// A text without control characters, if it is given; the outer `None` is a problem.
fn optional(lookup: &mut Lookup<'_>, entry: &Entry, key: &str) -> Option<Option<String>> {
    let Some(member) = entry.get(key) else { return Some(None) };
    let text = lookup.credential_of(&member.node, &member.name)?;
    without_controls(lookup, text, &member.name).map(|text| Some(text.text))
}

/// The one source of the secret.
fn only_source<'a>(lookup: &mut Lookup<'_>, entry: &'a Entry) -> Option<&'a Member> {
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
    lookup.problems.push(problem);
    None
}

/// What the source gives.
fn ask(lookup: &mut Lookup<'_>, entry: &Entry, source: &Member, host: Option<&str>) -> Option<Found> {
    let name = &source.name;
    let text = match source.key {
        "password" => {
            let text = lookup.credential_of(&source.node, name)?;
            return without_controls(lookup, text, name).map(|text| Secret::new(text.text).into());
        }
        IDENTITY_TOKEN => return Some(Secret::new("").into()),
        _ => lookup.text_of(&source.node, name)?,
    };
    let asked = |question| lookup.shared.ask(question).and_then(line).map_err(Refusal::from);
    let answer = match source.key {
        "password_file" => asked(Question::File(text.text.clone())),
        "password_command" => asked(Question::Command(text.text.clone())),
        "credential_helper" => helper(lookup, &text, host?).map_err(Refusal::from),
        _ => auth_file(lookup, &text, host?),
    };
    let refusal = match answer {
        Ok(found) => return Some(found),
        Err(refusal) => refusal,
    };
    let hint = match refusal.helper {
        Some(helper) => format!("ask the helper itself: write `credential_helper: {helper}` instead"),
        None => advice(source, &refusal.reason).to_owned(),
    };
    lookup.problems.push(unusable(source, &text, &entry.name, &refusal.reason).hint(hint));
    None
}

/// The problem of a source. A command may be the password itself, in the wrong place, and so may the bare word of
/// `password_file`: neither is repeated.
fn unusable(source: &Member, text: &Text, owner: &str, reason: &str) -> Problem {
    let fault = if reason == NOT_RUN { format!("is not asked: {reason}") } else { format!("cannot be used: {reason}") };
    let what = format!("`{}`", source.key);
    let is_path = source.key == "from_file" || source.key == "password_file" && text.text.contains('/');
    if is_path {
        about(&what, text, &format!("of {owner} {fault}"))
    } else {
        Problem::hiding(&text.span, format!("{what} of {owner} {fault}"))
    }
}

/// What to do about a source that cannot be used for a `reason`.
fn advice(source: &Member, reason: &str) -> &'static str {
    match source.key {
        "password_file" => {
            "write the path of a file that holds the password and nothing else; a relative path starts in the working directory"
        }
        "password_command" if reason.ends_with("exit status: 127") => {
            "command not found: run it by hand, its output is not shown here"
        }
        "password_command" if reason.contains(" failed: ") => "run it by hand, its output is not shown here",
        "password_command" => "write a shell command that prints the password and nothing else",
        "credential_helper" if reason.contains(" cannot be run: ") => "install the program in a folder of the PATH",
        "credential_helper" if reason.contains(" failed: ") => {
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
fn line(text: Secret) -> Result<Found, String> {
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
fn helper(lookup: &Lookup<'_>, name: &Text, host: &str) -> Result<Found, String> {
    let name = name.text.clone();
    if name.starts_with(['-', '.']) || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Err("it is no plain name".to_owned());
    }
    let host = host.split('/').next().unwrap_or_default();
    let server = if is_hub(host) { HUB_KEY } else { host }.to_owned();
    let program = format!("`docker-credential-{name}`");
    let text = lookup.shared.ask(Question::Helper { name, server })?;
    let printed: Printed = serde_json::from_str(text.expose())
        .map_err(|_| format!("what {program} printed is no JSON with `Username` and `Secret`"))?;
    let secret = Secret::new(printed.secret);
    let is_token = printed.username == TOKEN_USER && !secret.expose().is_empty();
    let (password, identity_token) = if is_token { (Secret::new(""), Some(secret)) } else { (secret, None) };
    let found = Found { user: Some(printed.username), password, identity_token, email: None };
    found.checked().map_err(|fault| format!("what {program} printed {fault}"))
}

/// The login that a file holds for a host. A helper that it names for the host is asked before its entries
/// (`findCredentialsInFile` in pkg/docker/config of containers/image), and is not asked here.
fn auth_file(lookup: &Lookup<'_>, path: &Text, host: &str) -> Result<Found, Refusal> {
    let file = lookup.shared.auth_file(&path.text)?;
    let registry = host.split('/').next().unwrap_or_default();
    let refusal = |reason: String, helper: Option<&String>| Refusal {
        reason,
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
    let found = Found {
        password: Secret::new(password),
        user: login.map(|login| login.user),
        identity_token: entry.identity_token.clone(),
        email: entry.email.clone(),
    };
    let unusable = |fault: &str| format!("its entry {key} {fault}");
    found.checked().map_err(|fault| refusal(unusable(fault), file.creds_store.as_ref()))
}

/// The user that the entry names, which must be that of the source if it has one; else that, else the default.
fn user(lookup: &mut Lookup<'_>, entry: &Entry, source: Option<&Member>, found: Option<&Found>) -> Option<String> {
    let Some(member) = entry.get("user") else {
        let (source, found) = (source?, found?);
        return match &found.user {
            Some(user) => {
                let user = Text { text: user.clone(), span: source.node.span.clone() };
                checked_user(lookup, user, &format!("the user that {} gives", source.name))
            }
            None if entry.declaration == Declaration::Default => {
                let message = format!("{} is set, but `oreg_auth_user` is not", source.name);
                let problem = Problem::hiding(&source.node.span, message);
                lookup.problems.push(problem.hint("set `oreg_auth_user` too, for the same hosts"));
                None
            }
            None => Some(DEFAULT_USER.to_owned()),
        };
    };
    let text = lookup.credential_of(&member.node, &member.name)?;
    let span = text.span.clone();
    let user = checked_user(lookup, text, &member.name)?;
    let known = found.and_then(|found| found.user.as_ref());
    if let (true, Some(source)) = (known.is_some_and(|known| *known != user && known != TOKEN_USER), source) {
        let message = format!("{} is not the one that `{}` has for this registry", member.name, source.key);
        lookup.problems.push(Problem::hiding(&span, message).hint("leave the user out, or correct one of the two"));
        return None;
    }
    Some(user)
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

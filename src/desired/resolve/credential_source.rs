//! Reads the credential of a registry from the one source that its entry names: a text, a file, a command, a credential
//! helper, or an entry of a credential file. All sources are loaded through the cache.

use serde::Deserialize;

use crate::desired::registry::Declaration;
use crate::dockerconfig::{Auth, HUB_KEY, is_hub, password_fault, without_line_end};
use crate::inventory::code::NOT_CHECKED;
use crate::inventory::outside::{OutsideError, OutsideErrorKind};
use crate::inventory::{Problem, Span};
use crate::secret::Secret;

use super::cache::ExternalSource;
use super::credential_text;
use super::from_file;
use super::members::Member;
use super::registry_entry::RegistryEntry;
use super::registry_host::problem_about;
use super::user::{self, TOKEN_USER};
use super::variable_reader::{Text, VariableReader};

/// The keys that name a source. An entry has exactly one of them, or only an identity token. Only the first three can
/// be combined with an identity token.
const SOURCES: [&str; 5] = ["password", "password_file", "password_command", "credential_helper", "from_file"];
const COMBINABLE_SOURCES: usize = 3;
const IDENTITY_TOKEN: &str = "identity_token";

/// The credential of a registry, complete and checked.
pub(super) struct ResolvedCredential {
    pub user: String,
    /// Empty if there is only an identity token.
    pub password: Secret,
    pub identity_token: Option<Secret>,
    pub email: Option<String>,
    /// The place of the source.
    pub span: Span,
    /// The name of the source in messages.
    pub source: String,
}

/// The values that a source provides. Only some sources provide a user.
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

/// Why a source provides no credential.
struct SourceError {
    reason: String,
    /// The kind of error, which determines the hint.
    kind: OutsideErrorKind,
    /// The credential helper that stores the credential instead.
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
    /// Returns the values if they can be used as a credential. The error is a predicate: it follows the name of the
    /// source.
    fn checked(self) -> Result<Self, &'static str> {
        let has_password = !self.password.expose().is_empty();
        let token = self.identity_token.as_ref().map(Secret::expose);
        let texts = [token, self.email.as_deref()];
        match &self.user {
            // This comes first, because an entry such as `{}` is a normal marker for a credential helper and has no
            // user either.
            _ if !has_password && token.is_none() => Err("has no credential"),
            _ if texts.into_iter().flatten().any(|text| text.contains(char::is_control)) => {
                Err("has a control character in its identity token or email")
            }
            _ if let Some(fault) = password_fault(self.password.expose()).filter(|_| has_password) => Err(fault),
            Some(user) if user.is_empty() && has_password => Err("has no user"),
            // An identity token already identifies its user.
            Some(user) if user.is_empty() => Ok(Self { user: None, ..self }),
            _ => Ok(self),
        }
    }
}

/// The credential of an entry; `None` if there is a problem. If `host` is `None`, sources that need it are not loaded.
pub(super) fn of_entry(
    reader: &mut VariableReader<'_>,
    entry: &RegistryEntry,
    host: Option<&str>,
) -> Option<ResolvedCredential> {
    let email = optional_text(reader, entry, "email");
    let token = optional_text(reader, entry, IDENTITY_TOKEN);
    let source = only_source(reader, entry);
    let value = source.and_then(|source| load(reader, entry, source, host));
    let provided = source.zip(value.as_ref()).map(|(source, value)| (source, value.user.as_deref()));
    let user = user::of_entry(reader, entry, provided);
    // All values above are evaluated even if one of them has a problem, so that one run reports all problems.
    let (email, token, source, value, user) = (email?, token?, source?, value?, user?);
    Some(ResolvedCredential {
        user,
        password: value.password,
        // The values of the entry take precedence over those of the source, because the user wrote them in the
        // inventory.
        identity_token: token.map(Secret::new).or(value.identity_token),
        email: email.or(value.email),
        span: source.node.span.clone(),
        source: source.name.clone(),
    })
}

/// The text of an optional key: `Some(None)` if the entry does not have it, `None` if there is a problem.
fn optional_text(reader: &mut VariableReader<'_>, entry: &RegistryEntry, key: &str) -> Option<Option<String>> {
    let Some(member) = entry.members.get(key) else { return Some(None) };
    let text = reader.credential_of(&member.node, &member.name)?;
    reader.without_controls(text, &member.name).map(|text| Some(text.text))
}

/// The only source of an entry; `None` and a problem if it has none or several.
fn only_source<'a>(reader: &mut VariableReader<'_>, entry: &'a RegistryEntry) -> Option<&'a Member> {
    let present: Vec<&Member> = entry.members.present(&SOURCES).chain(entry.members.get(IDENTITY_TOKEN)).collect();
    let problem = match present.as_slice() {
        [only] => return Some(only),
        [first, token] if token.key == IDENTITY_TOKEN && SOURCES[..COMBINABLE_SOURCES].contains(&first.key) => {
            return Some(first);
        }
        [first, second, ..] => {
            let other = match first.key {
                "password" if entry.declaration == Declaration::Default => first.name.clone(),
                key => format!("its `{key}`"),
            };
            let message = format!("{} cannot be combined with {other}", second.name);
            Problem::hiding(&second.node.span, message).hint("keep the one that the credential comes from")
        }
        [] => match (entry.declaration, entry.members.get("user")) {
            (Declaration::Default, Some(user)) => {
                let message = "`oreg_auth_user` is set, but `oreg_auth_password` is not";
                Problem::hiding(&user.node.span, message).hint(
                    "set `oreg_auth_password` too, for the same hosts, or a source such as `password_file` in `oregano_oreg_auth`",
                )
            }
            (Declaration::Default, None) => {
                Problem::hiding(&entry.members.span, "`oregano_oreg_auth` is set, but has no password")
                    .hint("set `oreg_auth_user` and `oreg_auth_password`, or add a source such as `from_file` to it")
            }
            (Declaration::Entry | Declaration::PullSecret | Declaration::CommandLine, _) => entry
                .members
                .lacks("`password`")
                .hint(format!("add `password`, or one of {}", from_file::quoted_list(SOURCES[1..].iter().copied()))),
        },
    };
    reader.problems.push(problem);
    None
}

/// Loads a source; `None` if there is a problem, or if the source needs a host that is not known.
fn load(
    reader: &mut VariableReader<'_>,
    entry: &RegistryEntry,
    source: &Member,
    host: Option<&str>,
) -> Option<SourceValue> {
    let name = &source.name;
    let text = match source.key {
        "password" => {
            let text = reader.credential_of(&source.node, name)?;
            return reader.password(text, name).map(SourceValue::from);
        }
        // The token is read by `of_entry`, because it may also accompany another source.
        IDENTITY_TOKEN => return Some(Secret::new("").into()),
        _ => reader.text_of(&source.node, name)?,
    };
    let external = |source| -> Result<SourceValue, SourceError> { Ok(whole_text(reader.cache.text(source)?)?) };
    let value = match source.key {
        "password_file" => external(ExternalSource::File(text.text.clone())),
        "password_command" => external(ExternalSource::Command(text.text.clone())),
        // A missing host already caused a problem, so no second one is reported.
        "credential_helper" => from_helper(reader, &text, host?),
        _ => from_auth_file(reader, &text, host?),
    };
    let error = match value {
        Ok(value) => {
            reader.warnings.extend(credential_text::stray_line_end(&value.password, &source.node.span, name));
            let what = format!("the credential of {name}");
            for secret in [Some(&value.password), value.identity_token.as_ref()].into_iter().flatten() {
                reader.notices.extend(credential_text::surrounding_blanks(secret, &text.span, &what));
                reader.notices.extend(credential_text::invisible_characters(secret.expose(), &text.span, &what));
            }
            return Some(value);
        }
        Err(error) => error,
    };
    let hint = match &error.helper {
        Some(helper) => format!("use the helper itself: write `credential_helper: {helper}` instead"),
        None => advice(source, error.kind).to_owned(),
    };
    reader.problems.push(source_problem(source, &text, &entry.members.name, &error).hint(hint));
    None
}

/// The problem that a source cannot be used. It does not quote a command or a `password_file` without a slash, because
/// the user may have written the password there by mistake.
fn source_problem(source: &Member, text: &Text, owner: &str, error: &SourceError) -> Problem {
    let is_not_run = error.kind == OutsideErrorKind::NotRun;
    let fault = format!("{}: {}", if is_not_run { "is not used" } else { "cannot be used" }, error.reason);
    let what = format!("`{}`", source.key);
    let is_path = source.key == "from_file" || source.key == "password_file" && text.text.contains('/');
    let problem = if is_path {
        problem_about(&what, text, &format!("of {owner} {fault}"))
    } else {
        Problem::hiding(&text.span, format!("{what} of {owner} {fault}"))
    };
    if is_not_run { problem.code(NOT_CHECKED) } else { problem }
}

/// What to do about a source that cannot be used.
fn advice(source: &Member, kind: OutsideErrorKind) -> &'static str {
    use OutsideErrorKind::{Failed, NotStarted};
    /// The exit status of a shell that does not find a command (POSIX, Shell Command Language, 2.8.2).
    const COMMAND_NOT_FOUND: i32 = 127;
    match source.key {
        "password_file" => {
            "write the path of a file that contains only the password; a relative path starts in the working directory"
        }
        "password_command" if kind == Failed(Some(COMMAND_NOT_FOUND)) => {
            "the command was not found: run it by hand to see its error output, which is not shown here"
        }
        "password_command" if matches!(kind, Failed(_)) => {
            "run it by hand to see its error output, which is not shown here"
        }
        "password_command" => "write a shell command that prints only the password",
        "credential_helper" if kind == NotStarted => "install the program in a directory of the PATH",
        "credential_helper" if matches!(kind, Failed(_)) => {
            "run it with `get` by hand, with the host as its standard input: its output is not shown here"
        }
        "credential_helper" => {
            "write NAME, where `docker-credential-NAME` is a program in the PATH that has a credential for the registry"
        }
        _ => {
            "write the path of a config.json, auth.json or .dockercfg, or of manifests with exactly one Secret that contains such a file; a relative path starts in the working directory"
        }
    }
}

/// The password that is the content of a file or the output of a command.
fn whole_text(text: Secret) -> Result<SourceValue, String> {
    let password = Secret::new(without_line_end(text.expose()));
    match password_fault(password.expose()) {
        Some(fault) => Err(format!("it {fault}")),
        None => Ok(password.into()),
    }
}

/// The output of `docker-credential-NAME get` (docker-credential-helpers). Other members of the JSON object are
/// ignored.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperOutput {
    username: String,
    secret: String,
}

/// The credential that a helper stores for a host. Helpers do not support paths, so the path of the registry is
/// ignored.
fn from_helper(reader: &VariableReader<'_>, name: &Text, host: &str) -> Result<SourceValue, SourceError> {
    let name = name.text.clone();
    // The name becomes part of a program name, so it must not contain a slash or start like an option.
    if name.starts_with(['-', '.']) || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Err("it is not the name of a helper".to_owned().into());
    }
    let host = host.split('/').next().unwrap_or_default();
    // docker stores the credential of Docker Hub in its helpers under the complete URL.
    let server = if is_hub(host) { HUB_KEY } else { host }.to_owned();
    let program = format!("`docker-credential-{name}`");
    let text = reader.cache.text(ExternalSource::Helper { name, server })?;
    let output: HelperOutput = serde_json::from_str(text.expose())
        // The text of the JSON error is not used, because it may quote the secret.
        .map_err(|_| format!("the output of {program} is not JSON with `Username` and `Secret`"))?;
    let secret = Secret::new(output.secret);
    let is_token = output.username == TOKEN_USER && !secret.expose().is_empty();
    let (password, identity_token) = if is_token { (Secret::new(""), Some(secret)) } else { (secret, None) };
    let value = SourceValue { user: Some(output.username), password, identity_token, email: None };
    Ok(value.checked().map_err(|fault| format!("the output of {program} {fault}"))?)
}

/// The credential that a file contains for a host. If the file names a credential helper for the host, containers/image
/// uses the helper instead of the entry (`findCredentialsInFile` in pkg/docker/config). Oregano does not run this
/// helper; it reports an error that names it.
fn from_auth_file(reader: &VariableReader<'_>, path: &Text, host: &str) -> Result<SourceValue, SourceError> {
    let file = reader.cache.auth_file(&path.text)?;
    let registry = host.split('/').next().unwrap_or_default();
    let error = |reason: String, helper: Option<&String>| SourceError {
        reason,
        kind: OutsideErrorKind::Other,
        helper: helper.map(|name| name.escape_debug().to_string()),
    };
    if let Some(helper) = file.cred_helpers.get(registry) {
        let reason = format!("its `credHelpers` name a helper for `{registry}`");
        return Err(error(reason, Some(helper)));
    }
    let Some(entry) = file.entry_for(host) else {
        let keys = from_file::existing_names(file.entries.iter().map(|entry| entry.key.as_str()));
        let reason = format!("it has no entry for `{host}`, {keys}");
        // If the file has a `credsStore`, the credential is probably stored there, so the hint names that helper.
        return Err(error(reason, file.creds_store.as_ref()));
    };
    let key = from_file::quoted_list(std::iter::once(entry.key.as_str()));
    if let Auth::Unreadable(why) = entry.auth {
        return Err(format!("`auth` of its entry {key} is {why}").into());
    }
    let login = entry.login();
    // Some clients pad the password with NUL bytes (`decodeDockerAuth` of containers/image removes them, too).
    let password = login.as_ref().map_or("", |login| login.password.expose().trim_end_matches('\0'));
    let value = SourceValue {
        password: Secret::new(password),
        user: login.map(|login| login.user),
        identity_token: entry.identity_token.clone(),
        email: entry.email.clone(),
    };
    value.checked().map_err(|fault| error(format!("its entry {key} {fault}"), file.creds_store.as_ref()))
}

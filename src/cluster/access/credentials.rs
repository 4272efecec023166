//! How a user of a kubeconfig authenticates: with a token, with a name and a password, or with what a credential plugin
//! returns; and as whom the user acts. It sends nothing, and shows no value, because each of them may be a secret.

use std::path::PathBuf;

use http::header::{HeaderName, HeaderValue};
use kube::config::{AuthInfo, Cluster};

use super::credential_plugin::Plugin;
use crate::secret::{Secret, basic_auth};

/// How requests are authenticated, besides a client certificate, which belongs to the connection.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// No header.
    None,
    /// A user name and a password.
    Basic(String, Secret),
    /// A bearer token.
    Token(Secret),
    /// A file with a bearer token, which other programs may renew.
    TokenFile(PathBuf),
    /// A program that returns a token or a client certificate.
    Plugin(Box<Plugin>),
}

impl Credentials {
    /// The credentials of a user. As in kubectl, a token takes precedence over its file, and the plugin is only run for a
    /// user without other credentials.
    ///
    /// # Errors
    /// What is wrong with the user, as a part of a sentence about the kubeconfig.
    pub fn of(user: &AuthInfo, cluster: &Cluster) -> Result<Self, String> {
        let token = secret(user, "token").map(|token| Secret::new(token.expose().trim())).filter(is_set);
        let named = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (name, password) = (named(&user.username), secret(user, "password"));
        let certificate = named(&user.client_certificate).or_else(|| named(&user.client_certificate_data));
        Ok(match (token, named(&user.token_file)) {
            (Some(token), _) => {
                // The token is checked here, so that the message can name the kubeconfig.
                bearer(&token).map_err(|fault| format!("has a `token` that {fault}"))?;
                Self::Token(token)
            }
            (None, Some(file)) => Self::TokenFile(file.into()),
            (None, None) if name.is_some() || password.as_ref().is_some_and(is_set) => {
                Self::Basic(name.unwrap_or_default(), password.unwrap_or_else(|| Secret::new("")))
            }
            (None, None) if certificate.is_some() => Self::None,
            (None, None) => match (&user.exec, &user.auth_provider) {
                (Some(exec), _) => Self::Plugin(Box::new(Plugin::new(exec, cluster)?)),
                // An identity token is a bearer token. It is not renewed.
                (None, Some(provider)) if provider.name == "oidc" => match provider.config.get("id-token") {
                    Some(token) => {
                        let token = Secret::new(token.trim());
                        bearer(&token).map_err(|fault| format!("has an `id-token` that {fault}"))?;
                        Self::Token(token)
                    }
                    None => return Err("has the `auth-provider` `oidc` without an `id-token`".to_owned()),
                },
                (None, Some(provider)) => {
                    return Err(format!("has the `auth-provider` `{}`, which is not supported", provider.name));
                }
                (None, None) => Self::None,
            },
        })
    }
}

impl Credentials {
    /// Whether other credentials can be expected after these were rejected.
    pub fn are_renewable(&self) -> bool {
        matches!(self, Self::TokenFile(_) | Self::Plugin(_))
    }
}

/// The value of an `Authorization` header with a bearer token (RFC 6750).
///
/// # Errors
/// Why the token cannot be sent.
pub fn bearer(token: &Secret) -> Result<HeaderValue, &'static str> {
    sensitive(&format!("Bearer {}", token.expose()))
}

/// The value of an `Authorization` header with a user name and a password (RFC 7617).
///
/// # Errors
/// Never, because base64 can always be sent.
pub fn basic(user: &str, password: &Secret) -> Result<HeaderValue, &'static str> {
    sensitive(&format!("Basic {}", basic_auth(user, password).expose()))
}

/// Headers that make the server treat each request as one of another user (Kubernetes documentation, "User
/// impersonation").
///
/// # Errors
/// What is wrong with the user, as a part of a sentence about the kubeconfig.
pub fn impersonation(user: &AuthInfo) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let groups =
        user.impersonate_groups.iter().flatten().map(|group| ("as-groups", "impersonate-group".to_owned(), group));
    let extra = user.impersonate_user_extra.iter().flatten();
    let extra = extra.flat_map(|(key, values)| {
        values.iter().map(move |value| ("as-user-extra", format!("impersonate-extra-{}", escape(key)), value))
    });
    let single = [("as", "impersonate-user", &user.impersonate), ("as-uid", "impersonate-uid", &user.impersonate_uid)];
    let single =
        single.into_iter().filter_map(|(member, name, value)| Some((member, name.to_owned(), value.as_ref()?)));
    let headers = single.chain(groups).chain(extra).filter(|(_, _, value)| !value.is_empty());
    headers
        .map(|(member, name, value)| {
            let name = HeaderName::try_from(name).map_err(|_| format!("has a name in `{member}` that is too long"))?;
            let value = header(value).map_err(|fault| format!("has a value in `{member}` that {fault}"))?;
            Ok((name, value))
        })
        .collect()
}

/// A key as a part of a header's name: bytes that a name cannot have, and `%`, are percent-encoded (client-go,
/// `headerKeyEscape`).
fn escape(key: &str) -> String {
    key.bytes()
        .map(|byte| match byte {
            b'!' | b'#' | b'$' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' => {
                char::from(byte).to_string()
            }
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The text of a member whose type can only be read through serde or with one more crate.
pub fn secret(user: &AuthInfo, member: &str) -> Option<Secret> {
    let serde_json::Value::Object(mut members) = serde_json::to_value(user).ok()? else { return None };
    match members.remove(member)? {
        serde_json::Value::String(text) => Some(Secret::new(text)),
        _ => None,
    }
}

fn is_set(secret: &Secret) -> bool {
    !secret.expose().is_empty()
}

fn sensitive(text: &str) -> Result<HeaderValue, &'static str> {
    let mut value = header(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header with this text. As in Go, it may contain any byte but control characters.
fn header(text: &str) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| "contains a line break or another control character")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> AuthInfo {
        serde_yaml::from_str(text).unwrap()
    }

    fn of(text: &str) -> Result<Credentials, String> {
        Credentials::of(&user(text), &Cluster::default())
    }

    #[test]
    fn a_token_takes_precedence_and_a_plugin_comes_last() {
        let plugin = "exec: {apiVersion: client.authentication.k8s.io/v1, command: p, interactiveMode: Never}";
        let cases = [
            ("{token: a, tokenFile: f, username: u, password: p}", "Token(Secret([redacted]))"),
            ("{token: '', tokenFile: f}", "TokenFile(\"f\")"),
            ("{token: \" \\n\", tokenFile: f}", "TokenFile(\"f\")"),
            ("{username: u}", "Basic(\"u\", Secret([redacted]))"),
            ("{username: '', password: ''}", "None"),
            (&format!("{{client-certificate-data: YQ==, client-key-data: YQ==, {plugin}}}"), "None"),
            (&format!("{{token: a, {plugin}}}"), "Token(Secret([redacted]))"),
            ("{auth-provider: {name: oidc, config: {id-token: a}}}", "Token(Secret([redacted]))"),
            ("{}", "None"),
        ];
        for (text, expected) in cases {
            assert_eq!(format!("{:?}", of(text).unwrap()), expected, "{text}");
        }
        assert!(matches!(of(&format!("{{{plugin}}}")), Ok(Credentials::Plugin(_))));
    }

    #[test]
    fn a_token_is_trimmed_as_a_token_file_is() {
        let Ok(Credentials::Token(token)) = of("token: \"\\tsesame\\r\\n\"") else { panic!() };
        assert_eq!(bearer(&token).unwrap(), "Bearer sesame");
    }

    #[test]
    fn values_that_no_header_can_carry_are_errors() {
        let fault = "contains a line break or another control character";
        for (text, expected) in [
            ("token: \"a\\nsesame\"", format!("has a `token` that {fault}")),
            ("token: \"a\\0sesame\"", format!("has a `token` that {fault}")),
            (
                "auth-provider: {name: oidc, config: {id-token: \"a\\nsesame\"}}",
                format!("has an `id-token` that {fault}"),
            ),
            ("auth-provider: {name: gcp}", "has the `auth-provider` `gcp`, which is not supported".to_owned()),
            ("auth-provider: {name: oidc}", "has the `auth-provider` `oidc` without an `id-token`".to_owned()),
        ] {
            assert_eq!(of(text).unwrap_err(), expected);
        }
        for (text, expected) in [
            ("as: \"a\\nsesame\"", "has a value in `as` that "),
            ("as-uid: \"a\\nsesame\"", "has a value in `as-uid` that "),
            ("as-groups: [b, \"a\\nsesame\"]", "has a value in `as-groups` that "),
            ("as-user-extra: {b: [\"a\\nsesame\"]}", "has a value in `as-user-extra` that "),
        ] {
            assert_eq!(impersonation(&user(text)).unwrap_err(), format!("{expected}{fault}"));
        }
    }

    #[test]
    fn impersonation_headers_are_those_of_kubectl() {
        let headers =
            impersonation(&user("{as: jörg, as-groups: [a, b], as-user-extra: {Acme.com/Team%: [x]}, as-uid: ''}"));
        let headers = headers.unwrap();
        let texts: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 4] = [
            ("impersonate-user", "jörg".as_bytes()),
            ("impersonate-group", b"a"),
            ("impersonate-group", b"b"),
            ("impersonate-extra-acme.com%2fteam%25", b"x"),
        ];
        assert_eq!(texts, expected);
    }
}

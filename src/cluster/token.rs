//! The token of a kubeconfig, for what takes it besides the API server: the integrated registry of OpenShift.

use kube::Config;
use kube::config::AuthInfo;

use crate::failure::{Failure, without_errno};
use crate::secret::Secret;

/// What to do where there is none.
const ANOTHER: &str = "log in with `oc login`, which leaves a token, or pipe one in: \
                       `kubectl create token NAME | oregano login … --password-stdin`";

/// The bearer token of a kubeconfig's user: `token`, else what `tokenFile` holds, as `kube` logs in. No plugin is run.
///
/// # Errors
/// If the user logs in with something else, or the file cannot be read.
pub fn token(config: &Config) -> Result<Secret, Failure> {
    let user = &config.auth_info;
    let token = match (inline(user), &user.token_file) {
        (Some(token), _) => token,
        (None, Some(path)) => from_file(path)?,
        (None, None) => String::new(),
    };
    if token.is_empty() {
        return Err(Failure::new("the user of the kubeconfig's current context has no token")
            .cause(other_login(user))
            .hint(ANOTHER));
    }
    Ok(Secret::new(token))
}

/// The `token` of the kubeconfig. Its type opens to serde, or to one more crate.
fn inline(user: &AuthInfo) -> Option<String> {
    let serde_json::Value::Object(mut members) = serde_json::to_value(user).ok()? else { return None };
    match members.remove("token")? {
        serde_json::Value::String(token) if !token.is_empty() => Some(token),
        _ => None,
    }
}

fn from_file(path: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    text.map_err(|error| {
        Failure::new(format!("the token file `{path}` of the kubeconfig cannot be read"))
            .cause(without_errno(&error))
            .hint(ANOTHER)
    })
}

/// How the user logs in.
fn other_login(user: &AuthInfo) -> String {
    let certificate = user.client_certificate.is_some() || user.client_certificate_data.is_some();
    match user {
        AuthInfo { exec: Some(exec), .. } => {
            format!("it logs in with the plugin `{}`", exec.command.as_deref().unwrap_or_default())
        }
        AuthInfo { auth_provider: Some(provider), .. } => format!("it logs in with the plugin `{}`", provider.name),
        _ if certificate => "it logs in with a client certificate".to_owned(),
        AuthInfo { username: Some(_), .. } => "it logs in with a user name and a password".to_owned(),
        _ => "it names no way to log in".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str) -> Result<Secret, Failure> {
        let mut config = Config::new("https://api.example.com:6443".parse().unwrap());
        config.auth_info = serde_yaml::from_str(user).unwrap();
        token(&config)
    }

    #[test]
    fn a_token_is_taken_from_where_kube_takes_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "from-file\n").unwrap();
        let path = file.path().display();
        for (user, expected) in [
            ("{token: inline}".to_owned(), "inline"),
            (format!("{{token: inline, tokenFile: {path}}}"), "inline"),
            (format!("{{token: '', tokenFile: {path}}}"), "from-file"),
            ("{token: inline, client-certificate: c, exec: {command: plugin}}".to_owned(), "inline"),
        ] {
            assert_eq!(of(&user), Ok(Secret::new(expected)), "{user}");
        }
    }

    #[test]
    fn without_a_token_the_login_that_is_there_is_named() {
        for (user, cause) in [
            ("{exec: {command: aws}}", "the plugin `aws`"),
            ("{auth-provider: {name: oidc, config: {}}}", "the plugin `oidc`"),
            ("{client-certificate: a, client-key: b}", "a client certificate"),
            ("{client-certificate-data: YQ==}", "a client certificate"),
            ("{username: u, password: hunter2}", "a user name and a password"),
            ("{}", "no way to log in"),
        ] {
            let failure = of(user).unwrap_err();
            assert!(failure.message.ends_with("has no token") && failure.causes[0].contains(cause), "{failure:?}");
            assert!(failure.hint.is_some() && !format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
        let gone = of("{tokenFile: /dev/null/none}").unwrap_err();
        assert!(gone.message.contains("`/dev/null/none`") && !gone.causes[0].contains("os error"), "{gone:?}");
    }
}

//! The token of a kubeconfig, which the integrated registry of OpenShift accepts as a password. It runs no plugin and
//! contacts no server.

use kube::Config;
use kube::config::AuthInfo;

use crate::failure::{Failure, without_errno};
use crate::secret::Secret;

/// What to do if there is no token.
const GET_A_TOKEN: &str = "log in with `oc login`, which stores a token, or pipe one in: \
                       `kubectl create token NAME | oregano login … --password-stdin`";

/// The bearer token of a kubeconfig's user: `token`, else the content of `tokenFile`; the kube crate uses the same
/// order.
///
/// # Errors
/// If the user has other credentials than a token, or the file cannot be read.
pub fn token(config: &Config) -> Result<Secret, Failure> {
    let user = &config.auth_info;
    let token = match (inline(user), &user.token_file) {
        (Some(token), _) => token,
        (None, Some(path)) => from_file(path)?,
        (None, None) => String::new(),
    };
    if token.is_empty() {
        return Err(Failure::new("the user of the kubeconfig's current context has no token")
            .cause(other_credentials(user))
            .hint(GET_A_TOKEN));
    }
    Ok(Secret::new(token))
}

/// The `token` of the kubeconfig. Its type can only be read through serde or with one more crate.
fn inline(user: &AuthInfo) -> Option<String> {
    let serde_json::Value::Object(mut members) = serde_json::to_value(user).ok()? else { return None };
    match members.remove("token")? {
        // An empty token counts as missing, so that `tokenFile` is used then.
        serde_json::Value::String(token) if !token.is_empty() => Some(token),
        _ => None,
    }
}

fn from_file(path: &str) -> Result<String, Failure> {
    // Files usually end with a line break, which an HTTP header must not contain.
    let text = std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    text.map_err(|error| {
        Failure::new(format!("the token file `{path}` of the kubeconfig cannot be read"))
            .cause(without_errno(&error))
            .hint(GET_A_TOKEN)
    })
}

/// Which credentials the user has instead of a token.
fn other_credentials(user: &AuthInfo) -> String {
    let certificate = user.client_certificate.is_some() || user.client_certificate_data.is_some();
    match user {
        AuthInfo { exec: Some(exec), .. } => {
            format!("it uses the credential plugin `{}`", exec.command.as_deref().unwrap_or_default())
        }
        AuthInfo { auth_provider: Some(provider), .. } => format!("it uses the credential plugin `{}`", provider.name),
        _ if certificate => "it uses a client certificate".to_owned(),
        AuthInfo { username: Some(_), .. } => "it uses a user name and a password".to_owned(),
        _ => "it has no credentials".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of(user: &str) -> Result<Secret, Failure> {
        let mut config = Config::new("https://api.example.com:6443".parse().unwrap());
        config.auth_info = serde_yaml::from_str(user).unwrap();
        token(&config)
    }

    #[test]
    fn the_token_comes_from_the_same_field_as_in_the_kube_crate() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "from-file\n").unwrap();
        let path = file.path().display();
        for (user, expected) in [
            ("{token: inline}".to_owned(), "inline"),
            (format!("{{token: inline, tokenFile: {path}}}"), "inline"),
            (format!("{{token: '', tokenFile: {path}}}"), "from-file"),
            ("{token: inline, client-certificate: c, exec: {command: plugin}}".to_owned(), "inline"),
        ] {
            assert_eq!(token_of(&user), Ok(Secret::new(expected)), "{user}");
        }
    }

    #[test]
    fn without_a_token_the_failure_names_the_other_credentials() {
        for (user, cause) in [
            ("{exec: {command: aws}}", "the credential plugin `aws`"),
            ("{auth-provider: {name: oidc, config: {}}}", "the credential plugin `oidc`"),
            ("{client-certificate: a, client-key: b}", "a client certificate"),
            ("{client-certificate-data: YQ==}", "a client certificate"),
            ("{username: u, password: hunter2}", "a user name and a password"),
            ("{}", "no credentials"),
        ] {
            let failure = token_of(user).unwrap_err();
            assert!(failure.message.ends_with("has no token") && failure.causes[0].contains(cause), "{failure:?}");
            assert!(failure.hint.is_some() && !format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
        let missing = token_of("{tokenFile: /dev/null/none}").unwrap_err();
        assert!(missing.message.contains("`/dev/null/none`") && !missing.causes[0].contains("os error"), "{missing:?}");
    }
}

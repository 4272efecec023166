//! The token of a kubeconfig, which the integrated registry of OpenShift accepts as a password. It runs no plugin and
//! contacts no server.

use std::path::Path;

use super::Access;
use super::credentials::{Credentials, bearer};
use crate::failure::{Failure, without_errno};
use crate::secret::Secret;

/// What to do if there is no token.
const GET_A_TOKEN: &str = "log in with `oc login`, which stores a token, or pipe one in: \
                       `kubectl create token NAME | oregano login … --password-stdin`";

/// The bearer token of a kubeconfig's user: `token`, else the content of `tokenFile`.
///
/// # Errors
/// If the user has other credentials than a token, or the file cannot be read.
pub fn token(access: &Access) -> Result<Secret, Failure> {
    let token = match &access.credentials {
        Credentials::Token(token) => token.clone(),
        Credentials::TokenFile(path) => Secret::new(from_file(path)?),
        Credentials::None | Credentials::Basic(..) | Credentials::Plugin(_) => Secret::new(""),
    };
    if token.expose().is_empty() {
        return Err(Failure::new("the user of the kubeconfig's current context has no token")
            .cause(other_credentials(access))
            .hint(GET_A_TOKEN));
    }
    // A token that no header can carry is no password either.
    bearer(&token).map_err(|fault| {
        Failure::new("the token of the kubeconfig cannot be used").cause(format!("it {fault}")).hint(GET_A_TOKEN)
    })?;
    Ok(token)
}

fn from_file(path: &Path) -> Result<String, Failure> {
    // Files usually end with a line break, which an HTTP header must not contain.
    let text = std::fs::read_to_string(path).map(|text| text.trim().to_owned());
    text.map_err(|error| {
        Failure::new(format!("the token file `{}` of the kubeconfig cannot be read", path.display()))
            .cause(without_errno(&error))
            .hint(GET_A_TOKEN)
    })
}

/// Which credentials the user has instead of a token.
fn other_credentials(access: &Access) -> String {
    match &access.credentials {
        Credentials::Plugin(plugin) => format!("it uses the credential plugin `{}`", plugin.command),
        Credentials::Basic(..) => "it uses a user name and a password".to_owned(),
        Credentials::TokenFile(path) => format!("its token file `{}` is empty", path.display()),
        _ if access.config.auth_info.client_certificate_data.is_some() => "it uses a client certificate".to_owned(),
        _ => "it has no credentials".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use kube::Config;
    use kube::config::Cluster;

    use super::*;

    fn token_of(user: &str) -> Result<Secret, Failure> {
        let user = serde_yaml::from_str(user).unwrap();
        let mut access = Access::anonymous(Config::new("https://api.example.com:6443".parse().unwrap()));
        access.credentials = Credentials::of(&user, &Cluster::default()).unwrap();
        access.config.auth_info = user;
        token(&access)
    }

    #[test]
    fn a_token_takes_precedence_over_a_token_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "from-file\n").unwrap();
        let path = file.path().display();
        for (user, expected) in [
            ("{token: inline}".to_owned(), "inline"),
            ("{token: \"inline\\n\"}".to_owned(), "inline"),
            (format!("{{token: inline, tokenFile: {path}}}"), "inline"),
            (format!("{{token: '', tokenFile: {path}}}"), "from-file"),
            ("{token: inline, client-certificate: c, exec: {command: plugin}}".to_owned(), "inline"),
        ] {
            assert_eq!(token_of(&user), Ok(Secret::new(expected)), "{user}");
        }
    }

    #[test]
    fn without_a_token_the_failure_names_the_other_credentials() {
        let plugin = "{exec: {command: aws, apiVersion: client.authentication.k8s.io/v1beta1}}";
        for (user, cause) in [
            (plugin, "the credential plugin `aws`"),
            ("{client-certificate-data: YQ==}", "a client certificate"),
            ("{username: u, password: hunter2}", "a user name and a password"),
            ("{}", "no credentials"),
            ("{tokenFile: /dev/null}", "`/dev/null` is empty"),
        ] {
            let failure = token_of(user).unwrap_err();
            assert!(failure.message.ends_with("has no token") && failure.causes[0].contains(cause), "{failure:?}");
            assert!(failure.hint.is_some() && !format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
        let missing = token_of("{tokenFile: /dev/null/none}").unwrap_err();
        assert!(missing.message.contains("`/dev/null/none`") && !missing.causes[0].contains("os error"), "{missing:?}");
    }
}

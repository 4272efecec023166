//! Why an API server rejects the credentials of a kubeconfig. The server says only 401, so the expiry dates in them are
//! read here. Nothing in them is verified: only the server can do that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::x509::X509;

use super::Access;
use super::credentials::Credentials;
use crate::desired::expiry;
use crate::failure::Failure;
use crate::secret::Secret;

/// What to do about expired credentials.
const RENEW: &str = "log in again (`oc login`), renew it, or use another kubeconfig";

/// The failure of credentials that `server` rejected, if they have expired at `now`; `None` if they do not show why.
pub fn expired(access: &Access, server: &str, now: Timestamp) -> Option<Failure> {
    let (what, at) = [("client certificate", certificate(access)), ("token", token(access))]
        .into_iter()
        .find_map(|(what, at)| Some((what, at.filter(|at| *at <= now)?)))?;
    let origin = &access.origin;
    let failure = Failure::new(format!("API server `{server}` rejected the credentials"));
    Some(failure.cause(format!("the {what} of {origin} expired at {at}")).hint(RENEW))
}

/// The time after which the client certificate is not valid (`notAfter`, RFC 5280, section 4.1.2.5).
fn certificate(access: &Access) -> Option<Timestamp> {
    let pem = STANDARD.decode(access.config.auth_info.client_certificate_data.as_deref()?).ok()?;
    let certificate = X509::from_pem(&pem).ok()?;
    let since = Asn1Time::from_unix(0).ok()?.diff(certificate.not_after()).ok()?;
    Timestamp::from_second(i64::from(since.days) * 24 * 60 * 60 + i64::from(since.secs)).ok()
}

fn token(access: &Access) -> Option<Timestamp> {
    match &access.credentials {
        Credentials::Token(token) => expiry::of_secret(token),
        Credentials::TokenFile(path) => {
            let text = std::fs::read_to_string(path).ok()?;
            expiry::of_secret(&Secret::new(text.trim()))
        }
        // A plugin has returned a new credential for the second request, so an old one is not the reason.
        Credentials::None | Credentials::Basic(..) | Credentials::Plugin(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn access(user: &str) -> Access {
        let text = format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: admin}}}}]\n\
             clusters: [{{name: k, cluster: {{server: 'https://api.example.com:6443'}}}}]\n\
             users: [{{name: admin, user: {user}}}]\n"
        );
        super::super::parse(text.as_bytes()).unwrap()
    }

    fn token(exp: i64) -> String {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let (header, claims) = (part(r#"{"alg":"RS256"}"#.into()), part(format!(r#"{{"exp":{exp}}}"#)));
        format!("{header}.{claims}.c2ln")
    }

    #[test]
    fn an_expired_token_is_named_with_its_user_its_file_and_its_date() {
        let exp = at("2026-11-01T00:00:00Z").as_second();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, token(exp) + "\n").unwrap();
        for user in [format!("{{token: {}}}", token(exp)), format!("{{tokenFile: {}}}", file.display())] {
            let access = access(&user);
            let failure = expired(&access, "https://api:6443", at("2026-11-02T00:00:00Z")).unwrap();
            assert_eq!(failure.message, "API server `https://api:6443` rejected the credentials");
            let cause = "the token of user `admin` in kubeconfig `kubeconfig` expired at 2026-11-01T00:00:00Z";
            assert_eq!(failure.causes, [cause]);
            assert!(failure.hint.is_some());
            assert_eq!(expired(&access, "https://api:6443", at("2026-10-31T00:00:00Z")), None);
        }
    }

    #[test]
    fn credentials_without_a_date_do_not_show_why_they_are_rejected() {
        for user in ["{token: sesame}", "{username: u, password: p}", "{}", "{tokenFile: /dev/null/none}"] {
            assert_eq!(expired(&access(user), "https://api:6443", Timestamp::MAX), None, "{user}");
        }
    }
}

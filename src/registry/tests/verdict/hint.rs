//! Hints name the setting, folder, proxy and certificate that were used.

use std::fs;

use crate::registry::flow::failed_logins::EarlierAttempt;
use crate::registry::tests::prelude::*;
use crate::registry::verdict::finding::{ProofFinding, fact};

pub fn secure(host: &str, ca: Option<&str>) -> Registry {
    let ca = ca.map(|pem| Arc::new(Authority { file: "ca.pem".to_owned(), pem: pem.to_owned() }));
    Registry { tls: TlsPolicy::Verify, ca, ..registry(host, "right") }
}

/// `oregano login` without a test image.
pub fn login(host: &str, password: &str) -> Registry {
    Registry {
        test_login: TestLogin::LoginOnly,
        declaration: Declaration::CommandLine,
        image: host.to_owned(),
        origin: "standard input".to_owned(),
        ..registry(host, password)
    }
}

pub fn texts(fact: &RegistryFact) -> (&str, &str) {
    (fact.cause.as_deref().unwrap_or_default(), fact.hint.as_deref().unwrap_or_default())
}

#[tokio::test]
async fn a_login_is_not_proved_by_a_web_page() {
    const API: (&str, &str) = ("docker-distribution-api-version", "registry/2.0");
    const HTML: (&str, &str) = ("content-type", "text/html");
    type Page = (&'static [(&'static str, &'static str)], &'static str);
    let cases: [(Page, Verdict); 6] = [
        ((&[HTML], "<html>"), Verdict::RegistryError),
        ((&[], "OK"), Verdict::RegistryError),
        ((&[API, HTML], "<html>"), Verdict::NotProved),
        ((&[], ""), Verdict::NotProved),
        ((&[HTML], "{}"), Verdict::NotProved),
        ((&[], "true"), Verdict::NotProved),
    ];
    for ((headers, body), open) in cases {
        // Without a login, and with a password.
        let double = Double::start(move |_: &Received| reply(200, headers, body)).await;
        assert_eq!(inspect(&login(&double.host, "right")).await.verdict, open, "{headers:?} {body:?}");
        let guarded = Double::start(move |received: &Received| match received.is_alice() {
            true => reply(200, headers, body),
            false => challenge_basic(),
        });
        let expected = if open == Verdict::NotProved { Verdict::Proved } else { open };
        let fact = inspect(&login(&guarded.await.host, "right")).await;
        assert_eq!(fact.verdict, expected, "{headers:?} {body:?}: {fact:?}");
    }
}

#[tokio::test]
async fn a_refused_login_names_where_it_was_given() {
    let double = Double::start(|_: &Received| challenge_basic()).await;
    let fact = inspect(&login(&double.host, "wrong")).await;
    assert!(texts(&fact).1.starts_with("check user and password, nothing was saved: "), "{fact:?}");
}

#[tokio::test]
async fn a_default_image_is_called_default() {
    let double = Double::start(|received: &Received| match received.path.as_str() {
        "/v2/" if received.is_alice() => accepted(),
        _ if received.is_alice() => reply(404, &[], ""),
        _ => challenge_basic(),
    });
    let double = double.await;
    for (image_choice, named) in [(ImageChoice::Given, false), (ImageChoice::Default, true)] {
        let fact = inspect(&Registry { image_choice, ..registry(&double.host, "right") }).await;
        assert_eq!(fact.verdict, Verdict::NotFound);
        assert_eq!(texts(&fact).1.contains("not set: the default image was used"), named, "{fact:?}");
    }
}

#[tokio::test]
async fn the_folder_that_is_used_is_named() {
    let (double, _) = secure_registry("IP:127.0.0.1", 2).await;
    let host = &double.host;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/containers/certs.d").join(host);
    for made in [false, true] {
        if made {
            fs::create_dir_all(&folder).unwrap();
        }
        let connectors = Arc::new(Connectors::new(Some(home.path())));
        let clients = Arc::new(Clients::over(connectors, NameResolver::system(), ProxySource::None));
        let (fact, _) = inspect_with(&clients, &secure(host, None), TIMEOUT).await;
        let named = if made { folder.display().to_string() } else { format!("/etc/containers/certs.d/{host}") };
        assert!(texts(&fact).1.contains(&format!(" put it into {named}/ca.crt; ")), "{fact:?}");
        assert!(texts(&fact).1.len() < 300, "{fact:?}");
    }
}

#[tokio::test]
async fn a_ca_file_without_the_certificate() {
    let ((double, _), (_other, pem)) =
        (secure_registry("IP:127.0.0.1", 2).await, secure_registry("IP:127.0.0.1", 2).await);
    let fact = inspect(&secure(&double.host, Some(&pem))).await;
    assert_eq!(texts(&fact).1, "`ca.pem` contains another certificate: it must contain this one");
}

#[tokio::test]
async fn names_and_dates_of_a_certificate_are_shown() {
    let port = |host: &str| host.rsplit(':').next().unwrap().to_owned();
    let (double, pem) = secure_registry("DNS:other.example.com", 2).await;
    let named = inspect(&secure(&format!("localhost:{}", port(&double.host)), Some(&pem))).await;
    let addressed = inspect(&secure(&double.host, Some(&pem))).await;
    let (double, pem) = secure_registry("IP:127.0.0.1", -1).await;
    let ended = inspect(&secure(&double.host, Some(&pem))).await;
    for (fact, expected) in [
        (named, ": the certificate is for another host name: it is for `other.example.com`"),
        (addressed, ": the certificate is not for this IP address: it is for `other.example.com`"),
        (ended, ": the certificate has expired: it was valid until 2"),
    ] {
        assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
        assert!(texts(&fact).0.contains(expected), "{fact:?}");
    }
}

#[tokio::test]
async fn the_form_of_a_red_hat_account_is_explained() {
    let mut account = registry("registry.redhat.io", "wrong");
    account.tls = TlsPolicy::Verify;
    let hint = |account: &crate::desired::Registry| {
        let refused = RegistryFact::new(Verdict::Refused);
        let finding = ProofFinding::NotTriedAgain(Box::new(EarlierAttempt { image: "x".to_owned(), fact: refused }));
        fact(account, None, finding, &str::to_owned).hint.unwrap()
    };
    assert!(hint(&account).contains("`1234567|name`"));
    account.user = "1234567|name".into();
    assert!(!hint(&account).contains("has the form"));
}

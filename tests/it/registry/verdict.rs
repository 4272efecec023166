//! Credentials and registries that fail: the verdict and its cause, one failed login for one wrong password, and nothing is
//! written.

use std::time::{Duration, Instant};

use crate::support::certificate::Signer;
use crate::support::process::{ClosedPort, eventually};
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::{DOCKER, KUBELET, PASSWORD, Site, USER, recap};

/// One wrong password on this registry is one failed login, and nothing is written.
fn one_failed_login(registry: Registry) {
    let mut site = Site::with(registry, 2);
    site.set("oreg_auth_password", "wrong");
    // A second image of the same login is not tried again.
    site.set_literal(
        "openshift_additional_registry_credentials",
        &format!(
            "[{{'host':'{}/openshift3','user':'{USER}','password':'wrong','test_image':'ose-pod:v3.11'}}]",
            site.key()
        ),
    );
    let run = site.run(&["apply", "--only", "nodes"]).expect(2);
    assert_eq!(site.registry.failed_logins(), 1, "{}", site.registry.log());
    assert_eq!(run.stdout.matches(" : refused").count(), 2, "{}", run.stdout);
    assert!(run.stderr.contains(&format!("refused the credentials of user `{USER}`")), "{}", run.stderr);
    assert!(run.stderr.contains("`oreg_auth_password` in "), "{}", run.stderr);
    assert!(run.stdout.contains(&recap("node2", [1, 0, 0, 0, 2])), "{}", run.stdout);
    for node in [1, 2] {
        assert_eq!((site.file(node, DOCKER), site.file(node, KUBELET)), (None, None));
    }
}

#[test]
fn a_wrong_password_is_one_failed_login_on_a_basic_registry() {
    one_failed_login(Registry::start(Auth::Basic, Transport::Http, &[(USER, PASSWORD)]));
}

#[test]
fn a_wrong_password_is_one_failed_login_on_a_token_registry() {
    one_failed_login(Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, PASSWORD)]));
}

#[test]
fn a_plan_with_a_failed_check_still_shows_everything() {
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "wrong");
    let run = site.run(&["plan", "--only", "nodes"]).expect(2);
    assert!(run.stderr.contains("refused"), "{}", run.stderr);
    assert!(run.stdout.contains(&format!("node1:{DOCKER}: would be created (+{})", site.key())), "{}", run.stdout);
    assert!(run.stderr.contains("`apply` would change nothing until"), "{}", run.stderr);
    let check = site.run(&["apply", "--check", "--only", "nodes"]).expect(2);
    assert_eq!(check.stdout, run.stdout);
}

#[test]
fn a_possible_password_in_the_wrong_place_is_not_shown() {
    let mut site = Site::new(1);
    site.set("oreg_auth_user", "acme:hunter2").set("oreg_url", "https://acme:hunter2@127.0.0.1/x");
    site.host(1, "ansible_connection=hunter2 docker_auth_credentials_path=hunter2");
    for format in ["text", "json"] {
        let run = site.run(&["apply", "--only", "nodes", "--output", format]).expect(1);
        assert!(run.stderr.contains("oreg_auth_user") || run.stdout.contains("oreg_auth_user"));
        assert!(!run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"), "{}\n{}", run.stdout, run.stderr);
    }
}

#[test]
fn every_credential_is_tried_also_after_a_refusal() {
    let other = Registry::start(Auth::Basic, Transport::Http, &[("bob", "builder")]);
    other.push("a/b", "1", "bob", "builder");
    let mut site = Site::new(1);
    site.set("oreg_auth_password", "wrong");
    site.set_literal(
        "openshift_additional_registry_credentials",
        &format!(
            "[{{'host':'{0}','user':'bob','password':'builder','test_image':'a/b:1','tls_verify':False}},{{'host':'{0}/a','user':'bob','password':'builder','test_image':'none:1','tls_verify':False}}]",
            other.host()
        ),
    );
    let run = site.run(&["validate"]).expect(2);
    for verdict in ["refused", "proved", "not-found"] {
        assert_eq!(run.stdout.matches(&format!(" : {verdict}")).count(), 1, "{verdict}\n{}", run.stdout);
    }
}

#[test]
fn no_permission_is_distinguished_from_a_wrong_password() {
    let mut site = Site::new(1);
    let key = site.key().to_owned();
    site.set("oreg_url", &format!("{key}/somebody-else/image:1"));
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : no-permission"), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(site.registry.failed_logins(), 0);
}

#[test]
fn no_password_is_sent_to_a_secure_registry_over_http() {
    let mut site = Site::new(1);
    site.unset("openshift_docker_insecure_registries");
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : tls"), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(site.registry.requests(), [], "plain HTTP was spoken to a secure registry");
}

#[test]
fn a_realm_over_http_is_refused_before_the_password_is_sent() {
    let registry =
        Registry::start(Auth::Token(Transport::Http), Transport::Tls(Signer::Authority), &[(USER, PASSWORD)]);
    let authority = registry.ca_file().to_owned();
    let mut site = Site::with(registry, 1);
    site.unset("openshift_docker_insecure_registries");
    site.set("oreg_auth_password", "wrong");
    site.oregano.env("SSL_CERT_FILE", authority);
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : tls") && run.stderr.contains("http://"), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(site.registry.failed_logins(), 0, "the password was sent");
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_unless_tls_verify_is_off() {
    let registry = Registry::start(Auth::Basic, Transport::Tls(Signer::Authority), &[(USER, PASSWORD)]);
    let mut site = Site::with(registry, 1);
    site.run(&["validate"]).expect(0);
    site.unset("openshift_docker_insecure_registries");
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : tls"), "{}\n{}", run.stdout, run.stderr);
    // Challenge, login, image, and the image once more without credentials: all of them with `tls_verify` off.
    eventually("the last request is logged", || site.registry.requests().len() >= 4);
    assert_eq!(site.registry.requests().len(), 4, "{:?}", site.registry.requests());
}

#[test]
fn connection_refused_and_an_unknown_name() {
    let mut site = Site::new(1);
    let closed = ClosedPort::new();
    site.set("oreg_url", &format!("127.0.0.1:{}/a/b:1", closed.number()));
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : connection-refused"), "{}", run.stdout);
    site.set("oreg_url", "registry.invalid/a/b:1");
    let run = site.run(&["validate"]).expect(2);
    assert!(run.stdout.contains(" : dns"), "{}", run.stdout);
}

#[test]
fn a_registry_that_does_not_respond_is_a_timeout() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut site = Site::new(1);
    site.set("oreg_url", &format!("{}/a/b:1", silent.local_addr().unwrap()));
    let start = Instant::now();
    let run = site.run(&["validate", "--timeout", "1"]).expect(2);
    assert!(run.stdout.contains(" : timeout"), "{}", run.stdout);
    // Without the option the timeout would be thirty seconds.
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
}

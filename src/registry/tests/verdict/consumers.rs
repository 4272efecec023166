//! Warnings about what CRI-O, podman and docker do not do. tests/it/registry/consumers.rs compares the same responses with
//! skopeo.

use crate::registry::tests::prelude::*;
use crate::registry::tests::verdict::hint::secure;

/// The verdict on the right password, and the warnings except those about a password that is sent over plain HTTP.
async fn warned(
    script: impl Fn(&Received) -> Response<Body> + Clone + Send + Sync + 'static,
) -> (Verdict, Vec<String>) {
    let double = Double::start(script).await;
    let (fact, warnings) = inspect_with(&clients(), &registry(&double.host, "right"), TIMEOUT).await;
    let about_consumers = warnings.into_iter().filter(|warning| warning.contains("CRI-O"));
    (fact.verdict, about_consumers.map(|warning| warning.replace(&double.host, "HOST")).collect())
}

#[tokio::test]
async fn a_registry_that_requires_no_login_for_its_root() {
    const WARNING: &str = "registry `HOST` requires no login for `/v2/`, so CRI-O, podman and docker never log in to it, \
                           and cannot pull its private images: its operator must require a login for `/v2/`, too";
    let [bearer, basic]: [Script; 2] = [bearer_registry, basic_registry].map(|script| script as Script);
    for script in [bearer, basic] {
        let open = move |received: &Received| if received.path == "/v2/" { accepted() } else { script(received) };
        assert_eq!(warned(open).await, (Verdict::Proved, vec![WARNING.to_owned()]));
        // A challenge is read whatever the status is.
        let named = move |received: &Received| match received.path.as_str() {
            "/v2/" => {
                let mut response = script(received);
                *response.status_mut() = 200.try_into().unwrap();
                response
            }
            _ => script(received),
        };
        assert_eq!(warned(named).await, (Verdict::Proved, vec![]));
        assert_eq!(warned(script).await, (Verdict::Proved, vec![]));
    }
    // The user must fix another verdict first, and an open image needs no login.
    let missing = |received: &Received| match received.path.as_str() {
        "/v2/" => accepted(),
        _ if received.is_alice() => reply(404, &[], ""),
        _ => challenge_basic(),
    };
    assert_eq!(warned(missing).await, (Verdict::NotFound, vec![]));
    assert_eq!(warned(|_: &Received| manifest()).await, (Verdict::NotProved, vec![]));
}

#[tokio::test]
async fn a_challenge_that_only_we_read() {
    const WARNING: &str = "registry `HOST` names a scheme that is not supported first in its `WWW-Authenticate` header, so \
                           CRI-O, podman and docker never log in to it: its operator must send one header for each scheme";
    let cases: [(&[&str], &[&str]); 4] = [
        (&["Negotiate, Basic realm=x"], &[WARNING]),
        (&["Negotiate", "Basic realm=x"], &[]),
        (&["Basic realm=x, Negotiate"], &[]),
        (&["Bearer service=s", "Digest realm=y, Basic realm=x"], &[WARNING]),
    ];
    for (headers, expected) in cases {
        let script = move |received: &Received| match received.is_alice() {
            true => basic_registry(received),
            false => {
                let headers: Vec<_> = headers.iter().map(|value| ("www-authenticate", *value)).collect();
                reply(401, &headers, "")
            }
        };
        let expected = expected.iter().map(|&warning| warning.to_owned()).collect();
        assert_eq!(warned(script).await, (Verdict::Proved, expected), "{headers:?}");
    }
}

#[tokio::test]
async fn a_token_response_with_a_member_of_another_type() {
    let cases = [
        ("", None),
        (r#","expires_in":300,"issued_at":"2026-11-29T00:00:00Z""#, None),
        (r#","expires_in":null,"issued_at":null,"access_token":null"#, None),
        (r#","expires_in":-1,"issued_at":"2026-11-29T00:00:00.123456789+02:00""#, None),
        (r#","expires_in":"300""#, Some("expires_in")),
        (r#","expires_in":300.5"#, Some("expires_in")),
        (r#","expires_in":3e2"#, Some("expires_in")),
        (r#","expires_in":9223372036854775808"#, Some("expires_in")),
        (r#","issued_at":"""#, Some("issued_at")),
        (r#","issued_at":1764374400"#, Some("issued_at")),
        (r#","issued_at":"2026-11-29 00:00:00""#, Some("issued_at")),
        (r#","issued_at":"2026-11-29T00:00:00""#, Some("issued_at")),
        (r#","issued_at":"2026-11-29T00:00:00+0200""#, Some("issued_at")),
        (r#","access_token":7"#, Some("access_token")),
    ];
    for (members, unreadable) in cases {
        let script = move |received: &Received| match received.path.as_str() {
            "/token" if received.is_alice() => reply(200, &[], &format!(r#"{{"token":"opensesame"{members}}}"#)),
            _ => bearer_registry(received),
        };
        let warning = unreadable.map(|name| {
            format!(
                "registry `HOST` has a token server whose response has a member `{name}` of the wrong type, so CRI-O, \
                 podman and docker cannot log in: its operator must correct the token server"
            )
        });
        assert_eq!(warned(script).await, (Verdict::Proved, warning.into_iter().collect()), "{members}");
    }
}

#[tokio::test]
async fn a_warning_about_a_registry_is_shown_once_in_a_run() {
    let open = |received: &Received| match received.path.as_str() {
        "/v2/" => accepted(),
        path if path.starts_with("/v2/") && received.is_alice() => manifest(),
        _ => challenge_basic(),
    };
    let (one, two) = (Double::start(open).await, Double::start(open).await);
    let image = |double: &Double, name| Registry {
        image: format!("{}/team/{name}:v1", double.host),
        ..registry(&double.host, "right")
    };
    let registries = [image(&one, "a"), image(&one, "b"), image(&two, "a")];
    let warnings = Mutex::new(0);
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Warning(_) = event {
            *warnings.lock().unwrap() += 1;
        }
    };
    let (clients, logins) = (clients(), Arc::default());
    for _ in 0..2 {
        let facts = registry_prove(&clients, &logins, &registries, TIMEOUT, &Redactor::default(), on_event).await;
        assert!(facts.iter().all(|fact| fact.verdict == Verdict::Proved), "{facts:?}");
    }
    assert_eq!(warnings.into_inner().unwrap(), 2);
}

/// A registry over TLS that names its token server with `http://`, although that uses TLS, too. It redirects nothing: on
/// this port there is no plain HTTP.
async fn named_without_tls(token: Script) -> (Double, Registry) {
    let script = move |received: &Received| match received.path.as_str() {
        "/token" => token(received),
        _ => bearer_registry(received),
    };
    let (double, pem) = secure_registry_with("IP:127.0.0.1", 2, script).await;
    let wanted = secure(&double.host, Some(&pem));
    (double, wanted)
}

#[tokio::test]
async fn a_realm_without_tls_is_contacted_with_tls() {
    let (double, wanted) = named_without_tls(bearer_registry).await;
    let (fact, warnings) = inspect_with(&clients(), &wanted, TIMEOUT).await;
    assert_eq!(fact.verdict, Verdict::Proved, "{fact:?}");
    let expected = format!(
        "registry `{0}` uses HTTPS, but names its token server `http://{0}/token`: CRI-O, podman and docker send the \
         password there, and anyone on the network path can read it: its operator must correct its external URL, or let \
         the proxy in front of it send `X-Forwarded-Proto: https`",
        double.host
    );
    assert_eq!(warnings, [expected]);
    let (double, wanted) = named_without_tls(bearer_registry).await;
    let (fact, warnings) =
        inspect_with(&clients(), &Registry { password: Secret::new("wrong"), ..wanted.clone() }, TIMEOUT).await;
    assert_eq!((fact.verdict, warnings, double.logins()), (Verdict::Refused, vec![], 1), "{fact:?}");
    // Plain HTTP is permitted for an insecure registry, but this port uses TLS.
    let insecure = Registry { tls: TlsPolicy::Insecure, ca: None, ..wanted.clone() };
    let (fact, warnings) = inspect_with(&clients(), &insecure, TIMEOUT).await;
    assert_eq!((fact.verdict, warnings.len()), (Verdict::Proved, 1), "{fact:?} {warnings:?}");
    // The declared server is the same with both schemes.
    for (auth_server, verdict) in [(double.host.as_str(), Verdict::Proved), ("127.0.0.1", Verdict::RegistryError)] {
        let declared = Registry { auth_server: Some(auth_server.to_owned()), ..wanted.clone() };
        assert_eq!(inspect(&declared).await.verdict, verdict, "{auth_server}");
    }
}

#[tokio::test]
async fn a_realm_without_tls_where_tls_does_not_work_is_the_fault_of_the_registry() {
    let plain = Double::start(bearer_registry).await;
    let cases: [(Option<&Double>, Script, &str, usize); 5] = [
        (Some(&plain), |_| reply(500, &[], ""), "the port uses plain HTTP instead of TLS", 0),
        (None, |_| reply(404, &[], ""), "404 Not Found", 1),
        (None, |_| reply(200, &[], "<html>"), "200 OK without a token", 1),
        (None, |_| reply(302, &[("location", "/login")], ""), "302 Found: the password is not sent to the target", 1),
        (None, |_| reply(301, &[("location", "http://sso.example.com/")], ""), "301 Moved Permanently", 1),
    ];
    for (realm, token, cause, logins) in cases {
        let realm = realm.map(|double| double.host.clone());
        let script = move |received: &Received| {
            let host = realm.as_ref().unwrap_or(&received.host);
            let challenge = format!(r#"Bearer realm="http://{host}/token""#);
            if received.path == "/token" {
                token(received)
            } else {
                reply(401, &[("www-authenticate", &challenge)], "")
            }
        };
        let (double, pem) = secure_registry_with("IP:127.0.0.1", 2, script).await;
        let fact = inspect(&secure(&double.host, Some(&pem))).await;
        assert_eq!(fact.verdict, Verdict::Tls, "{fact:?}");
        let (text, hint) = (fact.cause.unwrap(), fact.hint.unwrap());
        assert!(text.starts_with("the realm `http://127.0.0.1:"), "{text}");
        assert!(text.contains("/token` is not HTTPS, and HTTPS does not work there: GET https://127.0.0.1:"), "{text}");
        assert!(text.contains(cause), "{text}");
        let expected = format!(
            "`{}` names the URL of its token server as if it were reached over plain HTTP: its operator must correct its \
             external URL, or let the proxy in front of it send `X-Forwarded-Proto: https`",
            double.host
        );
        assert_eq!(hint, expected);
        assert_eq!((double.logins(), plain.logins()), (logins, 0), "{cause}");
    }
}

//! Requests for the manifest.

use crate::registry::tests::prelude::*;

/// The methods of the requests for the manifest that carried a credential.
fn methods(double: &Double) -> Vec<String> {
    let ours =
        double.requests().into_iter().filter(|received| received.path == MANIFEST && received.authorization.is_some());
    ours.map(|received| received.method).collect()
}

#[tokio::test]
async fn get_follows_head_only_if_head_is_not_enough() {
    let cases: [(Script, Verdict, &[&str]); 6] = [
        (
            |received| if received.method == "HEAD" { reply(405, &[], "") } else { manifest() },
            Verdict::Proved,
            &["HEAD", "GET"],
        ),
        (|_| reply(200, &[("content-type", JSON)], "{}"), Verdict::Proved, &["HEAD", "GET"]),
        (|_| reply(200, &[("content-type", "text/html")], "{}"), Verdict::RegistryError, &["HEAD", "GET"]),
        (|_| manifest(), Verdict::Proved, &["HEAD"]),
        (|_| reply(404, &[], ""), Verdict::NotFound, &["HEAD", "GET"]),
        (|_| reply(429, &[("retry-after", "3600")], ""), Verdict::RateLimited, &["HEAD"]),
    ];
    for (script, verdict, expected) in cases {
        let double = Double::start(protected(script)).await;
        assert_eq!(inspect_double(&double).await.verdict, verdict);
        assert_eq!(methods(&double), expected);
    }
}

/// A registry that responds to HEAD with this status, whatever the credential is, and to GET as `script` does.
fn without_head(status: u16, script: Script) -> impl Fn(&Received) -> Response<Body> + Clone {
    move |received: &Received| match received.method.as_str() {
        "HEAD" => reply(status, &[("retry-after", "0")], ""),
        _ => script(received),
    }
}

/// A registry whose `/v2/` is open, and which serves its image for the right password.
fn basic_for_image(received: &Received) -> Response<Body> {
    if received.path == "/v2/" { accepted() } else { basic_registry(received) }
}

#[tokio::test(start_paused = true)]
async fn get_decides_where_head_is_not_served() {
    let public: Script = |received| match received.path.as_str() {
        MANIFEST => manifest(),
        _ => bearer_registry(received),
    };
    let missing: Script = |received| match received.authorization.as_deref() {
        Some("Bearer opensesame") => reply(404, &[], ""),
        _ => bearer_registry(received),
    };
    for status in [302, 400, 401, 403, 404, 405, 500, 503] {
        for (name, script, right, wrong) in [
            ("token", bearer_registry as Script, Verdict::Proved, Verdict::Refused),
            ("password", basic_registry, Verdict::Proved, Verdict::Refused),
            ("password for the image", basic_for_image, Verdict::Proved, Verdict::Refused),
            ("public", public, Verdict::NotProved, Verdict::Refused),
            ("missing", missing, Verdict::NotFound, Verdict::Refused),
        ] {
            for (password, verdict) in [("right", right), ("wrong", wrong)] {
                let double = Double::start(without_head(status, script)).await;
                let fact = inspect(&registry(&double.host, password)).await;
                assert_eq!(fact.verdict, verdict, "{name}, {password} password, HEAD {status}: {fact:?}");
                // Only a password that was accepted may be sent more than once.
                let failed = double.requests().iter().filter(|received| received.is_login("alice", "wrong")).count();
                assert_eq!(failed, usize::from(password == "wrong"), "{name}, HEAD {status}");
            }
        }
    }
}

#[tokio::test]
async fn get_decides_where_the_connection_is_closed_after_head() {
    let manifest = format!("content-type: {JSON}\r\ndocker-content-digest: sha256:0");
    let server = RawServer::start(move |connection| {
        let is_alice = connection.text.contains(&basic("alice", "right"));
        Reaction::Bytes(match (connection.is_tls, connection.text.split(' ').nth(1)) {
            (true, _) => NO_TLS.to_vec(),
            (_, Some(MANIFEST)) if connection.text.starts_with("HEAD") => return Reaction::Close,
            (_, Some(MANIFEST)) if is_alice => raw_response("200 OK", &manifest, "{}"),
            (_, Some("/v2/")) if is_alice => raw_response("200 OK", "x: y", "{}"),
            _ => raw_response("401 Unauthorized", "www-authenticate: Basic", ""),
        })
    });
    let fact = inspect(&registry(&server.await.host, "right")).await;
    assert_eq!(fact.verdict, Verdict::Proved, "{fact:?}");
}

#[tokio::test]
async fn all_manifest_formats_are_accepted() {
    // A registry with an image in a format that is not listed responds that there is no image.
    const FORMS: [&str; 6] = [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
    ];
    for (form, head) in FORMS.into_iter().flat_map(|form| [(form, true), (form, false)]) {
        let double = Double::start(move |received: &Received| {
            let named = received.accept.iter().any(|accept| accept.split(", ").any(|listed| listed == form));
            match (received.path.as_str(), received.method.as_str()) {
                (MANIFEST, _) if !received.is_alice() => challenge_basic(),
                (MANIFEST, _) if !named => reply(404, &[], ""),
                (MANIFEST, "HEAD") if !head => reply(405, &[], ""),
                (MANIFEST, _) => reply(200, &[("content-type", form), ("docker-content-digest", "sha256:0")], "{}"),
                _ => basic_registry(received),
            }
        });
        assert_eq!(inspect_double(&double.await).await.verdict, Verdict::Proved, "{form}");
    }
}

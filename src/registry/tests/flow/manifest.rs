//! Requests for the manifest.

use crate::registry::tests::prelude::*;

#[tokio::test]
async fn get_follows_head_only_if_head_is_not_enough() {
    let cases: [(Script, Verdict, &[&str]); 5] = [
        (
            |received| if received.method == "HEAD" { reply(405, &[], "") } else { manifest() },
            Verdict::Proved,
            &["HEAD", "GET"],
        ),
        (|_| reply(200, &[("content-type", JSON)], "{}"), Verdict::Proved, &["HEAD", "GET"]),
        (|_| reply(200, &[("content-type", "text/html")], "{}"), Verdict::RegistryError, &["HEAD", "GET"]),
        (|_| manifest(), Verdict::Proved, &["HEAD"]),
        (|_| reply(404, &[], ""), Verdict::NotFound, &["HEAD"]),
    ];
    for (script, verdict, methods) in cases {
        let double = Double::start(protected(script)).await;
        assert_eq!(inspect_double(&double).await.verdict, verdict);
        let ours = double
            .requests()
            .into_iter()
            .filter(|received| received.path == MANIFEST && received.authorization.is_some());
        let used: Vec<String> = ours.map(|received| received.method).collect();
        assert_eq!(used, methods);
    }
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

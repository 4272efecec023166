//! The platform of an API server whose responses do not show it, which no real server of the tests has.

use super::*;
use crate::facts::ApiPlatform;

/// The response to a path; `None` if there is no API group and no version.
type Response = fn(&str) -> Option<(u16, serde_json::Value)>;

async fn platform(response: Response) -> Result<ApiPlatform, PlatformFault> {
    let double = Double::start(move |seen, _| Some(response(&seen.path).unwrap_or((404, "not found".into())))).await;
    cluster(&double.url).platform().await
}

fn group(path: &str) -> (u16, serde_json::Value) {
    (200, json!({"kind": "APIGroup", "name": path.trim_start_matches("/apis/")}))
}

#[tokio::test]
async fn a_group_decides_the_platform() {
    let all = platform(|path| path.starts_with("/apis/").then(|| group(path)));
    assert_eq!(all.await, Ok(ApiPlatform::OpenShift4));
    let project = platform(|path| (path == "/apis/project.openshift.io").then(|| group(path)));
    assert_eq!(project.await, Ok(ApiPlatform::OpenShift3));
    let none = platform(|path| (path == "/version").then(|| (200, json!({"gitVersion": "v1.11.0"}))));
    assert_eq!(none.await, Ok(ApiPlatform::Kubernetes));
}

#[tokio::test]
async fn a_group_that_cannot_be_requested_is_not_known() {
    let cases: [(Response, &str); 5] = [
        (|path| path.contains("config").then(|| status(403, "Forbidden", "no discovery")), "403 Forbidden"),
        (|path| path.contains("config").then(|| status(500, "InternalError", "x")), "500 InternalError"),
        (|path| path.contains("apps").then(|| (502, "bad gateway".into())), "GET /apis/apps.openshift.io: 502"),
        // A proxy that responds to everything, and a web server that knows nothing of Kubernetes.
        (|_| Some((200, json!({}))), "GET /apis/config.openshift.io: the response is not of the Kubernetes API"),
        (|_| None, "GET /version: 404 without a Kubernetes status"),
    ];
    for (response, expected) in cases {
        let Err(PlatformFault::Unknown(failure)) = platform(response).await else { panic!("{expected}") };
        assert!(failure.message.starts_with("the platform of API server `http://127.0.0.1:"), "{failure:?}");
        assert!(failure.causes[0].contains(expected), "{expected}: {failure:?}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("oregano_platform")), "{expected}");
    }
}

#[tokio::test]
async fn a_server_that_rejects_the_credentials_is_unusable() {
    let found = platform(|_| Some(status(401, "Unauthorized", "Unauthorized"))).await;
    let Err(PlatformFault::Unusable(failure)) = found else { panic!("{found:?}") };
    assert!(failure.message.contains("rejected the credentials"), "{failure:?}");
}

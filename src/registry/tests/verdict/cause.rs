//! Causes: text from servers is scrubbed and shortened.

use crate::registry::tests::prelude::*;

#[tokio::test]
async fn a_long_text_with_control_characters_becomes_one_short_line() {
    let double = Double::start(|received: &Received| match (received.path.as_str(), &received.authorization) {
        ("/token", Some(value)) => {
            let text = format!("\x1b[2J{value} right\r\n opensesame {}", "x".repeat(200_000));
            reply(401, &[("content-type", "text/plain")], &text)
        }
        _ => bearer_registry(received),
    });
    let cause = inspect(&registry(&double.await.host, "wrong-password")).await.cause.unwrap();
    assert!(cause.chars().count() <= 300 && cause.contains("[redacted]"), "{cause}");
    assert!(!cause.chars().any(char::is_control) && !cause.contains("wrong-password"), "{cause}");
}

#[tokio::test]
async fn a_token_in_an_error_is_redacted() {
    let double = Double::start(|received: &Received| match (received.path.as_str(), &received.authorization) {
        ("/token", _) => token(),
        (MANIFEST, Some(_)) if received.method == "HEAD" => reply(405, &[], ""),
        (MANIFEST, Some(value)) => reply(403, &[("content-type", "text/plain")], value),
        _ => bearer_registry(received),
    });
    let cause = inspect_double(&double.await).await.cause.unwrap();
    assert!(cause.ends_with("403 Forbidden: Bearer [redacted]"), "{cause}");
}

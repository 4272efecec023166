//! How a run reports pull quotas: the warning, and `rate_limit` in the JSON lines.

use serde_json::{Value, json};

use crate::support::double::Double;
use crate::support::double::registry::{JSON, accepted, basic, challenge_basic, reply};
use crate::support::oregano::Oregano;

/// A registry with an image for alice, who has `remaining` pulls left.
fn limited(remaining: u32) -> Double {
    let alice = basic("alice", "s3cret");
    let (digest, remaining) = (format!("sha256:{}", "a".repeat(64)), format!("{remaining};w=21600"));
    Double::start(move |request| match request.method.as_str() {
        _ if request.authorization.as_ref() != Some(&alice) => challenge_basic(),
        "HEAD" => {
            let quota = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", remaining.as_str())];
            reply(200, &[&[("content-type", JSON), ("docker-content-digest", &digest)], &quota[..]].concat(), "")
        }
        _ => accepted(),
    })
}

#[test]
fn few_pulls_are_reported_and_many_are_not() {
    for (remaining, few) in [(7, true), (70, false)] {
        let (double, user) = (limited(remaining), Oregano::new());
        let host = double.host.clone();
        let entry = format!(
            "{{'host':'{host}','user':'alice','password':'s3cret','test_image':'team/app:v1','tls_verify':'False'}}"
        );
        let text = format!("[nodes]\nnode1\n\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entry}]\n");
        let hosts = user.write("hosts", text).display().to_string();

        let run = user.run(&["validate", "-i", &hosts]).expect(0);
        let quota = format!("{remaining} of 100 pulls left in 6 h");
        let warning = format!("warning: registry `{host}` has few pulls left for user `alice`: {quota}\n");
        assert_eq!(run.stderr.contains(&warning), few, "{}", run.stderr);
        assert_eq!(run.stderr.contains(&quota), few, "{}", run.stderr);

        let all = user.run(&["validate", "-v", "-i", &hosts]).expect(0);
        assert!(all.stdout.contains(&format!(" as `alice` ({quota})\n")), "{}", all.stdout);

        let lines = user.run(&["validate", "--output", "json", "-i", &hosts]).expect(0).events();
        let row = lines.iter().find(|line| line["event"] == "registry").unwrap();
        let expected = json!({"limit": 100, "remaining": remaining, "window": 21_600});
        let recap: &Value = &lines.last().unwrap()["registries"][0];
        assert_eq!([&row["rate_limit"], &recap["rate_limit"]], [&expected, &expected]);
    }
}

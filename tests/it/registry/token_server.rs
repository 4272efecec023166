//! Token servers that a registry names: the warning before a password is sent there, and identity tokens instead of
//! passwords.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::double::Double;
use crate::support::double::registry::reply;
use crate::support::oregano::Oregano;
use crate::support::process::eventually;
use crate::support::registry::{Auth, Registry, Transport};

const USER: &str = "alice";
const PASSWORD: &str = "s3cr:et'<&>";

/// An inventory with one entry, whose image is `alice/app:v1` on `host`.
fn inventory(user: &Oregano, host: &str, more: &str) -> String {
    let entry = format!("{{'host':'{host}','test_image':'alice/app:v1','tls_verify':'False',{more}}}");
    let text = format!("[nodes]\nnode1\n\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entry}]\n");
    user.write("hosts", text).display().to_string()
}

#[test]
fn a_token_server_of_another_domain_is_reported_before_it_gets_the_password() {
    // A user who sets `auth_server` accepts the other domain, but not necessarily plain HTTP.
    for named in [false, true] {
        let (asked, was_asked) = channel();
        let (go, may_go) = channel::<()>();
        let may_go = Arc::new(Mutex::new(may_go));
        let double = Double::start(move |request| {
            if request.path != "/token" {
                let port = request.host.rsplit_once(':').unwrap().1;
                let realm = format!("Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"s\"");
                return reply(401, &[("www-authenticate", &realm)], "");
            }
            let is_login = |value: &String| value.starts_with("Basic ");
            asked.send(request.authorization.as_ref().is_some_and(is_login)).unwrap();
            // It waits until the test has read the output, or has failed and has dropped the sender.
            let _ = may_go.lock().unwrap().recv();
            reply(401, &[("content-type", "application/json")], "{}")
        });
        let user = Oregano::new();
        let server = if named { format!(",'auth_server':'{}'", double.host) } else { String::new() };
        let host = format!("localhost:{}", double.port());
        let hosts = inventory(&user, &host, &format!("'user':'{USER}','password':'s3cret'{server}"));
        let run = user.start(&["validate", "-i", &hosts]);
        assert!(
            was_asked.recv_timeout(Duration::from_secs(20)).unwrap(),
            "the token server was asked without the password first"
        );
        let to = match named {
            true => format!("over plain HTTP to its token server `{}`: anyone on the", double.host),
            false => format!("to the token server `{}` of another domain, over plain HTTP: anyone", double.host),
        };
        let warning = format!("registry `{host}` has the password of user `{USER}` sent {to}");
        // The warning was reported before the password was sent; printing may take a moment longer.
        eventually("the warning is printed", || run.stderr().contains(&warning));
        go.send(()).unwrap();
        drop(go);
        let end = run.wait().expect(2);
        assert_eq!(end.stderr.matches("over plain HTTP").count(), 1, "{}", end.stderr);
        assert_eq!(end.stderr.contains("auth_server"), !named, "{}", end.stderr);
        assert!(end.stdout.contains(" : refused\n"), "{}", end.stdout);
    }
}

#[test]
fn an_identity_token_of_a_real_token_server_proves_the_image() {
    let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, PASSWORD)]);
    registry.push("alice/app", "v1", USER, PASSWORD);
    let token = registry.identity_token(USER, PASSWORD);
    let other: String = token.chars().rev().collect();
    let user = Oregano::new();
    for (token, status, verdict) in [(&token, 0, "proved"), (&other, 2, "refused")] {
        let hosts = inventory(&user, registry.host(), &format!("'user':'{USER}','identity_token':'{token}'"));
        let run = user.run(&["validate", "-i", &hosts]).expect(status);
        assert!(run.stdout.contains(&format!(" : {verdict}\n")), "{}{}", run.stdout, run.stderr);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(token.as_str()), "{}{}", run.stdout, run.stderr);
    }
    assert_eq!(registry.failed_logins(), 0, "{}", registry.log());
}

#[test]
fn a_token_server_that_does_not_exist_is_not_reported_as_the_registry() {
    let double = Double::start(|_| {
        let realm = "Bearer realm=\"http://127.0.0.1:1/token\",service=\"s\"";
        reply(401, &[("www-authenticate", realm)], "")
    });
    let (user, host) = (Oregano::new(), double.host.clone());
    let hosts = inventory(&user, &host, &format!("'user':'{USER}','password':'s3cret'"));
    let cause = "GET http://127.0.0.1:1/token: connection refused";
    let hint = format!(
        "is a token server running at `127.0.0.1:1`? check the firewall; `{host}` names it as its token \
         server: if that is wrong, contact its operator"
    );
    let run = user.run(&["validate", "-i", &hosts]).expect(2);
    let message = format!("error: the token server `127.0.0.1:1` of registry `{host}` does not accept connections");
    let report = format!("{message}\n  caused by: {cause}\nhint: {hint}\n");
    assert!(run.stderr.contains(&report), "{}", run.stderr);
    assert!(run.stdout.contains(" : connection-refused\n"), "{}", run.stdout);

    let run = user.run(&["validate", "-i", &hosts, "--output", "json"]).expect(2);
    let events = run.events();
    let row = events.iter().find(|event| event["event"] == "registry").unwrap();
    assert_eq!((&row["verdict"], &row["token_server"]), (&"connection-refused".into(), &"127.0.0.1:1".into()));
    assert_eq!((&row["causes"][0], &row["hint"]), (&cause.into(), &hint.as_str().into()));
}

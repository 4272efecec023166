//! The proxies that the environment names.

use crate::support::double::Double;
use crate::support::double::registry::challenge_basic;
use crate::support::oregano::Oregano;

#[test]
fn a_variable_that_holds_no_url_is_named_where_it_would_be_used() {
    let double = Double::start(|_| challenge_basic());
    let (host, broken) = (double.host.clone(), "http://eve:hunter2@proxy:x");
    let check = |name: &str, exceptions: &str| {
        format!("hint: check {name}: `http://user:password@host:port`, or add `{host}` to {exceptions}\n")
    };
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Variables<'_>, String); 3] = [
        (&[("HTTPS_PROXY", broken), ("NO_PROXY", "127.0.0.1")], format!("registry `{host}` refused the credentials")),
        (&[("ALL_PROXY", broken)], check("ALL_PROXY", "NO_PROXY")),
        (
            &[("HTTPS_PROXY", ""), ("https_proxy", broken), ("NO_PROXY", ""), ("no_proxy", "example.com")],
            check("https_proxy", "no_proxy"),
        ),
    ];
    for (variables, expected) in cases {
        let mut user = Oregano::new();
        for (name, value) in variables {
            user.env(name, value);
        }
        let arguments = ["login", &host, "-u", "alice", "--password-stdin", "--tls-verify=false", "--to", "auth.json"];
        let run = user.run_with_input(&arguments, "s3cret").expect(2);
        assert!(run.stderr.contains(&expected), "{variables:?}: {}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}

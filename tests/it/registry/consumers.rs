//! Registries with unusual responses, and skopeo (containers/image, as CRI-O and podman use it) as the oracle: a credential
//! is proved without a warning exactly if skopeo can inspect the image with it, and proved with a warning if only oregano
//! can.

use std::fs;
use std::process::{Command, Stdio};

use axum::body::Body;
use axum::http::Response;
use flate2::Compression;
use flate2::read::GzEncoder;

use crate::support::certificate::Signer;
use crate::support::double::Double;
use crate::support::double::registry::{
    MANIFEST, Received, accepted, basic_registry, bearer_registry, challenge_basic, manifest, reply, token,
};
use crate::support::oregano::{Finished, Oregano};
use crate::support::process::{eventually, program};
use crate::support::registry::{Auth, Registry, Transport};

const USER: &str = "alice";
const PASSWORD: &str = "right";

/// Whether skopeo gets the manifest.
fn skopeo_inspects(user: &Oregano, host: &str, image: &str, options: &[&str]) -> bool {
    let output = Command::new(program("skopeo"))
        .args(["inspect", "--raw", "--creds", &format!("{USER}:{PASSWORD}")])
        .args(options)
        .arg(format!("docker://{host}/{image}"))
        .env_clear()
        .env("HOME", user.home())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.status.success()
}

fn validate(user: &Oregano, host: &str, image: &str, tls_verify: &str, more: &[&str]) -> Finished {
    let entry = format!(
        "{{'host':'{host}','user':'{USER}','password':'{PASSWORD}','test_image':'{image}','tls_verify':'{tls_verify}'}}"
    );
    let text = format!("[nodes]\nnode1\n\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entry}]\n");
    let hosts = user.write("hosts", text).display().to_string();
    user.run(&[&["validate", "-i", &hosts], more].concat())
}

/// The warnings about consumers in the text output, which must be the same in the JSON output.
fn warnings(text: &Finished, json: &Finished) -> Vec<String> {
    let shown: Vec<String> =
        text.stderr.lines().filter_map(|line| line.strip_prefix("warning: ")).map(str::to_owned).collect();
    let events = json.events();
    let machine: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "warning")
        .map(|event| event["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown, machine);
    shown.into_iter().filter(|warning| warning.contains("CRI-O")).collect()
}

type Script = fn(&Received) -> Response<Body>;

/// The response of a token server to the right password.
fn with_token(received: &Received, response: Response<Body>) -> Response<Body> {
    if received.path == "/token" && received.is_alice() { response } else { bearer_registry(received) }
}

fn without_head(received: &Received, status: u16, script: Script) -> Response<Body> {
    if received.method == "HEAD" { reply(status, &[], "") } else { script(received) }
}

fn two_challenges(received: &Received, first: &str, second: &str) -> Response<Body> {
    let realm = format!(r#"Bearer realm="http://{}/token",service="s""#, received.host);
    let [first, second] = [first, second].map(|text| if text == "Bearer" { realm.clone() } else { text.to_owned() });
    reply(401, &[("www-authenticate", &first), ("www-authenticate", &second)], "")
}

/// A name, the responses, whether skopeo can use the registry, the verdict, and a part of the warning.
const CASES: [(&str, Script, bool, &str, &str); 15] = [
    ("an ordinary registry", bearer_registry, true, "proved", ""),
    ("HEAD is 403", |received| without_head(received, 403, bearer_registry), true, "proved", ""),
    ("HEAD is 404", |received| without_head(received, 404, basic_registry), true, "proved", ""),
    ("HEAD is 400", |received| without_head(received, 400, bearer_registry), true, "proved", ""),
    ("HEAD is 500", |received| without_head(received, 500, basic_registry), true, "proved", ""),
    (
        "/v2/ is open, the image requires a password",
        |received| if received.path == "/v2/" { accepted() } else { basic_registry(received) },
        false,
        "proved",
        "requires no login for `/v2/`, so CRI-O, podman and docker never log in to it",
    ),
    (
        "/v2/ is open, the image requires a token",
        |received| if received.path == "/v2/" { accepted() } else { bearer_registry(received) },
        false,
        "proved",
        "requires no login for `/v2/`, so CRI-O, podman and docker never log in to it",
    ),
    (
        "/v2/ is open, and names a scheme anyway",
        |received| match received.path.as_str() {
            "/v2/" => reply(200, &[("www-authenticate", "Basic realm=x")], "{}"),
            _ => basic_registry(received),
        },
        true,
        "proved",
        "",
    ),
    (
        "two schemes in one header",
        |received| match received.is_alice() {
            true => basic_registry(received),
            false => reply(401, &[("www-authenticate", "Negotiate, Basic realm=x")], ""),
        },
        false,
        "proved",
        "names a scheme that is not supported first",
    ),
    (
        "Basic before Bearer, and the password is wrong for Basic",
        |received| match received.path.as_str() {
            "/token" => token(),
            MANIFEST if received.authorization.as_deref() == Some("Bearer opensesame") => manifest(),
            _ => two_challenges(received, "Basic realm=x", "Bearer"),
        },
        false,
        "refused",
        "",
    ),
    (
        "Bearer before Basic, and the password is wrong for Basic",
        |received| match received.path.as_str() {
            "/token" if received.is_alice() => token(),
            MANIFEST if received.authorization.as_deref() == Some("Bearer opensesame") => manifest(),
            _ => two_challenges(received, "Bearer", "Basic realm=x"),
        },
        true,
        "proved",
        "",
    ),
    (
        "expires_in is text",
        |received| with_token(received, reply(200, &[], r#"{"token":"opensesame","expires_in":"300"}"#)),
        false,
        "proved",
        "a member `expires_in` of the wrong type",
    ),
    (
        "issued_at is not a time",
        |received| with_token(received, reply(200, &[], r#"{"token":"opensesame","issued_at":"2026-11-29 00:00:00"}"#)),
        false,
        "proved",
        "a member `issued_at` of the wrong type",
    ),
    (
        "a response of 900 KiB",
        |received| {
            let long = "x".repeat(900 * 1024);
            with_token(received, reply(200, &[], &format!(r#"{{"token":"opensesame","refresh_token":"{long}"}}"#)))
        },
        true,
        "proved",
        "",
    ),
    (
        "a compressed response",
        |received| {
            let mut compressed = Vec::new();
            let mut encoder = GzEncoder::new(&br#"{"token":"opensesame"}"#[..], Compression::fast());
            std::io::Read::read_to_end(&mut encoder, &mut compressed).unwrap();
            let mut response = reply(200, &[("content-encoding", "gzip")], "");
            *response.body_mut() = Body::from(compressed);
            with_token(received, response)
        },
        true,
        "proved",
        "",
    ),
];

#[test]
fn a_warning_says_where_only_oregano_can_use_a_registry() {
    let user = Oregano::new();
    for (name, script, works, verdict, warning) in CASES {
        let double = Double::start(script);
        let (host, image) = (double.host.as_str(), "team/app:v1");
        assert_eq!(skopeo_inspects(&user, host, image, &["--tls-verify=false"]), works, "skopeo: {name}");
        let text = validate(&user, host, image, "False", &[]);
        assert!(text.stdout.contains(&format!(" : {verdict}\n")), "{name}: {}{}", text.stdout, text.stderr);
        let shown = warnings(&text, &validate(&user, host, image, "False", &["--output", "json"]));
        assert_eq!(shown.len(), usize::from(!warning.is_empty()), "{name}: {shown:?}");
        assert_eq!(shown.is_empty() && verdict == "proved", works, "{name}");
        let expected = if warning.is_empty() { String::new() } else { format!("registry `{host}` ") };
        assert!(shown.iter().all(|shown| shown.starts_with(&expected) && shown.contains(warning)), "{name}: {shown:?}");
    }
}

#[test]
fn a_realm_without_tls_is_not_used_by_oregano_and_used_by_skopeo() {
    let tls = Transport::Tls(Signer::Authority);
    let users = [(USER, PASSWORD)];
    for auth in [Auth::Token(Transport::Http), Auth::TokenNamedHttp(Signer::Authority)] {
        let (registry, user) = (Registry::start(auth, tls, &users), Oregano::new());
        registry.push("alice/app", "v1", USER, PASSWORD);
        let (host, image) = (registry.host(), "alice/app:v1");
        let folder = format!(".config/containers/certs.d/{host}");
        user.write(&format!("{folder}/registry.crt"), fs::read(registry.ca_file()).unwrap());
        if auth != Auth::Token(Transport::Http) {
            user.write(&format!("{folder}/realm.crt"), fs::read(registry.realm_ca_file()).unwrap());
        }
        let certificates = format!("--cert-dir={}", user.home().join(folder).display());
        let text = validate(&user, host, image, "True", &[]);
        let shown = warnings(&text, &validate(&user, host, image, "True", &["--output", "json"]));
        assert!(!text.stderr.contains("tls_verify"), "{}", text.stderr);
        let realm = format!("http://{}/token/", registry.realm_host());
        match auth {
            // The token server has no TLS. skopeo sends it the password.
            Auth::Token(_) => {
                assert!(skopeo_inspects(&user, host, image, &[&certificates]));
                assert!(text.stdout.contains(" : tls\n"), "{}{}", text.stdout, text.stderr);
                assert!(text.stderr.contains(&format!("the realm `{realm}` is not HTTPS")), "{}", text.stderr);
                assert!(
                    text.stderr.contains("its operator must correct its external URL, or let the proxy in front of it")
                );
                assert_eq!(shown, Vec::<String>::new());
            }
            // The token server has only TLS, so skopeo, which sends it plain HTTP, fails.
            _ => {
                assert!(!skopeo_inspects(&user, host, image, &[&certificates]));
                assert!(text.stdout.contains(" : proved\n"), "{}{}", text.stdout, text.stderr);
                assert_eq!(shown.len(), 1, "{shown:?}");
                assert!(shown[0].contains(&format!("names its token server `{realm}`")), "{shown:?}");
            }
        }
    }
}

#[test]
fn a_wrong_password_is_one_failed_login_for_all_unusual_responses() {
    let user = Oregano::new();
    for (name, script, ..) in CASES.into_iter().filter(|(name, ..)| !name.contains("is wrong for Basic")) {
        // The right password is unknown here.
        let double = Double::start(move |received: &Received| match &received.authorization {
            Some(value) if value.starts_with("Basic ") => challenge_basic(),
            _ => script(received),
        });
        let run = validate(&user, &double.host, "team/app:v1", "False", &[]);
        assert!(run.stdout.contains(" : refused\n"), "{name}: {}{}", run.stdout, run.stderr);
        eventually(name, || double.logins() == 1);
    }
}

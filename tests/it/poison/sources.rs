//! Every source from which an inventory gets a secret, and servers that send back what they receive.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{PROXY, PROXY_USER, REGISTRY, both, echo, left_nothing, watched};
use crate::support::oregano::Oregano;
use crate::support::registry::{Auth, Registry, Transport};
use crate::support::site::USER;

#[test]
fn no_source_of_a_secret_shows_it() {
    let registry = Registry::start(Auth::Basic, Transport::Http, &[(USER, REGISTRY)]);
    registry.push("team/app", "v1", USER, REGISTRY);
    let (mut user, echo) = (Oregano::new(), echo());
    let path = format!("{}:{}", user.home().join("bin").display(), std::env::var("PATH").unwrap());
    user.env("PATH", path);
    user.write("password", REGISTRY);
    user.write("answer", json!({"Username": USER, "Secret": REGISTRY}).to_string());
    let helper = user.write("bin/docker-credential-lab", "#!/bin/sh\ncat >/dev/null; exec cat \"$HOME/answer\"\n");
    fs::set_permissions(helper, Permissions::from_mode(0o755)).unwrap();
    let auth = STANDARD.encode(format!("{USER}:{REGISTRY}"));
    let entries = [registry.host(), &echo.host].map(|host| (host.to_owned(), json!({"auth": auth})));
    let file = json!({"auths": entries.into_iter().collect::<serde_json::Map<_, _>>()}).to_string();
    user.write("auth.json", &file);
    user.write("secret.yml", format!("kind: Secret\ndata: {{.dockerconfigjson: {}}}\n", STANDARD.encode(&file)));
    user.write("half.json", file.trim_end_matches('}'));
    let literal = format!("'{}'", REGISTRY.replace('\'', "\\'"));
    let proxy = format!("'password_file': 'password', 'proxy': 'http://{PROXY_USER}:{PROXY}@{}'", echo.host);
    let broken = proxy.replace("http:", "ftp:");
    let sources = [
        format!("'password': {literal}"),
        format!("'identity_token': {literal}"),
        "'password_file': 'password'".to_owned(),
        "'password_command': 'cat password'".to_owned(),
        "'password_command': 'cat password >&2; cat password; exit 3'".to_owned(),
        "'credential_helper': 'lab'".to_owned(),
        "'from_file': 'auth.json'".to_owned(),
        "'from_file': 'secret.yml'".to_owned(),
        "'from_file': 'half.json'".to_owned(),
        proxy,
        broken,
    ];
    let secrets = [(USER, REGISTRY), (PROXY_USER, PROXY)];
    let seen = watched(|| {
        let mut outputs = String::new();
        for (host, source) in
            [registry.host(), &echo.host].iter().flat_map(|host| sources.iter().map(move |one| (host, one)))
        {
            let who =
                if source.contains("helper") || source.contains("from_file") { "" } else { "'user': 'openshift3'," };
            let entry =
                format!("{{'host': '{host}', {who} 'test_image': 'team/app:v1', 'tls_verify': 'False', {source}}}");
            let text = format!("[nodes]\nnode1\n[nodes:vars]\nopenshift_additional_registry_credentials=[{entry}]\n");
            let hosts = user.write("hosts", text).display().to_string();
            for format in ["text", "json"] {
                outputs += &both(&user.run(&["validate", "-i", &hosts, "--output", format, "-vvv"]));
            }
            outputs += &both(&user.run(&["inventory", "--check", "-i", &hosts]));
        }
        for (mode, file) in ["append", "replace"]
            .iter()
            .flat_map(|mode| ["auth.json", "secret.yml", "half.json"].map(|file| (mode, file)))
        {
            let global = format!("oregano_global_pull_secret={{'mode': '{mode}', 'from_file': '{file}'}}\n");
            let text = format!("[nodes]\nnode1\n[nodes:vars]\noregano_platform=openshift-4\n{global}");
            let hosts = user.write("hosts", text).display().to_string();
            outputs += &both(&user.run(&["validate", "-i", &hosts, "-vvv"]));
            outputs += &both(&user.run(&["inventory", "--check", "-i", &hosts]));
        }
        outputs
    });
    let shown = [
        " : proved\n",
        " : refused\n",
        " : proxy\n",
        "exit status: 3",
        "a scheme that is not",
        "proxy authorization",
        "[redacted]",
    ];
    seen.says_but_not(&shown, &secrets);
    seen.environments_hold_none(&secrets);
    left_nothing(&user);
}

//! Random images, keys and files, most of which are similar.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::oracle::{FILES, Question, Secret};
use crate::inventory::random;

const IMAGES: [&str; 24] = [
    "quay.io/team/app:v1",
    "quay.io/team/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "quay.io/teamx/app",
    "quay.io/app",
    "quay.io:443/team/app",
    "QUAY.io/team/app",
    "quay.io/Team/app",
    "a.example.com/x/y:1",
    "a.b.example.com/x",
    "example.com/team/app",
    "reg-1.example.com/team/app",
    "nginx",
    "nginx:1.27",
    "team/app",
    "docker.io/nginx",
    "docker.io/team/app",
    "index.docker.io/team/app",
    "registry-1.docker.io/team/app",
    "localhost/app",
    "localhost:5000/team/app",
    "Registry/team/app",
    "[::1]:5000/team/app",
    "a_b.c/app",
    "quay.io/team/app:v1@sha256:abc",
];

const HOSTS: [&str; 24] = [
    "quay.io",
    "quay.io",
    "quay.io",
    "quay.io:443",
    "QUAY.io",
    "*.io",
    "q*y.io",
    "*",
    "*.*",
    "*.example.com",
    "*.*.example.com",
    "a.example.com",
    "example.com",
    "reg-?.example.com",
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "localhost",
    "localhost:5000",
    "me@quay.io",
    "quay.io:",
    "[::1]:5000",
    "a_b.c",
    "qu ay.io",
];

const PATHS: [&str; 22] = [
    "",
    "",
    "",
    "",
    "/",
    "/v1/",
    "/v2/",
    "/v1",
    "/v2/team",
    "/team",
    "/team/",
    "/team/app",
    "/team/app/",
    "/te",
    "/app",
    "/x",
    "/library/nginx",
    "/library",
    "/te%61m",
    "/%zz",
    "/team?a=b",
    "/team#b",
];

/// A placeholder for the host of the image.
const OWN: &str = "OWN";

/// The key of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// How an entry is written.
#[derive(Debug, Clone, Copy)]
enum Written {
    Auth,
    Unpadded,
    Broken,
    Members,
    UserOnly,
    Both,
    Token,
    TokenOnly,
    Nulls,
    Null,
    Nothing,
    EmptyLogin,
    NoPassword,
    NoUser,
    NoColon,
    NotBase64,
    AuthOfWrongType,
    UserOfWrongType,
    OtherCase,
    Twice,
    NullAfter,
    TokenInOtherCase,
    WrongTypeInOtherCase,
}

#[derive(Debug, Clone)]
enum Content {
    Entries { entries: Vec<(String, Written)>, helper: Option<&'static str>, store: bool },
    Text(&'static str),
}

/// A question before its files are written.
#[derive(Debug, Clone)]
pub struct Random {
    image: String,
    files: Vec<(Content, Shape)>,
    legacy: Vec<(Content, Shape)>,
    secrets: Vec<(Content, &'static str)>,
    variable: Option<Variable>,
}

/// `DOCKER_AUTH_CONFIG`, of which docker accepts only one form.
#[derive(Debug, Clone)]
struct Variable {
    entries: Vec<(String, Written)>,
    /// The name of `auths`.
    name: &'static str,
    /// What follows the JSON object.
    end: &'static str,
}

/// Whether the entries are members of `auths`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Config,
    Legacy,
}

pub type Tree = Box<dyn ValueTree<Value = Random>>;

pub struct Generator {
    runner: TestRunner,
    strategy: BoxedStrategy<Random>,
}

impl Generator {
    pub fn new() -> Self {
        Self { runner: random::runner(), strategy: strategy().boxed() }
    }

    pub fn take(&mut self, count: usize) -> Vec<Tree> {
        (0..count).map(|_| self.strategy.new_tree(&mut self.runner).unwrap()).collect()
    }
}

/// The question that a tree currently describes.
pub fn question(tree: &Tree) -> Question {
    write(&tree.current())
}

/// The report of the simplest question near a failing one that still fails.
pub fn smallest(tree: &mut Tree, first: String, fails: impl Fn(&Question) -> Option<String>) -> String {
    let mut report = first;
    for _ in 0..150 {
        if !tree.simplify() {
            break;
        }
        match fails(&question(tree)) {
            Some(more) => report = more,
            None if !tree.complicate() => break,
            None => {}
        }
    }
    report
}

fn strategy() -> impl Strategy<Value = Random> {
    let image = prop_oneof![
        8 => select(IMAGES.as_slice()).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9._:/@-]{0,12}",
        1 => ("[a-z]{1,3}[._-]{0,2}[a-z0-9]{0,3}", "(/[a-zA-Z._-]{0,4}){0,3}", "(:[a-z0-9.]{0,4})?")
            .prop_map(|(host, path, tag)| format!("{host}{path}{tag}")),
    ];
    let shape = |usual: Shape, other: Shape| prop_oneof![12 => Just(usual), 1 => Just(other)];
    let types = select(
        ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg", "Opaque"]
            .as_slice(),
    );
    let files = prop::collection::vec((content(), shape(Shape::Config, Shape::Legacy)), 0..=FILES);
    let legacy = prop::collection::vec((content(), shape(Shape::Legacy, Shape::Config)), 0..=1);
    let secrets = prop::collection::vec((content(), types), 0..=2);
    let variable = prop_oneof![2 => Just(None), 1 => variable().prop_map(Some)];
    (image, files, legacy, secrets, variable).prop_map(|(image, files, legacy, secrets, variable)| Random {
        image,
        files,
        legacy,
        secrets,
        variable,
    })
}

fn variable() -> impl Strategy<Value = Variable> {
    use Written::*;
    let key = prop_oneof![3 => Just(OWN.to_owned()), 1 => Just(HUB_KEY.to_owned()), 2 => key()];
    let odd = vec![NoPassword, NoUser, NoColon, NotBase64, Broken, Unpadded, Members, Null, Nothing, AuthOfWrongType];
    let written = prop_oneof![12 => Just(Auth), 1 => select(odd)];
    let name = prop_oneof![12 => Just("auths"), 1 => Just("Auths"), 1 => Just("auth")];
    let end = prop_oneof![12 => Just(""), 1 => Just("} x"), 1 => Just("\n{}")];
    (prop::collection::vec((key, written), 0..4), name, end).prop_map(|(entries, name, end)| Variable {
        entries,
        name,
        end,
    })
}

fn key() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![
        6 => Just(""),
        2 => Just("https://"),
        1 => Just("http://"),
        1 => Just("ftp://"),
        1 => Just("HTTPS://"),
    ];
    let host = prop_oneof![2 => Just(OWN), 1 => select(HOSTS.as_slice())];
    (scheme, host, select(PATHS.as_slice())).prop_map(|(scheme, host, path)| format!("{scheme}{host}{path}"))
}

fn content() -> impl Strategy<Value = Content> {
    let entries = prop::collection::vec((key(), written()), 0..5);
    let helper = prop_oneof![9 => Just(None), 1 => select(HOSTS.as_slice()).prop_map(Some)];
    let store = prop_oneof![14 => Just(false), 1 => Just(true)];
    let texts = [
        "",
        " ",
        "null",
        "{}",
        "[]",
        "{",
        "7",
        r#"{"auths":null}"#,
        r#"{"auths":[]}"#,
        r#"{"auths":{},"x":[1]}"#,
        // Go compares the names of members without case, merges maps, and uses the last text.
        r#"{"AUTHS":{"OWN":{"auth":"YTpi"}}}"#,
        r#"{"Auths":{"OWN":{"auth":"YTpi"}},"auths":null}"#,
        r#"{"auths":null,"Auths":{"OWN":{"auth":"YTpi"}}}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi"}},"AUTHS":{"OWN":{"auth":"Yzpk"}}}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi","identitytoken":"t"}},"Auths":{"OWN":null}}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi"}},"auths":{"OWN":{"auth":"Yzpk","auth":"ZTpm"}}}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi"}},"Auths":7}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi"}},"CredHelpers":{"OWN":"nowhere"}}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi"}},"credHelpers":{"OWN":"nowhere"},"CREDHELPERS":null}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi"}},"credSstore":"nowhere"}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi"}},"credsStore":"nowhere","credſſtore":""}"#,
        r#"{"auths":{"OWN":{"auth":"YTpi"}},"httpheaders":{"a":1}}"#,
        r#"{"OWN":{"AUTH":"YTpi"},"Auths":{}}"#,
    ];
    prop_oneof![
        10 => (entries, helper, store).prop_map(|(entries, helper, store)| Content::Entries { entries, helper, store }),
        1 => select(texts.to_vec()).prop_map(Content::Text),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    use Written::*;
    let odd = vec![
        Unpadded,
        Broken,
        Members,
        Members,
        UserOnly,
        Both,
        Token,
        TokenOnly,
        Nulls,
        Null,
        Nothing,
        Nothing,
        EmptyLogin,
        NoPassword,
        NoUser,
        NoColon,
        NotBase64,
        AuthOfWrongType,
        UserOfWrongType,
        OtherCase,
        Twice,
        NullAfter,
        TokenInOtherCase,
        WrongTypeInOtherCase,
    ];
    prop_oneof![5 => Just(Auth), 2 => select(odd)]
}

/// Every entry has a different user.
fn write(random: &Random) -> Question {
    let mut number = 0;
    let host = match random.image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "index.docker.io",
    };
    let mut text = |content: &Content, shape| text(content, shape, &mut number).replace(OWN, host);
    let files = random.files.iter().map(|(content, shape)| text(content, *shape)).collect();
    let legacy = random.legacy.iter().map(|(content, shape)| text(content, *shape)).collect();
    let secrets = random.secrets.iter().enumerate().map(|(at, (content, type_))| {
        let config = (*type_ != "kubernetes.io/dockercfg").then(|| text(content, Shape::Config));
        let legacy = (*type_ == "kubernetes.io/dockercfg").then(|| text(content, Shape::Legacy));
        Secret { name: format!("secret{at}"), type_: (*type_).to_owned(), config, legacy }
    });
    let secrets = secrets.collect();
    let docker_auth_config = random.variable.as_ref().map(|variable| {
        let mut entries = Map::new();
        for (key, written) in &variable.entries {
            number += 1;
            let mut entry = entry(*written, number);
            if let Some(members) = entry.as_object_mut() {
                members.remove("email");
            }
            entries.insert(key.clone(), entry);
        }
        (json!({variable.name: entries}).to_string() + variable.end).replace(OWN, host)
    });
    Question { image: random.image.clone(), secrets, files, docker_auth_config, legacy }
}

fn text(content: &Content, shape: Shape, number: &mut usize) -> String {
    let (entries, helper, store) = match content {
        Content::Text(text) => return (*text).to_owned(),
        Content::Entries { entries, helper, store } => (entries, helper, store),
    };
    let mut map = Map::new();
    for (key, written) in entries {
        *number += 1;
        map.insert(key.clone(), entry(*written, *number));
    }
    if shape == Shape::Legacy {
        return Value::Object(map).to_string();
    }
    let mut root = json!({"auths": map, "other": {"kept": [1, null]}});
    if let Some(host) = helper {
        root["credHelpers"] = json!({*host: "nowhere"});
    }
    if *store {
        root["credsStore"] = json!("nowhere");
    }
    root.to_string()
}

fn entry(written: Written, number: usize) -> Value {
    let (user, password) = (format!("user{number}"), format!("pass{number}:x"));
    let auth = STANDARD.encode(format!("{user}:{password}"));
    match written {
        Written::Auth => json!({"auth": auth, "email": "e"}),
        Written::Unpadded => json!({"auth": STANDARD_NO_PAD.encode(format!("{user}:{password}"))}),
        Written::Broken => json!({"auth": format!("{}\n{}", &auth[..4], &auth[4..])}),
        Written::Members => json!({"username": user, "password": password}),
        Written::UserOnly => json!({"username": user}),
        Written::Both => json!({"username": "other", "password": "other", "auth": auth}),
        Written::Token => json!({"auth": auth, "identitytoken": "token"}),
        Written::TokenOnly => json!({"identitytoken": "token"}),
        Written::Nulls => json!({"auth": null, "username": null, "identitytoken": null}),
        Written::Null => Value::Null,
        Written::Nothing => json!({}),
        Written::EmptyLogin => json!({"auth": STANDARD.encode(":")}),
        Written::NoPassword => json!({"auth": STANDARD.encode(format!("{user}:"))}),
        Written::NoUser => json!({"auth": STANDARD.encode(format!(":{password}"))}),
        Written::NoColon => json!({"auth": STANDARD.encode(user)}),
        Written::NotBase64 => json!({"auth": "b3Blb="}),
        Written::AuthOfWrongType => json!({"auth": number}),
        Written::UserOfWrongType => json!({"username": number}),
        Written::OtherCase => json!({"Auth": auth, "EMAIL": "e"}),
        Written::Twice => json!({"auth": "b3RoZXI6b3RoZXI=", "AUTH": auth, "uſername": "other", "Password": "other"}),
        Written::NullAfter => json!({"auth": auth, "Auth": null, "identitytoken": "", "IdentityTo\u{212a}en": null}),
        Written::TokenInOtherCase => json!({"auth": auth, "IdentityToken": "stale"}),
        Written::WrongTypeInOtherCase => json!({"auth": auth, "UserName": number}),
    }
}

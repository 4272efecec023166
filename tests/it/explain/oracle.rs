//! The consumers' own code: tests/oracles, built by tests/servers/install.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::support::process::program;

/// A question: an image, the files of a machine, and the secrets of a pod.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub image: String,
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// Contents of `config.json`, in the order of the search path.
    #[serde(default)]
    pub files: Vec<String>,
    /// The content of `DOCKER_AUTH_CONFIG`.
    pub docker_auth_config: Option<String>,
    /// Contents of `.dockercfg`, after them.
    #[serde(default)]
    pub legacy: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    pub name: String,
    #[serde(rename = "type")]
    pub type_: String,
    #[serde(default)]
    pub config: Option<String>,
    #[serde(default)]
    pub legacy: Option<String>,
}

/// What the kubelet's code says.
#[derive(Debug, Deserialize)]
pub struct Kubelet {
    pub repository: String,
    pub credentials: Option<Vec<Login>>,
    pub error: String,
}

/// What containers/image and docker say.
#[derive(Debug, Deserialize)]
pub struct Others {
    pub containers: Found,
    pub docker: Found,
}

#[derive(Debug, Deserialize)]
pub struct Login {
    pub user: String,
    pub password: String,
}

#[derive(Debug, Deserialize)]
pub struct Found {
    pub repository: String,
    pub user: String,
    pub password: String,
    pub identity_token: String,
    pub error: String,
}

/// A question about registries.conf: from where an image is pulled.
#[derive(Debug, Clone, Deserialize)]
pub struct Registries {
    pub image: String,
    pub conf: Option<String>,
    /// In the order in which they are read.
    #[serde(default)]
    pub drop_ins: Vec<String>,
    /// short-name-aliases.conf.
    pub aliases: Option<String>,
}

/// What containers/image says of it.
#[derive(Debug, Deserialize)]
pub struct Pulls {
    /// The names in their order, with `!` before what is blocked.
    pub from: Option<Vec<String>>,
    pub helpers: Option<Vec<String>>,
    pub error: String,
}

/// How many files containers/image can be given: it has four default paths, the last of them for the older format.
pub const FILES: usize = 3;

/// Runs all of them. The files of each question are in a separate folder.
pub fn ask(questions: &[Question]) -> Vec<(Kubelet, Others)> {
    let folder = tempfile::tempdir().unwrap();
    let (mut to_kubelet, mut to_others) = (Vec::new(), Vec::new());
    for (at, question) in questions.iter().enumerate() {
        let root = folder.path().join(at.to_string());
        to_kubelet.push(kubelet_request(&root, question));
        to_others.push(others_request(&root, question));
    }
    let kubelet = answers("oracle-kubelet", &to_kubelet).into_iter().map(|line| serde_json::from_str(&line).unwrap());
    let others = answers("oracle-containers", &to_others).into_iter().map(|line| serde_json::from_str(&line).unwrap());
    kubelet.zip(others).collect()
}

/// Finds out from where each of them is pulled.
pub fn ask_registries(asked: &[Registries]) -> Vec<Pulls> {
    #[derive(Deserialize)]
    struct LookupResult {
        pulls: Pulls,
    }
    let folder = tempfile::tempdir().unwrap();
    let request = |(at, asked): (usize, &Registries)| {
        let root = folder.path().join(at.to_string());
        let (conf, aliases) = (root.join("registries.conf"), root.join("cache/aliases.conf"));
        write(&conf, asked.conf.as_deref().unwrap_or_default());
        for (at, content) in asked.drop_ins.iter().enumerate() {
            write(&root.join(format!("registries.conf.d/{at}.conf")), content);
        }
        write(&aliases, asked.aliases.as_deref().unwrap_or_default());
        let registries = json!({"file": conf, "folder": root.join("registries.conf.d"), "aliases": aliases});
        json!({"image": asked.image, "registries": registries})
    };
    let requests: Vec<Value> = asked.iter().enumerate().map(request).collect();
    let answers = answers("oracle-containers", &requests).into_iter();
    answers.map(|line| serde_json::from_str::<LookupResult>(&line).unwrap().pulls).collect()
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn kubelet_request(root: &Path, question: &Question) -> Value {
    let folders = |name: &str, contents: &[String]| -> Vec<_> {
        let numbered = contents.iter().enumerate();
        numbered
            .map(|(at, content)| {
                let folder = root.join(format!("kubelet{at}"));
                write(&folder.join(name), content);
                folder
            })
            .collect()
    };
    let secrets = question.secrets.iter().map(|secret| {
        let data = [(".dockerconfigjson", &secret.config), (".dockercfg", &secret.legacy)];
        let data = data
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), Value::from(STANDARD.encode(text.as_ref()?)))));
        json!({"name": secret.name, "type": secret.type_, "data": data.collect::<Map<String, Value>>()})
    });
    json!({
        "image": question.image,
        "secrets": secrets.collect::<Vec<_>>(),
        "json": folders("config.json", &question.files),
        "legacy": folders(".dockercfg", &question.legacy),
    })
}

fn others_request(root: &Path, question: &Question) -> Value {
    let folder = |name: &str| root.join(name);
    assert!(question.files.len() <= FILES && question.legacy.len() <= 1, "containers/image has no place for more");
    let paths = ["run/containers/auth.json", "config/containers/auth.json", "docker/config.json"];
    std::fs::create_dir_all(folder("run")).unwrap();
    for (path, content) in paths.iter().zip(&question.files) {
        write(&root.join(path), content);
    }
    let legacy = question.legacy.first().map(|content| {
        write(&folder("legacy"), content);
        folder("legacy")
    });
    // docker has one file only: the first.
    if let Some(content) = question.files.first() {
        write(&folder("docker-only").join("config.json"), content);
    }
    json!({
        "image": question.image,
        "legacy": legacy.unwrap_or_default(),
        "docker": folder("docker-only"),
        "environment": {
            "XDG_RUNTIME_DIR": folder("run"),
            "XDG_CONFIG_HOME": folder("config"),
            "DOCKER_CONFIG": folder("docker"),
            "DOCKER_AUTH_CONFIG": question.docker_auth_config.as_deref().unwrap_or_default(),
        },
    })
}

fn answers(name: &str, questions: &[Value]) -> Vec<String> {
    let mut command = Command::new(program("timeout"));
    // No helper of this machine is run.
    command.args(["-k", "5", "120"]).arg(program(name)).env("PATH", "/nonexistent");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{name} ended with {}", output.status);
    let lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), questions.len(), "{name} did not answer every question");
    lines
}

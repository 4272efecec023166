//! Measures what docs/performance.md states about clusters: how long it takes to bring a pull secret and two links into
//! each of many namespaces of one API server, and to check them again. It is compared, in the same run, with a loop that
//! sends only the necessary requests with the same client library and concurrency, and with `kubectl` under `xargs`.
//!
//! ```console
//! $ eval "$(tests/servers/install)" && cargo bench --bench cluster -- 1000
//! ```
//!
//! With `memory` before the number, it measures the peak memory instead: each namespace then has five pull secrets, and the
//! cluster looks as if it had the image importer of OpenShift, so that a plan reads all of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on must stop, and prints"
)]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use support::kubernetes::{Kubernetes, User};
use support::oregano::Oregano;
use support::process::{eventually, program};
use support::registry::{Auth, Registry, Transport};
use support::site::USER;

/// Without characters that the inventory would have to quote.
const PASSWORD: &str = "bench-password";
/// The number of requests at the same time: that of oregano, and that of `xargs -P`.
const CONCURRENCY: usize = 16;
const ROUNDS: usize = 3;
const ACCOUNTS: [&str; 2] = ["default", "builder"];

fn main() {
    // `cargo test --all-targets` runs this program, too, to check that it builds. Only `cargo bench` passes `--bench`.
    if !std::env::args().any(|word| word == "--bench") {
        return;
    }
    let count: usize = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1000);
    let scene = Scene::new(count);
    if std::env::args().any(|word| word == "memory") { memory(&scene) } else { times(&scene) }
}

/// The servers, the namespaces, and a user of oregano.
struct Scene {
    runtime: tokio::runtime::Runtime,
    kubernetes: Kubernetes,
    kubeconfig: PathBuf,
    client: Client,
    registry: Registry,
    names: Vec<String>,
    user: Oregano,
}

impl Scene {
    fn new(count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let kubernetes = Kubernetes::private();
        let kubeconfig = kubernetes.kubeconfig(User::Admin);
        let registry = Registry::start(Auth::Token(Transport::Http), Transport::Http, &[(USER, PASSWORD)]);
        registry.push("openshift3/ose-pod", "v3.11", USER, PASSWORD);
        let names: Vec<String> = (0..count).map(|number| format!("project-{number}")).collect();
        let client = runtime.block_on(client(&kubeconfig));
        runtime.block_on(create_namespaces(&client, &names));
        Self { runtime, kubernetes, kubeconfig, client, registry, names, user: Oregano::new() }
    }

    /// The words of a command for the cluster.
    fn words<'a>(&'a self, command: &'a str, inventory: &'a str) -> [&'a str; 8] {
        let kubeconfig = self.kubeconfig.to_str().unwrap();
        [command, "-q", "--only", "cluster", "-i", inventory, "--kubeconfig", kubeconfig]
    }
}

fn times(scene: &Scene) {
    let Scene { runtime, kubeconfig, client, names, user, .. } = scene;
    let inventory = inventory(scene, "kubernetes");
    let apply = scene.words("apply", &inventory);
    let mut times: [Vec<Measured>; 4] = Default::default();
    for _ in 0..ROUNDS {
        runtime.block_on(reset(client, names));
        times[0].push(measured(|| drop(user.run(&apply).expect(0))));
        times[1].push(measured(|| drop(user.run(&apply).expect(0))));
        runtime.block_on(reset(client, names));
        times[2].push(measured(|| runtime.block_on(necessary(kubeconfig, names))));
    }
    // It is slow, and needs no more than one round to show it.
    runtime.block_on(reset(client, names));
    times[3].push(measured(|| kubectl(kubeconfig, names)));
    println!(
        "{} namespaces, a secret and two links each; wall time and CPU time of the client in seconds",
        names.len()
    );
    let titles = ["oregano, all change", "oregano, none changes", "necessary requests", "kubectl, xargs -P 16"];
    for (name, times) in titles.iter().zip(&mut times) {
        times.sort_by_key(|measured| measured.wall);
        let Measured { wall, cpu } = times[times.len() / 2];
        println!("{name:24} {:8.2} {:8.2}", wall.as_secs_f64(), cpu.as_secs_f64());
    }
}

fn memory(scene: &Scene) {
    let Scene { runtime, kubernetes, client, names, user, .. } = scene;
    runtime.block_on(create_others(client, names));
    let peak = |command: &str, platform: &str| {
        let inventory = inventory(scene, platform);
        let mut run = user.start(&scene.words(command, &inventory));
        let peak = run.peak_memory();
        run.wait().expect(0);
        peak
    };
    println!("{} namespaces with five pull secrets each; peak memory in MiB", names.len());
    println!("oregano apply, all change      {:8.0}", peak("apply", "kubernetes"));
    println!("oregano apply, none changes    {:8.0}", peak("apply", "kubernetes"));
    kubernetes.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &importer());
    eventually("the API group is served", || kubernetes.api("GET", "/apis/image.openshift.io", None).status == 200);
    println!("oregano plan, with all secrets {:8.0}", peak("plan", "openshift-4"));
}

/// A kind of the API group of image imports.
fn importer() -> serde_json::Value {
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    json!({
        "metadata": {"name": "imagestreamimports.image.openshift.io"},
        "spec": {
            "group": "image.openshift.io", "scope": "Namespaced",
            "names": {"plural": "imagestreamimports", "singular": "imagestreamimport", "kind": "ImageStreamImport"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
        },
    })
}

/// Creates four pull secrets in each namespace, as OpenShift and its users have them.
async fn create_others(client: &Client, names: &[String]) {
    let token = format!("serviceaccount:{}", "eyJhbGciOiJSUzI1NiIs".repeat(40));
    let auth = json!({"auth": openssl::base64::encode_block(token.as_bytes())});
    let content = json!({"auths": {"image-registry.openshift-image-registry.svc:5000": auth}}).to_string();
    let content = openssl::base64::encode_block(content.as_bytes());
    each(names, async |name| {
        for other in 0..4 {
            let secret = serde_json::from_value(json!({
                "metadata": {"name": format!("dockercfg-{other}")},
                "type": "kubernetes.io/dockerconfigjson",
                "data": {".dockerconfigjson": content},
            }));
            let secrets = Api::<Secret>::namespaced(client.clone(), name);
            secrets.create(&PostParams::default(), &secret.unwrap()).await.unwrap();
        }
    })
    .await;
}

/// How long something took, and how much CPU time this process and its children used for it.
struct Measured {
    wall: Duration,
    cpu: Duration,
}

fn measured(work: impl FnOnce()) -> Measured {
    let (start, before) = (Instant::now(), cpu());
    work();
    Measured { wall: start.elapsed(), cpu: cpu().saturating_sub(before) }
}

/// The CPU time of this process and of its children that have ended: utime, stime, cutime and cstime of proc(5).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..15].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    // USER_HZ is 100 on every platform that Linux supports today.
    Duration::from_millis(ticks * 10)
}

/// Writes the inventory, and returns its path.
fn inventory(Scene { user, registry, names, .. }: &Scene, platform: &str) -> String {
    let host = registry.host();
    let names = names.join(",");
    let text = format!(
        "[all:vars]\noregano_platform={platform}\n\
         openshift_additional_registry_credentials=[{{'host':'{host}','user':'{USER}','password':'{PASSWORD}',\
         'test_image':'openshift3/ose-pod:v3.11','tls_verify':False}}]\n\
         oregano_pull_secrets=[{{'name':'team','namespaces':{names:?},'service_accounts':['default','builder']}}]\n\
         [nodes]\nnode1\n",
        names = names.split(',').collect::<Vec<_>>()
    );
    user.write("hosts", text).display().to_string()
}

async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

/// Does something for every namespace, several at the same time.
async fn each(names: &[String], work: impl AsyncFn(&str)) {
    let work = &work;
    stream::iter(names).map(async |name| work(name).await).buffer_unordered(CONCURRENCY).collect::<Vec<()>>().await;
}

async fn create_namespaces(client: &Client, names: &[String]) {
    each(names, async |name| {
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        for account in ACCOUNTS {
            let account = serde_json::from_value(json!({
                "metadata": {"name": account},
                "imagePullSecrets": [{"name": format!("{account}-dockercfg-x7k2p")}],
            }));
            let accounts = Api::<ServiceAccount>::namespaced(client.clone(), name);
            accounts.create(&PostParams::default(), &account.unwrap()).await.unwrap();
        }
    })
    .await;
}

/// Removes the secrets and the links.
async fn reset(client: &Client, names: &[String]) {
    each(names, async |name| {
        // In the first round there is no secret.
        let _ = Api::<Secret>::namespaced(client.clone(), name).delete("team", &DeleteParams::default()).await;
        for account in ACCOUNTS {
            let patch = json!({"imagePullSecrets": [{"name": format!("{account}-dockercfg-x7k2p")}]});
            let accounts = Api::<ServiceAccount>::namespaced(client.clone(), name);
            accounts.patch(account, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        }
    })
    .await;
}

/// The necessary requests: a list of each kind, a dry run and a write of each object, and a list of each kind to read
/// everything back.
async fn necessary(kubeconfig: &Path, names: &[String]) {
    let client = client(kubeconfig).await;
    let (secrets, accounts) = (Api::<Secret>::all(client.clone()), Api::<ServiceAccount>::all(client.clone()));
    let named = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
    Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await.unwrap();
    secrets.list(&named("team")).await.unwrap();
    for account in ACCOUNTS {
        accounts.list(&named(account)).await.unwrap();
    }
    let auth = json!({"auths": {"registry.example.com": {"username": USER, "password": PASSWORD, "auth": "eDp5"}}});
    let auth = openssl::base64::encode_block(auth.to_string().as_bytes());
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "team", "labels": {"oregano/managed": "true"}},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": auth},
    }))
    .unwrap();
    for dry_run in [true, false] {
        each(names, async |name| {
            let parameters = PostParams { dry_run, ..PostParams::default() };
            Api::<Secret>::namespaced(client.clone(), name).create(&parameters, &secret).await.unwrap();
        })
        .await;
        for account in ACCOUNTS {
            let dockercfg = format!("{account}-dockercfg-x7k2p");
            let patch = json!({"imagePullSecrets": [{"name": dockercfg}, {"name": "team"}]});
            each(names, async |name| {
                let parameters = PatchParams { dry_run, ..PatchParams::default() };
                let accounts = Api::<ServiceAccount>::namespaced(client.clone(), name);
                accounts.patch(account, &parameters, &Patch::Merge(&patch)).await.unwrap();
            })
            .await;
        }
    }
    assert_eq!(secrets.list(&named("team")).await.unwrap().items.len(), names.len());
    for account in ACCOUNTS {
        accounts.list(&named(account)).await.unwrap();
    }
}

/// What users of `oc` do: a secret and a patch for each service account, one process for each command.
fn kubectl(kubeconfig: &Path, names: &[String]) {
    let kubectl = format!("{} --kubeconfig {}", program("kubectl").display(), kubeconfig.display());
    let patch = r#"[{"op":"add","path":"/imagePullSecrets/-","value":{"name":"team"}}]"#;
    let script = format!(
        "{kubectl} create secret docker-registry team -n $0 --docker-server=registry.example.com \
         --docker-username={USER} --docker-password={PASSWORD} >/dev/null && \
         for account in {accounts}; do {kubectl} patch serviceaccount $account -n $0 --type=json -p '{patch}' >/dev/null; \
         done",
        accounts = ACCOUNTS.join(" ")
    );
    let mut xargs = Command::new("xargs");
    xargs.args(["-P", &CONCURRENCY.to_string(), "-n", "1", "sh", "-c", &script]).stdin(Stdio::piped());
    let mut child = xargs.spawn().unwrap();
    child.stdin.take().unwrap().write_all(names.join("\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

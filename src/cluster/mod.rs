//! The Kubernetes edge: finds the API server, observes the pull secret and writes it. Knows nothing of
//! registries, nodes or inventories, and not what stands in a pull secret.

mod diagnosis;
pub mod kubeconfig;
mod link;
mod pod;
mod pull_secret;
mod token;

#[cfg(test)]
mod tests;

use std::time::Duration;

use kube::Client;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, oneshot};

pub use self::diagnosis::Purpose;
use self::diagnosis::Words;
use self::link::Link;
pub use self::pull_secret::Outcome;
pub use self::token::token;
use crate::facts::ClusterFact;
use crate::failure::Failure;
use crate::lookup::PullSecret;
use crate::secret::{Redactor, SecretBytes};

/// A way to one API server, as one user.
pub struct Cluster {
    config: kube::Config,
    timeout: Duration,
    words: Words,
    /// Made when it is first needed, if a login plugin has to be run for it.
    link: OnceCell<Link>,
}

impl Cluster {
    /// Sets up a client; contacts nobody yet. A login plugin that the kubeconfig names is left to the first
    /// request. It has `timeout`, and so has each request, with the repeats of those that change nothing. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// If the login of the kubeconfig cannot be used.
    pub fn connect(
        mut config: kube::Config,
        timeout: Duration,
        redactor: &Redactor,
        purpose: Purpose,
    ) -> Result<Self, Failure> {
        config.connect_timeout = Some(timeout);
        config.read_timeout = None;
        // Ours end in time and say what the server said.
        config.default_retry = false;
        let words = Words {
            purpose,
            server: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            proxy: config.proxy_url.as_ref().and_then(|url| url.authority()).map(without_login),
            plugin: config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone()),
            redactor: redactor.clone(),
        };
        let cluster = Self { config, timeout, words, link: OnceCell::new() };
        if cluster.runs_a_plugin() {
            return Ok(cluster);
        }
        let client = Client::try_from(cluster.config.clone()).map_err(|error| cluster.words.broken(&error))?;
        Ok(Self { link: OnceCell::new_with(Some(cluster.linked(client))), ..cluster })
    }

    /// Looks at the secret, and for secrets that openshift-ansible made for any of `hosts`. That there is no
    /// secret is a fact; that its namespace does not exist is a failure.
    ///
    /// # Errors
    /// If the server cannot be reached in time, refuses, or has no such namespace.
    pub async fn observe(&self, namespace: &str, name: &str, hosts: &[&str]) -> Result<ClusterFact, Failure> {
        self.link().await?.observe(namespace, name, hosts).await
    }

    /// Brings the secret to what `merge` makes of the bytes it finds (`None` where there are none): other data,
    /// labels and annotations stay. `merge` returning `None` means that nothing is to be changed; it is asked
    /// again after each conflict. What was written is read back.
    ///
    /// # Errors
    /// If it cannot be read, merged or written, or does not read back; the message says if it may have been written
    /// all the same.
    pub async fn write_secret(
        &self,
        namespace: &str,
        name: &str,
        merge: impl Fn(Option<&[u8]>) -> Result<Option<SecretBytes>, Failure>,
    ) -> Result<Outcome, Failure> {
        self.link().await?.write_secret(namespace, name, merge).await
    }

    /// The pull secrets that a pod gets from its service account, in their order. One that does not exist is among
    /// them, as the kubelet passes over it.
    ///
    /// # Errors
    /// If the server cannot be reached in time, refuses, or has no such service account.
    pub async fn pull_secrets(&self, namespace: &str, service_account: &str) -> Result<Vec<PullSecret>, Failure> {
        self.link().await?.pull_secrets(namespace, service_account).await
    }

    async fn link(&self) -> Result<&Link, Failure> {
        self.link.get_or_try_init(async || Ok(self.linked(self.log_in().await?))).await
    }

    fn linked(&self, client: Client) -> Link {
        Link { client, timeout: self.timeout, words: self.words.clone() }
    }

    fn runs_a_plugin(&self) -> bool {
        self.config.auth_info.exec.is_some() || self.config.auth_info.auth_provider.is_some()
    }

    /// The crate runs a login plugin where it stands and waits for its end. On a thread of its own it can be
    /// given up; not on one of the runtime's, which would be waited for when the runtime ends.
    async fn log_in(&self) -> Result<Client, Failure> {
        let (done, answer) = oneshot::channel();
        let (runtime, config) = (Handle::current(), self.config.clone());
        let thread = std::thread::Builder::new().name("login".to_owned()).spawn(move || {
            let _inside = runtime.enter();
            // Nobody listens any more once it took too long.
            let _ = done.send(Client::try_from(config));
        });
        thread.map_err(|error| self.words.no_plugin(&error.to_string()))?;
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(client)) => client.map_err(|error| self.words.broken(&error)),
            Ok(Err(_)) => Err(self.words.no_plugin("the thread that ran it broke off")),
            Err(_) => Err(self.words.silent_plugin(self.timeout)),
        }
    }
}

/// `host:port` of a proxy that may be given as `user:password@host:port`. What has another port than a number is a login
/// whose `/` or `#` is not escaped, and is not told.
fn without_login(authority: &impl AsRef<str>) -> String {
    let text = authority.as_ref();
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((_, port)) if !host.ends_with(']') && port.parse::<u16>().is_err() => "…".to_owned(),
        _ => host.to_owned(),
    }
}

//! A Kubernetes API with the controllers that matter to pull secrets: they create the service account of a new namespace,
//! remove what is in a deleted one, and count what a quota limits.

use std::sync::{LazyLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::kubernetes::{Kubernetes, User};
use super::process::{Process, command, eventually, kill, program};

/// An API server with its controllers.
pub struct Controllers {
    pub kubernetes: Kubernetes,
    manager: Process,
}

/// The controllers do nothing until this value is dropped.
pub struct Paused(u32);

static SHARED: LazyLock<RwLock<Controllers>> = LazyLock::new(|| RwLock::new(Controllers::start()));

impl Controllers {
    /// The server that these tests share. Each test has its own namespaces there.
    pub fn shared() -> RwLockReadGuard<'static, Self> {
        // A test that failed has left nothing that the others depend on.
        SHARED.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The same server for a test that disturbs it. No other test uses it until the guard is dropped.
    pub fn exclusive() -> RwLockWriteGuard<'static, Self> {
        SHARED.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn start() -> Self {
        let kubernetes = Kubernetes::private();
        let mut command = command(&program("kube-controller-manager"));
        command
            .arg("--kubeconfig")
            .arg(kubernetes.kubeconfig(User::Admin))
            .args(["--controllers", "serviceaccount-controller,namespace-controller,resourcequota-controller"])
            // There is only one of them, and nothing reads its metrics.
            .args(["--leader-elect=false", "--secure-port=0"])
            // It would otherwise send few requests in a second.
            .args(["--kube-api-qps=1000", "--kube-api-burst=1000"]);
        let manager = Process::start(command, &kubernetes.file("kube-controller-manager.log"));
        let started = Self { kubernetes, manager };
        started.await_account("default");
        started
    }

    /// Creates a namespace, and waits until a controller has created its service account `default`.
    pub fn namespace(&self, name: &str) {
        self.kubernetes.namespace(name);
        self.await_account(name);
    }

    fn await_account(&self, namespace: &str) {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        let ready = self.manager.wait_until(|| self.kubernetes.api("GET", &path, None).status == 200);
        ready.unwrap_or_else(|error| panic!("{}", error.into_text()));
    }

    /// Deletes a namespace.
    pub fn delete_namespace(&self, name: &str) {
        let answer = self.kubernetes.api("DELETE", &format!("/api/v1/namespaces/{name}"), None);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Waits until a deleted namespace is gone.
    pub fn await_deletion(&self, name: &str) {
        let path = format!("/api/v1/namespaces/{name}");
        eventually("the namespace is gone", || self.kubernetes.api("GET", &path, None).status == 404);
    }

    /// Stops the controllers for some time.
    pub fn pause(&self) -> Paused {
        let id = self.manager.id();
        assert!(kill("STOP", &id.to_string()).success());
        Paused(id)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        kill("CONT", &self.0.to_string());
    }
}

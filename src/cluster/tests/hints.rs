//! Every failure of a request has a hint that says what to do now.

use std::os::unix::process::ExitStatusExt as _;

use kube::core::Status;

use super::*;
use crate::cluster::access::credential_plugin::PluginError;
use crate::cluster::error::{ApiError, Diagnosis, Verb};
use crate::facts::ObjectKind;
use crate::process::ProcessError;

fn diagnosis(purpose: ClusterPurpose) -> Diagnosis {
    let redactor = std::sync::Arc::new(std::sync::Mutex::new(Redactor::default()));
    Diagnosis { purpose, server: "https://api.example.com:6443".to_owned(), route: None, proxy: None, redactor }
}

fn errors() -> Vec<ApiError> {
    let refused = |code, reason: &str, message: &str| {
        let (reason, message) = (reason.to_owned(), message.to_owned());
        ApiError::Refused(Box::new(Status { code, reason, message, ..Status::default() }))
    };
    vec![
        ApiError::Timeout(Duration::from_secs(5)),
        refused(400, "BadRequest", "unable to parse requirement"),
        refused(401, "Unauthorized", "Unauthorized"),
        refused(403, "Forbidden", "secrets is forbidden"),
        refused(403, "Forbidden", "exceeded quota: q"),
        refused(403, "Forbidden", "User \"system:anonymous\" cannot get"),
        refused(404, "NotFound", "namespaces \"openshift\" not found"),
        refused(409, "Conflict", "the object has been modified"),
        refused(410, "Expired", "The provided continue parameter is too old"),
        refused(413, "RequestEntityTooLarge", "limit is 3145728"),
        refused(422, "Invalid", "field is immutable"),
        refused(429, "TooManyRequests", "later"),
        refused(500, "InternalError", "etcd"),
        refused(503, "ServiceUnavailable", "later"),
        ApiError::NotKubernetes(302),
        ApiError::NotKubernetes(404),
        ApiError::NotKubernetes(502),
        ApiError::OtherObject,
        ApiError::TooLarge(4 << 20),
        ApiError::Client(kube::Error::TlsRequired),
        ApiError::Client(kube::Error::Service("connection reset".into())),
    ]
}

#[test]
fn every_failure_of_a_request_has_a_hint() {
    let list = ObjectName::new(ObjectKind::Namespace, "", "team=blue");
    let secret = name();
    let account = ObjectName::new(ObjectKind::ServiceAccount, "openshift", "builder");
    for purpose in [ClusterPurpose::Run, ClusterPurpose::Restore, ClusterPurpose::Explain, ClusterPurpose::Login] {
        let diagnosis = diagnosis(purpose);
        for (verb, object) in [
            (Verb::Read, &secret),
            (Verb::Create, &secret),
            (Verb::Update, &secret),
            (Verb::Delete, &secret),
            (Verb::Update, &account),
            (Verb::List, &list),
        ] {
            for error in errors() {
                let failure = diagnosis.failure(verb, object, &error);
                assert!(failure.hint.as_ref().is_some_and(|hint| hint.len() > 8), "{verb:?} {error:?}: {failure:?}");
            }
        }
        for error in [
            PluginError::Missing(None),
            PluginError::Missing(Some("install it from example.com".to_owned())),
            PluginError::Process(ProcessError::Timeout(Duration::from_secs(5))),
            PluginError::Failed(std::process::ExitStatus::from_raw(256), None),
            PluginError::Unusable("it is empty".to_owned()),
            PluginError::NoTerminal,
        ] {
            let failure = diagnosis.plugin_failure("oc-login", &error);
            assert!(failure.hint.as_ref().is_some_and(|hint| hint.len() > 8), "{failure:?}");
        }
    }
}

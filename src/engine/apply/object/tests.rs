//! Tests of writing the pull secret when something else changes it at the same time, against an API server in this
//! process.

use serde_json::json;

use super::*;
use crate::cluster::ClusterPurpose;
use crate::cluster::access::Access;
use crate::cluster::tests::double::{self, Double, Seen, Store, status};
use crate::desired::{Adopt, Namespaces, Ownership, PullSecret, PullSecretFormat, PullSecretState};
use crate::dockerconfig::{self, ChangeKind, Credential, Reader};
use crate::facts::NamespacePhase;
use crate::plan::{Change, Recreate, WantedSecret};
use crate::secret::{Redactor, Secret};

const NAME: &str = "imagestreamsecret";

/// The entry that the secret must contain.
fn credentials() -> [Credential; 1] {
    let credential = Credential {
        key: "quay.io".to_owned(),
        user: "acme".to_owned(),
        password: Secret::new("hunter2"),
        identity_token: None,
        email: None,
    };
    [credential]
}

/// A declaration of the secret, which is not marked.
fn declared() -> PullSecret {
    PullSecret {
        name: NAME.to_owned(),
        namespaces: Namespaces::Named(vec!["openshift".to_owned()]),
        state: PullSecretState::Present {
            credentials: credentials().into(),
            format: PullSecretFormat::DockerConfigJson,
        },
        ownership: Ownership::Shared,
        service_accounts: crate::desired::ServiceAccounts::default(),
    }
}

/// The content of a secret with one registry that this program does not manage.
fn theirs(host: &str) -> String {
    json!({"auths": {host: {"auth": "dGhlaXJzOng="}}}).to_string()
}

/// Observes the secret, plans it, and carries the plan out.
async fn write(double: &Double) -> StepRow {
    carry_out(double, declared(), PlanRequest::default()).await
}

async fn carry_out(double: &Double, declared: PullSecret, request: PlanRequest) -> StepRow {
    let config = kube::Config::new(double.url.parse().unwrap());
    let timeout = Duration::from_secs(5);
    let cluster =
        Cluster::connect(Access::anonymous(config), None, timeout, &Redactor::default(), ClusterPurpose::Run).unwrap();
    let name = ObjectName::secret("openshift", NAME);
    let fact = cluster.observe(&name).await.unwrap();
    let phase = NamespacePhase::Active;
    let wanted = Wanted::PullSecret(WantedSecret { name: name.clone(), declared: &declared, retired: &[], phase });
    let CarriedOut { mut row, confirmed } = super::write(&cluster, &wanted, &fact, &request, &Backup::None).await;
    if confirmed.is_some() {
        let now = cluster.observe(&name).await.unwrap_or_else(Observed::Unknown);
        not_kept(&wanted, row.outcome, &now, &request).into_iter().for_each(|failure| row.fail(failure));
    }
    row
}

fn patches(double: &Double) -> usize {
    double.requests().iter().filter(|request| request.starts_with("PATCH")).count()
}

#[tokio::test]
async fn after_a_conflict_the_new_state_is_planned_and_that_step_is_reported() {
    // Another client changes the secret between the GET and the PATCH, twice; the second change adds the registry of this
    // run.
    let double = Double::start(|seen: &Seen, store: &mut Store| {
        match (seen.method.as_str(), store.version) {
            ("PATCH", 1) => store.put(NAME, &theirs("other.example.com")),
            ("PATCH", 2) => store.put(NAME, &theirs("quay.io")),
            _ => {}
        }
        None
    });
    let double = double.await;
    double.store.lock().unwrap().put(NAME, &theirs("example.com"));
    let row = write(&double).await;
    assert_eq!((&row.failure, row.outcome), (&None, Outcome::Updated));
    let Change::Key(change) = &row.changes[0] else { panic!("{row:?}") };
    assert_eq!(change.kind, ChangeKind::Updated, "the registry was there in the end");
    assert!(double.content(NAME).unwrap().contains("YWNtZTpodW50ZXIy"));
}

#[tokio::test]
async fn a_secret_that_is_created_or_deleted_meanwhile_is_updated_or_created() {
    let created = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "POST" && store.version == 0 {
            store.put(NAME, &theirs("example.com"));
        }
        None
    });
    let created = created.await;
    let row = write(&created).await;
    assert_eq!((row.outcome, row.failure), (Outcome::Updated, None));
    assert!(created.content(NAME).unwrap().contains("example.com"));
    let deleted = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "PATCH" {
            store.secrets.clear();
        }
        None
    });
    let deleted = deleted.await;
    deleted.store.lock().unwrap().put(NAME, &theirs("example.com"));
    let row = write(&deleted).await;
    assert_eq!((row.outcome, row.failure), (Outcome::Created, None));
}

#[tokio::test]
async fn a_secret_that_another_client_brings_up_to_date_is_unchanged() {
    let double = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "PATCH" {
            let ours = dockerconfig::merge(None, &credentials(), Reader::PullSecret).unwrap().content.unwrap();
            store.put(NAME, std::str::from_utf8(ours.expose()).unwrap());
        }
        None
    });
    let double = double.await;
    double.store.lock().unwrap().put(NAME, &theirs("example.com"));
    let row = write(&double).await;
    assert_eq!((row.outcome, row.changes, row.failure), (Outcome::Unchanged, vec![], None));
    assert_eq!(patches(&double), 1);
}

#[tokio::test]
async fn a_secret_that_is_up_to_date_is_not_written() {
    let double = Double::start(|_: &Seen, _: &mut Store| None).await;
    let ours = dockerconfig::merge(None, &credentials(), Reader::PullSecret).unwrap().content.unwrap();
    double.store.lock().unwrap().put(NAME, std::str::from_utf8(ours.expose()).unwrap());
    let row = write(&double).await;
    assert_eq!((row.outcome, row.failure), (Outcome::Unchanged, None));
    assert_eq!(double.requests(), [format!("GET /api/v1/namespaces/openshift/secrets/{NAME}")]);
}

#[tokio::test]
async fn endless_conflicts_end_with_a_failure() {
    let double = Double::start(|seen: &Seen, store: &mut Store| {
        if seen.method == "PATCH" {
            store.put(NAME, &theirs("example.com"));
        }
        None
    });
    let double = double.await;
    double.store.lock().unwrap().put(NAME, &theirs("example.com"));
    let failure = write(&double).await.failure.unwrap();
    assert!(failure.message.contains("was changed by another client during each of 10 attempts"), "{failure:?}");
    assert_eq!(patches(&double), 10);
}

#[tokio::test]
async fn a_write_counts_if_what_replaces_it_keeps_our_entries() {
    for (keeps, expected) in [(true, None), (false, Some("does not contain the new content any more"))] {
        let double = Double::start(move |seen: &Seen, store: &mut Store| {
            if seen.method == "GET" && store.version == 2 {
                let content = theirs("example.com");
                let merged = dockerconfig::merge(Some(content.as_bytes()), &credentials(), Reader::PullSecret);
                let merged = String::from_utf8(merged.unwrap().content.unwrap().expose().to_vec()).unwrap();
                store.put(NAME, if keeps { &merged } else { &content });
            }
            None
        });
        let double = double.await;
        double.store.lock().unwrap().put(NAME, &theirs("other.example.com"));
        let row = write(&double).await;
        let failure = row.failure;
        assert_eq!(row.outcome, if keeps { Outcome::Updated } else { Outcome::Failed });
        assert_eq!(failure.is_some(), expected.is_some(), "{failure:?}");
        assert!(failure.is_none_or(|failure| failure.message.ends_with(expected.unwrap())));
    }
}

#[tokio::test]
async fn a_success_is_read_back() {
    let removal = || PullSecret {
        state: PullSecretState::Absent,
        ownership: Ownership::Declared { owner: None, adopt: Adopt::Yes },
        ..declared()
    };
    // What happens after the write, and the failure of a removal.
    for (kept, code, expected) in [
        (true, None, Some("was deleted, but it exists")),
        (false, None, None),
        (false, Some(500), Some("was deleted, but it could not be read back")),
    ] {
        let double = Double::start(move |seen: &Seen, store: &mut Store| {
            let is_after = store.seen.iter().any(|seen| seen.method == "DELETE");
            match (seen.method.as_str(), code) {
                ("DELETE", _) if kept => Some((200, json!({"kind": "Status", "status": "Success"}))),
                ("GET", Some(code)) if is_after => Some(status(code, "InternalError", "etcd is down")),
                _ => None,
            }
        });
        let double = double.await;
        double.store.lock().unwrap().put(NAME, &theirs("example.com"));
        let row = carry_out(&double, removal(), PlanRequest::default()).await;
        let message = row.failure.map(|failure| failure.message);
        assert_eq!(message, expected.map(|text| format!("secret `openshift/{NAME}` {text}")));
    }
    // A write that cannot be read back was confirmed.
    let double = Double::start(|seen: &Seen, store: &mut Store| {
        let is_after = store.seen.iter().any(|seen| seen.method == "PATCH");
        (seen.method == "GET" && is_after).then(|| status(500, "InternalError", "etcd is down"))
    });
    let double = double.await;
    double.store.lock().unwrap().put(NAME, &theirs("example.com"));
    let failure = write(&double).await.failure.unwrap();
    assert!(failure.message.ends_with("was written, but it could not be read back"), "{failure:?}");
    assert!(failure.causes.iter().any(|cause| cause.contains("etcd is down")), "{failure:?}");
}

#[tokio::test]
async fn a_secret_that_cannot_be_changed_after_a_conflict_fails_with_a_hint() {
    let wrong_type = json!({"metadata": {"name": NAME}, "type": "Opaque", "data": {".dockerconfigjson": "e30="}});
    let immutable = json!({"metadata": {"name": NAME}, "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": "e30="}, "immutable": true});
    for (secret, message, hint) in
        [(wrong_type, "has the type `Opaque`", "oc delete secret"), (immutable, "is immutable", "`--recreate`")]
    {
        let double = Double::start(move |seen: &Seen, store: &mut Store| {
            if seen.method == "PATCH" {
                store.save(NAME, secret.clone());
            }
            None
        });
        let double = double.await;
        double.store.lock().unwrap().put(NAME, &theirs("example.com"));
        let row = write(&double).await;
        let failure = row.failure.unwrap();
        assert!(failure.message.contains(message) && failure.hint.as_ref().unwrap().contains(hint), "{failure:?}");
        assert_eq!((row.outcome, patches(&double)), (Outcome::Failed, 1));
    }
}

#[tokio::test]
async fn an_unconfirmed_write_that_another_client_changed_and_kept_is_reported_as_written() {
    for keeps in [true, false] {
        let double = Double::start(move |seen: &Seen, store: &mut Store| {
            if seen.method != "PATCH" || store.version > 1 {
                return None;
            }
            // The server carries the write out without confirming it, and another client changes the secret at once.
            let mut secret = store.secrets[NAME].clone();
            double::merge(&mut secret, &seen.body);
            store.save(NAME, secret);
            let ours = dockerconfig::merge(None, &credentials(), Reader::PullSecret).unwrap().content.unwrap();
            let kept = String::from_utf8(ours.expose().to_vec()).unwrap();
            store.put(NAME, if keeps { &kept } else { "not JSON" });
            Some(status(504, "Timeout", "the request may or may not have been done"))
        });
        let double = double.await;
        double.store.lock().unwrap().put(NAME, &theirs("example.com"));
        let row = write(&double).await;
        assert_eq!(row.outcome, if keeps { Outcome::Updated } else { Outcome::Failed }, "{row:?}");
        // The same request again is harmless, because of its precondition.
        assert_eq!(patches(&double), 2);
    }
}

/// A secret of the other type with one registry that this program does not manage.
fn dockercfg() -> serde_json::Value {
    let content =
        openssl::base64::encode_block(json!({"example.com": {"auth": "dGhlaXJzOng="}}).to_string().as_bytes());
    json!({"metadata": {"name": NAME}, "type": "kubernetes.io/dockercfg", "data": {".dockercfg": content}})
}

fn permitted() -> PlanRequest {
    PlanRequest { recreate: Recreate::Permit, ..PlanRequest::default() }
}

const COPY: &str = "imagestreamsecret-oregano-copy";

/// Whether the request creates the secret itself, and not its copy.
fn creates(seen: &Seen) -> bool {
    seen.method == "POST" && seen.body["metadata"]["name"] == NAME
}

#[tokio::test]
async fn a_deleted_secret_is_created_again_although_the_server_fails_at_first() {
    // The number of creations that fail after the deletion, and whether the deletion is confirmed.
    for (failing, confirms) in [(0, true), (3, true), (1, false)] {
        let double = Double::start(move |seen: &Seen, store: &mut Store| {
            let failed = store.seen.iter().filter(|seen| creates(seen)).count();
            match seen.method.as_str() {
                "POST" if creates(seen) && failed <= failing => {
                    Some(status(500, "InternalError", "failed calling webhook"))
                }
                "DELETE" if !confirms && seen.path.ends_with(NAME) => {
                    store.secrets.remove(NAME);
                    Some(status(504, "Timeout", "the request may or may not have been done"))
                }
                _ => None,
            }
        });
        let double = double.await;
        double.store.lock().unwrap().save(NAME, dockercfg());
        let row = carry_out(&double, declared(), permitted()).await;
        assert_eq!((row.outcome, row.failure), (Outcome::Recreated, None));
        let content = double.content(NAME).unwrap();
        assert!(content.contains("dGhlaXJzOng=") && content.contains("YWNtZTpodW50ZXIy"), "{content}");
        assert_eq!(double.content(COPY), None);
    }
}

#[tokio::test]
async fn the_content_of_a_deleted_secret_is_never_lost() {
    // The server never creates the secret, and another client creates it first.
    for (first, cause) in [(false, "failed calling webhook"), (true, "another client has created it first")] {
        let double = Double::start(move |seen: &Seen, store: &mut Store| {
            if creates(seen) && first {
                store.put(NAME, &theirs("other.example.com"));
            }
            (creates(seen) && !first).then(|| status(500, "InternalError", "failed calling webhook"))
        });
        let double = double.await;
        double.store.lock().unwrap().save(NAME, dockercfg());
        let failure = carry_out(&double, declared(), permitted()).await.failure.unwrap();
        assert!(failure.message.ends_with("was deleted, and is not created again with its content"), "{failure:?}");
        assert!(failure.causes.iter().any(|text| text.contains(cause)), "{failure:?}");
        assert!(failure.hint.unwrap().contains(&format!("its complete new content is in secret `openshift/{COPY}`")));
        let content = double.content(COPY).unwrap();
        assert!(content.contains("dGhlaXJzOng=") && content.contains("YWNtZTpodW50ZXIy"), "{content}");
    }
}

#[tokio::test]
async fn a_secret_is_not_deleted_unless_its_content_is_stored_elsewhere() {
    let denied = |seen: &Seen, _: &mut Store| {
        (seen.method == "POST").then(|| status(403, "Forbidden", "exceeded quota: secrets"))
    };
    let changed = |seen: &Seen, store: &mut Store| {
        if seen.method == "POST" {
            store.put(NAME, &theirs("other.example.com"));
        }
        None
    };
    let double = Double::start(denied).await;
    double.store.lock().unwrap().save(NAME, dockercfg());
    let failure = carry_out(&double, declared(), permitted()).await.failure.unwrap();
    assert!(failure.hint.unwrap().contains("raise the quota"));
    assert!(double.store.lock().unwrap().secrets.contains_key(NAME));
    assert!(!double.requests().iter().any(|request| request.starts_with("DELETE")));

    // The copy of an interrupted run is not overwritten.
    let double = Double::start(|_: &Seen, _: &mut Store| None).await;
    double.store.lock().unwrap().save(NAME, dockercfg());
    double.store.lock().unwrap().put(COPY, &theirs("lost.example.com"));
    let failure = carry_out(&double, declared(), permitted()).await.failure.unwrap();
    assert!(failure.message.contains("a run that created a secret again was interrupted"), "{failure:?}");
    assert!(double.content(COPY).unwrap().contains("lost.example.com"));

    // Another client changes the secret before the deletion, so it is planned again.
    let double = Double::start(changed).await;
    double.store.lock().unwrap().save(NAME, dockercfg());
    let row = carry_out(&double, declared(), permitted()).await;
    assert_eq!((row.outcome, row.failure), (Outcome::Updated, None));
    assert!(double.content(NAME).unwrap().contains("other.example.com"));
    assert_eq!(double.content(COPY), None);
}

//! What the consumers use from merged files: their own code finds the new credential, and nothing else.

use super::oracle::{self, Question};
use crate::cases::{self, MergeCase};

#[test]
fn consumers_use_the_merged_credential() {
    let mut asked = Vec::new();
    for (name, case) in cases::read::<MergeCase>("dockerconfig") {
        let about_consumers = name.starts_with("go.yaml") || name.starts_with("spellings.yaml");
        // With a shadow, a consumer is meant to use something else.
        let Some(result) = case.result.filter(|_| about_consumers && case.shadows.is_empty()) else { continue };
        let is_legacy = case.reader.as_deref() == Some("legacy");
        for credential in case.credentials {
            let image = match credential.key.as_str() {
                "https://index.docker.io/v1/" => "docker.io/other/app".to_owned(),
                key => format!("{key}/other/app"),
            };
            let (files, legacy) =
                if is_legacy { (vec![], vec![result.clone()]) } else { (vec![result.clone()], vec![]) };
            let question = Question { image, secrets: Vec::new(), files, legacy, docker_auth_config: None };
            asked.push((format!("{name} ({})", case.rule), credential, question));
        }
    }
    let questions: Vec<Question> = asked.iter().map(|(_, _, question)| question.clone()).collect();
    for ((name, credential, question), (kubelet, others)) in asked.iter().zip(oracle::ask(&questions)) {
        let expected = (credential.user.as_str(), credential.password.as_str());
        let used: Vec<_> = kubelet.credentials.iter().flatten().map(|one| (&*one.user, &*one.password)).collect();
        assert!(!used.is_empty() && used.iter().all(|used| *used == expected), "{name}: kubelet: {used:?}");
        let used = &others.containers;
        assert_eq!((&*used.user, &*used.password, &*used.identity_token), (expected.0, expected.1, ""), "{name}");
        // docker does not read a `.dockercfg` anymore.
        if question.legacy.is_empty() {
            let used = &others.docker;
            assert_eq!((&*used.user, &*used.password, &*used.identity_token), (expected.0, expected.1, ""), "{name}");
        }
    }
    assert!(asked.len() > 15, "{} results were compared", asked.len());
}

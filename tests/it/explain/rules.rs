//! The results of `lookup`, compared with the consumers' own code: data cases, and random files and images. The seed is
//! fixed; `OREGANO_RANDOM_CASES` sets how many random cases are run, `OREGANO_RANDOM_SEED` selects other ones.

use oregano::desired::Image;
use oregano::dockerconfig::{Format, kubelet_key};
use oregano::lookup::{
    Candidate, CredentialFile, CredentialKind, LookupResult, PathState, PodSecret, SecretContent, UnusedReason,
    containers, docker, kubelet,
};
use oregano::secret::{Secret, SecretBytes};
use serde::Deserialize;
use serde_json::Value;

use super::oracle::{self, Found, Kubelet, Login, Others, Question};
use super::random;
use crate::cases;
use crate::inventory::random::wanted;

/// A case of tests/cases/explain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    #[serde(flatten)]
    question: Question,
    /// Our own results, in the form of [`describe`].
    #[serde(default)]
    kubelet: Vec<String>,
    #[serde(default)]
    containers: Vec<String>,
    #[serde(default)]
    docker: Vec<String>,
    /// The image is refused with these words.
    refused: Option<String>,
}

#[test]
fn cases_have_the_same_result_as_the_consumers() {
    let cases = cases::read::<Case>("explain");
    let questions: Vec<Question> = cases.iter().map(|(_, case)| case.question.clone()).collect();
    for ((name, case), (of_kubelet, others)) in cases.iter().zip(oracle::ask(&questions)) {
        let name = format!("{name} ({})", case.rule);
        if let Some(report) = difference(&case.question, &of_kubelet, &others) {
            panic!("{name}: {report}");
        }
        match (Answers::of(&case.question), &case.refused) {
            (Ok(ours), None) => {
                assert_eq!(describe(&ours.kubelet), case.kubelet, "{name}: kubelet");
                assert_eq!(describe(&ours.containers), case.containers, "{name}: containers/image");
                assert_eq!(describe(&ours.docker), case.docker, "{name}: docker");
            }
            (ours, refused) => assert_eq!(ours.err(), refused.as_deref(), "{name}"),
        }
    }
}

#[test]
fn random_files_and_images_have_the_same_result_as_the_consumers() {
    let mut left = wanted(600);
    let mut generator = random::Generator::new();
    let (mut found, mut all) = ([0; 3], 0);
    while left > 0 {
        let count = left.min(2000);
        left -= count;
        let mut trees = generator.take(count);
        let questions: Vec<Question> = trees.iter().map(random::question).collect();
        for (at, (of_kubelet, others)) in oracle::ask(&questions).iter().enumerate() {
            if let Some(report) = difference(&questions[at], of_kubelet, others) {
                panic!("{}", random::smallest(&mut trees[at], report, fails));
            }
            let logins = [&others.containers, &others.docker].map(|found| usize::from(!found.user.is_empty()));
            let of_kubelet = usize::from(of_kubelet.credentials.as_ref().is_some_and(|list| !list.is_empty()));
            for (sum, one) in found.iter_mut().zip(std::iter::once(of_kubelet).chain(logins)) {
                *sum += one;
            }
        }
        all += count;
    }
    assert!(
        found.iter().all(|found| found * 12 > all),
        "{found:?} of {all} have a credential: the others prove little"
    );
}

fn fails(question: &Question) -> Option<String> {
    let (of_kubelet, others) = oracle::ask(std::slice::from_ref(question)).remove(0);
    difference(question, &of_kubelet, &others)
}

/// Our results for a question.
struct Answers {
    kubelet: LookupResult,
    containers: LookupResult,
    docker: LookupResult,
}

impl Answers {
    fn of(question: &Question) -> Result<Self, &'static str> {
        let image = Image::parse(&question.image)?;
        let bytes = |text: &String| SecretBytes::new(text.clone().into_bytes());
        let file = |path: String, format, text| CredentialFile { path, format, state: PathState::Content(bytes(text)) };
        let numbered = question.files.iter().enumerate();
        let config = numbered.map(|(at, text)| file(format!("file{}", at + 1), Format::Config, text));
        let legacy = question.legacy.iter().map(|text| file(".dockercfg".to_owned(), Format::Legacy, text));
        let files: Vec<CredentialFile> = config.chain(legacy).collect();
        let secrets = question.secrets.iter().map(|secret| {
            let (config, legacy) = (secret.config.as_ref().map(bytes), secret.legacy.as_ref().map(bytes));
            let content = SecretContent { type_: secret.type_.clone(), config, legacy };
            PodSecret { name: secret.name.clone(), content: Some(content) }
        });
        let none = CredentialFile { path: "none".to_owned(), format: Format::Config, state: PathState::Absent };
        let variable = question.docker_auth_config.as_deref().map(Secret::new);
        let first = if question.files.is_empty() { &none } else { &files[0] };
        Ok(Self {
            kubelet: kubelet(&image, &secrets.collect::<Vec<_>>(), &files),
            containers: containers(&image, &files),
            docker: docker(&image, first, variable.as_ref()),
        })
    }
}

/// A result in lines: what is used, `-` and what is not, `!` and why the lookup fails.
fn describe(answer: &LookupResult) -> Vec<String> {
    let used =
        answer.credentials.iter().map(|found| format!("{} of {}{}", key(found), found.source.name(), kind(found)));
    let unused = answer.unused.iter().map(|unused| {
        let key = unused.key.as_ref().map_or_else(String::new, |key| format!("{key} of "));
        format!("- {key}{}: {}", unused.source.name(), unused.reason)
    });
    used.chain(unused).chain(answer.fault.iter().map(|fault| format!("! {fault}"))).collect()
}

fn key(found: &Candidate) -> &str {
    found.key.as_deref().unwrap_or("credsStore")
}

fn kind(found: &Candidate) -> String {
    match &found.kind {
        CredentialKind::Login { user } => format!(" ({user})"),
        CredentialKind::IdentityToken { user } => format!(" ({user}, token)"),
        CredentialKind::Empty => " (empty)".to_owned(),
        CredentialKind::Helper { helper } | CredentialKind::GlobalHelper { helper } => {
            format!(" (docker-credential-{helper})")
        }
    }
}

/// How our results differ from theirs.
fn difference(question: &Question, of_kubelet: &Kubelet, others: &Others) -> Option<String> {
    let report = |what: &str, ours: &dyn std::fmt::Debug, theirs: &dyn std::fmt::Debug| {
        Some(format!("{what}: ours {ours:?}\ntheirs {theirs:?}\n{question:#?}"))
    };
    let repositories = [&of_kubelet.repository, &others.containers.repository, &others.docker.repository];
    let (image, ours) = match (Image::parse(&question.image), Answers::of(question)) {
        (Ok(image), Ok(ours)) => (image, ours),
        (Err(why), _) | (_, Err(why)) => {
            let refused = repositories.iter().all(|name| name.is_empty());
            return if refused { None } else { report("the image", &why, &repositories) };
        }
    };
    let names =
        [image.name.as_str(), if image.is_valid_for_containers() { &image.name } else { "" }, image.name.as_str()];
    if names != repositories {
        return report("the image", &names, &repositories);
    }
    if !same_as_kubelet(&ours.kubelet, of_kubelet) {
        return report("the kubelet", &ours.kubelet, of_kubelet);
    }
    if !same(question, |answers| answers.containers, &others.containers) {
        return report("containers/image", &ours.containers, &others.containers);
    }
    if !same(question, |answers| answers.docker, &others.docker) {
        return report("docker", &ours.docker, &others.docker);
    }
    None
}

/// Entries that the kubelet files under one key come in a random order.
fn same_as_kubelet(ours: &LookupResult, theirs: &Kubelet) -> bool {
    if ours.fault.is_some() || !theirs.error.is_empty() {
        return ours.fault.is_some() && !theirs.error.is_empty();
    }
    let given = theirs.credentials.iter().flatten();
    let mut theirs: Vec<_> = given.map(|login| (login.user.clone(), is_empty(login))).collect();
    let mut users: Vec<(String, bool)> = Vec::new();
    let group = |found: &Candidate| (found.source.clone(), found.key.as_deref().and_then(kubelet_key));
    let mut at = 0;
    for chunk in ours.credentials.chunk_by(|one, other| group(one) == group(other)) {
        let mut part: Vec<_> = chunk.iter().map(login).collect();
        part.sort();
        users.extend(part);
        let end = (at + chunk.len()).min(theirs.len());
        theirs[at..end].sort();
        at = end;
    }
    users == theirs
}

fn is_empty(login: &Login) -> bool {
    login.user.is_empty() && login.password.is_empty()
}

fn login(found: &Candidate) -> (String, bool) {
    match &found.kind {
        CredentialKind::Login { user } | CredentialKind::IdentityToken { user } => (user.clone(), false),
        CredentialKind::Empty | CredentialKind::Helper { .. } | CredentialKind::GlobalHelper { .. } => {
            (String::new(), true)
        }
    }
}

/// Whether theirs is ours. Where it is left to chance which entry is taken, any order of the entries will do.
fn same(question: &Question, of: impl Fn(Answers) -> LookupResult, theirs: &Found) -> bool {
    let ours = of(Answers::of(question).unwrap());
    if matches_one(&ours, theirs) {
        return true;
    }
    if !ours.unused.iter().any(|unused| matches!(unused.reason, UnusedReason::Either(_))) {
        return false;
    }
    let (files, legacy) = (orders(&question.files), orders(&question.legacy));
    let both = files.iter().flat_map(|files| legacy.iter().map(move |legacy| (files.clone(), legacy.clone())));
    both.map(|(files, legacy)| Question { files, legacy, ..question.clone() })
        .any(|question| matches_one(&of(Answers::of(&question).unwrap()), theirs))
}

fn matches_one(ours: &LookupResult, theirs: &Found) -> bool {
    let nothing = theirs.user.is_empty() && theirs.password.is_empty() && theirs.identity_token.is_empty();
    let Some(found) = ours.credentials.first() else {
        return nothing && ours.fault.is_some() != theirs.error.is_empty();
    };
    let is_right = |user: &String| *user == theirs.user && theirs.error.is_empty() && !nothing;
    match &found.kind {
        CredentialKind::Login { user } => is_right(user) && theirs.identity_token.is_empty(),
        CredentialKind::IdentityToken { user } => is_right(user) && !theirs.identity_token.is_empty(),
        CredentialKind::Helper { helper } | CredentialKind::GlobalHelper { helper } => {
            theirs.error.contains(&format!("docker-credential-{helper}"))
        }
        CredentialKind::Empty => false,
    }
}

/// The files with each of their entries in the first place.
fn orders(files: &[String]) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    for content in files {
        let orders = rotations(content);
        all =
            all.iter().flat_map(|files| orders.iter().map(|one| [files.clone(), vec![one.clone()]].concat())).collect();
    }
    all
}

fn rotations(content: &str) -> Vec<String> {
    let Ok(Value::Object(root)) = serde_json::from_str(content) else { return vec![content.to_owned()] };
    let entries = match root.get("auths") {
        Some(Value::Object(auths)) => auths.clone(),
        _ => root.clone(),
    };
    let rotated = (0..entries.len().max(1)).map(|by| {
        let mut pairs: Vec<_> = entries.clone().into_iter().collect();
        let length = pairs.len().max(1);
        pairs.rotate_left(by % length);
        let entries = Value::Object(pairs.into_iter().collect());
        let mut root = root.clone();
        match root.get_mut("auths") {
            Some(auths @ Value::Object(_)) => *auths = entries,
            _ => return entries.to_string(),
        }
        Value::Object(root).to_string()
    });
    rotated.collect()
}

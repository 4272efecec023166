//! Many credentials at the same time: order, events, and how many requests run at the same time.

use std::time::Instant;

use crate::registry::tests::prelude::*;

async fn prove(registries: &[Registry]) -> (Vec<RegistryFact>, Vec<usize>) {
    let done = Mutex::new(Vec::new());
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Verdict(index, _) = event {
            done.lock().unwrap().push(index);
        }
    };
    let clients = clients();
    let facts = registry_prove(&clients, &Arc::default(), registries, TIMEOUT, &Redactor::default(), on_event).await;
    (facts, done.into_inner().unwrap())
}

fn verdicts(facts: &[RegistryFact]) -> Vec<Verdict> {
    facts.iter().map(|fact| fact.verdict).collect()
}

fn image(mut registry: Registry, name: &str) -> Registry {
    registry.image = format!("{}/{name}", registry.host);
    registry
}

#[tokio::test]
async fn a_refusal_holds_for_all_images_of_the_login() {
    let double = Double::start(bearer_registry).await;
    let wrong = |name| image(registry(&double.host, "wrong"), name);
    let mut skipped = wrong("team/skipped:v1");
    skipped.test_login = TestLogin::Skip;
    let right = registry(&double.host, "right");
    let (facts, mut done) = prove(&[wrong("team/app:v1"), right, wrong("team/other:v1"), skipped]).await;
    assert_eq!(verdicts(&facts), [Verdict::Refused, Verdict::Proved, Verdict::Refused, Verdict::Skipped]);
    assert_eq!(double.logins(), 2, "one of each password");
    let cause = facts[2].cause.as_deref().unwrap();
    assert!(cause.contains("not tried again") && cause.contains("team/app:v1") && cause.contains("401"), "{cause}");
    done.sort_unstable();
    assert_eq!(done, [0, 1, 2, 3]);
}

#[tokio::test]
async fn an_attempt_that_panics_is_reported_too() {
    let registries = [registry("127.0.0.1:1", "right")];
    let reported = Mutex::new(Vec::new());
    let on_event = |event: ProgressEvent<'_>| {
        if let ProgressEvent::Verdict(index, fact) = event {
            reported.lock().unwrap().push((index, fact.verdict));
        }
    };
    // The clock cannot represent this deadline, so the inspection panics.
    let clients = clients();
    let facts =
        registry_prove(&clients, &Arc::default(), &registries, Duration::MAX, &Redactor::default(), on_event).await;
    assert_eq!(verdicts(&facts), [Verdict::RegistryError]);
    assert_eq!(reported.into_inner().unwrap(), [(0, Verdict::RegistryError)]);
}

#[tokio::test]
async fn other_users_and_hosts_are_separate_logins() {
    let (one, two) = (Double::start(basic_registry).await, Double::start(basic_registry).await);
    let mut bob = registry(&one.host, "wrong");
    bob.user = "bob".into();
    let (facts, _) = prove(&[registry(&one.host, "wrong"), bob, registry(&two.host, "wrong")]).await;
    assert_eq!(verdicts(&facts), [Verdict::Refused; 3]);
    assert_eq!((one.logins(), two.logins()), (2, 1));
}

#[tokio::test]
async fn a_missing_permission_does_not_stop_other_images() {
    // The token shows that the password is right, so an image that the user may not pull does not stop the others.
    let double =
        Double::start(|received: &Received| match (received.path.as_str(), received.authorization.as_deref()) {
            ("/token", _) if received.is_alice() => {
                reply(200, &[], &format!(r#"{{"token":"{}"}}"#, token_for("alice", 0)))
            }
            (MANIFEST, Some(token)) if token.ends_with(&token_for("alice", 0)) => manifest(),
            _ => bearer_registry(received),
        });
    let double = double.await;
    let right = || registry(&double.host, "right");
    let (facts, _) = prove(&[image(right(), "team/missing:v1"), right()]).await;
    assert_eq!(verdicts(&facts), [Verdict::NoPermission, Verdict::Proved]);
}

#[tokio::test(start_paused = true)]
async fn many_credentials_in_order() {
    let double = Double::slow(|_| Duration::from_millis(1), basic_registry).await;
    let registries: Vec<Registry> = (0..100)
        .map(|index| {
            let mut registry = registry(&double.host, "right");
            if index % 2 == 1 {
                registry.password = Secret::new(format!("wrong-{index}"));
            }
            registry
        })
        .collect();
    let begin = Instant::now();
    let (facts, done) = prove(&registries).await;
    for (index, fact) in facts.iter().enumerate() {
        let expected = if index % 2 == 1 { Verdict::Refused } else { Verdict::Proved };
        assert_eq!(fact.verdict, expected, "{index}");
    }
    assert_eq!(done.len(), 100);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn no_registries() {
    assert!(prove(&[]).await.0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_proof_sends_no_further_requests() {
    let double = Double::slow(|_| Duration::from_millis(20), basic_registry).await;
    let registries: Vec<Registry> =
        (0..20).map(|index| image(registry(&double.host, "right"), &format!("a/b:{index}"))).collect();
    // The timeout drops the future of the proof, as an interrupted run does.
    let ended = tokio::time::timeout(Duration::from_millis(100), prove(&registries)).await;
    let count = double.request_lines().len();
    until_idle().await;
    assert!(ended.is_err() && count > 1, "{count}");
    assert_eq!(double.request_lines().len(), count);
}

/// Images of one login, none of which the doubles have.
fn images(host: &str, password: &str, count: usize) -> Vec<Registry> {
    (0..count).map(|index| image(registry(host, password), &format!("team/app:{index}"))).collect()
}

#[tokio::test]
async fn proofs_that_run_at_the_same_time_share_a_refusal() {
    for script in [basic_registry, bearer_registry] {
        let pause = |received: &Received| Duration::from_millis(if received.authorization.is_some() { 50 } else { 5 });
        let double = Double::slow(pause, script).await;
        let (clients, logins) = (clients(), Arc::default());
        let registries = images(&double.host, "wrong", 5);
        let (redactor, quiet) = (Redactor::default(), |_: ProgressEvent<'_>| {});
        let proof = || registry_prove(&clients, &logins, &registries, TIMEOUT, &redactor, quiet);
        let (one, two, three, four) = tokio::join!(proof(), proof(), proof(), proof());
        for facts in [one, two, three, four] {
            assert_eq!(verdicts(&facts), [Verdict::Refused; 5]);
        }
        assert_eq!(double.logins(), 1, "one wrong password is one failed login");
        let tokens = double.tokens();
        proof().await;
        assert_eq!((double.logins(), double.tokens()), (1, tokens), "a refused login only sends a ping");
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_waited_for_once() {
    let double = Double::slow(|_| Duration::from_secs(3600), basic_registry).await;
    let registries = images(&double.host, "right", 5);
    let (clients, logins) = (clients(), Arc::default());
    let (redactor, quiet) = (Redactor::default(), |_: ProgressEvent<'_>| {});
    let proof = || registry_prove(&clients, &logins, &registries, TIMEOUT, &redactor, quiet);
    let begin = tokio::time::Instant::now();
    let (here, there) = tokio::join!(proof(), proof());
    assert_eq!([verdicts(&here), verdicts(&there)], [[Verdict::Timeout; 5]; 2]);
    assert!(begin.elapsed() < TIMEOUT * 2, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_slot_does_not_count_against_the_timeout() {
    // An opaque token does not show whether the password is right until it shows an image.
    let pause = |received: &Received| if received.is_alice() { TIMEOUT.mul_f64(0.6) } else { Duration::ZERO };
    let double = Double::slow(pause, |received: &Received| match received.authorization.as_deref() {
        Some("Bearer opensesame") => manifest(),
        _ => bearer_registry(received),
    });
    let double = double.await;
    let (facts, done) = prove(&images(&double.host, "right", 3)).await;
    assert_eq!(verdicts(&facts), [Verdict::Proved; 3]);
    assert_eq!((done[0], double.logins()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_login_does_not_wait_for_other_images() {
    let slow = |received: &Received| if received.path == "/v2/" { Duration::ZERO } else { TIMEOUT.mul_f64(0.4) };
    let double = Double::slow(slow, |received: &Received| match received.path.as_str() {
        path if path.starts_with("/v2/team/") && received.is_alice() => manifest(),
        _ => basic_registry(received),
    });
    let double = double.await;
    let begin = tokio::time::Instant::now();
    let (facts, _) = prove(&images(&double.host, "right", 5)).await;
    assert_eq!(verdicts(&facts), [Verdict::Proved; 5]);
    assert!(begin.elapsed() < TIMEOUT, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_first_image_is_the_one_that_is_tried() {
    // The first request is for the first image, and its response arrives last.
    let count = Arc::new(AtomicU32::new(0));
    let pause = move |_: &Received| Duration::from_secs(if count.fetch_add(1, Ordering::SeqCst) == 0 { 1 } else { 0 });
    let double = Double::slow(pause, basic_registry).await;
    let registries = images(&double.host, "wrong", 3);
    let (facts, _) = prove(&registries).await;
    assert_eq!(verdicts(&facts), [Verdict::Refused; 3]);
    for (fact, tried) in facts.iter().zip([true, false, false]) {
        assert_eq!(!fact.cause.as_deref().unwrap().starts_with("not tried again"), tried, "{facts:?}");
    }
    assert_eq!(double.logins(), 1);
}

#[tokio::test]
async fn equal_requests_are_sent_once() {
    let double = Double::start(basic_registry).await;
    let team = || Registry { host: format!("{}/team", double.host), ..registry(&double.host, "right") };
    let login_only =
        |registry: Registry| Registry { test_login: TestLogin::LoginOnly, image: registry.host.clone(), ..registry };
    let verified = Registry { tls: TlsPolicy::Verify, ..team() };
    let registries = [
        registry(&double.host, "right"),
        team(),
        login_only(registry(&double.host, "right")),
        login_only(team()),
        verified,
    ];
    let (facts, mut done) = prove(&registries).await;
    let proved = Verdict::Proved;
    assert_eq!(verdicts(&facts), [proved, proved, proved, proved, Verdict::Tls]);
    done.sort_unstable();
    assert_eq!(done, [0, 1, 2, 3, 4]);
    let count = |method: &str| double.request_lines().iter().filter(|line| line.starts_with(method)).count();
    assert_eq!((count("GET"), count("HEAD")), (3, 2), "{:?}", double.request_lines());
}

/// A registry that responds slowly, and records how many requests it served at the same time.
async fn counting_registry(latency: Duration) -> (Double, Arc<Mutex<(usize, usize)>>) {
    let load = Arc::new(Mutex::new((0, 0)));
    let (counter, counted) = (Arc::clone(&load), Arc::clone(&load));
    let begin = move |_: &Received| {
        let mut load = counter.lock().unwrap();
        load.0 += 1;
        load.1 = load.1.max(load.0);
        latency
    };
    let double = Double::slow(begin, move |received: &Received| {
        counted.lock().unwrap().0 -= 1;
        match received.authorization {
            Some(_) if received.path.starts_with("/v2/team/") => manifest(),
            _ => basic_registry(received),
        }
    });
    (double.await, load)
}

#[tokio::test(start_paused = true)]
async fn many_registries_take_no_longer_than_one() {
    let latency = Duration::from_millis(100);
    let mut doubles = Vec::new();
    for index in 0..200 {
        let script = if index % 2 == 0 { basic_registry } else { bearer_registry };
        doubles.push(Double::slow(move |_| latency, script).await);
    }
    let registries: Vec<Registry> = doubles.iter().map(|double| registry(&double.host, "right")).collect();
    let begin = tokio::time::Instant::now();
    let (facts, _) = prove(&registries).await;
    assert_eq!(verdicts(&facts), [Verdict::Proved; 200]);
    // There are five responses one after another. The clock advances only while all tasks wait.
    let elapsed = begin.elapsed();
    assert!(elapsed < Duration::from_millis(1500), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_gets_a_limited_number_of_requests_at_the_same_time() {
    let (double, load) = counting_registry(Duration::from_millis(100)).await;
    let registries: Vec<Registry> = (0..64)
        .map(|index| {
            let mut registry = registry(&double.host, "right");
            registry.user = format!("user{index}");
            registry
        })
        .collect();
    prove(&registries).await;
    assert_eq!(load.lock().unwrap().1, 16);
}

#[tokio::test(start_paused = true)]
async fn the_images_of_an_accepted_login_are_proved_at_the_same_time() {
    let (double, load) = counting_registry(Duration::from_millis(100)).await;
    let registries: Vec<Registry> =
        (0..17).map(|index| image(registry(&double.host, "right"), &format!("team/app:{index}"))).collect();
    let begin = tokio::time::Instant::now();
    let (facts, done) = prove(&registries).await;
    assert_eq!(verdicts(&facts), [Verdict::Proved; 17]);
    assert_eq!(done[0], 0, "the first shows that the login is accepted");
    assert!(begin.elapsed() < Duration::from_millis(1200), "{:?}", begin.elapsed());
    assert_eq!(load.lock().unwrap().1, 16);
}

//! The registries there are, each as a row of what it answers, and what must be concluded from that.

use axum::body::Body;
use axum::http::Response;

use super::double::{Double, Seen, ask_basic, ask_bearer, basic, manifest, named, reply, welcome};
use super::{PATIENCE, clients, inspect, inspect_with, registry};
use crate::desired::TestLogin;
use crate::facts::Verdict::{self, NoPermission, NotFound, NotProved, Proved, Refused, RegistryError};
use crate::registry::diagnosis::image_hint;

/// How a registry behaves; numbers are statuses.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    login: Login,
    /// To a wrong password; 200 is a token for nobody.
    wrong: u16,
    forbidden: u16,
    no_repository: u16,
    no_tag: u16,
    expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    Basic,
    /// Tokens that say to whom they were issued; anybody gets one.
    Named,
    /// Tokens that say nothing; anybody gets one.
    Opaque,
    /// Tokens that say nothing; only a right password gets one.
    Guarded,
}

/// The verdicts on a wrong password for a private and a public image, and on a right one for an image that it may
/// pull, one that it may not, a missing repository, a missing tag, and a public image.
type Expected = [Verdict; 7];

const KINDS: [Kind; 16] = [
    Kind {
        name: "registry.redhat.io",
        login: Login::Guarded,
        wrong: 401,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, Proved],
    },
    Kind {
        name: "quay.io",
        login: Login::Named,
        wrong: 401,
        forbidden: 401,
        no_repository: 401,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NoPermission, NotFound, NotProved],
    },
    Kind {
        name: "Docker Hub",
        login: Login::Named,
        wrong: 401,
        forbidden: 401,
        no_repository: 401,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NoPermission, NotFound, NotProved],
    },
    Kind {
        name: "GHCR",
        login: Login::Opaque,
        wrong: 403,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "ECR, expired is 403",
        login: Login::Basic,
        wrong: 403,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "ECR, wrong is 401",
        login: Login::Basic,
        wrong: 401,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "ECR, a password of another region is 400",
        login: Login::Basic,
        wrong: 400,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "ECR public",
        login: Login::Opaque,
        wrong: 400,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "Harbor",
        login: Login::Named,
        wrong: 200,
        forbidden: 401,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "Harbor, forbidden is 403",
        login: Login::Named,
        wrong: 200,
        forbidden: 403,
        no_repository: 401,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NoPermission, NotFound, NotProved],
    },
    Kind {
        name: "a Harbor whose tokens cannot be read",
        login: Login::Opaque,
        wrong: 200,
        forbidden: 401,
        no_repository: 404,
        no_tag: 404,
        expected: [NoPermission, NotProved, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "Artifactory, Nexus",
        login: Login::Basic,
        wrong: 401,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "OpenShift",
        login: Login::Guarded,
        wrong: 401,
        forbidden: 401,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, Proved],
    },
    Kind {
        name: "GAR",
        login: Login::Opaque,
        wrong: 403,
        forbidden: 403,
        no_repository: 403,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NoPermission, NotFound, NotProved],
    },
    Kind {
        name: "GAR, forbidden is 404",
        login: Login::Opaque,
        wrong: 403,
        forbidden: 404,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NotFound, NotFound, NotFound, NotProved],
    },
    Kind {
        name: "one that answers 400 to a token",
        login: Login::Guarded,
        wrong: 401,
        forbidden: 400,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, RegistryError, NotFound, NotFound, Proved],
    },
];

const IMAGES: [(&str, &str); 7] = [
    ("wrong", "team/app:v1"),
    ("wrong", "team/open:v1"),
    ("right", "team/app:v1"),
    ("right", "team/secret:v1"),
    ("right", "team/none:v1"),
    ("right", "team/app:v9"),
    ("right", "team/open:v1"),
];

/// Who shows a token or password: nobody but `alice` has one that is worth something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Alice,
    Anybody,
    /// Somebody with a wrong password.
    Wrong,
    /// No token, no password.
    Stranger,
}

impl Kind {
    fn answer(self, seen: &Seen) -> Response<Body> {
        let who = self.who(seen);
        match seen.path.as_str() {
            "/token" => self.token(who),
            "/v2/" => match who {
                Who::Alice => welcome(),
                Who::Wrong => reply(self.wrong, &[], ""),
                Who::Anybody | Who::Stranger => self.ask(seen),
            },
            "/v2/team/open/manifests/v1" if who == Who::Anybody || who == Who::Alice => manifest(),
            "/v2/team/open/manifests/v1" if self.login == Login::Basic && who == Who::Stranger => manifest(),
            _ if who == Who::Stranger => self.ask(seen),
            _ if who == Who::Wrong => reply(self.wrong, &[], ""),
            _ if who == Who::Anybody => reply(self.forbidden, &[], ""),
            "/v2/team/app/manifests/v1" => manifest(),
            "/v2/team/app/manifests/v9" => reply(self.no_tag, &[], ""),
            "/v2/team/none/manifests/v1" => reply(self.no_repository, &[], ""),
            _ => reply(self.forbidden, &[], ""),
        }
    }

    fn ask(self, seen: &Seen) -> Response<Body> {
        if self.login == Login::Basic { ask_basic() } else { ask_bearer(seen) }
    }

    fn who(self, seen: &Seen) -> Who {
        let Some(shown) = &seen.authorization else { return Who::Stranger };
        match shown.strip_prefix("Bearer ") {
            Some(token) if token == self.text_of("alice") => Who::Alice,
            Some(_) => Who::Anybody,
            None if *shown == basic("alice", "right") => Who::Alice,
            None => Who::Wrong,
        }
    }

    fn token(self, who: Who) -> Response<Body> {
        let subject = match who {
            Who::Alice => "alice",
            Who::Wrong if self.wrong != 200 => return reply(self.wrong, &[], ""),
            Who::Stranger if self.login == Login::Guarded => return reply(401, &[], ""),
            _ => "",
        };
        reply(200, &[], &format!(r#"{{"token":"{}"}}"#, self.text_of(subject)))
    }

    fn text_of(self, subject: &str) -> String {
        match self.login {
            Login::Named => named(subject, 0),
            _ => format!("opaque{subject}"),
        }
    }
}

#[tokio::test]
async fn every_row_is_judged_right() {
    let clients = clients();
    for kind in KINDS {
        for ((password, image), expected) in IMAGES.into_iter().zip(kind.expected) {
            let double = Double::start(move |seen: &Seen| kind.answer(seen)).await;
            let mut asked = registry(&double.host, password);
            asked.image = format!("{}/{image}", double.host);
            let (fact, _) = inspect_with(&clients, &asked, PATIENCE).await;
            let what = format!("{}: {password} password, {image}: {fact:?}", kind.name);
            assert_eq!(fact.verdict, expected, "{what}");
            assert_eq!((fact.cause.is_some(), fact.hint.is_some()), (expected != Proved, expected != Proved), "{what}");
            if password == "wrong" {
                assert_eq!(double.logins(), 1, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn every_row_judges_a_mere_login() {
    let clients = clients();
    for kind in KINDS {
        for password in ["wrong", "right"] {
            let double = Double::start(move |seen: &Seen| kind.answer(seen)).await;
            let mut asked = registry(&double.host, password);
            asked.test_login = TestLogin::LoginOnly;
            asked.image = format!("{}/team", double.host);
            let (fact, _) = inspect_with(&clients, &asked, PATIENCE).await;
            let expected = if password == "right" { Proved } else { Refused };
            assert_eq!(fact.verdict, expected, "{} {password}: {fact:?}", kind.name);
            assert_eq!(double.logins(), 1, "{} {password}", kind.name);
            let queries: Vec<String> = double.all().into_iter().map(|seen| seen.query).collect();
            assert!(!queries.concat().contains("scope"), "{queries:?}");
            assert!(double.all().iter().all(|seen| !seen.path.contains("manifests")));
        }
    }
}

#[tokio::test]
async fn a_login_that_nobody_asks_for_proves_nothing() {
    let double = Double::start(|_: &Seen| welcome()).await;
    let mut asked = registry(&double.host, "right");
    (asked.test_login, asked.image) = (TestLogin::LoginOnly, double.host.clone());
    let fact = inspect(&asked).await;
    assert_eq!(fact.verdict, NotProved);
    assert!(fact.hint.unwrap().starts_with("name a private image as "));
    assert_eq!((double.asked(), double.logins()), (vec!["GET /v2/".to_owned()], 0));
}

#[tokio::test]
async fn a_token_that_is_not_taken_leaves_two_reasons() {
    let opaque = kind("a Harbor whose tokens cannot be read");
    let double = Double::start(move |seen: &Seen| opaque.answer(seen)).await;
    let mut asked = registry(&double.host, "wrong");
    (asked.test_login, asked.image) = (TestLogin::LoginOnly, double.host.clone());
    let fact = inspect(&asked).await;
    assert_eq!(fact.verdict, Refused);
    assert!(fact.cause.as_deref().unwrap().ends_with(": `alice` got a token, which is not taken"), "{fact:?}");
    let hint = fact.hint.unwrap();
    assert!(hint.starts_with("check the password, as some registries (Harbor) give a token to a wrong one"), "{hint}");
    assert!(hint.ends_with(&format!("7:20; if it is right, ask the operator of `{}`", double.host)), "{hint}");
}

#[test]
fn what_is_said_of_a_missing_image() {
    use crate::registry::judgement::Login::{Accepted, Issued, Presented};
    let good = "the login is good: name an image and tag that exist in `test_image`";
    let hidden = format!("{good}; or it is hidden from `alice`");
    let token = good.replace("the login is good", "`alice` got a token");
    let cases = [
        ("registry.example.com", Presented, "name an image and tag that exist in `test_image`"),
        ("registry.example.com", Issued, &token),
        ("registry.example.com", Accepted, good),
        ("quay.io", Issued, good),
        ("ghcr.io", Issued, &hidden),
        ("eu.gcr.io", Issued, &hidden),
        ("europe-docker.pkg.dev", Accepted, &hidden),
    ];
    for (host, login, hint) in cases {
        assert_eq!(image_hint(&registry(host, "right"), host, login), hint, "{host} {login:?}");
    }
}

fn kind(name: &str) -> Kind {
    KINDS.into_iter().find(|kind| kind.name == name).unwrap()
}

#[tokio::test]
async fn what_is_said_of_each_case() {
    let [named, opaque, guarded] = ["Harbor", "a Harbor whose tokens cannot be read", "registry.redhat.io"].map(kind);
    let cases = [
        (named, "wrong", "team/app:v1", "401 Unauthorized: the token server took `alice` for nobody", "comes from"),
        (
            named,
            "wrong",
            "team/open:v1",
            "200 OK: the token server took `alice` for nobody, and anybody may pull this image",
            "comes from",
        ),
        (named, "wrong", "team/none:v1", "401 Unauthorized: the token server took `alice` for nobody", "comes from"),
        (named, "right", "team/open:v1", "anybody may pull this image; the login of `alice` was accepted", "private"),
        (opaque, "wrong", "team/app:v1", "401 Unauthorized", "(Harbor) give a token to a wrong one"),
        (opaque, "right", "team/open:v1", "anybody may pull this image", "private"),
        (named, "right", "team/secret:v1", "401 Unauthorized", "`alice` logged in, but is not allowed"),
        (guarded, "right", "team/none:v1", "404 Not Found", "`alice` got a token: name an image"),
        (named, "right", "team/none:v1", "404 Not Found", "the login is good: name an image"),
    ];
    for (kind, password, image, cause, hint) in cases {
        let double = Double::start(move |seen: &Seen| kind.answer(seen)).await;
        let mut asked = registry(&double.host, password);
        asked.image = format!("{}/{image}", double.host);
        let fact = inspect(&asked).await;
        assert!(fact.cause.as_deref().unwrap().contains(cause), "{image}: {fact:?}");
        assert!(fact.hint.as_deref().unwrap().contains(hint), "{image}: {fact:?}");
        let accepted = fact.cause.as_deref().unwrap().ends_with("was accepted");
        assert_eq!(accepted, cause.ends_with("was accepted"), "{fact:?}");
    }
}

#[tokio::test]
async fn the_question_for_anybody_never_worsens_a_proof() {
    let broken: [fn() -> Response<Body>; 4] = [
        || reply(500, &[("retry-after", "3600")], ""),
        || reply(200, &[], "<html>"),
        || reply(302, &[("location", "/elsewhere")], ""),
        || reply(200, &[], r#"{"token":"a\nb"}"#),
    ];
    for answer in broken {
        let double = Double::start(move |seen: &Seen| match (seen.path.as_str(), &seen.authorization) {
            ("/token", None) => answer(),
            _ => KINDS[1].answer(seen),
        });
        let double = double.await;
        let fact = inspect(&registry(&double.host, "right")).await;
        assert_eq!(fact.verdict, Proved, "{fact:?}");
    }
}

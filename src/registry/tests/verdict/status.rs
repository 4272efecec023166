//! Well-known registries: each row has the responses of one registry and the verdicts that must follow from them.

use crate::facts::Verdict::{NoPermission, NotFound, NotProved, Proved, Refused, RegistryError};
use crate::registry::tests::prelude::*;
use crate::registry::verdict::hint::missing_image;

/// The responses of a registry; the numbers are statuses.
#[derive(Clone, Copy)]
struct Behavior {
    name: &'static str,
    login: TokenStyle,
    /// For a wrong password; 200 is an anonymous token.
    wrong: u16,
    forbidden: u16,
    no_repository: u16,
    no_tag: u16,
    expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenStyle {
    Basic,
    /// Tokens that name their user; anonymous tokens are issued, too.
    Named,
    /// Opaque tokens; anonymous tokens are issued, too.
    Opaque,
    /// Opaque tokens, only for right passwords.
    Guarded,
}

/// The verdicts on a wrong password for a private and a public image, and on a right one for an image that it may
/// pull, one that it may not, a missing repository, a missing tag, and a public image.
type Expected = [Verdict; 7];

const BEHAVIORS: [Behavior; 16] = [
    Behavior {
        name: "registry.redhat.io",
        login: TokenStyle::Guarded,
        wrong: 401,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, Proved],
    },
    Behavior {
        name: "quay.io",
        login: TokenStyle::Named,
        wrong: 401,
        forbidden: 401,
        no_repository: 401,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NoPermission, NotFound, NotProved],
    },
    Behavior {
        name: "Docker Hub",
        login: TokenStyle::Named,
        wrong: 401,
        forbidden: 401,
        no_repository: 401,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NoPermission, NotFound, NotProved],
    },
    Behavior {
        name: "GHCR",
        login: TokenStyle::Opaque,
        wrong: 403,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "ECR, expired is 403",
        login: TokenStyle::Basic,
        wrong: 403,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "ECR, wrong is 401",
        login: TokenStyle::Basic,
        wrong: 401,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "ECR, a password of another region is 400",
        login: TokenStyle::Basic,
        wrong: 400,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "ECR public",
        login: TokenStyle::Opaque,
        wrong: 400,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "Harbor",
        login: TokenStyle::Named,
        wrong: 200,
        forbidden: 401,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "Harbor, forbidden is 403",
        login: TokenStyle::Named,
        wrong: 200,
        forbidden: 403,
        no_repository: 401,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NoPermission, NotFound, NotProved],
    },
    Behavior {
        name: "a Harbor whose tokens cannot be read",
        login: TokenStyle::Opaque,
        wrong: 200,
        forbidden: 401,
        no_repository: 404,
        no_tag: 404,
        expected: [NoPermission, NotProved, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "Artifactory, Nexus",
        login: TokenStyle::Basic,
        wrong: 401,
        forbidden: 403,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "OpenShift",
        login: TokenStyle::Guarded,
        wrong: 401,
        forbidden: 401,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NotFound, NotFound, Proved],
    },
    Behavior {
        name: "GAR",
        login: TokenStyle::Opaque,
        wrong: 403,
        forbidden: 403,
        no_repository: 403,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NoPermission, NoPermission, NotFound, NotProved],
    },
    Behavior {
        name: "GAR, forbidden is 404",
        login: TokenStyle::Opaque,
        wrong: 403,
        forbidden: 404,
        no_repository: 404,
        no_tag: 404,
        expected: [Refused, Refused, Proved, NotFound, NotFound, NotFound, NotProved],
    },
    Behavior {
        name: "one that responds 400 to a token",
        login: TokenStyle::Guarded,
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

/// The login that a request carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Alice,
    Anonymous,
    /// A user with a wrong password.
    Wrong,
    /// No token, no password.
    Stranger,
}

impl Behavior {
    fn respond(self, received: &Received) -> Response<Body> {
        let who = self.caller(received);
        match received.path.as_str() {
            "/token" => self.token(who),
            "/v2/" => match who {
                Caller::Alice => accepted(),
                Caller::Wrong => reply(self.wrong, &[], ""),
                Caller::Anonymous | Caller::Stranger => self.challenge(received),
            },
            "/v2/team/open/manifests/v1" if who == Caller::Anonymous || who == Caller::Alice => manifest(),
            "/v2/team/open/manifests/v1" if self.login == TokenStyle::Basic && who == Caller::Stranger => manifest(),
            _ if who == Caller::Stranger => self.challenge(received),
            _ if who == Caller::Wrong => reply(self.wrong, &[], ""),
            _ if who == Caller::Anonymous => reply(self.forbidden, &[], ""),
            "/v2/team/app/manifests/v1" => manifest(),
            "/v2/team/app/manifests/v9" => reply(self.no_tag, &[], ""),
            "/v2/team/none/manifests/v1" => reply(self.no_repository, &[], ""),
            _ => reply(self.forbidden, &[], ""),
        }
    }

    fn challenge(self, received: &Received) -> Response<Body> {
        if self.login == TokenStyle::Basic { challenge_basic() } else { challenge_bearer(received) }
    }

    fn caller(self, received: &Received) -> Caller {
        let Some(shown) = &received.authorization else { return Caller::Stranger };
        match shown.strip_prefix("Bearer ") {
            Some(token) if token == self.token_text("alice") => Caller::Alice,
            Some(_) => Caller::Anonymous,
            None if *shown == basic("alice", "right") => Caller::Alice,
            None => Caller::Wrong,
        }
    }

    fn token(self, who: Caller) -> Response<Body> {
        let subject = match who {
            Caller::Alice => "alice",
            Caller::Wrong if self.wrong != 200 => return reply(self.wrong, &[], ""),
            Caller::Stranger if self.login == TokenStyle::Guarded => return reply(401, &[], ""),
            _ => "",
        };
        reply(200, &[], &format!(r#"{{"token":"{}"}}"#, self.token_text(subject)))
    }

    fn token_text(self, subject: &str) -> String {
        match self.login {
            TokenStyle::Named => token_for(subject, 0),
            _ => format!("opaque{subject}"),
        }
    }
}

#[tokio::test]
async fn every_row_gets_its_verdict() {
    let clients = clients();
    for behavior in BEHAVIORS {
        for ((password, image), expected) in IMAGES.into_iter().zip(behavior.expected) {
            let double = Double::start(move |received: &Received| behavior.respond(received)).await;
            let mut wanted = registry(&double.host, password);
            wanted.image = format!("{}/{image}", double.host);
            let (fact, _) = inspect_with(&clients, &wanted, TIMEOUT).await;
            let what = format!("{}: {password} password, {image}: {fact:?}", behavior.name);
            assert_eq!(fact.verdict, expected, "{what}");
            assert_eq!((fact.cause.is_some(), fact.hint.is_some()), (expected != Proved, expected != Proved), "{what}");
            if password == "wrong" {
                assert_eq!(double.logins(), 1, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn every_row_gets_its_verdict_for_a_login_without_image() {
    let clients = clients();
    for behavior in BEHAVIORS {
        for password in ["wrong", "right"] {
            let double = Double::start(move |received: &Received| behavior.respond(received)).await;
            let mut wanted = registry(&double.host, password);
            wanted.test_login = TestLogin::LoginOnly;
            wanted.image = format!("{}/team", double.host);
            let (fact, _) = inspect_with(&clients, &wanted, TIMEOUT).await;
            let expected = if password == "right" { Proved } else { Refused };
            assert_eq!(fact.verdict, expected, "{} {password}: {fact:?}", behavior.name);
            assert_eq!(double.logins(), 1, "{} {password}", behavior.name);
            let queries: Vec<String> = double.requests().into_iter().map(|received| received.query).collect();
            assert!(!queries.concat().contains("scope"), "{queries:?}");
            assert!(double.requests().iter().all(|received| !received.path.contains("manifests")));
        }
    }
}

#[tokio::test]
async fn a_login_that_is_not_required_proves_nothing() {
    let double = Double::start(|_: &Received| accepted()).await;
    let mut wanted = registry(&double.host, "right");
    (wanted.test_login, wanted.image) = (TestLogin::LoginOnly, double.host.clone());
    let fact = inspect(&wanted).await;
    assert_eq!(fact.verdict, NotProved);
    assert!(fact.hint.unwrap().starts_with("set `test_image` to a private image"));
    assert_eq!((double.request_lines(), double.logins()), (vec!["GET /v2/".to_owned()], 0));
}

#[tokio::test]
async fn a_token_that_is_not_accepted_has_two_possible_reasons() {
    let opaque = behavior("a Harbor whose tokens cannot be read");
    let double = Double::start(move |received: &Received| opaque.respond(received)).await;
    let mut wanted = registry(&double.host, "wrong");
    (wanted.test_login, wanted.image) = (TestLogin::LoginOnly, double.host.clone());
    let fact = inspect(&wanted).await;
    assert_eq!(fact.verdict, Refused);
    assert!(
        fact.cause.as_deref().unwrap().ends_with(": `alice` received a token, which the registry does not accept"),
        "{fact:?}"
    );
    let hint = fact.hint.unwrap();
    assert!(
        hint.starts_with("check the password, because some registries (Harbor) issue a token for a wrong password"),
        "{hint}"
    );
    assert!(hint.ends_with(&format!("7:20; if it is right, contact the operator of `{}`", double.host)), "{hint}");
}

#[test]
fn hints_for_a_missing_image() {
    use crate::registry::verdict::status::LoginEvidence::{Accepted, CredentialSent, TokenIssued};
    let good = "the login is correct: set `test_image` to an image and tag that exist";
    let hidden = format!("{good}; or the registry hides the image from `alice`");
    let token = good.replace("the login is correct", "`alice` received a token");
    let cases = [
        ("registry.example.com", CredentialSent, "set `test_image` to an image and tag that exist"),
        ("registry.example.com", TokenIssued, &token),
        ("registry.example.com", Accepted, good),
        ("quay.io", TokenIssued, good),
        ("ghcr.io", TokenIssued, &hidden),
        ("eu.gcr.io", TokenIssued, &hidden),
        ("europe-docker.pkg.dev", Accepted, &hidden),
    ];
    for (host, login, hint) in cases {
        assert_eq!(missing_image(&registry(host, "right"), host, login), hint, "{host} {login:?}");
    }
}

fn behavior(name: &str) -> Behavior {
    BEHAVIORS.into_iter().find(|behavior| behavior.name == name).unwrap()
}

#[tokio::test]
async fn causes_and_hints_of_each_case() {
    let [named, opaque, guarded] =
        ["Harbor", "a Harbor whose tokens cannot be read", "registry.redhat.io"].map(behavior);
    let cases = [
        (
            named,
            "wrong",
            "team/app:v1",
            "401 Unauthorized: the token server issued an anonymous token, so it rejected `alice`",
            "comes from",
        ),
        (
            named,
            "wrong",
            "team/open:v1",
            "200 OK: the token server issued an anonymous token, so it rejected `alice`; the image can be pulled without a login",
            "comes from",
        ),
        (
            named,
            "wrong",
            "team/none:v1",
            "401 Unauthorized: the token server issued an anonymous token, so it rejected `alice`",
            "comes from",
        ),
        (named, "right", "team/open:v1", "everyone can pull this image; the login of `alice` was accepted", "private"),
        (opaque, "wrong", "team/app:v1", "401 Unauthorized", "(Harbor) issue a token for a wrong password"),
        (opaque, "right", "team/open:v1", "everyone can pull this image", "private"),
        (named, "right", "team/secret:v1", "401 Unauthorized", "`alice` logged in, but is not permitted"),
        (guarded, "right", "team/none:v1", "404 Not Found", "`alice` received a token: set `test_image` to an image"),
        (named, "right", "team/none:v1", "404 Not Found", "the login is correct: set `test_image` to an image"),
    ];
    for (behavior, password, image, cause, hint) in cases {
        let double = Double::start(move |received: &Received| behavior.respond(received)).await;
        let mut wanted = registry(&double.host, password);
        wanted.image = format!("{}/{image}", double.host);
        let fact = inspect(&wanted).await;
        assert!(fact.cause.as_deref().unwrap().contains(cause), "{image}: {fact:?}");
        assert!(fact.hint.as_deref().unwrap().contains(hint), "{image}: {fact:?}");
        let accepted = fact.cause.as_deref().unwrap().ends_with("was accepted");
        assert_eq!(accepted, cause.ends_with("was accepted"), "{fact:?}");
    }
}

#[tokio::test]
async fn the_check_for_a_public_image_never_changes_another_verdict() {
    let broken: [fn() -> Response<Body>; 4] = [
        || reply(500, &[("retry-after", "3600")], ""),
        || reply(200, &[], "<html>"),
        || reply(302, &[("location", "/elsewhere")], ""),
        || reply(200, &[], r#"{"token":"a\nb"}"#),
    ];
    for response in broken {
        let double =
            Double::start(move |received: &Received| match (received.path.as_str(), &received.authorization) {
                ("/token", None) => response(),
                _ => BEHAVIORS[1].respond(received),
            });
        let double = double.await;
        let fact = inspect(&registry(&double.host, "right")).await;
        assert_eq!(fact.verdict, Proved, "{fact:?}");
    }
}

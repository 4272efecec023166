//! What to do, where the node stands, about what it saw of a registry.

use crate::desired::Registry;
use crate::facts::{Evidence, FailedRequest, RegistryFact, ReportedBy, Verdict};
use crate::node::{Obstacle, Trouble};
use crate::registry;

/// Where proxies are named, as whoever wrote the inventory knows them.
const SETTINGS: &str = "`proxy` of the registry, or `openshift_https_proxy`";

/// The fact with what to do about it where the node stands. TLS is spoken from here, whatever the way. `obstacle`
/// is what the tunnel knows of the way.
pub(super) fn seen_from(
    node: &str,
    registry: &Registry,
    fact: &RegistryFact,
    obstacle: Option<&Obstacle>,
) -> RegistryFact {
    // What was remembered was seen from elsewhere.
    if fact.evidence == Evidence::Remembered {
        return fact.clone();
    }
    let host =
        fact.failed_request.as_ref().map_or_else(|| registry::contacted_host(registry), |failed| failed.server.clone());
    let hint = match (fact.verdict, obstacle) {
        (Verdict::Proxy | Verdict::Timeout, Some(obstacle)) => {
            let cause = with_obstacle(fact, &said(node, &host, obstacle));
            return RegistryFact { cause: Some(cause), hint: Some(mend(node, &host, obstacle)), ..fact.clone() };
        }
        (Verdict::Dns, _) => format!("check the name `{host}`, and the resolver and /etc/hosts of `{node}`"),
        (Verdict::ConnectionRefused, _) => {
            format!("does a server run at `{host}`? check host and port, and routes and firewall of `{node}`")
        }
        (Verdict::Timeout, None) => {
            format!("check the route, firewall and proxy between `{node}` and `{host}`, or raise `--timeout`")
        }
        (Verdict::Proxy, None) => format!("check {SETTINGS}, and whether `{node}` may use it"),
        _ => return fact.clone(),
    };
    RegistryFact { hint: Some(hint), ..fact.clone() }
}

/// The fact of a node for a registry that another node had a connection to: a certificate that only this one refuses is
/// not the registry's fault, and must not be trusted because of it.
pub(super) fn compared(node: &str, fact: RegistryFact) -> RegistryFact {
    if fact.verdict != Verdict::Tls {
        return fact;
    }
    let hint = format!(
        "another node is shown a certificate that is trusted: what answers `{node}` may be something else (a proxy, a \
         firewall, another address); compare what the name resolves to, and trust nothing before"
    );
    RegistryFact { hint: Some(hint), ..fact }
}

/// The cause of a registry's fact, with the obstacle. It takes the place of what the far end of the tunnel said, which
/// is only that there is one.
fn with_obstacle(fact: &RegistryFact, obstacle: &str) -> String {
    match fact.failed_request.as_deref() {
        Some(FailedRequest { request, tries, reported_by: ReportedBy::FarEnd, .. }) => {
            let tries = if *tries > 1 { format!(" (tried {tries} times)") } else { String::new() };
            format!("{request}: {obstacle}{tries}")
        }
        _ => [fact.cause.as_deref().unwrap_or_default(), obstacle].join("; "),
    }
}

fn said(node: &str, host: &str, Obstacle { at, trouble }: &Obstacle) -> String {
    let fault = match trouble {
        Trouble::Forbidden => {
            return format!("sshd of `{node}` forbids forwarding to `{at}` (administratively prohibited)");
        }
        Trouble::Unsupported => "only an HTTP proxy (`http://`) can be used from a node".to_owned(),
        Trouble::Unresolved => "its name does not resolve there".to_owned(),
        Trouble::Refused => "connection refused".to_owned(),
        Trouble::NoRoute => "no route to host".to_owned(),
        Trouble::NoConnection => "no connection to it".to_owned(),
        Trouble::Silent => "it did not answer".to_owned(),
        Trouble::NotHttp => "it hung up, or what it answers is not HTTP".to_owned(),
        Trouble::WantsLogin => "407: it wants a login".to_owned(),
        Trouble::RefusesLogin => "407: it does not take the login".to_owned(),
        Trouble::Status(status) => format!("{status}: it does not connect to `{host}`"),
    };
    format!("proxy `{at}`: {fault}")
}

fn mend(node: &str, host: &str, Obstacle { at, trouble }: &Obstacle) -> String {
    let except = format!("name `{host}` in `openshift_no_proxy`");
    match trouble {
        Trouble::Forbidden => format!(
            "name `{at}` in `PermitOpen` of the sshd_config of `{node}` (`permitopen=` in authorized_keys), or ask from \
             elsewhere with `--from` and `--limit`"
        ),
        Trouble::Unsupported => {
            format!("name an `http://` proxy in {SETTINGS}, {except}, or ask with `--from controller`")
        }
        Trouble::Unresolved => {
            format!("check {SETTINGS}, and the resolver and /etc/hosts of `{node}`")
        }
        Trouble::Refused => {
            format!("does the proxy run at `{at}`? check {SETTINGS}, and the firewall of `{node}`")
        }
        Trouble::NoRoute | Trouble::NoConnection => {
            format!("check {SETTINGS}, and the route and firewall between `{node}` and `{at}`")
        }
        Trouble::Silent => {
            format!("does `{at}` reach `{host}`? look at its log, {except}, or raise `--timeout`")
        }
        Trouble::NotHttp => format!("is `{at}` an HTTP proxy? check {SETTINGS}"),
        Trouble::WantsLogin => {
            format!("give the login in {SETTINGS} (`http://user:password@{at}`), or {except}")
        }
        Trouble::RefusesLogin => format!("check user and password in {SETTINGS}, or {except}"),
        Trouble::Status(_) => {
            format!("may `{node}` use it for `{host}`? look at the log of the proxy, or {except}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{OtherServer, ServerAddress};
    use crate::observe::vantage::tests::registry;

    fn failed(request: &str, server: &str, reported_by: ReportedBy) -> Option<Box<FailedRequest>> {
        let address = ServerAddress { host: server.to_owned(), port: 443 };
        let (request, server) = (request.to_owned(), server.to_owned());
        Some(Box::new(FailedRequest { request, server, address, tries: 1, reported_by }))
    }

    #[test]
    fn the_server_that_was_contacted_is_named() {
        let registry = registry("Registry.example.com:443", "u", crate::desired::TlsPolicy::Verify);
        let token = failed("GET https://auth.example.com:8443/token", "auth.example.com:8443", ReportedBy::ThisEnd);
        for (failed_request, named) in [(token, "`auth.example.com:8443`"), (None, "`registry.example.com`")] {
            for verdict in [Verdict::Dns, Verdict::ConnectionRefused, Verdict::Timeout] {
                let fact = RegistryFact {
                    cause: Some("no such name".to_owned()),
                    other_server: Some(OtherServer::TokenServer("auth.example.com:8443".to_owned())),
                    failed_request: failed_request.clone(),
                    ..RegistryFact::new(verdict)
                };
                let seen = seen_from("node1", &registry, &fact, None);
                assert_eq!(seen.other_server, fact.other_server);
                let hint = seen.hint.unwrap();
                assert!(hint.contains(named) && hint.contains("`node1`"), "{hint}");
            }
        }
    }

    #[test]
    fn a_verdict_that_another_node_observed_is_not_explained_for_this_node() {
        let registry = registry("registry.example.com", "u", crate::desired::TlsPolicy::Verify);
        let hint = Some("as it was".to_owned());
        let fact = RegistryFact { evidence: Evidence::Remembered, hint, ..RegistryFact::new(Verdict::Timeout) };
        assert_eq!(seen_from("node1", &registry, &fact, None), fact);
    }

    #[test]
    fn what_sshd_forbids_is_named_with_the_server_that_was_contacted() {
        let registry = registry("registry.example.com", "u", crate::desired::TlsPolicy::Verify);
        let fact = RegistryFact {
            cause: Some("GET https://auth.example.com/token: something there failed or refused".to_owned()),
            failed_request: failed("GET https://auth.example.com/token", "auth.example.com", ReportedBy::FarEnd),
            ..RegistryFact::new(Verdict::Proxy)
        };
        let obstacle = Obstacle { at: "auth.example.com:443".to_owned(), trouble: Trouble::Forbidden };
        let seen = seen_from("node1", &registry, &fact, Some(&obstacle));
        let expected = "GET https://auth.example.com/token: sshd of `node1` forbids forwarding to \
                        `auth.example.com:443` (administratively prohibited)";
        assert_eq!((seen.verdict, seen.cause.as_deref()), (Verdict::Proxy, Some(expected)));
        assert!(seen.hint.unwrap().starts_with("name `auth.example.com:443` in `PermitOpen`"));
    }

    #[test]
    fn an_obstacle_follows_a_cause_that_was_observed_at_this_end() {
        let registry = registry("registry.example.com", "u", crate::desired::TlsPolicy::Verify);
        let fact = RegistryFact {
            cause: Some("GET https://registry.example.com/v2/: no response".to_owned()),
            failed_request: failed("GET https://registry.example.com/v2/", "registry.example.com", ReportedBy::ThisEnd),
            ..RegistryFact::new(Verdict::Timeout)
        };
        let obstacle = Obstacle { at: "proxy:3128".to_owned(), trouble: Trouble::Refused };
        let expected = "GET https://registry.example.com/v2/: no response; proxy `proxy:3128`: connection refused";
        assert_eq!(seen_from("node1", &registry, &fact, Some(&obstacle)).cause.as_deref(), Some(expected));
    }

    #[test]
    fn a_certificate_that_only_one_node_refuses_is_not_to_be_trusted() {
        let fact = |verdict| RegistryFact { hint: Some("trust it".to_owned()), ..RegistryFact::new(verdict) };
        let hint = compared("node7", fact(Verdict::Tls)).hint.unwrap();
        assert!(hint.contains("`node7`") && !hint.contains("trust it"), "{hint}");
        assert_eq!(compared("node7", fact(Verdict::Dns)), fact(Verdict::Dns));
    }
}

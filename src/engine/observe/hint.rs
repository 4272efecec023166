//! What to do about a registry that a node cannot use: the hints name the node, its proxy and its sshd.

use crate::desired::Registry;
use crate::facts::{Evidence, FailedRequest, RegistryFact, ReportedBy, Verdict};
use crate::node::{Obstacle, ObstacleReason};
use crate::registry;

/// The settings with the proxies of a node, as the inventory names them.
const PROXY_SETTINGS: &str = "`proxy` of the registry, or `openshift_https_proxy`";

/// The fact with the cause and hint for this node. The TLS connection is between this machine and the registry, so
/// hints about TLS are not changed. `obstacle` is what the tunnel reports about the connection from the node.
pub(super) fn explain_for_node(
    node: &str,
    registry: &Registry,
    fact: &RegistryFact,
    obstacle: Option<&Obstacle>,
) -> RegistryFact {
    // A remembered verdict was observed from another node, so its texts already name that node.
    if fact.evidence == Evidence::Remembered {
        return fact.clone();
    }
    let failed = fact.failed_request.as_ref();
    let host = failed.map_or_else(|| registry::contacted_host(registry), |failed| failed.server.clone());
    let hint = match (fact.verdict, obstacle) {
        (Verdict::Proxy | Verdict::Timeout, Some(obstacle)) => {
            let cause = with_obstacle(fact, &obstacle_cause(node, &host, obstacle));
            let hint = obstacle_hint(node, &host, obstacle);
            return RegistryFact { cause: Some(cause), hint: Some(hint), ..fact.clone() };
        }
        // The name was resolved by the node, and not by this machine.
        (Verdict::Dns, _) => format!("check the name `{host}`, and the resolver and /etc/hosts of `{node}`"),
        (Verdict::ConnectionRefused, _) => {
            format!("is a server running at `{host}`? check host and port, and the routes and firewall of `{node}`")
        }
        (Verdict::Timeout, None) => {
            format!("check the route, firewall and proxy between `{node}` and `{host}`, or raise `--timeout`")
        }
        (Verdict::Proxy, None) => format!("check {PROXY_SETTINGS}, and whether `{node}` may use it"),
        _ => return fact.clone(),
    };
    RegistryFact { hint: Some(hint), ..fact.clone() }
}

/// The fact of a node for a registry whose certificate was accepted from another node. If only this node receives
/// another certificate, the registry is not the cause, and the hint must not recommend to trust that certificate.
pub(super) fn compare(node: &str, fact: RegistryFact) -> RegistryFact {
    if fact.verdict != Verdict::Tls {
        return fact;
    }
    let hint = format!(
        "another node gets a trusted certificate, so something other than the registry may have responded to `{node}` (a \
         proxy, a firewall, another address): compare the addresses of the name before you trust this certificate"
    );
    RegistryFact { hint: Some(hint), ..fact }
}

/// The cause of a fact, with the obstacle added. If the far end of the tunnel reported the failure, the obstacle
/// replaces the cause.
fn with_obstacle(fact: &RegistryFact, obstacle: &str) -> String {
    match fact.failed_request.as_deref() {
        Some(FailedRequest { request, tries, reported_by: ReportedBy::FarEnd, .. }) => {
            let times = if *tries > 1 { format!(" (tried {tries} times)") } else { String::new() };
            format!("{request}: {obstacle}{times}")
        }
        _ => [fact.cause.as_deref().unwrap_or_default(), obstacle].join("; "),
    }
}

fn obstacle_cause(node: &str, host: &str, Obstacle { at, reason }: &Obstacle) -> String {
    let cause = match reason {
        ObstacleReason::Forbidden => {
            return format!("sshd of `{node}` forbids forwarding to `{at}` (administratively prohibited)");
        }
        ObstacleReason::UnsupportedScheme => "a node can only use an HTTP proxy (`http://`)".to_owned(),
        ObstacleReason::Unresolved => "its name does not resolve there".to_owned(),
        ObstacleReason::Refused => "connection refused".to_owned(),
        ObstacleReason::NoRoute => "no route to host".to_owned(),
        ObstacleReason::NoConnection => "no connection to it".to_owned(),
        ObstacleReason::NoResponse => "it did not respond".to_owned(),
        ObstacleReason::NotHttp => "it closed the connection, or its response is not HTTP".to_owned(),
        ObstacleReason::LoginRequired => "407: it requires a login".to_owned(),
        ObstacleReason::LoginRejected => "407: it rejected the login".to_owned(),
        ObstacleReason::Status(status) => format!("{status}: it does not connect to `{host}`"),
    };
    format!("proxy `{at}`: {cause}")
}

fn obstacle_hint(node: &str, host: &str, Obstacle { at, reason }: &Obstacle) -> String {
    let no_proxy = format!("add `{host}` to `openshift_no_proxy`");
    match reason {
        ObstacleReason::Forbidden => format!(
            "add `{at}` to `PermitOpen` in the sshd_config of `{node}` (`permitopen=` in authorized_keys), or choose other \
             nodes with `--from` and `--limit`"
        ),
        ObstacleReason::UnsupportedScheme => {
            format!("set an `http://` proxy in {PROXY_SETTINGS}, {no_proxy}, or use `--from controller`")
        }
        ObstacleReason::Unresolved => {
            format!("check {PROXY_SETTINGS}, and the resolver and /etc/hosts of `{node}`")
        }
        ObstacleReason::Refused => {
            format!("is the proxy running at `{at}`? check {PROXY_SETTINGS}, and the firewall of `{node}`")
        }
        ObstacleReason::NoRoute | ObstacleReason::NoConnection => {
            format!("check {PROXY_SETTINGS}, and the route and firewall between `{node}` and `{at}`")
        }
        ObstacleReason::NoResponse => {
            format!("does `{at}` reach `{host}`? check its log, {no_proxy}, or raise `--timeout`")
        }
        ObstacleReason::NotHttp => format!("is `{at}` an HTTP proxy? check {PROXY_SETTINGS}"),
        ObstacleReason::LoginRequired => {
            format!("add the login to {PROXY_SETTINGS} (`http://user:password@{at}`), or {no_proxy}")
        }
        ObstacleReason::LoginRejected => format!("check user and password in {PROXY_SETTINGS}, or {no_proxy}"),
        ObstacleReason::Status(_) => {
            format!("may `{node}` use it for `{host}`? check the log of the proxy, or {no_proxy}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::observe::vantage::tests::registry;
    use crate::facts::{OtherServer, ServerAddress};

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
                let explained = explain_for_node("node1", &registry, &fact, None);
                assert_eq!(explained.other_server, fact.other_server);
                let hint = explained.hint.unwrap();
                assert!(hint.contains(named) && hint.contains("`node1`"), "{hint}");
            }
        }
    }

    #[test]
    fn a_verdict_that_another_node_observed_is_not_explained_for_this_node() {
        let registry = registry("registry.example.com", "u", crate::desired::TlsPolicy::Verify);
        let hint = Some("as it was".to_owned());
        let fact = RegistryFact { evidence: Evidence::Remembered, hint, ..RegistryFact::new(Verdict::Timeout) };
        assert_eq!(explain_for_node("node1", &registry, &fact, None), fact);
    }

    #[test]
    fn a_connection_that_sshd_forbids_is_named_with_the_server_that_was_contacted() {
        let registry = registry("registry.example.com", "u", crate::desired::TlsPolicy::Verify);
        let fact = RegistryFact {
            cause: Some("GET https://auth.example.com/token: something there failed or refused".to_owned()),
            failed_request: failed("GET https://auth.example.com/token", "auth.example.com", ReportedBy::FarEnd),
            ..RegistryFact::new(Verdict::Proxy)
        };
        let obstacle = Obstacle { at: "auth.example.com:443".to_owned(), reason: ObstacleReason::Forbidden };
        let explained = explain_for_node("node1", &registry, &fact, Some(&obstacle));
        let expected = "GET https://auth.example.com/token: sshd of `node1` forbids forwarding to \
                        `auth.example.com:443` (administratively prohibited)";
        assert_eq!((explained.verdict, explained.cause.as_deref()), (Verdict::Proxy, Some(expected)));
        assert!(explained.hint.unwrap().starts_with("add `auth.example.com:443` to `PermitOpen`"));
    }

    #[test]
    fn an_obstacle_follows_a_cause_that_was_observed_at_this_end() {
        let registry = registry("registry.example.com", "u", crate::desired::TlsPolicy::Verify);
        let request = "GET https://registry.example.com/v2/";
        let fact = RegistryFact {
            cause: Some(format!("{request}: no response")),
            failed_request: failed(request, "registry.example.com", ReportedBy::ThisEnd),
            ..RegistryFact::new(Verdict::Timeout)
        };
        let obstacle = Obstacle { at: "proxy:3128".to_owned(), reason: ObstacleReason::Refused };
        let expected = format!("{request}: no response; proxy `proxy:3128`: connection refused");
        let explained = explain_for_node("node1", &registry, &fact, Some(&obstacle));
        assert_eq!(explained.cause, Some(expected));
    }

    #[test]
    fn a_certificate_that_only_one_node_rejects_must_not_be_trusted() {
        let fact = |verdict| RegistryFact { hint: Some("trust it".to_owned()), ..RegistryFact::new(verdict) };
        let hint = compare("node7", fact(Verdict::Tls)).hint.unwrap();
        assert!(hint.contains("`node7`") && !hint.contains("trust it"), "{hint}");
        assert_eq!(compare("node7", fact(Verdict::Dns)), fact(Verdict::Dns));
    }
}

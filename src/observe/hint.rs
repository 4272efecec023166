//! What to do, where the node stands, about what it saw of a registry.

use crate::desired::Registry;
use crate::facts::{RegistryFact, Verdict};
use crate::node::{ProxyFault, ProxyTrouble};
use crate::registry::{self, NODE_PROXY_FAILED};

/// Where proxies are named, as whoever wrote the inventory knows them.
const SETTINGS: &str = "`proxy` of the registry, or `openshift_https_proxy`";

/// The fact with what to do about it where the node stands. TLS is spoken from here, whatever the way. `fault` is
/// what the tunnel knows of the proxy on the way.
pub(super) fn seen_from(
    node: &str,
    registry: &Registry,
    fact: &RegistryFact,
    fault: Option<&ProxyFault>,
) -> RegistryFact {
    let cause = fact.cause.as_deref().unwrap_or_default();
    // What was remembered was seen from elsewhere.
    if cause.starts_with(registry::NOT_AGAIN) {
        return fact.clone();
    }
    let host = asked(cause).map_or_else(|| registry::contacted(registry), str::to_owned);
    let hint = match (fact.verdict, fault) {
        (Verdict::Proxy | Verdict::Timeout, Some(fault)) => {
            let cause = with_fault(cause, &host, fault);
            return RegistryFact { cause: Some(cause), hint: Some(mend(node, &host, fault)), ..fact.clone() };
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

/// `host[:port]` of the URL that a cause names first: a token server, if that was asked.
fn asked(cause: &str) -> Option<&str> {
    cause.split_once("://")?.1.split('/').next()
}

/// The cause of a registry's fact, with what is known of the proxy.
fn with_fault(cause: &str, host: &str, fault: &ProxyFault) -> String {
    let told = format!("proxy `{}`: {}", fault.proxy, said(fault.trouble, host));
    if cause.contains(NODE_PROXY_FAILED) { cause.replace(NODE_PROXY_FAILED, &told) } else { format!("{cause}; {told}") }
}

fn said(trouble: ProxyTrouble, host: &str) -> String {
    match trouble {
        ProxyTrouble::Unsupported => "only an HTTP proxy (`http://`) can be used from a node".to_owned(),
        ProxyTrouble::Unresolved => "its name does not resolve there".to_owned(),
        ProxyTrouble::Refused => "connection refused".to_owned(),
        ProxyTrouble::NoRoute => "no route to host".to_owned(),
        ProxyTrouble::NoConnection => "no connection to it".to_owned(),
        ProxyTrouble::Silent => "it did not answer".to_owned(),
        ProxyTrouble::NotHttp => "it hung up, or what it answers is not HTTP".to_owned(),
        ProxyTrouble::WantsLogin => "407: it wants a login".to_owned(),
        ProxyTrouble::RefusesLogin => "407: it does not take the login".to_owned(),
        ProxyTrouble::Status(status) => format!("{status}: it does not connect to `{host}`"),
    }
}

fn mend(node: &str, host: &str, ProxyFault { proxy, trouble }: &ProxyFault) -> String {
    let except = format!("name `{host}` in `openshift_no_proxy`");
    match trouble {
        ProxyTrouble::Unsupported => {
            format!("name an `http://` proxy in {SETTINGS}, {except}, or ask with `--from controller`")
        }
        ProxyTrouble::Unresolved => {
            format!("check {SETTINGS}, and the resolver and /etc/hosts of `{node}`")
        }
        ProxyTrouble::Refused => {
            format!("does the proxy run at `{proxy}`? check {SETTINGS}, and the firewall of `{node}`")
        }
        ProxyTrouble::NoRoute | ProxyTrouble::NoConnection => {
            format!("check {SETTINGS}, and the route and firewall between `{node}` and `{proxy}`")
        }
        ProxyTrouble::Silent => {
            format!("does `{proxy}` reach `{host}`? look at its log, {except}, or raise `--timeout`")
        }
        ProxyTrouble::NotHttp => format!("is `{proxy}` an HTTP proxy? check {SETTINGS}"),
        ProxyTrouble::WantsLogin => {
            format!("give the login in {SETTINGS} (`http://user:password@{proxy}`), or {except}")
        }
        ProxyTrouble::RefusesLogin => format!("check user and password in {SETTINGS}, or {except}"),
        ProxyTrouble::Status(_) => {
            format!("may `{node}` use it for `{host}`? look at the log of the proxy, or {except}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Elsewhere;
    use crate::observe::vantage::tests::registry;

    #[test]
    fn whoever_was_asked_is_named() {
        let registry = registry("Registry.example.com:443", "u", crate::desired::TlsPolicy::Verify);
        for (cause, named) in [
            ("GET https://auth.example.com:8443/token: no such name", "`auth.example.com:8443`"),
            ("no such name", "`registry.example.com`"),
        ] {
            for verdict in [Verdict::Dns, Verdict::ConnectionRefused, Verdict::Timeout] {
                let fact = RegistryFact {
                    verdict,
                    cause: Some(cause.to_owned()),
                    hint: None,
                    rate_limit: None,
                    elsewhere: Some(Elsewhere::TokenServer("auth.example.com:8443".to_owned())),
                };
                let seen = seen_from("node1", &registry, &fact, None);
                assert_eq!(seen.elsewhere, fact.elsewhere);
                let hint = seen.hint.unwrap();
                assert!(hint.contains(named) && hint.contains("`node1`"), "{hint}");
            }
        }
    }

    #[test]
    fn a_certificate_that_only_one_node_refuses_is_not_to_be_trusted() {
        let fact = |verdict| RegistryFact {
            verdict,
            cause: None,
            hint: Some("trust it".to_owned()),
            rate_limit: None,
            elsewhere: None,
        };
        let hint = compared("node7", fact(Verdict::Tls)).hint.unwrap();
        assert!(hint.contains("`node7`") && !hint.contains("trust it"), "{hint}");
        assert_eq!(compared("node7", fact(Verdict::Dns)), fact(Verdict::Dns));
    }
}

//! Verdict, cause and hint for a request without a response: name resolution, proxy, TLS, timeout, or bytes that are
//! not HTTP.

use std::time::Duration;

use reqwest::Url;

use super::cause::{MessageContext, after_tries, fact as new_fact, role};
use super::hint;
use crate::desired::{Registry, TlsPolicy};
use crate::facts::{OtherServer, RegistryFact, ReportedBy, Verdict};
use crate::failure::TlsFault;
use crate::registry::http::certificates::TlsSetupError;
use crate::registry::http::client::ClientError;
use crate::registry::http::connection_error::{self, ConnectionError, ProxyError};
use crate::registry::http::peer::{Certificate, Peer};
use crate::registry::http::proxy::Hop;
use crate::registry::http::request::{RequestError, RequestLine};
use crate::registry::http::resolver::nameservers;

/// The fact for a request without response.
pub fn fact(registry: &Registry, context: &MessageContext<'_>, error: RequestError) -> RegistryFact {
    match error {
        RequestError::Timeout { line, waited, timeout, tries } => {
            after_tries(timed_out(context, &line, waited, timeout), tries)
        }
        RequestError::Redirect { line, reason } => new_fact(
            Verdict::RegistryError,
            format!("{}: {reason}", context.request(&line)),
            "the external URL of the registry is configured wrongly: contact its operator",
        ),
        RequestError::Downgrade { line, to } => new_fact(
            Verdict::Tls,
            format!("{}: redirects to `{}`, which is not HTTPS", context.request(&line), context.url(&to)),
            hint::external_url(&context.server(&line.url), "redirects"),
        ),
        RequestError::Unresolved { line, tries } => {
            let text = "the resolver did not respond in time".to_owned();
            let error = match context.hop(&line.url) {
                // Through a proxy, this machine only resolves the name of the proxy.
                Hop::Proxy { .. } => ConnectionError::Proxy(ProxyError::Other(text)),
                Hop::Direct | Hop::Tunnel => ConnectionError::Dns(text),
            };
            after_tries(connection_failed(registry, context, &line, error, None), tries)
        }
        RequestError::BadProxyUrl { line, reason } => {
            let setting = hint::proxy_setting(registry, &line.url);
            new_fact(
                Verdict::Proxy,
                format!("{}: the proxy URL is not usable: {reason}", context.request(&line)),
                format!(
                    "check {setting}: `http://user:password@host:port`, or {}",
                    hint::no_proxy(registry, &line.url)
                ),
            )
        }
        RequestError::Connection { line, error, peer, tries } => {
            let error = connection_error::classify(&error, &context.hop(&line.url));
            after_tries(connection_failed(registry, context, &line, error, peer.as_ref()), tries)
        }
    }
}

/// The fact for a registry whose HTTP client could not be built.
pub fn no_client(error: ClientError) -> RegistryFact {
    match error {
        ClientError::Tls(TlsSetupError::File { path, reason }) => {
            new_fact(Verdict::Tls, format!("`{path}`: {reason}"), "fix the file, or remove it")
        }
        ClientError::Tls(TlsSetupError::System(reason)) => new_fact(
            Verdict::Tls,
            format!("TLS cannot be set up on this machine: {reason}"),
            "check the CA bundle, and SSL_CERT_FILE and SSL_CERT_DIR if they are set",
        ),
        ClientError::Tunnel => new_fact(
            Verdict::RegistryError,
            "the address of the tunnel to the node is not a URL",
            "this is a bug in oregano: please report it",
        ),
    }
}

/// Which end of a tunnel reported the error.
pub fn reported_by(error: &RequestError, context: &MessageContext<'_>) -> ReportedBy {
    match error {
        RequestError::Connection { line, error, .. }
            if connection_error::is_from_far_end(error, &context.hop(&line.url)) =>
        {
            ReportedBy::FarEnd
        }
        _ => ReportedBy::ThisEnd,
    }
}

fn timed_out(context: &MessageContext<'_>, line: &RequestLine, waited: Duration, timeout: Duration) -> RegistryFact {
    let (hop, host) = (context.hop(&line.url), context.server(&line.url));
    let check = match hop {
        Hop::Direct => format!("check the route and the firewall between this machine and `{host}`"),
        Hop::Proxy { .. } => format!("check the proxy, and whether it reaches `{host}`"),
        Hop::Tunnel => format!("check the route, firewall and proxy between the node and `{host}`"),
    };
    // Messages show tenths of a second, which is precise enough.
    let waited = Duration::from_secs_f64((waited.as_secs_f64() * 10.0).round() / 10.0);
    // Earlier requests of the same attempt may have used a part of the timeout.
    let time = if waited < timeout { format!("{waited:?}, the rest of {timeout:?}") } else { format!("{timeout:?}") };
    let cause = format!("{}{}: no complete response within {time}", context.request(line), through(&hop));
    new_fact(Verdict::Timeout, cause, format!("{check}, or raise `--timeout`"))
}

fn connection_failed(
    registry: &Registry,
    context: &MessageContext<'_>,
    line: &RequestLine,
    error: ConnectionError,
    peer: Option<&Peer>,
) -> RegistryFact {
    let (url, hop) = (&line.url, context.hop(&line.url));
    let (request, host) = (context.request(line), context.server(url));
    let other = context.other_server(url, line.recipient);
    let (role, reference) = (role(other.as_ref()), reference(context, other.as_ref()));
    let request_through = format!("{request}{}", through(&hop));
    match error {
        ConnectionError::Dns(reason) => {
            let name = url.host_str().unwrap_or_default();
            // A name that another server chose may contain a secret.
            let name = if other.is_some() { context.foreign(name) } else { name.to_owned() };
            let hint = format!("check the name `{name}`, and {}{}", resolver(&hop), suffix(";", &reference));
            new_fact(Verdict::Dns, format!("{request_through}: {reason}"), hint)
        }
        ConnectionError::Proxy(error) => {
            let (cause, hint) = proxy(registry, context, url, error);
            new_fact(Verdict::Proxy, format!("{request}: {cause}"), hint)
        }
        ConnectionError::Tls(fault, reason) => {
            let (cause, hint) = tls(registry, context, other.as_ref(), fault, &reason, peer);
            new_fact(Verdict::Tls, format!("{request_through}: {cause}"), hint)
        }
        ConnectionError::Timeout(reason) => {
            // Through a tunnel the connection starts at the node, so its route and firewall matter.
            let start = if hop == Hop::Tunnel { "the node" } else { "this machine" };
            new_fact(
                Verdict::Timeout,
                format!("{request_through}: {reason}"),
                format!("check the route and the firewall between {start} and `{host}`"),
            )
        }
        ConnectionError::Refused(reason) => new_fact(
            Verdict::ConnectionRefused,
            format!("{request_through}: {reason}"),
            match &reference {
                None => format!("is a {role} running at `{host}`? check host, port and firewall"),
                Some(reference) => format!("is a {role} running at `{host}`? check the firewall; {reference}"),
            },
        ),
        ConnectionError::NotHttp(reason) => new_fact(
            Verdict::RegistryError,
            format!("{request_through}: the response is incomplete or not HTTP: {reason}"),
            format!("is `{host}` a {role}, and is the port right?{}", suffix("", &reference)),
        ),
        ConnectionError::Tunnel(reason) => new_fact(
            Verdict::RegistryError,
            format!("{request_through}: no connection through the node: {reason}"),
            format!("try `curl https://{host}/v2/` on the node, and check the log of its sshd"),
        ),
    }
}

/// Names the registry that refers to the other server. The user did not configure that server, so its address may be
/// wrong.
fn reference(context: &MessageContext<'_>, other: Option<&OtherServer>) -> Option<String> {
    let how = match other? {
        OtherServer::TokenServer(_) => "names it as its token server",
        OtherServer::RedirectTarget(_) => "redirects there",
    };
    Some(format!("`{}` {how}: if that is wrong, contact its operator", context.host))
}

fn suffix(mark: &str, text: &Option<String>) -> String {
    text.as_ref().map(|text| format!("{mark} {text}")).unwrap_or_default()
}

/// Names the proxy, because the proxy itself may be the server that does not respond or that presents the certificate.
fn through(hop: &Hop) -> String {
    match hop {
        Hop::Proxy { url, .. } => format!(" through proxy `{url}`"),
        Hop::Direct | Hop::Tunnel => String::new(),
    }
}

/// The resolver that resolves the name.
fn resolver(hop: &Hop) -> String {
    let servers = nameservers();
    match hop {
        Hop::Tunnel => "the resolver of the node".to_owned(),
        _ if servers.is_empty() => "the resolver of this machine".to_owned(),
        _ => format!("the resolver of this machine: `{}` (/etc/resolv.conf)", servers.join("`, `")),
    }
}

fn proxy(registry: &Registry, context: &MessageContext<'_>, url: &Url, error: ProxyError) -> (String, String) {
    let hop = &context.hop(url);
    let Hop::Proxy { url: shown, .. } = hop else {
        // The tunnel has more information than its SOCKS reply can express. The caller adds it.
        let cause = match error {
            ProxyError::Other(reason) => reason,
            ProxyError::ConnectRefused | ProxyError::LoginRequired | ProxyError::FarEnd => {
                "sshd of the node or its proxy failed or refused the connection".to_owned()
            }
        };
        return (cause, "check the proxy settings of the node".to_owned());
    };
    let check = || format!("check {}, or {}", hint::proxy_setting(registry, url), hint::no_proxy(registry, url));
    let (reason, hint) = match error {
        ProxyError::LoginRequired => ("proxy authorization required".to_owned(), hint::proxy_login(registry, url, hop)),
        ProxyError::ConnectRefused | ProxyError::FarEnd => {
            (format!("it does not connect to `{}`", context.server(url)), check())
        }
        ProxyError::Other(reason) => (reason, check()),
    };
    (format!("proxy `{shown}`: {reason}"), hint)
}

fn tls(
    registry: &Registry,
    context: &MessageContext<'_>,
    other: Option<&OtherServer>,
    fault: TlsFault,
    reason: &str,
    peer: Option<&Peer>,
) -> (String, String) {
    const CLOCK: &str = "check the dates of the certificate and the clock of this machine";
    let role = role(other);
    // The user cannot choose the name of a server that the registry named, so the hint is about that server then.
    let other_name = || match reference(context, other) {
        None => "use the name for which the certificate was issued".to_owned(),
        Some(reference) => format!("the {role} needs a certificate for its name; {reference}"),
    };
    let certificate = match peer {
        Some(Peer::Tls(certificate)) => Some(certificate),
        Some(Peer::Http | Peer::Other) | None => None,
    };
    let names = || certificate.and_then(|shown| shown.names(&|name| context.foreign(name)));
    match fault {
        TlsFault::SelfSigned => (
            "the certificate is self-signed".to_owned(),
            match &registry.ca {
                // A self-signed certificate is its own authority, so it must be in the file itself.
                Some(given) => format!("`{}` contains another certificate: it must contain this one", given.file),
                None => trust_authority(registry, context),
            },
        ),
        TlsFault::UnknownIssuer => (
            "the issuer of the certificate is unknown on this machine".to_owned(),
            match &registry.ca {
                Some(given) => format!("`{}` must contain the authorities of its chain up to the root", given.file),
                None => trust_authority(registry, context),
            },
        ),
        TlsFault::Expired => {
            let until = certificate.and_then(Certificate::expired_at).map(|at| format!(": it was valid until {at}"));
            (format!("the certificate has expired{}", until.unwrap_or_default()), CLOCK.to_owned())
        }
        TlsFault::NotYetValid => {
            let from = certificate.and_then(Certificate::valid_from).map(|at| format!(": it is valid from {at}"));
            (format!("the certificate is not yet valid{}", from.unwrap_or_default()), CLOCK.to_owned())
        }
        TlsFault::WrongName => {
            let names = names().map(|names| format!(": it is for {names}"));
            (format!("the certificate is for another host name{}", names.unwrap_or_default()), other_name())
        }
        TlsFault::WrongAddress => {
            let names = names().map(|names| format!(": it is for {names}"));
            (format!("the certificate is not for this IP address{}", names.unwrap_or_default()), other_name())
        }
        TlsFault::NotTls => {
            let cause = match peer {
                Some(Peer::Http) => "the port uses plain HTTP instead of TLS",
                Some(Peer::Other) => "the port uses neither TLS nor HTTP",
                Some(Peer::Tls(_)) | None => "the port does not use TLS",
            };
            (cause.to_owned(), port(registry, context, other, peer))
        }
        TlsFault::ClientCertificate => (
            format!("the {role} requires a client certificate that it trusts"),
            format!("put the certificate and its key into {} as `client.cert` and `client.key`", context.certificates),
        ),
        TlsFault::HungUp => (
            "the connection was closed during the TLS handshake".to_owned(),
            match (registry.tls, other) {
                // Users of an insecure registry may expect plain HTTP here, so the hint explains when it is used.
                (TlsPolicy::Insecure, None) => {
                    "check the log of the registry, and the firewall; plain HTTP is tried only if the port responds with it"
                        .to_owned()
                }
                _ => format!("try again; if it happens again, check the log of the {role}, and the firewall"),
            },
        ),
        TlsFault::Handshake => (
            format!("TLS handshake: {reason}"),
            "check that both sides support a common TLS version and cipher".to_owned(),
        ),
    }
}

/// What to do about a port without TLS. Plain HTTP is suggested only for the registry itself, and only if the port is
/// not known to use another protocol.
fn port(registry: &Registry, context: &MessageContext<'_>, other: Option<&OtherServer>, peer: Option<&Peer>) -> String {
    const PORT: &str = "is the port right?";
    match (reference(context, other), registry.tls, peer) {
        (Some(reference), ..) => format!("{PORT} {reference}"),
        (None, TlsPolicy::Insecure, _) | (None, _, Some(Peer::Other)) => PORT.to_owned(),
        (None, TlsPolicy::Verify, _) => {
            format!("{PORT} for a registry with plain HTTP: {}", hint::insecure(registry))
        }
    }
}

/// How to trust an authority. Only one folder of certs.d is used, so if a folder exists, the hint names that one.
fn trust_authority(registry: &Registry, context: &MessageContext<'_>) -> String {
    format!(
        "name the certificate of the CA in {}, or put it into {}ca.crt; or, {}",
        hint::ca_file(registry),
        context.certificates,
        hint::insecure(registry)
    )
}

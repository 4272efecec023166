//! What to say of a way that broke: a name, a proxy, TLS, silence, or bytes that are not HTTP.

use std::time::Duration;

use reqwest::Url;

use super::client::NoClient;
use super::diagnosis::{after, found};
use super::fault::{self, Breakage, ProxyFault};
use super::peer::{Certificate, Peer};
use super::proxy::Via;
use super::realm::authority;
use super::resolver::nameservers;
use super::settings;
use super::trust::TlsSetup;
use super::wire::{Fault, Place};
use super::words::{Words, kind};
use crate::desired::{Registry, TlsPolicy};
use crate::facts::{OtherServer, RegistryFact, ReportedBy, ServerAddress, Verdict};
use crate::failure::TlsFault;

/// The fact where there was no answer.
pub(super) fn faulty(registry: &Registry, words: &Words<'_>, fault: Fault) -> RegistryFact {
    match fault {
        Fault::Timeout { at, waited, timeout, tries } => after(silent(words, &at, waited, timeout), tries),
        Fault::Redirect { at, reason } => found(
            Verdict::RegistryError,
            format!("{}: {reason}", words.place(&at)),
            "the registry's external URL is set up wrongly: tell its operator",
        ),
        Fault::Downgrade { at, to } => found(
            Verdict::Tls,
            format!("{}: redirects to `{}`, which is not HTTPS", words.place(&at), words.url(&to)),
            insecure_hint(registry),
        ),
        Fault::Unresolved { at, tries } => {
            let said = "no answer from the resolver in time".to_owned();
            let breakage = match words.via(&at.url) {
                Via::Proxy { .. } => Breakage::Proxy(ProxyFault::Other(said)),
                Via::Nothing | Via::Tunnel => Breakage::Dns(said),
            };
            after(broken(registry, words, &at, breakage, None), tries)
        }
        Fault::NoProxy { at, reason } => {
            let setting = settings::proxy(registry, &at.url);
            found(
                Verdict::Proxy,
                format!("{}: the URL of the proxy cannot be used: {reason}", words.place(&at)),
                format!(
                    "check {setting}: `http://user:password@host:port`, or {}",
                    settings::exception(registry, &at.url)
                ),
            )
        }
        Fault::Broken { at, error, shown, tries } => {
            let breakage = fault::read(&error, &words.via(&at.url));
            after(broken(registry, words, &at, breakage, shown.as_ref()), tries)
        }
    }
}

/// The fact where there is not even a way to try.
pub(super) fn no_client(reason: NoClient) -> RegistryFact {
    match reason {
        NoClient::Tls(TlsSetup::File { path, reason }) => {
            found(Verdict::Tls, format!("`{path}`: {reason}"), "mend the file, or take it away")
        }
        NoClient::Tls(TlsSetup::System(reason)) => found(
            Verdict::Tls,
            format!("TLS cannot be set up on this machine: {reason}"),
            "check the CA bundle, and SSL_CERT_FILE and SSL_CERT_DIR if they are set",
        ),
        NoClient::Tunnel => found(
            Verdict::RegistryError,
            "there is no way into the tunnel to the node",
            "this is a defect of oregano: please report it",
        ),
    }
}

/// What to do about a 407.
pub(super) fn proxy_login(registry: &Registry, url: &Url, via: &Via) -> String {
    let (setting, exception) = (settings::proxy(registry, url), settings::exception(registry, url));
    match via {
        Via::Proxy { login: true, .. } => {
            format!("the proxy does not take its login: check user and password in {setting}, or {exception}")
        }
        Via::Proxy { login: false, .. } => format!("give the proxy's login in {setting}, or {exception}"),
        Via::Nothing | Via::Tunnel => {
            format!("no proxy is set for `{}`: one on the way answers in its place", authority(url))
        }
    }
}

/// What to do where only plain HTTP is spoken.
pub(super) fn insecure_hint(registry: &Registry) -> String {
    format!("if the network may be trusted with the password, {}", settings::insecure(registry))
}

/// Who says that a request failed.
pub(super) fn reported_by(fault: &Fault, words: &Words<'_>) -> ReportedBy {
    let far = matches!(
        fault,
        Fault::Broken { at, error, .. }
            if fault::read(error, &words.via(&at.url)) == Breakage::Proxy(ProxyFault::FarEnd)
    );
    if far { ReportedBy::FarEnd } else { ReportedBy::ThisEnd }
}

/// What a URL needs a connection to.
pub(super) fn address(url: &Url) -> Option<ServerAddress> {
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(ServerAddress { host, port: url.port_or_known_default()? })
}

fn silent(words: &Words<'_>, at: &Place, waited: Duration, timeout: Duration) -> RegistryFact {
    let (via, host) = (words.via(&at.url), words.server(&at.url));
    let check = match via {
        Via::Nothing => format!("check the route and the firewall between here and `{host}`"),
        Via::Proxy { .. } => format!("check the proxy, and whether it reaches `{host}`"),
        Via::Tunnel => format!("check the route, firewall and proxy between there and `{host}`"),
    };
    let tenths = Duration::from_secs_f64((waited.as_secs_f64() * 10.0).round() / 10.0);
    let time = if tenths < timeout { format!("{tenths:?}, the rest of {timeout:?}") } else { format!("{timeout:?}") };
    let cause = format!("{}{}: no complete answer within {time}", words.place(at), through(&via));
    found(Verdict::Timeout, cause, format!("{check}, or raise `--timeout`"))
}

fn broken(
    registry: &Registry,
    words: &Words<'_>,
    at: &Place,
    breakage: Breakage,
    shown: Option<&Peer>,
) -> RegistryFact {
    let (url, via) = (&at.url, words.via(&at.url));
    let (place, host) = (words.place(at), words.server(url));
    let elsewhere = words.other_server(url, at.asked);
    let (kind, led) = (kind(elsewhere.as_ref()), led(words, elsewhere.as_ref()));
    let at = format!("{place}{}", through(&via));
    let here = if via == Via::Tunnel { "there" } else { "here" };
    match breakage {
        Breakage::Dns(reason) => {
            let name = url.host_str().unwrap_or_default();
            let name = if elsewhere.is_some() { words.foreign(name) } else { name.to_owned() };
            let hint = format!("check the name `{name}`, and {}{}", resolver(&via), behind(";", &led));
            found(Verdict::Dns, format!("{at}: {reason}"), hint)
        }
        Breakage::Proxy(reason) => {
            let (cause, hint) = proxy(registry, words, url, reason);
            found(Verdict::Proxy, format!("{place}: {cause}"), hint)
        }
        Breakage::Tls(fault, reason) => {
            let (what, hint) = tls(registry, words, elsewhere.as_ref(), fault, &reason, shown);
            found(Verdict::Tls, format!("{at}: {what}"), hint)
        }
        Breakage::Timeout(reason) => found(
            Verdict::Timeout,
            format!("{at}: {reason}"),
            format!("check the route and the firewall between {here} and `{host}`"),
        ),
        Breakage::Refused(reason) => found(
            Verdict::ConnectionRefused,
            format!("{at}: {reason}"),
            match &led {
                None => format!("does a {kind} run at `{host}`? check host and port, and the firewall before it"),
                Some(led) => format!("does a {kind} run at `{host}`? check the firewall before it; {led}"),
            },
        ),
        Breakage::NotHttp(reason) => found(
            Verdict::RegistryError,
            format!("{at}: the answer broke off or is not HTTP: {reason}"),
            format!("is `{host}` a {kind}, and is the port right?{}", behind("", &led)),
        ),
        Breakage::Tunnel(reason) => found(
            Verdict::RegistryError,
            format!("{at}: no connection through the node: {reason}"),
            format!("try `curl https://{host}/v2/` on the node, and look at the log of its sshd"),
        ),
    }
}

/// Whose word it is that the server is there, where its reader has not said so.
fn led(words: &Words<'_>, elsewhere: Option<&OtherServer>) -> Option<String> {
    let how = match elsewhere? {
        OtherServer::TokenServer(_) => "names it as its token server",
        OtherServer::RedirectTarget(_) => "redirects there",
    };
    Some(format!("`{}` {how}: if that is wrong, tell its operator", words.host))
}

fn behind(mark: &str, text: &Option<String>) -> String {
    text.as_ref().map(|text| format!("{mark} {text}")).unwrap_or_default()
}

/// A proxy may be the one that is silent, or that shows a certificate.
fn through(via: &Via) -> String {
    match via {
        Via::Proxy { url, .. } => format!(" through proxy `{url}`"),
        Via::Nothing | Via::Tunnel => String::new(),
    }
}

/// Whom to ask about names.
fn resolver(via: &Via) -> String {
    let servers = nameservers();
    match via {
        Via::Tunnel => "the resolver of the node".to_owned(),
        _ if servers.is_empty() => "the resolver here".to_owned(),
        _ => format!("the resolver here: `{}` (/etc/resolv.conf)", servers.join("`, `")),
    }
}

fn proxy(registry: &Registry, words: &Words<'_>, url: &Url, fault: ProxyFault) -> (String, String) {
    let via = &words.via(url);
    let Via::Proxy { url: shown, .. } = via else {
        let reason = match fault {
            ProxyFault::Other(reason) => reason,
            ProxyFault::NoConnect | ProxyFault::LoginRequired | ProxyFault::FarEnd => {
                "sshd or the proxy there failed or refused".to_owned()
            }
        };
        return (reason, "check the proxy settings of the node".to_owned());
    };
    let check = || format!("check {}, or {}", settings::proxy(registry, url), settings::exception(registry, url));
    let (reason, hint) = match fault {
        ProxyFault::LoginRequired => ("proxy authorization required".to_owned(), proxy_login(registry, url, via)),
        ProxyFault::NoConnect | ProxyFault::FarEnd => {
            (format!("it does not connect to `{}`", words.server(url)), check())
        }
        ProxyFault::Other(reason) => (reason, check()),
    };
    (format!("proxy `{shown}`: {reason}"), hint)
}

fn tls(
    registry: &Registry,
    words: &Words<'_>,
    elsewhere: Option<&OtherServer>,
    fault: TlsFault,
    reason: &str,
    shown: Option<&Peer>,
) -> (String, String) {
    const CLOCK: &str = "check the certificate's dates and the clock here";
    let kind = kind(elsewhere);
    let other_name = || match led(words, elsewhere) {
        None => "use the name that the certificate was issued for".to_owned(),
        Some(led) => format!("the {kind} needs a certificate for its name; {led}"),
    };
    let certificate = match shown {
        Some(Peer::Tls(certificate)) => Some(certificate),
        Some(Peer::Http | Peer::Other) | None => None,
    };
    let names = || certificate.and_then(|shown| shown.names(&|name| words.foreign(name)));
    let (what, hint) = match fault {
        TlsFault::SelfSigned => (
            "the certificate is self-signed".to_owned(),
            match &registry.ca {
                Some(given) => format!("`{}` holds another certificate: it must hold this one", given.file),
                None => authority_hint(registry, words),
            },
        ),
        TlsFault::UnknownIssuer => (
            "the certificate's issuer is unknown here".to_owned(),
            match &registry.ca {
                Some(given) => format!("`{}` must hold the authorities of its chain up to the root", given.file),
                None => authority_hint(registry, words),
            },
        ),
        TlsFault::Expired => {
            let until = certificate.and_then(Certificate::ended).map(|at| format!(": it was valid until {at}"));
            (format!("the certificate has expired{}", until.unwrap_or_default()), CLOCK.to_owned())
        }
        TlsFault::NotYetValid => {
            let from = certificate.and_then(Certificate::begins).map(|at| format!(": it will be from {at}"));
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
            let what = match shown {
                Some(Peer::Http) => "the port does not speak TLS, but plain HTTP",
                Some(Peer::Other) => "the port speaks neither TLS nor HTTP",
                Some(Peer::Tls(_)) | None => "the port does not speak TLS",
            };
            (what.to_owned(), port_hint(registry, words, elsewhere, shown))
        }
        TlsFault::ClientCertificate => (
            format!("the {kind} wants a client certificate that it trusts"),
            format!("put the certificate and its key into {} as `client.cert` and `client.key`", words.certificates),
        ),
        TlsFault::HungUp => (
            "hung up during the TLS handshake".to_owned(),
            match (registry.tls, elsewhere) {
                (TlsPolicy::Insecure, None) => {
                    "look at the registry's log and at the firewall; plain HTTP is tried only where the port answers in it"
                        .to_owned()
                }
                _ => format!("try again; if it stays, look at the {kind}'s log and at the firewall in between"),
            },
        ),
        TlsFault::Handshake => {
            (format!("TLS handshake: {reason}"), "do both sides share a TLS version and cipher?".to_owned())
        }
    };
    (what, hint)
}

/// What to do about a port without TLS. Only a registry's own, unless it is known to speak something else, may be meant
/// to be plain HTTP.
fn port_hint(registry: &Registry, words: &Words<'_>, elsewhere: Option<&OtherServer>, shown: Option<&Peer>) -> String {
    const PORT: &str = "is the port right?";
    match (led(words, elsewhere), registry.tls, shown) {
        (Some(led), ..) => format!("{PORT} {led}"),
        (None, TlsPolicy::Insecure, _) | (None, _, Some(Peer::Other)) => PORT.to_owned(),
        (None, TlsPolicy::Verify, _) => format!("{PORT} where plain HTTP is meant: {}", insecure_hint(registry)),
    }
}

/// How a certificate comes to be trusted. A folder that is there is the only one that counts.
fn authority_hint(registry: &Registry, words: &Words<'_>) -> String {
    format!(
        "name the CA's certificate in {}, or put it into {}ca.crt; or, {}",
        settings::ca_file(registry),
        words.certificates,
        insecure_hint(registry)
    )
}

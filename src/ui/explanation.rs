//! Prints the result of `explain`. In text, nodes with the same lookups are printed together; JSON has one line for
//! each host and consumer (docs/json.md).

use std::fmt::Write as _;

use indexmap::IndexMap;
use serde::Serialize;

use super::line::{Line, Tone};
use super::messages::{put, warnings};
use super::plural::plural;
use super::text::failure_line;
use super::{Detail, Format, Style, json, line};
use crate::event::{Event, HostOutcome, HostRow};
use crate::lookup::{
    Candidate, Consumer, ConsumerLookup, CredentialKind, ExplainedHost, Explanation, FileResult, HostError,
    LookupResult, PullRoute, UnusedEntry,
};

/// Prints the lookups on stdout and errors on stderr, or everything as JSON on stdout.
pub fn explanation(explanation: &Explanation, style: Style) {
    match style.format {
        Format::Json => print_json(explanation),
        Format::Text => print_text(explanation, style),
    }
}

/// The lookup of one consumer on one host (docs/json.md).
#[derive(Serialize)]
struct LookupRow<'a> {
    event: &'static str,
    host: Option<&'a str>,
    image: &'a str,
    #[serde(flatten)]
    lookup: &'a ConsumerLookup,
}

/// A managed file that no consumer reads (docs/json.md).
#[derive(Serialize)]
struct UnreadRow<'a> {
    event: &'static str,
    host: Option<&'a str>,
    path: &'a str,
}

fn print_json(explanation: &Explanation) {
    let Explanation { image, hosts, warnings, .. } = explanation;
    warnings.iter().for_each(|message| json::print(&Event::Warning { message: message.clone() }));
    for host in hosts {
        match &host.lookups {
            Ok(lookups) => lookups.iter().for_each(|lookup| {
                json::print_line(&LookupRow { event: "lookup", host: host.host.as_deref(), image, lookup });
            }),
            Err(error) => json::print(&Event::Host(host_row(host, error))),
        }
        for path in &host.unread {
            json::print_line(&UnreadRow { event: "unread-file", host: host.host.as_deref(), path });
        }
    }
}

fn host_row(host: &ExplainedHost, error: &HostError) -> HostRow {
    let (outcome, failure) = match error {
        HostError::Unreachable(failure) => (HostOutcome::Unreachable, Some(failure)),
        HostError::Failed(failure) => (HostOutcome::Failed, Some(failure)),
        HostError::Interrupted => (HostOutcome::Skipped, None),
    };
    HostRow { host: host.host.clone().unwrap_or_default(), outcome, failure: failure.cloned() }
}

fn print_text(explanation: &Explanation, style: Style) {
    warnings(&explanation.warnings, style);
    let mut hosts_by_text: IndexMap<String, Vec<Option<&str>>> = IndexMap::new();
    for host in &explanation.hosts {
        match &host.lookups {
            Ok(lookups) => {
                hosts_by_text.entry(paragraphs(host, lookups, style.detail)).or_default().push(host.host.as_deref())
            }
            Err(error) => match host_row(host, error) {
                HostRow { failure: Some(failure), .. } => put(&failure_line(&failure), style),
                HostRow { host, .. } => put(&Line::message(Tone::Skipped, format!("{host}: skipped")), style),
            },
        }
    }
    let image = match explanation {
        Explanation { image, repository, .. } if image.starts_with(repository.as_str()) => image.clone(),
        Explanation { image, repository, .. } => format!("{image} ({repository})"),
    };
    for (paragraphs, hosts) in hosts_by_text {
        line(&format!("{image} on {}{paragraphs}", host_names(&hosts)));
    }
}

fn host_names(hosts: &[Option<&str>]) -> String {
    match hosts {
        [None] => "this machine".to_owned(),
        [Some(host)] => (*host).to_owned(),
        hosts => {
            let names: Vec<&str> = hosts.iter().flatten().copied().collect();
            format!("{}: {}", plural(names.len(), "node"), names.join(", "))
        }
    }
}

/// One paragraph for each lookup, with the names of all consumers that share it.
fn paragraphs(host: &ExplainedHost, lookups: &[ConsumerLookup], detail: Detail) -> String {
    let as_root = match host.host {
        Some(_) => "log in as root, or set `ansible_become: true`",
        None => "run as root",
    };
    let mut consumers_by_text: IndexMap<(String, String), Vec<&str>> = IndexMap::new();
    for lookup in lookups {
        let from = match lookup.route {
            Some(route) => format!(" from {}{}", lookup.repository, route_name(route)),
            None => String::new(),
        };
        consumers_by_text.entry((from, paragraph(lookup, detail, as_root))).or_default().push(name(lookup.consumer));
    }
    let paragraph = |((from, text), consumers): ((String, String), Vec<&str>)| {
        format!("\n  {}{from}: {text}", consumers.join(", "))
    };
    let unread = host
        .unread
        .iter()
        .map(|path| format!("\n  note: `apply` manages `{path}`, but none of these consumers searches it by default"));
    consumers_by_text.into_iter().map(paragraph).chain(unread).collect()
}

fn route_name(route: PullRoute) -> &'static str {
    match route {
        PullRoute::Mirror => " (a mirror)",
        PullRoute::Location => " (its location)",
        PullRoute::Alias => " (an alias)",
        PullRoute::Search => " (searched)",
    }
}

fn paragraph(lookup: &ConsumerLookup, detail: Detail, as_root: &str) -> String {
    let ConsumerLookup { consumer, result, notes, looked_at, .. } = lookup;
    let mut text = used(*consumer, result, as_root);
    result.unused.iter().for_each(|unused| text.push_str(&format!("\n    {}", unused_text(unused))));
    if detail >= Detail::Everything {
        for (result, name) in [(FileResult::NoMatch, "no match"), (FileResult::Missing, "missing")] {
            let files =
                looked_at.iter().filter(|searched| searched.result == result).map(|searched| searched.file.as_str());
            let files: Vec<&str> = files.collect();
            if !files.is_empty() {
                let _ = write!(text, "\n    {name}: {}", files.join(", "));
            }
        }
    }
    notes.iter().for_each(|note| text.push_str(&format!("\n    note: {note}")));
    text
}

fn name(consumer: Consumer) -> &'static str {
    match consumer {
        Consumer::Kubelet => "kubelet",
        Consumer::CriO => "cri-o",
        Consumer::Podman => "podman",
        Consumer::Docker => "docker",
    }
}

fn used(consumer: Consumer, result: &LookupResult, as_root: &str) -> String {
    match (&result.fault, consumer) {
        // docker only shows a warning, and continues without a credential.
        (Some(fault), Consumer::Docker) => return format!("none: {fault}"),
        // With credentials, the fault is printed after them, because they are tried before the lookup fails.
        (Some(fault), _) if result.credentials.is_empty() => return format!("fails: {fault}"),
        (Some(_) | None, _) => {}
    }
    let mut last = None;
    let mut parts = Vec::new();
    for found in &result.credentials {
        parts.push(credential(found, last));
        last = Some(&found.source);
    }
    parts.extend(result.fault.iter().map(|fault| format!("the lookup fails: {fault}")));
    let hidden = |path| format!("not known: only root can read `{path}` ({as_root})");
    parts.extend(result.hidden.iter().map(hidden));
    if parts.is_empty() { "none".to_owned() } else { parts.join(", then ") }
}

fn credential(found: &Candidate, last: Option<&crate::lookup::EntrySource>) -> String {
    // Consecutive credentials of one file name the file only once.
    let source = if last == Some(&found.source) { String::new() } else { format!(" of {}", found.source) };
    match (&found.kind, &found.key) {
        (CredentialKind::Login { user }, Some(key)) => format!("{key}{source} ({user})"),
        (CredentialKind::IdentityToken { user }, Some(key)) => format!("{key}{source} (identity token of {user})"),
        (CredentialKind::Empty, Some(key)) => format!("{key}{source} (empty: neither user nor password)"),
        (CredentialKind::Helper { helper }, Some(key)) => {
            format!("docker-credential-{helper}, set in credHelpers[{key}]{source}")
        }
        (CredentialKind::Helper { helper }, None) => format!("docker-credential-{helper}, set in credsStore{source}"),
        (CredentialKind::GlobalHelper { helper }, _) => {
            format!("docker-credential-{helper}, set in credential-helpers{source}")
        }
        (_, None) => format!("an entry{source}"),
    }
}

fn unused_text(unused: &UnusedEntry) -> String {
    let user = unused.user.as_ref().map_or_else(String::new, |user| format!(" ({user})"));
    match &unused.key {
        Some(key) => format!("`{key}` of {}{user} is not used: {}", unused.source, unused.reason),
        None => format!("{} is not used: {}", unused.source, unused.reason),
    }
}

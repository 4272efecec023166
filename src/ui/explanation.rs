//! What `explain` found: for people, nodes with the same answers together; as JSON, one line for each place and
//! consumer (docs/json.md).

use std::fmt::Write as _;

use indexmap::IndexMap;
use serde::Serialize;

use super::plural::plural;
use super::text::block;
use super::{Detail, Format, error_line, json, line};
use crate::event::{Event, HostOutcome, HostRow};
use crate::lookup::{LookupResult, Candidate, Consumer, Explanation, CredentialKind, ConsumerLookup, FileResult, ExplainedHost, PullRoute, HostError, UnusedEntry};

/// Prints the answers on stdout, and what could not be looked at on stderr, or all of it as JSON on stdout.
pub fn explanation(explanation: &Explanation, format: Format, detail: Detail) {
    match format {
        Format::Json => as_json(explanation),
        Format::Text => as_text(explanation, detail),
    }
}

/// One consumer at one place, as docs/json.md promises it.
#[derive(Serialize)]
struct Row<'a> {
    event: &'static str,
    host: Option<&'a str>,
    image: &'a str,
    #[serde(flatten)]
    lookup: &'a ConsumerLookup,
}

fn as_json(explanation: &Explanation) {
    let Explanation { image, places, warnings, .. } = explanation;
    warnings.iter().for_each(|message| json::print(&Event::Warning { message: message.clone() }));
    for place in places {
        match &place.seen {
            Ok(lookups) => lookups.iter().for_each(|lookup| {
                json::print_line(&Row { event: "lookup", host: place.host.as_deref(), image, lookup });
            }),
            Err(unseen) => json::print(&Event::Host(row(place, unseen))),
        }
    }
}

fn row(place: &ExplainedHost, unseen: &HostError) -> HostRow {
    let (outcome, failure) = match unseen {
        HostError::Unreachable(failure) => (HostOutcome::Unreachable, Some(failure)),
        HostError::Failed(failure) => (HostOutcome::Failed, Some(failure)),
        HostError::Interrupted => (HostOutcome::Skipped, None),
    };
    HostRow { host: place.host.clone().unwrap_or_default(), outcome, failure: failure.cloned() }
}

fn as_text(explanation: &Explanation, detail: Detail) {
    explanation.warnings.iter().for_each(|message| super::text::warning(message));
    let mut alike: IndexMap<String, Vec<Option<&str>>> = IndexMap::new();
    for place in &explanation.places {
        match &place.seen {
            Ok(lookups) => alike.entry(paragraphs(lookups, detail)).or_default().push(place.host.as_deref()),
            Err(unseen) => match row(place, unseen) {
                HostRow { failure: Some(failure), .. } => {
                    error_line(&block("error", &failure.message, &failure.causes, failure.hint.as_deref()));
                }
                HostRow { host, .. } => error_line(&format!("{host}: not looked at")),
            },
        }
    }
    let image = match explanation {
        Explanation { image, repository, .. } if image.starts_with(repository.as_str()) => image.clone(),
        Explanation { image, repository, .. } => format!("{image} ({repository})"),
    };
    for (paragraphs, hosts) in alike {
        line(&format!("{image} on {}{paragraphs}", places(&hosts)));
    }
}

fn places(hosts: &[Option<&str>]) -> String {
    match hosts {
        [None] => "this machine".to_owned(),
        [Some(host)] => (*host).to_owned(),
        hosts => {
            let names: Vec<&str> = hosts.iter().flatten().copied().collect();
            format!("{}: {}", plural(names.len(), "node"), names.join(", "))
        }
    }
}

/// A paragraph for each answer, under the names of all consumers that have it.
fn paragraphs(lookups: &[ConsumerLookup], detail: Detail) -> String {
    let mut alike: IndexMap<(String, String), Vec<&str>> = IndexMap::new();
    for lookup in lookups {
        let from = match lookup.route {
            Some(route) => format!(" from {}{}", lookup.repository, led(route)),
            None => String::new(),
        };
        alike.entry((from, paragraph(lookup, detail))).or_default().push(name(lookup.consumer));
    }
    let paragraph = |((from, text), consumers): ((String, String), Vec<&str>)| {
        format!("\n  {}{from}: {text}", consumers.join(", "))
    };
    alike.into_iter().map(paragraph).collect()
}

fn led(route: PullRoute) -> &'static str {
    match route {
        PullRoute::Mirror => " (a mirror)",
        PullRoute::Location => " (its location)",
        PullRoute::Alias => " (an alias)",
        PullRoute::Search => " (searched)",
    }
}

fn paragraph(ConsumerLookup { consumer, answer, notes, looked_at, .. }: &ConsumerLookup, detail: Detail) -> String {
    let mut text = used(*consumer, answer);
    answer.unused.iter().for_each(|unused| text.push_str(&format!("\n    {}", passed_over(unused))));
    if detail == Detail::Everything {
        for (outcome, name) in [(FileResult::NoMatch, "no match"), (FileResult::Missing, "missing")] {
            let files = looked_at.iter().filter(|tried| tried.outcome == outcome).map(|tried| tried.file.as_str());
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

fn used(consumer: Consumer, answer: &LookupResult) -> String {
    match (&answer.fault, consumer) {
        // It goes on all the same.
        (Some(fault), Consumer::Docker) => return format!("none: {fault}"),
        (Some(fault), _) if answer.credentials.is_empty() => return format!("fails: {fault}"),
        (Some(_) | None, _) => {}
    }
    let mut last = None;
    let mut parts = Vec::new();
    for found in &answer.credentials {
        parts.push(credential(found, last));
        last = Some(&found.source);
    }
    parts.extend(answer.fault.iter().map(|fault| format!("it fails: {fault}")));
    let hidden = |path| format!("not known, since this user may not look at `{path}` (run as root)");
    parts.extend(answer.hidden.iter().map(hidden));
    if parts.is_empty() { "none".to_owned() } else { parts.join(", then ") }
}

fn credential(found: &Candidate, last: Option<&crate::lookup::EntrySource>) -> String {
    let place = if last == Some(&found.source) { String::new() } else { format!(" of {}", found.source) };
    match (&found.kind, &found.key) {
        (CredentialKind::Login { user }, Some(key)) => format!("{key}{place} ({user})"),
        (CredentialKind::IdentityToken { user }, Some(key)) => format!("{key}{place} (identity token of {user})"),
        (CredentialKind::Empty, Some(key)) => format!("{key}{place} (empty: neither user nor password)"),
        (CredentialKind::Helper { helper }, Some(key)) => {
            format!("docker-credential-{helper}, as credHelpers[{key}]{place} says")
        }
        (CredentialKind::Helper { helper }, None) => format!("docker-credential-{helper}, as credsStore{place} says"),
        (CredentialKind::GlobalHelper { helper }, _) => {
            format!("docker-credential-{helper}, as credential-helpers{place} says")
        }
        (_, None) => format!("an entry{place}"),
    }
}

fn passed_over(unused: &UnusedEntry) -> String {
    let user = unused.user.as_ref().map_or_else(String::new, |user| format!(" ({user})"));
    match &unused.key {
        Some(key) => format!("`{key}` of {}{user} is not used: {}", unused.source, unused.why),
        None => format!("{} is not used: {}", unused.source, unused.why),
    }
}

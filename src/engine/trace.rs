//! The traces of connections for `-vv`: what the edges report, as events. It contacts nothing.

use std::time::Instant;

use crate::event::{Event, Trace};
use crate::node::SshStep;
use crate::registry::Exchange;
use crate::report::Journal;

/// The trace of a request to a registry that was sent from this machine, or through a node.
pub(super) fn http(exchange: &Exchange, node: Option<&str>) -> Event {
    let from = node.map(|node| format!(" from {node}")).unwrap_or_default();
    let result = exchange.status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
    let text = format!("{}{from}: {result}", exchange.request);
    Event::Trace(Trace { subject: "http".to_owned(), text, took: exchange.took })
}

/// Records each step of a connection to a node, with the time since the step before.
pub(super) fn ssh(node: &str, journal: &Journal) -> impl FnMut(SshStep) {
    let mut last = Instant::now();
    move |step| {
        let text = match step {
            SshStep::Connected => "ssh: connected, and the host key is trusted",
            SshStep::LoggedIn => "ssh: logged in",
            SshStep::Started => "ssh: the script has started",
            SshStep::Observed => "ssh: the files were read",
        };
        record(node.to_owned(), text, &mut last, journal);
    }
}

/// Records the end of a task that has begun at `begin`. `subject` is a node, or an object of the cluster.
pub(super) fn task(subject: &str, text: &str, mut begin: Instant, journal: &Journal) {
    record(subject.to_owned(), text, &mut begin, journal);
}

fn record(subject: String, text: &str, since: &mut Instant, journal: &Journal) {
    let took = since.elapsed();
    *since += took;
    journal.record(Event::Trace(Trace { subject, text: text.to_owned(), took }));
}

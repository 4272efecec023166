//! JSON lines: an interface that programs rely on, described in docs/json.md.

use serde::Serialize;

use crate::event::Event;

/// The version of the interface. It changes when a field changes its meaning or goes away.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    #[serde(flatten)]
    event: &'a Event,
}

/// Prints one event; progress is for people only.
pub(super) fn print(event: &Event) {
    if matches!(event, Event::Progress(_)) {
        return;
    }
    if let Ok(text) = serde_json::to_string(&Line { version: VERSION, event }) {
        super::line(&text);
    }
}

//! JSON lines: an interface that programs rely on, described in docs/json.md.

use serde::Serialize;

use crate::event::Event;

/// The version of the interface. It changes when a field changes its meaning or is removed.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a, T> {
    version: u32,
    #[serde(flatten)]
    event: &'a T,
}

/// Prints one event, unless it is progress or a trace, which are for people only.
pub(super) fn print(event: &Event) {
    if matches!(event, Event::Progress(_) | Event::Trace(_)) {
        return;
    }
    print_line(event);
}

/// Prints an object, with the version of the interface, on a line of its own.
pub(super) fn print_line(event: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(&Line { version: VERSION, event }) {
        super::line(&text);
    }
}

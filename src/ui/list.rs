//! `inventory --list`, `--host` and `--graph`: the outputs that show the secrets of a plain-text inventory, as
//! Ansible does. They go straight to stdout: a listing of 100,000 hosts is not held in memory.

use std::io::{BufWriter, ErrorKind, IsTerminal, Write, stdout};
use std::sync::atomic::Ordering;

use crate::inventory::Inventory;
use crate::inventory::list::{self, Format};

use super::{OUTPUT_LOST, visible};

/// A listing is written in pieces of so many bytes.
const PIECE: usize = 1 << 16;

/// Prints the whole inventory.
pub fn list(inventory: &Inventory, format: Format) {
    print(|out| list::list(inventory, format, out));
}

/// Prints the variables of one host.
pub fn host(inventory: &Inventory, host: &str, format: Format) {
    print(|out| list::host(inventory, host, format, out));
}

/// Prints a tree of groups. Values stand in it as they are, also those that would steer a terminal, so that a
/// terminal does not get them.
pub fn graph(text: &str) {
    let text = if stdout().is_terminal() { visible(text) } else { text.to_owned() };
    print(|out| writeln!(out, "{text}"));
}

/// Prints a text that is ready: the JSON Schema.
pub fn text(text: &str) {
    print(|out| write!(out, "{text}"));
}

/// A reader that went away (`| head`) is no fault of the command.
fn print(write: impl FnOnce(&mut BufWriter<std::io::StdoutLock<'_>>) -> std::io::Result<()>) {
    let mut out = BufWriter::with_capacity(PIECE, stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => OUTPUT_LOST.store(true, Ordering::Relaxed),
        Ok(()) | Err(_) => {}
    }
}

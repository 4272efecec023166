//! Prints `inventory --list`, `--host` and `--graph`, the only outputs that show secrets, as Ansible does. They are
//! written to stdout in parts, so that a listing of 100,000 hosts is never completely in memory. This file only writes
//! the output.

use std::io::{BufWriter, IsTerminal, Write, stdout};

use crate::inventory::Inventory;
use crate::inventory::list::{self, Format};

use super::{record_output, visible};

/// The size of the write buffer in bytes.
const BUFFER: usize = 1 << 16;

/// Prints all groups, hosts and variables.
pub fn list(inventory: &Inventory, format: Format) {
    print(|out| list::list(inventory, format, out));
}

/// Prints the variables of one host.
pub fn host(inventory: &Inventory, host: &str, format: Format) {
    print(|out| list::host(inventory, host, format, out));
}

/// Prints a tree of groups. If stdout is a terminal, control characters in its values are made visible.
pub fn graph(text: &str) {
    // In a file or a pipe the values must stay exact, and only a terminal interprets control characters.
    let text = if stdout().is_terminal() { visible(text) } else { text.to_owned() };
    print(|out| writeln!(out, "{text}"));
}

/// Prints a complete text, such as a JSON Schema.
pub fn text(text: &str) {
    print(|out| write!(out, "{text}"));
}

/// Writes to stdout in large parts.
fn print(write: impl FnOnce(&mut BufWriter<std::io::StdoutLock<'_>>) -> std::io::Result<()>) {
    let mut out = BufWriter::with_capacity(BUFFER, stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    drop(out);
    record_output(written);
}

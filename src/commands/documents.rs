//! The commands that print what the program contains: schemas, completion scripts, manual pages, and the version.

use std::path::Path;

use clap_complete::Shell;
use oregano::report::ExitStatus;
use oregano::{event, ui};

use super::complete;
use crate::cli::{self, Interface};

/// `schema`.
pub fn schema(interface: Interface) -> ExitStatus {
    match interface {
        Interface::Events => document(event::SCHEMA),
    }
}

/// `completion`.
pub fn completion(shell: Shell) -> ExitStatus {
    document(&cli::documents::completion(shell))
}

/// `version`.
pub fn version() -> ExitStatus {
    document(&cli::command().render_version())
}

/// `man`: prints the manual page of the program, or writes those of all commands.
pub fn manual(directory: Option<&Path>) -> ExitStatus {
    let Some(directory) = directory else {
        return document(&cli::documents::manual_page(&cli::command()));
    };
    match cli::documents::write_manual(directory) {
        Ok(()) => ExitStatus::Done,
        Err(problem) => {
            ui::problems(&[problem], ui::Style::default());
            ExitStatus::Error
        }
    }
}

fn document(text: &str) -> ExitStatus {
    ui::document(text);
    complete(ExitStatus::Done)
}

//! Completion scripts and manual pages, which are made from the definition of the command line. It writes manual pages
//! only to the directory that the user names.

use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use oregano::inventory::Problem;

/// The completion script for a shell.
pub fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut without_hidden(&super::command()), "oregano", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The command without hidden options, which the script for bash would offer.
fn without_hidden(command: &Command) -> Command {
    let subcommands = command.get_subcommands().filter(|command| command.get_name() != "help");
    Command::new(command.get_name().to_owned())
        .version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        // They are among the arguments already.
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(command.get_arguments().filter(|option| !option.is_hide_set()).map(|option| option.clone().global(false)))
        .subcommands(subcommands.map(without_hidden))
}

/// The manual page of a command, as roff.
pub fn manual_page(command: &Command) -> String {
    let mut page = Vec::new();
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut command = command.clone();
    if command.find_subcommand("help").is_some() {
        // It has no manual page.
        command = command.mut_subcommand("help", |help| help.hide(true));
    }
    let man = Man::new(command.clone());
    // The page is put together here, because clap_mangen prints the examples as one paragraph under the title EXTRA.
    let rendered = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page))
        .and_then(|()| if command.has_subcommands() { man.render_subcommands_section(&mut page) } else { Ok(()) });
    // Writing to memory does not fail.
    debug_assert!(rendered.is_ok());
    let lines: Vec<String> = examples.lines().skip(1).map(roff_line).collect();
    format!("{}.SH EXAMPLES\n.nf\n{}\n.fi\n", String::from_utf8_lossy(&page), lines.join("\n"))
}

/// A line of text without a meaning for roff.
fn roff_line(line: &str) -> String {
    // A plain hyphen may be printed as a dash, which a shell does not accept when it is copied.
    let escaped = line.trim().replace('\\', r"\e").replace('-', r"\-");
    // A line that begins with a point or an apostrophe would be a request; a zero-width character prevents that.
    if escaped.starts_with(['.', '\'']) { format!(r"\&{escaped}") } else { escaped }
}

/// Writes the manual pages of the program and of all commands to a directory, which is created if it does not exist.
///
/// # Errors
/// The file or directory that cannot be written.
pub fn write_manual(directory: &Path) -> Result<(), Problem> {
    let fault = |path: &Path, error: &io::Error| {
        Problem::new(format!("cannot write the manual pages: `{}`: {error}", path.display()))
            .hint("name a directory that you may write to: `oregano man DIR`")
    };
    std::fs::create_dir_all(directory).map_err(|error| fault(directory, &error))?;
    let command = super::command();
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    for page in std::iter::once(&command).chain(commands) {
        let path = directory.join(Man::new(page.clone()).get_filename());
        std::fs::write(&path, manual_page(page)).map_err(|error| fault(&path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completion_offers_no_hidden_option() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completion(shell);
            assert!(script.contains("connection-password-file"), "{shell}");
            for hidden in ["become-method", "dry-run", "creds"] {
                assert!(!script.contains(hidden), "{shell} offers {hidden}");
            }
        }
    }

    #[test]
    fn examples_have_no_meaning_for_roff() {
        assert_eq!(roff_line("  .a \\ -i"), r"\&.a \e \-i");
        assert_eq!(roff_line("  # x"), "# x");
    }
}

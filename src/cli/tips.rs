//! The tips of usage errors: what the user probably meant, if something similar exists. It only changes error messages.

use std::ffi::OsString;

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The commands whose inventory users pass without `-i`, as they pass a playbook to ansible-playbook.
const WITH_INVENTORY: [&str; 4] = ["validate", "plan", "apply", "inventory"];

/// The error with the tips that apply to it.
pub(super) fn correct(mut error: clap::Error, cli: &Command, arguments: &[OsString]) -> clap::Error {
    // The error lists all possible values, and the most similar one of them is usually not what the user meant.
    error.remove(ContextKind::SuggestedValue);
    let words: Vec<&str> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let is_command = |word: &&&str| cli.find_subcommand(word).is_some();
    let command = words.iter().find(is_command).copied().unwrap_or_default();
    let invalid = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(invalid)) => invalid.clone(),
        _ => return error,
    };
    let tips = match error.kind() {
        ErrorKind::UnknownArgument if invalid.starts_with('-') => {
            // clap also suggests to pass any unknown option as a value, which is never what the user meant.
            let values = format!("'-- {invalid}'");
            let mut kept = suggestions(&error);
            kept.retain(|tip| !tip.to_string().contains(&values));
            kept.extend(two_dashes(cli, command, &invalid, &words));
            remove_dissimilar(&mut error, cli, command, &invalid);
            kept
        }
        ErrorKind::UnknownArgument => unknown_value(command, &invalid, &words).into_iter().collect(),
        // A value that is not the name of a group.
        ErrorKind::ArgumentConflict if command == "inventory" => {
            let value = words.iter().skip_while(|word| **word != command).skip(1).find(|word| !word.starts_with('-'));
            let mentions_group = format!("{:?}", error.get(ContextKind::PriorArg)).contains("[GROUP]");
            let is_group = invalid == "[GROUP]" || mentions_group;
            value.filter(|_| is_group).map(|value| use_inventory(value)).into_iter().collect()
        }
        _ => return error,
    };
    error.remove(ContextKind::Suggested);
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// Removes the similar option that clap found, unless the user probably meant it: clap also finds `--user` similar to
/// `--server`.
fn remove_dissimilar(error: &mut clap::Error, cli: &Command, command: &str, invalid: &str) {
    let similar = match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(similar)) => similar.trim_start_matches('-').to_owned(),
        _ => return,
    };
    if is_similar(invalid.trim_start_matches('-'), &similar) {
        return;
    }
    error.remove(ContextKind::SuggestedArg);
    // The usage that clap made consists of the similar option.
    if let Some(command) = cli.find_subcommand(command) {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(command.clone().render_usage()));
    }
}

/// Whether one name contains the other one, or at most a third of it is mistyped.
fn is_similar(written: &str, known: &str) -> bool {
    written.contains(known)
        || known.contains(written)
        || strsim::damerau_levenshtein(written, known) <= written.chars().count() / 3
}

fn suggestions(error: &clap::Error) -> Vec<StyledStr> {
    match error.get(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => tips.clone(),
        _ => Vec::new(),
    }
}

/// The tip for an option with one dash, such as `-auto-approve` of Terraform. clap reads it as several short options, so
/// the complete word is searched in the arguments.
fn two_dashes(cli: &Command, command: &str, invalid: &str, words: &[&str]) -> Option<StyledStr> {
    let known = |name: &str| {
        let options = cli.find_subcommand(command).into_iter().chain([cli]).flat_map(Command::get_arguments);
        options
            .flat_map(|option| option.get_long().into_iter().chain(option.get_all_aliases().into_iter().flatten()))
            .any(|long| long == name)
    };
    let word = words.iter().find(|word| word.starts_with(invalid) && !word.starts_with("--") && word.len() > 2)?;
    let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
    known(name).then(|| format!("write it with two dashes: '--{name}'").into())
}

/// The tip for a value that no argument accepts.
fn unknown_value(command: &str, invalid: &str, words: &[&str]) -> Option<StyledStr> {
    let boolean = words.windows(2).find(|pair| pair[0] == "--tls-verify" && matches!(pair[1], "true" | "false"));
    match boolean {
        Some(pair) => Some(format!("write '--tls-verify={}'", pair[1]).into()),
        None => WITH_INVENTORY.contains(&command).then(|| use_inventory(invalid)),
    }
}

fn use_inventory(value: &str) -> StyledStr {
    format!("an inventory is passed with '-i {value}'").into()
}

#[cfg(test)]
mod tests {
    use super::is_similar;

    #[test]
    fn similar_names() {
        for (written, known) in
            [("limt", "limit"), ("inventory-file", "inventory"), ("kube-context", "context"), ("ouptut", "output")]
        {
            assert!(is_similar(written, known), "{written} {known}");
        }
        for (written, known) in
            [("server", "user"), ("force", "forks"), ("list-tasks", "ask-pass"), ("version", "verbose")]
        {
            assert!(!is_similar(written, known), "{written} {known}");
        }
    }
}

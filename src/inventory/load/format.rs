//! Detects the format of an inventory file by its name. If Ansible would try YAML and then INI, it also checks the
//! text. It reads no file.

use std::sync::Arc;

use super::super::assemble::Draft;
use super::super::model::Value;
use super::super::problem::Problem;
use super::super::source::{Source, Span};
use super::super::text::Text;
use super::super::{ini, toml, yaml};
use super::settings::{Plugin, ReadSettings};

/// The formats of inventory files.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Format {
    Ini,
    Yaml,
    Toml,
    /// INI that is also valid YAML. Ansible reads `host a="b: c"` as a mapping, and ignores it with a warning.
    Ambiguous,
}

impl Format {
    /// The plugin of Ansible that reads it.
    fn plugin(self) -> Plugin {
        match self {
            Self::Ini | Self::Ambiguous => Plugin::Ini,
            Self::Yaml => Plugin::Yaml,
            Self::Toml => Plugin::Toml,
        }
    }
}

/// Adds the text of a file, and its problems, to the draft.
pub(super) fn read(source: &Arc<Source>, settings: &ReadSettings, draft: &mut Draft) {
    draft.begin_source(source);
    let before = draft.problems.len();
    let format = format(source);
    draft.problems.extend(settings.reject_plugin(format.plugin(), &source.name));
    match format {
        Format::Ini if source.text().starts_with('\u{feff}') => draft.problems.push(
            Problem::new(format!(
                "`{}` starts with a byte order mark, which Ansible reads as part of a host name",
                source.name
            ))
            .hint("save the file as UTF-8 without BOM"),
        ),
        Format::Ini => ini::read(source, draft),
        Format::Yaml => yaml::groups::read(source, draft),
        Format::Toml => toml::read(source, draft),
        Format::Ambiguous => {
            let place = Span::new(source, 0, 0);
            let problem = Problem::hiding(&place, "Ansible reads this as YAML because of the `: ` in its only line");
            draft.problems.push(problem.hint("give the file the extension `.ini`, or start it with a section"));
        }
    }
    if source.text().starts_with("#!") && draft.problems.len() > before {
        // If a script is read as text, nearly every line has a problem. They are replaced by one problem.
        draft.problems.truncate(before);
        let message = format!("`{}` starts with `#!`, but is not executable", source.name);
        draft.problems.push(Problem::new(message).hint("make it executable, or remove the first line"));
    }
}

/// The format by Ansible's rules: `.toml` is TOML. Without an extension, or with `.yml`, `.yaml` or `.json`, a text is YAML if
/// its root is a mapping, and INI otherwise. Any other extension is INI.
fn format(source: &Arc<Source>) -> Format {
    let name = source.name.rsplit('/').next().unwrap_or_default();
    // A name such as `.yml` starts with a dot, but has no extension.
    let extension = name.rfind('.').filter(|at| *at > 0).map_or("", |at| &name[at..]);
    match extension {
        ".toml" => Format::Toml,
        "" | ".yml" | ".yaml" | ".json" => yaml_or_ini(source),
        _ => Format::Ini,
    }
}

/// Returns YAML if the root is a mapping, or if the text looks like one but is not valid YAML.
fn yaml_or_ini(source: &Arc<Source>) -> Format {
    let text = source.text();
    // The text is read as YAML even if it is damaged, because the INI reader would report a problem for nearly every
    // line.
    if starts_like_yaml(text) {
        return Format::Yaml;
    }
    if !may_be_mapping(text) {
        return Format::Ini;
    }
    match yaml::parse(&Text::slice(source, 0, text.len())).map(|root| root.value) {
        Ok(Value::Map(groups)) if groups.iter().any(|(name, _)| name.text.contains('=')) => Format::Ambiguous,
        Ok(Value::Map(_)) => Format::Yaml,
        _ => Format::Ini,
    }
}

/// The first line that is neither empty nor a comment.
fn first_line<'a>(text: &'a str, comments: &[char]) -> Option<&'a str> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    lines.into_iter().find(|line| !line.is_empty() && !line.trim_start().starts_with(comments))
}

/// Whether the text is certainly not meant as INI.
fn starts_like_yaml(text: &str) -> bool {
    first_line(text, &['#', ';']).is_some_and(|line| {
        let key = line.split_once(": ").map(|(key, _)| key).or_else(|| line.strip_suffix(':'));
        let is_name = |key: &str| !key.contains([' ', '\t', '=', '[']);
        line.starts_with("---")
            || line.starts_with("- ")
            || line.starts_with('{')
            || line.starts_with("%YAML")
            || key.is_some_and(is_name)
    })
}

/// Whether the first line may start a YAML mapping. If it cannot, the text is not parsed as YAML, because that is slow
/// for large INI inventories.
fn may_be_mapping(text: &str) -> bool {
    first_line(text, &['#']).is_some_and(|line| {
        // A comment may follow the colon of a key.
        let line = line.split_once(" #").map_or(line, |(line, _)| line.trim_end());
        line.ends_with(':')
            || line.contains(": ")
            || line.contains(":\t")
            || line.starts_with(['?', '!', '&', '"', '\''])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_ansible_uses() {
        use Format::{Ambiguous, Ini, Toml, Yaml};
        for (name, text, expected) in [
            ("hosts", "[web]\nh\n", Ini),
            ("hosts", "h\n", Ini),
            ("hosts", "", Ini),
            ("hosts", "h:22 a='b: c'\n", Ambiguous),
            ("hosts", "h:22 a='b: c'\ni\n", Ini),
            ("hosts", "# x: y\n---\nall:\n", Yaml),
            ("hosts", "all:\n  hosts: {a: }\n", Yaml),
            ("hosts", "\"all\": # comment\n  hosts: {a: }\n", Yaml),
            ("hosts", "my group:\n  hosts: {a: }\n", Yaml),
            ("hosts", "{\"all\": {}}", Yaml),
            ("hosts", "all: [\n", Yaml),
            ("hosts.yml", "- a\n", Yaml),
            ("hosts.yml", "[web]\nh\n", Ini),
            ("hosts.json", "# nothing\n", Ini),
            ("hosts.prod", "all:\n", Ini),
            ("hosts.toml", "[web]\n", Toml),
            ("a.b/hosts", "all:\n", Yaml),
            (".yml", "all:\n", Yaml),
        ] {
            assert_eq!(format(&Source::new(name, text)), expected, "{name} {text}");
        }
    }
}

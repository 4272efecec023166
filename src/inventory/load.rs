//! Reads an inventory and the files of `-e`: the only code of this folder that touches the disk.

use std::path::Path;
use std::sync::Arc;

use super::assemble::Draft;
use super::model::{Inventory, Source, Vars};
use super::outside::Nothing;
use super::problem::Problem;
use super::text::Text;
use super::variables::Variables;
use super::{extra, ini, yaml};

/// What an inventory is read from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The values of `-i`, in order.
    pub inventories: Vec<String>,
    /// The values of `-e`, in order.
    pub extra: Vec<String>,
}

/// The inventory that all sources make together, or everything that is wrong with them.
pub fn load(sources: &Sources) -> Result<Variables, Vec<Problem>> {
    let mut problems = Vec::new();
    let vars = extra_vars(&sources.extra, &mut problems);
    let [path] = sources.inventories.as_slice() else {
        return Err(vec![Problem::new("more than one inventory is not supported yet")]);
    };
    let path = Path::new(path);
    problems.extend(unsupported_neighbours(path));
    let inventory = match read_inventory(path) {
        Ok(source) => parse(&source).map_err(|found| problems.extend(found)).ok(),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    match inventory {
        Some(inventory) if problems.is_empty() => {
            Ok(Variables::new(Inventory { extra: vars, ..inventory }, Nothing::shared()))
        }
        _ => Err(problems),
    }
}

/// The inventory that a text holds; its format is told by the name of the source, else by its first line.
pub fn parse(source: &Arc<Source>) -> Result<Inventory, Vec<Problem>> {
    let mut draft = Draft::new();
    match format(&source.name, source.text()) {
        Format::Ini => ini::read(source, &mut draft),
        Format::Yaml => yaml::groups::read(source, &mut draft),
        Format::Toml => draft.problems.push(Problem::new(format!("`{}`: TOML is not supported yet", source.name))),
    }
    draft.finish()
}

/// How an inventory is written.
enum Format {
    Ini,
    Yaml,
    Toml,
}

/// As in Ansible `.yml`, `.yaml` and `.json` are YAML, and another extension is INI. Without an extension
/// Ansible tries both; no INI inventory starts like a YAML one.
fn format(name: &str, text: &str) -> Format {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("yml" | "yaml" | "json") => Format::Yaml,
        Some("toml") => Format::Toml,
        None if starts_like_yaml(text) => Format::Yaml,
        _ => Format::Ini,
    }
}

fn starts_like_yaml(text: &str) -> bool {
    let lines = text.trim_start_matches('\u{feff}').lines();
    let significant =
        lines.map(str::trim_end).find(|line| !line.is_empty() && !line.trim_start().starts_with(['#', ';']));
    significant.is_some_and(|line| {
        let key = line.split_once(": ").map(|(key, _)| key).or_else(|| line.strip_suffix(':'));
        let is_name = |key: &str| !key.contains([' ', '\t', '=', '[']);
        line.starts_with("---") || line.starts_with('{') || line.starts_with("%YAML") || key.is_some_and(is_name)
    })
}

fn read_inventory(path: &Path) -> Result<Arc<Source>, Problem> {
    let name = path.display();
    if path == Path::new("-") {
        return Err(Problem::new("the inventory cannot be read from standard input"));
    }
    if path.is_dir() {
        return Err(Problem::new(format!("`{name}` is a directory: inventory directories are not supported yet"))
            .hint("name the file inside it"));
    }
    if path.to_string_lossy().contains(',') && !path.exists() {
        return Err(Problem::new(format!("`{name}` is a list of hosts, which is not supported yet"))
            .hint("write the hosts into a file"));
    }
    let source = read(path, "inventory")?;
    if source.text().starts_with("#!") {
        return Err(Problem::new(format!("`{name}` is a script: inventory scripts are not supported yet"))
            .hint("write its output to a `.json` or `.yml` file"));
    }
    if source.text().starts_with('\u{feff}') && matches!(format(&source.name, source.text()), Format::Ini) {
        return Err(Problem::new(format!("`{name}` starts with a byte order mark, which Ansible takes for a host"))
            .hint("save the file as UTF-8 without BOM"));
    }
    Ok(source)
}

/// A file as text; an encrypted one is refused.
fn read(path: &Path, what: &str) -> Result<Arc<Source>, Problem> {
    let name = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| Problem::new(format!("cannot read the {what} `{name}`: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        Problem::new(format!("`{name}`: line {} is not UTF-8", line + 1))
    })?;
    if text.starts_with("$ANSIBLE_VAULT") {
        return Err(Problem::new(format!("`{name}` is encrypted: vault files are not supported yet")));
    }
    let mode =
        std::fs::metadata(path).map(|data| std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o7777);
    Ok(match mode {
        Ok(mode) => Source::of_file(name.to_string(), text, mode),
        Err(_) => Source::new(name.to_string(), text),
    })
}

/// Variables beside the inventory would be missed silently.
fn unsupported_neighbours(path: &Path) -> Vec<Problem> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let filled = |folder: &Path| match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    ["group_vars", "host_vars"]
        .map(|name| folder.join(name))
        .into_iter()
        .filter(|neighbour| filled(neighbour))
        .map(|neighbour| {
            Problem::new(format!("`{}` holds variables, which are not read yet", neighbour.display()))
                .hint("move them into the inventory, or give them with `-e @file`")
        })
        .collect()
}

/// The variables of all `-e`, the last of a name wins.
fn extra_vars(arguments: &[String], problems: &mut Vec<Problem>) -> Vars {
    let mut vars = Vars::new();
    for argument in arguments {
        let read = match argument.strip_prefix('@') {
            Some(path) => read(Path::new(path), "variables file")
                .and_then(|source| extra::mapping(&Text::slice(&source, 0, source.text().len()))),
            None => extra::argument(&Source::new("-e", argument.as_str())),
        };
        match read {
            Ok(read) => vars.extend(read),
            Err(problem) => problems.push(problem),
        }
    }
    vars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_one(path: &Path, extra: &[String]) -> Result<Variables, Vec<Problem>> {
        load(&Sources { inventories: vec![path.display().to_string()], extra: extra.to_vec() })
    }

    /// The message of the only problem with a file of this name and content.
    fn refusal(name: &str, content: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let problems = load_one(&path, &[]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems[0].message.replace(&path.display().to_string(), name)
    }

    #[test]
    fn what_is_not_read_yet_is_refused() {
        for (name, content, expected) in [
            ("hosts", &b"$ANSIBLE_VAULT;1.1;AES256\n31"[..], "`hosts` is encrypted: vault files are not supported yet"),
            ("hosts.sh", b"#!/bin/sh\n", "`hosts.sh` is a script: inventory scripts are not supported yet"),
            ("hosts.toml", b"[web]\n", "`hosts.toml`: TOML is not supported yet"),
            ("hosts", b"[web]\n\xff\n", "`hosts`: line 2 is not UTF-8"),
            ("hosts", b"\xef\xbb\xbf[web]\n", "`hosts` starts with a byte order mark, which Ansible takes for a host"),
        ] {
            assert_eq!(refusal(name, content), expected);
        }
    }

    #[test]
    fn variables_beside_the_inventory_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        std::fs::write(&path, "h\n").unwrap();
        std::fs::create_dir(folder.path().join("host_vars")).unwrap();
        assert!(load_one(&path, &[]).is_ok(), "an empty folder holds nothing");
        std::fs::write(folder.path().join("host_vars/h.yml"), "a: 1").unwrap();
        let problems = load_one(&path, &[]).unwrap_err();
        assert!(problems[0].message.ends_with("host_vars` holds variables, which are not read yet"), "{problems:?}");
    }

    #[test]
    fn paths_that_are_no_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| load_one(path, &[]).unwrap_err()[0].message.clone();
        assert!(message(folder.path()).contains("inventory directories are not supported"));
        assert!(message(&folder.path().join("none")).starts_with("cannot read the inventory `"));
        assert!(message(Path::new("-")).contains("standard input"));
        assert!(message(Path::new("host1,host2")).contains("is a list of hosts"));
    }

    #[test]
    fn extra_vars_come_from_files_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        std::fs::write(&path, "h a=1 b=1\n").unwrap();
        std::fs::write(folder.path().join("vars.json"), r#"{"a": "x y"}"#).unwrap();
        let file = format!("@{}", folder.path().join("vars.json").display());
        let inventory = load_one(&path, &[file, "c=2".to_owned()]).unwrap();
        let text = |name: &str| super::super::vars_of(inventory.inventory(), "h")[name].text.clone();
        assert_eq!((text("a"), text("b"), text("c")), ("x y".to_owned(), "1".to_owned(), "2".to_owned()));
        assert_eq!(load_one(&path, &["@/none".to_owned()]).unwrap_err().len(), 1);
    }
}

//! Holds the house plan: who may use whom, read from the `use` lines and paths of every source file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pure modules, each of which may use those before it.
const PURE: [&str; 12] = [
    "secret",
    "failure",
    "inventory",
    "dockerconfig",
    "desired",
    "doctor",
    "facts",
    "lookup",
    "plan",
    "event",
    "report",
    "options",
];
/// One protocol each; they know nothing of one another.
const EDGES: [&str; 4] = ["registry", "cluster", "node", "authfile"];
/// The only code that knows more than one edge.
const ENGINE: [&str; 6] = ["schedule", "engine", "observe", "apply", "explain", "login"];

/// What a pure module must not touch: files, sockets, the clock, the environment, threads.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net::Tcp",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "reqwest",
    "Instant::now",
    "SystemTime",
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().to_path_buf(), text)
        })
        .collect()
}

/// The module a file belongs to: `node/connect.rs` is of `node`.
fn module_of(path: &Path) -> String {
    path.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The modules of the crate a text names.
fn used_by(text: &str) -> BTreeSet<String> {
    text.split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

fn may_use(user: &str, used: &str) -> bool {
    let pure = |name: &str| PURE.iter().position(|module| *module == name);
    match (pure(user), user) {
        (Some(own), _) => pure(used).is_some_and(|other| other <= own),
        (None, "ui") => pure(used).is_some() || used == "ui",
        (None, _) if EDGES.contains(&user) => pure(used).is_some() || used == user,
        (None, _) if ENGINE.contains(&user) => used != "ui",
        (None, "lib" | "main" | "cli" | "ansible_cfg" | "input") => true,
        _ => false,
    }
}

#[test]
fn every_module_keeps_to_its_neighbours() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let user = module_of(&path);
        for used in used_by(&text) {
            if !may_use(&user, &used) {
                faults.push(format!("{} uses {used}", path.display()));
            }
        }
        if !["main", "cli", "ansible_cfg", "input"].contains(&user.as_str())
            && (text.contains("oregano::") || text.contains("crate::cli"))
        {
            faults.push(format!("{} uses the command line", path.display()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn pure_modules_do_no_io() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let edge = path.starts_with("inventory/load") || path.ends_with("inventory/load.rs");
        if edge || !PURE.contains(&module_of(&path).as_str()) {
            continue;
        }
        let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        faults.extend(
            IMPURE.iter().filter(|name| product.contains(**name)).map(|name| format!("{}: {name}", path.display())),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_file_says_what_it_owns_and_stays_short() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} does not open with //!", path.display());
        assert!(text.lines().count() <= 500, "{} has {} lines", path.display(), text.lines().count());
    }
}

#[test]
fn the_rules_themselves_tell_right_from_wrong() {
    assert!(may_use("plan", "facts") && !may_use("facts", "plan"));
    assert!(may_use("node", "secret") && !may_use("node", "registry") && !may_use("node", "apply"));
    assert!(may_use("apply", "node") && !may_use("apply", "ui"));
    assert!(may_use("ui", "event") && !may_use("ui", "node"));
    let found = used_by("use crate::plan::{Plan};\nlet x = crate::node::open();");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["node", "plan"]);
}

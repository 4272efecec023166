//! Enforces the architecture of src/: which module may import which other one, no import cycles between files, short
//! files that say what they own, and plain language. CONTRIBUTING describes the rules.

mod documents;
mod imports;
mod language;
mod programs;

use std::collections::{BTreeMap, BTreeSet};

use imports::{Source, sources, uses};

/// Pure modules. Each may import only those before it.
const PURE: [&str; 16] = [
    "secret",
    "failure",
    "go",
    "process",
    "inventory",
    "dockerconfig",
    "desired",
    "facts",
    "lookup",
    "doctor",
    "plan",
    "status",
    "options",
    "event",
    "report",
    "ui",
];
/// One protocol each. They import pure modules, and not one another.
const EDGES: [&str; 4] = ["registry", "cluster", "node", "authfile"];
/// The only code that imports more than one edge.
const ENGINE: [&str; 1] = ["engine"];
/// The command line: the modules of the binary, and the roots of both crates.
const COMMAND_LINE: [&str; 4] = ["lib", "main", "commands", "cli"];

/// What each module imports; the tests of a module may import more. A new pair is a decision: add it here if the order
/// above permits it.
const IMPORTS: [(&str, &[&str]); 21] = [
    ("secret", &[]),
    ("failure", &["secret"]),
    ("go", &[]),
    ("process", &["secret", "failure"]),
    ("inventory", &["secret", "failure", "process"]),
    ("dockerconfig", &["secret", "failure", "go"]),
    ("desired", &["secret", "failure", "go", "inventory", "dockerconfig"]),
    ("facts", &["secret", "failure", "dockerconfig", "desired"]),
    ("lookup", &["secret", "failure", "go", "inventory", "dockerconfig", "desired", "facts"]),
    ("doctor", &["secret", "failure", "inventory", "dockerconfig", "desired", "facts"]),
    ("plan", &["secret", "failure", "dockerconfig", "desired", "facts", "lookup"]),
    ("options", &["secret", "inventory", "desired", "lookup", "plan"]),
    ("event", &["failure", "dockerconfig", "desired", "facts", "plan", "options"]),
    ("report", &["failure", "facts", "plan", "event"]),
    (
        "ui",
        &["failure", "inventory", "dockerconfig", "desired", "facts", "lookup", "plan", "options", "event", "report"],
    ),
    ("registry", &["secret", "failure", "dockerconfig", "desired", "facts"]),
    ("cluster", &["secret", "failure", "go", "process", "dockerconfig", "desired", "facts", "lookup"]),
    ("node", &["secret", "failure", "desired", "facts"]),
    ("authfile", &["secret", "failure", "dockerconfig", "desired", "facts"]),
    (
        "engine",
        &[
            "secret",
            "failure",
            "inventory",
            "dockerconfig",
            "desired",
            "facts",
            "lookup",
            "plan",
            "options",
            "event",
            "report",
            "registry",
            "cluster",
            "node",
            "authfile",
        ],
    ),
    ("status", &["secret", "failure", "desired", "facts"]),
];

/// The layers of the templates, in the order in which each may import those before it.
const TEMPLATE_LAYERS: [&str; 4] = ["compile", "value", "stdlib", "eval"];

/// What a pure module must not use: programs, files, sockets, the clock, the environment, threads.
const IMPURE: [&str; 10] = [
    "crate::process",
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

/// Whether the order of the modules permits an import.
fn in_order(user: &str, used: &str) -> bool {
    let pure = |name: &str| PURE.iter().position(|module| *module == name && *module != "ui");
    match (pure(user), user) {
        (Some(own), _) => pure(used).is_some_and(|other| other < own),
        (None, "ui") => pure(used).is_some(),
        (None, _) if EDGES.contains(&user) => {
            // An edge gets preconditions and merge functions; it does not know the plan or the events.
            pure(used).is_some_and(|other| other < pure("plan").unwrap())
        }
        (None, _) if ENGINE.contains(&user) => pure(used).is_some() || EDGES.contains(&used) || ENGINE.contains(&used),
        _ => COMMAND_LINE.contains(&user),
    }
}

/// The pairs of modules that import each other's code, with one file for each.
fn pairs(sources: &[Source]) -> BTreeMap<(String, String), String> {
    let mut pairs = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        for path in imports::paths(&source.product) {
            let ups = path.iter().filter(|part| *part == "super").count();
            let used = match path[0].as_str() {
                "crate" => path.get(1),
                // The root of the crate is so many modules up.
                "super" if ups == source.module.len() => path.get(ups),
                _ => None,
            };
            if let Some(used) = used.filter(|used| *used != source.top()) {
                pairs.insert((source.top().to_owned(), used.clone()), source.path.clone());
            }
        }
    }
    pairs
}

fn permitted(user: &str, used: &str) -> bool {
    IMPORTS.iter().any(|(module, imports)| *module == user && imports.contains(&used))
}

#[test]
fn every_module_imports_what_the_table_says() {
    let all = sources();
    let mut faults = Vec::new();
    for ((user, used), file) in pairs(&all) {
        if !COMMAND_LINE.contains(&user.as_str()) && !permitted(&user, &used) {
            faults.push(format!("{file}: `{user}` must not import `{used}`"));
        }
    }
    for source in &all {
        let command_line = COMMAND_LINE.contains(&source.top());
        if !command_line && (source.product.contains("oregano::") || source.product.contains("crate::cli")) {
            faults.push(format!("{} uses the command line", source.path));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_table_keeps_the_order_of_the_modules() {
    for (user, imports) in IMPORTS {
        for used in imports {
            assert!(in_order(user, used), "`{user}` comes before `{used}`");
        }
    }
    assert!(in_order("plan", "facts") && !in_order("facts", "plan") && !in_order("plan", "plan"));
    assert!(in_order("node", "secret") && !in_order("node", "registry") && !in_order("cluster", "plan"));
    assert!(in_order("engine", "node") && !in_order("engine", "ui"));
    assert!(in_order("ui", "event") && !in_order("ui", "node"));
}

#[test]
fn the_schedule_knows_no_edge() {
    let all = sources();
    let schedule = all.iter().filter(|source| source.path.starts_with("engine/schedule"));
    let schedule: Vec<&Source> = schedule.collect();
    assert!(!schedule.is_empty(), "engine/schedule is where threads and cancellation are");
    for source in schedule {
        for edge in EDGES {
            assert!(!source.product.contains(&format!("crate::{edge}")), "{} imports the edge {edge}", source.path);
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_cycle() {
    let cycles = cycles(&sources());
    assert!(cycles.is_empty(), "files import each other: {cycles:#?}");
}

/// The sets of files that import each other, apart from a folder's own mod.rs.
fn cycles(sources: &[Source]) -> Vec<BTreeSet<String>> {
    let product: Vec<&Source> = sources.iter().filter(|source| !source.is_test()).collect();
    let modules: BTreeMap<&str, &[String]> =
        product.iter().map(|source| (source.path.as_str(), source.module.as_slice())).collect();
    let all = uses(sources);
    // A folder's mod.rs declares and uses its files, and they use what it declares.
    let family = |one: &[String], other: &[String]| one.starts_with(other) || other.starts_with(one);
    let edges: BTreeMap<&str, Vec<&str>> = product
        .iter()
        .map(|source| {
            let used = all[&source.path].iter().map(String::as_str);
            let used = used.filter(|used| modules.get(used).is_some_and(|module| !family(module, &source.module)));
            (source.path.as_str(), used.collect())
        })
        .collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|file| (*file, reachable(file, &edges))).collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (file, others) in &reach {
        let cycle: BTreeSet<String> =
            others.iter().filter(|other| reach[**other].contains(file)).map(|other| (*other).to_owned()).collect();
        if cycle.len() > 1 && !found.contains(&cycle) {
            found.push(cycle);
        }
    }
    found
}

/// The files that a file imports, directly or through others.
fn reachable<'a>(file: &'a str, edges: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![file]);
    while let Some(file) = open.pop() {
        for used in edges.get(file).into_iter().flatten() {
            if found.insert(*used) {
                open.push(used);
            }
        }
    }
    found
}

#[test]
fn the_layers_of_the_templates_keep_their_order() {
    let layer = |path: &str| {
        let rest = path.strip_prefix("inventory/templates/")?;
        TEMPLATE_LAYERS.iter().position(|layer| rest.split(['/', '.']).next() == Some(*layer))
    };
    let all = sources();
    let tests: BTreeSet<&str> =
        all.iter().filter(|source| source.is_test()).map(|source| source.path.as_str()).collect();
    for (user, used) in uses(&all) {
        let Some(own) = layer(&user) else { continue };
        let above: Vec<&String> = used.iter().filter(|used| layer(used).is_some_and(|other| other > own)).collect();
        assert!(above.is_empty() || tests.contains(user.as_str()), "{user} imports a later layer: {above:?}");
    }
}

#[test]
fn pure_modules_do_no_io() {
    let mut faults = Vec::new();
    for source in sources() {
        let edge = source.path.starts_with("inventory/load") || ["process", "ui"].contains(&source.top());
        if edge || !PURE.contains(&source.top()) || source.is_test() {
            continue;
        }
        let found = IMPURE.iter().filter(|name| source.product.contains(**name));
        faults.extend(found.map(|name| format!("{}: {name}", source.path)));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_file_says_what_it_owns_and_stays_short() {
    for Source { path, text, .. } in sources() {
        assert!(text.starts_with("//!"), "{path} does not open with //!");
        assert!(text.lines().count() <= 500, "{path} has {} lines", text.lines().count());
    }
}

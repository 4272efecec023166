//! Random inventories and patterns: oregano reads what Ansible reads. The seed is fixed; `OREGANO_RANDOM_CASES` sets how
//! many random cases are run, `OREGANO_RANDOM_SEED` selects other ones.

use std::collections::HashSet;
use std::path::Path;

use oregano::inventory::{Inventory, Sources, load, select};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::printed;
use crate::support::ansible::{self, Line, Said};

/// An inventory file, and a pattern that selects from it.
#[derive(Debug, Clone)]
struct Random {
    name: &'static str,
    text: String,
    pattern: String,
}

/// How the results compare.
#[derive(Clone)]
enum Outcome {
    /// Both read it, and say the same.
    Same,
    /// Neither reads it.
    Refused,
    Different(String),
}

#[test]
fn random_inventories_are_read_as_ansible_reads_them() {
    let mut runner = runner();
    let strategy = prop_oneof![3 => ini(), 2 => yaml()];
    let mut left = wanted(150);
    while left > 0 {
        let count = left.min(500);
        left -= count;
        let mut trees: Vec<_> = (0..count).map(|_| strategy.new_tree(&mut runner).unwrap()).collect();
        let cases: Vec<Random> = trees.iter().map(ValueTree::current).collect();
        let compared = differences(&cases);
        if let Some(at) = compared.iter().position(|outcome| matches!(outcome, Outcome::Different(_))) {
            panic!("{}", smallest(&mut trees[at]));
        }
        let read = compared.iter().filter(|outcome| matches!(outcome, Outcome::Same)).count();
        assert!(read * 2 > count, "only {read} of {count} are inventories: the others prove little");
    }
}

/// How many random cases are run.
pub fn wanted(default: usize) -> usize {
    std::env::var("OREGANO_RANDOM_CASES").map_or(default, |count| count.parse().unwrap())
}

/// What makes every run generate the same.
pub fn seed() -> TestRng {
    let number: u8 = std::env::var("OREGANO_RANDOM_SEED").map_or(7, |seed| seed.parse().unwrap());
    TestRng::from_seed(RngAlgorithm::ChaCha, &[number; 32])
}

/// A source of values for strategies.
pub fn runner() -> TestRunner {
    TestRunner::new_with_rng(ProptestConfig::default(), seed())
}

/// The simplest inventory near a failing one that still fails.
fn smallest(tree: &mut impl ValueTree<Value = Random>) -> String {
    let fails = |case: &Random| differences(std::slice::from_ref(case)).remove(0);
    let mut report = String::new();
    if let Outcome::Different(difference) = fails(&tree.current()) {
        report = difference;
    }
    for _ in 0..200 {
        if !tree.simplify() {
            break;
        }
        match fails(&tree.current()) {
            Outcome::Different(difference) => report = difference,
            _ if !tree.complicate() => break,
            _ => {}
        }
    }
    report
}

fn differences(cases: &[Random]) -> Vec<Outcome> {
    let folders: Vec<_> = cases
        .iter()
        .map(|case| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(case.name), &case.text).unwrap();
            folder
        })
        .collect();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let lines: Vec<Line> = cases
        .iter()
        .zip(&folders)
        .flat_map(|(case, folder)| {
            let list = words(&["ansible-inventory", "-i", case.name, "--list"]);
            let hosts = words(&["ansible", "-i", case.name, "--list-hosts", "--", &case.pattern]);
            [list, hosts].map(|argv| Line { argv, cwd: folder.path() })
        })
        .collect();
    let said = ansible::run(&lines);
    let pairs = cases.iter().zip(&folders).zip(said.chunks(2));
    pairs.map(|((case, folder), said)| difference(case, folder.path(), said)).collect()
}

fn difference(case: &Random, folder: &Path, said: &[Said]) -> Outcome {
    let (listed, selected) = (&said[0], &said[1]);
    let report =
        |what: String| Outcome::Different(format!("{what}\n--- {} with `{}`\n{}", case.name, case.pattern, case.text));
    let path = folder.join(case.name).display().to_string();
    let refused = listed.stderr.contains("Unable to parse");
    let variables = match load::load(&Sources { inventories: vec![path], ..Sources::default() }) {
        Ok(_) if refused => return report(format!("Ansible does not read it:\n{}", listed.stderr)),
        Ok(variables) => variables,
        Err(_) if refused => return Outcome::Refused,
        Err(problems) => return report(format!("Ansible reads it: {:?}", printed::problems(&problems, folder))),
    };
    let inventory = variables.inventory();
    let (ours, theirs) = (printed::list(inventory), &listed.stdout);
    if ours != *theirs {
        return report(format!("oregano {ours}\nAnsible {theirs}"));
    }
    let settled = order_is_settled(inventory);
    if !settled && case.pattern.contains('[') {
        return Outcome::Same;
    }
    let mut theirs: Vec<&str> = selected.stdout.lines().skip(1).map(str::trim).collect();
    match select(inventory, &case.pattern) {
        Ok(mut ours) => {
            if !settled {
                ours.sort_unstable();
                theirs.sort_unstable();
            }
            let same = ours == theirs;
            if same {
                Outcome::Same
            } else {
                report(format!("oregano {ours:?}\nAnsible {theirs:?}\n{}", selected.stderr))
            }
        }
        // Of an unknown name Ansible only warns.
        Err(_) if selected.stderr.contains("WARNING") || selected.status != 0 => Outcome::Same,
        Err(problem) => report(format!("Ansible selects {theirs:?}, oregano says: {}", problem.message)),
    }
}

/// Whether Ansible itself lists the hosts of a group in the same order each time: it walks the groups of one level as
/// a set.
fn order_is_settled(inventory: &Inventory) -> bool {
    let children = |name: &str| inventory.groups[name].children.iter().map(String::as_str);
    inventory.groups.keys().all(|group| {
        let mut seen: HashSet<&str> = HashSet::from([group.as_str()]);
        let mut level: Vec<&str> = children(group).collect();
        while !level.is_empty() {
            if level.iter().filter(|name| children(name).next().is_some()).count() > 1 {
                return false;
            }
            seen.extend(&level);
            level = level.iter().flat_map(|name| children(name)).filter(|name| !seen.contains(name)).collect();
        }
        true
    })
}

const GROUPS: [&str; 8] = ["web", "db", "a", "b", "top", "low", "x1", "all"];

const HOSTS: [&str; 20] = [
    "h1",
    "h2",
    "h3",
    "h1",
    "h2",
    "n[1:3]",
    "n[01:03:2].example.com",
    "n[a:c]",
    "r[1:2]c[1:2]",
    "h1:2222",
    "h4:22",
    "[2001:db8::1]:22",
    "2001:db8::1",
    "10.0.0.[1:2]",
    "w1",
    "H1",
    "h-1.x_y",
    "localhost",
    "h#1",
    "'h 5'",
];

const NAMES: [&str; 6] = ["v", "w", "x", "ansible_host", "ansible_port", "a_b"];

/// Values as they may be written in INI.
const VALUES: [&str; 44] = [
    "1",
    "-1",
    "0x1F",
    "017",
    "1_000",
    "3.10",
    "1e3",
    ".5",
    "1.",
    "True",
    "true",
    "None",
    "null",
    "yes",
    "x",
    "x y",
    "'x'",
    "\"x\"",
    "'x y'",
    "\"x y\"",
    "'x' 'y'",
    "x'y'",
    "it''s",
    "[1, 'a']",
    "[1,'a']",
    "{'k': 1}",
    "{'k':[1,2]}",
    "(1, 2)",
    "1,2",
    "[a]",
    "{\"a\": true}",
    "# c",
    "1 # c",
    "x # c",
    "x#y",
    "'x#y'",
    "a=b",
    "\\x",
    "x\\ y",
    "'\\n'",
    "\"'1'\"",
    "'\"1\"'",
    "b'x'",
    "10.0.0.1",
];

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    (0..texts.len()).prop_map(move |at| texts[at])
}

/// An INI inventory that mentions few groups, and declares all of them.
fn ini() -> impl Strategy<Value = Random> {
    let variable = (one_of(&NAMES), one_of(&VALUES)).prop_map(|(name, value)| format!("{name}={value}"));
    let host = (one_of(&HOSTS), prop::collection::vec(variable.clone(), 0..3))
        .prop_map(|(host, variables)| format!("{host} {}", variables.join(" ")));
    let priority = (-1..12).prop_map(|number| format!("ansible_group_priority={number}"));
    let comment = one_of(&["", "# c", "; c", "  "]).prop_map(str::to_owned);
    let hosts = (
        one_of(&GROUPS),
        one_of(&["", "", "", " # c", ":hosts"]),
        prop::collection::vec(prop_oneof![8 => host.clone(), 1 => comment.clone()], 0..4),
    )
        .prop_map(|(group, mark, lines)| match mark {
            ":hosts" => format!("[{group}:hosts]\n{}\n", lines.join("\n")),
            mark => format!("[{group}]{mark}\n{}\n", lines.join("\n")),
        });
    let vars = (one_of(&GROUPS), prop::collection::vec(prop_oneof![8 => variable, 1 => priority, 1 => comment], 0..4))
        .prop_map(|(group, lines)| format!("[{group}:vars]\n{}\n", lines.join("\n")));
    let children = prop::collection::vec((0..GROUPS.len() - 1, 0..GROUPS.len() - 1), 1..4).prop_map(|pairs| {
        // Mostly downwards, so that loops are rare.
        let ordered = pairs.into_iter().map(|(a, b)| if a < b { (a, b) } else { (b, a) }).filter(|(a, b)| a != b);
        ordered.map(|(parent, child)| format!("[{}:children]\n{}\n", GROUPS[parent], GROUPS[child])).collect::<String>()
    });
    let head = prop::collection::vec(host, 0..3).prop_map(|lines| lines.join("\n") + "\n");
    let sections = prop::collection::vec(prop_oneof![4 => hosts, 2 => vars, 2 => children], 1..6);
    let declared = GROUPS.iter().filter(|name| **name != "all").map(|name| format!("[{name}]\n")).collect::<String>();
    (head, sections, pattern()).prop_map(move |(head, sections, pattern)| Random {
        name: "hosts.ini",
        text: format!("{head}{}{declared}", sections.concat()),
        pattern,
    })
}

/// Values as they may be written in YAML.
const SCALARS: [&str; 36] = [
    "1",
    "-1",
    "0x1F",
    "017",
    "0o17",
    "1_000",
    "3.10",
    "1e3",
    "1.5e+3",
    ".5",
    "yes",
    "No",
    "true",
    "null",
    "~",
    "",
    "x",
    "x y",
    "'x'",
    "\"x\\ty\"",
    "'1'",
    "\"yes\"",
    "1:30",
    "190:20:30.15",
    "[1, a]",
    "{k: 1}",
    "{k: [yes, ~]}",
    "x#y",
    "x # c",
    "'it''s'",
    "!!str 1",
    "!unsafe '{{ x }}'",
    "12e03",
    "0b11",
    "08",
    "it's",
];

const YAML_HOSTS: [&str; 10] =
    ["h1", "h2", "h3", "'n[1:3]'", "'n[01:03:2].x'", "h4:22", "'[::1]:22'", "w1", "localhost", "10.0.0.1"];

/// A YAML inventory: a few groups at the top, each with different children.
fn yaml() -> impl Strategy<Value = Random> {
    let groups = prop::collection::btree_map(0..GROUPS.len(), yaml_group(2), 1..4);
    (groups, pattern()).prop_map(|(groups, pattern)| {
        let text = groups.iter().map(|(at, body)| format!("{}:\n{}", GROUPS[*at], indented(body))).collect();
        Random { name: "hosts.yml", text, pattern }
    })
}

fn yaml_group(depth: u32) -> BoxedStrategy<String> {
    let variables = prop::collection::btree_map(one_of(&NAMES), one_of(&SCALARS), 0..3);
    let block = |variables: std::collections::BTreeMap<&str, &str>| {
        variables.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>()
    };
    let host = variables.clone().prop_map(block);
    let hosts = prop::collection::btree_map(one_of(&YAML_HOSTS), host, 0..3).prop_map(|hosts| {
        let entries = hosts.iter().map(|(name, body)| format!("{name}:\n{}", indented(body))).collect::<String>();
        format!("hosts:\n{}", indented(&entries))
    });
    let vars = (variables, prop::option::weighted(0.2, -1..12)).prop_map(move |(variables, priority)| {
        let priority = priority.map(|number| format!("ansible_group_priority: {number}\n")).unwrap_or_default();
        format!("vars:\n{}", indented(&(block(variables) + &priority)))
    });
    let children = if depth == 0 {
        Just(String::new()).boxed()
    } else {
        // The names of deeper groups come later, so that there is no loop.
        let from = 6 - 2 * depth as usize;
        let entries = prop::collection::btree_map(from..GROUPS.len() - 1, yaml_group(depth - 1), 0..3);
        entries
            .prop_map(|groups| {
                let entry = |(at, body): (&usize, &String)| format!("{}:\n{}", GROUPS[*at], indented(body));
                format!("children:\n{}", indented(&groups.iter().map(entry).collect::<String>()))
            })
            .boxed()
    };
    (hosts, vars, children, any::<[bool; 3]>())
        .prop_map(|(hosts, vars, children, wanted)| {
            let parts = [vars, hosts, children];
            parts.into_iter().zip(wanted).filter_map(|(part, wanted)| wanted.then_some(part)).collect()
        })
        .boxed()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn pattern() -> impl Strategy<Value = String> {
    const TERMS: [&str; 26] = [
        "all",
        "*",
        "web",
        "db",
        "a",
        "top",
        "low",
        "h1",
        "h2",
        "n1",
        "h*",
        "n?",
        "[hn]1",
        "*.example.com",
        "web[0]",
        "all[-1]",
        "top[0:1]",
        "all[1:]",
        "n*[0]",
        "~h",
        "~n\\d",
        "~(web|db)$",
        "ungrouped",
        "2001:db8::1",
        "x1",
        "~.*1$",
    ];
    let term = (one_of(&["", "", "", "!", "&"]), one_of(&TERMS)).prop_map(|(sign, term)| format!("{sign}{term}"));
    (prop::collection::vec(term, 1..4), one_of(&[",", ":", ", "])).prop_map(|(terms, mark)| terms.join(mark))
}

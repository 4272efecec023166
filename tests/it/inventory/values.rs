//! Random values: Python literals against `ast.literal_eval`, YAML against PyYAML, both through Ansible's own readers.

use oregano::inventory::{Source, load, vars_of, yaml};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};

use super::printed;
use super::random::{runner, wanted};
use crate::support::ansible;

#[test]
fn python_literals_are_read_as_python_reads_them() {
    let texts = generated(&literal(), wanted(3_000));
    compare(&texts, &ansible::values(&texts), of_ini, |text, ours, theirs| {
        // Refused here, with a position: names of characters, halves of surrogate pairs, odd keys, complex numbers.
        let odd = ["a surrogate", "\"other\""].iter().any(|odd| theirs.to_string().contains(odd));
        let report = ["cannot be a dict key", "not UTF-8"].iter().any(|report| ours.to_string().contains(report));
        let unsupported = refused(ours) && (odd || report || text.contains(['N', 'j', 'J']));
        // A complex number that is the complete value is text in both; Ansible formats it again.
        let complex = text.contains(['j', 'J']) && ours == &json!(["str", text]);
        // Text here, such as a template; to Python a set or list as a key, which it refuses.
        let template = refused(theirs) && ours == &json!(["str", text]);
        // A set has no order.
        let set = text.contains('{') && sorted(ours) == sorted(theirs);
        unsupported || complex || template || set
    });
}

#[test]
fn yaml_is_read_as_pyyaml_reads_it() {
    let texts = generated(&document(), wanted(3_000));
    compare(&texts, &ansible::documents(&texts), of_yaml, |_, ours, theirs| {
        // Refused here, with a position, where PyYAML is lenient.
        let strict = refused(ours) && STRICTER.iter().any(|message| ours.to_string().contains(message));
        // Read here, where PyYAML refuses what YAML 1.2 allows: tabs, `[:x]`, more signs in the names of anchors.
        let lenient = refused(theirs);
        // Dates are text here.
        let date = theirs.to_string().contains("[\"other\"");
        strict || lenient || date
    });
}

/// What is a problem here and none to PyYAML.
const STRICTER: [&str; 9] = [
    "simple key expected ':'",
    "this is not a value of the type",
    "the name of an anchor can contain only",
    "is only valid inside a block",
    "a value inside brackets cannot start with",
    "plain scalar cannot start with '-' followed by ,[]{}",
    "comments must be separated from other tokens by whitespace",
    "invalid indentation in multiline quoted scalar",
    "wrongly indented line in block scalar",
];

fn generated(strategy: &impl Strategy<Value = String>, count: usize) -> Vec<String> {
    let mut runner = runner();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Reports the shortest of the texts that are read differently, and how many there are.
fn compare(
    texts: &[String],
    theirs: &[Value],
    read: impl Fn(&str) -> Value,
    agreed: impl Fn(&str, &Value, &Value) -> bool,
) {
    let mut differing: Vec<String> = Vec::new();
    for (text, theirs) in texts.iter().zip(theirs) {
        let (ours, theirs) = (read(text), printed::same_floats(theirs));
        let same = ours == theirs || (refused(&ours) && refused(&theirs));
        if !same && !agreed(text, &ours, &theirs) {
            differing.push(format!("{text:?}\n  oregano {ours}\n  Ansible {theirs}"));
        }
    }
    differing.sort_by_key(|report| (report.len(), report.clone()));
    differing.dedup();
    let shown = differing.iter().take(25).cloned().collect::<Vec<_>>().join("\n");
    assert!(differing.is_empty(), "{} of {} texts are read differently:\n{shown}", differing.len(), texts.len());
}

fn refused(answer: &Value) -> bool {
    answer[0] == "refused"
}

/// The same value with all lists in one order.
fn sorted(value: &Value) -> Value {
    let Some(items) = value.as_array() else { return value.clone() };
    let mut items: Vec<Value> = items.iter().map(sorted).collect();
    items.sort_by_key(ToString::to_string);
    items.into()
}

/// A value of a `:vars` section.
fn of_ini(text: &str) -> Value {
    let source = Source::new("hosts.ini", format!("[all:vars]\nv={text}\n[g]\nh\n"));
    match load::parse(&source) {
        Ok(inventory) => vars_of(&inventory, "h").get("v").map_or(json!(["nothing"]), printed::typed),
        Err(problems) => json!(["refused", problems[0].message]),
    }
}

fn of_yaml(text: &str) -> Value {
    let source = Source::new("hosts.yml", text);
    match yaml::parse_value(&source, 0, text.len()) {
        Ok(node) => printed::typed(&node),
        Err(problem) => json!(["refused", problem.message]),
    }
}

fn pick(texts: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    (0..texts.len()).prop_map(move |at| texts[at].to_owned())
}

/// Literals, nested, and some of them damaged in one place.
fn literal() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        pick(&[
            "0", "1", "-1", "+2", "0x1F", "0o17", "0b11", "017", "1_0", "1__0", "1.5", ".5", "1.", "1e3", "1E-2", "00"
        ]),
        pick(&[
            "1j", "1+2j", "True", "False", "None", "...", "set()", "inf", "x", "true", "0_0", "0_1", "1e", "0x",
            "1e400"
        ]),
        pick(&["'a'", "\"b\"", "''", "'a' 'b'", "'it\\'s'", "r'\\n'", "b'x'", "u'x'", "f'x'", "'''x'''", "b'a' b'b'"]),
        pick(&[
            "'\\n\\t'",
            "'\\x41'",
            "'\\u00e4'",
            "'\\101'",
            "'\\8'",
            "'\\x4'",
            "b'\\xff'",
            "b'ä'",
            "'ä'",
            "rb'x'",
            "'#'"
        ]),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        (any::<u64>(), 1_u32..400).prop_map(|(a, b)| format!("{a}.{b}e-{}", b % 30)),
        "[0-9_.eExXoObBjJ+-]{1,6}",
        "[urbRBU]{0,2}'[a-z\\\\'\"0-9{}# ]{0,5}'",
    ];
    let space = pick(&["", "", "", " ", "  ", "\t"]);
    let nested = atom.prop_recursive(3, 12, 4, move |inner| {
        let items = prop::collection::vec((inner.clone(), space.clone()), 0..4);
        let joined = |items: Vec<(String, String)>, comma: &str| {
            items.into_iter().map(|(item, space)| format!("{space}{item}{space}")).collect::<Vec<_>>().join(",") + comma
        };
        let pairs = prop::collection::vec((inner.clone(), inner.clone(), space.clone()), 0..3);
        prop_oneof![
            (items.clone(), pick(&["", "", ","]))
                .prop_map(move |(items, comma)| format!("[{}]", joined(items, &comma))),
            (items.clone(), pick(&["", "", ","]))
                .prop_map(move |(items, comma)| format!("({})", joined(items, &comma))),
            (items, pick(&["", ","])).prop_map(move |(items, comma)| joined(items, &comma)),
            pairs.prop_map(|pairs| {
                let members = pairs.into_iter().map(|(key, value, space)| format!("{key}{space}:{space}{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }),
            inner.clone().prop_map(|item| format!("-{item}")),
            inner.prop_map(|item| format!("({item})")),
        ]
    });
    let damaged = (nested.clone(), any::<prop::sample::Index>(), pick(&DAMAGE)).prop_map(|(text, at, damage)| {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let at = places[at.index(places.len())];
        format!("{}{damage}{}", &text[..at], &text[at..])
    });
    let soup = prop::collection::vec(pick(&DAMAGE), 1..6).prop_map(|parts| parts.concat());
    let text = prop_oneof![4 => nested, 3 => damaged, 1 => soup];
    // The section reader strips the value before Python sees it.
    text.prop_map(|text| text.trim().to_owned())
}

const DAMAGE: [&str; 32] = [
    "'", "\"", "\\", "[", "]", "{", "}", "(", ")", ",", ":", " ", "\t", "#", "0", "_", "e", ".", "-", "+", "*", "=",
    "a", "ä", "'''", "None", "\u{a0}", "\u{1}", "b'", "r'", ";", "lambda",
];

/// Documents, and some of them damaged in one place.
fn document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        pick(&[
            "0", "1", "-1", "+2", "0x1F", "0o17", "0b11", "017", "08", "1_0", "_1", "1.5", ".5", "1.", "1e3", "1.e+3",
            "00"
        ]),
        pick(&[
            "yes", "No", "ON", "y", "true", "TRUE", "~", "null", "Null", "nULL", ".inf", "-.INF", ".nan", "1:30",
            "1:60"
        ]),
        pick(&[
            "x",
            "x y",
            "'x'",
            "\"x\"",
            "'it''s'",
            "\"a\\tb\"",
            "\"\\x41\\u00e4\"",
            "x#y",
            "x: y",
            "-x",
            "?x",
            ":x",
            "a:b"
        ]),
        pick(&[
            "[]",
            "{}",
            "[a, b]",
            "[a,]",
            "{a: 1}",
            "{a: 1, a: 2}",
            "{a}",
            "[a: 1]",
            "{a: , b}",
            "[[1], {b: ~}]",
            "'",
            "\""
        ]),
        pick(&[
            "!!str 1",
            "!!int '7'",
            "!!float 1",
            "!!bool no",
            "!!null x",
            "! 1",
            "!unsafe x",
            "&a 1",
            "*a",
            "- x",
            "<<",
            "="
        ]),
        "[0-9_.:eExb+-]{1,6}",
        "[a-z0-9#:,\\[\\]{}'\"!&*|>%@` -]{1,5}",
    ];
    let nested = scalar.prop_recursive(3, 12, 3, |inner| {
        let key = pick(&["a", "b", "c", "1", "yes", "'q r'", "\"d\"", "<<", "? e", "~", "1.0"]);
        prop_oneof![
            prop::collection::vec((key.clone(), inner.clone()), 1..3).prop_map(|members| {
                let one = |(key, value): (String, String)| below(&format!("{key}:"), &value);
                members.into_iter().map(one).collect::<String>()
            }),
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|items| items.iter().map(|item| below("-", item)).collect::<String>()),
            (key, pick(&["|", ">", "|-", ">-", "|+", ">+", "|2", "|1-", "|#", ">0", "| # c"]), "[a-z#: \n]{0,12}")
                .prop_map(|(key, header, text)| {
                    let lines = text.lines().map(|line| format!("  {line}\n")).collect::<String>();
                    format!("{key}: {header}\n{lines}")
                }),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    });
    let damaged = (nested.clone(), any::<prop::sample::Index>(), pick(&YAML_DAMAGE)).prop_map(|(text, at, damage)| {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let at = places[at.index(places.len())];
        format!("{}{damage}{}", &text[..at], &text[at..])
    });
    prop_oneof![4 => nested, 1 => damaged]
}

/// A value after its key or dash: on the same line if it is one line, else below.
fn below(head: &str, value: &str) -> String {
    if value.trim_end_matches('\n').contains('\n') || value.ends_with('\n') {
        let lines = value.lines().map(|line| format!("  {line}\n")).collect::<String>();
        format!("{head}\n{lines}")
    } else {
        format!("{head} {value}\n")
    }
}

const YAML_DAMAGE: [&str; 22] = [
    "'", "\"", "\\", "[", "]", "{", "}", ",", ": ", "- ", "\n", "\t", " #", "&a ", "*a", "|", ">", "? ", "---\n",
    "...\n", "ä", "%",
];

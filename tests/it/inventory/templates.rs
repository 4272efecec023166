//! Runs the cases of tests/cases/templates: a template and its result. Each is compared with its recording and with the
//! current result of the real Ansible.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;

use oregano::inventory::Value::Vault as Encrypted;
use oregano::inventory::outside::OutsideError;
use oregano::inventory::vault::VaultError;
use oregano::inventory::{Node, Outside, Problem, Source, Variables, load};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cases;
use crate::support::ansible::answers;

/// One case. A new one needs no Rust.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the case is about, if the template does not show it.
    #[serde(default)]
    name: String,
    /// The variables of the host `h`, if there is no inventory.
    #[serde(default)]
    vars: serde_json::Map<String, Value>,
    /// A YAML inventory. The template is resolved for its host `h`.
    inventory: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    template: Value,
    #[serde(default, deserialize_with = "present")]
    expect: Option<Value>,
    /// The message of the problem. Ansible must fail too.
    problem: Option<String>,
    /// Why the result of Ansible differs.
    differs: Option<String>,
}

/// An expectation of `null` is an expectation, too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[test]
fn templates_have_the_same_result_as_in_ansible() {
    let cases: Vec<(String, Case)> = cases::read("templates");
    let answers = ansible(&cases);
    let mut failures = Vec::new();
    for ((place, case), answer) in cases.iter().zip(&answers) {
        let found = case.found();
        let expected = match (&case.expect, &case.problem) {
            (Some(value), None) => Ok(value.clone()),
            (None, Some(problem)) => Err(problem.clone()),
            _ => panic!("{place}: {}: either `expect` or `problem`", case.name),
        };
        let mut fail = |text: String| failures.push(format!("{place}: {}: {}\n  {text}", case.name, case.template));
        if found != expected {
            fail(format!("found    {}\n  expected {}\n  ansible  {answer}", shown(&found), shown(&expected)));
        }
        let agrees = match &found {
            Ok(value) => answer.get("value") == Some(value),
            Err(_) => answer.get("error").is_some(),
        };
        if agrees == case.differs.is_some() && found == expected {
            fail(format!("found    {}\n  ansible  {answer}\n  differs  {:?}", shown(&found), case.differs));
        }
    }
    assert!(cases.len() >= 150, "only {} cases", cases.len());
    assert!(failures.is_empty(), "{} failures in {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn shown(result: &Result<Value, String>) -> String {
    match result {
        Ok(value) => format!("value {value}"),
        Err(problem) => format!("problem {problem}"),
    }
}

impl Case {
    fn of(vars: &Value, template: &str) -> Self {
        Self {
            name: String::new(),
            vars: vars.as_object().unwrap().clone(),
            inventory: None,
            env: BTreeMap::new(),
            files: BTreeMap::new(),
            template: template.into(),
            expect: None,
            problem: None,
            differs: None,
        }
    }

    fn inventory(&self) -> String {
        let built = || format!("{:#}", json!({"all": {"hosts": {"h": null}, "vars": self.vars}}));
        self.inventory.clone().unwrap_or_else(built)
    }

    fn found(&self) -> Result<Value, String> {
        let message = |problem: Problem| {
            assert!(!problem.render().contains("hunter2"), "{}: a problem shows a value", self.template);
            match &problem.hint {
                Some(hint) => format!("{} (hint: {hint})", problem.message),
                None => problem.message.clone(),
            }
        };
        let parse = |text: String| {
            load::parse(&Source::new("hosts.yml", text))
                .unwrap_or_else(|problems| panic!("{}: {problems:?}", self.template))
        };
        let outside = CaseFiles { env: self.env.clone(), files: self.files.clone() };
        let variables = Variables::new(parse(self.inventory()), Arc::new(outside));
        let template = parse(format!("{:#}", json!({"all": {"vars": {"it": self.template}}})));
        let node = variables.of("h").resolve(&template.groups["all"].vars["it"]).map_err(message)?;
        Ok(serde_json::to_value(node).unwrap())
    }
}

fn resolved(vars: &Value, template: &str) -> Result<Value, String> {
    Case::of(vars, template).found()
}

#[test]
fn encrypted_values_are_texts_in_expressions() {
    let text =
        "all: {hosts: {h: {pw: x, l: ['{{ pw }}'], a: '{{ pw }}!', b: '{{ pw | upper }}x', c: '{{ l[0] | length }}'}}}";
    let mut inventory = load::parse(&Source::new("hosts.yml", text)).unwrap();
    let pw = inventory.hosts["h"].vars["pw"].clone();
    inventory.extra.insert("pw".to_owned(), Node { value: Encrypted, text: "$ANSIBLE_VAULT;…".to_owned(), ..pw });
    let variables = Variables::new(inventory, Arc::new(CaseFiles { env: BTreeMap::new(), files: BTreeMap::new() }));
    let found = |name: &str| serde_json::to_value(variables.of("h").get(name).unwrap()).unwrap();
    assert_eq!(found("pw"), "hunter2{{ 1 }}");
    assert_eq!(found("a"), "hunter2{{ 1 }}!");
    assert_eq!(found("b"), "HUNTER2{{ 1 }}x");
    assert_eq!(found("c"), 14);
    assert_eq!(found("l"), json!(["hunter2{{ 1 }}"]));
}

#[test]
fn hostile_templates_become_problems() {
    let many = |text: &str| text.repeat(10_000);
    let twice = |then: &str| {
        format!(
            "{{% set ns = namespace(x=[]) %}}{{% for i in range(60) %}}{{% set ns.x = [ns.x, ns.x] %}}{{% endfor %}}{then}"
        )
    };
    let hostile = [
        "{{ {{".to_owned(),
        many("{{ "),
        format!("{{{{ {} }}}}", many("(")),
        format!("{{{{ {}1{} }}}}", many("("), many(")")),
        format!("{{{{ {}1{} }}}}", many("["), many("]")),
        format!("{{{{ {}a }}}}", many("not ")),
        format!("{{{{ {}1 }}}}", many("-")),
        format!("{{{{ a{} }}}}", many("[a")),
        format!("{{{{ 1{} }}}}", many(" ~ 1")),
        format!("{{{{ 'a'{} }}}}", many(" | upper")),
        format!("{{{{ {}1{} }}}}", "(- - - ".repeat(80), ")".repeat(80)),
        format!("{{{{ 1{} }}}}", many(" if 1 else 1")),
        format!("{{% if a %}}{}{{% endif %}}", many("{% elif a %}")),
        many("{% if true %}"),
        many("{% for x in range(99999) %}"),
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}"
            .to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{{ 'a' * 1000000000 }}".to_owned(),
        "{{ [1] * 1000000000 }}".to_owned(),
        "{{ range(1000000000) | list }}".to_owned(),
        "{{ 'a' | center(1000000000) }}".to_owned(),
        "{{ '%1000000000d' | format(1) }}".to_owned(),
        "{{ range(99) | permutations(9) | list }}".to_owned(),
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}".to_owned(),
        "{{ 9 ** 999999999 }}".to_owned(),
        "{% set ns = namespace(x=1) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | length }}"
            .to_owned(),
        twice("{{ ns.x }}"),
        twice("{{ ns.x | flatten }}"),
        twice("{{ ns.x == [ns.x] }}"),
        "{% set ns = namespace(x=1) %}{% set ns.x = ns %}{{ ns }}".to_owned(),
        "{{ 'a' * 90000 ~ (('a' * 90000) | replace('', 'b' * 90000)) }}".to_owned(),
        "{{ ('a' * 90000) | regex_replace('a', 'b' * 90000) }}".to_owned(),
        "{{ (['a'] * 90000) | join('b' * 90000) }}".to_owned(),
        "{{ (['a' * 90000] * 90000) | to_json }}".to_owned(),
        "{{ [[[1] * 9000] * 9000] * 9000 }}".to_owned(),
        format!("{{% for i in range(90000) %}}{}{{% endfor %}}", "text ".repeat(100)),
        "{% for a in ['a' * 90000] %}{% for b in [a ~ a ~ a ~ a ~ a ~ a ~ a ~ a] %}{% for c in [b ~ b ~ b ~ b ~ b] %}\
         {{ c ~ c }}{% endfor %}{% endfor %}{% endfor %}"
            .to_owned(),
        "{{ ('a' * 40) | regex_replace('(a*)*b\\1', '') ~ x }}".to_owned(),
    ];
    for template in hostile {
        let start = std::time::Instant::now();
        let found = resolved(&json!({}), &template);
        let took = start.elapsed();
        let template = &template[..template.len().min(80)];
        assert!(found.is_err(), "{template}: a value");
        assert!(took < std::time::Duration::from_secs(20), "{template}: {took:?}");
    }
}

#[test]
fn deep_and_wide_chains_of_variables_become_problems() {
    let chain = |length: usize, link: &dyn Fn(usize) -> String| {
        let vars = (0..length).map(|at| (format!("v{at}"), Value::from(link(at + 1))));
        Value::from_iter(vars.chain([(format!("v{length}"), "end".into())]))
    };
    let upper = |at: usize| format!("{{{{ v{at} | upper }}}}");
    assert_eq!(resolved(&chain(30, &upper), "{{ v0 | lower }}"), Ok("end".into()));
    assert!(resolved(&chain(5_000, &upper), "{{ v0 }}").unwrap_err().contains("at the end of a chain"));
    let loops = |at: usize| {
        format!(
            "{{% for x in [1] %}}{{% if v{at} %}}{{{{ [v{at}] | map('upper') | first }}}}{{% endif %}}{{% endfor %}}"
        )
    };
    assert!(resolved(&chain(9, &loops), "{{ v0 }}").is_ok());
    let twice = |at: usize| format!("{{% set x = v{at} %}}{{{{ x ~ x }}}}");
    assert!(resolved(&chain(35, &twice), "{{ v0 | length }}").unwrap_err().contains("too large"));
    let wide = |at: usize| format!("{{{{ [v{at}] * 8 }}}}");
    assert!(resolved(&chain(12, &wide), "{{ v0 | string }}").unwrap_err().contains("too large"));
    assert!(resolved(&chain(12, &wide), "{{ v0 }}").unwrap_err().contains("too large"));
    let doubled = |at: usize| format!("{{{{ v{at} }}}}{{{{ v{at} }}}}");
    assert!(resolved(&chain(35, &doubled), "{{ v0 }}").is_err());
}

#[test]
fn ten_thousand_hosts_with_templates_are_read_quickly() {
    let mut text = "[all:vars]\na=1\nurl=reg-{{ zone }}.{{ a }}\npw={{ secret | default('x') }}\n[nodes]\n".to_owned();
    text.extend((0..10_000).map(|host| format!("node{host}.example.com zone='{{{{ a }}}}' copy='{{{{ url }}}}'\n")));
    let inventory = load::parse(&Source::new("hosts", text)).unwrap();
    let variables = Variables::new(inventory, oregano::inventory::outside::NoAccess::shared());
    let start = std::time::Instant::now();
    for host in variables.inventory().hosts.keys() {
        let vars = variables.of(host);
        for name in ["zone", "url", "copy", "pw"] {
            assert!(vars.get(name).unwrap().is_some());
        }
    }
    let took = start.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
}

/// The environment variables and files of a case.
struct CaseFiles {
    env: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

impl Outside for CaseFiles {
    fn decrypt(&self, _: &str) -> Result<String, VaultError> {
        Ok("hunter2{{ 1 }}".to_owned())
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<String, OutsideError> {
        self.files.get(path).cloned().ok_or_else(|| "no such file".into())
    }

    fn pipe(&self, command: &str) -> Result<String, OutsideError> {
        let output = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output().unwrap();
        if output.status.success() { Ok(String::from_utf8(output.stdout).unwrap()) } else { Err("it failed".into()) }
    }

    fn helper(&self, _: &str, _: &str) -> Result<String, OutsideError> {
        Err("no template uses it".into())
    }
}

/// The results of Ansible, all from one process.
fn ansible(cases: &[(String, Case)]) -> Vec<Value> {
    let requests: Vec<Value> = cases
        .iter()
        .map(|(_, case)| {
            json!({
                "inventory": case.inventory(),
                "host": "h",
                "template": case.template,
                "env": case.env,
                "files": case.files,
            })
        })
        .collect();
    answers("templates.py", &requests)
}

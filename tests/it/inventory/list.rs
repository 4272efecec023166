//! `inventory --list`, `--host` and `--graph` against the real `ansible-inventory`, on the inventories of
//! tests/cases/listing: JSON and trees byte for byte, YAML by its values.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::ansible::{self, Line};
use crate::support::oregano::Oregano;

fn cases(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder)
}

/// The files of a folder of cases.
fn inventories(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cases(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What the real program prints; it must succeed.
fn ansible(inventory: &Path, words: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let argv = [&["ansible-inventory", "-i", inventory.to_str().unwrap()], words].concat();
    let line = Line { argv: argv.into_iter().map(str::to_owned).collect(), cwd: home.path() };
    let said = ansible::run(&[line]).remove(0);
    assert_eq!(said.status, 0, "ansible-inventory {words:?} of {}: {}", inventory.display(), said.stderr);
    said.stdout
}

fn ours(inventory: &Path, words: &[&str]) -> String {
    let mut all = vec!["inventory", "-i", inventory.to_str().unwrap()];
    all.extend(words);
    Oregano::new().run(&all).expect(0).stdout
}

/// Names the first line that differs: listings are long.
fn same(name: &str, ours: &str, theirs: &str) {
    for (at, (our, their)) in ours.split('\n').zip(theirs.split('\n')).enumerate() {
        assert_eq!(our, their, "{name} line {}", at + 1);
    }
    assert_eq!(ours.len(), theirs.len(), "{name}");
}

#[test]
fn json_and_trees_are_the_same_as_in_ansible() {
    for inventory in inventories("listing") {
        for words in [&["--list"][..], &["--graph", "--vars"]] {
            let name = format!("{} {words:?}", inventory.display());
            same(&name, &ours(&inventory, words), &ansible(&inventory, words));
        }
    }
}

#[test]
fn host_and_graph_are_the_same_as_in_ansible() {
    let folder = cases("listing");
    for (file, words) in [
        ("values.yml", &["--host", "h1"][..]),
        ("values.ini", &["--host", "www01.example.com", "-e", "a=2"]),
        ("values.yml", &["--graph", "gamma", "--vars"]),
    ] {
        let file = folder.join(file);
        same(&format!("{} {words:?}", file.display()), &ours(&file, words), &ansible(&file, words));
    }
}

/// Inventories of the kinds that openshift-ansible 3.11 shows its users.
#[test]
fn examples_of_every_kind_are_read_as_ansible_reads_them() {
    let files = inventories("examples");
    assert_eq!(files.len(), 8);
    std::thread::scope(|scope| {
        for file in &files {
            scope.spawn(move || {
                same(&file.display().to_string(), &ours(file, &["--list"]), &ansible(file, &["--list"]));
            });
        }
    });
}

#[test]
fn an_example_with_group_vars_is_read_as_ansible_reads_it() {
    let hosts = cases("examples/openstack/hosts");
    same("openstack", &ours(&hosts, &["--list"]), &ansible(&hosts, &["--list"]));
    let checked = Oregano::new().run(&["inventory", "-i", hosts.to_str().unwrap(), "--check"]).expect(0).stdout;
    assert_eq!(checked.trim(), "nothing suspicious was found");
}

/// PyYAML reads both.
#[test]
fn yaml_has_the_same_values_as_in_ansible() {
    for inventory in inventories("listing") {
        let read = |text: String| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, text).unwrap();
            let script = "import sys, yaml\n\
                def plain(x):\n\
                \x20   if isinstance(x, dict): return sorted((repr(k), plain(v)) for k, v in x.items())\n\
                \x20   return [plain(v) for v in x] if isinstance(x, list) else repr(x)\n\
                print(plain(yaml.safe_load(open(sys.argv[1]))))";
            crate::support::process::run(Command::new(ansible::python()).args(["-c", script]).arg(file.path()))
        };
        let words = ["--list", "--yaml"];
        assert_eq!(read(ours(&inventory, &words)), read(ansible(&inventory, &words)), "{}", inventory.display());
    }
}

#[test]
fn an_unknown_name_gets_a_suggestion_and_status_1() {
    let user = Oregano::new();
    let inventory = user.write("hosts", "[nodes]\nnode1.example.com\nnode2.example.com\n");
    let inventory = inventory.to_str().unwrap();
    let errors = |words: &[&str]| user.run(&[&["inventory", "-i", inventory], words].concat()).expect(1).stderr;
    for (words, message, hint) in [
        (&["--host", "node1.exmple.com"][..], "no host `node1.exmple.com`", "did you mean `node1.example.com`?"),
        (&["--graph", "nods"], "no group `nods`", "did you mean `nodes`?"),
        (&["--host", "nodes"], "`nodes` matches 2 hosts", "name of one of them"),
    ] {
        let errors = errors(words);
        assert!(errors.contains(message) && errors.contains(hint), "{errors}");
    }
}

#[test]
fn exactly_one_thing_is_shown() {
    let user = Oregano::new();
    for words in [&[][..], &["--list", "--graph"], &["--list", "--vars"], &["--list", "--export"], &["--toml"]] {
        user.run(&[&["inventory"], words].concat()).expect(64);
    }
}

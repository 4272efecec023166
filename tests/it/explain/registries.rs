//! From where an image is pulled according to registries.conf: `lookup` compared with containers/image, for data cases and
//! random files. The seed is fixed as for the other random tests.

use oregano::desired::Image;
use oregano::lookup::{PullRoute, PullSource, RegistriesConf};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use serde::Deserialize;

use super::oracle::{self, Pulls, Registries};
use crate::cases;
use crate::inventory::random::{runner, wanted};

/// A case of tests/cases/registries.
#[derive(Debug, Deserialize)]
struct Case {
    rule: String,
    #[serde(flatten)]
    asked: Registries,
    #[serde(default)]
    pulls: Vec<String>,
    helpers: Option<Vec<String>>,
    refused: Option<String>,
}

/// Our result: the pulls, and the helpers.
type Ours = Result<(Vec<PullSource>, Vec<String>), String>;

fn ours(asked: &Registries) -> Ours {
    let named: Vec<_> = (0..).map(|at| format!("drop-in{at}.conf")).zip(&asked.drop_ins).collect();
    let drop_ins: Vec<_> = named.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let mut conf = RegistriesConf::read(asked.conf.as_deref().map(|text| ("registries.conf", text)), &drop_ins)?;
    if let Some(text) = &asked.aliases {
        conf = conf.with_cached_aliases("aliases.conf", text);
    }
    let image = Image::parse(&asked.image)?;
    let usual = || vec!["containers-auth.json".to_owned()];
    let helpers = conf.helpers().map_or_else(usual, |helpers| helpers.names.clone());
    Ok((conf.sources(&asked.image, &image)?, helpers))
}

fn describe(pull: &PullSource) -> String {
    let route = match pull.route {
        None => "",
        Some(PullRoute::Mirror) => "mirror ",
        Some(PullRoute::Location) => "location ",
        Some(PullRoute::Alias) => "alias ",
        Some(PullRoute::Search) => "search ",
    };
    format!("{}{route}{}", if pull.blocked.is_some() { "blocked " } else { "" }, pull.image.name)
}

/// How our result differs from theirs.
fn difference(asked: &Registries, ours: &Ours, theirs: &Pulls) -> Option<String> {
    let same = match ours {
        Err(_) => !theirs.error.is_empty(),
        Ok((pulls, helpers)) => {
            let from =
                |pull: &PullSource| format!("{}{}", if pull.blocked.is_some() { "!" } else { "" }, pull.image.name);
            let from: Vec<String> = pulls.iter().map(from).collect();
            theirs.error.is_empty() && theirs.from.as_ref() == Some(&from) && theirs.helpers.as_ref() == Some(helpers)
        }
    };
    (!same).then(|| format!("ours {ours:?}\ntheirs {theirs:?}\n{asked:#?}"))
}

#[test]
fn cases_are_pulled_from_where_the_consumers_pull_them() {
    let cases = cases::read::<Case>("registries");
    let asked: Vec<Registries> = cases.iter().map(|(_, case)| case.asked.clone()).collect();
    for ((name, case), theirs) in cases.iter().zip(oracle::ask_registries(&asked)) {
        let name = format!("{name} ({})", case.rule);
        let found = ours(&case.asked);
        assert_eq!(difference(&case.asked, &found, &theirs), None, "{name}");
        match (found, &case.refused) {
            (Ok((pulls, helpers)), None) => {
                assert_eq!(pulls.iter().map(describe).collect::<Vec<_>>(), case.pulls, "{name}");
                assert!(case.helpers.is_none() || case.helpers == Some(helpers), "{name}");
            }
            (found, refused) => assert_eq!(found.err().as_ref(), refused.as_ref(), "{name}"),
        }
    }
}

#[test]
fn random_files_have_the_same_mirrors_as_the_consumers() {
    let (mut runner, strategy) = (runner(), strategy());
    let mut left = wanted(1000);
    let (mut led, mut all) = (0, 0);
    while left > 0 {
        let count = left.min(2000);
        left -= count;
        let asked: Vec<_> = (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
        for (asked, theirs) in asked.iter().zip(oracle::ask_registries(&asked)) {
            assert_eq!(difference(asked, &ours(asked), &theirs), None);
            led += usize::from(theirs.from.is_some_and(|from| from.len() > 1));
        }
        all += count;
    }
    assert!(led * 8 > all, "{led} of {all} lead elsewhere: the others prove little");
}

const IMAGES: [&str; 12] = [
    "quay.io/team/app:v1",
    "quay.io/team/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "quay.io/team/app:v1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "quay.io:5000/team/app",
    "quay.iox/team/app",
    "a.b.example.com/team/app",
    "example.com/app",
    "app",
    "app:1.27",
    "team/app",
    "docker.io/app",
    "localhost/app",
];
const PLACES: [&str; 20] = [
    "quay.io",
    "quay.io/team",
    "quay.io/team/app",
    "quay.io/te",
    "quay.io:5000",
    "quay.io/",
    "*.example.com",
    "*.b.example.com",
    "*.io",
    "example.com",
    "mirror.example.com",
    "mirror.example.com:5000/a/b/",
    "docker.io",
    "docker.io/library",
    "localhost",
    "*",
    "*.example.com/x",
    "team",
    "https://quay.io",
    "",
];

/// Mostly what can be used, and now and then what cannot.
fn place() -> impl Strategy<Value = String> {
    prop_oneof![60 => select(&PLACES[..6]), 20 => select(&PLACES[6..16]), 1 => select(&PLACES[16..])]
        .prop_map(str::to_owned)
}

fn registry() -> impl Strategy<Value = String> {
    let some = |text: &'static str| prop_oneof![12 => Just(""), 1 => Just(text)];
    let usage = prop_oneof![
        8 => Just(""),
        2 => Just("pull-from-mirror = 'digest-only'\n"),
        2 => Just("pull-from-mirror = 'tag-only'\n"),
        1 => Just("pull-from-mirror = 'all'\n"),
    ];
    let mirror =
        (place(), usage).prop_map(|(place, usage)| format!("[[registry.mirror]]\nlocation = '{place}'\n{usage}"));
    let prefix = prop_oneof![3 => Just(None), 1 => place().prop_map(Some)];
    let flags = (some("blocked = true\n"), some("mirror-by-digest-only = true\n"));
    (prefix, place(), flags, prop::collection::vec(mirror, 0..4)).prop_map(|(prefix, location, flags, mirrors)| {
        let prefix = prefix.map_or_else(String::new, |prefix| format!("prefix = '{prefix}'\n"));
        format!("[[registry]]\n{prefix}location = '{location}'\n{}{}{}", flags.0, flags.1, mirrors.concat())
    })
}

fn file() -> impl Strategy<Value = String> {
    let hosts = subsequence(vec!["quay.io", "docker.io", "example.com:5000", "registry"], 0..3);
    let quoted =
        |names: Vec<&str>| format!("[{}]", names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(","));
    let search = prop_oneof![
        2 => hosts.prop_map(move |hosts| format!("unqualified-search-registries = {}\n", quoted(hosts))),
        1 => Just(String::new()),
    ];
    let mode = prop_oneof![
        4 => Just(""),
        1 => Just("short-name-mode = 'enforcing'\n"),
        1 => Just("short-name-mode = 'permissive'\n"),
    ];
    let helpers = prop_oneof![
        4 => Just(""),
        1 => Just("credential-helpers = ['x', 'containers-auth.json']\n"),
        1 => Just("credential-helpers = []\n"),
    ];
    let two = (search, mode, helpers, prop::collection::vec(registry(), 0..4), aliases()).prop_map(
        |(search, mode, helpers, registries, aliases)| {
            format!("{search}{mode}{helpers}{}{aliases}", registries.concat())
        },
    );
    let one = select(vec![
        "[registries.search]\nregistries = ['quay.io', 'docker.io/']\n[registries.block]\nregistries = ['quay.io/team']\n",
        "[registries.block]\nregistries = ['example.com']\n[registries.insecure]\nregistries = ['example.com', 'quay.io']\n",
        "[registries.search]\nregistries = []\n",
        "[registries.search]\nregistries = ['quay.io/team']\n",
        "[registries]\n",
    ]);
    prop_oneof![14 => two, 1 => one.prop_map(str::to_owned)]
}

fn aliases() -> impl Strategy<Value = String> {
    let alias = (
        select(vec!["app", "app", "app", "app", "team/app", "team/app", "app:1", "quay.io/app"]),
        select(vec!["quay.io/app", "quay.io/team/app", "docker.io/app", "example.com/x", "", "app", "quay.io/x:1"]),
    );
    let some = alias.prop_map(|(name, value)| format!("[aliases]\n'{name}' = '{value}'\n"));
    prop_oneof![5 => Just(String::new()), 1 => some]
}

/// An image on a line, and a file after it.
pub fn texts() -> impl Strategy<Value = String> {
    (select(IMAGES.as_slice()), file()).prop_map(|(image, file)| format!("{image}\n{file}"))
}

fn strategy() -> impl Strategy<Value = Registries> {
    let conf = prop_oneof![1 => Just(None), 6 => file().prop_map(Some)];
    let remembered = prop_oneof![4 => Just(None), 1 => aliases().prop_map(Some)];
    let image = prop_oneof![2 => select(&IMAGES[..3]), 1 => select(&IMAGES[3..])];
    (image, conf, prop::collection::vec(file(), 0..2), remembered)
        .prop_map(|(image, conf, drop_ins, aliases)| Registries { image: image.to_owned(), conf, drop_ins, aliases })
}

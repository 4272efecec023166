//! One file of containers-registries.conf(5), in either of its versions, with the mistakes for which containers/image
//! refuses it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::desired::{Image, is_domain};
use crate::dockerconfig::mask;

/// Values of `pull-from-mirror`.
const ALL: &str = "all";
pub const DIGEST_ONLY: &str = "digest-only";
pub const TAG_ONLY: &str = "tag-only";

/// Which versions a file may be of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Main,
    /// One of registries.conf.d, which may not be of version 1.
    DropIn,
}

/// What a file says. What is not there leaves an earlier file's word alone; what is empty does not.
pub struct File {
    /// Each prefix once.
    pub registries: Vec<Registry>,
    pub search: Option<Vec<String>>,
    pub helpers: Option<Vec<String>>,
    pub aliases: Aliases,
    pub mode: Option<Mode>,
}

/// What is done with a short name that may be several images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// All are tried.
    #[default]
    Permissive,
    /// One is to be chosen.
    Enforcing,
}

/// What short names stand for; `None` takes back what an earlier file says.
pub type Aliases = HashMap<String, Option<Image>>;

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    registry: Option<Vec<Registry>>,
    unqualified_search_registries: Option<Vec<String>>,
    credential_helpers: Option<Vec<String>>,
    short_name_mode: Option<String>,
    additional_layer_store_auth_helper: Option<String>,
    aliases: Option<BTreeMap<String, String>>,
    registries: Option<VersionOne>,
}

/// The format of OpenShift 3.11.
#[derive(Default, Deserialize)]
#[serde(default)]
struct VersionOne {
    search: List,
    insecure: List,
    block: List,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct List {
    registries: Option<Vec<String>>,
}

/// A `[[registry]]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Registry {
    pub prefix: String,
    /// Empty only behind a prefix with `*`: the image's own.
    pub location: String,
    insecure: bool,
    pub blocked: bool,
    pub mirror_by_digest_only: bool,
    pull_from_mirror: String,
    pub mirror: Vec<Mirror>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mirror {
    #[serde(default)]
    pub location: String,
    #[serde(default)]
    pub pull_from_mirror: String,
}

/// Reads a file.
///
/// # Errors
/// Why containers/image refuses it.
pub fn read(text: &str, form: Form) -> Result<File, String> {
    let written: Written = toml(text)?;
    let written = match (written.registries.as_ref().is_some_and(VersionOne::is_set), form) {
        (true, Form::DropIn) => return Err("a drop-in must be of version 2".to_owned()),
        (true, Form::Main) => written.converted()?,
        (false, _) => written,
    };
    let search =
        written.unqualified_search_registries.map(|search| search.iter().map(|entry| search_registry(entry)).collect());
    let mode = match written.short_name_mode.as_deref() {
        None | Some("") => None,
        Some("enforcing") => Some(Mode::Enforcing),
        Some("permissive" | "disabled") => Some(Mode::Permissive),
        Some(_) => return Err("`short-name-mode` is none that is known".to_owned()),
    };
    Ok(File {
        registries: checked(written.registry.unwrap_or_default())?,
        search: search.transpose()?,
        helpers: written.credential_helpers,
        aliases: named(written.aliases.unwrap_or_default())?,
        mode,
    })
}

/// Reads short-name-aliases.conf.
///
/// # Errors
/// Why containers/image refuses it.
pub fn aliases(text: &str) -> Result<Aliases, String> {
    #[derive(Deserialize)]
    struct Remembered {
        #[serde(default)]
        aliases: BTreeMap<String, String>,
    }
    toml(text).and_then(|Remembered { aliases }| named(aliases))
}

/// The error's own text may quote a value, and a value may hold a login.
fn toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => {
            let (line, start) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |at| at + 1));
            let column = before[start..].chars().count() + 1;
            format!("it is not TOML, or has a value of a wrong type, at line {line}, column {column}")
        }
        None => "it is not TOML, or has a value of a wrong type".to_owned(),
    })
}

impl Written {
    /// Version 1 as version 2 has it (`ConvertToV2`).
    fn converted(self) -> Result<Self, String> {
        let version_two = self.registry.is_some()
            || self.unqualified_search_registries.is_some()
            || self.credential_helpers.is_some()
            || self.aliases.is_some()
            || [&self.short_name_mode, &self.additional_layer_store_auth_helper]
                .into_iter()
                .flatten()
                .any(|text| !text.is_empty());
        if version_two {
            return Err("it mixes version 1 and version 2".to_owned());
        }
        let VersionOne { search, insecure, block } = self.registries.unwrap_or_default();
        let mut registries: BTreeMap<String, Registry> = BTreeMap::new();
        let mut registry = |entry: &str, set: fn(&mut Registry)| {
            let location = location(entry)?;
            let known = Registry { prefix: location.clone(), location: location.clone(), ..Registry::default() };
            set(registries.entry(location).or_insert(known));
            Ok::<(), String>(())
        };
        for entry in block.registries.iter().flatten() {
            registry(entry, |registry| registry.blocked = true)?;
        }
        for entry in insecure.registries.iter().flatten() {
            registry(entry, |registry| registry.insecure = true)?;
        }
        Ok(Self {
            registry: Some(registries.into_values().collect()),
            unqualified_search_registries: search.registries,
            ..Self::default()
        })
    }
}

impl VersionOne {
    fn is_set(&self) -> bool {
        [&self.search, &self.insecure, &self.block].into_iter().any(|list| list.registries.is_some())
    }
}

/// The registries of one file, each prefix once (`postProcessRegistries`).
fn checked(written: Vec<Registry>) -> Result<Vec<Registry>, String> {
    let mut settings: HashMap<String, (bool, bool)> = HashMap::new();
    let mut registries: Vec<Registry> = Vec::new();
    for registry in written {
        let registry = checked_registry(registry)?;
        let place = if registry.location.is_empty() { &registry.prefix } else { &registry.location };
        let own = (registry.insecure, registry.blocked);
        if *settings.entry(place.clone()).or_insert(own) != own {
            return Err(format!("`{}` stands there twice, with other settings", mask(place)));
        }
        if registries.iter().all(|known| known.prefix != registry.prefix) {
            registries.push(registry);
        }
    }
    Ok(registries)
}

fn checked_registry(written: Registry) -> Result<Registry, String> {
    let (own, prefix) = (location(&written.location)?, location(&written.prefix)?);
    let prefix = if written.prefix.is_empty() { own.clone() } else { prefix };
    let (wildcard, shown) = (prefix.starts_with("*."), mask(&prefix));
    if own.is_empty() && (written.prefix.is_empty() || !wildcard) {
        return Err("a `[[registry]]` has no `location`".to_owned());
    }
    if wildcard && prefix.contains(['/', '@', ':']) {
        return Err(format!("the prefix `{shown}` is not of the form `*.example.com`"));
    }
    if !written.pull_from_mirror.is_empty() {
        return Err(format!("`{shown}` is no mirror and must not have `pull-from-mirror`"));
    }
    let mut mirror = Vec::new();
    for Mirror { location: written_location, pull_from_mirror } in written.mirror {
        let place = location(&written_location)?;
        if place.is_empty() {
            return Err(format!("a mirror of `{shown}` has no `location`"));
        }
        if !["", ALL, DIGEST_ONLY, TAG_ONLY].contains(&pull_from_mirror.as_str()) {
            return Err(format!("`pull-from-mirror` of a mirror of `{shown}` is none that is known"));
        }
        if written.mirror_by_digest_only && !pull_from_mirror.is_empty() {
            return Err(format!("`{shown}` has `mirror-by-digest-only`, and its mirror `pull-from-mirror`"));
        }
        mirror.push(Mirror { location: place, pull_from_mirror });
    }
    Ok(Registry { prefix, location: own, mirror, ..written })
}

fn location(written: &str) -> Result<String, String> {
    if written.starts_with("http://") || written.starts_with("https://") {
        return Err(format!("`{}` must have no scheme", mask(written)));
    }
    Ok(written.trim_end_matches('/').to_owned())
}

fn search_registry(written: &str) -> Result<String, String> {
    let host = location(written)?;
    if is_domain(&host) { Ok(host) } else { Err(format!("`{}` is no registry to search", mask(written))) }
}

fn named(written: BTreeMap<String, String>) -> Result<Aliases, String> {
    let named = |(name, value): (String, String)| {
        if short_name(&name).is_none_or(|short| short != name) || Image::parse(&name).is_err() {
            return Err(format!("the alias `{}` is no short name", mask(&name)));
        }
        if value.is_empty() {
            return Ok((name, None));
        }
        let full = Image::parse(&value).ok().filter(|image| image.tag.is_none() && image.digest.is_none());
        match full.filter(|_| short_name(&value).is_none()) {
            Some(image) => Ok((name, Some(image))),
            None => Err(format!("the alias `{name}` leads to no registry and repository")),
        }
    };
    written.into_iter().map(named).collect()
}

/// The name without tag and digest, if it names no registry (`IsShortName`).
pub fn short_name(written: &str) -> Option<&str> {
    let host = written.split_once('/').map_or("", |(host, _)| host);
    let is_registry = is_domain(host) && (host.contains(['.', ':']) || host == "localhost");
    let name = written.split('@').next().unwrap_or_default();
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let end = name[last..].find(':').map_or(name.len(), |colon| last + colon);
    (!is_registry).then(|| &name[..end])
}

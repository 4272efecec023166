//! Parses one file of containers-registries.conf(5), in version 1 or 2. It reports the errors for which
//! containers/image rejects the file (`pkg/sysregistriesv2`).

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::desired::{Image, is_domain};
use crate::dockerconfig::mask;

/// Values of `pull-from-mirror`.
const ALL: &str = "all";
pub const DIGEST_ONLY: &str = "digest-only";
pub const TAG_ONLY: &str = "tag-only";

/// The role of a file, which determines the versions that it may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// registries.conf.
    Main,
    /// A file of registries.conf.d, which must not have version 1.
    DropIn,
}

/// The settings of a file. If a setting is missing, the value of an earlier file is used. An empty setting removes that
/// value.
pub struct ParsedFile {
    /// The registries, each prefix once.
    pub registries: Vec<RegistryTable>,
    pub search: Option<Vec<String>>,
    pub helpers: Option<Vec<String>>,
    pub aliases: Aliases,
    pub mode: Option<ShortNameMode>,
}

/// How a short name that may mean several images is resolved (`short-name-mode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShortNameMode {
    /// All of them are tried.
    #[default]
    Permissive,
    /// The user must choose one of them.
    Enforcing,
}

/// The full names of short names. `None` removes the alias of an earlier file.
pub type Aliases = HashMap<String, Option<Image>>;

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawFile {
    registry: Option<Vec<RegistryTable>>,
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

/// A `[[registry]]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RegistryTable {
    pub prefix: String,
    /// Empty only if the prefix starts with `*`. In that case, the name of the image is not replaced.
    pub location: String,
    insecure: bool,
    pub blocked: bool,
    pub mirror_by_digest_only: bool,
    pull_from_mirror: String,
    pub mirror: Vec<Mirror>,
}

/// A `[[registry.mirror]]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mirror {
    #[serde(default)]
    pub location: String,
    #[serde(default)]
    pub pull_from_mirror: String,
}

/// Parses a file.
///
/// # Errors
/// Why containers/image rejects it.
pub fn read(text: &str, role: FileRole) -> Result<ParsedFile, String> {
    let written: RawFile = toml(text)?;
    // An empty `[registries]` table sets nothing, so containers/image does not treat the file as version 1.
    let written = match (written.registries.as_ref().is_some_and(VersionOne::is_set), role) {
        (true, FileRole::DropIn) => return Err("a drop-in must have version 2".to_owned()),
        (true, FileRole::Main) => written.converted()?,
        (false, _) => written,
    };
    let search =
        written.unqualified_search_registries.map(|search| search.iter().map(|entry| search_registry(entry)).collect());
    let mode = match written.short_name_mode.as_deref() {
        None | Some("") => None,
        Some("enforcing") => Some(ShortNameMode::Enforcing),
        // The two modes differ only in whether a person is prompted, which does not change the candidates for a pull
        // without a terminal.
        Some("permissive" | "disabled") => Some(ShortNameMode::Permissive),
        Some(_) => return Err("`short-name-mode` has an unknown value".to_owned()),
    };
    Ok(ParsedFile {
        registries: check_registries(written.registry.unwrap_or_default())?,
        search: search.transpose()?,
        helpers: written.credential_helpers,
        aliases: parse_aliases(written.aliases.unwrap_or_default())?,
        mode,
    })
}

/// Parses short-name-aliases.conf.
///
/// # Errors
/// Why containers/image rejects it.
pub fn aliases(text: &str) -> Result<Aliases, String> {
    #[derive(Deserialize)]
    struct AliasFile {
        #[serde(default)]
        aliases: BTreeMap<String, String>,
    }
    toml(text).and_then(|AliasFile { aliases }| parse_aliases(aliases))
}

/// Parses TOML. The parser's error text is not shown, because it may quote a value that contains a password.
fn toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| match error.span().and_then(|span| text.get(..span.start)) {
        // The line is counted here, because the error of the parser has only a byte offset, and its text must not be
        // shown.
        Some(before) => {
            let (line, start) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |at| at + 1));
            let column = before[start..].chars().count() + 1;
            format!("it is not TOML, or has a value of the wrong type, at line {line}, column {column}")
        }
        None => "it is not TOML, or has a value of the wrong type".to_owned(),
    })
}

impl RawFile {
    /// Converts version 1 to version 2 (`ConvertToV2`).
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
            return Err("it combines version 1 and version 2".to_owned());
        }
        let VersionOne { search, insecure, block } = self.registries.unwrap_or_default();
        let mut registries: BTreeMap<String, RegistryTable> = BTreeMap::new();
        let mut registry = |entry: &str, set: fn(&mut RegistryTable)| {
            let location = location(entry)?;
            let known =
                RegistryTable { prefix: location.clone(), location: location.clone(), ..RegistryTable::default() };
            set(registries.entry(location).or_insert(known));
            Ok::<(), String>(())
        };
        // A registry may be in both lists. Both settings are then combined in one table, because two tables with
        // different settings for one registry would be rejected.
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

/// Checks the registries of one file and keeps one table for each prefix (`postProcessRegistries`).
fn check_registries(written: Vec<RegistryTable>) -> Result<Vec<RegistryTable>, String> {
    let mut settings: HashMap<String, (bool, bool)> = HashMap::new();
    let mut registries: Vec<RegistryTable> = Vec::new();
    for registry in written {
        let registry = check_registry(registry)?;
        let place = if registry.location.is_empty() { &registry.prefix } else { &registry.location };
        let own = (registry.insecure, registry.blocked);
        // The comparison uses the location and not the prefix: several prefixes may lead to one registry, but only with
        // the same settings.
        if *settings.entry(place.clone()).or_insert(own) != own {
            return Err(format!("it contains `{}` twice, with different settings", mask(place)));
        }
        // If a prefix occurs twice with the same settings, the first table is used.
        if registries.iter().all(|known| known.prefix != registry.prefix) {
            registries.push(registry);
        }
    }
    Ok(registries)
}

fn check_registry(written: RegistryTable) -> Result<RegistryTable, String> {
    let (own, prefix) = (location(&written.location)?, location(&written.prefix)?);
    // Without a prefix, the location is the prefix.
    let prefix = if written.prefix.is_empty() { own.clone() } else { prefix };
    let (wildcard, shown) = (prefix.starts_with("*."), mask(&prefix));
    if own.is_empty() && (written.prefix.is_empty() || !wildcard) {
        return Err("a `[[registry]]` has no `location`".to_owned());
    }
    // A wildcard matches only subdomains, so it cannot be combined with a port, a path, a tag or a digest.
    if wildcard && prefix.contains(['/', '@', ':']) {
        return Err(format!("the prefix `{shown}` is not of the form `*.example.com`"));
    }
    if !written.pull_from_mirror.is_empty() {
        return Err(format!("`{shown}` is not a mirror and must not have `pull-from-mirror`"));
    }
    let mut mirror = Vec::new();
    for Mirror { location: written_location, pull_from_mirror } in written.mirror {
        let place = location(&written_location)?;
        if place.is_empty() {
            return Err(format!("a mirror of `{shown}` has no `location`"));
        }
        if !["", ALL, DIGEST_ONLY, TAG_ONLY].contains(&pull_from_mirror.as_str()) {
            return Err(format!("`pull-from-mirror` of a mirror of `{shown}` has an unknown value"));
        }
        if written.mirror_by_digest_only && !pull_from_mirror.is_empty() {
            return Err(format!("`{shown}` has `mirror-by-digest-only`, but its mirror has `pull-from-mirror`"));
        }
        mirror.push(Mirror { location: place, pull_from_mirror });
    }
    Ok(RegistryTable { prefix, location: own, mirror, ..written })
}

/// A location without a trailing slash.
fn location(written: &str) -> Result<String, String> {
    if written.starts_with("http://") || written.starts_with("https://") {
        return Err(format!("`{}` must not have a scheme", mask(written)));
    }
    Ok(written.trim_end_matches('/').to_owned())
}

/// An element of `unqualified-search-registries`.
fn search_registry(written: &str) -> Result<String, String> {
    let host = location(written)?;
    if is_domain(&host) { Ok(host) } else { Err(format!("`{}` is not a registry that can be searched", mask(written))) }
}

/// The aliases of a file, with their full names parsed.
fn parse_aliases(written: BTreeMap<String, String>) -> Result<Aliases, String> {
    let parse = |(name, value): (String, String)| {
        if short_name(&name).is_none_or(|short| short != name) || Image::parse(&name).is_err() {
            return Err(format!("the alias `{}` is not a short name", mask(&name)));
        }
        // An empty value removes the alias that an earlier file defines.
        if value.is_empty() {
            return Ok((name, None));
        }
        let full = Image::parse(&value).ok().filter(|image| image.tag.is_none() && image.digest.is_none());
        match full.filter(|_| short_name(&value).is_none()) {
            Some(image) => Ok((name, Some(image))),
            None => Err(format!("the alias `{name}` does not lead to a registry and repository")),
        }
    };
    written.into_iter().map(parse).collect()
}

/// The name without tag and digest, if the name does not contain a registry (`IsShortName`).
pub fn short_name(written: &str) -> Option<&str> {
    let host = written.split_once('/').map_or("", |(host, _)| host);
    let is_registry = is_domain(host) && (host.contains(['.', ':']) || host == "localhost");
    // The digest is removed first, because it contains a colon that would be mistaken for the start of a tag.
    let name = written.split('@').next().unwrap_or_default();
    // Only a colon after the last slash starts a tag. An earlier one belongs to the port of a host.
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let end = name[last..].find(':').map_or(name.len(), |colon| last + colon);
    (!is_registry).then(|| &name[..end])
}

//! containers-registries.conf(5), as containers/image reads it (`pkg/sysregistriesv2`, `pkg/shortnames`): the
//! registries and mirrors from which CRI-O and podman pull an image, and the credential helpers that they use for all
//! registries.

mod file;

use std::collections::BTreeMap;

use serde::Serialize;

use self::file::{Aliases, DIGEST_ONLY, FileRole, Mirror, RegistryTable, ShortNameMode, TAG_ONLY, short_name};
use super::{FileSystem, PathState, RegistriesPaths};
use crate::desired::Image;
use crate::dockerconfig::mask;

/// The reserved name in the list of credential helpers. It represents the credential files.
pub(super) const FILES: &str = "containers-auth.json";

/// A registries.conf combined with its drop-in files.
#[derive(Debug, Clone, Default)]
pub struct RegistriesConf {
    /// The `[[registry]]` tables by prefix.
    registries: BTreeMap<String, RegistryTable>,
    search: Vec<String>,
    aliases: Aliases,
    /// The aliases of short-name-aliases.conf, which take precedence, or the error that makes them unusable. Only short
    /// names need them, so the error does not affect other names.
    cached_aliases: Option<Result<Aliases, String>>,
    helpers: Option<GlobalHelpers>,
    mode: ShortNameMode,
}

/// The credential helpers for all registries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalHelpers {
    /// The file that configures them.
    pub file: String,
    /// The suffixes of their program names, in order.
    pub names: Vec<String>,
}

/// A registry or mirror that an image is pulled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullSource {
    /// The name of the image in this registry or mirror.
    pub image: Image,
    /// The setting that selects this name; `None` if the name is unchanged.
    pub route: Option<PullRoute>,
    /// The prefix that is blocked, if the registry or mirror is blocked.
    pub blocked: Option<String>,
}

/// The setting of registries.conf that replaces the name of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullRoute {
    /// A `[[registry.mirror]]`.
    Mirror,
    /// The `location` of a `[[registry]]` with a `prefix`.
    Location,
    /// An entry of `[aliases]`.
    Alias,
    /// One of `unqualified-search-registries`.
    Search,
}

impl RegistriesConf {
    /// Reads the files at `paths`.
    ///
    /// # Errors
    /// Why a file cannot be used. Every pull then fails.
    pub fn at(paths: &RegistriesPaths, files: &FileSystem<'_>) -> Result<Self, String> {
        let candidates = paths.files();
        // Every state except `Absent` counts as existing, because an unreadable file must be an error and must not be
        // replaced by the next path.
        let existing =
            candidates.iter().find(|(path, _)| !matches!((files.state)(path), PathState::Absent)).or(candidates.last());
        let Some((path, directories)) = existing else { return Ok(Self::default()) };
        let main = text(path, files)?;
        // A path from CONTAINERS_REGISTRIES_CONF must exist, whereas the default paths may be absent.
        if main.is_none() && paths.is_required() {
            return Err(format!("`{path}` does not exist"));
        }
        let drop_ins =
            directories.iter().flat_map(|directory| (files.list)(directory)).filter(|path| path.ends_with(".conf"));
        let drop_ins = drop_ins.map(|path| Ok((text(&path, files)?, path))).collect::<Result<Vec<_>, String>>()?;
        let drop_ins: Vec<_> =
            drop_ins.iter().filter_map(|(text, path)| Some((path.as_str(), text.as_deref()?))).collect();
        let conf = Self::read(main.as_deref().map(|text| (*path, text)), &drop_ins)?;
        match text(&paths.aliases, files) {
            Ok(Some(text)) => Ok(conf.with_cached_aliases(&paths.aliases, &text)),
            Ok(None) => Ok(conf),
            // This error is stored instead of returned, because only pulls of short names read the aliases.
            Err(why) => Ok(Self { cached_aliases: Some(Err(why)), ..conf }),
        }
    }

    /// Combines registries.conf and its drop-in files (path and content, in the order in which they are read). The
    /// settings in a later file replace those of earlier files.
    ///
    /// # Errors
    /// Why a file cannot be used. Every pull then fails.
    pub fn read(main: Option<(&str, &str)>, drop_ins: &[(&str, &str)]) -> Result<Self, String> {
        let mut conf = Self::default();
        let drop_ins = drop_ins.iter().map(|file| (FileRole::DropIn, *file));
        for (role, (path, text)) in main.map(|file| (FileRole::Main, file)).into_iter().chain(drop_ins) {
            conf.add(path, text, role).map_err(|why| format!("`{path}` cannot be used: {why}"))?;
        }
        Ok(conf)
    }

    /// Adds the aliases of short-name-aliases.conf.
    #[must_use]
    pub fn with_cached_aliases(self, path: &str, text: &str) -> Self {
        let aliases = file::aliases(text);
        Self { cached_aliases: Some(aliases.map_err(|why| format!("`{path}` cannot be used: {why}"))), ..self }
    }

    /// The credential helpers for all registries, if any are configured.
    pub fn helpers(&self) -> Option<&GlobalHelpers> {
        self.helpers.as_ref()
    }

    /// The registries and mirrors from which `image` is pulled, in the order in which they are tried. `written` is the
    /// name that the user wrote.
    ///
    /// # Errors
    /// Why the image cannot be pulled from any registry.
    pub fn sources(&self, written: &str, image: &Image) -> Result<Vec<PullSource>, String> {
        let mut sources = Vec::new();
        for (candidate, route) in self.candidates(written, image)? {
            self.add_sources(&candidate, route, &mut sources)?;
        }
        Ok(sources)
    }

    /// The full names of a short name (`shortnames.Resolve`).
    fn candidates(&self, written: &str, image: &Image) -> Result<Vec<(Image, Option<PullRoute>)>, String> {
        let Some(short) = short_name(written) else { return Ok(vec![(image.clone(), None)]) };
        let cached = self.cached_aliases.as_ref().map(|aliases| aliases.as_ref().map_err(Clone::clone)).transpose()?;
        // A value of `None` in the map is an alias that was removed, and it must hide the alias of registries.conf.
        let alias = cached.and_then(|aliases| aliases.get(short)).or_else(|| self.aliases.get(short));
        if let Some(Some(alias)) = alias {
            // An alias replaces only the name, so the tag and the digest are those that the user wrote.
            let Image { tag, digest, .. } = image.clone();
            return Ok(vec![(Image { tag, digest, ..alias.clone() }, Some(PullRoute::Alias))]);
        }
        match (self.search.len(), self.mode) {
            (0, _) => Err(format!(
                "`{short}` is a short name: registries.conf has neither an alias for it nor `unqualified-search-registries`"
            )),
            // With a single search registry there is nothing to choose, so even `enforcing` does not prompt.
            (2.., ShortNameMode::Enforcing) => Err(format!(
                "`{short}` is a short name for {}, and `short-name-mode` is `enforcing`: one of them must be chosen on a terminal",
                list(&self.search)
            )),
            _ => {
                let full = |host: &String| match Image::parse(&format!("{host}/{written}")) {
                    Ok(found) => Ok((found, Some(PullRoute::Search))),
                    Err(why) => Err(format!("`{host}/{written}` is no image name: {why}")),
                };
                self.search.iter().map(full).collect()
            }
        }
    }

    /// Adds the mirrors of an image, and then its registry as the last source (`PullSourcesFromReference`).
    fn add_sources(
        &self,
        image: &Image,
        route: Option<PullRoute>,
        sources: &mut Vec<PullSource>,
    ) -> Result<(), String> {
        let Some((registry, length)) = self.registry(&image.name) else {
            sources.push(PullSource { image: image.clone(), route, blocked: None });
            return Ok(());
        };
        let digest = image.digest.is_some();
        let applies = |mirror: &&Mirror| match mirror.pull_from_mirror.as_str() {
            // The setting of the registry comes first. A mirror cannot have its own setting in that case, because the
            // file would be rejected.
            _ if registry.mirror_by_digest_only => digest,
            DIGEST_ONLY => digest,
            TAG_ONLY => !digest,
            _ => true,
        };
        let mirrors =
            registry.mirror.iter().filter(applies).map(|mirror| (mirror.location.as_str(), Some(PullRoute::Mirror)));
        for (location, new_route) in mirrors.chain([(registry.location.as_str(), None)]) {
            let name = match location {
                "" => image.name.clone(),
                location => format!("{location}{}", &image.name[length..]),
            };
            let moved = moved(image, &name).ok_or_else(|| {
                let [prefix, name] = [&registry.prefix, &name].map(|name| mask(name));
                format!("`{prefix}` leads to `{name}`, which is not the full name of an image")
            })?;
            let elsewhere = (moved.name != image.name).then_some(PullRoute::Location);
            sources.push(PullSource {
                blocked: self.blocked(&moved),
                image: moved,
                route: new_route.or(elsewhere).or(route),
            });
        }
        Ok(())
    }

    /// The registry with the longest matching prefix, and the length of the matched part of `name`.
    fn registry(&self, name: &str) -> Option<(&RegistryTable, usize)> {
        let matching =
            self.registries.values().filter_map(|registry| Some((registry, matched(name, &registry.prefix)?)));
        // If several prefixes have the same length, the first one is used. `max_by_key` returns the last one, so the
        // order is reversed.
        matching.rev().max_by_key(|(registry, _)| registry.prefix.len())
    }

    fn blocked(&self, image: &Image) -> Option<String> {
        let (registry, _) = self.registry(&image.name)?;
        registry.blocked.then(|| mask(&registry.prefix))
    }

    fn add(&mut self, path: &str, text: &str, role: FileRole) -> Result<(), String> {
        let file = file::read(text, role)?;
        self.registries.extend(file.registries.into_iter().map(|registry| (registry.prefix.clone(), registry)));
        // A later file replaces the list and does not extend it. An empty list in a drop-in removes all search
        // registries.
        self.search = file.search.unwrap_or_else(|| std::mem::take(&mut self.search));
        if let Some(names) = file.helpers {
            self.helpers = (!names.is_empty()).then(|| GlobalHelpers { file: path.to_owned(), names });
        }
        self.mode = file.mode.unwrap_or(self.mode);
        self.aliases.extend(file.aliases);
        Ok(())
    }
}

/// The length of the part of `name` that the prefix matches; `None` if the prefix does not match (`refMatchingPrefix`).
fn matched(name: &str, prefix: &str) -> Option<usize> {
    let length = match prefix.strip_prefix('*') {
        Some(domain) if domain.starts_with('.') => {
            // The domain must be found in the host. The same text in the path, such as `quay.io/.example.com`, is no
            // match.
            let at = name.find(domain).filter(|at| !name[..*at].contains('/'))?;
            at + domain.len()
        }
        _ => name.starts_with(prefix).then_some(prefix.len())?,
    };
    // A prefix must end at a boundary, so that `quay.io/foo` does not match `quay.io/foobar`.
    let ends = name.as_bytes().get(length).is_none_or(|next| b":/@".contains(next));
    ends.then_some(length)
}

/// The image with a different name; `None` if that is not a full name.
fn moved(image: &Image, name: &str) -> Option<Image> {
    // If parsing changes the name, it was not a full one: `library/` or the host of Docker Hub was added to it.
    let moved = Image::parse(name).ok().filter(|moved| moved.name == name && moved.is_valid_for_containers())?;
    Some(Image { tag: image.tag.clone(), digest: image.digest.clone(), ..moved })
}

fn text(path: &str, files: &FileSystem<'_>) -> Result<Option<String>, String> {
    match (files.state)(path) {
        PathState::Content(bytes) => match str::from_utf8(bytes.expose()) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(format!("`{path}` cannot be used: it is not UTF-8")),
        },
        PathState::Absent => Ok(None),
        PathState::Unreadable(why) | PathState::Forbidden(why) => Err(format!("`{path}` cannot be read: {why}")),
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

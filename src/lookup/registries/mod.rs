//! containers-registries.conf(5), as containers/image reads it (`pkg/sysregistriesv2`, `pkg/shortnames`): from where
//! CRI-O and podman pull an image, and which credential helpers they ask.

mod written;

use std::collections::BTreeMap;

use serde::Serialize;

use self::written::{Aliases, DIGEST_ONLY, Form, Mirror, Mode, Registry, TAG_ONLY, short_name};
use super::{Disk, RegistriesPaths, State};
use crate::desired::Image;
use crate::dockerconfig::mask;

/// The reserved name among the credential helpers that stands for the files.
pub(super) const FILES: &str = "containers-auth.json";

/// registries.conf with its drop-ins.
#[derive(Debug, Clone, Default)]
pub struct RegistriesConf {
    /// By prefix.
    registries: BTreeMap<String, Registry>,
    search: Vec<String>,
    aliases: Aliases,
    /// The aliases of short-name-aliases.conf, which win, or why they cannot be used: only a short name needs them.
    remembered: Option<Result<Aliases, String>>,
    helpers: Option<Helpers>,
    mode: Mode,
}

/// The credential helpers that are asked for every registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helpers {
    /// The file that names them.
    pub file: String,
    /// Their suffixes in their order.
    pub names: Vec<String>,
}

/// A place from which an image is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The image's name there.
    pub image: Image,
    /// What leads there; `None` is the image's own name.
    pub route: Option<Route>,
    /// The prefix that is blocked, if it is.
    pub blocked: Option<String>,
}

/// How registries.conf leads to another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
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
    /// What lies at `paths`.
    ///
    /// # Errors
    /// Why a file cannot be used; nothing is pulled then.
    pub fn at(paths: &RegistriesPaths, disk: &Disk<'_>) -> Result<Self, String> {
        let files = paths.files();
        let there = files.iter().find(|(path, _)| !matches!((disk.state)(path), State::Absent)).or(files.last());
        let Some((path, folders)) = there else { return Ok(Self::default()) };
        let main = text(path, disk)?;
        if main.is_none() && paths.is_named() {
            return Err(format!("`{path}` does not exist"));
        }
        let dropped = folders.iter().flat_map(|folder| (disk.list)(folder)).filter(|path| path.ends_with(".conf"));
        let dropped = dropped.map(|path| Ok((text(&path, disk)?, path))).collect::<Result<Vec<_>, String>>()?;
        let drop_ins: Vec<_> =
            dropped.iter().filter_map(|(text, path)| Some((path.as_str(), text.as_deref()?))).collect();
        let conf = Self::read(main.as_deref().map(|text| (*path, text)), &drop_ins)?;
        match text(&paths.aliases, disk) {
            Ok(Some(text)) => Ok(conf.remembering(&paths.aliases, &text)),
            Ok(None) => Ok(conf),
            Err(why) => Ok(Self { remembered: Some(Err(why)), ..conf }),
        }
    }

    /// Puts together registries.conf and its drop-ins (path and content, in the order in which they are read): the
    /// later one replaces what it names.
    ///
    /// # Errors
    /// Why a file cannot be used; nothing is pulled then.
    pub fn read(main: Option<(&str, &str)>, drop_ins: &[(&str, &str)]) -> Result<Self, String> {
        let mut conf = Self::default();
        let drop_ins = drop_ins.iter().map(|file| (Form::DropIn, *file));
        for (form, (path, text)) in main.map(|file| (Form::Main, file)).into_iter().chain(drop_ins) {
            conf.add(path, text, form).map_err(|why| format!("`{path}` cannot be used: {why}"))?;
        }
        Ok(conf)
    }

    /// Takes the aliases of short-name-aliases.conf.
    #[must_use]
    pub fn remembering(self, path: &str, text: &str) -> Self {
        let aliases = written::aliases(text);
        Self { remembered: Some(aliases.map_err(|why| format!("`{path}` cannot be used: {why}"))), ..self }
    }

    /// The helpers that are asked for every registry, if any are named.
    pub fn helpers(&self) -> Option<&Helpers> {
        self.helpers.as_ref()
    }

    /// From where `image`, which somebody wrote as `written`, is pulled: one place after the other, until one has it.
    ///
    /// # Errors
    /// Why it is pulled from nowhere.
    pub fn pulls(&self, written: &str, image: &Image) -> Result<Vec<Pull>, String> {
        let mut pulls = Vec::new();
        for (candidate, route) in self.candidates(written, image)? {
            self.from(&candidate, route, &mut pulls)?;
        }
        Ok(pulls)
    }

    /// The full names that a short name stands for (`shortnames.Resolve`).
    fn candidates(&self, written: &str, image: &Image) -> Result<Vec<(Image, Option<Route>)>, String> {
        let Some(short) = short_name(written) else { return Ok(vec![(image.clone(), None)]) };
        let remembered = self.remembered.as_ref().map(|aliases| aliases.as_ref().map_err(Clone::clone)).transpose()?;
        let alias = remembered.and_then(|aliases| aliases.get(short)).or_else(|| self.aliases.get(short));
        if let Some(Some(alias)) = alias {
            let Image { tag, digest, .. } = image.clone();
            return Ok(vec![(Image { tag, digest, ..alias.clone() }, Some(Route::Alias))]);
        }
        match (self.search.len(), self.mode) {
            (0, _) => Err(format!(
                "`{short}` is a short name: registries.conf has neither an alias for it nor `unqualified-search-registries`"
            )),
            (2.., Mode::Enforcing) => Err(format!(
                "`{short}` is a short name for {}, and `short-name-mode` is `enforcing`: only on a terminal one is chosen",
                list(&self.search)
            )),
            _ => {
                let full = |host: &String| match Image::parse(&format!("{host}/{written}")) {
                    Ok(found) => Ok((found, Some(Route::Search))),
                    Err(why) => Err(format!("`{host}/{written}` is no image name: {why}")),
                };
                self.search.iter().map(full).collect()
            }
        }
    }

    /// The mirrors of an image, and last its own place (`PullSourcesFromReference`).
    fn from(&self, image: &Image, route: Option<Route>, pulls: &mut Vec<Pull>) -> Result<(), String> {
        let Some((registry, length)) = self.registry(&image.name) else {
            pulls.push(Pull { image: image.clone(), route, blocked: None });
            return Ok(());
        };
        let digest = image.digest.is_some();
        let counts = |mirror: &&Mirror| match mirror.pull_from_mirror.as_str() {
            _ if registry.mirror_by_digest_only => digest,
            DIGEST_ONLY => digest,
            TAG_ONLY => !digest,
            _ => true,
        };
        let mirrors =
            registry.mirror.iter().filter(counts).map(|mirror| (mirror.location.as_str(), Some(Route::Mirror)));
        for (location, new_route) in mirrors.chain([(registry.location.as_str(), None)]) {
            let name = match location {
                "" => image.name.clone(),
                location => format!("{location}{}", &image.name[length..]),
            };
            let moved = moved(image, &name).ok_or_else(|| {
                let [prefix, name] = [&registry.prefix, &name].map(|name| mask(name));
                format!("`{prefix}` leads to `{name}`, which is no full name of an image")
            })?;
            let elsewhere = (moved.name != image.name).then_some(Route::Location);
            pulls.push(Pull { blocked: self.blocked(&moved), image: moved, route: new_route.or(elsewhere).or(route) });
        }
        Ok(())
    }

    /// The registry with the longest prefix of `name`, and how much of the name that is.
    fn registry(&self, name: &str) -> Option<(&Registry, usize)> {
        let matching =
            self.registries.values().filter_map(|registry| Some((registry, matched(name, &registry.prefix)?)));
        // Of equally long ones the first.
        matching.rev().max_by_key(|(registry, _)| registry.prefix.len())
    }

    fn blocked(&self, image: &Image) -> Option<String> {
        let (registry, _) = self.registry(&image.name)?;
        registry.blocked.then(|| mask(&registry.prefix))
    }

    fn add(&mut self, path: &str, text: &str, form: Form) -> Result<(), String> {
        let file = written::read(text, form)?;
        self.registries.extend(file.registries.into_iter().map(|registry| (registry.prefix.clone(), registry)));
        self.search = file.search.unwrap_or_else(|| std::mem::take(&mut self.search));
        if let Some(names) = file.helpers {
            self.helpers = (!names.is_empty()).then(|| Helpers { file: path.to_owned(), names });
        }
        self.mode = file.mode.unwrap_or(self.mode);
        self.aliases.extend(file.aliases);
        Ok(())
    }
}

/// How much of `name` the prefix is, if it is one (`refMatchingPrefix`).
fn matched(name: &str, prefix: &str) -> Option<usize> {
    let length = match prefix.strip_prefix('*') {
        Some(domain) if domain.starts_with('.') => {
            let at = name.find(domain).filter(|at| !name[..*at].contains('/'))?;
            at + domain.len()
        }
        _ => name.starts_with(prefix).then_some(prefix.len())?,
    };
    let ends = name.as_bytes().get(length).is_none_or(|next| b":/@".contains(next));
    ends.then_some(length)
}

/// The image under another name, which must be a full one.
fn moved(image: &Image, name: &str) -> Option<Image> {
    let moved = Image::parse(name).ok().filter(|moved| moved.name == name && moved.is_valid_for_containers())?;
    Some(Image { tag: image.tag.clone(), digest: image.digest.clone(), ..moved })
}

fn text(path: &str, disk: &Disk<'_>) -> Result<Option<String>, String> {
    match (disk.state)(path) {
        State::Content(bytes) => match str::from_utf8(bytes.expose()) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(format!("`{path}` cannot be used: it is not UTF-8")),
        },
        State::Absent => Ok(None),
        State::Unreadable(why) | State::Forbidden(why) => Err(format!("`{path}` cannot be read: {why}")),
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

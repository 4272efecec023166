//! Where each consumer looks: the files of a machine in the order in which they are tried.

use serde::Deserialize;

use super::Consumer;
use crate::dockerconfig::Format;

/// What the paths depend on.
#[derive(Debug, Clone)]
pub struct Account {
    /// The home folder.
    pub home: String,
    /// The number in `/run/containers/UID`.
    pub uid: u32,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<String>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<String>,
    /// `DOCKER_CONFIG`.
    pub docker_config: Option<String>,
    /// `REGISTRY_AUTH_FILE`.
    pub auth_file: Option<String>,
    /// `CONTAINERS_REGISTRIES_CONF`.
    pub registries_conf: Option<String>,
    /// `XDG_CACHE_HOME`.
    pub cache_home: Option<String>,
}

/// The files of one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// Who looks there.
    pub consumer: Consumer,
    /// The paths in their order, and how each is read.
    pub paths: Vec<(String, Format)>,
    /// Those among them that it looks for only if HOME is set, which a service of the system has not.
    pub home_files: Vec<String>,
    /// Those among them that somebody named: it is told that they are missing.
    pub named: Vec<String>,
    /// The variable of the environment that names them, and the paths of the search without it.
    pub detour: Option<(&'static str, Vec<String>)>,
    /// Where its registries.conf lies, if it reads one.
    pub registries: Option<RegistriesPaths>,
    /// What is assumed.
    pub notes: Vec<String>,
}

/// Where registries.conf and what belongs to it lie (containers-registries.conf(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistriesPaths {
    /// The file that the environment names.
    named: Option<String>,
    /// The user's own file, which takes the place of the system's.
    own: String,
    own_folder: String,
    /// short-name-aliases.conf.
    pub aliases: String,
}

/// The file that MCO of OpenShift 4 gives to kubelet and CRI-O.
const NODE_FILE: &str = "/var/lib/kubelet/config.json";

const REGISTRIES_CONF: &str = "/etc/containers/registries.conf";
const REGISTRIES_FOLDER: &str = "/etc/containers/registries.conf.d";

/// What a kubelet takes for its folders, in this order: its root folder (4.x, 3.11), its working folder (3.11).
const KUBELET_FOLDERS: [&str; 3] = ["/var/lib/kubelet", "/var/lib/origin/openshift.local.volumes", "/var/lib/origin"];
/// `.docker` below an empty HOME: in the working folder, which is that of the unit of 3.11.
const KUBELET_HOME: &str = "/var/lib/origin/.docker/config.json";

/// What CRI-O's settings say of `global_auth_file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalAuthFile {
    /// No settings were found.
    Unknown,
    /// There are settings, without this one.
    Unset,
    /// This file.
    Path(String),
}

/// The files that CRI-O's own settings may stand in, the later ones winning; what else lies in `crio.conf.d` is between.
pub const CRIO_FILES: [&str; 2] = ["/etc/crio/crio.conf", "/etc/crio/crio.conf.d/00-default"];

impl Account {
    /// root, as a service of the system has it.
    pub fn root() -> Self {
        Self {
            home: "/root".to_owned(),
            uid: 0,
            runtime_dir: None,
            config_home: None,
            docker_config: None,
            auth_file: None,
            registries_conf: None,
            cache_home: None,
        }
    }

    /// The search paths of all consumers.
    pub fn search(&self, global_auth_file: &GlobalAuthFile) -> Vec<Searched> {
        let docker = vec![(format!("{}/config.json", self.docker_folder()), Format::Config)];
        let plain = Self { docker_config: None, auth_file: None, ..self.clone() };
        let usual = vec![(format!("{}/config.json", plain.docker_folder()), Format::Config)];
        let of_docker = self.docker_config.as_ref().map(|_| "DOCKER_CONFIG");
        let of_podman = self.auth_file.as_ref().map(|_| "REGISTRY_AUTH_FILE").or(of_docker);
        vec![
            Searched { home_files: self.kubelet_home(), ..Searched::new(Consumer::Kubelet, self.kubelet()) },
            crio(global_auth_file),
            Searched::new(Consumer::Podman, self.podman()).instead(of_podman, plain.containers()).of(self.registries()),
            Searched::new(Consumer::Docker, docker).instead(of_docker, usual),
        ]
    }

    /// `DefaultDockerConfigJSONPaths` and `DefaultDockercfgPaths` of pkg/credentialprovider.
    fn kubelet(&self) -> Vec<(String, Format)> {
        let home = self.kubelets_home();
        let own = KUBELET_FOLDERS.map(|folder| format!("{folder}/config.json"));
        let homes = [KUBELET_HOME.to_owned(), format!("{home}/.docker/config.json"), "/.docker/config.json".to_owned()];
        let legacy = KUBELET_FOLDERS.into_iter().chain([home, ""]).map(|folder| format!("{folder}/.dockercfg"));
        let config = own.into_iter().chain(homes).map(|path| (path, Format::Config));
        let mut paths: Vec<_> = config.chain(legacy.map(|path| (path, Format::Legacy))).collect();
        let mut seen = std::collections::HashSet::new();
        paths.retain(|(path, _)| seen.insert(path.clone()));
        paths
    }

    fn kubelet_home(&self) -> Vec<String> {
        [".docker/config.json", ".dockercfg"].map(|name| format!("{}/{name}", self.kubelets_home())).into()
    }

    /// The kubelet runs as root, whoever asks.
    fn kubelets_home(&self) -> &str {
        if self.uid == 0 { self.home.trim_end_matches('/') } else { "/root" }
    }

    /// `getAuthFilePaths` of containers/image; podman and buildah take REGISTRY_AUTH_FILE, else DOCKER_CONFIG, for the
    /// only file (`GetDefaultAuthFile` of containers/common).
    fn podman(&self) -> Vec<(String, Format)> {
        if let Some(file) = &self.auth_file {
            return vec![(file.clone(), Format::Config)];
        }
        if let Some(folder) = &self.docker_config {
            return vec![(format!("{folder}/config.json"), Format::Config)];
        }
        self.containers()
    }

    fn containers(&self) -> Vec<(String, Format)> {
        let run = self.runtime_dir.as_ref().map_or_else(
            || format!("/run/containers/{}/auth.json", self.uid),
            |folder| format!("{folder}/containers/auth.json"),
        );
        let config = self.config_home.clone().unwrap_or_else(|| format!("{}/.config", self.home));
        let config = format!("{config}/containers/auth.json");
        let docker = format!("{}/config.json", self.docker_folder());
        let modern = [run, config, docker].map(|path| (path, Format::Config));
        modern.into_iter().chain([(format!("{}/.dockercfg", self.home), Format::Legacy)]).collect()
    }

    /// `newConfigWrapper` and `shortNameAliasesConfPath` of containers/image.
    fn registries(&self) -> RegistriesPaths {
        let folder = format!("{}/.config/containers", self.home);
        let cache = match (self.uid, &self.cache_home) {
            (0, _) => "/var/cache".to_owned(),
            (_, Some(cache)) => cache.clone(),
            (_, None) => format!("{}/.cache", self.home),
        };
        RegistriesPaths {
            named: self.registries_conf.clone(),
            own: format!("{folder}/registries.conf"),
            own_folder: format!("{folder}/registries.conf.d"),
            aliases: format!("{cache}/containers/short-name-aliases.conf"),
        }
    }

    fn docker_folder(&self) -> String {
        self.docker_config.clone().unwrap_or_else(|| format!("{}/.docker", self.home))
    }
}

fn crio(global_auth_file: &GlobalAuthFile) -> Searched {
    let new = |paths| Searched::new(Consumer::CriO, paths).of(Account::root().registries());
    let searched = |path: &str| new(vec![(path.to_owned(), Format::Config)]);
    match global_auth_file {
        GlobalAuthFile::Path(path) => searched(path),
        GlobalAuthFile::Unset => new(Account::root().containers()),
        GlobalAuthFile::Unknown => Searched {
            notes: vec![format!(
                "no settings of CRI-O were found: `global_auth_file` is taken for OpenShift's `{NODE_FILE}`"
            )],
            ..searched(NODE_FILE)
        },
    }
}

impl Searched {
    fn new(consumer: Consumer, paths: Vec<(String, Format)>) -> Self {
        let (home_files, named, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { consumer, paths, home_files, named, detour: None, registries: None, notes }
    }

    fn of(self, registries: RegistriesPaths) -> Self {
        Self { registries: Some(registries), ..self }
    }

    /// The same files, which `variable` names in the place of those that are `usual`.
    fn instead(mut self, variable: Option<&'static str>, usual: Vec<(String, Format)>) -> Self {
        let others = usual.into_iter().filter(|usual| !self.paths.contains(usual)).map(|(path, _)| path).collect();
        self.detour = variable.map(|variable| (variable, others));
        self
    }

    /// `files` for all consumers; a name that ends in `.dockercfg` makes the older format.
    pub fn only(files: &[String]) -> Vec<Self> {
        let format = |path: &str| if path.ends_with(".dockercfg") { Format::Legacy } else { Format::Config };
        let paths: Vec<_> = files.iter().map(|path| (path.clone(), format(path))).collect();
        let modern = paths.iter().filter(|(_, format)| *format == Format::Config).take(1).cloned().collect();
        let searched = [
            Self::new(Consumer::Kubelet, paths.clone()),
            Self::new(Consumer::CriO, paths.clone()),
            Self::new(Consumer::Podman, paths),
            Self::new(Consumer::Docker, modern),
        ];
        searched.map(|searched| Self { named: files.to_vec(), ..searched }).into()
    }
}

impl RegistriesPaths {
    /// Whether the environment names the file, which must be there then.
    pub fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// All that may be read; `list` gives the paths in a folder.
    pub fn all(&self, list: impl Fn(&str) -> Vec<String>) -> Vec<String> {
        let mut paths = vec![self.aliases.clone()];
        for (file, folders) in self.files() {
            paths.push(file.to_owned());
            paths.extend(folders.into_iter().flat_map(&list));
        }
        paths
    }

    /// The files that may be registries.conf, the first that exists being it, each with the folders of its drop-ins.
    pub fn files(&self) -> Vec<(&str, Vec<&str>)> {
        let own = self.own_folder.as_str();
        match &self.named {
            Some(named) => vec![(named, vec![REGISTRIES_FOLDER, own])],
            None => vec![(&self.own, vec![own]), (REGISTRIES_CONF, vec![REGISTRIES_FOLDER, own])],
        }
    }
}

/// What CRI-O's settings say, in the order in which CRI-O reads them. What is not TOML says nothing.
pub fn global_auth_file<'a>(settings: impl Iterator<Item = &'a str>) -> GlobalAuthFile {
    #[derive(Default, Deserialize)]
    struct Settings {
        crio: Option<Crio>,
    }
    #[derive(Deserialize)]
    struct Crio {
        image: Option<Image>,
    }
    #[derive(Deserialize)]
    struct Image {
        global_auth_file: Option<String>,
    }
    settings.fold(GlobalAuthFile::Unknown, |known, text| {
        let settings: Settings = toml::from_str(text).unwrap_or_default();
        let path = settings.crio.and_then(|crio| crio.image).and_then(|image| image.global_auth_file);
        match (path, known) {
            (Some(path), _) if path.is_empty() => GlobalAuthFile::Unset,
            (Some(path), _) => GlobalAuthFile::Path(path),
            (None, GlobalAuthFile::Unknown) => GlobalAuthFile::Unset,
            (None, known) => known,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_crio_counts() {
        let read = |settings: &[&str]| global_auth_file(settings.iter().copied());
        let some = |path: &str| GlobalAuthFile::Path(path.to_owned());
        let (a, b) = ("[crio.image]\nglobal_auth_file = \"/a\"\n", "[crio.image]\nglobal_auth_file = \"/b\"\n");
        assert_eq!(read(&[]), GlobalAuthFile::Unknown);
        assert_eq!(read(&["[crio]\nroot = \"/x\"\n"]), GlobalAuthFile::Unset);
        assert_eq!(read(&[a, b, "[crio.runtime]\n"]), some("/b"));
        assert_eq!(read(&[a, "[crio.image]\nglobal_auth_file = \"\"\n"]), GlobalAuthFile::Unset);
    }

    #[test]
    fn what_the_environment_changes() {
        let paths = |account: &Account, consumer| {
            let all = account.search(&GlobalAuthFile::Unset);
            let found = all.into_iter().find(|searched| searched.consumer == consumer).unwrap();
            found.paths.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };
        let root = Account::root();
        let expected = [
            "/run/containers/0/auth.json",
            "/root/.config/containers/auth.json",
            "/root/.docker/config.json",
            "/root/.dockercfg",
        ];
        assert_eq!(paths(&root, Consumer::Podman), expected);
        assert_eq!(paths(&root, Consumer::CriO), expected);
        let set = |path: &str| Some(path.to_owned());
        let user = Account { runtime_dir: set("/r"), config_home: set("/c"), docker_config: set("/d"), ..root };
        assert_eq!(paths(&user, Consumer::Podman), ["/d/config.json"]);
        assert_eq!(paths(&user, Consumer::Docker), ["/d/config.json"]);
        let user = Account { auth_file: set("/f"), ..user };
        assert_eq!(paths(&user, Consumer::Podman), ["/f"]);
    }
}

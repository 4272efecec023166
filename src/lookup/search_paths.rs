//! Which files each consumer searches on a machine, and in which order. It does no I/O.

use serde::Deserialize;

use super::{Consumer, DOCKER_AUTH_CONFIG, PathState};
use crate::dockerconfig::Format;
use crate::secret::Secret;

/// The user account and environment that the paths depend on.
#[derive(Debug, Clone)]
pub struct Account {
    /// The home directory.
    pub home: String,
    /// The user ID, as in `/run/containers/UID`.
    pub uid: u32,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<String>,
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<String>,
    /// `DOCKER_CONFIG`.
    pub docker_config: Option<String>,
    /// `DOCKER_AUTH_CONFIG`, which contains entries.
    pub docker_auth_config: Option<Secret>,
    /// `REGISTRY_AUTH_FILE`.
    pub auth_file: Option<String>,
    /// `CONTAINERS_REGISTRIES_CONF`.
    pub registries_conf: Option<String>,
    /// `XDG_CACHE_HOME`.
    pub cache_home: Option<String>,
}

/// The files that one consumer searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPath {
    /// The program that searches them.
    pub consumer: Consumer,
    /// The paths in search order, with the format of each file.
    pub paths: Vec<(String, Format)>,
    /// The paths that are searched only if HOME is set. By default, system services have no HOME.
    pub home_files: Vec<String>,
    /// The paths that are given on the command line. If one does not exist, a note reports it.
    pub given: Vec<String>,
    /// The environment variable that selects the paths, and the usual paths that it overrides.
    pub overridden: Option<(&'static str, Vec<String>)>,
    /// The content of `DOCKER_AUTH_CONFIG`, if the consumer reads it.
    pub variable: Option<Secret>,
    /// The user as which it runs.
    pub runs_as: RunsAs,
    /// The file that must be read to find out the paths, if only root can read it.
    pub hidden: Option<String>,
    /// The paths of its registries.conf, if it reads one.
    pub registries: Option<RegistriesPaths>,
    /// Assumptions that the paths depend on.
    pub notes: Vec<String>,
}

/// The user as which a consumer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsAs {
    /// Root, who may read every file.
    Root,
    /// The user whose files are explained.
    User,
}

/// The paths of registries.conf, its drop-ins and short-name-aliases.conf (containers-registries.conf(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistriesPaths {
    /// The file that CONTAINERS_REGISTRIES_CONF selects.
    from_environment: Option<String>,
    /// The user's registries.conf, which replaces the one of the system.
    own: String,
    own_drop_ins: String,
    /// short-name-aliases.conf.
    pub aliases: String,
}

/// The file that the Machine Config Operator of OpenShift 4 writes for the kubelet and CRI-O.
const NODE_FILE: &str = "/var/lib/kubelet/config.json";

const REGISTRIES_CONF: &str = "/etc/containers/registries.conf";
const REGISTRIES_DROP_INS: &str = "/etc/containers/registries.conf.d";

/// The directories that the kubelet searches: its root directory (in 4.x and in 3.11) and its working directory (in
/// 3.11).
const KUBELET_DIRECTORIES: [&str; 3] =
    ["/var/lib/kubelet", "/var/lib/origin/openshift.local.volumes", "/var/lib/origin"];
/// With an empty HOME, `$HOME/.docker/config.json` is relative to the working directory. This is the path for the unit
/// in 3.11.
const KUBELET_HOME: &str = "/var/lib/origin/.docker/config.json";

/// `global_auth_file` in CRI-O's configuration (crio.conf(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GlobalAuthFile {
    /// There is no configuration file of CRI-O.
    Unknown,
    /// Only root can read this configuration file.
    Hidden(String),
    /// The configuration does not set `global_auth_file`.
    Unset,
    /// The configuration sets this path.
    Path(String),
}

/// The configuration files of CRI-O. A later one overrides an earlier one; other files in `crio.conf.d` are sorted by name.
pub const CRIO_FILES: [&str; 2] = ["/etc/crio/crio.conf", "/etc/crio/crio.conf.d/00-default"];

impl Account {
    /// The account of root, as a system service sees it.
    pub fn root() -> Self {
        Self {
            home: "/root".to_owned(),
            uid: 0,
            runtime_dir: None,
            config_home: None,
            docker_config: None,
            docker_auth_config: None,
            auth_file: None,
            registries_conf: None,
            cache_home: None,
        }
    }

    /// The search paths of all consumers.
    pub fn search_paths(&self, global_auth_file: &GlobalAuthFile) -> Vec<SearchPath> {
        let docker = vec![(format!("{}/config.json", self.docker_directory()), Format::Config)];
        // The paths without the variables are needed to report entries that a user expects to be used.
        let plain = Self { docker_config: None, auth_file: None, ..self.clone() };
        let usual_docker = vec![(format!("{}/config.json", plain.docker_directory()), Format::Config)];
        let docker_variable = self.docker_config.as_ref().map(|_| "DOCKER_CONFIG");
        // podman prefers REGISTRY_AUTH_FILE if both variables are set.
        let podman_variable = self.auth_file.as_ref().map(|_| "REGISTRY_AUTH_FILE").or(docker_variable);
        vec![
            SearchPath {
                home_files: self.kubelet_files_in_home(),
                ..SearchPath::new(Consumer::Kubelet, self.kubelet())
            },
            crio(global_auth_file),
            SearchPath::new(Consumer::Podman, self.podman())
                .overriding(podman_variable, plain.containers())
                .with_registries(self.registries())
                .run_as(self.runs_as()),
            SearchPath::new(Consumer::Docker, docker)
                .overriding(docker_variable, usual_docker)
                .with_variable(self.docker_auth_config.clone())
                .run_as(self.runs_as()),
        ]
    }

    /// The user as which podman and docker run.
    fn runs_as(&self) -> RunsAs {
        if self.uid == 0 { RunsAs::Root } else { RunsAs::User }
    }

    /// The files of the kubelet (`DefaultDockerConfigJSONPaths` and `DefaultDockercfgPaths` in pkg/credentialprovider).
    fn kubelet(&self) -> Vec<(String, Format)> {
        let home = self.home_of_root();
        let own = KUBELET_DIRECTORIES.map(|folder| format!("{folder}/config.json"));
        let homes = [KUBELET_HOME.to_owned(), format!("{home}/.docker/config.json"), "/.docker/config.json".to_owned()];
        let legacy = KUBELET_DIRECTORIES.into_iter().chain([home, ""]).map(|folder| format!("{folder}/.dockercfg"));
        let config = own.into_iter().chain(homes).map(|path| (path, Format::Config));
        let mut paths: Vec<_> = config.chain(legacy.map(|path| (path, Format::Legacy))).collect();
        let mut seen = std::collections::HashSet::new();
        // The home directory may be one of the other directories, and no file is searched twice.
        paths.retain(|(path, _)| seen.insert(path.clone()));
        paths
    }

    fn kubelet_files_in_home(&self) -> Vec<String> {
        [".docker/config.json", ".dockercfg"].map(|name| format!("{}/{name}", self.home_of_root())).into()
    }

    /// The home directory of the kubelet. The kubelet runs as root, even if the current user is a different one.
    fn home_of_root(&self) -> &str {
        if self.uid == 0 { self.home.trim_end_matches('/') } else { "/root" }
    }

    /// The files of podman and buildah. If REGISTRY_AUTH_FILE is set, only its file is searched; otherwise, if
    /// DOCKER_CONFIG is set, only its file is searched (`GetDefaultAuthFile` of containers/common); otherwise, the
    /// files of containers/image are searched.
    fn podman(&self) -> Vec<(String, Format)> {
        if let Some(file) = &self.auth_file {
            return vec![(file.clone(), Format::Config)];
        }
        if let Some(folder) = &self.docker_config {
            return vec![(format!("{folder}/config.json"), Format::Config)];
        }
        self.containers()
    }

    /// The files of containers/image (`getAuthFilePaths`).
    fn containers(&self) -> Vec<(String, Format)> {
        let run = self.runtime_dir.as_ref().map_or_else(
            || format!("/run/containers/{}/auth.json", self.uid),
            |folder| format!("{folder}/containers/auth.json"),
        );
        let config = self.config_home.clone().unwrap_or_else(|| format!("{}/.config", self.home));
        let config = format!("{config}/containers/auth.json");
        let docker = format!("{}/config.json", self.docker_directory());
        let modern = [run, config, docker].map(|path| (path, Format::Config));
        modern.into_iter().chain([(format!("{}/.dockercfg", self.home), Format::Legacy)]).collect()
    }

    /// The paths of registries.conf (`newConfigWrapper` and `shortNameAliasesConfPath` of containers/image).
    fn registries(&self) -> RegistriesPaths {
        let directory = format!("{}/.config/containers", self.home);
        let cache = match (self.uid, &self.cache_home) {
            (0, _) => "/var/cache".to_owned(),
            (_, Some(cache)) => cache.clone(),
            (_, None) => format!("{}/.cache", self.home),
        };
        RegistriesPaths {
            from_environment: self.registries_conf.clone(),
            own: format!("{directory}/registries.conf"),
            own_drop_ins: format!("{directory}/registries.conf.d"),
            aliases: format!("{cache}/containers/short-name-aliases.conf"),
        }
    }

    fn docker_directory(&self) -> String {
        self.docker_config.clone().unwrap_or_else(|| format!("{}/.docker", self.home))
    }
}

fn crio(global_auth_file: &GlobalAuthFile) -> SearchPath {
    let new = |paths| SearchPath::new(Consumer::CriO, paths).with_registries(Account::root().registries());
    let searched = |path: &str| new(vec![(path.to_owned(), Format::Config)]);
    match global_auth_file {
        GlobalAuthFile::Path(path) => searched(path),
        GlobalAuthFile::Unset => new(Account::root().containers()),
        GlobalAuthFile::Hidden(file) => SearchPath { hidden: Some(file.clone()), ..new(Vec::new()) },
        GlobalAuthFile::Unknown => SearchPath {
            notes: vec![format!(
                "no configuration of CRI-O was found: `global_auth_file` is assumed to be OpenShift's `{NODE_FILE}`"
            )],
            ..searched(NODE_FILE)
        },
    }
}

impl SearchPath {
    fn new(consumer: Consumer, paths: Vec<(String, Format)>) -> Self {
        Self {
            consumer,
            paths,
            home_files: Vec::new(),
            given: Vec::new(),
            overridden: None,
            variable: None,
            runs_as: RunsAs::Root,
            hidden: None,
            registries: None,
            notes: Vec::new(),
        }
    }

    fn run_as(self, runs_as: RunsAs) -> Self {
        Self { runs_as, ..self }
    }

    /// The same paths, with the content of `DOCKER_AUTH_CONFIG`.
    fn with_variable(mut self, variable: Option<Secret>) -> Self {
        if variable.is_some() {
            self.notes.push(format!("docker reads `{DOCKER_AUTH_CONFIG}` since version 28.3"));
        }
        Self { variable, ..self }
    }

    fn with_registries(self, registries: RegistriesPaths) -> Self {
        Self { registries: Some(registries), ..self }
    }

    /// The same paths, selected by `variable` instead of the `usual` ones.
    fn overriding(mut self, variable: Option<&'static str>, usual: Vec<(String, Format)>) -> Self {
        let others = usual.into_iter().filter(|usual| !self.paths.contains(usual)).map(|(path, _)| path).collect();
        self.overridden = variable.map(|variable| (variable, others));
        self
    }

    /// Search paths with only `files`, for all consumers; podman and docker are run by `account`. A file name that ends
    /// with `.dockercfg` means the older format.
    pub fn only(files: &[String], account: &Account) -> Vec<Self> {
        let format = |path: &str| if path.ends_with(".dockercfg") { Format::Legacy } else { Format::Config };
        let paths: Vec<_> = files.iter().map(|path| (path.clone(), format(path))).collect();
        // docker reads only one file, and does not know the older format.
        let modern = paths.iter().filter(|(_, format)| *format == Format::Config).take(1).cloned().collect();
        let searched = [
            Self::new(Consumer::Kubelet, paths.clone()),
            Self::new(Consumer::CriO, paths.clone()),
            Self::new(Consumer::Podman, paths).run_as(account.runs_as()),
            Self::new(Consumer::Docker, modern).run_as(account.runs_as()),
        ];
        searched.map(|searched| Self { given: files.to_vec(), ..searched }).into()
    }
}

impl RegistriesPaths {
    /// Whether the environment selects the file. In that case, the file must exist.
    pub fn is_required(&self) -> bool {
        self.from_environment.is_some()
    }

    /// All paths that a lookup may read. `list` returns the paths in a directory.
    pub fn all(&self, list: impl Fn(&str) -> Vec<String>) -> Vec<String> {
        let mut paths = vec![self.aliases.clone()];
        for (file, directories) in self.files() {
            paths.push(file.to_owned());
            paths.extend(directories.into_iter().flat_map(&list));
        }
        paths
    }

    /// The possible paths of registries.conf, each with its drop-in directories. The first file that exists is used.
    pub fn files(&self) -> Vec<(&str, Vec<&str>)> {
        let own = self.own_drop_ins.as_str();
        match &self.from_environment {
            // The variable replaces only the main file. The drop-ins are still read.
            Some(named) => vec![(named, vec![REGISTRIES_DROP_INS, own])],
            None => vec![(&self.own, vec![own]), (REGISTRIES_CONF, vec![REGISTRIES_DROP_INS, own])],
        }
    }
}

/// Evaluates CRI-O's configuration files, in the order in which CRI-O reads them. Files that are not TOML are ignored.
pub fn global_auth_file(settings: &[(String, PathState)]) -> GlobalAuthFile {
    let hidden = settings.iter().find(|(_, state)| matches!(state, PathState::Forbidden(_)));
    if let Some((path, _)) = hidden {
        return GlobalAuthFile::Hidden(path.clone());
    }
    let texts = settings.iter().filter_map(|(_, state)| match state {
        PathState::Content(bytes) => Some(String::from_utf8_lossy(bytes.expose())),
        PathState::Absent | PathState::Unreadable(_) | PathState::Forbidden(_) => None,
    });
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
    texts.fold(GlobalAuthFile::Unknown, |known, text| {
        // Only one path depends on this configuration, so an invalid file must not prevent the lookups of the other
        // consumers.
        let settings: Settings = toml::from_str(&text).unwrap_or_default();
        let path = settings.crio.and_then(|crio| crio.image).and_then(|image| image.global_auth_file);
        match (path, known) {
            // An empty setting in a later file removes the path that an earlier file sets.
            (Some(path), _) if path.is_empty() => GlobalAuthFile::Unset,
            (Some(path), _) => GlobalAuthFile::Path(path),
            // A file without the setting still shows that CRI-O is configured, so OpenShift's default must not be
            // assumed.
            (None, GlobalAuthFile::Unknown) => GlobalAuthFile::Unset,
            (None, known) => known,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretBytes;

    #[test]
    fn the_last_setting_of_crio_is_used() {
        let content = |text: &&str| PathState::Content(SecretBytes::new(text.as_bytes().to_vec()));
        let read = |settings: &[&str]| {
            let settings: Vec<_> = settings.iter().map(|text| ("/x".to_owned(), content(text))).collect();
            global_auth_file(&settings)
        };
        let some = |path: &str| GlobalAuthFile::Path(path.to_owned());
        let (a, b) = ("[crio.image]\nglobal_auth_file = \"/a\"\n", "[crio.image]\nglobal_auth_file = \"/b\"\n");
        assert_eq!(read(&[]), GlobalAuthFile::Unknown);
        assert_eq!(read(&["[crio]\nroot = \"/x\"\n"]), GlobalAuthFile::Unset);
        assert_eq!(read(&[a, b, "[crio.runtime]\n"]), some("/b"));
        assert_eq!(read(&[a, "[crio.image]\nglobal_auth_file = \"\"\n"]), GlobalAuthFile::Unset);
    }

    #[test]
    fn the_environment_selects_the_files() {
        let paths = |account: &Account, consumer| {
            let all = account.search_paths(&GlobalAuthFile::Unset);
            let found = all.into_iter().find(|path| path.consumer == consumer).unwrap();
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

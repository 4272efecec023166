//! Which kubeconfig is used: `--kubeconfig`, `oregano_kubeconfig`, `KUBECONFIG`, `~/.kube/config`, that of the first
//! master, or the service account of the pod, in this order. It checks which files exist, and does not read them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::cluster::error::ClusterPurpose;
use crate::desired::KubeconfigFile;
use crate::failure::Failure;

/// The token of a pod's service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Kubernetes sets this variable in every pod.
const POD_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// Where the API server and the credentials for it are described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessSource {
    /// The kubeconfig that an option or the inventory names.
    Named(PathBuf),
    /// The kubeconfig files of the user, merged as kubectl merges them: the first file that sets a value wins.
    OfUser(Vec<PathBuf>),
    /// The kubeconfig of the first master, which is reached over SSH.
    FirstMaster,
    /// The service account of the pod that this process runs in.
    ServiceAccount,
}

/// Where a kubeconfig is searched.
#[derive(Debug, Clone, Default)]
pub struct Search<'a> {
    /// `--kubeconfig`.
    pub flag: Option<&'a Path>,
    /// `oregano_kubeconfig`.
    pub inventory: Option<&'a KubeconfigFile>,
    /// `KUBECONFIG`.
    pub variable: Option<&'a OsStr>,
    /// The home folder of the user.
    pub home: Option<&'a Path>,
    /// Whether the inventory has a master.
    pub masters: Masters,
}

/// Whether the API server can be reached through a master.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Masters {
    /// The inventory has none, or there is no inventory.
    #[default]
    None,
    /// The inventory has one.
    Some,
}

/// Chooses the source of access: `--kubeconfig`, `oregano_kubeconfig`, the files listed in `KUBECONFIG`, `.kube/config`
/// in the home folder, the first master, or the service account of the pod. Listed files that do not exist are skipped,
/// as kubectl does (Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files").
///
/// # Errors
/// If none of them exists, or the option or the inventory names a file that does not exist.
pub fn find(purpose: ClusterPurpose, search: &Search<'_>) -> Result<AccessSource, Failure> {
    let without = purpose.without_api();
    // A file that is named explicitly never falls through to other sources, because the user chose this cluster.
    if let Some(path) = search.flag {
        return existing(path).map(AccessSource::Named).ok_or_else(|| {
            Failure::new(format!("kubeconfig `{}` does not exist", path.display())).hint("check `--kubeconfig`")
        });
    }
    if let Some(file) = search.inventory {
        return existing(&file.path).map(AccessSource::Named).ok_or_else(|| file.missing());
    }
    let listed: Vec<PathBuf> =
        // A variable that is empty or consists of separators counts as unset.
        std::env::split_paths(search.variable.unwrap_or_default()).filter(|path| !path.as_os_str().is_empty()).collect();
    if !listed.is_empty() {
        let files: Vec<PathBuf> = listed.iter().filter_map(|path| existing(path)).collect();
        // A KUBECONFIG without an existing file is an error. Using `~/.kube/config` instead could change another
        // cluster.
        return if files.is_empty() { Err(no_listed_file(&listed, without)) } else { Ok(AccessSource::OfUser(files)) };
    }
    if let Some(path) = search.home.and_then(|home| existing(&home.join(".kube/config"))) {
        return Ok(AccessSource::OfUser(vec![path]));
    }
    // A pod may run in another cluster than that of the inventory, so the master takes precedence.
    if search.masters == Masters::Some {
        return Ok(AccessSource::FirstMaster);
    }
    // Both are checked, because a pod may run without the token of its service account.
    if std::env::var_os(POD_HOST).is_some() && Path::new(POD_TOKEN).exists() {
        return Ok(AccessSource::ServiceAccount);
    }
    Err(Failure::new("no kubeconfig was found")
        .cause("neither `--kubeconfig` nor `KUBECONFIG` is set, `~/.kube/config` does not exist, and this is not a pod")
        .hint(format!("pass `--kubeconfig FILE` or set KUBECONFIG; {without}")))
}

fn existing(path: &Path) -> Option<PathBuf> {
    path.exists().then(|| path.to_owned())
}

fn no_listed_file(paths: &[PathBuf], without: &str) -> Failure {
    let names: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    Failure::new(format!("no file listed in KUBECONFIG exists: {}", names.join(", ")))
        .hint(format!("correct or unset KUBECONFIG, or pass `--kubeconfig FILE`; {without}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Source, Span};

    fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn named(path: &Path) -> KubeconfigFile {
        let source = Source::new("hosts", "oregano_kubeconfig=x\n");
        KubeconfigFile { path: path.to_owned(), span: Span::new(&source, 19, 20) }
    }

    #[test]
    fn the_flag_wins_then_the_inventory_then_the_list_then_the_home_directory_then_the_master() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (file(&dir, "one", ""), file(&dir, "two", ""));
        let home = file(&dir, ".kube/config", "");
        let list = std::env::join_paths([&one, &dir.path().join("missing"), &two]).unwrap();
        let of_user = |paths: &[&PathBuf]| Ok(AccessSource::OfUser(paths.iter().map(|&path| path.clone()).collect()));
        let inventory = named(&one);
        let all = Search {
            flag: Some(&two),
            inventory: Some(&inventory),
            variable: Some(&list),
            home: Some(dir.path()),
            masters: Masters::Some,
        };
        let find = |search: &Search<'_>| find(ClusterPurpose::Run, search);
        assert_eq!(find(&all), Ok(AccessSource::Named(two.clone())));
        let all = Search { flag: None, ..all };
        assert_eq!(find(&all), Ok(AccessSource::Named(one.clone())));
        let all = Search { inventory: None, ..all };
        assert_eq!(find(&all), of_user(&[&one, &two]));
        for unset in [None, Some(OsStr::new("")), Some(OsStr::new("::"))] {
            assert_eq!(find(&Search { variable: unset, ..all.clone() }), of_user(&[&home]));
        }
        assert_eq!(find(&Search { variable: None, home: None, ..all }), Ok(AccessSource::FirstMaster));
    }

    #[test]
    fn the_failure_without_a_kubeconfig_shows_what_to_do() {
        let nowhere = Path::new("/dev/null/none");
        let find = |search: &Search<'_>| find(ClusterPurpose::Run, search).unwrap_err();
        let flag = find(&Search { flag: Some(&nowhere.join("k")), masters: Masters::Some, ..Search::default() });
        assert_eq!(flag.message, "kubeconfig `/dev/null/none/k` does not exist");
        let inventory = named(&nowhere.join("k"));
        let inventory = find(&Search { inventory: Some(&inventory), masters: Masters::Some, ..Search::default() });
        assert_eq!(inventory.message, "kubeconfig `/dev/null/none/k` does not exist");
        assert_eq!(inventory.place.as_deref(), Some("hosts:1:20"));
        let variable = Some(OsStr::new("/dev/null/none/a:/dev/null/none/b"));
        let list = find(&Search { variable, masters: Masters::Some, ..Search::default() });
        assert!(list.message.contains("`/dev/null/none/a`, `/dev/null/none/b`"));
        let home = Search { home: Some(nowhere), ..Search::default() };
        let hint = find(&home).hint.unwrap();
        assert!(["--kubeconfig", "KUBECONFIG", "--only nodes"].iter().all(|option| hint.contains(option)));
        for purpose in [ClusterPurpose::Restore, ClusterPurpose::Explain, ClusterPurpose::Login] {
            let hint = super::find(purpose, &home).unwrap_err().hint.unwrap();
            assert!(!hint.contains("--only") && hint.contains(purpose.without_api()), "{hint}");
        }
    }
}

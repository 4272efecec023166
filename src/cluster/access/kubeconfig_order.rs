//! Which kubeconfig is used: `--kubeconfig`, `KUBECONFIG`, `~/.kube/config`, or the service account of the pod, in this
//! order. It checks which files exist, and does not read them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::cluster::error::ClusterPurpose;
use crate::failure::Failure;

/// The token of a pod's service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Kubernetes sets this variable in every pod.
const POD_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// Where the API server and the credentials for it are described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessSource {
    /// Kubeconfig files, merged as kubectl merges them: the first file that sets a value wins.
    Kubeconfig(Vec<PathBuf>),
    /// The service account of the pod that this process runs in.
    ServiceAccount,
}

/// Chooses the source of access: `flag` (`--kubeconfig`), the files listed in `variable` (`KUBECONFIG`), `.kube/config`
/// in `home`, or the service account of the pod. Listed files that do not exist are skipped, as kubectl does
/// (Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files").
///
/// # Errors
/// If none of them exists, or `flag` names a file that does not exist.
pub fn find(
    purpose: ClusterPurpose,
    flag: Option<&Path>,
    variable: Option<&OsStr>,
    home: Option<&Path>,
) -> Result<AccessSource, Failure> {
    let without = purpose.without_api();
    if let Some(path) = flag {
        // An explicit flag never falls through to other sources, because the user chose this cluster.
        return existing(path).map(|path| AccessSource::Kubeconfig(vec![path])).ok_or_else(|| {
            Failure::new(format!("kubeconfig `{}` does not exist", path.display())).hint("check `--kubeconfig`")
        });
    }
    let listed: Vec<PathBuf> =
        // A variable that is empty or consists of separators counts as unset.
        std::env::split_paths(variable.unwrap_or_default()).filter(|path| !path.as_os_str().is_empty()).collect();
    if !listed.is_empty() {
        let files: Vec<PathBuf> = listed.iter().filter_map(|path| existing(path)).collect();
        // A KUBECONFIG without an existing file is an error. Using `~/.kube/config` instead could change another
        // cluster.
        return if files.is_empty() {
            Err(no_listed_file(&listed, without))
        } else {
            Ok(AccessSource::Kubeconfig(files))
        };
    }
    if let Some(path) = home.and_then(|home| existing(&home.join(".kube/config"))) {
        return Ok(AccessSource::Kubeconfig(vec![path]));
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

    fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_flag_wins_then_the_list_then_the_home_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (file(&dir, "one", ""), file(&dir, "two", ""));
        let home = file(&dir, ".kube/config", "");
        let list = std::env::join_paths([&one, &dir.path().join("missing"), &two]).unwrap();
        let files = |paths: &[&PathBuf]| Ok(AccessSource::Kubeconfig(paths.iter().map(|&path| path.clone()).collect()));
        let find = |flag, variable| find(ClusterPurpose::Run, flag, variable, Some(dir.path()));
        assert_eq!(find(Some(&two), Some(&list)), files(&[&two]));
        assert_eq!(find(None, Some(&list)), files(&[&one, &two]));
        assert_eq!(find(None, Some(OsStr::new(""))), files(&[&home]));
        assert_eq!(find(None, Some(OsStr::new("::"))), files(&[&home]));
        assert_eq!(find(None, None), files(&[&home]));
    }

    #[test]
    fn the_failure_without_a_kubeconfig_shows_what_to_do() {
        let nowhere = Path::new("/dev/null/none");
        let run = ClusterPurpose::Run;
        let flag = find(run, Some(&nowhere.join("k")), None, None).unwrap_err();
        assert_eq!(flag.message, "kubeconfig `/dev/null/none/k` does not exist");
        let list = find(run, None, Some(OsStr::new("/dev/null/none/a:/dev/null/none/b")), None).unwrap_err();
        assert!(list.message.contains("`/dev/null/none/a`, `/dev/null/none/b`"));
        let none = find(run, None, None, Some(nowhere)).unwrap_err();
        let hint = none.hint.unwrap();
        assert!(["--kubeconfig", "KUBECONFIG", "--only nodes"].iter().all(|option| hint.contains(option)));
        for purpose in [ClusterPurpose::Explain, ClusterPurpose::Login] {
            let hint = find(purpose, None, None, Some(nowhere)).unwrap_err().hint.unwrap();
            assert!(!hint.contains("--only") && hint.contains(purpose.without_api()), "{hint}");
        }
    }
}

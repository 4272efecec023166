//! Which credential files of a node are managed, by the variables of openshift-ansible.

use crate::inventory::Problem;

use super::variable_reader::VariableReader;

/// The file of the kubelet in openshift-ansible 3.11, unless `openshift_data_dir` is set.
const DEFAULT_DATA_DIRECTORY: &str = "/var/lib/origin";

/// The file of root, which docker and podman read.
const ROOT_FILE: &str = "/root/.docker/config.json";

/// The managed files of a host: only the one of `docker_auth_credentials_path` if it is set, else those of the kubelet
/// and of root.
pub(super) fn of_host(reader: &mut VariableReader<'_>) -> Vec<String> {
    if reader.raw("docker_auth_credentials_path").is_some() {
        let directory = directory(reader, "docker_auth_credentials_path");
        return directory.map(|directory| format!("{directory}/config.json")).into_iter().collect();
    }
    let data = if reader.raw("openshift_data_dir").is_some() {
        directory(reader, "openshift_data_dir")
    } else {
        Some(DEFAULT_DATA_DIRECTORY.to_owned())
    };
    let kubelet = data.map(|directory| format!("{directory}/.docker/config.json"));
    let mut files: Vec<String> = kubelet.into_iter().collect();
    // `openshift_data_dir` may be `/root`.
    if !files.iter().any(|file| file == ROOT_FILE) {
        files.push(ROOT_FILE.to_owned());
    }
    files
}

/// The value of a variable that is an absolute directory, without a trailing slash.
fn directory(reader: &mut VariableReader<'_>, name: &str) -> Option<String> {
    let text = reader.text(name)?;
    let fault = match &text.text {
        path if !path.starts_with('/') => "is not an absolute path",
        path if path.contains(char::is_control) => "contains a control character",
        path => return Some(path.trim_end_matches('/').to_owned()),
    };
    reader.problems.push(Problem::hiding(&text.span, format!("`{name}` {fault}")));
    None
}

//! Which credential files of a node are managed, according to the variables of openshift-ansible.

use crate::inventory::Problem;

use super::variable_reader::VariableReader;

/// The default of `openshift_data_dir` in openshift-ansible 3.11. It is the directory of the kubelet's file.
const DEFAULT_DATA_DIRECTORY: &str = "/var/lib/origin";

/// The credential file of root, which docker and podman read.
const ROOT_FILE: &str = "/root/.docker/config.json";

/// The managed files of a host. If `docker_auth_credentials_path` is set, only its file is managed; otherwise, the
/// files of the kubelet and of root are.
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
    // If `openshift_data_dir` is `/root`, the file of the kubelet and the file of root are the same.
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
        // Two spellings of one directory would otherwise make the file appear twice in the list.
        path => return Some(path.trim_end_matches('/').to_owned()),
    };
    let problem = Problem::hiding(&text.span, format!("`{name}` {fault}"));
    reader.problems.push(problem.hint("write the absolute path of a folder on the nodes, such as `/var/lib/origin`"));
    None
}

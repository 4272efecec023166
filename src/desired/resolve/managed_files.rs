//! Which files of a node hold credentials, by the variables of openshift-ansible.

use crate::inventory::Problem;

use super::variable_reader::VariableReader;

/// The paths of a host: `docker_auth_credentials_path` alone, or the kubelet's and root's own.
pub(super) fn files(reader: &mut VariableReader<'_>) -> Vec<String> {
    if reader.raw("docker_auth_credentials_path").is_some() {
        let folder = folder(reader, "docker_auth_credentials_path");
        return folder.map(|folder| format!("{folder}/config.json")).into_iter().collect();
    }
    let folder = if reader.raw("openshift_data_dir").is_some() {
        folder(reader, "openshift_data_dir")
    } else {
        Some("/var/lib/origin".to_owned())
    };
    let kubelet = folder.map(|folder| format!("{folder}/.docker/config.json"));
    let mut files: Vec<String> = kubelet.into_iter().collect();
    let root = "/root/.docker/config.json".to_owned();
    if !files.contains(&root) {
        files.push(root);
    }
    files
}

/// An absolute folder without a trailing slash.
fn folder(reader: &mut VariableReader<'_>, name: &str) -> Option<String> {
    let text = reader.text(name)?;
    let fault = match &text.text {
        path if !path.starts_with('/') => "is not an absolute path",
        path if path.contains(char::is_control) => "has a control character",
        path => return Some(path.trim_end_matches('/').to_owned()),
    };
    reader.problems.push(Problem::hiding(&text.span, format!("`{name}` {fault}")));
    None
}

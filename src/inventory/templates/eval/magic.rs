//! The variables that Ansible sets: those that always exist (`inventory_hostname`, `groups` …), those that the
//! inventory may override (`inventory_dir`), and those that exist only during a playbook run and are not known here.
//!
//! Source: "Special Variables" in the documentation of Ansible.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use super::frame::Frame;
use crate::inventory::model::Node;
use crate::inventory::problem::Problem;
use crate::inventory::templates::value::errors::{ResolveError, from_variable, lookup_result};

/// Variables that Ansible always sets. They win over all others.
const MAGIC: [&str; 6] =
    ["inventory_hostname", "inventory_hostname_short", "group_names", "groups", "hostvars", "vars"];

/// Variables that Ansible sets when it runs a playbook, unless the inventory sets them. For Ansible they are defined,
/// so `default` must not replace them.
const PLAYBOOK_RUN: [&str; 18] = [
    "ansible_check_mode",
    "ansible_config_file",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_playbook_python",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "environment",
    "play_hosts",
    "playbook_dir",
    "role_path",
];

/// Hosts that Ansible creates when a template uses them.
const IMPLICIT_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Whether Ansible always sets this variable.
pub(super) fn is_magic(name: &str) -> bool {
    MAGIC.contains(&name)
}

/// The names that a template of this frame can use, some of them several times.
pub(super) fn known_names(frame: &Frame) -> impl Iterator<Item = &str> {
    frame.scope().names(frame.scope().inventory()).chain(MAGIC)
}

/// A variable that Ansible always sets; `None` for other variables, and for those that an unknown host does not have.
pub(super) fn magic_value(frame: &Arc<Frame>, name: &str) -> Option<Value> {
    let scope = frame.scope();
    match name {
        "inventory_hostname" => Some(Value::from(scope.host()?.name.as_str())),
        "inventory_hostname_short" => Some(Value::from(short_hostname(&scope.host()?.name))),
        // Ansible sorts the groups of a host and leaves out `all`.
        "group_names" => {
            let mut names = scope.inventory().groups_of(&scope.host()?.name);
            names.retain(|name| *name != "all");
            names.sort_unstable();
            Some(names.into_iter().collect())
        }
        "groups" => Some(frame.engine().groups(scope.inventory())),
        "hostvars" => Some(Value::from_object(AllHosts(Arc::clone(frame)))),
        "vars" => Some(Value::from_object(HostVariables(Arc::clone(frame)))),
        _ => None,
    }
}

/// The name without the part after its first dot. As in Ansible, IP addresses are not shortened.
fn short_hostname(name: &str) -> &str {
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if is_address { name } else { name.split('.').next().unwrap_or_default() }
}

/// `inventory_file` and `inventory_dir`, which Ansible sets unless the inventory does.
pub(super) fn inventory_path(frame: &Frame, name: &str) -> Option<Node> {
    let span = &frame.scope().host()?.span;
    let text = match name {
        "inventory_file" => span.source.origin().file.as_deref(),
        "inventory_dir" => span.source.origin().folder.as_deref(),
        _ => None,
    };
    text.map(|text| Node::string(text, span.clone()))
}

/// A variable that the inventory does not set, as a template sees it.
///
/// # Errors
/// Ansible sets it only during a playbook run.
pub(super) fn default_value(frame: &Frame, name: &str) -> Result<Option<Node>, ResolveError> {
    if PLAYBOOK_RUN.contains(&name) {
        let problem = Problem::new(format!("`{name}` is set by Ansible during a playbook run and is not known here"));
        return Err(ResolveError::WithoutPlace(problem.hint("set it in the inventory")));
    }
    // The connection of the current host always has an address; `hostvars` does not add one to other hosts.
    match frame.scope().host().filter(|_| name == "ansible_host" && !frame.is_through_hostvars()) {
        Some(host) => Ok(Some(Node::string(host.name.as_str(), host.span.clone()))),
        None => Ok(inventory_path(frame, name)),
    }
}

/// The variable `hostvars`: all hosts with their variables.
pub(super) struct AllHosts(Arc<Frame>);

impl Object for AllHosts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if !self.0.scope().inventory().hosts.contains_key(name) {
            let implicit = IMPLICIT_HOSTS.into_iter().find(|implicit| *implicit == name)?;
            let message = format!("the inventory has no host `{implicit}`; Ansible would create it");
            let problem = Problem::new(message).hint("add it to the inventory");
            // The engine allows no error here, so the value is an invalid one that fails when it is used.
            return Some(Value::from(from_variable(ResolveError::WithoutPlace(problem))));
        }
        Some(Value::from_object(HostVariables(self.0.for_host(name))))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.scope().inventory().hosts.keys().map(Value::from).collect())
    }
}

/// The variables of one host: a member of `hostvars`, or the variable `vars`. Each is resolved when it is used.
pub(super) struct HostVariables(Arc<Frame>);

impl Object for HostVariables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lookup_result(self.0.value(key.as_str()?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // These two contain all other variables again.
        let mut names: Vec<&str> = known_names(&self.0).filter(|name| !["hostvars", "vars"].contains(name)).collect();
        names.sort_unstable();
        names.dedup();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }
}

// The engine requires `Debug`. The values may be passwords, so only the type is shown.
impl std::fmt::Debug for AllHosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<AllHosts>")
    }
}

impl std::fmt::Debug for HostVariables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<HostVariables>")
    }
}

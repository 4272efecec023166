//! The objects of the cluster that a host declares: pull secrets, image pullers and the global pull secret.

use crate::desired::cluster::Object;
use crate::desired::platform::Platform;
use crate::desired::registry::Registry;
use crate::desired::request::Scope;

use super::variable_reader::VariableReader;
use super::{HostRegistries, global_pull_secret, image_pullers, pull_secrets};

/// The name of the inventory in annotations, so that two inventories do not change each other's objects.
pub(super) const OWNER: &str = "oregano_owner";

/// The declared objects, and the credentials that only their files contain.
#[derive(Default)]
pub(super) struct DeclaredObjects {
    pub objects: Vec<Object>,
    /// The value of `oregano_owner`.
    pub owner: Option<String>,
    /// The credentials of files, which are verified like those of `registries`.
    pub registries: Vec<Registry>,
}

/// The objects that the host of `reader` declares, as far as they belong to the part of the work. `declared` are its
/// registries.
pub(super) fn of_host(
    reader: &mut VariableReader<'_>,
    declared: &HostRegistries,
    platform: Option<Platform>,
    scope: &Scope,
) -> DeclaredObjects {
    let owner = owner(reader);
    if let Scope::Restore(backup) = scope {
        let global = global_pull_secret::restored(reader, backup, platform, owner.as_deref());
        // Without an owner, nothing can be pruned: the other declarations are not a part of this run.
        return global.map_or_else(DeclaredObjects::default, |(global, registries)| DeclaredObjects {
            objects: vec![Object::GlobalPullSecret(global)],
            owner: None,
            registries,
        });
    }
    let (secrets, mut registries) = pull_secrets::of_host(reader, declared, owner.as_deref());
    let pullers = image_pullers::of_host(reader, platform, owner.as_deref());
    let mut objects: Vec<Object> = secrets.into_iter().map(Object::PullSecret).collect();
    objects.extend(pullers.into_iter().map(Object::ImagePuller));
    if let Some((global, of_file)) = global_pull_secret::of_host(reader, declared, platform, owner.as_deref()) {
        objects.push(Object::GlobalPullSecret(global));
        registries.extend(of_file);
    }
    DeclaredObjects { objects, owner, registries }
}

/// The value of `oregano_owner`.
fn owner(reader: &mut VariableReader<'_>) -> Option<String> {
    let text = reader.text(OWNER)?;
    reader.without_controls(text, &format!("`{OWNER}`")).map(|text| text.text)
}

//! Ansible's inventory rules: what is in an inventory, who is in which group, and whose variables win.
//! Only [`load()`] touches the disk.

// What an inventory is.
pub mod finding; // what is suspicious
pub mod model; // hosts, groups, values with their places
pub mod outside; // the seam to files, environment and passwords
pub mod problem; // what is wrong

// From text to values.
mod marks; // `__ansible_vault` and `__ansible_unsafe` in JSON
mod python; // Python literals
mod text; // text with the way back to its source
pub mod vault; // encrypted text
mod words; // the words of a host line
pub mod yaml; // YAML 1.1, and the groups of YAML inventories

// From values to an inventory.
mod address; // names and addresses of hosts, with ports
mod assemble; // groups and hosts of all sources together
mod dynamic; // what inventory scripts print
mod extra; // `-e`
mod host_list; // `-i host1,host2`
mod ini; // INI inventories
pub mod load; // which sources there are: the only reader of files
mod ranges; // `node[01:10]`
mod toml; // TOML inventories

// What is asked of it.
mod flat; // the variables of a host as they are listed
pub mod graph; // `--graph`
pub mod list; // `--list` and `--host`
pub mod patterns; // `--limit`
pub mod precedence; // whose variables win
pub mod repr; // values as Python spells them
pub mod templates; // `{{ … }}`
pub mod variables; // the variables of all hosts, resolved when asked for

pub use finding::{Code, Finding, Severity};
pub use load::{Sources, load};
pub use model::{FileVars, Folder, Group, Host, Inventory, Node, Origin, Source, Span, Trust, Value, Vars};
pub use outside::Outside;
pub use patterns::select;
pub use precedence::vars_of;
pub use problem::Problem;
pub use templates::HostVars;
pub use variables::Variables;

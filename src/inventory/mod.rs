//! Ansible's inventory rules: what is in an inventory, who is in which group, and whose variables win.
//! Only [`load()`] touches the disk.

// What an inventory is.
pub mod finding;
pub mod model;
pub mod outside;
pub mod problem;

// From text to values.
mod python;
mod text;
pub mod vault;
mod words;
pub mod yaml;

// From values to an inventory.
mod address;
mod assemble;
mod dynamic;
mod extra;
mod host_list;
mod ini;
mod json;
pub mod load;
mod ranges;
mod toml;

// What is asked of it.
mod flat;
pub mod graph;
pub mod list;
pub mod patterns;
pub mod precedence;
pub mod repr;
pub mod templates;
pub mod variables;

pub use finding::{Code, Finding, Severity};
pub use load::{Sources, load};
pub use model::{FileVars, Folder, Group, Host, Inventory, Node, Origin, Source, Span, Trust, Value, Vars};
pub use outside::Outside;
pub use patterns::select;
pub use precedence::vars_of;
pub use problem::Problem;
pub use templates::HostVars;
pub use variables::Variables;

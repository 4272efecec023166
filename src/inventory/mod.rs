//! Ansible's inventory rules. Only `load` touches the disk.

pub mod model;
pub mod problem;

pub use model::{Group, Host, Inventory, Node, Source, Span, Value, Vars};
pub use problem::Problem;

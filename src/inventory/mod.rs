//! Ansible's inventory rules: which hosts and groups an inventory contains, which host is in which group, and which
//! value is used if a variable is set in several places. `desired` interprets the variables. Only [`load()`] and its
//! folder read files or run programs.

// Types.
pub mod code; // names of kinds of findings
pub mod finding; // what is suspicious
pub mod model; // hosts, groups, values
pub mod outside; // interface to files, environment, commands and vault passwords
pub mod problem; // what is wrong
pub mod source; // texts that were read, and places in them

// From text to values.
mod json_marks; // `__ansible_vault` and `__ansible_unsafe` in JSON
mod python; // Python literals
mod shlex; // words of a host line
mod text; // text that knows where its bytes are in the source
pub mod vault; // encrypted text
pub mod yaml; // YAML 1.1, and the groups of YAML inventories

// From values to an inventory.
mod assemble; // groups and hosts of all sources
mod extra_vars; // `-e`
mod host_address; // names and addresses of hosts, with ports
mod host_list; // `-i host1,host2`
mod ini; // INI inventories
pub mod load; // `-i`: finds and reads all sources
mod ranges; // `node[01:10]`
mod script_output; // what inventory scripts print
mod toml; // TOML inventories

// Queries.
mod flatten; // all variables of a host, as listings show them
pub mod graph; // `--graph`
pub mod list; // `--list` and `--host`
mod membership; // which host is in which group
pub mod patterns; // `--limit`
pub mod precedence; // whose variables win
pub mod repr; // values in Python's notation
pub mod templates; // `{{ … }}`
pub mod variables; // the variables of all hosts, resolved on demand

pub use code::Code;
pub use finding::{Finding, Severity};
pub use load::{Sources, load};
pub use model::{FileVars, Folder, Group, Host, Inventory, Node, Trust, Value, Vars};
pub use outside::Outside;
pub use patterns::select;
pub use precedence::vars_of;
pub use problem::Problem;
pub use source::{Origin, Source, Span};
pub use templates::HostVars;
pub use variables::Variables;

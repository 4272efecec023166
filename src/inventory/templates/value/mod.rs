//! The second layer of templates: the values of the template engine. It converts variables to values of the engine and
//! back, writes values as Python's `str` does, limits their size, and defines the errors that functions and variables
//! return through the engine. It evaluates nothing.

pub(super) mod bounds; // how large a value may become
pub(super) mod convert; // variables <-> values of the engine
pub(super) mod errors; // why a value cannot be resolved
pub(super) mod omit; // Ansible's `omit`
pub(super) mod python_str; // values as Python's `str` writes them

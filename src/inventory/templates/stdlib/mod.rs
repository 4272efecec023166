//! The third layer of templates: the filters, tests and methods of Jinja and Ansible that a template may call, as pure
//! functions of their arguments, with one file for each subject. Functions that need the variables of a host, files,
//! the environment or another filter are in the `eval` layer.

pub(super) mod access; // values as Python's functions read them
pub(super) mod call; // arguments of one call
pub(super) mod conditions; // Jinja's tests: `x is …`
pub(super) mod filters; // `x | …`
pub(super) mod functions; // `dict(…)`, and the names of all functions and lookups
pub(super) mod methods; // `x.…(…)`
pub(super) mod regex; // Python's regular expressions

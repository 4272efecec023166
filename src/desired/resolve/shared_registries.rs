//! The registries of hosts with the same variables, which are resolved once. Usually, thousands of hosts take their
//! registries from the same group. It does not know which variables declare a registry: it compares those that were read.

use crate::inventory::{Node, Trust, Value, templates};

use super::HostRegistries;
use super::variable_reader::VariableReader;

/// The maximum number of results that are kept, so that the search stays short if every host has its own variables.
const MAX_RESULTS: usize = 16;

/// The results for the hosts so far.
#[derive(Default)]
pub(super) struct SharedRegistries(Vec<KnownResult>);

struct KnownResult {
    /// The variables that were read, in this order. The next variable to read depends only on the values before it, so
    /// a host with the same values has the same result.
    inputs: Vec<Input>,
    registries: HostRegistries,
}

struct Input {
    name: String,
    /// Where the inventory keeps the value, which identifies it: it stays there until the run ends.
    address: Option<usize>,
}

impl SharedRegistries {
    /// The result for a host that has the same values as an earlier one. Its problems and findings would have the same
    /// texts as those of the earlier one, which are reported once.
    pub fn find(&self, reader: &VariableReader<'_>) -> Option<HostRegistries> {
        let is_same =
            |known: &&KnownResult| known.inputs.iter().all(|input| input.address == address(reader.raw(&input.name)));
        self.0.iter().find(is_same).map(|known| known.registries.clone())
    }

    /// Keeps the result for a host whose variables `names` were read. A result that depends on a template is not kept,
    /// because the template may have another value for another host.
    pub fn keep(&mut self, reader: &VariableReader<'_>, names: Vec<String>, registries: &HostRegistries) {
        if self.0.len() < MAX_RESULTS && names.iter().all(|name| reader.raw(name).is_none_or(is_constant)) {
            let input = |name: String| Input { address: address(reader.raw(&name)), name };
            self.0.push(KnownResult { inputs: names.into_iter().map(input).collect(), registries: registries.clone() });
        }
    }
}

fn address(node: Option<&Node>) -> Option<usize> {
    node.map(|node| std::ptr::from_ref(node).addr())
}

/// Whether the value is the same for every host that has it.
fn is_constant(node: &Node) -> bool {
    match &node.value {
        Value::List(items) => items.iter().all(is_constant),
        Value::Map(members) => members.iter().all(|(key, value)| is_constant(key) && is_constant(value)),
        _ => node.trust == Trust::Literal || !templates::may_be_template(&node.text),
    }
}

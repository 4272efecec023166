//! Reads a list of hosts as the value of `-i`: `host1,host2:2222,` with at least one comma. Reads no file.

use std::sync::Arc;

use super::assemble::Draft;
use super::host_address;
use super::model::UNGROUPED;
use super::problem::Problem;
use super::source::Source;
use super::text::Text;

/// Adds the new hosts of the list, and its problems, to the draft.
pub(super) fn read(source: &Arc<Source>, draft: &mut Draft) {
    draft.begin_source(source);
    let whole = Text::slice(source, 0, source.text().len());
    let mut start = 0;
    for written in source.text().split(',') {
        let item = whole.part(start, start + written.len()).trim();
        start += written.len() + 1;
        // In `-i host,` the comma only shows that this is a list, so an empty item is not a mistake.
        if item.text.is_empty() {
            continue;
        }
        // An IPv6 address with a port also has brackets.
        if item.text.contains(['[', ']']) && host_address::parse(item.text).is_none_or(|(host, _)| host.contains('[')) {
            let message = format!("`{}`: Ansible does not expand ranges in a list of hosts", item.text);
            draft.problems.push(
                Problem::naming(&item.whole(), item.text, message).hint("list each host, or put the hosts into a file"),
            );
            continue;
        }
        let (host, port) = host_address::parse(item.text).unwrap_or((item.text, None));
        // As in Ansible, a list leaves a known host in its groups and does not change its port.
        if !draft.has_host(host) {
            let span = item.whole();
            draft.add_host(host, port.map(|port| (port, &span)), UNGROUPED, &span);
        }
    }
}

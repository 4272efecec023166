//! A list of hosts as the value of `-i`: `host1,host2:2222,` with at least one comma. Looks at no file.

use std::sync::Arc;

use super::assemble::Draft;
use super::host_address;
use super::model::UNGROUPED;
use super::problem::Problem;
use super::source::Source;
use super::text::Text;

/// Adds the hosts of the list that are not known yet, its problems included.
pub(super) fn read(source: &Arc<Source>, draft: &mut Draft) {
    draft.begin(source);
    let whole = Text::slice(source, 0, source.text().len());
    let mut start = 0;
    for written in source.text().split(',') {
        let item = whole.part(start, start + written.len()).trim();
        start += written.len() + 1;
        if item.text.is_empty() {
            continue;
        }
        if item.text.contains(['[', ']']) && host_address::parse(item.text).is_none_or(|(host, _)| host.contains('[')) {
            let message = format!("`{}`: Ansible expands no ranges in a list of hosts", item.text);
            draft.problems.push(
                Problem::naming(&item.whole(), item.text, message).hint("name each host, or write them to a file"),
            );
            continue;
        }
        let (host, port) = host_address::parse(item.text).unwrap_or((item.text, None));
        if !draft.has_host(host) {
            let span = item.whole();
            draft.add_host(host, port.map(|port| (port, &span)), UNGROUPED, &span);
        }
    }
}

//! `explain`: reads the question, and shows the explanation.

use oregano::engine::explain;
use oregano::engine::schedule::Cancel;
use oregano::failure::Failure;
use oregano::inventory::Problem;
use oregano::options::Question;
use oregano::report::ExitStatus;
use oregano::ui;

use super::{finish, machine, signals, supervise};
use crate::cli::ansible_cfg::Defaults;
use crate::cli::input::Input;
use crate::cli::{self, ExplainArguments, Global};

/// Shows which credential each consumer uses for an image.
pub fn explain(global: Global, arguments: ExplainArguments) -> ExitStatus {
    if let Err(conflict) = arguments.check(&global) {
        let _ = conflict.print();
        return ExitStatus::Usage;
    }
    machine::raise_open_files();
    let style = global.style();
    let cancel = signals::cancel_on_signal();
    let shared = cancel.clone();
    let ended = supervise(&cancel, move || explain::explain(&question(global, arguments, &shared)?, &shared));
    finish(ended, &cancel, style, |explanation| {
        ui::explanation(&explanation, style);
        explain::status(&explanation)
    })
}

/// The question for `explain`. The defaults for nodes are not read if it is about this machine.
fn question(global: Global, arguments: ExplainArguments, cancel: &Cancel) -> Result<Question, Vec<Failure>> {
    let failures = |problems: Vec<Problem>| problems.iter().map(Failure::from).collect::<Vec<_>>();
    // An invalid `ansible.cfg` must not prevent a question about this machine, which does not depend on it.
    let defaults =
        if arguments.reads_nodes(&global) { machine::run_defaults().map_err(failures)? } else { Defaults::default() };
    let input = Input {
        prompt: &|text| cli::input::secret(text, cancel),
        file: &|kind, path| cli::input::file(kind, path, cancel),
    };
    let question = arguments.question(
        global,
        &defaults,
        machine::environment(),
        (machine::account(), machine::local_user()),
        &input,
    );
    question.map_err(|problem| failures(vec![problem]))
}

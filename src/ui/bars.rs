//! Progress bars on a terminal: one for each stage, until the stage is done. It prints nothing else.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Phase, Progress};

/// The bars of the current stages.
pub(super) struct Bars {
    all: MultiProgress,
    shown: Vec<(Phase, ProgressBar)>,
    visible: bool,
}

impl Bars {
    /// Bars on stderr; hidden ones if stderr is not a terminal.
    pub(super) fn on_stderr() -> Self {
        let visible = std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), shown: Vec::new(), visible }
    }

    /// Whether the user sees bars.
    pub(super) fn are_visible(&self) -> bool {
        self.visible
    }

    pub(super) fn update(&mut self, progress: Progress) {
        let known = self.shown.iter().position(|(phase, _)| *phase == progress.phase);
        let at = known.unwrap_or_else(|| {
            let bar = self.all.add(bar(progress));
            if self.visible {
                // The elapsed time keeps counting while no step finishes, so a slow node does not look like a hang.
                bar.enable_steady_tick(Duration::from_millis(500));
            }
            self.shown.push((progress.phase, bar));
            self.shown.len() - 1
        });
        self.shown[at].1.set_position(progress.done as u64);
        if progress.done == progress.total {
            self.shown.remove(at).1.finish_and_clear();
        }
    }

    /// Calls `print` while the bars are hidden, so that its lines and the bars do not overlap.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }

    pub(super) fn clear(&mut self) {
        self.shown.drain(..).for_each(|(_, bar)| bar.finish_and_clear());
    }
}

fn bar(progress: Progress) -> ProgressBar {
    let name = match progress.phase {
        Phase::Registries => "registries",
        Phase::Vantage => "testing from nodes",
        Phase::Observe => "observing nodes",
        Phase::Write => "writing nodes",
    };
    let style = ProgressStyle::with_template("{prefix:>17} [{bar:30}] {pos}/{len} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(progress.total as u64).with_style(style).with_prefix(name)
}

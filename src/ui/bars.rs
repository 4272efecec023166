//! Progress bars on a terminal: one for each phase, until the phase is done, and below it what is still awaited. They
//! fit a terminal with 40 columns. It prints nothing else.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::names::names;
use crate::event::{Phase, Progress, ProgressStep};

/// How often a bar is drawn while no step ends. The times keep counting, so a slow node does not look like a hang.
const TICK: Duration = Duration::from_millis(500);

/// How long a step lasts before it is named. Most steps end before that.
const SLOW: Duration = Duration::from_secs(3);

/// The maximum width of the part that is filled.
const MAX_BAR: usize = 30;

/// The bars of the current phases.
pub(super) struct Bars {
    all: MultiProgress,
    shown: Vec<(Phase, PhaseBar)>,
    /// The columns of the terminal; `None` if there are no visible bars.
    width: Option<usize>,
}

/// One bar.
struct PhaseBar {
    bar: ProgressBar,
    awaited: Arc<Mutex<Awaited>>,
}

/// The steps that have begun and not ended: their names, how often each has begun, and when the first did.
#[derive(Default)]
struct Awaited(IndexMap<String, (usize, Instant)>);

impl Bars {
    /// Bars on stderr; hidden ones if stderr is not a terminal.
    pub(super) fn on_stderr() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::hidden();
        }
        let width = usize::from(console::Term::stderr().size().1);
        Self::on(ProgressDrawTarget::stderr(), width)
    }

    /// No bars.
    pub(super) fn hidden() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Self { all, shown: Vec::new(), width: None }
    }

    fn on(target: ProgressDrawTarget, width: usize) -> Self {
        Self { all: MultiProgress::with_draw_target(target), shown: Vec::new(), width: Some(width) }
    }

    /// Whether the user sees bars.
    pub(super) fn are_visible(&self) -> bool {
        self.width.is_some()
    }

    pub(super) fn update(&mut self, progress: &Progress) {
        let Some(width) = self.width else { return };
        let known = self.shown.iter().position(|(phase, _)| *phase == progress.phase);
        let at = known.unwrap_or_else(|| {
            let shown = PhaseBar::new(&self.all, progress, width);
            self.shown.push((progress.phase, shown));
            self.shown.len() - 1
        });
        let PhaseBar { bar, awaited } = &self.shown[at].1;
        let mut awaited = awaited.lock().unwrap_or_else(PoisonError::into_inner);
        match &progress.step {
            ProgressStep::Begun(name) => awaited.begin(name),
            ProgressStep::Ended(name) => {
                awaited.end(name);
                drop(awaited);
                bar.inc(1);
                if bar.position() >= progress.total as u64 {
                    self.shown.remove(at).1.bar.finish_and_clear();
                }
            }
        }
    }

    /// Calls `print` while the bars are hidden, so that its lines and the bars do not overlap.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }

    pub(super) fn clear(&mut self) {
        self.shown.drain(..).for_each(|(_, shown)| shown.bar.finish_and_clear());
    }
}

impl PhaseBar {
    fn new(all: &MultiProgress, progress: &Progress, width: usize) -> Self {
        let name = match progress.phase {
            Phase::Registries => "registries",
            Phase::Vantage => "testing from nodes",
            Phase::Objects => "writing objects",
            Phase::Rollout => "rollout",
            Phase::Observe => "observing nodes",
            Phase::Write => "writing nodes",
        };
        let awaited = Arc::new(Mutex::new(Awaited::default()));
        let shown = Arc::clone(&awaited);
        let waiting = move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
            let awaited = shown.lock().unwrap_or_else(PoisonError::into_inner);
            // A line that cannot be formatted is drawn again after the next tick.
            let _ = text.write_str(&awaited.text(Instant::now(), width));
        };
        // Name, brackets, spaces, both numbers and the elapsed time, such as `12m`.
        let other = name.len() + 2 * progress.total.to_string().len() + 10;
        let columns = width.saturating_sub(other).clamp(1, MAX_BAR);
        let template = format!("{{prefix}} [{{bar:{columns}}}] {{pos}}/{{len}} {{elapsed}}\n{{waiting}}");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = all.add(ProgressBar::new(progress.total as u64));
        bar.set_style(style.with_key("waiting", waiting));
        bar.set_prefix(name);
        bar.enable_steady_tick(TICK);
        Self { bar, awaited }
    }
}

impl Awaited {
    fn begin(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_insert((0, Instant::now())).0 += 1;
    }

    fn end(&mut self, name: &str) {
        if let Some((count, _)) = self.0.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                // The order is the one in which the steps began, so the slowest stays the first.
                self.0.shift_remove(name);
            }
        }
    }

    /// `waiting for node7, node12 (18 s)` in at most `width` columns; empty if nothing is slow.
    fn text(&self, now: Instant, width: usize) -> String {
        let waited = |since: Instant| now.saturating_duration_since(since);
        let slow: Vec<(&str, Duration)> = self
            .0
            .iter()
            .map(|(name, (_, since))| (name.as_str(), waited(*since)))
            .filter(|(_, waited)| *waited >= SLOW)
            .collect();
        let Some(longest) = slow.iter().map(|(_, waited)| *waited).max() else { return String::new() };
        let (start, end) = ("waiting for ", format!(" ({} s)", longest.as_secs()));
        let room = width.saturating_sub(start.len() + end.len());
        format!("{start}{}{end}", names(slow.iter().map(|(name, _)| *name), Some(room)))
    }
}

#[cfg(test)]
mod tests {
    use indicatif::TermLike;

    use super::*;

    /// A terminal with 40 columns that records what is written.
    #[derive(Debug, Clone, Default)]
    struct Narrow(Arc<Mutex<Vec<String>>>);

    impl TermLike for Narrow {
        fn width(&self) -> u16 {
            40
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.0.lock().unwrap().push(text.trim_end().to_owned());
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_fits_40_columns() {
        let terminal = Narrow::default();
        let mut bars = Bars::on(ProgressDrawTarget::term_like(Box::new(terminal.clone())), 40);
        for phase in [Phase::Registries, Phase::Vantage, Phase::Objects, Phase::Observe, Phase::Write] {
            let step = |step| Progress { phase, total: 1000, step };
            bars.update(&step(ProgressStep::Begun("node1".to_owned())));
            bars.update(&step(ProgressStep::Ended("node1".to_owned())));
        }
        // A thread of indicatif draws the bars.
        let deadline = Instant::now() + Duration::from_secs(10);
        let is_drawn =
            |lines: &[String]| lines.iter().any(|line| line.contains("writing nodes") && line.contains("] 1/"));
        while !is_drawn(&terminal.0.lock().unwrap()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let lines = terminal.0.lock().unwrap().clone();
        assert!(lines.iter().any(|line| line.starts_with("testing from nodes [")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("] 1/1000 ")), "{lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 40), "{lines:?}");
    }

    #[test]
    fn slow_steps_are_named_until_they_end() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut awaited = Awaited::default();
        for (name, seconds) in [("node7", 0), ("node12", 2), ("node13", 17)] {
            awaited.0.insert(name.to_owned(), (1, after(seconds)));
        }
        assert_eq!(awaited.text(after(1), 40), "");
        assert_eq!(awaited.text(after(18), 40), "waiting for node7, node12 (18 s)");
        assert_eq!(awaited.text(after(25), 38), "waiting for node7, … (+2) (25 s)");
        awaited.end("node7");
        assert_eq!(awaited.text(after(30), 40), "waiting for node12, node13 (28 s)");
        // Two images of one registry: the name stays until both have ended.
        awaited.begin("node12");
        awaited.end("node12");
        assert_eq!(awaited.0.len(), 2);
    }
}

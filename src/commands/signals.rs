//! Signals: each one cancels the work of a command. The third one ends the process.

use std::sync::mpsc;

use oregano::engine::schedule::{Cancel, Stop};
use oregano::process;
use oregano::report::ExitStatus;

use crate::cli;

/// Installs the signal handlers. From then on, each signal cancels the returned value.
pub(super) fn cancel_on_signal() -> Cancel {
    let cancel = Cancel::default();
    let signaled = cancel.clone();
    on_signal(move || interrupt(&signaled, process::stop));
    cancel
}

/// Handles a signal. The first one lets running steps finish, the second one aborts them. The third one ends the
/// process, because some system calls cannot be aborted, such as reading a file on an unavailable network mount. While
/// the inventory is read, nothing has been contacted, and its programs are ended. A run that has begun may still need a
/// program until the second signal.
fn interrupt(cancel: &Cancel, end_programs: impl FnOnce()) {
    let before = cancel.level();
    // The code that waits for a script must see the signal before the script fails because of it.
    cancel.signal();
    if !cancel.has_begun() || before > Stop::No {
        end_programs();
    }
    if before == Stop::Now {
        leave();
    }
}

/// Calls `handle` at each Ctrl-C, SIGTERM and SIGHUP that arrives after this has returned.
fn on_signal(handle: impl Fn() + Send + 'static) {
    let (ready, listening) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        // This runtime has a separate thread, so that signals are handled even while the engine is blocked in a
        // system call.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            // SIGHUP is included because the run receives it when the connection of its terminal is lost.
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else { return };
            drop(ready);
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                handle();
            }
        });
    });
    // This returns once the thread has dropped its sender, whether or not it could install the handlers.
    let _ = listening.recv();
}

#[allow(clippy::exit, reason = "the run did not stop after two signals, or there is no run")]
fn leave() -> ! {
    // The process may end during a prompt, which has switched off the echo of the terminal.
    cli::input::restore();
    std::process::exit(i32::from(ExitStatus::Interrupted as u8))
}

#[cfg(test)]
mod tests {
    use oregano::engine::schedule::Begin;

    use super::*;

    #[test]
    fn a_signal_is_recorded_before_inventory_scripts_are_ended() {
        let cancel = Cancel::default();
        let mut seen = Vec::new();
        for _ in 0..2 {
            interrupt(&cancel, || seen.push(cancel.level()));
        }
        assert_eq!(seen, [Stop::Gently, Stop::Now]);
        let cancel = Cancel::default();
        assert_eq!(cancel.begin(), Begin::Now);
        interrupt(&cancel, || panic!("the inventory has already been read"));
        assert_eq!(cancel.level(), Stop::Gently);
        let mut ended = false;
        interrupt(&cancel, || ended = true);
        assert!(ended && cancel.level() == Stop::Now);
    }
}

//! Runs work in threads, orders results, and cancels runs. It is independent of the edges: it does not know what the
//! work is, or what is canceled.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::iter::{ParallelBridge, ParallelIterator};
use tokio::sync::{oneshot, watch};

/// Whether and how a run must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It continues.
    No,
    /// The first signal: no new step is started.
    Gently,
    /// The second signal: running steps are aborted.
    Now,
}

/// Whether a run that has read everything may contact something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// It may.
    Now,
    /// A signal has arrived before.
    Never,
}

/// Cancels a run, from any thread. Clones cancel the same run.
#[derive(Debug, Clone)]
pub struct Cancel {
    level: watch::Sender<Stop>,
    /// Whether the run has started work that must finish after the first signal.
    begun: Arc<AtomicBool>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self { level: watch::Sender::new(Stop::No), begun: Arc::default() }
    }
}

impl Cancel {
    /// Marks that everything has been read. Until then nothing was contacted, so a signal ends the program immediately.
    /// Returns whether the run may go on: a signal may have arrived at the same time.
    #[must_use]
    pub fn begin(&self) -> Begin {
        // Either this sees the signal, or `supervise` sees that the run has begun.
        self.begun.store(true, Ordering::SeqCst);
        if self.level() == Stop::No { Begin::Now } else { Begin::Never }
    }

    /// Whether the run has begun to contact anything.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// Handles a signal: the first one sets [`Stop::Gently`], the second one [`Stop::Now`].
    pub fn signal(&self) {
        self.level.send_modify(|level| *level = if *level == Stop::No { Stop::Gently } else { Stop::Now });
    }

    /// The current level.
    pub fn level(&self) -> Stop {
        *self.level.borrow()
    }

    /// Waits until the level is at least `level`.
    pub async fn reached(&self, level: Stop) {
        let mut receiver = self.level.subscribe();
        // The sender exists as long as `self`, so this ends only when the level is reached.
        let _ = receiver.wait_for(|now| *now >= level).await;
    }

    /// Calls `action` once the level is at least `level`, unless the guard is dropped before.
    pub fn call_at(
        &self,
        level: Stop,
        action: impl FnOnce() + Send + 'static,
        runtime: &tokio::runtime::Handle,
    ) -> CallGuard {
        let cancel = self.clone();
        CallGuard(runtime.spawn(async move {
            cancel.reached(level).await;
            action();
        }))
    }
}

/// Ends [`Cancel::call_at`] when it is dropped.
#[derive(Debug)]
pub struct CallGuard(tokio::task::JoinHandle<()>);

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The maximum number of requests to the API server at the same time. It is less than what an API server accepts from one
/// client before it answers with 429.
pub const CLUSTER_REQUESTS: usize = 16;

/// The stack of the thread that does the work of a command, in bytes. The main thread usually has 8 MiB, which deeply
/// nested inventories need.
const STACK: usize = 16 << 20;

/// How the work of a command ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Supervised<T> {
    /// It returned this result.
    Done(T),
    /// A signal arrived while it read its input, so it was abandoned.
    Interrupted,
    /// It panicked, or its thread could not be started.
    Panicked,
}

/// Does the work of a command in a thread. Until [`Cancel::begin`] the work only reads, which may block without a time
/// limit, so the first signal abandons it; it then ends together with this process.
pub fn supervise<T: Send + 'static>(cancel: &Cancel, work: impl FnOnce() -> T + Send + 'static) -> Supervised<T> {
    let (done, mut result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("work".to_owned()).stack_size(STACK);
    let started = thread.spawn(move || drop(done.send(work())));
    let (Ok(_), Ok(runtime)) = (started, tokio::runtime::Builder::new_current_thread().build()) else {
        return Supervised::Panicked;
    };
    runtime.block_on(async {
        tokio::select! {
            biased;
            // The sender is dropped without a result if the thread has panicked.
            result = &mut result => return result.map_or(Supervised::Panicked, Supervised::Done),
            () = cancel.reached(Stop::Gently) => {}
        }
        // Work that has begun sees the signal itself.
        if cancel.has_begun() {
            result.await.map_or(Supervised::Panicked, Supervised::Done)
        } else {
            Supervised::Interrupted
        }
    })
}

/// The threads for SSH: `forks` of them. They are not in rayon's global pool, because they mostly wait.
///
/// # Errors
/// If the system refuses the threads.
pub fn pool(forks: usize) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(forks)
        .stack_size(1 << 20)
        .thread_name(|at| format!("node-{at}"))
        .build()
}

/// Does `work` for each item, in parallel; the result is `None` if it panics. `done` is called with every result in the
/// order of the items, as soon as the results of all items before it are there.
pub fn each<T: Send, R: Send>(
    pool: &rayon::ThreadPool,
    items: Vec<T>,
    work: impl Fn(T) -> R + Sync,
    done: impl FnMut(Option<R>) + Send,
) {
    let order = Mutex::new(InOrder { next: 0, early: BTreeMap::new(), done });
    pool.install(|| {
        items.into_iter().enumerate().par_bridge().for_each(|(at, item)| {
            let result = catch_unwind(AssertUnwindSafe(|| work(item))).ok();
            order.lock().unwrap_or_else(PoisonError::into_inner).put(at, result);
        });
    });
}

/// Results that are held back until the results of all earlier items are known.
struct InOrder<R, F> {
    next: usize,
    early: BTreeMap<usize, Option<R>>,
    done: F,
}

impl<R, F: FnMut(Option<R>)> InOrder<R, F> {
    fn put(&mut self, at: usize, result: Option<R>) {
        self.early.insert(at, result);
        while let Some(result) = self.early.remove(&self.next) {
            self.next += 1;
            (self.done)(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let pool = pool(8).unwrap();
        let mut seen = Vec::new();
        each(
            &pool,
            (0..100u64).collect(),
            |item| {
                std::thread::sleep(std::time::Duration::from_millis(item % 7));
                item
            },
            |result| seen.push(result),
        );
        assert_eq!(seen, (0..100).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_is_the_result_of_its_own_item() {
        let mut seen = Vec::new();
        each(&pool(2).unwrap(), vec![1, 2, 3], |item| assert!(item != 2), |result| seen.push(result.is_some()));
        assert_eq!(seen, [true, false, true]);
    }

    #[test]
    fn work_that_only_reads_is_abandoned_at_the_first_signal() {
        let (cancel, (release, blocked)) = (Cancel::default(), std::sync::mpsc::channel::<()>());
        let signaled = cancel.clone();
        let ended = supervise(&cancel, move || {
            signaled.signal();
            blocked.recv()
        });
        assert_eq!(ended, Supervised::Interrupted);
        drop(release);
    }

    #[test]
    fn work_that_has_begun_is_waited_for() {
        let cancel = Cancel::default();
        let signaled = cancel.clone();
        let ended = supervise(&cancel, move || {
            let begin = signaled.begin();
            signaled.signal();
            (begin, signaled.begin())
        });
        assert_eq!(ended, Supervised::Done((Begin::Now, Begin::Never)));
    }

    #[test]
    fn work_that_panics_is_reported() {
        assert_eq!(supervise(&Cancel::default(), || panic!("not shown")), Supervised::<()>::Panicked);
    }

    #[test]
    fn each_signal_raises_the_level() {
        let cancel = Cancel::default();
        let mut levels = vec![cancel.level()];
        for _ in 0..3 {
            cancel.signal();
            levels.push(cancel.level());
        }
        assert_eq!(levels, [Stop::No, Stop::Gently, Stop::Now, Stop::Now]);
    }
}

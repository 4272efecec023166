//! Follows the rollout of the global pull secret to its end. The machine config operator does the work; a run observes it
//! until every node has the file, or nothing has advanced for some time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{self, Cluster};
use crate::desired::Waits;
use crate::engine::Engine;
use crate::engine::schedule::Stop;
use crate::event::{Event, Phase, PoolRow, Progress, StepRow};
use crate::facts::{ObjectFact, Observed, RolloutFact};
use crate::failure::Failure;
use crate::plan::rollout::{self, PoolRollout, Reached, Rollout};
use crate::plan::{self, Action, Expansion, Gate, Step, Target, Wanted};
use crate::report::Journal;
use crate::secret::SecretBytes;

/// The least pause between two observations.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest pause, also after an observation that ended with the time limit.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An observation of a large cluster takes long, and must not keep the API server busy: the pause is at least this
/// multiple of its duration.
const PAUSE_FACTOR: u32 = 10;

/// What is needed to follow a rollout.
pub(super) struct PoolWork<'a> {
    engine: &'a Engine,
    wanted: Option<&'a Wanted<'a>>,
    /// How long to wait while nothing advances.
    timeout: Duration,
}

/// How following a rollout has ended.
struct Ended {
    /// The last state that was observed.
    last: Option<Rollout>,
    /// Why nothing waits any longer for the pools that are not done.
    reason: String,
}

impl<'a> PoolWork<'a> {
    pub(super) fn new(engine: &'a Engine, expansion: &'a Expansion<'a>, timeout: Duration) -> Self {
        let wanted = expansion.wanted.iter().find(|wanted| matches!(wanted, Wanted::GlobalPullSecret(_)));
        Self { engine, wanted, timeout }
    }

    /// Waits until every pool is done. Returns whether the stages after it may be carried out.
    pub(super) fn stage(&self, gate: Gate, steps: &[Step], journal: &Journal) -> Gate {
        let is_pending = steps.iter().any(|step| step.action == Action::Update);
        if gate == Gate::Closed || self.engine.cancel.level() > Stop::No || !is_pending {
            steps.iter().for_each(|step| journal.record(Event::Step(StepRow::not_done(step))));
            return gate;
        }
        let ended = self.engine.runtime.block_on(self.follow(journal));
        let rows = rows(steps, ended);
        let failed = rows.iter().any(|row| row.failure.is_some());
        rows.into_iter().for_each(|row| journal.record(Event::Step(row)));
        if failed { Gate::Closed } else { Gate::Open }
    }

    async fn follow(&self, journal: &Journal) -> Result<Ended, Failure> {
        let (Some(wanted), Some(connection)) = (self.wanted, &self.engine.cluster) else {
            return Err(Failure::internal("there is no global pull secret to follow"));
        };
        let mut watch = Watch::new(journal);
        let cluster = connection.cluster().await?;
        loop {
            let begin = Instant::now();
            let observed = tokio::select! {
                observed = self.observe(cluster, wanted, watch.facts.as_ref()) => observed,
                () = self.engine.cancel.reached(Stop::Gently) => return Ok(watch.ended(interrupted())),
            };
            match observed {
                Ok((facts, rollout)) => watch.add(facts, rollout),
                Err(Unobserved::Overwritten(failure)) => return Err(failure),
                // The rollout also updates the nodes of the API server, which then does not respond for some time.
                Err(Unobserved::Failed(failure)) => watch.failure = Some(failure),
            }
            if let Some(last) = &watch.last {
                if last.is_done() && watch.failure.is_none() {
                    return Ok(watch.ended(String::new()));
                }
                if last.is_stuck() {
                    return Ok(watch.ended("nothing waits for it, because it does not advance by itself".to_owned()));
                }
            }
            let idle = watch.advanced.elapsed();
            if idle >= self.timeout {
                let reason = format!("nothing has advanced for {}", Waits::text(self.timeout));
                return match (watch.failure.take(), &watch.last) {
                    (Some(failure), None) => Err(failure),
                    (Some(failure), Some(_)) => {
                        Ok(watch.ended(format!("{reason}, and the last observation failed: {}", failure.message)))
                    }
                    (None, _) => Ok(watch.ended(reason)),
                };
            }
            let pause = (begin.elapsed() * PAUSE_FACTOR).clamp(PAUSE, LONGEST_PAUSE);
            let pause = pause.min(self.timeout.saturating_sub(idle));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.engine.cancel.reached(Stop::Gently) => return Ok(watch.ended(interrupted())),
            }
        }
    }

    /// The current state. The secret is read again, too: another client may have changed it.
    async fn observe(
        &self,
        cluster: &Cluster,
        wanted: &Wanted<'_>,
        earlier: Option<&RolloutFact>,
    ) -> Result<(RolloutFact, Rollout), Unobserved> {
        let name = wanted.name();
        let found = cluster.observe(name).await.map_err(Unobserved::Failed)?;
        let planned = plan::object(wanted, Some(&found), &self.engine.plan);
        if planned.is_none_or(|planned| planned.step.action != Action::Unchanged) {
            return Err(Unobserved::Overwritten(cluster::overwritten(name)));
        }
        let Some(content) = content(&found) else {
            return Err(Unobserved::Overwritten(cluster::overwritten(name)));
        };
        let facts = cluster.observe_rollout(earlier).await;
        let rollout = rollout::rollout(content, &facts);
        rollout.map(|rollout| (facts, rollout)).map_err(Unobserved::Failed)
    }
}

/// Why there is no new state.
enum Unobserved {
    /// Something could not be read.
    Failed(Failure),
    /// The secret no longer has the declared content.
    Overwritten(Failure),
}

/// What was observed so far, and when it last advanced.
struct Watch<'a> {
    journal: &'a Journal,
    facts: Option<RolloutFact>,
    last: Option<Rollout>,
    reached: Reached,
    advanced: Instant,
    /// Why the last observation failed.
    failure: Option<Failure>,
    rows: HashMap<String, PoolRow>,
    /// The nodes that were behind at the beginning and still are, and how many there were.
    awaited: Option<(HashSet<String>, usize)>,
}

impl<'a> Watch<'a> {
    fn new(journal: &'a Journal) -> Self {
        Self {
            journal,
            facts: None,
            last: None,
            reached: Reached::default(),
            advanced: Instant::now(),
            failure: None,
            rows: HashMap::new(),
            awaited: None,
        }
    }

    fn add(&mut self, facts: RolloutFact, now: Rollout) {
        self.failure = None;
        self.facts = Some(facts);
        if self.reached.advance(&now) {
            self.advanced = Instant::now();
        }
        self.report(&now);
        self.last = Some(now);
    }

    /// Reports what has changed.
    fn report(&mut self, now: &Rollout) {
        let behind: HashSet<String> =
            now.pools.iter().flat_map(PoolRollout::behind).map(|node| node.name.clone()).collect();
        match &mut self.awaited {
            None => {
                let total = behind.len();
                behind.iter().for_each(|node| self.journal.record(Progress::begun(Phase::Rollout, total, node)));
                self.awaited = Some((behind, total));
            }
            Some((awaited, total)) => awaited.retain(|node| {
                let is_behind = behind.contains(node);
                if !is_behind {
                    self.journal.record(Progress::ended(Phase::Rollout, *total, node));
                }
                is_behind
            }),
        }
        for pool in &now.pools {
            let row = PoolRow::new(pool);
            let known = self.rows.insert(pool.name.clone(), row.clone());
            // A pool that is done from the beginning is of no interest.
            let is_new = known.as_ref().map_or(!pool.is_done(), |known| *known != row);
            if is_new {
                self.journal.record(Event::Pool(row));
            }
        }
    }

    fn ended(self, reason: String) -> Ended {
        Ended { last: self.last, reason }
    }
}

fn interrupted() -> String {
    "the run was interrupted; the operator continues by itself".to_owned()
}

fn content(found: &Observed<ObjectFact>) -> Option<&SecretBytes> {
    found.secret().present().and_then(|secret| secret.content.as_ref())
}

/// The rows of the pools: those of the plan in their order, then pools that were created later.
fn rows(steps: &[Step], ended: Result<Ended, Failure>) -> Vec<StepRow> {
    let (last, reason) = match ended {
        Ok(Ended { last: Some(last), reason }) => (last, reason),
        Ok(Ended { last: None, reason }) => return all_failed(steps, &Failure::new(reason)),
        Err(failure) => return all_failed(steps, &failure),
    };
    let planned = steps.iter().filter_map(|step| {
        let Target::Object(name) = &step.target else { return None };
        // A pool that was deleted has no nodes.
        let Some(pool) = last.pools.iter().find(|pool| pool.name == name.name) else {
            return Some(StepRow::done(step));
        };
        Some(row(step, pool, &reason))
    });
    let is_planned = |pool: &&PoolRollout| {
        steps.iter().any(|step| matches!(&step.target, Target::Object(name) if name.name == pool.name))
    };
    let new = last.pools.iter().filter(|pool| !is_planned(pool));
    let new = new.map(|pool| row(&rollout::pool_step(pool), pool, &reason));
    planned.chain(new).collect()
}

fn row(step: &Step, pool: &PoolRollout, reason: &str) -> StepRow {
    let step = Step { notes: if pool.is_done() { pool.notes() } else { Vec::new() }, ..step.clone() };
    match rollout::ended(pool, reason) {
        Some(failure) => StepRow::failed(&step, failure),
        None => StepRow::done(&step),
    }
}

/// The rows if the state of the rollout is not known.
fn all_failed(steps: &[Step], failure: &Failure) -> Vec<StepRow> {
    let row = |step: &Step| match step.action {
        Action::Update => StepRow::failed(step, failure.clone()),
        _ => StepRow::done(step),
    };
    steps.iter().map(row).collect()
}

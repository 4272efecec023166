//! Proves that image imports of OpenShift can use the pull secrets: the importer of the cluster reads each test image, with
//! its own choice of credential and over its own network. Nothing is stored.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};

use crate::cluster::{ImportReport, ImportResult};
use crate::desired::TlsPolicy;
use crate::engine::Engine;
use crate::engine::schedule::{CLUSTER_REQUESTS, Stop};
use crate::engine::trace;
use crate::event::{Event, StepRow};
use crate::facts::ClusterFact;
use crate::failure::Failure;
use crate::plan::{self, Expansion, Gate, ImportCheck, ImportImage, ImportRegistries, ImportTime};
use crate::report::Journal;

/// What to do about an import that is not proved.
const KEEP_OLD: &str = "keep the old credential valid, because image streams of this namespace do not work with the new \
                        one; fix the cause, then run again";

/// The same for secrets that this run does not write.
const FIX: &str = "fix the cause; `oregano plan` shows what differs from the inventory";

/// What image imports need to be explained.
pub(super) struct ImportWork<'a> {
    pub(super) time: ImportTime,
    pub(super) engine: &'a Engine,
    pub(super) registries: ImportRegistries<'a>,
    pub(super) expansion: &'a Expansion<'a>,
    pub(super) facts: &'a ClusterFact,
}

impl ImportWork<'_> {
    /// Proves the images of each namespace by one request, several at the same time. If the gate is closed, the secrets are
    /// not all written, so nothing is proved.
    pub(super) fn stage(&self, gate: Gate, checks: &[ImportCheck], journal: &Journal) {
        let rows = stream::iter(checks).map(async |check| {
            let skip = gate == Gate::Closed || self.engine.cancel.level() > Stop::No;
            if skip {
                return check.images.iter().map(|image| StepRow::not_done(&check.step(image))).collect();
            }
            let begin = Instant::now();
            let rows = self.prove(check).await;
            trace::task(&check.namespace, "http: images were imported without storing them", begin, journal);
            rows
        });
        self.engine.runtime.block_on(async {
            let mut rows = std::pin::pin!(rows.buffered(CLUSTER_REQUESTS));
            while let Some(rows) = rows.next().await {
                rows.into_iter().for_each(|row: StepRow| journal.record(Event::Step(row)));
            }
        });
    }

    async fn prove(&self, check: &ImportCheck) -> Vec<StepRow> {
        let report = tokio::select! {
            report = self.request(check) => report,
            () = self.engine.cancel.reached(Stop::Gently) => {
                return check.images.iter().map(|image| StepRow::not_done(&check.step(image))).collect();
            }
        };
        let steps = check.images.iter().map(|image| (image, check.step(image)));
        match report {
            Ok(ImportReport::Results(results)) => {
                let row = |((image, step), result)| match result {
                    ImportResult::Imported => match self.other_secret(check, image) {
                        Some(failure) => StepRow::failed(&step, failure),
                        None => StepRow::done(&step),
                    },
                    ImportResult::Failed(message) => StepRow::failed(&step, self.failure(check, image, &message)),
                };
                steps.zip(results).map(row).collect()
            }
            // It is the only thing that `validate` must do.
            Ok(ImportReport::Denied(failure)) if self.time == ImportTime::Now => {
                steps.map(|(_, step)| StepRow::failed(&step, failure.clone())).collect()
            }
            Ok(ImportReport::Denied(failure)) => {
                let note = format!("whether it works is not known: {}", failure.hint.unwrap_or(failure.message));
                let row = |(_, step): (&ImportImage, plan::Step)| {
                    StepRow::not_done(&plan::Step { notes: vec![note.clone()], ..step })
                };
                steps.map(row).collect()
            }
            Err(failure) => {
                let failure = failure.further_hint(self.hint());
                steps.map(|(_, step)| StepRow::failed(&step, failure.clone())).collect()
            }
        }
    }

    async fn request(&self, check: &ImportCheck) -> Result<ImportReport, Failure> {
        let Some(connection) = &self.engine.cluster else {
            return Err(Failure::internal("there is no connection to the cluster"));
        };
        let images: Vec<(&str, TlsPolicy)> =
            check.images.iter().map(|image| (image.name.as_str(), image.tls)).collect();
        connection.cluster().await?.import(&check.namespace, &images).await
    }

    /// The failure of an import, with what is known about the secrets of the namespace.
    fn failure(&self, check: &ImportCheck, image: &ImportImage, message: &str) -> Failure {
        let ImportCheck { namespace, .. } = check;
        let failure = Failure::new(format!("image `{}` cannot be imported in namespace `{namespace}`", image.name));
        let obstacles = self.obstacles(namespace, image).into_iter();
        obstacles.fold(failure.cause(message), Failure::cause).hint(self.hint())
    }

    /// The failure of an import that works, perhaps with another secret than the declared one. After a run has written the
    /// declared secrets, such a secret is a note of the plan.
    fn other_secret(&self, check: &ImportCheck, image: &ImportImage) -> Option<Failure> {
        let ImportCheck { namespace, .. } = check;
        if self.time == ImportTime::AfterRun {
            return None;
        }
        let failure = Failure::new(format!(
            "image `{}` can be imported in namespace `{namespace}`, but it is not proved that this uses the declared \
             credential",
            image.name
        ));
        let obstacles = self.obstacles(namespace, image);
        (!obstacles.is_empty()).then(|| obstacles.into_iter().fold(failure, Failure::cause).hint(self.hint()))
    }

    fn obstacles(&self, namespace: &str, image: &ImportImage) -> Vec<String> {
        let request = (self.time, &self.engine.plan);
        plan::import_obstacles(&self.registries, (namespace, &image.name), self.expansion, self.facts, request)
    }

    fn hint(&self) -> &'static str {
        match self.time {
            ImportTime::AfterRun => KEEP_OLD,
            ImportTime::Now => FIX,
        }
    }
}

#[cfg(test)]
mod tests;

use crate::{
    Answer, CoordinatorError, Counts, Course, Ended, Event, Frozen, Phase, Report, Step, Wanted,
    lookup::{Found, look_up},
    manifest::keep_manifest,
    survey,
};
use jobs::{JobId, Outcome};
use queue::JobPublisher;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::Store;
use tokio::sync::Notify;

/// The document of a sweep that holds its [`Outcome`].
pub const OUTCOME: &str = "outcome.json";

/// The shell around a [`Course`]: publishes what it wants and follows the store.
///
/// It decides nothing and keeps nothing: what is done is in the store. Two coordinators of one sweep do no harm; a job
/// that both publish is computed once, as far as workers look before they compute, and stored once in any case.
#[derive(Debug, Clone)]
pub struct Coordinator {
    /// Where jobs go.
    pub publisher: Arc<dyn JobPublisher>,
    /// Where results come from.
    pub store: Store,
    /// Workers in this process call `notify_one` when they have stored a result or failure, so that nobody waits for
    /// the next look.
    pub hint: Arc<Notify>,
    /// How it goes about it.
    pub settings: Settings,
}

/// How a coordinator goes about a sweep.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most jobs published and not answered. A few per worker keep all of them busy; at least 1.
    pub window: usize,
    /// How often the store is looked at without a hint.
    pub poll: Duration,
    /// Publish again what failed for good before, instead of counting it as failed.
    pub retry_failed: bool,
    /// Versions of the programs involved, for the manifest.
    pub versions: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: 64, poll: Duration::from_secs(2), retry_failed: false, versions: BTreeMap::new() }
    }
}

impl Coordinator {
    /// Runs the sweep to its end, or until `stop` resolves; tells `on_event` what happens.
    ///
    /// Cancel safe, as far as anything is lost: started again, it goes on.
    ///
    /// # Errors
    /// Another sweep of the same name in the store, a metric that cannot be computed, a queue or store out of reach,
    /// a stored result that is corrupt. Failed jobs are no error: they are counted.
    pub async fn run(
        &self,
        frozen: Frozen,
        on_event: &mut (dyn FnMut(Event) + Send),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Report, CoordinatorError> {
        let mut drive = Drive {
            coordinator: self,
            course: Course::new(frozen.clone())?,
            outstanding: BTreeMap::new(),
            counts: Counts::default(),
            phase: None,
            on_event,
        };
        let ended = tokio::select! {
            biased;
            () = stop => Ended::Interrupted,
            outcome = drive.drive(&frozen) => Ended::Finished(Box::new(outcome?)),
        };
        Ok(Report { ended, counts: drive.counts })
    }
}

struct Drive<'a> {
    coordinator: &'a Coordinator,
    course: Course,
    /// Published and not answered, with their labels.
    outstanding: BTreeMap<JobId, String>,
    counts: Counts,
    phase: Option<Phase>,
    on_event: &'a mut (dyn FnMut(Event) + Send),
}

impl Drive<'_> {
    async fn drive(&mut self, frozen: &Frozen) -> Result<Outcome, CoordinatorError> {
        let Coordinator { store, settings, .. } = self.coordinator;
        keep_manifest(store, frozen, &settings.versions).await?;
        let plan = survey(frozen, store, settings.retry_failed).await?;
        (self.on_event)(Event::Plan { bound: plan.bound, stored: plan.stored });
        loop {
            let room = settings.window.max(1).saturating_sub(self.outstanding.len());
            // Asking for nothing would look like having nothing to do.
            let step = if room == 0 { Step::Wait } else { self.course.next(room)? };
            match step {
                Step::Run(wanted) => self.start(wanted).await?,
                Step::Wait => self.follow().await?,
                Step::Finished(outcome) => {
                    store.put_document(&outcome.sweep, OUTCOME, &outcome).await?;
                    return Ok(*outcome);
                }
            }
        }
    }

    /// Publishes what has no answer in the store.
    async fn start(&mut self, wanted: Vec<Wanted>) -> Result<(), CoordinatorError> {
        let ids: Vec<JobId> = wanted.iter().map(|wanted| wanted.id).collect();
        let found = look_up(&self.coordinator.store, &ids).await?;
        for (wanted, found) in wanted.into_iter().zip(found) {
            match found {
                Found::Failed(_) if self.coordinator.settings.retry_failed => {
                    self.coordinator.store.clear_failures(&wanted.id).await?;
                    self.publish(wanted).await?;
                }
                Found::Nothing => self.publish(wanted).await?,
                answer => self.answer(wanted.id, wanted.label, answer, true)?,
            }
        }
        Ok(())
    }

    async fn publish(&mut self, Wanted { id, job, phase, label }: Wanted) -> Result<(), CoordinatorError> {
        if self.phase.is_none_or(|current| current < phase) {
            self.phase = Some(phase);
            (self.on_event)(Event::Phase(phase));
        }
        self.coordinator.publisher.publish(&job).await?;
        tracing::debug!(job = %id, label, "published a job");
        (self.on_event)(Event::Published { job: id, label: label.clone() });
        self.outstanding.insert(id, label);
        Ok(())
    }

    /// Waits until something may have changed, and takes in what has. Only jobs waited for are looked up.
    async fn follow(&mut self) -> Result<(), CoordinatorError> {
        let Coordinator { store, hint, settings, .. } = self.coordinator;
        tokio::select! {
            () = hint.notified() => {}
            () = tokio::time::sleep(settings.poll) => {}
        }
        let ids: Vec<JobId> = self.outstanding.keys().copied().collect();
        for (id, found) in ids.iter().zip(look_up(store, &ids).await?) {
            if !matches!(found, Found::Nothing) {
                let label = self.outstanding.remove(id).unwrap_or_default();
                self.answer(*id, label, found, false)?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, job: JobId, label: String, found: Found, is_reused: bool) -> Result<(), CoordinatorError> {
        match found {
            Found::Nothing => {}
            Found::Failed(errors) => {
                self.course.record(job, Answer::Failed(&errors))?;
                self.counts.failed += 1;
                (self.on_event)(Event::Failed { job, label, errors, is_reused });
            }
            Found::Result(result) => {
                let recorded = self.course.record(job, Answer::Result(&result))?;
                let count = if is_reused { &mut self.counts.reused } else { &mut self.counts.run };
                *count += 1;
                let (value, timings) = (recorded.value, result.timings);
                (self.on_event)(Event::Finished { job, label, value, timings, is_reused });
                if let (Some((search, spec)), Some(value)) = (recorded.best_of, value) {
                    (self.on_event)(Event::Best { search, spec: Box::new(spec), value });
                }
            }
        }
        Ok(())
    }
}

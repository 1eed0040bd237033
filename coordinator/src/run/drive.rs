mod repair;

use super::{
    Coordinator, Settings,
    brake::{Brake, Stopped},
    fleet::Fleet,
    hearing::Hearing,
    lost::Outstanding,
    tally::Tally,
};
use crate::{
    Answer, CoordinatorError, Counts, Course, Ended, Event, Frozen, Phase, Resume, Step, Wanted,
    clock::now_ms,
    compaction::Compaction,
    lookup::{Failed, Found, Presence, Sought, look_up, look_up_many},
    survey::FailedBefore,
};
use futures_util::{FutureExt, StreamExt, stream};
use jobs::{Blame, Cancellation, ExampleCounts, JobId, WorkerStatus};
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tracing::{Instrument, info_span};

/// Jobs on their way to the queue at the same time.
const PIPELINE: usize = 256;

/// Jobs that are kept ready for each worker that is seen.
const PER_WORKER: usize = 4;

/// The longest that a run takes to say that it has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// A worker that has not told of itself for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// One run of a sweep.
pub(super) struct Drive<'a> {
    pub(super) coordinator: &'a Coordinator,
    pub(super) frozen: Frozen,
    pub(super) course: Course,
    presence: Presence,
    pub(super) outstanding: Outstanding,
    pub(super) tally: Tally,
    brake: Brake,
    /// The searches have been ended where they were.
    pub(super) ends_early: bool,
    started: Instant,
    pub(super) compaction: Compaction,
    window: usize,
    polls: Interval,
    ticks: Interval,
    cancellation: Option<Cancellation>,
    hearing: Hearing,
    fleet: Fleet,
    failed_before: Vec<Event>,
    /// What the results say of the sizes of their data.
    examples: ExampleCounts,
    /// How often the sweep was read again.
    readings: u32,
    /// Jobs whose corrupt result was set aside: once is enough.
    repaired: HashSet<JobId>,
    on_event: &'a mut (dyn FnMut(Event) + Send),
}

impl<'a> Drive<'a> {
    pub(super) fn begin(
        coordinator: &'a Coordinator,
        frozen: Frozen,
        resume: Resume,
        on_event: &'a mut (dyn FnMut(Event) + Send),
    ) -> Result<Self, CoordinatorError> {
        let Resume { survey, revised, memory, presence, uncompacted, failed, examples, corrupt, .. } = resume;
        let frozen = frozen.at_revision(revised.number);
        let counts = Counts { run: 0, reused: survey.stored, failed: survey.failed };
        let Settings { window, poll, tick, .. } = coordinator.settings;
        let mut brake = Brake::new(&frozen, coordinator.settings.brake);
        // A stored result that is corrupt says nothing of what its job would come to.
        let truly_failed = failed.iter().filter(|failed| !corrupt.contains(&failed.job));
        truly_failed.for_each(|failed| brake.failed(failed.job, &failed.errors, true));
        let told = failed.into_iter();
        let mut tally = Tally::new(survey.bound, counts, frozen.sweep().objective.clone());
        tally.pool.clone_from(&coordinator.settings.pool);
        let mut course = Course::remembering(frozen.clone(), memory)?;
        if coordinator.settings.writes {
            course = course.writing();
        }
        if coordinator.settings.finish {
            course.end_early();
        }
        Ok(Self {
            coordinator,
            course,
            ends_early: coordinator.settings.finish,
            presence,
            outstanding: Outstanding::default(),
            tally,
            brake,
            started: Instant::now(),
            compaction: Compaction::new(coordinator.store.clone(), frozen.sweep().name.clone(), uncompacted),
            window: window.max(1),
            // Of what was just published nothing is stored.
            polls: every(poll, poll),
            ticks: every(tick, Duration::ZERO),
            cancellation: None,
            hearing: Hearing::default(),
            fleet: Fleet::new(coordinator.settings.pool.clone()),
            failed_before: told.map(failed_before).collect(),
            examples,
            readings: 0,
            repaired: HashSet::new(),
            frozen,
            on_event,
        })
    }

    pub(super) fn counts(&self) -> Counts {
        self.tally.counts
    }

    /// Goes on until the sweep is over, too much has failed, or it is cancelled.
    pub(super) async fn drive(&mut self) -> Result<Ended, CoordinatorError> {
        self.open().await?;
        loop {
            if let Some(ended) = self.early_end() {
                return Ok(ended);
            }
            let room = self.window.saturating_sub(self.outstanding.len());
            // Asking for nothing would look like having nothing to do.
            let step = if room == 0 { Step::Wait } else { self.course.next(room)? };
            match step {
                // Which recipe is the winner is not known while results contradict each other.
                Step::Run(wanted) if is_at_end(&wanted) && !self.examples.agree() => self.read_again().await?,
                Step::Run(wanted) => self.start(wanted).await?,
                Step::Wait => self.follow().await?,
                Step::Finished(_) if !self.examples.agree() => self.read_again().await?,
                Step::Finished(outcome) => return self.finish(outcome).await,
            }
        }
    }

    async fn open(&mut self) -> Result<(), CoordinatorError> {
        if self.coordinator.settings.is_kept {
            self.open_sweep().await?;
        }
        self.enter_pool().await?;
        // Whoever listens from now on misses nothing of what is published afterwards.
        let _nothing_yet = self.coordinator.publisher.settled().now_or_never();
        // What an earlier run said last is not the last word any more.
        self.store_progress(None).await;
        self.forget_workers().await;
        let Counts { reused, .. } = self.tally.counts;
        self.tell(Event::Plan { bound: self.course.bound(), stored: reused });
        self.tell_weak();
        for event in std::mem::take(&mut self.failed_before) {
            self.tell(event);
        }
        Ok(())
    }

    /// Removes the signs of workers that died long ago, so that nobody reads them for ever.
    async fn forget_workers(&mut self) {
        let store = &self.coordinator.store;
        let workers = store.dated_workers::<WorkerStatus>().await.unwrap_or_default();
        for (name, status) in workers {
            if status.is_ok_and(|dated| dated.age(dated.content.beat_ms, now_ms()) > FORGOTTEN_AFTER)
                && let Err(error) = store.remove_worker(&name).await
            {
                tracing::debug!(%error, "cannot forget a worker");
            }
        }
    }

    fn early_end(&self) -> Option<Ended> {
        let failed = self.tally.counts.failed;
        match (&self.cancellation, self.coordinator.settings.max_failures) {
            (Some(_), _) => Some(Ended::Cancelled),
            (None, Some(limit)) if failed > limit => Some(Ended::TooManyFailures { failed, limit }),
            _ => self.stopped().map(Ended::Stopped),
        }
    }

    /// Why the run stops by itself, if it does.
    fn stopped(&self) -> Option<Stopped> {
        let Settings { max_time, max_device_time, .. } = self.coordinator.settings;
        let is_late = max_time.filter(|limit| self.started.elapsed() >= *limit).map(Stopped::Time);
        let is_dear = max_device_time.filter(|limit| self.tally.device_time() >= *limit).map(Stopped::DeviceTime);
        self.brake.reason().cloned().or(is_late).or(is_dear)
    }

    /// Publishes what has no answer in the store.
    async fn start(&mut self, wanted: Vec<Wanted>) -> Result<(), CoordinatorError> {
        let store = &self.coordinator.store;
        let sought: Vec<Sought> = wanted.iter().map(Wanted::sought).collect();
        let found = self.presence.look_up(store, &sought).await?;
        let mut absent = Vec::with_capacity(wanted.len());
        for (wanted, found) in wanted.into_iter().zip(found) {
            match self.repaired(wanted.sought(), found).await? {
                Found::Failed(failed) if self.coordinator.settings.retry.covers(&failed) => {
                    store.clear_failures(&wanted.id).await?;
                    absent.push(wanted);
                }
                Found::Nothing => absent.push(wanted),
                answer => self.answer(wanted.id, wanted.label, answer, true)?,
            }
        }
        self.publish(absent).await
    }

    /// Hands jobs to the queue, many at a time and in their order.
    async fn publish(&mut self, wanted: Vec<Wanted>) -> Result<(), CoordinatorError> {
        let (publisher, sweep) = (&self.coordinator.publisher, self.frozen.sweep().name.clone());
        let publish = |wanted: Wanted| {
            let sweep = sweep.clone();
            // A trace for each job: one over a whole sweep would be too large to look at.
            let span = info_span!(parent: None, "publish", sweep, job = %wanted.id.short(), label = wanted.label);
            async move { publisher.publish(&wanted.job, &sweep).await.map(|()| wanted) }.instrument(span)
        };
        let mut published = stream::iter(wanted.into_iter().map(publish)).buffered(PIPELINE);
        while let Some(wanted) = published.next().await {
            let wanted = wanted?;
            if self.tally.phase.is_none_or(|current| current < wanted.phase) {
                self.tally.phase = Some(wanted.phase);
                tell(&mut self.tally, self.on_event, Event::Phase(wanted.phase));
            }
            tracing::debug!(job = %wanted.id, label = wanted.label, "published a job");
            let event = Event::Published { job: wanted.id, label: wanted.label.clone() };
            tell(&mut self.tally, self.on_event, event);
            self.outstanding.insert(wanted);
        }
        Ok(())
    }

    /// Waits until something may have changed, and takes in what has.
    async fn follow(&mut self) -> Result<(), CoordinatorError> {
        tokio::select! {
            settled = self.coordinator.publisher.settled() => {
                // Others' jobs are settled too.
                let ours: BTreeSet<JobId> = settled.into_iter().collect();
                let ours: Vec<Sought> = ours.iter().filter_map(|id| self.outstanding.sought_of(id)).collect();
                let found = look_up(&self.coordinator.store, &ours).await?;
                self.take_in(ours, found)
            }
            _ = self.polls.tick() => {
                if self.outstanding.len() > 0 {
                    let all = self.outstanding.sought();
                    let found = look_up_many(&self.coordinator.store, &all).await?;
                    self.take_in(all, found)?;
                }
                self.publish_lost().await
            }
            _ = self.ticks.tick() => self.tick().await,
        }
    }

    fn take_in(&mut self, sought: Vec<Sought>, found: Vec<Found>) -> Result<(), CoordinatorError> {
        for (Sought { id, .. }, found) in sought.into_iter().zip(found) {
            if !matches!(found, Found::Nothing) {
                let label = self.outstanding.remove(&id);
                self.answer(id, label, found, false)?;
            }
        }
        Ok(())
    }

    /// Publishes again what got lost on the way.
    async fn publish_lost(&mut self) -> Result<(), CoordinatorError> {
        let Coordinator { publisher, store, settings } = self.coordinator;
        if self.outstanding.len() == 0 {
            return Ok(());
        }
        let queue_is_empty = match publisher.waiting().await {
            Ok(waiting) => waiting == Some(0),
            Err(error) => {
                tracing::warn!(%error, "cannot tell how many jobs wait in the queue");
                return Ok(());
            }
        };
        if !queue_is_empty {
            self.outstanding.may_wait();
        }
        let workers = self.hearing.alive(store.dated_workers().await?);
        let lost = self.outstanding.lost(&workers, queue_is_empty, settings.lost_after);
        for Wanted { job, id, label, .. } in lost {
            tracing::warn!(job = %id.short(), label, "neither the queue nor a worker has the job; publishing it again");
            publisher.publish(&job, &self.frozen.sweep().name).await?;
        }
        Ok(())
    }

    /// Tells of the run, and hears whether it is still wanted.
    async fn tick(&mut self) -> Result<(), CoordinatorError> {
        let Coordinator { store, settings, .. } = self.coordinator;
        if settings.is_kept {
            self.check_newest().await?;
            self.store_progress(None).await;
            self.compaction.go_on();
            // Another run of the sweep may have ended meanwhile.
            if let Err(error) = self.enter_pool().await {
                tracing::warn!(%error, "cannot tell the pool's workers of the sweep");
            }
        }
        match store.dated_workers::<WorkerStatus>().await {
            Ok(workers) => {
                let alive = self.hearing.alive(workers);
                self.window = settings.window.max(self.fleet.able(&alive) * PER_WORKER).max(1);
                if let Some(warning) = self.fleet.warning(&alive, self.outstanding.len()) {
                    tracing::warn!("{warning}");
                }
            }
            Err(error) => tracing::debug!(%error, "cannot count the workers"),
        }
        if settings.is_kept {
            self.cancellation = self.cancelled().await?;
            self.hear_of_finish().await;
        }
        Ok(())
    }

    /// The last word on the run.
    pub(super) async fn end(&mut self, ended: &Result<Ended, CoordinatorError>) {
        let word = match ended {
            Ok(Ended::Finished(_)) if self.tally.counts.failed > 0 => "finished with failures".to_owned(),
            Ok(Ended::Finished(_)) => "finished".to_owned(),
            Ok(Ended::Interrupted) => "interrupted".to_owned(),
            Ok(Ended::Cancelled) => "cancelled".to_owned(),
            Ok(Ended::TooManyFailures { .. }) => "too many failures".to_owned(),
            Ok(Ended::Stopped(reason)) => format!("stopped: {reason}"),
            // Another sweep's documents are not ours to write.
            Err(
                CoordinatorError::OtherSweep { .. }
                | CoordinatorError::Overtaken { .. }
                | CoordinatorError::Removed { .. }
                | CoordinatorError::Manifest(_)
                | CoordinatorError::Cancelled { .. },
            ) => return,
            Err(error) => chain(error),
        };
        if matches!(ended, Ok(Ended::TooManyFailures { .. } | Ended::Stopped(_))) {
            // A run that ends because the store is away does not wait for it here either.
            let _ = timeout(FAREWELL, self.drop_rest(word.clone())).await;
        }
        let is_over = match ended {
            Ok(Ended::Finished(_) | Ended::Cancelled | Ended::TooManyFailures { .. } | Ended::Stopped(_)) => true,
            // Workers go on with what is in the queue: the next run finds its results.
            Ok(Ended::Interrupted) | Err(_) => false,
        };
        if is_over {
            let _ = timeout(FAREWELL, self.leave_pool()).await;
        }
        // For people only: a run that ends because the store is away does not wait for it once more.
        let _ = timeout(FAREWELL, self.store_progress(Some(word))).await;
    }

    fn fail(&mut self, job: JobId, label: String, failed: Failed, is_reused: bool) -> Result<(), CoordinatorError> {
        let Failed { errors, blame } = failed;
        let is_write = self.course.is_written(&job);
        self.course.record(job, Answer::Failed { errors: &errors, blame })?;
        // What a sweep is counted by is what it evaluates.
        if is_write {
            self.tell(Event::NotWritten { job, label, errors, is_reused });
            return Ok(());
        }
        self.tally.counts.failed += 1;
        self.tell(Event::Failed { job, label, errors, is_reused });
        Ok(())
    }

    fn answer(&mut self, job: JobId, label: String, found: Found, is_reused: bool) -> Result<(), CoordinatorError> {
        match found {
            Found::Nothing => {}
            Found::Failed(failed) => {
                self.brake.failed(job, &failed.errors, is_reused);
                self.fail(job, label, failed, is_reused)?;
            }
            // What lies in the store says nothing of the recipe, nor of the base model: the run goes on without it.
            Found::Corrupt(errors) => {
                self.fail(job, label, Failed { errors, blame: Some(Blame::Machine) }, is_reused)?;
            }
            // What a sweep is counted by is what it evaluates.
            Found::Artefact(result) => {
                self.course.record(job, Answer::Artefact(&result))?;
                self.brake.succeeded();
                if !is_reused {
                    self.tally.add_device_time(&result.timings);
                }
                self.tell(Event::Written { job, label, size: result.artefact.size(), is_reused });
            }
            Found::Result(result) => {
                let recorded = self.course.record(job, Answer::Result(&result))?;
                self.examples.add(&result.meaning, &result.scores);
                self.brake.succeeded();
                if !is_reused {
                    self.tally.add_device_time(&result.timings);
                }
                let counts = &mut self.tally.counts;
                *(if is_reused { &mut counts.reused } else { &mut counts.run }) += 1;
                let (value, timings) = (recorded.value, result.timings);
                self.compaction.add(*result);
                self.tell(Event::Finished { job, label, value, timings, is_reused });
                self.tell_weak();
                if let (Some((search, spec)), Some(value)) = (recorded.best_of, value) {
                    self.tell(Event::Best { search, spec: Box::new(spec), value });
                }
            }
        }
        Ok(())
    }

    fn tell_weak(&mut self) {
        for adapter in self.course.newly_weak() {
            self.tell(Event::WeakAdapter(adapter));
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        tell(&mut self.tally, self.on_event, event);
    }
}

/// Whether these jobs are what is left when everything is evaluated.
fn is_at_end(wanted: &[Wanted]) -> bool {
    wanted.iter().all(|wanted| wanted.phase == Phase::Write)
}

fn tell(tally: &mut Tally, on_event: &mut (dyn FnMut(Event) + Send), event: Event) {
    tally.note(&event);
    on_event(event);
}

fn failed_before(FailedBefore { job, label, errors }: FailedBefore) -> Event {
    Event::Failed { job, label, errors, is_reused: true }
}

/// A timer that does not catch up on what it missed, and goes off for the first time after `first`.
fn every(time: Duration, first: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + first, time);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// An error with its causes, in one line.
fn chain(error: &CoordinatorError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

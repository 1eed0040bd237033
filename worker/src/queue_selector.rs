use crate::choice::{QueueState, Situation, choose, goes_before, may_switch};
use jobs::{Digest, PoolEntry, error_chain};
use parking_lot::{Mutex, MutexGuard};
use queue::{Backlog, JobConsumer, JobSource};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    time::Duration,
};
use store::{Store, StoreError};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

/// How often a worker with work selects its queue again.
const SELECT_EVERY: Duration = Duration::from_millis(200);
/// The same for a worker without work.
const IDLE_SELECT_EVERY: Duration = Duration::from_secs(1);
/// A worker is without work this long after its last job: a search may be about to publish its next one.
const IDLE_AFTER: Duration = Duration::from_secs(5);
/// The shortest time from one selection to the next, however many announcements arrive.
const MIN_SELECT_PAUSE: Duration = Duration::from_millis(50);
/// How often a worker with work lists the sweeps of its pool. Without work, it lists them every [`IDLE_SELECT_EVERY`].
const LIST_EVERY: Duration = Duration::from_secs(5);
/// How long the entry of a sweep in the store is cached.
const CACHED_FOR: Duration = Duration::from_secs(30);
/// The longest time that the store may take to answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a worker waits for the next job of a search before it loads another base model.
const LINGER: Duration = Duration::from_secs(2);
/// The shortest time for which a worker keeps its base model while jobs of other base models wait.
const MIN_HOLD: Duration = Duration::from_secs(60);
/// A worker keeps a base model this many times as long as its loading took: so loading takes at most about a tenth of
/// the time.
const HOLD_PER_LOAD: u32 = 10;
/// How long a worker waits for a job from a newly selected queue before it selects again.
const MIN_STAY: Duration = Duration::from_millis(500);
/// The same if no job waits there any more: other workers have taken them, unless one is being delivered.
const MIN_STAY_WITHOUT_JOBS: Duration = Duration::from_millis(100);
/// How long a worker waits for the next job of a search before it takes one of a sweep that had more of its time. This
/// time counts as work for the search.
const AWAIT: Duration = Duration::from_millis(500);
/// Less recent work than this, in seconds, is forgotten: it decides nothing.
const LEAST_WORK: f64 = 0.01;
/// The time in which the weight of past work halves.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// Selects the queue of its pool from which a worker takes jobs.
#[derive(Debug)]
pub(crate) struct QueueSelector {
    store: Store,
    pool: String,
    /// How many base models the worker keeps.
    model_capacity: usize,
    /// Whether the worker takes jobs that run a command of their sweep.
    allows_commands: bool,
    state: Mutex<State>,
    /// The source that the worker left last, if it left it for one whose jobs go first.
    preempted: watch::Sender<Option<JobSource>>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<String, (PoolEntry, Instant)>,
    /// Sweeps of which the worker takes no job: it runs none of their commands, or another version of the program wrote their entry.
    skipped: HashSet<String>,
    listed: Option<Instant>,
    /// A sweep was announced that is not in `entries`.
    has_new: bool,
    work: HashMap<JobSource, Work>,
    /// The base models that are loaded, the last one first.
    bases: VecDeque<Digest>,
    computing: usize,
    last_worked: Option<Instant>,
    /// The source of the running job, or of the last one.
    last_source: Option<JobSource>,
    /// How long the worker waited for that job after the last job of the same source.
    awaited: Duration,
    last_switched: Option<Instant>,
    /// The source that was selected last.
    selected: Option<JobSource>,
    /// Since when jobs of other base models wait while the worker keeps its own.
    others_wait: Option<Instant>,
    /// How long the last base model took to load.
    load: Duration,
}

/// Seconds of a worker's time. Older ones have less weight.
#[derive(Debug, Clone, Copy)]
struct Work {
    seconds: f64,
    at: Instant,
}

impl Work {
    fn now(self) -> f64 {
        self.seconds * 0.5_f64.powf(self.at.elapsed().as_secs_f64() / HALF_LIFE.as_secs_f64())
    }
}

impl QueueSelector {
    pub(crate) fn new(store: Store, pool: String, models: usize) -> Self {
        let state = Mutex::default();
        let preempted = watch::Sender::new(None);
        Self { store, pool, model_capacity: models.max(1), allows_commands: false, state, preempted }
    }

    pub(crate) fn allowing_commands(self, allows_commands: bool) -> Self {
        Self { allows_commands, ..self }
    }

    /// A job of `sweep` starts to compute, on the base model `base` if it needs one.
    pub(crate) fn job_started(&self, sweep: &str, base: Option<Digest>) {
        let mut state = self.state();
        state.computing += 1;
        let source = Some(state.source_of(sweep));
        let is_same = state.last_source == source;
        let idle = state.last_worked.filter(|_| is_same).map_or(Duration::ZERO, |last| last.elapsed());
        state.awaited = idle.min(AWAIT);
        state.last_source = source;
        if let Some(base) = base {
            state.hold(base, self.model_capacity);
        }
    }

    /// The job took `took`; for `load` of that, it read its inputs.
    pub(crate) fn job_ended(&self, sweep: &str, took: Duration, load: Duration) {
        let mut state = self.state();
        state.computing -= 1;
        if !load.is_zero() {
            state.load = load;
        }
        let source = state.source_of(sweep);
        let now = Instant::now();
        state.work.retain(|of, work| *of == source || work.now() >= LEAST_WORK);
        let before = state.work.get(&source).map_or(0.0, |work| work.now());
        let seconds = before + (took + state.awaited).as_secs_f64();
        state.work.insert(source, Work { seconds, at: now });
        state.last_worked = Some(now);
    }

    /// Waits until the worker has left the queue of `sweep` for one whose jobs go first.
    pub(crate) async fn preempted(&self, sweep: &str) {
        let source = self.state().source_of(sweep);
        let mut preempted = self.preempted.subscribe();
        // `wait_for` cannot fail: the sender is in `self`.
        _ = preempted.wait_for(|preempted| preempted.as_ref() == Some(&source)).await;
    }

    /// Switches the consumers of a worker between queues, for as long as it is polled.
    pub(crate) async fn run(&self, main: &dyn JobConsumer, ahead: Option<&dyn JobConsumer>) -> Infallible {
        loop {
            let has_work = self.select(main, ahead).await;
            let selected = Instant::now();
            tokio::select! {
                () = sleep(if has_work { SELECT_EVERY } else { IDLE_SELECT_EVERY }) => {}
                sweeps = main.announced_sweeps() => {
                    self.state().note_announced(&sweeps);
                    sleep_until(selected + MIN_SELECT_PAUSE).await;
                }
            }
        }
    }

    /// Reads the lengths of the queues and selects one. Returns whether there is work.
    async fn select(&self, main: &dyn JobConsumer, ahead: Option<&dyn JobConsumer>) -> bool {
        self.list().await;
        let current = main.source();
        self.note_current(&current);
        let mut sources = vec![JobSource::Pool];
        sources.extend(self.state().entries.keys().cloned().map(JobSource::Sweep));
        let Some(backlog) = main.backlog(&sources).await else { return self.state().has_work() };
        let mut state = self.state();
        let queues: Vec<QueueState> = sources
            .into_iter()
            .zip(backlog)
            .filter_map(|(source, backlog)| Some(state.queue_state(source, backlog?, &current)))
            .collect();
        let chosen = state.choose(&queues, &current, random());
        let is_capped = match &chosen {
            JobSource::Sweep(sweep) => state.entries.get(sweep).is_some_and(|(entry, _)| entry.max_workers.is_some()),
            JobSource::Pool => false,
        };
        if chosen != current {
            tracing::debug!(from = ?current, to = ?chosen, "the worker switches to another queue");
            state.last_switched = Some(Instant::now());
            let is_preempted = goes_before(&queues, &chosen, &state.situation(&current, &state.recent_work()));
            self.preempted.send_replace(is_preempted.then(|| current.clone()));
            let base = queues.iter().find(|queue| queue.source == chosen).and_then(|queue| queue.base);
            if let Some(base) = base {
                state.hold(base, self.model_capacity);
            }
        }
        main.take_from(&chosen);
        state.selected = Some(chosen.clone());
        if let Some(ahead) = ahead {
            // If the sweep limits its workers, a second consumer would count as another worker.
            ahead.take_from(if is_capped { &JobSource::Pool } else { &chosen });
        }
        state.has_work() || queues.iter().any(|queue| queue.waiting > 0)
    }

    /// A consumer whose queue was deleted takes from the pool without a selection. The worker has then left no source
    /// for another one, so jobs of the source that it left before stay.
    fn note_current(&self, current: &JobSource) {
        if *current == JobSource::Pool && self.state().selected.as_ref().is_some_and(|selected| selected != current) {
            self.preempted.send_replace(None);
        }
    }

    /// Lists the sweeps of the pool, if it is time to. An entry that cannot be read now is read later.
    async fn list(&self) {
        let known: HashSet<String> = {
            let mut state = self.state();
            let pause = match (state.has_new, state.has_work()) {
                // Announcements may be frequent, and the sweep may never be in the list.
                (true, _) => SELECT_EVERY,
                (false, true) => LIST_EVERY,
                (false, false) => IDLE_SELECT_EVERY,
            };
            if state.listed.is_some_and(|listed| listed.elapsed() < pause) {
                return;
            }
            state.has_new = false;
            state.listed = Some(Instant::now());
            let fresh = state.entries.iter().filter(|(_, (_, read))| read.elapsed() < CACHED_FOR);
            fresh.map(|(sweep, _)| sweep.clone()).collect()
        };
        let listing = async {
            let sweeps = self.store.pool_sweeps(&self.pool).await?;
            let mut read = Vec::new();
            for sweep in sweeps.iter().filter(|sweep| !known.contains(*sweep)) {
                read.push((sweep.clone(), self.store.pool_entry::<PoolEntry>(&self.pool, sweep).await));
            }
            Ok::<_, StoreError>((sweeps, read))
        };
        match timeout(STORE_TIMEOUT, listing).await {
            Ok(Ok((sweeps, read))) => self.state().update_entries(&sweeps, read, self.allows_commands),
            Ok(Err(error)) => tracing::debug!(%error, "cannot list the sweeps of the pool"),
            Err(_) => tracing::debug!("the store did not list the sweeps of the pool in time"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn has_work(&self) -> bool {
        self.computing > 0 || self.last_worked.is_some_and(|last| last.elapsed() < IDLE_AFTER)
    }

    /// The source of the jobs of `sweep`.
    fn source_of(&self, sweep: &str) -> JobSource {
        if self.entries.contains_key(sweep) { JobSource::Sweep(sweep.to_owned()) } else { JobSource::Pool }
    }

    /// Records that runs have published jobs of these sweeps.
    fn note_announced(&mut self, sweeps: &[String]) {
        let is_known = |sweep: &String| self.entries.contains_key(sweep) || self.skipped.contains(sweep);
        self.has_new |= !sweeps.iter().all(is_known);
    }

    fn update_entries(
        &mut self,
        sweeps: &[String],
        read: Vec<(String, Result<Option<PoolEntry>, StoreError>)>,
        allows_commands: bool,
    ) {
        self.entries.retain(|sweep, _| sweeps.contains(sweep));
        self.skipped.retain(|sweep| sweeps.contains(sweep));
        for (sweep, entry) in read {
            let reason = match entry {
                Ok(Some(entry)) if entry.runs_commands && !allows_commands => {
                    if self.skipped.insert(sweep.clone()) {
                        tracing::info!(
                            sweep,
                            "the jobs of a sweep run its command and are left to workers with `--allow-commands`"
                        );
                    }
                    continue;
                }
                Ok(Some(entry)) => {
                    self.skipped.remove(&sweep);
                    self.entries.insert(sweep, (entry, Instant::now()));
                    continue;
                }
                // The sweep ended after it was listed.
                Ok(None) => continue,
                Err(error) => error_chain(&error),
            };
            if self.skipped.insert(sweep.clone()) {
                tracing::warn!(
                    sweep,
                    reason,
                    "cannot read the pool entry of a sweep; this worker takes none of its jobs"
                );
            }
        }
    }

    fn queue_state(&self, source: JobSource, backlog: Backlog, current: &JobSource) -> QueueState {
        let entry = match &source {
            JobSource::Sweep(sweep) => self.entries.get(sweep).map(|(entry, _)| entry),
            JobSource::Pool => None,
        };
        let most = entry.and_then(|entry| entry.max_workers).map_or(u64::MAX, u64::from);
        let is_full = if source == *current {
            // If too many workers came at the same time, as many leave on average as are too many.
            let excess = backlog.consumers.saturating_sub(most);
            random() * (backlog.consumers as f64) < excess as f64
        } else {
            backlog.consumers >= most
        };
        QueueState {
            base: entry.map(|entry| entry.base),
            priority: entry.map_or(0, |entry| entry.priority),
            waiting: backlog.waiting,
            consumers: backlog.consumers,
            is_full,
            source,
        }
    }

    /// The source to take jobs from; `chance` is a random number in [0, 1).
    fn choose(&mut self, queues: &[QueueState], current: &JobSource, chance: f64) -> JobSource {
        let has_jobs = queues.iter().any(|queue| queue.source == *current && queue.waiting > 0);
        let stay = if has_jobs { MIN_STAY } else { MIN_STAY_WITHOUT_JOBS };
        let has_just_switched = self.last_switched.is_some_and(|switched| switched.elapsed() < stay);
        if has_just_switched && self.computing == 0 {
            return current.clone();
        }
        self.note_waiting_others(queues);
        let work = self.recent_work();
        let chosen = choose(queues, &self.situation(current, &work));
        if may_switch(queues, current, &chosen, chance) { chosen } else { current.clone() }
    }

    fn recent_work(&self) -> HashMap<JobSource, f64> {
        self.work.iter().map(|(source, work)| (source.clone(), work.now())).collect()
    }

    fn situation<'a>(&self, current: &'a JobSource, work: &'a HashMap<JobSource, f64>) -> Situation<'a> {
        let hold = MIN_HOLD.max(self.load * HOLD_PER_LOAD);
        let worked_within = |limit| self.last_worked.is_some_and(|last| last.elapsed() < limit);
        Situation {
            current,
            bases: self.bases.iter().copied().collect(),
            work,
            may_hold: self.others_wait.is_none_or(|since| since.elapsed() < hold),
            may_linger: self.computing > 0 || worked_within(LINGER),
            may_await: self.last_source.as_ref() == Some(current) && (self.computing > 0 || worked_within(AWAIT)),
        }
    }

    /// Records since when jobs of other base models wait.
    fn note_waiting_others(&mut self, queues: &[QueueState]) {
        let is_other = |queue: &QueueState| queue.base.is_some_and(|base| !self.bases.contains(&base));
        if queues.iter().any(|queue| queue.waiting > 0 && !queue.is_full && is_other(queue)) {
            self.others_wait.get_or_insert_with(Instant::now);
        } else {
            self.others_wait = None;
        }
    }

    /// Records that `base` is loaded. The oldest base beyond `capacity` is no longer loaded.
    fn hold(&mut self, base: Digest, capacity: usize) {
        if !self.bases.contains(&base) {
            self.others_wait = None;
        }
        self.bases.retain(|held| *held != base);
        self.bases.push_front(base);
        self.bases.truncate(capacity);
    }
}

/// A random number in [0, 1).
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / (u64::MAX as f64 + 1.0)
}

#[cfg(test)]
mod tests;

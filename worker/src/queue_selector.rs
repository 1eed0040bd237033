use crate::choice::{QueueState, Situation, choose};
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
use tokio::time::{Instant, sleep, timeout};

/// How often a worker with work selects its queue again.
const SELECT_EVERY: Duration = Duration::from_millis(200);
/// The same for a worker without work.
const IDLE_SELECT_EVERY: Duration = Duration::from_secs(1);
/// A worker is without work this long after its last job: a search may be about to publish its next one.
const IDLE_AFTER: Duration = Duration::from_secs(5);
/// How often a worker with work lists the sweeps of its pool. Without work, it lists them at every selection.
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
/// The time in which the weight of past work halves.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// Selects the queue of its pool from which a worker takes jobs.
#[derive(Debug)]
pub(crate) struct QueueSelector {
    store: Store,
    pool: String,
    /// How many base models the worker keeps.
    model_capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<String, (PoolEntry, Instant)>,
    /// Sweeps whose entry cannot be read, because another version of the program wrote it.
    unreadable: HashSet<String>,
    listed: Option<Instant>,
    work: HashMap<JobSource, Work>,
    /// The base models that are loaded, the last one first.
    bases: VecDeque<Digest>,
    computing: usize,
    last_worked: Option<Instant>,
    last_switched: Option<Instant>,
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
        Self { store, pool, model_capacity: models.max(1), state: Mutex::default() }
    }

    /// A job starts to compute, on the base model `base` if it needs one.
    pub(crate) fn job_started(&self, base: Option<Digest>) {
        let mut state = self.state();
        state.computing += 1;
        if let Some(base) = base {
            state.hold(base, self.model_capacity);
        }
    }

    /// The job took `took`; for `load` of that, it read its inputs.
    pub(crate) fn job_ended(&self, sweep: &str, took: Duration, load: Duration) {
        let mut state = self.state();
        state.computing -= 1;
        state.last_worked = Some(Instant::now());
        if !load.is_zero() {
            state.load = load;
        }
        let source =
            if state.entries.contains_key(sweep) { JobSource::Sweep(sweep.to_owned()) } else { JobSource::Pool };
        let before = state.work.get(&source).map_or(0.0, |work| work.now());
        state.work.insert(source, Work { seconds: before + took.as_secs_f64(), at: Instant::now() });
    }

    /// Switches the consumers of a worker between queues, for as long as it is polled.
    pub(crate) async fn run(&self, main: &dyn JobConsumer, ahead: Option<&dyn JobConsumer>) -> Infallible {
        loop {
            let has_work = self.select(main, ahead).await;
            sleep(if has_work { SELECT_EVERY } else { IDLE_SELECT_EVERY }).await;
        }
    }

    /// Reads the lengths of the queues and selects one. Returns whether there is work.
    async fn select(&self, main: &dyn JobConsumer, ahead: Option<&dyn JobConsumer>) -> bool {
        self.list().await;
        let current = main.source();
        let mut sources = vec![JobSource::Pool];
        sources.extend(self.state().entries.keys().cloned().map(JobSource::Sweep));
        let Some(backlog) = main.backlog(&sources).await else { return self.state().has_work() };
        let mut state = self.state();
        let queues: Vec<QueueState> = sources
            .into_iter()
            .zip(backlog)
            .filter_map(|(source, backlog)| Some(state.queue_state(source, backlog?, &current)))
            .collect();
        let chosen = state.choose(&queues, &current);
        let is_capped = match &chosen {
            JobSource::Sweep(sweep) => state.entries.get(sweep).is_some_and(|(entry, _)| entry.max_workers.is_some()),
            JobSource::Pool => false,
        };
        if chosen != current {
            tracing::debug!(from = ?current, to = ?chosen, "the worker switches to another queue");
            state.last_switched = Some(Instant::now());
            let base = queues.iter().find(|queue| queue.source == chosen).and_then(|queue| queue.base);
            if let Some(base) = base {
                state.hold(base, self.model_capacity);
            }
        }
        main.take_from(&chosen);
        if let Some(ahead) = ahead {
            // If the sweep limits its workers, a second consumer would count as another worker.
            ahead.take_from(if is_capped { &JobSource::Pool } else { &chosen });
        }
        state.has_work() || queues.iter().any(|queue| queue.waiting > 0)
    }

    /// Lists the sweeps of the pool, if it is time to. An entry that cannot be read now is read later.
    async fn list(&self) {
        let known: HashSet<String> = {
            let mut state = self.state();
            let pause = if state.has_work() { LIST_EVERY } else { Duration::ZERO };
            if state.listed.is_some_and(|listed| listed.elapsed() < pause) {
                return;
            }
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
            Ok(Ok((sweeps, read))) => self.state().update_entries(&sweeps, read),
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

    fn update_entries(&mut self, sweeps: &[String], read: Vec<(String, Result<Option<PoolEntry>, StoreError>)>) {
        self.entries.retain(|sweep, _| sweeps.contains(sweep));
        for (sweep, entry) in read {
            let reason = match entry {
                Ok(Some(entry)) => {
                    self.entries.insert(sweep, (entry, Instant::now()));
                    continue;
                }
                // The sweep ended after it was listed.
                Ok(None) => continue,
                Err(error) => error_chain(&error),
            };
            if self.unreadable.insert(sweep.clone()) {
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
            excess > 0 && RandomState::new().hash_one(()) % backlog.consumers < excess
        } else {
            backlog.consumers >= most
        };
        QueueState {
            base: entry.map(|entry| entry.base),
            priority: entry.map_or(0, |entry| entry.priority),
            waiting: backlog.waiting,
            is_full,
            source,
        }
    }

    fn choose(&mut self, queues: &[QueueState], current: &JobSource) -> JobSource {
        let has_just_switched = self.last_switched.is_some_and(|switched| switched.elapsed() < MIN_STAY);
        if has_just_switched && self.computing == 0 {
            return current.clone();
        }
        self.note_waiting_others(queues);
        let work = self.work.iter().map(|(source, work)| (source.clone(), work.now())).collect();
        let hold = MIN_HOLD.max(self.load * HOLD_PER_LOAD);
        let bases: Vec<Digest> = self.bases.iter().copied().collect();
        let may_hold = self.others_wait.is_none_or(|since| since.elapsed() < hold);
        let may_linger = self.computing > 0 || self.last_worked.is_some_and(|last| last.elapsed() < LINGER);
        choose(queues, &Situation { current, bases: &bases, work: &work, may_hold, may_linger })
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

#[cfg(test)]
mod tests;

use crate::choice::{Offer, Standing, choose, goes_before, turns};
use jobs::{Digest, PoolEntry};
use queue::{Backlog, JobConsumer, JobSource};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::{Store, StoreError};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// How often the queues are looked at while there is work.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The same without any.
const IDLE_LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after its last job a worker is without work: a search may just be about to go on.
const IDLE_AFTER: Duration = Duration::from_secs(5);
/// How often the store is asked which sweeps there are, while there is work. Without any it is asked at every look.
const LIST_EVERY: Duration = Duration::from_secs(5);
/// How long what the store says of a sweep is believed.
const BELIEVED: Duration = Duration::from_secs(30);
/// How long the store may take to answer.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// How long a worker waits for the next job of a search before it loads another base model.
const LINGER: Duration = Duration::from_secs(2);
/// How long a worker keeps to its base model at least while jobs of others wait.
const HOLD: Duration = Duration::from_secs(60);
/// How much longer it keeps to one than it took to load it: no more than about a tenth of the time goes into loading.
const HOLD_PER_LOAD: u32 = 10;
/// How long a worker that has turned to another queue waits for a job of it before it thinks again.
const TURN: Duration = Duration::from_millis(500);
/// The same once no job waits there any more: other workers have taken them, unless one is just being delivered.
const TURN_IN_VAIN: Duration = Duration::from_millis(100);
/// How long a worker waits for the next job of a search before it takes one of a sweep that had more of its time. The time counts as
/// work for the search.
const AWAIT: Duration = Duration::from_millis(500);
/// The time in which the weight of past work halves.
const HALF_LIFE: Duration = Duration::from_secs(60);

/// Which queues of its pool a worker takes jobs from, as time goes on.
#[derive(Debug)]
pub(crate) struct Sources {
    store: Store,
    pool: String,
    /// How many base models the worker keeps.
    kept: usize,
    state: Mutex<State>,
    /// The source that the worker left last for one whose jobs go first.
    preempted: watch::Sender<Option<JobSource>>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<String, (PoolEntry, Instant)>,
    /// Sweeps that another version of the program has announced.
    unreadable: HashSet<String>,
    listed: Option<Instant>,
    /// A sweep was announced that is not in `entries`.
    has_new: bool,
    work: HashMap<JobSource, Work>,
    /// The base models that are held, the last one first.
    bases: VecDeque<Digest>,
    computing: usize,
    last_worked: Option<Instant>,
    /// The source of the job that computes, or of the last one.
    last_source: Option<JobSource>,
    /// How long the worker waited for that job after the last one of the same source.
    awaited: Duration,
    turned: Option<Instant>,
    /// Since when jobs of other base models wait while the worker keeps to its own.
    others_wait: Option<Instant>,
    /// How long it took to load the base model that was loaded last.
    load: Duration,
}

/// Seconds of a worker's time, of which older ones weigh less.
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

impl Sources {
    pub(crate) fn new(store: Store, pool: String, kept: usize) -> Self {
        Self { store, pool, kept: kept.max(1), state: Mutex::default(), preempted: watch::Sender::new(None) }
    }

    /// A job of `sweep` begins to compute, on the base model `base` if it needs one.
    pub(crate) fn begins(&self, sweep: &str, base: Option<Digest>) {
        let mut state = self.state();
        state.computing += 1;
        let source = Some(state.source_of(sweep));
        let is_same = state.last_source == source;
        let idle = state.last_worked.filter(|_| is_same).map_or(Duration::ZERO, |last| last.elapsed());
        state.awaited = idle.min(AWAIT);
        state.last_source = source;
        if let Some(base) = base {
            state.hold(base, self.kept);
        }
    }

    /// It has computed for so long, and a part of that it loaded its base model.
    pub(crate) fn ends(&self, sweep: &str, took: Duration, load: Duration) {
        let mut state = self.state();
        state.computing -= 1;
        if !load.is_zero() {
            state.load = load;
        }
        let source = state.source_of(sweep);
        let now = Instant::now();
        let before = state.work.get(&source).map_or(0.0, |work| work.now());
        let seconds = before + (took + state.awaited).as_secs_f64();
        state.work.insert(source, Work { seconds, at: now });
        state.last_worked = Some(now);
    }

    /// Waits until the worker has left the queue of `sweep` for one whose jobs go first.
    pub(crate) async fn preempts(&self, sweep: &str) {
        let source = self.state().source_of(sweep);
        let mut preempted = self.preempted.subscribe();
        // Never an error: the sender is in `self`.
        _ = preempted.wait_for(|preempted| preempted.as_ref() == Some(&source)).await;
    }

    /// Has the ends of a worker's queue take jobs from where they are wanted most, for as long as it is polled.
    pub(crate) async fn follow(&self, main: &dyn JobConsumer, ahead: Option<&dyn JobConsumer>) -> Infallible {
        loop {
            let has_work = self.look(main, ahead).await;
            tokio::select! {
                () = sleep(if has_work { LOOK_EVERY } else { IDLE_LOOK_EVERY }) => {}
                sweeps = main.announced_sweeps() => self.state().hear_of(&sweeps),
            }
        }
    }

    /// Looks at the queues once; whether there is work.
    async fn look(&self, main: &dyn JobConsumer, ahead: Option<&dyn JobConsumer>) -> bool {
        self.list().await;
        let current = main.source();
        let mut sources = vec![JobSource::Pool];
        sources.extend(self.state().entries.keys().cloned().map(JobSource::Sweep));
        let Some(backlog) = main.backlog(&sources).await else { return self.state().has_work() };
        let mut state = self.state();
        let offers: Vec<Offer> = sources
            .into_iter()
            .zip(backlog)
            .filter_map(|(source, backlog)| Some(state.offer(source, backlog?, &current)))
            .collect();
        let chosen = state.choose(&offers, &current, random());
        let is_capped = match &chosen {
            JobSource::Sweep(sweep) => state.entries.get(sweep).is_some_and(|(entry, _)| entry.max_workers.is_some()),
            JobSource::Pool => false,
        };
        if chosen != current {
            tracing::debug!(from = ?current, to = ?chosen, "jobs are taken from another queue");
            state.turned = Some(Instant::now());
            let is_preempted = goes_before(&offers, &chosen, &state.standing(&current, &state.recent_work()));
            self.preempted.send_replace(is_preempted.then(|| current.clone()));
            let base = offers.iter().find(|offer| offer.source == chosen).and_then(|offer| offer.base);
            if let Some(base) = base {
                state.hold(base, self.kept);
            }
        }
        main.take_from(&chosen);
        if let Some(ahead) = ahead {
            // A second consumer would count as another worker.
            ahead.take_from(if is_capped { &JobSource::Pool } else { &chosen });
        }
        state.has_work() || offers.iter().any(|offer| offer.waiting > 0)
    }

    /// Asks the store which sweeps there are, if it is time to. What cannot be read now is read later.
    async fn list(&self) {
        let known: HashSet<String> = {
            let mut state = self.state();
            let pause = match (state.has_new, state.has_work()) {
                // Announcements may be frequent, and the sweep may never be in the list.
                (true, _) => LOOK_EVERY,
                (false, true) => LIST_EVERY,
                (false, false) => Duration::ZERO,
            };
            if state.listed.is_some_and(|listed| listed.elapsed() < pause) {
                return;
            }
            state.has_new = false;
            state.listed = Some(Instant::now());
            let fresh = state.entries.iter().filter(|(_, (_, read))| read.elapsed() < BELIEVED);
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
        match timeout(STORE_PATIENCE, listing).await {
            Ok(Ok((sweeps, read))) => self.state().take_in(&sweeps, read),
            Ok(Err(error)) => tracing::debug!(%error, "cannot tell which sweeps the pool has"),
            Err(_) => tracing::debug!("the store does not say in time which sweeps the pool has"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two steps of a change, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Notes that runs have published jobs of these sweeps.
    fn hear_of(&mut self, sweeps: &[String]) {
        self.has_new |= sweeps.iter().any(|sweep| !self.entries.contains_key(sweep));
    }

    fn take_in(&mut self, sweeps: &[String], read: Vec<(String, Result<Option<PoolEntry>, StoreError>)>) {
        self.entries.retain(|sweep, _| sweeps.contains(sweep));
        for (sweep, entry) in read {
            let reason = match entry {
                Ok(Some(entry)) => {
                    self.entries.insert(sweep, (entry, Instant::now()));
                    continue;
                }
                // It has ended meanwhile.
                Ok(None) => continue,
                Err(error) => chain(&error),
            };
            if self.unreadable.insert(sweep.clone()) {
                tracing::warn!(
                    sweep,
                    reason,
                    "cannot read what the store says of a sweep; its jobs are not taken here"
                );
            }
        }
    }

    fn offer(&self, source: JobSource, backlog: Backlog, current: &JobSource) -> Offer {
        let entry = match &source {
            JobSource::Sweep(sweep) => self.entries.get(sweep).map(|(entry, _)| entry),
            JobSource::Pool => None,
        };
        let most = entry.and_then(|entry| entry.max_workers).map_or(u64::MAX, u64::from);
        let is_full = if source == *current {
            // Of the workers that came at the same time, as many leave as are too many, on average.
            let excess = backlog.consumers.saturating_sub(most);
            random() * (backlog.consumers as f64) < excess as f64
        } else {
            backlog.consumers >= most
        };
        Offer {
            base: entry.map(|entry| entry.base),
            priority: entry.map_or(0, |entry| entry.priority),
            waiting: backlog.waiting,
            consumers: backlog.consumers,
            is_full,
            source,
        }
    }

    /// The source to take jobs from; `chance` is a random number in [0, 1).
    fn choose(&mut self, offers: &[Offer], current: &JobSource, chance: f64) -> JobSource {
        let has_jobs = offers.iter().any(|offer| offer.source == *current && offer.waiting > 0);
        let turn = if has_jobs { TURN } else { TURN_IN_VAIN };
        if self.turned.is_some_and(|turned| turned.elapsed() < turn) && self.computing == 0 {
            return current.clone();
        }
        self.note_others(offers);
        let work = self.recent_work();
        let chosen = choose(offers, &self.standing(current, &work));
        if turns(offers, current, &chosen, chance) { chosen } else { current.clone() }
    }

    fn recent_work(&self) -> HashMap<JobSource, f64> {
        self.work.iter().map(|(source, work)| (source.clone(), work.now())).collect()
    }

    fn standing<'a>(&self, current: &'a JobSource, work: &'a HashMap<JobSource, f64>) -> Standing<'a> {
        let hold = HOLD.max(self.load * HOLD_PER_LOAD);
        let worked_within = |limit| self.last_worked.is_some_and(|last| last.elapsed() < limit);
        Standing {
            current,
            bases: self.bases.iter().copied().collect(),
            work,
            may_hold: self.others_wait.is_none_or(|since| since.elapsed() < hold),
            may_linger: self.computing > 0 || worked_within(LINGER),
            may_await: self.last_source.as_ref() == Some(current) && (self.computing > 0 || worked_within(AWAIT)),
        }
    }

    /// Notes since when jobs of other base models wait.
    fn note_others(&mut self, offers: &[Offer]) {
        let is_other = |offer: &Offer| offer.base.is_some_and(|base| !self.bases.contains(&base));
        if offers.iter().any(|offer| offer.waiting > 0 && !offer.is_full && is_other(offer)) {
            self.others_wait.get_or_insert_with(Instant::now);
        } else {
            self.others_wait = None;
        }
    }

    /// Notes that `base` is held from now on, and which is let go for it.
    fn hold(&mut self, base: Digest, kept: usize) {
        if !self.bases.contains(&base) {
            self.others_wait = None;
        }
        self.bases.retain(|held| *held != base);
        self.bases.push_front(base);
        self.bases.truncate(kept);
    }
}

/// A random number in [0, 1).
fn random() -> f64 {
    RandomState::new().hash_one(()) as f64 / (u64::MAX as f64 + 1.0)
}

/// An error with its causes, in one line.
fn chain(error: &StoreError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;

//! Decides from which queue a worker takes its next jobs. A pure function;
//! [`QueueSelector`](crate::queue_selector::QueueSelector) carries the decision out.

use jobs::Digest;
use queue::JobSource;
use std::{cmp::Ordering, collections::HashMap};

/// A worker switches from one sweep with jobs to another one only if the other one had this much less of its recent
/// time, in seconds. Without this margin, a worker would switch after every job.
pub(crate) const MARGIN: f64 = 2.0;

/// How many workers switch to another source per job that waits there, on average. More than one, because some of them
/// compute a long job first.
const SWITCHES_PER_JOB: f64 = 4.0;

/// The state of a queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueState {
    pub(crate) source: JobSource,
    /// The base model of its jobs, if it is known.
    pub(crate) base: Option<Digest>,
    pub(crate) priority: i32,
    /// Jobs that wait in it.
    pub(crate) waiting: u64,
    /// Consumers that take jobs from it.
    pub(crate) consumers: u64,
    /// The maximum number of workers takes jobs from it, or more.
    pub(crate) is_full: bool,
}

/// The situation of a worker.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    /// The queue from which it takes jobs now.
    pub(crate) current: &'a JobSource,
    /// The base models that it has loaded.
    pub(crate) bases: Vec<Digest>,
    /// How many seconds of its recent time each queue had.
    pub(crate) work: &'a HashMap<JobSource, f64>,
    /// It may keep its base models: jobs of other bases have not waited for too long.
    pub(crate) may_hold: bool,
    /// It may wait for the next job of a search: the last job runs, or ended a moment ago.
    pub(crate) may_linger: bool,
    /// The last job came from the current source. It runs, or it ended a moment ago and a coordinator may be publishing
    /// the next one.
    pub(crate) may_await: bool,
}

impl Situation<'_> {
    fn work(&self, source: &JobSource) -> f64 {
        self.work.get(source).copied().unwrap_or_default()
    }
}

/// The queue from which the worker takes its next jobs.
///
/// Of the queues in which jobs wait, those of the highest priority count. Of these, those whose base model is loaded
/// count, as long as the worker may keep it. Of these, the one that had the least of the worker's recent time is
/// chosen.
pub(crate) fn choose(queues: &[QueueState], situation: &Situation<'_>) -> JobSource {
    let current = queues.iter().find(|queue| queue.source == *situation.current);
    let ready = || queues.iter().filter(|queue| queue.waiting > 0 && !queue.is_full);
    let Some(highest) = ready().map(|queue| queue.priority).max() else {
        return match current {
            Some(current) if !current.is_full => current.source.clone(),
            _ => JobSource::Pool,
        };
    };
    // A queue without a known base, that of the pool, counts as loaded.
    let is_held = |queue: &QueueState| queue.base.is_none_or(|base| situation.bases.contains(&base));
    let (held, others): (Vec<&QueueState>, Vec<&QueueState>) =
        ready().filter(|queue| queue.priority == highest).partition(|queue| is_held(queue));
    let may_stay = |current: &&QueueState| {
        let is_loaded = current.base.is_some() && is_held(current);
        is_loaded && current.priority >= highest && !current.is_full
    };
    let among = if situation.may_hold {
        if held.is_empty()
            && situation.may_linger
            && let Some(current) = current.filter(may_stay)
        {
            return current.source.clone();
        }
        if held.is_empty() { others } else { held }
    } else if others.is_empty() {
        held
    } else {
        others
    };
    // A search publishes one job after another. If a worker took a job of a larger sweep in between, the search would
    // wait for that job at every step, however small its own jobs are.
    if situation.may_await
        && let Some(current) = current
        && !current.is_full
        && current.priority >= highest
        && among.iter().all(|queue| situation.work(&current.source) < situation.work(&queue.source))
    {
        return current.source.clone();
    }
    least_served(&among, situation)
}

/// Whether a worker leaves jobs that wait at its current source for those of `chosen`. `chance` is a random number in
/// [0, 1).
///
/// All workers of a pool receive the announcement of a job at the same time. A few jobs need a few workers, so only
/// some workers of a large pool switch. The others decide again at the next selection. A worker that is one too many at
/// its source always leaves it.
pub(crate) fn may_switch(queues: &[QueueState], current: &JobSource, chosen: &JobSource, chance: f64) -> bool {
    if queues.iter().any(|queue| queue.source == *current && queue.is_full) {
        return true;
    }
    let waiting = |source: &JobSource| {
        queues.iter().find(|queue| queue.source == *source).map_or(0, |queue| queue.waiting) as f64
    };
    let workers: u64 = queues.iter().map(|queue| queue.consumers).sum();
    waiting(current) == 0.0 || chance * (workers as f64) < waiting(chosen) * SWITCHES_PER_JOB
}

/// Whether the jobs of `chosen` go before those of `current`, so that a job of `current` that was taken ahead is given
/// back.
pub(crate) fn goes_before(queues: &[QueueState], chosen: &JobSource, situation: &Situation<'_>) -> bool {
    let priority = |source: &JobSource| queues.iter().find(|queue| queue.source == *source).map(|queue| queue.priority);
    match priority(chosen).cmp(&priority(situation.current)) {
        Ordering::Greater => true,
        Ordering::Equal => situation.work(chosen) < situation.work(situation.current),
        Ordering::Less => false,
    }
}

fn least_served(among: &[&QueueState], situation: &Situation<'_>) -> JobSource {
    let work = |queue: &QueueState| situation.work(&queue.source);
    let by_work = |a: &&&QueueState, b: &&&QueueState| match work(a).total_cmp(&work(b)) {
        Ordering::Equal => a.source.cmp(&b.source),
        unequal => unequal,
    };
    let Some(least) = among.iter().min_by(by_work) else { return situation.current.clone() };
    match among.iter().find(|queue| queue.source == *situation.current) {
        Some(current) if work(current) <= work(least) + MARGIN => current.source.clone(),
        _ => least.source.clone(),
    }
}

#[cfg(test)]
mod tests;

//! Decides from which queue a worker takes its next jobs. A pure function;
//! [`QueueSelector`](crate::queue_selector::QueueSelector) carries the decision out.

use jobs::Digest;
use queue::JobSource;
use std::{cmp::Ordering, collections::HashMap};

/// A worker switches from one sweep with jobs to another one only if the other one had this much less of its recent
/// time, in seconds. Without this margin, a worker would switch after every job.
pub(crate) const MARGIN: f64 = 2.0;

/// The state of a queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueState {
    pub(crate) source: JobSource,
    /// The base model of its jobs, if it is known.
    pub(crate) base: Option<Digest>,
    pub(crate) priority: i32,
    /// Jobs that wait in it.
    pub(crate) waiting: u64,
    /// The maximum number of workers takes jobs from it, or more.
    pub(crate) is_full: bool,
}

/// The situation of a worker.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    /// The queue from which it takes jobs now.
    pub(crate) current: &'a JobSource,
    /// The base models that it has loaded.
    pub(crate) bases: &'a [Digest],
    /// How many seconds of its recent time each queue had.
    pub(crate) work: &'a HashMap<JobSource, f64>,
    /// It may keep its base models: jobs of other bases have not waited for too long.
    pub(crate) may_hold: bool,
    /// It may wait for the next job of a search: the last job runs, or ended a moment ago.
    pub(crate) may_linger: bool,
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
    least_served(&among, situation)
}

fn least_served(among: &[&QueueState], situation: &Situation<'_>) -> JobSource {
    let work = |queue: &QueueState| situation.work.get(&queue.source).copied().unwrap_or_default();
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

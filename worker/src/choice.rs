//! Which sweep a worker takes its next jobs from: decided here, done by [`Sources`](crate::sources::Sources).

use jobs::Digest;
use queue::JobSource;
use std::{cmp::Ordering, collections::HashMap};

/// How much less of a worker's recent time a sweep must have had, in seconds, before the worker turns to it from another one that
/// has jobs as well. Without it a worker would turn after every job.
pub(crate) const MARGIN: f64 = 2.0;

/// How many workers turn to another source for each job that waits there, on average. More than one, because some of them compute a
/// long job first.
const TURNING_PER_JOB: f64 = 4.0;

/// A queue of jobs, as it looks now.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) source: JobSource,
    /// The base model of its jobs, where that is known.
    pub(crate) base: Option<Digest>,
    pub(crate) priority: i32,
    /// Jobs that wait in it.
    pub(crate) waiting: u64,
    /// Consumers that take jobs from it.
    pub(crate) consumers: u64,
    /// As many workers take jobs from it as may, or more.
    pub(crate) is_full: bool,
}

/// How a worker stands.
#[derive(Debug)]
pub(crate) struct Standing<'a> {
    /// Where it takes jobs from.
    pub(crate) current: &'a JobSource,
    /// The base models that it holds.
    pub(crate) bases: Vec<Digest>,
    /// How many seconds of its recent time each source had.
    pub(crate) work: &'a HashMap<JobSource, f64>,
    /// Jobs of other bases have not waited for too long.
    pub(crate) may_hold: bool,
    /// The last job is not over, or ended so lately that the next one of a search may follow.
    pub(crate) may_linger: bool,
    /// The last job came from the current source. It is not over, or ended so lately that a coordinator may just be publishing the next one.
    pub(crate) may_await: bool,
}

impl Standing<'_> {
    fn work(&self, source: &JobSource) -> f64 {
        self.work.get(source).copied().unwrap_or_default()
    }
}

/// Where the worker takes its next jobs from.
///
/// Of the queues in which jobs wait: those of the highest priority; of these those whose base model the worker holds, as long as
/// it may hold on to it; of these the one that had least of the worker's recent time.
pub(crate) fn choose(offers: &[Offer], standing: &Standing<'_>) -> JobSource {
    let current = offers.iter().find(|offer| offer.source == *standing.current);
    let ready = || offers.iter().filter(|offer| offer.waiting > 0 && !offer.is_full);
    let Some(highest) = ready().map(|offer| offer.priority).max() else {
        return match current {
            Some(current) if !current.is_full => current.source.clone(),
            _ => JobSource::Pool,
        };
    };
    let is_held = |offer: &Offer| offer.base.is_none_or(|base| standing.bases.contains(&base));
    let (held, others): (Vec<&Offer>, Vec<&Offer>) =
        ready().filter(|offer| offer.priority == highest).partition(|offer| is_held(offer));
    let may_stay = |current: &&Offer| {
        let is_loaded = current.base.is_some() && is_held(current);
        is_loaded && current.priority >= highest && !current.is_full
    };
    let among = if standing.may_hold {
        if held.is_empty()
            && standing.may_linger
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
    // A search publishes one job after another. If a worker took a job of a larger sweep in between, the search would wait for that
    // job at every step, however small its own jobs are.
    if standing.may_await
        && let Some(current) = current
        && !current.is_full
        && current.priority >= highest
        && among.iter().all(|offer| standing.work(&current.source) < standing.work(&offer.source))
    {
        return current.source.clone();
    }
    least_served(&among, standing)
}

/// Whether a worker leaves jobs that wait at its current source for those of `chosen`. `chance` is a random number in [0, 1).
///
/// All workers of a pool hear of a new job at the same time. A few jobs need a few workers, so only some of a large pool turn, and the
/// others ask again at the next look.
pub(crate) fn turns(offers: &[Offer], current: &JobSource, chosen: &JobSource, chance: f64) -> bool {
    let waiting = |source: &JobSource| {
        offers.iter().find(|offer| offer.source == *source).map_or(0, |offer| offer.waiting) as f64
    };
    let workers: u64 = offers.iter().map(|offer| offer.consumers).sum();
    waiting(current) == 0.0 || chance * (workers as f64) < waiting(chosen) * TURNING_PER_JOB
}

/// Whether the jobs of `chosen` go before those of `current`, so that a job of `current` that was taken ahead is given back.
pub(crate) fn goes_before(offers: &[Offer], chosen: &JobSource, standing: &Standing<'_>) -> bool {
    let priority = |source: &JobSource| offers.iter().find(|offer| offer.source == *source).map(|offer| offer.priority);
    match priority(chosen).cmp(&priority(standing.current)) {
        Ordering::Greater => true,
        Ordering::Equal => standing.work(chosen) < standing.work(standing.current),
        Ordering::Less => false,
    }
}

fn least_served(among: &[&Offer], standing: &Standing<'_>) -> JobSource {
    let work = |offer: &Offer| standing.work(&offer.source);
    let by_work = |a: &&&Offer, b: &&&Offer| match work(a).total_cmp(&work(b)) {
        Ordering::Equal => a.source.cmp(&b.source),
        unequal => unequal,
    };
    let Some(least) = among.iter().min_by(by_work) else { return standing.current.clone() };
    match among.iter().find(|offer| offer.source == *standing.current) {
        Some(current) if work(current) <= work(least) + MARGIN => current.source.clone(),
        _ => least.source.clone(),
    }
}

#[cfg(test)]
mod tests;

use crate::Failure;
use jobs::{JobResult, Subject};
use std::time::Duration;
use store::Store;

/// How busy workers were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Utilisation {
    /// Jobs that ran at least partly within the measured time.
    pub jobs: u64,
    /// The share of the workers' time in which they computed.
    pub share: f64,
    /// How many merges were evaluated in an hour, over all workers. Of a job at either end, its share within the measured time counts.
    pub merges_per_hour: f64,
}

/// The time that is left out at either end, when workers start or run out of jobs.
const EDGE: Duration = Duration::from_secs(3);

/// A job that a worker finished.
#[derive(Debug, Clone, Copy)]
struct Finished {
    at_ms: u64,
    /// How long the worker, or its device, was busy with it until then.
    took_ms: u64,
    is_merge: bool,
}

/// How busy `workers` were with jobs on the split `split`, by the times in the results and by what `took` says of each.
///
/// # Errors
/// The store cannot be read, or its results cover too short a time.
pub async fn busy(
    store: &Store,
    split: &str,
    workers: usize,
    took: impl Fn(&JobResult) -> Duration,
) -> Result<Utilisation, Failure> {
    let mut finished = Vec::new();
    for result in store.results().await?.collect().await? {
        let result = result?;
        if result.meaning.split == split {
            let took_ms = u64::try_from(took(&result).as_millis())?;
            let is_merge = match &result.meaning.subject {
                Subject::Merge { .. } => true,
                Subject::Base | Subject::Adapter { .. } | Subject::Ensemble { .. } => false,
            };
            finished.push(Finished { at_ms: result.run.finished_ms, took_ms, is_merge });
        }
    }
    share(&finished, workers).ok_or_else(|| "the sweep was too short to measure how busy its workers were".into())
}

/// Of each job, the part that lies in the time that counts: jobs that end together must not count as more than there
/// is.
fn share(finished: &[Finished], workers: usize) -> Option<Utilisation> {
    let edge = u64::try_from(EDGE.as_millis()).ok()?;
    let from = finished.iter().map(|job| job.at_ms).min()? + edge;
    let to = finished.iter().map(|job| job.at_ms).max()?.saturating_sub(edge);
    let inside = |job: &Finished| job.at_ms.min(to).saturating_sub(job.at_ms.saturating_sub(job.took_ms).max(from));
    let parts: Vec<u64> = finished.iter().map(inside).collect();
    let jobs = parts.iter().filter(|part| **part > 0).count() as u64;
    let busy_ms: u64 = parts.iter().sum();
    let merges = finished.iter().zip(&parts).filter(|(job, part)| job.is_merge && **part > 0);
    let merges: f64 = merges.map(|(job, part)| *part as f64 / job.took_ms as f64).sum();
    let whole = to.checked_sub(from).filter(|time| *time > 0)? as f64 * workers as f64;
    let seconds = (to - from) as f64 / 1000.0;
    Some(Utilisation { jobs, share: busy_ms as f64 / whole, merges_per_hour: merges / seconds * 3600.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs of a second of four workers that begin together, with a pause after each job.
    fn jobs(pause_ms: u64) -> Vec<Finished> {
        (1..=30).flat_map(|round| [job(round * (1000 + pause_ms)); 4]).collect()
    }

    fn job(at_ms: u64) -> Finished {
        Finished { at_ms, took_ms: 1000, is_merge: true }
    }

    #[test]
    fn merges_an_hour_are_those_that_workers_without_a_pause_have_time_for() {
        let long = |is_merge| move |round: u64| Finished { at_ms: round * 4000 + 500, took_ms: 4000, is_merge };
        let merges: Vec<Finished> = (1..=16).map(long(true)).collect();
        let busy = share(&merges, 1).unwrap();
        assert!((busy.merges_per_hour - 900.0).abs() < 1e-6, "{busy:?}");
        let among_others: Vec<Finished> = (1..=16).map(|round| long(round % 2 == 0)(round)).collect();
        let busy = share(&among_others, 1).unwrap();
        assert!((400.0..500.0).contains(&busy.merges_per_hour), "{busy:?}");
    }

    #[test]
    fn workers_without_a_pause_are_busy_all_the_time_and_never_more() {
        let busy = share(&jobs(0), 4).unwrap();
        assert!((busy.share - 1.0).abs() < 1e-9, "{busy:?}");
    }

    #[test]
    fn a_pause_as_long_as_a_job_halves_the_share() {
        let busy = share(&jobs(1000), 4).unwrap();
        assert!((busy.share - 0.5).abs() < 0.02, "{busy:?}");
    }

    #[test]
    fn a_sweep_that_is_all_edge_tells_nothing() {
        assert_eq!(share(&[1000, 2000, 3000].map(job), 1), None);
        assert_eq!(share(&[], 1), None);
    }
}

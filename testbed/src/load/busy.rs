use crate::Failure;
use std::time::Duration;
use store::Store;

/// How busy workers were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Utilisation {
    /// Jobs that ran at least partly within the measured time.
    pub jobs: u64,
    /// The share of the workers' time in which they computed.
    pub share: f64,
}

/// The time that is left out at either end, when workers start or run out of jobs.
const EDGE: Duration = Duration::from_secs(3);

/// How busy `workers` were that took `job` for each job on the split `split`, by the times in the results.
///
/// # Errors
/// The store cannot be read, or its results cover too short a time.
pub async fn busy(store: &Store, split: &str, workers: usize, job: Duration) -> Result<Utilisation, Failure> {
    let mut finished_ms = Vec::new();
    for result in store.results().await?.collect().await? {
        let result = result?;
        if result.meaning.split == split {
            finished_ms.push(result.run.finished_ms);
        }
    }
    share(&finished_ms, workers, job)
        .ok_or_else(|| "the sweep was too short to measure how busy its workers were".into())
}

/// Of each job, the part that lies in the time that counts: jobs that end together must not count as more than there
/// is.
fn share(finished_ms: &[u64], workers: usize, job: Duration) -> Option<Utilisation> {
    let edge = u64::try_from(EDGE.as_millis()).ok()?;
    let job = u64::try_from(job.as_millis()).ok()?;
    let from = finished_ms.iter().min()? + edge;
    let to = finished_ms.iter().max()?.saturating_sub(edge);
    let inside = |end: &u64| (*end).min(to).saturating_sub(end.saturating_sub(job).max(from));
    let (jobs, busy_ms) = finished_ms
        .iter()
        .map(inside)
        .filter(|part| *part > 0)
        .fold((0, 0), |(jobs, sum), part| (jobs + 1, sum + part));
    let whole = to.checked_sub(from).filter(|time| *time > 0)? as f64 * workers as f64;
    Some(Utilisation { jobs, share: busy_ms as f64 / whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends of jobs of a second of four workers that begin together, with a pause after each job.
    fn ends(pause_ms: u64) -> Vec<u64> {
        (1..=30).flat_map(|round| [round * (1000 + pause_ms); 4]).collect()
    }

    #[test]
    fn workers_without_a_pause_are_busy_all_the_time_and_never_more() {
        let busy = share(&ends(0), 4, Duration::from_secs(1)).unwrap();
        assert!((busy.share - 1.0).abs() < 1e-9, "{busy:?}");
    }

    #[test]
    fn a_pause_as_long_as_a_job_halves_the_share() {
        let busy = share(&ends(1000), 4, Duration::from_secs(1)).unwrap();
        assert!((busy.share - 0.5).abs() < 0.02, "{busy:?}");
    }

    #[test]
    fn a_sweep_that_is_all_edge_tells_nothing() {
        assert_eq!(share(&[1000, 2000, 3000], 1, Duration::from_secs(1)), None);
        assert_eq!(share(&[], 1, Duration::from_secs(1)), None);
    }
}

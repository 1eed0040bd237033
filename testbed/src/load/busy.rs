use crate::Failure;
use std::time::Duration;
use store::Store;

/// How busy workers were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Busy {
    /// Jobs that ended in the time that counts.
    pub jobs: u64,
    /// The share of the workers' time that they computed.
    pub share: f64,
}

/// What is left out at either end: there, workers start and run out of jobs.
const EDGE: Duration = Duration::from_secs(3);

/// How busy `workers` were that took `job` for each job on the split `split`, by the times in the results.
///
/// # Errors
/// The store cannot be read, or holds results of too short a time.
pub async fn busy(store: &Store, split: &str, workers: usize, job: Duration) -> Result<Busy, Failure> {
    let mut finished_ms = Vec::new();
    for result in store.results().await?.collect().await? {
        let result = result?;
        if result.meaning.split == split {
            finished_ms.push(result.run.finished_ms);
        }
    }
    let edge = u64::try_from(EDGE.as_millis())?;
    let (first, last) = (finished_ms.iter().min().copied(), finished_ms.iter().max().copied());
    let (from, to) = (first.unwrap_or_default() + edge, last.unwrap_or_default().saturating_sub(edge));
    if from >= to {
        return Err("the sweep was too short to tell how busy its workers were".into());
    }
    let jobs = finished_ms.iter().filter(|time| (from..to).contains(*time)).count() as u64;
    let whole = Duration::from_millis(to - from).as_secs_f64() * workers as f64;
    Ok(Busy { jobs, share: jobs as f64 * job.as_secs_f64() / whole })
}

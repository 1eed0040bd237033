use crate::{Failure, args::Cluster, sim::SweepSpec};
use coordinator::{NextJobs, SweepPlan};
use futures_util::{StreamExt, TryStreamExt, stream};
use jobs::Job;
use queue::JobPublisher;
use std::time::{Duration, Instant};

/// Unconfirmed messages at a time, as many as the queue itself allows.
const PIPELINE: usize = 1000;

/// Publishes `jobs` of a sweep, each confirmed by the broker, and returns how long it took.
///
/// # Errors
/// The broker is out of reach.
pub async fn publish(cluster: &Cluster, sweep: &SweepSpec, jobs: &[Job]) -> Result<Duration, Failure> {
    let queue = cluster.queue("load").await?;
    let start = Instant::now();
    let publishing = stream::iter(jobs).map(|job| queue.publish(job, &sweep.sweep)).buffered(PIPELINE);
    publishing.try_for_each(|()| async { Ok(()) }).await?;
    Ok(start.elapsed())
}

/// The first `count` jobs of a sweep.
///
/// # Errors
/// The sweep has fewer jobs.
pub fn jobs_of(sweep: &SweepSpec, count: usize) -> Result<Vec<Job>, Failure> {
    match SweepPlan::new(sweep.frozen()?)?.next(count)? {
        NextJobs::Publish(wanted) if wanted.len() == count => Ok(wanted.into_iter().map(|wanted| wanted.job).collect()),
        NextJobs::Publish(_) | NextJobs::Wait | NextJobs::Finished(_) => {
            Err("the sweep has fewer jobs than are to be published".into())
        }
    }
}

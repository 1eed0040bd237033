//! Publishing jobs, and following them.

use super::{
    state::{Preparation, Publication},
    sweep_run::SweepRun,
};
use crate::{
    CoordinatorError, PlannedJob,
    clock::Now,
    lookup::{Found, JobRef, look_up, look_up_many},
};
use futures_util::{StreamExt, stream};
use jobs::JobId;
use tracing::{Instrument, info_span};

/// The number of jobs on their way to the queue at the same time.
const PIPELINE: usize = 256;

impl SweepRun<'_> {
    /// Publishes the jobs that have no result in the store.
    pub(super) async fn start(&mut self, jobs: Vec<PlannedJob>) -> Result<(), CoordinatorError> {
        let job_refs: Vec<JobRef> = jobs.iter().map(PlannedJob::job_ref).collect();
        // A job that was published ahead may have ended since the listing.
        job_refs.iter().filter(|job| self.state.is_ahead(&job.id)).for_each(|job| self.listing.add(&job.id));
        let found = self.listing.look_up(self.services.store, &job_refs).await?;
        let mut publications = Vec::with_capacity(jobs.len());
        for (job, found) in jobs.into_iter().zip(found) {
            publications.extend(self.state.start(job, found)?);
        }
        self.flush();
        let mut prepared = Vec::with_capacity(publications.len());
        for Publication { job, preparation } in publications {
            match preparation {
                Preparation::Nothing => {}
                Preparation::ClearFailures => drop(self.services.store.clear_failures(&job.id).await?),
                Preparation::RemoveCorrupt => self.remove_corrupt(job.job_ref()).await?,
            }
            prepared.push(job);
        }
        self.publish(prepared).await
    }

    /// Publishes jobs that the plan has not asked for, unless the store has something of them.
    pub(super) async fn start_ahead(&mut self, jobs: Vec<PlannedJob>) -> Result<(), CoordinatorError> {
        let job_refs: Vec<JobRef> = jobs.iter().map(PlannedJob::job_ref).collect();
        let found = self.listing.look_up(self.services.store, &job_refs).await?;
        let all = jobs.into_iter().zip(found);
        let jobs: Vec<PlannedJob> = all.filter_map(|(job, found)| self.state.start_ahead(job, &found)).collect();
        self.publish(jobs).await
    }

    /// Publishes jobs, many at a time and in their order.
    async fn publish(&mut self, jobs: Vec<PlannedJob>) -> Result<(), CoordinatorError> {
        let publisher = self.services.publisher;
        let sweep = self.sweep().to_owned();
        let publish = |job: PlannedJob| {
            let sweep = sweep.clone();
            // Each job has a trace of its own: a trace of a whole sweep would be too large to look at.
            let span = info_span!(parent: None, "publish", sweep, job = %job.id.short(), label = job.label);
            async move { publisher.publish(&job.job, &sweep).await.map(|()| job) }.instrument(span)
        };
        let mut published = stream::iter(jobs.into_iter().map(publish)).buffered(PIPELINE);
        while let Some(job) = published.next().await {
            let job = job?;
            tracing::debug!(job = %job.id, label = job.label, "published a job");
            self.state.published(job);
            self.flush();
        }
        Ok(())
    }

    /// Looks up the outstanding jobs among the announced ones.
    pub(super) async fn follow_announced(&mut self, announced: Vec<JobId>) -> Result<(), CoordinatorError> {
        let job_refs = self.state.outstanding_of(announced);
        let found = look_up(self.services.store, &job_refs).await?;
        self.settle(job_refs, found)
    }

    /// Looks up all outstanding jobs, because an announcement may have been lost, and publishes lost jobs again.
    pub(super) async fn follow_all(&mut self) -> Result<(), CoordinatorError> {
        let job_refs = self.state.all_outstanding();
        if job_refs.is_empty() {
            return Ok(());
        }
        let found = look_up_many(self.services.store, &job_refs).await?;
        self.settle(job_refs, found)?;
        self.publish_lost().await
    }

    fn settle(&mut self, job_refs: Vec<JobRef>, found: Vec<Found>) -> Result<(), CoordinatorError> {
        for (job, found) in job_refs.into_iter().zip(found) {
            self.state.settle(job.id, found)?;
        }
        self.flush();
        Ok(())
    }

    /// Publishes jobs again that neither the queue nor a worker has.
    async fn publish_lost(&mut self) -> Result<(), CoordinatorError> {
        if self.state.outstanding() == 0 {
            return Ok(());
        }
        let publisher = self.services.publisher;
        let queue_is_empty = match publisher.waiting().await {
            Ok(waiting) => waiting == Some(0),
            Err(error) => {
                tracing::warn!(%error, "cannot count the jobs in the queue");
                return Ok(());
            }
        };
        let workers = self.services.store.dated_workers().await?;
        for PlannedJob { job, id, label, .. } in self.state.lost(queue_is_empty, workers, Now::read()) {
            tracing::warn!(job = %id.short(), label, "neither the queue nor a worker has the job; publishing it again");
            publisher.publish(&job, self.sweep()).await?;
        }
        Ok(())
    }
}

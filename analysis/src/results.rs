use jobs::{JobId, JobResult, Outcome, RowKind};
use std::collections::BTreeMap;
use store::{Store, StoreError};

/// The results that an outcome names, or all of a store.
#[derive(Debug, Default)]
pub struct Results {
    /// What was found, by job.
    pub found: BTreeMap<JobId, JobResult>,
    /// What was not, or cannot be read.
    pub problems: Vec<Problem>,
}

/// A result that a table lacks.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The outcome names a job that has no result.
    #[error("the result of job {job} (`{row}` on `{split}`) is missing from the store")]
    Missing {
        /// The job.
        job: JobId,
        /// The row that names it.
        row: String,
        /// The split.
        split: String,
    },
    /// The result is there, but cannot be read.
    #[error("the result of job {job} (`{row}` on `{split}`) cannot be read")]
    Unreadable {
        /// The job.
        job: JobId,
        /// The row that names it.
        row: String,
        /// The split.
        split: String,
        /// What the store says.
        source: StoreError,
    },
    /// A compacted part says that it has the result, but cannot be read, and nor is there an object of its own.
    #[error("the result of job {job} lies in a part that cannot be read, and nowhere else")]
    Lost {
        /// The job.
        job: JobId,
    },
    /// A compacted part, or a result in it, cannot be read; results are then taken from objects of their own.
    #[error("something in the compacted parts of sweep `{sweep}` cannot be read")]
    Part {
        /// The sweep.
        sweep: String,
        /// What the store says; it names the object.
        source: StoreError,
    },
    /// A result that was found while all were listed cannot be read.
    #[error("a result cannot be read")]
    Listed {
        /// What the store says; it names the object.
        source: StoreError,
    },
}

impl Results {
    /// Reads the results that the rows of `outcome` name, and those of every point that its searches looked at.
    pub async fn of(outcome: &Outcome, store: &Store) -> Self {
        let mut wanted: Vec<(JobId, String, String)> = Vec::new();
        for row in &outcome.rows {
            let named = row.jobs.iter().flat_map(|(split, jobs)| jobs.iter().map(move |job| (*job, split)));
            wanted.extend(named.map(|(job, split)| (job, row.name.clone(), split.clone())));
            let RowKind::Search { points, .. } = &row.kind else { continue };
            // A failed point has no result, and that is known.
            let done = points.iter().filter(|point| point.value.is_some());
            wanted.extend(done.map(|point| (point.job, row.name.clone(), outcome.select.clone())));
        }
        wanted.sort();
        wanted.dedup_by_key(|(job, ..)| *job);
        let ids: Vec<JobId> = wanted.iter().map(|(job, ..)| *job).collect();
        let mut results = Self::default();
        for ((job, row, split), found) in wanted.into_iter().zip(store.results_of(&ids).await) {
            match found {
                Ok(Some(result)) => drop(results.found.insert(job, result)),
                Ok(None) => results.problems.push(Problem::Missing { job, row, split }),
                Err(source) => results.problems.push(Problem::Unreadable { job, row, split, source }),
            }
        }
        results
    }

    /// Reads every result of the store.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn all(store: &Store) -> Result<Self, StoreError> {
        let mut results = Self::default();
        let mut records = store.results().await?;
        while let Some(page) = records.next_page().await? {
            for record in page {
                match record {
                    Ok(result) => drop(results.found.insert(result.job, result)),
                    Err(source) => results.problems.push(Problem::Listed { source }),
                }
            }
        }
        Ok(results)
    }
}

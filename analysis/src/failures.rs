use jobs::{FailureKind, FailureRecord, JobId, Outcome, RowKind};
use std::collections::{BTreeMap, HashSet, btree_map::Entry};
use store::{Store, StoreError};

/// Jobs that failed for good and have no result.
#[derive(Debug, Default)]
pub struct Failures {
    /// The last record of each job.
    pub records: Vec<FailureRecord>,
    /// Records that cannot be read.
    pub problems: Vec<StoreError>,
}

impl Failures {
    /// Reads all failures of a store.
    ///
    /// # Errors
    /// The store cannot be listed, or a result cannot be looked up.
    pub async fn of_store(store: &Store) -> Result<Self, StoreError> {
        let mut problems = Vec::new();
        let mut failed = BTreeMap::new();
        let mut pages = store.all_failures().await?;
        while let Some(page) = pages.next_page().await? {
            for record in page {
                match record {
                    Ok(record) if record.is_final => drop(failed.insert(record.job, record)),
                    Ok(_) => {}
                    Err(error) => problems.push(error),
                }
            }
        }
        // A job may have failed in one run and succeeded in another.
        let jobs: Vec<JobId> = failed.keys().copied().collect();
        for (job, result) in jobs.iter().zip(store.results_of(&jobs).await) {
            if result?.is_some() {
                failed.remove(job);
            }
        }
        Ok(Self { records: failed.into_values().collect(), problems })
    }

    /// Whether a slice of a race failed. That is no failure of a sweep: it evaluates the model on all examples instead, or did not need
    /// the slice, which was computed ahead.
    pub fn is_of_slice(record: &FailureRecord) -> bool {
        record.spec.as_evaluation().is_some_and(|meaning| meaning.slice.is_some())
    }

    /// Those of one sweep: its own attempts, and `shared` jobs, which failed for another sweep before; without slices of races.
    pub fn of_sweep<'a, 'b>(
        &'a self,
        sweep: &'b str,
        shared: &'b HashSet<JobId>,
    ) -> impl Iterator<Item = &'a FailureRecord> + use<'a, 'b> {
        let is_of =
            move |record: &&FailureRecord| record.sweep.as_deref() == Some(sweep) || shared.contains(&record.job);
        self.records.iter().filter(is_of).filter(|record| !Self::is_of_slice(record))
    }

    /// The points of a sweep's searches that failed, for whichever sweep.
    pub fn points_of(outcome: &Outcome) -> HashSet<JobId> {
        let points = outcome.rows.iter().filter_map(|row| match &row.kind {
            RowKind::Search { points, .. } => Some(points),
            RowKind::ZeroShot
            | RowKind::Finetuned
            | RowKind::Baseline { .. }
            | RowKind::Learned { .. }
            | RowKind::Ensemble { .. } => None,
        });
        points.flatten().filter(|point| point.is_failed()).map(|point| point.job).collect()
    }

    /// Failures grouped by their errors, the most frequent first.
    pub fn by_kind<'a>(failed: impl IntoIterator<Item = &'a FailureRecord>) -> Vec<FailureKind> {
        let mut kinds: BTreeMap<&[String], FailureKind> = BTreeMap::new();
        for record in failed {
            match kinds.entry(&record.errors) {
                Entry::Occupied(mut kind) => kind.get_mut().jobs += 1,
                Entry::Vacant(none) => {
                    none.insert(FailureKind { errors: record.errors.clone(), jobs: 1, example: record.job });
                }
            }
        }
        let mut kinds: Vec<FailureKind> = kinds.into_values().collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.jobs));
        kinds
    }
}

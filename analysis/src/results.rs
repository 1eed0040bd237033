mod problem;
mod slices;
mod training;

pub use problem::Problem;
pub use slices::SliceCost;

use jobs::{ArtefactResult, ExampleCounts, JobId, JobResult, Outcome, RowKind, RowReplicates};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use store::{Revision, Store, StoreError};

/// The whole results that the rows of an outcome name, or all of a store.
#[derive(Debug, Default)]
pub struct Results {
    /// What was found, by job.
    pub found: BTreeMap<JobId, JobResult>,
    /// The legs of the adapters that the sweep trained, by task, the first one first.
    pub legs: BTreeMap<String, Vec<ArtefactResult>>,
    /// What slices of the examples took, by which races of the sweep were decided.
    pub slices: Vec<SliceCost>,
    /// How many more slices the outcome names that are not in the store, or cannot be read.
    pub missing_slices: u64,
    /// What was not, or cannot be read.
    pub problems: Vec<Problem>,
}

/// Points of searches that are asked where rows contradict each other.
const WITNESSES: usize = 64;

/// The row and split that name a job.
type Place<'a> = (&'a str, &'a str);

impl Results {
    /// Reads the results that the rows of `outcome` name, whole: from objects of their own, or else from compacted
    /// parts.
    ///
    /// The other points of its searches are a matter for the [`Frame`](crate::Frame): there may be a million.
    pub async fn of(outcome: &Outcome, store: &Store) -> Self {
        let mut places: BTreeMap<JobId, Place<'_>> = BTreeMap::new();
        for row in &outcome.rows {
            for (split, job) in row.jobs.iter().flat_map(|(split, jobs)| jobs.iter().map(move |job| (split, *job))) {
                places.entry(job).or_insert((row.name.as_str(), split.as_str()));
            }
            for (split, job) in row.replicates.iter().flat_map(RowReplicates::jobs) {
                places.entry(job).or_insert((row.name.as_str(), split));
            }
            for job in row.subsets.iter().filter_map(|subset| subset.job) {
                places.entry(job).or_insert((row.name.as_str(), outcome.report.as_str()));
            }
        }
        let jobs: Vec<JobId> = places.keys().copied().collect();
        let mut results = Self::default();
        let mut failed = BTreeMap::new();
        for (job, found) in jobs.iter().zip(store.results_of(&jobs).await) {
            match found {
                Ok(Some(result)) => drop(results.found.insert(*job, result)),
                Ok(None) => drop(failed.insert(*job, None)),
                Err(source) => drop(failed.insert(*job, Some(source))),
            }
        }
        let revision = Revision::of(&outcome.sweep, outcome.revision);
        results.take_from_parts(revision, &mut failed, store).await;
        for (job, source) in results.contradictions(outcome, store).await {
            results.found.remove(&job);
            failed.insert(job, Some(source));
        }
        for (job, source) in failed {
            results.problems.push(Problem::at(&outcome.sweep, job, places.get(&job).copied(), source));
        }
        results.read_legs(outcome, store).await;
        results.read_slices(outcome, store).await;
        results
    }

    /// The results that contradict most others about the sizes of their data.
    ///
    /// The rows of a sweep may be two: some points of its searches then help to tell which of them is wrong.
    async fn contradictions(&self, outcome: &Outcome, store: &Store) -> Vec<(JobId, StoreError)> {
        let mut said = ExampleCounts::default();
        self.found.values().for_each(|result| said.add(&result.meaning, &result.scores));
        if said.agree() {
            return Vec::new();
        }
        let points = outcome.rows.iter().filter_map(|row| match &row.kind {
            RowKind::Search { points, .. } => Some(points.iter().map(|point| point.job)),
            _ => None,
        });
        let others: BTreeSet<JobId> = points.flatten().filter(|job| !self.found.contains_key(job)).collect();
        let others: Vec<JobId> = others.into_iter().take(WITNESSES).collect();
        for result in store.results_of(&others).await.into_iter().flatten().flatten() {
            said.add(&result.meaning, &result.scores);
        }
        let wrong = self.found.values().filter_map(|result| {
            let fault = said.check(&result.meaning, &result.scores).err()?;
            Some((result.job, Store::refuse(&result.job, fault)))
        });
        wrong.collect()
    }

    /// A copied sweep folder may hold the parts and nothing else.
    async fn take_from_parts(
        &mut self,
        revision: Revision<'_>,
        wanted: &mut BTreeMap<JobId, Option<StoreError>>,
        store: &Store,
    ) {
        if wanted.is_empty() {
            return;
        }
        let jobs: HashSet<JobId> = wanted.keys().copied().collect();
        let problem = |source| Problem::Part { sweep: revision.sweep.to_owned(), source };
        match store.results_in_parts(revision, &jobs).await {
            Ok(found) => {
                for result in found {
                    match result {
                        Ok(result) => {
                            wanted.remove(&result.job);
                            self.found.insert(result.job, result);
                        }
                        Err(source) => self.problems.push(problem(source)),
                    }
                }
            }
            Err(source) => self.problems.push(problem(source)),
        }
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

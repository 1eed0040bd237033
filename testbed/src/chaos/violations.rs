use super::{
    edits::{self, Edited},
    reference::{Reference, deciding},
};
use crate::{Failure, args::Cluster, sim::Poison};
use coordinator::OUTCOME;
use jobs::{FailureRecord, JobId, JobResult, Outcome, RowKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

/// A broken guarantee: something that must not happen under any fault.
#[derive(Debug, Clone, PartialEq)]
pub enum Violation {
    /// The sweep did not finish.
    NotFinished {
        /// How long it had.
        limit: Duration,
    },
    /// A worker did not end well after the last fault.
    Worker(String),
    /// A job has neither a result nor a final failure.
    Lost(JobId),
    /// A job that is not of the sweep has a result or a final failure.
    Unknown(JobId),
    /// A job has a result and a final failure, or two final failures.
    Doubled(JobId),
    /// A result differs from that of the undisturbed run.
    Different {
        /// The job.
        job: JobId,
        /// The compared part, without faults.
        expected: String,
        /// The compared part, with faults.
        found: String,
    },
    /// A sound job failed, or the record of a failure gives a wrong reason.
    Failed {
        /// The job.
        job: JobId,
        /// What kind of poison it is.
        poison: Option<Poison>,
        /// What the record says.
        errors: Vec<String>,
    },
    /// The outcome differs from that of the undisturbed run.
    Outcome {
        /// The outcome without faults.
        expected: String,
        /// The outcome with faults.
        found: String,
    },
    /// A changed result was not recognised as corrupt, or was not repaired.
    NotRepaired(JobId),
    /// An object of the store cannot be read.
    Unreadable(String),
}

/// Compares the store with the reference.
pub(super) async fn check(
    reference: &Reference,
    edited: &[Edited],
    cluster: &Cluster,
) -> Result<Vec<Violation>, Failure> {
    let store = cluster.store().await?;
    let mut violations = unrepaired(edited, cluster).await?;
    let mut results = BTreeSet::new();
    for result in store.results().await?.collect().await? {
        match result {
            Ok(result) => {
                violations.extend(of_result(reference, &result)?);
                results.insert(result.job);
            }
            Err(error) => violations.push(Violation::Unreadable(error.to_string())),
        }
    }
    let mut failures: BTreeMap<JobId, Vec<FailureRecord>> = BTreeMap::new();
    for failure in store.all_failures().await?.collect().await? {
        match failure {
            // Expected: a job that was published twice met the changed result before the repair.
            Ok(failure) if says_corrupt(&failure) && edited.iter().any(|edited| edited.job == failure.job) => {}
            Ok(failure) if failure.is_final => failures.entry(failure.job).or_default().push(failure),
            Ok(_) => {}
            Err(error) => violations.push(Violation::Unreadable(error.to_string())),
        }
    }
    violations.extend(of_failures(reference, &failures));
    violations.extend(of_all(reference, &results, &failures));
    let found: Option<Outcome> = store.document(&reference.outcome.sweep, OUTCOME).await?;
    if found.clone().map(without_slices) != Some(without_slices(reference.outcome.clone())) {
        let expected = serde_json::to_string(&reference.outcome)?;
        let found = serde_json::to_string(&found)?;
        violations.push(Violation::Outcome { expected, found });
    }
    Ok(violations)
}

/// The outcome without the slices that its points were evaluated on: which were needed depends on what was lost.
fn without_slices(mut outcome: Outcome) -> Outcome {
    for row in &mut outcome.rows {
        if let RowKind::Search { points, .. } = &mut row.kind {
            points.iter_mut().for_each(|point| point.slices.clear());
        }
    }
    outcome
}

async fn unrepaired(edited: &[Edited], cluster: &Cluster) -> Result<Vec<Violation>, Failure> {
    let bucket = edits::open(cluster).await?;
    let mut violations = Vec::new();
    for edited in edited {
        if !edited.is_set_aside(&bucket).await? {
            violations.push(Violation::NotRepaired(edited.job));
        }
    }
    Ok(violations)
}

fn says_corrupt(failure: &FailureRecord) -> bool {
    failure.errors.iter().any(|error| error.contains("the stored result of the job is corrupt"))
}

fn of_result(reference: &Reference, result: &JobResult) -> Result<Option<Violation>, Failure> {
    let job = result.job;
    let found = deciding(result)?;
    Ok(match reference.expected(result)? {
        Some(expected) if expected == found => None,
        Some(expected) => Some(Violation::Different { job, expected, found }),
        // A poison job that must not succeed, or a job that is not of the sweep.
        None => Some(Violation::Unknown(job)),
    })
}

fn of_failures(reference: &Reference, failures: &BTreeMap<JobId, Vec<FailureRecord>>) -> Vec<Violation> {
    let check = |(job, records): (&JobId, &Vec<FailureRecord>)| {
        if !reference.failures.contains(job) && !reference.results.contains_key(job) {
            return vec![Violation::Unknown(*job)];
        }
        let of_record = |record: &FailureRecord| {
            let poison = record.spec.as_evaluation().and_then(Poison::of);
            let reason = poison.and_then(Poison::reason);
            let is_true = reason.is_some_and(|reason| record.errors.join(": ").contains(reason));
            (!is_true).then(|| Violation::Failed { job: *job, poison, errors: record.errors.clone() })
        };
        records.iter().filter_map(of_record).collect()
    };
    failures.iter().flat_map(check).collect()
}

fn of_all(
    reference: &Reference,
    results: &BTreeSet<JobId>,
    failures: &BTreeMap<JobId, Vec<FailureRecord>>,
) -> Vec<Violation> {
    let jobs: BTreeSet<JobId> = reference.results.keys().chain(&reference.failures).copied().collect();
    let slices = reference.slices();
    let count = |job: JobId| {
        let has_whole = slices.get(&job).is_some_and(|whole| results.contains(whole));
        let own = usize::from(results.contains(&job)) + failures.get(&job).map_or(0, Vec::len);
        let answers = if has_whole { own.max(1) } else { own };
        match answers {
            0 => Some(Violation::Lost(job)),
            1 => None,
            _ => Some(Violation::Doubled(job)),
        }
    };
    jobs.into_iter().filter_map(count).collect()
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinished { limit } => write!(f, "the sweep did not finish within {} s", limit.as_secs()),
            Self::Worker(what) => f.write_str(what),
            Self::Lost(job) => write!(f, "job {} has neither a result nor a final failure", job.short()),
            Self::Unknown(job) => write!(f, "job {} has an answer that no undisturbed run gives", job.short()),
            Self::Doubled(job) => write!(f, "job {} has more than one answer", job.short()),
            Self::Different { job, expected, found } => {
                write!(f, "the result of job {} is {found}, not {expected}", job.short())
            }
            Self::Failed { job, poison, errors } => {
                let name = poison.map_or("sound", Poison::name);
                write!(f, "job {} ({name}) failed: {}", job.short(), errors.join(": "))
            }
            Self::Outcome { expected, found } => write!(f, "the outcome is {found}, not {expected}"),
            Self::NotRepaired(job) => {
                write!(f, "the changed result of job {} was not recognised and set aside", job.short())
            }
            Self::Unreadable(error) => f.write_str(error),
        }
    }
}

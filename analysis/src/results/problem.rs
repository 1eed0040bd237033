use jobs::JobId;
use std::collections::{BTreeMap, BTreeSet};
use store::StoreError;

/// A result that tables lack.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The outcome names a job that has no result.
    #[error("the result of job {job} (`{row}` on `{split}` of sweep `{sweep}`) is missing from the store")]
    Missing {
        /// The sweep.
        sweep: String,
        /// The job.
        job: JobId,
        /// The row that names it.
        row: String,
        /// The split.
        split: String,
    },
    /// The result is there, but cannot be read.
    #[error(
        "the result of job {job} (`{row}` on `{split}` of sweep `{sweep}`) cannot be used; `bowline run --repair` computes it again"
    )]
    Unreadable {
        /// The sweep.
        sweep: String,
        /// The job.
        job: JobId,
        /// The row that names it.
        row: String,
        /// The split.
        split: String,
        /// The error of the store.
        source: StoreError,
    },
    /// A compacted part says that it has the result, but cannot be read, and nor is there an object of its own.
    #[error("the result of job {job} lies in a part of sweep `{sweep}` that cannot be read, and nowhere else")]
    Lost {
        /// The sweep.
        sweep: String,
        /// The job.
        job: JobId,
    },
    /// Results that the outcome leaves out are in no compacted part either.
    #[error(
        "at least {jobs} results of sweep `{sweep}` lie in no compacted part, and its outcome does not name them; `bowline run` on \
         it once more makes the parts"
    )]
    Untold {
        /// The sweep.
        sweep: String,
        /// How many.
        jobs: u64,
    },
    /// A compacted part, or a result in it, cannot be read; results are then taken from objects of their own.
    #[error("something in the compacted parts of sweep `{sweep}` cannot be read")]
    Part {
        /// The sweep.
        sweep: String,
        /// The error of the store, which names the object.
        source: StoreError,
    },
    /// A result that was found while all were listed cannot be read.
    #[error("a result cannot be read")]
    Listed {
        /// The error of the store, which names the object.
        source: StoreError,
    },
}

/// Problems of one kind and sweep that are listed one by one.
const TOLD: usize = 3;

impl Problem {
    /// What is wrong with a job of `sweep`: it is named at `place`, its row and split, if the outcome names it;
    /// `source` says why it cannot be read, if it is there.
    pub(crate) fn at(sweep: &str, job: JobId, place: Option<(&str, &str)>, source: Option<StoreError>) -> Self {
        let sweep = sweep.to_owned();
        match (place, source) {
            (Some((row, split)), Some(source)) => {
                Self::Unreadable { sweep, job, row: row.to_owned(), split: split.to_owned(), source }
            }
            (Some((row, split)), None) => Self::Missing { sweep, job, row: row.to_owned(), split: split.to_owned() },
            (None, Some(source)) => Self::Listed { source },
            (None, None) => Self::Lost { sweep, job },
        }
    }

    /// The sweep that lacks the result; `None` where it is of no sweep that was asked for.
    pub fn sweep(&self) -> Option<&str> {
        match self {
            Self::Missing { sweep, .. }
            | Self::Unreadable { sweep, .. }
            | Self::Lost { sweep, .. }
            | Self::Untold { sweep, .. }
            | Self::Part { sweep, .. } => Some(sweep),
            Self::Listed { .. } => None,
        }
    }

    /// Problems in words, a line each with its causes. The same one is told once; of many of a kind the first three are
    /// told and the others counted.
    pub fn in_words<'a>(problems: impl IntoIterator<Item = &'a Self>) -> Vec<String> {
        let mut kinds: BTreeMap<(u8, &str), BTreeSet<String>> = BTreeMap::new();
        for problem in problems {
            kinds
                .entry((problem.rank(), problem.sweep().unwrap_or_default()))
                .or_default()
                .insert(jobs::error_chain(problem));
        }
        let mut lines = Vec::new();
        for ((rank, sweep), told) in kinds {
            let more = told.len().saturating_sub(TOLD);
            lines.extend(told.into_iter().take(TOLD));
            if more > 0 {
                lines.push(more_of(rank, sweep, more));
            }
        }
        lines
    }

    /// The order in which kinds are listed.
    fn rank(&self) -> u8 {
        match self {
            Self::Part { .. } => 0,
            Self::Lost { .. } => 1,
            Self::Missing { .. } => 2,
            Self::Unreadable { .. } => 3,
            Self::Listed { .. } => 4,
            Self::Untold { .. } => 5,
        }
    }
}

/// The summary of problems that are not listed one by one.
fn more_of(rank: u8, sweep: &str, more: usize) -> String {
    let results = if more == 1 { "result" } else { "results" };
    match rank {
        0 => {
            format!("{more} more {results} or groups of them in the compacted parts of sweep `{sweep}` cannot be read")
        }
        1 => format!("{more} more {results} of sweep `{sweep}` lie in parts that cannot be read, and nowhere else"),
        2 if more == 1 => format!("1 more result of sweep `{sweep}` is missing from the store"),
        2 => format!("{more} more results of sweep `{sweep}` are missing from the store"),
        3 => format!("{more} more {results} of sweep `{sweep}` cannot be read"),
        _ => format!("{more} more {results} cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::Digest;

    fn missing(sweep: &str, job: u8) -> Problem {
        Problem::at(sweep, JobId::from(Digest::of(&[job])), Some(("ties", "test")), None)
    }

    #[test]
    fn of_many_problems_of_a_kind_three_are_told_and_the_others_counted() {
        let problems: Vec<Problem> = (0..6).map(|job| missing("big", job)).chain([missing("other", 9)]).collect();
        let lines = Problem::in_words(problems.iter().chain(&problems[..3]));
        assert_eq!(lines.len(), 5, "{lines:#?}");
        assert!(lines[0].ends_with("(`ties` on `test` of sweep `big`) is missing from the store"));
        assert_eq!(lines[3], "3 more results of sweep `big` are missing from the store");
        assert!(lines[4].contains("sweep `other`"));
    }
}

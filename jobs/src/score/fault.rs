use super::{HITS_AT, TaskScore};
use crate::{Bitmap, BitmapError};

/// Why what a score says of its examples cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TaskScoreError {
    /// The text is no bitmap of that many examples. Readers of records show a message and not its cause, so this one
    /// says all.
    #[error("`{key}` of task `{task}` cannot be read: {reason}")]
    Bitmap {
        /// The key of the bitmap.
        key: &'static str,
        /// The task.
        task: String,
        /// What is wrong with it.
        reason: BitmapError,
    },
    /// The bitmap and the count differ.
    #[error("`right` of task `{task}` has {found} right answers, and `correct` says {correct}")]
    Count {
        /// The task.
        task: String,
        /// The right answers of the bitmap.
        found: u64,
        /// The right answers that the score counts.
        correct: u64,
    },
    /// The bitmap is of another number of examples.
    #[error("`right` of task `{task}` has {found} examples, and `n` says {n}")]
    Length {
        /// The task.
        task: String,
        /// The examples of the bitmap.
        found: u64,
        /// The examples that the score counts.
        n: u64,
    },
    /// There is no example, or more than any data set has.
    #[error("task `{task}` has {n} examples, and a data set has from 1 to 2^53")]
    Examples {
        /// The task.
        task: String,
        /// The examples that the score counts.
        n: u64,
    },
    /// More right answers than examples.
    #[error("task `{task}` has {correct} right answers of {n} examples")]
    Correct {
        /// The task.
        task: String,
        /// The right answers that the score counts.
        correct: u64,
        /// The examples that the score counts.
        n: u64,
    },
    /// A metric that is no count stands beside counts.
    #[error("task `{task}` has a mean beside counts of right answers; a score is one of the two")]
    MeanBesideCounts {
        /// The task.
        task: String,
    },
    /// A mean is outside the range of its metric.
    #[error("task `{task}` has the mean {mean}, and a mean is a number in [0, 1]")]
    Mean {
        /// The task.
        task: String,
        /// The mean.
        mean: f64,
    },
    /// Hits are counted at ranks that nothing counts at.
    #[error("task `{task}` has hits at rank {rank}; hits are counted at 1, 3, 5 and 10")]
    Rank {
        /// The task.
        task: String,
        /// The rank.
        rank: u32,
    },
    /// Hits at a rank are fewer than those at a lower one, more than the examples, or, at 1, not the right answers.
    #[error("task `{task}` has {hits} hits at rank {rank}, where there are from {least} to {most}")]
    Hits {
        /// The task.
        task: String,
        /// The rank.
        rank: u32,
        /// The hits that the score counts.
        hits: u64,
        /// The fewest that there can be.
        least: u64,
        /// The most that there can be.
        most: u64,
    },
    /// The bitmap of hits at a rank is not that of the hits that are counted.
    #[error(
        "`within` of task `{task}` has {found} hits of {n} examples at rank {rank}, and the score counts {expected}"
    )]
    Within {
        /// The task.
        task: String,
        /// The rank.
        rank: u32,
        /// The hits of the bitmap.
        found: u64,
        /// The examples of the bitmap.
        n: u64,
        /// The hits that the score counts, of as many examples as it counts.
        expected: String,
    },
}

/// From here on a count has no exact `f64`, which shares are computed in.
const MOST_EXAMPLES: u64 = 1 << 53;

pub(super) fn check(score: &TaskScore) -> Result<(), TaskScoreError> {
    let TaskScore { task, n, correct, hits, right, truncated: _, within, mean } = score;
    let task = || task.clone();
    let n = *n;
    let correct = *correct;
    if n == 0 || n > MOST_EXAMPLES {
        return Err(TaskScoreError::Examples { task: task(), n });
    }
    if correct > n {
        return Err(TaskScoreError::Correct { task: task(), correct, n });
    }
    if let Some(mean) = *mean {
        if correct > 0 || right.is_some() || !hits.is_empty() || !within.is_empty() {
            return Err(TaskScoreError::MeanBesideCounts { task: task() });
        }
        if !(0.0..=1.0).contains(&mean) {
            return Err(TaskScoreError::Mean { task: task(), mean });
        }
    }
    if let Some(right) = right {
        if right.len() as u64 != n {
            return Err(TaskScoreError::Length { task: task(), found: right.len() as u64, n });
        }
        if right.count() != correct {
            return Err(TaskScoreError::Count { task: task(), found: right.count(), correct });
        }
    }
    let mut least = correct;
    for (&rank, &hits) in hits {
        if !HITS_AT.contains(&rank) {
            return Err(TaskScoreError::Rank { task: task(), rank });
        }
        let most = if rank == 1 { correct } else { n };
        if hits < least || hits > most {
            return Err(TaskScoreError::Hits { task: task(), rank, hits, least, most });
        }
        least = hits;
    }
    within.iter().try_for_each(|(rank, bitmap)| check_within(score, *rank, bitmap))
}

fn check_within(score: &TaskScore, rank: u32, bitmap: &Bitmap) -> Result<(), TaskScoreError> {
    let TaskScore { task, n, hits, .. } = score;
    let counted = hits.get(&rank).filter(|_| rank > 1);
    let found = bitmap.count();
    let of = bitmap.len() as u64;
    if counted == Some(&found) && of == *n {
        return Ok(());
    }
    let expected = counted.map_or_else(|| "none".to_owned(), |hits| format!("{hits} of {n}"));
    Err(TaskScoreError::Within { task: task.clone(), rank, found, n: of, expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn score(n: u64, correct: u64, hits: &[(u32, u64)]) -> TaskScore {
        let hits = BTreeMap::from_iter(hits.iter().copied());
        TaskScore {
            task: "mnist".to_owned(),
            n,
            correct,
            hits,
            right: None,
            truncated: 0,
            within: BTreeMap::new(),
            mean: None,
        }
    }

    #[test]
    fn numbers_of_an_evaluation_are_taken() {
        for score in [
            score(1, 0, &[]),
            score(10, 10, &[]),
            score(10, 4, &[(1, 4), (3, 4), (5, 7), (10, 10)]),
            score(10, 4, &[(3, 9)]),
        ] {
            assert_eq!(score.check(), Ok(()), "{score:?}");
        }
    }

    #[test]
    fn numbers_that_no_evaluation_comes_to_are_refused() {
        for (score, expected) in [
            (score(0, 0, &[]), "task `mnist` has 0 examples"),
            (score(u64::MAX, u64::MAX, &[]), "task `mnist` has 18446744073709551615 examples"),
            (score(100, 1000, &[]), "task `mnist` has 1000 right answers of 100 examples"),
            (score(10, 4, &[(1, 5)]), "task `mnist` has 5 hits at rank 1, where there are from 4 to 4"),
            (score(10, 4, &[(1, 4), (3, 3)]), "task `mnist` has 3 hits at rank 3, where there are from 4 to 10"),
            (score(10, 4, &[(3, 7), (5, 6)]), "task `mnist` has 6 hits at rank 5, where there are from 7 to 10"),
            (score(10, 4, &[(10, 11)]), "task `mnist` has 11 hits at rank 10, where there are from 4 to 10"),
            (score(10, 4, &[(2, 5)]), "task `mnist` has hits at rank 2"),
        ] {
            let error = score.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn the_examples_of_hits_are_held_against_the_hits() {
        let three: Bitmap = [true, false, true].into_iter().collect();
        let with = |rank, n, hits: &[(u32, u64)]| TaskScore {
            within: BTreeMap::from([(rank, three.clone())]),
            ..score(n, 0, hits)
        };
        assert_eq!(with(3, 3, &[(1, 0), (3, 2)]).check(), Ok(()));
        let error = |score: TaskScore| score.check().unwrap_err().to_string();
        let said = "`within` of task `mnist` has 2 hits of 3 examples at rank 3, and the score counts";
        assert_eq!(error(with(3, 3, &[(3, 1)])), format!("{said} 1 of 3"));
        assert_eq!(error(with(3, 4, &[(3, 2)])), format!("{said} 2 of 4"));
        assert_eq!(error(with(3, 3, &[])), format!("{said} none"));
        assert!(error(with(1, 3, &[(1, 0)])).ends_with("at rank 1, and the score counts none"));
    }

    #[test]
    fn examples_that_were_never_written_are_held_against_the_counts_as_well() {
        let right: Bitmap = [true, false, true].into_iter().collect();
        let with = |n, correct| TaskScore { right: Some(right.clone()), ..score(n, correct, &[]) };
        assert_eq!(with(3, 2).check(), Ok(()));
        let error = with(4, 2).check().unwrap_err().to_string();
        assert_eq!(error, "`right` of task `mnist` has 3 examples, and `n` says 4");
        let error = with(3, 1).check().unwrap_err().to_string();
        assert_eq!(error, "`right` of task `mnist` has 2 right answers, and `correct` says 1");
    }
}

use super::{JobResult, MergeFacts, Timings};
use crate::{BenchmarkInput, HITS_AT, Meaning, SliceError, TaskInput, TaskScore, TaskScoreError};

/// What a result says that cannot be an answer to its job.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResultFault {
    /// The scores are of other tasks than the job names, or in another order.
    #[error("it has scores of {found}, and its job asks for {expected}")]
    Tasks {
        /// The tasks that the job names.
        expected: String,
        /// The tasks that have scores.
        found: String,
    },
    /// A score cannot be.
    #[error(transparent)]
    Score(#[from] TaskScoreError),
    /// The benchmark is joint, and hits are missing.
    #[error("task `{task}` has no hits at rank {rank}, and its benchmark is joint")]
    NoHits {
        /// The task.
        task: String,
        /// The rank.
        rank: u32,
    },
    /// The same data have another number of examples elsewhere.
    #[error("task `{task}` has {found} examples, and the same data have {expected} {place}")]
    Examples {
        /// The task.
        task: String,
        /// The examples that this score counts.
        found: u64,
        /// The examples elsewhere.
        expected: u64,
        /// Where that is.
        place: &'static str,
    },
    /// Its job is a slice that names no examples.
    #[error(transparent)]
    Slice(#[from] SliceError),
    /// A slice has another number of examples of a task, or does not say which of them are right.
    #[error("task `{task}` has {found} single answers of {n} examples, and the slice has {expected} examples of it")]
    SliceExamples {
        /// The task.
        task: String,
        /// The examples of its bitmaps.
        found: u64,
        /// The examples that the score counts.
        n: u64,
        /// The examples of the slice.
        expected: u64,
    },
    /// Only slices say which examples are hits at a rank above 1.
    #[error("task `{0}` has `within`, and its job is no slice")]
    Within(String),
    /// Only a command measures a metric that is no count.
    #[error("task `{0}` has a mean, and no command evaluates its job")]
    Mean(String),
    /// A number is no finite one from 0 on.
    #[error("`{key}` is {value}, and has to be a finite number from 0 on")]
    Number {
        /// Its key.
        key: String,
        /// The number.
        value: f64,
    },
    /// A number is not finite.
    #[error("`{key}` is {value}, and has to be a finite number")]
    Infinite {
        /// Its key.
        key: String,
        /// The number.
        value: f64,
    },
    /// The output is none of the job's kind.
    #[error("it is no output of a job that is to {kind}")]
    OtherKind {
        /// The kind of the job.
        kind: &'static str,
    },
    /// An artefact without files.
    #[error("it has no files")]
    NoFiles,
    /// A file of an artefact has a name that is none.
    #[error("`{}` cannot be the name of a file: it is empty, hidden, or leads out of its folder", name.escape_debug())]
    FileName {
        /// The name.
        name: String,
    },
    /// Two files of an artefact have one name, or they are not sorted.
    #[error("its files are not sorted by their names, or one is named twice")]
    FileOrder,
}

impl JobResult {
    /// Looks whether the result can be an answer to its job: the scores are those of the tasks that the meaning
    /// names, in its order, their numbers are possible, equal data have equally many examples, and times are finite.
    ///
    /// That the id is that of the meaning, and the version ours, is not looked at here.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn check(&self) -> Result<(), ResultFault> {
        check_answer(&self.meaning, &self.scores, &self.timings)?;
        let Some(facts) = &self.merge else { return Ok(()) };
        let MergeFacts { matrices: _, rank: _, smallest_gap, lost_energy, condition, residual } = facts;
        for (name, number) in [
            ("merge.smallest_gap", smallest_gap),
            ("merge.lost_energy", lost_energy),
            ("merge.condition", condition),
            ("merge.residual", residual),
        ] {
            number.map_or(Ok(()), |number| check_number(name, number))?;
        }
        Ok(())
    }
}

/// Looks whether scores and times can be an answer to a job of this meaning: see [`JobResult::check`]. The meaning's
/// subject does not matter.
///
/// # Errors
/// The first thing that cannot be.
pub fn check_answer(meaning: &Meaning, scores: &[TaskScore], timings: &Timings) -> Result<(), ResultFault> {
    if let Some(examples) = meaning.slice_examples()? {
        check_slice(meaning, scores, &examples)?;
        return check_timings(timings);
    }
    if let Some(score) = scores.iter().find(|score| !score.within.is_empty()) {
        return Err(ResultFault::Within(score.task.clone()));
    }
    if let Some(score) = scores.iter().find(|score| score.mean.is_some() && meaning.benchmark.command().is_none()) {
        return Err(ResultFault::Mean(score.task.clone()));
    }
    let tasks = &meaning.tasks;
    let is_asked = |(task, score): (&TaskInput, &TaskScore)| task.name == score.task;
    if tasks.len() != scores.len() || !tasks.iter().zip(scores).all(is_asked) {
        let expected = listed(tasks.iter().map(|task| task.name.as_str()));
        return Err(ResultFault::Tasks { expected, found: listed(scores.iter().map(|score| score.task.as_str())) });
    }
    for (place, score) in scores.iter().enumerate() {
        score.check()?;
        if let (BenchmarkInput::Joint { .. }, Some(rank)) = (&meaning.benchmark, missing_rank(score)) {
            return Err(ResultFault::NoHits { task: score.task.clone(), rank });
        }
        check_examples(&tasks[..place], scores, &tasks[place], score)?;
    }
    check_timings(timings)
}

/// Looks whether scores can be those of a slice: of each task of which it has examples, with every single answer.
fn check_slice(meaning: &Meaning, scores: &[TaskScore], examples: &[Vec<u64>]) -> Result<(), ResultFault> {
    let asked = meaning.tasks.iter().zip(examples).filter(|(_, examples)| !examples.is_empty());
    let asked: Vec<(&str, u64)> = asked.map(|(task, examples)| (task.name.as_str(), examples.len() as u64)).collect();
    if !asked.iter().map(|(task, _)| *task).eq(scores.iter().map(|score| score.task.as_str())) {
        let expected = listed(asked.iter().map(|(task, _)| *task));
        return Err(ResultFault::Tasks { expected, found: listed(scores.iter().map(|score| score.task.as_str())) });
    }
    let is_joint = matches!(meaning.benchmark, BenchmarkInput::Joint { .. });
    for (score, (_, expected)) in scores.iter().zip(asked) {
        score.check()?;
        let task = || score.task.clone();
        let answers = score.right.as_ref().map_or(0, |right| right.len() as u64);
        if answers != expected {
            return Err(ResultFault::SliceExamples { task: task(), found: answers, n: score.n, expected });
        }
        let missing = HITS_AT.into_iter().find(|rank| *rank > 1 && !score.within.contains_key(rank));
        if let Some(rank) = missing_rank(score).or(missing).filter(|_| is_joint) {
            return Err(ResultFault::NoHits { task: task(), rank });
        }
    }
    Ok(())
}

/// Looks whether times can be.
pub(crate) fn check_timings(timings: &Timings) -> Result<(), ResultFault> {
    let Timings { load_s, align_s, merge_s, evaluate_s } = *timings;
    let times = [
        ("timings.load_s", load_s),
        ("timings.align_s", align_s),
        ("timings.merge_s", merge_s),
        ("timings.evaluate_s", evaluate_s),
    ];
    times.into_iter().try_for_each(|(key, seconds)| check_number(key, seconds))
}

fn missing_rank(score: &TaskScore) -> Option<u32> {
    HITS_AT.into_iter().find(|rank| !score.hits.contains_key(rank))
}

/// Holds a score against those of tasks `before` it that have the same data.
fn check_examples(
    before: &[TaskInput],
    scores: &[TaskScore],
    task: &TaskInput,
    score: &TaskScore,
) -> Result<(), ResultFault> {
    // With another head other rows may count.
    let is_same = |other: &TaskInput| other.data == task.data && other.head == task.head;
    let same = before.iter().zip(scores).find(|(other, earlier)| is_same(other) && earlier.n != score.n);
    match same {
        None => Ok(()),
        Some((_, earlier)) => Err(ResultFault::Examples {
            task: score.task.clone(),
            found: score.n,
            expected: earlier.n,
            place: "under another task's name",
        }),
    }
}

pub(crate) fn check_number(key: &str, value: f64) -> Result<(), ResultFault> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(ResultFault::Number { key: key.to_owned(), value })
}

pub(crate) fn check_finite(key: &str, value: f64) -> Result<(), ResultFault> {
    if value.is_finite() {
        return Ok(());
    }
    Err(ResultFault::Infinite { key: key.to_owned(), value })
}

/// Names in words; many of them are counted.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const MOST: usize = 20;
    let count = names.len();
    let shown: Vec<String> = names.take(MOST).map(|name| format!("`{name}`")).collect();
    match count {
        0 => "no task".to_owned(),
        count if count > MOST => format!("{} and {} more", shown.join(", "), count - MOST),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests;

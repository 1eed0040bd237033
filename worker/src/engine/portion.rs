//! The part of an evaluation that an attempt has to evaluate.

use crate::JobError;
use jobs::{HITS_AT, JobResult, KnownAnswers, Meaning, Slice, TaskInput, TaskScore};
use std::collections::BTreeMap;
use tracing::warn;

/// The examples that a model is run over at once where only some of a split are wanted: they are copied before.
const AT_ONCE: usize = 512;

/// The rank of an example whose true class is below all ranks that are counted.
pub(super) const BEYOND: usize = usize::MAX;

/// Which examples an evaluation is of, and which of these are known from results of slices.
///
/// An evaluation that is made of slices has the same counts and single answers as one that is made at once: both are sums over
/// examples, each of which a model sees by itself. Rounding may differ in the last bits where a step of the model holds other
/// examples beside it, as it does between devices.
#[derive(Debug)]
pub(super) struct Portion<'a> {
    slice: Option<&'a Slice>,
    /// The examples of the slice by task.
    examples: Option<Vec<Vec<u64>>>,
    /// What is known at each rank that is counted, if anything is.
    known: Vec<KnownAnswers>,
}

/// A task of a job, and its number there.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskPlace<'a> {
    pub(super) place: usize,
    pub(super) task: &'a TaskInput,
}

/// The answers to the examples that an evaluation is of.
#[derive(Debug)]
pub(super) struct Answers {
    /// For each example the number of classes with a higher score than the true one, or [`BEYOND`].
    ranks: Vec<usize>,
    is_slice: bool,
}

impl<'a> Portion<'a> {
    /// The portion of a job that has to be evaluated where the results `stored` are there.
    pub(super) fn of(meaning: &'a Meaning, stored: &[JobResult]) -> Result<Self, JobError> {
        let examples = meaning.slice_examples().map_err(JobError::Slice)?;
        let whole = meaning.whole();
        let is_usable = |result: &&JobResult| {
            let is_usable = result.meaning.slice.is_some() && result.meaning.whole() == whole;
            if !is_usable {
                warn!(slice = %result.job, "the result is no slice of the job; its examples are evaluated again");
            }
            is_usable
        };
        let usable: Vec<&JobResult> = stored.iter().filter(is_usable).collect();
        let sizes = usable.iter().find_map(|result| result.meaning.slice.as_ref());
        let sizes: Vec<u64> = sizes.iter().flat_map(|slice| &slice.tasks).map(|task| task.examples).collect();
        let at = |rank: u32| {
            let mut known = KnownAnswers::new(rank, sizes.iter().copied());
            for result in &usable {
                known.add(result);
            }
            known
        };
        let known = if usable.is_empty() { Vec::new() } else { HITS_AT.into_iter().map(at).collect() };
        Ok(Self { slice: meaning.slice.as_ref(), examples, known })
    }

    /// Whether all examples are evaluated.
    pub(super) fn is_whole(&self) -> bool {
        self.examples.is_none() && self.known.is_empty()
    }

    /// The tasks that the job has examples of.
    pub(super) fn tasks(&self, tasks: &'a [TaskInput]) -> Vec<TaskPlace<'a>> {
        let all = tasks.iter().enumerate().map(|(place, task)| TaskPlace { place, task });
        all.filter(|of| self.examples.as_ref().is_none_or(|examples| !examples[of.place].is_empty())).collect()
    }

    /// The answers to the examples of a task, of which the split has `n`. `evaluate` gives the rank of each of the examples that it
    /// is called with; with `None`, of all.
    pub(super) fn answers<E: From<JobError>>(
        &self,
        task: usize,
        name: &str,
        n: usize,
        mut evaluate: impl FnMut(Option<&[u64]>) -> Result<Vec<usize>, E>,
    ) -> Result<Answers, E> {
        if self.is_whole() {
            return Ok(Answers { ranks: evaluate(None)?, is_slice: false });
        }
        if let Some(slice) = self.slice
            && slice.tasks[task].examples != n as u64
        {
            let expected = slice.tasks[task].examples;
            return Err(JobError::SliceSize { task: name.to_owned(), expected, found: n as u64 }.into());
        }
        let wanted: Vec<u64> = match &self.examples {
            Some(examples) => examples[task].clone(),
            None => (0..n as u64).collect(),
        };
        let known: Vec<Option<usize>> = wanted.iter().map(|example| self.known_rank(task, n, *example)).collect();
        let missing: Vec<u64> =
            wanted.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(example, _)| *example).collect();
        let mut evaluated = Vec::with_capacity(missing.len());
        for examples in missing.chunks(AT_ONCE) {
            evaluated.extend(evaluate(Some(examples))?);
        }
        let mut evaluated = evaluated.into_iter();
        let ranks = known.into_iter().map(|known| known.or_else(|| evaluated.next()).unwrap_or(BEYOND)).collect();
        Ok(Answers { ranks, is_slice: self.slice.is_some() })
    }

    /// The rank of an example by the slices that are there, as far as ranks are counted.
    fn known_rank(&self, task: usize, n: usize, example: u64) -> Option<usize> {
        // Per task only the first rank is known, in a joint benchmark all of them.
        let first = self.known.first().filter(|known| known.tasks()[task].seen.len() == n)?;
        first.answer(task, example)?;
        let within = |known: &&KnownAnswers| known.answer(task, example) == Some(true);
        let place = self.known.iter().position(|known| within(&known));
        Some(place.map_or(BEYOND, |place| HITS_AT[place] as usize - 1))
    }
}

impl Answers {
    /// The score of a task per task, in which `truncated` examples of the split were cut.
    pub(super) fn per_task(&self, task: &str, truncated: usize) -> TaskScore {
        let right: jobs::Bitmap = self.within(1);
        TaskScore {
            task: task.to_owned(),
            n: self.ranks.len() as u64,
            correct: right.count(),
            hits: BTreeMap::new(),
            right: Some(right),
            truncated: if self.is_slice { 0 } else { truncated as u64 },
            within: BTreeMap::new(),
            mean: None,
        }
    }

    /// The score of a task in a joint benchmark.
    pub(super) fn joint(&self, task: &str, truncated: usize) -> TaskScore {
        let within: BTreeMap<u32, jobs::Bitmap> = HITS_AT.into_iter().map(|rank| (rank, self.within(rank))).collect();
        let hits = within.iter().map(|(rank, within)| (*rank, within.count())).collect();
        let within = within.into_iter().filter(|(rank, _)| self.is_slice && *rank > 1).collect();
        TaskScore { hits, within, ..self.per_task(task, truncated) }
    }

    fn within(&self, rank: u32) -> jobs::Bitmap {
        self.ranks.iter().map(|own| *own < rank as usize).collect()
    }
}

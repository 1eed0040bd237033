//! Single answers of merges, which races are decided by.

use super::Known;
use crate::plan::{
    races::Settled,
    results::{Counted, SearchedPoint},
};
use jobs::{JobId, JobResult, KnownAnswers, Metric, Raced, Slice, Subject, TaskShare};

impl Known {
    /// The rank up to which an answer counts as right: that of the metric.
    fn rank(&self) -> u32 {
        match self.frozen.sweep().objective.metric {
            Metric::JointHits(rank) => rank,
            Metric::MeanNormalisedAccuracy
            | Metric::MeanAccuracy
            | Metric::WorstNormalisedAccuracy
            | Metric::WorstAccuracy
            | Metric::Accuracy(_) => 1,
        }
    }

    /// Keeps the answers of a merge on the selection split, if there are races: two bits for each example.
    pub(super) fn note_answers(&mut self, result: &JobResult) {
        let meaning = &result.meaning;
        let is_raced = self.frozen.sweep().racing.is_some()
            && meaning.split == self.select
            && meaning.tasks.len() == self.frozen.sweep().tasks.len()
            && matches!(meaning.subject, Subject::Merge { .. })
            // Results of compacted parts have none.
            && result.scores.iter().any(|score| score.right.is_some());
        if !is_raced {
            return;
        }
        let whole = meaning.whole_id();
        let sizes: Vec<u64> = match &meaning.slice {
            Some(slice) => slice.tasks.iter().map(|task| task.examples).collect(),
            None => result.scores.iter().map(|score| score.n).collect(),
        };
        let rank = self.rank();
        let answers = self.results.answers.entry(whole).or_insert_with(|| KnownAnswers::new(rank, sizes));
        let is_added = answers.add(result);
        if is_added && meaning.slice.is_some() {
            self.results.slices.entry(whole).or_default().push(result.job);
        }
    }

    /// What is known of the answers of a merge on the selection split, by its job on all examples.
    pub(in crate::plan) fn answers(&self, job: &JobId) -> Option<&KnownAnswers> {
        self.results.answers.get(job)
    }

    /// Whether the answers to a slice of a job's own sequence are known.
    pub(in crate::plan) fn has_answers(&self, job: &JobId, slice: &Slice) -> bool {
        let Some(answers) = self.answers(job) else { return false };
        let Ok(examples) = slice.examples(*job) else { return false };
        let mut all = examples.iter().enumerate().flat_map(|(task, all)| all.iter().map(move |one| (task, *one)));
        all.all(|(task, example)| answers.answer(task, example).is_some())
    }

    /// The slices of a job that have results.
    pub(in crate::plan) fn slices(&self, job: &JobId) -> &[JobId] {
        self.results.slices.get(job).map_or(&[], Vec::as_slice)
    }

    /// The same in the order of their ids, which does not depend on when they ended.
    pub(in crate::plan) fn sorted_slices(&self, job: &JobId) -> Vec<JobId> {
        let mut slices = self.slices(job).to_vec();
        slices.sort_unstable();
        slices
    }

    /// What a race has decided about a point by.
    pub(in crate::plan) fn raced(&self, job: &JobId, led: bool) -> Option<Raced> {
        let Some(answers) = self.answers(job) else {
            let Counted { examples, of } = *self.results.counted.get(job)?;
            return Some(Raced { led, examples, of });
        };
        Some(Raced { led, examples: answers.known(), of: examples_of(answers) })
    }

    /// Whether a point of a search is known to lose against another one, so that its answers are not needed.
    pub(in crate::plan) fn is_raced_out(&self, point: SearchedPoint, by: &JobId) -> bool {
        self.results.raced_out.get(&point) == Some(by)
    }

    /// Whether a race with another point is known to leave a point to the values on all examples.
    pub(in crate::plan) fn is_whole(&self, point: SearchedPoint, by: &JobId) -> bool {
        self.results.whole.get(&point) == Some(by)
    }

    /// Notes how a race of a search has ended.
    pub(in crate::plan) fn note_settled(&mut self, search: usize, settled: &Settled) {
        let Some(by) = settled.by else { return };
        let of_kind = if settled.is_lost { &mut self.results.raced_out } else { &mut self.results.whole };
        of_kind.insert(SearchedPoint { search, point: settled.id }, by);
    }

    /// Forgets the answers of a point that no search needs any more: two bits for each example are too many if there are very many
    /// points.
    pub(in crate::plan) fn forget_answers(&mut self, point: JobId) {
        let Some(answers) = self.results.answers.remove(&point) else { return };
        let counted = Counted { examples: answers.known(), of: examples_of(&answers) };
        self.results.counted.insert(point, counted);
    }

    /// Whether the sizes of the tasks on the selection split are known, or never will be, if a race needs them.
    pub(in crate::plan) fn has_sizes(&self) -> bool {
        let is_raced = self.frozen.sweep().racing.is_some();
        !is_raced || self.status(&self.id_of(Subject::Base, &self.select)).is_some()
    }

    /// The sizes of the tasks on the selection split, with the weights of their accuracies in the metric; `None` if the base model
    /// could not be evaluated.
    ///
    /// The normalised mean of T tasks is the sum of `accuracy_t / (T · own_t)`, the mean that of `accuracy_t / T`, and the joint
    /// share of n examples that of `accuracy_t · n_t / n`.
    pub(in crate::plan) fn task_shares(&self) -> Option<Vec<TaskShare>> {
        let sweep = self.frozen.sweep();
        let sizes = self.results.sizes.get(&self.select)?;
        let own = self.results.denominators.get(&self.select);
        let count = sweep.tasks.len() as f64;
        let all: u64 = sizes.values().sum();
        let share = |task: &jobs::Task| {
            let examples = *sizes.get(&task.name)?;
            let weight = match &sweep.objective.metric {
                Metric::MeanNormalisedAccuracy => 1.0 / (count * own?.get(&task.name)?),
                Metric::MeanAccuracy => 1.0 / count,
                // A sweep by the worst task has no races: see `Metric::is_linear`.
                Metric::WorstNormalisedAccuracy | Metric::WorstAccuracy => return None,
                Metric::JointHits(_) => examples as f64 / all as f64,
                Metric::Accuracy(name) if *name == task.name => 1.0,
                Metric::Accuracy(_) => 0.0,
            };
            Some(TaskShare { examples, weight })
        };
        sweep.tasks.iter().map(share).collect()
    }
}

/// The number of examples of the split.
fn examples_of(answers: &KnownAnswers) -> u64 {
    answers.tasks().iter().map(|task| task.seen.len() as u64).sum()
}

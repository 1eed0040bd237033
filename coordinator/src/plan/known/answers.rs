//! Single answers of merges, which races are decided by.

use super::Known;
use crate::plan::{
    races::Settled,
    results::{RacedOut, WholePoint},
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
            && matches!(meaning.subject, Subject::Merge { .. });
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
        let slices = self.results.slices.entry(whole).or_default();
        // A slice may be read again: see `recall`.
        if is_added && meaning.slice.is_some() && !slices.contains(&result.job) {
            slices.push(result.job);
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
        let forgotten = self.results.raced_out.get(job);
        let Some(answers) = self.answers(job) else {
            let RacedOut { examples, of, .. } = *forgotten?;
            return Some(Raced { led, examples, of });
        };
        // Another search may have read a part of them again.
        let examples = answers.known().max(forgotten.map_or(0, |forgotten| forgotten.examples));
        Some(Raced { led, examples, of: examples_of(answers) })
    }

    /// Whether a point is known to lose in a search against another one, so that its answers are not needed. Another search has
    /// another error rate, and decides by itself.
    pub(in crate::plan) fn is_raced_out(&self, search: usize, job: &JobId, by: &JobId) -> bool {
        let raced_out = self.results.raced_out.get(job);
        raced_out.is_some_and(|raced_out| raced_out.search == search && raced_out.by == *by)
    }

    /// Whether a race of a search is known to leave a point to the values on all examples.
    pub(in crate::plan) fn is_whole(&self, search: usize, job: &JobId, by: &JobId) -> bool {
        self.results.whole.contains(&WholePoint { search, id: *job, by: *by })
    }

    /// Keeps how a race has ended, for a plan that starts from these results.
    pub(in crate::plan) fn note_settled(&mut self, settled: Settled) {
        let Settled { search, id, by, is_lost } = settled;
        self.results.whole.extend(by.filter(|_| !is_lost).map(|by| WholePoint { search, id, by }));
    }

    /// Forgets the answers of a point that no race needs now: two bits for each example are too many if there are very many points.
    /// Another search may need them later, and [recalls](Self::recall) them.
    pub(in crate::plan) fn forget_answers(&mut self, settled: Settled) {
        let Settled { search, id, by, is_lost } = settled;
        let Some(answers) = self.results.answers.remove(&id) else { return };
        if let (true, Some(by)) = (is_lost, by) {
            let before = self.results.raced_out.get(&id).map_or(0, |before| before.examples);
            let examples = answers.known().max(before);
            let raced_out = RacedOut { search, by, examples, of: examples_of(&answers), is_recalled: false };
            self.results.raced_out.insert(id, raced_out);
        }
    }

    /// Whether the answers of a point were known, and are forgotten.
    pub(in crate::plan) fn has_forgotten(&self, job: &JobId) -> bool {
        let is_forgotten = self.results.raced_out.get(job).is_some_and(|raced_out| !raced_out.is_recalled);
        is_forgotten && !self.results.answers.contains_key(job)
    }

    /// Forgets that the slices of a point have ended, so that a race asks for them again, and returns them. A run finds their results in
    /// the store.
    pub(in crate::plan) fn recall(&mut self, job: &JobId) -> Vec<JobId> {
        if let Some(raced_out) = self.results.raced_out.get_mut(job) {
            raced_out.is_recalled = true;
        }
        let slices = self.slices(job).to_vec();
        slices.into_iter().filter(|slice| self.results.statuses.remove(slice).is_some()).collect()
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

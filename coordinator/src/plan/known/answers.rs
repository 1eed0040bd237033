//! Single answers of merges, which races are decided by.

use super::Known;
use crate::plan::{races::Settled, results::RacedOut};
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
            let RacedOut { by: _, examples, of } = *self.results.raced_out.get(job)?;
            return Some(Raced { led, examples, of });
        };
        Some(Raced { led, examples: answers.known(), of: examples_of(answers) })
    }

    /// Whether a point is known to lose against another one, so that its answers are not needed.
    pub(in crate::plan) fn is_raced_out(&self, job: &JobId, by: &JobId) -> bool {
        self.results.raced_out.get(job).is_some_and(|raced_out| raced_out.by == *by)
    }

    /// Whether a race with another point is known to leave a point to the values on all examples.
    pub(in crate::plan) fn is_whole(&self, job: &JobId, by: &JobId) -> bool {
        self.results.whole.get(job) == Some(by)
    }

    /// Notes how a race has ended, and forgets the answers of the point unless it is the `incumbent` now: two bits for each example are too
    /// many if there are very many points.
    ///
    /// Another search of the sweep may hold the same point against another one, by another error rate. Where there are several, answers
    /// are kept, and no decision is passed on.
    pub(in crate::plan) fn note_settled(&mut self, settled: Settled) {
        if self.frozen.sweep().searches.len() > 1 {
            return;
        }
        let Settled { id, by, is_lost, is_incumbent } = settled;
        if let Some(by) = by.filter(|_| !is_lost) {
            self.results.whole.insert(id, by);
        }
        if is_incumbent {
            return;
        }
        let Some(answers) = self.results.answers.remove(&id) else { return };
        if let Some(by) = by.filter(|_| is_lost) {
            let raced_out = RacedOut { by, examples: answers.known(), of: examples_of(&answers) };
            self.results.raced_out.insert(id, raced_out);
        }
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

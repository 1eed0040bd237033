//! Subsets of the tasks: which ones are taken, and their jobs.

use super::{known::Known, pending::PendingJob, results::JobStatus};
use jobs::{JobId, JobSpec, LayerwiseSpec, Recipe, Subject, SubsetJob, Subsets, Sweep};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::collections::BTreeSet;

/// The subsets of the tasks that a sweep asks for, the same for each recipe. Each has its tasks in the order of the sweep.
#[derive(Debug, Default)]
pub(super) struct TaskSubsets(Vec<Vec<String>>);

impl TaskSubsets {
    pub(super) fn of(sweep: &Sweep) -> Self {
        let Some(subsets) = &sweep.subsets else { return Self::default() };
        let name = |place: &usize| sweep.tasks[*place].name.clone();
        let of_size = |size: &u64| places(subsets, sweep.tasks.len(), *size as usize);
        let all = subsets.sizes.iter().flat_map(of_size);
        Self(all.map(|places| places.iter().map(name).collect()).collect())
    }

    /// The evaluations of a merge by `recipe` for each subset on the report split.
    ///
    /// A subset of one task is that task's adapter alone, which is evaluated as a reference.
    /// A recipe that is merged layer by layer is merged so for each subset, by a job before the evaluation.
    pub(super) fn jobs(&self, name: &str, recipe: &Recipe, known: &Known) -> Vec<PendingJob> {
        let mut jobs = Vec::new();
        for tasks in self.0.iter().filter(|tasks| tasks.len() > 1) {
            let layerwise = known.layerwise_of_subset(recipe, tasks);
            let artefacts = layerwise.iter().map(|spec| JobSpec::from(spec.clone()).id()).collect();
            jobs.extend(layerwise.map(PendingJob::layerwise));
            jobs.push(PendingJob::subset(name, recipe, &known.report, tasks, artefacts));
        }
        jobs
    }

    /// The jobs that hold the numbers of a recipe for each subset.
    pub(super) fn named(&self, recipe: &Recipe, known: &Known) -> Vec<SubsetJob> {
        let job = |tasks: &Vec<String>| {
            let succeeded = |id: &JobId| matches!(known.status(id), Some(JobStatus::Done(_)));
            SubsetJob { tasks: tasks.clone(), job: known.subset_id(recipe, tasks).filter(succeeded) }
        };
        self.0.iter().map(job).collect()
    }
}

impl Known {
    /// What merges a subset layer by layer; `None` for most recipes.
    fn layerwise_of_subset(&self, recipe: &Recipe, tasks: &[String]) -> Option<LayerwiseSpec> {
        let settings = recipe.for_tasks(tasks).layerwise()?;
        self.frozen.layerwise_spec(&settings, |task| tasks.iter().any(|member| member == task))
    }

    /// The job of a subset on the report split; `None` for a single task whose accuracy is given.
    fn subset_id(&self, recipe: &Recipe, tasks: &[String]) -> Option<JobId> {
        match tasks {
            [task] => {
                let is_measured = self.measured(&self.report).any(|measured| measured.name == *task);
                is_measured.then(|| self.id_of(Subject::Adapter { task: task.clone() }, &self.report))
            }
            _ => Some(self.frozen.subset_meaning(recipe, &self.report, tasks).id()),
        }
    }
}

/// The subsets of `size` out of `n` tasks, each as the places of its tasks, in lexicographic order.
///
/// All of them if they are no more than the samples. Otherwise distinct ones are drawn, each with the same probability.
/// Draw `i` is a function of (seed, size, i) alone: more samples add to the draws and change none.
fn places(subsets: &Subsets, n: usize, size: usize) -> BTreeSet<Vec<usize>> {
    if subsets.takes_all(n as u64, size as u64) {
        return combinations(n, size);
    }
    let mut drawn = BTreeSet::new();
    let mut index = 0;
    while drawn.len() < subsets.samples as usize {
        drawn.insert(draw(subsets.seed, n, size, index));
        index += 1;
    }
    drawn
}

/// All subsets of `size` out of `n` places.
fn combinations(n: usize, size: usize) -> BTreeSet<Vec<usize>> {
    let mut all = BTreeSet::from([Vec::new()]);
    for _ in 0..size {
        let longer = all.iter().flat_map(|places: &Vec<usize>| {
            let next = places.last().map_or(0, |last| last + 1);
            (next..n).map(move |place| places.iter().copied().chain([place]).collect())
        });
        all = longer.collect();
    }
    all
}

/// One subset: the first `size` places of a shuffle, sorted.
fn draw(seed: u64, n: usize, size: usize, index: u64) -> Vec<usize> {
    let mut numbers = ChaCha8Rng::seed_from_u64(seed);
    numbers.set_stream(((size as u64) << 32) | index);
    let mut places: Vec<usize> = (0..n).collect();
    for step in 0..size {
        let rest = (n - step) as u128;
        let offset = (u128::from(numbers.next_u64()) * rest) >> 64;
        places.swap(step, step + offset as usize);
    }
    places.truncate(size);
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subsets(samples: u32, seed: u64) -> Subsets {
        Subsets { sizes: Vec::new(), samples, seed }
    }

    #[test]
    fn all_subsets_of_a_size_are_taken_where_they_are_no_more_than_the_samples() {
        let of = |size| places(&subsets(6, 1), 4, size).into_iter().collect::<Vec<_>>();
        assert_eq!(of(1), [[0], [1], [2], [3]]);
        assert_eq!(of(2), [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(of(4), [[0, 1, 2, 3]]);
    }

    #[test]
    fn drawn_subsets_are_distinct_and_decided_by_the_seed() {
        let drawn = places(&subsets(28, 1), 8, 4);
        assert_eq!(drawn.len(), 28);
        assert!(drawn.iter().all(|places| places.len() == 4 && places.is_sorted_by(|one, other| one < other)));
        assert_eq!(drawn, places(&subsets(28, 1), 8, 4));
        assert_ne!(drawn, places(&subsets(28, 2), 8, 4));
        assert!(places(&subsets(40, 1), 8, 4).is_superset(&drawn), "more samples change no draw");
        // All but one of 70 are found as well.
        assert_eq!(places(&subsets(69, 1), 8, 4).len(), 69);
    }

    #[test]
    fn every_task_is_drawn_about_equally_often() {
        let draws = 4000;
        let mut counts = [0; 5];
        (0..draws).flat_map(|index| draw(3, 5, 2, index)).for_each(|place| counts[place] += 1);
        // Each is in two of five draws: 1600, with a standard deviation of 31.
        assert!(counts.iter().all(|count| (1450..1750).contains(count)), "{counts:?}");
    }
}

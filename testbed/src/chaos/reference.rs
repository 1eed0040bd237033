use crate::{
    Failure,
    sim::{Poison, SweepSpec, computed, undisturbed},
};
use coordinator::{Coordinator, Ended, Frozen, Resume, Settings};
use jobs::{Job, JobId, JobResult, Meaning, Outcome};
use queue::MemoryQueue;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::Arc,
};
use store::{Store, testing::MemoryBackend};
use worker::{DeviceThread, Output, Scores, Worker};

/// The results of a sweep without faults: one process, a queue and a store in memory.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) outcome: Outcome,
    /// The compared part of each result, by job.
    pub(super) results: BTreeMap<JobId, String>,
    /// The jobs that fail for good.
    pub(super) failures: BTreeSet<JobId>,
    /// The jobs on all examples of the points that are evaluated on slices. A race may need them in place of slices, or other slices,
    /// if a result was changed or lost: that of the base model has the sizes of the tasks. Beside them are the points that a linear
    /// search passes over, which are evaluated ahead while workers are idle.
    points: BTreeSet<JobId>,
    frozen: Frozen,
    jobs: Vec<Job>,
}

impl Reference {
    pub(super) async fn of(sweep: &SweepSpec) -> Result<Self, Failure> {
        let frozen = sweep.frozen()?;
        let store = Store::new(MemoryBackend::new());
        let queue = Arc::new(MemoryQueue::new());
        let device = DeviceThread::start("undisturbed".to_owned(), BTreeMap::new(), undisturbed);
        let worker = Worker::new("undisturbed".to_owned(), queue.clone(), store.clone(), Arc::new(device));
        let coordinator = Coordinator { publisher: queue, store: store.clone(), settings: Settings::default() };
        let resume = Resume::fresh(&frozen)?;
        let mut ignore = |_| {};
        let report = tokio::select! {
            report = coordinator.run(frozen.clone(), resume, &mut ignore, pending()) => report?,
            ended = worker.run_until(pending(), pending()) => return Err(format!("the worker ended: {ended:?}").into()),
        };
        let Ended::Finished(outcome) = report.ended else { return Err("the undisturbed sweep did not finish".into()) };
        Self::read(frozen, *outcome, &store).await
    }

    async fn read(frozen: Frozen, outcome: Outcome, store: &Store) -> Result<Self, Failure> {
        let mut results = BTreeMap::new();
        let mut jobs = Vec::new();
        for result in store.results().await?.collect().await? {
            let result = result?;
            results.insert(result.job, deciding(&result)?);
            jobs.push(frozen.job(result.meaning));
        }
        let mut failures = BTreeSet::new();
        for failure in store.all_failures().await?.collect().await? {
            let failure = failure?;
            failures.insert(failure.job);
            jobs.extend(failure.spec.as_evaluation().map(|meaning| frozen.job(meaning.clone())));
        }
        // A store lists them in any order.
        jobs.sort_unstable_by_key(Job::id);
        let meanings = jobs.iter().filter_map(|job| job.spec().as_evaluation());
        let raced = meanings.filter(|meaning| meaning.slice.is_some()).map(Meaning::whole_id);
        let points = raced.chain(coordinator::points_ahead(&frozen, store).await?).collect();
        Ok(Self { outcome, results, failures, points, frozen, jobs })
    }

    /// The compared part of a result without faults; `None` if no run of the sweep makes it.
    pub(super) fn expected(&self, result: &JobResult) -> Result<Option<String>, Failure> {
        if let Some(expected) = self.results.get(&result.job) {
            return Ok(Some(expected.clone()));
        }
        if !self.points.contains(&result.meaning.whole_id()) {
            return Ok(None);
        }
        expected(&self.frozen.job(result.meaning.clone())).map(Some)
    }

    /// The jobs that are slices, with the jobs on all examples that may answer in their place.
    pub(super) fn slices(&self) -> BTreeMap<JobId, JobId> {
        let meanings = self.jobs.iter().filter_map(|job| Some((job.id(), job.spec().as_evaluation()?)));
        meanings
            .filter(|(_, meaning)| meaning.slice.is_some())
            .map(|(job, meaning)| (job, meaning.whole_id()))
            .collect()
    }

    /// The number of poison jobs.
    pub(super) fn poison(&self) -> u32 {
        self.jobs.iter().map(|job| u32::from(job.spec().as_evaluation().and_then(Poison::of).is_some())).sum()
    }

    /// All jobs of the sweep, in the order of their ids.
    pub(super) fn jobs(&self) -> &[Job] {
        &self.jobs
    }
}

/// The compared part of the result of a job without faults.
fn expected(job: &Job) -> Result<String, Failure> {
    let Output::Scores(Scores { scores, merge }) = computed(job).output else {
        return Err("a job of a race has no scores".into());
    };
    Ok(serde_json::to_string(&(job.id(), job.spec().as_evaluation(), scores, merge))?)
}

/// The compared part of a result: what was computed and its scores, without worker and times.
pub(super) fn deciding(result: &JobResult) -> Result<String, Failure> {
    Ok(serde_json::to_string(&(result.job, &result.meaning, &result.scores, &result.merge))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::RowKind;

    fn sweep(racing: bool, linear: bool) -> SweepSpec {
        SweepSpec {
            sweep: "races".to_owned(),
            seed: 5,
            scalings: 10,
            densities: 4,
            linear,
            racing,
            poison: false,
            metric: "mean_normalised_accuracy".to_owned(),
        }
    }

    /// Through a coordinator, a queue, a worker and a store.
    #[test]
    fn a_sweep_whose_points_race_makes_the_same_choice_on_slices() {
        // The thread of a test has a quarter of the stack of a program's main thread, and unoptimised futures need more.
        let run = || tokio::runtime::Runtime::new().unwrap().block_on(races_choose_the_same());
        std::thread::Builder::new().stack_size(8 << 20).spawn(run).unwrap().join().unwrap();
    }

    async fn races_choose_the_same() {
        for linear in [false, true] {
            let whole = Reference::of(&sweep(false, linear)).await.unwrap();
            let raced = Reference::of(&sweep(true, linear)).await.unwrap();
            let last = |reference: &Reference| reference.outcome.rows.last().unwrap().clone();
            assert_eq!(last(&raced).jobs, last(&whole).jobs, "linear: {linear}");
            let RowKind::Search { points, .. } = last(&raced).kind else { panic!("the last row is the search") };
            assert!(points.iter().any(|point| point.raced.is_some()), "linear: {linear}");
            let slices = raced.jobs().iter().filter_map(|job| job.spec().as_evaluation()?.slice.as_ref()).count();
            assert!(slices > points.len() / 2, "linear: {linear}: {slices}");
            let computed = raced
                .jobs()
                .iter()
                .filter(|job| job.spec().as_evaluation().is_some_and(|of| raced.points.contains(&of.whole_id())));
            for job in computed {
                assert_eq!(raced.results[&job.id()], expected(job).unwrap(), "linear: {linear}");
            }
        }
    }
}

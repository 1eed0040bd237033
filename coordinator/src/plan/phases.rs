//! What the phases of a sweep wait for, and the jobs that each phase consists of.

use super::{
    baselines::FixedRecipe,
    issued::IssuedJobs,
    job::{Phase, PlannedJob},
    known::Known,
    pending::PendingJob,
    replicates::{best_replicate, replicates},
    searches::Searches,
    subsets::TaskSubsets,
};
use crate::strategy::PointResults;
use jobs::{Ensemble, Recipe, Replicate, Replicates, Search, Subject};
use std::collections::{BTreeMap, VecDeque};

/// What must be known before a phase can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// The adapters, if the sweep trains them, their accuracies alone, if the metric is normalised by them, the statistics of all tasks, if a
    /// recipe merges by them, and the sizes of the tasks, if searches race.
    Grounds,
    /// The same, and the coefficients of all learned merges.
    Coefficients,
    /// The same, and the choice of every search.
    Choices,
    /// The same, and the result of every seed of the fixed recipes on the selection split.
    Seeds,
    /// The result of every evaluation.
    Evaluations,
}

impl Phase {
    /// All phases. If several phases are ready, their jobs are issued in this order.
    pub(super) const ALL: [Self; 10] = [
        Self::Train,
        Self::References,
        Self::Statistics,
        Self::Tune,
        Self::Search,
        Self::Baselines,
        Self::Learned,
        Self::Report,
        Self::Subsets,
        Self::Write,
    ];

    pub(super) fn needs(self) -> Needs {
        match self {
            // Those that need an adapter which is trained wait for it one by one.
            Self::Train | Self::References | Self::Statistics | Self::Tune => Needs::Nothing,
            // A value of a normalised metric cannot be computed without the adapters' own accuracies.
            Self::Search | Self::Baselines => Needs::Grounds,
            Self::Learned => Needs::Coefficients,
            Self::Report => Needs::Choices,
            // The best seed of a recipe is merged for subsets, and no other.
            Self::Subsets => Needs::Seeds,
            Self::Write => Needs::Evaluations,
        }
    }
}

/// The pending jobs of the phases that have begun.
#[derive(Debug, Default)]
pub(super) struct PendingJobs(BTreeMap<Phase, VecDeque<PendingJob>>);

impl PendingJobs {
    pub(super) fn has_begun(&self, phase: Phase) -> bool {
        self.0.contains_key(&phase)
    }

    pub(super) fn begin(&mut self, phase: Phase, jobs: VecDeque<PendingJob>) {
        self.0.insert(phase, jobs);
    }

    /// Whether the phase has begun and has issued all of its jobs.
    pub(super) fn is_issued(&self, phase: Phase) -> bool {
        self.0.get(&phase).is_some_and(VecDeque::is_empty)
    }

    /// Issues jobs of a phase, until `jobs` has `limit` jobs. A job that was issued before, or whose result is known,
    /// is dropped, and so is one whose artefacts can never be stored: an evaluation then ends as the job that makes them has.
    /// A job whose artefacts are not stored yet stays pending.
    pub(super) fn issue(
        &mut self,
        phase: Phase,
        known: &mut Known,
        issued: &mut IssuedJobs,
        jobs: &mut Vec<PlannedJob>,
        limit: usize,
    ) {
        let Some(mut pending) = self.0.remove(&phase) else { return };
        let mut waiting = VecDeque::new();
        while jobs.len() < limit
            && let Some(mut job) = pending.pop_front()
        {
            if job.artefacts.iter().any(|artefact| known.lacks_artefact(artefact)) {
                continue;
            }
            if !job.artefacts.iter().all(|artefact| known.has_artefact(artefact)) {
                waiting.push_back(job);
                continue;
            }
            // The next leg comes at once: this one may be known already.
            job.take_next().into_iter().for_each(|next| pending.push_front(next));
            let job = job.into_planned(&known.frozen, phase);
            let lost = job.job.spec().as_evaluation().and_then(|meaning| known.without_statistics(meaning));
            if let Some(status) = lost {
                known.set_status(job.id, status);
                continue;
            }
            if known.status(&job.id).is_none() && issued.issue(job.id) {
                if phase == Phase::Write {
                    issued.mark_as_write(job.id);
                }
                jobs.push(job);
            }
        }
        waiting.append(&mut pending);
        self.0.insert(phase, waiting);
    }
}

/// The jobs that train adapters, leg by leg.
pub(super) fn train_jobs(known: &Known) -> VecDeque<PendingJob> {
    known.train_jobs().collect()
}

/// The jobs of the references on the selection split.
pub(super) fn reference_jobs(known: &Known) -> VecDeque<PendingJob> {
    known.references(&known.select).collect()
}

/// The jobs that make the statistics that recipes of the sweep need.
pub(super) fn statistics_jobs(known: &Known) -> VecDeque<PendingJob> {
    let of_tasks = known.statistics().map(|spec| {
        let adapters = known.trained([spec.adapter.task.as_str()]);
        PendingJob::statistics(spec).after(adapters)
    });
    let layerwise = known.layerwise().map(|spec| {
        let adapters = known.trained(spec.adapters.iter().map(|adapter| adapter.task.as_str()));
        PendingJob::layerwise(spec).after(adapters)
    });
    of_tasks.chain(layerwise).collect()
}

impl FixedRecipe {
    /// Whether it is known of every seed what it came to on the selection split.
    pub(super) fn is_known(&self, known: &Known) -> bool {
        let all = replicates(&self.recipe, self.replicates.as_ref());
        all.iter().all(|replicate| known.status(&known.id(&replicate.recipe)).is_some())
    }

    fn jobs(&self, split: &str, on: &str) -> Vec<PendingJob> {
        merges(&self.name, &self.recipe, self.replicates.as_ref(), split, on)
    }
}

/// The evaluations of a recipe on a split, one for each of its seeds.
fn merges(name: &str, recipe: &Recipe, of: Option<&Replicates>, split: &str, on: &str) -> Vec<PendingJob> {
    let key = of.map_or("", |replicates| replicates.key.as_str());
    let job = |Replicate { seed, recipe }: Replicate| {
        let seed = seed.map(|seed| format!(" {key}={seed}")).unwrap_or_default();
        PendingJob::merge(&format!("{name}{seed}{on}"), &recipe, split)
    };
    replicates(recipe, of).into_iter().map(job).collect()
}

/// The jobs of the fixed recipes and of the ensembles on the selection split.
pub(super) fn baseline_jobs(known: &Known, baselines: &[FixedRecipe]) -> VecDeque<PendingJob> {
    let recipes = baselines.iter().flat_map(|baseline| baseline.jobs(&known.select, ""));
    recipes.chain(ensemble_jobs(known, &known.select, "")).collect()
}

/// The jobs of the ensembles on a split; `on` ends their labels.
fn ensemble_jobs(known: &Known, split: &str, on: &str) -> impl Iterator<Item = PendingJob> {
    known.frozen.sweep().ensembles.iter().map(move |Ensemble { name, rule }| {
        PendingJob::evaluation(Subject::Ensemble { rule: *rule }, split, format!("{name}{on}"))
    })
}

/// The jobs of the learned merges, on the selection split and on what they were tuned on.
pub(super) fn learned_jobs(known: &Known) -> VecDeque<PendingJob> {
    let mut jobs = known.learned_jobs(&known.select, "");
    jobs.append(&mut known.tuned_jobs());
    jobs
}

/// The jobs on the report split: the references, the chosen recipes and the fixed ones. If the report split is the
/// selection split, everything is evaluated already.
pub(super) fn report_jobs(known: &Known, searches: &Searches, baselines: &[FixedRecipe]) -> VecDeque<PendingJob> {
    let report = &known.report;
    if *report == known.select {
        return VecDeque::new();
    }
    let mut jobs: VecDeque<PendingJob> = known.references(report).collect();
    for search in searches.iter() {
        if let Some((chosen, _)) = search.choice.as_ref().and_then(|choice| choice.best.as_ref()) {
            let Search { name, replicates, .. } = &search.search;
            jobs.extend(merges(name, &chosen.recipe, replicates.as_ref(), report, &format!(" on {report}")));
        }
    }
    for baseline in baselines {
        jobs.extend(baseline.jobs(report, &format!(" on {report}")));
    }
    jobs.extend(ensemble_jobs(known, report, &format!(" on {report}")));
    jobs.append(&mut known.learned_jobs(report, &format!(" on {report}")));
    jobs
}

/// The jobs of the chosen recipes and the fixed ones for subsets of the tasks.
pub(super) fn subset_jobs(
    known: &Known,
    subsets: &TaskSubsets,
    searches: &Searches,
    baselines: &[FixedRecipe],
) -> VecDeque<PendingJob> {
    let chosen = searches.iter().filter_map(|search| {
        let (candidate, _) = search.choice.as_ref()?.best.as_ref()?;
        Some((&search.search.name, best_replicate(&candidate.recipe, search.search.replicates.as_ref(), known)))
    });
    let fixed = baselines
        .iter()
        .map(|FixedRecipe { name, recipe, replicates }| (name, best_replicate(recipe, replicates.as_ref(), known)));
    chosen.chain(fixed).flat_map(|(name, best)| subsets.jobs(name, &best.recipe, known)).collect()
}

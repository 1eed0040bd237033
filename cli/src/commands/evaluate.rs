use crate::{
    args,
    commands::run::{counted, print},
    failed,
    failure::{Failure, InputFailure, RunFailure},
    interrupt::Interrupts,
    local::{engine, inputs_beside_a_store, runtime},
    progress::Progress,
    ready::ready,
    remote::{check_conditions, open_store},
    runner::{Done, Runner},
    sweep_file::{SweepFile, read_recipe, read_sweep, refuse_trained},
    terminal,
};
use analysis::{Results, Summary};
use coordinator::{CoordinatorError, Event, Frozen, Retry, Settings};
use inputs::{Artefacts, Inputs};
use jobs::{Baseline, Digest, InputRef, JobSpec, Method, RecipeSpec, StatisticsNeed, StatisticsSpec, Sweep};
use merging::{InputMergeError, TaskStatistics};
use preflight::check_other_splits;
use std::{collections::BTreeMap, future::pending, sync::Arc};
use worker::Metrics;

/// `bowline evaluate`: one recipe on one split, beside the zero-shot and fine-tuned numbers.
pub(crate) fn run(args: &args::Evaluate) -> Result<(), Failure> {
    let (sweep, file) = read_sweep(&args.sweep, &args.variant)?;
    refuse_trained(&sweep)?;
    let recipe = args.recipe.as_deref().map(read_recipe).transpose()?;
    if let Some(task) = recipe.iter().flat_map(|recipe| recipe.weights.keys()).find(|task| sweep.task(task).is_none()) {
        return Err(Failure::Input(InputFailure::UnknownTask { task: task.clone(), sweep: args.sweep.sweep.clone() }));
    }
    let scoring = Scoring {
        split: &args.split,
        recipe,
        repair: args.repair.repair,
        statistics: None,
        store: &args.store,
        conditions: &args.conditions,
        compute: &args.compute,
    };
    let Scored { summary, failed, .. } = scoring.run(sweep, &file)?;
    print(&summary, args.output.json);
    failed.map_or(Ok(()), |failed| Err(Failure::Run(failed)))
}

/// The evaluation of the base, of every adapter alone and of at most one recipe on one split.
///
/// It is a sweep with one baseline and nothing to search, so that its results are stored, reused and shown as any; the
/// sweep itself is not kept.
pub(crate) struct Scoring<'a> {
    /// The split.
    pub(crate) split: &'a str,
    pub(crate) recipe: Option<RecipeSpec>,
    /// Whether corrupt results are computed again.
    pub(crate) repair: bool,
    /// Statistics that are wanted beside the numbers.
    pub(crate) statistics: Option<StatisticsNeed>,
    pub(crate) store: &'a args::StoreArgs,
    pub(crate) conditions: &'a args::ConditionsArgs,
    pub(crate) compute: &'a args::ComputeArgs,
}

/// The results of an evaluation.
pub(crate) struct Scored {
    pub(crate) summary: Summary,
    /// Set if jobs failed.
    pub(crate) failed: Option<RunFailure>,
    /// The statistics that were wanted, of every task; none if none were.
    pub(crate) statistics: Vec<TaskStatistics>,
    /// What decides the similarity of the updates.
    pub(crate) inputs: Option<Digest>,
}

impl Scoring<'_> {
    /// Evaluates the tasks of `sweep`, which was read from `file`.
    pub(crate) fn run(self, sweep: Sweep, file: &SweepFile) -> Result<Scored, Failure> {
        let runtime = runtime()?;
        let interrupts = Interrupts::listen(&runtime);
        let written = sweep.clone();
        let sweep = self.as_sweep(sweep);
        let artefacts = Arc::new(Artefacts::default());
        let inputs = Arc::new(inputs_beside_a_store(&self.store.s3, &artefacts));
        let engine = engine(self.compute, Arc::clone(&inputs))?;
        let mut frozen = named_by_content(ready(sweep, file, &inputs, Some(self.compute))?);
        if let Some(need) = self.statistics {
            frozen = frozen.also_making(need);
        }
        check_other_splits(&written, file.lines(), &inputs, self.split)?;
        let store = runtime.block_on(async {
            let store = open_store(self.store).await?;
            check_conditions(&store, self.conditions.unconditional_store).await.map(|()| store)
        })?;
        artefacts.give(store.clone(), runtime.handle().clone());
        let surveyed = if self.repair {
            runtime.block_on(coordinator::repair(&frozen, &store, Retry::Everything))
        } else {
            runtime.block_on(coordinator::survey(&frozen, &store, Retry::Everything))
        };
        let resume = surveyed.map_err(|error| of_evaluation(error.into()))?;
        let runner = Runner::local(runtime, interrupts, engine, store, Metrics::default());
        let progress = Progress::start();
        let mut failures = Vec::new();
        let settings = Settings {
            retry: Retry::Everything,
            repair: self.repair,
            failure_streak: None,
            is_kept: false,
            ..Settings::default()
        };
        let mut on_event = |event| record(event, &progress, &mut failures);
        let ran = runner.sweep(frozen.clone(), resume, settings, &mut on_event, pending());
        let Done { outcome, counts } = ran.map_err(of_evaluation)?;
        drop(progress);
        failures.iter().for_each(terminal::note);
        let results = runner.runtime.block_on(Results::of(&outcome, &runner.store));
        let failed = (counts.failed > 0).then(|| {
            let corrupt = runner.runtime.block_on(failed::corrupt(&runner.store, &frozen));
            let total = counts.failed + counts.run + counts.reused;
            RunFailure::Evaluated { failed: counts.failed, corrupt, total }
        });
        let statistics = match self.statistics {
            Some(need) => stored_statistics(&inputs, &frozen, need)?,
            None => Vec::new(),
        };
        let summary = Summary::build(&outcome, &results, Some(counted(counts)));
        let inputs = frozen.manifest(BTreeMap::new()).similarity_inputs();
        Ok(Scored { summary, failed, statistics, inputs })
    }
}

impl Scoring<'_> {
    /// The sweep that evaluates what is asked for, of the tasks of another one.
    fn as_sweep(&self, mut sweep: Sweep) -> Sweep {
        let statistics = sweep.statistics_split().to_owned();
        sweep.method = Method::Grid;
        sweep.searches.clear();
        let recipe = self.recipe.iter().cloned();
        let baseline = |recipe| Baseline { name: "recipe".to_owned(), recipe, replicates: None };
        sweep.baselines = recipe.map(baseline).collect();
        sweep.ensembles.clear();
        sweep.learned.clear();
        sweep.subsets = None;
        sweep.variant = None;
        // The published figures are of the rows of the sweep.
        sweep.reference = None;
        sweep.evaluation.select = self.split.to_owned();
        sweep.evaluation.report = self.split.to_owned();
        // The recipe merges as in a run of the sweep, whichever split is evaluated here.
        let needs_statistics = self.statistics.is_some() || sweep.measured_examples() > 0;
        sweep.evaluation.statistics = needs_statistics.then_some(statistics);
        sweep
    }
}

/// The statistics of every task, which jobs have made by now.
fn stored_statistics(inputs: &Inputs, frozen: &Frozen, need: StatisticsNeed) -> Result<Vec<TaskStatistics>, Failure> {
    let of_task = |spec: StatisticsSpec| {
        let task = spec.adapter.task.clone();
        let place = InputRef::Artefact(JobSpec::from(spec).id());
        let located = inputs.statistics(&place).map_err(|source| {
            let argument = place.to_string();
            Failure::Input(InputFailure::Argument { argument, source })
        })?;
        let opened = TaskStatistics::open(&task, &located.path);
        Ok(opened.map_err(|source| InputMergeError::Statistics { task, source })?)
    };
    frozen.statistics_specs(need).into_iter().map(of_task).collect()
}

/// Shows the phase, and collects the messages of failed jobs.
fn record(event: Event, progress: &Progress, failures: &mut Vec<String>) {
    match event {
        Event::Phase(phase) => progress.phase(&phase.to_string()),
        Event::Failed { label, errors, .. } => {
            failures.push(jobs::escaped(&format!("{label} failed: {}", errors.join(": "))).into_owned());
        }
        Event::Revision(_)
        | Event::Plan { .. }
        | Event::Published { .. }
        | Event::Finished { .. }
        | Event::Written { .. }
        | Event::NotWritten { .. }
        | Event::WeakAdapter(_)
        | Event::Best { .. } => {}
    }
}

/// Failed jobs are always retried here, without a flag.
fn of_evaluation(failure: Failure) -> Failure {
    match failure {
        Failure::Run(RunFailure::Coordinator(
            error @ (CoordinatorError::Denominator { .. } | CoordinatorError::Statistics { .. }),
        )) => Failure::Run(RunFailure::Evaluation(error)),
        other => other,
    }
}

/// The sweep under a name that its content decides. Failures are recorded under it. No sweep of the store has such a
/// name, except those that older programs kept.
fn named_by_content(frozen: Frozen) -> Frozen {
    let sweep = frozen.sweep();
    let tasks: Vec<_> = sweep.tasks.iter().map(|task| (&task.name, &task.finetuned)).collect();
    let digest = Digest::of_json(&(
        (frozen.digests(), tasks, &sweep.objective, &sweep.baselines),
        (!sweep.evaluation.benchmark.is_joint(), &sweep.evaluation.select, sweep.evaluation.precision),
    ));
    // The command may have changed while its files did not.
    let digest = match sweep.evaluation.benchmark.command() {
        Some(command) => Digest::of_json(&(digest, command)),
        None => digest,
    };
    frozen.renamed(format!("evaluate-{}", digest.short()))
}

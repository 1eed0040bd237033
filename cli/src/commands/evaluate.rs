use crate::{
    args,
    check::{Computing, check_other_splits, ready},
    commands::run::{counted, print},
    failure::{Failure, InputFailure, RunFailure},
    interrupt::Interrupts,
    local::{engine, inputs, runtime},
    progress::Progress,
    remote::open_store,
    runner::{Done, Runner},
    sweep_file::{read_recipe, read_sweep},
    terminal,
};
use analysis::{Results, Summary};
use coordinator::{CoordinatorError, Event, Frozen, Retry, Settings};
use jobs::{Baseline, Benchmark, Digest, Method};
use std::{future::pending, sync::Arc};
use worker::Metrics;

/// `bowline evaluate`: one recipe on one split, beside the zero-shot and fine-tuned numbers.
///
/// It is a sweep with one baseline and nothing to search, so that its results are stored, reused and shown as any; the sweep
/// itself is not kept.
pub(crate) fn run(args: &args::Evaluate) -> Result<(), Failure> {
    let runtime = runtime()?;
    let interrupts = Interrupts::listen(&runtime);
    let (mut sweep, file) = read_sweep(&args.sweep)?;
    let recipe = args.recipe.as_deref().map(read_recipe).transpose()?;
    if let Some(task) = recipe.iter().flat_map(|recipe| recipe.weights.keys()).find(|task| sweep.task(task).is_none()) {
        return Err(Failure::Input(InputFailure::UnknownTask { task: task.clone(), sweep: args.sweep.sweep.clone() }));
    }
    let written = sweep.clone();
    sweep.method = Method::Grid;
    sweep.searches.clear();
    sweep.baselines = recipe.into_iter().map(|recipe| Baseline { name: "recipe".to_owned(), recipe }).collect();
    sweep.evaluation.select.clone_from(&args.split);
    sweep.evaluation.report.clone_from(&args.split);

    let inputs = Arc::new(inputs(&args.store.s3));
    let engine = engine(&args.compute, Arc::clone(&inputs))?;
    let frozen = named_by_content(ready(sweep, &file, &inputs, Computing::Here(Some(&args.compute)))?);
    check_other_splits(&written, &file, &inputs, &args.split)?;
    let store = runtime.block_on(open_store(&args.store))?;
    let resume = match args.repair {
        true => runtime.block_on(coordinator::repair(&frozen, &store, Retry::Everything))?,
        false => runtime.block_on(coordinator::survey(&frozen, &store, Retry::Everything))?,
    };
    let runner = Runner::local(runtime, interrupts, engine, store, Metrics::default());
    let progress = Progress::start();
    let mut failures = Vec::new();
    let settings = Settings {
        retry: Retry::Everything,
        repair: args.repair,
        failure_streak: None,
        is_kept: false,
        ..Settings::default()
    };
    let mut on_event = |event| match event {
        Event::Phase(phase) => progress.phase(&phase.to_string()),
        Event::Failed { label, errors, .. } => {
            failures.push(jobs::escaped(&format!("{label} failed: {}", errors.join(": "))).into_owned());
        }
        _ => {}
    };
    let ran = runner.sweep(frozen, resume, settings, &mut on_event, pending());
    let Done { outcome, counts } = ran.map_err(|failure| match failure {
        // What failed is always tried again here: no flag has to say so.
        Failure::Run(RunFailure::Coordinator(error @ CoordinatorError::Denominator { .. })) => {
            Failure::Run(RunFailure::Evaluation(error))
        }
        other => other,
    })?;
    drop(progress);
    failures.iter().for_each(terminal::note);
    let results = runner.runtime.block_on(Results::of(&outcome, &runner.store));
    print(&Summary::build(&outcome, &results, Some(counted(counts))), args.json);
    match counts.failed {
        0 => Ok(()),
        failed => Err(Failure::Run(RunFailure::Evaluated { failed, total: failed + counts.run + counts.reused })),
    }
}

/// Under a name that its content decides, which failures are recorded under, and which no sweep of the store has but those that
/// older programs kept.
fn named_by_content(frozen: Frozen) -> Frozen {
    let sweep = frozen.sweep();
    let tasks: Vec<_> = sweep.tasks.iter().map(|task| (&task.name, &task.finetuned)).collect();
    let digest = Digest::of_json(&(
        (frozen.digests(), tasks, &sweep.objective, &sweep.baselines),
        (sweep.evaluation.benchmark == Benchmark::PerTask, &sweep.evaluation.select, sweep.evaluation.precision),
    ));
    frozen.renamed(format!("evaluate-{}", digest.short()))
}

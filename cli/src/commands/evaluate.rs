use crate::{
    args,
    commands::run::{print, summary},
    failure::Failure,
    local::{Local, inputs, open_store},
    progress::Progress,
    sweep_file::{read_recipe, read_sweep},
};
use coordinator::Event;
use jobs::{Baseline, Precision};
use std::sync::Arc;

/// `bowline evaluate`: one recipe on one split, beside the zero-shot and fine-tuned numbers.
///
/// It is a sweep with one baseline and nothing to search, so that its results are stored, reused and shown as any.
pub(crate) fn run(args: &args::Evaluate) -> Result<(), Failure> {
    let mut sweep = read_sweep(&args.sweep)?;
    let store = open_store(&args.store.store)?;
    let recipe = args.recipe.as_deref().map(read_recipe).transpose()?;
    sweep.searches.clear();
    sweep.baselines = recipe.into_iter().map(|recipe| Baseline { name: "recipe".to_owned(), recipe }).collect();
    sweep.evaluation.select.clone_from(&args.split);
    sweep.evaluation.report.clone_from(&args.split);

    let inputs = Arc::new(inputs());
    // The name is the content: the same evaluation is the same sweep, and another is no conflict.
    let frozen = coordinator::freeze(sweep.clone(), &inputs, Precision::F32)?;
    let digest = jobs::Digest::of_json(&(frozen.digests(), &sweep.baselines, &args.split));
    sweep.name = format!("evaluate-{}", digest.short());
    let frozen = coordinator::freeze(sweep, &inputs, Precision::F32)?;

    let local = Local::start(store, &args.compute, inputs)?;
    let progress = Progress::start();
    let mut failures = Vec::new();
    let (outcome, counts) = local.sweep(frozen, true, &mut |event| match event {
        Event::Phase(phase) => progress.phase(&phase.to_string()),
        Event::Failed { label, errors, .. } => failures.push(format!("{label} failed: {}", errors.join(": "))),
        _ => {}
    })?;
    drop(progress);
    failures.iter().for_each(crate::terminal::note);
    print(&local.runtime.block_on(summary(&local.store, &outcome, Some(counts))), args.json);
    match counts.failed {
        0 => Ok(()),
        failed => Err(Failure::Jobs { failed, total: failed + counts.run + counts.reused }),
    }
}

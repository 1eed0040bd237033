//! `bowline export`: the runs of a sweep for other tools.

mod hub;

use crate::{
    analysed::{Analysed, AnalysedStore},
    args::{self, ExportTool},
    failed,
    failure::{AnalysisFailure, Failure},
    local::runtime,
    remote::existing_store,
    terminal,
};
use analysis::{ExportTarget, Problem, RunState, SweepRuns, Sweeps};
use store::Store;

/// The number of best merges in tables, of which an export has none.
const TOP: u32 = 1;

/// Writes the folder.
pub(crate) fn run(args: &args::Export) -> Result<(), Failure> {
    if let Some(text) = args.eval_tasks.first().filter(|_| args.to != ExportTool::Hf) {
        return Err(Failure::Argument {
            argument: "--eval-task",
            value: text.clone(),
            expected: "of use without `--to hf`",
        });
    }
    runtime()?.block_on(async {
        let store = existing_store(&args.sweep.store).await?;
        export(args, &store).await
    })
}

async fn export(args: &args::Export, store: &Store) -> Result<(), Failure> {
    let name = &args.sweep.name;
    let sweeps = Sweeps::open_exactly(store, std::slice::from_ref(name)).await?;
    let AnalysedStore { frame, failures, sweeps, notes } = AnalysedStore::read(store, sweeps, TOP).await?;
    notes.iter().for_each(terminal::note);
    let Some(sweep) = sweeps.into_iter().next() else {
        return Err(AnalysisFailure::NothingToExport { sweep: name.clone() }.into());
    };
    let problems = Problem::in_words(frame.problems());
    problems.iter().for_each(|problem| terminal::note(format_args!("warning: {}", jobs::escaped(problem))));
    let target = match args.to {
        ExportTool::Wandb => ExportTarget::Wandb,
        ExportTool::Mlflow => ExportTarget::Mlflow,
        ExportTool::Trackio => ExportTarget::Trackio,
        ExportTool::Csv => ExportTarget::Csv,
        ExportTool::Hf => return hub::export(args, store, &sweep).await,
    };
    let Analysed { summary, outcome, .. } = &sweep;
    let failed = failed::of_outcome(store, outcome, &failures).await?;
    let runs = SweepRuns::of(&frame, outcome, summary, &failed).map_err(AnalysisFailure::Export)?;
    runs.write(target, &args.out).map_err(AnalysisFailure::Export)?;
    terminal::note(counted(&runs, args));
    if runs.unlisted > 0 {
        terminal::note(format_args!(
            "note: {} points that failed are left out: the outcome of the sweep counts them without naming them",
            runs.unlisted
        ));
    }
    Ok(())
}

/// What was written: all runs, and how many of them have no metrics.
fn counted(runs: &SweepRuns, args: &args::Export) -> String {
    let of = |state: RunState| runs.runs.iter().filter(|run| run.state == state).count();
    let others =
        [(RunState::Raced, "raced out"), (RunState::Failed, "failed"), (RunState::Missing, "without a result")];
    let others = others.into_iter().filter(|(state, _)| of(*state) > 0);
    let others: Vec<String> = others.map(|(state, word)| format!("{} {word}", of(state))).collect();
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    let all = runs.runs.len();
    let s = if all == 1 { "" } else { "s" };
    format!("wrote {}: {all} run{s} of {}{others}", args.out.display(), jobs::escaped(&runs.sweep))
}

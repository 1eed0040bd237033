//! The winner of a sweep: an artefact that a worker wrote, and a copy of it for people in the sweep's folder.

mod kept;

use crate::{
    card::{self, CARD},
    failure::{Failure, FileFailure, RunFailure},
    runner::Runner,
    terminal,
};
use analysis::{HubModel, HubTask, Summary};
use coordinator::Frozen;
use jobs::{ArtefactResult, JobId, Manifest, Outcome, Recipe, WriteFormat};
use kept::{Kept, Winner};
use std::{fs, path::Path};
use store::{Revision, Store};

/// Keeps the chosen recipe of the best search in the sweep's folder, and beside it the artefact that a worker made of
/// it where the merge is low-rank, in place of what an earlier revision chose.
///
/// The files pass through a folder of this machine as they are: neither the base nor an adapter is opened here.
pub(super) fn keep(runner: &Runner, frozen: &Frozen, outcome: &Outcome, summary: &Summary) -> Result<(), Failure> {
    let sweep = &outcome.sweep;
    let store = &runner.store;
    let Some((name, recipe)) = chosen(summary) else { return runner.runtime.block_on(kept::clear(store, sweep)) };
    let is_low_rank = recipe.is_low_rank();
    let spec = frozen.write_spec(recipe, WriteFormat::Adapter);
    let artefact =
        if is_low_rank { Some(runner.runtime.block_on(written(store, &spec.clone().into()))?) } else { None };
    let kept = Kept::of(store, outcome, &spec, artefact.as_ref());
    if !runner.runtime.block_on(kept.is_there())? {
        let scratch = tempfile::tempdir()
            .map_err(|source| Failure::File(FileFailure::Write { path: std::env::temp_dir(), source }))?;
        if let Some(artefact) = &artefact {
            runner.runtime.block_on(store.get_artefact_files(artefact, scratch.path()))?;
            let manifest: Option<Manifest> =
                runner.runtime.block_on(store.revision(Revision::of(sweep, outcome.revision)))?;
            let tasks = manifest.map(|manifest| HubTask::of(&manifest)).unwrap_or_default();
            describe(&scratch.path().join(CARD), &HubModel { summary, tasks: &tasks })?;
        }
        let winner = Winner { recipe, files: artefact.as_ref().map(|_| scratch.path()) };
        runner.runtime.block_on(kept.replace(winner))?;
    }
    let what = match summary.beaten_by.first() {
        None => format!("the winner, {name},"),
        // It has not won.
        Some(better) => format!("the chosen search, {name}, which {} beats on {},", better.name, summary.splits.select),
    };
    let folder = format!("{}/sweeps/{sweep}/best", store.place());
    if is_low_rank {
        terminal::note(format_args!("{what} is the PEFT adapter {folder}"));
    } else if recipe.merges_by_data() {
        // `bowline merge` has no data to measure statistics on.
        terminal::note(format_args!(
            "{what} is not low-rank; its recipe is {folder}/recipe.json, and with `output_rank` in it a run writes an adapter; \
             `bowline merge --format full` with `--statistics` writes the whole model"
        ));
    } else {
        terminal::note(format_args!(
            "{what} is not low-rank; its recipe is {folder}/recipe.json, for `bowline merge --recipe` with `--rank N` or \
             `--format full`"
        ));
    }
    Ok(())
}

/// The job whose artefact the winner of `sweep` is a copy of, if that is recorded.
pub(crate) async fn artefact_of(store: &Store, sweep: &str) -> Result<Option<JobId>, Failure> {
    kept::artefact_of(store, sweep).await
}

/// The row that was chosen, if it is a merge.
fn chosen(summary: &Summary) -> Option<(&str, &Recipe)> {
    let row = summary.best()?;
    Some((&row.name, row.canonical.as_ref()?))
}

/// What a worker wrote for `spec`.
async fn written(store: &Store, spec: &jobs::JobSpec) -> Result<ArtefactResult, Failure> {
    let job = spec.id();
    match store.artefact_result(&job).await? {
        Some(result) => Ok(result),
        None => Err(Failure::Run(RunFailure::NotWritten { job: job.short() })),
    }
}

/// Adds what was measured to the card that the worker wrote.
fn describe(path: &Path, model: &HubModel<'_>) -> Result<(), Failure> {
    let wrong = |source| Failure::File(FileFailure::Write { path: path.to_owned(), source });
    let card = fs::read_to_string(path).map_err(wrong)?;
    fs::write(path, card::with_measured(&card, model)).map_err(wrong)
}

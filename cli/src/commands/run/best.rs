//! The winner of a sweep, written into the store.

mod kept;

use crate::{
    args::Format,
    commands::merge::Merged,
    failure::{Failure, FileFailure, InputFailure},
    runner::Runner,
    terminal,
};
use analysis::{Style, Summary};
use coordinator::Frozen;
use inputs::Inputs;
use jobs::{Digest, InputRef, Job, Outcome, Recipe, WriteFormat, WriteSpec};
use kept::Kept;

/// Writes the chosen recipe of the best search into the store, and the merge itself where it is low-rank, in place of what an
/// earlier revision chose.
pub(super) fn write(
    runner: &Runner,
    frozen: &Frozen,
    outcome: &Outcome,
    inputs: &Inputs,
    summary: &Summary,
) -> Result<(), Failure> {
    let (sweep, store) = (&outcome.sweep, &runner.store);
    let Some((name, recipe)) = chosen(summary) else { return runner.runtime.block_on(kept::clear(store, sweep)) };
    let is_low_rank = recipe.is_low_rank();
    let spec = frozen.writing(recipe, WriteFormat::Adapter);
    let job = frozen.job(spec.clone());
    let kept = Kept::of(store, outcome, &spec);
    if !runner.runtime.block_on(kept.is_there())? {
        let scratch = tempfile::tempdir()
            .map_err(|source| Failure::File(FileFailure::Write { path: std::env::temp_dir(), source }))?;
        let adapter = scratch.path().join("best");
        if is_low_rank {
            merge(&job, &spec, inputs, summary)?.write(Format::Peft, &adapter)?;
        }
        runner.runtime.block_on(kept.replace(is_low_rank.then_some(adapter.as_path()), recipe))?;
    }
    let what = match summary.beaten_by.first() {
        None => format!("the winner, {name},"),
        // It has not won.
        Some(better) => format!("the chosen search, {name}, which {} beats on {},", better.name, summary.splits.select),
    };
    let folder = format!("{}/sweeps/{sweep}/best", store.place());
    match is_low_rank {
        true => terminal::note(format_args!("{what} is the PEFT adapter {folder}")),
        false => terminal::note(format_args!(
            "{what} is not low-rank; its recipe is {folder}/recipe.json, for `bowline merge --recipe` with `--rank N` or \
             `--format full`"
        )),
    }
    Ok(())
}

/// The row that was chosen, if it is a merge.
fn chosen(summary: &Summary) -> Option<(&str, &Recipe)> {
    let row = summary.best()?;
    Some((&row.name, row.canonical.as_ref()?))
}

/// Merges what was evaluated: the places that the job names, with the content that it names.
fn merge(job: &Job, spec: &WriteSpec, inputs: &Inputs, summary: &Summary) -> Result<Merged, Failure> {
    let input = |place: &InputRef| {
        let argument = place.to_string();
        move |source| Failure::Input(InputFailure::Argument { argument, source })
    };
    let places = &job.places;
    let base = inputs.model(&places.base).map_err(input(&places.base))?;
    unchanged(&places.base, base.digest, spec.base)?;
    let mut in_use = base.files_in_use;
    let mut adapters = Vec::with_capacity(spec.adapters.len());
    for adapter in &spec.adapters {
        let place = &places.adapters[&adapter.task];
        let located = inputs.adapter(place).map_err(input(place))?;
        unchanged(place, located.digest, adapter.digest)?;
        in_use.extend(&located.files_in_use);
        adapters.push((adapter.task.clone(), place.clone()));
    }
    let merged = Merged::new(inputs, &places.base, &adapters, &spec.recipe)?;
    in_use.check().map_err(|source| Failure::Input(InputFailure::FileChanged(source)))?;
    Ok(merged.with_notes(summary.render(Style::Markdown)))
}

fn unchanged(place: &InputRef, found: Digest, expected: Digest) -> Result<(), Failure> {
    match found == expected {
        true => Ok(()),
        false => Err(Failure::Input(InputFailure::Changed { place: place.to_string() })),
    }
}

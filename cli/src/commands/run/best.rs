//! The winner of a sweep, written into the store.

use crate::{args::Format, commands::merge::Merged, failure::Failure, runner::Runner, terminal};
use analysis::{Style, Summary};
use coordinator::Frozen;
use inputs::Inputs;
use jobs::{Digest, InputRef, Job, Outcome, Recipe, RecipeSpec, Subject};
use std::{fs, path::Path};
use store::Store;

/// The recipe, ready for `--recipe`.
const RECIPE: &str = "best/recipe.json";
/// The file that makes a folder an adapter.
const CONFIG: &str = "adapter_config.json";

/// Writes the chosen recipe of the best search into the store, and the merge itself where it is low-rank.
pub(super) fn write(
    runner: &Runner,
    frozen: &Frozen,
    outcome: &Outcome,
    inputs: &Inputs,
    summary: &Summary,
) -> Result<(), Failure> {
    let Some((name, recipe)) = chosen(summary) else { return Ok(()) };
    let (sweep, store) = (&outcome.sweep, &runner.store);
    let folder = format!("{}/sweeps/{sweep}/best", store.place());
    let is_low_rank = recipe.is_low_rank();
    if !runner.runtime.block_on(is_there(store, sweep, recipe, is_low_rank))? {
        let job = frozen.job(frozen.meaning(Subject::Merge { recipe: recipe.clone() }, &outcome.report));
        if is_low_rank {
            let adapter =
                tempfile::tempdir().map_err(|source| Failure::Write { path: std::env::temp_dir(), source })?;
            merge(&job, recipe, inputs, summary)?.write(Format::Peft, &adapter.path().join("best"))?;
            runner.runtime.block_on(keep(store, sweep, &adapter.path().join("best")))?;
        }
        runner.runtime.block_on(store.put_document(sweep, RECIPE, &RecipeSpec::from(recipe)))?;
    }
    match is_low_rank {
        true => terminal::note(format_args!("the winner, {name}, is the PEFT adapter {folder}")),
        false => terminal::note(format_args!(
            "the winner, {name}, is not low-rank; its recipe is {folder}/recipe.json, for `bowline merge --recipe` with \
             `--rank N` or `--format full`"
        )),
    }
    Ok(())
}

/// The row that was chosen, if it is a merge.
fn chosen(summary: &Summary) -> Option<(&str, &Recipe)> {
    let row = summary.best()?;
    Some((&row.name, row.canonical.as_ref()?))
}

/// Whether the store holds this winner already.
async fn is_there(store: &Store, sweep: &str, recipe: &Recipe, is_low_rank: bool) -> Result<bool, Failure> {
    let stored: Option<RecipeSpec> = store.document(sweep, RECIPE).await?;
    if stored.and_then(|spec| spec.resolve().ok()).as_ref() != Some(recipe) {
        return Ok(false);
    }
    Ok(!is_low_rank || store.artefact(sweep, &format!("best/{CONFIG}")).await?.is_some())
}

/// Merges what was evaluated: the places that the job names, with the content that it names.
fn merge(job: &Job, recipe: &Recipe, inputs: &Inputs, summary: &Summary) -> Result<Merged, Failure> {
    let input = |place: &InputRef| {
        let argument = place.to_string();
        move |source| Failure::Input { argument, source }
    };
    let places = &job.places;
    unchanged(&places.base, inputs.model(&places.base).map_err(input(&places.base))?.digest, job.meaning.base)?;
    let mut adapters = Vec::with_capacity(job.meaning.adapters.len());
    for adapter in &job.meaning.adapters {
        let place = &places.adapters[&adapter.task];
        unchanged(place, inputs.adapter(place).map_err(input(place))?.digest, adapter.digest)?;
        adapters.push((adapter.task.clone(), place.clone()));
    }
    Ok(Merged::new(inputs, &places.base, &adapters, recipe)?.with_notes(summary.render(Style::Markdown)))
}

fn unchanged(place: &InputRef, found: Digest, expected: Digest) -> Result<(), Failure> {
    match found == expected {
        true => Ok(()),
        false => Err(Failure::Changed { place: place.to_string() }),
    }
}

/// Moves the files of a finished folder into the store; the configuration last, since it makes the folder an adapter.
async fn keep(store: &Store, sweep: &str, folder: &Path) -> Result<(), Failure> {
    let wrong = |source| Failure::Read { what: "merge", path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        names.push(entry.map_err(wrong)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_by_key(|name| name == CONFIG);
    for name in names {
        let content = fs::read(folder.join(&name)).map_err(wrong)?;
        store.put_artefact(sweep, &format!("best/{name}"), content).await?;
    }
    Ok(())
}

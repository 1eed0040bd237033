//! `--to hf`: the winner as a repository of the Hugging Face hub.

use crate::{
    analysed::Analysed,
    args,
    card::{self, CARD},
    failure::{AnalysisFailure, Failure, FileFailure},
    terminal,
};
use analysis::{BenchmarkTask, HubModel, HubTask};
use coordinator::{FreezeError, Frozen};
use jobs::{Manifest, Recipe, RecipeSpec, WriteFormat};
use std::{fs, path::Path};
use store::{Revision, Store};

/// Writes the adapter of the winner if it is in the store, its card, its recipe and the results that were asked for.
pub(super) async fn export(args: &args::Export, store: &Store, sweep: &Analysed) -> Result<(), Failure> {
    let Analysed { summary, outcome, .. } = sweep;
    let nothing = || AnalysisFailure::Export(analysis::ExportError::NoChoice { sweep: outcome.sweep.clone() });
    // The best point of a sweep that goes on is no choice.
    let recipe = summary.best().filter(|_| summary.so_far.is_none()).and_then(|row| row.canonical.as_ref());
    let recipe = recipe.ok_or_else(nothing)?;
    let manifest: Option<Manifest> = store.revision(Revision::of(&outcome.sweep, outcome.revision)).await?;
    let manifest = manifest.ok_or_else(|| AnalysisFailure::NoManifest { sweep: outcome.sweep.clone() })?;
    let tasks = HubTask::of(&manifest);
    let model = HubModel { summary, tasks: &tasks };
    let asked = args.eval_tasks.iter().map(|text| benchmark_task(text)).collect::<Result<Vec<_>, _>>()?;
    let results = model.eval_results(&asked).map_err(AnalysisFailure::Export)?;

    let scratch = tempfile::tempdir()
        .map_err(|source| Failure::File(FileFailure::Write { path: std::env::temp_dir(), source }))?;
    let folder = scratch.path();
    let has_adapter = adapter(store, &manifest, recipe, folder).await?;
    let text = if has_adapter { read(&folder.join(CARD))? } else { String::new() };
    let text = if has_adapter { text } else { format!("# Merge by {}\n", outcome.sweep) };
    write(&folder.join(CARD), &card::with_measured(&text, &model))?;
    // A worker wrote that of an adapter.
    if !has_adapter {
        let recipe = serde_json::to_string_pretty(&RecipeSpec::from(recipe)).expect("a recipe is plain data");
        write(&folder.join("recipe.json"), &format!("{recipe}\n"))?;
    }
    for file in &results {
        let place = folder.join(".eval_results");
        fs::create_dir_all(&place).map_err(|source| wrong(&place, source))?;
        write(&place.join(&file.name), &file.content)?;
    }
    analysis::write_folder(folder, &args.out).map_err(AnalysisFailure::Export)?;
    terminal::note(format_args!("wrote {}", args.out.display()));
    if !has_adapter {
        terminal::note(
            "note: the store has no adapter of the winner (it is not low-rank, or was not written): the folder has its card and its \
             recipe",
        );
    }
    Ok(())
}

/// Copies the files that a worker wrote for the recipe, each checked against its digest; `false` if there are none.
async fn adapter(store: &Store, manifest: &Manifest, recipe: &Recipe, folder: &Path) -> Result<bool, Failure> {
    if !recipe.is_low_rank() {
        return Ok(false);
    }
    let frozen = Frozen::from_manifest(manifest).map_err(FreezeError::from)?;
    let spec: jobs::JobSpec = frozen.write_spec(recipe, WriteFormat::Adapter).into();
    let Some(written) = store.artefact_result(&spec.id()).await? else { return Ok(false) };
    store.get_artefact_files(&written, folder).await?;
    Ok(true)
}

fn benchmark_task(text: &str) -> Result<BenchmarkTask, Failure> {
    match text.split_once('=') {
        Some((task, id)) if !task.is_empty() && !id.is_empty() => {
            Ok(BenchmarkTask { task: task.to_owned(), id: id.to_owned() })
        }
        Some(_) | None => Err(Failure::Argument {
            argument: "--eval-task",
            value: text.to_owned(),
            expected: "a task and its id, as `mnist=default`",
        }),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|source| FileFailure::Read { what: "model card", path: path.to_owned(), source }.into())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|source| wrong(path, source))
}

fn wrong(path: &Path, source: std::io::Error) -> Failure {
    FileFailure::Write { path: path.to_owned(), source }.into()
}

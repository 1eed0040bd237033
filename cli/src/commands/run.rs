use crate::{
    args::{self, Format},
    commands::merge::Merged,
    failure::Failure,
    local::{Local, inputs, open_store},
    progress::Progress,
    sweep_file::read_sweep,
    terminal,
};
use analysis::{Results, Style, Summary};
use coordinator::{Counts, Event, Frozen};
use inputs::Inputs;
use jobs::{Outcome, Precision, Recipe, Row, RowKind, Sweep};
use std::{fs, io::IsTerminal, path::Path, sync::Arc};
use store::Store;

/// The document of a sweep that holds what `--json` prints.
pub(crate) const SUMMARY: &str = "summary.json";

/// `bowline run`: the main job.
pub(crate) fn run(args: &args::Run) -> Result<(), Failure> {
    let sweep = read_sweep(&args.sweep)?;
    let store = open_store(&args.store.store)?;
    let inputs = Arc::new(inputs());
    let frozen = coordinator::freeze(sweep, &inputs, Precision::F32)?;
    let local = Local::start(store, &args.compute, Arc::clone(&inputs))?;
    check_size(&local, &frozen, args)?;

    let sweep = frozen.sweep().clone();
    let (outcome, counts) = {
        let progress = Progress::start();
        let mut teller = Teller { progress: &progress, bound: 0, done: 0 };
        local.sweep(frozen, args.retry_failed, &mut |event| teller.tell(event))?
    };

    let summary = local.runtime.block_on(summarise(&local.store, &outcome, counts))?;
    print(&summary, args.json);
    let written = write_best(&local, &sweep, &outcome, &inputs, &summary);
    match counts.failed {
        0 => written,
        failed => written.and(Err(Failure::Jobs { failed, total: failed + counts.run + counts.reused })),
    }
}

fn check_size(local: &Local, frozen: &Frozen, args: &args::Run) -> Result<(), Failure> {
    let survey = local.runtime.block_on(coordinator::survey(frozen, &local.store, args.retry_failed))?;
    let sweep = frozen.sweep();
    terminal::note(format_args!(
        "{}: {} tasks, selected on `{}`, reported on `{}`\nstore {}: {} of at most {} jobs are done",
        sweep.name,
        sweep.tasks.len(),
        sweep.evaluation.select,
        sweep.evaluation.report,
        local.store.place(),
        survey.stored,
        survey.bound,
    ));
    match survey.bound - survey.stored.min(survey.bound) {
        jobs if jobs > args.max_jobs => Err(Failure::TooManyJobs { jobs, limit: args.max_jobs }),
        _ => Ok(()),
    }
}

/// Tells a person what happens.
struct Teller<'a> {
    progress: &'a Progress,
    bound: u64,
    done: u64,
}

impl Teller<'_> {
    fn tell(&mut self, event: Event) {
        match event {
            Event::Plan { bound, .. } => self.bound = bound,
            Event::Phase(phase) => self.progress.phase(&phase.to_string()),
            Event::Published { .. } => {}
            Event::Finished { label, value, timings, is_reused, .. } => {
                self.done += 1;
                if !is_reused {
                    let value = value.map(|value| format!("{value:.4}")).unwrap_or_default();
                    let seconds = timings.load_s + timings.align_s + timings.merge_s + timings.evaluate_s;
                    self.progress.line(&format!("  {label:<52} {value:>7} {seconds:>7.1} s"));
                }
            }
            Event::Failed { label, errors, .. } => {
                self.done += 1;
                self.progress.line(&format!("  {label} failed: {}", errors.join(": ")));
            }
            Event::Best { search, value, .. } => self.progress.best(&format!("{search} {value:.4}")),
        }
        self.progress.position(self.done, self.bound);
    }
}

async fn summarise(store: &Store, outcome: &Outcome, counts: Counts) -> Result<Summary, Failure> {
    let summary = summary(store, outcome, Some(counts)).await;
    store.put_document(&outcome.sweep, SUMMARY, &summary).await?;
    Ok(summary)
}

/// What a person or a script wants to know of an outcome.
pub(crate) async fn summary(store: &Store, outcome: &Outcome, counts: Option<Counts>) -> Summary {
    let counts = counts.map(|Counts { run, reused, failed }| analysis::Counts { run, reused, failed });
    Summary::build(outcome, &Results::of(outcome, store).await, counts)
}

/// Prints the summary: a table, or one JSON document.
pub(crate) fn print(summary: &Summary, json: bool) {
    if json {
        terminal::data(serde_json::to_string_pretty(summary).expect("a summary is plain data"));
        return;
    }
    let style = if std::io::stdout().is_terminal() { Style::Terminal } else { Style::Plain };
    terminal::data(format_args!("\n{}", summary.render(style).trim_end()));
}

/// Writes the best merge of all searches into the store.
fn write_best(
    local: &Local,
    sweep: &Sweep,
    outcome: &Outcome,
    inputs: &Inputs,
    summary: &Summary,
) -> Result<(), Failure> {
    let Some((name, recipe)) = best(outcome) else { return Ok(()) };
    let adapters: Vec<_> = sweep.tasks.iter().map(|task| (task.name.clone(), task.adapter.clone())).collect();
    let merged = Merged::new(inputs, &sweep.base, &adapters, recipe)?;
    if !merged.is_low_rank() {
        terminal::note(format_args!(
            "the winner, {name}, is not low-rank and is not written: `bowline merge --rank N` or `--format full` do"
        ));
        return Ok(());
    }
    let merged = merged.with_notes(summary.render(Style::Markdown));
    let folder = tempfile::tempdir().map_err(|source| Failure::Write { path: std::env::temp_dir(), source })?;
    let adapter = folder.path().join("best");
    merged.write(Format::Peft, &adapter)?;
    local.runtime.block_on(keep(&local.store, &sweep.name, &adapter))?;
    terminal::note(format_args!(
        "the winner, {name}, is the PEFT adapter {}/sweeps/{}/best",
        local.store.place(),
        sweep.name
    ));
    Ok(())
}

/// The recipe of the search that came out best on the selection split.
fn best(outcome: &Outcome) -> Option<(&str, &Recipe)> {
    let chosen = |row: &'_ Row| match &row.kind {
        RowKind::Search { spec, points, .. } => points.iter().find(|point| point.spec == *spec)?.value,
        _ => None,
    };
    let rows = outcome.rows.iter().filter_map(|row| Some((row, chosen(row)?)));
    let (row, _) = rows.reduce(|best, row| match outcome.objective.compare(row.1, best.1) {
        std::cmp::Ordering::Greater => row,
        _ => best,
    })?;
    match &row.kind {
        RowKind::Search { recipe, .. } => Some((&row.name, recipe)),
        _ => None,
    }
}

/// Moves the files of a finished folder into the store; the configuration last, since it makes the folder an adapter.
async fn keep(store: &Store, sweep: &str, folder: &Path) -> Result<(), Failure> {
    let wrong = |source| Failure::Read { what: "merge", path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        names.push(entry.map_err(wrong)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_by_key(|name| name == "adapter_config.json");
    for name in names {
        let content = fs::read(folder.join(&name)).map_err(wrong)?;
        store.put_artefact(sweep, &format!("best/{name}"), content).await?;
    }
    Ok(())
}

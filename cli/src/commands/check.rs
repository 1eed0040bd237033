mod account;

use crate::{
    adapters::ReadAdapters,
    args,
    commands::{
        analyze::files::{write_charts, write_tables},
        evaluate::{Scored, Scoring},
    },
    failure::{Failure, InputFailure, RunFailure},
    local,
    remote::open_store,
    sweep_file::{SweepFile, read_sweeps, refuse_trained},
    terminal,
};
use account::{Account, SimilarityOf};
use jobs::{Digest, Similarity, StatisticsKind, StatisticsNeed, Sweep, Task};
use merging::{Comparison, UpdateSimilarity};
use serde_json::Value;
use std::path::Path;

/// `bowline check`: the adapters of a sweep beside the base and beside each other; of each variant, if the file has some.
///
/// # Errors
/// An adapter that is worse on its own task than the base without it.
pub(crate) fn run(args: &args::Check) -> Result<(), Failure> {
    let (sweeps, file) = read_sweeps(&args.sweep, &args.variant)?;
    let several = sweeps.len() > 1;
    let mut documents = Vec::with_capacity(sweeps.len());
    let mut weak = Vec::new();
    let mut failed = None;
    let mut ended = Ok(());
    for sweep in sweeps {
        let name = sweep.name.clone();
        let out = args.out.as_ref().map(|folder| if several { folder.join(&name) } else { folder.clone() });
        if several && !args.output.json {
            terminal::data(format_args!("{name}\n"));
        }
        let variant = sweep.variant.clone();
        let mut checked = match check(args, sweep, &file, out.as_deref()) {
            Ok(checked) => checked,
            // What was found about the variants before is printed all the same.
            Err(failure) => {
                ended = Err(failure);
                break;
            }
        };
        checked.document["sweep"] = name.clone().into();
        if let Some(variant) = &variant {
            checked.document["variant"] = serde_json::to_value(variant).expect("a variant is plain data");
        }
        documents.push(checked.document);
        weak.extend(checked.weak.into_iter().map(|task| if several { format!("{task} of {name}") } else { task }));
        failed = failed.or(checked.failed);
    }
    if args.output.json && (several || ended.is_ok()) {
        let document = match documents.as_slice() {
            [document] if !several => serde_json::to_string_pretty(document),
            documents => serde_json::to_string_pretty(documents),
        };
        terminal::data(document.expect("the account is plain data"));
    }
    ended?;
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    if weak.is_empty() { Ok(()) } else { Err(InputFailure::WeakAdapters { tasks: weak }.into()) }
}

/// The findings about the adapters of one sweep.
struct Checked {
    document: Value,
    /// The tasks whose adapters are worse than the base.
    weak: Vec<String>,
    /// Set if jobs failed.
    failed: Option<RunFailure>,
}

fn check(args: &args::Check, sweep: Sweep, file: &SweepFile, out: Option<&Path>) -> Result<Checked, Failure> {
    if args.similarity && sweep.evaluation.benchmark.command().is_some() {
        return Err(InputFailure::OwnEvaluator { what: "--similarity", sweep: sweep.name.clone() }.into());
    }
    let inputs = local::inputs(&args.store.s3);
    refuse_trained(&sweep)?;
    let given = |task: &Task| Some((task.name.clone(), task.adapter.given()?.clone()));
    let adapters: Vec<_> = sweep.tasks.iter().filter_map(given).collect();
    let read = ReadAdapters::new(&inputs, &sweep.base, &adapters)?;
    read.notes.iter().for_each(|note| terminal::note(format_args!("note: {note}")));
    let comparison = Comparison::new(&read.adapters)?;
    let statistics_split = sweep.statistics_split().to_owned();
    let scored = if args.adapters_only { None } else { Some(scored(args, sweep, file)?) };
    let (summary, failed, measured) = match scored {
        Some(Scored { summary, failed, statistics, inputs }) => (Some(summary), failed, Some((statistics, inputs))),
        None => (None, None, None),
    };
    let similarity = match measured.filter(|_| args.similarity) {
        Some((statistics, inputs)) => {
            let measured = UpdateSimilarity::new(&read.adapters, &statistics)?;
            let shown = shown(&measured, &statistics_split)?;
            // What was measured is shown even if it cannot be stored.
            if let Err(failure) = keep(args, inputs, &shown) {
                terminal::note(format_args!("warning: the similarity is not stored: {}", jobs::error_line(&failure)));
            }
            Some(SimilarityOf { measured, shown })
        }
        None => None,
    };
    drop(read);
    let account = Account { comparison: &comparison, summary: summary.as_ref(), similarity };
    if !args.output.json {
        let shown = |table: &analysis::Table| table.render_within(terminal::style(), terminal::width());
        account.tables().iter().for_each(|table| terminal::styled_data(shown(table)));
        account.warnings().iter().for_each(|warning| terminal::note(format_args!("warning: {warning}")));
    }
    if let Some(folder) = out {
        write_tables(&folder.join("tables"), &account.tables())?;
        write_charts(&folder.join("charts"), &account.charts())?;
    }
    let weak = account.weak().iter().map(|adapter| adapter.task.clone()).collect();
    Ok(Checked { document: account.document(), weak, failed })
}

/// Evaluates the adapters alone and the base, and measures statistics if similarities are wanted.
fn scored(args: &args::Check, sweep: Sweep, file: &SweepFile) -> Result<Scored, Failure> {
    let split = args.split.clone().unwrap_or_else(|| sweep.evaluation.select.clone());
    let need = StatisticsNeed { what: StatisticsKind::Grams, examples: args.examples.get() };
    let scoring = Scoring {
        split: &split,
        recipe: None,
        repair: args.repair.repair,
        statistics: args.similarity.then_some(need),
        store: &args.store,
        conditions: &args.conditions,
        compute: &args.compute,
    };
    scoring.run(sweep, file)
}

/// What tables and charts show of a similarity.
fn shown(measured: &UpdateSimilarity, split: &str) -> Result<Similarity, Failure> {
    let UpdateSimilarity { tasks, examples, before, after, modules } = measured;
    let similarity = Similarity {
        tasks: tasks.clone(),
        split: split.to_owned(),
        examples: examples.clone(),
        weights: modules.len() as u64,
        before: before.clone(),
        after: after.clone(),
    };
    similarity.checked().map_err(|source| InputFailure::Similarity { source }.into())
}

/// Stores a similarity, for the reports of sweeps over the same inputs.
fn keep(args: &args::Check, inputs: Option<Digest>, similarity: &Similarity) -> Result<(), Failure> {
    let Some(inputs) = inputs else { return Ok(()) };
    local::runtime()?.block_on(async {
        let store = open_store(&args.store).await?;
        if !store.put_similarity(&inputs, similarity).await? {
            terminal::note(format_args!("the store keeps a similarity of the same inputs over more examples"));
        }
        Ok(())
    })
}

mod account;
mod similarity;

use crate::{
    adapters::ReadAdapters,
    args,
    commands::{
        analyze::files::{write_charts, write_tables},
        evaluate::{Scored, Scoring},
    },
    failure::{Failure, InputFailure},
    local,
    sweep_file::read_sweep,
    terminal,
};
use account::Account;
use analysis::Style;
use jobs::{StatisticsKind, StatisticsNeed};
use merging::{Comparison, UpdateSimilarity};
use similarity::SimilarityOf;
use std::io::{IsTerminal, stdout};

/// `bowline check`: the adapters of a sweep beside the base and beside each other.
///
/// # Errors
/// An adapter that is worse on its own task than the base without it.
pub(crate) fn run(args: &args::Check) -> Result<(), Failure> {
    let (sweep, file) = read_sweep(&args.sweep)?;
    let inputs = local::inputs(&args.store.s3);
    let adapters: Vec<_> = sweep.tasks.iter().map(|task| (task.name.clone(), task.adapter.clone())).collect();
    let read = ReadAdapters::new(&inputs, &sweep.base, &adapters)?;
    read.notes.iter().for_each(|note| terminal::note(format_args!("note: {note}")));
    let comparison = Comparison::new(&read.adapters)?;
    let statistics_split = sweep.statistics_split().to_owned();
    let scored = if args.adapters_only {
        None
    } else {
        let split = args.split.clone().unwrap_or_else(|| sweep.evaluation.select.clone());
        let scoring = Scoring {
            split: &split,
            recipe: None,
            repair: args.repair.repair,
            statistics: args
                .similarity
                .then_some(StatisticsNeed { what: StatisticsKind::Grams, examples: args.examples.get() }),
            store: &args.store,
            conditions: &args.conditions,
            compute: &args.compute,
        };
        Some(scoring.run(sweep, &file)?)
    };
    let (summary, failed, statistics) = match scored {
        Some(Scored { summary, failed, statistics }) => (Some(summary), failed, statistics),
        None => (None, None, Vec::new()),
    };
    let similarity = args.similarity.then(|| UpdateSimilarity::new(&read.adapters, &statistics)).transpose()?;
    drop(read);
    let similarity = similarity.as_ref().map(|similarity| SimilarityOf { similarity, split: &statistics_split });
    let account = Account { comparison: &comparison, summary: summary.as_ref(), similarity };
    if args.output.json {
        terminal::data(serde_json::to_string_pretty(&account.document()).expect("the account is plain data"));
    } else {
        let style = if stdout().is_terminal() { Style::Terminal } else { Style::Plain };
        account.tables().iter().for_each(|table| terminal::styled_data(table.render(style)));
        account.warnings().iter().for_each(|warning| terminal::note(format_args!("warning: {warning}")));
    }
    if let Some(folder) = &args.out {
        write_tables(&folder.join("tables"), &account.tables())?;
        write_charts(&folder.join("charts"), &account.charts())?;
    }
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    let weak: Vec<String> = account.weak().iter().map(|adapter| adapter.task.clone()).collect();
    if weak.is_empty() { Ok(()) } else { Err(InputFailure::WeakAdapters { tasks: weak }.into()) }
}

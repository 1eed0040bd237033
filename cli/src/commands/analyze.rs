pub(crate) mod files;

use crate::{
    analysed::{Analysed, AnalysedStore},
    args::{self, Output, TableName},
    failure::Failure,
    local::runtime,
    remote::existing_store_at,
    revised, terminal, variants,
};
use analysis::{Comparison, Failures, Frame, Problem, Side, Style, Sweeps, Table, Variants};
use clap::ValueEnum;
use std::io::{IsTerminal, stdout};
use store::Store;

/// `bowline analyze`: tables and frames of stored results.
pub(crate) fn run(args: &args::Analyze) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let store = existing_store_at(&args.store, &args.s3).await?;
        analyze(args, &store).await
    })
}

async fn analyze(args: &args::Analyze, store: &Store) -> Result<(), Failure> {
    let sweeps = if args.compare.is_empty() {
        Sweeps::open(store, &args.sweeps).await?
    } else {
        // A comparison is of two sweeps, and not of the variants of a file.
        Sweeps::open_exactly(store, &args.compare).await?
    };
    for (name, error) in &sweeps.broken {
        let why = jobs::error_line(error);
        terminal::note(format_args!(
            "warning: {name} cannot be shown: {why}; run `bowline run` on it again to correct this"
        ));
    }
    let AnalysedStore { frame, failures, sweeps: analysed, notes } =
        AnalysedStore::read(store, sweeps, args.top).await?;
    notes.iter().for_each(terminal::note);
    warn(&frame, &failures, &analysed);
    if analysed.is_empty() {
        terminal::note(format_args!("the store {} holds no sweep to show", store.place()));
    }
    let format = if args.json { Output::Json } else { args.format };
    let compared = if args.compare.is_empty() { None } else { Some(compare(args, &analysed)?) };
    match &compared {
        Some(tables) => print_tables(tables, format),
        None => print(args, format, &analysed),
    }
    match &args.out {
        Some(folder) => {
            let compared = compared.as_ref().map(<[Table; 2]>::as_slice);
            files::write(store, folder, &frame, &analysed, compared).await
        }
        None => Ok(()),
    }
}

impl Analysed {
    fn side(&self) -> Side<'_> {
        Side { outcome: &self.outcome, results: &self.results, summary: &self.summary }
    }

    /// The requested tables; without a request, the most important ones.
    fn chosen(&self, asked: &[TableName]) -> Vec<&Table> {
        // A running sweep has nothing on the report split before its end.
        let is_reported = self.summary.rows.iter().any(|row| row.splits.contains_key(&self.summary.splits.report));
        let split = if is_reported { &self.summary.splits.report } else { &self.summary.splits.select };
        let first = |table: &&Table| match kind(table) {
            kind @ ("accuracy" | "hits" | "differences" | "front") => table.name == Table::name_of(kind, split),
            "failures" => !table.rows.is_empty(),
            kind => matches!(kind, "best" | "replicates" | "subsets" | Variants::TABLE),
        };
        if asked.is_empty() {
            return self.tables.iter().filter(first).collect();
        }
        asked.iter().flat_map(|name| self.tables.iter().filter(move |table| kind(table) == word(*name))).collect()
    }
}

/// The name of a table without that of a split.
fn kind(table: &Table) -> &str {
    table.name.split('-').next().unwrap_or_default()
}

/// Its name as people type it, which is that of the tables.
fn word(name: TableName) -> String {
    name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Why a sweep may be without a table.
fn why_not(name: TableName) -> &'static str {
    match name {
        TableName::Hits => "its benchmark is not joint",
        TableName::Published => "its file names no published figures, with `reference`",
        TableName::Normalised => "the accuracies of its single adapters are not known",
        TableName::Differences => "it chose no recipe, or the chosen one has no result",
        TableName::Seeds => "no recipe was computed with two seeds",
        TableName::Replicates => "no search and no baseline of its file has `replicates`",
        TableName::Front => "its file has no `goals`",
        TableName::Subsets => "its file has no `subsets`",
        TableName::Training | TableName::Learning => "it trained no adapter",
        TableName::Variants => "its file has no `variants`",
        TableName::Similarity => "`bowline check --similarity` did not measure it for this sweep",
        _ => "there is nothing to tell",
    }
}

/// Prints every problem once. Those of a finished sweep are part of its summary.
fn warn(frame: &Frame, failures: &Failures, analysed: &[Analysed]) {
    let is_told = |problem: &&Problem| analysed.iter().any(|sweep| problem.sweep() == Some(&sweep.outcome.sweep));
    let of_frame = Problem::in_words(frame.problems().iter().filter(|problem| !is_told(problem)));
    let of_sweeps = analysed.iter().flat_map(|sweep| sweep.summary.problems.iter().cloned());
    let of_failures = failures.problems.iter().map(|problem| jobs::error_line(problem));
    let all = of_frame.into_iter().chain(of_sweeps).chain(of_failures);
    all.for_each(|problem| terminal::note(format_args!("warning: {}", jobs::escaped(&problem))));
}

fn compare(args: &args::Analyze, analysed: &[Analysed]) -> Result<[Table; 2], Failure> {
    let side = |name: &String| analysed.iter().find(|sweep| sweep.outcome.sweep == *name).map(Analysed::side);
    let unfinished = |name: &String| Failure::Argument {
        argument: "--compare",
        value: name.clone(),
        expected: "a sweep that has finished",
    };
    let side = |name: &String| side(name).ok_or_else(|| unfinished(name));
    Ok(Comparison { first: side(&args.compare[0])?, second: side(&args.compare[1])? }.tables())
}

fn print(args: &args::Analyze, format: Output, analysed: &[Analysed]) {
    if format == Output::Json {
        let chosen: Vec<serde_json::Value> = analysed.iter().map(|sweep| document(sweep, &args.tables)).collect();
        terminal::data(serde_json::to_string_pretty(&chosen).expect("a summary is plain data"));
        return;
    }
    for (place, sweep) in analysed.iter().enumerate() {
        let name = jobs::escaped(&sweep.summary.sweep);
        // Each variant has the table over all of them, which is printed once.
        let is_printed = |table: &&Table| !Variants::is_table(table) || variants::is_last(place, analysed);
        let revision = revised::behind_name(sweep.summary.revision);
        match format {
            Output::Markdown => terminal::data(format_args!("## {name}{revision}\n")),
            Output::Table => terminal::data(format_args!("{name}{revision}\n")),
            Output::Latex => terminal::data(format_args!("% {name}{revision}\n")),
            Output::Csv | Output::Json => {}
        }
        print_tables(sweep.chosen(&args.tables).into_iter().filter(is_printed), format);
        for missing in args.tables.iter().filter(|asked| sweep.chosen(&[**asked]).is_empty()) {
            terminal::note(format_args!("{name} has no table `{}`: {}", word(*missing), why_not(*missing)));
        }
    }
    if args.tables.is_empty() && format == Output::Table && !analysed.is_empty() && stdout().is_terminal() {
        terminal::note("more: `--table top`, `seeds`, `importance`, `cost`, …; `--out DIR` writes all tables");
    }
}

/// A summary, with all tables or those that were asked for.
fn document(sweep: &Analysed, asked: &[TableName]) -> serde_json::Value {
    let mut document = serde_json::to_value(sweep).expect("a summary is plain data");
    if !asked.is_empty() {
        document["tables"] = serde_json::to_value(sweep.chosen(asked)).expect("tables are plain data");
    }
    document
}

fn print_tables<'a>(tables: impl IntoIterator<Item = &'a Table>, format: Output) {
    let tables: Vec<&Table> = tables.into_iter().collect();
    let style = match format {
        Output::Json => {
            terminal::data(serde_json::to_string_pretty(&tables).expect("tables are plain data"));
            return;
        }
        Output::Markdown => Style::Markdown,
        Output::Latex => Style::Latex,
        Output::Csv => Style::Csv,
        Output::Table => terminal::style(),
    };
    // A single table is a whole CSV file.
    let is_alone = tables.len() == 1 && format == Output::Csv;
    for table in tables {
        let text = table.render_within(style, terminal::width());
        terminal::styled_data(if is_alone { text.trim_end() } else { &text });
    }
}

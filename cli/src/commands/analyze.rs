mod pictures;

use crate::{
    args::{self, Output},
    commands::run::summary,
    failure::Failure,
    local::runtime,
    remote::existing_store_at,
    report, terminal,
};
use analysis::{Frame, Style, Summary, Sweep};
use coordinator::OUTCOME;
use jobs::Outcome;
use std::{
    fs,
    io::{IsTerminal, stdout},
    path::Path,
};
use store::Store;

/// `bowline analyze`: tables and frames of stored results.
pub(crate) fn run(args: &args::Analyze) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let store = existing_store_at(&args.store, &args.s3).await?;
        analyze(args, &store).await
    })
}

async fn analyze(args: &args::Analyze, store: &Store) -> Result<(), Failure> {
    let names = match args.sweeps.is_empty() {
        true => store.sweeps().await?,
        false => args.sweeps.clone(),
    };
    let mut outcomes = Vec::with_capacity(names.len());
    for name in &names {
        match store.document::<Outcome>(name, OUTCOME).await? {
            Some(outcome) => outcomes.push(outcome),
            None if args.sweeps.is_empty() => {
                terminal::note(format_args!("{name} has not finished: `bowline run` goes on with it"));
            }
            None => return Err(Failure::NoSweep { name: name.clone(), store: store.place() }),
        }
    }
    let mut summaries = Vec::with_capacity(outcomes.len());
    for outcome in &outcomes {
        summaries.push(summary(store, outcome, None).await);
    }
    print(if args.json { Output::Json } else { args.format }, &summaries);
    if let Some(folder) = &args.out {
        let frame = frame(store, &args.sweeps, &names, &outcomes).await?;
        write(&frame, folder)?;
        let pictures = pictures::write(&frame, &summaries, folder)?;
        terminal::note(format_args!("drew {pictures} pictures below {}", folder.display()));
        report::write(store, &frame, &summaries, folder).await?;
    }
    Ok(())
}

/// The sweeps asked for; else all results of the store.
async fn frame(store: &Store, asked: &[String], names: &[String], outcomes: &[Outcome]) -> Result<Frame, Failure> {
    let outcome = |name: &String| outcomes.iter().find(|outcome| outcome.sweep == *name);
    let sweeps: Vec<_> = names.iter().map(|name| Sweep { name, outcome: outcome(name) }).collect();
    let frame = match asked.is_empty() {
        true => Frame::of_store(store, &sweeps).await?,
        false => Frame::of_sweeps(store, &sweeps).await?,
    };
    for problem in frame.problems() {
        terminal::note(format_args!("warning: {}", terminal::in_one_line(problem)));
    }
    Ok(frame)
}

fn write(frame: &Frame, folder: &Path) -> Result<(), Failure> {
    if frame.is_empty() {
        terminal::note("there are no results to write a table of");
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|source| Failure::Write { path: folder.to_owned(), source })?;
    let (csv, parquet) = (folder.join("results.csv"), folder.join("results.parquet"));
    frame.write_csv(&csv)?;
    frame.write_parquet(&parquet)?;
    terminal::note(format_args!("wrote {} and {}: {} rows", csv.display(), parquet.display(), frame.len()));
    Ok(())
}

fn print(format: Output, summaries: &[Summary]) {
    let style = match format {
        Output::Json => {
            terminal::data(serde_json::to_string_pretty(summaries).expect("a summary is plain data"));
            return;
        }
        Output::Markdown => Style::Markdown,
        Output::Table if stdout().is_terminal() => Style::Terminal,
        Output::Table => Style::Plain,
    };
    for summary in summaries {
        terminal::data(format_args!("{}\n\n{}", summary.sweep, summary.render(style)));
    }
}

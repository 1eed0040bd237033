use crate::{
    args::{self, Output},
    failure::Failure,
    local::{existing_store, runtime},
    terminal,
};
use analysis::{Style, Summary};
use jobs::Outcome;
use std::io::{IsTerminal, stdout};
use store::Store;

/// `bowline analyze`: tables and frames of stored results.
pub(crate) fn run(args: &args::Analyze) -> Result<(), Failure> {
    let store = existing_store(args.store.clone())?;
    runtime()?.block_on(analyze(args, &store))
}

async fn analyze(args: &args::Analyze, store: &Store) -> Result<(), Failure> {
    let names = match args.sweeps.is_empty() {
        true => store.sweeps().await?,
        false => args.sweeps.clone(),
    };
    let mut outcomes = Vec::with_capacity(names.len());
    for name in names {
        match store.document::<Outcome>(&name, "outcome.json").await? {
            Some(outcome) => outcomes.push(outcome),
            None if args.sweeps.is_empty() => {
                terminal::note(format_args!("{name} has not finished: `bowline run` goes on with it"));
            }
            None => return Err(Failure::NoSweep { name, store: store.place() }),
        }
    }
    let mut summaries = Vec::with_capacity(outcomes.len());
    for outcome in &outcomes {
        summaries.push(Summary::load(store, outcome, None).await?);
    }
    print(args.format, &summaries);
    if let Some(folder) = &args.out {
        let written = analysis::write_frames(store, &outcomes, folder).await?;
        written.iter().for_each(|path| terminal::note(format_args!("wrote {}", path.display())));
    }
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
    summaries.iter().for_each(|summary| terminal::data(analysis::render(summary, style)));
}

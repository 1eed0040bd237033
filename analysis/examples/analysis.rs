//! What a store holds, from a program of one's own: `cargo run -p analysis --example analysis -- STORE`.

use analysis::{
    Frame, Style, Table,
    polars::prelude::{SortMultipleOptions, col, lit},
};
use std::{env::args, error::Error, io::Write};
use store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Store::existing_folder(args().nth(1).unwrap_or("bowline-results".to_owned()))?;
    let mut out = std::io::stdout();

    // One row for each job of all sweeps; what cannot be read is named.
    let frame = Frame::open(&store, &[]).await?;
    for problem in frame.problems() {
        writeln!(out, "warning: {problem}")?;
    }

    // Any question that polars can answer: the mean accuracy of each method, over all that was tried on validation.
    let merges = frame.filter(col("subject").eq(lit("merge")).and(col("split").eq(lit("validation"))))?;
    let methods = merges
        .lazy()
        .group_by([col("method")])
        .agg([col("mean_accuracy").max().alias("best"), col("mean_accuracy").mean()])
        .sort(["best"], SortMultipleOptions::default().with_order_descending(true));
    writeln!(out, "{}", Frame::answer(methods)?)?;

    // The tables of `bowline analyze`, ready for a paper.
    for outcome in analysis::Sweeps::open(&store, &[]).await?.outcomes {
        let results = analysis::Results::of(&outcome, &store).await;
        let summary = analysis::Summary::build(&outcome, &results, None);
        writeln!(out, "{}", Table::accuracy(&summary, &outcome.report).render(Style::Latex))?;
    }
    Ok(())
}

//! Tables and charts over the variants of a sweep file.

use crate::analysed::Analysed;
use analysis::{Summary, Variants};

/// Adds to each sweep that is a variant the table and the chart of all variants of its file.
pub(crate) fn add(analysed: &mut [Analysed]) {
    let summaries: Vec<&Summary> = analysed.iter().map(|sweep| &sweep.summary).collect();
    let made: Vec<_> = Variants::of(summaries.iter().copied())
        .iter()
        .map(|group| (group.sweeps().map(str::to_owned).collect::<Vec<_>>(), group.table(), group.chart()))
        .collect();
    for sweep in analysed {
        let name = &sweep.summary.sweep;
        let Some((_, table, chart)) = made.iter().find(|(sweeps, ..)| sweeps.contains(name)) else { continue };
        sweep.tables.push(table.clone());
        sweep.other_charts.extend(chart.clone());
    }
}

/// The same for one sweep, beside the other variants of its file.
pub(crate) fn add_to(sweep: &mut Analysed, beside: &[Summary]) {
    let Some(group) = Variants::around(&sweep.summary, beside) else { return };
    let table = group.table();
    let chart = group.chart();
    sweep.tables.push(table);
    sweep.other_charts.extend(chart);
}

/// Whether a sweep shows what the variants of its file come to: the last one of them that is shown does.
pub(crate) fn is_last(place: usize, analysed: &[Analysed]) -> bool {
    let Some(variant) = &analysed[place].outcome.variant else { return true };
    let is_beside = |other: &Analysed| other.outcome.variant.as_ref().is_some_and(|other| other.is_beside(variant));
    !analysed[place + 1..].iter().any(is_beside)
}

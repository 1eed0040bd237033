mod cells;
mod chosen;

use crate::columns::Columns;
use crate::{Cell, Chart, ChartData, Frame, Summary, metric::column_of};
use cells::{RunColumn, cells, columns_of, is_telling};
use chosen::Chosen;
use serde::Serialize;
use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashSet},
};

/// The most rows that a page can sort and filter at once.
const MOST: usize = 5000;

/// The jobs of a sweep as rows: what a recipe was, and what it reached.
///
/// Merges on the selection split stand first, the best before the others. Of more than 5,000 jobs they are a
/// sample: the best 2,500, the jobs that charts name, and of the others every so-manieth in that order; the same
/// jobs give the same sample. Parameters that are the same everywhere are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRows {
    columns: Vec<RunColumn>,
    rows: Vec<Vec<Cell>>,
    /// The places of the rows that hold what was chosen.
    chosen: Vec<usize>,
    total: u64,
}

impl RunRows {
    /// The rows of the sweep that `summary` is of. The lines of `charts` are among them.
    pub fn of(frame: &Frame, summary: &Summary, charts: &[Chart]) -> Self {
        Self::at_most(MOST, frame, summary, charts)
    }

    pub(super) fn at_most(most: usize, frame: &Frame, summary: &Summary, charts: &[Chart]) -> Self {
        let columns = Columns(frame.table());
        let all = columns.rows_of(&summary.sweep);
        let value = columns.numbers(&column_of(&summary.objective.metric));
        let ordered = ordered(&columns, summary, &all, &value);
        let jobs = columns.texts("job");
        let named = named(charts);
        let shown = sample(&ordered, most, |row| jobs[row].is_some_and(|job| named.contains(job)));
        Self::build(&columns, summary, &shown, all.len() as u64)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of jobs that they are a sample of.
    pub fn total(&self) -> u64 {
        self.total
    }

    fn build(columns: &Columns<'_>, summary: &Summary, shown: &[usize], total: u64) -> Self {
        let made: Vec<(RunColumn, Vec<Cell>)> = columns_of(summary)
            .into_iter()
            .map(|(column, name)| {
                let cells = cells(columns, &column, &name, shown);
                (column, cells)
            })
            .filter(|(column, cells)| is_telling(column, cells))
            .collect();
        let rows = (0..shown.len()).map(|row| made.iter().map(|(_, cells)| cells[row].clone()).collect()).collect();
        let chosen = Chosen::of(columns, summary);
        let chosen = (0..shown.len()).filter(|place| chosen.is(shown[*place])).collect();
        Self { columns: made.into_iter().map(|(column, _)| column).collect(), rows, chosen, total }
    }
}

/// The jobs that charts show by name.
fn named(charts: &[Chart]) -> HashSet<&str> {
    let lines = charts.iter().filter_map(|chart| match &chart.data {
        ChartData::Parallel { lines, .. } => Some(lines),
        _ => None,
    });
    lines.flatten().map(|line| line.job.as_str()).collect()
}

/// Merges on the selection split by their value, then the others as they come.
fn ordered(columns: &Columns<'_>, summary: &Summary, all: &[usize], value: &[Option<f64>]) -> Vec<usize> {
    let subjects = columns.texts("subject");
    let splits = columns.texts("split");
    let adapters = columns.numbers("adapters");
    let whole = summary.tasks.len() as f64;
    let is_point = |row: usize| {
        let is_of_selection = splits[row] == Some(summary.splits.select.as_str());
        subjects[row] == Some("merge") && is_of_selection && adapters[row] == Some(whole)
    };
    let compare = |one: usize, other: usize| match (value[one], value[other]) {
        (Some(a), Some(b)) => summary.objective.compare(b, a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    let mut ordered = all.to_vec();
    ordered.sort_by(|&one, &other| match (is_point(one), is_point(other)) {
        (true, true) => compare(one, other),
        (false, false) => Ordering::Equal,
        (one, other) => other.cmp(&one),
    });
    ordered
}

/// Half of `most` are the best.
fn sample(ordered: &[usize], most: usize, is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    if ordered.len() <= most {
        return ordered.to_vec();
    }
    let mut places: BTreeSet<usize> = (0..most / 2).collect();
    places.extend((0..ordered.len()).filter(|place| is_wanted(ordered[*place])));
    let rest: Vec<usize> = (0..ordered.len()).filter(|place| !places.contains(place)).collect();
    let room = most.saturating_sub(places.len());
    places.extend((0..room).map(|step| rest[step * rest.len() / room]));
    places.into_iter().take(most).map(|place| ordered[place]).collect()
}

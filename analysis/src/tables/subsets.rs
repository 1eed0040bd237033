use super::{Cell, Column, ColumnKind, Table, TableRow};
use crate::{
    Spread, Summary,
    summary::{SubsetSize, shown_metric},
};

/// What the intervals are.
const NOTE: &str = "± 1.96·s/√n over subsets describes the values and tests nothing: subsets overlap";

impl Table {
    /// What each recipe reaches on the report split when it merges subsets of the tasks, by their number of tasks: the mean over
    /// subsets, the lowest and the highest. `None` if the sweep has no subsets.
    pub fn subsets(summary: &Summary) -> Option<Self> {
        let objective = &summary.objective;
        let metric = &objective.metric;
        let mut rows = Vec::new();
        let mut missing = 0;
        for row in &summary.rows {
            for size in &row.subsets {
                let shown = size.shown(metric);
                let best = summary.rows.iter().filter_map(|row| same_size(&row.subsets, size.size)?.shown(metric));
                let best = best.map(|spread| spread.mean).max_by(|one, other| objective.compare(*one, *other));
                let is_best = shown.zip(best).is_some_and(|(shown, best)| objective.compare(shown.mean, best).is_ge());
                let number = |number: fn(Spread) -> f64| Cell::number(shown.map(number));
                let mean = shown.map(|spread| spread.mean);
                let cells = vec![
                    Cell::text(&row.name),
                    Cell::Count(size.size),
                    Cell::Count(size.subsets),
                    Cell::measured(mean, shown.and_then(|spread| spread.interval), is_best),
                    number(|spread| spread.min),
                    number(|spread| spread.max),
                ];
                missing += size.missing;
                rows.push(TableRow { is_chosen: row.is_chosen, cells });
            }
        }
        if rows.is_empty() {
            return None;
        }
        let report = &summary.splits.report;
        let mut notes = vec![NOTE.to_owned()];
        if missing > 0 {
            notes.push(format!("subsets without a value, since their jobs failed or are not done: {missing}"));
        }
        Some(Self {
            name: Self::name_of("subsets", report),
            title: format!("{} on {report} of merges of subsets of the tasks, in %", shown_metric(metric)),
            columns: vec![
                Column::new("method", ColumnKind::Text),
                Column::new("tasks", ColumnKind::Count),
                Column::new("subsets", ColumnKind::Count),
                Column::new("mean", ColumnKind::Share),
                Column::new("lowest", ColumnKind::Share),
                Column::new("highest", ColumnKind::Share),
            ],
            rows,
            notes,
        })
    }
}

fn same_size(sizes: &[SubsetSize], size: u64) -> Option<&SubsetSize> {
    sizes.iter().find(|other| other.size == size)
}

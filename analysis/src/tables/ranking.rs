use super::{
    Cell, Column, ColumnKind, Table, TableRow,
    merges::{Merges, column},
    uncertainty::Uncertainty,
    values::{cell, number, text},
};
use crate::{Frame, FrameError};
use jobs::JobId;
use polars::prelude::{Expr, col, len};

impl Merges<'_> {
    /// The best merge of each method on the selection split, the best method first.
    pub(super) fn best(&self, chosen: Option<JobId>) -> Result<Table, FrameError> {
        let keys = self.varying(&self.outcome.select)?;
        let counts = self.counts();
        let names = ["row", "job", "n", "value"].into_iter().chain(keys.iter().copied());
        let first = names.chain(counts.iter().map(String::as_str)).map(|name| col(name).first());
        let aggregates: Vec<Expr> = first.chain([len().alias("points")]).collect();
        let found = Frame::answer(self.ranked().group_by_stable([col("method")]).agg(aggregates))?;
        let title = format!("the best of each method by {}", self.wanted());
        self.table("best", title, &found, &keys, chosen)
    }

    /// The best `count` merges on the selection split.
    pub(super) fn top(&self, count: u32, chosen: Option<JobId>) -> Result<Table, FrameError> {
        let keys = self.varying(&self.outcome.select)?;
        let found = Frame::answer(self.ranked().limit(count))?;
        let title = format!("the best {count} merges by {}", self.wanted());
        self.table("top", title, &found, &keys, chosen)
    }

    fn wanted(&self) -> String {
        let metric = &self.outcome.objective.metric;
        format!("{metric} on {}, in %", self.outcome.select)
    }

    fn table(
        &self,
        name: &str,
        title: String,
        found: &polars::prelude::DataFrame,
        keys: &[&str],
        chosen: Option<JobId>,
    ) -> Result<Table, FrameError> {
        let select = &self.outcome.select;
        let report = &self.outcome.report;
        let reported = if select == report { None } else { Some(self.reported()?) };
        let chosen = chosen.map(|job| job.to_string());
        // A row is mostly called after its method.
        let has_names = (0..found.height()).any(|row| text(found, "row", row) != text(found, "method", row));
        let has_points = found.column("points").is_ok();
        let mut columns = vec![Column::new("method", ColumnKind::Text)];
        columns.extend(has_names.then(|| Column::new("row", ColumnKind::Text)));
        columns.extend(keys.iter().map(|key| column(key)));
        columns.push(Column::new(select.as_str(), ColumnKind::Share));
        columns.extend(reported.as_ref().map(|_| Column::new(report.as_str(), ColumnKind::Share)));
        columns.extend(has_points.then(|| Column::new("points", ColumnKind::Count)));
        columns.extend([Column::new("n", ColumnKind::Count), Column::new("job", ColumnKind::Text)]);
        let best = number(found, "value", 0);
        let uncertainty = Uncertainty::of(self.summary, select);
        let line = |row: usize| {
            let job = text(found, "job", row).unwrap_or_default();
            let value = number(found, "value", row);
            let is_best = value.zip(best).is_some_and(|(value, best)| value.total_cmp(&best).is_eq());
            let mut cells = vec![cell(found, "method", row)];
            cells.extend(has_names.then(|| cell(found, "row", row)));
            cells.extend(keys.iter().map(|key| cell(found, key, row)));
            cells.push(Cell::measured(value, uncertainty.interval(found, row), is_best));
            cells.extend(reported.as_ref().map(|reported| match reported.get(&job) {
                Some((value, interval)) => Cell::measured(Some(*value), *interval, false),
                None => Cell::Empty,
            }));
            cells.extend(has_points.then(|| cell(found, "points", row)));
            let short = job.parse::<JobId>().map_or_else(|_| job.clone(), |job| job.short());
            cells.extend([cell(found, "n", row), Cell::text(short)]);
            TableRow { is_chosen: chosen.as_ref() == Some(&job), cells }
        };
        let rows: Vec<TableRow> = (0..found.height()).map(line).collect();
        let mut notes = Vec::new();
        if rows.is_empty() {
            notes.push(format!("no merge has a value of {} on {select}", self.outcome.objective.metric));
        } else if self.outcome.objective.metric.is_normalised() {
            notes.push("values are means over tasks of accuracy over that of the task's own adapter".to_owned());
        }
        if self.summary.rows.iter().any(|row| row.replicates.is_some()) && !rows.is_empty() {
            let note = "rows with replicates are ranked by their mean over seeds (table `replicates`), and shown with their best seed";
            notes.push(note.to_owned());
        }
        if reported.is_some() && !rows.is_empty() {
            notes.push(format!("on {report} the chosen recipes alone are evaluated"));
        }
        Ok(Table { name: name.to_owned(), title, columns, rows, notes })
    }
}

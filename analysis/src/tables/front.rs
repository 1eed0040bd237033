use super::{
    Cell, Column, ColumnKind, Table, TableRow,
    merges::{Merges, column},
    values::{cell, number, text},
};
use crate::{Frame, FrameError, metric::in_words};
use jobs::JobId;

/// The most rows of the table. A front of continuous parameters may have thousands of points.
const MOST_ROWS: usize = 50;

impl Merges<'_> {
    /// The merges that are the best trade-offs between the goals of the sweep on the selection split: the Pareto front, by the first
    /// goal. `None` if the sweep has no goals.
    pub(super) fn front(&self, chosen: Option<JobId>) -> Result<Option<Table>, FrameError> {
        let goals = &self.summary.goals;
        if goals.is_empty() {
            return Ok(None);
        }
        let select = &self.outcome.select;
        let keys = self.varying(select)?;
        let found = Frame::answer(self.on(select))?;
        let value = |row: usize| (0..goals.len()).map(|goal| number(&found, &goal_column(goal), row)).collect();
        let values: Vec<Option<Vec<f64>>> = (0..found.height()).map(value).collect();
        let known: Vec<usize> = (0..found.height()).filter(|row| values[*row].is_some()).collect();
        let points: Vec<Vec<f64>> = known.iter().map(|row| values[*row].clone().unwrap_or_default()).collect();
        let front = jobs::front(&points);
        let volume = jobs::hypervolume(&front.iter().map(|place| points[*place].as_slice()).collect::<Vec<_>>());

        let mut columns = vec![Column::new("method", ColumnKind::Text), Column::new("row", ColumnKind::Text)];
        columns.extend(keys.iter().map(|key| column(key)));
        columns.extend(goals.iter().map(|goal| Column::new(in_words(goal), ColumnKind::Share)));
        columns.push(Column::new("job", ColumnKind::Text));
        let chosen = chosen.map(|job| job.to_string());
        let line = |place: &usize| {
            let row = known[*place];
            let job = text(&found, "job", row).unwrap_or_default();
            let mut cells = vec![cell(&found, "method", row), cell(&found, "row", row)];
            cells.extend(keys.iter().map(|key| cell(&found, key, row)));
            cells.extend(points[*place].iter().map(|value| Cell::measured(Some(*value), None, false)));
            cells.push(Cell::text(job.parse::<JobId>().map_or_else(|_| job.clone(), |job| job.short())));
            TableRow { is_chosen: chosen.as_ref() == Some(&job), cells }
        };
        let rows: Vec<TableRow> = front.iter().take(MOST_ROWS).map(line).collect();
        let mut notes = vec![
            format!(
                "no other of the {} merges on {select} is at least as good in every goal and better in one",
                points.len()
            ),
            format!("hypervolume: {volume:.4}, the volume below the front from 0 on, with values as shares"),
            format!("the first goal chooses the recipe that is reported on {}", self.outcome.report),
        ];
        if front.len() > MOST_ROWS {
            notes.push(format!("the first {MOST_ROWS} of {} merges on the front", front.len()));
        }
        let title = format!("the best trade-offs on {select}, in %");
        Ok(Some(Table { name: Table::name_of("front", select), title, columns, rows, notes }))
    }
}

/// The column of a goal in [`Merges::on`].
pub(super) fn goal_column(goal: usize) -> String {
    format!("goal {goal}")
}

use super::{Cell, Column, ColumnKind, Table, TableRow};
use crate::Summary;

impl Table {
    /// The mean and the standard deviation over seeds of each row with replicates, on both splits, beside the seed that is best on
    /// the selection split. `None` if no row has replicates.
    pub fn replicates(summary: &Summary) -> Option<Self> {
        let mut rows = Vec::new();
        for row in &summary.rows {
            let Some(replicates) = &row.replicates else { continue };
            for split in summary.split_names() {
                let Some(spread) = replicates.splits.get(split) else { continue };
                let cells = vec![
                    Cell::text(&row.name),
                    Cell::text(split),
                    Cell::Count(spread.n),
                    Cell::number(Some(spread.mean)),
                    Cell::number(spread.sd),
                    replicates.best.map_or(Cell::Empty, Cell::Count),
                    Cell::number(spread.best),
                ];
                rows.push(TableRow { is_chosen: row.is_chosen, cells });
            }
        }
        let note = format!(
            "sd: sample standard deviation over seeds; the best seed is the best on {}, where it looks too good",
            summary.splits.select
        );
        (!rows.is_empty()).then(|| Self {
            name: "replicates".to_owned(),
            title: format!("{} over seeds, in %", summary.objective.metric),
            columns: vec![
                Column::new("method", ColumnKind::Text),
                Column::new("split", ColumnKind::Text),
                Column::new("seeds", ColumnKind::Count),
                Column::new("mean", ColumnKind::Share),
                Column::new("sd", ColumnKind::Share),
                Column::new("best seed", ColumnKind::Count),
                Column::new("of best seed", ColumnKind::Share),
            ],
            rows,
            notes: vec![note],
        })
    }
}

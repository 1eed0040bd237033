use super::{
    Column, ColumnKind, Table, TableRow,
    merges::{Merges, column, keys},
    values::cell,
};
use crate::{Frame, FrameError};
use polars::prelude::{DataFrame, Expr, SortMultipleOptions, col, len, lit};

impl Merges<'_> {
    /// Mean and sample standard deviation of the recipes that were computed on `split` with two seeds of DARE's mask or
    /// more, the `count` best; `None` if there is none.
    pub(super) fn seeds(&self, split: &str, count: u32) -> Result<Option<Table>, FrameError> {
        let same: Vec<Expr> = ["method"].into_iter().chain(keys()).filter(|key| *key != "seed").map(col).collect();
        let order = SortMultipleOptions::default()
            .with_order_descending(self.outcome.objective.goal == jobs::Goal::Maximize)
            .with_maintain_order(true);
        let groups = self
            .on(split)
            .filter(col("seed").is_not_null())
            .group_by_stable(same)
            .agg([
                len().alias("seeds"),
                col("value").mean().alias("mean"),
                col("value").std(1).alias("sd"),
                col("n").first().alias("n"),
            ])
            .filter(col("seeds").gt(lit(1)))
            .sort(["mean"], order)
            .limit(count);
        let found = Frame::answer(groups)?;
        if found.height() == 0 {
            return Ok(None);
        }
        let keys: Vec<&str> = self.varying(split)?.into_iter().filter(|key| *key != "seed").collect();
        Ok(Some(self.of_groups(&found, split, &keys)))
    }

    fn of_groups(&self, found: &DataFrame, split: &str, keys: &[&str]) -> Table {
        let numbers = [
            ("seeds", ColumnKind::Count),
            ("mean", ColumnKind::Share),
            ("sd", ColumnKind::Share),
            ("n", ColumnKind::Count),
        ];
        let mut columns = vec![Column::new("method", ColumnKind::Text)];
        columns.extend(keys.iter().map(|key| column(key)));
        columns.extend(numbers.map(|(name, kind)| Column::new(name, kind)));
        let line = |row| {
            let cells = columns.iter().map(|column| cell(found, &column.name, row)).collect();
            TableRow { is_chosen: false, cells }
        };
        let rows = (0..found.height()).map(line).collect();
        let title = format!("{} on {split} over seeds, in %", self.outcome.objective.metric);
        let note = "sd: sample standard deviation over the seeds of DARE's mask, everything else being equal";
        Table { name: Table::name_of("seeds", split), title, columns, rows, notes: vec![note.to_owned()] }
    }
}

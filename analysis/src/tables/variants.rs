use super::{Cell, Column, ColumnKind, Table, TableRow};
use crate::{
    SummaryRow, Variants,
    metric::in_words,
    variants::{OfVariant, Shown},
};

impl Variants<'_> {
    /// What each recipe reaches on the report split with the adapters of each variant.
    pub fn table(&self) -> Table {
        let metric = self.metric();
        let key = &self.first().variant.key;
        let report = self.report();
        let mut columns = vec![Column::new("method", ColumnKind::Text)];
        columns.extend(self.columns().iter().map(|of| Column::new(of.variant.to_string(), ColumnKind::Share)));
        let mut rows = Vec::new();
        let mut notes =
            vec![format!("each search is searched for each {key}, on the adapters of this {key}, and reported once")];
        if metric.is_normalised() {
            let cell = |of: &OfVariant<'_>| measured(of.own_accuracy(), false);
            rows.push(row("adapters alone", self.columns().iter().map(cell)));
            notes.push(format!(
                "adapters alone: their mean accuracy; every other value is normalised by the adapters of its own {key}"
            ));
        }
        let lines = self.rows().into_iter().map(|like| {
            let cell = |of: &OfVariant<'_>| {
                let shown = of.shown(like);
                measured(shown, shown.is_some_and(|shown| self.is_best(of, like, shown.value)))
            };
            row(&like.name, self.columns().iter().map(cell))
        });
        rows.extend(lines);
        if !self.left_out().is_empty() {
            let left_out = self.left_out().join(", ");
            notes.push(format!(
                "not shown, since more than the adapters differs (recipes, data, base, tasks, splits or metric): {left_out}"
            ));
        }
        notes.extend(self.notes_on_rows());
        let name = Table::name_of(Self::TABLE, report);
        Table { name, title: format!("{} on {report} by {key}, in %", in_words(metric)), columns, rows, notes }
    }

    /// Which numbers are not those of whole sweeps or of single recipes.
    pub(crate) fn notes_on_rows(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let is_of_seeds = |row: &&SummaryRow| self.columns().iter().any(|of| of.is_of_seeds(row));
        let seeds: Vec<&str> = self.rows().into_iter().filter(is_of_seeds).map(|row| row.name.as_str()).collect();
        if !seeds.is_empty() {
            notes.push(format!("mean over seeds: {}", seeds.join(", ")));
        }
        let partial = self.columns().iter().filter(|of| of.is_partial());
        let partial: Vec<String> = partial.map(|of| of.variant.to_string()).collect();
        if !partial.is_empty() {
            notes.push(format!("not finished, ended early, or with missing jobs: {}", partial.join(", ")));
        }
        notes
    }

    /// Whether no merge of the variant is better.
    fn is_best(&self, of: &OfVariant<'_>, like: &SummaryRow, value: f64) -> bool {
        let objective = &of.summary.objective;
        let merges = self.rows().into_iter().filter(|row| row.kind.is_merge());
        let mut values = merges.filter_map(|row| of.shown(row)).map(|shown| shown.value);
        like.kind.is_merge() && values.all(|other| objective.compare(value, other).is_ge())
    }
}

fn row(name: &str, cells: impl Iterator<Item = Cell>) -> TableRow {
    TableRow { is_chosen: false, cells: std::iter::once(Cell::text(name)).chain(cells).collect() }
}

fn measured(shown: Option<Shown>, is_best: bool) -> Cell {
    Cell::measured(shown.map(|shown| shown.value), shown.and_then(|shown| shown.interval), is_best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::variants;

    #[test]
    fn a_column_for_each_variant_has_the_best_merge_marked_and_the_own_accuracy_first() {
        let all = variants(&[4, 16]);
        let table = Variants::of(&all)[0].table();
        let heads: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(heads, ["method", "rank 4", "rank 16"]);
        let shown = |row: usize, column: usize| {
            let Cell::Measured { value, is_best, .. } = &table.rows[row].cells[column] else { panic!("no number") };
            ((value * 1e4).round() / 1e4, *is_best)
        };
        let names: Vec<&Cell> = table.rows.iter().map(|row| &row.cells[0]).collect();
        assert_eq!(
            names,
            ["adapters alone", "zero-shot", "sum", "knots_ties"].map(Cell::text).iter().collect::<Vec<_>>()
        );
        // The adapters alone: (0.8 + 0.5) / 2.
        assert_eq!((shown(0, 1), shown(0, 2)), ((0.65, false), (0.65, false)));
        // Zero-shot: (0.2 / 0.8 + 0.4 / 0.5) / 2. Only merges compete.
        assert_eq!(shown(1, 1), (0.525, false));
        // `sum` has (0.6 / 0.8 + 0.3 / 0.5) / 2, the search (0.44 / 0.8 + 0.45 / 0.5) / 2 and (0.56 / 0.8 + 0.45 / 0.5) / 2.
        assert_eq!((shown(2, 1), shown(3, 1)), ((0.675, false), (0.725, true)));
        assert_eq!((shown(2, 2), shown(3, 2)), ((0.675, false), (0.8, true)));
        assert!(table.title.contains("by rank"), "{}", table.title);
    }

    #[test]
    fn a_variant_without_a_row_has_an_empty_cell() {
        let mut all = variants(&[4, 16]);
        all[1].rows.pop();
        let table = Variants::of(&all)[0].table();
        let last = table.rows.last().unwrap();
        assert_eq!(last.cells[0], Cell::text("knots_ties"));
        assert_eq!(last.cells[2], Cell::Empty);
    }
}

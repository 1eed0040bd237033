use super::{Cell, Column, ColumnKind, Table, TableRow};
use crate::charts::similarity_note;
use jobs::Similarity;

impl Table {
    /// The pairs of tasks, each with CKA before and after the alignment, and their mean.
    pub fn similarity(similarity: &Similarity) -> Self {
        let Similarity { tasks, before, after, .. } = similarity;
        let row = |name: String, before: Option<f64>, after: Option<f64>| TableRow {
            is_chosen: false,
            cells: vec![Cell::Text(name), number(before), number(after)],
        };
        let mut rows = Vec::new();
        for (first, task) in tasks.iter().enumerate() {
            for (second, other) in tasks.iter().enumerate().skip(first + 1) {
                rows.push(row(format!("{task}, {other}"), before[first][second], after[first][second]));
            }
        }
        let mean = Similarity::mean_of_pairs;
        rows.push(row("mean of all pairs".to_owned(), mean(before), mean(after)));
        Self {
            name: "similarity".to_owned(),
            title: "how alike the updates act on the same inputs".to_owned(),
            columns: vec![
                Column::new("pair", ColumnKind::Text),
                Column::new("CKA of updates", ColumnKind::Number),
                Column::new("CKA after alignment", ColumnKind::Number),
            ],
            rows,
            notes: vec![similarity_note(similarity)],
        }
    }
}

/// To three digits behind the point: more are noise here.
fn number(value: Option<f64>) -> Cell {
    Cell::number(value.map(|value| (value * 1000.0).round() / 1000.0))
}

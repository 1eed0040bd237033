//! How alike the updates act on the same inputs, as a table and heat maps.

use analysis::{Axis, AxisScale, AxisUnit, Cell, Chart, ChartData, Column, ColumnKind, Table, TableRow};
use merging::UpdateSimilarity;

/// The similarity of the updates, and the split whose examples the inputs are of.
pub(super) struct SimilarityOf<'a> {
    pub(super) similarity: &'a UpdateSimilarity,
    pub(super) split: &'a str,
}

impl SimilarityOf<'_> {
    /// The pairs of tasks, each with CKA before and after the alignment, and their mean.
    pub(super) fn table(&self) -> Table {
        let UpdateSimilarity { tasks, before, after, .. } = self.similarity;
        let columns = vec![
            Column::new("pair", ColumnKind::Text),
            Column::new("CKA of updates", ColumnKind::Number),
            Column::new("CKA after alignment", ColumnKind::Number),
        ];
        let number =
            |value: Option<f64>| value.map_or(Cell::Empty, |value| Cell::Number(super::account::rounded(value)));
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
        let mean = UpdateSimilarity::mean_of_pairs;
        rows.push(row("mean of all pairs".to_owned(), mean(before), mean(after)));
        Table {
            name: "similarity".to_owned(),
            title: "how alike the updates act on the same inputs".to_owned(),
            columns,
            rows,
            notes: vec![self.note()],
        }
    }

    /// What the numbers are, and on which inputs.
    fn note(&self) -> String {
        let UpdateSimilarity { examples, modules, .. } = self.similarity;
        let count = examples.first().copied().unwrap_or(0);
        format!(
            "Linear CKA of X·ΔWᵀ, the mean over {} weights. X: what each weight takes in the models of all tasks, the first \
             {count} examples of `{}` of each task together. After the alignment, V of KnOTS without Σ takes the place of ΔW.",
            modules.len(),
            self.split
        )
    }

    /// A heat map before and one after the alignment; none for a single task.
    pub(super) fn charts(&self) -> Vec<Chart> {
        let UpdateSimilarity { tasks, before, after, .. } = self.similarity;
        if tasks.len() < 2 {
            return Vec::new();
        }
        let chart = |slug: &str, title: &str, cells: &Vec<Vec<Option<f64>>>| Chart {
            slug: slug.to_owned(),
            title: title.to_owned(),
            caption: self.note(),
            data: ChartData::TaskPairs {
                columns: "the adapter beside it".to_owned(),
                rows: "the adapter".to_owned(),
                value: Axis { name: "linear CKA".to_owned(), unit: AxisUnit::None, scale: AxisScale::Linear },
                cells: cells.clone(),
                tasks: tasks.clone(),
            },
        };
        vec![
            chart("similarity-before", "similarity of the updates", before),
            chart("similarity-after", "similarity of the aligned updates", after),
        ]
    }
}

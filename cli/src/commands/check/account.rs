use analysis::{Axis, AxisScale, AxisUnit, Cell, Chart, ChartData, Column, ColumnKind, Kind, Summary, Table, TableRow};
use jobs::{Similarity, WeakAdapter};
use merging::{AdapterSummary, Comparison, PairSummary, UpdateSimilarity};
use serde_json::{Value, json};

/// Updates whose norm is this many times the median dominate a sum.
const DOMINATES: f64 = 4.0;
/// Updates with a cosine above this are nearly the same.
const NEARLY_THE_SAME: f64 = 0.95;

/// The comparison of the adapters of a sweep before anything is merged.
pub(super) struct Account<'a> {
    pub(super) comparison: &'a Comparison,
    /// The base and the adapters alone on a split, if they were evaluated.
    pub(super) summary: Option<&'a Summary>,
    /// How alike the updates act, if that was asked for.
    pub(super) similarity: Option<SimilarityOf>,
}

/// How alike the updates act on the same inputs.
pub(super) struct SimilarityOf {
    /// Weight by weight.
    pub(super) measured: UpdateSimilarity,
    /// The means, which are stored.
    pub(super) shown: Similarity,
}

impl Account<'_> {
    /// The adapters that are worse on their own task than the base.
    pub(super) fn weak(&self) -> Vec<WeakAdapter> {
        self.summary.map_or_else(Vec::new, Summary::weak_adapters)
    }

    /// What a person should look at before a merge, each in a sentence.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.weak().iter().map(ToString::to_string).collect();
        let mut norms: Vec<f64> = self.comparison.adapters.iter().map(|adapter| adapter.norm).collect();
        norms.sort_by(f64::total_cmp);
        let median = norms[norms.len() / 2];
        let large = |adapter: &&AdapterSummary| median > 0.0 && adapter.norm > DOMINATES * median;
        warnings.extend(self.comparison.adapters.iter().filter(large).map(|adapter| {
            format!(
                "the update of `{}` is {:.1} times as large as the median; it dominates a sum of the updates, unless its \
                 weight is lower",
                adapter.task,
                adapter.norm / median
            )
        }));
        let is_same = |pair: &&PairSummary| pair.task < pair.other && pair.cosine > NEARLY_THE_SAME;
        warnings.extend(self.comparison.pairs.iter().filter(is_same).map(|pair| {
            format!(
                "the updates of `{}` and `{}` are nearly the same, with a cosine of {:.3}; is one adapter given twice?",
                pair.task, pair.other, pair.cosine
            )
        }));
        warnings
    }

    /// A table of the adapters, one of the pairs, and one of their similarity.
    pub(super) fn tables(&self) -> Vec<Table> {
        let similarity = self.similarity.as_ref().map(|of| Table::similarity(&of.shown));
        [self.adapters(), self.pairs()].into_iter().chain(similarity).collect()
    }

    fn adapters(&self) -> Table {
        let mut columns = vec![
            Column::new("adapter", ColumnKind::Text),
            Column::new("weights", ColumnKind::Count),
            Column::new("rank", ColumnKind::Text),
            Column::new("scale", ColumnKind::Text),
            Column::new("norm", ColumnKind::Number),
            Column::new("effective rank", ColumnKind::Number),
            Column::new("interference", ColumnKind::Number),
        ];
        let mut title = "the adapters".to_owned();
        if let Some(summary) = self.summary {
            columns.push(Column::new("base alone", ColumnKind::Share));
            columns.push(Column::new("with adapter", ColumnKind::Share));
            columns.push(Column::new("gain", ColumnKind::Difference));
            title = format!("the adapters; accuracies on {}, in %", summary.splits.select);
        }
        let rows = self.comparison.adapters.iter().map(|adapter| {
            let range = |low: String, high: String| if low == high { low } else { format!("{low} to {high}") };
            let mut cells = vec![
                Cell::Text(adapter.task.clone()),
                Cell::Count(adapter.modules as u64),
                Cell::Text(range(adapter.rank[0].to_string(), adapter.rank[1].to_string())),
                Cell::Text(range(format!("{:.3}", adapter.scale[0]), format!("{:.3}", adapter.scale[1]))),
                Cell::Number(rounded(adapter.norm)),
                Cell::Number(rounded(adapter.effective_rank)),
                Cell::Number(rounded(adapter.interference)),
            ];
            if self.summary.is_some() {
                let base = self.accuracy(Kind::ZeroShot, &adapter.task);
                let own = self.accuracy(Kind::Finetuned, &adapter.task);
                let number = |number: Option<f64>| number.map_or(Cell::Empty, Cell::Number);
                cells.extend([number(base), number(own), number(own.zip(base).map(|(own, base)| own - base))]);
            }
            TableRow { is_chosen: false, cells }
        });
        Table {
            name: "adapters".to_owned(),
            title,
            rows: rows.collect(),
            columns,
            notes: vec![
                "The norm is √Σ‖ΔW‖² over all weights. The effective rank is the mean of exp(H(σ/Σσ)). The interference \
                 is how strongly all other updates together change the outputs of the adapter's own input directions, \
                 as a share of its own update."
                    .to_owned(),
            ],
        }
    }

    fn pairs(&self) -> Table {
        let columns = vec![
            Column::new("pair", ColumnKind::Text),
            Column::new("cosine", ColumnKind::Number),
            Column::new("output overlap", ColumnKind::Number),
            Column::new("input overlap", ColumnKind::Number),
            Column::new("sign conflict", ColumnKind::Number),
            Column::new("on the first", ColumnKind::Number),
            Column::new("on the second", ColumnKind::Number),
        ];
        let tasks: Vec<&str> = self.comparison.adapters.iter().map(|adapter| adapter.task.as_str()).collect();
        let mut rows = Vec::new();
        for (first, task) in tasks.iter().enumerate() {
            for other in &tasks[first + 1..] {
                let (Some(pair), Some(back)) = (self.comparison.pair(task, other), self.comparison.pair(other, task))
                else {
                    continue;
                };
                let numbers = [
                    pair.cosine,
                    pair.output_overlap,
                    pair.input_overlap,
                    pair.sign_conflict,
                    pair.interference,
                    back.interference,
                ];
                let name = Cell::Text(format!("{task}, {other}"));
                let numbers = numbers.into_iter().map(|number| Cell::Number(rounded(number)));
                rows.push(TableRow { is_chosen: false, cells: [name].into_iter().chain(numbers).collect() });
            }
        }
        Table {
            name: "adapter-pairs".to_owned(),
            title: "the adapters in pairs".to_owned(),
            columns,
            rows,
            notes: vec![
                "Overlaps are ‖UᵀU′‖² over the smaller rank, from 0 to 1. The sign conflict is 0.5 for unrelated updates. \
                 The last two columns are the interference of the other adapter."
                    .to_owned(),
            ],
        }
    }

    /// Heat maps of interference, cosine and similarity; none for a single adapter.
    pub(super) fn charts(&self) -> Vec<Chart> {
        let tasks: Vec<String> = self.comparison.adapters.iter().map(|adapter| adapter.task.clone()).collect();
        if tasks.len() < 2 {
            return Vec::new();
        }
        let chart = |slug: &str, title: &str, caption: &str, of: fn(&PairSummary) -> f64| {
            let cell = |task: &String, other: &String| self.comparison.pair(task, other).map(of);
            let row = |task: &String| tasks.iter().map(|other| cell(task, other)).collect();
            let value = Axis { name: title.to_owned(), unit: AxisUnit::None, scale: AxisScale::Linear };
            Chart {
                slug: slug.to_owned(),
                title: title.to_owned(),
                caption: caption.to_owned(),
                data: ChartData::TaskPairs {
                    columns: "the adapter beside it".to_owned(),
                    rows: "the adapter".to_owned(),
                    value,
                    cells: tasks.iter().map(row).collect(),
                    tasks: tasks.clone(),
                },
            }
        };
        let similarity = self.similarity.as_ref().map(|of| Chart::similarity(&of.shown)).unwrap_or_default();
        let charts = [
            chart(
                "interference",
                "interference between adapters",
                "How strongly the update of the column changes the outputs of the input directions of the row, as a share \
                 of the row's own update.",
                |pair| pair.interference,
            ),
            chart(
                "cosine",
                "cosine between updates",
                "Σ⟨ΔW, ΔW′⟩ as a share of the product of the norms.",
                |pair| pair.cosine,
            ),
        ];
        charts.into_iter().chain(similarity).collect()
    }

    /// All of it as one JSON document.
    pub(super) fn document(&self) -> Value {
        let accuracies = self.summary.map(|summary| {
            let of_task = |adapter: &AdapterSummary| {
                json!({
                    "task": adapter.task,
                    "base": self.accuracy(Kind::ZeroShot, &adapter.task),
                    "adapter": self.accuracy(Kind::Finetuned, &adapter.task),
                })
            };
            let tasks: Vec<Value> = self.comparison.adapters.iter().map(of_task).collect();
            json!({ "split": summary.splits.select, "tasks": tasks })
        });
        json!({
            "version": 1,
            "adapters": self.comparison.adapters,
            "pairs": self.comparison.pairs,
            "accuracies": accuracies,
            "similarity": self.similarity.as_ref().map(|of| json!({ "split": of.shown.split, "cka": of.measured })),
            "warnings": self.warnings(),
        })
    }

    /// The accuracy of `task` in the row of a kind.
    fn accuracy(&self, kind: Kind, task: &str) -> Option<f64> {
        let summary = self.summary?;
        let row = summary.rows.iter().find(|row| row.kind == kind)?;
        let split = row.splits.get(&summary.splits.select)?;
        split.tasks.iter().find(|of_task| of_task.task == task).map(|of_task| of_task.accuracy)
    }
}

/// To three digits behind the point: more are noise here.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

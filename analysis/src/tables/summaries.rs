use super::{Cell, Column, ColumnKind, Table, TableRow, published::Measured};
use crate::{SplitSummary, Summary, SummaryRow, TaskSummary, fixed};
use jobs::{HITS_AT, Interval};

impl Table {
    /// What every row of a sweep reaches on a split: the accuracy on each task, their mean, the mean of the normalised
    /// ones, and the number of examples.
    pub fn accuracy(summary: &Summary, split: &str) -> Self {
        let has_normalised =
            summary.rows.iter().any(|row| of(row, split).is_some_and(|of| of.mean_normalised.is_some()));
        let sheet = Sheet { summary, split };
        let mut columns: Vec<Measure<'_>> =
            summary.tasks.iter().map(|name| sheet.of_task(name, |task| Some((task.accuracy, task.interval)))).collect();
        columns.push(Measure::new("mean", |split| Some((split.mean_accuracy?, split.interval))));
        if has_normalised {
            columns.push(Measure::new("norm.", |split| Some((split.mean_normalised?, split.normalised_interval))));
        }
        let notes = sheet.few_examples().into_iter().chain(sheet.cut_texts()).collect();
        let table = Self { notes, ..sheet.table("accuracy", format!("accuracy on {split}, in %"), columns) };
        let table = table.with_published_means(summary, split, Measured::Accuracy);
        table.with_published_means(summary, split, Measured::Normalised { head: "norm." })
    }

    /// What every row of a sweep reaches on a split, over what each task's own adapter reaches there: on each task, and
    /// the mean with its interval. `None` if no such number is known.
    pub fn normalised(summary: &Summary, split: &str) -> Option<Self> {
        let mut splits = summary.rows.iter().filter_map(|row| of(row, split));
        if !splits.any(|split| split.tasks.iter().any(|task| task.normalised.is_some())) {
            return None;
        }
        let sheet = Sheet { summary, split };
        let mut columns: Vec<Measure<'_>> =
            summary.tasks.iter().map(|name| sheet.of_task(name, |task| Some((task.normalised?, None)))).collect();
        columns.push(Measure::new("mean", |split| Some((split.mean_normalised?, split.normalised_interval))));
        let title = format!("accuracy on {split} over that of each task's own adapter, in %");
        let table = sheet.table("normalised", title, columns);
        Some(table.with_published_means(summary, split, Measured::Normalised { head: "mean" }))
    }

    /// The shares of examples of a joint benchmark whose true class is among the first k; `None` for any other
    /// benchmark.
    pub fn hits(summary: &Summary, split: &str) -> Option<Self> {
        let has_hits = |row: &SummaryRow| of(row, split).is_some_and(|split| !split.hits.is_empty());
        if !summary.rows.iter().any(has_hits) {
            return None;
        }
        let columns = HITS_AT.map(|k| {
            Measure::new(&format!("hits@{k}"), move |split: &SplitSummary| Some((split.hits.get(&k).copied()?, None)))
        });
        let title = format!("joint labels on {split}: true class among the first k, in %");
        let table = Sheet { summary, split }.table("hits", title, columns.into());
        Some(table.with_published_hits(summary, split))
    }
}

/// Half the width of an interval of one accuracy that is worth a note.
const WIDE: f64 = 0.05;

/// Tasks that such a note names.
const NAMED: usize = 3;

/// The rows of a sweep on one split.
struct Sheet<'a> {
    summary: &'a Summary,
    split: &'a str,
}

/// A number of a row on a split, with its interval.
type Value<'a> = dyn Fn(&SplitSummary) -> Option<(f64, Option<Interval>)> + 'a;

/// A column of numbers of rows.
struct Measure<'a> {
    name: String,
    is_brief: bool,
    value: Box<Value<'a>>,
}

impl<'a> Measure<'a> {
    fn new(name: &str, value: impl Fn(&SplitSummary) -> Option<(f64, Option<Interval>)> + 'a) -> Self {
        Self { name: name.to_owned(), is_brief: false, value: Box::new(value) }
    }
}

impl<'a> Sheet<'a> {
    fn of_task(
        &self,
        name: &'a str,
        value: impl Fn(&TaskSummary) -> Option<(f64, Option<Interval>)> + 'a,
    ) -> Measure<'a> {
        let of_task = move |split: &SplitSummary| value(split.tasks.iter().find(|task| task.task == name)?);
        Measure { is_brief: true, ..Measure::new(name, of_task) }
    }

    /// What is known of each task in the chosen row, or else in the first that has it.
    fn tasks(&self) -> impl Iterator<Item = &'a TaskSummary> {
        let summary = self.summary;
        let split = self.split;
        summary.tasks.iter().filter_map(move |name| {
            let rows = summary.best().into_iter().chain(&summary.rows);
            rows.filter_map(|row| of(row, split)?.tasks.iter().find(|task| task.task == *name && task.n.is_some()))
                .next()
        })
    }

    /// The tasks of which single accuracies are known least, if it is worth a note.
    fn few_examples(&self) -> Option<String> {
        let half = |task: &TaskSummary| task.interval.map(|interval| (interval.high - interval.low) / 2.0);
        let wide = |task: &'a TaskSummary| half(task).filter(|half| *half > WIDE).map(|half| (task, half));
        let mut wide: Vec<(&TaskSummary, f64)> = self.tasks().filter_map(wide).collect();
        wide.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let more = match wide.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let named = |(task, half): &(&TaskSummary, f64)| {
            Some(format!("{} {} (± {})", task.task, task.n?, fixed(half * 100.0, 1)))
        };
        let named: Vec<String> = wide.iter().take(NAMED).filter_map(named).collect();
        let named = named.join(", ");
        (!wide.is_empty()).then(|| format!("few examples, and the points that they leave open: {named}{more}"))
    }

    /// The tasks of which texts were cut.
    fn cut_texts(&self) -> Option<String> {
        let cut = |task: &TaskSummary| Some(format!("{} of {} of {}", task.truncated, task.n?, task.task));
        let cut: Vec<String> = self.tasks().filter(|task| task.truncated > 0).filter_map(cut).collect();
        (!cut.is_empty()).then(|| format!("texts that were cut to their largest length: {}", cut.join(", ")))
    }

    /// One row for each of the sweep; the best number of a column is the best that a merge has.
    fn table(&self, kind: &str, title: String, measures: Vec<Measure<'_>>) -> Table {
        let rows = &self.summary.rows;
        let mut columns = vec![Column::new("method", ColumnKind::Text)];
        let mut lines: Vec<Vec<Cell>> = rows.iter().map(|row| vec![Cell::text(&row.name)]).collect();
        for Measure { name, is_brief, value } in measures {
            let values: Vec<_> = rows.iter().map(|row| value(of(row, self.split)?)).collect();
            let merges = rows.iter().zip(&values).filter(|(row, _)| row.kind.is_merge());
            let best = merges.filter_map(|(_, value)| Some((*value)?.0)).max_by(f64::total_cmp);
            for ((row, line), value) in rows.iter().zip(&mut lines).zip(values) {
                let (number, interval) = value.unzip();
                let is_best = row.kind.is_merge() && number.zip(best).is_some_and(|(number, best)| number >= best);
                line.push(Cell::measured(number, interval.flatten(), is_best));
            }
            columns.push(Column { is_brief, ..Column::new(name, ColumnKind::Share) });
        }
        columns.push(Column::new("n", ColumnKind::Count));
        for (row, line) in rows.iter().zip(&mut lines) {
            // Where all numbers were given, they rest on no examples.
            let n = of(row, self.split).map(|split| split.n).filter(|n| *n > 0);
            line.push(n.map_or(Cell::Empty, Cell::Count));
        }
        let rows = rows.iter().zip(lines).map(|(row, cells)| TableRow { is_chosen: row.is_chosen, cells }).collect();
        Table { name: Table::name_of(kind, self.split), title, columns, rows, notes: Vec::new() }
    }
}

fn of<'a>(row: &'a SummaryRow, split: &str) -> Option<&'a SplitSummary> {
    row.splits.get(split)
}

use super::{
    Cell, Column, ColumnKind, Table, TableRow,
    differences::result,
    pairs::{Pairs, TIE, Verdict, how},
    weighting::Weighting,
};
use crate::{Results, Summary, WeightedTask};
use jobs::{JobResult, Outcome, TaskScore};

/// Two sweeps, to be compared on what their report splits have in common.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The first: differences are of its accuracies less those of the second.
    pub first: Side<'a>,
    /// The second.
    pub second: Side<'a>,
}

/// A sweep of a [`Comparison`].
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What it came to.
    pub outcome: &'a Outcome,
    /// The results that it names.
    pub results: &'a Results,
    /// The same, summed up.
    pub summary: &'a Summary,
}

impl Comparison<'_> {
    /// Both tables: the chosen recipes task by task, and the rows that both sweeps have.
    pub fn tables(&self) -> [Table; 2] {
        [self.chosen(), self.rows()]
    }

    /// The recipes that the two sweeps chose, on each task that both evaluated on the same data.
    pub fn chosen(&self) -> Table {
        let first = self.first;
        let second = self.second;
        let names = [first.name(), second.name()];
        let mut columns = vec![Column::new("task", ColumnKind::Text)];
        columns.extend(names.map(|name| Column::brief(name, ColumnKind::Share)));
        columns.extend(Verdict::columns("1st alone", "2nd alone"));
        let title = format!("what {} and {} chose, on the same examples, in %", names[0], names[1]);
        let mut table = Table { name: "compare".to_owned(), title, columns, rows: Vec::new(), notes: Vec::new() };
        table.notes = [first, second].map(|side| side.choice()).into();
        let Some((one, other)) = first.chosen().zip(second.chosen()) else { return table };
        let pairs = Pairs::of(one, other);
        for (task, pair) in &pairs.tasks {
            let accuracies = [one, other].map(|result| accuracy(result, task));
            table.rows.push(line(task, accuracies, Verdict::of(&WeightedTask::of_mean(&[*pair])).as_ref()));
        }
        if pairs.tasks.is_empty() {
            table.notes.push("the two sweeps have no examples in common: there is nothing to compare".to_owned());
        } else {
            let mean = |result: &JobResult| {
                let accuracies =
                    pairs.tasks.iter().filter_map(|(task, _)| score(result, task)).map(TaskScore::accuracy);
                Cell::number(Some(accuracies.sum::<f64>() / pairs.tasks.len() as f64))
            };
            table.rows.push(line("mean", [mean(one), mean(other)], pairs.verdict(&Weighting::Mean).as_ref()));
            table.notes.extend(how(&Weighting::Mean));
            table.notes.push(TIE.to_owned());
        }
        table.notes.extend(pairs.left_out().map(|why| format!("left out: {why}")));
        table
    }

    /// The rows that both sweeps have under the same name: the mean over the tasks that both evaluated on the same
    /// data.
    pub fn rows(&self) -> Table {
        let mut columns = vec![Column::new("method", ColumnKind::Text), Column::new("tasks", ColumnKind::Count)];
        columns.extend(Verdict::columns("1st alone", "2nd alone"));
        let mut rows = Vec::new();
        for row in &self.first.summary.rows {
            let Some((one, other)) = self.first.row(&row.name).zip(self.second.row(&row.name)) else { continue };
            let pairs = Pairs::of(one, other);
            let mut cells = vec![Cell::text(&row.name), Cell::Count(pairs.tasks.len() as u64)];
            cells.extend(Verdict::cells(pairs.verdict(&Weighting::Mean).as_ref()));
            rows.push(TableRow { is_chosen: false, cells });
        }
        let notes = if rows.is_empty() {
            vec!["no row of both sweeps has the same name and a result".to_owned()]
        } else {
            how(&Weighting::Mean).into_iter().chain([TIE.to_owned()]).collect()
        };
        let title =
            format!("rows that {} and {} both have, on the same examples", self.first.name(), self.second.name());
        Table { name: "compare-rows".to_owned(), title, columns, rows, notes }
    }
}

impl<'a> Side<'a> {
    fn name(&self) -> &'a str {
        &self.outcome.sweep
    }

    fn row(&self, name: &str) -> Option<&'a JobResult> {
        result(name, &self.outcome.report, self.outcome, self.results)
    }

    fn chosen(&self) -> Option<&'a JobResult> {
        self.row(&self.summary.best()?.name)
    }

    /// What is compared, or why nothing is.
    fn choice(&self) -> String {
        let sweep = self.name();
        let report = &self.outcome.report;
        match (self.summary.best(), self.chosen()) {
            (None, _) => format!("{sweep} chose nothing: no merge of it has a value"),
            (Some(row), None) => format!("{sweep} chose {}, which has no result on {report}", row.name),
            (Some(row), Some(_)) => format!("{sweep} chose {}; its numbers are of {report}", row.name),
        }
    }
}

fn score<'a>(result: &'a JobResult, task: &str) -> Option<&'a TaskScore> {
    result.scores.iter().find(|score| score.task == task)
}

fn accuracy(result: &JobResult, task: &str) -> Cell {
    let score = score(result, task);
    Cell::measured(score.map(TaskScore::accuracy), score.map(TaskScore::interval), false)
}

fn line(name: &str, accuracies: [Cell; 2], verdict: Option<&Verdict>) -> TableRow {
    let cells = [Cell::text(name)].into_iter().chain(accuracies).chain(Verdict::cells(verdict)).collect();
    TableRow { is_chosen: false, cells }
}

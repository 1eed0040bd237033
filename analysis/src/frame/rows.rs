use super::{
    cells::{Cells, Words},
    flat::{Named, flat, without_rows},
    grounds::Grounds,
};
use foldhash::{HashMap, HashMapExt};
use jobs::{HITS_AT, JobId, TaskScore};
use polars::prelude::{Column, IntoColumn, StringChunkedBuilder};
use std::collections::BTreeMap;
use store::BriefResult;

/// Given accuracies of single adapters, by split and task.
pub(super) type Given = BTreeMap<String, BTreeMap<String, f64>>;

/// Rows as they come, kept by column.
///
/// What is normalised is computed at the end: the accuracy of an adapter alone may come after what is measured by it.
#[derive(Debug, Default)]
pub(super) struct Rows {
    words: Words,
    columns: Vec<(&'static str, Cells)>,
    jobs: Vec<JobId>,
    /// In the order in which they came.
    tasks: Vec<(String, OfTask)>,
    grounds: Grounds,
    /// The ground of each row, and the given accuracies that go before measured ones.
    measured_on: Vec<(usize, usize)>,
    given: Vec<Given>,
}

/// The scores of one task, by row; shorter than the frame while rows lack it.
#[derive(Debug, Default)]
struct OfTask {
    n: Vec<Option<u64>>,
    correct: Vec<Option<u64>>,
    /// Accuracies, or means of other metrics.
    accuracy: Vec<Option<f64>>,
    hits: BTreeMap<u32, Vec<Option<u64>>>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Begins with results of a sweep whose single adapters have these accuracies.
    pub(super) fn begin(&mut self, given: Given) {
        self.given.push(given);
    }

    /// Adds a result.
    pub(super) fn push(&mut self, result: &BriefResult, named: Named<'_>) {
        let cells = flat(result, named, &mut self.words);
        if self.columns.is_empty() {
            self.columns = cells.into_iter().map(|(name, cell)| (name, Cells::of(cell))).collect();
        } else {
            for ((_, column), (_, cell)) in self.columns.iter_mut().zip(cells) {
                column.push(cell);
            }
        }
        let row = self.jobs.len();
        for (place, score) in result.scores.iter().enumerate() {
            self.task(&score.task, place).put(row, score);
        }
        self.jobs.push(result.job);
        self.measured_on.push((self.grounds.of(result), self.given.len()));
    }

    /// The scores of a task, which is looked for at a place first: most results are of the same tasks in the same
    /// order.
    fn task(&mut self, task: &str, place: usize) -> &mut OfTask {
        let is_it = |(known, _): &(String, OfTask)| known == task;
        let place =
            if self.tasks.get(place).is_some_and(is_it) { Some(place) } else { self.tasks.iter().position(is_it) };
        let place = place.unwrap_or_else(|| {
            self.tasks.push((task.to_owned(), OfTask::default()));
            self.tasks.len() - 1
        });
        &mut self.tasks[place].1
    }

    /// The columns of the frame.
    pub(super) fn into_columns(mut self) -> Vec<Column> {
        let rows = self.len();
        if rows == 0 {
            self.columns = without_rows();
        }
        self.tasks.iter_mut().for_each(|(_, task)| task.fill(rows));
        self.tasks.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let own = self.own_accuracies();
        let own_of = |row: usize, task: usize| own[&self.measured_on[row]][task];
        let mut sums = vec![Sum::default(); rows];
        let mut of_tasks = Vec::new();
        for (index, (task, cells)) in std::mem::take(&mut self.tasks).into_iter().enumerate() {
            of_tasks.extend(cells.into_columns(&task, |row| own_of(row, index), &mut sums));
        }
        let mut columns = Vec::new();
        let words = self.words.into_column();
        for (name, cells) in self.columns {
            columns.push(cells.into_column(name, &words));
            match name {
                "row" => {
                    let mut jobs = StringChunkedBuilder::new("job".into(), rows);
                    self.jobs.iter().for_each(|job| jobs.append_value(job.to_string()));
                    columns.push(jobs.finish().into_column());
                }
                "mean_accuracy" => {
                    let means: Vec<Option<f64>> = sums.iter().map(Sum::mean).collect();
                    columns.push(Column::new("mean_normalised".into(), means));
                    let worst: Vec<Option<f64>> = sums.iter().map(|sum| sum.worst_accuracy).collect();
                    columns.push(Column::new("worst_accuracy".into(), worst));
                    let worst: Vec<Option<f64>> = sums.iter().map(Sum::worst).collect();
                    columns.push(Column::new("worst_normalised".into(), worst));
                }
                _ => {}
            }
        }
        columns.extend(of_tasks);
        columns
    }

    /// The accuracies of the tasks' own adapters, by what rows are measured on.
    fn own_accuracies(&self) -> HashMap<(usize, usize), Vec<Option<f64>>> {
        let mut own = HashMap::new();
        for (ground, given) in &self.measured_on {
            own.entry((*ground, *given)).or_insert_with(|| {
                let given = given.checked_sub(1).and_then(|given| self.given[given].get(self.grounds.split(*ground)));
                let of_task = |task: &String| {
                    let given = given.and_then(|given| given.get(task).copied());
                    given.or_else(|| self.grounds.own_accuracy(*ground, task)).filter(|own| *own > 0.0)
                };
                self.tasks.iter().map(|(task, _)| task).map(of_task).collect()
            });
        }
        own
    }
}

/// The accuracies of a row's tasks.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    normalised: f64,
    with: u32,
    without: u32,
    worst_normalised: Option<f64>,
    worst_accuracy: Option<f64>,
}

impl Sum {
    fn add(&mut self, accuracy: Option<f64>, normalised: Option<f64>) {
        self.worst_accuracy = least(self.worst_accuracy, accuracy);
        self.worst_normalised = least(self.worst_normalised, normalised);
        match normalised {
            Some(normalised) => (self.normalised, self.with) = (self.normalised + normalised, self.with + 1),
            None => self.without += 1,
        }
    }

    /// The mean, unless a task lacks what it is normalised by.
    fn mean(&self) -> Option<f64> {
        (self.with > 0 && self.without == 0).then(|| self.normalised / f64::from(self.with))
    }

    /// The least normalised accuracy, unless a task lacks what it is normalised by.
    fn worst(&self) -> Option<f64> {
        self.worst_normalised.filter(|_| self.without == 0)
    }
}

fn least(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).min_by(f64::total_cmp)
}

/// Puts the cell of a row behind those of the rows before it, which lack the task.
fn put<T: Clone>(cells: &mut Vec<Option<T>>, row: usize, value: Option<T>) {
    cells.resize(row, None);
    cells.push(value);
}

impl OfTask {
    fn put(&mut self, row: usize, score: &TaskScore) {
        put(&mut self.n, row, Some(score.n));
        put(&mut self.correct, row, score.right_answers());
        put(&mut self.accuracy, row, Some(score.accuracy()));
        // Hits@1 are the right answers.
        for (k, hits) in score.hits.iter().filter(|(k, _)| **k > 1 && HITS_AT.contains(k)) {
            put(self.hits.entry(*k).or_default(), row, Some(*hits));
        }
    }

    fn fill(&mut self, rows: usize) {
        let all = [&mut self.n, &mut self.correct].into_iter().chain(self.hits.values_mut());
        all.for_each(|cells| cells.resize(rows, None));
        self.accuracy.resize(rows, None);
    }

    /// The task's columns; the normalised accuracies are added to the rows' sums.
    fn into_columns(self, task: &str, own: impl Fn(usize) -> Option<f64>, sums: &mut [Sum]) -> Vec<Column> {
        let share = |part: &[Option<u64>]| -> Vec<Option<f64>> {
            let share = |(part, n): (&Option<u64>, &Option<u64>)| {
                let n = n.filter(|n| *n > 0)?;
                Some((*part)? as f64 / n as f64)
            };
            part.iter().zip(&self.n).map(share).collect()
        };
        let accuracy = self.accuracy;
        let normalise = |(row, accuracy): (usize, &Option<f64>)| {
            let normalised = (*accuracy)? / own(row)?;
            Some(normalised)
        };
        let normalised: Vec<Option<f64>> = accuracy.iter().enumerate().map(normalise).collect();
        for (row, sum) in sums.iter_mut().enumerate().filter(|(row, _)| self.n[*row].is_some()) {
            sum.add(accuracy[row], normalised[row]);
        }
        let mut columns: Vec<Column> =
            self.hits.iter().map(|(k, hits)| Column::new(format!("hits_{k}.{task}").into(), share(hits))).collect();
        let named = |name: &str| format!("{name}.{task}").into();
        columns.splice(
            0..0,
            [
                Column::new(named("n"), &self.n),
                Column::new(named("correct"), &self.correct),
                Column::new(named("accuracy"), accuracy),
                Column::new(named("normalised"), normalised),
            ],
        );
        columns
    }
}

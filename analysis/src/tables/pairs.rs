use super::{Cell, Column, ColumnKind, weighting::Weighting};
use crate::{Bootstrap, Difference, PairedTask, WeightedTask, stratified_mid_p};
use jobs::{Goal, JobResult, TaskScore};
use std::collections::BTreeMap;

/// Two models on the same examples of the tasks that both were evaluated on.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// The tasks, in the order of the first.
    pub(super) tasks: Vec<(String, PairedTask)>,
    /// Other tasks, by why they are none of them.
    left_out: BTreeMap<&'static str, Vec<String>>,
}

impl Pairs {
    pub(super) fn of(first: &JobResult, second: &JobResult) -> Self {
        let mut pairs = Self::default();
        for score in &first.scores {
            match pair(score, first, second) {
                Ok(pair) => pairs.tasks.push((score.task.clone(), pair)),
                Err(why) => pairs.leave_out(score, why),
            }
        }
        for score in second.scores.iter().filter(|score| first.scores.iter().all(|own| own.task != score.task)) {
            pairs.leave_out(score, "evaluated in the second alone");
        }
        pairs
    }

    fn leave_out(&mut self, score: &TaskScore, why: &'static str) {
        self.left_out.entry(why).or_default().push(score.task.clone());
    }

    /// Which tasks are not paired, and why: a line for each reason.
    pub(super) fn left_out(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(|(why, tasks)| format!("{}: {why}", tasks.join(", ")))
    }

    /// What the two differ by over all tasks, with their weights in the metric; `None` if no task is paired.
    pub(crate) fn verdict(&self, weighting: &Weighting) -> Option<Verdict> {
        Verdict::of(&weighting.of(&self.tasks))
    }
}

fn pair(score: &TaskScore, first: &JobResult, second: &JobResult) -> Result<PairedTask, &'static str> {
    let is_it = |other: &&TaskScore| other.task == score.task;
    let other = second.scores.iter().find(is_it).ok_or("evaluated in the first alone")?;
    let data = |result: &JobResult| {
        let task = result.meaning.tasks.iter().find(|task| task.name == score.task);
        task.map(|task| (result.meaning.split.clone(), task.data))
    };
    if data(first).zip(data(second)).is_none_or(|((_, one), (_, other))| one != other) {
        return Err("evaluated on other data");
    }
    let (Some(one), Some(other)) = (&score.right, &other.right) else {
        return Err("results of older programs do not record which examples were right");
    };
    PairedTask::new(one, other).ok_or("evaluated on another number of examples")
}

/// What two models differ by on the same examples.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) difference: Difference,
    pub(super) mid_p: f64,
    only_first: u64,
    only_second: u64,
    n: u64,
}

impl Verdict {
    pub(super) fn of(tasks: &[WeightedTask]) -> Option<Self> {
        let sum = |count: fn(&PairedTask) -> u64| tasks.iter().map(|task| count(&task.pair)).sum();
        Some(Self {
            difference: Bootstrap::default().difference(tasks)?,
            mid_p: stratified_mid_p(tasks),
            only_first: sum(|pair| pair.only_first),
            only_second: sum(|pair| pair.only_second),
            n: sum(|pair| pair.n),
        })
    }

    /// The columns of its cells: `only_first` and `only_second` are heads.
    pub(super) fn columns(only_first: &str, only_second: &str) -> [Column; 6] {
        [
            Column::new("difference", ColumnKind::Difference),
            Column::new(only_first, ColumnKind::Count),
            Column::new(only_second, ColumnKind::Count),
            Column::new("mid-p", ColumnKind::Number),
            Column::new("n", ColumnKind::Count),
            Column::new("verdict", ColumnKind::Text),
        ]
    }

    /// The cells of a verdict on mean accuracies, or of none.
    pub(super) fn cells(verdict: Option<&Self>) -> [Cell; 6] {
        let Some(verdict) = verdict else { return std::array::from_fn(|_| Cell::Empty) };
        let [difference, only_first, only_second, mid_p, n] = verdict.numbers();
        [difference, only_first, only_second, mid_p, n, verdict.word(!verdict.difference.is_tie(), Goal::Maximize)]
    }

    /// The columns of a verdict that is one of several.
    pub(super) fn columns_in_family(only_first: &str, only_second: &str) -> [Column; 7] {
        let [difference, only_first, only_second, mid_p, n, verdict] = Self::columns(only_first, only_second);
        [difference, only_first, only_second, mid_p, Column::new("Holm", ColumnKind::Number), n, verdict]
    }

    /// The cells of a verdict that is one of several, with its corrected p-value, which decides; `goal` says which way is better.
    pub(super) fn cells_in_family(verdict: Option<(&Self, f64)>, goal: Goal) -> [Cell; 7] {
        let Some((verdict, corrected)) = verdict else { return std::array::from_fn(|_| Cell::Empty) };
        let [difference, only_first, only_second, mid_p, n] = verdict.numbers();
        let word = verdict.word(corrected <= LEVEL, goal);
        [difference, only_first, only_second, mid_p, Cell::Number(corrected), n, word]
    }

    fn numbers(&self) -> [Cell; 5] {
        [
            Cell::measured(Some(self.difference.value), Some(self.difference.interval), false),
            Cell::Count(self.only_first),
            Cell::Count(self.only_second),
            Cell::Number(self.mid_p),
            Cell::Count(self.n),
        ]
    }

    fn word(&self, is_decided: bool, goal: Goal) -> Cell {
        Cell::text(if !is_decided {
            "tie"
        } else if (self.difference.value > 0.0) == (goal == Goal::Maximize) {
            "better"
        } else {
            "worse"
        })
    }
}

/// The level of a family of comparisons.
const LEVEL: f64 = 0.05;

/// When a verdict of [`Verdict::cells`] is a tie.
pub(super) const TIE: &str = "a tie if 0 lies in the interval";

/// How the numbers of [`Verdict::columns`] come about, where tasks have the weights of `weighting`.
pub(super) fn how(weighting: &Weighting) -> [String; 2] {
    let what = weighting.metric();
    [
        format!(
            "difference: of {what}, in percentage points, with its 95 % interval by the paired bootstrap (10,000 resamples \
             of the examples of each task)"
        ),
        format!("mid-p: two-sided, that {what} differs so much on the same examples by chance; tasks are strata"),
    ]
}

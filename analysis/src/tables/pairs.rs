use super::{Cell, Column, ColumnKind};
use crate::{Bootstrap, Difference, McNemar, PairedTask};
use jobs::{JobResult, TaskScore};
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

    /// What the two differ by over all tasks; `None` if no task is paired.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        Verdict::of(&self.tasks.iter().map(|(_, pair)| *pair).collect::<Vec<_>>())
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
    pub(super) test: McNemar,
    pub(super) n: u64,
}

impl Verdict {
    pub(super) fn of(tasks: &[PairedTask]) -> Option<Self> {
        let difference = Bootstrap::default().difference(tasks)?;
        Some(Self { difference, test: McNemar::of(tasks), n: tasks.iter().map(|task| task.n).sum() })
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

    /// The cells of a verdict, or of none.
    pub(super) fn cells(verdict: Option<&Self>) -> [Cell; 6] {
        let Some(Self { difference, test, n }) = verdict else { return std::array::from_fn(|_| Cell::Empty) };
        let word = if difference.is_tie() {
            "tie"
        } else if difference.value > 0.0 {
            "better"
        } else {
            "worse"
        };
        [
            Cell::measured(Some(difference.value), Some(difference.interval), false),
            Cell::Count(test.only_first),
            Cell::Count(test.only_second),
            Cell::Number(test.mid_p),
            Cell::Count(*n),
            Cell::text(word),
        ]
    }
}

/// How the numbers of [`Verdict::columns`] come about.
pub(super) const HOW: [&str; 2] = [
    "difference: of the mean accuracies, in percentage points, with its 95 % interval by the paired bootstrap (10,000 \
     resamples of the examples of each task); a tie if 0 lies in the interval",
    "mid-p: McNemar's test on all examples together; no correction for several comparisons",
];

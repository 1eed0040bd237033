//! A sweep over a few tasks with numbers that one can check by hand.

use crate::{Frame, Results, Summary, Sweep};
use jobs::{
    AdapterInput, BenchmarkInput, Digest, Goal, JobResult, Meaning, Metric, Objective, Outcome, Point, Precision,
    RecipeSpec, Row, RowKind, RunFacts, Subject, SubsetJob, TaskInput, TaskScore, Timings, Variant, VariantValue,
};
use std::collections::BTreeMap;
use store::Store;
use tempfile::TempDir;

/// An outcome under construction, with its results.
pub(crate) struct Made {
    pub(crate) outcome: Outcome,
    pub(crate) results: Results,
}

pub(crate) const SPLITS: [&str; 2] = ["validation", "test"];

impl Made {
    /// The frame of the results, read from a store.
    pub(crate) async fn frame(&self) -> Frame {
        let folder = TempDir::new().expect("a folder");
        let store = Store::folder(folder.path()).expect("a store");
        for result in self.results.found.values() {
            assert_eq!(store.put_result(result).await.expect("written"), store::Put::Created);
        }
        Frame::of_sweeps(&store, &[Sweep::of(&self.outcome)]).await.expect("a frame")
    }

    /// No rows yet.
    pub(crate) fn new(tasks: &[&str]) -> Self {
        let outcome = Outcome {
            sweep: "small".to_owned(),
            revision: 1,
            objective: Objective { metric: Metric::MeanNormalisedAccuracy, goal: Goal::Maximize },
            goals: Vec::new(),
            select: SPLITS[0].to_owned(),
            report: SPLITS[1].to_owned(),
            tasks: tasks.iter().map(|&task| task.to_owned()).collect(),
            rows: Vec::new(),
            given_denominators: BTreeMap::new(),
            missing: 0,
            ended_early: false,
            reference: None,
            variant: None,
            trained: BTreeMap::new(),
            setup: None,
        };
        Self { outcome, results: Results::default() }
    }

    /// The fixed rows and one search over two tasks, 100 examples each.
    pub(crate) fn small() -> Self {
        let mut made = Self::new(&["mnist", "flags"]);
        made.row("zero-shot", RowKind::ZeroShot, &[20, 40]);
        made.row("fine-tuned", RowKind::Finetuned, &[80, 50]);
        made.merge("sum", &[60, 30], None);
        made.merge("knots_ties", &[40, 45], Some(&[0.1, 0.2, 0.3]));
        made
    }

    /// A merge with these right answers of 100, and the scalings that a search looked at, of which it chose the last.
    pub(crate) fn merge(&mut self, name: &str, correct: &[u64], scalings: Option<&[f64]>) {
        let spec = |scaling| RecipeSpec {
            preset: Some("knots_ties".to_owned()),
            scaling: Some(scaling),
            ..RecipeSpec::default()
        };
        let kind = match scalings {
            None => {
                let spec = RecipeSpec { preset: Some("task_arithmetic".to_owned()), ..RecipeSpec::default() };
                RowKind::Baseline { recipe: spec.resolve().unwrap(), spec }
            }
            Some(scalings) => {
                let points = scalings.iter().map(|&scaling| self.point(spec(scaling), correct)).collect();
                let chosen = spec(*scalings.last().unwrap());
                RowKind::Search {
                    recipe: chosen.resolve().unwrap(),
                    spec: chosen,
                    points,
                    left_out: Default::default(),
                }
            }
        };
        self.row(name, kind, correct);
    }

    /// A fixed recipe with these right answers of 100; one of another scaling is another job.
    pub(crate) fn baseline(&mut self, name: &str, scaling: f64, correct: &[u64]) {
        let preset = Some("task_arithmetic".to_owned());
        let spec = RecipeSpec { preset, scaling: Some(scaling), ..RecipeSpec::default() };
        self.row(name, RowKind::Baseline { recipe: spec.resolve().unwrap(), spec }, correct);
    }

    /// A learned merge with these right answers of 100.
    pub(crate) fn learned(&mut self, name: &str, correct: &[u64]) {
        let spec =
            RecipeSpec { preset: Some("task_arithmetic".to_owned()), scaling: Some(0.9), ..RecipeSpec::default() };
        self.row(name, RowKind::Learned { recipe: spec.resolve().unwrap(), spec }, correct);
    }

    /// Subsets of the last row: each task alone, and all tasks by the row's own job.
    pub(crate) fn subsets(&mut self) {
        let of_row = |row: &Row, place: usize| row.jobs[SPLITS[1]].get(place).copied();
        let alone = self.outcome.rows.iter().find(|row| row.kind == RowKind::Finetuned).unwrap();
        let tasks = self.outcome.tasks.iter().enumerate();
        let mut subsets: Vec<SubsetJob> =
            tasks.map(|(place, task)| SubsetJob { tasks: vec![task.clone()], job: of_row(alone, place) }).collect();
        let last = self.outcome.rows.last_mut().unwrap();
        subsets.push(SubsetJob { tasks: self.outcome.tasks.clone(), job: of_row(last, 0) });
        last.subsets = subsets;
    }

    /// Every point of the last row, a search, has failed.
    pub(crate) fn fail_the_search(&mut self) {
        let row = self.outcome.rows.last_mut().unwrap();
        row.jobs.clear();
        let RowKind::Search { points, .. } = &mut row.kind else { panic!("the last row is no search") };
        for point in points {
            point.value = None;
            self.results.found.remove(&point.job);
        }
    }

    /// A point with its scaling as its value, and its result.
    fn point(&mut self, spec: RecipeSpec, correct: &[u64]) -> Point {
        let tasks: Vec<(String, u64)> = self.outcome.tasks.iter().cloned().zip(correct.iter().copied()).collect();
        let subject = Subject::Merge { recipe: Box::new(spec.resolve().unwrap()) };
        let result = result(subject, SPLITS[0], &tasks);
        let job = result.job;
        let value = spec.scaling;
        self.results.found.insert(job, result);
        Point { spec, job, value, raced: None, slices: Vec::new() }
    }

    /// A row with these right answers of 100 on both splits.
    pub(crate) fn row(&mut self, name: &str, kind: RowKind, correct: &[u64]) {
        let tasks: Vec<(String, u64)> = self.outcome.tasks.iter().cloned().zip(correct.iter().copied()).collect();
        let mut jobs = BTreeMap::new();
        for split in SPLITS {
            let mut add = |subject: Subject, tasks: &[(String, u64)]| {
                let result = result(subject, split, tasks);
                jobs.entry(split.to_owned()).or_insert_with(Vec::new).push(result.job);
                self.results.found.insert(result.job, result);
            };
            match &kind {
                RowKind::ZeroShot => add(Subject::Base, &tasks),
                RowKind::Finetuned => {
                    tasks
                        .iter()
                        .for_each(|task| add(Subject::Adapter { task: task.0.clone() }, std::slice::from_ref(task)));
                }
                RowKind::Ensemble { rule } => add(Subject::Ensemble { rule: *rule }, &tasks),
                RowKind::Baseline { recipe, .. } | RowKind::Learned { recipe, .. } | RowKind::Search { recipe, .. } => {
                    add(Subject::Merge { recipe: Box::new(recipe.clone()) }, &tasks);
                }
            }
        }
        self.outcome.rows.push(Row { name: name.to_owned(), kind, jobs, subsets: Vec::new(), replicates: None });
    }
}

/// A result with these right answers of 100.
pub(crate) fn result(subject: Subject, split: &str, tasks: &[(String, u64)]) -> JobResult {
    let digest = |name: &str| Digest::of(name.as_bytes());
    let adapters = tasks.iter().filter(|_| subject != Subject::Base);
    let input =
        |(task, _): &(String, u64)| TaskInput { name: task.clone(), data: digest(split), head: Some(digest(task)) };
    let meaning = Meaning {
        evaluation: jobs::EVALUATION_SEMANTICS,
        base: digest("base"),
        adapters: adapters.map(|(task, _)| AdapterInput { task: task.clone(), digest: digest(task) }).collect(),
        tasks: tasks.iter().map(input).collect(),
        benchmark: BenchmarkInput::PerTask,
        split: split.to_owned(),
        precision: Precision::F32,
        statistics: Vec::new(),
        slice: None,
        subject,
    };
    let score = |(task, correct): &(String, u64)| TaskScore {
        task: task.clone(),
        n: 100,
        correct: *correct,
        hits: BTreeMap::new(),
        right: None,
        truncated: 0,
        within: BTreeMap::new(),
        mean: None,
    };
    JobResult {
        job: meaning.id(),
        meaning,
        scores: tasks.iter().map(score).collect(),
        merge: None,
        timings: Timings { load_s: 0.5, align_s: 0.25, merge_s: 0.125, evaluate_s: 1.0 },
        run: RunFacts {
            worker: "worker-1".to_owned(),
            attempt: 1,
            device: "cpu (2 threads)".to_owned(),
            versions: BTreeMap::new(),
            commits: BTreeMap::new(),
            finished_ms: 1000,
        },
    }
}

/// The small sweep for each of these ranks. The larger the rank is, the better is its search.
pub(crate) fn variants(ranks: &[u64]) -> Vec<Summary> {
    let of_rank = |(place, rank): (usize, &u64)| {
        let mut made = Made::new(&["mnist", "flags"]);
        made.row("zero-shot", RowKind::ZeroShot, &[20, 40]);
        made.row("fine-tuned", RowKind::Finetuned, &[80, 50]);
        made.merge("sum", &[60, 30], None);
        made.merge("knots_ties", &[40 + rank, 45], Some(&[0.1, 0.2, 0.3]));
        let value = VariantValue::Number((*rank).into());
        let variant = Variant { of: made.outcome.sweep.clone(), key: "rank".to_owned(), value, place: place as u32 };
        made.outcome.sweep = variant.sweep();
        made.outcome.variant = Some(variant);
        Summary::build(&made.outcome, &made.results, None)
    };
    ranks.iter().enumerate().map(of_rank).collect()
}

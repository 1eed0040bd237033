//! Evaluations on slices of the examples, and evaluations that are made of them.

use inputs::Inputs;
use jobs::{Job, JobResult, Meaning, RecipeSpec, RunFacts, Slice, Subject, Sweep, TaskScore, TaskShare, Timings};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use worker::{AttemptContext, Engine, EngineSettings, JobError, Metrics};

struct Bench {
    root: PathBuf,
    inputs: Arc<Inputs>,
    engine: Engine,
    metrics: Metrics,
}

impl Bench {
    /// A bench that holds images within so many bytes.
    fn new(image_bytes: u64) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
        let settings =
            EngineSettings { device: Default::default(), threads: None, image_bytes, cache: None, memory_bytes: None };
        let metrics = Metrics::default();
        let engine = Engine::new(settings, Arc::clone(&inputs)).unwrap().with_metrics(metrics.clone());
        Self { root, inputs, engine, metrics }
    }

    fn frozen(&self, file: &str, tasks: &[&str]) -> coordinator::Frozen {
        let path = self.root.join("examples").join(file);
        let folder = path.parent().unwrap();
        let mut sweep = Sweep::from_yaml(&fs::read_to_string(&path).unwrap(), folder, &[]).unwrap();
        sweep.tasks.retain(|task| tasks.contains(&task.name.as_str()));
        coordinator::freeze(sweep, &self.inputs).unwrap()
    }

    fn compute(&mut self, job: &Job, slices: Vec<JobResult>) -> Result<Vec<TaskScore>, JobError> {
        let context = AttemptContext::default().with_slices(slices);
        self.engine.compute(job, &context).map(|computed| computed.output.scores().unwrap().scores)
    }

    /// The result of a slice, checked as a worker and a store check it.
    fn slice(&mut self, frozen: &coordinator::Frozen, meaning: &Meaning, known: Vec<JobResult>) -> JobResult {
        let job = frozen.job(meaning.clone());
        let scores = self.compute(&job, known).unwrap();
        let run = RunFacts {
            worker: "w".to_owned(),
            attempt: 1,
            device: "cpu".to_owned(),
            versions: BTreeMap::new(),
            commits: BTreeMap::new(),
            finished_ms: 0,
        };
        let meaning = meaning.clone();
        let result = JobResult { job: job.id(), meaning, scores, merge: None, timings: Timings::default(), run };
        result.check().unwrap();
        let read: JobResult = serde_json::from_str(&serde_json::to_string(&result).unwrap()).unwrap();
        assert_eq!(read, result);
        result
    }
}

fn merge(spec: serde_json::Value) -> Subject {
    let spec: RecipeSpec = serde_json::from_value(spec).unwrap();
    Subject::Merge { recipe: Box::new(spec.resolve().unwrap()) }
}

fn shares(scores: &[TaskScore]) -> Vec<TaskShare> {
    scores.iter().map(|score| TaskShare { examples: score.n, weight: 1.0 / score.n as f64 }).collect()
}

/// Looks that the result on all examples is the same whether it is made at once or of slices.
fn adds_up(file: &str, tasks: &[&str], spec: serde_json::Value, image_bytes: u64) {
    let mut bench = Bench::new(image_bytes);
    let frozen = bench.frozen(file, tasks);
    let whole = frozen.meaning(merge(spec.clone()), "validation");
    let at_once = bench.compute(&frozen.job(whole.clone()), Vec::new()).unwrap();
    let tasks = shares(&at_once);
    let slice = |sequence_of, from, to| {
        let slice = Slice { seed: 0, sequence_of, from, to, tasks: tasks.clone() };
        Meaning { slice: Some(slice), ..whole.clone() }
    };
    let other = frozen.meaning(merge(serde_json::json!({"preset": "task_arithmetic"})), "validation").id();
    let first = bench.slice(&frozen, &slice(None, 0, 40), Vec::new());
    let second = bench.slice(&frozen, &slice(None, 40, 90), Vec::new());
    // A slice of another sequence, which shares examples with the first ones.
    let third = bench.slice(&frozen, &slice(Some(other), 0, 64), vec![first.clone(), second.clone()]);
    assert_eq!(third.scores, bench.slice(&frozen, &slice(Some(other), 0, 64), Vec::new()).scores);
    // One of another model changes nothing, and a missing one neither.
    let foreign = Meaning { subject: Subject::Base, adapters: Vec::new(), ..slice(None, 0, 40) };
    let foreign = bench.slice(&frozen, &foreign, Vec::new());
    for slices in [vec![first.clone(), foreign], vec![second.clone(), first.clone(), third.clone()]] {
        let made = bench.compute(&frozen.job(whole.clone()), slices).unwrap();
        assert_eq!(made, at_once);
    }
    let known = |results: &[&JobResult]| {
        let mut known = jobs::KnownAnswers::new(1, tasks.iter().map(|task| task.examples));
        assert!(results.iter().all(|result| known.add(result)));
        known
    };
    let all = JobResult { meaning: whole.clone(), scores: at_once.clone(), ..first.clone() };
    let all = known(&[&all]);
    let some = known(&[&first, &second, &third]);
    assert!((90..154).contains(&some.known()), "{}", some.known());
    for (task, share) in tasks.iter().enumerate() {
        let agrees = |example| some.answer(task, example).is_none_or(|right| Some(right) == all.answer(task, example));
        assert!((0..share.examples).all(agrees), "{}", whole.tasks[task].name);
    }
}

#[test]
fn images_of_slices_add_up_to_all_images() {
    adds_up(
        "mini8/knots-ties.yaml",
        &["mnist", "optdigits", "fashion"],
        serde_json::json!({"preset": "knots_ties"}),
        1 << 30,
    );
}

#[test]
fn images_that_are_not_held_in_memory_add_up_as_well() {
    adds_up("mini8/knots-ties.yaml", &["mnist", "optdigits"], serde_json::json!({"preset": "ties"}), 0);
}

#[test]
fn hits_among_joint_classes_add_up() {
    adds_up(
        "mini8/joint.yaml",
        &["mnist", "optdigits", "fashion"],
        serde_json::json!({"preset": "knots_ties"}),
        1 << 30,
    );
}

#[test]
fn texts_of_slices_add_up_to_all_texts() {
    adds_up("nli6/knots-ties.yaml", &["rte", "sick"], serde_json::json!({"preset": "knots_ties"}), 0);
}

#[test]
fn an_evaluation_that_is_made_of_slices_runs_the_model_over_the_others_alone() {
    let mut bench = Bench::new(1 << 30);
    let frozen = bench.frozen("mini8/knots-ties.yaml", &["mnist", "optdigits"]);
    let whole = frozen.meaning(merge(serde_json::json!({"preset": "ties"})), "validation");
    let at_once = bench.compute(&frozen.job(whole.clone()), Vec::new()).unwrap();
    let slice = Slice { seed: 0, sequence_of: None, from: 0, to: 50, tasks: shares(&at_once) };
    let slice = bench.slice(&frozen, &Meaning { slice: Some(slice), ..whole.clone() }, Vec::new());
    let before = images(&bench.metrics);
    bench.compute(&frozen.job(whole), vec![slice]).unwrap();
    let all: u64 = at_once.iter().map(|score| score.n).sum();
    assert_eq!(images(&bench.metrics) - before, all - 50);
}

#[test]
fn a_slice_for_data_of_another_size_is_refused_by_name() {
    let mut bench = Bench::new(1 << 30);
    let frozen = bench.frozen("mini8/knots-ties.yaml", &["mnist", "optdigits"]);
    let whole = frozen.meaning(Subject::Base, "validation");
    let sizes = shares(&bench.compute(&frozen.job(whole.clone()), Vec::new()).unwrap());
    let mut wrong = sizes.clone();
    wrong[1].examples += 1;
    let slice = |tasks: Vec<TaskShare>, to| {
        let slice = Slice { seed: 0, sequence_of: None, from: 0, to, tasks };
        frozen.job(Meaning { slice: Some(slice), ..whole.clone() })
    };
    let error = bench.compute(&slice(wrong, 30), Vec::new()).unwrap_err().to_string();
    let expected = sizes[1].examples + 1;
    let found = sizes[1].examples;
    assert_eq!(error, format!("the job's slice is of {expected} examples of `optdigits`, and its split has {found}"));
    let error = bench.compute(&slice(sizes[..1].to_vec(), 30), Vec::new()).unwrap_err();
    assert_eq!(jobs::error_messages(&error).last().unwrap(), "the slice has shares of 1 tasks, and its job has 2");
}

/// The images that the engine has run its models over.
fn images(metrics: &Metrics) -> u64 {
    let mut registry = Registry::with_prefix("bowline");
    metrics.register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let line = text.lines().find(|line| line.starts_with("bowline_examples_total{kind=\"image\"}")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

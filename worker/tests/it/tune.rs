//! Learned coefficients as a job, against the reference.

mod knots_basis;

use crate::engine::engine;
use async_trait::async_trait;
use inputs::Inputs;
use jobs::{CoefficientScope, Job, LEARNED_FILE, LearnedCoefficients, Sweep, TuneObjective, TuneSettings};
use queue::{JobPublisher, MemoryQueue};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use store::Store;
use tempfile::TempDir;
use worker::{AttemptContext, Checkpoints, Compute, Computed, Engine, JobError, Output, OutputFiles, Worker};

const TASKS: [&str; 4] = ["mnist", "letters", "flags", "emoji"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A sweep over four tasks of mini8, with a row of learned coefficients.
fn frozen(inputs: &Inputs, learned: &str) -> coordinator::Frozen {
    let mut text = "name: learned\nbase: base\ntasks:\n".to_owned();
    for task in TASKS {
        text += &format!(
            "  - {{name: {task}, adapter: adapters/{task}, head: heads/{task}.safetensors, data: {{source: data/{task}, \
             splits: {{tuning: {{from: validation}}, select: {{from: test, share: [0.0, 0.5]}}}}}}}}\n"
        );
    }
    text += "evaluation: {select: select, report: test}\nmetric: {name: mean_accuracy}\n";
    text += &format!("learned: [{{split: tuning, {learned}}}]\n");
    let sweep = Sweep::from_yaml(&text, &root().join("examples/mini8"), &[]).unwrap();
    coordinator::freeze(sweep, inputs).unwrap()
}

fn job(frozen: &coordinator::Frozen) -> Job {
    let learned = &frozen.sweep().learned[0];
    frozen.job(frozen.tune_spec(&learned.split, learned.examples, &learned.settings).unwrap())
}

fn compute(learned: &str) -> Result<OutputFiles, JobError> {
    compute_with(learned, |_| ())
}

/// The same with other settings than a sweep file may state.
fn compute_with(learned: &str, change: impl FnOnce(&mut TuneSettings)) -> Result<OutputFiles, JobError> {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let mut engine = engine(&inputs);
    let job = job(&frozen(&inputs, learned));
    let jobs::JobSpec::Tune(mut spec) = job.spec().clone() else { unreachable!("it tunes") };
    change(&mut spec.settings);
    let job = Job::new(spec, job.places);
    match engine.compute(&job, &AttemptContext::default())?.output {
        Output::Files(files) => Ok(files),
        Output::Scores(_) => unreachable!("coefficients are files"),
    }
}

fn learned(made: &OutputFiles) -> LearnedCoefficients {
    LearnedCoefficients::read(&fs::read(made.folder().join(LEARNED_FILE)).unwrap()).unwrap()
}

#[test]
fn a_job_learns_the_coefficients_of_the_reference() {
    // A sweep file gives entropy a guard; the reference has none.
    let settings = "objective: entropy, per: layer, start: 0.3, rate: 0.01, steps: 30, batch: 16";
    let made = compute_with(settings, |settings| settings.guard = None).unwrap();
    let learned = learned(&made);
    let path = root().join("testdata/statistics/adamerging_layer_sub4_lr0.01.json");
    let golden: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(learned.weights.is_empty());
    assert_eq!(learned.losses.len(), 30);
    for (task, want) in TASKS.into_iter().zip(golden["lambdas"].as_array().unwrap()) {
        for (layer, want) in want.as_array().unwrap().iter().enumerate() {
            let [got] = *learned.layer_weights[task][&layer.to_string()].numbers() else {
                unreachable!("one for a layer")
            };
            let want = want.as_f64().unwrap();
            assert!((got - want).abs() <= 1e-3, "{task} {layer}: {got}, the reference has {want}");
        }
    }
    let facts = &made.artefact().facts;
    assert!((facts["coefficients"] - 24.0).abs() < 0.5 && (facts["steps"] - 30.0).abs() < 0.5, "{facts:?}");
}

#[test]
fn a_job_takes_the_first_examples_alone_and_needs_labels_for_labels_only() {
    for objective in ["agreement", "labels"] {
        let made = compute(&format!("objective: {objective}, per: task, examples: 8, steps: 3")).unwrap();
        let learned = learned(&made);
        assert_eq!(learned.weights.keys().collect::<Vec<_>>(), ["emoji", "flags", "letters", "mnist"]);
        assert!(learned.layer_weights.is_empty() && learned.losses.is_sorted_by(|a, b| a > b), "{learned:?}");
    }
}

#[test]
fn coefficients_that_run_away_fail_the_job_with_a_reason() {
    let error = compute("objective: entropy, examples: 8, rate: 1.0e+30, steps: 3").unwrap_err();
    assert_eq!(error.to_string(), "the coefficients cannot be learned");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("is not finite in step 1") || source.contains("is not finite in step 2"), "{source}");
    assert_eq!(error.blame(), jobs::Blame::Job);
}

#[test]
fn what_decides_coefficients_changes_the_id_of_their_job() {
    let inputs = Inputs::new(inputs::Settings::default());
    let frozen = frozen(&inputs, "objective: agreement");
    let first = frozen.sweep().learned[0].settings.clone();
    let id =
        |settings: &TuneSettings, examples| frozen.job(frozen.tune_spec("tuning", examples, settings).unwrap()).id();
    let base = id(&first, None);
    assert_ne!(id(&first, Some(8)), base);
    assert_ne!(id(&TuneSettings { per: CoefficientScope::Module, ..first.clone() }, None), base);
    assert_ne!(id(&TuneSettings { objective: TuneObjective::Labels, ..first.clone() }, None), base);
    assert!(frozen.has_inputs_of_job(job(&frozen).spec()));
    assert!(frozen.tune_spec("no such split", None, &first).is_none());
}

/// An engine whose worker is lost: it stops for ever once it has kept so many states.
#[derive(Debug)]
struct Lost {
    engine: Mutex<Engine>,
    /// How many states are kept before the loss; `None` is never lost.
    after: Option<usize>,
    /// The states that were kept, and what the attempt began with.
    kept: Arc<Mutex<Vec<String>>>,
    began: Mutex<Option<String>>,
}

impl Lost {
    fn new(inputs: &Arc<Inputs>, after: Option<usize>) -> Arc<Self> {
        let engine = Mutex::new(engine(inputs));
        Arc::new(Self { engine, after, kept: Arc::default(), began: Mutex::default() })
    }

    fn steps(&self) -> Vec<usize> {
        let steps = |state: &String| serde_json::from_str::<Value>(state).unwrap()["losses"].as_array().unwrap().len();
        self.kept.lock().unwrap().iter().map(steps).collect()
    }
}

#[async_trait]
impl Compute for Lost {
    async fn compute(&self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
        let last = context.checkpoints.last().map(str::to_owned);
        self.began.lock().unwrap().clone_from(&last);
        let kept = Arc::clone(&self.kept);
        let outer = context.checkpoints.clone();
        let after = self.after;
        let mut inner = AttemptContext::default();
        let cancellation = inner.cancellation.clone();
        let keep = move |state: String| {
            let mut kept = kept.lock().unwrap();
            kept.push(state.clone());
            outer.keep(state);
            if after == Some(kept.len()) {
                cancellation.cancel();
            }
        };
        inner.checkpoints = Checkpoints::new(last, keep);
        match self.engine.lock().unwrap().compute(job, &inner) {
            Err(JobError::Interrupted) => {}
            done => return done,
        }
        std::future::pending().await
    }

    fn device(&self) -> String {
        "lost".to_owned()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

const SHORT: &str =
    "objective: entropy, per: direction, examples: 8, steps: 12, batch: 4, seed: 3, guard: {every: 4, fall: 1.0}";

/// A store that knows the sweep of the tests, and a queue with the job.
async fn place(folder: &TempDir, job: &Job) -> (Store, MemoryQueue) {
    let sweep = folder.path().join("sweeps/tests");
    fs::create_dir_all(&sweep).unwrap();
    fs::write(sweep.join("manifest.json"), "{}").unwrap();
    let queue = MemoryQueue::new();
    queue.publish(job, "tests").await.unwrap();
    (Store::folder(folder.path()).unwrap(), queue)
}

fn worker(name: &str, queue: &MemoryQueue, store: &Store, compute: &Arc<Lost>) -> Worker {
    Worker::new(name.to_owned(), Arc::new(queue.clone()), store.clone(), Arc::clone(compute) as Arc<dyn Compute>)
}

#[tokio::test]
async fn a_job_whose_worker_is_lost_between_steps_continues_and_ends_with_the_same_bits() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let job = job(&frozen(&inputs, SHORT));
    let id = job.id();
    let undisturbed = compute(SHORT).unwrap();

    let folder = TempDir::new().unwrap();
    let (store, queue) = place(&folder, &job).await;
    let lost = Lost::new(&inputs, Some(1));
    let first = worker("first", &queue, &store, &lost);
    let is_kept = async {
        while store.checkpoint(&id).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        done = first.run_one() => unreachable!("{done:?}"),
        () = is_kept => {}
    }
    assert_eq!(lost.steps(), [5]);

    let (store, queue) = place(&folder, &job).await;
    let whole = Lost::new(&inputs, None);
    assert!(worker("second", &queue, &store, &whole).run_one().await.unwrap());
    assert_eq!(whole.steps(), [10], "the first five steps are not made again");
    let result = store.artefact_result(&id).await.unwrap().unwrap();
    assert_eq!(result.artefact.digest(), undisturbed.artefact().digest());
    assert!(store.checkpoint(&id).await.unwrap().is_none(), "nothing stays of a job that is done");
}

#[tokio::test]
async fn a_checkpoint_that_is_damaged_or_of_another_run_is_not_used() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let job = job(&frozen(&inputs, SHORT));
    let id = job.id();
    let undisturbed = compute(SHORT).unwrap();
    let of_another_run = jobs::Checkpoint::new(
        id,
        "{\"coefficients\":[0.3],\"means\":[0.0],\"squares\":[0.0],\"losses\":[1.0],\"checks\":[],\"is_stopped\":false}".to_owned(),
    );
    for (content, is_read) in [(b"{".to_vec(), false), (of_another_run.to_json(), true)] {
        let folder = TempDir::new().unwrap();
        let (store, queue) = place(&folder, &job).await;
        store.put_checkpoint(&id, content).await.unwrap();
        let whole = Lost::new(&inputs, None);
        assert!(worker("one", &queue, &store, &whole).run_one().await.unwrap());
        assert_eq!(whole.began.lock().unwrap().is_some(), is_read);
        assert_eq!(whole.steps(), [5, 10]);
        let result = store.artefact_result(&id).await.unwrap().unwrap();
        assert_eq!(result.artefact.digest(), undisturbed.artefact().digest());
        assert!(store.checkpoint(&id).await.unwrap().is_none());
    }
}

#[test]
fn coefficients_of_directions_become_a_merge() {
    let made = compute("objective: labels, per: direction, examples: 8, steps: 2").unwrap();
    let learned = learned(&made);
    assert_eq!(learned.layer_weights["mnist"].len(), 24);
    assert!(learned.layer_weights.values().flat_map(|parts| parts.values()).all(|part| part.numbers().len() == 16));
    let facts = jobs::LearnedWeights::from_facts(&made.artefact().facts);
    assert_eq!(facts.layer_weights, learned.layer_weights);
    let spec = jobs::RecipeSpec { layer_weights: facts.layer_weights, ..jobs::RecipeSpec::default() };
    let recipe = spec.resolve().unwrap();
    let root = root().join("examples/mini8");
    let base = merging::BaseHeader::open(&root.join("base")).unwrap();
    let adapters = TASKS.map(|task| merging::Adapter::read(task, &root.join("adapters").join(task), &base).unwrap());
    let update = merging::Aligned::for_recipe(&adapters, &recipe).unwrap().merge(&recipe).unwrap();
    assert!(update.modules.values().all(|matrix| matrix.rank() == Some(64)), "the merge is an adapter");
}

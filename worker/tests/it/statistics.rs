//! Statistics of the tasks' own models, and merges that need them, against the reference.

mod layerwise;

use crate::engine::engine;
use inputs::{Artefacts, Inputs, ObjectSettings};
use jobs::{InputRef, Job, JobResult, MergeFacts, Recipe, RecipeSpec, StatisticsKind, Subject, Sweep};
use merging::{Adapter, Aligned, BaseHeader, Matrix, MergedUpdate, TaskStatistics, UpdateSimilarity};
use queue::{JobPublisher, MemoryQueue};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use store::Store;
use tempfile::TempDir;
use tokio::runtime::Handle;
use worker::{AttemptContext, DeviceThread, Engine, JobError, Output, OutputFiles, Worker};

const MINI8: [&str; 8] = ["mnist", "fashion_mnist", "optdigits", "letters", "scripts", "flags", "emoji", "icons"];
const SUB4: [&str; 4] = ["mnist", "letters", "flags", "emoji"];
const NLI6: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn golden(name: &str) -> PathBuf {
    root().join("testdata/statistics").join(name)
}

/// The tasks of an example. The first rows of their training splits lie with the goldens.
struct Fixture {
    _data: TempDir,
    inputs: Arc<Inputs>,
    frozen: coordinator::Frozen,
    engine: Engine,
}

impl Fixture {
    fn new(example: &str, tasks: &[&str]) -> Self {
        let folder = root().join("examples").join(example);
        let data_folder = TempDir::new().unwrap();
        let mut text = format!("name: {example}\nbase: base\ntasks:\n");
        for task in tasks {
            let data = data_folder.path().join(task);
            fs::create_dir(&data).unwrap();
            for from in [golden(example).join(task), folder.join("data").join(task)] {
                for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
                    fs::copy(entry.path(), data.join(entry.file_name())).unwrap();
                }
            }
            let data = data.display();
            text += &match example {
                "mini8" => format!(
                    "  - {{name: {task}, adapter: adapters/{task}, data: {data}, head: heads/{task}.safetensors}}\n"
                ),
                _ => format!(
                    "  - {{name: {task}, adapter: adapters/{task}, data: {{source: {data}, convention: {task}}}}}\n"
                ),
            };
        }
        text += "evaluation: {statistics: train}\nmethod: linear\n\
                 metric: {name: mean_accuracy, goal: maximize}\nrecipe: {preset: task_arithmetic}\n\
                 parameters: {scaling: {values: [1.0]}}\n";
        let sweep = Sweep::from_yaml(&text, &folder, &[]).unwrap();
        let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
        let frozen = coordinator::freeze(sweep, &inputs).unwrap();
        let engine = engine(&inputs);
        Self { _data: data_folder, inputs, frozen, engine }
    }

    fn job(&self, task: &str, examples: u64, what: StatisticsKind) -> Job {
        self.frozen.job(self.frozen.statistics(task, "train", examples, what).unwrap())
    }

    fn make(&mut self, task: &str) -> OutputFiles {
        let job = self.job(task, 256, StatisticsKind::Grams);
        match self.engine.compute(&job, &AttemptContext::default()).unwrap().output {
            Output::Files(files) => files,
            Output::Scores(_) => unreachable!("statistics are files"),
        }
    }

    fn adapters(&self, tasks: &[&str]) -> Vec<Adapter> {
        let places = self.job(tasks[0], 1, StatisticsKind::Grams).places;
        let base = BaseHeader::open(&self.inputs.model(&places.base).unwrap().path).unwrap();
        let adapter = |task: &&str| {
            let place = &self.job(task, 1, StatisticsKind::Grams).places.adapters[*task];
            Adapter::read(task, &self.inputs.adapter(place).unwrap().path, &base).unwrap()
        };
        tasks.iter().map(adapter).collect()
    }

    /// RegMean of all tasks.
    fn regmean(&mut self, tasks: &[&str], off_diagonal: f64, scaling: f64) -> MergedUpdate {
        let made: Vec<OutputFiles> = tasks.iter().map(|task| self.make(task)).collect();
        let statistics: Vec<TaskStatistics> =
            tasks.iter().zip(&made).map(|(task, made)| TaskStatistics::open(task, made.folder()).unwrap()).collect();
        let adapters = self.adapters(tasks);
        let recipe = recipe(json!({"preset": "regmean", "off_diagonal": off_diagonal, "scaling": scaling}));
        let aligned = Aligned::new(&adapters, recipe.alignment()).unwrap();
        aligned.merge_by_statistics(&recipe, &statistics).unwrap()
    }
}

/// A fact that is a count.
fn count(facts: &BTreeMap<String, f64>, name: &str) -> u64 {
    facts[name] as u64
}

fn recipe(spec: Value) -> Recipe {
    serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap()
}

/// Compares norms and first entries of all matrices, and all entries where the golden has them.
#[track_caller]
fn expect(update: &MergedUpdate, prefix: &str, name: &str, whole: bool, tolerance: f64) {
    let golden_json: Value = serde_json::from_slice(&fs::read(golden(&format!("{name}.json"))).unwrap()).unwrap();
    let matrices = golden_json["update"].as_object().unwrap();
    assert_eq!(matrices.len(), update.modules.len());
    for (module, want) in matrices {
        let got = update.dense(&format!("{prefix}{module}")).unwrap();
        let norm = got.data().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let wanted = want["norm"].as_f64().unwrap();
        assert!((norm / wanted - 1.0).abs() <= tolerance, "{name} {module}: norm {norm} against {wanted}");
        let scale = wanted / (got.data().len() as f64).sqrt();
        for (x, want) in got.data().iter().zip(want["first8"].as_array().unwrap()) {
            let off = (f64::from(*x) - want.as_f64().unwrap()).abs();
            assert!(off <= tolerance * scale, "{name} {module}: {off:e} of {scale:e}");
        }
        assert!(update.modules[&format!("{prefix}{module}")].rank().is_some(), "{module} is dense");
    }
    if whole {
        for (module, want) in tensors(&golden(&format!("update_{name}.safetensors"))) {
            let module = module.strip_suffix(".weight").unwrap();
            let got = update.dense(&format!("{prefix}{module}")).unwrap();
            let off = distance(&got, &want);
            assert!(off <= tolerance, "{name} {module}: {off:e}");
        }
    }
}

fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
    file.tensors().into_iter().map(|(name, view)| (name, values(view.data()))).collect()
}

fn distance(got: &Matrix, want: &[f32]) -> f64 {
    assert_eq!(got.data().len(), want.len());
    let off: f64 = got.data().iter().zip(want).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    (off / want.iter().map(|y| f64::from(*y).powi(2)).sum::<f64>()).sqrt()
}

#[test]
fn regmean_of_image_adapters_is_the_references() {
    let mut fixture = Fixture::new("mini8", &MINI8);
    let update = fixture.regmean(&MINI8, 0.9, 1.0);
    expect(&update, "vision_model.", "regmean_all8_n256_o0.9", true, 1e-3);
    assert!(update.modules.values().all(|matrix| matrix.rank() == Some(128)));
    expect(&fixture.regmean(&MINI8, 0.0, 1.0), "vision_model.", "regmean_all8_n256_o0.0", false, 1e-3);
}

#[test]
fn regmean_of_text_adapters_is_the_references() {
    let mut fixture = Fixture::new("nli6", &NLI6);
    for scaling in ["1.0", "1.2"] {
        let update = fixture.regmean(&NLI6, 0.9, scaling.parse().unwrap());
        expect(&update, "", &format!("regmean_nli6_n256_o0.9_l{scaling}"), scaling == "1.0", 1e-3);
    }
}

#[test]
fn statistics_have_their_facts_and_are_the_same_when_made_again() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let first = fixture.make("mnist");
    let second = fixture.make("mnist");
    assert_eq!(first.artefact(), second.artefact());
    let facts = &first.artefact().facts;
    assert_eq!(count(facts, "examples"), 256);
    assert_eq!(count(facts, "tokens"), 256 * 17);
    assert_eq!(count(facts, "inputs"), 12);
    let names: Vec<&str> = first.artefact().files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names.len(), 7);
    assert_eq!((names[0], names[6]), ("layer-000.safetensors", "statistics.json"));
}

#[test]
fn more_examples_than_a_split_has_are_refused_by_name() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let job = fixture.job("mnist", 100_000, StatisticsKind::Grams);
    let error = fixture.engine.compute(&job, &AttemptContext::default()).unwrap_err();
    assert_eq!(error.blame(), jobs::Blame::Job);
    let text = jobs::error_chain(&error);
    assert!(
        text.starts_with("the data of `mnist` cannot be used for the split `train`: the first 100000 examples"),
        "{text}"
    );
    assert!(text.ends_with("that has 2000: ask for 2000 at most"), "{text}");
}

#[test]
fn a_merge_by_inputs_without_statistics_is_refused_and_so_is_one_without_the_modules() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let job = fixture.job("mnist", 1, StatisticsKind::Grams);
    let base = BaseHeader::open(&fixture.inputs.model(&job.places.base).unwrap().path).unwrap();
    let adapter = |task: &str| {
        let place = &fixture.job(task, 1, StatisticsKind::Grams).places.adapters[task];
        Adapter::read(task, &fixture.inputs.adapter(place).unwrap().path, &base).unwrap()
    };
    let mnist = adapter("mnist");
    let mut flags = adapter("flags");
    let regmean = recipe(json!({"preset": "regmean"}));
    let aligned = Aligned::new(&[mnist.clone(), flags.clone()], regmean.alignment()).unwrap();
    let refused = aligned.merge(&regmean).unwrap_err().to_string();
    assert!(refused.contains("`bowline run`"), "{refused}");
    let made = fixture.make("mnist");
    let statistics = TaskStatistics::open("mnist", made.folder()).unwrap();
    let refused = aligned.merge_by_statistics(&regmean, std::slice::from_ref(&statistics)).unwrap_err().to_string();
    assert!(refused.contains("no statistics of that task") && refused.contains("`flags`"), "{refused}");
    let module = flags.modules.remove("vision_model.encoder.layers.0.self_attn.q_proj").unwrap();
    flags.modules.insert(
        "vision_model.encoder.layers.0.mlp.fc1".to_owned(),
        merging::LoraModule { lora_b: Matrix::zeros(384, module.rank()), ..module },
    );
    let aligned = Aligned::new(&[flags], regmean.alignment()).unwrap();
    let statistics = TaskStatistics::open("flags", made.folder()).unwrap();
    let refused = aligned.merge_by_statistics(&regmean, &[statistics]).unwrap_err().to_string();
    assert!(
        refused.starts_with("the statistics of `flags` hold nothing of `vision_model.encoder.layers.0.mlp.fc1`"),
        "{refused}"
    );
}

/// A store with a worker.
struct Bench {
    _folders: [TempDir; 2],
    store: Store,
    queue: MemoryQueue,
    worker: Worker,
    inputs: Arc<Inputs>,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let sweep = folder.path().join("sweeps/tests");
        fs::create_dir_all(&sweep).unwrap();
        fs::write(sweep.join("manifest.json"), "{}").unwrap();
        let store = Store::folder(folder.path()).unwrap();
        let cache = TempDir::new().unwrap();
        let source = Arc::new(Artefacts::default());
        source.give(store.clone(), Handle::current());
        let artefacts = Some(ObjectSettings { remote: source, cache: cache.path().to_owned() });
        let inputs = Arc::new(Inputs::new(inputs::Settings { artefacts, ..inputs::Settings::default() }));
        let mut engine = engine(&inputs);
        let thread = DeviceThread::start("cpu".to_owned(), BTreeMap::new(), move |job, stop| engine.compute(job, stop));
        let queue = MemoryQueue::new();
        let worker = Worker::new("w".to_owned(), Arc::new(queue.clone()), store.clone(), Arc::new(thread));
        Self { _folders: [folder, cache], store, queue, worker, inputs }
    }

    /// Has the jobs done, one after the other.
    async fn work(&self, jobs: &[Job]) {
        for job in jobs {
            self.queue.publish(job, "tests").await.unwrap();
            assert!(self.worker.run_one().await.unwrap());
        }
        let failures = self.store.jobs_with_failures().await.unwrap();
        assert!(self.queue.dead_letters().is_empty(), "{failures:?}");
    }

    /// Fails unless merges score as a golden does, up to some images.
    async fn expect_scores(&self, merges: &[Job], golden_name: &str) -> MergeFacts {
        let golden = fs::read(golden(golden_name)).unwrap();
        let golden: Value = serde_json::from_slice(&golden).unwrap();
        let mut facts = None;
        for merge in merges {
            let result: JobResult = self.store.result(&merge.id()).await.unwrap().expect("it is done");
            for score in &result.scores {
                let want = golden["accuracy"][&score.task][&result.meaning.split]["right"].as_u64().unwrap();
                let off = want.abs_diff(score.correct);
                assert!(off <= 3, "{} {}: {} against {want}", score.task, result.meaning.split, score.correct);
            }
            facts = result.merge;
        }
        facts.unwrap()
    }
}

/// The jobs of a merge: its statistics, and its evaluations on both splits.
fn jobs_of(frozen: &coordinator::Frozen, recipe: &Recipe) -> [Vec<Job>; 2] {
    let specs = frozen.statistics_specs(recipe.statistics().unwrap());
    let subject = Subject::Merge { recipe: Box::new(recipe.clone()) };
    let merges = ["validation", "test"].map(|split| frozen.job(frozen.meaning(subject.clone(), split)));
    [specs.into_iter().map(|spec| frozen.job(spec)).collect(), merges.into()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_by_inputs_takes_statistics_out_of_the_store_and_scores_as_the_reference() {
    let fixture = Fixture::new("mini8", &SUB4);
    let bench = Bench::new();
    // The golden is one of accuracies: where all entries off the diagonal count, rounding decides a part of the merge.
    let recipe = recipe(json!({"preset": "regmean", "off_diagonal": 1.0}));
    let [statistics, merges] = jobs_of(&fixture.frozen, &recipe);
    bench.work(&statistics).await;
    bench.work(&merges).await;
    let facts = bench.expect_scores(&merges, "regmean_sub4_n256_o1.0.json").await;
    assert_eq!(facts.rank, Some(64));
    assert!(facts.condition > recipe.condition_limit(), "{:?}", facts.condition);
    // The same merge is written as an adapter, by the same artefacts.
    let write = fixture.frozen.job(fixture.frozen.write_spec(&recipe, jobs::WriteFormat::Adapter));
    bench.work(std::slice::from_ref(&write)).await;
    let written = bench.store.artefact_result(&write.id()).await.unwrap().expect("it is written");
    assert_eq!(count(&written.artefact.facts, "rank"), 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_by_fisher_information_is_the_references_from_images_to_accuracies() {
    let fixture = Fixture::new("mini8", &SUB4);
    let bench = Bench::new();
    // The reference has no floor but 1e-12 below the fraction line.
    let fisher = json!({"preset": "fisher", "examples": 32, "fisher_floor": 1e-12});
    let recipe = recipe(fisher.clone());
    let [statistics, merges] = jobs_of(&fixture.frozen, &recipe);
    bench.work(&statistics).await;
    bench.work(&merges).await;
    let facts = bench.expect_scores(&merges, "fisher_sub4_n32.json").await;
    assert_eq!((facts.rank, facts.lost_energy), (None, None), "it is dense");
    let made = bench.store.artefact_result(&statistics[0].id()).await.unwrap().expect("it is made");
    assert_eq!((count(&made.artefact.facts, "modules"), count(&made.artefact.facts, "examples")), (24, 32));
    let found: Vec<TaskStatistics> = tokio::task::block_in_place(|| {
        let places = SUB4.iter().zip(&statistics).map(|(task, job)| (task, InputRef::Artefact(job.id())));
        places
            .map(|(task, place)| TaskStatistics::open(task, &bench.inputs.statistics(&place).unwrap().path).unwrap())
            .collect()
    });
    let aligned = Aligned::new(&fixture.adapters(&SUB4), recipe.alignment()).unwrap();
    let update = aligned.merge_by_statistics(&recipe, &found).unwrap();
    for (module, want) in tensors(&golden("update_fisher_sub4_n32.safetensors")) {
        let got = update.dense(&format!("vision_model.{}", module.strip_suffix(".weight").unwrap())).unwrap();
        let off = distance(&got, &want);
        assert!(off <= 1e-3, "{module}: {off:e}");
    }
    // A dense merge is written as a model, and as an adapter where it is cut to a rank.
    let mut cut = fisher;
    cut["output_rank"] = json!(16);
    let cut = crate::statistics::recipe(cut);
    let frozen = &fixture.frozen;
    let model = frozen.job(frozen.write_spec(&recipe, jobs::WriteFormat::Model));
    let adapter = frozen.job(frozen.write_spec(&cut, jobs::WriteFormat::Adapter));
    bench.work(&[model, adapter.clone()]).await;
    let written = bench.store.artefact_result(&adapter.id()).await.unwrap().expect("it is written");
    assert_eq!(count(&written.artefact.facts, "rank"), 16);
    let lost = written.artefact.facts["lost_energy"];
    assert!(lost > 0.0 && lost < 1.0, "{lost}");
}

#[test]
fn statistics_that_were_never_made_are_missing_by_the_job() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let subject = Subject::Merge { recipe: Box::new(recipe(json!({"preset": "regmean"}))) };
    let job = fixture.frozen.job(fixture.frozen.meaning(subject, "validation"));
    let error = fixture.engine.compute(&job, &AttemptContext::default()).unwrap_err();
    assert!(matches!(error, JobError::Artefact(_)) && !error.is_own_fault(), "{error:?}");
    let text = jobs::error_chain(&error);
    let first =
        jobs::JobSpec::from(fixture.frozen.statistics("mnist", "train", 256, StatisticsKind::Grams).unwrap()).id();
    assert!(text.contains(&first.to_string()), "{text}");
}

#[test]
fn updates_of_mini8_are_alike_in_part_and_otherwise_after_an_alignment() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let adapters = fixture.adapters(&SUB4);
    let made = SUB4.map(|task| fixture.make(task));
    let statistics: Vec<TaskStatistics> =
        SUB4.iter().zip(&made).map(|(task, made)| TaskStatistics::open(task, made.folder()).unwrap()).collect();
    let found = UpdateSimilarity::new(&adapters, &statistics).unwrap();
    assert_eq!((found.modules.len(), &found.examples[..]), (24, &[256; 4][..]));
    assert!(found.modules.iter().all(|module| module.inputs == 4 * 256 * 17));
    let means = [&found.before, &found.after].map(|cells| UpdateSimilarity::mean_of_pairs(cells).unwrap());
    assert!(means.iter().all(|mean| *mean > 0.0 && *mean < 1.0), "{means:?}");
    assert!((means[0] - means[1]).abs() > 1e-2, "{means:?}");
    // Each mean over weights is that of the cells of the weights.
    let cells = found.modules.iter().map(|module| module.before[1][2].unwrap());
    assert!((cells.sum::<f64>() / 24.0 - found.before[1][2].unwrap()).abs() < 1e-12);
}

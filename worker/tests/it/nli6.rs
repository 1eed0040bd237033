//! The whole way from adapters to accuracies against the reference implementation's numbers for the six language tasks.

use inputs::Inputs;
use jobs::{RecipeSpec, Subject, Sweep, TaskScore};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use worker::{AttemptContext, Engine, EngineSettings, JobError};

/// Our splits and the reference's names of them.
const SPLITS: [(&str, &str); 2] = [("validation", "val"), ("test", "test")];

struct Bench {
    root: PathBuf,
    inputs: Arc<Inputs>,
    engine: Engine,
}

impl Bench {
    fn new(memory_bytes: Option<u64>) -> Self {
        Self::with(memory_bytes, None)
    }

    /// A bench that keeps tokenised texts in a folder.
    fn caching(folder: &Path) -> Self {
        Self::with(None, Some(folder.to_owned()))
    }

    fn with(memory_bytes: Option<u64>, cache: Option<PathBuf>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
        let settings =
            EngineSettings { device: Default::default(), threads: None, image_bytes: 0, cache, memory_bytes };
        Self { root, engine: Engine::new(settings, Arc::clone(&inputs)).unwrap(), inputs }
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.root.join("testdata/nli6/goldens").join(name)).unwrap()).unwrap()
    }

    /// The example's sweep over some of its tasks, with `overrides`.
    fn sweep(&self, tasks: &[&str], overrides: &[&str]) -> Sweep {
        let folder = self.root.join("examples/nli6");
        let text = fs::read_to_string(folder.join("knots-ties.yaml")).unwrap();
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        let mut sweep = Sweep::from_yaml(&text, &folder, &overrides).unwrap();
        sweep.tasks.retain(|task| tasks.contains(&task.name.as_str()));
        sweep
    }

    fn compute(&mut self, sweep: Sweep, subject: Subject, split: &str) -> Result<Vec<TaskScore>, JobError> {
        let frozen = coordinator::freeze(sweep, &self.inputs).unwrap();
        let job = frozen.job(frozen.meaning(subject, split));
        self.engine.compute(&job, &AttemptContext::default()).map(|computed| computed.output.scores().unwrap().scores)
    }

    /// Checks a merge of the reference on both splits: at most three examples of a task off, as the fixture allows.
    fn check(&mut self, golden: &Value) {
        let tasks: Vec<&str> = golden["tasks"].as_array().unwrap().iter().map(|task| task.as_str().unwrap()).collect();
        for (split, name) in SPLITS {
            let subject = Subject::Merge { recipe: Box::new(spec(golden).resolve().unwrap()) };
            for score in self.compute(self.sweep(&tasks, &[]), subject, split).unwrap() {
                let expected = golden["accuracy"][&score.task][name].as_f64().unwrap() * score.n as f64;
                let correct = score.correct as f64;
                let named = format!("{} {} on {split}", golden["method"], score.task);
                assert!((correct - expected).abs() <= 3.01, "{named}: {correct} of {}, not {expected}", score.n);
            }
        }
    }
}

/// Our recipe for a merge of the reference.
fn spec(golden: &Value) -> RecipeSpec {
    let preset = match golden["method"].as_str().unwrap() {
        "tv" => "task_arithmetic",
        other => other,
    };
    let density = golden["topK"].as_f64().unwrap() / 100.0;
    RecipeSpec {
        preset: Some(preset.to_owned()),
        density: (preset != "task_arithmetic").then_some(density),
        scaling: golden["alpha"].as_f64(),
        ..RecipeSpec::default()
    }
}

const TASKS: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];

#[test]
fn the_base_reads_each_task_with_the_classifier_of_its_adapter() {
    let mut bench = Bench::new(None);
    let golden = bench.json("single.json");
    for (split, name) in SPLITS {
        for score in bench.compute(bench.sweep(&TASKS, &[]), Subject::Base, split).unwrap() {
            let expected = golden["base_with_task_head"][&score.task][name].as_f64().unwrap() * score.n as f64;
            assert!((score.correct as f64 - expected).abs() <= 1.01, "{score:?}, not {expected}");
        }
    }
}

#[test]
fn adapters_alone_reach_what_they_were_trained_to() {
    let mut bench = Bench::new(None);
    let golden = bench.json("single.json");
    for task in TASKS {
        let subject = Subject::Adapter { task: task.to_owned() };
        let score = bench.compute(bench.sweep(&TASKS, &[]), subject, "test").unwrap().remove(0);
        let expected = golden["finetuned"][task]["test"].as_f64().unwrap() * score.n as f64;
        assert!((score.correct as f64 - expected).abs() <= 1.01, "{score:?}, not {expected}");
    }
}

#[test]
fn merges_of_each_method_score_like_the_reference() {
    let mut bench = Bench::new(None);
    let goldens = bench.json("merges.json");
    // KnOTS-TIES, TIES and a sum of all six, and a sum of two.
    for index in [0, 1, 2, 14] {
        bench.check(&goldens[index]);
    }
}

#[test]
fn tokenised_texts_are_kept_for_the_next_worker_and_change_nothing() {
    let folder = tempfile::TempDir::new().unwrap();
    let base = |mut bench: Bench| bench.compute(bench.sweep(&["rte"], &[]), Subject::Base, "test").unwrap();
    let kept = || {
        let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let path = files.remove(0);
        (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap(), path)
    };
    let without = base(Bench::new(None));
    assert_eq!(base(Bench::caching(folder.path())), without);
    let (content, written, path) = kept();
    assert_eq!(base(Bench::caching(folder.path())), without);
    assert_eq!(kept(), (content.clone(), written, path.clone()), "it is read, and not written again");

    for damaged in [&content[..content.len() / 2], b"", b"something else"] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(base(Bench::caching(folder.path())), without, "what is damaged is not believed");
        assert_eq!(kept().0, content, "and is made anew");
    }
}

#[test]
#[ignore = "minutes; `scripts/check-goldens` runs it"]
fn every_golden_of_the_language_tasks_is_met() {
    let mut bench = Bench::new(None);
    let goldens = bench.json("merges.json");
    for golden in goldens.as_array().unwrap().iter().filter(|golden| golden["method"] != "knots_dare_ties") {
        bench.check(golden);
        println!("{} {} {}: within three examples", golden["method"], golden["topK"], golden["alpha"]);
    }
}

#[test]
fn another_number_format_is_another_job_with_nearly_the_same_scores() {
    let mut bench = Bench::new(None);
    let f32 = bench.compute(bench.sweep(&["rte"], &[]), Subject::Base, "test").unwrap().remove(0);
    for precision in ["bf16", "f16"] {
        let sweep = bench.sweep(&["rte"], &[&format!("evaluation.precision={precision}")]);
        let score = bench.compute(sweep, Subject::Base, "test").unwrap().remove(0);
        assert!(score.correct.abs_diff(f32.correct) <= 4, "{precision}: {score:?}, in f32 {f32:?}");
    }
}

#[test]
fn texts_longer_than_the_base_takes_are_cut_where_a_length_is_set() {
    let mut bench = Bench::new(None);
    let folder = tempfile::TempDir::new().unwrap();
    let base = bench.root.join("examples/nli6/base");
    for entry in fs::read_dir(&base).unwrap() {
        let name = entry.unwrap().file_name();
        fs::copy(base.join(&name), folder.path().join(&name)).unwrap();
    }
    let config = fs::read_to_string(base.join("config.json")).unwrap();
    let config = config.replace(r#""max_position_embeddings": 512"#, r#""max_position_embeddings": 16"#);
    fs::write(folder.path().join("config.json"), config).unwrap();

    let mut sweep = bench.sweep(&["rte"], &[]);
    let cut = bench.sweep(&["rte"], &["tasks.rte.data.max_length=16"]);
    let wanted = bench.compute(cut, Subject::Base, "test").unwrap();
    sweep.base = jobs::InputRef::Path(folder.path().to_owned());
    assert_eq!(bench.compute(sweep.clone(), Subject::Base, "test").unwrap(), wanted, "the convention allows 2000");

    sweep.tasks[0].data.as_mut().unwrap().text.as_mut().unwrap().max_length = None;
    let error = jobs::error_chain(&bench.compute(sweep, Subject::Base, "test").unwrap_err());
    assert!(error.starts_with("the data of `rte` cannot be used for the split `test`: "), "{error}");
    assert!(error.ends_with("set `max_length` to at most 16"), "{error}");
}

#[test]
fn an_adapter_of_what_the_model_lacks_is_named() {
    let mut bench = Bench::new(None);
    let folder = tempfile::TempDir::new().unwrap();
    let source = bench.root.join("examples/nli6/adapters/rte");
    let config = fs::read_to_string(source.join("adapter_config.json")).unwrap().replace(r#""r": 16,"#, r#""r": 1,"#);
    fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    let numbers = [0.1_f32; 1024].map(f32::to_le_bytes).concat();
    let view = |shape: [usize; 2]| {
        let bytes = &numbers[..4 * shape[0] * shape[1]];
        TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()
    };
    let name = |part: &str| format!("base_model.model.lm_head.{part}.weight");
    let tensors = [(name("lora_A"), view([1, 128])), (name("lora_B"), view([1024, 1]))];
    let bytes = safetensors::serialize(tensors, None).unwrap();
    fs::write(folder.path().join("adapter_model.safetensors"), bytes).unwrap();
    let mut sweep = bench.sweep(&["rte"], &[]);
    sweep.tasks[0].adapter = jobs::InputRef::Path(folder.path().to_owned()).into();
    let error = bench.compute(sweep, Subject::Adapter { task: "rte".to_owned() }, "test").unwrap_err();
    let words =
        "the adapter of `rte` cannot be used: an update is for `lm_head`: the language model has no linear layer";
    assert!(jobs::error_chain(&error).starts_with(words), "{error:?}");
}

#[test]
fn features_that_are_not_finite_fail_the_job_permanently() {
    let mut bench = Bench::new(None);
    let spec = RecipeSpec { scaling: Some(1e30), ..RecipeSpec::default() };
    let subject = Subject::Merge { recipe: Box::new(spec.resolve().unwrap()) };
    let error = bench.compute(bench.sweep(&["rte"], &[]), subject, "test").unwrap_err();
    assert!(!error.is_retryable() && !error.is_own_fault());
    let chain = jobs::error_chain(&error);
    let words = "the task `rte` cannot be scored on `test`: 138 of 138 examples have features that are not finite";
    assert!(chain.starts_with(words), "{chain}");
}

#[test]
fn texts_that_are_cut_are_counted() {
    let mut bench = Bench::new(None);
    let sweep = bench.sweep(&["rte"], &["tasks.rte.data.max_length=16"]);
    let score = bench.compute(sweep, Subject::Base, "test").unwrap().remove(0);
    assert!((1..=138).contains(&score.truncated), "{score:?}");
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_the_numbers() {
    let mut bench = Bench::new(Some(1 << 20));
    let error = bench.compute(bench.sweep(&["rte"], &[]), Subject::Base, "test").unwrap_err().to_string();
    assert!(error.starts_with("the base model takes ") && error.ends_with("; 1 MiB are free"), "{error}");
}

#[test]
fn the_error_of_an_adapter_without_a_classifier_says_where_to_name_one() {
    let mut bench = Bench::new(None);
    let without = bench.root.join("examples/mini8/adapters/mnist");
    let mut sweep = bench.sweep(&["rte"], &[]);
    sweep.tasks[0].head = Some(jobs::HeadSpec::Adapter(jobs::InputRef::Path(without)));
    let error = jobs::error_chain(&bench.compute(sweep, Subject::Base, "test").unwrap_err());
    assert!(error.contains("the adapter of `rte` cannot be used"), "of another model: {error}");
}

#[test]
fn a_joint_benchmark_of_texts_is_refused() {
    let mut bench = Bench::new(None);
    let frozen = coordinator::freeze(bench.sweep(&["snli"], &[]), &bench.inputs).unwrap();
    // No sweep file says so; a message may.
    let mut meaning = frozen.meaning(Subject::Base, "test");
    meaning.benchmark = jobs::BenchmarkInput::Joint { head: jobs::Digest::of_json(&"head") };
    let error = bench.engine.compute(&frozen.job(meaning), &AttemptContext::default()).unwrap_err();
    assert_eq!(error.to_string(), "the job is not complete: a model that reads texts has no joint benchmark");
}

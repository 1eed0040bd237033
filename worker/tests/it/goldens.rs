//! The whole way from adapters to accuracies against the reference implementation's numbers for mini8.

use inputs::Inputs;
use jobs::{EnsembleRule, RecipeSpec, Subject, Sweep, TaskScore};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use worker::{AttemptContext, Engine, EngineSettings};

/// The splits that the goldens hold.
const SPLITS: [&str; 2] = ["validation", "test"];

/// Goldens that no other implementation can meet: they depend on the signs that an SVD routine happened to pick.
const UNREACHABLE: [&str; 3] = ["knots_ties_max_k20_a0.6", "knots_ties_signs_k100_a0.6", "knots_ties_signs_k10_a0.6"];

struct Golden {
    name: String,
    json: Value,
}

struct Bench {
    root: PathBuf,
    inputs: Arc<Inputs>,
    engine: Engine,
}

impl Bench {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
        let settings = EngineSettings {
            device: Default::default(),
            threads: None,
            image_bytes: 1 << 30,
            cache: None,
            memory_bytes: None,
        };
        Self { root, engine: Engine::new(settings, Arc::clone(&inputs)).unwrap(), inputs }
    }

    fn golden(&self, name: &str) -> Golden {
        let text = fs::read(self.root.join(format!("testdata/mini8/goldens/{name}.json"))).unwrap();
        Golden { name: name.to_owned(), json: serde_json::from_slice(&text).unwrap() }
    }

    /// Every golden that holds a merged model.
    fn goldens(&self) -> Vec<Golden> {
        let folder = fs::read_dir(self.root.join("testdata/mini8/goldens")).unwrap();
        let mut names: Vec<String> = folder
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
            .collect();
        names.sort();
        names.iter().map(|name| self.golden(name)).filter(|golden| golden.json.get("config").is_some()).collect()
    }

    fn scores(&mut self, golden: &Golden, spec: &RecipeSpec, split: &str, file: &str) -> Vec<TaskScore> {
        let folder = self.root.join("examples/mini8");
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let mut sweep = Sweep::from_yaml(&text, &folder, &[]).unwrap();
        let tasks: Vec<&str> = golden.json["tasks"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        sweep.tasks.retain(|task| tasks.contains(&task.name.as_str()));
        sweep.tasks.sort_by_key(|task| tasks.iter().position(|name| *name == task.name));
        let adapters = match golden.json["adapters"].as_str().unwrap() {
            "adapters" => folder.join("adapters"),
            other => self.root.join("testdata/mini8").join(other),
        };
        for task in &mut sweep.tasks {
            task.adapter = jobs::InputRef::Path(adapters.join(&task.name)).into();
        }
        let frozen = coordinator::freeze(sweep, &self.inputs).unwrap();
        let subject = Subject::Merge { recipe: Box::new(spec.resolve().unwrap()) };
        let job = frozen.job(frozen.meaning(subject, split));
        self.engine.compute(&job, &AttemptContext::default()).unwrap().output.scores().unwrap().scores
    }
}

impl Golden {
    /// Our recipe for the reference's configuration.
    fn spec(&self) -> RecipeSpec {
        let config = &self.json["config"];
        let word = |key: &str| config[key].as_str();
        let is_aligned = word("representation") == Some("svd-vector");
        let is_ties = word("merge_method") == Some("ties");
        let axis = if config["concat_across_output"] == Value::Bool(false) { "rows" } else { "columns" };
        let elect = match (is_ties, is_aligned, word("sign_resolve_mode")) {
            (false, ..) => "none",
            (true, true, Some("sum_of_signs")) => "sum_of_signs",
            _ => "sum_of_values",
        };
        let density = if is_ties { config["topK"].as_f64().unwrap() / 100.0 } else { 1.0 };
        // The reference ignores α/r, which is 2 for these adapters.
        let scale = if self.json["adapters"].as_str() == Some("adapters_a32") { 2.0 } else { 1.0 };
        RecipeSpec {
            space: Some(if is_aligned { "knots" } else { "full" }.to_owned()),
            axis: is_aligned.then(|| axis.to_owned()),
            drop_rate: config["dare"]
                .as_bool()
                .unwrap_or(false)
                .then(|| config["dare_pruning_coeffs"].as_f64().unwrap()),
            density: Some(density),
            elect: Some(elect.to_owned()),
            combine: word("merging_type").map(str::to_owned),
            scaling: config["scaling_coeffs"].as_f64().map(|scaling| scaling / scale),
            ..RecipeSpec::default()
        }
    }

    /// Checks every task, split and rank against the golden: at most one image off.
    fn check(&self, bench: &mut Bench) {
        let spec = self.spec();
        for split in SPLITS {
            for score in bench.scores(self, &spec, split, "knots-ties.yaml") {
                let golden = &self.json["per_task"][&score.task][split];
                assert_eq!(golden["n"], score.n, "{} {} {split}", self.name, score.task);
                assert!(has_each_example(&score), "{} {} {split}", self.name, score.task);
                self.near(&score.task, split, score.correct, golden["correct"].as_u64().unwrap());
            }
            let per_task = &self.json["joint_hits_per_task"];
            if per_task.is_null() {
                continue;
            }
            for score in bench.scores(self, &spec, split, "joint.yaml") {
                assert!(has_each_example(&score), "{} {} {split}", self.name, score.task);
                for (k, hits) in score.hits {
                    let golden = per_task[&score.task][split][format!("hits@{k}")].as_u64().unwrap();
                    self.near(&score.task, split, hits, golden);
                }
            }
        }
    }

    fn near(&self, task: &str, split: &str, found: u64, expected: u64) {
        assert!(found.abs_diff(expected) <= 1, "{} {task} {split}: {found}, expected {expected}", self.name);
    }

    fn is_random(&self) -> bool {
        self.json.get("seeds").is_some()
    }
}

/// Whether the score says of every example whether it was right, and the same as the count.
fn has_each_example(score: &TaskScore) -> bool {
    score.right.as_ref().is_some_and(|right| (right.len() as u64, right.count()) == (score.n, score.correct))
}

fn check(name: &str) {
    let mut bench = Bench::new();
    let golden = bench.golden(name);
    golden.check(&mut bench);
}

#[test]
fn two_tasks_merged_by_ties_score_like_the_reference() {
    check("sub2_ties_k20_a0.5");
}

#[test]
fn adapters_of_rank_4_merged_by_knots_ties_score_like_the_reference() {
    check("r4_knots_ties_k20_a0.6");
}

#[test]
fn adapters_of_scale_2_merged_by_knots_ties_score_like_the_reference() {
    check("a32_knots_ties_k20_a0.6");
}

#[test]
#[ignore = "minutes; `scripts/check-goldens` runs it"]
fn every_golden_is_met() {
    let mut bench = Bench::new();
    let goldens: Vec<Golden> = bench.goldens().into_iter().filter(|golden| !golden.is_random()).collect();
    let (unreachable, reachable): (Vec<_>, Vec<_>) =
        goldens.into_iter().partition(|golden| UNREACHABLE.contains(&golden.name.as_str()));
    assert_eq!(unreachable.len(), UNREACHABLE.len());
    for golden in &reachable {
        golden.check(&mut bench);
        println!("{}: every task and split within one image", golden.name);
    }
    println!(
        "{} goldens met; {} depend on the SVD routine's signs and are records only",
        reachable.len(),
        UNREACHABLE.len()
    );
}

#[test]
#[ignore = "minutes; `scripts/check-goldens` runs it"]
fn merges_with_dare_score_like_the_reference_on_average() {
    let mut bench = Bench::new();
    for golden in bench.goldens().into_iter().filter(Golden::is_random) {
        for split in SPLITS {
            let mut means = Vec::new();
            for seed in 0..golden.json["seeds"].as_array().unwrap().len() as u64 {
                let spec = RecipeSpec { seed: Some(seed), ..golden.spec() };
                means.push(100.0 * jobs::mean_accuracy(&bench.scores(&golden, &spec, split, "knots-ties.yaml")));
            }
            let mean = means.iter().sum::<f64>() / means.len() as f64;
            let expected = golden.json["mean"][split]["mean"].as_f64().unwrap();
            assert!((mean - expected).abs() <= 0.5, "{} {split}: {mean}, expected {expected}", golden.name);
            println!("{} {split}: mean {mean:.2} over {} seeds, the reference {expected:.2}", golden.name, means.len());
        }
    }
}

#[test]
fn denominators_are_those_of_the_fixture() {
    let mut bench = Bench::new();
    let folder = bench.root.join("examples/mini8");
    let text = fs::read_to_string(folder.join("knots-ties.yaml")).unwrap();
    let frozen = Sweep::from_yaml(&text, &folder, &[]).unwrap();
    let frozen = coordinator::freeze(frozen, &bench.inputs).unwrap();
    let json = fs::read(bench.root.join("testdata/mini8/results/finetuned.json")).unwrap();
    let json: BTreeMap<String, Value> = serde_json::from_slice(&json).unwrap();
    for task in ["mnist", "icons"] {
        let job = frozen.job(frozen.meaning(Subject::Adapter { task: task.to_owned() }, "test"));
        let score = &bench.engine.compute(&job, &AttemptContext::default()).unwrap().output.scores().unwrap().scores[0];
        let expected = json["finetuned_r16"][task]["test"]["accuracy"].as_f64().unwrap() / 100.0 * score.n as f64;
        assert!((score.correct as f64 - expected).abs() <= 1.001, "{task}: {} of {expected}", score.correct);
    }
}

#[test]
fn class_names_that_a_job_was_not_made_for_are_refused() {
    let mut bench = Bench::new();
    let folder = bench.root.join("examples/mini8");
    let text = fs::read_to_string(folder.join("knots-ties.yaml")).unwrap();
    let sweep = Sweep::from_yaml(&text, &folder, &[]).unwrap();
    let frozen = coordinator::freeze(sweep, &bench.inputs).unwrap();
    let mut job = frozen.job(frozen.meaning(Subject::Base, "test"));
    let classes = vec!["one".to_owned()];
    let templates = vec!["a {}".to_owned()];
    let task = job.spec().as_evaluation().unwrap().tasks[0].name.clone();
    job.places.heads.insert(task.clone(), jobs::HeadSpec::Prompts { classes, templates });
    let error = bench.engine.compute(&job, &AttemptContext::default()).unwrap_err().to_string();
    assert!(error.ends_with(&format!("of `{task}` have another digest than the job names")), "{error}");
}

#[test]
fn an_ensemble_agrees_with_its_adapters_where_these_agree() {
    let mut bench = Bench::new();
    let folder = bench.root.join("examples/mini8");
    let text = fs::read_to_string(folder.join("joint.yaml")).unwrap();
    let mut sweep = Sweep::from_yaml(&text, &folder, &[]).unwrap();
    assert_eq!(sweep.ensembles.len(), 1);
    sweep.tasks.retain(|task| ["mnist", "optdigits"].contains(&task.name.as_str()));
    let frozen = coordinator::freeze(sweep, &bench.inputs).unwrap();
    let mut scores = |subject: Subject, tasks: &[&str]| {
        let mut meaning = frozen.meaning(subject, "validation");
        meaning.tasks = frozen.meaning(Subject::Base, "validation").tasks;
        meaning.tasks.retain(|task| tasks.contains(&task.name.as_str()));
        bench.engine.compute(&frozen.job(meaning), &AttemptContext::default()).unwrap().output.scores().unwrap()
    };
    let both = ["mnist", "optdigits"];
    let ensemble = scores(Subject::Ensemble { rule: EnsembleRule::Max }, &both);
    assert_eq!(ensemble.merge, None);
    let alone = both.map(|task| scores(Subject::Adapter { task: task.to_owned() }, &both).scores);
    for (n, score) in ensemble.scores.iter().enumerate() {
        assert!(has_each_example(score) && score.hits.len() == 4);
        let hits: Vec<u64> = score.hits.values().copied().collect();
        assert!(hits.windows(2).all(|pair| pair[0] <= pair[1]) && hits[0] == score.correct);
        // An image that both experts name rightly has the right class at the top of both, and so of the ensemble.
        let right = |score: &TaskScore| score.right.as_ref().unwrap().iter().collect::<Vec<bool>>();
        let [first, second] = alone.each_ref().map(|scores| right(&scores[n]));
        for (image, ensemble) in right(score).into_iter().enumerate() {
            assert!(ensemble || !(first[image] && second[image]), "image {image} of {}", score.task);
        }
        assert!(alone.iter().any(|scores| scores[n].correct != score.correct));
    }
}

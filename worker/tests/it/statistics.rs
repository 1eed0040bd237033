//! Statistics of the tasks' own models, and merges that need them, against the reference.

use inputs::Inputs;
use jobs::{Job, Preset, StatisticsKind, Sweep};
use merging::{Adapter, Aligned, BaseHeader, GramOptions, Matrix, MergedUpdate, TaskStatistics};
use safetensors::SafeTensors;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use worker::{Engine, EngineSettings, MadeFiles, Output, Stop};

const MINI8: [&str; 8] = ["mnist", "fashion_mnist", "optdigits", "letters", "scripts", "flags", "emoji", "icons"];
const SUB4: [&str; 4] = ["mnist", "letters", "flags", "emoji"];
const NLI6: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn golden(name: &str) -> PathBuf {
    root().join("testdata/statistics").join(name)
}

fn engine(inputs: &Arc<Inputs>) -> Engine {
    let settings = EngineSettings {
        device: Default::default(),
        threads: Some(2),
        image_bytes: 0,
        cache: None,
        memory_bytes: None,
    };
    Engine::new(settings, Arc::clone(inputs)).unwrap()
}

/// The tasks of an example over the first rows of the training splits, which lie with the goldens.
struct Fixture {
    inputs: Arc<Inputs>,
    frozen: coordinator::Frozen,
    engine: Engine,
}

impl Fixture {
    fn new(example: &str, tasks: &[&str]) -> Self {
        let folder = root().join("examples").join(example);
        let mut text = format!("name: {example}\nbase: base\ntasks:\n");
        for task in tasks {
            let data = golden(example).join(task);
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
        text += "evaluation: {select: train, report: train}\nmethod: linear\n\
                 metric: {name: mean_accuracy, goal: maximize}\nrecipe: {preset: task_arithmetic}\n\
                 parameters: {scaling: {values: [1.0]}}\n";
        let sweep = Sweep::from_yaml(&text, &folder, &[]).unwrap();
        let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
        let frozen = coordinator::freeze(sweep, &inputs).unwrap();
        let engine = engine(&inputs);
        Self { inputs, frozen, engine }
    }

    fn job(&self, task: &str, examples: u64, what: StatisticsKind) -> Job {
        self.frozen.job(self.frozen.statistics(task, "train", examples, what).unwrap())
    }

    fn make(&mut self, task: &str) -> MadeFiles {
        let job = self.job(task, 256, StatisticsKind::Grams);
        match self.engine.compute(&job, &Stop::default()).unwrap().output {
            Output::Files(files) => files,
            Output::Scores(_) => unreachable!("statistics are files"),
        }
    }

    /// RegMean of all tasks.
    fn regmean(&mut self, tasks: &[&str], off_diagonal: f64, scaling: f64) -> MergedUpdate {
        let places = self.job(tasks[0], 1, StatisticsKind::Grams).places;
        let base = BaseHeader::open(&self.inputs.model(&places.base).unwrap().path).unwrap();
        let made: Vec<MadeFiles> = tasks.iter().map(|task| self.make(task)).collect();
        let statistics: Vec<TaskStatistics> =
            tasks.iter().zip(&made).map(|(task, made)| TaskStatistics::open(task, made.folder()).unwrap()).collect();
        let adapters: Vec<Adapter> = tasks
            .iter()
            .map(|task| {
                let place = &self.job(task, 1, StatisticsKind::Grams).places.adapters[*task];
                Adapter::read(task, &self.inputs.adapter(place).unwrap().path, &base).unwrap()
            })
            .collect();
        let recipe = Preset::TaskArithmetic.recipe().with_scaling(scaling);
        let aligned = Aligned::new(&adapters, recipe.space).unwrap();
        aligned.merge_on_inputs(&recipe, GramOptions { off_diagonal, ridge: 0.0 }, &statistics).unwrap()
    }
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
        if update.modules[&format!("{prefix}{module}")].rank().is_none() {
            panic!("{module} is dense");
        }
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
    let start = Instant::now();
    let second = fixture.make("mnist");
    println!("statistics of 256 images: {:?}", start.elapsed());
    assert_eq!(first.artefact(), second.artefact());
    let facts = &first.artefact().facts;
    assert_eq!(facts["examples"], 256.0);
    assert_eq!(facts["tokens"], 256.0 * 17.0);
    assert_eq!(facts["inputs"], 12.0);
    let names: Vec<&str> = first.artefact().files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names.len(), 7);
    assert_eq!((names[0], names[6]), ("layer-000.safetensors", "statistics.json"));
}

#[test]
fn more_examples_than_a_split_has_are_refused_by_name() {
    let mut fixture = Fixture::new("mini8", &SUB4);
    let job = fixture.job("mnist", 257, StatisticsKind::Grams);
    let error = fixture.engine.compute(&job, &Stop::default()).unwrap_err();
    assert_eq!(error.blame(), jobs::Blame::Job);
    let text = error.chain().join(": ");
    assert!(
        text.starts_with("the data of `mnist` cannot be used for the split `train`: the first 257 examples"),
        "{text}"
    );
    assert!(text.ends_with("that has 256: ask for 256 at most"), "{text}");
}

//! A step of tuning against a forward pass of the same examples, on the examples' own models and adapters.
//!
//! `cargo bench -p evaluation --bench tune`; examples per second are the items. A model takes seconds.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

use candle_core::{DType, Device, Tensor};
use divan::{Bencher, counter::ItemsCount};
use evaluation::{
    DecoderModel, Delta, Embedded, Examples, GradientTower, Head, ImageModel, Images, Preprocess, Readout, Source,
    Texts, TuneTask, Tuner, Watch,
};
use jobs::{CoefficientScope, DataFiles, Precision, Rows, TuneObjective, TuneSettings};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const EXAMPLES: u64 = 64;

fn main() {
    divan::main();
}

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path)
}

/// The factors of one module of an adapter.
struct Factors {
    module: String,
    b: Vec<f32>,
    a: Vec<f32>,
    rank: usize,
}

fn factors(folder: &Path, prefix: &str) -> Vec<Factors> {
    let tensors = candle_core::safetensors::load(folder.join("adapter_model.safetensors"), &Device::Cpu).unwrap();
    let numbers = |tensor: &Tensor| tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let module = |key: &String| {
        let module = key.strip_prefix("base_model.model.")?.strip_suffix(".lora_A.weight")?;
        let b = &tensors[&format!("base_model.model.{module}.lora_B.weight")];
        let (_, rank) = b.dims2().unwrap();
        Some(Factors { module: format!("{prefix}{module}"), b: numbers(b), a: numbers(&tensors[key]), rank })
    };
    tensors.keys().filter_map(module).collect()
}

fn deltas(factors: &[Factors]) -> Vec<(&str, Delta<'_>)> {
    factors.iter().map(|f| (&*f.module, Delta::LowRank { b: &f.b, a: &f.a, rank: f.rank })).collect()
}

fn settings() -> TuneSettings {
    TuneSettings {
        objective: TuneObjective::Entropy,
        per: CoefficientScope::Layer,
        basis: jobs::CoefficientBasis::Own,
        start: 0.3,
        rate: 0.01,
        steps: usize::MAX,
        batch: EXAMPLES as usize,
        seed: None,
        guard: None,
    }
}

const MINI8: [&str; 4] = ["mnist", "letters", "flags", "emoji"];
const NLI6: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];

fn images(model: &ImageModel, task: &str) -> Embedded {
    let files = DataFiles::Parquet(vec![example(&format!("mini8/data/{task}/validation-00000-of-00001.parquet"))]);
    let rows = Rows::Indices((0..EXAMPLES).collect());
    let source = Source { files: &files, image_column: "image", label_column: "label", rows: &rows };
    let preprocess = Preprocess::read(&example("mini8/base/preprocessor_config.json")).unwrap();
    let images = Arc::new(Images::read(&source, &preprocess, None).unwrap());
    model.embed(&images, u64::MAX, &Watch::default()).unwrap()
}

/// Made-up texts of 20 to 51 tokens, as long as those of nli6.
fn texts() -> Texts {
    Texts::new((0..EXAMPLES as u32).map(|n| ((0..20 + n % 32).map(|token| (token * 37 + n * 11) % 1000).collect(), 0)))
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn mini8_forward(bencher: Bencher<'_, '_>) {
    let model = ImageModel::open(&example("mini8/base"), &Device::Cpu).unwrap();
    let splits = MINI8.map(|task| images(&model, task));
    bencher.counter(ItemsCount::new(EXAMPLES as usize * MINI8.len())).bench_local(|| {
        splits
            .iter()
            .map(|split| model.features(split, &Watch::default()).unwrap().values().unwrap().len())
            .sum::<usize>()
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn mini8_step(bencher: Bencher<'_, '_>) {
    let model = ImageModel::open(&example("mini8/base"), &Device::Cpu).unwrap();
    let factors = MINI8.map(|task| factors(&example(&format!("mini8/adapters/{task}")), "vision_model."));
    let tower = GradientTower::<f32>::open_clip(&example("mini8/base")).unwrap();
    let tower = tower.with_tasks(&factors.each_ref().map(|task| deltas(task))).unwrap();
    let task = |name: &str| {
        let split = images(&model, name);
        let head = Head::read(&example(&format!("mini8/heads/{name}.safetensors"))).unwrap();
        let sequences = model.sequences(&split, &Watch::default()).unwrap();
        TuneTask { name: name.to_owned(), sequences, readout: split.readout(&head), classes: None }
    };
    let tuner = Tuner::new(tower, MINI8.map(task).into(), settings(), &Watch::default()).unwrap();
    let mut state = tuner.start();
    bencher
        .counter(ItemsCount::new(EXAMPLES as usize * MINI8.len()))
        .bench_local(|| tuner.step(&mut state, &Watch::default()).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn nli6_forward(bencher: Bencher<'_, '_>) {
    let model = DecoderModel::open(&example("nli6/base"), &Device::Cpu, Precision::F32).unwrap();
    let texts = texts();
    bencher.counter(ItemsCount::new(EXAMPLES as usize * NLI6.len())).bench_local(|| {
        NLI6.map(|_| model.features(&texts, &Watch::default()).unwrap().values().unwrap().len()).iter().sum::<usize>()
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn nli6_step(bencher: Bencher<'_, '_>) {
    let model = DecoderModel::open(&example("nli6/base"), &Device::Cpu, Precision::F32).unwrap();
    let factors = NLI6.map(|task| factors(&example(&format!("nli6/adapters/{task}")), ""));
    let tower = GradientTower::<f32>::open_decoder(&example("nli6/base")).unwrap();
    let tower = tower.with_tasks(&factors.each_ref().map(|task| deltas(task))).unwrap();
    let task = |name: &str| {
        let head = Head::read(&example(&format!("nli6/heads/{name}.safetensors"))).unwrap();
        let sequences = model.sequences(&texts()).unwrap();
        TuneTask { name: name.to_owned(), sequences, readout: Readout::of_states(&head, &[]), classes: None }
    };
    let tuner = Tuner::new(tower, NLI6.map(task).into(), settings(), &Watch::default()).unwrap();
    let mut state = tuner.start();
    bencher
        .counter(ItemsCount::new(EXAMPLES as usize * NLI6.len()))
        .bench_local(|| tuner.step(&mut state, &Watch::default()).unwrap());
}

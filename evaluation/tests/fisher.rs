//! The diagonal of the Fisher information, against the reference and against differences.

use crate::{
    fixture::{base, example, head, preprocess, root, source, tensors, values},
    gradients::{adapter, deltas},
    nli6,
};
use candle_core::Device;
use evaluation::{DecoderModel, Delta, GradientTower, Head, Images, ModelError, Readout, Sequences, Texts, Watch};
use jobs::{DataFiles, Precision, Rows};
use std::sync::Arc;

/// The first training images of mnist, as the first block takes them.
fn first_of_mnist(count: u64) -> Sequences {
    let file = root().join("testdata/statistics/mini8/mnist/train-00000-of-00001.parquet");
    let rows = Rows::First { count, of: Box::new(Rows::All) };
    let files = DataFiles::Parquet(vec![file]);
    let images = Images::read(&source(&files, &rows), &preprocess(), None).unwrap();
    let base = base();
    let embedded = base.embed(&Arc::new(images), u64::MAX, &Watch::default()).unwrap();
    base.sequences(&embedded, &Watch::default()).unwrap()
}

fn tower() -> GradientTower<f32> {
    let factors = adapter(&example("adapters/mnist"), "vision_model.", 16, 1.0);
    GradientTower::open_clip(&example("base")).unwrap().with_tasks(&[deltas(&factors)]).unwrap()
}

#[test]
fn the_fisher_information_of_an_image_tower_is_the_references() {
    let readout = Readout::of_units(&head("mnist"));
    let found = tower().fisher(0, &first_of_mnist(32), &readout, &Watch::default()).unwrap();
    assert_eq!(found.len(), 24);
    let goldens = tensors(&root().join("testdata/statistics/fisher_mnist_32_layer0.safetensors"));
    assert_eq!(goldens.len(), 4);
    for (name, want) in &goldens {
        let got = &found[&format!("vision_model.{name}")];
        let want = values(want);
        assert_eq!(got.len(), want.len());
        let off: f64 = got.iter().zip(&want).map(|(x, y)| (x - f64::from(*y)).powi(2)).sum();
        let norm: f64 = want.iter().map(|y| f64::from(*y).powi(2)).sum();
        let relative = (off / norm).sqrt();
        assert!(relative <= 1e-4, "{name}: {relative:e}");
    }
}

#[test]
fn fisher_information_does_not_depend_on_the_number_of_threads() {
    let tower = tower();
    let sequences = first_of_mnist(20);
    let readout = Readout::of_units(&head("mnist"));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| tower.fisher(0, &sequences, &readout, &Watch::default()).unwrap())
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn a_head_for_other_features_is_refused() {
    let other = Head::new(vec![1.0; 6], 2, 3).unwrap();
    let refused = tower().fisher(0, &first_of_mnist(1), &Readout::of_units(&other), &Watch::default());
    assert!(matches!(refused, Err(ModelError::HeadWidth { head: 3, .. })), "{refused:?}");
}

/// log p of every text and class.
fn log_p(model: &DecoderModel, texts: &Texts, head: &[f32], masked: u32) -> Vec<[f64; 3]> {
    let features = model.features(texts, &Watch::default()).unwrap();
    let width = features.width();
    let row = |features: &[f32]| {
        let score = |class: usize| {
            let row = &head[class * width..][..width];
            row.iter().zip(features).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>()
        };
        let mut scores = [0, 1, 2].map(score);
        scores[masked as usize] = f64::NEG_INFINITY;
        let sum = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
        scores.map(|score| score - sum)
    };
    features.values().unwrap().chunks_exact(width).map(row).collect()
}

/// Moves the entry with the largest value of each kind of module, and holds log p after and before against each other.
#[test]
fn the_fisher_information_of_a_language_model_is_that_of_differences() {
    let folder = nli6::example("base");
    let base = DecoderModel::open(&folder, &Device::Cpu, Precision::F32).unwrap();
    let all = nli6::all_texts();
    let texts = Texts::new((0..3).map(|n| (all.ids(n).to_vec(), 0)));
    let weight = tensors(&nli6::example("heads/rte.safetensors")).remove("score.weight").unwrap();
    let (classes, width) = weight.dims2().unwrap();
    let weight = values(&weight);
    let masked = 1;
    let head = Head::new(weight.clone(), classes, width).unwrap();
    // Updates of zeros: what is looked at is the base.
    let modules = ["self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"];
    let modules: Vec<String> = modules.iter().map(|name| format!("model.layers.1.{name}")).collect();
    let shapes = base.modules().into_iter().filter(|module| modules.contains(&module.name));
    let zeros: Vec<(String, Vec<f32>, Vec<f32>)> =
        shapes.map(|module| (module.name, vec![0.0; module.outputs], vec![0.0; module.inputs])).collect();
    let task = zeros.iter().map(|(name, b, a)| (name.as_str(), Delta::LowRank { b, a, rank: 1 })).collect();
    let tower = GradientTower::<f32>::open_decoder(&folder).unwrap().with_tasks(&[task]).unwrap();
    let readout = Readout::of_states(&head, &[masked]);
    let found = tower.fisher(0, &base.sequences(&texts).unwrap(), &readout, &Watch::default()).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>().len(), modules.len());
    let before = log_p(&base, &texts, &weight, masked);
    for (module, values) in &found {
        let (entry, want) = values.iter().copied().enumerate().max_by(|(_, x), (_, y)| x.total_cmp(y)).unwrap();
        assert!(want > 0.0, "{module}");
        let step = (3e-3 / want.sqrt()).min(0.05) as f32;
        let moved = |sign: f32| {
            let mut delta = vec![0.0; values.len()];
            delta[entry] = sign * step;
            let deltas = base.deltas([(module, Delta::Dense(&delta))]).unwrap();
            log_p(&base.patched(&deltas, 1.0).unwrap(), &texts, &weight, masked)
        };
        let after = moved(1.0);
        let earlier = moved(-1.0);
        let mut got = 0.0;
        for ((after, earlier), before) in after.iter().zip(&earlier).zip(&before) {
            for class in [0, 2] {
                let slope = (after[class] - earlier[class]) / (2.0 * f64::from(step));
                got += before[class].exp() * slope.powi(2) / texts.len() as f64;
            }
        }
        assert!((got / want - 1.0).abs() < 0.05, "{module}: {got:e} by differences, {want:e} by gradients");
    }
}

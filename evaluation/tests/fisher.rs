//! The diagonal of the Fisher information, against the reference and against differences.

use crate::{
    fixture::{close, example, head, preprocess, root, source, tensors, values, with_adapter},
    nli6,
};
use candle_core::Device;
use evaluation::{DecoderModel, Delta, Head, ImageModel, Images, ModelError, Texts, Watch};
use jobs::{DataFiles, Precision, Rows};
use std::{collections::BTreeSet, sync::Arc};

fn names(modules: &[&str]) -> BTreeSet<String> {
    modules.iter().map(|name| (*name).to_owned()).collect()
}

fn first_of_mnist(model: &ImageModel, count: u64) -> evaluation::Embedded {
    let file = root().join("testdata/statistics/mini8/mnist/train-00000-of-00001.parquet");
    let rows = Rows::First { count, of: Box::new(Rows::All) };
    let files = DataFiles::Parquet(vec![file]);
    let images = Images::read(&source(&files, &rows), &preprocess(), None).unwrap();
    model.embed(&Arc::new(images), u64::MAX, &Watch::default()).unwrap()
}

#[test]
fn the_fisher_information_of_an_image_tower_is_the_references() {
    let base = ImageModel::open_differentiable(&example("base"), &Device::Cpu).unwrap();
    let model = with_adapter(&base, &example("adapters/mnist"), 1.0);
    let sites = ["q_proj", "k_proj", "v_proj", "out_proj"];
    let modules: Vec<String> =
        sites.iter().map(|site| format!("vision_model.encoder.layers.0.self_attn.{site}")).collect();
    let modules = names(&modules.iter().map(String::as_str).collect::<Vec<_>>());
    let found = model.fisher(&first_of_mnist(&base, 32), &head("mnist"), &modules, &Watch::default()).unwrap();
    let goldens = tensors(&root().join("testdata/statistics/fisher_mnist_32_layer0.safetensors"));
    assert_eq!(goldens.len(), found.len());
    for (name, want) in &goldens {
        let (got, want) = (&found[&format!("vision_model.{name}")], values(want));
        assert_eq!(got.len(), want.len());
        let off: f64 = got.iter().zip(&want).map(|(x, y)| (x - f64::from(*y)).powi(2)).sum();
        let norm: f64 = want.iter().map(|y| f64::from(*y).powi(2)).sum();
        let relative = (off / norm).sqrt();
        assert!(relative <= 1e-4, "{name}: {relative:e}");
    }
}

#[test]
fn a_differentiable_model_makes_the_same_numbers() {
    let plain = ImageModel::open_composed(&example("base"), &Device::Cpu).unwrap();
    let other = ImageModel::open_differentiable(&example("base"), &Device::Cpu).unwrap();
    let features =
        |model: &ImageModel| model.features(&first_of_mnist(model, 8), &Watch::default()).unwrap().values().to_vec();
    close(&features(&plain), &features(&other), 1e-4, "images");
    let (texts, folder) = (nli6::all_texts(), nli6::example("base"));
    let plain = DecoderModel::open_composed(&folder, &Device::Cpu, Precision::F32).unwrap();
    let other = DecoderModel::open_differentiable(&folder, &Device::Cpu, Precision::F32).unwrap();
    let features = |model: &DecoderModel| model.features(&texts, &Watch::default()).unwrap().values().to_vec();
    close(&features(&plain), &features(&other), 1e-4, "texts");
}

#[test]
fn a_model_that_was_opened_without_gradients_has_no_fisher_information() {
    let modules = names(&["vision_model.encoder.layers.0.self_attn.q_proj"]);
    for base in [crate::fixture::base(), ImageModel::open_composed(&example("base"), &Device::Cpu).unwrap()] {
        let refused = base.fisher(&first_of_mnist(&base, 1), &head("mnist"), &modules, &Watch::default());
        assert!(matches!(refused, Err(ModelError::NotDifferentiable)));
    }
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
    features.values().chunks_exact(width).map(row).collect()
}

/// Moves the entry with the largest value of each kind of module, and holds log p after and before against each other.
#[test]
fn the_fisher_information_of_a_language_model_is_that_of_differences() {
    let folder = nli6::example("base");
    let base = DecoderModel::open_differentiable(&folder, &Device::Cpu, Precision::F32).unwrap();
    let all = nli6::all_texts();
    let texts = Texts::new((0..3).map(|n| (all.ids(n).to_vec(), 0)));
    let weight = tensors(&nli6::example("heads/rte.safetensors")).remove("score.weight").unwrap();
    let (classes, width) = weight.dims2().unwrap();
    let (weight, masked) = (values(&weight), 1);
    let head = Head::new(weight.clone(), classes, width).unwrap();
    let modules = ["self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"];
    let modules: Vec<String> = modules.iter().map(|name| format!("model.layers.1.{name}")).collect();
    let modules = names(&modules.iter().map(String::as_str).collect::<Vec<_>>());
    let found = base.fisher(&texts, (&head, &[masked]), &modules, &Watch::default()).unwrap();
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
        let (after, earlier) = (moved(1.0), moved(-1.0));
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

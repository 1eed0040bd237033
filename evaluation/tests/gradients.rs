//! Gradients by the scales of directions, against finite differences, for every family of models.

use crate::fixture::{base, close, embedded, example, images, json, tensors, values};
use candle_core::{DType, Device, Tensor};
use evaluation::{DecoderModel, Delta, GradientTower, Real, Scales, Sequences, Texts, Watch};
use jobs::{Precision, Rows};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

pub(crate) const DECODERS: [&str; 7] =
    ["llama_biases", "mistral", "mistral_window", "qwen2", "qwen2_window", "qwen3", "qwen3_window"];

/// The factors of one task, by module.
pub(crate) struct Factors {
    pub(crate) name: String,
    pub(crate) b: Vec<f32>,
    pub(crate) a: Vec<f32>,
    pub(crate) rank: usize,
}

pub(crate) type Task<'a> = Vec<(&'a str, Delta<'a>)>;

pub(crate) fn deltas(factors: &[Factors]) -> Task<'_> {
    factors.iter().map(|f| (&*f.name, Delta::LowRank { b: &f.b, a: &f.a, rank: f.rank })).collect()
}

/// The factors of an adapter, times a number.
pub(crate) fn adapter(folder: &Path, prefix: &str, rank: usize, times: f32) -> Vec<Factors> {
    let adapter = tensors(&folder.join("adapter_model.safetensors"));
    let numbers = |tensor: &Tensor| values(&tensor.to_dtype(DType::F32).unwrap());
    let mut modules: Vec<&str> = adapter
        .keys()
        .filter_map(|key| key.strip_prefix("base_model.model.")?.strip_suffix(".lora_A.weight"))
        .collect();
    modules.sort_unstable();
    let factor = |module: &str, part: &str| numbers(&adapter[&format!("base_model.model.{module}.{part}.weight")]);
    let factors = modules.into_iter().map(|module| Factors {
        name: format!("{prefix}{module}"),
        b: factor(module, "lora_B").into_iter().map(|x| x * times).collect(),
        a: factor(module, "lora_A"),
        rank,
    });
    factors.collect()
}

/// The same modules with other numbers and another rank, but for the first, which this task leaves as it is.
fn another(factors: &[Factors], rank: usize) -> Vec<Factors> {
    let number = |n: usize| ((n * 7919 + 13) % 101) as f32 / 101.0 - 0.5;
    let module = |f: &Factors| {
        let outputs = f.b.len() / f.rank;
        let inputs = f.a.len() / f.rank;
        Factors {
            name: f.name.clone(),
            b: (0..outputs * rank).map(|n| 0.3 * number(n)).collect(),
            a: (0..inputs * rank).map(|n| 0.3 * number(n + 5)).collect(),
            rank,
        }
    };
    factors.iter().skip(1).map(module).collect()
}

pub(crate) fn decoder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/decoders").join(name)
}

pub(crate) fn texts() -> Texts {
    let texts: Vec<Vec<u32>> = serde_json::from_value(json(&decoder("texts.json"))).unwrap();
    Texts::new(texts.into_iter().map(|text| (text, 0)))
}

pub(crate) fn all(sequences: &Sequences) -> Vec<usize> {
    (0..sequences.len()).collect()
}

/// A smooth loss of features, and its gradient: Σ w f + f² / 2 with changing weights w.
pub(crate) fn loss<T: Real>(features: &[T]) -> (f64, Vec<T>) {
    let weight = |n: usize| ((n * 31 + 7) % 17) as f64 / 17.0 - 0.4;
    let value = features.iter().enumerate().map(|(n, f)| weight(n) * f.wide() + f.wide() * f.wide() / 2.0).sum();
    (value, features.iter().enumerate().map(|(n, f)| T::of(weight(n) + f.wide())).collect())
}

/// The gradient by every direction of every module, by one backward pass.
fn gradients<T: Real>(tower: &GradientTower<T>, sequences: &Sequences, scales: &Scales<T>) -> Vec<Vec<f64>> {
    let mut sums: Vec<Vec<f64>> = tower.modules().iter().map(|module| vec![0.0; module.directions()]).collect();
    for group in tower.groups(sequences, &all(sequences)) {
        let recorded = tower.record(sequences, group, scales);
        let (_, by_features) = loss(recorded.features());
        recorded.backward(&by_features, scales, &mut |module| {
            let sums = &mut sums[module.module];
            let rows = module.projected.chunks_exact(sums.len()).zip(module.pulled.chunks_exact(sums.len()));
            rows.for_each(|(p, g)| sums.iter_mut().zip(p).zip(g).for_each(|((sum, p), g)| *sum += (*p * *g).wide()));
        });
    }
    sums
}

/// The scales at which gradients are taken: all different.
fn scale(module: usize, direction: usize) -> f64 {
    0.2 + 0.05 * ((module * 5 + direction * 3) % 7) as f64
}

/// Compares every `step`-th direction with a central difference in `f64`, and all of them with `f32`.
fn expect_differences(
    name: &str,
    open: [GradientTower<f64>; 1],
    narrow: &GradientTower<f32>,
    sequences: &Sequences,
    step: usize,
) {
    let [tower] = open;
    let total = |scales: &Scales<f64>| -> f64 {
        let group = |group: &&[usize]| loss(tower.record(sequences, group, scales).features()).0;
        tower.groups(sequences, &all(sequences)).iter().map(group).sum()
    };
    let exact = gradients(&tower, sequences, &tower.scales(scale));
    let largest = exact.concat().iter().fold(0.0, |top: f64, x| top.max(x.abs()));
    assert!(largest > 1e-3, "{name}: the loss depends on the scales");
    let mut seen = 0;
    for (module, gradients) in exact.iter().enumerate() {
        for (direction, gradient) in gradients.iter().enumerate() {
            seen += 1;
            if seen % step != 0 {
                continue;
            }
            let moved = |by: f64| {
                total(&tower.scales(|m, d| scale(m, d) + if (m, d) == (module, direction) { by } else { 0.0 }))
            };
            let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            let module = &tower.modules()[module].name;
            let off = (difference - gradient).abs();
            assert!(off <= 1e-5 * largest, "{name}, {module} {direction}: {gradient} against {difference}");
        }
    }
    let single = gradients(narrow, sequences, &narrow.scales(scale));
    for (wide, single) in exact.concat().iter().zip(single.concat()) {
        assert!((wide - single).abs() <= 1e-4 * largest, "{name} in f32: {single} against {wide}");
    }
}

#[test]
fn gradients_of_every_decoder_family_are_the_finite_differences() {
    for name in DECODERS {
        let folder = decoder(name);
        let first = adapter(&folder.join("adapter"), "", 2, 2.0);
        let second = another(&first, 3);
        let tasks = [deltas(&first), deltas(&second)];
        let model = DecoderModel::open(&folder, &Device::Cpu, Precision::F32).unwrap();
        let sequences = model.sequences(&texts()).unwrap();
        let wide = GradientTower::open_decoder(&folder).unwrap().with_tasks(&tasks).unwrap();
        let narrow = GradientTower::open_decoder(&folder).unwrap().with_tasks(&tasks).unwrap();
        expect_differences(name, [wide], &narrow, &sequences, 3);
    }
}

#[test]
fn gradients_of_the_image_tower_are_the_finite_differences() {
    let first = adapter(&example("adapters/mnist"), "vision_model.", 16, 1.0);
    let mut second = another(&first, 2);
    // A module outside of the blocks, and those of the MLP.
    for (name, outputs, inputs) in [
        ("visual_projection", 128, 192),
        ("vision_model.encoder.layers.0.mlp.fc1", 384, 192),
        ("vision_model.encoder.layers.5.mlp.fc2", 192, 384),
    ] {
        let numbers = |count: usize| (0..count).map(|n| ((n * 37) % 19) as f32 / 190.0 - 0.05).collect();
        second.push(Factors { name: name.to_owned(), b: numbers(2 * outputs), a: numbers(2 * inputs), rank: 2 });
    }
    let tasks = [deltas(&first), deltas(&second)];
    let model = base();
    let first = images("mnist", "test", &Rows::Indices((0..3).collect()));
    let tokens = model.embed(&first, u64::MAX, &Watch::default()).unwrap();
    let sequences = model.sequences(&tokens, &Watch::default()).unwrap();
    for activation in ["quick_gelu", "gelu"] {
        let folder = with_activation(activation);
        let wide = GradientTower::open_clip(folder.path()).unwrap().with_tasks(&tasks).unwrap();
        let narrow = GradientTower::open_clip(folder.path()).unwrap().with_tasks(&tasks).unwrap();
        expect_differences(activation, [wide], &narrow, &sequences, 29);
    }
}

/// The base of mini8 with another activation in its MLPs.
fn with_activation(activation: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = json(&example("base/config.json"));
    config["vision_config"]["hidden_act"] = activation.into();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    std::fs::copy(example("base/model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    folder
}

#[test]
fn features_of_the_gradient_tower_are_those_of_the_model() {
    let own = adapter(&example("adapters/mnist"), "vision_model.", 16, 1.0);
    let model = base();
    let tokens = embedded(&model, "mnist", "validation");
    let patched = model.patched(&model.deltas(deltas(&own)).unwrap(), 0.7).unwrap();
    let want = patched.features(&tokens, &Watch::default()).unwrap();
    let tower = GradientTower::<f32>::open_clip(&example("base")).unwrap().with_tasks(&[deltas(&own)]).unwrap();
    let sequences = model.sequences(&tokens, &Watch::default()).unwrap();
    let got = tower.features(&sequences, &all(&sequences), &tower.scales(|_, _| 0.7), &Watch::default()).unwrap();
    close(&got, want.values().unwrap(), 1e-4, "images");
    for name in DECODERS {
        let folder = decoder(name);
        let own = adapter(&folder.join("adapter"), "", 2, 2.0);
        let model = DecoderModel::open(&folder, &Device::Cpu, Precision::F32).unwrap();
        let patched = model.patched(&model.deltas(deltas(&own)).unwrap(), 1.0).unwrap();
        let want = patched.features(&texts(), &Watch::default()).unwrap();
        let tower = GradientTower::<f32>::open_decoder(&folder).unwrap().with_tasks(&[deltas(&own)]).unwrap();
        let sequences = model.sequences(&texts()).unwrap();
        let got = tower.features(&sequences, &all(&sequences), &tower.own(0), &Watch::default()).unwrap();
        close(&got, want.values().unwrap(), 2e-5, name);
    }
}

#[test]
fn updates_that_have_no_factors_or_no_place_are_refused_by_name() {
    let tower = || GradientTower::<f32>::open_clip(&example("base")).unwrap();
    let refused = |name: &str, delta| tower().with_tasks(&[vec![(name, delta)]]).err().unwrap().to_string();
    let dense = vec![0.0; 192 * 192];
    let module = "vision_model.encoder.layers.0.self_attn.q_proj";
    let message = refused(module, Delta::Dense(&dense));
    let tail = "it is a whole matrix, and coefficients are learned of low-rank factors alone; use a LoRA adapter";
    assert_eq!(message, format!("an update is for `{module}`: {tail}"));
    let message = refused("vision_model.no_such", Delta::LowRank { b: &[], a: &[], rank: 0 });
    assert!(message.contains("has no linear layer of that name"), "{message}");
    let factors: HashMap<&str, Vec<f32>> = [("b", vec![0.0; 191]), ("a", vec![0.0; 192])].into();
    let message = refused(module, Delta::LowRank { b: &factors["b"], a: &factors["a"], rank: 1 });
    assert!(message.contains("lora_b holds 191 numbers, expected 192"), "{message}");
}

//! Gradients by the factors of updates, against finite differences in `f64`, with dropout and without.

use crate::{
    fixture::{base, example, images},
    gradients::{DECODERS, Factors, adapter, all, decoder, deltas, loss, texts},
};
use candle_core::Device;
use evaluation::{DecoderModel, Dropout, FactorGradients, GradientTower, Real, Recording, Scales, Sequences, Watch};
use jobs::{Precision, Rows};

/// What A and B are multiplied by in every update.
const SCALING: f64 = 0.7;

const DROPOUT: Dropout = Dropout { rate: 0.3, seed: 11, step: 4 };

/// How examples go through a tower: in groups of `size`.
#[derive(Clone, Copy)]
struct Way {
    dropout: Option<Dropout>,
    size: usize,
    is_recomputed: bool,
}

const PLAIN: Way = Way { dropout: None, size: 2, is_recomputed: false };

/// The loss of all examples, and its gradients by all factors.
fn run<T: Real>(
    tower: &GradientTower<T>,
    sequences: &Sequences,
    scales: &Scales<T>,
    way: Way,
) -> (f64, FactorGradients<T>) {
    let mut gradients = FactorGradients::zeros(tower);
    let mut total = 0.0;
    let mut tokens_before = 0;
    for (n, group) in all(sequences).chunks(way.size).enumerate() {
        let Way { dropout, size, is_recomputed } = way;
        let recording = Recording { dropout, tokens_before, examples_before: n * size, is_recomputed };
        let recorded = tower.record_as(sequences, group, scales, recording);
        // Example by example: the loss must not depend on the groups.
        let losses: Vec<_> = recorded.features().chunks_exact(tower.width()).map(loss).collect();
        total += losses.iter().map(|(value, _)| value).sum::<f64>();
        let by_features: Vec<T> = losses.into_iter().flat_map(|(_, gradient)| gradient).collect();
        recorded.backward(&by_features, scales, &mut |module| gradients.add(&module, scales));
        tokens_before += group.iter().map(|example| sequences.tokens(*example)).sum::<usize>();
    }
    (total, gradients)
}

/// Compares every `step`-th number of the factors with a central difference.
fn expect_differences(name: &str, tower: &GradientTower<f64>, factors: &[Factors], sequences: &Sequences, step: usize) {
    for dropout in [None, Some(DROPOUT)] {
        let way = Way { dropout, ..PLAIN };
        let scales = tower.scales(|_, _| SCALING);
        let (_, exact) = run(tower, sequences, &scales, way);
        let mut largest = 0.0f64;
        let mut worst = 0.0f64;
        let mut seen = 0;
        for (module, own) in factors.iter().enumerate() {
            assert_eq!(tower.modules()[module].name, own.name, "factors come in the model's order");
            for (is_b, count) in [(false, own.a.len()), (true, own.b.len())] {
                for entry in (seen % step..count).step_by(step) {
                    let moved = |by: f32| {
                        let mut a = own.a.clone();
                        let mut b = own.b.clone();
                        let value = if is_b { &mut b[entry] } else { &mut a[entry] };
                        *value += by;
                        let at = f64::from(*value);
                        let mut tower = tower.clone();
                        tower.set_factors(module, &a, &b);
                        (at, run(&tower, sequences, &scales, way).0)
                    };
                    let (above, upper) = moved(1e-3);
                    let (below, lower) = moved(-1e-3);
                    let difference = (upper - lower) / (above - below);
                    let gradient = if is_b { exact.b(module)[entry] } else { exact.a(module)[entry] };
                    largest = largest.max(gradient.abs());
                    worst = worst.max((difference - gradient).abs());
                }
                seen += count;
            }
        }
        assert!(largest > 1e-3, "{name}: the loss depends on the factors");
        assert!(worst <= 1e-4 * largest, "{name} {dropout:?}: {worst:e} off, of at most {largest:e}");
    }
}

fn in_order<T: Real>(tower: &GradientTower<T>, mut factors: Vec<Factors>) -> Vec<Factors> {
    let order: Vec<&str> = tower.linears().map(|(name, _)| name).collect();
    factors.sort_by_key(|factors| order.iter().position(|name| *name == factors.name));
    factors
}

#[test]
fn gradients_by_the_factors_of_every_decoder_family_are_the_finite_differences() {
    for name in DECODERS {
        let folder = decoder(name);
        let tower = GradientTower::<f64>::open_decoder(&folder).unwrap();
        let own = in_order(&tower, adapter(&folder.join("adapter"), "", 2, 1.0));
        let tower = tower.with_tasks(&[deltas(&own)]).unwrap();
        let model = DecoderModel::open(&folder, &Device::Cpu, Precision::F32).unwrap();
        expect_differences(name, &tower, &own, &model.sequences(&texts()).unwrap(), 61);
    }
}

/// The factors of an image adapter, with a matrix of an MLP and the projection beside those of attention.
fn image_factors() -> Vec<Factors> {
    let mut own = adapter(&example("adapters/mnist"), "vision_model.", 16, 1.0);
    for (name, outputs, inputs) in [
        ("visual_projection", 128, 192),
        ("vision_model.encoder.layers.2.mlp.fc1", 384, 192),
        ("vision_model.encoder.layers.5.mlp.fc2", 192, 384),
    ] {
        let numbers = |count: usize| (0..count).map(|n| ((n * 37) % 19) as f32 / 190.0 - 0.05).collect();
        own.push(Factors { name: name.to_owned(), b: numbers(2 * outputs), a: numbers(2 * inputs), rank: 2 });
    }
    own
}

fn image_sequences() -> Sequences {
    let model = base();
    let few = images("mnist", "test", &Rows::Indices((0..3).collect()));
    model.sequences(&model.embed(&few, u64::MAX, &Watch::default()).unwrap(), &Watch::default()).unwrap()
}

#[test]
fn gradients_by_the_factors_of_the_image_tower_are_the_finite_differences() {
    let tower = GradientTower::<f64>::open_clip(&example("base")).unwrap();
    let own = in_order(&tower, image_factors());
    let tower = tower.with_tasks(&[deltas(&own)]).unwrap();
    expect_differences("images", &tower, &own, &image_sequences(), 7919);
}

fn every<T: Real>(tower: &GradientTower<T>, gradients: &FactorGradients<T>) -> Vec<f64> {
    let numbers = |module: usize| gradients.a(module).iter().chain(gradients.b(module)).map(|x| x.wide());
    (0..tower.modules().len()).flat_map(numbers).collect()
}

#[test]
fn blocks_that_run_again_give_the_same_bits_and_groups_the_same_numbers() {
    let tower = GradientTower::<f32>::open_clip(&example("base")).unwrap();
    let own = in_order(&tower, image_factors());
    let tower = tower.with_tasks(&[deltas(&own)]).unwrap();
    let scales = tower.scales(|_, _| SCALING);
    let sequences = image_sequences();
    for dropout in [None, Some(DROPOUT)] {
        let way = Way { dropout, ..PLAIN };
        let (value, kept) = run(&tower, &sequences, &scales, way);
        let kept = every(&tower, &kept);
        let (again, gradients) = run(&tower, &sequences, &scales, Way { is_recomputed: true, ..way });
        assert_eq!(value.to_bits(), again.to_bits());
        assert_eq!(every(&tower, &gradients), kept);
        // Masks belong to the rows of the step, whatever the groups.
        let (_, single) = run(&tower, &sequences, &scales, Way { size: 1, ..way });
        let largest = kept.iter().fold(0.0f64, |top, x| top.max(x.abs()));
        let off = every(&tower, &single).iter().zip(&kept).map(|(one, two)| (one - two).abs()).fold(0.0, f64::max);
        assert!(off <= 1e-5 * largest, "{off:e} of {largest:e}");
    }
    let (_, with) = run(&tower, &sequences, &scales, Way { dropout: Some(DROPOUT), ..PLAIN });
    let (_, without) = run(&tower, &sequences, &scales, PLAIN);
    assert_ne!(every(&tower, &with), every(&tower, &without), "dropout drops something");
}

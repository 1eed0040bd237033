//! What a tower of the size of ViT-B/32 sends to a device and multiplies there. Its numbers are all zero.

use super::ComposedTower;
use crate::{
    Activation, ClipConfig, Delta, EncoderConfig, Features, Head, HostBytes, ImageModel, Module, TextConfig,
    TransferCounts, VisionConfig, Watch, accuracy,
    device::Accelerator,
    images::Images,
    joint_hits,
    model::{
        Base, Tower,
        weights::{BlockWeights, LinearWeights, NormWeights, VisionWeights},
    },
};
use candle_core::Device;
use jobs::Precision;
use std::sync::Arc;

const IMAGES: usize = 2;
const RANK: usize = 128;

fn vit_b_32() -> ClipConfig {
    let encoder = EncoderConfig {
        width: 768,
        mlp_width: 3072,
        layers: 12,
        heads: 12,
        activation: Activation::QuickGelu,
        layer_norm_eps: 1e-5,
    };
    let text = TextConfig { encoder, vocabulary: 1, positions: 1, eos_token_id: 0 };
    ClipConfig { vision: VisionConfig { encoder, image_size: 224, patch_size: 32 }, text, projection: 512 }
}

fn weights(config: &ClipConfig) -> VisionWeights {
    let vision = &config.vision;
    let EncoderConfig { width, mlp_width, layers, .. } = vision.encoder;
    let norm = || NormWeights { weight: vec![0.0; width], bias: vec![0.0; width] };
    let linear =
        |inputs: usize, outputs: usize| LinearWeights { weight: vec![0.0; inputs * outputs], bias: vec![0.0; outputs] };
    let block = || BlockWeights {
        norm1: norm(),
        qkv: linear(width, 3 * width),
        out: linear(width, width),
        norm2: norm(),
        fc1: linear(width, mlp_width),
        fc2: linear(mlp_width, width),
    };
    VisionWeights {
        patch: vec![0.0; 3 * vision.patch_size.pow(2) * width],
        position: vec![0.0; vision.tokens() * width],
        pre: norm(),
        blocks: (0..layers).map(|_| block()).collect(),
        post: norm(),
        projection: vec![0.0; width * config.projection],
    }
}

fn model(precision: Precision) -> ImageModel {
    let config = vit_b_32();
    let on = Accelerator::new(&Device::Cpu, precision);
    let tower = Tower::Composed(ComposedTower::new(config, weights(&config), on).unwrap());
    ImageModel { base: Arc::new(Base { config, tokens: precision }), tower }
}

/// What `work` adds to the counts of a model.
fn counted<T>(model: &ImageModel, work: impl FnOnce() -> T) -> (T, TransferCounts) {
    let before = model.transfers().unwrap();
    let done = work();
    (done, model.transfers().unwrap().since(before))
}

fn features(model: &ImageModel, embedded: &crate::Embedded) -> Features {
    model.features(embedded, &Watch::default()).unwrap()
}

#[test]
fn images_go_up_as_bytes_once_and_only_one_number_for_each_comes_back() {
    let model = model(Precision::Bf16);
    let config = *model.config();
    let images = Arc::new(Images::blank(config.vision.image_size, IMAGES));
    let count = IMAGES as u64;
    let (embedded, embedding) = counted(&model, || model.embed(&images, u64::MAX, &Watch::default()).unwrap());
    // Beside the pixels, what each of 256 levels means for each channel, and the numbers of the channels.
    let up_bytes = count * config.pixel_bytes() + 3 * 256 * 4 + 3 * 4;
    let flops = count * config.embedding_flops();
    assert_eq!(embedding, TransferCounts { up_bytes, flops, ..TransferCounts::default() });
    assert_eq!(embedded.bytes(), count * 50 * 768 * 2, "tokens are in 16 bits");

    let (features, computing) = counted(&model, || features(&model, &embedded));
    assert_eq!(computing, TransferCounts { flops: count * config.feature_flops(), ..TransferCounts::default() });
    // 8.8 GFLOP an image, as papers count it, with all tokens in the last block.
    assert!((8.0e9..8.8e9).contains(&(config.feature_flops() as f64)), "{}", config.feature_flops());

    let head = Head::new(vec![1.0; 10 * 512], 10, 512).unwrap();
    let scoring = || counted(&model, || accuracy(&features, &head).unwrap()).1;
    let once = TransferCounts { up_bytes: 0, down_bytes: 4 * count, synchronisations: 1, flops: 2 * count * 512 * 10 };
    assert_eq!(scoring(), TransferCounts { up_bytes: (10 * 512 + 10) * 4, ..once }, "a head goes up at first use");
    assert_eq!(scoring(), once);
    let map: Vec<usize> = (0..10).collect();
    let (_, joint) = counted(&model, || joint_hits(&features, &head, &map).unwrap());
    assert_eq!(joint, TransferCounts { up_bytes: 4 * count, ..once }, "the own class of each image goes up");
}

#[test]
fn what_a_tower_keeps_on_a_device_is_what_went_there_and_what_was_made_of_it() {
    let exact = model(Precision::F32);
    let config = *exact.config();
    let up_bytes = exact.transfers().unwrap().up_bytes;
    let residency = config.residency::<&str>(Precision::F32, &[]).unwrap();
    assert_eq!((residency.base, residency.adapted), (up_bytes, 0));
    assert_eq!(residency.tokens, exact.embedded_bytes_per_image());

    let rounded = model(Precision::Bf16);
    let modules =
        ["q_proj", "v_proj", "out_proj"].map(|name| format!("vision_model.encoder.layers.3.self_attn.{name}"));
    let residency = config.residency(Precision::Bf16, &modules).unwrap();
    // Beside the matrices in `f32` those in 16 bits. The patch embedding is kept in 16 bits alone.
    let matrices: usize = rounded.modules().iter().map(|module| module.outputs * module.inputs).sum();
    let embedding = 3 * 32 * 32 * 768;
    assert_eq!(residency.base, up_bytes + 2 * matrices as u64 - 2 * embedding);
    assert_eq!(residency.adapted, 4 * 768 * 768 * 6, "queries, keys and values are one matrix");
    assert_eq!(residency.tokens, rounded.embedded_bytes_per_image());
    assert_eq!(residency.pixels, 3 * 224 * 224);
    assert!(config.residency(Precision::F32, &["text_model.encoder.layers.0.self_attn.q_proj"]).is_err());
}

#[test]
fn states_in_16_bits_on_the_processor_count_as_what_the_first_layer_makes_of_them() {
    for precision in [Precision::Bf16, Precision::F16] {
        let model = model(precision);
        let images = Arc::new(Images::blank(model.config().vision.image_size, IMAGES));
        let embedded = model.embed(&images, u64::MAX, &Watch::default()).unwrap();
        let mut states = model.states(&embedded, &Watch::default()).unwrap();
        let bytes = (IMAGES * 50 * 768 * 4) as u64;
        assert_eq!(states.host_bytes(), bytes);
        model.run_layer(0, &mut states, None, &Watch::default()).unwrap();
        assert_eq!(states.host_bytes(), bytes, "a layer adds nothing");
    }
}

/// Factors of every attention matrix of the tower, and the updates that a model takes.
struct Factors {
    modules: Vec<Module>,
    left: Vec<Vec<f32>>,
    right: Vec<Vec<f32>>,
}

impl Factors {
    fn of(model: &ImageModel) -> Self {
        let is_attention = |module: &Module| module.name.contains("self_attn");
        let modules: Vec<Module> = model.modules().into_iter().filter(is_attention).collect();
        let numbers = |first: usize| (first..first + modules.len()).map(|n| vec![n as f32; 768 * RANK]).collect();
        Self { left: numbers(1), right: numbers(101), modules }
    }

    fn updates(&self) -> impl Iterator<Item = (&str, Delta<'_>)> {
        let factors = self.left.iter().zip(&self.right);
        let delta = factors.map(|(b, a)| Delta::LowRank { b, a, rank: RANK });
        self.modules.iter().map(|module| module.name.as_str()).zip(delta)
    }
}

#[test]
fn a_density_sends_the_factors_that_changed_and_a_scaling_nothing() {
    let model = model(Precision::Bf16);
    let mut factors = Factors::of(&model);
    assert_eq!(factors.modules.len(), 48);
    let (deltas, first) = counted(&model, || model.deltas(factors.updates()).unwrap());
    let up_bytes: u64 = factors.modules.iter().map(|module| module.factor_bytes(RANK)).sum();
    assert_eq!(first, TransferCounts { up_bytes, ..TransferCounts::default() });
    assert_eq!(up_bytes, 37_748_736, "the dense updates would be 113,246,208 bytes");
    let flops = factors.modules.iter().map(|module| module.update_flops(RANK)).sum();
    for scaling in [0.3, 0.5] {
        let (_, made) = counted(&model, || model.patched(&deltas, scaling).unwrap());
        assert_eq!(made, TransferCounts { flops, ..TransferCounts::default() }, "λ = {scaling}");
    }

    // Another density of the same alignment in `knots`: the left factors are those of the merge before.
    factors.right.iter_mut().flatten().for_each(|x| *x += 0.5);
    let (_, density) = counted(&model, || model.deltas(factors.updates()).unwrap());
    assert_eq!(density, TransferCounts { up_bytes: 18_874_368, ..TransferCounts::default() });
    let (_, again) = counted(&model, || model.deltas(factors.updates()).unwrap());
    assert_eq!(again, TransferCounts::default(), "nothing changed");
}

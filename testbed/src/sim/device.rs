//! A GPU that is not there: it counts what a real one would be sent and would multiply, and takes the time of its roofline.

use evaluation::{Activation, ClipConfig, EncoderConfig, Module, TextConfig, TransferCounts, VisionConfig};
use jobs::{Digest, Meaning, Precision, Subject};
use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

/// A card with published peaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulatedCard {
    /// NVIDIA A40, 48 GB.
    A40,
    /// NVIDIA H200, 141 GB.
    H200,
}

/// The name of a card is none that can be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no simulated device, expected `simulated:a40` or `simulated:h200`")]
pub struct UnknownCard {
    found: String,
}

impl FromStr for SimulatedCard {
    type Err = UnknownCard;

    fn from_str(text: &str) -> Result<Self, UnknownCard> {
        match text {
            "simulated:a40" => Ok(Self::A40),
            "simulated:h200" => Ok(Self::H200),
            other => Err(UnknownCard { found: other.to_owned() }),
        }
    }
}

impl fmt::Display for SimulatedCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A40 => "simulated:a40",
            Self::H200 => "simulated:h200",
        })
    }
}

/// The share of the peak of matrix products that a job is taken to reach. Assumed, between 0.35 for operations one by one and
/// 0.55 for fused ones; not measured on a GPU.
const SHARE_OF_PEAK: f64 = 0.5;

/// The time of one wait for the device, beside its work.
const SYNCHRONISATION: Duration = Duration::from_micros(20);

impl SimulatedCard {
    /// Peak of dense matrix products, in operations a second, as the vendor states it.
    fn peak(self, precision: Precision) -> f64 {
        match (self, precision) {
            (Self::A40, Precision::F32) => 37.4e12,
            (Self::A40, Precision::Bf16 | Precision::F16) => 149.7e12,
            (Self::H200, Precision::F32) => 67e12,
            (Self::H200, Precision::Bf16 | Precision::F16) => 989e12,
        }
    }

    /// Bytes a second between processor and card, four fifths of what PCIe 4.0 and 5.0 state for 16 lanes.
    fn link(self) -> f64 {
        match self {
            Self::A40 => 25e9,
            Self::H200 => 50e9,
        }
    }

    /// The time of some work: transfers and products one after the other.
    pub fn time(self, work: TransferCounts, precision: Precision) -> Duration {
        let TransferCounts { up_bytes, down_bytes, synchronisations, flops } = work;
        let copies = (up_bytes + down_bytes) as f64 / self.link();
        let products = flops as f64 / (self.peak(precision) * SHARE_OF_PEAK);
        Duration::from_secs_f64(copies + products)
            + SYNCHRONISATION * u32::try_from(synchronisations).unwrap_or(u32::MAX)
    }
}

/// What the jobs of a simulated device are: a model, its adapters and data of the sizes of the paper.
#[derive(Debug, Clone)]
pub struct Workload {
    config: ClipConfig,
    /// Images of one split, over all tasks.
    images: u64,
    /// The rank of merged updates.
    rank: usize,
    precision: Precision,
    /// What a density takes on the processor before the device gets the factors.
    merging: Duration,
    /// What the alignment of the adapters takes before that.
    aligning: Duration,
}

impl Workload {
    /// ViT-B/32 in `bf16`, eight adapters of rank 16 for queries, keys, values and outputs, and the validation split of the eight
    /// image tasks of the paper. Times of the processor are those of `docs/benchmarks.md`, on two cores.
    pub fn vit_b_32() -> Self {
        let encoder = |width, mlp_width, heads| EncoderConfig {
            width,
            mlp_width,
            layers: 12,
            heads,
            activation: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        };
        let config = ClipConfig {
            projection: 512,
            vision: VisionConfig { encoder: encoder(768, 3072, 12), image_size: 224, patch_size: 32 },
            text: TextConfig {
                encoder: encoder(512, 2048, 8),
                vocabulary: 49_408,
                positions: 77,
                eos_token_id: 49_407,
            },
        };
        Self {
            config,
            images: 26_190,
            rank: 128,
            precision: Precision::Bf16,
            merging: Duration::from_millis(27),
            aligning: Duration::from_millis(167),
        }
    }

    /// The modules that the adapters update.
    fn modules(&self) -> Vec<Module> {
        let width = self.config.vision.encoder.width;
        let layers = 0..self.config.vision.encoder.layers;
        let names = layers.flat_map(|layer| ["q_proj", "k_proj", "v_proj", "out_proj"].map(|name| (layer, name)));
        let module = |(layer, name)| Module {
            name: format!("vision_model.encoder.layers.{layer}.self_attn.{name}"),
            outputs: width,
            inputs: width,
        };
        names.map(module).collect()
    }
}

/// What one job takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JobCost {
    /// What the device is sent and multiplies.
    pub device: TransferCounts,
    /// How long the device works.
    pub device_time: Duration,
    /// How long the processor works before that.
    pub processor_time: Duration,
}

/// A device that keeps between jobs what the engine keeps.
#[derive(Debug)]
pub struct SimulatedDevice {
    card: SimulatedCard,
    workload: Workload,
    /// Data sets whose tokens are on the device.
    data: BTreeSet<Digest>,
    /// Adapters that are aligned, and the merge whose factors are on the device.
    aligned: Option<Digest>,
    merged: Option<Digest>,
}

impl SimulatedDevice {
    /// A device without data.
    pub fn new(card: SimulatedCard, workload: Workload) -> Self {
        Self { card, workload, data: BTreeSet::new(), aligned: None, merged: None }
    }

    /// What the next job takes.
    pub fn next(&mut self, meaning: &Meaning) -> JobCost {
        let Workload { config, images, rank, precision, merging, aligning } = &self.workload;
        let mut work = TransferCounts::default();
        let mut processor_time = Duration::ZERO;
        if let Some(unscaled) = unscaled(&meaning.subject) {
            let modules = self.workload.modules();
            let adapters = Digest::of_json(&meaning.adapters);
            if self.aligned.replace(adapters) != Some(adapters) {
                processor_time += *aligning;
            }
            let merge = Digest::of_json(&(adapters, unscaled));
            if self.merged.replace(merge) != Some(merge) {
                processor_time += *merging;
                work.up_bytes += modules.iter().map(|module| module.factor_bytes(*rank)).sum::<u64>();
            }
            work.flops += modules.iter().map(|module| module.update_flops(*rank)).sum::<u64>();
        }
        let images = images / meaning.tasks.len().max(1) as u64;
        for task in &meaning.tasks {
            if self.data.insert(task.data) {
                work.up_bytes += images * config.pixel_bytes();
                work.flops += images * config.embedding_flops();
            }
            work.flops += images * config.feature_flops();
            // One answer for each image, in one copy.
            work.down_bytes += images * size_of::<f32>() as u64;
            work.synchronisations += 1;
        }
        JobCost { device: work, device_time: self.card.time(work, *precision), processor_time }
    }
}

/// The recipe at λ = 1, as canonical JSON; `None` for a subject that is no merge.
fn unscaled(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Merge { recipe } => Some(Digest::of_json(&recipe.with_scaling(1.0)).to_string()),
        Subject::Adapter { task } => Some(task.clone()),
        Subject::Base | Subject::Ensemble { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SweepSpec;

    fn merges() -> Vec<Meaning> {
        let spec = SweepSpec {
            sweep: "sim".to_owned(),
            seed: 1,
            scalings: 3,
            densities: 2,
            linear: false,
            racing: false,
            poison: false,
            metric: "mean_accuracy".to_owned(),
        };
        let frozen = spec.frozen().unwrap();
        let recipe = frozen.sweep().searches[0].recipe.resolve().unwrap();
        let merge = |scaling: f64| {
            let recipe = Box::new(recipe.with_scaling(scaling));
            frozen.meaning(Subject::Merge { recipe }, "validation")
        };
        [0.1, 0.5].map(merge).to_vec()
    }

    #[test]
    fn a_new_scaling_is_sent_nothing_and_a_merge_its_factors() {
        let mut device = SimulatedDevice::new(SimulatedCard::A40, Workload::vit_b_32());
        let [first, second] = &merges()[..] else { unreachable!("two merges") };
        let first = device.next(first);
        let second = device.next(second);
        let factors = 48 * 2 * 768 * 128 * 4;
        assert_eq!(first.device.up_bytes, factors + 26_190 * 150_528);
        assert_eq!(second.device.up_bytes, 0);
        assert_eq!((second.device.down_bytes, second.device.synchronisations), (26_190 * 4, 2));
        assert_eq!(second.processor_time, Duration::ZERO);
        assert_eq!(first.processor_time, Duration::from_millis(194));
    }

    #[test]
    fn a_validation_of_vit_b_32_takes_an_a40_three_seconds_and_an_h200_half_a_second() {
        let seconds = |card| {
            let mut device = SimulatedDevice::new(card, Workload::vit_b_32());
            merges().iter().map(|merge| device.next(merge).device_time.as_secs_f64()).next_back().unwrap()
        };
        let a40 = seconds(SimulatedCard::A40);
        let h200 = seconds(SimulatedCard::H200);
        assert!((2.5..3.5).contains(&a40), "{a40}");
        assert!((0.35..0.6).contains(&h200), "{h200}");
    }

    #[test]
    fn another_card_is_refused_by_name() {
        for card in [SimulatedCard::A40, SimulatedCard::H200] {
            assert_eq!(card.to_string().parse(), Ok(card));
        }
        let refused = "simulated:a100".parse::<SimulatedCard>().unwrap_err().to_string();
        assert_eq!(refused, "`simulated:a100` is no simulated device, expected `simulated:a40` or `simulated:h200`");
    }
}

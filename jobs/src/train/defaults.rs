use super::{RateSchedule, TrainLength, TrainSettings, TrainTargets, Warmup};
use serde::{Deserialize, Serialize};

/// The models for which the paper states settings of fine-tuning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainFamily {
    /// Image towers like that of CLIP ViT-B/32.
    Images,
    /// Image towers of at least 24 layers, like that of CLIP ViT-L/14.
    LargeImages,
    /// Language models that classify texts, such as Llama-3-8B.
    Texts,
}

impl TrainFamily {
    /// The steps of a leg, unless the sweep file says it: as many as a machine of 1 TFLOPS makes in some five to ten minutes at the
    /// sizes of the paper's models (images of 224 pixels, texts of 256 tokens), by an estimate. A leg is a job, which has a limit.
    pub fn leg_steps(self, settings: &TrainSettings) -> usize {
        let examples = match self {
            Self::Images => 12_800,
            Self::LargeImages => 1280,
            Self::Texts => 32,
        };
        (examples / settings.examples_per_step().max(1)).max(1)
    }

    /// The paper's settings: rank 16, α 16, dropout 0.1, attention, AdamW. It states neither the size of a batch nor, for
    /// texts, the weight decay; those are ours.
    ///
    /// # Source
    /// KnOTS (arXiv:2410.19735), appendix on fine-tuning.
    pub fn defaults(self, length: TrainLength) -> TrainSettings {
        let rate = match self {
            Self::Images => 1e-5,
            Self::LargeImages => 3e-4,
            Self::Texts => 3e-5,
        };
        let weight_decay = match self {
            Self::Images => 0.1,
            Self::LargeImages => 1e-4,
            Self::Texts => 0.0,
        };
        let is_of_texts = self == Self::Texts;
        TrainSettings {
            rank: 16,
            alpha: 16.0,
            rslora: false,
            dropout: 0.1,
            targets: TrainTargets::Attention,
            rate,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay,
            schedule: if is_of_texts { RateSchedule::Linear } else { RateSchedule::Cosine },
            warmup: Warmup::Share(if is_of_texts { 0.06 } else { 0.0 }),
            batch: if is_of_texts { 16 } else { 128 },
            accumulation: 1,
            micro_batch: None,
            length,
            clip: None,
            label_smoothing: 0.0,
            trains_head: is_of_texts,
            augmentation: Vec::new(),
            seed: 0,
            class_balanced: false,
            early_stopping: None,
        }
    }
}

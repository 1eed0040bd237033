//! How an adapter is trained.

mod defaults;
mod early_stopping;
mod schedule;
mod spec;

pub use defaults::TrainFamily;
pub use early_stopping::{EarlyStopping, StoppingMetric};
pub use schedule::{RateSchedule, Warmup};
pub use spec::{CHECKPOINT_FILE, SplitInput, TRAINING_FILE, TrainLeg, TrainSpec};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of how adapters are trained: initial factors, order of examples, dropout, loss, optimiser. Checkpoints of
/// another version are refused.
pub const TRAIN_SEMANTICS: u32 = 1;

/// The longest runs: far beyond any use, and near enough for times and places to be counted.
const MOST_STEPS: usize = 1_000_000_000;
const MOST_EPOCHS: f64 = 1e6;

/// The settings of fine-tuning: LoRA factors on frozen matrices, trained by AdamW on the cross-entropy of labelled examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSettings {
    /// The rank of every update.
    pub rank: usize,
    /// α: an update counts `alpha / rank` times, or `alpha / √rank` with `rslora`.
    pub alpha: f64,
    /// Whether updates are scaled by the root of the rank (arXiv:2312.03732).
    pub rslora: bool,
    /// The share of the inputs of `lora_A` that are zeroed at random; the others are divided by what is left.
    pub dropout: f64,
    /// Which matrices get an update.
    pub targets: TrainTargets,
    /// The learning rate after the warm-up.
    pub rate: f64,
    /// AdamW's shares of the old means of gradients and of their squares.
    pub betas: [f64; 2],
    /// What AdamW adds to the root of the mean square.
    pub eps: f64,
    /// AdamW's decoupled weight decay, of all trained tensors.
    pub weight_decay: f64,
    /// How the rate falls after the warm-up.
    pub schedule: RateSchedule,
    /// How long the rate rises from 0 first.
    pub warmup: Warmup,
    /// Examples of a batch.
    pub batch: usize,
    /// Batches of a step: the gradient is that of the mean over all of them.
    pub accumulation: usize,
    /// Examples that a thread takes through the model at once; `None` means about 256 tokens. It bounds memory, and only
    /// rounds otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// When training ends.
    pub length: TrainLength,
    /// The largest norm of the gradient of all trained tensors together; a larger one is scaled down to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// The share of the target that is spread over all classes that the task has.
    pub label_smoothing: f64,
    /// Whether the head is trained as well.
    pub trains_head: bool,
    /// How images are changed at random, anew in every step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub augmentation: Vec<Augmentation>,
    /// Chooses the initial factors, the order of examples, the dropout and the augmentation.
    pub seed: u64,
    /// Whether every class has the same share of the examples that are drawn, however many examples it has.
    #[serde(default, skip_serializing_if = "is_false")]
    pub class_balanced: bool,
    /// When training ends before its last step, and which step is kept; `None` makes all steps and keeps the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
}

/// A random change of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augmentation {
    /// Moved by up to 1/16 of its edge in both directions; what comes in repeats the edge.
    Shift,
    /// Mirrored left to right, every other time.
    Flip,
    /// A random part, stretched to the whole: 8 to 100 % of the area, with sides in a ratio of 3 : 4 to 4 : 3.
    RandomResizedCrop,
}

impl Augmentation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Shift, Self::Flip, Self::RandomResizedCrop];

    /// Its word in a sweep file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shift => "shift",
            Self::Flip => "flip",
            Self::RandomResizedCrop => "random_resized_crop",
        }
    }
}

/// Which matrices get an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainTargets {
    /// Those of attention.
    Attention,
    /// Those of the MLPs.
    Mlp,
    /// All linear layers inside of the blocks.
    AllLinear,
    /// Those whose name is, or ends in a dot and, one of these.
    #[serde(untagged)]
    Names(Vec<String>),
}

/// When training ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainLength {
    /// After so many steps.
    Steps(usize),
    /// After so many passes over the examples; the last step is taken whole.
    Epochs(f64),
}

/// A setting of training that cannot be followed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{key}` is {found}, expected {expected}")]
pub struct TrainSettingsError {
    /// The key in the sweep file.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// What it may be.
    pub expected: &'static str,
}

impl TrainSettings {
    /// What an update counts: `alpha / rank`, or `alpha / √rank`.
    pub fn scaling(&self) -> f64 {
        let rank = self.rank as f64;
        if self.rslora { self.alpha / rank.sqrt() } else { self.alpha / rank }
    }

    /// Examples of a step.
    pub fn examples_per_step(&self) -> usize {
        self.batch.saturating_mul(self.accumulation)
    }

    /// Examples of a step of a run over so many: without balanced classes, a step takes none twice.
    pub fn examples_per_step_of(&self, examples: usize) -> usize {
        self.examples_per_step().min(examples)
    }

    /// The steps of a run over so many examples.
    pub fn steps(&self, examples: usize) -> usize {
        match self.length {
            TrainLength::Steps(steps) => steps,
            TrainLength::Epochs(epochs) => {
                let steps = epochs * examples as f64 / self.examples_per_step_of(examples).max(1) as f64;
                (steps.ceil() as usize).max(1)
            }
        }
    }

    /// Checks what depends on the number of examples: that a warm-up ends within the run, and that early stopping evaluates in it.
    ///
    /// # Errors
    /// Names the key.
    pub fn check_steps(&self, examples: usize) -> Result<(), TrainSettingsError> {
        if let Some(stopping) = &self.early_stopping {
            stopping.check_steps(self.steps(examples))?;
        }
        match self.warmup {
            Warmup::Steps(warmup) => {
                refuse(warmup <= self.steps(examples), "warmup_steps", warmup, "no more than the steps of the run")
            }
            Warmup::Share(_) => Ok(()),
        }
    }

    /// Checks what depends on what the base reads, and on whether the task names a head.
    ///
    /// # Errors
    /// Names the key.
    pub fn check_family(&self, family: TrainFamily, has_head: bool) -> Result<(), TrainSettingsError> {
        let is_of_texts = family == TrainFamily::Texts;
        let augmentation = self.augmentation.first();
        if let Some(kind) = augmentation.filter(|_| is_of_texts) {
            return refuse(false, "augmentation", kind.name(), "`none`: texts are not augmented");
        }
        let trains = self.trains_head;
        refuse(is_of_texts || !trains, "train_head", trains, "false: the heads of images are fixed")?;
        refuse(has_head || trains, "train_head", trains, "true, or a `head` of the task that stays")
    }

    /// The settings as a sweep file has them, without the length.
    pub(crate) fn as_keys(&self) -> Value {
        let mut keys = serde_json::to_value(self).expect("settings are plain data");
        if let Some(keys) = keys.as_object_mut() {
            keys.remove("length");
            keys.remove("warmup");
            let trains_head = keys.remove("trains_head");
            keys.insert("train_head".to_owned(), trains_head.unwrap_or_default());
            // Settings leave these out where they are the default.
            keys.insert("class_balanced".to_owned(), self.class_balanced.into());
            keys.entry("early_stopping").or_insert(Value::Null);
            match self.warmup {
                Warmup::Share(share) => keys.insert("warmup".to_owned(), share.into()),
                Warmup::Steps(steps) => keys.insert("warmup_steps".to_owned(), steps.into()),
            };
        }
        keys
    }

    /// The learning rate of a step, counted from 0, of a run of `steps`.
    pub fn rate_of(&self, step: usize, steps: usize) -> f64 {
        self.rate * self.schedule.share(step, self.warmup.steps(steps), steps)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first key whose value cannot be followed.
    pub fn check(&self) -> Result<(), TrainSettingsError> {
        self.check_adapter()?;
        self.check_optimiser()?;
        for (key, value) in [("batch", self.batch), ("accumulation", self.accumulation)] {
            refuse(value >= 1, key, value, "at least 1")?;
        }
        refuse(self.micro_batch != Some(0), "micro_batch", 0, "at least 1")?;
        match self.length {
            TrainLength::Steps(steps) => {
                refuse(steps >= 1, "steps", steps, "at least 1")?;
                refuse(steps <= MOST_STEPS, "steps", steps, "at most 1000000000")?;
            }
            TrainLength::Epochs(epochs) => {
                refuse(epochs.is_finite() && epochs > 0.0, "epochs", epochs, "a number above 0")?;
                refuse(epochs <= MOST_EPOCHS, "epochs", epochs, "at most 1000000")?;
            }
        }
        let smoothing = self.label_smoothing;
        refuse((0.0..1.0).contains(&smoothing), "label_smoothing", smoothing, "a share in [0, 1)")?;
        self.early_stopping.map_or(Ok(()), |stopping| stopping.check())
    }

    fn check_adapter(&self) -> Result<(), TrainSettingsError> {
        refuse(self.rank >= 1, "rank", self.rank, "at least 1")?;
        refuse(self.alpha.is_finite() && self.alpha > 0.0, "alpha", self.alpha, "a number above 0")?;
        refuse((0.0..1.0).contains(&self.dropout), "dropout", self.dropout, "a share in [0, 1)")?;
        match &self.targets {
            TrainTargets::Names(names) => {
                let is_named = !names.is_empty() && names.iter().all(|name| !name.is_empty());
                refuse(is_named, "targets", format!("{names:?}"), "names of modules, none of them empty")
            }
            TrainTargets::Attention | TrainTargets::Mlp | TrainTargets::AllLinear => Ok(()),
        }
    }

    fn check_optimiser(&self) -> Result<(), TrainSettingsError> {
        refuse(self.rate.is_finite() && self.rate > 0.0, "rate", self.rate, "a number above 0")?;
        let are_shares = self.betas.iter().all(|beta| (0.0..1.0).contains(beta));
        refuse(are_shares, "betas", format!("{:?}", self.betas), "two shares in [0, 1)")?;
        refuse(self.eps.is_finite() && self.eps > 0.0, "eps", self.eps, "a number above 0")?;
        let decay = self.weight_decay;
        refuse(decay.is_finite() && decay >= 0.0, "weight_decay", decay, "0 or more")?;
        if let Warmup::Share(share) = self.warmup {
            refuse((0.0..=1.0).contains(&share), "warmup", share, "a share in [0, 1]")?;
        }
        match self.clip {
            Some(clip) => refuse(clip.is_finite() && clip > 0.0, "clip", clip, "a number above 0"),
            None => Ok(()),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

fn refuse(
    holds: bool,
    key: &'static str,
    found: impl ToString,
    expected: &'static str,
) -> Result<(), TrainSettingsError> {
    if holds { Ok(()) } else { Err(TrainSettingsError { key, found: found.to_string(), expected }) }
}

#[cfg(test)]
mod tests;

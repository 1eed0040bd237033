//! `training`: how adapters are trained.

use super::{SweepError, check::check_name, read::typed};
use crate::{
    Augmentation, EarlyStopping, RateSchedule, StoppingMetric, TrainFamily, TrainLength, TrainSettings, TrainTargets,
    Warmup,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The split that is trained on, unless another is named.
const SPLIT: &str = "train";

/// The words of `targets` that are no names of modules.
const GROUPS: [(&str, TrainTargets); 3] =
    [("attention", TrainTargets::Attention), ("mlp", TrainTargets::Mlp), ("all-linear", TrainTargets::AllLinear)];

/// `training`, or what a task has in place of parts of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainingFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alpha: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rslora: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropout: Option<f64>,
    /// A group, or a list of names.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<TargetsFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    betas: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<RateSchedule>,
    /// The share of the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    warmup: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warmup_steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accumulation: Option<usize>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    micro_batch: Option<Option<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<f64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    clip: Option<Option<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_smoothing: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    train_head: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap: Option<Overlap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    optimizer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_steps: Option<usize>,
    /// A word, or a list of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    augmentation: Option<Words>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    early_stopping: Option<Option<StoppingFile>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class_balanced: Option<bool>,
}

/// `early_stopping`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoppingFile {
    every: usize,
    patience: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metric: Option<StoppingMetric>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_delta: Option<f64>,
}

impl StoppingFile {
    fn settings(&self) -> EarlyStopping {
        EarlyStopping {
            metric: self.metric.unwrap_or(StoppingMetric::Accuracy),
            every: self.every,
            patience: self.patience,
            min_delta: self.min_delta.unwrap_or(0.0),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum TargetsFile {
    Group(String),
    Names(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Several(Vec<String>),
}

/// What becomes of examples that the training split shares with the splits that are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Overlap {
    Refuse,
    Allow,
}

/// How the adapter of a task is trained, as far as the sweep file says it: the rest follows from the family of the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingKeys {
    /// Where the keys stand, for messages.
    path: String,
    file: TrainingFile,
    length: TrainLength,
}

impl TrainingFile {
    /// Reads the keys at `path`, and checks each by itself.
    pub(super) fn read(value: Value, path: &str) -> Result<Self, SweepError> {
        let value = if value.is_null() { Value::Object(serde_json::Map::new()) } else { value };
        let file: Self = typed(value, path)?;
        file.refuse_unsupported(path)?;
        for (one, other, are_both) in [
            ("warmup", "warmup_steps", file.warmup.is_some() && file.warmup_steps.is_some()),
            ("steps", "epochs", file.steps.is_some() && file.epochs.is_some()),
        ] {
            if are_both {
                return Err(SweepError::invalid(format!("{path}.{other}"), format!("stands beside `{one}`; use one")));
            }
        }
        if file.checkpoint_steps == Some(0) {
            return Err(SweepError::invalid(format!("{path}.checkpoint_steps"), "is 0, expected at least 1"));
        }
        file.split.iter().try_for_each(|split| check_name(&format!("{path}.split"), split))?;
        // Which family it is changes no range.
        file.settings(TrainFamily::Images, file.length().unwrap_or(TrainLength::Steps(1)), path)?;
        Ok(file)
    }

    /// What is planned but not done yet is refused by name.
    fn refuse_unsupported(&self, path: &str) -> Result<(), SweepError> {
        let refuse = |key: &str, problem: String| Err(SweepError::invalid(format!("{path}.{key}"), problem));
        let word = |value: &Option<String>, known: &str| value.clone().filter(|word| word != known);
        if let Some(word) = word(&self.optimizer, "adamw") {
            return refuse("optimizer", format!("is `{word}`; `adamw` is the only one"));
        }
        if let Some(word) = word(&self.precision, "f32") {
            return refuse("precision", format!("is `{word}`; adapters are trained in `f32` only, yet"));
        }
        Ok(())
    }

    fn length(&self) -> Option<TrainLength> {
        self.steps.map(TrainLength::Steps).or_else(|| self.epochs.map(TrainLength::Epochs))
    }

    fn targets(&self, path: &str) -> Result<Option<TrainTargets>, SweepError> {
        match &self.targets {
            None => Ok(None),
            Some(TargetsFile::Names(names)) => Ok(Some(TrainTargets::Names(names.clone()))),
            Some(TargetsFile::Group(word)) => {
                let found = GROUPS.into_iter().find(|(name, _)| name == word).map(|(_, targets)| Some(targets));
                let problem =
                    || format!("is `{word}`; use `attention`, `mlp`, `all-linear`, or a list of names of modules");
                found.ok_or_else(|| SweepError::invalid(format!("{path}.targets"), problem()))
            }
        }
    }

    fn augmentation(&self, path: &str) -> Result<Option<Vec<Augmentation>>, SweepError> {
        let words = match &self.augmentation {
            None => return Ok(None),
            Some(Words::One(word)) if word == "none" => return Ok(Some(Vec::new())),
            Some(Words::One(word)) => std::slice::from_ref(word),
            Some(Words::Several(words)) => words,
        };
        let mut found = Vec::with_capacity(words.len());
        for word in words {
            let Some(augmentation) = Augmentation::ALL.into_iter().find(|known| known.name() == word) else {
                let problem = format!(
                    "is `{word}`; use `none`, `shift`, `flip`, `random_resized_crop`, or a list of the last three"
                );
                return Err(SweepError::invalid(format!("{path}.augmentation"), problem));
            };
            if found.contains(&augmentation) {
                return Err(SweepError::invalid(format!("{path}.augmentation"), format!("has `{word}` twice")));
            }
            found.push(augmentation);
        }
        Ok(Some(found))
    }

    /// These keys, and those of `shared` where there are none.
    pub(super) fn over(self, shared: &Self) -> Self {
        let shared = shared.clone();
        let has_warmup = self.warmup.is_some() || self.warmup_steps.is_some();
        let has_length = self.steps.is_some() || self.epochs.is_some();
        Self {
            rank: self.rank.or(shared.rank),
            alpha: self.alpha.or(shared.alpha),
            rslora: self.rslora.or(shared.rslora),
            dropout: self.dropout.or(shared.dropout),
            targets: self.targets.or(shared.targets),
            rate: self.rate.or(shared.rate),
            betas: self.betas.or(shared.betas),
            eps: self.eps.or(shared.eps),
            weight_decay: self.weight_decay.or(shared.weight_decay),
            schedule: self.schedule.or(shared.schedule),
            // A share and steps say the same in two ways: those of the task stand alone.
            warmup: if has_warmup { self.warmup } else { shared.warmup },
            warmup_steps: if has_warmup { self.warmup_steps } else { shared.warmup_steps },
            batch: self.batch.or(shared.batch),
            accumulation: self.accumulation.or(shared.accumulation),
            micro_batch: self.micro_batch.or(shared.micro_batch),
            steps: if has_length { self.steps } else { shared.steps },
            epochs: if has_length { self.epochs } else { shared.epochs },
            clip: self.clip.or(shared.clip),
            label_smoothing: self.label_smoothing.or(shared.label_smoothing),
            train_head: self.train_head.or(shared.train_head),
            seed: self.seed.or(shared.seed),
            split: self.split.or(shared.split),
            overlap: self.overlap.or(shared.overlap),
            optimizer: self.optimizer.or(shared.optimizer),
            precision: self.precision.or(shared.precision),
            checkpoint_steps: self.checkpoint_steps.or(shared.checkpoint_steps),
            augmentation: self.augmentation.or(shared.augmentation),
            early_stopping: self.early_stopping.or(shared.early_stopping),
            class_balanced: self.class_balanced.or(shared.class_balanced),
        }
    }

    fn settings(&self, family: TrainFamily, length: TrainLength, path: &str) -> Result<TrainSettings, SweepError> {
        let defaults = family.defaults(length);
        let warmup = self.warmup.map(Warmup::Share).or_else(|| self.warmup_steps.map(Warmup::Steps));
        let settings = TrainSettings {
            rank: self.rank.unwrap_or(defaults.rank),
            alpha: self.alpha.unwrap_or(defaults.alpha),
            rslora: self.rslora.unwrap_or(defaults.rslora),
            dropout: self.dropout.unwrap_or(defaults.dropout),
            targets: self.targets(path)?.unwrap_or(defaults.targets),
            rate: self.rate.unwrap_or(defaults.rate),
            betas: self.betas.unwrap_or(defaults.betas),
            eps: self.eps.unwrap_or(defaults.eps),
            weight_decay: self.weight_decay.unwrap_or(defaults.weight_decay),
            schedule: self.schedule.unwrap_or(defaults.schedule),
            warmup: warmup.unwrap_or(defaults.warmup),
            batch: self.batch.unwrap_or(defaults.batch),
            accumulation: self.accumulation.unwrap_or(defaults.accumulation),
            micro_batch: self.micro_batch.unwrap_or(defaults.micro_batch),
            length,
            clip: self.clip.unwrap_or(defaults.clip),
            label_smoothing: self.label_smoothing.unwrap_or(defaults.label_smoothing),
            trains_head: self.train_head.unwrap_or(defaults.trains_head),
            augmentation: self.augmentation(path)?.unwrap_or(defaults.augmentation),
            seed: self.seed.unwrap_or(defaults.seed),
            class_balanced: self.class_balanced.unwrap_or(defaults.class_balanced),
            early_stopping: self
                .early_stopping
                .as_ref()
                .map_or(defaults.early_stopping, |stopping| stopping.as_ref().map(StoppingFile::settings)),
        };
        match settings.check() {
            Ok(()) => Ok(settings),
            Err(error) => {
                let problem = format!("is {}, expected {}", error.found, error.expected);
                Err(SweepError::invalid(format!("{path}.{}", error.key), problem))
            }
        }
    }
}

impl TrainingKeys {
    /// Those of a task over the shared ones.
    pub(super) fn new(own: Option<TrainingFile>, shared: &TrainingFile, path: String) -> Result<Self, SweepError> {
        let file = own.unwrap_or_default().over(shared);
        let Some(length) = file.length() else {
            let problem =
                "has neither `steps` nor `epochs`, here or under `training`; no default would fit every data set";
            return Err(SweepError::invalid(path, problem));
        };
        let stopping = file.early_stopping.as_ref().and_then(Option::as_ref).map(StoppingFile::settings);
        if let (Some(stopping), TrainLength::Steps(steps)) = (stopping, length)
            && let Err(error) = stopping.check_steps(steps)
        {
            let problem = format!("is {}, expected {}", error.found, error.expected);
            return Err(SweepError::invalid(format!("{path}.{}", error.key), problem));
        }
        Ok(Self { path, file, length })
    }

    /// All settings, for a base of this family.
    ///
    /// # Errors
    /// A value that cannot be followed.
    pub fn settings(&self, family: TrainFamily) -> Result<TrainSettings, SweepError> {
        self.file.settings(family, self.length, &self.path)
    }

    /// The split that is trained on.
    pub fn split(&self) -> &str {
        self.file.split.as_deref().unwrap_or(SPLIT)
    }

    /// The keys as they are written, those of the task over the shared ones.
    pub fn written(&self) -> Value {
        serde_json::to_value(&self.file).expect("keys are plain data")
    }

    /// When training ends.
    pub fn length(&self) -> TrainLength {
        self.length
    }

    /// Steps after which a job of a sweep stores a checkpoint.
    pub(super) fn checkpoint_steps(&self) -> Option<usize> {
        self.file.checkpoint_steps
    }

    /// The error of a key.
    pub(super) fn invalid(&self, key: &str, problem: String) -> SweepError {
        SweepError::invalid(format!("{}.{key}", self.path), problem)
    }

    /// Whether examples may be in the splits that are evaluated as well.
    pub fn allows_overlap(&self) -> bool {
        self.file.overlap == Some(Overlap::Allow)
    }
}

/// A value that is there, `null` included: a task undoes a shared key with it.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Reads `training`, which is empty where the file has none.
pub(super) fn check_training(training: Option<Value>) -> Result<TrainingFile, SweepError> {
    training.map_or_else(|| Ok(TrainingFile::default()), |value| TrainingFile::read(value, "training"))
}

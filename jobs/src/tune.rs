//! How the coefficients of a merge are learned.

mod learned;

pub(crate) use learned::is_coefficient;
pub use learned::{LEARNED_FILE, LearnedCoefficients, LearnedError, LearnedWeights, TuneCheck};

use crate::{
    AdapterInput, BenchmarkInput, Digest, EVALUATION_SEMANTICS, Meaning, OtherSemantics, Precision, Space, Subject,
    TaskInput, recipe::KNOTS,
};
use serde::{Deserialize, Serialize};

/// The version of how coefficients are learned: losses, optimiser, batches, guard and the layout of the file. It is
/// part of the identity of every job that tunes, and grows when the same settings would give other coefficients.
pub const TUNE_SEMANTICS: u32 = 1;

/// What coefficients are tuned for, on a few examples of each task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TuneObjective {
    /// Low entropy of the merge's predictions: no labels are used. Left alone it may make the merge sure and wrong, so
    /// that a [guard](TuneGuard) stops it.
    Entropy,
    /// Predictions like those of each task's own model: the cross-entropy against them. No labels are used.
    Agreement,
    /// The cross-entropy against the labels.
    Labels,
}

/// How many coefficients a task has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoefficientScope {
    /// One.
    Task,
    /// One for each layer, and one for each module outside of the layers.
    Layer,
    /// One for each adapted module.
    Module,
    /// One for each direction of each adapted module.
    Direction,
}

/// The directions that `per: direction` has coefficients for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoefficientBasis {
    /// Those of each adapter: a column of B and a row of A (TARA-A).
    #[default]
    Own,
    /// Those of the KnOTS space, which all tasks share: with `[ΔW_1 … ΔW_T] = UΣ[V_1ᵀ … V_Tᵀ]`, the merge is
    /// `UΣ·Σ_t diag(c_t)·V_tᵀ` (TARA-B). Each task has as many coefficients as there are directions.
    Knots,
}

impl CoefficientBasis {
    /// The space in which recipes state the coefficients.
    pub fn space(self) -> Space {
        match self {
            Self::Own => Space::Full,
            Self::Knots => KNOTS,
        }
    }

    fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

/// When tuning stops early: the merge no longer predicts what the tasks' own models do.
///
/// Agreement is the share of tuning examples for which the merge and the task's own model name the same class, averaged
/// over the tasks. It is taken over all tuning examples before the first step, after every `every` steps, and after the
/// last. Tuning stops where it lies more than `fall` below the best so far, and in any case the result is the
/// coefficients of the check with the best agreement; of equal ones, the latest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuneGuard {
    /// Steps between two checks.
    pub every: usize,
    /// How far agreement may fall below its best, as a share in [0, 1].
    pub fall: f64,
}

/// The settings of tuning: Adam on the coefficients of task arithmetic, `W + Σ_t c_t B_t A_t`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuneSettings {
    /// What the coefficients are tuned for.
    pub objective: TuneObjective,
    /// How many coefficients a task has.
    pub per: CoefficientScope,
    /// The directions of `per: direction`.
    #[serde(default, skip_serializing_if = "CoefficientBasis::is_own")]
    pub basis: CoefficientBasis,
    /// What every coefficient starts from.
    pub start: f64,
    /// Adam's learning rate; its other settings are 0.9, 0.999 and 1e-8.
    pub rate: f64,
    /// Steps at most.
    pub steps: usize,
    /// Examples of each task that a step takes.
    pub batch: usize,
    /// Shuffles the examples of every pass over them; without it, batches follow the order of the split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// When tuning stops early; without it, all steps are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<TuneGuard>,
}

/// All that decides the coefficients that are learned for a set of adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuneSpec {
    /// [`TUNE_SEMANTICS`] when it was made.
    pub semantics: u32,
    /// [`EVALUATION_SEMANTICS`] when it was made: how files become what a model takes, and heads make logits.
    pub evaluation: u32,
    /// The base model's content.
    pub base: Digest,
    /// The adapters, in merge order.
    pub adapters: Vec<AdapterInput>,
    /// What is tuned on: the data of the split and the head of each task, in the order of the adapters.
    pub tasks: Vec<TaskInput>,
    /// The name of the split, such as `tuning`.
    pub split: String,
    /// How many examples of each task are taken, the first ones in the order of the split; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<u64>,
    /// How coefficients are tuned.
    pub settings: TuneSettings,
}

impl TuneSpec {
    /// Whether this version of the program learns what was meant.
    ///
    /// # Errors
    /// The tuning or the evaluation are of another version of their semantics.
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        if self.semantics != TUNE_SEMANTICS {
            return Err(OtherSemantics { part: "tuning", job: self.semantics, ours: TUNE_SEMANTICS });
        }
        if self.evaluation != EVALUATION_SEMANTICS {
            return Err(OtherSemantics { part: "evaluation", job: self.evaluation, ours: EVALUATION_SEMANTICS });
        }
        Ok(())
    }

    /// The evaluation of the base on the same data: what both need is found and prepared in the same way.
    pub fn as_evaluation(&self) -> Meaning {
        Meaning {
            evaluation: self.evaluation,
            base: self.base,
            subject: Subject::Base,
            adapters: self.adapters.clone(),
            tasks: self.tasks.clone(),
            benchmark: BenchmarkInput::PerTask,
            split: self.split.clone(),
            precision: Precision::F32,
            statistics: Vec::new(),
            slice: None,
        }
    }
}

/// A setting that cannot be followed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{key}` is {found}, expected {expected}")]
pub struct TuneSettingsError {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// What it may be.
    pub expected: &'static str,
}

impl TuneSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first key whose value cannot be followed.
    pub fn check(&self) -> Result<(), TuneSettingsError> {
        let refuse = |key, found: f64, expected| Err(TuneSettingsError { key, found: found.to_string(), expected });
        if self.basis == CoefficientBasis::Knots && self.per != CoefficientScope::Direction {
            let expected = "left out, or beside `per: direction`: a coefficient of more than a direction is the same in every basis";
            return Err(TuneSettingsError { key: "basis", found: "knots".to_owned(), expected });
        }
        if !self.start.is_finite() {
            return refuse("start", self.start, "a finite number");
        }
        if !(self.rate.is_finite() && self.rate > 0.0) {
            return refuse("rate", self.rate, "a number above 0");
        }
        if self.steps == 0 {
            return refuse("steps", 0.0, "at least 1");
        }
        if self.batch == 0 {
            return refuse("batch", 0.0, "at least 1");
        }
        match self.guard {
            Some(TuneGuard { every: 0, .. }) => refuse("guard.every", 0.0, "at least 1"),
            Some(TuneGuard { fall, .. }) if !(0.0..=1.0).contains(&fall) => {
                refuse("guard.fall", fall, "a share in [0, 1]")
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TuneSettings {
        TuneSettings {
            objective: TuneObjective::Entropy,
            per: CoefficientScope::Layer,
            basis: CoefficientBasis::Own,
            start: 0.3,
            rate: 0.01,
            steps: 30,
            batch: 16,
            seed: None,
            guard: Some(TuneGuard { every: 5, fall: 0.02 }),
        }
    }

    #[test]
    fn settings_that_cannot_be_followed_are_named() {
        assert_eq!(settings().check(), Ok(()));
        let refused = |settings: TuneSettings| settings.check().unwrap_err().to_string();
        let guard = |every, fall| Some(TuneGuard { every, fall });
        let of = "expected";
        assert_eq!(refused(TuneSettings { rate: 0.0, ..settings() }), format!("`rate` is 0, {of} a number above 0"));
        let start = refused(TuneSettings { start: f64::NAN, ..settings() });
        assert_eq!(start, format!("`start` is NaN, {of} a finite number"));
        assert_eq!(refused(TuneSettings { steps: 0, ..settings() }), format!("`steps` is 0, {of} at least 1"));
        assert_eq!(refused(TuneSettings { batch: 0, ..settings() }), format!("`batch` is 0, {of} at least 1"));
        let every = refused(TuneSettings { guard: guard(0, 0.1), ..settings() });
        assert_eq!(every, format!("`guard.every` is 0, {of} at least 1"));
        let fall = refused(TuneSettings { guard: guard(1, 1.5), ..settings() });
        assert_eq!(fall, format!("`guard.fall` is 1.5, {of} a share in [0, 1]"));
        let basis = refused(TuneSettings { basis: CoefficientBasis::Knots, ..settings() });
        assert!(basis.starts_with("`basis` is knots, expected left out, or beside `per: direction`"), "{basis}");
        let per = CoefficientScope::Direction;
        assert_eq!(TuneSettings { basis: CoefficientBasis::Knots, per, ..settings() }.check(), Ok(()));
    }

    #[test]
    fn what_is_left_out_is_not_written() {
        let text = serde_json::to_string(&TuneSettings { guard: None, ..settings() }).unwrap();
        assert_eq!(text, r#"{"objective":"entropy","per":"layer","start":0.3,"rate":0.01,"steps":30,"batch":16}"#);
        let basis = CoefficientBasis::Knots;
        let other = serde_json::to_string(&TuneSettings { guard: None, basis, ..settings() }).unwrap();
        assert!(other.contains(r#""per":"layer","basis":"knots""#), "{other}");
        assert!(serde_json::from_str::<TuneSettings>(&text.replace("start", "begin")).is_err());
    }
}

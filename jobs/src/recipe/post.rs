use serde::{Deserialize, Serialize};

/// Steps on the merged matrices, after the combination, in the order of the fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostSteps {
    /// α of the calibration of the spectrum (SVC): a lower bound on how much a task owns of a direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrate_spectrum: Option<f64>,
    /// The flattening of the spectrum (Iso).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flatten: Option<Flatten>,
    /// The largest rank that stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_rank: Option<u64>,
    /// The norm that every merged matrix gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise: Option<Normalise>,
}

/// Singular values move towards their mean: σ becomes (1 − β)σ + β·mean(σ).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {
    /// β in (0, 1]; 1 makes all of them equal.
    pub share: f64,
    /// Which directions the mean counts.
    #[serde(default, skip_serializing_if = "FlattenOver::is_kept")]
    pub over: FlattenOver,
}

/// The directions that the mean singular value is taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlattenOver {
    /// Those that the merged matrix has.
    #[default]
    Kept,
    /// All that a matrix of the space has room for, those with σ = 0 included: min(O, I) in `full`.
    All,
}

impl FlattenOver {
    fn is_kept(&self) -> bool {
        *self == Self::Kept
    }
}

/// What norm a merged matrix gets at λ = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// The mean of the Frobenius norms of the tasks' updates, weighted by the absolute weights of the tasks.
    MeanNorm,
}

impl PostSteps {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a step depends on the number of directions of the space.
    pub(super) fn counts_directions(&self) -> bool {
        self.flatten.is_some_and(|flatten| flatten.over == FlattenOver::All)
    }
}

use serde::{Deserialize, Serialize};

/// How the values of the tasks become one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Combine {
    /// The mean over the non-zero values that agree with the elected sign, weighted where tasks have weights.
    Mean,
    /// The sum of the values that agree with the elected sign.
    Sum,
    /// The agreeing value of largest magnitude, with its sign.
    Max,
    /// TSV-Merge: the tasks' singular vectors side by side, made orthogonal (CVPR 2025).
    Tsv,
    /// Iso-C: the sum of the updates with a flat spectrum (ICML 2025).
    IsoC,
    /// Iso-CTS: common directions plus task-specific ones, with a flat spectrum (ICML 2025).
    IsoCts {
        /// The share of directions taken from the sum of the updates, in (0, 1].
        common_share: f64,
    },
    /// The weighted least squares of the tasks' outputs: X = (Σ MₜGₜ)(Σ Gₜ + ρI)⁻¹ for Gram matrices Gₜ.
    GramMerge {
        /// What the Gram matrices are of.
        gram: Gram,
        /// ρ ≥ 0; without it, the pseudo-inverse is taken.
        ridge: f64,
    },
    /// CART: the mean of the updates plus the leading directions of each one's difference to it.
    Cart {
        /// The share of directions kept of each difference, in (0, 1].
        rank_share: f64,
        /// The factor of the differences.
        residual_scale: f64,
    },
}

/// The source of the Gram matrices of `gram_merge`, which stand for the inputs of a weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Gram {
    /// The updates themselves: Gₜ = wₜ MₜᵀMₜ (ActMerge).
    #[default]
    Update,
    /// The same, of updates of norm 1: Gₜ = MₜᵀMₜ / ‖Mₜ‖² (WUDI in closed form).
    UpdateNormalised,
    /// What the weight takes in the task's own model: Gₜ = wₜ·E[x·xᵀ] (RegMean).
    Inputs {
        /// The number of examples that the inputs are measured on.
        examples: u64,
        /// Multiplies the entries off the diagonal, in [0, 1].
        off_diagonal: f64,
    },
}

impl Gram {
    /// Inputs with the usual numbers.
    pub(crate) const INPUTS: Self = Self::Inputs { examples: 256, off_diagonal: 0.9 };
}

impl Combine {
    /// Whether it works on a matrix as a whole rather than on single entries.
    pub fn is_matrix_wise(self) -> bool {
        match self {
            Self::Mean | Self::Sum | Self::Max => false,
            Self::Tsv | Self::IsoC | Self::IsoCts { .. } | Self::GramMerge { .. } | Self::Cart { .. } => true,
        }
    }

    /// Whether the merge depends on the number of directions of the task matrices beside the matrices themselves.
    pub(super) fn counts_directions(self) -> bool {
        match self {
            Self::Cart { .. } => true,
            Self::Mean
            | Self::Sum
            | Self::Max
            | Self::Tsv
            | Self::IsoC
            | Self::IsoCts { .. }
            | Self::GramMerge { .. } => false,
        }
    }
}

use super::choice::Choice;
use serde::{Deserialize, Serialize};

/// How the values of the tasks become one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Combine {
    /// The mean over the non-zero values that agree with the elected sign, weighted where tasks have weights.
    Mean,
    /// The sum of the values that agree with the elected sign.
    Sum,
    /// The weighted average over all tasks, Σwx/Σw: values that are 0 count as well.
    Average,
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
    /// SLERP of two updates: the point at a share of the arc between them.
    Slerp {
        /// The share of the way to the second task, in [0, 1].
        position: f64,
    },
    /// NuSLERP of two updates: the weights of the tasks say where on the arc.
    Nuslerp {
        /// The vectors between which the arcs lie.
        over: ArcOver,
    },
    /// The Karcher mean of the directions of the updates, with the mean of their norms.
    Karcher {
        /// The longest step, in radians, that ends the iteration, above 0.
        tolerance: f64,
        /// The number of steps after which it ends in any case, at least 1.
        #[serde(default = "usual_iterations", skip_serializing_if = "is_usual_iterations")]
        max_iterations: u64,
    },
    /// Model Stock: the mean of the updates, drawn towards the base as far as they point apart.
    ModelStock,
    /// PCB-Merging: entries weighted by their size in their task and their agreement with the others.
    Pcb {
        /// The share of magnitudes that is clamped at the lower end, in [0, 0.5).
        clamp: f64,
        /// The share that is clamped at the upper end, in [0, 0.5), if it is another one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clamp_high: Option<f64>,
        /// The share of entries with the highest scores that take part, in (0, 1].
        top_share: f64,
    },
    /// SCE: entries on which the tasks differ, tasks weighted by size, without the minority's signs.
    Sce {
        /// The share of entries that is selected by their variance, in (0, 1].
        select: f64,
    },
    /// LoRA-LEGO: the rank-one directions of all adapters in groups, of which each becomes one.
    Lego {
        /// The rank of the merge, above 0.
        rank: u64,
        /// Chooses where the grouping begins.
        seed: u64,
    },
    /// RobustMerge: pruned factors, rescaled by direction, added up factor by factor.
    RobustMerge {
        /// The share of the entries of each factor that stays, in (0, 1].
        factor_density: f64,
        /// The share of a task's directions that keep a scale of their own, in (0, 1].
        distinct_share: f64,
    },
    /// Fisher merging: the mean of the entries, weighted by the diagonal Fisher information of the tasks' own weights.
    Fisher {
        /// The number of examples that the information is measured on.
        examples: u64,
        /// Added to the information of every entry, above 0.
        floor: f64,
        /// What the information of each task is divided by.
        norm: FisherNorm,
    },
}

/// What makes the Fisher information of several tasks comparable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FisherNorm {
    /// It is taken as it is.
    #[default]
    None,
    /// It is divided by its norm over all weights of the task's model.
    Model,
}

/// The vectors that `nuslerp` interpolates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArcOver {
    /// The matrix as one vector.
    #[default]
    Matrix,
    /// Each row of the update by itself.
    Rows,
    /// Each column of the update by itself.
    Columns,
}

impl ArcOver {
    /// Whether there are several vectors in a matrix, so that the arcs depend on the basis.
    fn is_of_vectors(self) -> bool {
        match self {
            Self::Matrix => false,
            Self::Rows | Self::Columns => true,
        }
    }
}

/// The number of steps after which the Karcher mean ends in any case, unless a recipe says otherwise.
pub(crate) const USUAL_ITERATIONS: u64 = 1000;

fn usual_iterations() -> u64 {
    USUAL_ITERATIONS
}

fn is_usual_iterations(iterations: &u64) -> bool {
    *iterations == USUAL_ITERATIONS
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
    /// What the weight takes in the task's own layer after the layers before it are merged (RegMean++).
    MergedInputs {
        /// The number of examples that the inputs are measured on.
        examples: u64,
        /// Multiplies the entries off the diagonal, in [0, 1].
        off_diagonal: f64,
    },
}

impl Gram {
    /// Inputs with the usual numbers.
    pub(crate) const INPUTS: Self = Self::Inputs { examples: 256, off_diagonal: 0.9 };

    /// Inputs after merged layers, with the usual numbers.
    pub(crate) const MERGED_INPUTS: Self = Self::MergedInputs { examples: 256, off_diagonal: 0.9 };

    /// Whether the Gram matrices are of inputs, which data is needed for.
    pub fn is_of_inputs(self) -> bool {
        match self {
            Self::Update | Self::UpdateNormalised => false,
            Self::Inputs { .. } | Self::MergedInputs { .. } => true,
        }
    }

    /// The same source with the usual numbers: numbers make no other method.
    pub(super) fn with_usual_numbers(self) -> Self {
        match self {
            Self::Inputs { .. } => Self::INPUTS,
            Self::MergedInputs { .. } => Self::MERGED_INPUTS,
            Self::Update | Self::UpdateNormalised => self,
        }
    }
}

impl Combine {
    /// Whether it works on a matrix as a whole rather than on single entries.
    pub fn is_matrix_wise(self) -> bool {
        match self {
            Self::Mean | Self::Sum | Self::Average | Self::Max | Self::Pcb { .. } | Self::Sce { .. } => false,
            Self::Fisher { .. } | Self::Lego { .. } | Self::RobustMerge { .. } => false,
            Self::Nuslerp { over } => !over.is_of_vectors(),
            Self::Tsv | Self::IsoC | Self::IsoCts { .. } | Self::GramMerge { .. } | Self::Cart { .. } => true,
            Self::Slerp { .. } | Self::Karcher { .. } | Self::ModelStock => true,
        }
    }

    /// Whether it works on the factors of the adapters, so that its merge has a low rank in the `full` space.
    pub fn is_factor_wise(self) -> bool {
        let is_by_vectors = matches!(self, Self::Nuslerp { over } if over.is_of_vectors());
        is_by_vectors || matches!(self, Self::Lego { .. } | Self::RobustMerge { .. })
    }

    /// How recipes write it.
    pub fn name(self) -> &'static str {
        self.word()
    }

    /// Whether the weights of the tasks say where between the updates the merge lies, so that they are 0 or more.
    pub fn weights_are_places(self) -> bool {
        matches!(self, Self::Nuslerp { .. } | Self::Karcher { .. } | Self::Average | Self::Fisher { .. })
    }

    /// The number of tasks that it is defined for, if that is not any.
    pub fn task_count(self) -> Option<usize> {
        matches!(self, Self::Slerp { .. } | Self::Nuslerp { .. }).then_some(2)
    }

    /// Whether signs can be elected before it.
    pub(super) fn elects(self) -> bool {
        matches!(self, Self::Mean | Self::Sum | Self::Max)
    }

    /// Whether the merge depends on the number of directions of the task matrices beside the matrices themselves.
    pub(super) fn counts_directions(self) -> bool {
        matches!(self, Self::Cart { .. })
    }
}

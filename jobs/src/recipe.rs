mod choice;
mod error;
mod keys;
mod notes;
mod preset;
mod resolve;
mod spec;

pub use error::RecipeError;
pub(crate) use error::suggest;
pub use keys::{BelongsTo, KeyKind, KeyValue, Range, RecipeKey, Stage};
pub(crate) use notes::push_new;
pub use preset::Preset;
pub use spec::RecipeSpec;

use crate::OtherSemantics;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The newest version of what recipes mean.
///
/// A recipe carries the version of the last change that concerns it, [`Recipe::current_semantics`], as a part of its job's
/// identity. So a change gives new ids to the recipes whose merge it changes, and to no others.
///
/// | version | what changed |
/// |---|---|
/// | 1 | the first |
/// | 2 | `tsv` keeps at most min(O, I) singular triplets in all; ties of `sum_of_signs` go to the sign of the sum of values; `mean` with `weights` is the weighted mean |
pub const SEMANTICS: u32 = 2;

/// Everything that defines a merge: a space and the steps that happen in it.
///
/// The order is fixed: drop, trim, weights, elect, combine, scaling. A recipe is canonical: two
/// that mean the same compare equal, so that they share a job id. It comes from a
/// [`RecipeSpec`] and holds no value out of range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The version of the meaning of the parts below: [`current_semantics`](Self::current_semantics) when it was made.
    pub semantics: u32,
    /// Where the entries live that the steps work on.
    pub space: Space,
    /// DARE's random drop, before anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<DareDrop>,
    /// TIES' trim by magnitude. A density of 1 is no trim at all, hence `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim: Option<Trim>,
    /// The sign election; `None` lets every entry take part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elect: Option<Elect>,
    /// How the tasks' values become one.
    pub combine: Combine,
    /// The scaling coefficient λ ≥ 0; the merged update is linear in it.
    pub scaling: f64,
    /// Factors on single tasks' updates, by task name, applied after the trim and before the
    /// election; tasks not named have weight 1, and a weight of exactly 1 is not listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
}

/// The coordinates in which task updates are compared and merged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Space {
    /// The updates ΔW themselves.
    Full,
    /// KnOTS: Σ·Vᵢᵀ in the shared basis U of the joint singular value decomposition.
    Knots {
        /// Which side of the updates shares the basis.
        axis: Axis,
        /// Which singular directions are left out.
        cut: SigmaCut,
    },
    /// Core Space: U_BᵀΔWᵢV_A in the bases of the stacked factors.
    Core,
}

/// The side along which updates are concatenated for KnOTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// [ΔW₁ … ΔWₙ] side by side: a basis U of the outputs is shared (the paper's choice).
    Columns,
    /// The same on the transposes: a basis of the inputs is shared.
    Rows,
}

/// The rule that drops singular directions: σ must exceed both bounds to stay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigmaCut {
    /// Bound on σ itself; the reference uses 1e-5.
    pub absolute: f64,
    /// Bound on σ as a share of the largest σ of the same matrix; 0 switches it off.
    pub relative: f64,
}

impl Default for SigmaCut {
    fn default() -> Self {
        Self { absolute: 1e-5, relative: 0.0 }
    }
}

/// DARE: keep each entry with probability 1 − `rate` and multiply it by 1/(1 − `rate`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DareDrop {
    /// The share of entries dropped, in (0, 1).
    pub rate: f64,
    /// Chooses the mask, together with task, matrix and coordinate.
    pub seed: u64,
}

/// TIES: keep the entries of largest magnitude of each task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trim {
    /// The share of entries kept, in (0, 1).
    pub density: f64,
    /// What the share is counted over.
    pub scope: TrimScope,
}

/// The entries that one trim threshold is found over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrimScope {
    /// All matrices of a task together, as KnOTS does.
    Model,
    /// Each matrix by itself, as mergekit, PEFT and Core Space do.
    Matrix,
}

/// What decides the sign that an entry of the merge takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elect {
    /// The sign of the sum over tasks.
    SumOfValues,
    /// The sign of the sum of the tasks' signs: one task, one vote. A tie is decided by the sign of the sum of the values.
    SumOfSigns,
}

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
}

impl Combine {
    /// Whether it works on a matrix as a whole rather than on single entries.
    pub fn is_matrix_wise(self) -> bool {
        match self {
            Self::Mean | Self::Sum | Self::Max => false,
            Self::Tsv | Self::IsoC | Self::IsoCts { .. } => true,
        }
    }
}

impl Recipe {
    /// The version of what these steps mean to this program: that of the last change in [`SEMANTICS`] that concerns them.
    pub fn current_semantics(&self) -> u32 {
        let of_election = match self.elect {
            Some(Elect::SumOfSigns) => 2,
            Some(Elect::SumOfValues) | None => 1,
        };
        let of_combination = match self.combine {
            Combine::Tsv => 2,
            Combine::Mean if !self.weights.is_empty() => 2,
            Combine::Mean | Combine::Sum | Combine::Max | Combine::IsoC | Combine::IsoCts { .. } => 1,
        };
        of_election.max(of_combination)
    }

    /// Whether this version of the program merges as was meant.
    ///
    /// # Errors
    /// The recipe is of another version of its semantics.
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        let ours = self.current_semantics();
        if self.semantics == ours {
            return Ok(());
        }
        Err(OtherSemantics { part: "recipe", job: self.semantics, ours })
    }

    /// The same steps at the version that they have now.
    fn at_current_semantics(self) -> Self {
        Self { semantics: self.current_semantics(), ..self }
    }

    /// The weight of `task`: 1 unless the recipe says otherwise.
    pub fn weight(&self, task: &str) -> f64 {
        self.weights.get(task).copied().unwrap_or(1.0)
    }

    /// The same recipe at another scaling coefficient.
    pub fn with_scaling(&self, scaling: f64) -> Self {
        Self { scaling, ..self.clone() }
    }

    /// Whether the merged update is exactly low-rank, and so can be written as an adapter.
    ///
    /// It is in every aligned space. In `full` space only linear recipes keep the rank.
    pub fn is_low_rank(&self) -> bool {
        self.space != Space::Full || self.is_linear()
    }

    /// Whether the merged update is a weighted sum of the updates (task arithmetic).
    pub fn is_linear(&self) -> bool {
        self.drop.is_none() && self.trim.is_none() && self.elect.is_none() && self.combine == Combine::Sum
    }
}

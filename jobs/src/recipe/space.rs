use super::choice::Choice;
use serde::{Deserialize, Serialize};

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
        /// Where σ is multiplied in.
        #[serde(default, skip_serializing_if = "Sigma::is_folded")]
        sigma: Sigma,
    },
    /// Core Space: U_BᵀΔWᵢV_A in the bases of the stacked factors, their left singular vectors.
    Core,
    /// The same in the bases that a QR decomposition of the stacked factors gives, in the order of the tasks.
    CoreQr,
    /// Bases in the geodesic middle of those of all tasks, of the rank of one adapter.
    CoreGeodesic,
    /// Compress-then-Merge: the tasks in two common bases of a given rank, which becomes that of the merge.
    Compressed {
        /// The rank, at least 1.
        rank: u64,
        /// β in [0, 1]: how much the size of an update counts in the choice of the bases; 0 counts all alike.
        balance: f64,
    },
    /// DC-Merge: updates with smoothed spectra in whitened bases of all tasks' directions.
    Dc {
        /// s in [0, 1] of the way from each spectrum to a smooth one.
        smoothing: f64,
        /// The smooth spectrum.
        rule: SmoothingRule,
        /// What of a merge stays.
        mask: Mask,
        /// The most singular directions that are taken of a task; 0 takes as many as have room.
        #[serde(default, skip_serializing_if = "is_zero")]
        cover_rank: u64,
    },
}

/// The smooth spectrum that DC-Merge moves towards; it has the sum of the singular values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmoothingRule {
    /// All values equal.
    #[default]
    Average,
    /// Values that fall as K : … : 2 : 1.
    Linear,
    /// The spectrum as it is. A recipe that is resolved says so by a smoothing of 0.
    None,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What stays of a matrix that was merged in the bases of DC-Merge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// The blocks of single tasks on the diagonal.
    #[default]
    Block,
    /// Everything.
    None,
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

/// Where the singular values of the joint decomposition go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sigma {
    /// Into the task matrices: Σ·Vᵢᵀ is merged (the KnOTS paper).
    #[default]
    Folded,
    /// Onto the merge: Vᵢᵀ is merged, and the result multiplied by Σ (the code of Core Space and of CtM).
    After,
}

impl Sigma {
    fn is_folded(&self) -> bool {
        *self == Self::Folded
    }
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

impl Space {
    /// How recipes write it.
    pub fn name(self) -> &'static str {
        self.word()
    }
}

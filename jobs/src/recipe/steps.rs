use serde::{Deserialize, Serialize};

/// DARE: keep each entry with probability 1 − `rate` and multiply it by 1/(1 − `rate`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DareDrop {
    /// The share of entries dropped, in (0, 1).
    pub rate: f64,
    /// Chooses the mask, together with task, matrix and coordinate.
    pub seed: u64,
    /// ε of DELLA: the smallest entry of a row is dropped at `rate` + ε, the largest at `rate` − ε.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spread: f64,
    /// What makes up for the dropped entries.
    #[serde(default, skip_serializing_if = "DropRescale::is_probability")]
    pub rescale: DropRescale,
}

/// What the entries that a drop keeps are multiplied with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropRescale {
    /// Each one with the inverse of its probability of being kept (DARE and the DELLA paper).
    #[default]
    Probability,
    /// All of a matrix with one number, so that the sum of magnitudes is what it was (mergekit).
    Sum,
    /// All of a matrix with one number, so that the norm is what it was.
    Norm,
    /// Nothing: they stay as they are.
    None,
}

impl DropRescale {
    fn is_probability(&self) -> bool {
        *self == Self::Probability
    }
}

/// What happens to the updates of the tasks before all other steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibrate {
    /// Pico: output directions that dominate in all tasks are damped.
    Pico,
}

impl DareDrop {
    /// DARE's drop, the same probability for every entry.
    pub const fn new(rate: f64, seed: u64) -> Self {
        Self { rate, seed, spread: 0.0, rescale: DropRescale::Probability }
    }
}

/// TIES: keep the entries of largest magnitude of each task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trim {
    /// The share of entries kept, in (0, 1).
    pub density: f64,
    /// What the share is counted over.
    pub scope: TrimScope,
    /// How the share becomes a number of entries.
    #[serde(default, skip_serializing_if = "TrimCount::is_usual")]
    pub count: TrimCount,
    /// The share of entries, the largest ones, that are left out as well (Model Breadcrumbs).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub outliers: f64,
    /// What makes up for the entries that are left out.
    #[serde(default, skip_serializing_if = "TrimRescale::is_none")]
    pub rescale: TrimRescale,
}

/// What the entries that a trim keeps are multiplied with: one number for each task and matrix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrimRescale {
    /// What brings the sum of magnitudes back to what it was (`rescale` of mergekit).
    Sum,
    /// What brings the norm back to what it was.
    Norm,
    /// Nothing: they stay as they are.
    #[default]
    None,
}

impl TrimRescale {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl Trim {
    /// TIES' trim with the usual count, which leaves out no outliers.
    pub const fn new(density: f64, scope: TrimScope) -> Self {
        Self { density, scope, count: TrimCount::FloorPlusOne, outliers: 0.0, rescale: TrimRescale::None }
    }

    /// Whether it keeps every entry.
    pub(super) fn is_idle(&self) -> bool {
        self.density >= 1.0
    }
}

/// How many entries a trim keeps of `d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrimCount {
    /// ⌊d·density⌋ + 1, as KnOTS, Core Space and CtM do.
    #[default]
    FloorPlusOne,
    /// ⌊d·density⌋, as PEFT, mergekit and merge-and-rebase do.
    Floor,
}

impl TrimCount {
    fn is_usual(&self) -> bool {
        *self == Self::FloorPlusOne
    }
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
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

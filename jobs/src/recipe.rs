mod choice;
mod combine;
mod error;
mod keys;
mod notes;
mod part_weight;
mod post;
mod preset;
mod resolve;
mod space;
mod spec;
mod steps;

pub use combine::{ArcOver, Combine, FisherNorm, Gram};
pub use error::RecipeError;
pub(crate) use error::suggest;
pub use keys::{BelongsTo, KeyKind, KeyValue, Range, RecipeKey, Stage};
pub(crate) use notes::push_new;
pub use part_weight::PartWeight;
pub use post::{Flatten, FlattenOver, Normalise, PostSteps};
pub(crate) use preset::KNOTS;
pub use preset::Preset;
pub use space::{Axis, Mask, Sigma, SigmaCut, SmoothingRule, Space};
pub use spec::RecipeSpec;
pub use steps::{Calibrate, DareDrop, DropRescale, Elect, Trim, TrimCount, TrimRescale, TrimScope};

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
/// | 3 | the first of `gram_merge`, `cart`, `core_qr`, `core_geodesic`, `compressed`, `dc`, `sigma: after`, `trim_count: floor`, `outliers` and the steps after a combination; of `slerp`, `nuslerp`, `karcher`, `model_stock`, `pcb`, `sce`, `lego`, `robust_merge`, `average`, `drop_spread`, `drop_rescale`, `trim_rescale` and `calibrate`; of `fisher` |
pub const SEMANTICS: u32 = 3;

/// Everything that defines a merge: a space and the steps that happen in it.
///
/// The order is fixed: calibrate, drop, trim, weights, elect, combine, the steps after it ([`PostSteps`]), scaling. A recipe is
/// canonical: two that mean the same compare equal, so that they share a job id. It comes from a [`RecipeSpec`] and
/// holds no value out of range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The version of the meaning of the parts below: [`current_semantics`](Self::current_semantics) when it was made.
    pub semantics: u32,
    /// Where the entries live that the steps work on.
    pub space: Space,
    /// The calibration of the tasks' updates, before anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrate: Option<Calibrate>,
    /// DARE's random drop.
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
    /// What happens to the merged matrices.
    #[serde(default, skip_serializing_if = "PostSteps::is_empty")]
    pub post: PostSteps,
    /// The scaling coefficient λ ≥ 0; the merged update is linear in it.
    pub scaling: f64,
    /// Factors on single tasks' updates, by task name, applied after the trim and before the
    /// election; tasks not named have weight 1, and a weight of exactly 1 is not listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
    /// Factors on parts of single tasks' updates, by task name and then by the number of a layer or the name of a module, on
    /// top of `weights`; what is not named has 1. Only task arithmetic has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layer_weights: BTreeMap<String, BTreeMap<String, PartWeight>>,
}

/// The relative residual of a solved system above which its solution is noise. Merges are kept in `f32`, whose rounding is
/// 6e-8 of a number: a larger residual comes from the system, and not from how the merge is kept.
pub const RESIDUAL_LIMIT: f64 = 1e-6;

/// The number of the layer that a module lies in: what comes after `layers.` in its name.
///
/// ```
/// assert_eq!(jobs::layer_of("model.layers.11.self_attn.q_proj"), Some(11));
/// assert_eq!(jobs::layer_of("visual_projection"), None);
/// ```
pub fn layer_of(module: &str) -> Option<usize> {
    let (_, after) = module.split_once("layers.")?;
    after.split('.').next()?.parse().ok()
}

impl Recipe {
    /// The version of what these steps mean to this program: that of the last change in [`SEMANTICS`] that concerns them.
    pub fn current_semantics(&self) -> u32 {
        let of_election = match self.elect {
            Some(Elect::SumOfSigns) => 2,
            Some(Elect::SumOfValues) | None => 1,
        };
        let of_combination = match self.combine {
            Combine::GramMerge { .. } | Combine::Cart { .. } => 3,
            Combine::Slerp { .. } | Combine::Nuslerp { .. } | Combine::Karcher { .. } | Combine::ModelStock => 3,
            Combine::Pcb { .. } | Combine::Sce { .. } | Combine::Lego { .. } | Combine::RobustMerge { .. } => 3,
            Combine::Average | Combine::Fisher { .. } => 3,
            Combine::Tsv => 2,
            Combine::Mean if !self.weights.is_empty() => 2,
            Combine::Mean | Combine::Sum | Combine::Max | Combine::IsoC | Combine::IsoCts { .. } => 1,
        };
        let of_space = match self.space {
            Space::CoreQr
            | Space::CoreGeodesic
            | Space::Knots { sigma: Sigma::After, .. }
            | Space::Compressed { .. }
            | Space::Dc { .. } => 3,
            Space::Full | Space::Knots { sigma: Sigma::Folded, .. } | Space::Core => 1,
        };
        let of_trim = match self.trim {
            Some(Trim { count: TrimCount::Floor, .. }) => 3,
            Some(Trim { outliers, rescale, .. }) if outliers > 0.0 || rescale != TrimRescale::None => 3,
            Some(_) | None => 1,
        };
        let of_post = if self.post.is_empty() { 1 } else { 3 };
        let of_drop = match self.drop {
            Some(DareDrop { spread, rescale, .. }) if spread > 0.0 || rescale != DropRescale::Probability => 3,
            Some(_) | None => 1,
        };
        let of_calibration = if self.calibrate.is_none() { 1 } else { 3 };
        [of_election, of_combination, of_space, of_trim, of_post, of_drop, of_calibration]
            .into_iter()
            .max()
            .unwrap_or(SEMANTICS)
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

    /// The weight of `task` on a module: that of the task, times that of the module, or else of its layer, if there is one.
    /// Weights of single directions come on top.
    pub fn weight_on(&self, task: &str, module: &str) -> f64 {
        let part = match self.part_weight(task, module) {
            Some(PartWeight::Whole(weight)) => *weight,
            Some(PartWeight::Directions(_)) | None => 1.0,
        };
        self.weight(task) * part
    }

    /// The weights of the single directions of a module of `task`, on top of [`weight_on`](Self::weight_on).
    pub fn direction_weights(&self, task: &str, module: &str) -> Option<&[f64]> {
        match self.part_weight(task, module)? {
            PartWeight::Directions(weights) => Some(weights),
            PartWeight::Whole(_) => None,
        }
    }

    fn part_weight(&self, task: &str, module: &str) -> Option<&PartWeight> {
        let parts = self.layer_weights.get(task)?;
        parts.get(module).or_else(|| parts.get(&layer_of(module)?.to_string()))
    }

    /// The condition number of the matrices that the recipe inverts above which rounding decides a part of the merge; `None` if
    /// it inverts nothing.
    ///
    /// Inputs of modules are measured in `f32`, so that their Gram matrices have relative errors of about 6e-8: above 1e5, less
    /// than two digits of a merge stay. Gram matrices of the updates are made and solved in `f64`.
    pub fn condition_limit(&self) -> Option<f64> {
        let Combine::GramMerge { gram, .. } = self.combine else { return None };
        Some(match gram {
            Gram::Inputs { .. } | Gram::MergedInputs { .. } => 1e5,
            Gram::Update | Gram::UpdateNormalised => 1e12,
        })
    }

    /// Whether it merges by what jobs of the kind `statistics` make of examples of the tasks.
    pub fn merges_by_data(&self) -> bool {
        self.statistics().is_some() || self.layerwise().is_some()
    }

    /// The same recipe for the adapters of these tasks alone: without the weights of others.
    pub fn for_tasks(&self, tasks: &[String]) -> Self {
        let mut recipe = self.clone();
        recipe.weights.retain(|task, _| tasks.contains(task));
        recipe.layer_weights.retain(|task, _| tasks.contains(task));
        recipe
    }

    /// The same recipe at another scaling coefficient.
    pub fn with_scaling(&self, scaling: f64) -> Self {
        Self { scaling, ..self.clone() }
    }

    /// The space that adapters are aligned in for the recipe.
    ///
    /// It is that of the recipe, except for steps on whole matrices in `full`: these give the same merge in the core
    /// space, without a matrix of the size of a weight.
    pub fn alignment(&self) -> Space {
        if self.space == Space::Full && self.is_equivariant() { Space::Core } else { self.space }
    }

    /// Whether the merged update is exactly low-rank, and so can be written as an adapter.
    ///
    /// It is in every aligned space. In `full` space only recipes that are linear or work on factors keep the rank, and
    /// those that truncate it.
    pub fn is_low_rank(&self) -> bool {
        let merges_by_inputs = matches!(self.combine, Combine::GramMerge { gram, .. } if gram.is_of_inputs());
        let keeps_factors = self.is_linear() || self.combine.is_factor_wise() || merges_by_inputs;
        self.alignment() != Space::Full || keeps_factors || self.post.output_rank.is_some()
    }

    /// Whether the merged update is a weighted sum of the updates (task arithmetic).
    pub fn is_linear(&self) -> bool {
        self.is_sum() && self.calibrate.is_none() && self.post.is_empty()
    }

    /// Whether single parts and directions of the tasks' updates can have weights: in task arithmetic of the updates
    /// themselves, whose directions are those of the adapters, and in `knots`, whose directions all tasks share.
    pub fn takes_part_weights(&self) -> bool {
        let has_directions = match self.space {
            Space::Full | Space::Knots { axis: Axis::Columns, sigma: Sigma::Folded, .. } => true,
            Space::Knots { .. }
            | Space::Core
            | Space::CoreQr
            | Space::CoreGeodesic
            | Space::Compressed { .. }
            | Space::Dc { .. } => false,
        };
        has_directions && self.is_linear() && self.combine == Combine::Sum
    }

    /// Whether the matrices are added up, entry by entry.
    fn is_sum(&self) -> bool {
        let adds_up = matches!(self.combine, Combine::Sum | Combine::Average);
        !self.looks_at_entries() && self.elect.is_none() && adds_up
    }

    /// Whether single entries are dropped or trimmed.
    fn looks_at_entries(&self) -> bool {
        self.drop.is_some() || self.trim.is_some()
    }

    /// Whether the steps work on matrices as a whole, so that any orthonormal bases give the same merge.
    ///
    /// Task arithmetic by itself is not counted: in `full` it keeps the adapters' factors.
    fn is_equivariant(&self) -> bool {
        if self.merges_by_data() {
            return false;
        }
        let is_matrix_wise = self.combine.is_matrix_wise() && !self.looks_at_entries();
        is_matrix_wise || self.is_sum() && (self.calibrate.is_some() || !self.post.is_empty())
    }

    /// Whether a step depends on how many directions the space has room for.
    fn counts_directions(&self) -> bool {
        self.combine.counts_directions() || self.post.counts_directions()
    }
}

mod value;

use super::{PartWeight, Recipe, RecipeError, keys::RecipeKey};
use crate::nearest::nearest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A recipe as people write it: flat keys over a preset, every one of them a possible parameter.
///
/// `{preset: knots_ties, density: 0.3, scaling: 0.6}` takes the preset's steps and changes two of
/// them; without `preset` the start is `{space: full, combine: sum}` at λ = 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeSpec {
    /// The name of a [`Preset`](super::Preset), or an old name of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The word of a [`Space`](super::Space).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// `columns` or `rows`; only with `space: knots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<String>,
    /// σ must exceed this to stay; only with `space: knots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_cut: Option<f64>,
    /// σ must exceed this share of the largest to stay; only with `space: knots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_cut_relative: Option<f64>,
    /// `folded` or `after`; only with `space: knots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<String>,
    /// The rank of the common bases, a whole number ≥ 1; only with `space: compressed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<f64>,
    /// β in [0, 1]: how much the size of an update counts in the bases; only with `space: compressed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<f64>,
    /// s in [0, 1] of the way to a smooth spectrum; only with `space: dc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothing: Option<f64>,
    /// `average`, `linear` or `none`; only with `space: dc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothing_rule: Option<String>,
    /// `block` or `none`; only with `space: dc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// The most directions that are taken of a task, a whole number; 0 is no limit; only with `space: dc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_rank: Option<f64>,
    /// `pico` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrate: Option<String>,
    /// DARE's drop rate in [0, 1); 0 drops nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_rate: Option<f64>,
    /// The seed of DARE's mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How much more often the smallest entry of a row is dropped, in [0, 1); 0 treats all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_spread: Option<f64>,
    /// `probability`, `sum`, `norm` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_rescale: Option<String>,
    /// The share of entries kept by the trim, in (0, 1]; 1 keeps them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<f64>,
    /// `model` or `matrix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim_scope: Option<String>,
    /// `floor_plus_one` or `floor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim_count: Option<String>,
    /// The share of entries, the largest, that the trim leaves out as well, in [0, 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outliers: Option<f64>,
    /// `sum`, `norm` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim_rescale: Option<String>,
    /// `sum_of_values`, `sum_of_signs` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elect: Option<String>,
    /// The word of a [`Combine`](super::Combine).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combine: Option<String>,
    /// The share of common directions, in (0, 1]; only with `combine: iso_cts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_share: Option<f64>,
    /// `update`, `update_normalised` or `inputs`; only with `combine: gram_merge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gram: Option<String>,
    /// How many examples statistics are measured on, a whole number; only with `gram: inputs` and `combine: fisher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<f64>,
    /// The factor of the entries off the diagonal, in [0, 1]; only with `gram: inputs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_diagonal: Option<f64>,
    /// ρ ≥ 0, added to the diagonal of the sum of Gram matrices; only with `combine: gram_merge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ridge: Option<f64>,
    /// The share of directions kept of each difference to the mean, in (0, 1]; only with `combine: cart`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank_share: Option<f64>,
    /// The factor of the differences to the mean; only with `combine: cart`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual_scale: Option<f64>,
    /// The share of the way from the first to the second task, in [0, 1]; only with `combine: slerp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<f64>,
    /// `matrix`, `rows` or `columns`; only with `combine: nuslerp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arc_over: Option<String>,
    /// The longest step in radians that ends the iteration; only with `combine: karcher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// The number of steps after which it ends in any case, a whole number above 0; only with `combine: karcher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_iterations: Option<f64>,
    /// The share of magnitudes that is clamped at the lower end, in [0, 0.5); only with `combine: pcb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp: Option<f64>,
    /// The share that is clamped at the upper end, in [0, 0.5); that of `clamp` if nothing is said; only with `combine: pcb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clamp_high: Option<f64>,
    /// The share of entries with the highest scores, in (0, 1]; only with `combine: pcb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_share: Option<f64>,
    /// The share of entries selected by their variance, in (0, 1]; only with `combine: sce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<f64>,
    /// The rank of the merge, a whole number above 0; only with `combine: lego`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_rank: Option<f64>,
    /// The seed of the groups; only with `combine: lego`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_seed: Option<u64>,
    /// The share of entries of each factor that stays, in (0, 1]; only with `combine: robust_merge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor_density: Option<f64>,
    /// The share of directions with a scale of their own, in (0, 1]; only with `combine: robust_merge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct_share: Option<f64>,
    /// Added to the Fisher information of every entry, above 0; only with `combine: fisher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fisher_floor: Option<f64>,
    /// `none` or `model`; only with `combine: fisher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fisher_norm: Option<String>,
    /// α of the calibration of the spectrum; 0 calibrates nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrate_spectrum: Option<f64>,
    /// β in [0, 1] of the way to the mean singular value; 0 changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flatten: Option<f64>,
    /// `kept` or `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flatten_over: Option<String>,
    /// The largest rank of a merged matrix, a whole number; 0 truncates nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_rank: Option<f64>,
    /// `mean_norm` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalise: Option<String>,
    /// The scaling coefficient λ ≥ 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<f64>,
    /// Factors on single tasks' updates, by task name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
    /// Factors on parts of single tasks' updates, by task name and then by the number of a layer or the name of a module.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layer_weights: BTreeMap<String, BTreeMap<String, PartWeight>>,
}

impl From<&Recipe> for RecipeSpec {
    /// The recipe with every key said, so that it reads back as the same recipe whatever presets come to mean.
    fn from(recipe: &Recipe) -> Self {
        let mut spec = Self::default();
        let mut recipe = recipe.clone();
        for key in RecipeKey::ALL {
            key.write(&mut recipe, &mut spec);
        }
        spec.forget_usual();
        spec
    }
}

impl RecipeSpec {
    /// Leaves out what every recipe was before it could be said, so that recipes of older programs are written as they
    /// were.
    fn forget_usual(&mut self) {
        let words = [
            (&mut self.sigma, "folded"),
            (&mut self.trim_count, "floor_plus_one"),
            (&mut self.drop_rescale, "probability"),
            (&mut self.calibrate, "none"),
            (&mut self.normalise, "none"),
            (&mut self.trim_rescale, "none"),
        ];
        for (word, usual) in words {
            *word = word.take().filter(|word| word != usual);
        }
        for number in [&mut self.outliers, &mut self.drop_spread] {
            *number = number.filter(|number| *number > 0.0);
        }
    }

    /// Sets one key, as a parameter of a search does. `weights.<task>` sets the weight of a task, and
    /// `layer_weights.<task>.<layer>` that of one of its layers, which is a number.
    ///
    /// # Errors
    /// [`RecipeError::UnknownKey`] and [`RecipeError::WrongType`]; ranges are checked by [`resolve`](Self::resolve).
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), RecipeError> {
        let Some(key) = RecipeKey::of(name) else {
            let nearest = nearest(name, RecipeKey::ALL.iter().map(RecipeKey::name));
            return Err(RecipeError::UnknownKey { key: name.to_owned(), nearest });
        };
        key.set(self, name, value)
    }

    /// The numbers that are written, weights of tasks as `weights.<task>`.
    pub fn numbers(&self) -> BTreeMap<String, f64> {
        let mut numbers = BTreeMap::new();
        for key in RecipeKey::ALL {
            key.add_numbers(self, &mut numbers);
        }
        numbers
    }
}

#[cfg(test)]
mod tests;

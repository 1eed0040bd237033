use super::{
    Axis, Combine, Drop, Elect, Preset, Recipe, RecipeError, SEMANTICS, SigmaCut, Space, Trim, TrimScope,
    preset::{Alias, COMMON_SHARE},
};
use crate::nearest::nearest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

/// A recipe as people write it: flat keys over a preset, every one of them a possible parameter.
///
/// `{preset: knots_ties, density: 0.3, scaling: 0.6}` takes the preset's steps and changes two of
/// them; without `preset` the start is `{space: full, combine: sum}` at λ = 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeSpec {
    /// The name of a [`Preset`], or an old name of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// `full`, `knots` or `core`.
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
    /// DARE's drop rate in [0, 1); 0 drops nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_rate: Option<f64>,
    /// The seed of DARE's mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The share of entries kept by the trim, in (0, 1]; 1 keeps them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<f64>,
    /// `model` or `matrix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim_scope: Option<String>,
    /// `sum_of_values`, `sum_of_signs` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elect: Option<String>,
    /// `mean`, `sum`, `max`, `tsv`, `iso_c` or `iso_cts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combine: Option<String>,
    /// The share of common directions, in (0, 1]; only with `combine: iso_cts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_share: Option<f64>,
    /// The scaling coefficient λ ≥ 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<f64>,
    /// Factors on single tasks' updates, by task name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
}

impl From<&Recipe> for RecipeSpec {
    /// The recipe with every key said, so that it reads back as the same recipe whatever presets come to mean.
    fn from(recipe: &Recipe) -> Self {
        let (space, axis, cut) = match recipe.space {
            Space::Full => ("full", None, None),
            Space::Core => ("core", None, None),
            Space::Knots { axis: Axis::Columns, cut } => ("knots", Some("columns"), Some(cut)),
            Space::Knots { axis: Axis::Rows, cut } => ("knots", Some("rows"), Some(cut)),
        };
        let (combine, common_share) = match recipe.combine {
            Combine::Mean => ("mean", None),
            Combine::Sum => ("sum", None),
            Combine::Max => ("max", None),
            Combine::Tsv => ("tsv", None),
            Combine::IsoC => ("iso_c", None),
            Combine::IsoCts { common_share } => ("iso_cts", Some(common_share)),
        };
        let elect = match recipe.elect {
            Some(Elect::SumOfValues) => "sum_of_values",
            Some(Elect::SumOfSigns) => "sum_of_signs",
            None => "none",
        };
        let scope = |trim: Trim| if trim.scope == TrimScope::Model { "model" } else { "matrix" };
        Self {
            preset: None,
            space: Some(space.to_owned()),
            axis: axis.map(str::to_owned),
            sigma_cut: cut.map(|cut| cut.absolute),
            sigma_cut_relative: cut.map(|cut| cut.relative),
            drop_rate: recipe.drop.map(|drop| drop.rate),
            seed: recipe.drop.map(|drop| drop.seed),
            density: recipe.trim.map(|trim| trim.density),
            trim_scope: recipe.trim.map(|trim| scope(trim).to_owned()),
            elect: Some(elect.to_owned()),
            combine: Some(combine.to_owned()),
            common_share,
            scaling: Some(recipe.scaling),
            weights: recipe.weights.clone(),
        }
    }
}

impl RecipeSpec {
    /// The keys that a parameter may set; `weights.<task>` comes on top.
    pub const KEYS: [&'static str; 14] = [
        "preset",
        "space",
        "axis",
        "sigma_cut",
        "sigma_cut_relative",
        "drop_rate",
        "seed",
        "density",
        "trim_scope",
        "elect",
        "combine",
        "common_share",
        "scaling",
        "weights",
    ];

    /// Sets one key, as a parameter of a search does. `weights.<task>` sets the weight of a task.
    ///
    /// # Errors
    /// [`RecipeError::UnknownKey`] and [`RecipeError::WrongType`]; ranges are checked by [`resolve`](Self::resolve).
    pub fn set(&mut self, key: &str, value: &Value) -> Result<(), RecipeError> {
        if let Some(task) = key.strip_prefix("weights.") {
            self.weights.insert(task.to_owned(), typed(key, value, "a number")?);
            return Ok(());
        }
        match key {
            "preset" => self.preset = Some(typed(key, value, "a word")?),
            "space" => self.space = Some(typed(key, value, "a word")?),
            "axis" => self.axis = Some(typed(key, value, "a word")?),
            "sigma_cut" => self.sigma_cut = Some(typed(key, value, "a number")?),
            "sigma_cut_relative" => self.sigma_cut_relative = Some(typed(key, value, "a number")?),
            "drop_rate" => self.drop_rate = Some(typed(key, value, "a number")?),
            "seed" => self.seed = Some(typed(key, value, "a whole number")?),
            "density" => self.density = Some(typed(key, value, "a number")?),
            "trim_scope" => self.trim_scope = Some(typed(key, value, "a word")?),
            "elect" => self.elect = Some(typed(key, value, "a word")?),
            "combine" => self.combine = Some(typed(key, value, "a word")?),
            "common_share" => self.common_share = Some(typed(key, value, "a number")?),
            "scaling" => self.scaling = Some(typed(key, value, "a number")?),
            "weights" => self.weights = typed(key, value, "a map from task to number")?,
            _ => {
                let nearest = nearest(key, Self::KEYS);
                return Err(RecipeError::UnknownKey { key: key.to_owned(), nearest });
            }
        }
        Ok(())
    }

    /// The canonical [`Recipe`] that this describes.
    ///
    /// # Errors
    /// A number out of range, an unknown word, a key without effect, steps that contradict each other.
    pub fn resolve(&self) -> Result<Recipe, RecipeError> {
        Ok(self.as_written()?.canonical().at_current_semantics())
    }

    /// The recipe in the space that is written.
    pub(super) fn as_written(&self) -> Result<Recipe, RecipeError> {
        let start = self.start()?;
        let space = self.space(start.space)?;
        let combine = self.combine(start.combine)?;
        let recipe = Recipe {
            semantics: SEMANTICS,
            space,
            drop: self.drop(start.drop)?,
            trim: self.trim(start.trim, space)?,
            elect: self.elect(start.elect, combine)?,
            combine,
            scaling: checked("scaling", self.scaling.unwrap_or(start.scaling), |λ| λ >= 0.0, "[0, ∞)")?,
            weights: self.weights()?,
        };
        consistent(&recipe)?;
        Ok(recipe)
    }

    fn start(&self) -> Result<Recipe, RecipeError> {
        let Some(name) = &self.preset else { return Ok(Preset::TaskArithmetic.recipe()) };
        if let Some(Alias { preset, space, .. }) = Alias::named(name) {
            return Ok(Recipe { space, ..preset.recipe() });
        }
        let unknown = || {
            let valid = Preset::ALL.map(Preset::name);
            RecipeError::UnknownWord {
                key: "preset".to_owned(),
                value: name.clone(),
                valid: valid.to_vec(),
                nearest: nearest(name, valid),
            }
        };
        name.parse::<Preset>().map(Preset::recipe).map_err(|()| unknown())
    }

    fn space(&self, start: Space) -> Result<Space, RecipeError> {
        let knots = Space::Knots { axis: Axis::Columns, cut: SigmaCut::default() };
        let mut space = match &self.space {
            None => start,
            Some(name) => word("space", name, &[("full", Space::Full), ("knots", knots), ("core", Space::Core)])?,
        };
        let only_knots = |key: &str, is_set: bool| match is_set && !matches!(space, Space::Knots { .. }) {
            true => Err(RecipeError::NoEffect { key: key.to_owned(), because: "outside the `knots` space" }),
            false => Ok(()),
        };
        only_knots("axis", self.axis.is_some())?;
        only_knots("sigma_cut", self.sigma_cut.is_some())?;
        only_knots("sigma_cut_relative", self.sigma_cut_relative.is_some())?;
        if let Space::Knots { axis, cut } = &mut space {
            if let Some(name) = &self.axis {
                *axis = word("axis", name, &[("columns", Axis::Columns), ("rows", Axis::Rows)])?;
            }
            if let Some(absolute) = self.sigma_cut {
                cut.absolute = checked("sigma_cut", absolute, |cut| cut >= 0.0, "[0, ∞)")?;
            }
            if let Some(relative) = self.sigma_cut_relative {
                cut.relative = checked("sigma_cut_relative", relative, |cut| (0.0..1.0).contains(&cut), "[0, 1)")?;
            }
        }
        Ok(space)
    }

    fn drop(&self, start: Option<Drop>) -> Result<Option<Drop>, RecipeError> {
        let rate = self.drop_rate.or(start.map(|drop| drop.rate)).unwrap_or(0.0);
        let rate = checked("drop_rate", rate, |rate| (0.0..1.0).contains(&rate), "[0, 1)")?;
        let seed = self.seed.or(start.map(|drop| drop.seed)).unwrap_or(0);
        Ok((rate > 0.0).then_some(Drop { rate, seed }))
    }

    fn trim(&self, start: Option<Trim>, space: Space) -> Result<Option<Trim>, RecipeError> {
        let density = self.density.or(start.map(|trim| trim.density)).unwrap_or(1.0);
        let density = checked("density", density, |density| density > 0.0 && density <= 1.0, "(0, 1]")?;
        let scope = match (&self.trim_scope, start, space) {
            (Some(name), ..) => {
                word("trim_scope", name, &[("model", TrimScope::Model), ("matrix", TrimScope::Matrix)])?
            }
            (None, Some(trim), _) => trim.scope,
            (None, None, Space::Core) => TrimScope::Matrix,
            (None, None, _) => TrimScope::Model,
        };
        Ok((density < 1.0).then_some(Trim { density, scope }))
    }

    fn elect(&self, start: Option<Elect>, combine: Combine) -> Result<Option<Elect>, RecipeError> {
        let Some(name) = &self.elect else {
            // A preset's election belongs to its own entry-wise step, not to one that replaces it.
            return Ok(start.filter(|_| !combine.is_matrix_wise()));
        };
        let known =
            [("sum_of_values", Some(Elect::SumOfValues)), ("sum_of_signs", Some(Elect::SumOfSigns)), ("none", None)];
        word("elect", name, &known)
    }

    fn combine(&self, start: Combine) -> Result<Combine, RecipeError> {
        let mut combine = match &self.combine {
            None => start,
            Some(name) => {
                let known = [
                    ("mean", Combine::Mean),
                    ("sum", Combine::Sum),
                    ("max", Combine::Max),
                    ("tsv", Combine::Tsv),
                    ("iso_c", Combine::IsoC),
                    ("iso_cts", Combine::IsoCts { common_share: COMMON_SHARE }),
                ];
                word("combine", name, &known)?
            }
        };
        match (&mut combine, self.common_share) {
            (_, None) => {}
            (Combine::IsoCts { common_share }, Some(share)) => {
                *common_share = checked("common_share", share, |share| share > 0.0 && share <= 1.0, "(0, 1]")?;
            }
            (_, Some(_)) => {
                let because = "without `combine: iso_cts`";
                return Err(RecipeError::NoEffect { key: "common_share".to_owned(), because });
            }
        }
        Ok(combine)
    }

    fn weights(&self) -> Result<BTreeMap<String, f64>, RecipeError> {
        let checked = self.weights.iter().map(|(task, &weight)| {
            // Entries are multiplied in 32 bits.
            let is_finite = |weight: f64| weight.abs() <= f64::from(f32::MAX);
            let weight = checked(&format!("weights.{task}"), weight, is_finite, "the finite 32-bit numbers")?;
            Ok((task.clone(), weight))
        });
        // Weight 1 is the same as no weight: leave it out, so that both have one id.
        checked.filter(|entry| !matches!(entry, Ok((_, weight)) if weight.to_bits() == 1.0f64.to_bits())).collect()
    }
}

impl Recipe {
    /// The same merge in the one space that recipes which mean it share.
    ///
    /// `tsv`, `iso_c` and `iso_cts` use singular directions alone, and the bases of `knots` and `core` are orthonormal, so
    /// both spaces give one merge. Not so after a drop or a trim, which look at entries, and not where a larger cut than
    /// the usual one leaves directions out. On transposes `iso_cts` takes residuals on the other side, which is another merge.
    fn canonical(self) -> Self {
        let Space::Knots { axis, cut } = self.space else { return self };
        let is_entry_wise = !self.combine.is_matrix_wise() || self.drop.is_some() || self.trim.is_some();
        let is_one_sided = axis == Axis::Rows && matches!(self.combine, Combine::IsoCts { .. });
        if is_entry_wise || is_one_sided || !cut.is_usual() { self } else { Self { space: Space::Core, ..self } }
    }
}

impl SigmaCut {
    /// Whether it leaves out no more than the cut that one gets without asking.
    fn is_usual(self) -> bool {
        self.absolute <= Self::default().absolute && self.relative <= Self::default().relative
    }
}

fn consistent(recipe: &Recipe) -> Result<(), RecipeError> {
    if !recipe.combine.is_matrix_wise() {
        return Ok(());
    }
    if recipe.space == Space::Full {
        return Err(RecipeError::Contradiction(
            "`tsv`, `iso_c` and `iso_cts` need `space: core` or `space: knots`: in the full space most singular \
             directions of a low-rank update are arbitrary",
        ));
    }
    if recipe.elect.is_some() {
        return Err(RecipeError::Contradiction(
            "`elect` chooses signs entry by entry, and `tsv`, `iso_c` and `iso_cts` work on whole matrices",
        ));
    }
    Ok(())
}

fn checked(key: &str, value: f64, holds: impl Fn(f64) -> bool, range: &'static str) -> Result<f64, RecipeError> {
    match value.is_finite() && holds(value) {
        // -0.0 means 0 and must not be written as another number.
        true => Ok(value + 0.0),
        false => Err(RecipeError::OutOfRange { key: key.to_owned(), value, range }),
    }
}

fn word<T: Copy>(key: &str, name: &str, known: &[(&'static str, T)]) -> Result<T, RecipeError> {
    let found = known.iter().find(|(word, _)| *word == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let valid: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        let nearest = nearest(name, valid.iter().copied());
        RecipeError::UnknownWord { key: key.to_owned(), value: name.to_owned(), valid, nearest }
    })
}

fn typed<T: DeserializeOwned>(key: &str, value: &Value, expected: &'static str) -> Result<T, RecipeError> {
    let wrong = |_| RecipeError::WrongType { key: key.to_owned(), value: value.to_string(), expected };
    serde_json::from_value(value.clone()).map_err(wrong)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod tests;

use super::{
    batched::Batches,
    bracket::Bracket,
    error::{StrategyError, combination, resolve},
};
use jobs::{Parameter, Preset, Recipe, RecipeSpec, Search};
use serde_json::Value;

/// The number of presets that are refined.
const REFINED: usize = 3;

/// Every preset once, and then the best three of them refined.
///
/// 1. The presets in the listed order, each at its own values and [`Preset::first_scaling`], all in one batch. Of presets whose
///    first points are the same merge, the first one alone is tried.
/// 2. The three best, the first ones among equals, are each refined by a [`Bracket`] over [`Preset::refined_beside`], from their first
///    point on. The three searches go side by side, and a batch has the next points of all of them.
#[derive(Debug, Clone)]
pub(super) struct Portfolio {
    search: String,
    presets: Vec<TriedPreset>,
    stage: Stage,
}

/// A preset with its first point.
#[derive(Debug, Clone)]
struct TriedPreset {
    spec: RecipeSpec,
    recipe: Recipe,
    /// What a refinement varies.
    refined: Vec<Parameter>,
}

#[derive(Debug, Clone)]
enum Stage {
    Presets,
    Refining(Vec<Refinement>),
}

/// The refinement of a preset.
#[derive(Debug, Clone)]
struct Refinement {
    bracket: Bracket,
    /// The number of points that it has asked for in the last batch.
    asked: usize,
}

impl Portfolio {
    /// The portfolio of the presets that `search` lists as its parameter.
    pub(super) fn of(search: &Search) -> Result<Self, StrategyError> {
        let listed = search.parameters.iter().filter(|parameter| parameter.key == "preset");
        let names = listed.filter_map(|parameter: &Parameter| parameter.values.listed()).flatten();
        let mut presets: Vec<TriedPreset> = Vec::new();
        for name in names {
            let tried = tried(search, name)?;
            if presets.iter().all(|earlier| earlier.recipe != tried.recipe) {
                presets.push(tried);
            }
        }
        Ok(Self { search: search.name.clone(), presets, stage: Stage::Presets })
    }

    /// The refinements of the best presets.
    fn refinements(&self, gains: &[Option<f64>]) -> Result<Vec<Refinement>, StrategyError> {
        let with_gain = |(tried, gain): (TriedPreset, &Option<f64>)| Some(RankedPreset { tried, gain: (*gain)? });
        let mut ranked: Vec<RankedPreset> = self.presets.iter().cloned().zip(gains).filter_map(with_gain).collect();
        // The sort is stable: the first of equal presets stays first.
        ranked.sort_by(|one, other| other.gain.total_cmp(&one.gain));
        ranked.truncate(REFINED);
        let refinement = |RankedPreset { tried: TriedPreset { spec, refined, .. }, gain }| {
            let name = self.search.clone();
            let search = Search { name, recipe: spec, parameters: refined, trials: None, replicates: None };
            Ok(Refinement { bracket: Bracket::from_point(&search, gain)?, asked: 0 })
        };
        ranked.into_iter().map(refinement).collect()
    }
}

/// A preset with the value of its first point.
struct RankedPreset {
    tried: TriedPreset,
    gain: f64,
}

/// The first point of the preset with this name, or former name.
fn tried(search: &Search, name: &Value) -> Result<TriedPreset, StrategyError> {
    let mut spec = search.recipe.clone();
    spec.set("preset", name).map_err(|source| combination(&search.name, &spec, source))?;
    let name = name.as_str().unwrap_or_default();
    let unknown = |()| StrategyError::Preset { search: search.name.clone(), preset: name.to_owned() };
    let preset: Preset = name.parse().map_err(unknown)?;
    spec.scaling = Some(preset.first_scaling());
    let recipe = resolve(&search.name, &spec)?;
    Ok(TriedPreset { spec, recipe, refined: preset.refined_beside(&search.recipe) })
}

impl Batches for Portfolio {
    fn ask(&mut self) -> Result<Vec<RecipeSpec>, StrategyError> {
        match &mut self.stage {
            Stage::Presets => Ok(self.presets.iter().map(|tried| tried.spec.clone()).collect()),
            Stage::Refining(refinements) => {
                let mut batch = Vec::new();
                for Refinement { bracket, asked } in refinements {
                    let points = bracket.ask()?;
                    *asked = points.len();
                    batch.extend(points);
                }
                Ok(batch)
            }
        }
    }

    fn tell(&mut self, gains: &[Option<f64>]) -> Result<(), StrategyError> {
        match &mut self.stage {
            Stage::Presets => self.stage = Stage::Refining(self.refinements(gains)?),
            Stage::Refining(refinements) => {
                let mut rest = gains;
                for Refinement { bracket, asked } in refinements {
                    let (own, others) = rest.split_at(*asked);
                    bracket.tell(own)?;
                    rest = others;
                }
            }
        }
        Ok(())
    }

    fn bound(&self) -> u64 {
        let most = self.presets.iter().map(|tried| tried.refined.len()).max().unwrap_or(0);
        (self.presets.len() + self.presets.len().min(REFINED) * most * Bracket::MOST_POINTS) as u64
    }
}

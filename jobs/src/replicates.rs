use crate::{KeyKind, Recipe, RecipeKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Several seeds with which each recipe of a search, or a fixed recipe, is evaluated.
///
/// In documents and in sweep files it is a map with one key, such as `{seed: 5}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<String, u32>", try_from = "BTreeMap<String, u32>")]
pub struct Replicates {
    /// The recipe key of the seed.
    pub key: String,
    /// The number of seeds: that of the recipe, and those that follow it.
    pub count: u32,
}

/// Why a map names no replicates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicatesError {
    /// There is no key, or there are several.
    #[error("needs one key, the recipe's seed: `{{seed: 5}}`")]
    Keys,
    /// The key is no seed.
    #[error("has the key `{0}`, which is no seed of a recipe; use one of {seeds}", seeds = seeds())]
    NoSeed(String),
    /// The number of seeds.
    #[error("has {0} seeds, expected 2 to {most}", most = Replicates::MOST)]
    Count(u32),
}

impl Replicates {
    /// The most seeds of one recipe.
    pub const MOST: u32 = 1000;

    /// The recipe with each of the seeds, its own first. A recipe that draws nothing by this key is there once.
    pub fn of(&self, recipe: &Recipe) -> Vec<Replicate> {
        let key = RecipeKey::of(&self.key);
        let Some((key, first)) = key.and_then(|key| Some((key, key.seed_of(recipe)?))) else {
            return vec![Replicate { seed: None, recipe: recipe.clone() }];
        };
        let replicate = |place: u32| {
            let seed = first.wrapping_add(place.into());
            Replicate { seed: Some(seed), recipe: key.with_seed(recipe, seed) }
        };
        (0..self.count).map(replicate).collect()
    }

    /// Whether a recipe draws by this key.
    pub fn draws(&self, recipe: &Recipe) -> bool {
        RecipeKey::of(&self.key).is_some_and(|key| key.seed_of(recipe).is_some())
    }
}

/// A recipe with one of several seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicate {
    /// The seed; `None` if the recipe draws nothing.
    pub seed: Option<u64>,
    /// The recipe.
    pub recipe: Recipe,
}

impl From<Replicates> for BTreeMap<String, u32> {
    fn from(replicates: Replicates) -> Self {
        Self::from([(replicates.key, replicates.count)])
    }
}

impl TryFrom<BTreeMap<String, u32>> for Replicates {
    type Error = ReplicatesError;

    fn try_from(map: BTreeMap<String, u32>) -> Result<Self, ReplicatesError> {
        let mut entries = map.into_iter();
        let (Some((key, count)), None) = (entries.next(), entries.next()) else { return Err(ReplicatesError::Keys) };
        if RecipeKey::of(&key).is_none_or(|key| key.kind() != KeyKind::Seed) {
            return Err(ReplicatesError::NoSeed(key));
        }
        if !(2..=Self::MOST).contains(&count) {
            return Err(ReplicatesError::Count(count));
        }
        Ok(Self { key, count })
    }
}

/// The keys that are seeds.
fn seeds() -> String {
    let seeds = RecipeKey::resolved().filter(|key| key.kind() == KeyKind::Seed);
    seeds.map(|key| format!("`{}`", key.name())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Preset, RecipeSpec};
    use serde_json::json;

    fn replicates(map: serde_json::Value) -> Result<Replicates, serde_json::Error> {
        serde_json::from_value(map)
    }

    #[test]
    fn replicates_differ_in_the_seed_alone_and_begin_with_that_of_the_recipe() {
        let spec: RecipeSpec = serde_json::from_value(json!({"preset": "dare_ties", "seed": 420})).unwrap();
        let recipe = spec.resolve().unwrap();
        let all = replicates(json!({"seed": 3})).unwrap().of(&recipe);
        assert_eq!(all.iter().map(|one| one.seed).collect::<Vec<_>>(), [Some(420), Some(421), Some(422)]);
        assert_eq!(all[0].recipe, recipe);
        let third: RecipeSpec = serde_json::from_value(json!({"preset": "dare_ties", "seed": 422})).unwrap();
        assert_eq!(all[2].recipe, third.resolve().unwrap());
    }

    #[test]
    fn a_recipe_that_draws_nothing_is_there_once() {
        let recipe = Preset::KnotsTies.recipe();
        let replicates = replicates(json!({"seed": 3})).unwrap();
        assert!(!replicates.draws(&recipe));
        assert_eq!(replicates.of(&recipe), [Replicate { seed: None, recipe }]);
    }

    #[test]
    fn what_names_no_seeds_is_refused() {
        let refused = |map| replicates(map).unwrap_err().to_string();
        assert_eq!(refused(json!({})), "needs one key, the recipe's seed: `{seed: 5}`");
        assert_eq!(refused(json!({"seed": 5, "group_seed": 5})), "needs one key, the recipe's seed: `{seed: 5}`");
        let expected = "has the key `density`, which is no seed of a recipe; use one of `seed`, `group_seed`";
        assert_eq!(refused(json!({"density": 5})), expected);
        assert_eq!(refused(json!({"seed": 1})), "has 1 seeds, expected 2 to 1000");
        let written = serde_json::to_value(replicates(json!({"seed": 5})).unwrap()).unwrap();
        assert_eq!(written, json!({"seed": 5}));
    }
}

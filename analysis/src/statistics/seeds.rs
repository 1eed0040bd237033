use crate::Results;
use jobs::{JobResult, Meaning, Recipe, RecipeSpec, Subject, canonical_json, mean_accuracy};
use std::collections::BTreeMap;

/// Mean and spread of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// How many values.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation, `√(Σ (xᵢ − mean)² / (n − 1))`; `None` for a single value.
    pub sd: Option<f64>,
}

impl Spread {
    /// The spread of `values`; `None` if there is none, or one is no finite number.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        Some(Self { n: values.len() as u64, mean, sd })
    }
}

/// A recipe that was computed with several seeds of DARE's mask.
#[derive(Debug, Clone, PartialEq)]
pub struct OverSeeds {
    /// The recipe without its seed.
    pub recipe: RecipeSpec,
    /// The split.
    pub split: String,
    /// The seeds, ascending.
    pub seeds: Vec<u64>,
    /// The mean accuracies of the seeds, as a mean with its spread.
    pub accuracy: Spread,
}

impl OverSeeds {
    /// The recipes of `results` that were computed with two seeds or more, everything else being equal: base, adapters,
    /// data, heads, benchmark, split and precision; the highest mean first.
    pub fn of(results: &Results) -> Vec<Self> {
        let mut groups: BTreeMap<String, Vec<(&JobResult, &Recipe, u64)>> = BTreeMap::new();
        for result in results.found.values() {
            let Subject::Merge { recipe } = &result.meaning.subject else { continue };
            let Some(drop) = recipe.drop else { continue };
            groups.entry(without_seed(&result.meaning, recipe)).or_default().push((result, recipe, drop.seed));
        }
        let mut groups: Vec<Self> = groups.into_values().filter_map(group).collect();
        groups.sort_by(|one, other| other.accuracy.mean.total_cmp(&one.accuracy.mean));
        groups
    }
}

/// A text that is the same for two jobs that differ in nothing but the seed.
fn without_seed(meaning: &Meaning, recipe: &Recipe) -> String {
    let mut recipe = recipe.clone();
    if let Some(drop) = &mut recipe.drop {
        drop.seed = 0;
    }
    canonical_json(&Meaning { subject: Subject::Merge { recipe }, ..meaning.clone() })
}

fn group(mut members: Vec<(&JobResult, &Recipe, u64)>) -> Option<OverSeeds> {
    members.sort_by_key(|(.., seed)| *seed);
    let (first, recipe, _) = *members.first().filter(|_| members.len() > 1)?;
    let values: Vec<f64> = members.iter().map(|(result, ..)| mean_accuracy(&result.scores)).collect();
    Some(OverSeeds {
        recipe: RecipeSpec { seed: None, ..recipe.into() },
        split: first.meaning.split.clone(),
        seeds: members.iter().map(|(.., seed)| *seed).collect(),
        accuracy: Spread::of(&values)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::result;

    #[test]
    fn mean_and_spread_are_those_of_numpy() {
        // `np.mean(x)`, `np.std(x, ddof=1)`.
        let spread = Spread::of(&[0.71, 0.68, 0.735, 0.70, 0.69]).unwrap();
        assert!((spread.mean - 0.703).abs() < 1e-12 && (spread.sd.unwrap() - 0.021_095_023_109_728_98).abs() < 1e-12);
        assert_eq!(Spread::of(&[0.5]), Some(Spread { n: 1, mean: 0.5, sd: None }));
        assert_eq!((Spread::of(&[]), Spread::of(&[0.5, f64::NAN])), (None, None));
    }

    #[test]
    fn recipes_that_differ_in_the_seed_alone_are_taken_together() {
        let mut results = Results::default();
        let mut add = |seed: u64, scaling: f64, split: &str, correct: u64| {
            let spec = RecipeSpec {
                preset: Some("dare_ties".to_owned()),
                seed: Some(seed),
                scaling: Some(scaling),
                ..RecipeSpec::default()
            };
            let subject = Subject::Merge { recipe: spec.resolve().unwrap() };
            let result = result(subject, split, &[("mnist".to_owned(), correct), ("flags".to_owned(), 50)]);
            results.found.insert(result.job, result);
        };
        add(7, 0.3, "test", 30);
        add(1, 0.3, "test", 40);
        add(2, 0.3, "validation", 90);
        add(1, 0.5, "test", 70);
        add(4, 0.4, "test", 80);
        add(5, 0.4, "test", 90);
        let found = OverSeeds::of(&results);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].recipe.scaling, found[0].seeds.as_slice()), (Some(0.4), &[4, 5][..]));
        assert_eq!(
            (&found[1].recipe.seed, found[1].seeds.as_slice(), found[1].split.as_str()),
            (&None, &[1, 7][..], "test")
        );
        // 0.4 and 0.45.
        assert!((found[1].accuracy.mean - 0.425).abs() < 1e-12);
        assert!((found[1].accuracy.sd.unwrap() - 0.05 / 2f64.sqrt()).abs() < 1e-12);
    }
}

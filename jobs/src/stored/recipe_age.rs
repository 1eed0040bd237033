//! Which recipes and subjects only newer programs can read.
//!
//! A program refuses a recipe with a key or a word that it does not know. It cannot distinguish such a document from a
//! damaged one, so a document with a newer recipe has a newer version.
//!
//! No release has written that version yet, and until then it still gets keys and words: programs of different commits may
//! refuse each other's newest recipes as damaged.

use crate::{JobSpec, Meaning, Parameter, Recipe, RecipeSpec, Subject, Sweep, Values};
use serde_json::Value;

/// The first semantics of recipes of which each has keys or words that earlier programs do not know.
const NEWER_SEMANTICS: u32 = 3;

/// The keys of the recipes that every program reads.
const FIRST_KEYS: [&str; 14] = [
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

/// The values of these keys that are words.
const FIRST_WORDS: [&str; 28] = [
    "full",
    "knots",
    "core",
    "columns",
    "rows",
    "model",
    "matrix",
    "sum_of_values",
    "sum_of_signs",
    "none",
    "mean",
    "sum",
    "max",
    "tsv",
    "iso_c",
    "iso_cts",
    "task_arithmetic",
    "ties",
    "dare_ties",
    "knots_ties",
    "knots_dare_ties",
    "core_ties",
    "core_tsv",
    "core_iso_c",
    "core_iso_cts",
    "knots_tsv",
    "knots_iso_c",
    "knots_iso_cts",
];

/// A part of a document that older programs read, or that only newer ones read.
pub(super) trait Age {
    /// Whether only newer programs read it.
    fn is_newer(&self) -> bool;
}

impl Age for Recipe {
    fn is_newer(&self) -> bool {
        self.current_semantics() >= NEWER_SEMANTICS || !self.layer_weights.is_empty()
    }
}

impl Age for RecipeSpec {
    fn is_newer(&self) -> bool {
        // A recipe that cannot be written as JSON cannot be stored either.
        let Ok(Value::Object(fields)) = serde_json::to_value(self) else { return true };
        fields.iter().any(|(key, value)| is_newer_field(key, value))
    }
}

impl Age for Parameter {
    fn is_newer(&self) -> bool {
        match &self.values {
            Values::List(values) => values.iter().any(|value| is_newer_field(&self.key, value)),
            Values::Continuous { .. } => is_newer_field(&self.key, &Value::Null),
        }
    }
}

impl Age for Sweep {
    fn is_newer(&self) -> bool {
        let mut recipes =
            self.baselines.iter().map(|row| &row.recipe).chain(self.searches.iter().map(|row| &row.recipe));
        self.evaluation.statistics.is_some()
            || !self.learned.is_empty()
            || !self.ensembles.is_empty()
            || recipes.any(Age::is_newer)
            || self.searches.iter().flat_map(|search| &search.parameters).any(Age::is_newer)
    }
}

impl Sweep {
    /// Whether it has parts beside recipes that came after version 3 of a manifest.
    pub(super) fn has_axes(&self) -> bool {
        let searched = self.searches.iter().map(|search| &search.replicates);
        let fixed = self.baselines.iter().map(|baseline| &baseline.replicates);
        let has_method = !self.method.is_first() || self.searches.iter().any(|search| search.trials.is_some());
        let has_replicates = searched.chain(fixed).any(Option::is_some);
        let has_axis = self.subsets.is_some() || self.variant.is_some() || self.trains();
        let has_command = self.evaluation.benchmark.command().is_some();
        let has_goals = !self.goals.is_empty();
        has_command || has_axis || self.racing.is_some() || has_goals || has_replicates || has_method
    }
}

impl Age for Meaning {
    fn is_newer(&self) -> bool {
        let recipe = match &self.subject {
            Subject::Merge { recipe } => Some(recipe.as_ref()),
            Subject::Ensemble { .. } => return true,
            Subject::Base | Subject::Adapter { .. } => None,
        };
        let has_command = self.benchmark.command().is_some();
        has_command || !self.statistics.is_empty() || self.slice.is_some() || recipe.is_some_and(Age::is_newer)
    }
}

impl Age for JobSpec {
    fn is_newer(&self) -> bool {
        match self {
            Self::Evaluate(meaning) => meaning.is_newer(),
            Self::Write(spec) => !spec.statistics.is_empty() || spec.recipe.is_newer(),
            Self::Statistics(_) | Self::Layerwise(_) | Self::Tune(_) | Self::Train(_) => true,
        }
    }
}

/// Whether a key of a recipe or its value is newer. `weights.mnist` belongs to `weights`.
fn is_newer_field(key: &str, value: &Value) -> bool {
    let key = key.split_once('.').map_or(key, |(key, _)| key);
    !FIRST_KEYS.contains(&key) || value.as_str().is_some_and(|word| !FIRST_WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;
    use serde_json::json;

    const FIRST: [Preset; 9] = [
        Preset::TaskArithmetic,
        Preset::Ties,
        Preset::DareTies,
        Preset::KnotsTies,
        Preset::KnotsDareTies,
        Preset::CoreTies,
        Preset::Tsv,
        Preset::IsoC,
        Preset::IsoCts,
    ];

    #[test]
    fn the_presets_of_the_first_programs_are_read_by_all_programs_and_no_other_preset_is() {
        for preset in Preset::ALL {
            let is_newer = !FIRST.contains(&preset);
            let name: RecipeSpec = serde_json::from_value(json!({"preset": preset.name()})).unwrap();
            assert_eq!(name.is_newer(), is_newer, "{preset}");
        }
        for preset in FIRST {
            let recipe = preset.recipe();
            assert!(!recipe.is_newer() && !RecipeSpec::from(&recipe).is_newer(), "{preset}");
        }
    }

    #[test]
    fn a_recipe_is_newer_by_its_steps_exactly_if_its_keys_are() {
        for preset in Preset::ALL {
            let recipe = preset.recipe();
            assert_eq!(recipe.is_newer(), RecipeSpec::from(&recipe).is_newer(), "{preset}");
        }
        for (key, value) in [
            ("output_rank", json!(4)),
            ("flatten", json!(0.5)),
            ("sigma", json!("after")),
            ("trim_count", json!("floor")),
            ("drop_spread", json!(0.05)),
            ("drop_rescale", json!("none")),
            ("trim_rescale", json!("norm")),
            ("combine", json!("average")),
            ("space", json!("core_qr")),
        ] {
            let mut spec: RecipeSpec = serde_json::from_value(json!({"preset": "knots_dare_ties"})).unwrap();
            spec.set("density", &json!(0.5)).unwrap();
            spec.set(key, &value).unwrap();
            assert!(spec.is_newer() && spec.resolve().is_ok_and(|recipe| recipe.is_newer()), "{key}");
        }
        let calibrated: RecipeSpec =
            serde_json::from_value(json!({"preset": "task_arithmetic", "calibrate": "pico"})).unwrap();
        assert!(calibrated.is_newer() && calibrated.resolve().unwrap().is_newer());
    }

    #[test]
    fn an_ensemble_is_in_documents_that_older_programs_refuse_as_newer() {
        let subject: Subject = serde_json::from_value(json!({"ensemble": {"rule": "max"}})).unwrap();
        let mut meaning: Meaning = serde_json::from_value(json!({
            "evaluation": 1, "base": crate::Digest::of(b"base"), "subject": "base", "adapters": [], "tasks": [],
            "benchmark": "per_task", "split": "test", "precision": "f32",
        }))
        .unwrap();
        assert!(!meaning.is_newer());
        meaning.subject = subject;
        assert!(meaning.is_newer());
        let job = crate::Job::new(
            meaning,
            crate::InputLocations::of_model(crate::InputRef::Path("b".into()), Default::default()),
        );
        let written = serde_json::to_value(&job).unwrap();
        assert_eq!(written["version"], 3);
        assert_eq!(serde_json::from_value::<crate::Job>(written).unwrap(), job);
    }

    #[test]
    fn a_parameter_is_newer_by_its_key_or_by_a_word_among_its_values() {
        let list = |key: &str, values| Parameter { key: key.to_owned(), values: Values::List(values) };
        assert!(!list("weights.mnist", vec![json!(1.0)]).is_newer());
        assert!(!list("space", vec![json!("full"), json!("core")]).is_newer());
        assert!(list("space", vec![json!("full"), json!("dc")]).is_newer());
        let continuous = Values::Continuous { min: 0.0, max: 1.0, log: false };
        assert!(!Parameter { key: "scaling".to_owned(), values: continuous.clone() }.is_newer());
        assert!(Parameter { key: "flatten".to_owned(), values: continuous }.is_newer());
    }
}

use super::Columns;
use crate::Summary;
use jobs::RecipeSpec;
use polars::prelude::DataFrame;
use serde_json::Value;

/// The keys of a recipe that are numbers, with the value of what does nothing.
const NUMBERS: [(&str, Option<f64>); 7] = [
    ("sigma_cut", None),
    ("sigma_cut_relative", None),
    ("drop_rate", Some(0.0)),
    ("seed", None),
    ("density", Some(1.0)),
    ("common_share", None),
    ("scaling", None),
];
const WORDS: [&str; 5] = ["space", "axis", "trim_scope", "elect", "combine"];

/// The merges of the chosen recipe, on whatever split.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    is_chosen: Vec<bool>,
}

impl Chosen {
    /// None if nothing was chosen.
    pub(super) fn of(columns: &Columns<'_>, summary: &Summary) -> Self {
        let Some(recipe) = summary.best().and_then(|row| row.canonical.as_ref()) else { return Self::default() };
        let spec = RecipeSpec::from(recipe);
        let keys = serde_json::to_value(&spec).unwrap_or_default();
        let Columns(frame) = columns;
        let mut is_chosen = is_text(frame, "subject", Some("merge"));
        let mut narrow = |also: Vec<bool>| is_chosen.iter_mut().zip(also).for_each(|(is, also)| *is &= also);
        for (key, neutral) in NUMBERS {
            let wanted = keys.get(key).and_then(Value::as_f64).or(neutral);
            narrow(columns.numbers(key).into_iter().map(|value| value == wanted).collect());
        }
        for key in WORDS {
            let wanted = keys.get(key).and_then(Value::as_str).filter(|word| *word != "none");
            narrow(is_text(frame, key, wanted));
        }
        let weights = (!spec.weights.is_empty()).then(|| jobs::canonical_json(&spec.weights));
        narrow(is_text(frame, "weights", weights.as_deref()));
        Self { is_chosen }
    }

    pub(super) fn is(&self, row: usize) -> bool {
        self.is_chosen.get(row).copied().unwrap_or_default()
    }
}

fn is_text(frame: &DataFrame, name: &str, wanted: Option<&str>) -> Vec<bool> {
    Columns(frame).texts(name).into_iter().map(|text| text == wanted).collect()
}

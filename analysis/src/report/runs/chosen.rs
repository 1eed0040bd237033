use super::Columns;
use crate::Summary;
use jobs::{KeyValue, RecipeKey, RecipeSpec};
use polars::prelude::DataFrame;

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
        let Columns(frame) = columns;
        let mut is_chosen = is_text(frame, "subject", Some("merge"));
        let mut narrow = |also: Vec<bool>| is_chosen.iter_mut().zip(also).for_each(|(is, also)| *is &= also);
        // The same recipe for a subset of the tasks was not chosen.
        let all = summary.tasks.len() as f64;
        narrow(columns.numbers("adapters").into_iter().map(|adapters| adapters == Some(all)).collect());
        for key in RecipeKey::resolved() {
            let wanted = key.shown(&spec);
            if key.is_number() {
                let wanted = wanted.as_ref().and_then(KeyValue::as_number);
                narrow(columns.numbers(key.name()).into_iter().map(|value| value == wanted).collect());
            } else {
                narrow(is_text(frame, key.name(), wanted.as_ref().and_then(KeyValue::as_text)));
            }
        }
        Self { is_chosen }
    }

    pub(super) fn is(&self, row: usize) -> bool {
        self.is_chosen.get(row).copied().unwrap_or_default()
    }
}

fn is_text(frame: &DataFrame, name: &str, wanted: Option<&str>) -> Vec<bool> {
    Columns(frame).texts(name).into_iter().map(|text| text == wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Made;
    use jobs::{
        Axis, Combine, DareDrop, Elect, Flatten, FlattenOver, KeyKind, PostSteps, Preset, Recipe, Sigma, SigmaCut,
        Space, Trim, TrimScope,
    };
    use polars::prelude::Column;
    use serde_json::{Value, json};

    /// A recipe in which every key has a value. No such one resolves: it elects signs before a matrix-wise method.
    fn recipe() -> Recipe {
        Recipe {
            space: Space::Knots {
                axis: Axis::Rows,
                cut: SigmaCut { absolute: 1e-4, relative: 0.1 },
                sigma: Sigma::Folded,
            },
            drop: Some(DareDrop::new(0.3, 4)),
            trim: Some(Trim { outliers: 0.1, ..Trim::new(0.4, TrimScope::Matrix) }),
            post: PostSteps {
                calibrate_spectrum: Some(0.1),
                flatten: Some(Flatten { share: 0.5, over: FlattenOver::Kept }),
                output_rank: Some(16),
                normalise: None,
            },
            elect: Some(Elect::SumOfSigns),
            combine: Combine::IsoCts { common_share: 0.7 },
            scaling: 0.6,
            weights: [("mnist".to_owned(), 0.5)].into(),
            ..Preset::KnotsTies.recipe()
        }
    }

    /// The recipe with another value at `key`.
    fn with_another(key: &RecipeKey) -> RecipeSpec {
        let mut spec = RecipeSpec::from(&recipe());
        let value: Value = match key.kind() {
            KeyKind::Word => json!("another"),
            KeyKind::Number => json!(0.9),
            KeyKind::Seed => json!(5),
            KeyKind::PerTask => json!({"mnist": 0.9}),
            KeyKind::PerLayer => json!({"mnist": {"0": 0.9}}),
        };
        spec.set(key.name(), &value).unwrap();
        spec
    }

    fn table(specs: &[RecipeSpec]) -> DataFrame {
        let mut columns = vec![
            Column::new("subject".into(), vec!["merge"; specs.len()]),
            Column::new("adapters".into(), vec![2u64; specs.len()]),
        ];
        for key in RecipeKey::resolved() {
            let values = specs.iter().map(|spec| key.shown(spec));
            columns.push(if key.is_number() {
                let numbers: Vec<Option<f64>> = values.map(|value| value.and_then(|value| value.as_number())).collect();
                Column::new(key.name().into(), numbers)
            } else {
                let texts = values.map(|value| value.and_then(|value| value.as_text().map(str::to_owned)));
                Column::new(key.name().into(), texts.collect::<Vec<_>>())
            });
        }
        DataFrame::new(specs.len(), columns).unwrap()
    }

    #[test]
    fn a_recipe_that_differs_in_any_key_is_not_the_chosen_one() {
        let made = Made::small();
        let mut summary = Summary::build(&made.outcome, &made.results, None);
        summary.rows.iter_mut().filter(|row| row.is_chosen).for_each(|row| row.canonical = Some(recipe()));
        let others = RecipeKey::resolved().map(with_another);
        let specs: Vec<RecipeSpec> = std::iter::once(RecipeSpec::from(&recipe())).chain(others).collect();
        let table = table(&specs);
        let chosen = Chosen::of(&Columns(&table), &summary);
        assert!(chosen.is(0));
        for (row, key) in RecipeKey::resolved().enumerate() {
            assert!(!chosen.is(row + 1), "another `{}`", key.name());
        }
    }
}

use super::cells::{Cell, Cells, Words};
use jobs::{
    BenchmarkInput, HITS_AT, KeyKind, KeyValue, Precision, Preset, Recipe, RecipeKey, RecipeSpec, Subject, joint_hits,
    mean_accuracy,
};
use store::BriefResult;

/// How many columns a row has beside the keys of its recipe; a row of a million is made without growing.
const OTHER_COLUMNS: usize = 25;
/// The columns of [`HITS_AT`].
const HITS_COLUMNS: [&str; HITS_AT.len()] = ["hits_1", "hits_3", "hits_5", "hits_10"];

/// The sweep and row that name a job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Named<'a> {
    pub(super) sweep: Option<&'a str>,
    pub(super) row: Option<&'a str>,
}

/// A result's cells, but for what is normalised and for single tasks, in the order of the columns.
pub(super) fn flat(result: &BriefResult, named: Named<'_>, words: &mut Words) -> Vec<(&'static str, Cell)> {
    let BriefResult { job: _, subject, ground, scores, timings, run, finished_ms } = result;
    let (subject, adapter, recipe) = match subject {
        Subject::Base => ("base", None, None),
        Subject::Adapter { task } => ("adapter", Some(task.as_str()), None),
        Subject::Merge { recipe } => ("merge", None, Some(recipe.as_ref())),
        Subject::Ensemble { .. } => ("ensemble", None, None),
    };
    let benchmark = match &ground.benchmark {
        BenchmarkInput::PerTask => "per_task",
        BenchmarkInput::Joint { .. } => "joint",
        BenchmarkInput::Command(_) => "command",
    };
    let precision = match ground.precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
        Precision::F16 => "f16",
    };
    let mut cells = Vec::with_capacity(OTHER_COLUMNS + RecipeKey::ALL.len());
    cells.extend([
        ("sweep", words.cell(named.sweep)),
        ("row", words.cell(named.row)),
        ("subject", words.cell(Some(subject))),
        ("adapter", words.cell(adapter)),
        ("adapters", Cell::Whole(Some(ground.adapters.len() as u64))),
    ]);
    add_recipe(&mut cells, recipe, words);
    cells.extend([
        ("split", words.cell(Some(&ground.split))),
        ("benchmark", words.cell(Some(benchmark))),
        ("precision", words.cell(Some(precision))),
        ("n", Cell::Whole(Some(scores.iter().map(|score| score.n).sum()))),
        ("mean_accuracy", Cell::Number((!scores.is_empty()).then(|| mean_accuracy(scores)))),
    ]);
    let hits = |k| Cell::Number(joint_hits(scores, k).filter(|_| !scores.is_empty()));
    cells.extend(HITS_COLUMNS.into_iter().zip(HITS_AT.map(hits)));
    cells.extend([
        ("load_s", Cell::Number(Some(timings.load_s))),
        ("align_s", Cell::Number(Some(timings.align_s))),
        ("merge_s", Cell::Number(Some(timings.merge_s))),
        ("evaluate_s", Cell::Number(Some(timings.evaluate_s))),
        ("worker", words.cell(Some(&run.worker))),
        ("device", words.cell(Some(&run.device))),
        ("attempt", Cell::Whole(Some(run.attempt.into()))),
        ("finished_ms", Cell::Whole(Some(*finished_ms))),
        ("versions", words.versions(&run.versions)),
    ]);
    cells
}

/// The same columns without a row.
pub(super) fn without_rows() -> Vec<(&'static str, Cells)> {
    let words = |name| (name, Cells::Words(Vec::new()));
    let numbers = |name| (name, Cells::Numbers(Vec::new()));
    let wholes = |name| (name, Cells::Wholes(Vec::new()));
    let key = |key: &RecipeKey| match key.kind() {
        KeyKind::Word | KeyKind::PerTask | KeyKind::PerLayer => words(key.name()),
        KeyKind::Number => numbers(key.name()),
        KeyKind::Seed => wholes(key.name()),
    };
    let mut columns: Vec<_> = ["sweep", "row", "subject", "adapter"].map(words).into();
    columns.extend([wholes("adapters"), words("method")]);
    columns.extend(RecipeKey::resolved().map(key));
    columns.extend(["split", "benchmark", "precision"].map(words));
    columns.extend([wholes("n"), numbers("mean_accuracy")]);
    columns.extend(HITS_COLUMNS.into_iter().chain(["load_s", "align_s", "merge_s", "evaluate_s"]).map(numbers));
    columns.extend(["worker", "device"].map(words));
    columns.extend(["attempt", "finished_ms"].map(wholes));
    columns.push(words("versions"));
    columns
}

/// The method and the recipe's keys; nothing is set for a model that is no merge.
fn add_recipe(cells: &mut Vec<(&'static str, Cell)>, recipe: Option<&Recipe>, words: &mut Words) {
    let spec = recipe.map(RecipeSpec::from);
    cells.push(("method", words.cell(recipe.map(method))));
    cells.extend(RecipeKey::resolved().map(|key| {
        let shown = spec.as_ref().and_then(|spec| key.shown(spec));
        let cell = match key.kind() {
            KeyKind::Word | KeyKind::PerTask | KeyKind::PerLayer => {
                words.cell(shown.as_ref().and_then(KeyValue::as_text))
            }
            KeyKind::Number => Cell::Number(shown.as_ref().and_then(KeyValue::as_number)),
            KeyKind::Seed => Cell::Whole(shown.as_ref().and_then(KeyValue::as_whole)),
        };
        (key.name(), cell)
    }));
}

/// The preset whose steps a recipe takes, whatever its numbers; `other` if there is none.
pub(crate) fn method(recipe: &Recipe) -> &'static str {
    Preset::of(recipe).map_or("other", Preset::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_same_without_a_row() {
        let subject = Subject::Merge { recipe: Box::new(Preset::KnotsTies.recipe()) };
        let result = crate::testing::result(subject, "test", &[("mnist".to_owned(), 30)]);
        let cells = flat(&result.into(), Named::default(), &mut Words::default());
        let with = cells.into_iter().map(|(name, cell)| (name, std::mem::discriminant(&Cells::of(cell))));
        let without = without_rows().into_iter().map(|(name, cells)| (name, std::mem::discriminant(&cells)));
        let with: Vec<_> = with.collect();
        assert!(with.len() <= OTHER_COLUMNS + RecipeKey::ALL.len(), "a row's cells fit without growing");
        assert_eq!(with, without.collect::<Vec<_>>());
    }

    #[test]
    fn the_method_is_the_preset_whatever_its_numbers() {
        for preset in Preset::ALL {
            assert_eq!(method(&preset.recipe().with_scaling(0.3)), preset.name());
        }
        let mut recipe = Preset::KnotsTies.recipe();
        recipe.trim = None;
        assert_eq!(method(&recipe), "knots_ties", "at density 1");
        recipe.combine = jobs::Combine::Max;
        assert_eq!(method(&recipe), "other");
        let older = Recipe { space: recipe.space, ..Preset::IsoC.recipe() };
        assert_eq!(method(&older), "iso_c");
    }
}

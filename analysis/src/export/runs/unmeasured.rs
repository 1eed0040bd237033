//! Runs without a whole result: those that races decided about, that failed, and whose results are gone.

use super::{Chosen, Entry, Run, RunKind, RunState, Value, measured::kind_of};
use jobs::{FailureRecord, JobId, KeyValue, Meaning, Outcome, Point, Raced, Recipe, RecipeKey, RecipeSpec, RowKind};
use std::collections::{HashMap, HashSet};

/// The runs of the points and failures of a sweep that are not among the `known` ones; they are added to these. `is_over` says
/// whether the sweep has finished.
pub(super) fn runs(
    outcome: &Outcome,
    failed: &[&FailureRecord],
    chosen: &Chosen,
    known: &mut HashSet<JobId>,
    is_over: bool,
) -> Vec<Run> {
    let records: HashMap<JobId, &FailureRecord> = failed.iter().map(|record| (record.job, *record)).collect();
    let mut runs = Vec::new();
    for row in &outcome.rows {
        let points = if let RowKind::Search { points, .. } = &row.kind { points.as_slice() } else { &[] };
        for point in points {
            // While a sweep runs, a point without a value may still get one.
            let is_pending = !is_over && point.is_failed() && !records.contains_key(&point.job);
            if !is_pending && known.insert(point.job) {
                let run = of_point(point, &row.name, outcome, records.get(&point.job).copied());
                runs.push(Run { is_chosen: chosen.has(&point.job), ..run });
            }
        }
    }
    // The jobs of fixed rows that failed are in no row: only their records name them.
    for record in failed {
        let Some(meaning) = record.spec.as_evaluation().filter(|meaning| meaning.slice.is_none()) else { continue };
        if known.insert(record.job) {
            runs.push(of_record(record, meaning, outcome));
        }
    }
    runs
}

/// How many points failed that no run stands for: of searches with very many points the outcome counts some, and names
/// them nowhere.
pub(super) fn unlisted(outcome: &Outcome, known: &HashSet<JobId>, failed: &[&FailureRecord]) -> u64 {
    let counted: u64 = outcome
        .rows
        .iter()
        .map(|row| if let RowKind::Search { left_out, .. } = &row.kind { left_out.failed } else { 0 })
        .sum();
    let listed: HashSet<JobId> = outcome
        .rows
        .iter()
        .flat_map(|row| if let RowKind::Search { points, .. } = &row.kind { points.as_slice() } else { &[] })
        .map(|point| point.job)
        .collect();
    let recorded = failed.iter().filter(|record| known.contains(&record.job) && !listed.contains(&record.job)).count();
    counted.saturating_sub(recorded as u64)
}

fn of_point(point: &Point, row: &str, outcome: &Outcome, record: Option<&FailureRecord>) -> Run {
    let state = match point {
        Point { raced: Some(_), .. } => RunState::Raced,
        Point { value: None, .. } => RunState::Failed,
        Point { value: Some(_), .. } => RunState::Missing,
    };
    let mut facts = point.raced.map(of_race).unwrap_or_default();
    facts.extend(record.filter(|_| state == RunState::Failed).map(of_failure).unwrap_or_default());
    let mut parameters =
        vec![text("split", &outcome.select), text("subject", "merge"), whole("adapters", outcome.tasks.len() as u64)];
    parameters.extend(match point.spec.resolve() {
        Ok(recipe) => of_recipe(&recipe),
        // It resolved when the search proposed it: this program is another one.
        Err(_) => vec![text("recipe", &jobs::canonical_json(&point.spec))],
    });
    Run {
        job: point.job,
        row: Some(row.to_owned()),
        kind: RunKind::Candidate,
        state,
        is_chosen: false,
        parameters,
        metrics: Vec::new(),
        facts,
        finished_ms: record.filter(|_| state == RunState::Failed).map(|record| record.failed_ms),
        seconds: None,
    }
}

fn of_record(record: &FailureRecord, meaning: &Meaning, outcome: &Outcome) -> Run {
    use jobs::Subject::{Adapter, Base, Ensemble, Merge};
    let (subject, adapter, recipe) = match &meaning.subject {
        Base => ("base", None, None),
        Adapter { task } => ("adapter", Some(task), None),
        Merge { recipe } => ("merge", None, Some(recipe)),
        Ensemble { .. } => ("ensemble", None, None),
    };
    // Which row it would have been in, its recipe may say.
    let of_recipe_row = |kind: &RowKind| match kind {
        RowKind::Baseline { recipe: of_row, .. }
        | RowKind::Learned { recipe: of_row, .. }
        | RowKind::Search { recipe: of_row, .. } => recipe.is_some_and(|recipe| **recipe == *of_row),
        RowKind::ZeroShot => subject == "base",
        RowKind::Finetuned => subject == "adapter",
        RowKind::Ensemble { .. } => false,
    };
    let row = outcome.rows.iter().find(|row| of_recipe_row(&row.kind));
    let is_whole = meaning.adapters.len() == outcome.tasks.len();
    let kind = match (recipe, row) {
        (None, _) => RunKind::Reference,
        (Some(_), _) if !is_whole => RunKind::Subset,
        (Some(_), Some(row)) => kind_of(&row.kind),
        (Some(_), None) => RunKind::Candidate,
    };
    let mut parameters = vec![text("split", &meaning.split), text("subject", subject)];
    parameters.extend(adapter.map(|task| text("adapter", task)));
    parameters.push(whole("adapters", meaning.adapters.len() as u64));
    parameters.extend(recipe.map(|recipe| of_recipe(recipe)).unwrap_or_default());
    Run {
        job: record.job,
        row: row.map(|row| row.name.clone()),
        kind,
        state: RunState::Failed,
        is_chosen: false,
        parameters,
        metrics: Vec::new(),
        facts: of_failure(record),
        finished_ms: Some(record.failed_ms),
        seconds: None,
    }
}

/// The method and the keys of a recipe, as the frame has them.
fn of_recipe(recipe: &Recipe) -> Vec<Entry> {
    let spec = RecipeSpec::from(recipe);
    let mut entries = vec![text("method", crate::frame::method(recipe))];
    entries.extend(RecipeKey::resolved().filter_map(|key| {
        let value = match key.shown(&spec)? {
            KeyValue::Text(text) => Value::Text(text.into_owned()),
            KeyValue::Number(number) => Value::Number(number),
            KeyValue::Whole(whole) => Value::Whole(whole),
        };
        Some(Entry::new(key.name(), value))
    }));
    entries
}

/// What a race decided on.
fn of_race(raced: Raced) -> Vec<Entry> {
    let Raced { led, examples, of } = raced;
    let outcome = if led { "led, then beaten" } else { "eliminated" };
    vec![text("race", outcome), whole("race_examples", examples), whole("race_examples_of", of)]
}

fn of_failure(record: &FailureRecord) -> Vec<Entry> {
    vec![
        text("worker", &record.worker),
        whole("attempt", u64::from(record.attempt)),
        text("error", &record.errors.join(": ")),
    ]
}

fn text(name: &str, text: &str) -> Entry {
    Entry::new(name, Value::Text(text.to_owned()))
}

fn whole(name: &str, whole: u64) -> Entry {
    Entry::new(name, Value::Whole(whole))
}

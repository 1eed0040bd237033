//! Runs with results: the rows of the frame.

use super::{Chosen, Entry, Run, RunKind, RunState, Value};
use crate::{Frame, columns::Columns};
use jobs::{JobId, Outcome, RowKind};
use polars::prelude::DataType;
use std::collections::HashMap;

/// What a run is, and not what came out: the keys of recipes follow.
const SUBJECT: [&str; 6] = ["split", "subject", "adapter", "adapters", "benchmark", "precision"];
/// Columns that a run has as fields.
const FIELDS: [&str; 4] = ["sweep", "row", "job", "finished_ms"];
const FACTS: [&str; 4] = ["worker", "device", "attempt", "versions"];
const SECONDS: [&str; 4] = ["load_s", "align_s", "merge_s", "evaluate_s"];

/// What becomes of a column of the frame.
enum Part {
    Parameter,
    Metric,
    Fact,
}

/// The cells of a column.
struct Cells {
    name: String,
    part: Part,
    values: Vec<Option<Value>>,
}

/// The runs of the frame's rows that belong to the sweep, in their order.
pub(super) fn runs(frame: &Frame, outcome: &Outcome, chosen: &Chosen) -> Vec<Run> {
    let columns = Columns(frame.table());
    let cells = cells(columns);
    let jobs = columns.texts("job");
    let rows = columns.texts("row");
    let subjects = columns.texts("subject");
    let adapters = columns.wholes("adapters");
    let finished = columns.wholes("finished_ms");
    let parts = SECONDS.map(|part| columns.numbers(part));
    let kinds = kinds(outcome);
    let all = outcome.tasks.len() as u64;
    let run = |place: usize| {
        let job: JobId = jobs[place]?.parse().ok()?;
        let is_merge = subjects[place] == Some("merge");
        let kind = match rows[place].and_then(|row| kinds.get(row)) {
            // What no row names is a point that the outcome leaves out.
            None if is_merge => RunKind::Candidate,
            None => RunKind::Reference,
            // Subsets are named by the rows of their recipes.
            Some(RunKind::Candidate | RunKind::Baseline) if adapters[place] != Some(all) => RunKind::Subset,
            Some(kind) => *kind,
        };
        let of = |wanted: fn(&Part) -> bool| {
            let has = cells.iter().filter(|cells| wanted(&cells.part));
            has.filter_map(|cells| Some(Entry::new(cells.name.as_str(), cells.values[place].clone()?))).collect()
        };
        Some(Run {
            job,
            row: rows[place].map(str::to_owned),
            kind,
            state: RunState::Finished,
            is_chosen: chosen.has(&job),
            parameters: of(|part| matches!(part, Part::Parameter)),
            metrics: of(|part| matches!(part, Part::Metric)),
            facts: of(|part| matches!(part, Part::Fact)),
            finished_ms: finished[place],
            seconds: parts.iter().map(|part| part[place]).sum(),
        })
    };
    columns.rows_of(&outcome.sweep).into_iter().filter_map(run).collect()
}

/// The kinds of the rows by name.
fn kinds(outcome: &Outcome) -> HashMap<&str, RunKind> {
    outcome.rows.iter().map(|row| (row.name.as_str(), kind_of(&row.kind))).collect()
}

pub(super) fn kind_of(row: &RowKind) -> RunKind {
    match row {
        RowKind::ZeroShot | RowKind::Finetuned | RowKind::Ensemble { .. } => RunKind::Reference,
        RowKind::Baseline { .. } => RunKind::Baseline,
        RowKind::Learned { .. } | RowKind::Search { .. } => RunKind::Candidate,
    }
}

/// The columns of the frame as values, parameters in the order of the frame and so on.
fn cells(columns: Columns<'_>) -> Vec<Cells> {
    let is_key = |name: &str| name == "method" || jobs::RecipeKey::resolved().any(|key| key.name() == name);
    let Columns(table) = columns;
    let mut all = Vec::new();
    for column in table.columns() {
        let name = column.name().as_str();
        if FIELDS.contains(&name) {
            continue;
        }
        let part = if SUBJECT.contains(&name) || is_key(name) {
            Part::Parameter
        } else if FACTS.contains(&name) {
            Part::Fact
        } else {
            Part::Metric
        };
        let values = match column.dtype() {
            DataType::String => {
                columns.texts(name).into_iter().map(|text| text.map(|text| Value::Text(text.to_owned()))).collect()
            }
            DataType::UInt64 => columns.wholes(name).into_iter().map(|whole| whole.map(Value::Whole)).collect(),
            _ => columns.numbers(name).into_iter().map(|number| number.map(Value::Number)).collect(),
        };
        all.push(Cells { name: name.to_owned(), part, values });
    }
    all
}

//! The adapters that a sweep trained.

use super::{Cell, Column, ColumnKind, Table, TableRow};
use crate::{Results, summary::scores};
use jobs::{ArtefactResult, Interval, Outcome, RowKind};
use std::collections::BTreeMap;

/// The fact of a leg that names the step that early stopping kept.
const KEPT: &str = "kept_step";

impl Table {
    /// The adapters that the sweep trained: steps, the step that early stopping kept, last loss, accuracy on the selection split beside the base, and seconds; `None`
    /// if it trained none.
    pub(super) fn training(outcome: &Outcome, results: &Results) -> Option<Self> {
        if results.legs.is_empty() {
            return None;
        }
        let base = base_accuracies(outcome, results);
        let mut columns = vec![
            ("task", ColumnKind::Text),
            ("steps", ColumnKind::Count),
            ("jobs", ColumnKind::Count),
            ("loss", ColumnKind::Number),
            ("own", ColumnKind::Share),
            ("zero-shot", ColumnKind::Share),
            ("time", ColumnKind::Seconds),
        ];
        let all = || results.legs.values().filter_map(|legs| legs.last());
        let stops_early = all().any(|leg| leg.artefact.facts.contains_key(KEPT));
        if stops_early {
            columns.insert(2, ("kept step", ColumnKind::Count));
        }
        let rows = outcome.tasks.iter().filter_map(|task| {
            let legs = results.legs.get(task)?;
            let last = legs.last()?;
            let seconds: f64 = legs.iter().map(|leg| leg.timings.total_s()).sum();
            let mut cells = vec![
                Cell::text(task),
                count(last, "steps"),
                Cell::Count(legs.len() as u64),
                Cell::number(last.artefact.facts.get("loss").copied()),
                accuracy(last),
                Cell::number(base.get(task).copied()),
                Cell::number(Some(seconds)),
            ];
            if stops_early {
                cells.insert(2, count(last, KEPT));
            }
            Some(TableRow { is_chosen: false, cells })
        });
        Some(Self {
            name: "training".to_owned(),
            title: format!("trained adapters, alone on {}, in %", outcome.select),
            columns: columns.into_iter().map(|(name, kind)| Column::new(name, kind)).collect(),
            rows: rows.collect(),
            notes: vec!["loss: of the last step, before it; time: of the runs that computed the jobs".to_owned()],
        })
    }

    /// How the adapters came to what they are: loss and accuracy after each job; `None` if the sweep trained none.
    pub(super) fn learning(outcome: &Outcome, results: &Results) -> Option<Self> {
        if results.legs.is_empty() {
            return None;
        }
        let columns = [
            ("task", ColumnKind::Text),
            ("steps", ColumnKind::Count),
            ("rate", ColumnKind::Number),
            ("gradient norm", ColumnKind::Number),
            ("loss", ColumnKind::Number),
            ("accuracy", ColumnKind::Share),
        ];
        let legs = outcome.tasks.iter().filter_map(|task| Some((task, results.legs.get(task)?)));
        let rows = legs.flat_map(|(task, legs)| {
            legs.iter().enumerate().filter(|(place, leg)| made_steps(legs, *place, leg)).map(move |(_, leg)| {
                let fact = |name: &str| leg.artefact.facts.get(name).copied();
                let numbers = ["rate", "gradient_norm", "loss"].map(|name| Cell::number(fact(name)));
                // The last leg of a training that stops early is measured with the step that was kept.
                let is_of_step =
                    fact("measured_step").is_none_or(|step| fact("steps").is_some_and(|steps| step >= steps));
                let accuracy = if is_of_step { accuracy(leg) } else { Cell::Empty };
                let cells = [Cell::text(task), count(leg, "steps")].into_iter().chain(numbers).chain([accuracy]);
                TableRow { is_chosen: false, cells: cells.collect() }
            })
        });
        Some(Self {
            name: "learning".to_owned(),
            title: format!("training, after each job, on {}, in %", outcome.select),
            columns: columns.map(|(name, kind)| Column::new(name, kind)).into(),
            rows: rows.collect(),
            notes: Vec::new(),
        })
    }
}

/// Whether a leg made a step: those after the one that stopped early make none.
fn made_steps(legs: &[ArtefactResult], place: usize, leg: &ArtefactResult) -> bool {
    let steps = |leg: &ArtefactResult| leg.artefact.facts.get("steps").copied();
    place.checked_sub(1).is_none_or(|before| steps(&legs[before]) < steps(leg))
}

fn count(leg: &ArtefactResult, fact: &str) -> Cell {
    leg.artefact.facts.get(fact).map_or(Cell::Empty, |count| Cell::Count(*count as u64))
}

/// The accuracy that a leg measured at its end.
fn accuracy(leg: &ArtefactResult) -> Cell {
    let facts = &leg.artefact.facts;
    let (Some(correct), Some(examples)) = (facts.get("correct"), facts.get("examples")) else { return Cell::Empty };
    if *examples < 1.0 {
        return Cell::Empty;
    }
    let interval = Interval::wilson(*correct as u64, *examples as u64);
    Cell::measured(Some(correct / examples), Some(interval), false)
}

/// The accuracies of the base on the selection split, by task.
fn base_accuracies(outcome: &Outcome, results: &Results) -> BTreeMap<String, f64> {
    let base = outcome.rows.iter().filter(|row| row.kind == RowKind::ZeroShot);
    let of_rows = base.flat_map(|row| scores(row, &outcome.select, outcome, results));
    of_rows.map(|score| (score.task.clone(), score.accuracy())).collect()
}

//! The adapters that a sweep trained.

use super::{Cell, Column, ColumnKind, Table, TableRow};
use crate::{Results, summary::scores};
use jobs::{ArtefactResult, Interval, Outcome, RowKind};
use std::collections::BTreeMap;

impl Table {
    /// The adapters that the sweep trained: steps, last loss, accuracy on the selection split beside the base, and seconds; `None`
    /// if it trained none.
    pub(super) fn training(outcome: &Outcome, results: &Results) -> Option<Self> {
        if results.legs.is_empty() {
            return None;
        }
        let base = base_accuracies(outcome, results);
        let columns = [
            ("task", ColumnKind::Text),
            ("steps", ColumnKind::Count),
            ("jobs", ColumnKind::Count),
            ("loss", ColumnKind::Number),
            ("own", ColumnKind::Share),
            ("zero-shot", ColumnKind::Share),
            ("time", ColumnKind::Seconds),
        ];
        let rows = outcome.tasks.iter().filter_map(|task| {
            let legs = results.legs.get(task)?;
            let last = legs.last()?;
            let seconds: f64 = legs.iter().map(|leg| leg.timings.total_s()).sum();
            let cells = vec![
                Cell::text(task),
                count(last, "steps"),
                Cell::Count(legs.len() as u64),
                Cell::number(last.artefact.facts.get("loss").copied()),
                accuracy(last),
                Cell::number(base.get(task).copied()),
                Cell::number(Some(seconds)),
            ];
            Some(TableRow { is_chosen: false, cells })
        });
        Some(Self {
            name: "training".to_owned(),
            title: format!("trained adapters, alone on {}, in %", outcome.select),
            columns: columns.map(|(name, kind)| Column::new(name, kind)).into(),
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
            legs.iter().map(move |leg| {
                let fact = |name: &str| Cell::number(leg.artefact.facts.get(name).copied());
                let numbers = ["rate", "gradient_norm", "loss"].map(fact);
                let cells = [Cell::text(task), count(leg, "steps")].into_iter().chain(numbers).chain([accuracy(leg)]);
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

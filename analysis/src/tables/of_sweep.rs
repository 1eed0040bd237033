#[cfg(test)]
mod tests;

use super::{Table, cost::cost, merges::Merges};
use crate::{Frame, FrameError, Results, Summary};
use jobs::{FailureKind, Outcome, RowKind};

/// What the tables of one sweep are made of.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// Its jobs. Jobs of other sweeps may be among them, which shows the shared ones.
    pub frame: &'a Frame,
    /// What it came to.
    pub outcome: &'a Outcome,
    /// The results that the outcome names.
    pub results: &'a Results,
    /// The same, summed up.
    pub summary: &'a Summary,
    /// Its failures.
    pub failures: &'a [FailureKind],
    /// How many of the best merges are shown.
    pub top: u32,
}

impl Tables<'_> {
    /// All tables of the sweep: `accuracy`, `normalised`, `hits` and `published` of the report split and the first three of the
    /// selection split, `best`, `front`, `differences`, `replicates`, `subsets`, `top`, `seeds`, `training`, `learning`, `importance`,
    /// `cost`, `failures`. Those of one split have its name behind their own. `normalised`, `hits`, `published`, `differences`,
    /// `replicates`, `subsets`, `seeds`, `training` and `learning` are left out where they would be empty.
    ///
    /// # Errors
    /// The frame does not answer.
    pub fn all(&self) -> Result<Vec<Table>, FrameError> {
        let Self { summary, outcome, results, .. } = *self;
        let merges = Merges { frame: self.frame, outcome, summary };
        let chosen = summary.best().and_then(|best| {
            let row = outcome.rows.iter().find(|row| row.name == best.name)?;
            row.jobs.get(&outcome.select)?.first().copied()
        });
        let splits = summary.split_names();
        let mut tables = Vec::new();
        for split in &splits {
            tables.push(Table::accuracy(summary, split));
            tables.extend(Table::normalised(summary, split));
            tables.extend(Table::hits(summary, split));
            if *split == summary.splits.report {
                tables.extend(Table::published(summary));
            }
        }
        let mut best = merges.best(chosen)?;
        best.notes.extend(summary.choices());
        tables.push(best);
        tables.extend(merges.front(chosen)?);
        tables.extend(splits.iter().filter_map(|split| Table::differences(summary, outcome, results, split)));
        tables.extend(Table::replicates(summary));
        tables.extend(Table::subsets(summary));
        tables.push(merges.top(self.top, chosen)?);
        for split in &splits {
            tables.extend(merges.seeds(split, self.top)?);
        }
        tables.extend(Table::training(outcome, results));
        tables.extend(Table::learning(outcome, results));
        let mut cost = cost(self.frame, &outcome.sweep, &results.slices)?;
        cost.notes.extend(uncounted_slices(outcome, results));
        tables.extend([merges.importance()?, cost, Table::failures(self.failures)]);
        Ok(tables)
    }
}

/// Which slices of races the costs leave out.
fn uncounted_slices(outcome: &Outcome, results: &Results) -> Vec<String> {
    let mut notes = Vec::new();
    if results.missing_slices > 0 {
        notes.push(format!("{} slices cannot be read, and are not counted", results.missing_slices));
    }
    for row in outcome.rows.iter().filter(|row| row.is_raced()) {
        let RowKind::Search { left_out, .. } = &row.kind else { continue };
        if left_out.points > 0 {
            let name = &row.name;
            notes.push(format!(
                "slices of the {} points of `{name}` that are not listed are not counted",
                left_out.points
            ));
        }
    }
    notes
}

use super::{
    Cell, Column, ColumnKind, Table, TableRow,
    merges::{Merges, is_number},
    values::{number, text},
};
use crate::{Feature, Frame, FrameError, Importance, ImportanceError, fixed};
use polars::prelude::{Expr, col};

/// Runs that a forest is given of more.
const MOST_RUNS: usize = 10_000;
/// A forest that explains less than this of the variance has learnt too little.
const LEARNT_LITTLE: f64 = 0.3;

impl Merges<'_> {
    /// Which parameters matter for the value on the selection split.
    pub(super) fn importance(&self) -> Result<Table, FrameError> {
        let metric = &self.outcome.objective.metric;
        let select = &self.outcome.select;
        let keys: Vec<&str> = ["method"].into_iter().chain(self.varying(select)?).collect();
        let columns: Vec<Expr> = keys.iter().copied().chain(["value"]).map(col).collect();
        let found = Frame::answer(self.on(select).select(columns))?;
        let rows: Vec<usize> = (0..found.height()).step_by(found.height().div_ceil(MOST_RUNS).max(1)).collect();
        let feature = |key: &&str| {
            if is_number(key) {
                Feature::numbers(*key, &rows.iter().map(|row| number(&found, key, *row)).collect::<Vec<_>>())
            } else {
                let words: Vec<Option<String>> = rows.iter().map(|row| text(&found, key, *row)).collect();
                Feature::words(*key, &words.iter().map(Option::as_deref).collect::<Vec<_>>())
            }
        };
        let features: Vec<Feature> = keys.iter().map(feature).collect();
        let values: Vec<f64> = rows.iter().map(|row| number(&found, "value", *row).unwrap_or(f64::NAN)).collect();
        let title = format!("how much of what {metric} varies by on {select} each parameter makes by itself, in %");
        Ok(table(title, Importance::of(&features, &values, 0)))
    }
}

fn table(title: String, importance: Result<Importance, ImportanceError>) -> Table {
    let columns = vec![Column::new("parameter", ColumnKind::Text), Column::new("share", ColumnKind::Share)];
    let name = "importance".to_owned();
    let importance = match importance {
        Ok(importance) => importance,
        Err(error) => return Table { name, title, columns, rows: Vec::new(), notes: vec![error.to_string()] },
    };
    let line = |(name, share): (&str, f64)| {
        let cells = vec![Cell::text(name), Cell::number(Some(share))];
        TableRow { is_chosen: false, cells }
    };
    let shares = importance.shares.iter().map(|(name, share)| (name.as_str(), *share));
    let rows = shares.chain([("interactions and noise", importance.rest)]).map(line).collect();
    let known = importance.explained.map_or("not known".to_owned(), |r2| fixed(r2, 2));
    let mut notes = vec![format!(
        "fANOVA (Hutter et al. 2014) on a random forest of {} runs, whose out-of-bag R² is {known}",
        importance.runs
    )];
    if importance.explained.is_none_or(|r2| r2 < LEARNT_LITTLE) {
        notes.push(
            "warning: the forest foretells little of runs that it was not shown: the shares tell little".to_owned(),
        );
    }
    Table { name, title, columns, rows, notes }
}

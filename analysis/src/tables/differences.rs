use super::{
    Cell, Column, ColumnKind, Table, TableRow,
    pairs::{Pairs, Verdict, how},
    weighting::Weighting,
};
use crate::{Results, Summary, holm, summary::Own};
use jobs::{JobResult, Outcome};

impl Table {
    /// By how much each other merge of a sweep differs from the chosen one in the sweep's metric, on the same examples of
    /// `split`; `None` if none is chosen, or it has no result there. Hits of the joint benchmark are compared by accuracies.
    pub fn differences(summary: &Summary, outcome: &Outcome, results: &Results, split: &str) -> Option<Self> {
        let chosen = summary.best()?;
        let of_chosen = result(&chosen.name, split, outcome, results)?;
        let own = Own::of_split(outcome, results, split);
        let weighting = Weighting::by(&outcome.objective.metric, &own.accuracies);
        let mut columns = vec![Column::new("method", ColumnKind::Text)];
        columns.extend(Verdict::columns_in_family("gained", "lost"));
        let mut compared = Vec::new();
        let mut notes = Vec::new();
        for row in summary.rows.iter().filter(|row| row.kind.is_merge() && row.name != chosen.name) {
            let pairs = result(&row.name, split, outcome, results).map(|result| Pairs::of(result, of_chosen));
            compared.push((&row.name, pairs.as_ref().and_then(|pairs| pairs.verdict(&weighting))));
            match pairs {
                None => notes.push(format!("{} has no result on {split}", row.name)),
                Some(pairs) => {
                    notes.extend(pairs.left_out().map(|why| format!("{} without {why}", row.name)));
                }
            }
        }
        let family: Vec<f64> = compared.iter().filter_map(|(_, verdict)| Some(verdict.as_ref()?.mid_p)).collect();
        let mut corrected = holm(&family).into_iter();
        let mut rows = Vec::new();
        for (name, verdict) in &compared {
            let in_family = verdict.as_ref().zip(verdict.as_ref().and_then(|_| corrected.next()));
            let mut cells = vec![Cell::text(name.as_str())];
            cells.extend(Verdict::cells_in_family(in_family, outcome.objective.goal));
            rows.push(TableRow { is_chosen: false, cells });
        }
        if rows.is_empty() {
            notes.push(format!("there is no merge beside {}", chosen.name));
        } else {
            notes.push("gained, lost: examples that the row alone gets right, and the chosen one alone".to_owned());
            notes.extend(how(&weighting));
            if summary.rows.iter().any(|row| row.replicates.is_some()) {
                let select = &outcome.select;
                notes.push(format!("rows with replicates are compared by the seed that is best on {select}"));
            }
            notes.push(format!(
                "Holm: mid-p corrected for all rows of this table ({}); better or worse where it is at most 0.05",
                family.len()
            ));
        }
        let title = format!("differences to {} on the same examples of {split}", chosen.name);
        Some(Self { name: Self::name_of("differences", split), title, columns, rows, notes })
    }
}

/// Two rows on the same examples of `split`, the first less the second; `None` if one of them has no result there.
pub(crate) fn pairs_of([first, second]: [&str; 2], split: &str, outcome: &Outcome, results: &Results) -> Option<Pairs> {
    Some(Pairs::of(result(first, split, outcome, results)?, result(second, split, outcome, results)?))
}

/// The result of a row that is one model, which has one job on a split.
pub(super) fn result<'a>(name: &str, split: &str, outcome: &Outcome, results: &'a Results) -> Option<&'a JobResult> {
    let row = outcome.rows.iter().find(|row| row.name == name)?;
    match row.jobs.get(split)?.as_slice() {
        [job] => results.found.get(job),
        _ => None,
    }
}

use crate::{Kind, Summary, SummaryRow, summary::ENDED_EARLY};
use serde::Serialize;

/// What a reader has to know before trusting the numbers.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Notice {
    level: Level,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// Something is missing or failed.
    Problem,
    /// The numbers are as they should be, and may mislead.
    Warning,
}

/// What is wrong first, then what may mislead.
pub(super) fn of(summary: &Summary) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut tell = |level, text| notices.push(Notice { level, text });
    if let Some(so_far) = summary.so_far {
        tell(Level::Warning, so_far.to_string());
    }
    if summary.missing > 0 {
        tell(Level::Problem, format!("finished with failures: {}", summary.undecided()));
    }
    if summary.ended_early {
        tell(Level::Warning, ENDED_EARLY.to_owned());
    }
    if summary.rows.iter().all(|row| row.splits.is_empty()) {
        tell(Level::Problem, "no job of this sweep has a result".to_owned());
    }
    if let Some(failed) = summary.counts.map(|counts| counts.failed).filter(|failed| *failed > 0) {
        let jobs = if failed == 1 { "job" } else { "jobs" };
        tell(Level::Problem, format!("{failed} {jobs} failed: `bowline failures list` says why"));
    }
    for row in summary.rows.iter().filter(|row| row.kind == Kind::Search) {
        failed_points(row, summary.missing).into_iter().for_each(|text| tell(Level::Problem, text));
    }
    summary.problems.iter().for_each(|problem| tell(Level::Problem, problem.clone()));
    summary.weak_adapters().into_iter().for_each(|adapter| tell(Level::Warning, adapter.to_string()));
    for row in summary.rows.iter().filter(|_| summary.so_far.is_none()) {
        borders(row).into_iter().for_each(|text| tell(Level::Warning, text));
    }
    summary.notes.iter().for_each(|note| tell(Level::Warning, note.clone()));
    if summary.splits.select == summary.splits.report && summary.rows.iter().any(|row| row.kind.is_made()) {
        let split = &summary.splits.select;
        tell(
            Level::Warning,
            format!(
                "recipes were chosen and reported on the same split, {split}: the chosen one looks better than it is"
            ),
        );
    }
    notices
}

fn failed_points(row: &SummaryRow, missing: u64) -> Option<String> {
    let search = row.search.as_ref().filter(|search| search.failed > 0)?;
    let name = &row.name;
    let failed = search.failed;
    let points = search.points;
    Some(match row.recipe {
        None if missing > 0 && failed < points => {
            format!("{name} chose nothing: the value of a point is not known ({failed} of {points} failed)")
        }
        None if failed < points => {
            format!("{name} chose nothing: no point has a value yet ({failed} of {points} failed)")
        }
        None => format!("{name} chose nothing: all of its points failed ({failed} of {points})"),
        Some(_) => format!("{failed} of the {points} points of {name} failed, and were not chosen from"),
    })
}

fn borders(row: &SummaryRow) -> Vec<String> {
    let Some(search) = &row.search else { return Vec::new() };
    let ends = [("smallest", &search.at_lower_border), ("largest", &search.at_upper_border)];
    let warning = |(end, keys): (&str, &Vec<String>)| {
        let text =
            |key| format!("{} chose the {end} {key} that it looked at; a wider range may hold a better one", row.name);
        keys.iter().map(text).collect::<Vec<_>>()
    };
    ends.into_iter().flat_map(warning).collect()
}

use super::{Kind, SearchSummary, SoFar, Summary, SummaryRow};
use crate::fixed;
use jobs::RecipeSpec;
use std::fmt;

/// What there is to know of searches that a person ended.
pub(crate) const ENDED_EARLY: &str =
    "the searches were ended early: each chose the best of the points that were evaluated by then";

impl Summary {
    /// Which row is the chosen one, which rows are better all the same, what each search chose, and a warning where the
    /// best may lie beyond what it looked at: each in a line.
    pub fn choices(&self) -> Vec<String> {
        // A single recipe was given, and needs no word.
        let is_choice = self.rows.iter().filter(|row| row.kind.is_merge()).count() > 1
            || self.rows.iter().any(|row| row.kind.is_made());
        let chosen = self.best().filter(|_| is_choice).map(|row| {
            let metric = &self.objective.metric;
            let select = &self.splits.select;
            let is_chosen = if self.so_far.is_some() { "leads so far" } else { "is chosen" };
            format!("› {} {is_chosen}: the best by {metric} on {select} of the {}", row.name, self.candidates())
        });
        let so_far = self.so_far.map(|so_far| so_far.to_string());
        let value = |value| fixed(value, 4);
        let beaten = self.beaten(&self.objective.metric.to_string(), value).map(|beaten| format!("warning: {beaten}"));
        let missing = (self.missing > 0).then(|| self.undecided());
        let early = self.ended_early.then(|| ENDED_EARLY.to_owned());
        so_far
            .into_iter()
            .chain(early)
            .chain(missing)
            .chain(chosen)
            .chain(beaten)
            .chain(self.rows.iter().flat_map(|row| self.lines_of(row)))
            .collect()
    }

    /// What the chosen row was chosen from.
    pub(crate) fn candidates(&self) -> &'static str {
        let has = |kind: Kind| self.rows.iter().any(|row| row.kind == kind);
        match (has(Kind::Search), has(Kind::Learned)) {
            (true, true) => "searches and learned merges",
            (true, false) => "searches",
            (false, true) => "learned merges",
            (false, false) => "fixed recipes: nothing was searched",
        }
    }

    /// That no winner is named, and why.
    pub(crate) fn undecided(&self) -> String {
        let missing = self.missing;
        let jobs = if self.missing == 1 { "job" } else { "jobs" };
        format!(
            "no winner is named: {missing} {jobs} failed on machines, not by their recipes; run again to have them done"
        )
    }

    /// What a reader has to know besides the numbers, each in a line.
    pub(super) fn notes_in_lines(&self) -> Vec<String> {
        self.notes.iter().map(|note| format!("note: {note}")).collect()
    }

    /// The results that are missing or cannot be read, and the adapters that are worse than the base, each in a line.
    pub(super) fn warnings(&self) -> Vec<String> {
        let weak = self.weak_adapters().into_iter().map(|adapter| adapter.to_string());
        self.problems.iter().cloned().chain(weak).map(|warning| format!("warning: {warning}")).collect()
    }

    fn lines_of(&self, row: &SummaryRow) -> Vec<String> {
        let Some(search) = &row.search else { return Vec::new() };
        let name = &row.name;
        let SearchSummary { points, failed, .. } = search;
        let Some(recipe) = &row.recipe else {
            if self.missing > 0 && *failed < *points {
                return vec![format!(
                    "{name} chose nothing: the value of a point is not known ({failed} of {points} failed)"
                )];
            }
            if *failed < *points || *points == 0 {
                return vec![format!("{name} chose nothing: no point has a value yet ({failed} of {points} failed)")];
            }
            return vec![format!("{name} chose nothing: all of its points failed ({failed} of {points})")];
        };
        let points = format!("{points} point{}", if *points == 1 { "" } else { "s" });
        let failed = if *failed == 0 { String::new() } else { format!(", {failed} failed") };
        let raced = match search.examples_share {
            Some(share) => {
                format!(
                    ", {} of them decided in races; {} % of the examples",
                    search.raced.len(),
                    fixed(100.0 * share, 1)
                )
            }
            None => String::new(),
        };
        let metric = &self.objective.metric;
        let select = &self.splits.select;
        let value = row.value.map_or_else(|| "not known".to_owned(), |value| fixed(value, 4));
        let chose = if self.so_far.is_some() { "has come to" } else { "chose" };
        let chosen = format!("{name} {chose} {} ({points}{failed}{raced}; {metric} {value} on {select})", flat(recipe));
        let warn = |keys: &[String], end: &str| {
            let warning = |key: &String| {
                format!("warning: {name} chose the {end} {key} that it looked at; a wider range may hold a better one")
            };
            keys.iter().map(warning).collect::<Vec<_>>()
        };
        // What it may still look at is not known.
        if self.so_far.is_some() {
            return vec![chosen];
        }
        let low = warn(&search.at_lower_border, "smallest");
        let high = warn(&search.at_upper_border, "largest");
        [vec![chosen], low, high].concat()
    }
}

impl fmt::Display for SoFar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, jobs_at_most } = self;
        write!(f, "not finished: {stored} of at most {jobs_at_most} jobs are done; these are the results so far")
    }
}

/// The recipe's keys and values in one line; the preset is mostly in the row's name.
fn flat(recipe: &RecipeSpec) -> String {
    let flat = serde_json::to_value(recipe).unwrap_or_default();
    let keys = flat.as_object().into_iter().flatten().filter(|(key, _)| *key != "preset");
    let text =
        keys.map(|(key, value)| format!("{key} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    let text = text.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "its recipe as it is".to_owned() } else { text }
}

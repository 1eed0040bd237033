use crate::{Summary, SummaryRow};
use jobs::RecipeSpec;

impl Summary {
    /// What each search chose, and a warning where the best may lie beyond what it looked at.
    pub(super) fn search_lines(&self) -> Option<String> {
        let lines: Vec<String> = self.rows.iter().flat_map(|row| self.lines_of(row)).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn lines_of(&self, row: &SummaryRow) -> Vec<String> {
        let (Some(search), Some(recipe)) = (&row.search, &row.recipe) else { return Vec::new() };
        let name = &row.name;
        let points = format!("{} point{}", search.points, if search.points == 1 { "" } else { "s" });
        let failed = if search.failed == 0 { String::new() } else { format!(", {} failed", search.failed) };
        let Some(value) = row.value else {
            return vec![format!("{name} chose nothing ({points}{failed})")];
        };
        let (metric, select) = (&self.objective.metric, &self.splits.select);
        let best = if row.is_best { "; the best merge" } else { "" };
        let chosen = format!("{name} chose {} ({points}{failed}; {metric} {value:.4} on {select}{best})", flat(recipe));
        let warn = |keys: &[String], end: &str| {
            let warning = |key: &String| {
                format!("warning: {name} chose the {end} {key} that it looked at; a wider range may hold a better one")
            };
            keys.iter().map(warning).collect::<Vec<_>>()
        };
        let low = warn(&search.at_lower_border, "smallest");
        let high = warn(&search.at_upper_border, "largest");
        [vec![chosen], low, high].concat()
    }

    pub(super) fn problem_lines(&self) -> Option<String> {
        let lines: Vec<String> = self.problems.iter().map(|problem| format!("warning: {problem}")).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
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

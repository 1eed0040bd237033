use super::{CHOSEN, Style, WIDTH};
use crate::{Kind, SearchSummary, Summary, SummaryRow};
use jobs::RecipeSpec;

impl Summary {
    /// Which row is the chosen one, what each search chose, and a warning where the best may lie beyond what it
    /// looked at.
    pub(super) fn search_lines(&self, style: Style) -> Option<String> {
        let chosen = self.best().map(|row| {
            let whole = if row.kind == Kind::Search { "searches" } else { "fixed recipes: nothing was searched" };
            let (metric, select) = (&self.objective.metric, &self.splits.select);
            format!("{CHOSEN} {} is chosen: the best by {metric} on {select} of the {whole}", row.name)
        });
        let lines = chosen.into_iter().chain(self.rows.iter().flat_map(|row| self.lines_of(row)));
        paragraph(lines, style)
    }

    fn lines_of(&self, row: &SummaryRow) -> Vec<String> {
        let Some(search) = &row.search else { return Vec::new() };
        let name = &row.name;
        let SearchSummary { points, failed, .. } = search;
        let Some(recipe) = &row.recipe else {
            return vec![format!("{name} chose nothing: all of its points failed ({failed} of {points})")];
        };
        let points = format!("{points} point{}", if *points == 1 { "" } else { "s" });
        let failed = if *failed == 0 { String::new() } else { format!(", {failed} failed") };
        let (metric, select) = (&self.objective.metric, &self.splits.select);
        let value = row.value.map_or_else(|| "not known".to_owned(), |value| format!("{value:.4}"));
        let chosen = format!("{name} chose {} ({points}{failed}; {metric} {value} on {select})", flat(recipe));
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

    pub(super) fn problem_lines(&self, style: Style) -> Option<String> {
        paragraph(self.problems.iter().map(|problem| format!("warning: {problem}")), style)
    }
}

/// The lines, each wrapped; in Markdown a list, since lines would run together.
fn paragraph(lines: impl Iterator<Item = String>, style: Style) -> Option<String> {
    let lines: Vec<String> = lines.map(|line| wrapped(&line, style)).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `line` in lines that fit, those after the first indented. Markdown wraps by itself.
pub(super) fn wrapped(line: &str, style: Style) -> String {
    if style == Style::Markdown {
        return format!("- {line}");
    }
    let (mut text, mut width) = (String::new(), 0);
    for word in line.split(' ') {
        let columns = word.chars().count();
        if width > 0 && width + 1 + columns > WIDTH {
            text += "\n    ";
            width = 4;
        } else if !text.is_empty() {
            text.push(' ');
            width += 1;
        }
        text += word;
        width += columns;
    }
    text
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

use super::{
    ColumnKind, Table,
    shown::{Margin, Shown},
};

impl Table {
    /// The table as an element of a page, with its title as caption and its notes below it. All text is escaped.
    pub fn html(&self) -> String {
        let table = self.fit_to_show();
        let head: String = table.columns.iter().map(|column| cell("th", column.kind, &escaped(&column.name))).collect();
        let row = |row: &super::TableRow| {
            let cells = row.cells.iter().zip(&table.columns);
            let cells: String =
                cells.map(|(of, column)| cell("td", column.kind, &cell_text(&Shown::new(of, column)))).collect();
            let class = if row.is_chosen { " class=\"chosen\"" } else { "" };
            format!("<tr{class}>{cells}</tr>\n")
        };
        let rows: String = table.rows.iter().map(row).collect();
        let notes: String = table.notes.iter().map(|note| format!("<li>{}</li>\n", escaped(note))).collect();
        let notes = if notes.is_empty() { notes } else { format!("<ul class=\"notes\">\n{notes}</ul>\n") };
        format!(
            "<table>\n<caption>{}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n{notes}",
            escaped(&table.title)
        )
    }
}

fn cell(element: &str, kind: ColumnKind, content: &str) -> String {
    let class = if kind == ColumnKind::Text { "" } else { " class=\"number\"" };
    format!("<{element}{class}>{content}</{element}>")
}

fn cell_text(shown: &Shown) -> String {
    let text = escaped(&shown.text);
    let text = if shown.is_best { format!("<b>{text}</b>") } else { text };
    match &shown.margin {
        None => text,
        Some(Margin::Half(half)) => format!("{text} ± {half}"),
        Some(Margin::Ends(low, high)) => format!("{text} [{low}, {high}]"),
    }
}

/// Text of results as text of an HTML page, also within an attribute in quotes.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

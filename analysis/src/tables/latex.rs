use super::{
    ColumnKind, Table,
    shown::{DASH, Margin, Shown},
};

/// A `tabular` with the rules of `booktabs`, after the title and the notes as comments.
pub(super) fn render(table: &Table) -> String {
    let columns: String =
        table.columns.iter().map(|column| if column.kind == ColumnKind::Text { 'l' } else { 'r' }).collect();
    let comments: String =
        std::iter::once(&table.title).chain(&table.notes).map(|line| format!("% {}\n", one_line(line))).collect();
    let heads: Vec<String> = table.columns.iter().map(|column| escaped(&column.name)).collect();
    let rows: String = table
        .rows
        .iter()
        .map(|row| {
            let cells = row.cells.iter().zip(&table.columns).map(|(cell, column)| cell_text(&Shown::new(cell, column)));
            let mark = if row.is_chosen { "$\\triangleright$ " } else { "" };
            format!("{mark}{} \\\\\n", cells.collect::<Vec<_>>().join(" & "))
        })
        .collect();
    let heads = heads.join(" & ");
    format!(
        "{comments}\\begin{{tabular}}{{{columns}}}\n\\toprule\n{heads} \\\\\n\\midrule\n{rows}\\bottomrule\n\\end{{tabular}}\n"
    )
}

fn cell_text(shown: &Shown) -> String {
    if shown.text == DASH {
        return "--".to_owned();
    }
    let text = if !shown.is_number {
        escaped(&shown.text)
    } else if shown.text.starts_with(['+', '-']) {
        // LaTeX prints `-` as a hyphen outside of mathematics.
        format!("${}$", shown.text)
    } else {
        shown.text.clone()
    };
    let text = if shown.is_best { format!("\\textbf{{{text}}}") } else { text };
    match &shown.margin {
        None => text,
        Some(Margin::Half(half)) => format!("{text} $\\pm$ {half}"),
        Some(Margin::Ends(low, high)) => format!("{text} $[{low}, {high}]$"),
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in one_line(text).chars() {
        match letter {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            _ => escaped.push(letter),
        }
    }
    escaped
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

use super::{Cell, Column, Table};
use crate::number::without_negative_zero;
use std::borrow::Cow;

/// The cells with all their digits. Where a column has intervals, their ends follow as `<name>_low` and `<name>_high`;
/// where a row is chosen, a last column `chosen` says which.
pub(super) fn render(table: &Table) -> String {
    let has_interval: Vec<bool> = (0..table.columns.len())
        .map(|index| {
            table.rows.iter().any(|row| matches!(row.cells.get(index), Some(Cell::Measured { low: Some(_), .. })))
        })
        .collect();
    let has_chosen = table.rows.iter().any(|row| row.is_chosen);
    let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let mut heads = Vec::new();
    for (Column { name, .. }, has_interval) in table.columns.iter().zip(&has_interval) {
        heads.push(as_text(name).into_owned());
        if *has_interval {
            heads.extend(["low", "high"].map(|end| as_text(&format!("{name}_{end}")).into_owned()));
        }
    }
    heads.extend(has_chosen.then(|| "chosen".to_owned()));
    let lines = table.rows.iter().map(|row| {
        let mut line = Vec::with_capacity(heads.len());
        for (cell, has_interval) in row.cells.iter().zip(&has_interval) {
            line.push(value(cell));
            if *has_interval {
                line.extend(ends(cell));
            }
        }
        line.extend(has_chosen.then(|| row.is_chosen.to_string()));
        line
    });
    for line in std::iter::once(heads.clone()).chain(lines) {
        writer.write_record(&line).expect("lines may be of any length, and memory takes them all");
    }
    let bytes = writer.into_inner().expect("memory takes all bytes");
    String::from_utf8(bytes).expect("texts were written, and nothing else")
}

fn value(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => as_text(text).into_owned(),
        Cell::Count(count) => count.to_string(),
        Cell::Number(value) | Cell::Measured { value, .. } => digits(*value),
    }
}

/// A text that a spreadsheet would take for a formula, behind the apostrophe that makes it a text there.
///
/// Numbers stay: they begin with a sign, too.
pub(crate) fn as_text(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    if is_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

fn ends(cell: &Cell) -> [String; 2] {
    let end = |end: &Option<f64>| end.map(digits).unwrap_or_default();
    match cell {
        Cell::Measured { low, high, .. } => [end(low), end(high)],
        Cell::Empty | Cell::Text(_) | Cell::Count(_) | Cell::Number(_) => Default::default(),
    }
}

/// The shortest digits that read back as the same number.
fn digits(value: f64) -> String {
    if value.is_finite() {
        format!("{:?}", without_negative_zero(value)).trim_end_matches(".0").to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_is_a_text() {
        for text in ["=1+1", "+x", "-rf", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"x\")"] {
            assert_eq!(as_text(text), format!("'{text}"));
        }
        for text in ["-1.5", "+3", "-1e-3", "ties", "a=b", ""] {
            assert_eq!(as_text(text), text);
        }
    }
}

use super::{Cell, Column, ColumnKind};
use crate::number::{fixed, signed, trimmed};

/// Stands for what does not exist.
pub(super) const DASH: &str = "–";

/// A cell as people read it.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) margin: Option<Margin>,
    pub(super) is_best: bool,
    /// Whether the text is a number.
    pub(super) is_number: bool,
}

/// What is left open about a number.
#[derive(Debug)]
pub(super) enum Margin {
    /// Half the width of the interval.
    Half(String),
    /// Both its ends: the sign of a difference is what matters.
    Ends(String, String),
}

impl Shown {
    pub(super) fn new(cell: &Cell, column: &Column) -> Self {
        let number = |value: f64| Self { text: number(value, column.kind), is_number: true, ..Self::default() };
        match cell {
            Cell::Empty => Self { text: DASH.to_owned(), ..Self::default() },
            // A line break would end the cell.
            Cell::Text(text) => {
                Self { text: text.split(['\n', '\r']).collect::<Vec<_>>().join(" "), ..Self::default() }
            }
            Cell::Count(count) => Self { text: count.to_string(), is_number: true, ..Self::default() },
            Cell::Number(value) | Cell::Measured { value, .. } if !value.is_finite() => {
                Self { text: DASH.to_owned(), ..Self::default() }
            }
            Cell::Number(value) => number(*value),
            Cell::Measured { value, low, high, is_best } => {
                let margin = low.zip(*high).filter(|_| !column.is_brief).map(|(low, high)| match column.kind {
                    ColumnKind::Difference => {
                        Margin::Ends(self::number(low, column.kind), self::number(high, column.kind))
                    }
                    kind => Margin::Half(self::number((high - low) / 2.0, kind)),
                });
                Self { margin, is_best: *is_best, ..number(*value) }
            }
        }
    }
}

fn number(value: f64, kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Share => fixed(value * 100.0, 1),
        ColumnKind::Difference => signed(value * 100.0, 1),
        ColumnKind::Seconds => fixed(value, 1),
        ColumnKind::Text | ColumnKind::Count | ColumnKind::Number => plain(value),
    }
}

/// At most four decimals, unless the number is too small or too large for them.
fn plain(value: f64) -> String {
    if value == 0.0 || (0.001..1e7).contains(&value.abs()) { trimmed(value, 4) } else { format!("{value:.1e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_have_to_be() {
        let shown = [0.6, 1.0, 0.0054, 0.000_352, 0.0, 12_000.0, 2e9, -0.25, -0.0].map(plain);
        assert_eq!(shown, ["0.6", "1", "0.0054", "3.5e-4", "0", "12000", "2.0e9", "-0.25", "0"]);
    }

    #[test]
    fn differences_have_a_sign_unless_there_is_none() {
        let shown = [0.025, -0.0123, 0.0004, -0.0004].map(|value| number(value, ColumnKind::Difference));
        assert_eq!(shown, ["+2.5", "-1.2", "0.0", "0.0"]);
    }
}

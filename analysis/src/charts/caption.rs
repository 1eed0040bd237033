use crate::{Summary, number::trimmed};

/// A number with commas between thousands.
pub(super) fn counted(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "500 of 1,000,000 points", or "1,000 points" where all are shown.
pub(super) fn shown(shown: u64, total: u64, what: &str) -> String {
    let s = if total == 1 { "" } else { "s" };
    if shown < total {
        format!("{} of {} {what}{s}", counted(shown), counted(total))
    } else {
        format!("{} {what}{s}", counted(total))
    }
}

/// "each on 800 examples of validation": what one value of a merge rests on.
pub(super) fn examples(summary: &Summary, split: &str) -> String {
    let merges = summary.rows.iter().filter(|row| row.kind.is_merge());
    let n = merges.filter_map(|row| row.splits.get(split)).map(|split| split.n).max();
    match n.filter(|n| *n > 0) {
        Some(n) => format!("each on {} examples of {split}", counted(n)),
        None => format!("each on {split}"),
    }
}

/// A number in short form: at most four significant digits.
pub(super) fn short(number: f64) -> String {
    if number != 0.0 && !(1e-4..1e6).contains(&number.abs()) {
        return format!("{number:.1e}");
    }
    if number.abs() >= 1e4 {
        let sign = if number < 0.0 { "-" } else { "" };
        return format!("{sign}{}", counted(number.abs().round() as u64));
    }
    let before = number.abs().log10().floor().max(-4.0);
    trimmed(number, (3.0 - before).clamp(0.0, 6.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_write_them() {
        assert_eq!([7, 999, 1000, 1_234_567].map(counted), ["7", "999", "1,000", "1,234,567"]);
        assert_eq!(shown(5000, 1_000_000, "point"), "5,000 of 1,000,000 points");
        assert_eq!((shown(1, 1, "job"), shown(3, 3, "job")), ("1 job".to_owned(), "3 jobs".to_owned()));
        let texts =
            [0.0, 0.1, 0.30000000000000004, 1.0, 12.3456, 1234.5, -123_456.0, 0.001_234, 1e-5, 2e7, -0.0].map(short);
        assert_eq!(texts, ["0", "0.1", "0.3", "1", "12.35", "1234", "-123,456", "0.001234", "1.0e-5", "2.0e7", "0"]);
    }
}

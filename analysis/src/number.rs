//! Numbers as people read them: what is rounded to nothing has no sign.

/// The number with `decimals` decimals, without the sign of a zero.
///
/// # Examples
/// ```
/// assert_eq!(analysis::fixed(-0.04, 1), "0.0");
/// assert_eq!(analysis::fixed(-0.06, 1), "-0.1");
/// ```
pub fn fixed(value: f64, decimals: usize) -> String {
    unsigned_zero(format!("{value:.decimals$}"))
}

/// The same with a plus before what is above zero.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    unsigned_zero(format!("{value:+.decimals$}"))
}

/// The number without the zeros at the end of its decimals, of which it has at most so many.
pub(crate) fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    unsigned_zero(text)
}

/// A whole number that was a zero below nothing is one of both.
pub(crate) fn without_negative_zero(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}

fn unsigned_zero(text: String) -> String {
    match text.strip_prefix(['+', '-']) {
        Some(digits) if digits.bytes().all(|digit| matches!(digit, b'0' | b'.')) => digits.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rounded_to_nothing_has_no_sign() {
        assert_eq!(
            [-0.04, 0.04, -0.0, -0.05001, -12.0].map(|value| fixed(value, 1)),
            ["0.0", "0.0", "0.0", "-0.1", "-12.0"]
        );
        assert_eq!([-0.4, 0.4, -1.0].map(|value| fixed(value, 0)), ["0", "0", "-1"]);
        assert_eq!([-0.04, 0.04, 0.06].map(|value| signed(value, 1)), ["0.0", "0.0", "+0.1"]);
        assert_eq!(
            [-0.0, -0.00001, 0.25, -100.0, 10.0].map(|value| trimmed(value, 4)),
            ["0", "0", "0.25", "-100", "10"]
        );
        assert_eq!(format!("{:?}", without_negative_zero(-0.0)), "0.0");
    }
}

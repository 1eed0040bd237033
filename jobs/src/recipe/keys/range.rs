use crate::RecipeError;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

/// More than any count of directions of a weight.
const MOST: f64 = 1_048_576.0;

/// The numbers in which a key has a meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    low: Bound<f64>,
    high: Bound<f64>,
    /// Whether it has whole numbers alone.
    is_whole: bool,
    /// How errors write it.
    text: &'static str,
    /// How the documentation writes it.
    in_words: &'static str,
}

impl Range {
    /// Zero and more.
    pub(super) const NOT_NEGATIVE: Self =
        Self { low: Included(0.0), high: Unbounded, is_whole: false, text: "[0, ∞)", in_words: "number ≥ 0" };
    /// More than zero.
    pub(super) const POSITIVE: Self =
        Self { low: Excluded(0.0), high: Unbounded, is_whole: false, text: "(0, ∞)", in_words: "number > 0" };
    /// A share of both ends that leaves something between them.
    pub(super) const BELOW_HALF: Self = Self {
        low: Included(0.0),
        high: Excluded(0.5),
        is_whole: false,
        text: "[0, 0.5)",
        in_words: "number in [0, 0.5)",
    };
    /// A share that is less than the whole.
    pub(super) const SHARE_BELOW_ONE: Self =
        Self { low: Included(0.0), high: Excluded(1.0), is_whole: false, text: "[0, 1)", in_words: "number in [0, 1)" };
    /// A share that is not nothing.
    pub(super) const SHARE_ABOVE_ZERO: Self =
        Self { low: Excluded(0.0), high: Included(1.0), is_whole: false, text: "(0, 1]", in_words: "number in (0, 1]" };
    /// A share that may be nothing or the whole.
    pub(super) const SHARE: Self =
        Self { low: Included(0.0), high: Included(1.0), is_whole: false, text: "[0, 1]", in_words: "number in [0, 1]" };
    /// A count that may be 0. Counts are numbers like others: a range of a search gives them as 16.0.
    pub(super) const COUNT: Self = Self {
        low: Included(0.0),
        high: Included(MOST),
        is_whole: true,
        text: "the whole numbers from 0 to 1048576",
        in_words: "whole number ≥ 0",
    };
    /// A count of at least one.
    pub(super) const POSITIVE_COUNT: Self = Self {
        low: Included(1.0),
        high: Included(MOST),
        is_whole: true,
        text: "the whole numbers from 1 to 1048576",
        in_words: "whole number ≥ 1",
    };
    /// Factors of entries, which are multiplied in 32 bits.
    pub(super) const FINITE_F32: Self = Self {
        low: Included(f32::MIN as f64),
        high: Included(f32::MAX as f64),
        is_whole: false,
        text: "the finite 32-bit numbers",
        in_words: "number",
    };

    /// The number itself, if it is finite and in the range.
    ///
    /// # Errors
    /// [`RecipeError::OutOfRange`], of `key`.
    pub(super) fn checked(&self, key: &str, value: f64) -> Result<f64, RecipeError> {
        let is_above = match self.low {
            Included(low) => value >= low,
            Excluded(low) => value > low,
            Unbounded => true,
        };
        let is_below = match self.high {
            Included(high) => value <= high,
            Excluded(high) => value < high,
            Unbounded => true,
        };
        let is_of_kind = !self.is_whole || value.fract() == 0.0;
        if value.is_finite() && is_above && is_below && is_of_kind {
            // -0.0 means 0 and must not be written as another number.
            Ok(value + 0.0)
        } else {
            Err(RecipeError::OutOfRange { key: key.to_owned(), value, range: self.text })
        }
    }

    /// Its lower end.
    pub(crate) fn low(&self) -> Bound<f64> {
        self.low
    }

    /// Its upper end.
    pub(crate) fn high(&self) -> Bound<f64> {
        self.high
    }

    /// Whether the range has whole numbers alone.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Whether the range has numbers below `value`.
    pub fn reaches_below(&self, value: f64) -> bool {
        match self.low {
            Included(low) | Excluded(low) => value > low,
            Unbounded => true,
        }
    }

    /// Whether the range has numbers above `value`.
    pub fn reaches_above(&self, value: f64) -> bool {
        match self.high {
            Included(high) | Excluded(high) => value < high,
            Unbounded => true,
        }
    }

    /// The range as `docs/sweep-file.md` writes it.
    pub fn in_words(&self) -> &'static str {
        self.in_words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_range_says_its_ends() {
        for range in [
            Range::NOT_NEGATIVE,
            Range::POSITIVE,
            Range::BELOW_HALF,
            Range::SHARE_BELOW_ONE,
            Range::SHARE_ABOVE_ZERO,
            Range::SHARE,
        ] {
            let low = match range.low {
                Included(low) => format!("[{low}"),
                Excluded(low) => format!("({low}"),
                Unbounded => "(−∞".to_owned(),
            };
            let high = match range.high {
                Included(high) => format!("{high}]"),
                Excluded(high) => format!("{high})"),
                Unbounded => "∞)".to_owned(),
            };
            assert_eq!(range.text, format!("{low}, {high}"));
        }
    }

    #[test]
    fn an_end_that_cannot_be_passed_has_nothing_beyond_it() {
        let density = Range::SHARE_ABOVE_ZERO;
        assert!(density.reaches_below(0.1) && density.reaches_above(0.9) && !density.reaches_above(1.0));
        let scaling = Range::NOT_NEGATIVE;
        assert!(!scaling.reaches_below(0.0) && scaling.reaches_above(1e300));
        assert!(Range::FINITE_F32.reaches_below(-1.0));
    }

    #[test]
    fn numbers_outside_and_no_numbers_are_refused() {
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Range::NOT_NEGATIVE.checked("scaling", value).is_err(), "{value}");
        }
        assert!(Range::SHARE_ABOVE_ZERO.checked("density", 0.0).is_err());
        assert!(Range::SHARE_BELOW_ONE.checked("drop_rate", 1.0).is_err());
        assert!(Range::FINITE_F32.checked("weights.mnist", 1e39).is_err());
        assert!(Range::POSITIVE_COUNT.checked("rank", 0.0).is_err());
        assert!(Range::COUNT.checked("output_rank", 2.5).is_err() && Range::COUNT.checked("output_rank", 2.0).is_ok());
        assert!(Range::NOT_NEGATIVE.checked("scaling", -0.0).unwrap().is_sign_positive());
    }
}

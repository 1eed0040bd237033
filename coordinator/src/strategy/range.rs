use super::draw::rounded_number;
use jobs::RecipeKey;
use serde_json::{Number, Value};

/// A whole range of a parameter, as shares from 0 to 1: of the numbers, or with `log` of their logarithms. `libm` gives the same
/// on every machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) log: bool,
    /// Whether the key takes whole numbers alone.
    is_whole: bool,
}

impl Range {
    /// The range of a parameter with this key.
    pub(super) fn of(key: &str, min: f64, max: f64, log: bool) -> Self {
        let is_whole = RecipeKey::of(key).and_then(RecipeKey::range).is_some_and(|range| range.is_whole());
        Self { min, max, log, is_whole }
    }

    /// The number at a share of the range, with six significant digits, and whole where the key takes whole numbers.
    pub(super) fn number(&self, share: f64) -> f64 {
        let number = if self.log {
            libm::exp(libm::log(self.min) + share * (libm::log(self.max) - libm::log(self.min)))
        } else {
            self.min + share * (self.max - self.min)
        };
        if self.is_whole {
            return number.round().clamp(self.min.ceil(), self.max.floor().max(self.min.ceil()));
        }
        rounded_number(number, self.min, self.max)
    }

    /// The number as the value of a parameter.
    pub(super) fn value(&self, share: f64) -> Value {
        value_of(self.number(share))
    }

    /// The share at which a number lies; `None` if it lies outside.
    pub(super) fn share(&self, number: f64) -> Option<f64> {
        if !(self.min..=self.max).contains(&number) {
            return None;
        }
        if self.log {
            return Some((libm::log(number) - libm::log(self.min)) / (libm::log(self.max) - libm::log(self.min)));
        }
        Some((number - self.min) / (self.max - self.min))
    }
}

/// A finite number as JSON.
pub(super) fn value_of(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_way_is_the_mean_or_the_geometric_mean() {
        assert!((Range::of("scaling", 1.0, 4.0, false).number(0.5) - 2.5).abs() < 1e-12);
        assert!((Range::of("scaling", 1.0, 4.0, true).number(0.5) - 2.0).abs() < 1e-12);
        assert!((Range::of("output_rank", 1.2, 4.0, false).number(0.0) - 2.0).abs() < 1e-12, "1 is outside");
        assert_eq!(Range::of("scaling", 1.0, 4.0, false).share(4.1), None);
    }

    proptest! {
        #[test]
        fn a_number_lies_in_the_range_and_at_its_share(share in 0.0..=1.0f64, min in 0.01..1.0f64, width in 0.1..1e3f64, log: bool) {
            let range = Range::of("scaling", min, min + width, log);
            let number = range.number(share);
            prop_assert!((min..=min + width).contains(&number));
            prop_assert!((range.share(number).unwrap() - share).abs() < 1e-3);
        }
    }
}

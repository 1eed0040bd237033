use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One dimension of a search: a recipe key and the values that it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The recipe key it sets, such as `scaling` or `weights.mnist`.
    pub key: String,
    /// The values it takes.
    pub values: Values,
}

/// The values of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Values {
    /// Listed values, in search order; never empty.
    List(Vec<Value>),
    /// Any number from `min` to `max`; not for methods that go through a list. Draws of `random` reach `max` by rounding alone.
    Continuous {
        /// The lower end.
        min: f64,
        /// The upper end, above `min`.
        max: f64,
        /// Draws the logarithm uniformly instead of the number.
        log: bool,
    },
}

/// Why a range has no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The ends are not finite or in the wrong order.
    #[error("`min` must be below `max`, and both finite")]
    Order,
    /// The step does not lead anywhere.
    #[error("`step` must be positive")]
    Step,
    /// The range would hold an absurd number of values.
    #[error("the range has more than {MAX_VALUES} values; take a larger `step`")]
    Many,
}

/// The most values that one range may have.
const MAX_VALUES: usize = 1_000_000;

impl Values {
    /// The numbers min, min + step, … up to max, which is included if a step lands on it.
    ///
    /// Sums of decimal steps are rounded to twelve decimals, so that 0.1 + 2 · 0.1 is 0.3 and shares its job id with a
    /// listed 0.3.
    ///
    /// # Errors
    /// Ends out of order, a step that is not positive, more than a million values.
    pub fn range(min: f64, max: f64, step: f64) -> Result<Self, RangeError> {
        if !(min.is_finite() && max.is_finite() && min <= max) {
            return Err(RangeError::Order);
        }
        if !(step.is_finite() && step > 0.0) {
            return Err(RangeError::Step);
        }
        let last = ((max - min) / step + 1e-9).floor();
        if last >= MAX_VALUES as f64 {
            return Err(RangeError::Many);
        }
        let value = |i: usize| json!(((min + i as f64 * step) * 1e12).round() / 1e12);
        Ok(Self::List((0..=last as usize).map(value).collect()))
    }

    /// The listed values; `None` for a continuous range.
    pub fn listed(&self) -> Option<&[Value]> {
        match self {
            Self::List(values) => Some(values),
            Self::Continuous { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_round_numbers_and_both_ends() {
        let values = Values::range(0.1, 1.0, 0.1).unwrap();
        assert_eq!(
            values.listed().unwrap(),
            &[
                json!(0.1),
                json!(0.2),
                json!(0.3),
                json!(0.4),
                json!(0.5),
                json!(0.6),
                json!(0.7),
                json!(0.8),
                json!(0.9),
                json!(1.0)
            ]
        );
    }

    #[test]
    fn ranges_without_values_are_refused() {
        assert_eq!(Values::range(1.0, 0.0, 0.1), Err(RangeError::Order));
        assert_eq!(Values::range(0.0, 1.0, 0.0), Err(RangeError::Step));
        assert_eq!(Values::range(0.0, 1.0, 1e-9), Err(RangeError::Many));
        assert_eq!(Values::range(0.0, f64::NAN, 0.1), Err(RangeError::Order));
    }
}

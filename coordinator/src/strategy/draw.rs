use super::{
    error::{StrategyError, combination},
    listed::Source,
};
use jobs::{RecipeSpec, Search, Values};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::Value;

/// Draws from the values, each a function of (seed, trial) alone: more trials add to the draws and change none.
///
/// The generator is ChaCha8 with the seed as key and the trial as stream; the parameters take one number each, in
/// file order. Two searches of a sweep see the same numbers, so that they are compared on paired draws.
#[derive(Debug, Clone)]
pub(super) struct Draws {
    search: Search,
    trials: u32,
    seed: u64,
}

impl Draws {
    pub(super) fn of(search: &Search, trials: u32, seed: u64) -> Self {
        // Without parameters, all draws are the same.
        let trials = if search.parameters.is_empty() { 1 } else { trials };
        Self { search: search.clone(), trials, seed }
    }
}

impl Source for Draws {
    fn search(&self) -> &str {
        &self.search.name
    }

    fn len(&self) -> u64 {
        u64::from(self.trials)
    }

    fn spec(&self, index: u64) -> Result<RecipeSpec, StrategyError> {
        let mut numbers = ChaCha8Rng::seed_from_u64(self.seed);
        numbers.set_stream(index);
        let mut spec = self.search.recipe.clone();
        for parameter in &self.search.parameters {
            let value = draw(&parameter.values, numbers.next_u64());
            spec.set(&parameter.key, &value).map_err(|source| combination(&self.search.name, &spec, source))?;
        }
        Ok(spec)
    }
}

/// The value that the uniform 64-bit `number` stands for.
fn draw(values: &Values, number: u64) -> Value {
    // 53 bits fill the mantissa: uniform in [0, 1).
    let share = (number >> 11) as f64 / (1u64 << 53) as f64;
    match values {
        Values::List(values) => {
            let index = (u128::from(number) * values.len() as u128) >> 64;
            values.get(index as usize).cloned().unwrap_or(Value::Null)
        }
        Values::Continuous { min, max, log: false } => rounded(min + share * (max - min), *min, *max),
        Values::Continuous { min, max, log: true } => {
            let exponent = min.ln() + share * (max.ln() - min.ln());
            rounded(exponent.exp(), *min, *max)
        }
    }
}

fn rounded(value: f64, min: f64, max: f64) -> Value {
    Value::from(rounded_number(value, min, max))
}

/// Six significant digits are enough to distinguish recipes, and short enough to type them again.
pub(super) fn rounded_number(value: f64, min: f64, max: f64) -> f64 {
    let rounded = format!("{value:.5e}").parse().unwrap_or(value);
    f64::clamp(rounded, min, max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_list_is_drawn_from_uniformly() {
        let values = Values::List(vec![json!(1), json!(2), json!(3)]);
        assert_eq!(draw(&values, 0), json!(1));
        assert_eq!(draw(&values, u64::MAX / 2), json!(2));
        assert_eq!(draw(&values, u64::MAX), json!(3));
    }

    #[test]
    fn half_way_is_the_mean_or_the_geometric_mean() {
        let half = 1 << 63;
        assert_eq!(draw(&Values::Continuous { min: 1.0, max: 4.0, log: false }, half), json!(2.5));
        assert_eq!(draw(&Values::Continuous { min: 1.0, max: 4.0, log: true }, half), json!(2.0));
    }

    #[test]
    fn draws_have_six_significant_digits() {
        assert_eq!(rounded(0.123_456_789, 0.0, 1.0), json!(0.123457));
        assert_eq!(rounded(1_234.567_89, 0.0, 1e9), json!(1234.57));
    }

    proptest! {
        #[test]
        fn draws_stay_in_range(number: u64, min in 1e-6..1.0f64, width in 1e-6..1e3f64, log: bool) {
            let max = min + width;
            let value = draw(&Values::Continuous { min, max, log }, number).as_f64().unwrap();
            prop_assert!((min..=max).contains(&value));
        }
    }
}

use super::{
    error::{StrategyError, combination},
    listed::Source,
};
use jobs::{Parameter, RecipeKey, RecipeSpec, Search};
use serde_json::Value;

/// Every combination of listed values, read off a mixed-radix counter: combination `i` is computed, not kept.
///
/// The counter's fastest digit is the parameter that costs least to change, so that neighbours share what is expensive
/// ([`RecipeKey::cost_order`]): first the alignment, and innermost the scaling coefficient, in which a merge is linear.
/// Parameters of the same cost keep the file's order.
#[derive(Debug, Clone)]
pub(super) struct Combinations {
    search: String,
    start: RecipeSpec,
    /// Outermost first.
    digits: Vec<Digit>,
    len: u64,
}

#[derive(Debug, Clone)]
struct Digit {
    key: String,
    values: Vec<Value>,
}

impl Combinations {
    pub(super) fn of(search: &Search) -> Result<Self, StrategyError> {
        let mut digits =
            search.parameters.iter().map(|parameter| digit(search, parameter)).collect::<Result<Vec<_>, _>>()?;
        digits.sort_by_key(|digit| RecipeKey::of(&digit.key).map(RecipeKey::cost_order));
        let len = digits.iter().try_fold(1u64, |len, digit| len.checked_mul(digit.values.len() as u64));
        let len = len.filter(|len| i64::try_from(*len).is_ok());
        let len = len.ok_or_else(|| StrategyError::Endless { search: search.name.clone() })?;
        Ok(Self { search: search.name.clone(), start: search.recipe.clone(), digits, len })
    }
}

fn digit(search: &Search, parameter: &Parameter) -> Result<Digit, StrategyError> {
    let key = parameter.key.clone();
    match parameter.values.listed() {
        Some(values) => Ok(Digit { key, values: values.to_vec() }),
        None => Err(StrategyError::Continuous { search: search.name.clone(), key }),
    }
}

impl Source for Combinations {
    fn search(&self) -> &str {
        &self.search
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn spec(&self, index: u64) -> Result<RecipeSpec, StrategyError> {
        let mut spec = self.start.clone();
        let mut rest = index;
        for Digit { key, values } in self.digits.iter().rev() {
            let radix = values.len() as u64;
            let value = &values[(rest % radix) as usize];
            rest /= radix;
            spec.set(key, value).map_err(|source| combination(&self.search, &spec, source))?;
        }
        Ok(spec)
    }
}

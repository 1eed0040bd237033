//! Values of two parameters that do not fit together.

use crate::{Method, Parameter, RecipeKey, Search, SweepError, Values};
use serde_json::Value;

/// Refuses two parameters of which two values describe no merge together, for methods that learn from their points. Of
/// numbers the smallest and the largest are tried, and of words all.
///
/// A grid tries all its points beforehand, a linear search names such values when it meets them. A method that learns counts
/// what is left, of three parameters or more, as failed.
pub(super) fn check_pairs(path: &str, search: &Search, method: Method) -> Result<(), SweepError> {
    let learns = match method {
        Method::Bracket | Method::Tpe { .. } | Method::CmaEs { .. } => true,
        Method::Grid | Method::Random { .. } | Method::Linear | Method::Portfolio => false,
    };
    if !learns {
        return Ok(());
    }
    // Weights fit together with everything, and there may be thousands of them.
    let is_by_task = |key: &str| RecipeKey::of(key).is_some_and(RecipeKey::is_by_task);
    let parameters: Vec<&Parameter> = search.parameters.iter().filter(|of| !is_by_task(&of.key)).collect();
    for (i, one) in parameters.iter().enumerate() {
        for other in &parameters[i + 1..] {
            check_pair(path, search, one, other)?;
        }
    }
    Ok(())
}

fn check_pair(path: &str, search: &Search, one: &Parameter, other: &Parameter) -> Result<(), SweepError> {
    for first in outermost(&one.values) {
        for second in outermost(&other.values) {
            let mut recipe = search.recipe.clone();
            let set = recipe.set(&one.key, &first).and_then(|()| recipe.set(&other.key, &second));
            if let Err(reason) = set.and_then(|()| recipe.resolve()) {
                let key = &one.key;
                let beside = &other.key;
                let problem =
                    format!("may be {first}, which does not fit together with {second} for `{beside}`: {reason}");
                return Err(SweepError::invalid(format!("{path}.{key}"), problem));
            }
        }
    }
    Ok(())
}

/// The ends of a range, the smallest and the largest of listed numbers, and all other values.
fn outermost(values: &Values) -> Vec<Value> {
    let listed = match values {
        Values::Continuous { min, max, .. } => return vec![(*min).into(), (*max).into()],
        Values::List(listed) => listed,
    };
    let numbers = || listed.iter().filter(|value| value.is_number());
    let by_size = |one: &&Value, other: &&Value| one.as_f64().unwrap_or(0.0).total_cmp(&other.as_f64().unwrap_or(0.0));
    let ends = numbers().min_by(by_size).into_iter().chain(numbers().max_by(by_size));
    ends.chain(listed.iter().filter(|value| !value.is_number())).cloned().collect()
}

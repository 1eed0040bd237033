//! The search method, and which parameters it takes.

use crate::{KeyKind, Method, Parameter, RecipeKey, SweepError, Values, sweep::file::MethodFile};
use serde_json::Value;

/// The methods that have `trials` and a `seed`, as messages list them.
const WITH_TRIALS: &str = "`method: random`, `tpe` or `cma_es`";

/// The most points of `method: tpe`, whose estimates take time in proportion to the square of their number.
const MOST_TPE: u32 = 2_000;

/// The most points of `method: cma_es`, all of which are kept and listed.
const MOST_CMA_ES: u32 = 10_000;

/// The most parameters of `method: tpe`. Its estimates take time in proportion to their number, and its Sobol sequence has 256
/// dimensions.
const MOST_TPE_PARAMETERS: usize = 32;

pub(super) fn check_method(method: MethodFile, trials: Option<u32>, seed: Option<u64>) -> Result<Method, SweepError> {
    let seed_or_0 = seed.unwrap_or(0);
    let method = match (method, trials) {
        (MethodFile::Random, Some(trials)) => Method::Random { trials, seed: seed_or_0 },
        (MethodFile::Tpe, Some(trials)) => Method::Tpe { trials, seed: seed_or_0 },
        (MethodFile::CmaEs, Some(trials)) => Method::CmaEs { trials, seed: seed_or_0 },
        (MethodFile::Random, None) => return Err(missing("random")),
        (MethodFile::Tpe, None) => return Err(missing("tpe")),
        (MethodFile::CmaEs, None) => return Err(missing("cma_es")),
        (MethodFile::Grid, _) => Method::Grid,
        (MethodFile::Linear, _) => Method::Linear,
        (MethodFile::Bracket, _) => Method::Bracket,
        (MethodFile::Portfolio, _) => Method::Portfolio,
    };
    check_trials("trials", trials, method)?;
    if seed.is_some() && method.seed().is_none() {
        let problem = format!("has no effect without {WITH_TRIALS}; DARE's seed is `recipe.seed`");
        return Err(SweepError::invalid("seed", problem));
    }
    Ok(method)
}

fn missing(method: &str) -> SweepError {
    SweepError::invalid("trials", format!("is missing; `method: {method}` needs it"))
}

/// Checks the number of points of a sweep or a search, if one is given.
pub(super) fn check_trials(path: &str, trials: Option<u32>, method: Method) -> Result<(), SweepError> {
    match trials {
        None => Ok(()),
        Some(_) if method.trials().is_none() => {
            Err(SweepError::invalid(path, format!("has no effect without {WITH_TRIALS}")))
        }
        Some(0) => Err(SweepError::invalid(path, "is 0")),
        Some(trials) => match most_trials(method) {
            Some(most) if trials > most => {
                let problem = format!("is {trials}; `method: {}` takes at most {most}", method.name());
                Err(SweepError::invalid(path, problem))
            }
            Some(_) | None => Ok(()),
        },
    }
}

fn most_trials(method: Method) -> Option<u32> {
    match method {
        Method::Tpe { .. } => Some(MOST_TPE),
        Method::CmaEs { .. } => Some(MOST_CMA_ES),
        Method::Grid | Method::Random { .. } | Method::Linear | Method::Bracket | Method::Portfolio => None,
    }
}

/// Refuses parameters whose values the method cannot order. The keys and values are valid in themselves.
pub(super) fn check_kinds_of_parameters(
    path: &str,
    parameters: &[Parameter],
    method: Method,
) -> Result<(), SweepError> {
    match method {
        Method::Grid | Method::Random { .. } | Method::Linear | Method::Portfolio => Ok(()),
        Method::Tpe { .. } if parameters.len() > MOST_TPE_PARAMETERS => {
            let count = parameters.len();
            let problem =
                format!("has {count} entries; `method: tpe` takes at most {MOST_TPE_PARAMETERS}, `cma_es` more");
            Err(SweepError::invalid(path, problem))
        }
        Method::Tpe { .. } => Ok(()),
        Method::CmaEs { .. } => parameters.iter().try_for_each(|parameter| check_is_range(path, parameter)),
        Method::Bracket => parameters.iter().try_for_each(|parameter| check_is_ordered(path, parameter, method)),
    }
}

/// Refuses values that have no order: words, maps and seeds.
fn check_is_ordered(path: &str, parameter: &Parameter, method: Method) -> Result<(), SweepError> {
    let Parameter { key, values } = parameter;
    let method = method.name();
    let refuse = |problem: String| Err(SweepError::invalid(format!("{path}.{key}"), problem));
    if RecipeKey::of(key).is_some_and(|key| key.kind() == KeyKind::Seed) {
        return refuse(format!(
            "is a seed, whose size means nothing, and `method: {method}` needs numbers in order; take `grid`, or `replicates`"
        ));
    }
    let unordered = match values {
        Values::List(values) => values.iter().find(|value| !value.is_number()),
        Values::Continuous { .. } => None,
    };
    match unordered {
        Some(value) => refuse(format!(
            "has the value `{}`, which is no number: `method: {method}` needs numbers; take `linear`, `grid` or `tpe`, or a \
             search for each value",
            written(value)
        )),
        None => Ok(()),
    }
}

/// Refuses everything but a whole range.
fn check_is_range(path: &str, parameter: &Parameter) -> Result<(), SweepError> {
    match &parameter.values {
        Values::Continuous { .. } => Ok(()),
        Values::List(_) => {
            let problem = "is a list of values, and `method: cma_es` moves through whole ranges: give `min` and `max` without a \
                           `step`, or take `tpe`";
            Err(SweepError::invalid(format!("{path}.{}", parameter.key), problem))
        }
    }
}

/// The value as messages show it.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

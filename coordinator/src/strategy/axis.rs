use super::{
    error::StrategyError,
    range::{Range, value_of},
};
use jobs::{Parameter, RecipeSpec, Values};
use serde_json::Value;

/// The steps into which a whole range is divided. One step is less than what a few hundred examples can distinguish.
const STEPS: usize = 64;

/// The values of a parameter in ascending order, with their places on a line.
///
/// A list is itself, without duplicates, at places 0, 1, 2, …. A whole range is divided into 64 steps, equal ones or
/// with `log` equal factors, and has the recipe's own value beside these; the places are shares of the range.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) key: String,
    stops: Vec<Stop>,
    /// The values are the steps of a range.
    is_divided: bool,
}

/// A value on an axis.
#[derive(Debug, Clone)]
struct Stop {
    number: f64,
    value: Value,
    place: f64,
}

impl Axis {
    /// The axis of a parameter of `search`, for a recipe that has `own` at its key.
    pub(super) fn of(search: &str, parameter: &Parameter, own: Option<f64>) -> Result<Self, StrategyError> {
        let Parameter { key, values } = parameter;
        let mut stops = match values {
            Values::List(values) => {
                values.iter().map(|value| listed(search, key, value)).collect::<Result<Vec<_>, _>>()?
            }
            Values::Continuous { min, max, log } => divided(Range::of(key, *min, *max, *log), own).collect(),
        };
        stops.sort_by(|one, other| one.number.total_cmp(&other.number));
        stops.dedup_by(|one, other| one.number.total_cmp(&other.number).is_eq());
        if values.listed().is_some() {
            stops.iter_mut().enumerate().for_each(|(index, stop)| stop.place = index as f64);
        }
        Ok(Self { key: key.clone(), stops, is_divided: values.listed().is_none() })
    }

    pub(super) fn len(&self) -> usize {
        self.stops.len()
    }

    /// The most values that the axis of this parameter has, whatever the recipe has at its key: a divided range takes that value as well.
    pub(super) fn most_values(&self) -> usize {
        if self.is_divided { self.stops.len() + 1 } else { self.stops.len() }
    }

    pub(super) fn value(&self, index: usize) -> &Value {
        &self.stops[index].value
    }

    pub(super) fn place(&self, index: usize) -> f64 {
        self.stops[index].place
    }

    /// The index of the number, if it is one of the values.
    pub(super) fn index_of(&self, number: f64) -> Option<usize> {
        self.stops.binary_search_by(|stop| stop.number.total_cmp(&number)).ok()
    }
}

fn listed(search: &str, key: &str, value: &Value) -> Result<Stop, StrategyError> {
    match value.as_f64() {
        Some(number) => Ok(Stop { number, value: value.clone(), place: 0.0 }),
        None => Err(StrategyError::Unordered {
            search: search.to_owned(),
            key: key.to_owned(),
            value: value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        }),
    }
}

/// The numbers of a divided range, with `own` beside them.
fn divided(range: Range, own: Option<f64>) -> impl Iterator<Item = Stop> {
    let steps = (0..=STEPS).map(move |step| range.number(step as f64 / STEPS as f64));
    steps
        .chain(own)
        .filter_map(move |number| Some(Stop { number, value: value_of(number), place: range.share(number)? }))
}

/// The number that a recipe has at a key, also if its preset says it or if its step does nothing.
pub(super) fn own_number(recipe: &RecipeSpec, key: &str) -> Option<f64> {
    recipe.value_of(key)?.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn axis(key: &str, values: Values, own: Option<f64>) -> Axis {
        Axis::of("s", &Parameter { key: key.to_owned(), values }, own).unwrap()
    }

    fn numbers(axis: &Axis) -> Vec<f64> {
        axis.stops.iter().map(|stop| stop.number).collect()
    }

    #[test]
    fn a_list_is_sorted_and_keeps_its_values_as_they_are_written() {
        let list = Values::List(vec![json!(1), json!(0.5), json!(2.0), json!(0.5)]);
        let axis = axis("scaling", list, Some(0.7));
        assert_eq!(numbers(&axis), [0.5, 1.0, 2.0], "the recipe's own value is not listed");
        assert_eq!((axis.value(1), axis.place(2)), (&json!(1), 2.0));
        assert_eq!((axis.index_of(2.0), axis.index_of(0.7)), (Some(2), None));
    }

    #[test]
    fn a_range_has_both_ends_and_the_value_of_the_recipe() {
        let linear = axis("scaling", Values::Continuous { min: 0.0, max: 1.28, log: false }, Some(0.333));
        assert_eq!((linear.len(), numbers(&linear)[0], numbers(&linear)[65]), (66, 0.0, 1.28));
        assert!(linear.index_of(0.333).is_some() && linear.index_of(0.64).is_some());
        let log = axis("scaling", Values::Continuous { min: 0.1, max: 10.0, log: true }, Some(20.0));
        let middle = log.index_of(1.0).unwrap();
        assert_eq!((log.len(), middle), (65, 32), "a value outside is left out");
        assert!((log.place(middle) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn whole_numbers_stay_whole() {
        let ranks = axis("output_rank", Values::Continuous { min: 1.0, max: 5.0, log: false }, None);
        assert_eq!(numbers(&ranks), [1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn words_have_no_order() {
        let words = Values::List(vec![json!("rows")]);
        let error = Axis::of("s", &Parameter { key: "axis".to_owned(), values: words }, None).unwrap_err();
        assert_eq!(error.to_string(), "the search `s` needs numbers for `axis`, and `rows` is none");
    }
}

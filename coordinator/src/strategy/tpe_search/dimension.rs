use crate::strategy::{axis::own_number, range::Range};
use jobs::{Parameter, RecipeSpec, Values};
use serde_json::Value;
use tpe::density_estimation::DefaultEstimatorBuilder;

/// The largest number below 1: ranges of the estimators do not contain their upper end.
const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

/// A parameter, as a line on which values have places.
#[derive(Debug, Clone)]
pub(super) struct Dimension {
    pub(super) key: String,
    kind: Kind,
    /// The place of the recipe's own value, or one in its stead.
    own: f64,
}

#[derive(Debug, Clone)]
enum Kind {
    /// A whole range, from 0 to 1.
    Range(Range),
    /// Numbers in ascending order, each from its index to the next one.
    Numbers(Vec<Value>),
    /// Words and other values without an order, at their indices.
    Categories(Vec<Value>),
}

impl Dimension {
    /// The dimension of a parameter, for a search that starts from `recipe`.
    pub(super) fn of(parameter: &Parameter, recipe: &RecipeSpec) -> Self {
        let Parameter { key, values } = parameter;
        match values {
            Values::Continuous { min, max, log } => {
                let range = Range::of(key, *min, *max, *log);
                let own = own_number(recipe, key).and_then(|own| range.share(own)).unwrap_or(0.5);
                Self { key: key.clone(), kind: Kind::Range(range), own: own.min(BELOW_ONE) }
            }
            Values::List(values) if values.iter().all(Value::is_number) => Self::of_numbers(key, values, recipe),
            Values::List(values) => {
                let own = recipe.value_of(key);
                let own = own.and_then(|own| values.iter().position(|value| *value == own)).unwrap_or(0);
                Self { key: key.clone(), kind: Kind::Categories(values.clone()), own: own as f64 }
            }
        }
    }

    fn of_numbers(key: &str, values: &[Value], recipe: &RecipeSpec) -> Self {
        let number = |value: &Value| value.as_f64().unwrap_or_default();
        let mut values = values.to_vec();
        values.sort_by(|one, other| number(one).total_cmp(&number(other)));
        values.dedup_by(|one, other| number(one).total_cmp(&number(other)).is_eq());
        let is_own = |own: f64| values.iter().position(|value| number(value).total_cmp(&own).is_eq());
        let own = own_number(recipe, key).and_then(is_own).unwrap_or(values.len() / 2);
        Self { key: key.to_owned(), kind: Kind::Numbers(values), own: own as f64 + 0.5 }
    }

    /// The place of the recipe's own value; if it has none here, the middle of numbers, and the first of other values.
    pub(super) fn own(&self) -> f64 {
        self.own
    }

    /// The place that a number in [0, 1) stands for.
    pub(super) fn place(&self, share: f64) -> f64 {
        match &self.kind {
            Kind::Range(_) => share,
            Kind::Numbers(values) => share * values.len() as f64,
            Kind::Categories(values) => (share * values.len() as f64).floor(),
        }
    }

    /// The value at a place.
    pub(super) fn value(&self, place: f64) -> Value {
        match &self.kind {
            Kind::Range(range) => range.value(place),
            Kind::Numbers(values) | Kind::Categories(values) => values.get(place as usize).cloned().unwrap_or_default(),
        }
    }

    /// The places, without the upper end.
    pub(super) fn range(&self) -> tpe::range::Range {
        let end = match &self.kind {
            Kind::Range(_) => 1.0,
            Kind::Numbers(values) | Kind::Categories(values) => values.len() as f64,
        };
        tpe::range(0.0, end).expect("a parameter has a value")
    }

    /// What estimates where points lie.
    pub(super) fn estimator(&self) -> DefaultEstimatorBuilder {
        match &self.kind {
            Kind::Range(_) | Kind::Numbers(_) => tpe::parzen_estimator(),
            Kind::Categories(_) => tpe::histogram_estimator(),
        }
    }
}

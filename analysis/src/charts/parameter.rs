use super::{
    Axis, AxisScale, AxisUnit,
    columns::{METHOD, numbers, words},
};
use jobs::{KeyKind, RecipeKey};
use polars::prelude::{DataFrame, DataType, Expr, IntoLazy, PolarsResult, col, lit};
use std::collections::BTreeMap;

/// How much larger the largest value must be for a logarithmic axis.
const WIDE: f64 = 20.0;

/// A key of recipes of which a search tried several values.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    /// The key, and the column of the points.
    pub(super) name: String,
    /// The words it takes, ascending, if it takes words.
    pub(super) words: Option<Vec<String>>,
    /// Its different numbers, ascending.
    pub(super) values: Vec<f64>,
    /// How many different values each search tried.
    pub(super) tried: BTreeMap<String, usize>,
}

impl Parameter {
    /// Those of the columns (with whether they hold numbers) that vary within some search.
    pub(super) fn of(table: &DataFrame, columns: &[(String, bool)]) -> PolarsResult<Vec<Self>> {
        let different = |(name, _): &(String, bool)| col(name.as_str()).drop_nulls().n_unique();
        let counts =
            table.clone().lazy().group_by([col(METHOD)]).agg(columns.iter().map(different).collect::<Vec<_>>());
        let counts = counts.collect()?;
        let methods = words(&counts, METHOD)?;
        let mut parameters = Vec::new();
        for (name, is_number) in columns {
            let tried = numbers(&counts, name)?.into_iter().map(|count| count.unwrap_or_default() as usize);
            let tried: BTreeMap<String, usize> =
                methods.iter().zip(tried).filter_map(|(method, count)| Some((method.clone()?, count))).collect();
            if tried.values().all(|count| *count < 2) {
                continue;
            }
            let distinct = table.clone().lazy().select([col(name.as_str())]).drop_nulls(None);
            let distinct = distinct.unique(None, Default::default()).sort([name.as_str()], Default::default());
            let distinct = distinct.collect()?;
            parameters.push(if *is_number {
                Self {
                    name: name.clone(),
                    words: None,
                    values: numbers(&distinct, name)?.into_iter().flatten().collect(),
                    tried,
                }
            } else {
                Self {
                    name: name.clone(),
                    words: Some(words(&distinct, name)?.into_iter().flatten().collect()),
                    values: Vec::new(),
                    tried,
                }
            });
        }
        Ok(parameters)
    }

    pub(super) fn is_seed(&self) -> bool {
        RecipeKey::of(&self.name).is_some_and(|key| key.kind() == KeyKind::Seed)
    }

    /// How many different values a search tried.
    pub(super) fn tried_by(&self, method: &str) -> usize {
        self.tried.get(method).copied().unwrap_or_default()
    }

    pub(super) fn axis(&self) -> Axis {
        Axis { name: self.name.clone(), unit: AxisUnit::None, scale: self.scale() }
    }

    /// Logarithmic where values reach over more than a decade and lie as logarithms do.
    pub(super) fn scale(&self) -> AxisScale {
        let (Some(&low), Some(&high)) = (self.values.first(), self.values.last()) else { return AxisScale::Linear };
        let middle = self.values[self.values.len() / 2];
        // Between the middle of the logarithms and that of the values.
        let between = ((low * high).sqrt() * (low + high) / 2.0).sqrt();
        if low > 0.0 && high / low >= WIDE && middle < between { AxisScale::Log } else { AxisScale::Linear }
    }

    /// Values to draw, and what gives the place of a value among them: the values themselves if they are at most
    /// `most`, else the middles of `most` ranges of the same width.
    pub(super) fn places(&self, most: usize) -> (Vec<f64>, Expr) {
        let values = &self.values;
        let (middles, edges): (Vec<f64>, Vec<f64>) = if values.len() <= most {
            (values.clone(), values.iter().skip(1).copied().collect())
        } else {
            let there = |value: f64| if self.scale() == AxisScale::Log { value.ln() } else { value };
            let back = |value: f64| if self.scale() == AxisScale::Log { value.exp() } else { value };
            let low = there(values[0]);
            let high = there(values[values.len() - 1]);
            let at = |place: f64| back(low + (high - low) * place / most as f64);
            let middles = (0..most).map(|range| at(range as f64 + 0.5)).collect();
            (middles, (1..most).map(|edge| at(edge as f64)).collect())
        };
        let value = || col(self.name.as_str());
        let passed = |edge: &f64| value().gt_eq(lit(*edge)).cast(DataType::UInt32);
        let place = edges.iter().map(passed).reduce(|sum, passed| sum + passed);
        (middles, place.unwrap_or_else(|| lit(0u32)))
    }
}

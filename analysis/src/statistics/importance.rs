use super::{
    draw::Draw,
    forest::{Rows, Tree},
    variance::shares,
};
use std::{cmp::Ordering, collections::BTreeMap};

/// The trees of a forest.
const TREES: u64 = 64;
/// The most levels of a feature. Further values are grouped with their neighbours.
const MOST_LEVELS: usize = 64;
/// Rows that a forest is grown of; of more, every so-manieth is taken.
const MOST_ROWS: usize = 10_000;
/// Fewer rows are too few for an estimate.
const FEWEST_ROWS: usize = 8;

/// A parameter and its value in each of many runs.
#[derive(Debug, Clone)]
pub struct Feature {
    name: String,
    levels: Vec<usize>,
    count: usize,
    is_ordered: bool,
}

impl Feature {
    /// A parameter of numbers; runs that have none go before the smallest.
    pub fn numbers(name: impl Into<String>, values: &[Option<f64>]) -> Self {
        let compare = |one: &Option<f64>, other: &Option<f64>| match (one, other) {
            (Some(one), Some(other)) => one.total_cmp(other),
            _ => one.is_some().cmp(&other.is_some()),
        };
        Self::ranked(name.into(), values, compare, true)
    }

    /// A parameter of words, which have no order; having none is a word of its own.
    pub fn words(name: impl Into<String>, values: &[Option<&str>]) -> Self {
        Self::ranked(name.into(), values, Ord::cmp, false)
    }

    fn ranked<T>(name: String, values: &[T], compare: impl Fn(&T, &T) -> Ordering, is_ordered: bool) -> Self {
        let mut distinct: Vec<&T> = values.iter().collect();
        distinct.sort_by(|one, other| compare(one, other));
        distinct.dedup_by(|one, other| compare(one, other).is_eq());
        let place = |value: &T| distinct.partition_point(|other| compare(other, value).is_lt());
        let count = distinct.len().min(MOST_LEVELS);
        let levels = values.iter().map(|value| place(value) * count / distinct.len()).collect();
        Self { name, levels, count, is_ordered }
    }

    /// The levels of the given rows; those of words in the order of the mean of `values`, so that one split can tell
    /// the good ones from the others.
    fn column(&self, rows: &[usize], values: &[f64]) -> Vec<u32> {
        let mut order: Vec<usize> = (0..self.count).collect();
        if !self.is_ordered {
            let mut sums = vec![(0.0, 0u32); self.count];
            for row in rows {
                let (sum, count) = &mut sums[self.levels[*row]];
                *sum += values[*row];
                *count += 1;
            }
            let mean = |level: usize| sums[level].0 / f64::from(sums[level].1.max(1));
            order.sort_by(|one, other| mean(*one).total_cmp(&mean(*other)));
        }
        let mut places = vec![0; self.count];
        for (place, level) in (0..).zip(order) {
            places[level] = place;
        }
        rows.iter().map(|row| places[self.levels[*row]]).collect()
    }
}

/// How much of what runs differ in each parameter makes by itself.
///
/// A functional analysis of variance (fANOVA) on a random forest: 64 regression trees, each grown on runs drawn with
/// replacement, every parameter a candidate for every split, until fewer than three runs are left or nothing is gained.
/// Of each tree's variance over all combinations of the values that were tried, the share is taken that a parameter
/// makes while all others are averaged out; shares are means over trees. What is left belongs to interactions and
/// noise.
///
/// A parameter with one value has no share and is left out. Of more than 64 values, neighbours are taken together; of
/// more than 10 000 runs, every so-manieth is taken.
///
/// # Numerics
/// Deterministic by the seed and the order of the runs. Shares lie in [0, 1], and sum up to at most 1. Where values
/// were not tried in all combinations, the forest fills in, and `explained` tells how well it can.
///
/// # Source
/// F. Hutter, H. Hoos, K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014;
/// here over the values that were tried in place of continuous ranges, so that no scale (linear, logarithmic) has to be
/// known.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// The runs that the forest was grown of.
    pub runs: u64,
    /// The share of each parameter, the largest first.
    pub shares: Vec<(String, f64)>,
    /// What no parameter makes by itself.
    pub rest: f64,
    /// The share of the runs' variance that the forest foretells of runs that it was not shown (out-of-bag R², at most
    /// 1): near 0 or below, it has learnt nothing and the shares mean nothing. `None` if too few runs were left out.
    pub explained: Option<f64>,
}

/// Why importance cannot be estimated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportanceError {
    /// There are too few runs with a value.
    #[error("{runs} runs are too few to estimate which parameters matter; at least {FEWEST_ROWS} are needed")]
    Few {
        /// The runs with a value.
        runs: usize,
    },
    /// No parameter has two values.
    #[error("no parameter varies")]
    NoParameter,
    /// All runs came to the same.
    #[error("all runs have the same value")]
    Constant,
    /// A parameter does not have one value for each run.
    #[error("parameter `{name}` has {found} values for {runs} runs")]
    Length {
        /// The parameter.
        name: String,
        /// Its values.
        found: usize,
        /// The runs.
        runs: usize,
    },
}

impl Importance {
    /// The importance of `features` for `values`, one of each for every run. Runs whose value is no finite number do
    /// not count.
    ///
    /// # Errors
    /// Too few runs, no parameter that varies, or constant values.
    pub fn of(features: &[Feature], values: &[f64], seed: u64) -> Result<Self, ImportanceError> {
        for Feature { name, levels, .. } in features {
            if levels.len() != values.len() {
                let found = levels.len();
                let runs = values.len();
                return Err(ImportanceError::Length { name: name.clone(), found, runs });
            }
        }
        let (names, rows) = rows(features, values)?;
        let trees: Vec<(Tree, Vec<bool>)> =
            (0..TREES).map(|place| Tree::bagged(&rows, Draw::new(seed, place))).collect();
        let of_trees: Vec<Vec<f64>> = trees.iter().filter_map(|(tree, _)| shares(tree, &rows.levels)).collect();
        if of_trees.is_empty() {
            return Err(ImportanceError::Constant);
        }
        let mean = |feature: usize| of_trees.iter().map(|tree| tree[feature]).sum::<f64>() / of_trees.len() as f64;
        let mut shares: Vec<(String, f64)> = names.into_iter().enumerate().map(|(i, name)| (name, mean(i))).collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        let rest = (1.0 - shares.iter().map(|share| share.1).sum::<f64>()).max(0.0);
        Ok(Self { runs: rows.values.len() as u64, shares, rest, explained: explained(&rows, &trees) })
    }
}

/// The runs with a value, and the parameters that vary among them.
fn rows(features: &[Feature], values: &[f64]) -> Result<(Vec<String>, Rows), ImportanceError> {
    let finite: Vec<usize> = (0..values.len()).filter(|row| values[*row].is_finite()).collect();
    if finite.len() < FEWEST_ROWS {
        return Err(ImportanceError::Few { runs: finite.len() });
    }
    let step = finite.len().div_ceil(MOST_ROWS);
    let taken: Vec<usize> = finite.into_iter().step_by(step).collect();
    let mut varying = BTreeMap::new();
    for (index, feature) in features.iter().enumerate() {
        let column = feature.column(&taken, values);
        if column.iter().any(|level| *level != column[0]) {
            varying.insert(index, column);
        }
    }
    if varying.is_empty() {
        return Err(ImportanceError::NoParameter);
    }
    let names = varying.keys().map(|index| features[*index].name.clone()).collect();
    let levels = varying.keys().map(|index| features[*index].count as u32).collect();
    let columns = varying.into_values().collect();
    Ok((names, Rows { columns, levels, values: taken.iter().map(|row| values[*row]).collect() }))
}

/// `1 − Σ (value − foretold)² / Σ (value − mean)²` over the rows that some tree was not shown.
fn explained(rows: &Rows, trees: &[(Tree, Vec<bool>)]) -> Option<f64> {
    let foretold = |row: usize| {
        let unseen = trees.iter().filter(|(_, drawn)| !drawn[row]).map(|(tree, _)| tree.value(rows, row));
        let (sum, count) = unseen.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
        (count > 0).then(|| (rows.values[row], sum / f64::from(count)))
    };
    let pairs: Vec<(f64, f64)> = (0..rows.values.len()).filter_map(foretold).collect();
    let mean = pairs.iter().map(|(value, _)| value).sum::<f64>() / pairs.len() as f64;
    let all: f64 = pairs.iter().map(|(value, _)| (value - mean).powi(2)).sum();
    let missed: f64 = pairs.iter().map(|(value, foretold)| (value - foretold).powi(2)).sum();
    (all > 0.0).then(|| 1.0 - missed / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All combinations of 10 scalings, 5 densities and 3 words, in that nesting.
    fn grid(value: impl Fn(f64, f64, &str) -> f64) -> (Vec<Feature>, Vec<f64>) {
        let mut scalings = vec![];
        let mut densities = vec![];
        let mut words = vec![];
        let mut values = vec![];
        for scaling in (0..10).map(f64::from) {
            for density in (0..5).map(f64::from) {
                for word in ["max", "mean", "sum"] {
                    scalings.push(Some(scaling));
                    densities.push((density > 0.0).then_some(density));
                    words.push(Some(word));
                    values.push(value(scaling, density, word));
                }
            }
        }
        let same = vec![Some("full"); values.len()];
        let features = vec![
            Feature::numbers("scaling", &scalings),
            Feature::numbers("density", &densities),
            Feature::words("combine", &words),
            Feature::words("space", &same),
        ];
        (features, values)
    }

    fn share(importance: &Importance, name: &str) -> f64 {
        importance.shares.iter().find(|share| share.0 == name).unwrap().1
    }

    #[test]
    fn shares_of_a_sum_are_the_shares_of_its_variance() {
        // Variances: 8.25 of 0 to 9; 4 · 2 of twice 0 to 4. The word does nothing.
        let (features, values) = grid(|scaling, density, _| scaling + 2.0 * density);
        let found = Importance::of(&features, &values, 1).unwrap();
        assert!((share(&found, "scaling") - 8.25 / 16.25).abs() < 0.04, "{found:?}");
        assert!((share(&found, "density") - 8.0 / 16.25).abs() < 0.04, "{found:?}");
        assert!(share(&found, "combine") < 0.01 && found.rest < 0.05, "{found:?}");
        assert!(found.explained.unwrap() > 0.95 && found.runs == 150, "{found:?}");
        assert_eq!(found.shares.len(), 3, "a parameter with one value is left out");
    }

    #[test]
    fn words_count_by_what_they_make_and_not_by_the_alphabet() {
        let (features, values) = grid(|scaling, _, word| if word == "mean" { 20.0 } else { 0.0 } + scaling);
        let found = Importance::of(&features, &values, 1).unwrap();
        // Variances: 400 · 2/9 and 8.25.
        let expected = (800.0 / 9.0) / (800.0 / 9.0 + 8.25);
        assert_eq!(found.shares[0].0, "combine");
        assert!((found.shares[0].1 - expected).abs() < 0.04, "{found:?}");
    }

    #[test]
    fn what_two_parameters_make_only_together_is_left_as_rest() {
        let (features, values) =
            grid(|scaling, density, _| if (scaling < 5.0) == (density < 2.5) { 1.0 } else { -1.0 });
        let found = Importance::of(&features, &values, 1).unwrap();
        // Three of five densities are low, so that the mean at a scaling is 0.2 or −0.2: a share of 0.04 of the
        // variance 1. Half of the scalings are low: density makes nothing by itself.
        assert!(found.rest > 0.8, "{found:?}");
    }

    #[test]
    fn noise_is_told_from_knowledge() {
        let mut draw = Draw::new(9, 9);
        let (features, mut values) = grid(|_, _, _| 0.0);
        values.iter_mut().for_each(|value| *value = draw.below(1000) as f64);
        let found = Importance::of(&features, &values, 1).unwrap();
        assert!(found.explained.unwrap() < 0.1, "{found:?}");
    }

    #[test]
    fn many_values_and_runs_are_taken_together() {
        let scalings: Vec<Option<f64>> = (0..25_000).map(|i| Some(f64::from(i))).collect();
        let values: Vec<f64> = (0..25_000).map(|i| f64::from(i).sqrt()).collect();
        let found = Importance::of(&[Feature::numbers("scaling", &scalings)], &values, 1).unwrap();
        assert_eq!(found.runs, 25_000 / 3 + 1);
        assert!((share(&found, "scaling") - 1.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn what_cannot_be_told_is_said() {
        let (features, values) = grid(|scaling, _, _| scaling);
        let told = |features: &[Feature], values: &[f64]| Importance::of(features, values, 0).unwrap_err().to_string();
        assert_eq!(told(&features[3..], &values), "no parameter varies");
        assert_eq!(told(&features, &vec![0.5; 150]), "all runs have the same value");
        assert_eq!(told(&features, &values[1..]), "parameter `scaling` has 150 values for 149 runs");
        let failed = vec![f64::NAN; 150];
        assert_eq!(
            told(&features, &failed),
            "0 runs are too few to estimate which parameters matter; at least 8 are needed"
        );
    }
}

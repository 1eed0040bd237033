use super::scan::{BestPoint, MOST_POINTS, Scan};
use crate::strategy::{
    Candidate, PointResult, SearchState, Ties,
    tests::{density, in_order, numbers, ranking, scaling, search},
};
use jobs::{Method, Parameter, Values};
use proptest::prelude::*;
use serde_json::json;

/// Runs a scan over equally spaced places to its end: the best point, and the positions in order.
fn run(len: usize, start: usize, gain: impl Fn(usize) -> Option<f64>) -> (Option<BestPoint>, Vec<usize>) {
    let mut scan = Scan::new((0..len).map(|index| index as f64).collect(), start);
    let mut visited = Vec::new();
    loop {
        let next = scan.next();
        if next.is_empty() {
            return (scan.best(), visited);
        }
        for position in next {
            scan.add(position, gain(position));
            visited.push(position);
        }
    }
}

fn parabola(peak: f64) -> impl Fn(usize) -> Option<f64> {
    move |position| Some(-(position as f64 - peak).powi(2))
}

#[test]
fn a_parabola_on_a_whole_range_takes_five_to_seven_points() {
    let mut all = 0;
    for peak in 0..65 {
        let (best, visited) = run(65, 32, parabola(peak as f64));
        assert_eq!(best.unwrap().position, peak, "{visited:?}");
        assert!((5..=7).contains(&visited.len()), "{peak}: {visited:?}");
        all += visited.len();
    }
    assert_eq!(all, 345, "5.3 points on average, where the list has 65");
}

#[test]
fn the_points_of_a_scan_are_these() {
    assert_eq!(run(65, 32, parabola(20.3)).1, [32, 16, 48, 0, 20]);
    // Outwards by twice the distance, at most to the end.
    assert_eq!(run(65, 10, parabola(50.0)).1, [10, 0, 26, 58, 64, 50]);
    // A list of ten values from the middle.
    assert_eq!(run(10, 5, parabola(2.0)).1, [5, 3, 7, 0, 2]);
}

#[test]
fn short_lists_are_evaluated_in_part_or_whole() {
    let visited = |len: usize, peak: f64| run(len, len / 2, parabola(peak)).1;
    assert_eq!(visited(0, 0.0), [0usize; 0]);
    assert_eq!(visited(1, 0.0), [0]);
    assert_eq!(visited(2, 0.0), [1, 0]);
    assert_eq!(visited(3, 1.0), [1, 0, 2]);
    assert_eq!(visited(5, 4.0), [2, 1, 3, 4]);
}

#[test]
fn a_value_at_the_end_of_the_range_is_found() {
    for (gain, end) in [(1.0, 64), (-1.0, 0)] {
        let (best, visited) = run(65, 32, |position| Some(gain * position as f64));
        assert_eq!((best.unwrap().position, visited.len()), (end, MOST_POINTS), "{visited:?}");
    }
}

#[test]
fn a_plateau_ends_a_scan_at_its_start() {
    let (best, visited) = run(65, 32, |_| Some(0.5));
    assert_eq!((best.unwrap().position, visited), (32, vec![32, 16, 48]));
}

#[test]
fn failed_points_are_worse_than_all_and_three_at_the_start_end_a_scan() {
    let (best, visited) = run(65, 32, |position| (position < 40).then_some(position as f64));
    assert!(best.unwrap().position >= 38, "{visited:?}");
    let (best, visited) = run(65, 32, |_| None);
    assert_eq!((best, visited.len()), (None, 3));
}

proptest! {
    /// Values that rise to a peak and fall from there, each side by steps of its own.
    #[test]
    fn the_best_of_unimodal_values_stays_between_the_neighbours_of_the_best_point(
        steps in proptest::collection::vec(0.001f64..1.0, 2..200), peak in 0usize..200, start in 0usize..200,
    ) {
        let len = steps.len();
        let peak = peak % len;
        let fall = |position: usize| -> f64 {
            let between = position.min(peak)..position.max(peak);
            steps[between].iter().sum()
        };
        let (best, visited) = run(len, start % len, |position| Some(-fall(position)));
        let best = best.unwrap().position;
        prop_assert!(visited.len() <= MOST_POINTS);
        let low = visited.iter().filter(|position| **position < best).max().copied().unwrap_or(0);
        let high = visited.iter().filter(|position| **position > best).min().copied().unwrap_or(len - 1);
        prop_assert!((low..=high).contains(&peak), "{low} {best} {high} {peak}");
    }

    #[test]
    fn no_position_is_visited_twice(len in 1usize..100, start in 0usize..100, seed: u64) {
        let gain = |position: usize| {
            let byte = jobs::Digest::of(format!("{seed} {position}").as_bytes()).as_bytes()[0];
            (byte > 30).then_some(f64::from(byte % 8))
        };
        let (_, visited) = run(len, start % len, gain);
        let distinct: std::collections::BTreeSet<_> = visited.iter().collect();
        prop_assert_eq!(distinct.len(), visited.len());
        prop_assert!(visited.len() <= MOST_POINTS && visited.iter().all(|position| *position < len));
    }
}

fn range(key: &str, min: f64, max: f64, log: bool) -> Parameter {
    Parameter { key: key.to_owned(), values: Values::Continuous { min, max, log } }
}

/// The best λ is 0.3 and the best density 0.5.
fn hill(candidate: &Candidate) -> PointResult {
    PointResult::Value(1.0 - (scaling(candidate) - 0.3).powi(2) - (density(candidate) - 0.5).powi(2) / 10.0)
}

#[test]
fn two_ranges_are_searched_one_after_the_other() {
    let search = search(vec![range("scaling", 0.1, 10.0, true), range("density", 0.05, 1.0, false)]);
    let (choice, requested) = in_order(&search, Method::Bracket, Ties::Last, &hill);
    let (best, _) = choice.best.unwrap();
    assert!((scaling(&best) - 0.3).abs() < 0.02 && (density(&best) - 0.5).abs() < 0.02, "{best:?}");
    assert_eq!(requested.len(), 10, "the first point of the second scan is known");
    assert_eq!((scaling(&requested[0]), density(&requested[0])), (0.6, 0.2), "the recipe's own values come first");
}

#[test]
fn listed_values_are_the_only_ones() {
    let tenths: Vec<f64> = (1..=10).map(|tenth| f64::from(tenth) / 10.0).collect();
    let search = search(vec![numbers("scaling", &tenths), numbers("density", &tenths)]);
    let (choice, requested) = in_order(&search, Method::Bracket, Ties::Last, &hill);
    let (best, _) = choice.best.unwrap();
    assert_eq!((scaling(&best), density(&best)), (0.3, 0.5));
    assert!(requested.iter().all(|point| tenths.contains(&scaling(point))));
    assert_eq!(requested.len(), 9, "where a grid has 100");
}

#[test]
fn a_parameter_keeps_its_value_if_nothing_is_better() {
    let search = search(vec![numbers("scaling", &[0.6]), numbers("density", &[0.5, 0.9])]);
    let answer = |candidate: &Candidate| PointResult::Value(-density(candidate));
    let (choice, _) = in_order(&search, Method::Bracket, Ties::Last, &answer);
    let (best, _) = choice.best.unwrap();
    assert!((density(&best) - 0.2).abs() < 1e-12, "the recipe's own density is none of the values");
}

#[test]
fn a_weight_that_is_not_written_is_one() {
    let search = search(vec![range("weights.mnist", 0.0, 2.0, false)]);
    let (_, requested) = in_order(&search, Method::Bracket, Ties::Last, &hill);
    let weights: Vec<f64> = requested.iter().map(|point| point.recipe.weight("mnist")).collect();
    assert_eq!(weights, [1.0, 0.5, 1.5], "the weight has no effect, so that the scan ends on a plateau");
}

#[test]
fn values_without_an_order_are_refused() {
    let words = Parameter { key: "axis".to_owned(), values: Values::List(vec![json!("columns"), json!("rows")]) };
    let error = SearchState::new(&search(vec![words]), Method::Bracket, ranking(Ties::Last));
    assert_eq!(error.unwrap_err().to_string(), "the search `knots` needs numbers for `axis`, and `columns` is none");
}

use super::{
    normal,
    optimiser::{MOST_FULL, Optimiser},
    reflected,
};
use crate::strategy::{
    Candidate, PointResult, SearchState, Ties,
    tests::{assert_order_and_pauses_change_nothing, in_order, numbers, ranking, scaling, search},
};
use jobs::{Method, Parameter, Values};
use proptest::prelude::*;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// The evaluations until the function falls below 10⁻⁸; `None` after `most` of them.
fn evaluations(function: fn(&[f64]) -> f64, start: &[f64], step: f64, seed: u64, most: usize) -> Option<usize> {
    let mut optimiser = Optimiser::new(start.to_vec(), step);
    let mut numbers = ChaCha8Rng::seed_from_u64(seed);
    let mut count = 0;
    while count < most {
        let mut draw = || (0..start.len()).map(|_| normal(numbers.next_u64(), numbers.next_u64())).collect();
        let samples: Vec<_> = (0..optimiser.population()).map(|_| optimiser.sample(draw())).collect();
        let values: Vec<f64> = samples.iter().map(|sample| function(&sample.point)).collect();
        count += values.len();
        if values.iter().any(|value| *value < 1e-8) {
            return Some(count);
        }
        let gains: Vec<Option<f64>> = values.iter().map(|value| Some(-value)).collect();
        optimiser.tell(&samples, &gains);
    }
    None
}

fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// The axes differ by a factor of a million in curvature.
fn ellipsoid(x: &[f64]) -> f64 {
    let last = (x.len() - 1) as f64;
    x.iter().enumerate().map(|(i, x)| 10f64.powf(6.0 * i as f64 / last) * x * x).sum()
}

fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2).map(|pair| 100.0 * (pair[0] * pair[0] - pair[1]).powi(2) + (pair[0] - 1.0).powi(2)).sum()
}

/// How many of ten seeds solve the function within this number of evaluations.
fn solved(function: fn(&[f64]) -> f64, start: &[f64], most: usize) -> usize {
    (0..10).filter_map(|seed| evaluations(function, start, 0.3, seed, most)).count()
}

#[test]
fn the_usual_functions_are_solved_within_the_usual_numbers_of_evaluations() {
    assert_eq!(solved(sphere, &[1.0; 8], 1_500), 10);
    assert_eq!(solved(ellipsoid, &[1.0; 8], 5_000), 10);
    // The function has a second minimum, at which one start in ten ends.
    assert!(solved(rosenbrock, &[0.0; 8], 6_000) >= 8);
}

#[test]
fn many_dimensions_are_solved_with_variances_alone() {
    assert_eq!(solved(sphere, &[1.0; MOST_FULL + 8], 5_000), 10);
    assert_eq!(solved(ellipsoid, &[1.0; MOST_FULL + 8], 13_000), 10);
}

#[test]
fn equal_values_and_failures_do_not_move_the_mean() {
    let mut optimiser = Optimiser::new(vec![0.5; 3], 0.3);
    let draw = |seed: f64| vec![seed, -seed, 0.5 * seed];
    let samples: Vec<_> = (0..optimiser.population()).map(|i| optimiser.sample(draw(i as f64))).collect();
    for gains in [vec![Some(0.7); samples.len()], vec![None; samples.len()]] {
        optimiser.tell(&samples, &gains);
        assert_eq!(optimiser.mean(), [0.5; 3]);
    }
    let mut gains = vec![None; samples.len()];
    gains[2] = Some(0.1);
    optimiser.tell(&samples, &gains);
    assert!(optimiser.mean()[0] > 0.5, "the only point with a value is the best");
}

proptest! {
    #[test]
    fn reflection_stays_inside_and_changes_nothing_there(share in -10.0..10.0f64) {
        let inside = reflected(share);
        prop_assert!((0.0..=1.0).contains(&inside));
        prop_assert!((reflected(inside) - inside).abs() < 1e-12);
        prop_assert!((reflected(-share) - inside).abs() < 1e-9, "symmetric about 0");
        prop_assert!((reflected(2.0 - share) - inside).abs() < 1e-9, "symmetric about 1");
    }
}

fn weight(task: &str) -> Parameter {
    Parameter { key: format!("weights.{task}"), values: Values::Continuous { min: 0.0, max: 2.0, log: false } }
}

const METHOD: Method = Method::CmaEs { trials: 120, seed: 3 };

/// Best at the weights 0.3, 1.2 and 1.9.
fn bowl(candidate: &Candidate) -> PointResult {
    let away = |task: &str, best: f64| (candidate.recipe.weight(task) - best).powi(2);
    PointResult::Value(1.0 - away("a", 0.3) - away("b", 1.2) - away("c", 1.9))
}

#[test]
fn coefficients_are_found_also_near_the_end_of_a_range() {
    let search = search(vec![weight("a"), weight("b"), weight("c")]);
    let (choice, requested) = in_order(&search, METHOD, Ties::Last, &bowl);
    let (_, value) = choice.best.unwrap();
    assert!(value > 0.995, "{value}");
    assert_eq!(requested.len(), 120);
    assert_eq!(requested[0].recipe.weight("a").to_bits(), 1.0f64.to_bits(), "the recipe itself comes first");
}

#[test]
fn more_trials_only_add_points_and_another_seed_gives_others() {
    let search = search(vec![weight("a"), weight("b"), weight("c")]);
    let run = |trials, seed| in_order(&search, Method::CmaEs { trials, seed }, Ties::Last, &bowl).1;
    let few = run(25, 3);
    let many = run(60, 3);
    assert_eq!((few.len(), many.len()), (25, 60));
    assert_eq!(few[..22], many[..22], "three generations of seven after the recipe");
    assert_eq!(few, many[..25]);
    assert_ne!(run(10, 4), few[..10]);
    // Fixed by the algorithm, so that a sweep finds its results again in any release and on any machine.
    assert_eq!(few[1].spec.weights.values().copied().collect::<Vec<_>>(), [1.13959, 0.754632, 1.71102]);
}

#[test]
fn neither_the_order_of_results_nor_a_pause_changes_a_search() {
    let search = search(vec![weight("a"), weight("b"), weight("c")]);
    assert_order_and_pauses_change_nothing(&search, METHOD, &bowl);
}

#[test]
fn a_search_ends_when_its_points_hardly_differ() {
    let search = search(vec![Parameter {
        key: "scaling".to_owned(),
        values: Values::Continuous { min: 0.0, max: 2.0, log: false },
    }]);
    let hill = |candidate: &Candidate| PointResult::Value(-(scaling(candidate) - 0.7).powi(2));
    let (choice, requested) = in_order(&search, Method::CmaEs { trials: 5_000, seed: 1 }, Ties::Last, &hill);
    assert!(requested.len() < 200, "{}", requested.len());
    assert!((scaling(&choice.best.unwrap().0) - 0.7).abs() < 1e-3);
}

#[test]
fn lists_are_refused() {
    let error = SearchState::new(&search(vec![numbers("scaling", &[0.1])]), METHOD, ranking(Ties::Last));
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with("the search `knots` needs a whole range for `scaling`"), "{text}");
}

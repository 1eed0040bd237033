//! Grids and random draws.

use super::*;

#[test]
fn neighbours_in_a_grid_share_the_expensive_steps() {
    let search = search(vec![
        numbers("scaling", &[0.1, 0.2]),
        numbers("density", &[0.3, 0.5]),
        list("axis", &[json!("columns"), json!("rows")]),
    ]);
    let proposal = propose(&search, Method::Grid, ranking(Ties::Last), &Known::default()).unwrap();
    let order: Vec<_> = proposal
        .wanted
        .iter()
        .map(|point| (point.spec.axis.as_deref().unwrap(), density(point), scaling(point)))
        .collect();
    let c = "columns";
    let r = "rows";
    let expected = [
        (c, 0.3, 0.1),
        (c, 0.3, 0.2),
        (c, 0.5, 0.1),
        (c, 0.5, 0.2),
        (r, 0.3, 0.1),
        (r, 0.3, 0.2),
        (r, 0.5, 0.1),
        (r, 0.5, 0.2),
    ];
    assert_eq!(order, expected);
    assert_eq!(proposal.finished, None);
}

#[test]
fn points_with_the_same_meaning_are_evaluated_once() {
    // At density 1 nothing is trimmed, so the scope of the trim means nothing.
    let scopes = list("trim_scope", &[json!("model"), json!("matrix")]);
    let search = search(vec![scopes, numbers("density", &[0.5, 1.0])]);
    let (choice, requested) = in_order(&search, Method::Grid, Ties::Last, &hill);
    assert_eq!((requested.len(), choice.points.len()), (3, 3));
    let search = self::search(vec![numbers("scaling", &[0.1, 0.2])]);
    let (_, requested) = in_order(&search, Method::Random { trials: 50, seed: 0 }, Ties::Last, &hill);
    assert_eq!(requested.len(), 2);
}

#[test]
fn a_grid_keeps_the_first_of_equals() {
    let search = search(vec![numbers("scaling", &[0.1, 0.2, 0.3])]);
    let (choice, _) = in_order(&search, Method::Grid, Ties::Last, &|_| PointResult::Value(0.5));
    assert_eq!(choice.best.unwrap().0.spec.scaling, Some(0.1));
}

#[test]
fn a_million_combinations_are_counted_and_read_one_by_one() {
    let thousand: Vec<_> = (0..1000).map(|i| f64::from(2 * i + 1) / 2000.0).collect();
    let search = search(vec![numbers("scaling", &thousand), numbers("density", &thousand)]);
    let combinations = Combinations::of(&search).unwrap();
    use crate::strategy::listed::Source;
    assert_eq!(combinations.len(), 1_000_000);
    let last = combinations.spec(999_999).unwrap();
    assert_eq!((last.scaling, last.density), (Some(0.9995), Some(0.9995)));
    let row = combinations.spec(1000).unwrap();
    assert_eq!((row.scaling, row.density), (Some(0.0005), Some(0.0015)));
}

#[test]
fn of_very_many_points_the_best_and_the_ends_are_listed() {
    let scalings: Vec<f64> = (1..=120).map(|i| f64::from(i) / 100.0).collect();
    let densities: Vec<f64> = (1..=100).map(|i| f64::from(i) / 100.0).collect();
    let search = search(vec![numbers("scaling", &scalings), numbers("density", &densities)]);
    // Best in a corner far from both ends; one point in a hundred fails.
    let answer = |candidate: &Candidate| match (density(candidate) * 100.0).round() as u64 {
        50 => PointResult::Failed,
        _ => PointResult::Value(-(scaling(candidate) - 0.6).abs() - (density(candidate) - 0.55).abs()),
    };
    let (choice, requested) = in_order(&search, Method::Grid, Ties::First, &answer);
    assert_eq!(requested.len(), 12_000);
    let (best, _) = choice.best.as_ref().unwrap();
    assert_eq!((scaling(best), density(best)), (0.6, 0.55));
    assert!((10_000..10_010).contains(&choice.points.len()), "{}", choice.points.len());
    assert_eq!(choice.points.len() as u64 + choice.left_out.points, 12_000);
    let failed = choice.points.iter().filter(|(_, evaluation)| *evaluation == PointResult::Failed).count() as u64;
    assert_eq!(failed + choice.left_out.failed, 120);
    let listed = |value: fn(&Candidate) -> f64| choice.points.iter().map(move |(candidate, _)| value(candidate));
    assert_eq!((listed(scaling).fold(9.0, f64::min), listed(scaling).fold(0.0, f64::max)), (0.01, 1.2));
    assert_eq!((listed(density).fold(9.0, f64::min), listed(density).fold(0.0, f64::max)), (0.01, 1.0));
}

#[test]
fn too_large_grids_and_continuous_ranges_are_refused() {
    let many: Vec<_> = (0..1000).map(|_| 0.5).collect();
    let search = search((0..7).map(|_| numbers("scaling", &many)).collect());
    let text = SearchState::new(&search, Method::Grid, ranking(Ties::Last)).unwrap_err().to_string();
    assert_eq!(text, "the search `knots` has more than 2^63 combinations");
    let range = Parameter { key: "scaling".to_owned(), values: Values::Continuous { min: 0.1, max: 1.0, log: false } };
    let text =
        SearchState::new(&self::search(vec![range]), Method::Linear, ranking(Ties::Last)).unwrap_err().to_string();
    assert!(text.starts_with("the search `knots` needs a list of values for `scaling`"), "{text}");
}

#[test]
fn values_that_do_not_fit_together_are_found_before_anything_runs() {
    let spaces = list("space", &[json!("knots"), json!("core")]);
    let search = search(vec![spaces, list("axis", &[json!("columns"), json!("rows")])]);
    let error = SearchState::new(&search, Method::Grid, ranking(Ties::Last)).unwrap_err();
    let StrategyError::Combination { values, source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "`axis` has no effect outside the `knots` space");
    assert!(values.contains(r#""space":"core""#), "{values}");
}

#[test]
fn random_draws_are_reproducible_and_more_trials_only_add() {
    let range =
        |key: &str, log| Parameter { key: key.to_owned(), values: Values::Continuous { min: 0.01, max: 1.0, log } };
    let search = search(vec![range("scaling", false), range("density", true)]);
    let draw = |trials, seed| in_order(&search, Method::Random { trials, seed }, Ties::Last, &hill).1;
    let few = draw(5, 7);
    let many = draw(20, 7);
    assert_eq!((few.len(), many.len()), (5, 20));
    assert_eq!(few, many[..5]);
    assert_ne!(pairs(&few), pairs(&draw(5, 8)));
    // Fixed by the algorithm, so that a sweep finds its results again in any release and on any machine.
    assert_eq!((few[0].spec.scaling, few[0].spec.density), (Some(0.166218), Some(0.021676)));
}

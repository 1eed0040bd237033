use crate::strategy::{
    Candidate, NextPoint, PointResult, SearchState, Ties,
    tests::{Known, density, in_order, list, numbers, ranking, scaling, search},
};
use jobs::{Method, Parameter, Search, Values};
use serde_json::json;

fn range(key: &str, min: f64, max: f64, log: bool) -> Parameter {
    Parameter { key: key.to_owned(), values: Values::Continuous { min, max, log } }
}

fn mixed() -> Search {
    search(vec![
        list("axis", &[json!("columns"), json!("rows")]),
        numbers("density", &[0.1, 0.2, 0.3, 0.5, 0.7, 1.0]),
        range("scaling", 0.05, 5.0, true),
    ])
}

/// Best with rows, at the scaling 0.3 and the density 0.5.
fn hill(candidate: &Candidate) -> PointResult {
    let of_axis = if candidate.spec.axis.as_deref() == Some("rows") { 0.2 } else { 0.0 };
    let away = (scaling(candidate).ln() - 0.3f64.ln()).powi(2) / 10.0 + (density(candidate) - 0.5).abs();
    PointResult::Value(1.0 + of_axis - away)
}

fn run(trials: u32, seed: u64) -> Vec<Candidate> {
    in_order(&mixed(), Method::Tpe { trials, seed }, Ties::Last, &hill).1
}

#[test]
fn words_lists_and_ranges_are_searched_together() {
    let best = |method: Method| in_order(&mixed(), method, Ties::Last, &hill).0.best.unwrap().1;
    let mean = |of: fn(u32, u64) -> Method| (0..10).map(|seed| best(of(60, seed))).sum::<f64>() / 10.0;
    let tpe = mean(|trials, seed| Method::Tpe { trials, seed });
    let random = mean(|trials, seed| Method::Random { trials, seed });
    assert!(tpe > 1.19, "{tpe}");
    assert!(tpe > random, "{tpe} {random}");
}

#[test]
fn the_recipe_itself_comes_first_and_more_trials_only_add_points() {
    let few = run(17, 5);
    let many = run(40, 5);
    assert_eq!((scaling(&few[0]), density(&few[0]), few[0].spec.axis.as_deref()), (0.6, 0.2, Some("columns")));
    assert_eq!(few, many[..few.len()]);
    assert_ne!(few, run(17, 6));
    // Fixed by the algorithm, so that a sweep finds its results again in any release.
    let values: Vec<_> = [1, 11].iter().map(|number| (scaling(&many[*number]), density(&many[*number]))).collect();
    assert_eq!(values, [(4.09292, 0.7), (1.30067, 0.5)]);
}

#[test]
fn the_first_eleven_points_are_open_at_once_and_then_four() {
    let search = search(vec![range("scaling", 0.1, 1.0, false)]);
    let mut state = SearchState::new(&search, Method::Tpe { trials: 20, seed: 0 }, ranking(Ties::Last)).unwrap();
    let mut known = Known::default();
    let mut sizes = Vec::new();
    loop {
        let mut open = Vec::new();
        let end = loop {
            match state.next(&known).unwrap() {
                NextPoint::Evaluate(candidate) => open.push(*candidate),
                NextPoint::Complete(_) => unreachable!("there are no races"),
                NextPoint::Wait => break false,
                NextPoint::Done(_) => break true,
            }
        };
        if end {
            break;
        }
        sizes.push(open.len());
        open.iter().for_each(|candidate| known.add(candidate.id, hill(candidate)));
    }
    assert_eq!(sizes, [11, 4, 4, 1]);
}

#[test]
fn failures_are_avoided() {
    let search = search(vec![range("scaling", 0.0, 1.0, false)]);
    let answer = |candidate: &Candidate| match scaling(candidate) {
        high if high > 0.5 => PointResult::Failed,
        low => PointResult::Value(low),
    };
    let (choice, requested) = in_order(&search, Method::Tpe { trials: 60, seed: 2 }, Ties::Last, &answer);
    assert!(choice.best.unwrap().1 > 0.48);
    let failed = requested[40..].iter().filter(|point| scaling(point) > 0.5).count();
    assert!(failed < 10, "{failed} of the last 20");
}

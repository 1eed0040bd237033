mod laws;
mod listed;
mod trade_offs;

use super::*;
use jobs::{Digest, Goal, JobId, Metric, Objective, Parameter, Recipe, RecipeSpec, Values};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Known results by job.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(BTreeMap<JobId, PointResult>);

impl Known {
    pub(super) fn add(&mut self, id: JobId, result: PointResult) {
        self.0.insert(id, result);
    }
}

impl PointResults for Known {
    fn id(&self, recipe: &Recipe) -> JobId {
        Digest::of_json(recipe).to_string().parse().unwrap()
    }

    fn of(&self, id: &JobId) -> Option<PointResult> {
        self.0.get(id).copied()
    }
}

pub(super) fn list(key: &str, values: &[Value]) -> Parameter {
    Parameter { key: key.to_owned(), values: Values::List(values.to_vec()) }
}

pub(super) fn numbers(key: &str, values: &[f64]) -> Parameter {
    list(key, &values.iter().map(|value| json!(value)).collect::<Vec<_>>())
}

pub(super) fn search(parameters: Vec<Parameter>) -> Search {
    let recipe = RecipeSpec {
        preset: Some("knots_ties".to_owned()),
        density: Some(0.2),
        scaling: Some(0.6),
        ..RecipeSpec::default()
    };
    Search { name: "knots".to_owned(), recipe, parameters, trials: None, replicates: None }
}

pub(super) fn ranking(ties: Ties) -> Ranking {
    Ranking {
        objective: Objective { metric: Metric::MeanAccuracy, goal: Goal::Maximize },
        seeks_trade_offs: false,
        ties,
    }
}

/// Runs a search to its end; results arrive in the order that `pick` chooses among the open requests.
pub(super) fn finish(
    search: &Search,
    method: Method,
    ranking: &Ranking,
    known: &mut Known,
    answer: &dyn Fn(&Candidate) -> PointResult,
    pick: &dyn Fn(usize) -> usize,
) -> (Choice, Vec<Candidate>) {
    let mut state = SearchState::new(search, method, ranking.clone()).unwrap();
    let mut requested = Vec::new();
    let mut open = Vec::new();
    loop {
        match state.next(known).unwrap() {
            NextPoint::Complete(_) => panic!("every point has a value"),
            NextPoint::Evaluate(candidate) => {
                requested.push((*candidate).clone());
                open.push(*candidate);
            }
            NextPoint::Wait => {
                assert!(!open.is_empty(), "a search that waits for nothing never ends");
                let candidate = open.remove(pick(open.len()));
                known.0.insert(candidate.id, answer(&candidate));
            }
            NextPoint::Done(choice) => return (*choice, requested),
        }
    }
}

pub(super) fn in_order(
    search: &Search,
    method: Method,
    ties: Ties,
    answer: &dyn Fn(&Candidate) -> PointResult,
) -> (Choice, Vec<Candidate>) {
    finish(search, method, &ranking(ties), &mut Known::default(), answer, &|_| 0)
}

/// Results in other orders, and a new state over a part of the results, make the same search.
pub(super) fn assert_order_and_pauses_change_nothing(
    search: &Search,
    method: Method,
    answer: &dyn Fn(&Candidate) -> PointResult,
) {
    let ranking = ranking(Ties::Last);
    let straight = in_order(search, method, Ties::Last, answer);
    for step in 0..4 {
        let pick = |open: usize| (step * 7 + open * 3) % open;
        let shuffled = finish(search, method, &ranking, &mut Known::default(), answer, &pick);
        assert_eq!(shuffled, straight, "{step}");
    }
    let (choice, requested) = straight;
    for cut in [1, 4, 13, 30] {
        let cut = cut.min(requested.len());
        let mut known = Known::default();
        requested[..cut].iter().for_each(|candidate| known.add(candidate.id, answer(candidate)));
        let resumed = finish(search, method, &ranking, &mut known, answer, &|_| 0);
        assert_eq!(resumed, (choice.clone(), requested[cut..].to_vec()), "{cut}");
    }
}

pub(super) fn scaling(candidate: &Candidate) -> f64 {
    candidate.recipe.scaling
}

pub(super) fn density(candidate: &Candidate) -> f64 {
    candidate.recipe.trim.map_or(1.0, |trim| trim.density)
}

pub(super) fn pairs(candidates: &[Candidate]) -> Vec<(f64, f64)> {
    candidates.iter().map(|candidate| (scaling(candidate), density(candidate))).collect()
}

/// The best λ is 0.3, whatever the density; the best density is 0.5.
fn hill(candidate: &Candidate) -> PointResult {
    PointResult::Value(1.0 - (scaling(candidate) - 0.3).abs() - (density(candidate) - 0.5).abs() / 10.0)
}

#[test]
fn a_linear_scan_stops_at_the_first_drop_and_keeps_the_best() {
    let search =
        search(vec![numbers("scaling", &[0.1, 0.2, 0.3, 0.4, 0.5]), numbers("density", &[0.1, 0.2, 0.5, 1.0])]);
    let (choice, requested) = in_order(&search, Method::Linear, Ties::Last, &hill);
    // λ up to the drop at 0.4, at the recipe's density 0.2; then densities at λ = 0.3, of which 0.2 is known.
    let expected = [(0.1, 0.2), (0.2, 0.2), (0.3, 0.2), (0.4, 0.2), (0.3, 0.1), (0.3, 0.5), (0.3, 1.0)];
    assert_eq!(pairs(&requested), expected);
    let (best, value) = choice.best.unwrap();
    assert_eq!((scaling(&best), density(&best)), (0.3, 0.5));
    assert!((value - 1.0).abs() < 1e-12);
    assert_eq!(choice.points.len(), 7, "the point that two scans pass over is listed once");
}

#[test]
fn a_plateau_is_crossed_per_task_and_stops_a_joint_search() {
    let search = search(vec![numbers("scaling", &[0.1, 0.2, 0.3, 0.4])]);
    let plateau = |candidate: &Candidate| PointResult::Value(if scaling(candidate) < 0.35 { 0.7 } else { 0.6 });
    let (choice, requested) = in_order(&search, Method::Linear, Ties::Last, &plateau);
    assert_eq!((requested.len(), scaling(&choice.best.unwrap().0)), (4, 0.3), "the last of equals wins");
    let (choice, requested) = in_order(&search, Method::Linear, Ties::First, &plateau);
    assert_eq!((requested.len(), scaling(&choice.best.unwrap().0)), (2, 0.1), "the first of equals wins");
}

#[test]
fn a_parameter_keeps_its_value_where_the_whole_scan_is_worse() {
    let search = search(vec![numbers("scaling", &[0.3]), numbers("density", &[0.05, 0.1])]);
    let answer = |candidate: &Candidate| PointResult::Value(density(candidate));
    let (choice, requested) = in_order(&search, Method::Linear, Ties::Last, &answer);
    assert_eq!(requested.len(), 3);
    let (best, value) = choice.best.unwrap();
    assert_eq!((density(&best), value), (0.2, 0.2), "0.2 is the recipe's own density");
}

#[test]
fn a_failed_point_is_worse_than_every_value() {
    let search = search(vec![numbers("scaling", &[0.1, 0.2, 0.3, 0.4])]);
    let failing = |bad: f64| {
        move |candidate: &Candidate| {
            if (scaling(candidate) - bad).abs() < 1e-9 {
                PointResult::Failed
            } else {
                PointResult::Value(scaling(candidate))
            }
        }
    };
    let (choice, requested) = in_order(&search, Method::Linear, Ties::Last, &failing(0.3));
    assert_eq!((requested.len(), scaling(&choice.best.unwrap().0)), (3, 0.2), "it stops the scan");
    let (choice, requested) = in_order(&search, Method::Linear, Ties::Last, &failing(0.1));
    assert_eq!((requested.len(), scaling(&choice.best.unwrap().0)), (4, 0.4), "there was nothing to be worse than");
    let (choice, _) = in_order(&search, Method::Linear, Ties::Last, &|_| PointResult::Failed);
    assert_eq!((choice.best, choice.points.len()), (None, 4));
}

#[test]
fn a_missing_point_ends_a_search_without_a_choice() {
    let search = search(vec![numbers("scaling", &[0.1, 0.2, 0.3, 0.4]), numbers("density", &[0.1, 0.5])]);
    let missing_at = |missing: f64| {
        move |candidate: &Candidate| {
            if (scaling(candidate) - missing).abs() < 1e-9 { PointResult::Missing } else { hill(candidate) }
        }
    };
    for (missing, asked_for) in [(0.1, 1), (0.2, 2), (0.3, 3)] {
        let (choice, requested) = in_order(&search, Method::Linear, Ties::Last, &missing_at(missing));
        assert_eq!((requested.len(), choice.points.len(), choice.best), (asked_for, asked_for, None), "at {missing}");
    }
    for method in [Method::Grid, Method::Random { trials: 40, seed: 1 }] {
        let (choice, requested) = in_order(&search, method, Ties::Last, &missing_at(0.2));
        assert_eq!((choice.best, requested.len()), (None, 8), "all others are looked at: {method:?}");
    }
    // A point that the search never reaches does not matter.
    let (choice, _) = in_order(&search, Method::Linear, Ties::Last, &missing_at(0.5));
    assert!((scaling(&choice.best.unwrap().0) - 0.3).abs() < 1e-9);
}

#[test]
fn a_search_that_learns_ends_when_its_first_points_all_failed() {
    let range = Values::Continuous { min: 0.1, max: 1.0, log: false };
    let search = search(vec![Parameter { key: "scaling".to_owned(), values: range }]);
    for (method, most) in [(Method::Tpe { trials: 100, seed: 1 }, 11), (Method::CmaEs { trials: 100, seed: 1 }, 13)] {
        let (choice, requested) = in_order(&search, method, Ties::Last, &|_| PointResult::Failed);
        assert_eq!((choice.best, requested.len(), choice.points.len()), (None, most, most), "{method:?}");
    }
}

#[test]
fn a_search_without_parameters_evaluates_its_recipe() {
    let drawn = [
        Method::Random { trials: 9, seed: 1 },
        Method::Tpe { trials: 9, seed: 1 },
        Method::CmaEs { trials: 9, seed: 1 },
    ];
    for method in [Method::Linear, Method::Grid, Method::Bracket].into_iter().chain(drawn) {
        let (choice, requested) = in_order(&search(Vec::new()), method, Ties::Last, &hill);
        assert_eq!(pairs(&requested), [(0.6, 0.2)], "{method:?}");
        assert_eq!(choice.best.unwrap().0, requested[0]);
    }
}

#[test]
fn less_is_better_when_minimizing() {
    let mut ranking = ranking(Ties::Last);
    ranking.objective.goal = Goal::Minimize;
    let search = search(vec![numbers("scaling", &[0.1, 0.2, 0.3, 0.4])]);
    let valley = |candidate: &Candidate| PointResult::Value((scaling(candidate) - 0.2).abs());
    for method in [Method::Linear, Method::Grid, Method::Bracket] {
        let (choice, _) = finish(&search, method, &ranking, &mut Known::default(), &valley, &|_| 0);
        assert_eq!(choice.best.unwrap().0.spec.scaling, Some(0.2));
    }
}

#[test]
fn methods_that_learn_minimise_as_well() {
    let mut ranking = ranking(Ties::Last);
    ranking.objective.goal = Goal::Minimize;
    let range = Values::Continuous { min: 0.0, max: 1.0, log: false };
    let search = search(vec![Parameter { key: "scaling".to_owned(), values: range }]);
    let valley = |candidate: &Candidate| PointResult::Value((scaling(candidate) - 0.2).abs());
    for method in [Method::Bracket, Method::Tpe { trials: 40, seed: 1 }, Method::CmaEs { trials: 40, seed: 1 }] {
        let (choice, _) = finish(&search, method, &ranking, &mut Known::default(), &valley, &|_| 0);
        let (best, value) = choice.best.unwrap();
        assert!(value < 0.02 && (scaling(&best) - 0.2).abs() < 0.02, "{method:?}: {value}");
    }
}

/// Densities with outliers: some combinations describe no merge.
fn trims() -> Search {
    let range =
        |key: &str, min, max| Parameter { key: key.to_owned(), values: Values::Continuous { min, max, log: false } };
    let recipe = RecipeSpec { preset: Some("ties".to_owned()), ..RecipeSpec::default() };
    Search { recipe, ..search(vec![range("density", 0.1, 0.95), range("outliers", 0.0, 0.3)]) }
}

#[test]
fn points_that_describe_no_merge_count_as_failed_and_need_no_job() {
    let answer = |candidate: &Candidate| PointResult::Value(density(candidate));
    for method in [Method::Tpe { trials: 60, seed: 1 }, Method::CmaEs { trials: 60, seed: 1 }] {
        let (choice, requested) = in_order(&trims(), method, Ties::Last, &answer);
        assert!(choice.left_out.points > 0, "{method:?}");
        assert_eq!(choice.left_out.points, choice.left_out.failed);
        assert_eq!(choice.points.len(), requested.len());
        assert!(choice.points.len() as u64 + choice.left_out.points <= 60);
        assert!(choice.best.is_some());
        assert_order_and_pauses_change_nothing(&trims(), method, &answer);
    }
    let mut bracket = trims();
    bracket.parameters.truncate(1);
    bracket.recipe.outliers = Some(0.3);
    let (choice, _) = in_order(&bracket, Method::Bracket, Ties::Last, &answer);
    assert!(choice.left_out.failed > 0 && choice.best.unwrap().1 <= 0.7);
}

#[test]
fn a_search_ends_when_its_first_points_all_describe_no_merge() {
    let mut search = trims();
    search.parameters.truncate(1);
    search.recipe.outliers = Some(0.95);
    let (choice, requested) = in_order(&search, Method::Tpe { trials: 60, seed: 1 }, Ties::Last, &hill);
    assert_eq!((choice.best, requested.len()), (None, 0));
    assert!(choice.left_out.failed >= 10 && choice.left_out.failed < 20, "{:?}", choice.left_out);
}

#[test]
fn a_value_that_is_no_number_is_never_the_best() {
    let search = search(vec![numbers("scaling", &[0.1, 0.2, 0.3])]);
    for odd in [f64::NAN, f64::INFINITY] {
        let answer = |candidate: &Candidate| PointResult::Value(if scaling(candidate) > 0.25 { odd } else { 0.5 });
        for method in [Method::Bracket, Method::Tpe { trials: 12, seed: 1 }] {
            let (choice, _) = in_order(&search, method, Ties::Last, &answer);
            assert!(choice.best.unwrap().1.is_finite(), "{method:?}");
        }
    }
}

#[test]
fn the_recipe_itself_comes_first_even_if_its_steps_do_nothing() {
    let range =
        |key: &str, min, max| Parameter { key: key.to_owned(), values: Values::Continuous { min, max, log: false } };
    let cases = [
        (json!({"preset": "ties", "density": 1.0}), range("density", 0.1, 1.0)),
        (json!({"preset": "ties"}), range("drop_rate", 0.0, 0.9)),
        (json!({"preset": "ties"}), range("flatten", 0.0, 1.0)),
        (json!({"preset": "ties"}), range("calibrate_spectrum", 0.0, 1.0)),
        (json!({"preset": "tsv"}), list("preset", &[json!("ties"), json!("tsv")])),
        (json!({"preset": "ties"}), list("trim_rescale", &[json!("sum"), json!("none")])),
    ];
    for (recipe, parameter) in cases {
        let spec: RecipeSpec = serde_json::from_value(recipe).unwrap();
        let key = parameter.key.clone();
        let search = Search { recipe: spec.clone(), ..search(vec![parameter]) };
        let mut methods = vec![Method::Tpe { trials: 12, seed: 1 }];
        if matches!(search.parameters[0].values, Values::Continuous { .. }) {
            methods.extend([Method::Bracket, Method::CmaEs { trials: 12, seed: 1 }]);
        }
        for method in methods {
            let (_, requested) = in_order(&search, method, Ties::Last, &hill);
            assert_eq!(requested[0].recipe, spec.resolve().unwrap(), "{key} by {method:?}");
        }
    }
}

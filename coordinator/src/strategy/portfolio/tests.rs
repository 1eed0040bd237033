use crate::strategy::{
    Candidate, Choice, PointResult, SearchState, Ties,
    tests::{Known, assert_order_and_pauses_change_nothing, density, finish, in_order, list, ranking, scaling, search},
};
use jobs::{Goal, Method, Preset, RecipeSpec, Search};
use serde_json::json;

fn portfolio(presets: &[&str]) -> Search {
    let names: Vec<_> = presets.iter().map(|name| json!(name)).collect();
    Search { recipe: RecipeSpec::default(), ..search(vec![list("preset", &names)]) }
}

fn preset(candidate: &Candidate) -> Preset {
    candidate.spec.preset.as_deref().unwrap().parse().unwrap()
}

const PRESETS: [&str; 5] = ["task_arithmetic", "ties", "knots_ties", "tsv", "iso_c"];

/// TIES in the KnOTS space is best in the end, at the scaling 2 and the density 0.5; TIES and TSV come close.
fn hills(candidate: &Candidate) -> PointResult {
    let level = match preset(candidate) {
        Preset::KnotsTies => 0.9,
        Preset::Ties => 0.8,
        Preset::Tsv => 0.85,
        Preset::TaskArithmetic => 0.3,
        _ => return PointResult::Failed,
    };
    let away = (scaling(candidate) / 2.0).ln().powi(2) + (density(candidate) - 0.5).abs();
    PointResult::Value(level - away / 10.0)
}

fn run(presets: &[&str]) -> (Choice, Vec<Candidate>) {
    in_order(&portfolio(presets), Method::Portfolio, Ties::Last, &hills)
}

#[test]
fn every_preset_is_tried_at_its_own_values_and_the_best_three_are_refined() {
    let (choice, requested) = run(&PRESETS);
    let first: Vec<_> = requested[..5].iter().map(|point| (preset(point).name(), scaling(point))).collect();
    let expected = [("task_arithmetic", 0.3), ("ties", 1.0), ("knots_ties", 1.0), ("tsv", 1.0), ("iso_c", 1.0)];
    assert_eq!(first, expected);
    let refined = |name: Preset| requested[5..].iter().filter(|point| preset(point) == name).count();
    assert_eq!((refined(Preset::TaskArithmetic), refined(Preset::IsoC)), (0, 0));
    assert!(refined(Preset::Ties) >= 6 && refined(Preset::KnotsTies) >= 6 && refined(Preset::Tsv) >= 3);
    let (best, _) = choice.best.unwrap();
    assert_eq!(preset(&best), Preset::KnotsTies);
    assert!((scaling(&best) - 2.0).abs() < 0.2 && (density(&best) - 0.5).abs() < 0.05, "{:?}", best.spec);
    let state = SearchState::new(&portfolio(&PRESETS), Method::Portfolio, ranking(Ties::Last)).unwrap();
    assert_eq!(state.bound(), 5 + 3 * 2 * 7);
    assert!(requested.len() as u64 <= state.bound());
}

#[test]
fn neither_the_order_of_results_nor_a_pause_changes_a_portfolio() {
    assert_order_and_pauses_change_nothing(&portfolio(&PRESETS), Method::Portfolio, &hills);
}

#[test]
fn the_keys_of_the_recipe_hold_for_every_preset() {
    let mut search = portfolio(&["ties", "tsv"]);
    search.recipe.output_rank = Some(8.0);
    let (_, requested) = in_order(&search, Method::Portfolio, Ties::Last, &hills);
    assert!(requested.len() > 2 && requested.iter().all(|point| point.recipe.post.output_rank == Some(8)));
}

#[test]
fn a_portfolio_whose_presets_all_failed_ends_without_a_choice() {
    let (choice, requested) = in_order(&portfolio(&PRESETS), Method::Portfolio, Ties::Last, &|_| PointResult::Failed);
    assert_eq!((choice.best, requested.len()), (None, 5));
}

#[test]
fn a_missing_preset_ends_a_portfolio_without_a_choice() {
    let answer = |candidate: &Candidate| match preset(candidate) {
        Preset::Tsv => PointResult::Missing,
        _ => hills(candidate),
    };
    let (choice, requested) = in_order(&portfolio(&PRESETS), Method::Portfolio, Ties::Last, &answer);
    assert_eq!((choice.best, requested.len()), (None, 5));
}

#[test]
fn what_is_no_preset_is_refused() {
    let error =
        SearchState::new(&portfolio(&["ties", "core_tsv"]), Method::Portfolio, ranking(Ties::Last)).unwrap_err();
    assert_eq!(error.to_string(), "the portfolio `knots` needs names of presets, and `core_tsv` is none");
}

#[test]
fn presets_that_are_the_same_merge_are_tried_once() {
    let mut search = portfolio(&["ties", "knots_ties", "ties", "tsv"]);
    search.recipe.space = Some("core".to_owned());
    // With the trim of a matrix, the presets differ by nothing in the space `core`.
    search.recipe.trim_scope = Some("matrix".to_owned());
    let (_, requested) = in_order(&search, Method::Portfolio, Ties::Last, &|_| PointResult::Failed);
    let presets: Vec<_> = requested.iter().map(preset).collect();
    assert_eq!(presets, [Preset::Ties, Preset::Tsv]);
}

#[test]
fn a_key_that_the_recipe_sets_is_not_refined() {
    let mut search = portfolio(&["ties", "knots_ties"]);
    search.recipe.density = Some(0.5);
    let (_, requested) = in_order(&search, Method::Portfolio, Ties::Last, &hills);
    assert!(requested.len() > 6, "λ is refined");
    assert!(requested.iter().all(|point| point.spec.density == Some(0.5)));
}

#[test]
fn a_portfolio_minimises_as_well() {
    let mut ranking = ranking(Ties::Last);
    ranking.objective.goal = Goal::Minimize;
    let answer = |candidate: &Candidate| match hills(candidate) {
        PointResult::Value(value) => PointResult::Value(-value),
        other => other,
    };
    let search = portfolio(&PRESETS);
    let (choice, requested) = finish(&search, Method::Portfolio, &ranking, &mut Known::default(), &answer, &|_| 0);
    let (maximised, same) = run(&PRESETS);
    assert_eq!(requested, same);
    assert_eq!(choice.best.unwrap().0, maximised.best.unwrap().0);
}

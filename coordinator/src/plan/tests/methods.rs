//! Search methods that ask for points in batches.

use super::*;

const BRACKET: [&str; 2] =
    ["method=bracket", "parameters={scaling: {min: 0.05, max: 2, log: true}, density: [0.1, 0.2, 0.5, 0.8, 1.0]}"];
const PORTFOLIO: [&str; 3] = ["method=portfolio", "recipe=null", "parameters=null"];
const CMA_ES: [&str; 3] =
    ["method=cma_es", "trials=40", "parameters={scaling: {min: 0, max: 1}, density: {min: 0.1, max: 1}}"];

fn points(outcome: &Outcome, name: &str) -> usize {
    let row = outcome.rows.iter().find(|row| row.name == name).unwrap();
    let RowKind::Search { points, .. } = &row.kind else { panic!("{name} is no search") };
    points.len()
}

#[test]
fn a_sweep_finds_the_same_in_whatever_order_its_jobs_end() {
    for overrides in [&BRACKET[..], &PORTFOLIO, &CMA_ES] {
        let (outcome, issued) = finish(overrides, 1, &|_| false, &|_| 0).unwrap();
        let mut expected: Vec<JobId> = issued.iter().map(|job| job.id).collect();
        expected.sort_unstable();
        for window in [3, 100] {
            let (other, jobs) = finish(overrides, window, &|_| false, &|open| (open * 5) % open.max(1)).unwrap();
            assert_eq!(other, outcome, "{overrides:?} {window}");
            let mut jobs: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
            jobs.sort_unstable();
            assert_eq!(jobs, expected, "{overrides:?} {window}");
        }
        assert!(issued.len() as u64 <= bound(frozen(overrides).sweep()).unwrap());
    }
}

#[test]
fn a_bracket_takes_a_few_points_where_a_grid_takes_many() {
    let (outcome, _) = finish(&BRACKET, 1, &|_| false, &|_| 0).unwrap();
    let spec = chosen(&outcome, "knots_ties");
    assert!((spec.scaling.unwrap() - 0.3).abs() < 0.03 && spec.density == Some(0.5), "{spec:?}");
    assert!(points(&outcome, "knots_ties") <= 11);
}

#[test]
fn the_points_of_a_portfolio_are_labelled_by_what_it_varies() {
    let (outcome, issued) = finish(&PORTFOLIO, 100, &|_| false, &|_| 0).unwrap();
    let labels = labels(&issued, Phase::Search);
    assert_eq!(labels[0], "portfolio preset=task_arithmetic scaling=0.3");
    assert!(labels.iter().any(|label| label.contains(" density=")), "{labels:?}");
    let distinct: std::collections::BTreeSet<_> = labels.iter().collect();
    assert_eq!(distinct.len(), labels.len());
    assert!((chosen(&outcome, "portfolio").scaling.unwrap() - 0.3).abs() < 0.05);
}

#[test]
fn a_portfolio_whose_keys_need_a_preset_ends_even_if_all_of_it_failed() {
    let overrides = [
        "method=portfolio",
        "recipe={axis: rows, density: 0.5}",
        "parameters={preset: [knots_ties, knots_ties_unscaled]}",
    ];
    let (outcome, issued) = finish(&overrides, 100, &|job| job.phase == Phase::Search, &|_| 0).unwrap();
    assert_eq!((labels(&issued, Phase::Search).len(), points(&outcome, "portfolio")), (2, 2));
    let (_, issued) = finish(&overrides, 100, &|_| false, &|_| 0).unwrap();
    assert!(labels(&issued, Phase::Search).iter().all(|label| !label.contains("density")), "the recipe says it");
}

//! Recipes that are evaluated with several seeds.

use super::{references::with_correct, *};

/// A sweep whose search and baseline draw.
const REPLICATED: [&str; 3] = [
    "recipe={preset: knots_dare_ties, density: 0.2, scaling: 0.1, drop_rate: 0.5, seed: 7}",
    "parameters={scaling: [0.1, 0.2]}",
    "baselines=[{name: dare, preset: dare_ties, scaling: 0.3, replicates: {seed: 2}}]",
];

/// A plan run to its end, with a number of right answers for each merge.
pub(super) fn finish_with(
    overrides: &[&str],
    limit: usize,
    correct: &dyn Fn(&jobs::Recipe) -> Option<u64>,
) -> (Outcome, Vec<PlannedJob>) {
    let mut plan = SweepPlan::new(frozen(overrides)).unwrap().writing_winner();
    let mut issued: Vec<PlannedJob> = Vec::new();
    let mut open: Vec<PlannedJob> = Vec::new();
    loop {
        match plan.next(limit).unwrap() {
            NextJobs::Publish(jobs) => {
                assert!(jobs.len() <= limit, "no more than issued for");
                issued.extend(jobs.clone());
                open.extend(jobs);
            }
            NextJobs::Wait => {
                let job = open.pop().expect("a sweep that waits for nothing never ends");
                if job.phase == Phase::Write {
                    plan.record(job.id, Completion::Artefact(&artefact(&job.job))).unwrap();
                    continue;
                }
                let correct = match &meaning(&job.job).subject {
                    Subject::Merge { recipe } => correct(recipe),
                    subject => Some(crate::testing::correct(subject)),
                };
                let errors = ["this seed fails".to_owned()];
                let result = correct.map(|correct| with_correct(&job, correct));
                let completion = match &result {
                    Some(result) => Completion::Result(result),
                    None => Completion::Failed { errors: &errors, blame: Some(Blame::Job) },
                };
                plan.record(job.id, completion).unwrap();
            }
            NextJobs::Finished(outcome) => {
                assert_eq!(plan.so_far().unwrap(), *outcome);
                return (*outcome, issued);
            }
        }
    }
}

fn seed_of(recipe: &jobs::Recipe) -> u64 {
    recipe.drop.map_or(0, |drop| drop.seed)
}

/// At scaling 0.1 seed 8 is the best of all, but 0.2 is better on average.
fn lucky(recipe: &jobs::Recipe) -> Option<u64> {
    let at = |scaling: f64| (recipe.scaling - scaling).abs() < 1e-9;
    Some(match (seed_of(recipe), at(0.1)) {
        (8, true) => 800,
        (_, true) => 400,
        (9, false) if at(0.2) => 620,
        (_, false) if at(0.2) => 600,
        (_, false) => 500,
    })
}

#[test]
fn a_search_with_replicates_ranks_its_points_by_the_mean_over_seeds() {
    for limit in [1, 2, 64] {
        let overrides = [&REPLICATED[..], &["replicates={seed: 3}"]].concat();
        let (outcome, issued) = finish_with(&overrides, limit, &lucky);
        let point = |scaling: &str| [7, 8, 9].map(|seed| format!("knots_dare_ties scaling={scaling} seed={seed}"));
        assert_eq!(labels(&issued, Phase::Search), [point("0.1"), point("0.2")].concat(), "{limit}");
        let row = outcome.rows.iter().find(|row| row.name == "knots_dare_ties").unwrap();
        let RowKind::Search { spec, recipe, points, .. } = &row.kind else { panic!("a search") };
        assert_eq!(
            (spec.scaling, spec.seed, seed_of(recipe)),
            (Some(0.2), Some(9), 9),
            "the best seed of the best mean"
        );
        assert_eq!(points.len(), 6);
        assert!((points[1].value.unwrap() - 800.0 / 900.0).abs() < 1e-12 && points[1].spec.seed == Some(8));
        let replicates = row.replicates.as_ref().unwrap();
        assert_eq!(replicates.runs.iter().map(|run| run.seed).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(row.jobs["validation"], [replicates.runs[2].jobs["validation"]]);
        assert_eq!(row.jobs["test"], [replicates.runs[2].jobs["test"]]);
        let on_test = labels(&issued, Phase::Report);
        for seed in [7, 8, 9] {
            assert!(on_test.contains(&format!("knots_dare_ties seed={seed} on test").as_str()), "{on_test:?}");
        }
        let jobs::JobSpec::Write(spec) = issued.last().unwrap().job.spec() else {
            panic!("the winner is written last")
        };
        assert_eq!(seed_of(&spec.recipe), 9);
        assert_eq!(labels(&issued, Phase::Baselines), ["dare seed=0", "dare seed=1"]);
        let baseline = outcome.rows.iter().find(|row| row.name == "dare").unwrap();
        assert!(baseline.replicates.as_ref().unwrap().runs.iter().all(|run| run.jobs.len() == 2));
        let bound = SweepPlan::new(frozen(&overrides)).unwrap().bound();
        assert_eq!(bound, (3 + 3) + 2 * 3 + 2 + 2 + 3);
    }
}

#[test]
fn a_point_fails_if_one_of_its_seeds_fails() {
    let overrides = [&REPLICATED[..], &["replicates={seed: 2}", "method=grid"]].concat();
    let correct = |recipe: &jobs::Recipe| {
        lucky(recipe).filter(|_| !(seed_of(recipe) == 8 && (recipe.scaling - 0.2).abs() < 1e-9))
    };
    let (outcome, _) = finish_with(&overrides, 64, &correct);
    let row = outcome.rows.iter().find(|row| row.name == "knots_dare_ties").unwrap();
    let RowKind::Search { spec, points, .. } = &row.kind else { panic!("a search") };
    assert_eq!((spec.scaling, spec.seed), (Some(0.1), Some(8)));
    assert_eq!(points.iter().filter(|point| point.value.is_none()).count(), 1);
}

#[test]
fn the_seeds_that_another_search_has_computed_are_not_issued_again() {
    let searches = "searches=[{name: single, recipe: {preset: dare_ties, seed: 7}, parameters: {scaling: [0.1, 0.2]}}, \
                    {name: several, recipe: {preset: dare_ties, seed: 6}, parameters: {scaling: [0.1, 0.2]}, \
                    replicates: {seed: 2}}]";
    let (outcome, issued) =
        finish_with(&["recipe=null", "parameters=null", "baselines=[]", searches, "method=grid"], 1, &lucky);
    let ids: std::collections::BTreeSet<JobId> = issued.iter().map(|job| job.id).collect();
    assert_eq!(ids.len(), issued.len());
    assert_eq!(labels(&issued, Phase::Search).len(), 4, "two seeds at two scalings");
    assert!(outcome.rows.iter().all(|row| !row.jobs["test"].is_empty()));
}

#[test]
fn a_search_that_is_ended_early_keeps_the_points_of_which_all_seeds_are_known() {
    let overrides = [&REPLICATED[..], &["replicates={seed: 2}", "metric.name=mean_accuracy", "baselines=[]"]].concat();
    let mut plan = SweepPlan::new(frozen(&overrides)).unwrap();
    let mut seen = 0;
    while let NextJobs::Publish(jobs) = plan.next(1).unwrap() {
        for job in jobs {
            // Both seeds of the first point, and one of the second.
            seen += usize::from(job.phase == Phase::Search);
            if seen > 3 {
                break;
            }
            plan.record(job.id, Completion::Result(&result(&job.job))).unwrap();
        }
        if seen > 3 {
            break;
        }
    }
    plan.end_early();
    while let NextJobs::Publish(jobs) = plan.next(64).unwrap() {
        jobs.iter().for_each(|job| drop(plan.record(job.id, Completion::Result(&result(&job.job))).unwrap()));
    }
    let NextJobs::Finished(outcome) = plan.next(64).unwrap() else { panic!("it is over") };
    let row = outcome.rows.iter().find(|row| row.name == "knots_dare_ties").unwrap();
    let RowKind::Search { spec, .. } = &row.kind else { panic!("a search") };
    assert_eq!((spec.scaling, row.jobs["test"].len()), (Some(0.1), 1));
}

#[test]
fn methods_in_batches_read_the_mean_over_seeds_too() {
    let range = "parameters={scaling: {min: 0.05, max: 0.4}}";
    for method in [&["method=bracket"][..], &["method=tpe", "trials=12"], &["method=cma_es", "trials=12"]] {
        let overrides = [&REPLICATED[..], &["replicates={seed: 2}", range], method].concat();
        let (one, issued) = finish_with(&overrides, 1, &lucky);
        let searched = labels(&issued, Phase::Search).len();
        assert!(searched > 4 && searched.is_multiple_of(2), "{searched}");
        let (many, _) = finish_with(&overrides, 64, &lucky);
        assert_eq!(one, many, "{method:?}");
    }
}

#[test]
fn a_search_of_which_every_point_has_a_seed_that_failed_chooses_nothing() {
    let overrides = [&REPLICATED[..], &["replicates={seed: 2}", "method=grid", "baselines=[]"]].concat();
    let (outcome, issued) = finish_with(&overrides, 64, &|recipe| lucky(recipe).filter(|_| seed_of(recipe) != 8));
    let row = outcome.rows.iter().find(|row| row.name == "knots_dare_ties").unwrap();
    let RowKind::Search { points, .. } = &row.kind else { panic!("a search") };
    assert_eq!(points.iter().map(|point| point.value.is_some()).collect::<Vec<_>>(), [true, false, true, false]);
    assert!(row.jobs.values().all(Vec::is_empty) && row.replicates.is_none(), "{row:?}");
    assert!(issued.iter().all(|job| job.phase != Phase::Write));
    assert!(labels(&issued, Phase::Report).iter().all(|label| !label.starts_with("knots_dare_ties")));
}

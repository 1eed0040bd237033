//! Which jobs a phase issues, in which order, and what they wait for.

use super::*;

#[test]
fn a_sweep_issues_its_phases_in_order_and_the_report_split_once() {
    let (outcome, issued) = finish(&[], 1, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::References), ["zero-shot", "mnist alone", "flags alone"]);
    let points = [
        "knots_ties scaling=0.1 density=0.2",
        "knots_ties scaling=0.2 density=0.2",
        "knots_ties scaling=0.3 density=0.2",
        "knots_ties scaling=0.4 density=0.2",
        "knots_ties scaling=0.3 density=0.1",
        "knots_ties scaling=0.3 density=0.5",
        "knots_ties scaling=0.3 density=1.0",
    ];
    assert_eq!(labels(&issued, Phase::Search), points);
    assert_eq!(labels(&issued, Phase::Baselines), ["sum"]);
    let report =
        ["zero-shot on test", "mnist alone on test", "flags alone on test", "knots_ties on test", "sum on test"];
    assert_eq!(labels(&issued, Phase::Report), report);
    assert!(issued.iter().all(|job| (job.phase == Phase::Report) == (meaning(&job.job).split == "test")));
    let spec = chosen(&outcome, "knots_ties");
    assert_eq!((spec.scaling, spec.density), (Some(0.3), Some(0.5)));
    assert_eq!(SweepPlan::new(frozen(&[])).unwrap().bound(), 3 + 9 + 1 + 5);
}

#[test]
fn a_label_has_the_values_of_the_preset_until_the_search_sets_them() {
    let (_, issued) = finish(&["recipe={preset: knots_ties}"], 1, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::Search)[0], "knots_ties scaling=0.1 density=0.2");
}

#[test]
fn searches_wait_for_the_adapters_where_the_metric_is_normalised() {
    let mut plan = SweepPlan::new(frozen(&[])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    assert_eq!(jobs.len(), 3, "the references alone");
    assert_eq!(plan.next(100).unwrap(), NextJobs::Wait);
    let mut plan = SweepPlan::new(frozen(&["metric.name=mean_accuracy"])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    assert_eq!(jobs.len(), 5, "a first point and the baseline on top");
}

#[test]
fn a_job_that_several_phases_need_is_issued_once() {
    let same =
        ["baselines.sum={name: same, preset: knots_ties, density: 0.5, scaling: 0.3}", "evaluation.report=validation"];
    let (outcome, issued) = finish(&same, 4, &|_| false, &|_| 0).unwrap();
    let ids: std::collections::BTreeSet<_> = issued.iter().map(|job| job.id).collect();
    assert_eq!(ids.len(), issued.len());
    assert_eq!(labels(&issued, Phase::Report), [""; 0], "there is nothing that was not evaluated before");
    assert_eq!(outcome.rows[2].jobs, outcome.rows[3].jobs);
}

#[test]
fn a_joint_benchmark_has_no_denominators_and_stops_at_a_plateau() {
    let joint = [
        "evaluation={benchmark: joint, head: heads/joint.safetensors, map: heads/map.json}",
        "metric.name=mean_accuracy",
        "parameters={scaling: [0.2, 0.4, 0.3]}",
    ];
    let (outcome, issued) = finish(&joint, 4, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::References), ["zero-shot"]);
    assert_eq!(outcome.rows.iter().filter(|row| row.kind == RowKind::Finetuned).count(), 0);
    assert_eq!(chosen(&outcome, "knots_ties").scaling, Some(0.2), "0.4 is equal, so 0.3 is not looked at");
}

#[test]
fn jobs_carry_the_locations_of_the_inputs_that_they_need() {
    let (_, issued) = finish(&[], 4, &|_| false, &|_| 0).unwrap();
    let places = |label: &str| issued.iter().find(|job| job.label == label).unwrap().job.places.clone();
    let alone = places("mnist alone");
    assert_eq!((alone.adapters.len(), alone.data.len(), alone.heads.len()), (1, 1, 1));
    assert_eq!((places("zero-shot").adapters.len(), places("zero-shot").data.len()), (0, 2));
    assert_eq!(places("sum").adapters.len(), 2);
}

#[test]
fn a_job_waits_for_the_artefacts_that_it_needs() {
    let mut plan = SweepPlan::new(frozen(&[])).unwrap();
    let needed = frozen(&[]).job(frozen(&[]).write_spec(&jobs::Preset::KnotsTies.recipe(), WriteFormat::Adapter));
    let subject = Subject::Merge { recipe: Box::new(jobs::Preset::KnotsTies.recipe().with_scaling(0.77)) };
    let mut waiting = PendingJob::evaluation(subject, "validation", "needs an artefact".to_owned());
    waiting.artefacts = vec![needed.id()];
    let first = PendingJob::evaluation(Subject::Base, "validation", "zero-shot".to_owned());
    plan.pending.begin(Phase::References, [waiting, first].into());
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("something is ready") };
    assert_eq!(labels(&jobs, Phase::References), ["zero-shot"]);
    assert_eq!(plan.next(64).unwrap(), NextJobs::Wait);
    let _ = plan.known.read_artefact(&artefact(&needed));
    let NextJobs::Publish(jobs) = plan.next(64).unwrap() else { panic!("it is ready") };
    assert_eq!(labels(&jobs, Phase::References), ["needs an artefact"]);
}

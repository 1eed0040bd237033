//! The base and the adapters alone: weak adapters, given accuracies, and adapters that fail.

use super::*;

/// The result of a reference with this number of right answers of 1000.
pub(super) fn with_correct(job: &PlannedJob, correct: u64) -> JobResult {
    let mut result = result(&job.job);
    result.scores.iter_mut().for_each(|score| score.correct = correct);
    result
}

#[test]
fn a_weak_adapter_is_reported_once_and_before_the_search() {
    let mut plan = SweepPlan::new(frozen(&[])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    let [base, mnist, flags] = &jobs[..] else { panic!("{jobs:?}") };
    plan.record(mnist.id, Completion::Result(&with_correct(mnist, 299))).unwrap();
    assert_eq!(plan.newly_weak(), [], "the base is not known yet");
    plan.record(base.id, Completion::Result(&with_correct(base, 300))).unwrap();
    let weak = plan.newly_weak();
    let expected = "the adapter of `mnist` is worse on its own task than the base without it: 29.9 % against 30.0 % on \
                    `validation`; was it trained on this base?";
    assert_eq!(weak.iter().map(WeakAdapter::to_string).collect::<Vec<_>>(), [expected]);
    plan.record(flags.id, Completion::Result(&with_correct(flags, 300))).unwrap();
    assert_eq!(plan.newly_weak(), [], "once, and not of one that is as good");
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    assert!(jobs.iter().any(|job| job.phase == Phase::Search), "the search continues");
    let again = SweepPlan::new(frozen(&[])).unwrap().continuing(&plan);
    let mut again = SweepPlan { known: plan.known, ..again };
    assert_eq!(again.newly_weak(), [], "nor once more where the sweep is read again");
}

#[test]
fn an_accuracy_that_is_given_can_be_below_the_base() {
    let mut plan = SweepPlan::new(frozen(&["tasks.mnist.finetuned={validation: 0.2}"])).unwrap();
    let NextJobs::Publish(jobs) = plan.next(100).unwrap() else { panic!() };
    plan.record(jobs[0].id, Completion::Result(&result(&jobs[0].job))).unwrap();
    let [weak] = &plan.newly_weak()[..] else { panic!() };
    let expected = "the accuracy that is given for the adapter of `mnist`, 20.0 %, is below the base's own on `validation`, 30.0 %";
    assert_eq!(weak.to_string(), expected);
}

#[test]
fn given_accuracies_are_not_measured() {
    let given = ["tasks.mnist.finetuned={validation: 0.5, test: 0.5}", "tasks.flags.finetuned={validation: 0.8}"];
    let (outcome, issued) = finish(&given, 4, &|_| false, &|_| 0).unwrap();
    assert_eq!(labels(&issued, Phase::References), ["zero-shot"]);
    assert_eq!(outcome.given_denominators["test"], BTreeMap::from([("mnist".to_owned(), 0.5)]));
    assert_eq!((outcome.rows[1].jobs["validation"].len(), outcome.rows[1].jobs["test"].len()), (0, 1));
    let RowKind::Search { points, .. } = &outcome.rows[3].kind else { panic!() };
    assert!((points[5].value.unwrap() - (0.8 / 0.5 + 0.8 / 0.8) / 2.0).abs() < 1e-12);
}

#[test]
fn an_adapter_that_fails_ends_a_normalised_search_with_its_name() {
    let fails = |job: &PlannedJob| job.label == "flags alone";
    let error = finish(&[], 4, &fails, &|_| 0).unwrap_err();
    let text = error.to_string();
    let expected = "the adapter of task `flags` has no accuracy on split `validation` to normalise by: job ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with(" failed; `tasks.flags.finetuned.validation` can give one"), "{text}");
    let reason = std::error::Error::source(&error).unwrap();
    assert_eq!(reason.to_string(), "the formula does not hold");
    assert_eq!(reason.source().unwrap().to_string(), "it is made up");
    assert!(reason.source().unwrap().source().is_none());
    let (outcome, _) = finish(&["metric.name=mean_accuracy"], 4, &fails, &|_| 0).unwrap();
    assert_eq!(outcome.rows[1].jobs["validation"].len(), 1, "a failed job is missing from its row");
}

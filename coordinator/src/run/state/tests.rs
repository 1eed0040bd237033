use super::*;
use crate::{
    Ended, Retry, StopReason,
    lookup::FinalFailure,
    testing::{frozen, result, scaling},
};
use jobs::{Blame, RowKind};
use std::time::Duration;

const OVERRIDES: [&str; 2] = ["method=grid", "metric.name=mean_accuracy"];

fn now() -> Now {
    Now { instant: Instant::now(), unix_ms: 0 }
}

fn state(settings: Settings) -> RunState {
    let frozen = frozen(&OVERRIDES);
    RunState::new(&settings, &frozen, Resume::fresh(&frozen).unwrap(), now()).unwrap()
}

fn next(state: &mut RunState) -> Action {
    state.next_action(Instant::now()).unwrap()
}

/// The jobs of the next action, all of them published.
fn published(state: &mut RunState) -> Vec<PlannedJob> {
    let Action::Start(jobs) = next(state) else { panic!("no job was issued") };
    jobs.iter().for_each(|job| state.published(job.clone()));
    jobs
}

fn failed(blame: Blame) -> Found {
    Found::Failed(FinalFailure { errors: vec!["the disk is full".to_owned()], blame: Some(blame) })
}

fn found(job: &PlannedJob) -> Found {
    Found::Result(Box::new(result(&job.job)))
}

fn workers(names: &[&str]) -> WorkerStatuses {
    let status = |name: &&str| Dated { content: WorkerStatus::fresh(*name, "cpu", 0), written: None };
    names.iter().map(|name| ((*name).to_owned(), Ok(status(name)))).collect()
}

#[test]
fn no_more_jobs_than_the_window_are_outstanding_and_it_grows_with_the_workers() {
    let mut state = state(Settings { window: 3, ..Settings::default() });
    assert_eq!(published(&mut state).len(), 3);
    assert_eq!(next(&mut state), Action::Wait);
    assert_eq!(state.observe_workers(workers(&["one", "two"]), now()), None);
    assert_eq!(published(&mut state).len(), 8 - 3);
    assert_eq!(next(&mut state), Action::Wait);
}

#[test]
fn a_run_ends_with_the_outcome_once_every_job_has_a_result() {
    let mut state = state(Settings::default());
    let outcome = loop {
        match next(&mut state) {
            Action::Start(jobs) => {
                for job in jobs {
                    let found = found(&job);
                    assert_eq!(state.start(job, found).unwrap(), None);
                }
            }
            Action::Finish(outcome) => break outcome,
            action => panic!("{action:?}"),
        }
    };
    assert!(matches!(&outcome.rows[3].kind, RowKind::Search { points, .. } if points.len() == 20));
    let counts = state.counts();
    assert_eq!((counts.run, counts.reused, counts.failed), (0, state.take_results().len() as u64, 0));
}

#[test]
fn a_job_is_published_after_what_its_stored_state_needs() {
    let preparation = |settings: Settings, found: Found| {
        let mut state = state(settings);
        let Action::Start(jobs) = next(&mut state) else { panic!("no job was issued") };
        state.start(jobs[0].clone(), found).unwrap().map(|publication| publication.preparation)
    };
    let corrupt = || Found::Corrupt(vec!["it is empty".to_owned()]);
    let default = Settings::default;
    assert_eq!(preparation(default(), Found::Nothing), Some(Preparation::Nothing));
    assert_eq!(preparation(default(), failed(Blame::Machine)), Some(Preparation::ClearFailures));
    assert_eq!(preparation(default(), failed(Blame::Job)), None, "it counts as failed");
    assert_eq!(preparation(default(), corrupt()), None, "it counts as failed");
    let everything = Settings { retry: Retry::Everything, ..default() };
    assert_eq!(preparation(everything, failed(Blame::Job)), Some(Preparation::ClearFailures));
    let repair = Settings { repair: true, ..default() };
    assert_eq!(preparation(repair, corrupt()), Some(Preparation::RemoveCorrupt));
}

#[test]
fn a_result_that_is_corrupt_again_after_its_repair_is_a_failure() {
    let mut state = state(Settings { repair: true, ..Settings::default() });
    let Action::Start(jobs) = next(&mut state) else { panic!("no job was issued") };
    let corrupt = || Found::Corrupt(vec!["it is empty".to_owned()]);
    assert!(state.start(jobs[0].clone(), corrupt()).unwrap().is_some());
    assert_eq!(state.start(jobs[0].clone(), corrupt()).unwrap(), None);
    assert_eq!(state.counts().failed, 1);
}

#[test]
fn announcements_of_other_sweeps_and_of_ended_jobs_are_ignored() {
    let mut state = state(Settings::default());
    let jobs = published(&mut state);
    let other = jobs::Digest::of(b"other").into();
    assert_eq!(state.outstanding_of(vec![other, jobs[1].id, jobs[1].id]), [jobs[1].job_ref()]);
    state.settle(jobs[1].id, Found::Nothing).unwrap();
    assert_eq!(state.outstanding(), jobs.len());
    state.settle(jobs[1].id, found(&jobs[1])).unwrap();
    assert_eq!(state.outstanding_of(vec![jobs[1].id]), []);
    assert_eq!((state.outstanding(), state.counts().run), (jobs.len() - 1, 1));
}

#[test]
fn a_job_that_neither_an_empty_queue_nor_a_worker_has_is_published_again_after_a_while() {
    let mut state = state(Settings { window: 2, lost_after: Duration::from_secs(100), ..Settings::default() });
    let jobs = published(&mut state);
    let start = now();
    let after = |seconds| Now { instant: start.instant + Duration::from_secs(seconds), ..start };
    let lost = |state: &mut RunState, is_empty, seconds| state.lost(is_empty, Vec::new(), after(seconds)).len();
    assert_eq!(lost(&mut state, true, 0), 0);
    assert_eq!(lost(&mut state, false, 99), 0, "each job may be in the queue");
    assert_eq!(lost(&mut state, true, 100), 0, "the queue has been empty from now on");
    assert_eq!(lost(&mut state, true, 199), 0);
    assert_eq!(lost(&mut state, true, 200), jobs.len());
}

#[test]
fn what_ends_a_run_early_is_a_cancellation_before_a_limit() {
    let usage = Usage {
        is_cancelled: false,
        failed: 4,
        elapsed: Duration::from_secs(9),
        device_time: Duration::ZERO,
        breaker: None,
    };
    assert_eq!(early_end(&Settings::default(), usage), None);
    let limited = Settings { max_failures: Some(3), max_time: Some(Duration::from_secs(9)), ..Settings::default() };
    assert_eq!(early_end(&limited, usage), Some(Ended::TooManyFailures { failed: 4, limit: 3 }));
    let few = Usage { failed: 3, ..usage };
    assert_eq!(early_end(&limited, few), Some(Ended::Stopped(StopReason::Time(Duration::from_secs(9)))));
    assert_eq!(early_end(&limited, Usage { elapsed: Duration::from_secs(8), ..few }), None);
    assert_eq!(early_end(&limited, Usage { is_cancelled: true, ..usage }), Some(Ended::Cancelled));
    let reason = StopReason::SameFailure { jobs: 20, error: "no".to_owned() };
    assert_eq!(early_end(&limited, Usage { breaker: Some(&reason), ..few }), Some(Ended::Stopped(reason.clone())));
}

#[test]
fn searches_that_end_early_leave_no_point_outstanding() {
    let mut state = state(Settings::default());
    let jobs = published(&mut state);
    let points = jobs.iter().filter(|job| job.phase == Phase::Search).count();
    assert!(points > 0 && jobs.iter().any(|job| scaling(&job.job).is_none()));
    state.end_searches();
    assert_eq!(state.outstanding(), jobs.len() - points);
    assert!(state.ends_early());
}

#[test]
fn results_that_contradict_each_other_are_read_again_before_the_outcome() {
    let mut state = state(Settings::default());
    let action = loop {
        match next(&mut state) {
            Action::Start(jobs) => {
                for job in jobs {
                    let mut result = result(&job.job);
                    if job.label == "zero-shot" {
                        result.scores[0].n = 4000;
                    }
                    state.start(job, Found::Result(Box::new(result))).unwrap();
                }
            }
            action => break action,
        }
    };
    assert_eq!(action, Action::ReadAgain);
}

use super::*;
use crate::limits::Limits;
use jobs::{Digest, JobInHand, OtherSemantics, WorkerStatus};
use std::collections::BTreeMap;
use store::StoreError;

const NOW_MS: u64 = 1_000_000_000;

/// The machines and limits of a test.
struct Bench {
    limits: Limits,
    machine: Option<&'static str>,
}

impl Bench {
    /// A worker of machine `m1` in pool `a`, whose jobs may be lost three times.
    fn new() -> Self {
        Self { limits: Limits { losses: 3, ..Limits::default() }, machine: Some("m1") }
    }

    fn without_machines() -> Self {
        Self { machine: None, ..Self::new() }
    }

    fn decide(&self, facts: &Facts) -> Next {
        let me = Me { worker: "w1", machine: self.machine, pool: Some("a"), limits: &self.limits };
        decide(me, facts)
    }
}

fn job() -> JobId {
    JobId::from(Digest::of(b"job"))
}

fn wanted() -> Wanted {
    Wanted { job: job(), runs_command: false }
}

/// A job that was delivered for the first time, of a sweep that the store holds, without a result.
fn fresh() -> Facts {
    Facts {
        wanted: wanted(),
        attempt: 1,
        losses: 0,
        unable: None,
        cancellation: Fact::Read(None),
        has_sweep: Fact::Read(true),
        output: Fact::Read(StoredOutput::Absent),
        failed_on: Fact::Unread,
        trials: Fact::Unread,
        workers: Fact::Unread,
        now_ms: NOW_MS,
    }
}

fn cancellation() -> Cancellation {
    Cancellation::new(1, false, 0)
}

fn worker(name: &str, machine: &str) -> WorkerSeen {
    let status = WorkerStatus::fresh(name.to_owned(), "cpu".to_owned(), 0);
    let status = WorkerStatus { machine: Some(machine.to_owned()), pool: Some("a".to_owned()), ..status };
    WorkerSeen { status, age: Duration::from_secs(5) }
}

fn computing(worker: WorkerSeen) -> WorkerSeen {
    let in_hand = JobInHand { job: job(), sweep: "s".to_owned(), attempt: 1, since_ms: 0, steps: None };
    WorkerSeen { status: WorkerStatus { job: Some(in_hand), ..worker.status }, ..worker }
}

fn lost(losses: u32, trials: &[(&str, u64)], workers: Vec<WorkerSeen>) -> Facts {
    let trials = trials.iter().map(|&(machine, ago_s)| {
        let started_ms = NOW_MS - ago_s * 1000;
        (machine.to_owned(), Trial::start(None, started_ms))
    });
    Facts { losses, trials: Fact::Read(trials.collect()), workers: Fact::Read(Some(workers)), ..fresh() }
}

#[test]
fn a_fresh_job_without_a_result_is_computed_after_three_reads() {
    let unread = Facts { cancellation: Fact::Unread, has_sweep: Fact::Unread, output: Fact::Unread, ..fresh() };
    assert!(matches!(Bench::new().decide(&unread), Next::Read(Unread::Cancellation)));
    let unread = Facts { cancellation: Fact::Read(None), ..unread };
    assert!(matches!(Bench::new().decide(&unread), Next::Read(Unread::Sweep)));
    let unread = Facts { has_sweep: Fact::Read(true), ..unread };
    assert!(matches!(Bench::new().decide(&unread), Next::Read(Unread::Output)));
    assert!(matches!(Bench::new().decide(&fresh()), Next::Compute { trial: None }));
}

#[test]
fn a_cancelled_job_is_discarded_before_anything_else_is_read() {
    let cancelled = Facts {
        cancellation: Fact::Read(Some(cancellation())),
        has_sweep: Fact::Unread,
        output: Fact::Unread,
        ..fresh()
    };
    assert!(matches!(Bench::new().decide(&cancelled), Next::Settle(Settlement::Discard(_))));
}

#[test]
fn a_job_of_another_version_is_deferred_unless_it_is_cancelled() {
    let other = || Some(Unable::Version(OtherSemantics { part: "recipe", job: 9, ours: 1 }));
    let deferred = Facts { unable: other(), has_sweep: Fact::Unread, output: Fact::Unread, ..fresh() };
    assert!(matches!(Bench::new().decide(&deferred), Next::Settle(Settlement::Defer(_))));
    let cancelled = Facts { cancellation: Fact::Read(Some(cancellation())), unable: other(), ..fresh() };
    assert!(matches!(Bench::new().decide(&cancelled), Next::Settle(Settlement::Discard(_))));
}

#[test]
fn a_job_of_a_sweep_that_the_store_does_not_hold_is_returned() {
    let unknown = Facts { has_sweep: Fact::Read(false), output: Fact::Unread, ..fresh() };
    assert!(matches!(Bench::new().decide(&unknown), Next::Settle(Settlement::UnknownSweep)));
}

#[test]
fn a_stored_result_is_acknowledged_however_often_the_job_failed_or_was_lost() {
    let known = Facts { output: Fact::Read(StoredOutput::Present), attempt: 3, losses: 9, ..fresh() };
    assert!(matches!(Bench::new().decide(&known), Next::Settle(Settlement::Known)));
}

#[test]
fn a_corrupt_result_fails_the_job() {
    let error = StoreError::Version { key: store::Key::new("results/x").unwrap(), found: 2, expected: 1 };
    let corrupt = Facts { output: Fact::Read(StoredOutput::Corrupt(Arc::new(error))), ..fresh() };
    let next = Bench::new().decide(&corrupt);
    assert!(matches!(next, Next::Settle(Settlement::Fail(JobError::CorruptResult(_)))), "{next:?}");
}

#[test]
fn a_machine_that_failed_leaves_the_job_to_a_machine_that_has_not_tried_it() {
    let failed_on = || Fact::Read(BTreeMap::from([("m1".to_owned(), 0)]));
    let facts = Facts { attempt: 2, ..fresh() };
    assert!(matches!(Bench::new().decide(&facts), Next::Read(Unread::FailedMachines)));
    let facts = Facts { failed_on: failed_on(), ..facts };
    assert!(matches!(Bench::new().decide(&facts), Next::Read(Unread::Workers)));
    let other = Facts { workers: Fact::Read(Some(vec![worker("w2", "m2")])), failed_on: failed_on(), ..fresh() };
    let other = Facts { attempt: 2, ..other };
    assert!(matches!(Bench::new().decide(&other), Next::Settle(Settlement::Postpone(pause)) if pause == LEFT_FOR));
    let alone = Facts { workers: Fact::Read(Some(vec![worker("w1", "m1")])), ..other };
    assert!(matches!(Bench::new().decide(&alone), Next::Compute { trial: None }));
}

#[test]
fn a_machine_that_has_not_failed_tries_without_reading_the_workers() {
    let failed_on = Fact::Read(BTreeMap::from([("m2".to_owned(), 0)]));
    let facts = Facts { attempt: 2, failed_on, ..fresh() };
    assert!(matches!(Bench::new().decide(&facts), Next::Compute { trial: None }));
}

#[test]
fn a_lost_job_is_tried_with_a_trial_by_a_machine_that_has_none() {
    let facts = lost(1, &[], vec![worker("w1", "m1")]);
    let next = Bench::new().decide(&facts);
    assert!(matches!(next, Next::Compute { trial: Some(trial) } if trial == Trial::start(None, NOW_MS)), "{next:?}");
}

#[test]
fn a_machine_with_a_trial_leaves_a_lost_job_to_others_or_waits_for_its_back_off() {
    let with_other = lost(2, &[("m1", 0)], vec![worker("w1", "m1"), worker("w2", "m2")]);
    assert!(matches!(Bench::new().decide(&with_other), Next::Settle(Settlement::Postpone(pause)) if pause == LEFT_FOR));
    let alone = lost(2, &[("m1", 0)], vec![worker("w1", "m1")]);
    let next = Bench::new().decide(&alone);
    assert!(matches!(next, Next::Settle(Settlement::Postpone(pause)) if pause == Duration::from_secs(2)), "{next:?}");
    let rested = lost(2, &[("m1", 3)], vec![worker("w1", "m1")]);
    assert!(matches!(Bench::new().decide(&rested), Next::Compute { trial: Some(_) }));
}

#[test]
fn a_job_lost_on_enough_machines_is_given_up_with_their_names() {
    let facts = lost(3, &[("m1", 500), ("m2", 400), ("m3", 300)], vec![worker("w1", "m1")]);
    match Bench::new().decide(&facts) {
        Next::Settle(Settlement::Fail(JobError::Lost { losses: 3, machines })) => {
            assert_eq!(machines, ["m1", "m2", "m3"]);
        }
        next => panic!("{next:?}"),
    }
}

#[test]
fn a_job_that_a_live_worker_computes_is_not_given_up() {
    let trials = [("m1", 500), ("m2", 400), ("m3", 300)];
    let holder = computing(worker("w2", "m2"));
    let held = lost(3, &trials, vec![worker("w1", "m1"), holder.clone()]);
    assert!(matches!(Bench::new().decide(&held), Next::Settle(Settlement::WaitForHolder)));
    let dead = WorkerSeen { age: ALIVE_WITHIN, ..holder };
    let held = lost(3, &trials, vec![worker("w1", "m1"), dead]);
    assert!(matches!(Bench::new().decide(&held), Next::Settle(Settlement::Fail(JobError::Lost { .. }))));
    let own = lost(3, &trials, vec![computing(worker("w1", "m1"))]);
    assert!(matches!(Bench::new().decide(&own), Next::Settle(Settlement::Fail(JobError::Lost { .. }))));
}

#[test]
fn without_machines_a_job_is_given_up_after_the_limit_of_losses() {
    let bench = Bench::without_machines();
    let below = Facts { losses: 2, ..fresh() };
    assert!(matches!(bench.decide(&below), Next::Compute { trial: None }));
    let at_limit = Facts { losses: 3, ..fresh() };
    assert!(matches!(bench.decide(&at_limit), Next::Read(Unread::Workers)));
    let unlisted = Facts { losses: 3, workers: Fact::Read(None), ..fresh() };
    assert!(matches!(bench.decide(&unlisted), Next::Settle(Settlement::Fail(JobError::Lost { losses: 3, .. }))));
}

#[test]
fn a_machine_counts_as_untried_only_if_it_is_alive_and_receives_the_job() {
    let limits = Limits::default();
    let me = Me { worker: "w1", machine: Some("m1"), pool: Some("a"), limits: &limits };
    let tried = ["m1".to_owned()];
    let counts = |seen: WorkerSeen| has_untried(me, wanted(), tried.iter(), Some(&[seen]));
    let other = worker("w2", "m2");
    let with = |status: WorkerStatus| WorkerSeen { status, age: Duration::from_secs(5) };
    assert!(counts(other.clone()));
    assert!(!counts(worker("w3", "m1")), "its machine has tried");
    assert!(!counts(WorkerSeen { age: MAYBE_ALIVE_WITHIN, ..other.clone() }), "dead");
    assert!(!counts(with(WorkerStatus { state: WorkerState::Draining, ..other.status.clone() })), "draining");
    assert!(!counts(with(WorkerStatus { pool: Some("b".to_owned()), ..other.status.clone() })), "another pool");
    assert!(!counts(with(WorkerStatus { left: vec![job()], ..other.status })), "it deferred the job");
    assert!(has_untried(me, wanted(), tried.iter(), None), "the store did not list the workers");
}

#[test]
fn a_worker_that_runs_no_commands_is_not_waited_for_by_a_job_with_one() {
    let limits = Limits::default();
    let me = Me { worker: "w1", machine: Some("m1"), pool: Some("a"), limits: &limits };
    let tried = ["m1".to_owned()];
    let wanted = Wanted { runs_command: true, ..wanted() };
    let other = worker("w2", "m2");
    assert!(!has_untried(me, wanted, tried.iter(), Some(std::slice::from_ref(&other))));
    let allowing =
        WorkerSeen { status: WorkerStatus { allows_commands: true, ..other.status.clone() }, ..other.clone() };
    assert!(has_untried(me, wanted, tried.iter(), Some(&[other, allowing])));
}

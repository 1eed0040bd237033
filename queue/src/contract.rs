//! The rules that every backend of the queue must keep.
//!
//! A backend's test opens a new, empty queue for each of [`RULES`] and passes it as a [`Harness`]. If the backend uses
//! the clock of tokio, run the test on paused time (`start_paused = true`), so that nothing really sleeps.

mod coming_back;
mod traffic;

use crate::{
    consumer::JobConsumer,
    delivery::{DeadLetter, Delivery},
    publisher::JobPublisher,
};
use async_trait::async_trait;
use jobs::{AdapterInput, BenchmarkInput, Digest, InputLocations, InputRef, Job, Meaning, Precision, Subject};
use std::{collections::BTreeMap, pin::Pin, time::Duration};
use tokio::time::timeout;

/// An open, empty queue under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The coordinator's role.
    fn publisher(&self) -> &dyn JobPublisher;

    /// The consumers of two workers.
    fn consumers(&self) -> [&dyn JobConsumer; 2];

    /// The dead-lettered jobs.
    async fn dead_letters(&self) -> Vec<DeadLetter>;

    /// Closes the queue and returns true, or false if the backend cannot. Rules about closing are skipped then.
    async fn close(&self) -> bool;

    /// How long to wait before concluding that no job comes. Far above the time that a job takes to arrive.
    fn quiet_period(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// One rule: a sentence, and a check that panics if the rule is broken.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The rule as a sentence.
    pub name: &'static str,
    /// Checks the rule on a new queue.
    pub check: for<'a> fn(&'a dyn Harness) -> Check<'a>,
}

/// A running check.
pub type Check<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

macro_rules! rules {
    ($($module:ident::$rule:ident),* $(,)?) => {
        &[$(Rule { name: stringify!($rule), check: |queue| Box::pin($module::$rule(queue)) }),*]
    };
}

/// All rules. Each needs a queue of its own.
pub const RULES: &[Rule] = rules![
    traffic::new_jobs_arrive_in_the_order_of_publishing,
    traffic::a_waiting_worker_is_woken,
    traffic::a_dropped_wait_takes_no_job,
    traffic::two_workers_never_hold_the_same_delivery,
    traffic::an_acknowledged_job_is_gone,
    traffic::a_job_arrives_as_it_was_published,
    traffic::acknowledged_and_dead_lettered_jobs_are_announced,
    traffic::jobs_that_wait_are_counted,
    traffic::a_closed_queue_is_drained_and_then_ends,
    coming_back::a_retried_job_comes_back_as_the_next_attempt,
    coming_back::a_retried_job_stays_away_until_its_back_off_has_passed,
    coming_back::other_jobs_do_not_wait_for_a_back_off,
    coming_back::a_delivery_that_is_dropped_comes_back_as_the_same_attempt_and_a_loss,
    coming_back::a_job_given_back_comes_back_unchanged,
    coming_back::a_job_given_back_wakes_a_waiting_worker,
    coming_back::a_job_that_rests_comes_back_at_once_as_its_first_attempt_without_losses,
    coming_back::a_deferred_job_stays_away_for_a_while_and_comes_back_unchanged,
    coming_back::a_postponed_job_stays_away_for_so_long_and_comes_back_unchanged,
    coming_back::a_job_that_a_worker_cannot_compute_comes_back_later_as_a_loss,
    coming_back::a_dead_lettered_job_is_kept_with_its_reason_and_not_delivered,
    coming_back::a_closed_queue_waits_for_jobs_that_may_come_back,
];

/// The sweep of the published jobs.
const SWEEP: &str = "contract";

/// A small job; different numbers make different jobs.
pub fn job(number: u32) -> Job {
    let digest = Digest::of(&number.to_le_bytes());
    let meaning = Meaning {
        evaluation: jobs::EVALUATION_SEMANTICS,
        base: digest,
        subject: Subject::Adapter { task: "mnist".to_owned() },
        adapters: vec![AdapterInput { task: "mnist".to_owned(), digest }],
        tasks: Vec::new(),
        benchmark: BenchmarkInput::PerTask,
        split: "validation".to_owned(),
        precision: Precision::F32,
        statistics: Vec::new(),
        slice: None,
    };
    let locations = InputLocations {
        base: InputRef::Path("/models/base".into()),
        adapters: BTreeMap::new(),
        data: BTreeMap::new(),
        heads: BTreeMap::new(),
        joint: None,
        slices: Vec::new(),
        command: None,
    };
    Job::new(meaning, locations)
}

impl dyn Harness + '_ {
    async fn publish(&self, numbers: impl IntoIterator<Item = u32> + Send) {
        let jobs: Vec<Job> = numbers.into_iter().map(job).collect();
        for job in &jobs {
            self.publisher().publish(job, SWEEP).await.expect("the queue takes a job");
        }
    }

    fn consumer(&self) -> &dyn JobConsumer {
        self.consumers()[0]
    }

    /// The next delivery, which must come.
    async fn next(&self) -> Delivery {
        let next = timeout(self.quiet_period() * 30, self.consumer().next()).await;
        next.expect("a job arrives").expect("the queue is reachable").expect("the queue is open")
    }

    async fn stays_silent(&self) {
        let next = timeout(self.quiet_period(), self.consumer().next()).await;
        assert!(next.is_err(), "nothing should arrive, but there came {next:?}");
    }
}

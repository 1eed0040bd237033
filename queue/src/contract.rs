//! The rules that every queue keeps, whatever it is made of.
//!
//! A backend's test opens a fresh, empty queue for each of [`RULES`] and hands it over as a [`Harness`]. Where the
//! backend keeps time with tokio, run the test on paused time (`start_paused = true`); nothing sleeps for real then.

mod coming_back;
mod traffic;

use crate::{Delivery, JobConsumer, JobPublisher, Parked};
use async_trait::async_trait;
use jobs::{AdapterInput, BenchmarkInput, Digest, InputLocations, InputRef, Job, Meaning, Precision, Subject};
use std::{collections::BTreeMap, pin::Pin, time::Duration};
use tokio::time::timeout;

/// An open, empty queue under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The coordinator's end.
    fn publisher(&self) -> &dyn JobPublisher;

    /// Two workers' ends.
    fn consumers(&self) -> [&dyn JobConsumer; 2];

    /// The parked jobs.
    async fn parked(&self) -> Vec<Parked>;

    /// Closes the queue, and says whether the backend can; rules about closing are skipped where it cannot.
    async fn close(&self) -> bool;

    /// How long to wait before "nothing comes" is believed. Far above the time a job takes to arrive.
    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// One rule: what it says, and the check, which panics where the rule is broken.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The rule as a sentence.
    pub name: &'static str,
    /// Checks the rule on a fresh queue.
    pub check: for<'a> fn(&'a dyn Harness) -> Check<'a>,
}

/// A check under way.
pub type Check<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

macro_rules! rules {
    ($($module:ident::$rule:ident),* $(,)?) => {
        &[$(Rule { name: stringify!($rule), check: |queue| Box::pin($module::$rule(queue)) }),*]
    };
}

/// All rules. Each wants a queue of its own.
pub const RULES: &[Rule] = rules![
    traffic::fresh_jobs_arrive_in_the_order_of_publishing,
    traffic::a_waiting_worker_is_woken,
    traffic::a_dropped_wait_takes_no_job,
    traffic::two_workers_never_hold_the_same_delivery,
    traffic::an_acknowledged_job_is_gone,
    traffic::a_job_arrives_as_it_was_published,
    traffic::what_is_settled_for_good_is_announced,
    traffic::jobs_that_wait_are_counted,
    traffic::a_closed_queue_is_drained_and_then_ends,
    coming_back::a_retried_job_comes_back_as_the_next_attempt,
    coming_back::a_retried_job_stays_away_until_its_back_off_has_passed,
    coming_back::other_jobs_do_not_wait_for_a_back_off,
    coming_back::a_delivery_that_is_dropped_comes_back_as_the_same_attempt_and_a_loss,
    coming_back::a_job_given_back_comes_back_as_it_was,
    coming_back::a_job_given_back_wakes_a_waiting_worker,
    coming_back::a_job_left_to_others_stays_away_for_a_while_and_comes_back_as_it_was,
    coming_back::a_postponed_job_stays_away_for_so_long_and_comes_back_as_it_was,
    coming_back::a_job_that_nothing_could_be_made_of_comes_back_later_as_a_loss,
    coming_back::a_parked_job_is_kept_with_its_reason_and_not_delivered,
    coming_back::a_closed_queue_waits_for_jobs_that_may_come_back,
];

/// The sweep that jobs are published for.
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
    };
    let places = InputLocations {
        base: InputRef::Path("/models/base".into()),
        adapters: BTreeMap::new(),
        data: BTreeMap::new(),
        heads: BTreeMap::new(),
        joint: None,
    };
    Job::new(meaning, places)
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
        let next = timeout(self.patience() * 30, self.consumer().next()).await;
        next.expect("a job arrives").expect("the queue is in reach").expect("the queue is open")
    }

    async fn stays_silent(&self) {
        let next = timeout(self.patience(), self.consumer().next()).await;
        assert!(next.is_err(), "nothing should arrive, but there came {next:?}");
    }
}

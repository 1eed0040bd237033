use super::*;
use crate::{NextJobs, SweepPlan, testing::frozen};
use jobs::{Digest, JobInHand};

const AFTER: Duration = Duration::from_secs(120);

/// Six jobs, published in this order.
fn published() -> (Outstanding, Vec<PlannedJob>) {
    let next = SweepPlan::new(frozen(&[])).unwrap().next(1).unwrap();
    let NextJobs::Publish(first) = next else { panic!("a sweep begins with jobs, but: {next:?}") };
    let jobs: Vec<PlannedJob> =
        (100..106_u8).map(|number| PlannedJob { id: id(&[number]), ..first[0].clone() }).collect();
    let mut outstanding = Outstanding::default();
    jobs.iter().cloned().for_each(|job| outstanding.insert(job));
    (outstanding, jobs)
}

fn id(text: &[u8]) -> JobId {
    Digest::of(text).to_string().parse().unwrap()
}

/// The jobs that are lost by a poll of a queue that holds jobs.
fn lost(outstanding: &mut Outstanding, workers: &[WorkerStatus]) -> Vec<JobId> {
    outstanding.queue_has_jobs();
    outstanding.lost(workers, false, AFTER, Instant::now()).into_iter().map(|job| job.id).collect()
}

fn worker_at(job: JobId) -> WorkerStatus {
    let job = JobInHand { job, sweep: "small".to_owned(), attempt: 1, since_ms: 0, steps: None };
    WorkerStatus { job: Some(job), ..WorkerStatus::fresh("w", "cpu", 0) }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_whole_queue_has_overtaken_is_lost_although_the_queue_is_never_empty() {
    let (mut outstanding, jobs) = published();
    outstanding.remove(&jobs[1].id);
    assert!(lost(&mut outstanding, &[]).is_empty(), "it is overtaken from now on");
    // What is published now lies behind all that the queue held.
    let next = PlannedJob { id: id(b"next"), ..jobs[1].clone() };
    outstanding.insert(next.clone());
    outstanding.remove(&next.id);
    tokio::time::sleep(AFTER / 2).await;
    assert!(lost(&mut outstanding, &[]).is_empty(), "not for long enough");
    tokio::time::sleep(AFTER / 2).await;
    assert!(lost(&mut outstanding, &[]).contains(&jobs[0].id));
    tokio::time::sleep(AFTER).await;
    assert!(lost(&mut outstanding, &[]).is_empty(), "it was published again");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_may_have_been_requeued_is_not_lost_before_the_queue_has_turned_over() {
    let (mut outstanding, jobs) = published();
    outstanding.remove(&jobs[2].id);
    lost(&mut outstanding, &[]);
    tokio::time::sleep(AFTER * 10).await;
    // Jobs that were in the queue all the time do not show that the end of the queue was reached.
    outstanding.remove(&jobs[5].id);
    assert!(lost(&mut outstanding, &[]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_a_worker_holds_is_not_lost_however_many_overtake_it() {
    let (mut outstanding, jobs) = published();
    let workers = [worker_at(jobs[0].id)];
    for number in 0..5_u8 {
        let next = PlannedJob { id: id(&[number]), ..jobs[0].clone() };
        outstanding.insert(next.clone());
        outstanding.remove(&next.id);
        assert!(!lost(&mut outstanding, &workers).contains(&jobs[0].id));
        tokio::time::sleep(AFTER).await;
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_of_an_empty_queue_that_no_worker_has_are_lost_after_a_while() {
    let (mut outstanding, jobs) = published();
    let workers = [worker_at(jobs[0].id)];
    assert!(outstanding.lost(&workers, true, AFTER, Instant::now()).is_empty());
    tokio::time::sleep(AFTER).await;
    let lost = outstanding.lost(&workers, true, AFTER, Instant::now());
    assert_eq!(lost.len(), jobs.len() - 1);
    assert!(lost.iter().all(|lost| lost.id != jobs[0].id));
}

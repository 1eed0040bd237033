use super::{Harness, SWEEP, job};
use crate::delivery::DEFER_DELAY;
use std::time::Duration;
use tokio::{
    join,
    task::yield_now,
    time::{Instant, timeout},
};

pub(super) async fn a_retried_job_comes_back_as_the_next_attempt(queue: &dyn Harness) {
    queue.publish([1]).await;
    for attempt in 1..=3 {
        let delivery = queue.next().await;
        assert_eq!((delivery.job(), delivery.attempt()), (&job(1), attempt));
        delivery.retry(Duration::ZERO).await.expect("retried");
    }
    queue.next().await.ack().await.expect("acknowledged");
    queue.stays_silent().await;
}

pub(super) async fn a_retried_job_stays_away_until_its_back_off_has_passed(queue: &dyn Harness) {
    let back_off = queue.quiet_period() * 3;
    queue.publish([1]).await;
    let delivery = queue.next().await;
    let start = Instant::now();
    delivery.retry(back_off).await.expect("retried");
    queue.stays_silent().await;
    let delivery = queue.next().await;
    assert!(start.elapsed() >= back_off, "came back after {:?}, before {back_off:?}", start.elapsed());
    assert!(start.elapsed() < back_off * 5, "came back only after {:?}", start.elapsed());
    delivery.ack().await.expect("acknowledged");
}

pub(super) async fn other_jobs_do_not_wait_for_a_back_off(queue: &dyn Harness) {
    queue.publish([1]).await;
    queue.next().await.retry(queue.quiet_period() * 3).await.expect("retried");
    let publishing = async {
        yield_now().await;
        queue.publish([2]).await;
    };
    let (new, ()) = join!(queue.next(), publishing);
    assert_eq!(new.job(), &job(2), "a new job overtakes one in its back-off");
    new.ack().await.expect("acknowledged");
    let late = queue.next().await;
    assert_eq!((late.job(), late.attempt()), (&job(1), 2));
    late.ack().await.expect("acknowledged");
}

pub(super) async fn a_delivery_that_is_dropped_comes_back_as_the_same_attempt_and_a_loss(queue: &dyn Harness) {
    queue.publish([1]).await;
    drop(queue.next().await);
    let delivery = queue.next().await;
    assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 1, 1));
    delivery.retry(Duration::ZERO).await.expect("retried");
    drop(queue.next().await);
    let delivery = queue.next().await;
    assert_eq!((delivery.attempt(), delivery.losses(), delivery.sweep()), (2, 2, SWEEP));
    delivery.ack().await.expect("acknowledged");
    queue.stays_silent().await;
}

pub(super) async fn a_job_given_back_comes_back_unchanged(queue: &dyn Harness) {
    queue.publish([1]).await;
    queue.next().await.retry(Duration::ZERO).await.expect("retried");
    for _ in 0..3 {
        let delivery = queue.next().await;
        assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 2, 0));
        delivery.give_back().await.expect("given back");
    }
    queue.next().await.ack().await.expect("acknowledged");
    queue.stays_silent().await;
}

pub(super) async fn a_job_given_back_wakes_a_waiting_worker(queue: &dyn Harness) {
    queue.publish([1]).await;
    let held = queue.next().await;
    let giving_back = async {
        yield_now().await;
        held.give_back().await.expect("given back");
    };
    let waiting = timeout(queue.quiet_period() * 30, queue.consumers()[1].next());
    let (next, ()) = join!(waiting, giving_back);
    let delivery = next.expect("the job comes").expect("reachable").expect("open");
    assert_eq!(delivery.job(), &job(1));
    delivery.ack().await.expect("acknowledged");
}

pub(super) async fn a_job_that_rests_comes_back_at_once_as_its_first_attempt_without_losses(queue: &dyn Harness) {
    queue.publish([1]).await;
    for _ in 0..2 {
        queue.next().await.retry(Duration::ZERO).await.expect("retried");
        drop(queue.next().await);
        let delivery = queue.next().await;
        assert_eq!((delivery.attempt(), delivery.losses()), (2, 1));
        delivery.rest().await.expect("rests");
        let delivery = queue.next().await;
        assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 1, 0));
        assert_eq!(delivery.sweep(), SWEEP);
        delivery.give_back().await.expect("given back");
    }
    queue.next().await.ack().await.expect("acknowledged");
    queue.stays_silent().await;
}

pub(super) async fn a_deferred_job_stays_away_for_a_while_and_comes_back_unchanged(queue: &dyn Harness) {
    queue.publish([1]).await;
    queue.next().await.retry(Duration::ZERO).await.expect("retried");
    let start = Instant::now();
    queue.next().await.defer().await.expect("deferred");
    queue.stays_silent().await;
    let delivery = queue.next().await;
    assert!(start.elapsed() >= DEFER_DELAY, "came back after {:?}", start.elapsed());
    assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 2, 0));
    delivery.ack().await.expect("acknowledged");
    queue.stays_silent().await;
}

pub(super) async fn a_postponed_job_stays_away_for_so_long_and_comes_back_unchanged(queue: &dyn Harness) {
    let away = queue.quiet_period() * 2;
    queue.publish([1]).await;
    queue.next().await.retry(Duration::ZERO).await.expect("retried");
    let start = Instant::now();
    queue.next().await.postpone(away).await.expect("postponed");
    queue.stays_silent().await;
    let delivery = queue.next().await;
    assert!(start.elapsed() >= away, "came back after {:?}", start.elapsed());
    assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 2, 0));
    delivery.ack().await.expect("acknowledged");
    queue.stays_silent().await;
}

pub(super) async fn a_job_that_a_worker_cannot_compute_comes_back_later_as_a_loss(queue: &dyn Harness) {
    let away = queue.quiet_period() * 2;
    queue.publish([1]).await;
    let start = Instant::now();
    queue.next().await.lose(away).await.expect("lost");
    let delivery = queue.next().await;
    assert!(start.elapsed() >= away, "came back after {:?}", start.elapsed());
    assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(1), 1, 1));
    delivery.ack().await.expect("acknowledged");
    queue.stays_silent().await;
}

pub(super) async fn a_dead_lettered_job_is_kept_with_its_reason_and_not_delivered(queue: &dyn Harness) {
    queue.publish([1]).await;
    queue.next().await.retry(Duration::ZERO).await.expect("retried");
    queue.next().await.dead_letter("no adapter of that name").await.expect("dead-lettered");
    queue.stays_silent().await;
    let dead_letters = queue.dead_letters().await;
    assert_eq!(dead_letters.len(), 1);
    assert_eq!((&dead_letters[0].job, dead_letters[0].attempt), (&job(1), 2));
    assert_eq!(dead_letters[0].reason, "no adapter of that name");
}

pub(super) async fn a_closed_queue_waits_for_jobs_that_may_come_back(queue: &dyn Harness) {
    queue.publish([1]).await;
    let held = queue.next().await;
    if !queue.close().await {
        return;
    }
    let other = queue.consumers()[1];
    assert!(timeout(queue.quiet_period(), other.next()).await.is_err(), "the unsettled job may come back");
    held.retry(queue.quiet_period()).await.expect("retried");
    let again = timeout(queue.quiet_period() * 30, other.next()).await;
    let again = again.expect("the job comes").expect("reachable").expect("not drained yet");
    let acknowledging = async {
        yield_now().await;
        again.ack().await.expect("acknowledged");
    };
    let (end, ()) = join!(timeout(queue.quiet_period(), queue.consumer().next()), acknowledging);
    assert!(matches!(end, Ok(Ok(None))), "the last acknowledgement ends the queue, but: {end:?}");
}

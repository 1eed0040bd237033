use super::{Harness, SWEEP, job};
use std::collections::BTreeSet;
use tokio::{join, task::yield_now, time::timeout};

pub(super) async fn new_jobs_arrive_in_the_order_of_publishing(queue: &dyn Harness) {
    queue.publish(0..20).await;
    for number in 0..20 {
        let delivery = queue.next().await;
        assert_eq!(delivery.job().id(), job(number).id(), "job {number} should come now");
        delivery.ack().await.expect("acknowledged");
    }
}

pub(super) async fn a_waiting_worker_is_woken(queue: &dyn Harness) {
    let publishing = async {
        // The worker waits by then.
        yield_now().await;
        queue.publish([1]).await;
    };
    let (delivery, ()) = join!(queue.next(), publishing);
    assert_eq!(delivery.job().id(), job(1).id());
    delivery.ack().await.expect("acknowledged");
}

pub(super) async fn a_dropped_wait_takes_no_job(queue: &dyn Harness) {
    queue.stays_silent().await;
    queue.publish([1, 2]).await;
    {
        // Polled once at most, then dropped, whether or not a job was available.
        let next = timeout(std::time::Duration::ZERO, queue.consumer().next());
        drop(next.await);
    }
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        let delivery = queue.next().await;
        seen.insert(delivery.job().id());
        delivery.ack().await.expect("acknowledged");
    }
    assert_eq!(seen, BTreeSet::from([job(1).id(), job(2).id()]));
    queue.stays_silent().await;
}

pub(super) async fn two_workers_never_hold_the_same_delivery(queue: &dyn Harness) {
    queue.publish(0..2).await;
    let [one, other] = queue.consumers();
    let wait = queue.quiet_period() * 30;
    let (one, other) = join!(timeout(wait, one.next()), timeout(wait, other.next()));
    let held = [one, other].map(|next| next.expect("a job arrives").expect("reachable").expect("open"));
    assert_ne!(held[0].job().id(), held[1].job().id());
    for delivery in held {
        delivery.ack().await.expect("acknowledged");
    }
    queue.stays_silent().await;
}

pub(super) async fn an_acknowledged_job_is_gone(queue: &dyn Harness) {
    queue.publish([1]).await;
    queue.next().await.ack().await.expect("acknowledged");
    queue.stays_silent().await;
}

pub(super) async fn a_job_arrives_as_it_was_published(queue: &dyn Harness) {
    queue.publish([1]).await;
    let delivery = queue.next().await;
    assert_eq!((delivery.job(), delivery.attempt()), (&job(1), 1));
    assert_eq!((delivery.sweep(), delivery.losses()), (SWEEP, 0));
    delivery.ack().await.expect("acknowledged");
}

pub(super) async fn acknowledged_and_dead_lettered_jobs_are_announced(queue: &dyn Harness) {
    let publisher = queue.publisher();
    // The listener starts before anything is settled: some backends announce only to a listener that is connected.
    assert!(timeout(queue.quiet_period(), publisher.settled()).await.is_err(), "nothing is settled yet");
    queue.publish(0..4).await;
    queue.next().await.ack().await.expect("acknowledged");
    queue.next().await.dead_letter("no adapter of that name").await.expect("dead-lettered");
    queue.next().await.give_back().await.expect("given back");
    let mut announced = BTreeSet::new();
    while announced.len() < 2 {
        announced
            .extend(timeout(queue.quiet_period() * 30, publisher.settled()).await.expect("settled jobs are announced"));
    }
    assert_eq!(announced, BTreeSet::from([job(0).id(), job(1).id()]));
}

pub(super) async fn jobs_that_wait_are_counted(queue: &dyn Harness) {
    let waiting = async || queue.publisher().waiting().await.expect("reachable");
    // A backend that cannot count returns no number.
    let Some(0) = waiting().await else { return };
    queue.publish(0..3).await;
    let held = queue.next().await;
    // Brokers count with a delay.
    for _ in 0..600 {
        if waiting().await == Some(2) {
            break;
        }
        tokio::time::sleep(queue.quiet_period() / 20).await;
    }
    assert_eq!(waiting().await, Some(2), "an unsettled job does not wait");
    held.ack().await.expect("acknowledged");
}

pub(super) async fn a_closed_queue_is_drained_and_then_ends(queue: &dyn Harness) {
    queue.publish(0..2).await;
    if !queue.close().await {
        return;
    }
    assert!(queue.publisher().publish(&job(3), SWEEP).await.is_err(), "a closed queue takes no job");
    for _ in 0..2 {
        queue.next().await.ack().await.expect("acknowledged");
    }
    for consumer in queue.consumers() {
        let next = timeout(queue.quiet_period(), consumer.next()).await;
        assert!(matches!(next, Ok(Ok(None))), "the queue should have ended, but: {next:?}");
    }
}

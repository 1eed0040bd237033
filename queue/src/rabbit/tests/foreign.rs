use super::{
    super::{RabbitQueue, wire},
    broker::{Pool, address, reason},
};
use crate::{JobConsumer, JobPublisher, contract::job, delivery::Ticket};
use lapin::{
    BasicProperties, Channel,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use std::time::Duration;
use tokio::time::timeout;

/// Publishes as somebody else.
async fn intrude(channel: &Channel, queue: &str, body: &[u8], properties: BasicProperties) {
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let publishing = channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), body, properties);
    publishing.await.unwrap().await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_not_ours_is_parked_as_it_is_and_work_goes_on() {
    let Some(address) = address() else { return };
    let pool = Pool::new(&address).await;
    let channel = pool.pool.channel().await;
    let mut headers = FieldTable::default();
    headers.insert("colour".into(), AMQPValue::LongString("red".into()));
    let properties = BasicProperties::default().with_headers(headers).with_message_id("theirs".into());
    intrude(&channel, &pool.pool.topology.jobs, b"hello", properties).await;
    pool.queue.publish(&job(1), "tests").await.unwrap();

    let delivery = pool.workers[0].next().await.unwrap().unwrap();
    assert_eq!((delivery.job(), delivery.attempt()), (&job(1), 1));
    delivery.ack().await.unwrap();

    let parked = pool.pool.take(&pool.pool.topology.parked).await.expect("it is parked");
    assert_eq!(parked.data, b"hello");
    assert!(reason(&parked).starts_with("not a message of Bowline's"), "{}", reason(&parked));
    assert_eq!(parked.properties.message_id().as_ref().unwrap().as_str(), "theirs");
    assert!(parked.properties.headers().as_ref().unwrap().contains_key("colour"));
    pool.delete().await;
}

#[tokio::test]
async fn a_message_for_a_sweep_that_no_store_can_hold_is_parked_at_once() {
    let Some(address) = address() else { return };
    let pool = Pool::new(&address).await;
    for sweep in ["../x", "", "a/b"] {
        pool.queue.publish(&job(1), sweep).await.unwrap();
    }
    pool.queue.publish(&job(2), "tests").await.unwrap();
    let delivery = pool.workers[0].next().await.unwrap().unwrap();
    assert_eq!(delivery.job(), &job(2));
    delivery.ack().await.unwrap();
    for _ in 0..3 {
        let parked = pool.pool.take(&pool.pool.topology.parked).await.expect("it is parked");
        assert!(reason(&parked).ends_with("which is no name of a sweep"), "{}", reason(&parked));
    }
    pool.delete().await;
}

#[tokio::test]
async fn what_is_left_of_a_sweep_is_dropped_under_any_name_and_nothing_else_is() {
    let Some(address) = address() else { return };
    let pool = Pool::new(&address).await;
    for (number, sweep) in [(1, "../x"), (2, "kept"), (3, "gone"), (4, "kept"), (5, "gone")] {
        pool.queue.publish(&job(number), sweep).await.unwrap();
    }
    assert_eq!(pool.queue.drop_sweep("gone").await.unwrap(), 2);
    assert_eq!(pool.queue.drop_sweep("../x").await.unwrap(), 1);
    assert_eq!(pool.queue.drop_sweep("gone").await.unwrap(), 0);
    for number in [2, 4] {
        let delivery = pool.workers[0].next().await.unwrap().unwrap();
        assert_eq!((delivery.job(), delivery.attempt(), delivery.losses()), (&job(number), 1, 0));
        delivery.ack().await.unwrap();
    }
    assert_eq!(pool.queue.waiting().await.unwrap(), Some(0));
    pool.delete().await;
}

#[tokio::test]
async fn a_message_of_another_version_waits_as_it_is_for_a_worker_of_that_version() {
    let Some(address) = address() else { return };
    let pool = Pool::new(&address).await;
    let channel = pool.pool.channel().await;
    let topology = &pool.pool.topology;
    let newer = |number: u32, queue: &str| {
        let letter = wire::letter(&Ticket::first(job(number), "tests"), queue);
        let mut body: serde_json::Value = serde_json::from_slice(&letter.body).unwrap();
        body["version"] = 2.into();
        // What a reader of this version would refuse.
        body["colour"] = "red".into();
        (serde_json::to_vec(&body).unwrap(), letter.properties)
    };
    let (taken, properties) = newer(1, &topology.jobs);
    intrude(&channel, &topology.jobs, &taken, properties).await;
    pool.queue.publish(&job(2), "tests").await.unwrap();
    let delivery = pool.workers[0].next().await.unwrap().unwrap();
    assert_eq!(delivery.job(), &job(2), "work goes on meanwhile");
    delivery.ack().await.unwrap();
    while pool.workers[0].left_to_others().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.workers[0].left_to_others(), [job(1).id()], "the worker tells of it");

    // One whose time has passed goes back among the jobs, for the next worker to look at.
    let (passed, properties) = newer(3, &topology.retry);
    for worker in &pool.workers {
        worker.close().await;
    }
    intrude(&channel, &topology.retry, &passed, properties).await;
    let next = RabbitQueue::connect(pool.pool.settings.clone()).await.unwrap().consumer().unwrap();
    _ = timeout(Duration::from_secs(2), next.next()).await;
    next.close().await;

    assert!(pool.pool.take(&topology.parked).await.is_none(), "nothing is parked");
    let mut kept = Vec::new();
    for queue in [&topology.jobs, &topology.retry] {
        while let Some(message) = pool.pool.take(queue).await {
            kept.push(message.data.clone());
        }
    }
    kept.sort();
    let mut all = [taken, passed];
    all.sort();
    assert_eq!(kept, all, "byte for byte");
    pool.delete().await;
}

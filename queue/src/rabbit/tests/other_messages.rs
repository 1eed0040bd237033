use super::{
    super::{RabbitQueue, wire},
    broker::{Pool, address, reason},
};
use crate::{JobConsumer, JobPublisher, contract::job, delivery::QueuedJob};
use lapin::{
    BasicProperties, Channel,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use std::time::Duration;
use tokio::time::timeout;

/// Publishes as another program.
async fn publish_directly(channel: &Channel, queue: &str, body: &[u8], properties: BasicProperties) {
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let publishing = channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), body, properties);
    publishing.await.unwrap().await.unwrap();
}

#[tokio::test]
async fn a_message_of_another_program_is_dead_lettered_unchanged_and_work_continues() {
    let Some(address) = address() else { return };
    let pool = Pool::new(&address).await;
    let channel = pool.pool.channel().await;
    let mut headers = FieldTable::default();
    headers.insert("colour".into(), AMQPValue::LongString("red".into()));
    let properties = BasicProperties::default().with_headers(headers).with_message_id("theirs".into());
    publish_directly(&channel, &pool.pool.topology.jobs, b"hello", properties).await;
    pool.queue.publish(&job(1), "tests").await.unwrap();

    let delivery = pool.workers[0].next().await.unwrap().unwrap();
    assert_eq!((delivery.job(), delivery.attempt()), (&job(1), 1));
    delivery.ack().await.unwrap();

    let dead_letter = pool.pool.take(&pool.pool.topology.dead_letters).await.expect("it is dead-lettered");
    assert_eq!(dead_letter.data, b"hello");
    assert!(reason(&dead_letter).starts_with("not a message of Bowline"), "{}", reason(&dead_letter));
    assert_eq!(dead_letter.properties.message_id().as_ref().unwrap().as_str(), "theirs");
    assert!(dead_letter.properties.headers().as_ref().unwrap().contains_key("colour"));
    pool.delete().await;
}

#[tokio::test]
async fn a_message_for_a_sweep_that_no_store_can_contain_is_dead_lettered_at_once() {
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
        let dead_letter = pool.pool.take(&pool.pool.topology.dead_letters).await.expect("it is dead-lettered");
        assert!(reason(&dead_letter).ends_with("which is no name of a sweep"), "{}", reason(&dead_letter));
    }
    pool.delete().await;
}

#[tokio::test]
async fn the_messages_of_a_sweep_of_any_name_are_removed_and_no_others() {
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
async fn a_message_of_another_version_waits_unchanged_for_a_worker_of_that_version() {
    let Some(address) = address() else { return };
    let pool = Pool::new(&address).await;
    let channel = pool.pool.channel().await;
    let topology = &pool.pool.topology;
    let newer = |number: u32, queue: &str| {
        let message = wire::encode(&QueuedJob::first(job(number), "tests"), queue);
        let mut body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
        body["version"] = 2.into();
        // A reader of this version would refuse it.
        body["colour"] = "red".into();
        (serde_json::to_vec(&body).unwrap(), message.properties)
    };
    let (taken, properties) = newer(1, &topology.jobs);
    publish_directly(&channel, &topology.jobs, &taken, properties).await;
    pool.queue.publish(&job(2), "tests").await.unwrap();
    let delivery = pool.workers[0].next().await.unwrap().unwrap();
    assert_eq!(delivery.job(), &job(2), "work continues meanwhile");
    delivery.ack().await.unwrap();
    while pool.workers[0].deferred_jobs().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.workers[0].deferred_jobs(), [job(1).id()], "the worker lists it");

    // A message whose delay has passed returns to its queue, for the next worker.
    let (passed, properties) = newer(3, &topology.retry);
    for worker in &pool.workers {
        worker.close().await;
    }
    publish_directly(&channel, &topology.retry, &passed, properties).await;
    let next = RabbitQueue::connect(pool.pool.settings.clone()).await.unwrap().consumer().unwrap();
    _ = timeout(Duration::from_secs(2), next.next()).await;
    next.close().await;

    assert!(pool.pool.take(&topology.dead_letters).await.is_none(), "no dead letters");
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

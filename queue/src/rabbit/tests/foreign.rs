use super::{
    super::wire,
    broker::{Pool, address, reason},
};
use crate::{JobConsumer, JobPublisher, contract::job, delivery::Ticket};
use lapin::{
    BasicProperties, Channel,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};

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
async fn a_message_of_another_version_is_parked_and_not_delivered() {
    let Some(address) = address() else { return };
    let pool = Pool::new(&address).await;
    let channel = pool.pool.channel().await;
    let newer = |queue: &str| {
        let letter = wire::letter(&Ticket::first(job(1), "tests"), queue);
        let mut body: serde_json::Value = serde_json::from_slice(&letter.body).unwrap();
        body["version"] = 2.into();
        (serde_json::to_vec(&body).unwrap(), letter.properties)
    };
    let topology = &pool.pool.topology;
    // One among the jobs, and one among those in their back-off.
    for queue in [&topology.jobs, &topology.retry] {
        let (body, properties) = newer(queue);
        intrude(&channel, queue, &body, properties).await;
    }
    pool.queue.publish(&job(2), "tests").await.unwrap();
    let delivery = pool.workers[0].next().await.unwrap().unwrap();
    assert_eq!(delivery.job(), &job(2));
    delivery.ack().await.unwrap();
    let mut parked = 0;
    while parked < 2 {
        // The waiting room is another task: it may still be at it.
        match pool.pool.take(&topology.parked).await {
            Some(message) => {
                assert_eq!(reason(&message), "a message of version 2, while this Bowline reads version 1");
                parked += 1;
            }
            None => tokio::task::yield_now().await,
        }
    }
    pool.delete().await;
}

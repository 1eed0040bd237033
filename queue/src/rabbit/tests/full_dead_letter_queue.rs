use super::private::PrivateBroker;
use crate::{FaultInjector, JobConsumer, JobPublisher, RabbitQueue, RabbitSettings, contract::job};
use serde_json::json;
use std::{fs, path::Path, time::Duration};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// Messages that are no jobs.
const OTHERS: u64 = 4;

/// Has the broker store one or two dead letters at most, and refuse further ones.
fn full(folder: &Path) {
    let definitions = json!({
        "vhosts": [{"name": "/"}],
        "users": [{"name": "guest", "password": "guest", "tags": "administrator"}],
        "permissions": [{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
        "policies": [{
            "vhost": "/", "name": "full", "pattern": "parked", "apply-to": "queues", "priority": 1,
            "definition": {"max-length": 0, "overflow": "reject-publish"},
        }],
    });
    let path = folder.join("definitions.json");
    fs::write(&path, definitions.to_string()).unwrap();
    fs::write(folder.join("more.conf"), format!("load_definitions = {}\n", path.display())).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_continues_beside_messages_that_cannot_be_dead_lettered() {
    let started = spawn_blocking(|| PrivateBroker::start(|folder| full(folder)));
    let Some(broker) = started.await.unwrap() else { return };
    let settings = RabbitSettings::new(broker.address.parse().unwrap());
    let queue = RabbitQueue::connect(settings.clone()).await.unwrap();
    let injector = FaultInjector::connect(&settings).await.unwrap();
    for _ in 0..OTHERS {
        injector.publish(b"not ours").await.unwrap();
    }
    for number in 0..3 {
        queue.publish(&job(number), "tests").await.unwrap();
    }
    let worker = queue.consumer().unwrap();
    for number in 0..3 {
        let next = timeout(Duration::from_secs(60), worker.next()).await.expect("a job comes");
        let delivery = next.unwrap().unwrap();
        assert_eq!(delivery.job(), &job(number));
        delivery.ack().await.unwrap();
    }
    worker.close().await;
    // Each message is in its queue again, or was dead-lettered in time. None is lost.
    let all_there = async {
        loop {
            let waiting = injector.waiting().await.unwrap();
            if waiting.jobs + waiting.dead_letters == OTHERS {
                return waiting;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let waiting = timeout(Duration::from_secs(30), all_there).await.expect("all are there");
    assert!(waiting.jobs > 0, "the dead-letter queue should be full: {waiting:?}");
}

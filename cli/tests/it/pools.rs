//! Runs and workers that do not meet, and what is left in queues. Skipped as the tests of `cluster.rs` are.

use crate::{
    bowline::mini8,
    cluster::{Cluster, runtime},
    process::Process,
};
use jobs::Job;
use queue::{JobPublisher, RabbitQueue, RabbitSettings};
use std::time::Duration;

fn start_worker(cluster: &Cluster, pool: &str) -> Process {
    let root = mini8();
    let own = ["worker", "--pool", pool, "--name", "w", "--threads", "1", "--root", root.to_str().unwrap()];
    Process::start(cluster.command(&own))
}

/// The coordinator's end of the cluster's queue.
async fn publisher(cluster: &Cluster) -> RabbitQueue {
    let mut settings = RabbitSettings::new(cluster.amqp.parse().unwrap());
    settings.pool = cluster.name.parse().unwrap();
    RabbitQueue::connect(settings).await.unwrap()
}

#[test]
fn run_worker_and_watch_say_at_once_that_run_and_worker_are_in_different_pools() {
    let Some(cluster) = Cluster::new("pools") else { return };
    let cpu = cluster.name.as_str();
    let a40 = format!("{}-a40", cluster.name);
    let mut worker = start_worker(&cluster, cpu);
    worker.says("waiting for jobs");
    let mut run = Process::start(cluster.command(&["run", "sweep.yaml", "--pool", &a40]));
    let said = run.says("no worker of this store takes them");
    assert!(
        said.contains(&format!("there are 1 in pool `{cpu}`")) && said.contains(&format!("--pool {a40}")),
        "{said}"
    );

    let watched = cluster.run(&["watch", "small", "--once"]).succeeds().stdout.clone();
    assert!(watched.contains(&format!("no worker in pool `{a40}`; 1 in pool `{cpu}`")), "{watched}");
    let json = cluster.run(&["watch", "small", "--once", "--json"]).succeeds().json();
    assert_eq!((&json["progress"]["pool"], &json["workers"][0]["pool"]), (&a40.as_str().into(), &cpu.into()), "{json}");
    assert!(json["workers"][0]["heard_ms_ago"].is_u64() && json["workers"][0]["clock_ahead_ms"].is_i64(), "{json}");

    // One that is started now prints it as well, and drains when its terminal is closed.
    worker.signal("HUP");
    assert_eq!(worker.ends(), Some(0), "{}", worker.said());
    assert!(worker.said().contains("draining"), "{}", worker.said());
    let mut worker = start_worker(&cluster, cpu);
    let said = worker.says("no sweep of this store runs in pool");
    assert!(said.contains(&format!("`small` in pool `{a40}`")), "{said}");
    run.signal("HUP");
    assert_eq!(run.ends(), Some(75), "{}", run.said());
}

#[test]
fn a_queue_is_empty_when_a_sweep_has_finished_whatever_was_doubled_on_the_way() {
    let Some(cluster) = Cluster::new("leftovers") else { return };
    let pool = cluster.name.as_str();
    let run = ["run", "sweep.yaml", "--pool", pool];
    let mut worker = start_worker(&cluster, pool);
    cluster.run(&run).succeeds();
    worker.signal("TERM");
    assert_eq!(worker.ends(), Some(0), "{}", worker.said());

    // Messages are duplicated while no worker takes them. The run that ends removes its own messages, and no others.
    let runtime = runtime();
    let store = cluster.store();
    let results = runtime.block_on(async { store.results().await.unwrap().collect().await.unwrap() });
    let queue = runtime.block_on(publisher(&cluster));
    let waiting = || runtime.block_on(queue.waiting()).unwrap().unwrap();
    runtime.block_on(async {
        for result in results.iter().take(3) {
            let job = Job::new(result.as_ref().unwrap().meaning.clone(), queue::contract::job(1).places);
            queue.publish(&job, "small").await.unwrap();
        }
        queue.publish(&queue::contract::job(2), "another").await.unwrap();
    });
    let ran = cluster.run(&run);
    assert!(ran.succeeds().stderr.contains("3 messages of the sweep were left in the queue"), "{}", ran.stderr);
    assert_eq!(waiting(), 1, "the other sweep's");
    runtime.block_on(queue.drop_sweep("another")).unwrap();

    // What comes back later, such as a job in its back-off, is not computed and does not stay.
    runtime.block_on(async {
        for number in [1, 1, 2] {
            queue.publish(&queue::contract::job(number), "small").await.unwrap();
        }
    });
    let mut worker = start_worker(&cluster, pool);
    let start = std::time::Instant::now();
    while waiting() > 0 {
        assert!(start.elapsed() < Duration::from_secs(120), "{}", worker.said());
    }
    worker.signal("TERM");
    assert_eq!(worker.ends(), Some(0), "{}", worker.said());
    assert!(!worker.said().contains("job failed"), "{}", worker.said());
    assert_eq!((waiting(), runtime.block_on(store.jobs_with_failures()).unwrap().len()), (0, 0));
}

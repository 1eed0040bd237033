//! Jobs that a broker has lost are published again. Skipped, with a message, if there is no RabbitMQ.

use queue::{FaultInjector, RabbitSettings};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use store::Location;
use testbed::{Broker, CoordinatorSpec, Coordinators, WorkerFleet, WorkerSpec, args::Cluster, sim::SweepSpec};
use tokio::time::{sleep, timeout};

/// Far above the time of any step, on a slow machine.
const LIMIT: Duration = Duration::from_secs(240);

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_sim-worker")).with_file_name(name)
}

fn coordinator(cluster: &Cluster, sweep: &str, scalings: u32, densities: u32, folder: &Path) -> CoordinatorSpec {
    let sweep = SweepSpec {
        sweep: sweep.to_owned(),
        seed: u64::from(scalings),
        scalings,
        densities,
        linear: false,
        racing: false,
        poison: false,
        metric: "mean_accuracy".to_owned(),
    };
    CoordinatorSpec {
        program: program("sim-coordinator"),
        cluster: cluster.clone(),
        sweep,
        arguments: Vec::new(),
        logs: folder.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_the_queue_lost_come_back_while_another_sweep_keeps_its_queue_full() {
    let folder = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start(&folder.path().join("broker")).await.unwrap() else {
        println!("skipped: no RabbitMQ can be started");
        return;
    };
    let cluster = Cluster {
        amqp: broker.address().to_owned(),
        pool: "lost".to_owned(),
        store: Location::Folder(folder.path().join("store")),
        s3_endpoint: None,
        outage_s: 120,
    };
    let worker = WorkerSpec {
        program: program("sim-worker"),
        cluster: cluster.clone(),
        arguments: vec!["--job-ms".to_owned(), "50".to_owned()],
        logs: folder.path().to_owned(),
        scratch: folder.path().to_owned(),
    };
    let large = Coordinators::start(coordinator(&cluster, "large", 100, 200, folder.path())).unwrap();
    let small = Coordinators::start(coordinator(&cluster, "small", 20, 10, folder.path())).unwrap();
    let mut settings = RabbitSettings::new(cluster.amqp.parse().unwrap());
    settings.pool = cluster.pool.parse().unwrap();
    settings.sweep = Some("small".to_owned());

    let scenario = async {
        // Before there are workers, a full window of jobs waits.
        let injector = loop {
            sleep(Duration::from_millis(50)).await;
            let Ok(injector) = FaultInjector::connect(&settings).await else { continue };
            if injector.waiting().await.is_ok_and(|counts| counts.jobs >= 64) {
                break injector;
            }
        };
        assert!(injector.purge().await.unwrap() >= 64, "the jobs of the small sweep were in the queue");
        let fleet = WorkerFleet::start(worker, 2).unwrap();
        tokio::select! {
            never = fleet.supervise() => match never.unwrap() {},
            finished = small.finish() => finished.unwrap(),
        }
        settings.sweep = Some("large".to_owned());
        FaultInjector::connect(&settings).await.unwrap().waiting().await.unwrap().jobs
    };
    let left = timeout(LIMIT, scenario).await.expect("the small sweep finishes");
    assert!(left > 0, "the queue of the large sweep is still full");
    let store = cluster.store().await.unwrap();
    assert_eq!(store.pool_sweeps("lost").await.unwrap(), ["large"], "workers look for no jobs of the finished sweep");
    let log = fs::read_to_string(folder.path().join("small-coordinator-1.log")).unwrap();
    assert!(log.contains("neither the queue nor a worker has the job; publishing it again"), "{log}");
    drop(large);
}

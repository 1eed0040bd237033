//! What a new sweep costs in requests to S3.

use crate::fake::Fake;
use coordinator::{Coordinator, Frozen, Retry, Settings, survey};
use jobs::{Digest, Sweep};
use queue::MemoryQueue;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    path::Path,
    sync::Arc,
};
use store::{
    Location, Store,
    testing::{HttpFaults, S3Server},
};
use tempfile::TempDir;
use worker::Worker;

/// A grid of 200 merges, with base and report jobs.
fn frozen() -> Frozen {
    let yaml = r"
name: fresh
base: base
tasks:
  - {name: mnist, adapter: adapters/mnist, data: data/mnist, head: heads/mnist.safetensors}
evaluation: {benchmark: per_task, select: validation, report: test}
method: grid
metric: {name: mean_accuracy}
recipe: {preset: knots_ties, density: 0.2, scaling: 0.6}
parameters:
  scaling: {min: 0.01, max: 2.0, step: 0.01}
";
    let sweep = Sweep::from_yaml(yaml, Path::new("/made-up"), &[]).unwrap();
    let mut keys = BTreeSet::from(["base".to_owned(), "joint".to_owned()]);
    for task in &sweep.tasks {
        let splits = sweep.splits().into_iter().map(|split| format!("data.{}.{split}", task.name));
        keys.extend(splits.chain([format!("adapters.{}", task.name), format!("heads.{}", task.name)]));
    }
    let digests = keys.into_iter().map(|key| (key.clone(), Digest::of(key.as_bytes()))).collect();
    Frozen::new(sweep, digests, BTreeMap::new()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_sweep_costs_three_requests_a_job() {
    let folder = TempDir::new().unwrap();
    let server = S3Server::start(folder.path(), HttpFaults::none()).await.unwrap();
    let place = Location::S3(server.bucket("bucket", "a store").unwrap());
    let store = Store::open(&place, &server.settings()).await.unwrap();
    let queue = MemoryQueue::new();
    let fake = Arc::new(Fake::new([]));
    let worker = Worker::new("w1".to_owned(), Arc::new(queue.clone()), store.clone(), fake.clone())
        .looking_ahead(Arc::new(queue.clone()));
    let settings = Settings { poll: std::time::Duration::from_secs(600), ..Settings::default() };
    let coordinator = Coordinator { publisher: Arc::new(queue.clone()), store: store.clone(), settings };
    let before = server.faults().requests();
    let resume = survey(&frozen(), &store, Retry::default()).await.unwrap();
    let running = async {
        let report = coordinator.run(frozen(), resume, &mut |_| {}, pending()).await.unwrap();
        queue.close();
        report
    };
    let (report, ended) = tokio::join!(running, worker.run_until(pending(), pending()));
    ended.unwrap();
    let requests = server.faults().requests() - before;
    let jobs = report.counts.run;
    assert!(jobs > 200 && fake.computed() as u64 == jobs, "{:?}, {} computed", report.counts, fake.computed());
    // The worker's look before it computes, its write of the result, and the coordinator's reading of it. What a sweep
    // costs beside its jobs is the same for ten jobs and for five hundred.
    assert!((3 * jobs..3 * jobs + 60).contains(&requests), "{requests} requests for {jobs} jobs");
}

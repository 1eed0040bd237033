//! Workers of the real program with a broker. Each one is restarted when it ends, as by a supervisor.

use super::{
    Unavailable,
    bench::{Bench, CaseFolder},
    ensure,
    program::Running,
};
use crate::Failure;
use coordinator::Frozen;
use jobs::{Digest, Job, Sweep};
use queue::{FaultInjector, JobPublisher, MessageCounts, RabbitQueue, RabbitSettings};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// Workers of a pool of their own, with a folder as their store.
pub(super) struct Cluster<'a> {
    bench: &'a Bench,
    case: &'a CaseFolder<'a>,
    address: String,
    pool: String,
    arguments: Vec<String>,
    workers: Vec<Supervised>,
}

struct Supervised {
    running: Running,
    starts: u32,
}

/// The time between two checks for workers that ended.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

impl<'a> Cluster<'a> {
    /// Starts workers with `arguments` in addition to those that they need.
    pub(super) fn start(
        bench: &'a Bench,
        case: &'a CaseFolder<'a>,
        workers: usize,
        arguments: &[&str],
    ) -> Result<Self, Failure> {
        let address = bench.broker().ok_or(Unavailable("no RabbitMQ can be started"))?.to_owned();
        let pool = format!("attack-{}", fastrand::u64(..));
        let arguments = arguments.iter().map(|&text| text.to_owned()).collect();
        let mut cluster = Self { bench, case, address, pool, arguments, workers: Vec::new() };
        for number in 0..workers {
            let running = cluster.worker(number, 1)?;
            cluster.workers.push(Supervised { running, starts: 1 });
        }
        // Messages that are published before the queues exist are lost.
        drop(cluster.publisher()?);
        Ok(cluster)
    }

    /// Starts `bowline run` of a sweep over the pool.
    pub(super) fn run(&self, name: &str, sweep: &Path) -> Result<Running, Failure> {
        let sweep = sweep.display().to_string();
        let args = ["run", &sweep, "--queue", &self.address, "--pool", &self.pool, "--store", "store"];
        self.case.start(name, &mut self.case.bowline(&args))
    }

    /// The store of all of them.
    pub(super) fn store(&self) -> PathBuf {
        self.case.path("store")
    }

    /// Publishes jobs of the sweep `sweep` without any check.
    pub(super) fn publish(&self, sweep: &str, jobs: &[Job]) -> Result<(), Failure> {
        let publisher = self.publisher()?;
        self.bench.block_on(async {
            for job in jobs {
                publisher.publish(job, sweep).await?;
            }
            Ok(())
        })
    }

    /// Publishes a message with any content.
    pub(super) fn publish_raw(&self, body: &[u8]) -> Result<(), Failure> {
        let settings = self.settings()?;
        self.bench.block_on(async { Ok(FaultInjector::connect(&settings).await?.publish(body).await?) })
    }

    /// What waits in the queues.
    pub(super) fn waiting(&self) -> Result<MessageCounts, Failure> {
        let settings = self.settings()?;
        self.bench.block_on(async { Ok(FaultInjector::connect(&settings).await?.waiting().await?) })
    }

    /// Restarts workers that have ended, until `is_over`; fails after `limit`.
    pub(super) fn supervise_until(
        &mut self,
        limit: Duration,
        mut is_over: impl FnMut(&Self) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        while !is_over(self)? {
            for number in 0..self.workers.len() {
                if self.workers[number].running.ended()?.is_some() {
                    let starts = self.workers[number].starts + 1;
                    self.workers[number] = Supervised { running: self.worker(number, starts)?, starts };
                }
            }
            let waiting = || self.waiting().map_or_else(|error| error.to_string(), |waiting| format!("{waiting:?}"));
            ensure(start.elapsed() < limit, || {
                format!("not over within {} s; {}; workers ended {} times", limit.as_secs(), waiting(), self.restarts())
            })?;
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Supervises until no message waits for a worker.
    pub(super) fn supervise_until_empty(&mut self, limit: Duration) -> Result<(), Failure> {
        self.supervise_until(limit, |cluster| {
            let waiting = cluster.waiting()?;
            Ok(waiting.jobs + waiting.retry == 0)
        })
    }

    /// How often workers ended by themselves.
    pub(super) fn restarts(&self) -> u32 {
        self.workers.iter().map(|worker| worker.starts - 1).sum()
    }

    /// Replaces a worker by a new one.
    pub(super) fn replace(&mut self, number: usize) -> Result<Running, Failure> {
        let starts = self.workers[number].starts + 1;
        let fresh = Supervised { running: self.worker(number, starts)?, starts };
        Ok(std::mem::replace(&mut self.workers[number], fresh).running)
    }

    /// Drains all workers, and fails unless each one ends with 0. Returns their last log lines.
    pub(super) fn stop(self, limit: Duration) -> Result<Vec<String>, Failure> {
        for worker in &self.workers {
            worker.running.signal("TERM")?;
        }
        let ended = self.workers.into_iter().map(|worker| {
            let ended = worker.running.finish(limit)?;
            ended.ends_with(&[0])?;
            Ok(ended.stderr)
        });
        ended.collect()
    }

    fn worker(&self, number: usize, start: u32) -> Result<Running, Failure> {
        let name = format!("w{number}");
        let own = ["worker", "--queue", &self.address, "--pool", &self.pool, "--store", "store", "--name", &name];
        let more = self.arguments.iter().map(String::as_str);
        let args: Vec<&str> = own.into_iter().chain(["--threads", "1"]).chain(more).collect();
        self.case.start(&format!("{name}-{start}"), &mut self.case.bowline(&args))
    }

    fn publisher(&self) -> Result<RabbitQueue, Failure> {
        let settings = self.settings()?;
        self.bench.block_on(async { Ok(RabbitQueue::connect(settings).await?) })
    }

    fn settings(&self) -> Result<RabbitSettings, Failure> {
        let mut settings = RabbitSettings::new(self.address.parse()?);
        settings.pool = self.pool.parse()?;
        "attack".clone_into(&mut settings.name);
        Ok(settings)
    }
}

/// The jobs of a sweep file as its coordinator makes them, with invented digests.
pub(super) fn frozen(sweep: &Path) -> Result<Frozen, Failure> {
    let text = std::fs::read_to_string(sweep)?;
    let sweep = Sweep::from_yaml(&text, sweep.parent().unwrap_or(Path::new("/")), &[])?;
    let mut keys = BTreeSet::from(["base".to_owned(), "joint".to_owned()]);
    for task in &sweep.tasks {
        let splits = sweep.data_splits().into_iter().map(|split| format!("data.{}.{split}", task.name));
        keys.extend(splits.chain([format!("adapters.{}", task.name), format!("heads.{}", task.name)]));
    }
    let digests = keys.into_iter().map(|key| {
        let digest = Digest::of(key.as_bytes());
        (key, digest)
    });
    Ok(Frozen::new(sweep, digests.collect(), BTreeMap::new())?)
}

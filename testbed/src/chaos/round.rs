use super::{
    Fault, Settings, reference::Reference, report::RoundReport, schedule::FaultSchedule, subfolder, targets::Targets,
    violations,
};
use crate::{
    Broker, CoordinatorSpec, Coordinators, Failure, WorkerFleet, WorkerSpec,
    args::Cluster,
    sim::{SimInput, SweepSpec},
};
use queue::{FaultInjector, RabbitSettings, proxy::Proxy};
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use store::{
    Location,
    testing::{HttpFaults, Rates, S3Server},
};
use tokio::time::{sleep, timeout};

/// The permanent fault rates of every bucket.
const RATES: Rates =
    Rates { errors: 0.02, lost: 0.01, cuts: 0.01, slow: 0.01, delay: Duration::from_millis(200), in_a_row: 3 };

/// The pause after queues are declared. RabbitMQ 3.10 that is killed sooner restores a queue without a leader, which no
/// client can repair.
const BROKER_SETTLE_TIME: Duration = Duration::from_secs(3);

/// How long workers may take to empty the queue, and to drain.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(60);

/// The file that jobs read stays changed for the time of a job and this margin.
const CHANGE_MARGIN: Duration = Duration::from_millis(100);

/// One sweep with a bucket and a pool of its own.
pub(super) struct Round {
    settings: Settings,
    sweep: SweepSpec,
    reference: Reference,
    server: S3Server,
    proxy: Proxy,
    /// The cluster through the proxy, as workers and coordinators see it.
    cluster: Cluster,
    logs: PathBuf,
    /// The folder that the server keeps its buckets in.
    bucket: PathBuf,
    schedule: FaultSchedule,
}

impl Round {
    pub(super) async fn prepare(
        settings: &Settings,
        sweep: &SweepSpec,
        number: u64,
        broker: &Broker,
    ) -> Result<Self, Failure> {
        let reference = Reference::of(sweep).await?;
        let seed = settings.seed.wrapping_add(number);
        let bucket = subfolder(&settings.folder, &format!("bucket-{number}"))?;
        let server = S3Server::start(&bucket, HttpFaults::seeded(seed, RATES)).await?;
        let proxy = Proxy::before(broker.host()).await?;
        let cluster = Cluster {
            amqp: broker.address().replace(broker.host(), &proxy.address().to_string()),
            pool: format!("chaos-{}-{seed}", std::process::id()),
            store: Location::S3(server.bucket("bowline", "sweeps")?),
            s3_endpoint: Some(server.endpoint()),
            outage_s: 120,
        };
        let mut faults = Fault::ALL.to_vec();
        faults.retain(|fault| broker.is_private() || !fault.needs_private_broker());
        Ok(Self {
            logs: subfolder(&settings.folder, &format!("logs-{number}"))?,
            settings: settings.clone(),
            sweep: sweep.clone(),
            reference,
            server,
            proxy,
            cluster,
            bucket,
            schedule: FaultSchedule::new(seed, &faults, settings.repeats),
        })
    }

    /// Runs the sweep under faults, and checks what the store holds afterwards.
    pub(super) async fn run(self, broker: &mut Broker) -> Result<RoundReport, Failure> {
        let start = Instant::now();
        let direct = Cluster { amqp: broker.address().to_owned(), ..self.cluster.clone() };
        let input = self.input();
        input.create()?;
        make_queues(&direct, &self.sweep.sweep).await?;
        let fleet = WorkerFleet::start(self.worker(), self.settings.workers)?;
        let coordinators = Coordinators::start(self.coordinator())?;
        let parts = self.parts();
        let Self { settings, reference, server, proxy, schedule, .. } = self;
        let mut targets = Targets {
            broker,
            proxy: &proxy,
            bucket: server.faults().clone(),
            fleet: &fleet,
            coordinators: &coordinators,
            reference: &reference,
            direct: direct.clone(),
            schedule,
            injected: BTreeMap::new(),
            input: &input,
            changed: settings.job + CHANGE_MARGIN,
            edited: Vec::new(),
        };
        let finished = inject_until_finished(&mut targets, settings.limit).await?;
        targets.end_faults();
        let Targets { injected, edited, .. } = targets;
        let mut report = RoundReport::new(self.sweep.sweep.clone(), injected);
        report.violations.extend(finished);
        if !edited.is_empty() && report.violations.is_empty() {
            // A compacted part may hold the result as it was before the change. Without parts the object itself is
            // read.
            remove(&parts)?;
            coordinators.add_repairing()?;
            report.violations.extend(finish_within(settings.limit, &coordinators, &fleet).await?);
        }
        let waiting = leftovers(&direct, &self.sweep.sweep, &fleet).await?;
        report.leftovers = waiting;
        report.workers = fleet.history();
        report.coordinators = coordinators.history();
        report.violations.extend(fleet.drain(LEFTOVERS_TIMEOUT).await?.into_iter().map(violations::Violation::Worker));
        report.bucket_faults = server.faults().struck();
        report.violations.extend(violations::check(&reference, &edited, &direct).await?);
        report.jobs = reference.jobs().len();
        report.poison = reference.poison();
        report.read_logs(&self.logs)?;
        report.took = start.elapsed();
        Ok(report)
    }

    /// The file that all jobs read.
    fn input(&self) -> SimInput {
        SimInput::at(self.logs.join("input"))
    }

    /// The folder in which the bucket keeps the compacted parts of the sweep.
    fn parts(&self) -> PathBuf {
        self.bucket.join("bowline/sweeps/sweeps").join(&self.sweep.sweep).join("parts")
    }

    fn worker(&self) -> WorkerSpec {
        let job_ms = self.settings.job.as_millis().to_string();
        WorkerSpec {
            program: self.settings.programs.join("sim-worker"),
            cluster: self.cluster.clone(),
            arguments: vec![
                "--job-ms".to_owned(),
                job_ms,
                "--losses".to_owned(),
                LOSSES.to_string(),
                "--job-limit-ms".to_owned(),
                JOB_LIMIT_MS.to_string(),
                "--input".to_owned(),
                self.input().path().display().to_string(),
            ],
            logs: self.logs.clone(),
            scratch: self.logs.clone(),
        }
    }

    fn coordinator(&self) -> CoordinatorSpec {
        CoordinatorSpec {
            program: self.settings.programs.join("sim-coordinator"),
            cluster: self.cluster.clone(),
            sweep: self.sweep.clone(),
            arguments: vec!["--window".to_owned(), "32".to_owned()],
            logs: self.logs.clone(),
        }
    }
}

/// The longest that a job may take: far more than a sound job takes on a loaded machine.
const JOB_LIMIT_MS: u32 = 8_000;

/// The limit of lost deliveries of a job. Faults are random, so a sound job may be lost several times.
const LOSSES: u32 = 6;

/// Declares the queues before the first worker starts, because the fault injector needs them. Each gets a foreign
/// message.
async fn make_queues(direct: &Cluster, sweep: &str) -> Result<(), Failure> {
    drop(direct.queue("chaos").await?);
    fault_injector(direct, sweep).await?.publish_everywhere(b"not of Bowline").await?;
    sleep(BROKER_SETTLE_TIME).await;
    Ok(())
}

/// Injects one fault after the other until the coordinators have finished or the time is up.
async fn inject_until_finished(
    targets: &mut Targets<'_>,
    limit: Duration,
) -> Result<Option<violations::Violation>, Failure> {
    let coordinators = targets.coordinators;
    let fleet = targets.fleet;
    let is_over = AtomicBool::new(false);
    let finishing = async {
        let finished = finish_within(limit, coordinators, fleet).await;
        is_over.store(true, Ordering::Relaxed);
        finished
    };
    let injecting = async {
        loop {
            let is_more = targets.inject_next().await?;
            if !is_more || is_over.load(Ordering::Relaxed) {
                return Ok::<_, Failure>(());
            }
        }
    };
    let (finished, injected) = tokio::join!(finishing, injecting);
    injected?;
    finished
}

/// Waits until all coordinators have finished. Ended workers are replaced until then.
async fn finish_within(
    limit: Duration,
    coordinators: &Coordinators,
    fleet: &WorkerFleet,
) -> Result<Option<violations::Violation>, Failure> {
    tokio::select! {
        finished = timeout(limit, coordinators.finish()) => match finished {
            Ok(finished) => finished.map(|()| None),
            Err(_) => Ok(Some(violations::Violation::NotFinished { limit })),
        },
        never = fleet.supervise() => match never? {},
    }
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Waits while the fleet empties the queue, which still holds jobs that were published twice. Returns what remains.
async fn leftovers(direct: &Cluster, sweep: &str, fleet: &WorkerFleet) -> Result<u64, Failure> {
    let fault_injector = fault_injector(direct, sweep).await?;
    let emptied = async {
        loop {
            let waiting = fault_injector.waiting().await?;
            if waiting.jobs + waiting.retry == 0 {
                return Ok::<_, Failure>(());
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        emptied = timeout(LEFTOVERS_TIMEOUT, emptied) => emptied.unwrap_or(Ok(()))?,
        never = fleet.supervise() => match never? {},
    }
    let waiting = fault_injector.waiting().await?;
    Ok(waiting.jobs + waiting.retry)
}

/// A fault injector for the queues of the pool and of the sweep that is connected to the broker directly.
pub(super) async fn fault_injector(direct: &Cluster, sweep: &str) -> Result<FaultInjector, Failure> {
    let mut settings = RabbitSettings::new(direct.amqp.parse()?);
    settings.pool = direct.pool.parse()?;
    settings.sweep = Some(sweep.to_owned());
    Ok(FaultInjector::connect(&settings).await?)
}

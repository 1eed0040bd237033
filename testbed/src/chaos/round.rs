use super::{Fault, Settings, deck::Deck, made, reference::Reference, report::Played, scene::Scene, verdict};
use crate::{
    Broker, CoordinatorSpec, Coordinators, Crew, Failure, WorkerSpec,
    args::Cluster,
    sim::{SimInput, SweepSpec},
};
use queue::{Meddler, RabbitSettings, proxy::Proxy};
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

/// What goes wrong with every bucket, all the time.
const RATES: Rates =
    Rates { errors: 0.02, lost: 0.01, cuts: 0.01, slow: 0.01, delay: Duration::from_millis(200), in_a_row: 3 };

/// RabbitMQ 3.10 that is killed right after it made a queue brings it back without a leader, and no client can mend that.
const SETTLING: Duration = Duration::from_secs(3);

/// How long workers may take to do what is left in the queue, and to drain.
const LEFTOVERS: Duration = Duration::from_secs(60);

/// How much longer than a job the file that jobs read stays changed.
const MARGIN: Duration = Duration::from_millis(100);

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
    deck: Deck,
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
        let bucket = made(&settings.folder, &format!("bucket-{number}"))?;
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
            logs: made(&settings.folder, &format!("logs-{number}"))?,
            settings: settings.clone(),
            sweep: sweep.clone(),
            reference,
            server,
            proxy,
            cluster,
            bucket,
            deck: Deck::new(seed, &faults, settings.deals),
        })
    }

    /// Runs the sweep under faults, and looks what it came to.
    pub(super) async fn play(self, broker: &mut Broker) -> Result<Played, Failure> {
        let start = Instant::now();
        let aside = Cluster { amqp: broker.address().to_owned(), ..self.cluster.clone() };
        let input = self.input();
        input.create()?;
        make_queues(&aside, &self.sweep.sweep).await?;
        let crew = Crew::start(self.worker(), self.settings.workers)?;
        let coordinators = Coordinators::start(self.coordinator())?;
        let parts = self.parts();
        let Self { settings, reference, server, proxy, deck, .. } = self;
        let mut scene = Scene {
            broker,
            proxy: &proxy,
            bucket: server.faults().clone(),
            crew: &crew,
            coordinators: &coordinators,
            reference: &reference,
            aside: aside.clone(),
            deck,
            struck: BTreeMap::new(),
            input: &input,
            changed: settings.job + MARGIN,
            edited: Vec::new(),
        };
        let finished = strike_until_finished(&mut scene, settings.limit).await?;
        scene.heal();
        let Scene { struck, edited, .. } = scene;
        let mut played = Played::new(self.sweep.sweep.clone(), struck);
        played.violations.extend(finished);
        if !edited.is_empty() && played.violations.is_empty() {
            // A part may hold what the object held before it was changed: only without it everybody reads the object.
            remove(&parts)?;
            coordinators.add_repairing()?;
            played.violations.extend(finish_within(settings.limit, &coordinators, &crew).await?);
        }
        let waiting = leftovers(&aside, &self.sweep.sweep, &crew).await?;
        played.leftovers = waiting;
        (played.workers, played.worker_ends) = crew.history();
        (played.coordinators, played.finished, played.coordinator_ends) = coordinators.history();
        played.violations.extend(crew.dismiss(LEFTOVERS).await?.into_iter().map(verdict::Violation::Worker));
        played.bucket_faults = server.faults().struck();
        played.violations.extend(verdict::judge(&reference, &edited, &aside).await?);
        played.jobs = reference.jobs().len();
        played.poison = reference.poison();
        played.read_logs(&self.logs)?;
        played.took = start.elapsed();
        Ok(played)
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

/// The longest that a job may take: far more than a sound one takes on a machine that has other work.
const JOB_LIMIT_MS: u32 = 8_000;

/// Workers that may be lost over a job: so many that no sound job loses them all to the faults, which strike at random.
const LOSSES: u32 = 6;

/// Makes the queues, which meddlers need before the first worker is there, with a foreign message in each.
async fn make_queues(aside: &Cluster, sweep: &str) -> Result<(), Failure> {
    drop(aside.queue("chaos").await?);
    meddler(aside, sweep).await?.publish_everywhere(b"not of Bowline").await?;
    sleep(SETTLING).await;
    Ok(())
}

/// Deals one fault after the other until the coordinators have finished, or the time is up.
async fn strike_until_finished(scene: &mut Scene<'_>, limit: Duration) -> Result<Option<verdict::Violation>, Failure> {
    let (coordinators, crew) = (scene.coordinators, scene.crew);
    let is_over = AtomicBool::new(false);
    let finishing = async {
        let finished = finish_within(limit, coordinators, crew).await;
        is_over.store(true, Ordering::Relaxed);
        finished
    };
    let striking = async {
        loop {
            let is_more = scene.go_on().await?;
            if !is_more || is_over.load(Ordering::Relaxed) {
                return Ok::<_, Failure>(());
            }
        }
    };
    let (finished, struck) = tokio::join!(finishing, striking);
    struck?;
    finished
}

/// Waits until all coordinators have finished, and replaces workers meanwhile.
async fn finish_within(
    limit: Duration,
    coordinators: &Coordinators,
    crew: &Crew,
) -> Result<Option<verdict::Violation>, Failure> {
    tokio::select! {
        finished = timeout(limit, coordinators.finish()) => match finished {
            Ok(finished) => finished.map(|()| None),
            Err(_) => Ok(Some(verdict::Violation::NotFinished { limit })),
        },
        never = crew.supervise() => match never? {},
    }
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Lets the crew do what is left in the queue, which is double or was published too often; what stays after all.
async fn leftovers(aside: &Cluster, sweep: &str, crew: &Crew) -> Result<u64, Failure> {
    let meddler = meddler(aside, sweep).await?;
    let emptied = async {
        loop {
            let waiting = meddler.waiting().await?;
            if waiting.jobs + waiting.retry == 0 {
                return Ok::<_, Failure>(());
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        emptied = timeout(LEFTOVERS, emptied) => emptied.unwrap_or(Ok(()))?,
        never = crew.supervise() => match never? {},
    }
    let waiting = meddler.waiting().await?;
    Ok(waiting.jobs + waiting.retry)
}

/// Somebody at the queues of the pool and of the sweep, by the side of the proxy.
pub(super) async fn meddler(aside: &Cluster, sweep: &str) -> Result<Meddler, Failure> {
    let mut settings = RabbitSettings::new(aside.amqp.parse()?);
    settings.pool = aside.pool.parse()?;
    settings.sweep = Some(sweep.to_owned());
    Ok(Meddler::connect(&settings).await?)
}

//! `load`: the throughput of a cluster on this machine, as a table. `scripts/load` builds and runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that a person runs")]

use clap::{Parser, Subcommand, ValueEnum};
use jobs::JobResult;
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};
use store::Store;
use testbed::{
    Broker, CoordinatorSpec, Failure, WorkerSpec,
    args::Cluster,
    load::{BesideSpec, Stored, Table, TrafficSpec, beside, busy, prepare, publish, resumed, traffic},
    log_to_stderr,
    sim::{SimulatedCard, SweepSpec},
};

#[derive(Debug, Parser)]
#[command(about = "Measures publishing, throughput, memory, resuming and how busy workers are")]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// Jobs of no work that go through the broker.
    #[arg(long, default_value_t = 100_000)]
    jobs: u32,
    /// Jobs of the large sweep.
    #[arg(long, default_value_t = 1_000_000)]
    grid: u32,
    /// The longest that the jobs of no work may take; what is done by then counts.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Workers with jobs of a second.
    #[arg(long, default_value_t = 32)]
    workers: usize,
    /// The simulated device of the part `device`: `simulated:a40` or `simulated:h200`
    #[arg(long, default_value = "simulated:a40")]
    device: SimulatedCard,
    /// Numbers of simulated devices in the part `device`, each with a worker of its own
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4])]
    devices: Vec<usize>,
    /// Jobs of each simulated device: a fast one needs more of them
    #[arg(long, default_value_t = 16)]
    device_jobs: u32,
    /// Where the stores of the part `device` lie, in a bucket that exists: `s3://bucket/prefix` [default: in the folder]
    #[arg(long, requires = "s3_endpoint")]
    bucket: Option<String>,
    /// The S3 server of the bucket
    #[arg(long, value_name = "URL", requires = "bucket")]
    s3_endpoint: Option<String>,
    /// Measure these parts only.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measurement>,
    /// An empty folder for data, fast where it lies in memory [default: a temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Reading a large sweep at its start
    Enumerate,
    /// Publishing
    Publish,
    /// Jobs of no work from end to end
    Pass,
    /// How busy workers with jobs of a second are
    Busy,
    /// A small sweep beside a large one
    Beside,
    /// How busy simulated devices are
    Device,
}

impl Args {
    fn wants(&self, measurement: Measurement) -> bool {
        self.only.is_empty() || self.only.contains(&measurement)
    }
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Fill a store with made-up results of a whole sweep, for measurements of readers
    Fill {
        #[command(flatten)]
        sweep: SweepSpec,
        /// The folder of the store.
        #[arg(long)]
        store: PathBuf,
        /// How the results are kept.
        #[arg(long, value_enum, default_value = "parts")]
        stored: Stored,
    },
    /// Survey a sweep in a process of its own, whose memory is measured
    #[command(hide = true)]
    Survey {
        #[command(flatten)]
        sweep: SweepSpec,
        #[arg(long)]
        store: PathBuf,
    },
}

/// As in `bowline`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("another TLS provider was installed before");
    }
    log_to_stderr("warn,testbed=info");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            match &args.part {
                Some(Part::Fill { sweep, store, stored }) => {
                    prepare(&Store::folder(store)?, sweep, usize::MAX, *stored).await
                }
                Some(Part::Survey { sweep, store }) => look(sweep, store).await,
                None => measure(&args).await,
            }
        })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("load: {}", jobs::error_chain(&*failure));
            ExitCode::from(70)
        }
    }
}

async fn look(sweep: &SweepSpec, store: &Path) -> Result<(), Failure> {
    let resumed = resumed(&Store::folder(store)?, sweep).await?;
    let survey = resumed.survey;
    let memory = resumed.memory.peak_bytes;
    let stored = survey.stored;
    let missing = survey.missing;
    println!("{stored} stored, {missing} missing: {:.1} s, peak {}", resumed.took.as_secs_f64(), mebibytes(memory));
    Ok(())
}

async fn measure(args: &Args) -> Result<(), Failure> {
    let temporary = tempfile::Builder::new().prefix("bowline-load-").tempdir()?;
    let folder = args.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    if std::fs::read_dir(&folder)?.next().is_some() {
        let folder = folder.display();
        return Err(format!("the folder `{folder}` is not empty: results of an earlier run would count as done").into());
    }
    let mut table = Table::default();
    if args.wants(Measurement::Enumerate) {
        enumerate(args, &folder, &mut table).await?;
    }
    if args.only == [Measurement::Enumerate] {
        println!("{table}");
        return Ok(());
    }
    match Broker::start(&folder.join("broker")).await? {
        None => println!("skipped: no RabbitMQ can be started"),
        Some(broker) => {
            let bench = Bench { broker, folder };
            if args.wants(Measurement::Publish) {
                bench.publish(args, &mut table).await?;
            }
            if args.wants(Measurement::Pass) {
                bench.pass(args, &mut table).await?;
            }
            if args.wants(Measurement::Busy) {
                bench.keep_busy(args, &mut table).await?;
            }
            if args.wants(Measurement::Beside) {
                bench.share(args, &mut table).await?;
            }
            if args.wants(Measurement::Device) {
                for workers in args.devices.iter().copied() {
                    bench.keep_device_busy(args, workers, &mut table).await?;
                }
            }
        }
    }
    println!("{table}");
    Ok(())
}

/// A large sweep at its beginning, with nine tenths done in parts, and a smaller one in single objects.
async fn enumerate(args: &Args, folder: &Path, table: &mut Table) -> Result<(), Failure> {
    let large = sweep("large", args.grid);
    let empty = folder.join("empty");
    table.add(format!("{} jobs enumerated, nothing stored", args.grid), surveyed(&large, &empty)?, "below 500 MiB");
    let parts = folder.join("parts");
    prepare(&Store::folder(&parts)?, &large, args.grid as usize / 10 * 9, Stored::Parts).await?;
    table.add(format!("{} jobs, 90 % of them in parts", args.grid), surveyed(&large, &parts)?, "below 500 MiB");
    let objects = folder.join("objects");
    let smaller = sweep("smaller", args.jobs);
    prepare(&Store::folder(&objects)?, &smaller, args.jobs as usize / 10 * 9, Stored::Objects).await?;
    table.add(format!("{} jobs, 90 % of them in objects of a folder", args.jobs), surveyed(&smaller, &objects)?, "");
    Ok(())
}

/// Surveys a sweep in a process of its own.
fn surveyed(sweep: &SweepSpec, store: &Path) -> Result<String, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("survey").args(sweep.arguments()).arg("--store").arg(store).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let said = String::from_utf8(output.stdout)?.trim().to_owned();
    println!("{}: {said}", sweep.sweep);
    Ok(said)
}

struct Bench {
    broker: Broker,
    folder: PathBuf,
}

impl Bench {
    async fn publish(&self, args: &Args, table: &mut Table) -> Result<(), Failure> {
        let own = || testbed::load::cpu_time_of(std::process::id());
        let of_broker = || self.broker.pid().map(testbed::load::cpu_time_of).unwrap_or_default();
        let sweep = sweep("published", args.jobs);
        let jobs = testbed::load::jobs_of(&sweep, args.jobs as usize)?;
        let before = own();
        let broker_before = of_broker();
        let took = publish(&self.cluster("published"), &sweep, &jobs).await?;
        let cpu = format!(
            "processor time a job: {} here, {} in the broker",
            per_job(own().saturating_sub(before), jobs.len()),
            per_job(of_broker().saturating_sub(broker_before), jobs.len())
        );
        let rate = f64::from(args.jobs) / took.as_secs_f64();
        let broker = self.broker.pid().map(|pid| testbed::load::memory_of(pid).peak_bytes);
        let figure = format!("{rate:.0} jobs/s; {cpu}; broker at most {}", mebibytes(broker.unwrap_or_default()));
        println!("published: {figure}");
        table.add(format!("{} jobs published, each confirmed", args.jobs), figure, "at least 20,000 jobs/s");
        Ok(())
    }

    async fn pass(&self, args: &Args, table: &mut Table) -> Result<(), Failure> {
        let cluster = self.cluster("passed");
        let sweep = sweep("passed", args.jobs);
        let limit = Duration::from_secs(args.seconds);
        let passed = traffic(self.traffic(&cluster, sweep, 8, Duration::ZERO, limit)?).await?;
        let done = cluster.store().await?.jobs_with_results().await?.len();
        let rate = done as f64 / passed.took.as_secs_f64();
        let end = if passed.is_finished { "" } else { ", then the time was up" };
        let figure = format!(
            "{rate:.0} jobs/s: {done} in {:.0} s{end}; processor time a job: {} in the workers, {} in the coordinator, {} in the broker",
            passed.took.as_secs_f64(),
            per_job(passed.workers_cpu, done),
            per_job(passed.coordinator_cpu, done),
            per_job(passed.broker_cpu, done)
        );
        println!("passed: {figure}");
        table.add(
            format!("{} jobs of no work, 8 workers, store in a folder", args.jobs),
            figure,
            "at least 3,000 jobs/s",
        );
        table.add("coordinator's memory meanwhile, over time", over_time(&passed.coordinator_bytes), "flat");
        table.add("broker's memory meanwhile, over time", over_time(&passed.broker_bytes), "flat");
        Ok(())
    }

    /// Jobs of ViT-B/32 on simulated devices, one for each worker.
    async fn keep_device_busy(&self, args: &Args, workers: usize, table: &mut Table) -> Result<(), Failure> {
        let card = args.device;
        let name = format!("{card}-{workers}").replace(':', "-");
        let mut cluster = self.cluster(&name);
        if let Some(bucket) = &args.bucket {
            cluster.store = format!("{bucket}/{name}").parse()?;
            cluster.s3_endpoint.clone_from(&args.s3_endpoint);
        }
        let sweep = sweep(&name, workers as u32 * args.device_jobs);
        let limit = Duration::from_secs(args.seconds);
        let mut spec = self.traffic(&cluster, sweep, workers, Duration::ZERO, limit)?;
        let device = ["--device", &card.to_string(), "--job-limit-ms", "60000"].map(str::to_owned);
        spec.worker.arguments.extend(device);
        let ran = traffic(spec).await?;
        let on_device = |result: &JobResult| Duration::from_secs_f64(result.timings.evaluate_s);
        let busy = busy(&cluster.store().await?, "validation", workers, on_device).await?;
        let figure = format!(
            "{:.1} % busy, {:.0} merges an hour ({} jobs, {:.0} s in all)",
            busy.share * 100.0,
            busy.merges_per_hour,
            busy.jobs,
            ran.took.as_secs_f64()
        );
        println!("{name}: {figure}");
        let store = if args.bucket.is_some() { "store in S3" } else { "store in a folder" };
        table.add(format!("{workers} × {card}, validations of ViT-B/32 in bf16, {store}"), figure, "at least 95 %");
        Ok(())
    }

    async fn keep_busy(&self, args: &Args, table: &mut Table) -> Result<(), Failure> {
        let job = Duration::from_secs(1);
        let jobs = args.workers as u32 * 40;
        let cluster = self.cluster("busy");
        let sweep = sweep("busy", jobs);
        let spec = self.traffic(&cluster, sweep, args.workers, job, Duration::from_secs(args.seconds))?;
        let ran = traffic(spec).await?;
        let busy = busy(&cluster.store().await?, "validation", args.workers, |_| job).await?;
        let figure =
            format!("{:.1} % busy ({} jobs), {:.0} s in all", busy.share * 100.0, busy.jobs, ran.took.as_secs_f64());
        println!("busy: {figure}");
        table.add(format!("{} workers with jobs of 1 s", args.workers), figure, "at least 95 %");
        Ok(())
    }

    /// A search of two workers, alone and beside a sweep that keeps the queue full. Each of its jobs waits for the one
    /// before.
    async fn share(&self, args: &Args, table: &mut Table) -> Result<(), Failure> {
        let job = Duration::from_millis(200);
        let mut seconds = Vec::new();
        for has_large in [false, true] {
            let cluster = self.cluster(if has_large { "beside" } else { "alone" });
            let small = SweepSpec { linear: true, seed: 1, ..sweep("small", 100) };
            let small = self.traffic(&cluster, small, 2, job, Duration::from_secs(args.seconds))?;
            let large = self.traffic(&cluster, sweep("large", args.jobs), 2, job, small.limit)?;
            let large = has_large.then_some(large.coordinator);
            let spec = BesideSpec {
                worker: small.worker,
                workers: small.workers,
                large,
                small: small.coordinator,
                limit: small.limit,
            };
            seconds.push(beside(spec).await?.as_secs_f64());
        }
        let [alone, beside] = seconds[..] else { return Err("two measurements are needed".into()) };
        let figure = format!("{alone:.1} s alone, {beside:.1} s beside ({:.1} times)", beside / alone);
        println!("small sweep: {figure}");
        let title = format!("linear search, jobs of 0.2 s, 2 workers, beside {} jobs", args.jobs);
        table.add(title, figure, "at most 3 times");
        Ok(())
    }

    fn cluster(&self, name: &str) -> Cluster {
        Cluster {
            amqp: self.broker.address().to_owned(),
            pool: format!("load-{name}"),
            store: store::Location::Folder(self.folder.join(format!("store-{name}"))),
            s3_endpoint: None,
            outage_s: 120,
        }
    }

    fn traffic(
        &self,
        cluster: &Cluster,
        sweep: SweepSpec,
        workers: usize,
        job: Duration,
        limit: Duration,
    ) -> Result<TrafficSpec, Failure> {
        let programs = std::env::current_exe()?.parent().ok_or("this program lies in no folder")?.to_owned();
        let logs = self.folder.join(format!("logs-{}", sweep.sweep));
        std::fs::create_dir_all(&logs)?;
        let arguments = ["--heartbeat-ms", "5000", "--job-ms", &job.as_millis().to_string()].map(str::to_owned);
        let worker = WorkerSpec {
            program: programs.join("sim-worker"),
            cluster: cluster.clone(),
            arguments: arguments.to_vec(),
            logs: logs.clone(),
            scratch: logs.clone(),
        };
        let coordinator = CoordinatorSpec {
            program: programs.join("sim-coordinator"),
            cluster: cluster.clone(),
            sweep,
            arguments: vec!["--window".to_owned(), "1000".to_owned()],
            logs,
        };
        Ok(TrafficSpec { worker, workers, coordinator, broker: self.broker.pid(), limit })
    }
}

/// A grid of about `jobs` jobs.
fn sweep(name: &str, jobs: u32) -> SweepSpec {
    let densities = jobs.isqrt().max(1);
    let scalings = jobs.div_ceil(densities);
    let metric = "mean_accuracy".to_owned();
    SweepSpec {
        sweep: name.to_owned(),
        seed: u64::from(jobs),
        scalings,
        densities,
        linear: false,
        racing: false,
        poison: false,
        metric,
    }
}

/// About ten samples, evenly over time.
fn over_time(bytes: &[u64]) -> String {
    let step = bytes.len().div_ceil(10).max(1);
    let samples: Vec<_> = bytes.iter().step_by(step).chain(bytes.last()).map(|bytes| bytes >> 20).collect();
    let samples: Vec<_> = samples.iter().map(u64::to_string).collect();
    format!("{} MiB, every {step} s", samples.join(", "))
}

/// Microseconds a job.
fn per_job(time: Duration, jobs: usize) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6 / jobs.max(1) as f64)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

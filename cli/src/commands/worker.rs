use crate::{
    args,
    failure::Failure,
    interrupt::{Interrupts, ShutdownSignals},
    local::{engine, runtime, worker_inputs},
    pools,
    remote::{check_conditions, open_store, rabbit_settings},
    terminal,
    watching::Watching,
};
use inputs::Artefacts;
use queue::{JobConsumer, RabbitQueue, RabbitSettings};
use std::{process, sync::Arc, time::Duration};
use store::Key;
use telemetry::follow_trace;
use tokio::time::sleep;
use worker::{DeviceThread, Engine, Limits, Machine, Worker, WorkerEnd};

/// How often a worker stores its heartbeat.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

/// Different jobs in a row that fail for reasons of this machine before a worker ends.
const OWN_FAULTS: u32 = 3;

/// `bowline worker`: takes jobs until it is asked to end, or there are none.
pub(crate) fn run(args: &args::Worker) -> Result<(), Failure> {
    let name = name(args)?;
    let runtime = runtime()?;
    let interrupts = Interrupts::listen(&runtime);
    let watching = Watching::open(&args.listen, &runtime)?;
    let artefacts = Arc::new(Artefacts::default());
    let inputs = Arc::new(worker_inputs(args, &artefacts)?);
    let mut engine =
        engine(&args.compute, inputs)?.with_model_capacity(args.keep_models).with_metrics(watching.metrics());
    let device = engine.device().to_owned();
    let allows_commands = engine.allows_commands();
    let self_test = Arc::new(engine.self_test());
    let shown = watching.show_worker(&device, true);
    let outage = Duration::from_secs(args.outage_limit);
    let rabbit = rabbit_settings(&args.queue, &args.pool, args.store.s3.ca.as_ref(), Some(outage))?;
    let (store, queue) = runtime.block_on(async {
        let store = open_store(&args.store).await?.with_retries(outage);
        check_conditions(&store, args.conditions.unconditional_store).await?;
        let queue = RabbitQueue::connect(RabbitSettings { name: name.clone(), ..rabbit }).await?;
        Ok::<_, Failure>((store, queue))
    })?;
    artefacts.give(store.clone(), runtime.handle().clone());
    let thread = DeviceThread::start(device.clone(), Engine::versions(), move |job, stop| engine.compute(job, stop));
    let consumer = {
        let _runtime = runtime.enter();
        queue.consumer()?
    };
    let consumer = Arc::new(consumer);
    let ahead = Arc::new(consumer.second());
    let worker =
        Worker::new(name.clone(), Arc::clone(&consumer) as Arc<dyn JobConsumer>, store.clone(), Arc::new(thread))
            .looking_ahead(Arc::clone(&ahead) as Arc<dyn JobConsumer>)
            .serving(args.pool.pool.as_str(), args.keep_models)
            .with_limits(limits(args))
            .allowing_commands(allows_commands)
            .on_machine(Machine::new(machine(args), self_test).in_pool(args.pool.pool.as_str()))
            .with_metrics(watching.metrics())
            .with_traces(follow_trace)
            .with_heartbeat(HEARTBEAT);
    let worker = Arc::new(worker);
    shown.set(&worker);
    let pool = &args.pool.pool;
    terminal::note(format_args!("{name}: {device}, pool `{pool}`, store {}; waiting for jobs", store.place()));
    if let Some(warning) = runtime.block_on(pools::warning(&store, pool)) {
        terminal::note(format_args!("warning: {warning}"));
    }
    let grace = Duration::from_secs(args.grace);
    let ended = interrupts.graceful(2, |signals| {
        runtime.block_on(watching.with_heartbeat(async {
            let ended = worker.run_until(drains(signals.clone()), gives_up(signals, grace)).await;
            // The last settlement may still be in transit. It arrives before the connection ends.
            ahead.close().await;
            consumer.close().await;
            ended
        }))
    })?;
    terminal::note(match ended {
        WorkerEnd::Idle => "no job came for a while; the worker ends",
        WorkerEnd::Stopped | WorkerEnd::QueueClosed => "the worker ends",
    });
    Ok(())
}

/// Waits for the first shutdown signal. It drains the worker.
async fn drains(signals: ShutdownSignals) {
    signals.first().await;
    terminal::note("draining: the worker finishes its current job, and takes no other");
}

/// Waits for the second shutdown signal, or for the grace period after the first one.
async fn gives_up(signals: ShutdownSignals, grace: Duration) {
    let first = signals.clone();
    tokio::select! {
        () = signals.nth(2) => {}
        () = async { first.first().await; sleep(grace).await } => {}
    }
    terminal::note("returning the current job to the queue");
}

fn limits(args: &args::Worker) -> Limits {
    let wall_clock = (args.job_limit > 0).then(|| Duration::from_secs(args.job_limit));
    Limits {
        attempts: args.attempts,
        wall_clock,
        // The other half is for one more step, and for the accuracy on the selection split, which an evaluation measures as well.
        rest: wall_clock.map(|limit| limit / 2),
        loading: (args.load_limit > 0).then(|| Duration::from_secs(args.load_limit)),
        losses: args.max_losses,
        own_faults: Some(OWN_FAULTS),
        idle: args.idle_exit.map(Duration::from_secs),
        ..Limits::default()
    }
}

/// The worker's name, if a store can hold it.
fn name(args: &args::Worker) -> Result<String, Failure> {
    let name = args.name.clone().unwrap_or_else(default_name);
    if name.contains('/') || Key::new(name.as_str()).is_err() {
        let expected = "a name of letters, digits, `-`, `_` and `.` that does not begin with a dot";
        return Err(Failure::Argument { argument: "--name", value: name, expected });
    }
    Ok(name)
}

/// The host's name and the process id: different from every other live worker.
fn default_name() -> String {
    format!("{}-{}", host(), process::id())
}

/// The machine name, which stays the same when a supervisor restarts the worker: the host, and the name that it was
/// given.
fn machine(args: &args::Worker) -> String {
    match &args.name {
        Some(name) => format!("{name}@{}", host()),
        // Workers of other devices of the host have their own faults.
        None if args.compute.device != "cpu" => format!("{}@{}", args.compute.device.replace(':', "-"), host()),
        None => host(),
    }
}

/// The host's name, in letters that a key of the store may have.
fn host() -> String {
    let host: String = gethostname::gethostname()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '-' })
        .collect();
    let host = host.trim_start_matches('.');
    if host.is_empty() { "host".to_owned() } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn limits_with(more: &[&str]) -> Limits {
        let args = ["bowline", "worker", "--queue", "amqp://localhost", "--store", "s3://bucket"];
        let parsed = args::Args::parse_from(args.iter().chain(more));
        let args::Command::Worker(args) = parsed.command else { unreachable!("it is a worker") };
        limits(&args)
    }

    #[test]
    fn a_leg_rests_well_below_the_limit_of_a_job_and_only_where_there_is_one() {
        let limits = limits_with(&[]);
        assert_eq!((limits.rest, limits.wall_clock), (Some(Duration::from_secs(750)), Some(Duration::from_secs(1500))));
        let limits = limits_with(&["--job-limit", "0"]);
        assert_eq!((limits.rest, limits.wall_clock), (None, None));
    }
}

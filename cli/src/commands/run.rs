mod best;
mod events;
pub(super) mod leftovers;
mod on_end;
mod steps;
mod variants;
mod waiting;

pub(crate) use best::artefact_of;
pub(crate) use on_end::Account;

use crate::{
    args,
    commands::plan::{Reading, survey},
    failed,
    failure::{Failure, RunFailure},
    interrupt::Interrupts,
    local::{engine, inputs_beside_a_store, runtime, without_device_memory},
    progress::Progress,
    ready::{ready_all, stated},
    remote::{check_conditions, open_store, rabbit_settings},
    report, revised,
    runner::{Done, Runner},
    sweep_file::{SweepFile, read_sweeps},
    terminal,
    watching::{RunMetrics, Watching},
};
use analysis::{Frame, Results, Summary, Sweep};
use coordinator::{Counts, Frozen, Resume, Retry, Settings, Survey};
use events::EventPrinter;
use inputs::Artefacts;
use jobs::Outcome;
use on_end::Hooks;
use queue::{RabbitQueue, RabbitSettings};
use std::{sync::Arc, time::Duration};
use store::Store;
use telemetry::current_trace_parent;
use tokio::runtime::Runtime;

/// The name of the document of a sweep with what `--json` prints.
pub(crate) const SUMMARY: &str = "summary.json";

/// How long the store may be unreachable before a run ends. The queue waits for its broker for the same time.
pub(super) const OUTAGE: Duration = Duration::from_secs(300);

/// `bowline run`: the main job. Variants of a sweep file are sweeps that run one after the other.
pub(crate) fn run(args: &args::Run) -> Result<(), Failure> {
    let hooks = Hooks::of(args)?;
    let (sweeps, file) = read_sweeps(&args.sweep, &args.variant)?;
    let name = match sweeps.as_slice() {
        [sweep] => sweep.name.clone(),
        several => several.first().map(jobs::Sweep::name_in_file).unwrap_or_default().to_owned(),
    };
    let Prepared { mut session, first, later } = match Prepared::of(args, sweeps, &file) {
        Ok(prepared) => prepared,
        Err(failure) => {
            let ended = Err(failure);
            hooks.notify(&Account::of(&name), &ended);
            return ended;
        }
    };
    if !later.is_empty() {
        return variants::run(&mut session, first, later, &hooks);
    }
    let sweep = first.frozen.sweep();
    let name = sweep.name.clone();
    let is_variant = sweep.variant.is_some();
    let mut is_shown = false;
    let ended = session.run_notifying(first, &hooks, &mut |summary| {
        is_shown = true;
        print(summary, args.output.json);
    });
    if is_variant && is_shown {
        session.runner.runtime.block_on(report::renew_beside(&session.runner.store, &name));
    }
    ended
}

/// What the sweeps of a process run with.
struct Session<'a> {
    args: &'a args::Run,
    watching: Watching,
    shown: RunMetrics,
    runner: Runner,
    /// The queue of the sweep that runs, on a broker.
    queue: Option<Arc<RabbitQueue>>,
}

/// A session, and the sweeps whose inputs are checked.
struct Prepared<'a> {
    session: Session<'a>,
    first: ReadySweep,
    /// Further variants of the sweep file. What the store has of them is read again when it is their turn.
    later: Vec<Frozen>,
}

/// A sweep that can run, with what the store has of it.
struct ReadySweep {
    frozen: Frozen,
    resume: Resume,
}

impl<'a> Prepared<'a> {
    fn of(args: &'a args::Run, sweeps: Vec<jobs::Sweep>, file: &SweepFile) -> Result<Self, Failure> {
        // What can be told without a broker is told before one is waited for.
        let compute = if args.publish.queue.is_none() { Some(&args.compute) } else { None };
        let sweeps = sweeps.into_iter().map(|sweep| stated(sweep, file, compute));
        let sweeps = sweeps.collect::<Result<Vec<_>, _>>()?;
        let runtime = runtime()?;
        let interrupts = Interrupts::listen(&runtime);
        let watching = Watching::open_run(&args.listen, &args.store, &runtime)?;
        let artefacts = Arc::new(Artefacts::default());
        let inputs = Arc::new(inputs_beside_a_store(&args.store.s3, &artefacts));
        // The device is opened before anything is hashed, so that an unusable device is reported at once.
        let engine = match args.publish.queue {
            None => Some(engine(&args.compute, Arc::clone(&inputs))?),
            Some(_) => {
                without_device_memory(&args.compute)?;
                None
            }
        };
        // The same holds for a wrong address, or an unreachable broker.
        let first = sweeps.first().map(|sweep| sweep.name.clone()).unwrap_or_default();
        let queue = connect(&runtime, args, &first)?;
        let frozen = ready_all(sweeps, file, &inputs, compute)?;
        let mut ready = None;
        let mut later = Vec::new();
        for frozen in frozen {
            let sweep = surveyed(&runtime, frozen, args)?;
            revised::print(&sweep.resume.revision);
            check_size(&sweep.frozen, sweep.resume.survey, args)?;
            match &ready {
                None => ready = Some(sweep),
                Some(_) => later.push(sweep.frozen),
            }
        }
        let first_sweep = ready.unwrap_or_else(|| unreachable!("a sweep file has a sweep"));

        let store = runtime.block_on(async {
            let store = open_store(&args.store).await?.with_retries(OUTAGE);
            check_conditions(&store, args.conditions.unconditional_store).await.map(|()| store)
        })?;
        artefacts.give(store.clone(), runtime.handle().clone());
        let runner = match (engine, &queue) {
            (None, Some(queue)) => Runner::remote(runtime, interrupts, Arc::clone(queue) as Arc<_>, store),
            (Some(engine), _) => Runner::local(runtime, interrupts, engine, store, watching.metrics()),
            (None, None) => unreachable!("without a queue there is an engine"),
        };
        if let Some(worker) = runner.worker() {
            watching.show_worker(&args.compute.device, false).set(worker);
        }
        let shown = watching.run(&first, queue.as_ref().map(|queue| (args.publish.pool.pool.as_str(), queue)));
        Ok(Self { session: Session { args, watching, shown, runner, queue }, first: first_sweep, later })
    }
}

/// What the store has of a sweep.
fn surveyed(runtime: &Runtime, frozen: Frozen, args: &args::Run) -> Result<ReadySweep, Failure> {
    let reading = Reading { retry: retry(args), repair: args.repair.repair };
    let resume = runtime.block_on(survey(&frozen, &args.store, reading))?;
    let frozen = frozen.at_revision(resume.revision.number);
    Ok(ReadySweep { frozen, resume })
}

/// The broker's queue of a sweep; `None` if this process computes the jobs.
fn connect(runtime: &Runtime, args: &args::Run, sweep: &str) -> Result<Option<Arc<RabbitQueue>>, Failure> {
    match &args.publish.queue {
        Some(url) => Ok(Some(Arc::new(runtime.block_on(RabbitQueue::connect(queue_settings(url, args, sweep)?))?))),
        None => Ok(None),
    }
}

impl Session<'_> {
    /// Runs a sweep, and notifies of its end.
    fn run_notifying(
        &self,
        sweep: ReadySweep,
        hooks: &Hooks<'_>,
        show: &mut dyn FnMut(&Summary),
    ) -> Result<(), Failure> {
        let mut account = Account::of(&sweep.frozen.sweep().name);
        let ended = self.run(sweep, &mut account, show);
        hooks.notify(&account, &ended);
        ended
    }

    fn run(&self, sweep: ReadySweep, account: &mut Account, show: &mut dyn FnMut(&Summary)) -> Result<(), Failure> {
        let Self { args, runner, shown, watching, queue } = self;
        let ReadySweep { frozen, resume } = sweep;
        let ended = {
            let progress = Progress::start();
            let mut printer = EventPrinter::new(&progress, shown, account, resume.revision.number);
            let mut on_event = |event| printer.print(event);
            let pool = args.publish.remote_pool().filter(|_| !args.output.json);
            let beside = waiting::beside(watching.background(shown), &runner.store, pool);
            let beside = steps::beside(beside, runner.worker().map(Arc::as_ref), &progress);
            runner.sweep(frozen.clone(), resume, settings(args), &mut on_event, beside)
        };
        if let Some(queue) = queue.as_ref().filter(|_| leftovers::are_unwanted(&ended)) {
            runner.runtime.block_on(leftovers::clear(queue, &frozen.sweep().name));
        }
        conclude(runner, &frozen, &ended?, show, account)
    }
}

/// Stores and shows the summary of a sweep, and writes its report and its winner.
pub(super) fn conclude(
    runner: &Runner,
    frozen: &Frozen,
    done: &Done,
    show: &mut dyn FnMut(&Summary),
    account: &mut Account,
) -> Result<(), Failure> {
    let Done { outcome, counts } = done;
    let results = runner.runtime.block_on(Results::of(outcome, &runner.store));
    let jobs = Sweep::of(outcome);
    let frame = runner.runtime.block_on(Frame::of_sweeps(&runner.store, &[jobs]))?;
    let summary = Summary::of_sweep(outcome, &results, &frame, Some(counted(*counts)))?;
    account.concludes(&summary);
    show(&summary);
    let written = if runner.runtime.block_on(is_outrun(&runner.store, outcome))? {
        terminal::note("a later revision of the sweep has finished meanwhile: its summary, report and adapter stay");
        Ok(())
    } else {
        runner.runtime.block_on(runner.store.put_document(&outcome.sweep, SUMMARY, &summary))?;
        let reported = runner.runtime.block_on(report::keep(&runner.store, outcome, results, &frame));
        best::keep(runner, frozen, outcome, &summary).and(reported)
    };
    match counts.failed {
        0 => written,
        failed => {
            let corrupt = runner.runtime.block_on(failed::corrupt(&runner.store, frozen));
            let total = failed + counts.run + counts.reused;
            written.and(Err(Failure::Run(RunFailure::Jobs { failed, corrupt, total })))
        }
    }
}

/// Whether a later revision has finished, so that summary, report and adapter in the store belong to it.
async fn is_outrun(store: &Store, outcome: &Outcome) -> Result<bool, Failure> {
    let stored: Option<Outcome> = store.document(&outcome.sweep, Outcome::DOCUMENT).await?;
    Ok(stored.is_some_and(|stored| stored.revision > outcome.revision))
}

fn queue_settings(url: &args::Secret, args: &args::Run, sweep: &str) -> Result<RabbitSettings, Failure> {
    let settings = rabbit_settings(url, &args.publish.pool, args.store.s3.ca.as_ref(), None)?;
    Ok(RabbitSettings {
        name: format!("run {sweep}"),
        sweep: Some(sweep.to_owned()),
        trace_parent: Some(current_trace_parent as fn() -> _),
        ..settings
    })
}

fn retry(args: &args::Run) -> Retry {
    if args.retry_failed { Retry::Everything } else { Retry::Machines }
}

fn settings(args: &args::Run) -> Settings {
    Settings {
        window: args.window,
        retry: retry(args),
        repair: args.repair.repair,
        max_failures: args.max_failures,
        failure_streak: (args.brake > 0).then_some(args.brake),
        max_time: args.max_time,
        max_device_time: args.max_device_hours,
        writes: true,
        pool: args.publish.remote_pool().map(str::to_owned),
        priority: args.priority,
        max_workers: args.max_workers,
        ..Settings::default()
    }
}

/// Prints the size of the sweep, and refuses more jobs than the limit.
fn check_size(frozen: &Frozen, survey: Survey, args: &args::Run) -> Result<(), Failure> {
    let sweep = frozen.sweep();
    terminal::note(format_args!(
        "{}{}: {} {}, selected on `{}`, reported on `{}`\nstore {}: {} of at most {} jobs are done",
        sweep.name,
        revised::behind_name(frozen.revision()),
        sweep.tasks.len(),
        if sweep.tasks.len() == 1 { "task" } else { "tasks" },
        sweep.evaluation.select,
        sweep.evaluation.report,
        args.store.store,
        survey.stored,
        survey.bound,
    ));
    match survey.bound.saturating_sub(survey.stored) {
        jobs if jobs > args.max_jobs && !args.yes => {
            Err(Failure::Run(RunFailure::TooManyJobs { jobs, limit: args.max_jobs }))
        }
        _ => Ok(()),
    }
}

/// The counts as summaries have them.
pub(crate) fn counted(Counts { run, reused, failed }: Counts) -> analysis::Counts {
    analysis::Counts { run, reused, failed }
}

/// Prints the summary: a table, or one JSON document.
pub(crate) fn print(summary: &Summary, json: bool) {
    if json {
        terminal::data(serde_json::to_string_pretty(summary).expect("a summary is plain data"));
        return;
    }
    terminal::styled_data(format_args!("\n{}", summary.render_within(terminal::style(), terminal::width()).trim_end()));
}

mod best;
mod on_end;

use crate::{
    args,
    commands::plan::{check_inputs, survey},
    failure::Failure,
    interrupt::Interrupts,
    local::{engine, free_memory, inputs, runtime},
    needs::sized,
    progress::Progress,
    remote::{open_store, rabbit_settings},
    report,
    runner::{Done, Runner},
    sweep_file::read_sweep,
    terminal,
    watching::{RunShown, Watching},
};
use analysis::{Frame, Results, Style, Summary, Sweep};
use coordinator::{Counts, Event, Frozen, Retry, Settings, Survey};
use inputs::Inputs;
use queue::{RabbitQueue, RabbitSettings};
use std::{io::IsTerminal, sync::Arc, time::Duration};
use telemetry::current_trace_parent;

/// The document of a sweep that holds what `--json` prints.
pub(crate) const SUMMARY: &str = "summary.json";

/// How long the store may be out of reach before a run ends; the queue bears with its broker for as long.
pub(super) const OUTAGE: Duration = Duration::from_secs(300);

/// `bowline run`: the main job.
pub(crate) fn run(args: &args::Run) -> Result<(), Failure> {
    let sweep = read_sweep(&args.sweep)?;
    let name = sweep.name.clone();
    let ended = run_sweep(args, sweep);
    if let Some(command) = &args.on_end {
        on_end::tell(command, &name, &ended);
    }
    ended
}

fn run_sweep(args: &args::Run, sweep: jobs::Sweep) -> Result<(), Failure> {
    let runtime = runtime()?;
    let interrupts = Interrupts::listen(&runtime);
    let watching = Watching::open(&args.listen, &runtime)?;
    let inputs = Arc::new(inputs(&args.store.s3));
    // The device is opened before anything is hashed: what cannot work should say so at once.
    let engine = match args.queue {
        None => Some(engine(&args.compute, Arc::clone(&inputs))?),
        Some(_) => None,
    };
    // As is a wrong address, or a broker that is not there.
    let queue = match &args.queue {
        Some(url) => {
            let settings = rabbit_settings(url, &args.pool, args.store.s3.ca.as_ref(), None)?;
            let (name, trace_parent) = (format!("run {}", sweep.name), Some(current_trace_parent as fn() -> _));
            let settings = RabbitSettings { name, trace_parent, ..settings };
            Some(Arc::new(runtime.block_on(RabbitQueue::connect(settings))?))
        }
        None => None,
    };
    let frozen = coordinator::freeze(sweep, &inputs)?;
    if engine.is_some() {
        check_beforehand(frozen.sweep(), &inputs, args)?;
    }
    let resume = runtime.block_on(survey(&frozen, &args.store, retry(args)))?;
    check_size(&frozen, resume.survey, args)?;

    let store = runtime.block_on(open_store(&args.store))?.patient(OUTAGE);
    let runner = match (engine, &queue) {
        (None, Some(queue)) => Runner::remote(runtime, interrupts, Arc::clone(queue) as Arc<_>, store),
        (Some(engine), _) => Runner::local(runtime, interrupts, engine, store, watching.metrics()),
        (None, None) => unreachable!("without a queue there is an engine"),
    };
    if let Some(worker) = runner.worker() {
        watching.worker_to_come(&args.compute.device, false).is(worker);
    }
    let done = {
        let progress = Progress::start();
        let shown = watching.run(&frozen.sweep().name, queue.as_ref().map(|queue| (args.pool.pool.as_str(), queue)));
        let mut teller = Teller { progress: &progress, shown: &shown, bound: 0, done: 0 };
        let mut on_event = |event| teller.tell(event);
        runner.sweep(frozen.clone(), resume, settings(args), &mut on_event, watching.beside(&shown))?
    };
    conclude(&runner, &frozen, &inputs, &done, args.json)
}

/// Stores, prints and writes what a sweep came to.
pub(super) fn conclude(
    runner: &Runner,
    frozen: &Frozen,
    inputs: &Inputs,
    done: &Done,
    json: bool,
) -> Result<(), Failure> {
    let Done { outcome, counts } = done;
    let results = runner.runtime.block_on(Results::of(outcome, &runner.store));
    let jobs = Sweep { name: &outcome.sweep, outcome: Some(outcome) };
    let frame = runner.runtime.block_on(Frame::of_sweeps(&runner.store, &[jobs]))?;
    let summary = Summary::of_sweep(outcome, &results, &frame, Some(counted(*counts)))?;
    runner.runtime.block_on(runner.store.put_document(&outcome.sweep, SUMMARY, &summary))?;
    print(&summary, json);
    let reported = runner.runtime.block_on(report::keep(&runner.store, outcome, results, &frame));
    let written = best::write(runner, frozen, outcome, inputs, &summary).and(reported);
    match counts.failed {
        0 => written,
        failed => written.and(Err(Failure::Jobs { failed, total: failed + counts.run + counts.reused })),
    }
}

fn retry(args: &args::Run) -> Retry {
    if args.retry_failed { Retry::Everything } else { Retry::Machines }
}

fn settings(args: &args::Run) -> Settings {
    Settings {
        window: args.window,
        retry: retry(args),
        max_failures: args.max_failures,
        brake: (args.brake > 0).then_some(args.brake),
        max_time: args.max_time,
        max_device_time: args.max_device_hours,
        ..Settings::default()
    }
}

/// Refuses inputs that jobs would fail on, and a language model that does not fit, before anything is computed. On a cluster
/// workers look for themselves, and what another device has is not known.
fn check_beforehand(sweep: &jobs::Sweep, inputs: &Inputs, args: &args::Run) -> Result<(), Failure> {
    let checked = check_inputs(sweep, inputs, args.compute.threads)?;
    let available = free_memory();
    match checked.memory.map(|needs| needs.processor) {
        Some(need) if args.compute.device == "cpu" && need.total() > available => {
            Err(Failure::Memory { needed: need.in_words(), available: sized(available) })
        }
        _ => Ok(()),
    }
}

/// Says what is to come, and refuses more than was allowed, before anything is made.
fn check_size(frozen: &Frozen, survey: Survey, args: &args::Run) -> Result<(), Failure> {
    let sweep = frozen.sweep();
    terminal::note(format_args!(
        "{}: {} tasks, selected on `{}`, reported on `{}`\nstore {}: {} of at most {} jobs are done",
        sweep.name,
        sweep.tasks.len(),
        sweep.evaluation.select,
        sweep.evaluation.report,
        args.store.store,
        survey.stored,
        survey.bound,
    ));
    match survey.bound.saturating_sub(survey.stored) {
        jobs if jobs > args.max_jobs && !args.yes => Err(Failure::TooManyJobs { jobs, limit: args.max_jobs }),
        _ => Ok(()),
    }
}

/// Tells a person what happens.
struct Teller<'a> {
    progress: &'a Progress,
    shown: &'a RunShown,
    bound: u64,
    done: u64,
}

impl Teller<'_> {
    fn tell(&mut self, event: Event) {
        self.shown.note(&event);
        match event {
            Event::Plan { bound, stored } => (self.bound, self.done) = (bound, stored),
            Event::Phase(phase) => self.progress.phase(&phase.to_string()),
            Event::Published { .. } => {}
            Event::Finished { label, value, timings, is_reused, .. } => {
                self.done += 1;
                if !is_reused {
                    let value = value.map(|value| format!("{value:.4}")).unwrap_or_default();
                    let seconds = timings.load_s + timings.align_s + timings.merge_s + timings.evaluate_s;
                    self.progress.line(&format!("  {label:<52} {value:>7} {seconds:>7.1} s"));
                }
            }
            Event::Failed { label, errors, .. } => {
                self.done += 1;
                self.progress.line(&format!("  {label} failed: {}", errors.join(": ")));
            }
            Event::Best { search, value, .. } => self.progress.best(&format!("{search} {value:.4}")),
        }
        self.progress.position(self.done, self.bound);
    }
}

/// How many jobs came to what, as summaries tell it.
pub(crate) fn counted(Counts { run, reused, failed }: Counts) -> analysis::Counts {
    analysis::Counts { run, reused, failed }
}

/// Prints the summary: a table, or one JSON document.
pub(crate) fn print(summary: &Summary, json: bool) {
    if json {
        terminal::data(serde_json::to_string_pretty(summary).expect("a summary is plain data"));
        return;
    }
    let style = if std::io::stdout().is_terminal() { Style::Terminal } else { Style::Plain };
    terminal::data(format_args!("\n{}", summary.render(style).trim_end()));
}

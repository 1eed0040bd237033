use crate::{
    args,
    clock::now_ms,
    commands::{
        failures::frozen,
        run::{Account, OUTAGE, conclude},
    },
    failure::Failure,
    interrupt::Interrupts,
    local::{engine, inputs, runtime},
    progress::Progress,
    remote::{existing_store, rabbit_settings},
    runner::Runner,
};
use coordinator::{Event, Retry, Settings};
use jobs::Finish;
use queue::{RabbitQueue, RabbitSettings};
use std::{future::pending, sync::Arc};
use worker::Metrics;

/// `bowline finish`: ends the searches of a sweep where they are, and does what is left of it.
///
/// The wish stays in the store, so that a run under way ends its searches as well. The next `bowline run` goes on with them.
pub(crate) fn run(args: &args::Finish) -> Result<(), Failure> {
    let runtime = runtime()?;
    let interrupts = Interrupts::listen(&runtime);
    let store = runtime.block_on(existing_store(&args.store))?.with_retries(OUTAGE);
    let frozen = runtime.block_on(frozen(&store, &args.name))?;
    let inputs = Arc::new(inputs(&args.store.s3));
    let resume = runtime.block_on(coordinator::survey(&frozen, &store, Retry::Machines))?;
    // A run has begun a later one since: this one is not begun again.
    if resume.revised.is_new {
        let sweep = args.name.clone();
        let revision = frozen.revision();
        let newest = resume.revised.number - 1;
        return Err(coordinator::CoordinatorError::Overtaken { sweep, revision, newest }.into());
    }
    let runner = match &args.queue {
        Some(url) => {
            let settings = rabbit_settings(url, &args.pool, args.store.s3.ca.as_ref(), None)?;
            let settings = RabbitSettings { name: format!("finish {}", args.name), ..settings };
            let queue = runtime.block_on(RabbitQueue::connect(settings))?;
            Runner::remote(runtime, interrupts, Arc::new(queue), store)
        }
        None => {
            let engine = engine(&args.compute, Arc::clone(&inputs))?;
            Runner::local(runtime, interrupts, engine, store, Metrics::default())
        }
    };
    let wish = Finish::new(frozen.revision(), now_ms());
    runner.runtime.block_on(runner.store.put_document(&args.name, Finish::DOCUMENT, &wish))?;
    let done = {
        let progress = Progress::start();
        let mut on_event = |event| match event {
            Event::Phase(phase) => progress.phase(&phase.to_string()),
            Event::Failed { label, errors, .. } => progress.line(&format!("  {label} failed: {}", errors.join(": "))),
            _ => {}
        };
        let pool = args.queue.as_ref().map(|_| args.pool.pool.clone());
        let settings = Settings { finish: true, pool, ..Settings::default() };
        runner.sweep(frozen.clone(), resume, settings, &mut on_event, pending())?
    };
    conclude(&runner, &frozen, &inputs, &done, args.json, &mut Account::of(&args.name))
}

use crate::{
    args,
    clock::now_ms,
    commands::{
        failures::frozen,
        run::{Account, OUTAGE, conclude, leftovers, print},
    },
    failure::Failure,
    interrupt::Interrupts,
    local::{engine, inputs_beside_a_store, runtime, without_device_memory},
    progress::Progress,
    ready::check_commands,
    remote::{check_conditions, existing_store, rabbit_settings},
    report,
    runner::Runner,
};
use analysis::Summary;
use coordinator::{Event, Retry, Settings};
use inputs::Artefacts;
use jobs::Finish;
use queue::{RabbitQueue, RabbitSettings};
use std::{future::pending, sync::Arc};
use worker::Metrics;

/// `bowline finish`: ends the searches of a sweep now, and completes the rest.
///
/// The request stays in the store, so that an active run ends its searches as well. The next `bowline run` resumes
/// them.
pub(crate) fn run(args: &args::Finish) -> Result<(), Failure> {
    let runtime = runtime()?;
    let interrupts = Interrupts::listen(&runtime);
    let store = runtime.block_on(async {
        let store = existing_store(&args.sweep.store).await?.with_retries(OUTAGE);
        check_conditions(&store, args.conditions.unconditional_store).await.map(|()| store)
    })?;
    let frozen = runtime.block_on(frozen(&store, &args.sweep.name))?;
    let artefacts = Arc::new(Artefacts::default());
    artefacts.give(store.clone(), runtime.handle().clone());
    let inputs = Arc::new(inputs_beside_a_store(&args.sweep.store.s3, &artefacts));
    let resume = runtime.block_on(coordinator::survey(&frozen, &store, Retry::Machines))?;
    // A run has begun a later revision since. This one is not begun again.
    if resume.revision.is_new {
        let sweep = args.sweep.name.clone();
        let revision = frozen.revision();
        let newest = resume.revision.number - 1;
        return Err(coordinator::CoordinatorError::Superseded { sweep, revision, newest }.into());
    }
    let queue = match rabbit(args)? {
        Some(settings) => {
            without_device_memory(&args.compute)?;
            Some(Arc::new(runtime.block_on(RabbitQueue::connect(settings))?))
        }
        None => None,
    };
    let runner = match &queue {
        Some(queue) => Runner::remote(runtime, interrupts, Arc::clone(queue) as Arc<_>, store),
        None => {
            check_commands(frozen.sweep(), &args.compute)?;
            let engine = engine(&args.compute, Arc::clone(&inputs))?;
            Runner::local(runtime, interrupts, engine, store, Metrics::default())
        }
    };
    let request = Finish::new(frozen.revision(), now_ms());
    runner.runtime.block_on(runner.store.put_document(&args.sweep.name, Finish::DOCUMENT, &request))?;
    let ended = {
        let progress = Progress::start();
        let mut on_event = |event| match event {
            Event::Phase(phase) => progress.phase(&phase.to_string()),
            Event::Failed { label, errors, .. } | Event::NotWritten { label, errors, .. } => {
                progress.line(&format!("  {label} failed: {}", errors.join(": ")))
            }
            Event::Revision(_)
            | Event::Plan { .. }
            | Event::Published { .. }
            | Event::Finished { .. }
            | Event::Written { .. }
            | Event::WeakAdapter(_)
            | Event::Best { .. } => {}
        };
        let pool = args.publish.remote_pool().map(str::to_owned);
        let settings = Settings { finish: true, writes: true, pool, ..Settings::default() };
        runner.sweep(frozen.clone(), resume, settings, &mut on_event, pending())
    };
    if let Some(queue) = queue.as_ref().filter(|_| leftovers::are_unwanted(&ended)) {
        runner.runtime.block_on(leftovers::clear(queue, &args.sweep.name));
    }
    let mut show = |summary: &Summary| print(summary, args.output.json);
    let ended = conclude(&runner, &frozen, &ended?, &mut show, &mut Account::of(&args.sweep.name));
    runner.runtime.block_on(report::renew_beside(&runner.store, &args.sweep.name));
    ended
}

/// The settings of the broker, if there is one.
fn rabbit(args: &args::Finish) -> Result<Option<RabbitSettings>, Failure> {
    let Some(url) = &args.publish.queue else { return Ok(None) };
    let settings = rabbit_settings(url, &args.publish.pool, args.sweep.store.s3.ca.as_ref(), None)?;
    let name = format!("finish {}", args.sweep.name);
    Ok(Some(RabbitSettings { name, sweep: Some(args.sweep.name.clone()), ..settings }))
}

use crate::{
    args,
    clock::now_ms,
    failure::{Failure, StoredFailure},
    local::runtime,
    remote::{existing_store, rabbit_settings},
    revised, terminal,
};
use jobs::Cancellation;
use queue::RabbitQueue;
use store::{Store, StoreError};

/// `bowline cancel`: drops the remaining jobs of a sweep, or undoes that.
pub(crate) fn run(args: &args::Cancel) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let name = &args.sweep.name;
        if let Some(url) = args.broker.queue.as_ref().filter(|_| !args.undo) {
            let settings = rabbit_settings(url, &args.broker.pool, args.sweep.store.s3.ca.as_ref(), None)?;
            let dropped = RabbitQueue::connect(settings).await?.drop_sweep(name).await?;
            terminal::note(format_args!("`{}`: {dropped} jobs were in the queue, and are dropped", jobs::escaped(name)));
        }
        let store = match existing_store(&args.sweep.store).await {
            Ok(store) => store,
            // Only the queue had to be cleared.
            Err(Failure::Store(error)) if args.broker.queue.is_some() && !args.undo => {
                terminal::note(format_args!("warning: {}", jobs::error_line(&error)));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if args.undo {
            return undo(&store, name).await;
        }
        let revision = newest_revision(&store, name).await?;
        let is_known = revision > 0;
        // Workers look for the mark before they look for the sweep: jobs of a removed sweep are dropped as well. The
        // mark of a removed sweep covers no revision, so that a new sweep of the name runs.
        if is_known || (args.broker.queue.is_some() && jobs::is_name(name)) {
            let cancellation = Cancellation::new(revision, args.now, now_ms());
            store.put_document(name, Cancellation::DOCUMENT, &cancellation).await?;
        }
        // An active run announces the sweep to workers until it has seen the mark.
        store.remove_pool_entries(name).await?;
        if !is_known {
            return match args.broker.queue {
                Some(_) => Ok(()),
                None => Err(Failure::Stored(StoredFailure::NoSweep { name: name.clone(), store: store.place() })),
            };
        }
        let running = if args.now { "stop" } else { "finish" };
        terminal::note(format_args!(
            "{name}{} is cancelled: its coordinator ends within seconds, workers drop what is left, running jobs {running}\n\
             results stay; `bowline cancel --undo {name}` takes it back",
            revised::behind_name(revision)
        ));
        Ok(())
    })
}

async fn undo(store: &Store, name: &String) -> Result<(), Failure> {
    if newest_revision(store, name).await? == 0 {
        return Err(Failure::Stored(StoredFailure::NoSweep { name: name.clone(), store: store.place() }));
    }
    store.delete_document(name, Cancellation::DOCUMENT).await?;
    terminal::note(format_args!("{name} is no longer cancelled: `bowline run` resumes it"));
    Ok(())
}

/// The newest revision of the sweep of this name; 0 if the store holds none, or the name is not valid.
async fn newest_revision(store: &Store, name: &str) -> Result<u32, Failure> {
    match store.newest_revision(name).await {
        Ok(revision) => Ok(revision),
        Err(StoreError::Key(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

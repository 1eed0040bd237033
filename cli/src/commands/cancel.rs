use crate::{args, clock::now_ms, failure::Failure, local::runtime, remote::existing_store, revised, terminal};
use jobs::Cancellation;

/// `bowline cancel`: drops what is left of a sweep, or takes that back.
pub(crate) fn run(args: &args::Cancel) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let store = existing_store(&args.store).await?;
        let name = &args.name;
        // A sweep whose manifest is broken can be cancelled like any: no manifest is read.
        let revision = store.newest_revision(name).await?;
        if revision == 0 {
            return Err(Failure::NoSweep { name: name.clone(), store: store.place() });
        }
        if args.undo {
            store.delete_document(name, Cancellation::DOCUMENT).await?;
            terminal::note(format_args!("{name} is wanted again: `bowline run` goes on with it"));
            return Ok(());
        }
        let cancellation = Cancellation::new(revision, args.now, now_ms());
        store.put_document(name, Cancellation::DOCUMENT, &cancellation).await?;
        let running = if args.now { "stop" } else { "come to their end" };
        terminal::note(format_args!(
            "{name}{} is cancelled: its coordinator ends within seconds, workers drop what is left, running jobs {running}\n\
             results stay; `bowline cancel --undo {name}` takes it back",
            revised::behind_name(revision)
        ));
        Ok(())
    })
}

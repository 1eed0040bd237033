use crate::{args, clock::now_ms, failure::Failure, local::runtime, remote::existing_store, terminal};
use jobs::{Cancellation, Manifest};

/// `bowline cancel`: drops what is left of a sweep, or takes that back.
pub(crate) fn run(args: &args::Cancel) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let store = existing_store(&args.store).await?;
        let name = &args.name;
        match store.manifest::<Manifest>(name).await {
            Ok(None) => return Err(Failure::NoSweep { name: name.clone(), store: store.place() }),
            // A sweep whose manifest is broken can be cancelled like any.
            Err(error) if !error.is_of_one_object() => return Err(error.into()),
            Ok(Some(_)) | Err(_) => {}
        }
        if args.undo {
            store.delete_document(name, Cancellation::DOCUMENT).await?;
            terminal::note(format_args!("{name} is wanted again: `bowline run` goes on with it"));
            return Ok(());
        }
        let cancellation = Cancellation::new(args.now, now_ms());
        store.put_document(name, Cancellation::DOCUMENT, &cancellation).await?;
        let running = if args.now { "stop" } else { "come to their end" };
        terminal::note(format_args!(
            "{name} is cancelled: its coordinator ends within seconds, workers drop what is left, running jobs {running}\n\
             results stay; `bowline cancel --undo {name}` takes it back"
        ));
        Ok(())
    })
}

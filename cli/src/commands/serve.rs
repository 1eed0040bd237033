//! `bowline serve`: the reports of a store in a browser.

mod index;
mod live;

pub(crate) use live::LivePages;

use crate::{args, failure::Failure, interrupt::Interrupts, local::runtime, remote::existing_store_at, terminal};
use std::{sync::Arc, time::Duration};
use telemetry::HttpServer;

/// Serves the pages until a signal ends it.
pub(crate) fn run(args: &args::Serve) -> Result<(), Failure> {
    let runtime = runtime()?;
    let interrupts = Interrupts::listen(&runtime);
    interrupts.graceful(1, |signals| {
        runtime.block_on(async {
            tokio::select! {
                ended = serve(args) => ended,
                // Ending a server is no failure.
                () = signals.first() => Ok(()),
            }
        })
    })
}

async fn serve(args: &args::Serve) -> Result<(), Failure> {
    let store = existing_store_at(&args.store, &args.s3).await?;
    let place = store.place();
    let pages = LivePages::new(store, Duration::from_secs(args.refresh));
    let server = HttpServer::open(args.listen, Arc::new(pages)).await?;
    terminal::data(format_args!("http://{}/ shows the reports of {place}; Ctrl-C ends it", server.address()));
    if !args.listen.ip().is_loopback() {
        terminal::note("warning: whoever reaches this address can read all reports of the store; there is no password");
    }
    std::future::pending().await
}

//! The live page of a run.

use crate::{args::StoreArgs, commands::serve::LivePages, failure::Failure, remote::existing_store, terminal};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use telemetry::{Endpoint, Page, Pages, ProcessStatus};
use tokio::{
    runtime::{Builder, Runtime},
    sync::OnceCell,
};

/// How often a browser loads the page again; `bowline serve` does the same without `--refresh`.
const REFRESH: Duration = Duration::from_secs(10);

/// Serves the status of a process and the reports of its store, on threads of its own.
///
/// A page of a large sweep takes seconds to make. On the threads of the run it would delay jobs and heartbeats, and a
/// connection to S3 that was opened there would wait for them.
#[derive(Debug)]
pub(super) struct PageServer {
    endpoint: Option<Endpoint>,
    runtime: Option<Runtime>,
}

impl PageServer {
    pub(super) fn open(address: SocketAddr, status: Arc<ProcessStatus>, store: &StoreArgs) -> Result<Self, Failure> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("pages")
            .enable_all()
            .build()
            .map_err(Failure::Runtime)?;
        let pages = RunPages { store: store.clone(), live: OnceCell::new() };
        let endpoint = runtime.block_on(Endpoint::open_beside(address, status, pages))?;
        let address = endpoint.address();
        terminal::note(format_args!("http://{address}: the live report at /, and /metrics, /healthz, /readyz"));
        Ok(Self { endpoint: Some(endpoint), runtime: Some(runtime) })
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.endpoint = None;
        // Nobody waits for a page that is being made.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The reports of the store of a run, which opens it after this server.
struct RunPages {
    store: StoreArgs,
    live: OnceCell<LivePages>,
}

impl Pages for RunPages {
    fn needs_own_name(&self, _path: &str) -> bool {
        true
    }

    async fn page(&self, path: &str) -> Page {
        let open = async || existing_store(&self.store).await.map(|store| LivePages::new(store, REFRESH));
        match self.live.get_or_try_init(open).await {
            Ok(live) => live.page(path).await,
            Err(failure) => Page {
                refresh_s: Some(REFRESH.as_secs()),
                ..Page::line(503, &format!("not yet: {}", jobs::escaped(&jobs::error_line(&failure))))
            },
        }
    }
}

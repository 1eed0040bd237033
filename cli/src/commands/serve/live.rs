use super::index::index;
use crate::{
    analysed::{Analysed, AnalysedStore},
    clock::{now_ms, span},
    failure::Failure,
    report,
};
use analysis::{Cell, Chart, Column, ColumnKind, Sweeps, Table, TableRow};
use jobs::{WorkerState, WorkerStatus};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use store::Store;
use telemetry::{Page, Pages};
use tokio::sync::Mutex;

/// A page is made again at the earliest after so many times as long as it took to make.
const PAUSE: u32 = 4;
/// A worker that was silent for longer is not shown.
const HIDDEN_AFTER: Duration = Duration::from_secs(3600);
/// The number of best merges in a report.
const TOP: u32 = 10;

/// The list of the sweeps of a store, and a page for each.
pub(crate) struct LivePages {
    store: Store,
    refresh: Duration,
    made: Mutex<HashMap<String, Arc<Mutex<Option<MadePage>>>>>,
}

/// A page, and how long it may be shown.
struct MadePage {
    page: Page,
    until: Instant,
}

impl LivePages {
    pub(crate) fn new(store: Store, refresh: Duration) -> Self {
        Self { store, refresh, made: Mutex::default() }
    }

    /// The page of a path; it is made again if it is older than the time after which browsers ask for it.
    async fn made(&self, path: &str) -> Page {
        let slot = Arc::clone(self.made.lock().await.entry(path.to_owned()).or_default());
        // Browsers that ask at the same time wait for the one page.
        let mut slot = slot.lock().await;
        if let Some(made) = slot.as_ref().filter(|made| Instant::now() < made.until) {
            return made.page.clone();
        }
        let begin = Instant::now();
        let page = self.make(path).await.unwrap_or_else(|failure| Page {
            refresh_s: Some(self.refresh.as_secs()),
            ..Page::line(503, &jobs::escaped(&jobs::error_line(&failure)))
        });
        let pause = self.refresh.max(begin.elapsed() * PAUSE);
        *slot = Some(MadePage { page: page.clone(), until: Instant::now() + pause });
        page
    }

    async fn make(&self, path: &str) -> Result<Page, Failure> {
        let Some(name) = path.strip_prefix("/sweeps/") else {
            let html = index(&self.store).await?;
            return Ok(Page { refresh_s: Some(self.refresh.as_secs()), ..Page::html(html) });
        };
        let sweeps = Sweeps::open_exactly(&self.store, &[name.to_owned()]).await?;
        let AnalysedStore { frame, sweeps, notes, .. } = AnalysedStore::read(&self.store, sweeps, TOP).await?;
        let Some(mut sweep) = sweeps.into_iter().next() else {
            let why = notes.first().map_or("nothing of this sweep can be shown yet", String::as_str);
            return Ok(Page { refresh_s: Some(self.refresh.as_secs()), ..Page::line(200, &jobs::escaped(why)) });
        };
        let is_running = sweep.summary.so_far.is_some();
        if is_running {
            self.add_workers(&mut sweep).await?;
        }
        let mut charts = Chart::all(&frame, &sweep.summary)?;
        charts.extend(sweep.other_charts.iter().cloned());
        let html = report::page(&self.store, &frame, &sweep, &charts).await;
        Ok(Page { refresh_s: is_running.then_some(self.refresh.as_secs()), ..Page::html(html) })
    }

    /// Adds a table of the workers of the store.
    async fn add_workers(&self, sweep: &mut Analysed) -> Result<(), Failure> {
        let now = now_ms();
        let mut rows = Vec::new();
        let workers = self.store.dated_workers::<WorkerStatus>().await?;
        // One that cannot be read is written again within seconds.
        for dated in workers.into_iter().filter_map(|(_, dated)| dated.ok()) {
            let age = dated.age(dated.content.beat_ms, now);
            if age > HIDDEN_AFTER {
                continue;
            }
            let worker = dated.content;
            let state = match worker.state {
                WorkerState::Idle => "idle",
                WorkerState::Busy => "busy",
                WorkerState::Draining => "draining",
            };
            let job = worker.job.as_ref().map_or_else(String::new, |job| job.job.short());
            let cells = vec![
                Cell::Text(worker.worker.clone()),
                Cell::Text(state.to_owned()),
                Cell::Text(job),
                Cell::Text(format!("{} ago", span(age.as_secs_f64()))),
            ];
            rows.push(TableRow { is_chosen: false, cells });
        }
        let names = ["worker", "state", "job", "last heartbeat"];
        let columns = names.map(|name| Column::new(name, ColumnKind::Text)).into();
        let notes = if rows.is_empty() {
            vec!["no worker has a recent heartbeat in this store".to_owned()]
        } else {
            Vec::new()
        };
        let table =
            Table { name: "workers".to_owned(), title: "workers of the store".to_owned(), columns, rows, notes };
        sweep.tables.push(table);
        Ok(())
    }
}

impl Pages for LivePages {
    fn needs_own_name(&self, _path: &str) -> bool {
        true
    }

    async fn page(&self, path: &str) -> Page {
        let name = path.strip_prefix("/sweeps/");
        if path != "/" && !name.is_some_and(jobs::is_name) {
            return Page::line(404, "there are / and /sweeps/NAME");
        }
        // Names of no sweep take no memory.
        if let Some(name) = name {
            match self.store.newest_revision(name).await {
                Ok(0) => return Page::line(404, "the store has no sweep of this name; see /"),
                Ok(_) => {}
                Err(error) => return Page::line(503, &jobs::escaped(&jobs::error_line(&error))),
            }
        }
        self.made(path).await
    }
}

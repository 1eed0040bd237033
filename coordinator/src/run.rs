mod brake;
mod drive;
mod fleet;
mod hearing;
mod keeping;
mod lost;
mod tally;
#[cfg(test)]
mod tests;

use crate::{CoordinatorError, Ended, Event, Frozen, Report, Resume, Retry};
pub use brake::Stopped;

use drive::Drive;
use queue::JobPublisher;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::Store;

/// The document of a sweep that holds its [`Outcome`](jobs::Outcome).
pub const OUTCOME: &str = jobs::Outcome::DOCUMENT;

/// Jobs in a row that may fail for the same reason before a run ends.
pub const DEFAULT_BRAKE: u64 = 20;

/// The shell around a [`Course`](crate::Course): publishes what it wants and follows the store.
///
/// It decides nothing and keeps nothing: what is done is in the store. Two coordinators of one sweep do no harm; a job
/// that both publish is computed once, as far as workers look before they compute, and stored once in any case. Where the two
/// mean different things, the second one makes a revision of the sweep, and the first one ends as soon as it sees that.
#[derive(Debug, Clone)]
pub struct Coordinator {
    /// Where jobs go, and who tells what was settled.
    pub publisher: Arc<dyn JobPublisher>,
    /// Where results come from.
    pub store: Store,
    /// How it goes about it.
    pub settings: Settings,
}

/// How a coordinator goes about a sweep.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most jobs published and not answered; at least 1. It grows to four for each worker that is seen.
    pub window: usize,
    /// How often the store is asked for jobs that nobody has told of.
    pub poll: Duration,
    /// How often the coordinator tells of itself, and looks whether the sweep was cancelled.
    pub tick: Duration,
    /// How long the queue may be empty, with no worker at a job, before the job counts as lost and is published again.
    pub lost_after: Duration,
    /// What is published again of what failed for good before, instead of counting it as failed.
    pub retry: Retry,
    /// Set corrupt results aside and publish their jobs again, instead of counting them as failed.
    pub repair: bool,
    /// Jobs in a row that may fail for the same reason before the run ends, as it does when the base model itself fails. `None`
    /// goes on.
    pub brake: Option<u64>,
    /// End the searches where they are, with the best of what is known.
    pub finish: bool,
    /// How long the run may take. `None` for ever.
    pub max_time: Option<Duration>,
    /// How long the jobs of the sweep may compute in all, as far as its runs waited for them. `None` for ever.
    pub max_device_time: Option<Duration>,
    /// The most jobs that may fail; with one more the run ends. `None` goes on whatever fails.
    pub max_failures: Option<u64>,
    /// Versions of the programs involved, for the manifest.
    pub versions: BTreeMap<String, String>,
    /// The pool whose workers the publisher hands jobs to; `None` where they are computed in this process.
    pub pool: Option<String>,
    /// Have the winner written at the end, as an artefact, where an adapter can hold it.
    pub writes: bool,
    /// Jobs of the sweep of the pool with the highest priority go first.
    pub priority: i32,
    /// The most workers of the pool that take jobs of the sweep at a time; `None` for all.
    pub max_workers: Option<u32>,
    /// Whether the store keeps the sweep: what it is, how far it has come, and what it came to. Without it there is no such sweep
    /// in the store, and nobody can follow or cancel it; its results are stored as any.
    pub is_kept: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: 64,
            poll: Duration::from_secs(2),
            tick: Duration::from_secs(5),
            lost_after: Duration::from_secs(120),
            retry: Retry::default(),
            repair: false,
            brake: Some(DEFAULT_BRAKE),
            finish: false,
            max_time: None,
            max_device_time: None,
            max_failures: None,
            versions: BTreeMap::new(),
            pool: None,
            writes: false,
            priority: 0,
            max_workers: None,
            is_kept: true,
        }
    }
}

impl Coordinator {
    /// Runs the sweep from where it stands to its end, or until `stop` resolves; tells `on_event` what happens.
    ///
    /// `resume` is what a [`survey`](crate::survey()) of this sweep in this store told. Cancel safe, as far as anything
    /// is lost: started again, it goes on.
    ///
    /// # Errors
    /// A sweep of the same name in the store that has nothing to do with this one, a later revision that another run has begun
    /// meanwhile, a sweep that was cancelled, a metric that cannot be computed, a queue
    /// or store out of reach. Failed jobs are no error: they are counted. A job whose stored result is corrupt is one of them,
    /// unless [`Settings::repair`] has it computed again.
    pub async fn run(
        &self,
        frozen: Frozen,
        resume: Resume,
        on_event: &mut (dyn FnMut(Event) + Send),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Report, CoordinatorError> {
        let mut drive = Drive::begin(self, frozen, resume, on_event)?;
        let ended = tokio::select! {
            biased;
            () = stop => Ok(Ended::Interrupted),
            ended = drive.drive() => ended,
        };
        drive.end(&ended).await;
        Ok(Report { ended: ended?, counts: drive.counts() })
    }
}

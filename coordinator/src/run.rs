mod circuit_breaker;
mod documents;
mod execute;
mod final_documents;
mod fleet;
mod liveness;
mod outstanding;
mod progress;
mod publishing;
mod repair;
mod settings;
mod state;
mod sweep_run;
#[cfg(test)]
mod tests;

pub use settings::{DEFAULT_FAILURE_STREAK, Settings};

use crate::{CoordinatorError, Ended, Event, Frozen, Resume, RunEnd};
use queue::JobPublisher;
use std::sync::Arc;
use store::Store;
use sweep_run::{Services, SweepRun};

/// The name of the document of a sweep that holds its [`Outcome`](jobs::Outcome).
pub const OUTCOME: &str = jobs::Outcome::DOCUMENT;

/// The shell around a [`SweepPlan`](crate::SweepPlan): it publishes the jobs of the plan and follows the store.
///
/// It keeps nothing: everything done is in the store. Two coordinators of one sweep do no harm. A job that both publish
/// is stored once, and computed once if the second worker looks before it computes. If the two have different sweep
/// files or inputs, the second one makes a revision of the sweep, and the first one ends when it sees the revision.
#[derive(Debug, Clone)]
pub struct Coordinator {
    /// Publishes jobs, and receives the announcements of settled jobs.
    pub publisher: Arc<dyn JobPublisher>,
    /// Holds the results.
    pub store: Store,
    /// The settings of the run.
    pub settings: Settings,
}

impl Coordinator {
    /// Runs the sweep from its stored state to its end, or until `stop` resolves. Calls `on_event` with every event.
    ///
    /// `resume` is the result of a [`survey`](crate::survey()) of this sweep in this store. Cancel safe: nothing is
    /// lost, and the next run resumes the sweep.
    ///
    /// # Errors
    /// The store holds an unrelated sweep of the same name; another run has made a later revision; the sweep was
    /// cancelled; the metric cannot be computed; the queue or the store is unreachable. Failed jobs are counted, and
    /// are no error. A job whose stored result is corrupt counts as failed, unless [`Settings::repair`] is set.
    pub async fn run(
        &self,
        frozen: Frozen,
        resume: Resume,
        on_event: &mut (dyn FnMut(Event) + Send),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<RunEnd, CoordinatorError> {
        let services = Services { publisher: &*self.publisher, store: &self.store, settings: &self.settings };
        let mut run = SweepRun::new(services, frozen, resume, on_event)?;
        let ended = tokio::select! {
            biased;
            () = stop => Ok(Ended::Interrupted),
            ended = run.execute() => ended,
        };
        run.end(&ended).await;
        Ok(RunEnd { ended: ended?, counts: run.state.counts() })
    }
}
